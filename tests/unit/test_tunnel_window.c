/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane whose congestion window is used up: what it took now would wait for a round trip, and what
 * other lanes take after it would overtake it and make it look lost. So another one takes it.
 */
#include <check.h>
#include <stdlib.h>

#include "tunnel_impl.h"
#include "two_ends.h"

#define RTT SP_MS(40)

static struct two_ends e;
static struct sp_flow *gw;

static struct end_lane *lane(unsigned i)
{
    return &e.end[GATEWAY].lanes[i];
}

/* A narrow tunnel, all lanes idle and measured. */
static void start(uint32_t window)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(ends_join(&e, i), 0);
        lane(i)->rtt_us = e.end[EDGE].lanes[i].rtt_us = RTT;
        lane(i)->window = window;
    }
    gw = ends_connected_flow(&e, NULL);
    ends_live(&e, SP_SEC(20));
    ck_assert(!sp_tunnel_is_wide(e.end[GATEWAY].tunnel));
}

static void say(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ends_send(&e, gw, "a", 1);
        ends_flush(&e);
    }
}

static void took(size_t first, size_t second, size_t third)
{
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), first);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 1), second);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 2), third);
}

START_TEST(takes_no_more_than_leaves_at_once)
{
    start(4);
    say(6);
    took(4, 2, 0);
    say(5);
    took(4, 4, 3);
    ends_close(&e);
}
END_TEST

/* What was known may be old: it is asked before another takes its place. */
START_TEST(goes_on_where_there_is_room_again)
{
    start(4);
    say(4);
    ends_wait(&e, SP_MS(3));
    lane(0)->window = 6;
    say(3);
    took(6, 1, 0);
    ends_close(&e);
}
END_TEST

/* However much it was at the end of what left before. */
START_TEST(begins_small_after_a_pause)
{
    start(20);
    lane(0)->window = lane(1)->window = 6;
    say(8);
    took(6, 2, 0);
    ends_close(&e);
}
END_TEST

/* Where a queue was just now, more lanes would make it longer. */
START_TEST(but_where_the_line_is_full)
{
    start(4);
    e.end[GATEWAY].tunnel->bottleneck.full_us = e.now_us;
    say(6);
    took(6, 0, 0);
    ends_close(&e);
}
END_TEST

START_TEST(where_all_are_full_it_still_leaves)
{
    start(1);
    say(5);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0) + ends_waiting(&e, GATEWAY, 1) +
                          ends_waiting(&e, GATEWAY, 2),
                      5);
    ends_close(&e);
}
END_TEST

START_TEST(a_transport_without_a_window)
{
    start(0);
    say(50);
    took(50, 0, 0);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_window");
    TCase *tc = tcase_create("tunnel_window");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, takes_no_more_than_leaves_at_once);
    tcase_add_test(tc, goes_on_where_there_is_room_again);
    tcase_add_test(tc, begins_small_after_a_pause);
    tcase_add_test(tc, but_where_the_line_is_full);
    tcase_add_test(tc, where_all_are_full_it_still_leaves);
    tcase_add_test(tc, a_transport_without_a_window);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
