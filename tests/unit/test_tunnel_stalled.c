/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane on which nothing has been acknowledged for too long, long before it is suspect: nothing
 * more is put behind what stands there, not even where there is no other lane. What waits here can
 * still take the first lane that is back, or be dropped for its age; there it could not.
 */
#include <check.h>

#include "tunnel_impl.h"
#include "two_ends.h"

#define RTT     SP_MS(40)
#define STALLED (2 * RTT + SP_MS(100))

static struct two_ends e;
static struct sp_flow *gw;

/* All lanes have a datagram on the way since now. */
static void start(unsigned lanes)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < lanes; i++) {
        ck_assert_int_eq(ends_join(&e, i), 0);
        e.end[GATEWAY].lanes[i].rtt_us = e.end[EDGE].lanes[i].rtt_us = RTT;
    }
    gw = ends_connected_flow(&e, NULL);
    ends_live(&e, SP_SEC(1)); /* copies of it, too */
    for (unsigned i = 0; i < lanes; i++) {
        ends_send(&e, gw, "on the way", 10);
        ends_flush(&e);
    }
    for (unsigned i = 0; i < lanes; i++)
        ck_assert_uint_eq(ends_waiting(&e, GATEWAY, i), 1);
}

static void say(void)
{
    ends_send(&e, gw, "later", 5);
    ends_flush(&e);
}

static size_t queued(void)
{
    return sp_classq_count(&e.end[GATEWAY].tunnel->queue);
}

/* Lanes that are only late get more, since they may be back at any moment. */
START_TEST(until_then_it_is_used)
{
    start(2);
    ends_wait(&e, STALLED - SP_MS(1));
    say();
    ck_assert_uint_eq(queued(), 0);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0) + ends_waiting(&e, GATEWAY, 1), 3);
    ends_close(&e);
}
END_TEST

START_TEST(then_nothing_is_put_behind_it)
{
    start(2);
    ends_wait(&e, STALLED + SP_MS(1));
    say();
    ck_assert(!sp_lane_is_suspect(e.end[GATEWAY].lanes[0].lane));
    ck_assert_uint_eq(queued(), 1);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), 1);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 1), 1);
    ends_close(&e);
}
END_TEST

/* By itself: nobody has to send anything for it. */
START_TEST(it_takes_the_first_that_is_back)
{
    start(2);
    ends_wait(&e, STALLED + SP_MS(1));
    say();
    size_t before = e.end[EDGE].n_got;
    ends_carry(&e, GATEWAY, 1, SIZE_MAX);
    ends_wait(&e, SP_MS(20));
    ck_assert_uint_eq(queued(), 0);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), 1);
    ends_carry(&e, GATEWAY, 1, SIZE_MAX);
    ck_assert_uint_eq(e.end[EDGE].n_got, before + 2);
    ends_close(&e);
}
END_TEST

START_TEST(or_is_dropped_for_its_age)
{
    start(2);
    ends_wait(&e, STALLED + SP_MS(1));
    say();
    ends_wait(&e, SP_MS(399));
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->dropped_age, 0);
    ends_wait(&e, SP_MS(3));
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->dropped_age, 1);
    ck_assert_uint_eq(queued(), 0);
    ends_close(&e);
}
END_TEST

/* What sets a call up follows its flight by one lane; but not behind what stands still. */
START_TEST(a_handshake_waits_as_well)
{
    static const uint8_t dtls[20] = {22, 0xFE, 0xFD};

    start(1);
    ends_wait(&e, STALLED - SP_MS(2));
    ends_send(&e, gw, dtls, sizeof dtls);
    ends_flush(&e);
    ck_assert_uint_eq(queued(), 0);
    ends_wait(&e, SP_MS(3));
    ends_send(&e, gw, dtls, sizeof dtls);
    ends_flush(&e);
    ck_assert_uint_eq(queued(), 1);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_stalled");
    TCase *tc = tcase_create("tunnel_stalled");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, until_then_it_is_used);
    tcase_add_test(tc, then_nothing_is_put_behind_it);
    tcase_add_test(tc, it_takes_the_first_that_is_back);
    tcase_add_test(tc, or_is_dropped_for_its_age);
    tcase_add_test(tc, a_handshake_waits_as_well);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
