/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two ends of a tunnel for tests of flows: how many there are and in which state, and when a
 * question about one was repeated.
 */
#ifndef TESTS_FLOW_RIG_H
#define TESTS_FLOW_RIG_H

#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"
#include "two_ends.h"

static struct two_ends e;

static inline void start(unsigned lanes)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < lanes; i++)
        ck_assert_int_eq(ends_join(&e, i), 0);
}

static inline void start_with(size_t gateway_flows, size_t edge_flows)
{
    struct sp_tunnel_config gateway, edge;

    sp_tunnel_config_default(&gateway, SP_TUNNEL_GATEWAY);
    sp_tunnel_config_default(&edge, SP_TUNNEL_EDGE);
    gateway.max_flows = gateway_flows;
    edge.max_flows = edge_flows;
    ck_assert_int_eq(ends_open(&e, &gateway, &edge), 0);
    ck_assert_int_eq(ends_join(&e, 0), 0);
}

static inline void send_text(struct sp_flow *f, const char *text)
{
    ends_send(&e, f, text, strlen(text));
}

static inline size_t flows(unsigned side)
{
    return sp_tunnel_flow_count(e.end[side].tunnel);
}

static inline enum flow_state state(unsigned side, uint16_t number)
{
    const struct sp_flow *f = flow_find(e.end[side].tunnel, number);
    return f != NULL ? f->state : (enum flow_state) - 1;
}
#define GONE ((enum flow_state) - 1)

static inline void inject(unsigned from, const struct sp_control *c)
{
    uint8_t m[SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD];
    size_t len;

    ck_assert_int_eq(
        sp_control_build(c, m + SP_FRAME_CONTROL_HEADER_LEN, SP_CONTROL_OVERHEAD, &len), 0);
    sp_frame_control_header(m, len);
    ends_inject(&e, from, 0, m, SP_FRAME_CONTROL_HEADER_LEN + len);
}

/* When each repeat was seen, in milliseconds from the start; by which lane. */
static inline size_t watch_repeats(uint16_t method, unsigned ms, unsigned *at, unsigned *lane,
                                   size_t max)
{
    size_t n = 0;

    for (unsigned t = 0; t <= ms && n < max; t++) {
        struct sp_frame f;
        struct sp_control c;
        if (t > 0)
            ends_wait(&e, SP_MS(1));
        for (unsigned i = 0; i < ENDS_LANES && n < max; i++)
            for (size_t k = 0; ends_peek(&e, GATEWAY, i, k, &f, &c) && n < max; k++)
                if (c.method == method && c.cls == SP_STUN_REQUEST) {
                    at[n] = t;
                    lane[n++] = i;
                }
        ends_lose_bytes(&e, GATEWAY);
    }
    return n;
}

static inline void check_repeats(const unsigned *at, const unsigned *lane, size_t n,
                                 unsigned first_ms)
{
    unsigned wait = first_ms;

    for (size_t i = 1; i < n; i++) {
        ck_assert_uint_eq(at[i] - at[i - 1], wait);
        ck_assert_uint_ne(lane[i], lane[i - 1]); /* another one each time */
        wait = wait * 2 > 2000 ? 2000 : wait * 2;
    }
}

#endif
