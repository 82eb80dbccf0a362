/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a flow closes on both ends, whatever is lost on the way, and that its number means one flow
 * only.
 */
#include "flow_rig.h"

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
    Suite *suite = suite_create("tunnel_close");
    TCase *tc = tcase_create("tunnel_close");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
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
