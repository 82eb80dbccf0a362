/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is missing is asked for: when a report leaves, by which lane, and what it says. What is made
 * of it: test_tunnel_repair.c.
 */
#include <check.h>
#include <stdlib.h>

#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define RTT      SP_MS(20)
#define DOUBTFUL SP_MS(50) /* what is not acknowledged for so long makes a lane doubtful */

static struct two_ends e;
static struct sp_flow *gw, *edge;

static void start(unsigned lanes)
{
    gw = ends_begin(&e, lanes, RTT, 0, &edge);
}

static size_t got(void)
{
    return e.end[EDGE].n_got;
}

START_TEST(a_gap_is_reported_and_no_longer)
{
    struct sp_control c;

    start(4);
    unsigned a = ends_put_text(&e, gw, "a");
    unsigned b = ends_put_text(&e, gw, "b");
    ck_assert_uint_ne(a, b);
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    ends_wait(&e, SP_MS(2) - 1);
    ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), 0);
    ends_wait(&e, 1);
    ck_assert_uint_eq(ends_reports(&e, EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.seq, ends_last_seq(&e, GATEWAY));
    ck_assert_uint_eq(c.missing.len, 1);
    ck_assert_uint_eq(c.missing.p[0], 1);
    for (unsigned i = 1; i < 4; i++) { /* as long as it is missing */
        ends_wait(&e, SP_MS(20) - 1);
        ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), i);
        ends_wait(&e, 1);
        ck_assert_uint_eq(ends_reports(&e, EDGE, &c, NULL), i + 1);
    }
    ck_assert_uint_eq(ends_count(&e, EDGE)->reports_out, 4);
    ends_carry(&e, GATEWAY, a, SIZE_MAX);
    ends_wait(&e, SP_SEC(1));
    ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), 4);
    ck_assert_uint_eq(got(), 3);
    ck_assert(!sp_timer_is_set(&e.end[EDGE].tunnel->repair.report));
    ends_close(&e);
}
END_TEST

START_TEST(lanes_may_differ_by_two_milliseconds)
{
    start(4);
    for (unsigned i = 0; i < 10; i++) {
        unsigned a = ends_put_text(&e, gw, "a");
        unsigned b = ends_put_text(&e, gw, "b");
        ck_assert_uint_ne(a, b);
        ends_carry(&e, GATEWAY, b, SIZE_MAX);
        ends_wait(&e, SP_MS(2) - 1);
        ends_carry(&e, GATEWAY, a, SIZE_MAX);
        ends_wait(&e, SP_MS(7));
    }
    ends_wait(&e, SP_SEC(1));
    ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), 0);
    ck_assert_uint_eq(ends_count(&e, EDGE)->reports_out, 0);
    ck_assert_uint_eq(got(), 21);
    ends_close(&e);
}
END_TEST

/* Where a lane brings more than is read in a turn, what is missing is not lost, but not read. */
START_TEST(not_while_a_lane_is_not_read)
{
    start(4);
    unsigned a = ends_put_text(&e, gw, "a");
    unsigned b = ends_put_text(&e, gw, "b");
    struct end_lane *behind = &e.end[EDGE].lanes[a];
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    behind->has_more = true;
    ends_wait(&e, SP_MS(100));
    ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), 0);
    ends_carry(&e, GATEWAY, a, SIZE_MAX);
    behind->has_more = false;
    ends_wait(&e, SP_SEC(1));
    ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), 0);
    ck_assert(!sp_timer_is_set(&e.end[EDGE].tunnel->repair.report));

    /* All is read, and it is missing. */
    ends_put_text(&e, gw, "a");
    b = ends_put_text(&e, gw, "b");
    behind->has_more = true;
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    ends_wait(&e, SP_MS(11));
    ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), 0);
    behind->has_more = false;
    ends_wait(&e, SP_MS(2));
    ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), 1);
    ends_close(&e);
}
END_TEST

START_TEST(what_is_too_old_is_reported_no_more)
{
    start(4);
    ends_put_text(&e, gw, "a");
    ends_carry(&e, GATEWAY, ends_put_text(&e, gw, "b"), SIZE_MAX);
    ends_wait(&e, SP_MS(390));
    ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), 20); /* at 2, 22, … 382 */
    ends_wait(&e, SP_SEC(2));
    ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, NULL), 20);
    /* A younger gap is none of the older one's. */
    struct sp_control c;
    ends_lose_bytes(&e, EDGE);
    ends_put_text(&e, gw, "c");
    ends_carry(&e, GATEWAY, ends_put_text(&e, gw, "d"), SIZE_MAX);
    ends_wait(&e, SP_MS(3));
    ck_assert_uint_eq(ends_reports(&e, EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.missing.len, 1);
    ck_assert_uint_eq(c.missing.p[0], 1);
    ends_close(&e);
}
END_TEST

