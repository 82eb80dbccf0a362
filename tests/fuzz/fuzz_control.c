/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control message from the far side. What is accepted obeys the rules of its method, lies within
 * the input, and means the same after it was built anew.
 */
#include <string.h>

#include "fuzz.h"
#include "sallyport/control.h"
#include "sallyport/err.h"
#include "sallyport/rfc4571.h"

static void check_rules(struct sp_span s, const struct sp_control *c)
{
    bool report = c->method == SP_CONTROL_REPORT;

    REQUIRE(c->method >= SP_CONTROL_OPEN && c->method <= SP_CONTROL_ASK);
    REQUIRE((c->cls == SP_STUN_INDICATION) == report);
    REQUIRE((c->flow == 0) == (c->method >= SP_CONTROL_PING));
    REQUIRE(c->flow != SP_FLOW_PARITY);
    REQUIRE((c->code != 0) == (c->cls == SP_STUN_ERROR));
    if (c->has_data) {
        REQUIRE(c->method == SP_CONTROL_OPEN && c->cls == SP_STUN_REQUEST);
        REQUIRE(c->data.p >= s.p && c->data.len <= (size_t)(s.p + s.len - c->data.p));
    }
    REQUIRE(c->missing.len <= (report ? SP_CONTROL_MISSING_MAX : 0));
    if (c->missing.len > 0)
        REQUIRE(c->missing.p >= s.p && c->missing.len <= (size_t)(s.p + s.len - c->missing.p));
}

static void check_again(const struct sp_control *c)
{
    static uint8_t out[70000];
    struct sp_control got;
    size_t len;
    bool answerable;

    REQUIRE(sp_control_build(c, out, sizeof out, &len) == 0);
    REQUIRE(len <= c->data.len + c->body.len + SP_CONTROL_OVERHEAD);
    REQUIRE(sp_control_parse(sp_span(out, len), &got, &answerable) == 0 && !answerable);
    REQUIRE(got.method == c->method && got.cls == c->cls && got.flow == c->flow);
    REQUIRE(got.kind == c->kind && got.code == c->code);
    REQUIRE(memcmp(got.id, c->id, sizeof got.id) == 0);
    REQUIRE(got.has_data == c->has_data && sp_span_eq(got.data, c->data));
    REQUIRE(got.seq == c->seq && sp_span_eq(got.missing, c->missing));
    REQUIRE(sp_addr_eq(&got.local, &c->local));
    REQUIRE(c->cls == SP_STUN_ERROR || sp_span_eq(got.body, c->body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_span s = sp_span(data, size);
    struct sp_control c;
    bool answerable = true;

    memset(&c, 0xEE, sizeof c);
    int err = sp_control_parse(s, &c, &answerable);
    REQUIRE(err == 0 || err == SP_EBADMSG);
    if (err == 0) {
        REQUIRE(!answerable);
        check_rules(s, &c);
        check_again(&c);
    } else {
        REQUIRE(c.flow == 0xEEEE); /* written on success only, but for what an answer needs */
        REQUIRE(!answerable || memcmp(c.id, data + 8, sizeof c.id) == 0);
    }
    return 0;
}
