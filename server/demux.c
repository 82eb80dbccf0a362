/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demux.h"

#include "sallyport/err.h"
#include "sallyport/http.h"
#include "sallyport/stun.h"

/* 1 yes, 0 no, SP_EMORE */
typedef int probe_fn(struct sp_span s);

/* A handshake record of any TLS version with a ClientHello in it (RFC 8446 sections 4 and 5.1). */
static int probe_tls(struct sp_span s)
{
    static const struct {
        uint8_t value, mask;
    } wanted[] = {{22, 0xFF}, {3, 0xFF}, {0, 0}, {0, 0}, {0, 0}, {1, 0xFF}};

    for (size_t i = 0; i < SP_ARRAY_LEN(wanted); i++) {
        if (i >= s.len)
            return SP_EMORE;
        if ((s.p[i] & wanted[i].mask) != wanted[i].value)
            return 0;
    }
    return 1;
}

/* RFC 4571 framing and raw STUN overlap in their first byte; the cookie's place decides. */
static int probe_cookie(struct sp_span s, size_t at)
{
    static const uint8_t cookie[] = {0x21, 0x12, 0xA4, 0x42};

    for (size_t i = at; i < at + sizeof cookie; i++) {
        if (i >= s.len)
            return SP_EMORE;
        if (s.p[i] != cookie[i - at])
            return 0;
    }
    return 1;
}

static int probe_stun(struct sp_span s)
{
    if (s.len > 0 && (s.p[0] & 0xC0) != 0)
        return 0;
    return probe_cookie(s, 4);
}

/* A Binding request, and as long as one is. */
static int probe_ice(struct sp_span s)
{
    static const uint8_t binding[] = {0x00, 0x01};

    if (s.len > 0 && s.p[0] > SP_DEMUX_ICE_MAX >> 8)
        return 0;
    for (size_t i = 0; i < sizeof binding; i++) {
        if (2 + i >= s.len)
            return SP_EMORE;
        if (s.p[2 + i] != binding[i])
            return 0;
    }
    if (sp_get_be16(s.p) > SP_DEMUX_ICE_MAX)
        return 0;
    return probe_cookie(s, 6);
}

static const struct probe {
    enum sp_proto proto;
    probe_fn *fn;
    bool outside, inside; /* of TLS */
    unsigned serve;       /* any of these must be served; 0: always known */
} probes[] = {
    {SP_PROTO_TLS, probe_tls, true, false, 0},
    {SP_PROTO_TURN, probe_stun, true, true, SP_SERVE_TURN},
    {SP_PROTO_ICE, probe_ice, true, true, SP_SERVE_ICE_TCP},
    {SP_PROTO_HTTP, sp_http_looks_like, true, true, 0},
};

int sp_demux(struct sp_span first, bool inside_tls, unsigned serve, enum sp_proto *out)
{
    bool undecided = false;

    for (size_t i = 0; i < SP_ARRAY_LEN(probes); i++) {
        const struct probe *p = &probes[i];
        if (!(inside_tls ? p->inside : p->outside) || (p->serve != 0 && !(p->serve & serve)))
            continue;
        int verdict = p->fn(first);
        if (verdict == 1) {
            *out = p->proto;
            return 0;
        }
        undecided |= verdict == SP_EMORE;
    }
    if (undecided && first.len < SP_DEMUX_MAX)
        return SP_EMORE;
    *out = SP_PROTO_NONE;
    return 0;
}
