/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a tunnel is wide and when narrow. What a wide tunnel sends beside the media:
 * test_tunnel_copy.c, test_tunnel_parity.c.
 */
#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define RTT    SP_MS(20)
#define FRESH  SP_SEC(10) /* a call is new */
#define ENOUGH 1000       /* records after its first */
#define ONCE   SP_SEC(5)  /* after something was missed */
#define LOSSY  SP_SEC(30) /* and after it was again */
#define QUIET  SP_SEC(30) /* after this, what comes is a new call */

static struct two_ends e;
static struct sp_flow *gw;

/* Lanes, and a flow that has sent nothing yet. */
static void start_when(uint64_t now_us)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    e.now_us = now_us;
    for (unsigned i = 0; i < 4; i++) {
        e.end[GATEWAY].lanes[i].rtt_us = e.end[EDGE].lanes[i].rtt_us = RTT;
        ck_assert_int_eq(ends_join(&e, i), 0);
    }
    gw = ends_flow(&e);
    ck_assert_ptr_nonnull(gw);
}

static void start(void)
{
    start_when(ENDS_START);
}

static void say(void)
{
    ends_send(&e, gw, "a", 1);
    ends_settle(&e);
}

static bool is_wide(unsigned side)
{
    return sp_tunnel_is_wide(e.end[side].tunnel);
}

static unsigned told(unsigned side)
{
    return e.end[side].width_told;
}

/* --- wide and narrow ------------------------------------------------------------------------ */

START_TEST(wide_when_a_call_begins)
{
    start();
    ends_live(&e, SP_SEC(5));
    ck_assert(!is_wide(GATEWAY));
    ck_assert_uint_eq(told(GATEWAY), 0);
    say();
    ck_assert(is_wide(GATEWAY));
    ck_assert_uint_eq(told(GATEWAY), 1);
    ends_live(&e, FRESH - 1);
    ck_assert(is_wide(GATEWAY));
    ends_live(&e, 1);
    ck_assert(!is_wide(GATEWAY));
    ck_assert_uint_eq(told(GATEWAY), 2);
    ck_assert(!is_wide(EDGE)); /* which has sent nothing */
    ck_assert_uint_eq(told(EDGE), 0);
    ends_close(&e);
}
END_TEST

START_TEST(a_call_goes_on_narrow)
{
    start();
    for (unsigned s = 0; s < 100; s++) {
        ck_assert(is_wide(GATEWAY) == (s > 0 && s < 10));
        say();
        ends_live(&e, SP_SEC(1));
    }
    ck_assert_uint_eq(told(GATEWAY), 2);
    ends_close(&e);
}
END_TEST

/* The first of a call and so many more. */
static void say_until_narrow(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert(is_wide(GATEWAY) == (i > 0));
        say();
        ends_lose_bytes(&e, GATEWAY);
        ends_live(&e, SP_MS(3));
    }
}

START_TEST(narrow_when_enough_has_left)
{
    start();
    say_until_narrow(ENOUGH);
    ck_assert(is_wide(GATEWAY));
    say();
    ends_live(&e, SP_MS(3));
    ck_assert(!is_wide(GATEWAY));
    ck_assert_uint_eq(told(GATEWAY), 2);
    ends_close(&e);
}
END_TEST

/* After exactly that it is still the same call. */
START_TEST(after_quiet_it_is_a_new_call)
{
    start();
    say();
    ends_live(&e, QUIET);
    say();
    ck_assert(!is_wide(GATEWAY));
    ends_live(&e, QUIET + 1);
    ck_assert(!is_wide(GATEWAY));
    say();
    ck_assert(is_wide(GATEWAY));
    ck_assert_uint_eq(told(GATEWAY), 3);
    ends_live(&e, FRESH);
    ck_assert(!is_wide(GATEWAY));
    ends_close(&e);
}
END_TEST

