/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the far side misses is repeated: when, by which lane, and for how long. What it is good for:
 * sim/test_repair.c. What may not come of it: test_tunnel_repair_bounds.c.
 */
#include <check.h>
#include <stdlib.h>

#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define RTT      SP_MS(20)
#define DOUBTFUL SP_MS(50) /* what is not acknowledged for so long makes a lane doubtful */

static struct two_ends e;
static struct sp_flow *gw;

static void start(unsigned lanes)
{
    gw = ends_begin(&e, lanes, RTT, 0, NULL);
}

static size_t got(void)
{
    return e.end[EDGE].n_got;
}

/* All that may move does, now and for that long. */
static void live(uint64_t us)
{
    ends_settle(&e);
    ends_live(&e, us);
}

START_TEST(repeated_by_another_lane)
{
    unsigned lane = ENDS_LANES;

    start(4);
    unsigned a = ends_put_text(&e, gw, "a");
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    unsigned b = ends_put_text(&e, gw, "b");
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    ends_wait(&e, SP_MS(2));
    for (unsigned i = 0; i < 4; i++)
        ends_carry(&e, EDGE, i, SIZE_MAX);
    ck_assert_uint_eq(ends_waiting_seq(&e, seq, NULL), 2);
    e.end[GATEWAY].lanes[a].held = true;
    for (unsigned i = 0; i < 4; i++)
        if (i != a && e.end[GATEWAY].lanes[i].len > 0)
            lane = i;
    ck_assert_uint_ne(lane, ENDS_LANES);
    ends_carry(&e, GATEWAY, lane, SIZE_MAX);
    ck_assert_uint_eq(got(), 3);
    ck_assert_uint_eq(e.end[EDGE].got[2].head[0], 'a');
    ends_wait(&e, SP_MS(500));
    ends_carry(&e, GATEWAY, a, SIZE_MAX); /* TCP brings it at last */
    ck_assert_uint_eq(got(), 3);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_copy, 1);
    ck_assert_uint_eq(ends_count(&e, EDGE)->reports_out, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->reports_in, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->datagrams_out, 3);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->control_repeats, 0);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->reports_out + ends_count(&e, EDGE)->reports_in, 0);
    ck_assert_uint_eq(ends_count(&e, EDGE)->missed + ends_count(&e, EDGE)->repeated, 0);
    ends_close(&e);
}
END_TEST

enum trouble { FULL, SUSPECT, DOUBT };

/* Of two lanes one had it, the other is in trouble: it stays where it is. */
START_TEST(not_by_a_lane_in_trouble)
{
    start(2);
    unsigned bad = ends_put_text(&e, gw, "stuck");
    struct end_lane *l = &e.end[GATEWAY].lanes[bad];

    if (_i == SUSPECT)
        ends_wait(&e, SP_MS(1400));
    else if (_i == DOUBT)
        ends_wait(&e, DOUBTFUL);
    else
        ends_carry(&e, GATEWAY, bad, SIZE_MAX);
    ck_assert(sp_lane_is_suspect(l->lane) == (_i == SUSPECT));
    l->full = _i == FULL;
    unsigned a = ends_put_text(&e, gw, "a");
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    ck_assert_uint_eq(a, 1 - bad);
    ends_carry(&e, GATEWAY, a, SIZE_MAX); /* (it is lost all the same) */
    ck_assert_uint_eq(ends_put_text(&e, gw, "b"), 1 - bad);
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 0);
    ck_assert_uint_eq(ends_waiting_seq(&e, seq, NULL), 0);
    /* As soon as it is well again it may have it. */
    l->full = false;
    ends_carry(&e, GATEWAY, bad, SIZE_MAX);
    ends_wait(&e, _i == SUSPECT ? SP_MS(260) : SP_MS(20));
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 1);
    ck_assert_uint_eq(ends_waiting_seq(&e, seq, &a), 1);
    ck_assert_uint_eq(a, bad);
    ends_close(&e);
}
END_TEST

