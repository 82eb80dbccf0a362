/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow's life on both ends: how it opens and closes whatever is lost on the way, and that its
 * number means one flow only.
 */
#include <check.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"
#include "two_ends.h"

static struct two_ends e;

static void start(unsigned lanes)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < lanes; i++)
        ck_assert_int_eq(ends_join(&e, i), 0);
}

static void start_with(size_t gateway_flows, size_t edge_flows)
{
    struct sp_tunnel_config gateway, edge;

    sp_tunnel_config_default(&gateway, SP_TUNNEL_GATEWAY);
    sp_tunnel_config_default(&edge, SP_TUNNEL_EDGE);
    gateway.max_flows = gateway_flows;
    edge.max_flows = edge_flows;
    ck_assert_int_eq(ends_open(&e, &gateway, &edge), 0);
    ck_assert_int_eq(ends_join(&e, 0), 0);
}

static void send_text(struct sp_flow *f, const char *text)
{
    ends_send(&e, f, text, strlen(text));
}

static size_t flows(unsigned side)
{
    return sp_tunnel_flow_count(e.end[side].tunnel);
}

static enum flow_state state(unsigned side, uint16_t number)
{
    const struct sp_flow *f = flow_find(e.end[side].tunnel, number);
    return f != NULL ? f->state : (enum flow_state) - 1;
}
#define GONE ((enum flow_state) - 1)

static void inject(unsigned from, const struct sp_control *c)
{
    uint8_t m[SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD];
    size_t len;

    ck_assert_int_eq(
        sp_control_build(c, m + SP_FRAME_CONTROL_HEADER_LEN, SP_CONTROL_OVERHEAD, &len), 0);
    sp_frame_control_header(m, len);
    ends_inject(&e, from, 0, m, SP_FRAME_CONTROL_HEADER_LEN + len);
}

/* --- opening -------------------------------------------------------------------------------- */

START_TEST(opens_with_its_first_datagram)
{
    struct sp_addr local = sp_addr_v4(192, 168, 1, 2, 5000);
    int user;

    start(1);
    struct sp_flow *f = ends_flow(&e);
    ck_assert_uint_eq(sp_flow_number(f), 1);
    ck_assert_ptr_null(sp_flow_user(f));
    sp_flow_set_user(f, &user);
    ck_assert_ptr_eq(sp_flow_user(f), &user);
    sp_flow_set_user(f, NULL);
    ends_live(&e, SP_SEC(3));
    ck_assert_uint_eq(e.end[EDGE].opened, 0); /* nothing before that */
    ck_assert_uint_eq(e.end[GATEWAY].lanes[0].sent, 0);
    send_text(f, "hello");
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].opened, 1);
    struct sp_flow *there = e.end[EDGE].flow;
    ck_assert_uint_eq(sp_flow_number(there), 1);
    ck_assert_int_eq(sp_flow_kind(there), SP_FLOW_TURN);
    ck_assert(sp_addr_eq(sp_flow_local(there), &local));
    ck_assert(sp_addr_eq(sp_flow_local(f), &local));
    ck_assert_uint_eq(e.end[EDGE].n_got, 1);
    ck_assert_uint_eq(flows(GATEWAY), 1);
    ck_assert_uint_eq(flows(EDGE), 1);
    ends_close(&e);
}
END_TEST

/* All under one transaction, and each with its datagram; from the answer on, plain frames. */
START_TEST(datagrams_ride_in_opens_until_the_answer)
{
    struct sp_frame f;
    struct sp_control first, c;

    start(1);
    struct sp_flow *flow = ends_flow(&e);
    for (unsigned i = 0; i < 3; i++)
        send_text(flow, "abc");
    ends_flush(&e);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(ends_peek(&e, GATEWAY, 0, i, &f, &c));
        ck_assert(f.kind == SP_FRAME_CONTROL && c.method == SP_CONTROL_OPEN && c.has_data);
        ck_assert_uint_eq(c.seq, i);
        ck_assert(sp_span_eq(c.data, sp_span_str("abc")));
        if (i == 0)
            first = c;
        ck_assert_mem_eq(c.id, first.id, sizeof c.id);
    }
    ends_carry(&e, GATEWAY, 0, SIZE_MAX);
    ck_assert_uint_eq(e.end[EDGE].n_got, 3);
    ck_assert_uint_eq(e.end[EDGE].opened, 1); /* once, however often it is said */
    send_text(flow, "before the answer is read");
    ends_flush(&e);
    ck_assert(ends_peek(&e, GATEWAY, 0, 0, &f, &c));
    ck_assert_uint_eq(f.kind, SP_FRAME_CONTROL);
    ends_settle(&e);
    send_text(flow, "and after");
    ends_flush(&e);
    ck_assert(ends_peek(&e, GATEWAY, 0, 0, &f, &c));
    ck_assert_uint_eq(f.kind, SP_FRAME_DATA);
    ck_assert_uint_eq(f.flow, sp_flow_number(flow));
    ends_close(&e);
}
END_TEST