/* What never came is missed at the edge, which tells the gateway: both may lose more. */
START_TEST(wide_on_both_ends_when_something_is_missed)
{
    start();
    say();
    ends_live(&e, SP_SEC(20));
    ck_assert(!is_wide(GATEWAY) && !is_wide(EDGE));
    e.end[GATEWAY].tunnel->next_seq++; /* as if one had left */
    say();
    ends_wait(&e, SP_MS(2) - 1);
    ck_assert(!is_wide(EDGE));
    ends_wait(&e, 1);
    ck_assert(is_wide(EDGE) && !is_wide(GATEWAY));
    ends_settle(&e);
    ck_assert(is_wide(EDGE) && is_wide(GATEWAY));
    /* It is reported for 400 ms; they are wide for 5 s after the last of it. */
    ends_live(&e, ONCE + SP_MS(370));
    ck_assert(is_wide(EDGE) && is_wide(GATEWAY));
    ends_live(&e, SP_MS(60));
    ck_assert(!is_wide(EDGE) && !is_wide(GATEWAY));
    ck_assert_uint_eq(told(EDGE), 2);
    ck_assert_uint_eq(told(GATEWAY), 4);
    ends_close(&e);
}
END_TEST

static void miss_one(void)
{
    say();
    say();
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), ends_last_seq(&e, GATEWAY) - 1);
}

START_TEST(each_that_is_missed_counts_anew)
{
    start();
    say();
    ends_live(&e, SP_SEC(8));
    miss_one();
    ends_live(&e, ONCE - 1);
    ck_assert(is_wide(GATEWAY));
    for (unsigned i = 0; i < 5; i++) {
        miss_one();
        ends_live(&e, LOSSY - 1);
        ck_assert(is_wide(GATEWAY));
    }
    ends_live(&e, 1);
    ck_assert(!is_wide(GATEWAY));
    ck_assert_uint_eq(told(GATEWAY), 2);
    miss_one(); /* it is long ago */
    ends_live(&e, ONCE - 1);
    ck_assert(is_wide(GATEWAY));
    ends_live(&e, 1);
    ck_assert(!is_wide(GATEWAY));
    ends_close(&e);
}
END_TEST

static void miss_now(void)
{
    width_on_missed(e.end[GATEWAY].tunnel, e.now_us);
}

/* It was too much: by many lanes it would be as much. */
START_TEST(what_is_lost_in_a_full_queue_widens_nothing)
{
    start();
    e.end[GATEWAY].tunnel->bottleneck.full_us = e.now_us;
    miss_now();
    ck_assert(!is_wide(GATEWAY));
    ends_close(&e);
}
END_TEST

/* There something is lost all the time, whatever we send. */
START_TEST(wide_while_another_fills_the_queue)
{
    struct sp_control arrived = {.method = SP_CONTROL_ARRIVED, .cls = SP_STUN_INDICATION};

    start();
    arrival_on_told(e.end[GATEWAY].tunnel, &arrived, e.now_us);
    ck_assert(!is_wide(GATEWAY));
    e.end[GATEWAY].tunnel->bottleneck.pause_until_us = e.now_us + 1;
    arrival_on_told(e.end[GATEWAY].tunnel, &arrived, e.now_us);
    ck_assert(is_wide(GATEWAY));
    ends_live(&e, LOSSY - 1);
    ck_assert(is_wide(GATEWAY));
    ends_live(&e, 1);
    ck_assert(!is_wide(GATEWAY));
    arrival_on_told(e.end[GATEWAY].tunnel, &arrived, e.now_us);
    ck_assert(!is_wide(GATEWAY)); /* it isn't his any more */
    ends_close(&e);
}
END_TEST

/* What has left shows what the network is like; and this one is not of that kind. */
START_TEST(enough_has_left_while_another_fills_the_queue)
{
    start();
    say_until_narrow(ENOUGH);
    e.end[GATEWAY].tunnel->bottleneck.pause_until_us = e.now_us + SP_MS(10);
    say();
    ends_live(&e, SP_MS(3));
    ck_assert(is_wide(GATEWAY));
    ends_close(&e);
}
END_TEST

/* What is told of twice was missed once. */
START_TEST(one_loss_is_told_of_for_a_while)
{
    start();
    for (unsigned i = 0; i < 4; i++) {
        miss_now();
        ends_live(&e, SP_MS(499));
    }
    ends_live(&e, ONCE - SP_MS(499) - 1);
    ck_assert(is_wide(GATEWAY));
    ends_live(&e, 1);
    ck_assert(!is_wide(GATEWAY));
    ends_close(&e);
}
END_TEST

