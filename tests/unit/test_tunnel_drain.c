/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How one end of a tunnel says that it will end, whatever is lost on the way, and what the other
 * end makes of it.
 */
#include <check.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "tunnel_impl.h"
#include "two_ends.h"

static struct two_ends e;

static void start(unsigned lanes)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < lanes; i++)
        ck_assert_int_eq(ends_join(&e, i), 0);
}

static void drain(unsigned side)
{
    sp_tunnel_drain(e.end[side].tunnel, e.now_us);
}

static size_t drains(unsigned from)
{
    return ends_requests(&e, from, SP_CONTROL_DRAIN);
}

static struct sp_flow *new_flow(int *err)
{
    struct sp_addr local = sp_addr_v4(192, 168, 1, 2, 5000);
    struct sp_flow *f = NULL;

    *err = sp_flow_open(e.end[GATEWAY].tunnel, SP_FLOW_TURN, &local, e.now_us, &f);
    return f;
}

START_TEST(is_said_once_and_heard_once)
{
    start(2);
    drain(EDGE);
    drain(EDGE);
    ck_assert_uint_eq(drains(EDGE), 1);
    ck_assert_uint_eq(e.end[GATEWAY].draining, 0);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[GATEWAY].draining, 1);
    ck_assert_uint_eq(e.end[EDGE].draining, 0);
    ends_wait(&e, SP_SEC(10)); /* answered: not repeated */
    ck_assert_uint_eq(drains(EDGE), 0);
    drain(EDGE);
    ck_assert_uint_eq(drains(EDGE), 0);
    ck_assert_uint_eq(ends_count(&e, EDGE)->control_repeats, 0);
    ends_close(&e);
}
END_TEST

/* By another lane, until it is answered; told once all the same. */
START_TEST(is_repeated_until_answered)
{
    start(2);
    drain(EDGE);
    for (unsigned i = 0; i < 6; i++) {
        unsigned lane = ends_waiting(&e, EDGE, 0) > 0 ? 0 : 1;
        ck_assert_uint_eq(drains(EDGE), 1);
        ck_assert_uint_eq(ends_waiting(&e, EDGE, 1 - lane), 0);
        if (i < 3)
            ends_lose_bytes(&e, EDGE); /* lost on the way there */
        ends_carry(&e, EDGE, lane, SIZE_MAX);
        ends_lose_bytes(&e, GATEWAY); /* then its answer */
        uint64_t wait_us = SP_MS(100) << i;
        ends_wait(&e, (wait_us < SP_SEC(2) ? wait_us : SP_SEC(2)) - 1);
        ck_assert_uint_eq(drains(EDGE), 0);
        ends_wait(&e, 1);
        ck_assert_uint_eq(ends_waiting(&e, EDGE, lane), 0);
        ck_assert_uint_eq(ends_waiting(&e, EDGE, 1 - lane), 1);
    }
    ends_settle(&e);
    ck_assert_uint_eq(e.end[GATEWAY].draining, 1);
    ends_wait(&e, SP_SEC(10));
    ck_assert_uint_eq(drains(EDGE), 0);
    ends_close(&e);
}
END_TEST

START_TEST(waits_for_a_lane)
{
    start(0);
    drain(EDGE);
    ck_assert_int_eq(ends_join(&e, 3), 0);
    ck_assert_uint_eq(drains(EDGE), 0); /* not from within: a lane's first words are its owner's */
    ends_wait(&e, 1);
    ck_assert_uint_eq(drains(EDGE), 1);
    ends_lose_both(&e, 3); /* with what it carried */
    ends_wait(&e, SP_SEC(5));
    ck_assert_int_eq(ends_join(&e, 4), 0);
    ends_wait(&e, 1);
    ck_assert_uint_eq(drains(EDGE), 1);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[GATEWAY].draining, 1);
    ck_assert_int_eq(ends_join(&e, 5), 0);
    ends_wait(&e, SP_SEC(3));
    ck_assert_uint_eq(drains(EDGE), 0);
    ends_close(&e);
}
END_TEST

