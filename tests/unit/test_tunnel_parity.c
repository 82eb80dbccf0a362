/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parity between two ends: what it covers, when and by which lanes it leaves, and what comes of it
 * at the other end. How much of it: test_tunnel_parity_share.c. The code itself: test_parity*.c.
 */
#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define RTT   SP_MS(20)
#define GROUP SP_MS(35)

static struct two_ends e;
static struct sp_flow *gw;

static const struct parity *parity(void)
{
    return &e.end[GATEWAY].tunnel->parity;
}

static uint64_t left(void)
{
    return ends_count(&e, GATEWAY)->parity_out;
}

/* A wide tunnel, and a far side that once missed something: one parity for 14. */
static void start_at(unsigned lanes, uint32_t rtt_us)
{
    gw = ends_begin(&e, lanes, rtt_us, 0, NULL);
    ends_put_text(&e, gw, "a");
    ends_put_text(&e, gw, "b");
    ends_settle(&e);
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), ends_last_seq(&e, GATEWAY) - 1);
    ends_settle(&e);
    ends_live(&e, rtt_us); /* until lanes are asked how they fare once more */
    ck_assert_uint_eq(parity()->enc.next_k, 14);
    ck_assert_uint_eq(parity()->enc.next_m, 1);
}

static void start(unsigned lanes)
{
    start_at(lanes, RTT);
}

static void put_video(void)
{
    ends_put_rtp(&e, gw, 96, 1100);
}

/* Parity frames on the gateway's wires; the lanes that they are on, a bit each. */
static size_t on_wires(uint32_t *lanes, struct sp_parity_frame *last)
{
    struct sp_frame f;
    struct sp_control c;
    size_t n = 0;

    *lanes = 0;
    for (unsigned l = 0; l < ENDS_LANES; l++)
        for (size_t i = 0; ends_peek(&e, GATEWAY, l, i, &f, &c); i++) {
            if (f.kind != SP_FRAME_PARITY)
                continue;
            n++;
            *lanes |= 1u << l;
            if (last != NULL)
                REQUIRE(sp_parity_parse(f.body, last) == 0);
        }
    return n;
}

/* --- what it covers, and when it leaves ----------------------------------------------------- */

START_TEST(nothing_leaves_where_nothing_is_lost)
{
    gw = ends_begin(&e, 4, RTT, 0, NULL);
    for (unsigned i = 0; i < 200; i++) {
        put_video();
        ends_live(&e, SP_MS(3));
    }
    ck_assert_uint_eq(left(), 0);
    ends_close(&e);
}
END_TEST

START_TEST(media_is_covered)
{
    static const uint8_t stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42};

    start(4);
    ends_put(&e, gw, stun, sizeof stun);
    ends_put_text(&e, gw, "what is it?");
    ck_assert_uint_eq(parity()->enc.cover.n, 0);
    ends_put_rtp(&e, gw, 111, 100);
    ck_assert_uint_eq(parity()->enc.cover.n, 1);
    ends_put_rtp(&e, gw, 200, 100);
    ck_assert_uint_eq(parity()->enc.cover.n, 2);
    put_video();
    ck_assert_uint_eq(parity()->enc.cover.n, 3);
    ends_close(&e); /* the group is open: ends_close finds no timer left */
}
END_TEST

/* Something is held back when the group is closed: on a line that takes no more than is guessed at
 * first, or more than that. */
START_TEST(not_beside_what_waits)
{
    start(4);
    struct sp_bottleneck *b = &e.end[GATEWAY].tunnel->bottleneck;
    for (unsigned i = 0; i < 5; i++)
        put_video();
    b->burst_rate = 1250000;
    b->guess = _i == 0 ? 1250000 : 2500000;
    b->burst_us = e.now_us;
    b->busy_until_us = e.now_us + SP_MS(50);
    put_video();
    ends_wait(&e, SP_MS(38));
    ck_assert_uint_eq(sp_classq_count(&e.end[GATEWAY].tunnel->queue), 1);
    ck_assert_int_eq(left() > 0, _i != 0);
    ends_close(&e);
}
END_TEST

/* Seconds of video, and then a key frame, a datagram each 2 ms; or as many all the time; on a line
 * where queues are seen, or none. */