START_TEST(never_by_the_only_lane)
{
    start(1);
    ends_put_text(&e, gw, "a");
    ends_put_text(&e, gw, "b");
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, SP_MS(5));
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), ends_last_seq(&e, GATEWAY) - 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 0);
    ends_close(&e);
}
END_TEST

START_TEST(three_times_at_most)
{
    uint32_t lanes = 0;

    start(8);
    lanes |= 1u << ends_put_text(&e, gw, "a");
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    ends_lose_bytes(&e, GATEWAY);
    for (unsigned i = 1; i < 8; i++) {
        unsigned lane;

        ends_wait(&e, SP_MS(5));
        ends_put_text(&e, gw, "b");
        ends_lose_bytes(&e, GATEWAY);
        ends_report_one(&e, ends_last_seq(&e, GATEWAY), seq);
        ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, i < 3 ? i : 3);
        ck_assert_uint_eq(ends_waiting_seq(&e, seq, &lane), i <= 3);
        if (i <= 3) {
            ck_assert_uint_eq(lanes >> lane & 1, 0); /* none that it took before */
            lanes |= 1u << lane;
        }
        ends_lose_bytes(&e, GATEWAY);
    }
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 1);
    ends_close(&e);
}
END_TEST

START_TEST(by_each_lane_once)
{
    start(3);
    ends_put_text(&e, gw, "a");
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    ends_lose_bytes(&e, GATEWAY);
    for (unsigned i = 1; i < 6; i++) {
        ends_wait(&e, SP_MS(5));
        ends_put_text(&e, gw, "b");
        ends_lose_bytes(&e, GATEWAY);
        ends_report_one(&e, ends_last_seq(&e, GATEWAY), seq);
        ends_lose_bytes(&e, GATEWAY);
        ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, i < 2 ? i : 2);
    }
    ends_close(&e);
}
END_TEST

/* What came before the repeat left says nothing of the repeat. */
START_TEST(a_repeat_is_given_its_time)
{
    start(8);
    ends_put_text(&e, gw, "a");
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    ends_put_text(&e, gw, "b");
    ends_lose_bytes(&e, GATEWAY);
    for (unsigned i = 0; i < 5; i++) {
        ends_report_one(&e, seq + 1, seq);
        ends_wait(&e, SP_MS(20));
    }
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 1);
    ends_put_text(&e, gw, "c");
    ends_report_one(&e, seq + 1, seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 1);
    ends_report_one(&e, seq + 2, seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 2);
    ends_put_text(&e, gw, "d"); /* in the same moment as the repeat: it has not left after it */
    ends_report_one(&e, seq + 3, seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 2);
    ends_wait(&e, 1);
    ends_put_text(&e, gw, "e");
    ends_report_one(&e, seq + 4, seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 3);
    ends_close(&e);
}
END_TEST

START_TEST(not_after_its_age)
{
    start(4);
    uint64_t at_us = e.now_us;
    ends_put_text(&e, gw, "a");
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, SP_MS(200));
    ends_put_text(&e, gw, "b");
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, at_us + SP_MS(400) + (unsigned)_i - e.now_us);
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 1 - (unsigned)_i);
    ends_close(&e);
}
END_TEST

/* Voice is not played any more when a picture still is. */
START_TEST(voice_is_given_up_sooner)
{
    start(4);
    ends_put_text(&e, gw, "a");
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    sp_sent_find(&e.end[GATEWAY].tunnel->repair.sent, seq)->cls = SP_CLASS_VOICE;
    ends_wait(&e, SP_MS(200) + (unsigned)_i);
    ends_put_text(&e, gw, "b");
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 1 - (unsigned)_i);
    ends_close(&e);
}
END_TEST

