/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lanes: how they join, are replaced and lost, how a dead one is found out, and how long a tunnel
 * lives without any.
 */
#include <check.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"
#include "two_ends_repair.h"

static struct two_ends e;
static struct sp_flow *gw, *edge;

static void start(unsigned lanes)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < lanes; i++)
        ck_assert_int_eq(ends_join(&e, i), 0);
    gw = ends_connected_flow(&e, &edge);
}

static struct sp_lane *lane(unsigned side, unsigned number)
{
    return e.end[side].lanes[number].lane;
}

static bool suspect(unsigned side, unsigned number)
{
    return sp_lane_is_suspect(lane(side, number));
}

static void send_text(struct sp_flow *f, const char *text)
{
    ends_send(&e, f, text, strlen(text));
}

START_TEST(joined_by_number)
{
    struct sp_lane *out = NULL;
    static const struct sp_lane_ops none;

    start(2);
    ck_assert_uint_eq(sp_tunnel_lane_count(e.end[GATEWAY].tunnel), 2);
    ck_assert_ptr_eq(sp_tunnel_lane(e.end[GATEWAY].tunnel, 1), lane(GATEWAY, 1));
    ck_assert_uint_eq(sp_lane_number(lane(GATEWAY, 1)), 1);
    ck_assert_ptr_null(sp_tunnel_lane(e.end[GATEWAY].tunnel, 2));
    ck_assert_ptr_null(sp_tunnel_lane(e.end[GATEWAY].tunnel, SP_LANES_MAX));
    ck_assert_int_eq(
        sp_tunnel_lane_add(e.end[GATEWAY].tunnel, SP_LANES_MAX, &none, NULL, e.now_us, &out),
        SP_EINVAL);
    ck_assert_ptr_null(out);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->lanes_joined, 2);
    ends_close(&e);
}
END_TEST

START_TEST(a_number_that_joins_again_replaces_the_lane)
{
    start(2);
    ends_join(&e, 0);
    for (unsigned side = 0; side < 2; side++) {
        ck_assert_uint_eq(e.end[side].lanes[0].closed, 1);
        ck_assert_uint_eq(e.end[side].lanes[1].closed, 0);
        ck_assert_uint_eq(sp_tunnel_lane_count(e.end[side].tunnel), 2);
        ck_assert_uint_eq(ends_count(&e, side)->lanes_joined, 3);
    }
    for (unsigned i = 0; i < 4; i++)
        send_text(gw, "after");
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 5);
    ends_close(&e);
}
END_TEST

/* What was on its way is lost; what waits, and what comes later, takes the other lane. */
START_TEST(a_lane_is_lost_with_data_in_flight)
{
    start(2);
    ends_wait(&e, SP_MS(3)); /* what is known of the lanes is known anew */
    for (unsigned i = 0; i < 2; i++) {
        send_text(gw, "on the way");
        ends_flush(&e);
    }
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), 1);
    ends_lose_both(&e, 0);
    send_text(gw, "later");
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 3);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->lanes_lost, 1);
    ck_assert_uint_eq(sp_tunnel_lane_count(e.end[GATEWAY].tunnel), 1);
    ends_close(&e);
}
END_TEST

START_TEST(what_waits_leaves_by_a_new_lane)
{
    start(1);
    ends_lose_both(&e, 0);
    send_text(gw, "patience");
    ends_flush(&e);
    ends_live(&e, SP_MS(300));
    ck_assert_int_eq(ends_join(&e, 3), 0);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 2);
    ends_close(&e);
}
END_TEST

/* --- health --------------------------------------------------------------------------------- */