static void key_frame(unsigned apart_ms, bool queues)
{
    start(8);
    e.end[GATEWAY].tunnel->bottleneck.burst_rate = 0; /* nothing waits */
    for (unsigned ms = 0; ms < 2000; ms += apart_ms) {
        put_video();
        ends_live(&e, SP_MS(apart_ms));
    }
    e.end[GATEWAY].tunnel->bottleneck.queued_us = queues ? e.now_us - SP_SEC(20) : 0;
}

static uint64_t left_beside_frame(void)
{
    uint64_t before;

    for (unsigned i = 0; i < 14; i++) {
        put_video();
        ends_live(&e, SP_MS(2));
    }
    before = left();
    for (unsigned i = 0; i < 28; i++) {
        put_video();
        ends_live(&e, SP_MS(2));
    }
    return left() - before;
}

START_TEST(not_in_a_frame_that_fills_the_line)
{
    key_frame(10, true);
    ck_assert_uint_eq(left_beside_frame(), 0);
    uint64_t before = left();
    for (unsigned i = 0; i < 14; i++) {
        ends_live(&e, SP_MS(10));
        put_video();
    }
    ck_assert_uint_gt(left(), before); /* again */
    ends_close(&e);
}
END_TEST

START_TEST(but_in_one_as_all_are)
{
    key_frame(10, true);
    uint64_t before = left();
    for (unsigned frame = 0; frame < 20; frame++) {
        for (unsigned i = 0; i < 7; i++) {
            put_video();
            ends_live(&e, SP_MS(2));
        }
        ends_live(&e, SP_MS(20));
    }
    ck_assert_uint_ge(left() - before, 10); /* one for 14 */
    ends_close(&e);
}
END_TEST

START_TEST(but_where_no_line_is_filled)
{
    key_frame(10, false);
    ck_assert_uint_ge(left_beside_frame(), 2);
    ends_close(&e);
}
END_TEST

/* A conference is no key frame. */
START_TEST(and_where_it_is_as_usual)
{
    key_frame(2, true);
    ck_assert_uint_ge(left_beside_frame(), 2);
    ends_close(&e);
}
END_TEST

START_TEST(a_full_group_leaves_at_once)
{
    struct sp_parity_frame f;
    uint32_t lanes;

    start(4);
    uint32_t first = ends_last_seq(&e, GATEWAY) + 1;
    for (unsigned i = 0; i < 13; i++)
        put_video();
    ck_assert_uint_eq(left(), 0);
    put_video();
    ck_assert_uint_eq(on_wires(&lanes, &f), 1);
    ck_assert_uint_eq(f.cover.base, first);
    ck_assert_uint_eq(f.cover.n, 14);
    ck_assert_uint_eq(left(), 1);
    ends_wait(&e, SP_MS(20));
    ck_assert_uint_eq(left(), 1);
    ends_close(&e);
}
END_TEST

START_TEST(another_waits_for_its_time)
{
    struct sp_parity_frame f;
    uint32_t lanes;

    start(8);
    put_video();
    ends_wait(&e, SP_MS(20));
    put_video();
    ends_wait(&e, GROUP - SP_MS(20) - 1);
    ck_assert_uint_eq(on_wires(&lanes, NULL), 0);
    ends_wait(&e, 1);
    ck_assert_uint_eq(on_wires(&lanes, &f), 1);
    ck_assert_uint_eq(f.cover.n, 2);
    /* And the next group has a time of its own. */
    put_video();
    ends_wait(&e, GROUP - 1);
    ck_assert_uint_eq(left(), 1);
    ends_wait(&e, 1);
    ck_assert_uint_eq(left(), 2);
    ends_close(&e);
}
END_TEST

START_TEST(numbers_too_far_apart_are_two_groups)
{
    struct sp_parity_frame f;
    uint32_t lanes;

    start(4);
    put_video();
    for (unsigned i = 1; i < SP_PARITY_MAX_SPAN; i++)
        ends_put_text(&e, gw, "not covered");
    ck_assert_uint_eq(left(), 0);
    put_video();
    ck_assert_uint_eq(on_wires(&lanes, &f), 1);
    ck_assert_uint_eq(f.cover.n, 1);
    ck_assert_uint_eq(parity()->enc.cover.n, 1);
    ck_assert(sp_timer_is_set(&parity()->close));
    ends_wait(&e, GROUP);
    ck_assert_uint_eq(left(), 2);
    ends_close(&e);
}
END_TEST

