/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is small and urgent travels twice: which datagrams, when, by which lane, and when not.
 */
#include <check.h>
#include <stdlib.h>

#include "tunnel_impl.h"
#include "two_ends.h"

#define RTT   SP_MS(20)
#define APART SP_MS(8)
#define RIDE  SP_MS(22)

static struct two_ends e;
static struct sp_flow *gw;

/* A call that has just begun, so that the tunnel is wide. */
static void start(unsigned lanes)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < lanes; i++) {
        e.end[GATEWAY].lanes[i].rtt_us = e.end[EDGE].lanes[i].rtt_us = RTT;
        ck_assert_int_eq(ends_join(&e, i), 0);
    }
    gw = ends_connected_flow(&e, NULL);
    ends_live(&e, SP_SEC(1));
}

static void put_rtp(uint8_t type, size_t len)
{
    uint8_t packet[1400] = {0x80, type, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9};

    ends_send(&e, gw, packet, len);
}

static void put_voice(void)
{
    put_rtp(111, 100);
    ends_flush(&e);
}

/* Datagrams on the gateway's wires; each lane's in `per`, unless it is NULL. */
static size_t on_wires(unsigned per[ENDS_LANES])
{
    struct sp_frame f;
    struct sp_control c;
    size_t n = 0;

    for (unsigned l = 0; l < ENDS_LANES; l++) {
        unsigned here = 0;
        for (size_t i = 0; ends_peek(&e, GATEWAY, l, i, &f, &c); i++)
            here += f.kind == SP_FRAME_DATA;
        if (per != NULL)
            per[l] = here;
        n += here;
    }
    return n;
}

static uint64_t copied(void)
{
    return ends_count(&e, GATEWAY)->copied;
}

START_TEST(later_and_by_another_lane)
{
    unsigned per[ENDS_LANES];

    start(2);
    put_voice();
    ends_wait(&e, RIDE - 1);
    ck_assert_uint_eq(on_wires(NULL), 1);
    ends_wait(&e, 1);
    ck_assert_uint_eq(on_wires(per), 2);
    ck_assert(per[0] == 1 && per[1] == 1);
    ck_assert_uint_eq(copied(), 1);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 2); /* "hello" and this, once */
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_copy, 1);
    ends_close(&e);
}
END_TEST

/* Numbers of the gateway's frames on a lane's wire, one record after the other. */
static size_t numbers_on(unsigned lane, uint32_t *seq, size_t max)
{
    struct sp_frame f;
    struct sp_control c;
    size_t n = 0;

    for (size_t i = 0; n < max && ends_peek(&e, GATEWAY, lane, i, &f, &c); i++)
        if (f.kind == SP_FRAME_DATA)
            seq[n++] = f.seq;
    return n;
}

START_TEST(within_the_next_that_leaves)
{
    uint32_t a[8] = {0}, b[8] = {0};

    start(2);
    put_voice();
    ends_wait(&e, APART);
    put_rtp(96, 1000);
    ends_flush(&e);
    ck_assert_uint_eq(copied(), 1);
    size_t n_a = numbers_on(0, a, 8), n_b = numbers_on(1, b, 8);
    ck_assert_uint_eq(n_a + n_b, 3);
    const uint32_t *both = n_a == 2 ? a : b, *one = n_a == 2 ? b : a;
    ck_assert_uint_eq(both[0], one[0] + 1); /* what leaves, and behind it the copy */
    ck_assert_uint_eq(both[1], one[0]);
    ends_wait(&e, RIDE);
    ck_assert_uint_eq(copied(), 1);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 3);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_copy, 1);
    ends_close(&e);
}
END_TEST

START_TEST(not_too_soon_and_not_in_a_full_record)
{
    start(4);
    put_voice();
    ends_wait(&e, APART - 1);
    put_rtp(96, 100);
    ends_flush(&e);
    ck_assert_uint_eq(copied(), 0);
    ends_wait(&e, 1);
    put_rtp(96, 1300); /* with the copy it would be more than a record is to have */
    ends_flush(&e);
    ck_assert_uint_eq(copied(), 0);
    ends_wait(&e, RIDE - APART);
    ck_assert_uint_eq(copied(), 1); /* alone */
    ends_close(&e);
}
END_TEST