/* Its age counts from when it was queued, not from when it left. */
START_TEST(waiting_for_a_lane_is_part_of_its_age)
{
    start(3);
    for (unsigned i = 0; i < 3; i++)
        e.end[GATEWAY].lanes[i].full = true;
    ends_put_text(&e, gw, "a");
    uint32_t seq = ends_last_seq(&e, GATEWAY) + 1;
    ends_wait(&e, SP_MS(390));
    for (unsigned i = 0; i < 3; i++)
        e.end[GATEWAY].lanes[i].full = false;
    sp_tunnel_lane_writable(e.end[GATEWAY].lanes[0].lane);
    ends_put_text(&e, gw, "b");
    ck_assert_uint_eq(ends_last_seq(&e, GATEWAY), seq + 1);
    ends_wait(&e, SP_MS(11));
    ends_report_one(&e, seq + 1, seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 0);
    ends_close(&e);
}
END_TEST

START_TEST(what_opens_a_flow_is_repaired)
{
    start(4);
    struct sp_flow *f = ends_flow(&e);
    size_t before = got();

    ends_send(&e, f, "first", 5);
    ends_flush(&e);
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    unsigned lane = ENDS_LANES;
    ck_assert_uint_eq(ends_waiting_seq(&e, seq, &lane), 1);
    e.end[GATEWAY].lanes[lane].held = true;
    ends_send(&e, f, "second", 6);
    ends_settle(&e);
    ck_assert_uint_eq(got(), before + 1);
    ends_live(&e, SP_MS(2));
    ck_assert_uint_eq(got(), before + 2);
    ck_assert_mem_eq(e.end[EDGE].got[before + 1].head, "first", 5);
    ck_assert_uint_eq(e.end[EDGE].got[before + 1].flow, sp_flow_number(f));
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 1);
    ck_assert_uint_eq(ends_count(&e, EDGE)->flows_opened, 2);
    /* It may come again after the flow was closed: it opens nothing. */
    ends_live(&e, SP_MS(50));
    sp_flow_close(f, e.now_us);
    ends_settle(&e);
    e.end[GATEWAY].lanes[lane].held = false;
    ends_live(&e, SP_SEC(1));
    ck_assert_uint_eq(ends_count(&e, EDGE)->flows_opened, 2);
    ck_assert_uint_eq(got(), before + 2);
    ck_assert_uint_eq(sp_tunnel_flow_count(e.end[EDGE].tunnel), 1);
    ck_assert_uint_eq(sp_tunnel_flow_count(e.end[GATEWAY].tunnel), 1);
    ends_close(&e);
}
END_TEST

START_TEST(numbers_wrap)
{
    gw = ends_begin(&e, 4, RTT, UINT32_MAX - 10, NULL);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t repeated = ends_count(&e, GATEWAY)->repeated;
        unsigned a = ends_put_text(&e, gw, "a");

        e.end[GATEWAY].lanes[a].held = true;
        ends_put_text(&e, gw, "b");
        live(SP_MS(3));
        ck_assert_uint_eq(got(), 3 + 2 * i);
        ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, repeated + 1);
        e.end[GATEWAY].lanes[a].held = false;
        live(RTT);
    }
    ck_assert_uint_lt(ends_last_seq(&e, GATEWAY), 100);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_repair");
    TCase *tc = tcase_create("tunnel_repair");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, repeated_by_another_lane);
    tcase_add_loop_test(tc, not_by_a_lane_in_trouble, FULL, DOUBT + 1);
    tcase_add_test(tc, never_by_the_only_lane);
    tcase_add_test(tc, three_times_at_most);
    tcase_add_test(tc, by_each_lane_once);
    tcase_add_test(tc, a_repeat_is_given_its_time);
    tcase_add_loop_test(tc, not_after_its_age, 0, 2);
    tcase_add_loop_test(tc, voice_is_given_up_sooner, 0, 2);
    tcase_add_test(tc, waiting_for_a_lane_is_part_of_its_age);
    tcase_add_test(tc, what_opens_a_flow_is_repaired);
    tcase_add_test(tc, numbers_wrap);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