/* --- by which lanes ------------------------------------------------------------------------- */

/* By one that took nothing of the group, though others have less on the way. */
START_TEST(by_a_lane_that_took_none)
{
    uint32_t took = 0, lanes;

    start_at(4, SP_MS(100));
    unsigned other = ends_put_text(&e, gw, "this takes a while");
    for (unsigned i = 0; i < 3; i++) {
        unsigned lane = ends_put_rtp(&e, gw, 96, 1100);
        took |= 1u << lane;
        ends_carry(&e, GATEWAY, lane, SIZE_MAX);
    }
    ck_assert_uint_eq(took | 1u << other, 15);
    ends_wait(&e, GROUP);
    ck_assert_uint_eq(on_wires(&lanes, NULL), 1);
    ck_assert_uint_eq(lanes, 1u << other);
    ends_close(&e);
}
END_TEST

START_TEST(where_all_took_some_by_any)
{
    uint32_t lanes;

    start(2);
    put_video();
    put_video();
    ends_wait(&e, SP_MS(1));
    ends_settle(&e);
    ends_wait(&e, GROUP);
    ck_assert_uint_eq(on_wires(&lanes, NULL), 1);
    ends_close(&e);
}
END_TEST

/* Behind what may be lost it would come too late to be of use. */
START_TEST(not_by_a_lane_in_doubt)
{
    uint32_t lanes;

    start_at(2, SP_MS(5));
    put_video();
    put_video();
    ends_wait(&e, GROUP);
    ck_assert_uint_eq(on_wires(&lanes, NULL), 0);
    ck_assert_uint_eq(left(), 0);
    ends_settle(&e);
    put_video();
    ends_settle(&e);
    ends_wait(&e, GROUP);
    ck_assert_uint_eq(left(), 1); /* of the next group, as ever */
    ends_close(&e);
}
END_TEST

/* Three for ten, which went by the two lanes that have nothing on the way now. Of the others one
 * has much less on the way than the rest, also when it has taken a parity. */
START_TEST(several_by_different_lanes)
{
    static const size_t lens[] = {10, 8000, 8000};
    static uint8_t body[8000];
    uint32_t took = 0, lanes;

    start_at(5, SP_MS(100));
    ck_assert_int_eq(sp_parity_enc_set(&e.end[GATEWAY].tunnel->parity.enc, 10, 3), 0);
    for (unsigned i = 0; i < 3; i++)
        took |= 1u << ends_put(&e, gw, body, lens[i]);
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned l = 0; l < 5; l++)
            e.end[GATEWAY].lanes[l].full = took >> l & 1 && i < 9;
        unsigned lane = ends_put_rtp(&e, gw, 96, 1100);
        if (i < 9) {
            ck_assert_uint_eq(took >> lane & 1, 0);
            ends_carry(&e, GATEWAY, lane, SIZE_MAX);
        }
        ends_wait(&e, SP_MS(3)); /* or it isn't known that they are idle */
    }
    ck_assert_uint_eq(on_wires(&lanes, NULL), 3);
    ck_assert_uint_eq(lanes, took);
    ends_close(&e);
}
END_TEST

/* What one group took says nothing of the next. */
START_TEST(the_next_group_has_lanes_of_its_own)
{
    start(8);
    put_video();
    ck_assert_uint_ne(parity()->lanes, 0);
    ends_wait(&e, GROUP);
    ck_assert_uint_eq(left(), 1);
    ck_assert_uint_eq(parity()->lanes, 0);
    unsigned lane = ends_put_rtp(&e, gw, 96, 1100);
    ck_assert_uint_eq(parity()->lanes, 1u << lane);
    ends_close(&e);
}
END_TEST

/* --- what comes of it ----------------------------------------------------------------------- */

static size_t got(void)
{
    return e.end[EDGE].n_got;
}