/* The edge's datagrams may be faster than its answer. */
START_TEST(data_may_come_before_the_answer)
{
    start(2);
    struct sp_flow *f = ends_flow(&e);
    send_text(f, "hello");
    ends_flush(&e);
    e.end[EDGE].lanes[0].held = e.end[EDGE].lanes[1].held = true;
    ends_settle(&e);
    unsigned answer = e.end[EDGE].lanes[0].len > 0 ? 0 : 1;
    e.end[EDGE].lanes[answer].full = true;
    e.end[EDGE].lanes[1 - answer].held = false;
    send_text(e.end[EDGE].flow, "quick");
    ends_settle(&e);
    ck_assert_uint_eq(e.end[GATEWAY].n_got, 1);
    ck_assert_int_eq(f->state, FLOW_OPENING);
    e.end[EDGE].lanes[answer].held = false;
    ends_settle(&e);
    ck_assert_int_eq(f->state, FLOW_OPEN);
    ends_close(&e);
}
END_TEST

/* When each repeat was seen, in milliseconds from the start; by which lane. */
static size_t watch_repeats(uint16_t method, unsigned ms, unsigned *at, unsigned *lane, size_t max)
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

static void check_repeats(const unsigned *at, const unsigned *lane, size_t n, unsigned first_ms)
{
    unsigned wait = first_ms;

    for (size_t i = 1; i < n; i++) {
        ck_assert_uint_eq(at[i] - at[i - 1], wait);
        ck_assert_uint_ne(lane[i], lane[i - 1]); /* another one each time */
        wait = wait * 2 > 2000 ? 2000 : wait * 2;
    }
}

START_TEST(open_is_repeated_until_it_is_answered)
{
    unsigned at[30], lane[30];

    start(2);
    send_text(ends_flow(&e), "hello");
    ends_flush(&e);
    size_t n = watch_repeats(SP_CONTROL_OPEN, 40000, at, lane, 30);
    ck_assert_uint_ge(n, 20);
    check_repeats(at, lane, n, 100);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->control_repeats, n - 1);
    ends_live(&e, SP_SEC(2));
    ck_assert_uint_eq(flows(EDGE), 1);
    ends_live(&e, SP_SEC(10));
    ck_assert_uint_le(ends_count(&e, GATEWAY)->control_repeats, n + 1);
    ends_close(&e);
}
END_TEST

START_TEST(the_first_repeat_waits_a_round_trip)
{
    unsigned at[4], lane[4];

    start(2);
    e.end[GATEWAY].lanes[0].rtt_us = 700000;
    e.end[GATEWAY].lanes[1].rtt_us = 300000; /* the least counts */
    ends_wait(&e, SP_MS(500));               /* measured */
    send_text(ends_flow(&e), "hello");
    ends_flush(&e);
    size_t n = watch_repeats(SP_CONTROL_OPEN, 2500, at, lane, 4);
    ck_assert_uint_eq(n, 4);
    check_repeats(at, lane, n, 300);
    ends_close(&e);
}
END_TEST

/* The repeat brings the datagram again, under its old number, as long as that is worth something;
 * the time that it waited for a lane counts. */