/* Of the two times the later one counts. */
START_TEST(a_call_that_begins_while_it_is_lossy)
{
    start();
    miss_now();
    ends_live(&e, SP_SEC(20));
    miss_now();
    ends_live(&e, SP_SEC(5));
    say();
    ends_live(&e, LOSSY - SP_SEC(5) - 1);
    ck_assert(is_wide(GATEWAY));
    ends_live(&e, 1);
    ck_assert(!is_wide(GATEWAY));
    ck_assert_uint_eq(told(GATEWAY), 4); /* for a while it was narrow, too */
    miss_now();
    ends_live(&e, SP_MS(500));
    miss_now();
    ends_live(&e, SP_SEC(25));
    say(); /* 50 s after the one before */
    ends_live(&e, FRESH - 1);
    ck_assert(is_wide(GATEWAY));
    ends_live(&e, 1);
    ck_assert(!is_wide(GATEWAY));
    ck_assert_uint_eq(told(GATEWAY), 6);
    ends_close(&e);
}
END_TEST

/* Missed in this call, or before it. */
START_TEST(wide_whatever_has_left_when_something_was_missed)
{
    start();
    if (_i == 0)
        say_until_narrow(ENOUGH / 2);
    miss_now();
    ends_live(&e, SP_MS(100));
    for (unsigned i = 0; i <= ENOUGH; i++) {
        say();
        ends_lose_bytes(&e, GATEWAY);
        ends_live(&e, SP_MS(3));
    }
    ck_assert(is_wide(GATEWAY));
    ends_close(&e);
}
END_TEST

/* The first that was ever sent has none before it, whatever the clock says. */
START_TEST(a_machine_that_has_just_started)
{
    start_when(SP_SEC(1));
    say();
    ck_assert(is_wide(GATEWAY));
    ends_close(&e);
}
END_TEST

/* --- how many lanes ------------------------------------------------------------------------- */

static unsigned lanes_wanted(void)
{
    return e.end[GATEWAY].lanes_wanted;
}

/* Something is missed; `us` later it is again, and meanwhile so much was sent and has come. */
static void lossy_for(uint64_t us, uint32_t rtt_us, unsigned out, unsigned parity_out, unsigned in)
{
    struct sp_tunnel *t = e.end[GATEWAY].tunnel;

    miss_now();
    ends_live(&e, us);
    t->width.rtt_us = rtt_us;
    t->counters.datagrams_out += out;
    t->counters.parity_out += parity_out;
    t->counters.datagrams_in += in;
    miss_now();
}

/* Three for two datagrams that are on the way at a time, whichever way. */
START_TEST(as_many_lanes_as_the_way_is_long)
{
    static const struct {
        uint64_t us;
        uint32_t rtt_us;
        unsigned out, parity_out, in, lanes;
    } cases[] = {
        {SP_SEC(1), SP_MS(60), 300, 50, 300, 32}, /* 21 */
        {SP_SEC(1), SP_MS(100), 220, 0, 0, 33},   /* 22 */
        {SP_SEC(1), SP_MS(100), 300, 40, 0, 51},  /* 34 */
        {SP_SEC(1), SP_MS(100), 50, 0, 340, 51},
        {SP_SEC(2), SP_MS(100), 600, 80, 0, 51},
        {SP_SEC(1), SP_MS(160), 400, 100, 400, 64}, /* 80: as many as there may be */
        {SP_SEC(1) - 1, SP_MS(160), 400, 100, 400, 32},
        {SP_SEC(3) + 1, SP_MS(160), 4000, 100, 400, 32}, /* when was that? */
    };

    start();
    lossy_for(cases[_i].us, cases[_i].rtt_us, cases[_i].out, cases[_i].parity_out, cases[_i].in);
    ck_assert_uint_eq(lanes_wanted(), cases[_i].lanes);
    ends_live(&e, LOSSY + SP_SEC(1));
    ck_assert_uint_eq(lanes_wanted(), 1);
    ends_close(&e);
}
END_TEST

/* What was opened is there, and may be of use again. */
START_TEST(no_fewer_lanes_before_it_is_narrow)
{
    start();
    lossy_for(SP_SEC(1), SP_MS(100), 400, 0, 0);
    ck_assert_uint_eq(lanes_wanted(), 60);
    lossy_for(SP_SEC(1), SP_MS(100), 100, 0, 0);
    ck_assert_uint_eq(lanes_wanted(), 60);
    ck_assert_uint_eq(told(GATEWAY), 2);
    ends_live(&e, LOSSY + SP_SEC(1));
    miss_now();
    ck_assert_uint_eq(lanes_wanted(), 32);
    ends_close(&e);
}
END_TEST