/* The decoder keeps what comes only once parity came. */
static void wake(void)
{
    uint64_t in = ends_count(&e, EDGE)->parity_in;

    for (unsigned i = 0; i < 14; i++)
        put_video();
    ends_settle(&e);
    ck_assert_uint_gt(ends_count(&e, EDGE)->parity_in, in);
    ends_wait(&e, RTT); /* until lanes are asked how they fare once more */
}

/* So that nothing is repeated. */
static void lose_reports(void)
{
    for (unsigned i = 0; i < ENDS_LANES; i++)
        e.end[EDGE].lanes[i].held = true;
}

START_TEST(gives_back_what_is_missing)
{
    uint8_t packet[500] = {0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 'x'};

    start(8);
    wake();
    ck_assert_uint_eq(ends_count(&e, EDGE)->recovered, 0);
    size_t before = got();
    unsigned lost = ends_put(&e, gw, packet, sizeof packet);
    e.end[GATEWAY].lanes[lost].held = true;
    put_video();
    ends_settle(&e);
    ck_assert_uint_eq(got(), before + 1);
    lose_reports();
    ends_live(&e, GROUP);
    ck_assert_uint_eq(got(), before + 2);
    ck_assert_uint_eq(ends_count(&e, EDGE)->recovered, 1);
    const struct end_got *g = &e.end[EDGE].got[before + 1];
    ck_assert_uint_eq(g->flow, sp_flow_number(gw));
    ck_assert_uint_eq(g->len, sizeof packet);
    ck_assert_mem_eq(g->head, packet, ENDS_HEAD);
    /* Its lane brings it at last. */
    e.end[GATEWAY].lanes[lost].held = false;
    uint64_t copies = ends_count(&e, EDGE)->dropped_copy;
    ends_settle(&e);
    ck_assert_uint_eq(got(), before + 2);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_copy, copies + 1);
    ends_close(&e);
}
END_TEST

/* A parity frame that overtakes what it covers waits for it. */
START_TEST(a_datagram_completes_a_group)
{
    unsigned lanes[3];

    start(8);
    wake();
    lose_reports();
    size_t before = got();
    for (unsigned i = 0; i < 3; i++)
        lanes[i] = ends_put_rtp(&e, gw, 96, 1100 - i);
    for (unsigned i = 0; i < 3; i++)
        e.end[GATEWAY].lanes[lanes[i]].held = true;
    ends_live(&e, GROUP);
    ck_assert_uint_eq(ends_count(&e, EDGE)->parity_in, 2);
    ck_assert_uint_eq(got(), before);
    ends_carry(&e, GATEWAY, lanes[2], SIZE_MAX);
    ck_assert_uint_eq(got(), before + 1);
    ends_carry(&e, GATEWAY, lanes[0], SIZE_MAX);
    ck_assert_uint_eq(got(), before + 3);
    ck_assert_uint_eq(ends_count(&e, EDGE)->recovered, 1);
    bool came[3] = {false};
    for (unsigned i = 0; i < 3; i++)
        came[1100 - e.end[EDGE].got[before + i].len] = true;
    ck_assert(came[0] && came[1] && came[2]);
    ends_close(&e);
}
END_TEST

/* What a group gives back of a flow that is not there is nobody's. */
START_TEST(for_a_flow_that_does_not_exist)
{
    struct sp_parity_enc enc;
    struct sp_span out[SP_PARITY_MAX_M];
    uint8_t frame[256];

    start(4);
    sp_parity_enc_init(&enc, GROUP);
    ck_assert_int_eq(sp_parity_enc_set(&enc, 1, 1), 0);
    for (unsigned i = 0; i < 2; i++) { /* the first begins the decoder's window */
        uint32_t seq = ends_last_seq(&e, GATEWAY) + 1 + i;
        ck_assert_int_eq(sp_parity_enc_add(&enc, seq, 77, sp_span_str("hi"), e.now_us), 0);
        ck_assert_uint_eq(sp_parity_enc_close(&enc, out), 1);
        sp_frame_parity_header(frame, out[0].len);
        memcpy(frame + SP_FRAME_CONTROL_HEADER_LEN, out[0].p, out[0].len);
        ends_inject(&e, GATEWAY, 0, frame, SP_FRAME_CONTROL_HEADER_LEN + out[0].len);
        ck_assert_int_eq(ends_carry(&e, GATEWAY, 0, SIZE_MAX), 0);
    }
    sp_parity_enc_fini(&enc);
    ck_assert_uint_eq(ends_count(&e, EDGE)->recovered, 2);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_unknown_flow, 2);
    ck_assert_uint_eq(ends_count(&e, EDGE)->datagrams_in, 3); /* what was sent before */
    ends_close(&e);
}
END_TEST