/* What is open lives on, both ways; nothing begins. */
START_TEST(old_flows_live_and_new_ones_do_not_begin)
{
    struct sp_flow *there;
    int err;

    start(1);
    struct sp_flow *f = ends_connected_flow(&e, &there);
    sp_flow_set_user(f, &f);
    struct sp_flow *crossing = ends_flow(&e);
    sp_flow_set_user(crossing, &crossing);
    ends_send(&e, crossing, "crosses the DRAIN", 17);
    drain(EDGE);
    ck_assert_ptr_nonnull(crossing);
    ends_settle(&e);
    ck_assert_ptr_null(crossing);
    ck_assert_uint_eq(e.end[GATEWAY].closed_code, SP_CONTROL_DRAINING);
    ck_assert_uint_eq(e.end[EDGE].opened, 1);
    ck_assert_ptr_null(new_flow(&err));
    ck_assert_int_eq(err, SP_EFULL);

    size_t got = e.end[EDGE].n_got;
    ends_send(&e, f, "up", 2);
    ends_send(&e, there, "down", 4);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, got + 1);
    ck_assert_uint_eq(e.end[GATEWAY].n_got, 1);
    ck_assert_ptr_eq(sp_flow_tunnel(f), e.end[GATEWAY].tunnel);
    sp_flow_close(there, e.now_us);
    ends_settle(&e);
    ck_assert_ptr_null(f);
    ends_close(&e);
}
END_TEST

/* A copy of the OPEN of a flow that lives is no new flow. */
START_TEST(a_repeated_open_is_still_accepted)
{
    struct sp_flow *f;

    start(1);
    f = ends_flow(&e);
    sp_flow_set_user(f, &f);
    ends_send(&e, f, "hello", 5);
    ends_flush(&e);
    ends_carry(&e, GATEWAY, 0, SIZE_MAX);
    ends_lose_bytes(&e, EDGE); /* the answer */
    drain(EDGE);
    ends_live(&e, SP_SEC(1));
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(e.end[EDGE].opened, 1);
    ck_assert_uint_eq(sp_tunnel_flow_count(e.end[GATEWAY].tunnel), 1);
    ends_close(&e);
}
END_TEST

/* From the edge it changes nothing about lingering; from the gateway it ends the tunnel with its
 * last lane. */
START_TEST(a_gateway_that_goes_is_not_waited_for)
{
    int err;

    start(2);
    drain(_i == 0 ? EDGE : GATEWAY);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].draining, (unsigned)_i);
    ck_assert_ptr_null(new_flow(&err)); /* either way */
    ends_lose_both(&e, 0);
    ends_live(&e, SP_SEC(1));
    ck_assert_uint_eq(e.end[EDGE].expired, 0);
    ends_lose_both(&e, 1);
    ends_live(&e, SP_MS(1));
    ck_assert_uint_eq(e.end[EDGE].expired, (unsigned)_i);
    ends_live(&e, SP_SEC(31));
    ck_assert_uint_eq(e.end[EDGE].expired, 1);
    ends_close(&e);
}
END_TEST

/* Who does not know the method answers 400, and has been told as well as can be. */
START_TEST(any_answer_ends_it)
{
    struct sp_control c = {.method = SP_CONTROL_DRAIN, .cls = SP_STUN_ERROR, .code = 400};
    uint8_t m[SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD];
    struct sp_frame frame;
    struct sp_control said;
    size_t len;

    start(1);
    drain(EDGE);
    ck_assert(ends_peek(&e, EDGE, 0, 0, &frame, &said));
    ends_lose_bytes(&e, EDGE);
    for (unsigned right = 0; right < 2; right++) { /* another's, then ours */
        memcpy(c.id, said.id, sizeof c.id);
        c.id[0] ^= right == 0;
        ck_assert_int_eq(
            sp_control_build(&c, m + SP_FRAME_CONTROL_HEADER_LEN, SP_CONTROL_OVERHEAD, &len), 0);
        sp_frame_control_header(m, len);
        ends_inject(&e, GATEWAY, 0, m, SP_FRAME_CONTROL_HEADER_LEN + len);
        ends_carry(&e, GATEWAY, 0, SIZE_MAX);
        ck_assert(e.end[EDGE].tunnel->drain.answered == right);
    }
    ends_wait(&e, SP_SEC(10));
    ck_assert_uint_eq(drains(EDGE), 0);
    ends_close(&e);
}
END_TEST

START_TEST(needs_no_memory_to_be_said)
{
    for (unsigned k = 1;; k++) {
        start(1);
        alloc_fail_at(k);
        drain(EDGE);
        bool failed = alloc_fail_disarm();
        ends_settle(&e);
        ck_assert_uint_eq(e.end[GATEWAY].draining, 1);
        ends_close(&e);
        if (!failed)
            break;
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tunnel_drain");
    TCase *t = tcase_create("drain");

    tcase_add_test(t, is_said_once_and_heard_once);
    tcase_add_test(t, is_repeated_until_answered);
    tcase_add_test(t, waits_for_a_lane);
    tcase_add_test(t, old_flows_live_and_new_ones_do_not_begin);
    tcase_add_test(t, a_repeated_open_is_still_accepted);
    tcase_add_loop_test(t, a_gateway_that_goes_is_not_waited_for, 0, 2);
    tcase_add_test(t, any_answer_ends_it);
    tcase_add_test(t, needs_no_memory_to_be_said);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