/* A queue of its own makes round trips long, and more lanes would not make it shorter. */
START_TEST(no_more_lanes_where_the_line_is_full)
{
    start();
    miss_now();
    e.end[GATEWAY].tunnel->bottleneck.full_us = e.now_us + SP_SEC(1);
    lossy_for(SP_SEC(1), SP_MS(160), 400, 0, 0);
    ck_assert_uint_eq(lanes_wanted(), 32);
    ends_close(&e);
}
END_TEST

static void nothing(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    (void)timer, (void)now_us, (void)arg;
}

/* It stays as it was, and nobody is told that it had changed. */
START_TEST(no_memory_for_the_timer)
{
    struct sp_timer others[64];
    unsigned n = 0;

    start();
    for (; e.timers.len < e.timers.cap; n++) {
        sp_timer_init(&others[n], nothing, NULL);
        ck_assert_int_eq(sp_timerq_set(&e.timers, &others[n], SP_NEVER - 1), 0);
    }
    alloc_fail_at(1);
    miss_now();
    ck_assert(alloc_fail_disarm());
    ck_assert(!is_wide(GATEWAY));
    ck_assert_uint_eq(told(GATEWAY), 0);
    while (n > 0)
        sp_timerq_cancel(&e.timers, &others[--n]);
    miss_now();
    ck_assert(is_wide(GATEWAY));
    ends_close(&e); /* while it is wide: no timer may be left */
}
END_TEST

/* --- flights -------------------------------------------------------------------------------- */

#define FLIGHT SP_MS(5) /* later than that it is another one */

static unsigned put_handshake(void)
{
    uint8_t dtls[1000] = {22, 254, 253}; /* RFC 9147 */

    return ends_put(&e, gw, dtls, sizeof dtls);
}

/* Each of the media takes a lane of its own; a handshake's datagrams follow each other, until the
 * lane is full, and by another one later. */
START_TEST(a_flight_stays_together)
{
    gw = ends_begin(&e, 4, RTT, 0, NULL);
    ck_assert(is_wide(GATEWAY));
    ck_assert_uint_ne(ends_put_rtp(&e, gw, 96, 1000), ends_put_rtp(&e, gw, 96, 1000));
    ends_settle(&e);
    e.now_us += SP_MS(50);
    unsigned lane = put_handshake();
    ck_assert_uint_ne(lane, ENDS_LANES);
    ck_assert_uint_ne(ends_put_rtp(&e, gw, 96, 1000), lane);
    e.now_us += FLIGHT - 1;
    ck_assert_uint_eq(put_handshake(), lane);
    e.now_us += FLIGHT;
    unsigned next = put_handshake();
    ck_assert_uint_ne(next, lane);
    e.end[GATEWAY].lanes[next].full = true;
    ck_assert_uint_ne(put_handshake(), next);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_width");
    TCase *tc = tcase_create("tunnel_width");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, wide_when_a_call_begins);
    tcase_add_test(tc, a_call_goes_on_narrow);
    tcase_add_test(tc, narrow_when_enough_has_left);
    tcase_add_loop_test(tc, wide_whatever_has_left_when_something_was_missed, 0, 2);
    tcase_add_test(tc, after_quiet_it_is_a_new_call);
    tcase_add_test(tc, wide_on_both_ends_when_something_is_missed);
    tcase_add_test(tc, each_that_is_missed_counts_anew);
    tcase_add_test(tc, what_is_lost_in_a_full_queue_widens_nothing);
    tcase_add_test(tc, wide_while_another_fills_the_queue);
    tcase_add_test(tc, enough_has_left_while_another_fills_the_queue);
    tcase_add_test(tc, one_loss_is_told_of_for_a_while);
    tcase_add_test(tc, a_call_that_begins_while_it_is_lossy);
    tcase_add_test(tc, a_machine_that_has_just_started);
    tcase_add_loop_test(tc, as_many_lanes_as_the_way_is_long, 0, 8);
    tcase_add_test(tc, no_fewer_lanes_before_it_is_narrow);
    tcase_add_test(tc, no_more_lanes_where_the_line_is_full);
    tcase_add_test(tc, no_memory_for_the_timer);
    tcase_add_test(tc, a_flight_stays_together);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