START_TEST(no_progress_makes_it_suspect)
{
    start(2);
    e.end[GATEWAY].lanes[0].held = e.end[GATEWAY].lanes[1].held = true;
    send_text(gw, "a");
    ends_flush(&e);
    unsigned stuck = e.end[GATEWAY].lanes[0].len > 0 ? 0 : 1;
    ends_wait(&e, SP_MS(990));
    ck_assert(!suspect(GATEWAY, stuck));
    ends_wait(&e, SP_MS(600)); /* a second, and the time to look */
    ck_assert(suspect(GATEWAY, stuck));
    ck_assert(!suspect(GATEWAY, 1 - stuck));
    ck_assert_uint_eq(e.end[GATEWAY].suspected, 1);
    ck_assert_uint_eq(e.end[GATEWAY].suspect_lane, stuck);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->lanes_suspected, 1);
    /* It gets no more datagrams, even if the other has a lot. */
    size_t before = e.end[GATEWAY].lanes[stuck].len;
    static uint8_t body[1000];
    for (unsigned i = 0; i < 20; i++)
        ends_send(&e, gw, body, sizeof body);
    ends_flush(&e);
    ck_assert_uint_eq(e.end[GATEWAY].lanes[stuck].len, before);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 1 - stuck), 20);
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, SP_SEC(5));
    ck_assert_uint_eq(e.end[GATEWAY].suspected, 1); /* told once */
    ends_close(&e);
}
END_TEST

START_TEST(four_round_trips_of_patience)
{
    start(1);
    e.end[GATEWAY].lanes[0].rtt_us = 800000;
    send_text(gw, "a");
    ends_flush(&e);
    ends_wait(&e, SP_MS(3150));
    ck_assert(!suspect(GATEWAY, 0));
    ends_wait(&e, SP_MS(800));
    ck_assert(suspect(GATEWAY, 0));
    ends_close(&e);
}
END_TEST

START_TEST(progress_keeps_it_well_and_makes_it_well_again)
{
    static uint8_t body[1000];

    start(1);
    for (unsigned i = 0; i < 40; i++)
        ends_send(&e, gw, body, sizeof body);
    ends_flush(&e);
    for (unsigned i = 0; i < 30; i++) { /* slow, but it moves */
        ends_wait(&e, SP_MS(300));
        ends_carry(&e, GATEWAY, 0, 1100);
        ends_lose_bytes(&e, EDGE);
        ck_assert(!suspect(GATEWAY, 0));
    }
    ends_wait(&e, SP_SEC(2));
    ck_assert(suspect(GATEWAY, 0));
    send_text(gw, "waits");
    ends_flush(&e);
    ck_assert_uint_eq(sp_classq_count(&e.end[GATEWAY].tunnel->queue), 1);
    for (unsigned i = 0; i < 6; i++) { /* it moves again */
        ends_carry(&e, GATEWAY, 0, 1100);
        ends_wait(&e, SP_MS(50));
    }
    ck_assert(!suspect(GATEWAY, 0));
    ck_assert_uint_eq(sp_classq_count(&e.end[GATEWAY].tunnel->queue), 0); /* it went at once */
    ck_assert_uint_eq(e.end[GATEWAY].suspected, 1);
    ends_close(&e);
}
END_TEST

/* When waiting begins counts, not when something was last acknowledged. */
START_TEST(an_idle_lane_is_not_suspect_when_it_is_used_again)
{
    start(1);
    ends_live(&e, SP_SEC(10));
    send_text(gw, "after a while");
    ends_flush(&e);
    ends_wait(&e, SP_MS(900));
    ck_assert(!suspect(GATEWAY, 0));
    ends_settle(&e);
    ends_live(&e, SP_SEC(10));
    ck_assert_uint_eq(e.end[GATEWAY].suspected + e.end[EDGE].suspected, 0);
    ends_close(&e);
}
END_TEST

/* --- how a lane fares ----------------------------------------------------------------------- */

static unsigned measured(void)
{
    return e.end[GATEWAY].lanes[0].measured + e.end[GATEWAY].lanes[1].measured;
}

/* When all are busy, the kernel is asked about those whose acknowledgements may be there. */
START_TEST(measured_where_there_can_be_news)
{
    const uint32_t rtt_us = SP_MS(100);

    gw = ends_begin(&e, 2, rtt_us, 0, NULL);
    ends_live(&e, SP_SEC(1));
    ends_put_rtp(&e, gw, 96, 1000);
    ends_put_rtp(&e, gw, 96, 1000);
    unsigned before = measured();
    for (unsigned i = 1; i < 10; i++) {
        e.now_us += rtt_us / 10;
        ends_put_rtp(&e, gw, 96, 1000);
    }
    ck_assert_uint_eq(measured(), before);
    e.now_us += rtt_us / 10;
    ends_put_rtp(&e, gw, 96, 1000);
    ck_assert_uint_eq(measured(), before + 2);
    ends_close(&e);
}
END_TEST