START_TEST(a_repeat_carries_no_old_datagram)
{
    struct sp_frame f;
    struct sp_control c;

    start(1);
    e.end[GATEWAY].lanes[0].full = true;
    send_text(ends_flow(&e), "hello");
    ends_wait(&e, SP_MS(250));
    e.end[GATEWAY].lanes[0].full = false;
    sp_tunnel_lane_writable(e.end[GATEWAY].lanes[0].lane);
    ends_flush(&e);
    ck_assert(ends_peek(&e, GATEWAY, 0, 0, &f, &c) && c.has_data);
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, SP_MS(101)); /* 351 old */
    ck_assert(ends_peek(&e, GATEWAY, 0, 0, &f, &c));
    ck_assert(c.method == SP_CONTROL_OPEN && c.has_data && c.seq == 0);
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, SP_MS(200)); /* 551 old: too old, though it left only 301 ago */
    ck_assert(ends_peek(&e, GATEWAY, 0, 0, &f, &c));
    ck_assert(c.method == SP_CONTROL_OPEN && !c.has_data);
    ends_settle(&e);
    ck_assert_uint_eq(flows(EDGE), 1);
    ck_assert_uint_eq(e.end[EDGE].n_got, 0);
    ends_close(&e);
}
END_TEST

START_TEST(a_repeated_datagram_is_delivered_once)
{
    start(2);
    send_text(ends_flow(&e), "hello");
    ends_flush(&e);
    ends_wait(&e, SP_MS(101));
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), 1);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 1), 1);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 1);
    ck_assert_uint_eq(e.end[EDGE].opened, 1);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_copy, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->datagrams_out, 1);
    ends_close(&e);
}
END_TEST

/* --- refusing ------------------------------------------------------------------------------- */

START_TEST(refused_by_the_owner)
{
    struct sp_flow *f;

    start(1);
    e.end[EDGE].open_answer = SP_CONTROL_UNKNOWN;
    f = ends_flow(&e);
    sp_flow_set_user(f, &f);
    send_text(f, "hello");
    ends_settle(&e);
    ck_assert_ptr_null(f);
    ck_assert_uint_eq(e.end[GATEWAY].closed, 1);
    ck_assert_uint_eq(e.end[GATEWAY].closed_code, SP_CONTROL_UNKNOWN);
    ck_assert_uint_eq(e.end[EDGE].closed, 0);
    ck_assert_uint_eq(e.end[EDGE].n_got, 0);
    ck_assert_uint_eq(flows(GATEWAY) + flows(EDGE), 0);
    for (unsigned side = 0; side < 2; side++)
        ck_assert_uint_eq(ends_count(&e, side)->flows_refused, 1);
    ck_assert_uint_eq(ends_count(&e, EDGE)->flows_opened, 0);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_unknown_flow, 1);
    ck_assert_int_eq(state(EDGE, 1), FLOW_RESTING); /* another copy must not be luckier */
    ends_close(&e);
}
END_TEST

START_TEST(refused_when_full)
{
    struct sp_flow *f;

    start_with(4, 2);
    ends_connected_flow(&e, NULL);
    struct sp_flow *second = ends_connected_flow(&e, NULL);
    f = ends_flow(&e);
    sp_flow_set_user(f, &f);
    send_text(f, "one too many");
    send_text(f, "and again");
    ends_settle(&e);
    ck_assert_ptr_null(f);
    ck_assert_uint_eq(e.end[GATEWAY].closed_code, SP_CONTROL_FULL);
    ck_assert_uint_eq(flows(EDGE), 2);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_unknown_flow, 2);
    sp_flow_close(second, e.now_us);
    ends_settle(&e);
    ends_connected_flow(&e, NULL); /* there is room again */
    ck_assert_uint_eq(flows(EDGE), 2);
    ends_close(&e);
}
END_TEST

/* A copy of the OPEN that found room after the first was refused: the edge is told to close it. */
START_TEST(a_copy_may_be_accepted_after_a_refusal)
{
    struct sp_flow *f;

    start(2);
    e.end[EDGE].open_answer = SP_CONTROL_FULL;
    f = ends_flow(&e);
    sp_flow_set_user(f, &f);
    send_text(f, "hello");
    ends_flush(&e);
    ends_wait(&e, SP_MS(101)); /* the repeat is on the other lane */
    unsigned first = 0;
    ends_carry(&e, GATEWAY, first, SIZE_MAX);
    e.end[EDGE].open_answer = 0;
    ends_carry(&e, GATEWAY, 1 - first, SIZE_MAX);
    ck_assert_uint_eq(flows(EDGE), 1);
    ends_settle(&e);
    ck_assert_ptr_null(f);
    ck_assert_uint_eq(flows(GATEWAY) + flows(EDGE), 0);
    ck_assert_uint_eq(e.end[EDGE].closed, 1);
    ends_close(&e);
}
END_TEST

