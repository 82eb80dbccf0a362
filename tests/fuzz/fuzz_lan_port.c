/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an edge asks a gateway for, and what it answers: what is accepted means the same after it
 * was built anew.
 */
#include "fuzz.h"
#include "sallyport/err.h"
#include "sallyport/lan_port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[SP_LAN_PORT_QUESTION_MAX];
    struct sp_addr addrs[SP_LAN_PORT_ADDRS_MAX];
    struct sp_span s = sp_span(data, size);
    struct sp_lan_port q;
    size_t n;

    if (sp_lan_port_parse(s, &q) == 0) {
        size_t len = sp_lan_port_build(&q, out);
        REQUIRE(sp_span_eq(sp_span(out, len), s));
    }
    int err = sp_lan_port_parse_answer(s, addrs, &n);
    REQUIRE(err == 0 || err == SP_EBADMSG);
    if (err == 0) {
        REQUIRE(n >= 1 && n <= SP_LAN_PORT_ADDRS_MAX);
        REQUIRE(sp_span_eq(sp_span(out, sp_lan_port_build_answer(addrs, n, out)), s));
    }
    return 0;
}