/* One that appears while a report is due does not put it off, and is in the one that follows. */
START_TEST(gaps_follow_each_other)
{
    struct sp_control c;

    start(8);
    ends_put_text(&e, gw, "a");
    unsigned b = ends_put_text(&e, gw, "b");
    ends_put_text(&e, gw, "c");
    unsigned d = ends_put_text(&e, gw, "d");
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    ends_wait(&e, SP_MS(1));
    ends_carry(&e, GATEWAY, d, SIZE_MAX);
    ends_wait(&e, SP_MS(1));
    ck_assert_uint_eq(ends_reports(&e, EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.seq, ends_last_seq(&e, GATEWAY) - 2);
    ck_assert_uint_eq(c.missing.p[0], 1);
    ends_lose_bytes(&e, EDGE);
    ends_wait(&e, SP_MS(2));
    ck_assert_uint_eq(ends_reports(&e, EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.seq, ends_last_seq(&e, GATEWAY));
    ck_assert_uint_eq(c.missing.p[0], 5);
    ends_lose_bytes(&e, EDGE);
    /* And one that appears between two reports is not left to the second. */
    ends_wait(&e, SP_MS(10));
    ends_put_text(&e, gw, "e");
    ends_carry(&e, GATEWAY, ends_put_text(&e, gw, "f"), SIZE_MAX);
    ends_wait(&e, SP_MS(2));
    ck_assert_uint_eq(ends_reports(&e, EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.missing.p[0], 1 | 4 | 16);
    ends_close(&e);
}
END_TEST

/* However many gaps: a report every two milliseconds at most. */
START_TEST(reports_are_few)
{
    static uint8_t body[100];

    start(2);
    for (unsigned ms = 0; ms < 100; ms++) {
        for (unsigned i = 0; i < 4; i++) { /* every second number is lost */
            ends_put(&e, gw, body, sizeof body);
            ends_lose_bytes(&e, GATEWAY);
            ends_carry(&e, GATEWAY, ends_put(&e, gw, body, sizeof body), SIZE_MAX);
            ends_wait(&e, 250);
        }
    }
    ck_assert_uint_gt(ends_count(&e, EDGE)->reports_out, 40);
    ck_assert_uint_le(ends_count(&e, EDGE)->reports_out, 50);
    ends_close(&e);
}
END_TEST

START_TEST(by_a_lane_that_is_well)
{
    unsigned lane = ENDS_LANES;

    start(3);
    unsigned stuck = ends_put_text(&e, edge, "x");
    for (unsigned i = 0; i < 2; i++)
        ends_carry(&e, EDGE, ends_put_text(&e, edge, "y"), SIZE_MAX);
    ck_assert_uint_gt(e.end[EDGE].lanes[stuck].len, 0);
    ends_wait(&e, DOUBTFUL);
    unsigned a = ends_put_text(&e, gw, "a");
    unsigned b = ends_put_text(&e, gw, "b");
    ck_assert_uint_ne(a, b);
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    for (unsigned i = 0; i < 5; i++) {
        ends_wait(&e, i == 0 ? SP_MS(2) : SP_MS(20));
        ck_assert_uint_eq(ends_reports(&e, EDGE, NULL, &lane), 1);
        ck_assert_uint_ne(lane, stuck);
        e.end[EDGE].lanes[lane].acked += e.end[EDGE].lanes[lane].len;
        e.end[EDGE].lanes[lane].len = 0;
    }
    ends_close(&e);
}
END_TEST

START_TEST(without_lanes_none_is_counted)
{
    start(2);
    ends_put_text(&e, gw, "a");
    ends_carry(&e, GATEWAY, ends_put_text(&e, gw, "b"), SIZE_MAX);
    ends_lose(&e, EDGE, 0);
    ends_lose(&e, EDGE, 1);
    ends_wait(&e, SP_MS(300));
    ck_assert_uint_eq(ends_count(&e, EDGE)->reports_out, 0);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_report");
    TCase *tc = tcase_create("tunnel_report");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_gap_is_reported_and_no_longer);
    tcase_add_test(tc, lanes_may_differ_by_two_milliseconds);
    tcase_add_test(tc, not_while_a_lane_is_not_read);
    tcase_add_test(tc, what_is_too_old_is_reported_no_more);
    tcase_add_test(tc, gaps_follow_each_other);
    tcase_add_test(tc, reports_are_few);
    tcase_add_test(tc, by_a_lane_that_is_well);
    tcase_add_test(tc, without_lanes_none_is_counted);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
