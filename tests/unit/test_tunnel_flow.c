/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a flow opens on both ends, whatever is lost on the way, and how it is refused.
 */
#include "flow_rig.h"

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
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
