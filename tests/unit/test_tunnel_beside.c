/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What travels beside datagrams must not make matters worse: a copy never takes the lane that has
 * the datagram already, not even in the company of what goes there anyway; and what was lost in a
 * queue that is full calls for no parity, which would fill it further.
 */
#include <check.h>
#include <stdlib.h>

#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define RTT SP_MS(20)

static struct two_ends e;
static struct sp_flow *gw;

static struct sp_tunnel *tunnel(void)
{
    return e.end[GATEWAY].tunnel;
}

static void start(unsigned lanes)
{
    gw = ends_begin(&e, lanes, RTT, 0, NULL);
    ck_assert(sp_tunnel_is_wide(tunnel()));
}

static uint64_t copied(void)
{
    return ends_count(&e, GATEWAY)->copied;
}

/* 10 ms later, when a copy may ride with what leaves. */
static void leave_again(unsigned lane)
{
    ends_wait(&e, SP_MS(10));
    ck_assert_uint_eq(ends_put_rtp(&e, gw, 111, 160), lane);
}

START_TEST(a_copy_rides_by_another_lane)
{
    start(2);
    unsigned lane = ends_put_rtp(&e, gw, 111, 160);
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    uint64_t before = copied();
    ends_carry(&e, GATEWAY, lane, SIZE_MAX);
    e.end[GATEWAY].lanes[lane].full = true;
    leave_again(1 - lane);
    ck_assert_uint_eq(copied(), before + 1);
    ck_assert_uint_eq(ends_waiting_seq(&e, seq, NULL), 1);
    ends_close(&e);
}
END_TEST

START_TEST(but_never_by_its_own)
{
    start(2);
    unsigned lane = ends_put_rtp(&e, gw, 111, 160);
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    uint64_t before = copied();
    ends_carry(&e, GATEWAY, lane, SIZE_MAX);
    e.end[GATEWAY].lanes[1 - lane].full = true;
    leave_again(lane);
    ck_assert_uint_eq(copied(), before);
    ck_assert_uint_eq(ends_waiting_seq(&e, seq, NULL), 0);
    /* Nor later, alone, while the other one is full. */
    ends_wait(&e, SP_MS(20));
    ck_assert_uint_eq(ends_waiting_seq(&e, seq, NULL), 0);
    ends_close(&e);
}
END_TEST

static void miss_one(void)
{
    ends_put_text(&e, gw, "a");
    ends_put_text(&e, gw, "b");
    ends_settle(&e);
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), ends_last_seq(&e, GATEWAY) - 1);
}

START_TEST(a_loss_calls_for_parity)
{
    start(4);
    ck_assert_uint_eq(tunnel()->parity.enc.next_m, 0);
    miss_one();
    ck_assert_uint_gt(tunnel()->parity.enc.next_m, 0);
    ends_close(&e);
}
END_TEST

START_TEST(one_in_a_full_queue_does_not)
{
    start(4);
    tunnel()->bottleneck.full_us = e.now_us;
    ck_assert(sp_bottleneck_is_tight(&tunnel()->bottleneck, e.now_us));
    miss_one();
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 1);
    ck_assert_uint_eq(tunnel()->parity.enc.next_m, 0);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_beside");
    TCase *tc = tcase_create("tunnel_beside");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, a_copy_rides_by_another_lane);
    tcase_add_test(tc, but_never_by_its_own);
    tcase_add_test(tc, a_loss_calls_for_parity);
    tcase_add_test(tc, one_in_a_full_queue_does_not);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