START_TEST(not_with_what_waited_for_a_lane)
{
    start(4);
    put_voice();
    ends_wait(&e, APART);
    for (unsigned i = 0; i < 4; i++)
        e.end[GATEWAY].lanes[i].full = true;
    put_rtp(96, 500);
    ends_flush(&e);
    ends_wait(&e, SP_MS(3));
    for (unsigned i = 0; i < 4; i++)
        e.end[GATEWAY].lanes[i].full = false;
    ends_wait(&e, SP_MS(10));
    ck_assert_uint_eq(on_wires(NULL), 2);
    ck_assert_uint_eq(copied(), 0);
    ends_close(&e);
}
END_TEST

START_TEST(each_in_its_time)
{
    start(4);
    put_voice();
    ends_wait(&e, SP_MS(3));
    put_voice();
    ends_wait(&e, RIDE - SP_MS(3));
    ck_assert_uint_eq(copied(), 1);
    ends_wait(&e, SP_MS(3) - 1);
    ck_assert_uint_eq(copied(), 1);
    ends_wait(&e, 1);
    ck_assert_uint_eq(copied(), 2);
    put_voice(); /* its copy is never due here: ends_close finds no timer left */
    ends_close(&e);
}
END_TEST

START_TEST(not_of_what_is_large_or_can_wait)
{
    start(4);
    put_rtp(96, 1100);
    put_rtp(200, 100); /* RTCP */
    ends_send(&e, gw, "what is it?", 11);
    ends_flush(&e);
    ends_wait(&e, RIDE + SP_MS(5));
    ck_assert_uint_eq(copied(), 0);
    ends_close(&e);
}
END_TEST

START_TEST(not_when_narrow)
{
    start(4);
    ends_live(&e, SP_SEC(10));
    ck_assert(!sp_tunnel_is_wide(e.end[GATEWAY].tunnel));
    put_voice();
    ends_wait(&e, RIDE + SP_MS(5));
    ck_assert_uint_eq(on_wires(NULL), 1);
    ck_assert_uint_eq(copied(), 0);
    ends_close(&e);
}
END_TEST

START_TEST(not_when_something_waits)
{
    start(4);
    put_voice();
    ends_wait(&e, RIDE - SP_MS(1));
    for (unsigned i = 0; i < 4; i++)
        e.end[GATEWAY].lanes[i].full = true;
    ends_send(&e, gw, "x", 1);
    ends_flush(&e);
    for (unsigned i = 0; i < 4; i++)
        e.end[GATEWAY].lanes[i].full = false;
    ends_wait(&e, RIDE); /* "x" leaves after the copy was due */
    ck_assert_uint_eq(on_wires(NULL), 2);
    ck_assert_uint_eq(copied(), 0);
    ends_close(&e);
}
END_TEST

START_TEST(not_by_the_same_lane)
{
    start(1);
    put_voice();
    ends_wait(&e, RIDE + SP_MS(5));
    ck_assert_uint_eq(on_wires(NULL), 1);
    ck_assert_uint_eq(copied(), 0);
    ends_close(&e);
}
END_TEST

START_TEST(no_more_than_are_remembered)
{
    start(4);
    for (unsigned i = 0; i < COPIES_MAX + 10; i++)
        put_voice();
    ends_wait(&e, RIDE);
    ck_assert_uint_eq(copied(), COPIES_MAX);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_copy");
    TCase *tc = tcase_create("tunnel_copy");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, later_and_by_another_lane);
    tcase_add_test(tc, within_the_next_that_leaves);
    tcase_add_test(tc, not_too_soon_and_not_in_a_full_record);
    tcase_add_test(tc, not_with_what_waited_for_a_lane);
    tcase_add_test(tc, each_in_its_time);
    tcase_add_test(tc, not_of_what_is_large_or_can_wait);
    tcase_add_test(tc, not_when_narrow);
    tcase_add_test(tc, not_when_something_waits);
    tcase_add_test(tc, not_by_the_same_lane);
    tcase_add_test(tc, no_more_than_are_remembered);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