START_TEST(the_gateways_bound)
{
    struct sp_flow *f[4];
    struct sp_flow *more = (struct sp_flow *)&e;
    struct sp_addr local = {.family = SP_FAMILY_NONE};

    start_with(3, 10);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(f[i] = ends_flow(&e));
    ck_assert_int_eq(sp_flow_open(e.end[GATEWAY].tunnel, SP_FLOW_TURN, &local, e.now_us, &more),
                     SP_EFULL);
    ck_assert_ptr_eq(more, &e);
    sp_flow_close(f[1], e.now_us);
    ck_assert_ptr_nonnull(ends_flow(&e));
    ck_assert_ptr_null(ends_flow(&e));
    ends_close(&e);
}
END_TEST

START_TEST(only_the_gateway_opens)
{
    struct sp_control c = {
        .method = SP_CONTROL_OPEN, .cls = SP_STUN_REQUEST, .flow = 5, .kind = SP_FLOW_TURN};
    struct sp_frame f;

    start(1);
    inject(EDGE, &c);
    ends_carry(&e, EDGE, 0, SIZE_MAX);
    ck_assert_uint_eq(flows(GATEWAY) + e.end[GATEWAY].opened, 0);
    ck_assert(ends_peek(&e, GATEWAY, 0, 0, &f, &c));
    ck_assert(c.cls == SP_STUN_ERROR && c.code == SP_CONTROL_MALFORMED && c.flow == 5);
    ends_close(&e);
}
END_TEST

START_TEST(the_owner_closes_while_it_opens)
{
    struct sp_flow *f;

    start(1);
    e.end[EDGE].close_at_once = true;
    f = ends_flow(&e);
    sp_flow_set_user(f, &f);
    send_text(f, "hello");
    ends_settle(&e);
    ck_assert_ptr_null(f);
    ck_assert_uint_eq(e.end[EDGE].opened, 1);
    ck_assert_uint_eq(e.end[EDGE].n_got, 0); /* nobody is there to be told */
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_unknown_flow, 1);
    ck_assert_uint_eq(flows(GATEWAY) + flows(EDGE), 0);
    ends_close(&e);
}
END_TEST

static void close_it(struct end *end, struct sp_flow *f)
{
    sp_flow_close(f, end->ends->now_us);
}

START_TEST(the_owner_closes_while_it_is_told)
{
    start(1);
    struct sp_flow *f = ends_connected_flow(&e, NULL), *other = ends_connected_flow(&e, NULL);
    e.end[EDGE].on_datagrams = close_it;
    sp_flow_set_user(f, &f);
    send_text(f, "one");
    send_text(other, "other");
    send_text(f, "two");
    ends_flush(&e);
    ends_carry(&e, GATEWAY, 0, SIZE_MAX);
    ck_assert_uint_eq(e.end[EDGE].n_got, 4);
    ends_settle(&e);
    ck_assert_ptr_null(f);
    ck_assert_uint_eq(flows(EDGE), 0);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_unknown_flow, 1);
    ends_close(&e);
}
END_TEST

/* --- closing -------------------------------------------------------------------------------- */

START_TEST(either_end_closes)
{
    unsigned side = (unsigned)_i;
    struct sp_flow *end[2];

    start(1);
    end[GATEWAY] = ends_connected_flow(&e, &end[EDGE]);
    ck_assert_uint_eq(flows(side), 1);
    sp_flow_close(end[side], e.now_us);
    ck_assert_uint_eq(flows(side), 0);
    ck_assert_uint_eq(flows(1 - side), 1);
    ck_assert_uint_eq(e.end[side].closed, 0); /* who closes is not told */
    ends_settle(&e);
    ck_assert_uint_eq(flows(1 - side), 0);
    ck_assert_uint_eq(e.end[1 - side].closed, 1);
    ck_assert_uint_eq(e.end[1 - side].closed_code, 0);
    ck_assert_uint_eq(e.end[side].closed, 0);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_RESTING);
    ck_assert_int_eq(state(EDGE, 1), FLOW_RESTING);
    for (side = 0; side < 2; side++) {
        ck_assert_uint_eq(ends_count(&e, side)->flows_opened, 1);
        ck_assert_uint_eq(ends_count(&e, side)->flows_closed, 1);
    }
    ends_close(&e);
}
END_TEST