/* --- pings ---------------------------------------------------------------------------------- */

START_TEST(an_idle_lane_is_asked)
{
    start(1);
    ends_wait(&e, SP_SEC(15) - SP_MS(1));
    ck_assert_uint_eq(ends_requests(&e, GATEWAY, SP_CONTROL_PING), 0);
    ends_wait(&e, SP_MS(251));
    ck_assert_uint_eq(ends_requests(&e, GATEWAY, SP_CONTROL_PING), 1);
    ck_assert_uint_eq(ends_requests(&e, EDGE, SP_CONTROL_PING), 0); /* that is the gateway's work */
    ends_wait(&e, SP_MS(40));
    ends_settle(&e);
    ck_assert_uint_eq(sp_lane_rtt_us(lane(GATEWAY, 0)),
                      e.now_us - lane(GATEWAY, 0)->pinged_us); /* till the kernel knows better */
    ck_assert_uint_gt(sp_lane_rtt_us(lane(GATEWAY, 0)), 0);
    ends_live(&e, SP_SEC(100));
    ck_assert_uint_eq(e.end[GATEWAY].suspected + e.end[EDGE].suspected, 0);
    e.end[GATEWAY].lanes[0].rtt_us = 1234;
    ends_live(&e, SP_SEC(20));
    ck_assert_uint_eq(sp_lane_rtt_us(lane(GATEWAY, 0)), 1234);
    ends_close(&e);
}
END_TEST

START_TEST(a_busy_lane_is_not_asked)
{
    start(1);
    for (unsigned i = 0; i < 60; i++) {
        send_text(edge, "tick");
        ends_settle(&e);
        ends_wait(&e, SP_MS(500));
        ck_assert_uint_eq(ends_requests(&e, GATEWAY, SP_CONTROL_PING), 0);
        ends_settle(&e);
    }
    ends_close(&e);
}
END_TEST

/* The kernel may acknowledge what the far side's process never reads. */
START_TEST(a_mute_lane_is_suspect)
{
    start(2);
    for (unsigned s = 0; s < 30; s++) { /* lane 1 takes what is sent, and says nothing */
        ends_wait(&e, SP_SEC(1));
        e.end[GATEWAY].lanes[1].acked = e.end[GATEWAY].lanes[1].sent;
        e.end[GATEWAY].lanes[1].len = 0;
        ends_carry(&e, GATEWAY, 0, SIZE_MAX);
        ends_carry(&e, EDGE, 0, SIZE_MAX);
        if (s == 18)
            ck_assert(!suspect(GATEWAY, 1));
        if (s == 21)
            ck_assert(suspect(GATEWAY, 1));
    }
    ck_assert(!suspect(GATEWAY, 0));
    ck_assert_uint_eq(e.end[GATEWAY].suspected, 1);
    ck_assert_uint_eq(e.end[GATEWAY].suspect_lane, 1);
    ends_close(&e);
}
END_TEST

/* Something has happened on the way: who lives says so soon, and is then as patient as before. */
START_TEST(a_probed_lane_answers_soon_or_is_suspect)
{
    start(2);
    sp_tunnel_probe(e.end[GATEWAY].tunnel, e.now_us);
    ck_assert_uint_eq(ends_requests(&e, GATEWAY, SP_CONTROL_PING), 2);
    for (unsigned ms = 0; ms < 1000; ms += 50) { /* lane 1 takes what is sent, and says nothing */
        ends_wait(&e, SP_MS(50));
        e.end[GATEWAY].lanes[1].acked = e.end[GATEWAY].lanes[1].sent;
        e.end[GATEWAY].lanes[1].len = 0;
        ends_carry(&e, GATEWAY, 0, SIZE_MAX);
        ends_carry(&e, EDGE, 0, SIZE_MAX);
        if (ms < 450)
            ck_assert(!suspect(GATEWAY, 1));
    }
    ck_assert(suspect(GATEWAY, 1));
    ck_assert(!suspect(GATEWAY, 0));
    /* What was suspect is not asked again; the other one's answer may take its time from now on. */
    sp_tunnel_probe(e.end[GATEWAY].tunnel, e.now_us);
    ck_assert_uint_eq(ends_requests(&e, GATEWAY, SP_CONTROL_PING), 1);
    ends_close(&e);
}
END_TEST

