/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an end tells of what came last, when and with what; what the other end holds back since its
 * path is full, and what a full path stops. What is learned from it: test_bottleneck.c.
 */
#include <check.h>
#include <stdlib.h>

#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define RTT   SP_MS(20)
#define APART SP_MS(25)
#define RIDE  2000 /* bytes that came, or nothing is told with what leaves */
#define ALONE 8000 /* and alone */

static struct two_ends e;
static struct sp_flow *gw, *edge;

static void start(void)
{
    gw = ends_begin(&e, 8, RTT, 0, &edge);
}

static struct sp_tunnel *tunnel(void)
{
    return e.end[GATEWAY].tunnel;
}

/* Messages of what came on all of a side's wires, and the last of them. */
static unsigned told(unsigned side, struct sp_arrival *last)
{
    unsigned n = 0;

    for (unsigned lane = 0; lane < ENDS_LANES; lane++) {
        struct sp_frame f;
        struct sp_control c;
        for (size_t i = 0; ends_peek(&e, side, lane, i, &f, &c); i++) {
            if (f.kind != SP_FRAME_CONTROL || c.method != SP_CONTROL_ARRIVED)
                continue;
            n++;
            if (last != NULL)
                *last = c.arrival;
        }
    }
    return n;
}

/* So many bytes of the gateway's come to the edge, which says nothing yet. */
static void bring(size_t bytes)
{
    for (size_t done = 0; done < bytes; done += 1000) {
        ends_put_rtp(&e, gw, 96, bytes - done < 1000 ? 200 : 1000 - SP_FRAME_HEADER_LEN);
        for (unsigned lane = 0; lane < ENDS_LANES; lane++)
            while (ends_waiting(&e, GATEWAY, lane) > 0)
                ck_assert_int_eq(ends_carry(&e, GATEWAY, lane, SIZE_MAX), 0);
    }
}

static void answer(void)
{
    ends_send(&e, edge, "a", 1);
    ends_flush(&e);
}

START_TEST(rides_with_what_leaves)
{
    struct sp_arrival a;

    start();
    uint64_t at_us = e.now_us;
    bring(RIDE);
    ck_assert_uint_eq(told(EDGE, NULL), 0);
    e.now_us += SP_MS(3);
    answer();
    ck_assert_uint_eq(told(EDGE, &a), 1);
    ck_assert_uint_eq(a.seq, ends_last_seq(&e, GATEWAY));
    ck_assert_uint_eq(a.at_us, (uint32_t)at_us);
    ck_assert_uint_eq(a.bytes, (uint32_t)ends_count(&e, EDGE)->bytes_in);
    ends_settle(&e);
    ends_close(&e);
}
END_TEST

START_TEST(not_too_often)
{
    start();
    bring(RIDE);
    answer();
    ends_lose_bytes(&e, EDGE);
    bring(RIDE);
    e.now_us += APART - 1;
    answer();
    ck_assert_uint_eq(told(EDGE, NULL), 0);
    e.now_us += 1;
    answer();
    ck_assert_uint_eq(told(EDGE, NULL), 1);
    ends_lose_bytes(&e, EDGE);
    e.now_us += SP_SEC(1); /* and nothing twice */
    answer();
    ck_assert_uint_eq(told(EDGE, NULL), 0);
    ends_close(&e);
}
END_TEST

/* Voice alone fills no path; but after video all that comes is told of. */
START_TEST(not_of_a_few_bytes)
{
    start();
    bring(RIDE / 2);
    answer();
    ck_assert_uint_eq(told(EDGE, NULL), 0);
    bring(RIDE / 2);
    answer();
    ck_assert_uint_eq(told(EDGE, NULL), 1);
    ends_lose_bytes(&e, EDGE);
    e.now_us += SP_MS(100);
    bring(200);
    answer();
    ck_assert_uint_eq(told(EDGE, NULL), 1);
    ends_lose_bytes(&e, EDGE);
    e.now_us += SP_SEC(6);
    bring(200);
    answer();
    ck_assert_uint_eq(told(EDGE, NULL), 0);
    ends_close(&e);
}
END_TEST

START_TEST(alone_when_nothing_leaves)
{
    start();
    bring(ALONE / 2);
    ends_wait(&e, SP_SEC(1));
    ck_assert_uint_eq(told(EDGE, NULL), 0);
    bring(ALONE / 2);
    ends_wait(&e, SP_SEC(1));
    ck_assert_uint_eq(told(EDGE, NULL), 1);
    ends_lose_bytes(&e, EDGE);
    ends_wait(&e, SP_SEC(5));
    ck_assert_uint_eq(told(EDGE, NULL), 0);
    ends_close(&e);
}
END_TEST