START_TEST(both_close_at_once)
{
    struct sp_flow *edge, *f;

    start(1);
    f = ends_connected_flow(&e, &edge);
    sp_flow_close(f, e.now_us);
    sp_flow_close(edge, e.now_us);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[GATEWAY].closed + e.end[EDGE].closed, 0);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_RESTING);
    ck_assert_int_eq(state(EDGE, 1), FLOW_RESTING);
    ends_live(&e, SP_SEC(5));
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->control_repeats, 0);
    ends_close(&e);
}
END_TEST

START_TEST(close_is_repeated_until_it_is_answered)
{
    unsigned at[40], lane[40];

    start(2);
    sp_flow_close(ends_connected_flow(&e, NULL), e.now_us);
    size_t n = watch_repeats(SP_CONTROL_CLOSE, 60000, at, lane, 40);
    ck_assert_uint_ge(n, 30); /* a minute without an answer is no reason to forget it */
    check_repeats(at, lane, n, 100);
    ck_assert_uint_eq(flows(EDGE), 1);
    ends_live(&e, SP_SEC(2));
    ck_assert_uint_eq(flows(EDGE), 0);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_RESTING);
    ends_close(&e);
}
END_TEST

START_TEST(close_waits_for_a_lane)
{
    start(1);
    struct sp_flow *f = ends_connected_flow(&e, NULL);
    ends_lose_both(&e, 0);
    sp_flow_close(f, e.now_us);
    ends_live(&e, SP_SEC(25));
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->control_repeats, 0); /* nothing left */
    ck_assert_int_eq(ends_join(&e, 0), 0);
    ends_live(&e, SP_SEC(2));
    ck_assert_uint_eq(flows(EDGE), 0);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_RESTING);
    ends_close(&e);
}
END_TEST

START_TEST(what_was_never_used_leaves_no_trace)
{
    start(1);
    struct sp_flow *f = ends_flow(&e);
    sp_flow_close(f, e.now_us);
    ck_assert_int_eq(state(GATEWAY, 1), GONE);
    ends_live(&e, SP_SEC(1));
    ck_assert_uint_eq(e.end[GATEWAY].lanes[0].sent, 0);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->flows_closed, 1);
    ends_close(&e);
}
END_TEST

/* Its OPEN waits for room, and leaves behind the CLOSE. */
START_TEST(closed_while_its_open_waits)
{
    start(1);
    e.end[GATEWAY].lanes[0].full = true;
    struct sp_flow *f = ends_flow(&e);
    send_text(f, "hello");
    ends_flush(&e);
    sp_flow_close(f, e.now_us);
    e.end[GATEWAY].lanes[0].full = false;
    sp_tunnel_lane_writable(e.end[GATEWAY].lanes[0].lane);
    ends_settle(&e);
    ends_live(&e, SP_SEC(1));
    ck_assert_uint_eq(flows(EDGE), 0);
    ck_assert_uint_eq(e.end[EDGE].opened, 0);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_unknown_flow, 1);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_RESTING);
    ends_close(&e);
}
END_TEST

/* By the other lane the CLOSE was faster than the OPEN: that opens nothing any more. */
START_TEST(close_overtakes_open)
{
    start(2);
    struct sp_flow *f = ends_flow(&e);
    send_text(f, "hello");
    ends_flush(&e);
    unsigned slow = e.end[GATEWAY].lanes[0].len > 0 ? 0 : 1;
    e.end[GATEWAY].lanes[slow].held = true;
    sp_flow_close(f, e.now_us);
    ends_settle(&e);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, slow), 1);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_RESTING);
    ends_wait(&e, SP_SEC(59));
    e.end[GATEWAY].lanes[slow].held = false;
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].opened, 0);
    ck_assert_uint_eq(flows(EDGE), 0);
    ck_assert_uint_eq(e.end[EDGE].n_got, 0);
    ends_close(&e);
}
END_TEST

START_TEST(a_copy_of_the_open_opens_nothing_after_the_close)
{
    start(2);
    struct sp_flow *f = ends_flow(&e);
    send_text(f, "hello");
    ends_flush(&e);
    ends_wait(&e, SP_MS(101));
    e.end[GATEWAY].lanes[1].held = true;
    ends_settle(&e);
    ck_assert_uint_eq(flows(EDGE), 1);
    sp_flow_close(f, e.now_us);
    e.end[GATEWAY].lanes[1].held = false;
    e.end[GATEWAY].lanes[1].full = true;
    ends_carry(&e, GATEWAY, 0, SIZE_MAX); /* the CLOSE */
    ends_settle(&e);
    ck_assert_uint_eq(flows(EDGE), 0);
    ck_assert_uint_eq(e.end[EDGE].opened, 1);
    ck_assert_uint_eq(ends_count(&e, EDGE)->flows_refused, 1);
    ends_close(&e);
}
END_TEST