/* All become suspect at the same time: each is told, whatever the owner does of it. */
START_TEST(suspects_may_be_removed_at_once)
{
    start(3);
    e.end[GATEWAY].lose_suspects = _i == 1;
    sp_tunnel_probe(e.end[GATEWAY].tunnel, e.now_us);
    for (unsigned ms = 0; ms < 1000; ms += 50) {
        ends_wait(&e, SP_MS(50));
        for (unsigned i = 0; i < 3; i++)
            e.end[GATEWAY].lanes[i].acked = e.end[GATEWAY].lanes[i].sent;
    }
    ck_assert_uint_eq(e.end[GATEWAY].suspected, 3);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->lanes_suspected, 3);
    ck_assert_uint_eq(sp_tunnel_lane_count(e.end[GATEWAY].tunnel), _i == 1 ? 0 : 3);
    ends_close(&e);
}
END_TEST

START_TEST(the_edge_asks_when_the_gateway_does_not)
{
    start(1);
    e.end[GATEWAY].lanes[0].held = true;
    ends_wait(&e, SP_SEC(19));
    ck_assert_uint_eq(ends_requests(&e, EDGE, SP_CONTROL_PING), 0);
    ends_wait(&e, SP_MS(1300));
    ck_assert_uint_eq(ends_requests(&e, EDGE, SP_CONTROL_PING), 1);
    ends_wait(&e, SP_SEC(6));
    ck_assert(suspect(EDGE, 0));
    ck_assert_uint_eq(e.end[EDGE].suspected, 1);
    ends_close(&e);
}
END_TEST

START_TEST(another_lanes_answer_is_no_answer)
{
    struct sp_control c = {.method = SP_CONTROL_PING, .cls = SP_STUN_SUCCESS};
    uint8_t m[100];
    size_t len;

    start(1);
    ends_wait(&e, SP_MS(15300));
    ck_assert_uint_eq(ends_requests(&e, GATEWAY, SP_CONTROL_PING), 1);
    ends_lose_bytes(&e, GATEWAY);
    ck_assert_int_eq(sp_control_build(&c, m + 4, sizeof m - 4, &len), 0);
    sp_frame_control_header(m, len);
    ends_inject(&e, EDGE, 0, m, len + 4);
    ends_carry(&e, EDGE, 0, SIZE_MAX);
    ends_wait(&e, SP_MS(5300));
    ck_assert(suspect(GATEWAY, 0));
    ends_close(&e);
}
END_TEST

/* --- control messages ----------------------------------------------------------------------- */

START_TEST(answers_go_by_the_lane_of_the_request)
{
    start(3);
    for (unsigned i = 0; i < 3; i++)
        e.end[EDGE].lanes[i].held = true;
    ends_wait(&e, SP_MS(15300)); /* a ping each */
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(ends_waiting(&e, GATEWAY, i), 1);
        ends_carry(&e, GATEWAY, i, SIZE_MAX);
        ck_assert_uint_eq(ends_waiting(&e, EDGE, i), 1);
    }
    ends_close(&e);
}
END_TEST

/* A control message takes a healthy lane with room if there is one, and any if there is none. */
START_TEST(control_messages_choose_their_lane)
{
    start(3);
    e.end[GATEWAY].lanes[1].full = e.end[GATEWAY].lanes[2].full = true;
    struct sp_flow *f = ends_connected_flow(&e, NULL);
    sp_flow_close(f, e.now_us);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), 1);
    ends_settle(&e);
    e.end[GATEWAY].lanes[0].full = true;
    sp_flow_close(gw, e.now_us);
    ck_assert_uint_eq(ends_requests(&e, GATEWAY, SP_CONTROL_CLOSE), 1);
    ends_close(&e);
}
END_TEST