/* What comes after `pause_us` without an answer, in messages. */
static unsigned alone_after(uint64_t pause_us)
{
    ends_wait(&e, pause_us);
    bring(RIDE);
    answer();
    ends_settle(&e);
    bring(RIDE / 2);
    ends_wait(&e, SP_MS(100));
    unsigned n = told(EDGE, NULL);
    ends_settle(&e);
    return n;
}

/* Now and then a few datagrams: no message of their own for what no path feels. */
START_TEST(alone_where_much_comes_all_the_time)
{
    start();
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(alone_after(SP_SEC(2)), 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(alone_after(SP_MS(500)), 1);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_uint_eq(alone_after(SP_SEC(2)), 1);
    ck_assert_uint_eq(alone_after(SP_SEC(2)), 0);
    ends_close(&e);
}
END_TEST

/* Somebody who only listens: what he hears is told of, voice alone, too. */
START_TEST(alone_of_voice)
{
    start();
    for (unsigned i = 0; i < 15; i++) {
        bring(200);
        ends_wait(&e, SP_MS(20));
    }
    ck_assert_uint_gt(told(EDGE, NULL), 0);
    ends_close(&e);
}
END_TEST

static uint32_t spread_us(void)
{
    bring(RIDE);
    e.now_us += APART;
    answer();
    ends_settle(&e);
    return tunnel()->arrival.spread_us;
}

/* The shortest way of all is remembered when its lane has ended: against it all others are long. */
START_TEST(the_way_of_a_lane_that_has_ended)
{
    gw = ends_begin(&e, 8, SP_MS(100), 0, &edge);
    sp_tunnel_lane(tunnel(), 1)->least_rtt_us = SP_MS(20);
    ck_assert_uint_eq(spread_us(), SP_MS(40));
    ends_lose_both(&e, 1);
    ck_assert_uint_eq(spread_us(), SP_MS(40));
    ends_lose_both(&e, 2);
    ck_assert_uint_eq(spread_us(), SP_MS(40));
    e.now_us += SP_SEC(60);
    ck_assert_uint_eq(spread_us(), 0);
    ends_close(&e);
}
END_TEST

/* --- what waits ----------------------------------------------------------------------------- */

/* The path is known to take so little, and to have enough of it. */
static void fill(void)
{
    struct sp_bottleneck *b = &tunnel()->bottleneck;

    b->rate = 100000;
    b->changed_us = e.now_us;
    b->busy_until_us = e.now_us + SP_MS(100);
}

static const struct {
    uint8_t type;
    size_t len;
    bool waits;
} kinds[] = {{111, 100, false}, {200, 100, false}, {96, 1100, true}};

START_TEST(the_patient_wait)
{
    start();
    fill();
    unsigned lane = ends_put_rtp(&e, gw, kinds[_i].type, kinds[_i].len);
    ck_assert_int_eq(lane == ENDS_LANES, kinds[_i].waits);
    ck_assert_uint_ne(ends_put_rtp(&e, gw, 111, 100), ENDS_LANES);
    ends_wait(&e, SP_MS(80));
    ck_assert_uint_eq(sp_classq_count(&tunnel()->queue), kinds[_i].waits);
    ends_wait(&e, SP_MS(20));
    ck_assert_uint_eq(sp_classq_count(&tunnel()->queue), 0);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->dropped_age, 0);
    ends_close(&e);
}
END_TEST

/* And are not played any more when they have waited for too long. */
START_TEST(too_long)
{
    start();
    fill();
    tunnel()->bottleneck.busy_until_us = e.now_us + SP_SEC(2);
    ends_put_rtp(&e, gw, 96, 1100);
    ends_wait(&e, SP_MS(500));
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->dropped_age, 1);
    ends_close(&e);
}
END_TEST

static unsigned expect_queue(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ENDS_LANES; i++)
        n += e.end[GATEWAY].lanes[i].lane != NULL && e.end[GATEWAY].lanes[i].expects_queue;
    return n;
}

static void tell(void)
{
    struct sp_control c = {.method = SP_CONTROL_ARRIVED, .cls = SP_STUN_INDICATION};

    arrival_on_told(tunnel(), &c, e.now_us);
}