/* The far side still believes in a flow that is closed here: it is told, and the number rests anew,
 * so that this CLOSE does not meet the next flow of that number. */
START_TEST(data_for_a_resting_flow_is_answered_by_a_close)
{
    struct sp_control answer = {.method = SP_CONTROL_CLOSE, .cls = SP_STUN_SUCCESS, .flow = 1};
    struct sp_flow *edge, *f;

    start(1);
    f = ends_connected_flow(&e, &edge);
    sp_flow_close(f, e.now_us);
    memcpy(answer.id, f->id, sizeof answer.id);
    inject(EDGE, &answer); /* of somebody who did not do what he says */
    ends_carry(&e, EDGE, 0, SIZE_MAX);
    ends_lose_bytes(&e, GATEWAY);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_RESTING);
    ends_live(&e, SP_SEC(100));
    send_text(edge, "anybody there?");
    ends_settle(&e);
    ck_assert_uint_eq(flows(EDGE), 0);
    ck_assert_uint_eq(e.end[EDGE].closed, 1);
    ck_assert_uint_eq(e.end[GATEWAY].n_got, 0);
    ends_live(&e, SP_SEC(119));
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_RESTING);
    ends_close(&e);
}
END_TEST

/* An answer counts for its transaction alone. */
START_TEST(answers_of_others)
{
    struct sp_control c = {.method = SP_CONTROL_OPEN, .cls = SP_STUN_SUCCESS, .flow = 1};

    start(1);
    struct sp_flow *f = ends_flow(&e);
    send_text(f, "hello");
    ends_flush(&e);
    inject(EDGE, &c); /* another id */
    memcpy(c.id, f->id, sizeof c.id);
    c.flow = 2;
    inject(EDGE, &c); /* another flow */
    c.flow = 1;
    c.method = SP_CONTROL_CLOSE;
    inject(EDGE, &c); /* another method */
    ends_carry(&e, EDGE, 0, SIZE_MAX);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_OPENING);
    c.method = SP_CONTROL_OPEN;
    inject(EDGE, &c);
    ends_carry(&e, EDGE, 0, SIZE_MAX);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_OPEN);
    inject(EDGE, &c); /* twice */
    c.cls = SP_STUN_ERROR;
    c.code = SP_CONTROL_FULL;
    inject(EDGE, &c); /* and too late */
    ends_carry(&e, EDGE, 0, SIZE_MAX);
    ck_assert_int_eq(state(GATEWAY, 1), FLOW_OPEN);
    ck_assert_uint_eq(e.end[GATEWAY].closed, 0);
    ends_close(&e);
}
END_TEST

/* --- numbers -------------------------------------------------------------------------------- */

START_TEST(a_number_rests)
{
    start(1);
    struct sp_tunnel *gateway = e.end[GATEWAY].tunnel;
    struct sp_flow *f = ends_connected_flow(&e, NULL);
    ck_assert_uint_eq(sp_flow_number(f), 1);
    sp_flow_close(f, e.now_us);
    ends_settle(&e);
    ends_live(&e, SP_SEC(60) - 1);
    ck_assert_int_eq(state(EDGE, 1), FLOW_RESTING);
    ends_live(&e, 1);
    ck_assert_int_eq(state(EDGE, 1), GONE); /* before the gateway uses it again */
    ends_live(&e, SP_SEC(60) - 1);
    gateway->last_number = 0;
    ck_assert_uint_eq(sp_flow_number(ends_connected_flow(&e, NULL)), 2);
    ends_live(&e, 1);
    gateway->last_number = 0;
    ck_assert_uint_eq(sp_flow_number(ends_connected_flow(&e, NULL)), 1);
    ck_assert_uint_eq(flows(EDGE), 2);
    ends_close(&e);
}
END_TEST