START_TEST(malformed_parity_is_counted)
{
    uint8_t frame[SP_FRAME_CONTROL_HEADER_LEN + 3] = {0};

    start(2);
    sp_frame_parity_header(frame, 3);
    ends_inject(&e, GATEWAY, 0, frame, sizeof frame);
    ck_assert_int_eq(ends_carry(&e, GATEWAY, 0, SIZE_MAX), 0);
    ck_assert_uint_eq(ends_count(&e, EDGE)->malformed, 1);
    ck_assert_uint_eq(ends_count(&e, EDGE)->parity_in, 1);
    ck_assert_uint_eq(sp_tunnel_lane_count(e.end[EDGE].tunnel), 2);
    ends_close(&e);
}
END_TEST

/* What is kept of datagrams is kept as long as parity comes, and a little longer. */
START_TEST(memory_is_given_back)
{
    start(4);
    const struct parity *p = &e.end[EDGE].tunnel->parity;
    for (unsigned i = 0; i < 3; i++) {
        wake();
        put_video();
        ends_settle(&e);
        ck_assert_uint_gt(p->dec.window.n_chunks, 0);
        ends_live(&e, SP_SEC(4));
        ck_assert(sp_timer_is_set(&p->rest));
    }
    ends_live(&e, SP_SEC(8));
    ck_assert(!sp_timer_is_set(&p->rest));
    ck_assert_uint_eq(p->dec.window.n_chunks, 0);
    ends_close(&e);
}
END_TEST

/* Each allocation fails in turn: what would have been covered leaves all the same. */
START_TEST(no_memory)
{
    bool failed = true;
    unsigned k = 0;

    while (failed) {
        start(4);
        size_t before = got();
        alloc_fail_at(++k);
        put_video();
        put_video();
        ends_wait(&e, GROUP);
        failed = alloc_fail_disarm();
        ends_settle(&e);
        ck_assert_uint_eq(got() + ends_count(&e, GATEWAY)->dropped_full, before + 2);
        if (!failed)
            ck_assert_uint_eq(left(), 1);
        uint64_t n = left();
        put_video();
        ends_wait(&e, GROUP);
        ck_assert_uint_eq(left(), n + 1);
        ends_close(&e);
    }
    ck_assert_uint_gt(k, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_parity");
    TCase *tc = tcase_create("tunnel_parity");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, nothing_leaves_where_nothing_is_lost);
    tcase_add_test(tc, media_is_covered);
    tcase_add_loop_test(tc, not_beside_what_waits, 0, 2);
    tcase_add_test(tc, not_in_a_frame_that_fills_the_line);
    tcase_add_test(tc, but_in_one_as_all_are);
    tcase_add_test(tc, but_where_no_line_is_filled);
    tcase_add_test(tc, and_where_it_is_as_usual);
    tcase_add_test(tc, a_full_group_leaves_at_once);
    tcase_add_test(tc, another_waits_for_its_time);
    tcase_add_test(tc, numbers_too_far_apart_are_two_groups);
    tcase_add_test(tc, by_a_lane_that_took_none);
    tcase_add_test(tc, where_all_took_some_by_any);
    tcase_add_test(tc, not_by_a_lane_in_doubt);
    tcase_add_test(tc, several_by_different_lanes);
    tcase_add_test(tc, the_next_group_has_lanes_of_its_own);
    tcase_add_test(tc, gives_back_what_is_missing);
    tcase_add_test(tc, a_datagram_completes_a_group);
    tcase_add_test(tc, for_a_flow_that_does_not_exist);
    tcase_add_test(tc, malformed_parity_is_counted);
    tcase_add_test(tc, memory_is_given_back);
    tcase_add_test(tc, no_memory);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
