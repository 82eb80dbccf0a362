/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "two_ends_repair.h"

#include <string.h>

#include "tunnel_impl.h"

struct sp_flow *ends_begin(struct two_ends *e, unsigned lanes, uint32_t rtt_us, uint32_t first_seq,
                           struct sp_flow **edge)
{
    REQUIRE(ends_open(e, NULL, NULL) == 0);
    e->end[GATEWAY].tunnel->next_seq = first_seq;
    for (unsigned i = 0; i < lanes; i++) {
        e->end[GATEWAY].lanes[i].rtt_us = e->end[EDGE].lanes[i].rtt_us = rtt_us;
        REQUIRE(ends_join(e, i) == 0);
    }
    struct sp_flow *f = ends_connected_flow(e, edge);
    ends_live(e, SP_SEC(1));
    return f;
}

/* --- out ------------------------------------------------------------------------------------ */

unsigned ends_put(struct two_ends *e, struct sp_flow *f, const void *p, size_t len)
{
    unsigned side = sp_flow_tunnel(f) == e->end[GATEWAY].tunnel ? GATEWAY : EDGE;
    uint64_t before[ENDS_LANES];

    for (unsigned i = 0; i < ENDS_LANES; i++)
        before[i] = e->end[side].lanes[i].sent;
    ends_send(e, f, p, len);
    ends_flush(e);
    for (unsigned i = 0; i < ENDS_LANES; i++)
        if (e->end[side].lanes[i].sent > before[i])
            return i;
    return ENDS_LANES;
}

unsigned ends_put_text(struct two_ends *e, struct sp_flow *f, const char *text)
{
    return ends_put(e, f, text, strlen(text));
}

unsigned ends_put_rtp(struct two_ends *e, struct sp_flow *f, uint8_t type, size_t len)
{
    uint8_t packet[1200] = {0x80, type, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9};

    REQUIRE(len >= 12 && len <= sizeof packet);
    return ends_put(e, f, packet, len);
}

uint32_t ends_last_seq(const struct two_ends *e, unsigned side)
{
    return e->end[side].tunnel->next_seq - 1;
}

/* --- on the wires --------------------------------------------------------------------------- */

size_t ends_reports(const struct two_ends *e, unsigned side, struct sp_control *last,
                    unsigned *lane)
{
    struct sp_frame f;
    struct sp_control c;
    size_t n = 0;

    for (unsigned number = 0; number < ENDS_LANES; number++)
        for (size_t i = 0; ends_peek(e, side, number, i, &f, &c); i++) {
            if (f.kind != SP_FRAME_CONTROL || c.method != SP_CONTROL_REPORT)
                continue;
            n++;
            if (last != NULL)
                *last = c;
            if (lane != NULL)
                *lane = number;
        }
    return n;
}

/* A datagram travels as itself, or inside an OPEN. */
static bool carries(const struct sp_frame *f, const struct sp_control *c, uint32_t seq)
{
    if (f->kind == SP_FRAME_DATA)
        return f->seq == seq;
    return f->kind == SP_FRAME_CONTROL && c->has_data && c->seq == seq;
}

size_t ends_waiting_seq(const struct two_ends *e, uint32_t seq, unsigned *lane)
{
    struct sp_frame f;
    struct sp_control c;
    size_t n = 0;

    for (unsigned number = 0; number < ENDS_LANES; number++)
        for (size_t i = 0; ends_peek(e, GATEWAY, number, i, &f, &c); i++) {
            if (!carries(&f, &c, seq))
                continue;
            n++;
            if (lane != NULL)
                *lane = number;
        }
    return n;
}

/* --- reports -------------------------------------------------------------------------------- */

void ends_report(struct two_ends *e, uint32_t below, const void *bitmap, size_t len)
{
    uint8_t frame[SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD];
    struct sp_control c = {.method = SP_CONTROL_REPORT,
                           .cls = SP_STUN_INDICATION,
                           .seq = below,
                           .missing = sp_span(bitmap, len)};
    size_t n;

    REQUIRE(sp_control_build(&c, frame + SP_FRAME_CONTROL_HEADER_LEN, SP_CONTROL_OVERHEAD, &n) ==
            0);
    sp_frame_control_header(frame, n);
    ends_inject(e, EDGE, 0, frame, SP_FRAME_CONTROL_HEADER_LEN + n);
    REQUIRE(ends_carry(e, EDGE, 0, SIZE_MAX) == 0);
}

void ends_report_one(struct two_ends *e, uint32_t below, uint32_t missing)
{
    uint8_t bit = (uint8_t)(1u << (below - 1 - missing));

    REQUIRE(below - 1 - missing < 8);
    ends_report(e, below, &bit, 1);
}