/* Lanes know of it, also those that join later, and until it is forgotten. */
START_TEST(lanes_expect_queues)
{
    gw = ends_begin(&e, 4, RTT, 0, &edge);
    tell();
    ck_assert_uint_eq(expect_queue(), 0);
    fill();
    tell();
    ck_assert_uint_eq(expect_queue(), 4);
    ck_assert_int_eq(ends_join(&e, 4), 0);
    ck_assert_uint_eq(expect_queue(), 5);
    tunnel()->bottleneck.rate = 0;
    tell();
    ck_assert_uint_eq(expect_queue(), 0);
    ends_close(&e);
}
END_TEST

/* --- what a full path stops ----------------------------------------------------------------- */

/* A wide tunnel, on a path that is full or not. */
static void start_wide(bool full)
{
    start();
    uint64_t begun_us = tunnel()->bottleneck.departed.of[0].left_us;
    struct sp_arrival a = {.seq = 0};
    ck_assert(sp_tunnel_is_wide(tunnel()));
    if (full) {
        sp_bottleneck_arrived(&tunnel()->bottleneck, &a, 0, e.now_us);
        for (unsigned i = 0; i < 2; i++) {
            ends_put_text(&e, gw, "a");
            a.seq = ends_last_seq(&e, GATEWAY);
            a.at_us = (uint32_t)SP_MS(100) + (uint32_t)(e.now_us - begun_us);
            sp_bottleneck_arrived(&tunnel()->bottleneck, &a, 0, e.now_us);
            e.now_us += SP_MS(5);
        }
    }
    ck_assert(sp_bottleneck_is_full(&tunnel()->bottleneck, e.now_us) == full);
}

static void miss_one(void)
{
    ends_put_text(&e, gw, "a");
    ends_settle(&e);
    ends_put_text(&e, gw, "b");
    ends_settle(&e);
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), ends_last_seq(&e, GATEWAY) - 1);
}

START_TEST(stops_copies)
{
    start_wide(_i);
    ends_put_rtp(&e, gw, 111, 100);
    ends_wait(&e, SP_MS(30));
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->copied, _i ? 0 : 1);
    ends_close(&e);
}
END_TEST

/* What is lost in a queue does not make the tunnel wide. */
START_TEST(stops_width)
{
    start_wide(_i);
    miss_one();
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 1);
    ck_assert_int_eq(tunnel()->width.missed_us == 0, _i);
    ends_close(&e);
}
END_TEST

START_TEST(stops_parity)
{
    start_wide(_i);
    miss_one();
    for (unsigned i = 0; i < 14; i++)
        ends_put_rtp(&e, gw, 96, 1100);
    ends_wait(&e, SP_MS(50));
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->parity_out, _i ? 0 : 1);
    ends_close(&e);
}
END_TEST

/* What is repeated, and what of that still is where the path is full. */
static const struct {
    uint8_t type;
    size_t len;
    enum sp_class c;
    bool also_when_full;
} repeats[] = {{111, 100, SP_CLASS_VOICE, true},
               {200, 100, SP_CLASS_RTCP, false},
               {96, 1100, SP_CLASS_VIDEO, false}};

START_TEST(stops_repeats_of_what_is_no_voice)
{
    unsigned row = (unsigned)_i / 2;
    bool full = _i % 2;

    start_wide(full);
    ends_put_rtp(&e, gw, repeats[row].type, repeats[row].len);
    uint32_t seq = ends_last_seq(&e, GATEWAY);
    ck_assert_int_eq(sp_sent_find(&tunnel()->repair.sent, seq)->cls, repeats[row].c);
    ends_put_text(&e, gw, "b");
    ends_report_one(&e, seq + 1, seq);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, !full || repeats[row].also_when_full);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_arrival");
    TCase *tc = tcase_create("tunnel_arrival");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, rides_with_what_leaves);
    tcase_add_test(tc, not_too_often);
    tcase_add_test(tc, not_of_a_few_bytes);
    tcase_add_test(tc, alone_when_nothing_leaves);
    tcase_add_test(tc, alone_where_much_comes_all_the_time);
    tcase_add_test(tc, alone_of_voice);
    tcase_add_test(tc, the_way_of_a_lane_that_has_ended);
    tcase_add_loop_test(tc, the_patient_wait, 0, (int)SP_ARRAY_LEN(kinds));
    tcase_add_test(tc, too_long);
    tcase_add_loop_test(tc, stops_copies, 0, 2);
    tcase_add_test(tc, lanes_expect_queues);
    tcase_add_loop_test(tc, stops_width, 0, 2);
    tcase_add_loop_test(tc, stops_parity, 0, 2);
    tcase_add_loop_test(tc, stops_repeats_of_what_is_no_voice, 0, 2 * (int)SP_ARRAY_LEN(repeats));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