START_TEST(numbers_go_round)
{
    start(1);
    e.end[GATEWAY].tunnel->last_number = 0xFFFD;
    ck_assert_uint_eq(sp_flow_number(ends_connected_flow(&e, NULL)), 0xFFFE);
    ck_assert_uint_eq(sp_flow_number(ends_connected_flow(&e, NULL)), 1); /* not 0xFFFF, not 0 */
    ends_close(&e);
}
END_TEST

/* However large the bound: an open that finds no number ends. */
START_TEST(all_numbers_in_use)
{
    start_with(1000000, 10);
    for (unsigned i = 0; i < 0xFFFE; i++)
        if (ends_flow(&e) == NULL)
            ck_abort_msg("flow %u", i);
    ck_assert_ptr_null(ends_flow(&e));
    ck_assert_uint_eq(flows(GATEWAY), 0xFFFE);
    ends_close(&e);
}
END_TEST

/* What rests is bounded, too: four times the flows. */
START_TEST(resting_numbers_are_bounded)
{
    unsigned n = 0;
    struct sp_flow *f;

    start_with(5, 5);
    for (; n < 100 && (f = ends_flow(&e)) != NULL; n++) {
        send_text(f, "hello");
        ends_settle(&e);
        if (flow_find(e.end[GATEWAY].tunnel, (uint16_t)(n + 1)) == f && f->state == FLOW_OPEN)
            sp_flow_close(f, e.now_us);
        ends_settle(&e);
    }
    ck_assert_uint_eq(n, 20);
    ck_assert_uint_le(e.end[EDGE].tunnel->n_resting, 20);
    ends_live(&e, SP_SEC(121));
    ends_connected_flow(&e, NULL);
    ends_close(&e);
}
END_TEST

/* CLOSE requests for numbers that never were can't fill the edge's memory. */
START_TEST(closes_of_unknown_flows_are_bounded)
{
    struct sp_control c = {.method = SP_CONTROL_CLOSE, .cls = SP_STUN_REQUEST};

    start_with(5, 5);
    for (uint16_t i = 1; i < 1000; i++) {
        c.flow = i;
        inject(GATEWAY, &c);
        ends_settle(&e);
    }
    ck_assert_uint_eq(e.end[EDGE].tunnel->n_resting, 20);
    ck_assert_uint_eq(ends_count(&e, EDGE)->flows_closed, 0);
    ends_live(&e, SP_SEC(61));
    ck_assert_uint_eq(e.end[EDGE].tunnel->n_resting, 0);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_flow");
    TCase *tc = tcase_create("tunnel_flow");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, opens_with_its_first_datagram);
    tcase_add_test(tc, datagrams_ride_in_opens_until_the_answer);
    tcase_add_test(tc, data_may_come_before_the_answer);
    tcase_add_test(tc, open_is_repeated_until_it_is_answered);
    tcase_add_test(tc, the_first_repeat_waits_a_round_trip);
    tcase_add_test(tc, a_repeat_carries_no_old_datagram);
    tcase_add_test(tc, a_repeated_datagram_is_delivered_once);
    tcase_add_test(tc, refused_by_the_owner);
    tcase_add_test(tc, refused_when_full);
    tcase_add_test(tc, a_copy_may_be_accepted_after_a_refusal);
    tcase_add_test(tc, the_gateways_bound);
    tcase_add_test(tc, only_the_gateway_opens);
    tcase_add_test(tc, the_owner_closes_while_it_opens);
    tcase_add_test(tc, the_owner_closes_while_it_is_told);
    tcase_add_loop_test(tc, either_end_closes, 0, 2);
    tcase_add_test(tc, both_close_at_once);
    tcase_add_test(tc, close_is_repeated_until_it_is_answered);
    tcase_add_test(tc, close_waits_for_a_lane);
    tcase_add_test(tc, what_was_never_used_leaves_no_trace);
    tcase_add_test(tc, closed_while_its_open_waits);
    tcase_add_test(tc, close_overtakes_open);
    tcase_add_test(tc, a_copy_of_the_open_opens_nothing_after_the_close);
    tcase_add_test(tc, data_for_a_resting_flow_is_answered_by_a_close);
    tcase_add_test(tc, answers_of_others);
    tcase_add_test(tc, a_number_rests);
    tcase_add_test(tc, numbers_go_round);
    tcase_add_test(tc, all_numbers_in_use);
    tcase_add_test(tc, resting_numbers_are_bounded);
    tcase_add_test(tc, closes_of_unknown_flows_are_bounded);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
