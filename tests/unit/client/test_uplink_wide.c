/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many lanes an uplink keeps: a few, as many as there may be while its tunnel is wide, and for
 * five minutes after that.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "uplink_rig.h"

#define LANES 7
#define FEW   4
#define SPARE SP_SEC(300)

static struct uplink_rig r;

static void setup(void)
{
    uplink_rig_init(&r, LANES);
}

static void teardown(void)
{
    uplink_rig_fini(&r);
}

static void expect_lanes(unsigned n)
{
    ck_assert_msg(uplink_rig_until_lanes(&r, n), "%u lanes, not %u:\n%s", uplink_rig_lanes(&r), n,
                  uplink_rig_logged(&r));
}

/* What was to happen at once would have. */
static void expect_no_other(unsigned n)
{
    expect_lanes(n);
    io_loop_for(&r.io, 100);
    ck_assert_uint_eq(uplink_rig_lanes(&r), n);
}

static void start(void)
{
    uplink_rig_start(&r, r.files.ca);
    expect_no_other(FEW);
}

static void widen(void)
{
    sp_uplink_want(r.uplink, LANES);
    expect_no_other(LANES);
}

static uint64_t tries(void)
{
    return sp_uplink_counters(r.uplink)->tries;
}

/* The timer that closes what is spare, which nothing else comes near; NULL: it is not set. */
static struct sp_timer *spare_timer(void)
{
    uint64_t now_us = sp_ticker_now(&r.io.ticker);
    const struct sp_timerq *q = &r.io.ticker.timers;
    struct sp_timer *found = NULL;

    for (size_t i = 0; i < q->len; i++) {
        if (q->heap[i].due_us < now_us + SPARE - SP_SEC(60))
            continue;
        ck_assert_ptr_null(found);
        ck_assert_uint_le(q->heap[i].due_us, now_us + SPARE);
        found = sp_timerq_at(q, i);
    }
    return found;
}

static void spare_time_is_over(void)
{
    struct sp_timer *t = spare_timer();

    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(sp_timerq_set(&r.io.ticker.timers, t, sp_ticker_now(&r.io.ticker)), 0);
}

START_TEST(a_few_at_first)
{
    start();
    ck_assert_uint_eq(tries(), FEW);
    ck_assert_uint_eq(r.server.n_joined, FEW);
    ck_assert_ptr_null(spare_timer());
}
END_TEST

START_TEST(all_when_wide)
{
    start();
    widen();
    ck_assert_uint_eq(tries(), LANES);
    ck_assert_uint_eq(r.n_made, 1);
}
END_TEST

/* The tunnel says so while it is at work: nothing is begun from there. */
START_TEST(not_at_once)
{
    start();
    sp_uplink_want(r.uplink, LANES);
    ck_assert_uint_eq(tries(), FEW);
    expect_lanes(LANES);
}
END_TEST

START_TEST(wide_before_there_is_a_tunnel)
{
    uplink_rig_start(&r, r.files.ca);
    sp_uplink_want(r.uplink, LANES);
    expect_no_other(LANES);
    ck_assert_uint_eq(r.server.n_new, 1);
    ck_assert_uint_eq(tries(), LANES);
}
END_TEST

START_TEST(no_more_than_there_may_be)
{
    r.config.lanes = 2;
    uplink_rig_start(&r, r.files.ca);
    expect_no_other(2);
    sp_uplink_want(r.uplink, LANES);
    expect_no_other(2);
    sp_uplink_want(r.uplink, 1);
    spare_time_is_over();
    expect_no_other(2);
    ck_assert_uint_eq(tries(), 2);
}
END_TEST

START_TEST(they_stay_for_a_while)
{
    start();
    widen();
    uint64_t before_us = sp_ticker_now(&r.io.ticker);
    sp_uplink_want(r.uplink, 1);
    const struct sp_timer *t = spare_timer();
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_ge(t->due_us, before_us + SPARE);
    expect_no_other(LANES);
    ck_assert_uint_eq(sp_tunnel_counters(r.tunnel)->lanes_lost, 0);
}
END_TEST

START_TEST(then_those_to_spare_are_closed)
{
    start();
    widen();
    sp_uplink_want(r.uplink, 1);
    spare_time_is_over();
    expect_no_other(FEW);
    for (unsigned i = 0; i < LANES; i++)
        ck_assert((sp_uplink_lane_stream(r.uplink, i) != NULL) == (i < FEW));
    ck_assert_int_eq(r.server.last_end, SP_ECLOSED); /* with close_notify */
    ck_assert_uint_eq(tries(), LANES);
    ck_assert_uint_eq(r.n_made, 1);
    widen(); /* and there again when they are wanted */
    ck_assert_uint_eq(tries(), LANES + LANES - FEW);
}
END_TEST

START_TEST(not_when_it_is_wide_again)
{
    start();
    widen();
    sp_uplink_want(r.uplink, 1);
    ck_assert_ptr_nonnull(spare_timer());
    widen();
    ck_assert_ptr_null(spare_timer());
    ck_assert_uint_eq(tries(), LANES);
}
END_TEST

/* What a narrow tunnel loses is replaced when it is one of the few. */
START_TEST(one_to_spare_is_not_replaced)
{
    start();
    widen();
    sp_uplink_want(r.uplink, 1);
    scripted_edge_cut_lanes(&r.server, LANES);
    expect_no_other(FEW);
    ck_assert_uint_eq(r.n_made, 1);
    ck_assert_uint_eq(tries(), LANES + FEW);
}
END_TEST

static bool stopped(void *arg)
{
    (void)arg;
    return r.is_stopped;
}

/* The tunnel may say so until the last lane is closed. */
START_TEST(nothing_begins_when_it_stops)
{
    start();
    sp_uplink_stop(r.uplink);
    sp_uplink_want(r.uplink, LANES);
    ck_assert(io_loop_until(&r.io, stopped, NULL));
    io_loop_for(&r.io, 100);
    ck_assert_uint_eq(tries(), FEW);
    ck_assert_uint_eq(uplink_rig_lanes(&r), 0);
}
END_TEST

/* With lanes to spare, and their timer set: teardown finds none of either left. */
START_TEST(ends_while_there_are_some_to_spare)
{
    start();
    widen();
    sp_uplink_want(r.uplink, 1);
    ck_assert_ptr_nonnull(spare_timer());
    sp_uplink_free(r.uplink);
    r.uplink = NULL;
    ck_assert_ptr_null(spare_timer());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink_wide");
    TCase *tc = tcase_create("uplink_wide");
    SRunner *runner = srunner_create(s);

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_few_at_first);
    tcase_add_test(tc, all_when_wide);
    tcase_add_test(tc, not_at_once);
    tcase_add_test(tc, wide_before_there_is_a_tunnel);
    tcase_add_test(tc, no_more_than_there_may_be);
    tcase_add_test(tc, they_stay_for_a_while);
    tcase_add_test(tc, then_those_to_spare_are_closed);
    tcase_add_test(tc, not_when_it_is_wide_again);
    tcase_add_test(tc, one_to_spare_is_not_replaced);
    tcase_add_test(tc, nothing_begins_when_it_stops);
    tcase_add_test(tc, ends_while_there_are_some_to_spare);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
