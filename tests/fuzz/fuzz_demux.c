/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a connection is told to be by its first bytes: the first byte of the input says what the
 * port serves, the rest comes byte by byte. A verdict comes in time, and stays.
 */
#include "fuzz.h"

#include "demux.h"
#include "sallyport/err.h"
#include "sallyport/http.h"
#include "sallyport/stun.h"

static void check_verdict(enum sp_proto proto, struct sp_span s, bool inside, unsigned serve)
{
    switch (proto) {
    case SP_PROTO_TLS:
        REQUIRE(!inside && s.p[0] == 22);
        break;
    case SP_PROTO_TURN:
        REQUIRE((serve & SP_SERVE_TURN) && s.p[0] < 0x40);
        REQUIRE(sp_get_be32(s.p + 4) == 0x2112A442);
        break;
    case SP_PROTO_ICE:
        REQUIRE((serve & SP_SERVE_ICE_TCP) && sp_get_be16(s.p) <= SP_DEMUX_ICE_MAX);
        REQUIRE(sp_get_be16(s.p + 2) == SP_STUN_BINDING && sp_get_be32(s.p + 6) == 0x2112A442);
        break;
    case SP_PROTO_HTTP:
        REQUIRE(sp_http_looks_like(s) == 1);
        break;
    case SP_PROTO_NONE:
        REQUIRE(sp_http_looks_like(s) != 1);
        break;
    }
}

static void watch(struct sp_span all, bool inside, unsigned serve)
{
    enum sp_proto verdict = SP_PROTO_NONE, later;
    size_t len = 0;
    int err;

    while ((err = sp_demux(sp_span(all.p, len), inside, serve, &verdict)) == SP_EMORE &&
           len < all.len)
        len++;
    if (err == SP_EMORE) {
        REQUIRE(len < SP_DEMUX_MAX);
        return;
    }
    REQUIRE(err == 0 && len > 0 && len <= SP_DEMUX_MAX);
    check_verdict(verdict, sp_span(all.p, len), inside, serve);
    for (; len <= all.len && len < 64; len++) {
        REQUIRE(sp_demux(sp_span(all.p, len), inside, serve, &later) == 0);
        REQUIRE(later == verdict);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    watch(sp_span(data + 1, size - 1), false, data[0]);
    watch(sp_span(data + 1, size - 1), true, data[0]);
    return 0;
}