/* --- without lanes -------------------------------------------------------------------------- */

START_TEST(a_tunnel_survives_its_lanes)
{
    start(2);
    ends_lose_both(&e, 0);
    ends_lose_both(&e, 1);
    ends_live(&e, SP_SEC(30) - 1);
    ck_assert_uint_eq(e.end[EDGE].expired, 0);
    ck_assert_uint_eq(sp_tunnel_flow_count(e.end[EDGE].tunnel), 1);
    ck_assert_int_eq(ends_join(&e, 5), 0);
    ends_live(&e, SP_SEC(100));
    ck_assert_uint_eq(e.end[EDGE].expired, 0);
    send_text(gw, "here I am again");
    send_text(edge, "welcome back");
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 2);
    ck_assert_uint_eq(e.end[GATEWAY].n_got, 1);
    ends_close(&e);
}
END_TEST

START_TEST(it_expires_after_the_linger_time)
{
    start(2);
    ends_lose_both(&e, 0);
    ends_live(&e, SP_SEC(100));
    ck_assert_uint_eq(e.end[EDGE].expired, 0); /* one lane is enough */
    ends_lose_both(&e, 1);
    ends_live(&e, SP_SEC(30) - 1);
    ck_assert_uint_eq(e.end[EDGE].expired, 0);
    e.end[EDGE].free_when_expired = _i;
    ends_live(&e, 1);
    ck_assert_uint_eq(e.end[EDGE].expired, 1);
    ends_live(&e, SP_SEC(100));
    ck_assert_uint_eq(e.end[EDGE].expired, 1);
    ck_assert_uint_eq(e.end[GATEWAY].expired, 0); /* that waits as long as its owner likes */
    ck_assert_uint_eq(e.end[EDGE].closed, 0);     /* flows end without an event */
    ends_close(&e);
}
END_TEST

START_TEST(a_replaced_lane_is_no_loss)
{
    start(1);
    ends_live(&e, SP_SEC(5));
    ck_assert_int_eq(ends_join(&e, 0), 0);
    ends_live(&e, SP_SEC(100));
    ck_assert_uint_eq(e.end[EDGE].expired, 0);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_lane");
    TCase *tc = tcase_create("tunnel_lane");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, joined_by_number);
    tcase_add_test(tc, a_number_that_joins_again_replaces_the_lane);
    tcase_add_test(tc, a_lane_is_lost_with_data_in_flight);
    tcase_add_test(tc, what_waits_leaves_by_a_new_lane);
    tcase_add_test(tc, no_progress_makes_it_suspect);
    tcase_add_test(tc, four_round_trips_of_patience);
    tcase_add_test(tc, progress_keeps_it_well_and_makes_it_well_again);
    tcase_add_test(tc, an_idle_lane_is_not_suspect_when_it_is_used_again);
    tcase_add_test(tc, measured_where_there_can_be_news);
    tcase_add_test(tc, an_idle_lane_is_asked);
    tcase_add_test(tc, a_busy_lane_is_not_asked);
    tcase_add_test(tc, a_mute_lane_is_suspect);
    tcase_add_test(tc, a_probed_lane_answers_soon_or_is_suspect);
    tcase_add_loop_test(tc, suspects_may_be_removed_at_once, 0, 2);
    tcase_add_test(tc, the_edge_asks_when_the_gateway_does_not);
    tcase_add_test(tc, another_lanes_answer_is_no_answer);
    tcase_add_test(tc, answers_go_by_the_lane_of_the_request);
    tcase_add_test(tc, control_messages_choose_their_lane);
    tcase_add_test(tc, a_tunnel_survives_its_lanes);
    tcase_add_loop_test(tc, it_expires_after_the_linger_time, 0, 2);
    tcase_add_test(tc, a_replaced_lane_is_no_loss);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
