/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is missing is asked for and repeated: when a report leaves, what it says, what is made of
 * it, and what it can't make the other end do. What it is good for: sim/test_repair.c.
 */
#include <check.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "tunnel_impl.h"
#include "two_ends.h"

#define RTT      SP_MS(20)
#define DOUBTFUL SP_MS(50) /* what is not acknowledged for so long makes a lane doubtful */

static struct two_ends e;
static struct sp_flow *gw, *edge;

/* Lanes that are idle, and known to be. */
static void start_at(unsigned lanes, uint32_t first_seq)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    e.end[GATEWAY].tunnel->next_seq = first_seq;
    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < lanes; i++)
            e.end[side].lanes[i].rtt_us = RTT;
    for (unsigned i = 0; i < lanes; i++)
        ck_assert_int_eq(ends_join(&e, i), 0);
    gw = ends_connected_flow(&e, &edge);
    ends_live(&e, SP_SEC(1));
}

static void start(unsigned lanes)
{
    start_at(lanes, 0);
}

/* All that may move does, now and for that long. */
static void live(uint64_t us)
{
    ends_settle(&e);
    ends_live(&e, us);
}

/* --- on the wires --------------------------------------------------------------------------- */

/* Sends it; returns the lane that it left by. */
static unsigned put(struct sp_flow *f, const void *p, size_t len)
{
    unsigned side = f == gw ? GATEWAY : EDGE;
    uint64_t before[ENDS_LANES];

    for (unsigned i = 0; i < ENDS_LANES; i++)
        before[i] = e.end[side].lanes[i].sent;
    ends_send(&e, f, p, len);
    ends_flush(&e);
    for (unsigned i = 0; i < ENDS_LANES; i++)
        if (e.end[side].lanes[i].sent > before[i])
            return i;
    return ENDS_LANES;
}

static unsigned put_text(struct sp_flow *f, const char *text)
{
    return put(f, text, strlen(text));
}

static uint32_t last_seq(unsigned side)
{
    return e.end[side].tunnel->next_seq - 1;
}

static size_t got(void)
{
    return e.end[EDGE].n_got;
}

/* Reports that wait on a side's wires; the last that is found is copied. */
static size_t reports(unsigned side, struct sp_control *last, unsigned *lane)
{
    struct sp_frame f;
    struct sp_control c;
    size_t n = 0;

    for (unsigned number = 0; number < ENDS_LANES; number++)
        for (size_t i = 0; ends_peek(&e, side, number, i, &f, &c); i++) {
            if (f.kind != SP_FRAME_CONTROL || c.method != SP_CONTROL_REPORT)
                continue;
            n++;
            if (last != NULL)
                *last = c;
            if (lane != NULL)
                *lane = number;
        }
    return n;
}

/* How often the frame of that number waits on the gateway's wires, and on which last. */
static size_t waiting(uint32_t seq, unsigned *lane)
{
    struct sp_frame f;
    struct sp_control c;
    size_t n = 0;

    for (unsigned number = 0; number < ENDS_LANES; number++)
        for (size_t i = 0; ends_peek(&e, GATEWAY, number, i, &f, &c); i++) {
            if (f.kind == SP_FRAME_DATA ? f.seq != seq : !c.has_data || c.seq != seq)
                continue;
            n++;
            if (lane != NULL)
                *lane = number;
        }
    return n;
}

/* What the far side, honest or not, reports to the gateway. */
static void report(uint32_t below, const void *bitmap, size_t len)
{
    uint8_t frame[SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD];
    struct sp_control c = {.method = SP_CONTROL_REPORT,
                           .cls = SP_STUN_INDICATION,
                           .seq = below,
                           .missing = sp_span(bitmap, len)};
    size_t n;

    REQUIRE(sp_control_build(&c, frame + SP_FRAME_CONTROL_HEADER_LEN, SP_CONTROL_OVERHEAD, &n) ==
            0);
    sp_frame_control_header(frame, n);
    ends_inject(&e, EDGE, 0, frame, SP_FRAME_CONTROL_HEADER_LEN + n);
    REQUIRE(ends_carry(&e, EDGE, 0, SIZE_MAX) == 0);
}

/* One number, at most 8 below the other. */
static void report_one(uint32_t below, uint32_t missing)
{
    uint8_t bit = (uint8_t)(1u << (below - 1 - missing));
    report(below, &bit, 1);
}

static const struct sp_tunnel_counters *count(unsigned side)
{
    return ends_count(&e, side);
}

/* --- a report is made ----------------------------------------------------------------------- */

START_TEST(a_gap_is_reported_and_no_longer)
{
    struct sp_control c;

    start(4);
    unsigned a = put_text(gw, "a");
    unsigned b = put_text(gw, "b");
    ck_assert_uint_ne(a, b);
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    ends_wait(&e, SP_MS(2) - 1);
    ck_assert_uint_eq(reports(EDGE, NULL, NULL), 0);
    ends_wait(&e, 1);
    ck_assert_uint_eq(reports(EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.seq, last_seq(GATEWAY));
    ck_assert_uint_eq(c.missing.len, 1);
    ck_assert_uint_eq(c.missing.p[0], 1);
    for (unsigned i = 1; i < 4; i++) { /* as long as it is missing */
        ends_wait(&e, SP_MS(20) - 1);
        ck_assert_uint_eq(reports(EDGE, NULL, NULL), i);
        ends_wait(&e, 1);
        ck_assert_uint_eq(reports(EDGE, &c, NULL), i + 1);
    }
    ck_assert_uint_eq(count(EDGE)->reports_out, 4);
    ends_carry(&e, GATEWAY, a, SIZE_MAX);
    ends_wait(&e, SP_SEC(1));
    ck_assert_uint_eq(reports(EDGE, NULL, NULL), 4);
    ck_assert_uint_eq(got(), 3);
    ck_assert(!sp_timer_is_set(&e.end[EDGE].tunnel->repair.report));
    ends_close(&e);
}
END_TEST

START_TEST(lanes_may_differ_by_two_milliseconds)
{
    start(4);
    for (unsigned i = 0; i < 10; i++) {
        unsigned a = put_text(gw, "a");
        unsigned b = put_text(gw, "b");
        ck_assert_uint_ne(a, b);
        ends_carry(&e, GATEWAY, b, SIZE_MAX);
        ends_wait(&e, SP_MS(2) - 1);
        ends_carry(&e, GATEWAY, a, SIZE_MAX);
        ends_wait(&e, SP_MS(7));
    }
    ends_wait(&e, SP_SEC(1));
    ck_assert_uint_eq(reports(EDGE, NULL, NULL), 0);
    ck_assert_uint_eq(count(EDGE)->reports_out, 0);
    ck_assert_uint_eq(got(), 21);
    ends_close(&e);
}
END_TEST

START_TEST(what_is_too_old_is_reported_no_more)
{
    start(4);
    put_text(gw, "a");
    ends_carry(&e, GATEWAY, put_text(gw, "b"), SIZE_MAX);
    ends_wait(&e, SP_MS(390));
    ck_assert_uint_eq(reports(EDGE, NULL, NULL), 20); /* at 2, 22, … 382 */
    ends_wait(&e, SP_SEC(2));
    ck_assert_uint_eq(reports(EDGE, NULL, NULL), 20);
    /* A younger gap is none of the older one's. */
    struct sp_control c;
    ends_lose_bytes(&e, EDGE);
    put_text(gw, "c");
    ends_carry(&e, GATEWAY, put_text(gw, "d"), SIZE_MAX);
    ends_wait(&e, SP_MS(3));
    ck_assert_uint_eq(reports(EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.missing.len, 1);
    ck_assert_uint_eq(c.missing.p[0], 1);
    ends_close(&e);
}
END_TEST

/* One that appears while a report is due does not put it off, and is in the one that follows. */
START_TEST(gaps_follow_each_other)
{
    struct sp_control c;

    start(8);
    put_text(gw, "a");
    unsigned b = put_text(gw, "b");
    put_text(gw, "c");
    unsigned d = put_text(gw, "d");
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    ends_wait(&e, SP_MS(1));
    ends_carry(&e, GATEWAY, d, SIZE_MAX);
    ends_wait(&e, SP_MS(1));
    ck_assert_uint_eq(reports(EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.seq, last_seq(GATEWAY) - 2);
    ck_assert_uint_eq(c.missing.p[0], 1);
    ends_lose_bytes(&e, EDGE);
    ends_wait(&e, SP_MS(2));
    ck_assert_uint_eq(reports(EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.seq, last_seq(GATEWAY));
    ck_assert_uint_eq(c.missing.p[0], 5);
    ends_lose_bytes(&e, EDGE);
    /* And one that appears between two reports is not left to the second. */
    ends_wait(&e, SP_MS(10));
    put_text(gw, "e");
    ends_carry(&e, GATEWAY, put_text(gw, "f"), SIZE_MAX);
    ends_wait(&e, SP_MS(2));
    ck_assert_uint_eq(reports(EDGE, &c, NULL), 1);
    ck_assert_uint_eq(c.missing.p[0], 1 | 4 | 16);
    ends_close(&e);
}
END_TEST

/* However many gaps: a report every two milliseconds at most. */
START_TEST(reports_are_few)
{
    static uint8_t body[100];

    start(2);
    for (unsigned ms = 0; ms < 100; ms++) {
        for (unsigned i = 0; i < 4; i++) { /* every second number is lost */
            put(gw, body, sizeof body);
            ends_lose_bytes(&e, GATEWAY);
            ends_carry(&e, GATEWAY, put(gw, body, sizeof body), SIZE_MAX);
            ends_wait(&e, 250);
        }
    }
    ck_assert_uint_gt(count(EDGE)->reports_out, 40);
    ck_assert_uint_le(count(EDGE)->reports_out, 50);
    ends_close(&e);
}
END_TEST

START_TEST(by_a_lane_that_is_well)
{
    unsigned lane = ENDS_LANES;

    start(3);
    unsigned stuck = put_text(edge, "x");
    for (unsigned i = 0; i < 2; i++)
        ends_carry(&e, EDGE, put_text(edge, "y"), SIZE_MAX);
    ck_assert_uint_gt(e.end[EDGE].lanes[stuck].len, 0);
    ends_wait(&e, DOUBTFUL);
    unsigned a = put_text(gw, "a");
    unsigned b = put_text(gw, "b");
    ck_assert_uint_ne(a, b);
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    for (unsigned i = 0; i < 5; i++) {
        ends_wait(&e, i == 0 ? SP_MS(2) : SP_MS(20));
        ck_assert_uint_eq(reports(EDGE, NULL, &lane), 1);
        ck_assert_uint_ne(lane, stuck);
        e.end[EDGE].lanes[lane].acked += e.end[EDGE].lanes[lane].len;
        e.end[EDGE].lanes[lane].len = 0;
    }
    ends_close(&e);
}
END_TEST

START_TEST(without_lanes_none_is_counted)
{
    start(2);
    put_text(gw, "a");
    ends_carry(&e, GATEWAY, put_text(gw, "b"), SIZE_MAX);
    ends_lose(&e, EDGE, 0);
    ends_lose(&e, EDGE, 1);
    ends_wait(&e, SP_MS(300));
    ck_assert_uint_eq(count(EDGE)->reports_out, 0);
    ends_close(&e);
}
END_TEST

/* --- it is answered by a repeat ------------------------------------------------------------- */

START_TEST(repeated_by_another_lane)
{
    unsigned lane = ENDS_LANES;

    start(4);
    unsigned a = put_text(gw, "a");
    uint32_t seq = last_seq(GATEWAY);
    unsigned b = put_text(gw, "b");
    ends_carry(&e, GATEWAY, b, SIZE_MAX);
    ends_wait(&e, SP_MS(2));
    for (unsigned i = 0; i < 4; i++)
        ends_carry(&e, EDGE, i, SIZE_MAX);
    ck_assert_uint_eq(waiting(seq, NULL), 2);
    e.end[GATEWAY].lanes[a].held = true;
    for (unsigned i = 0; i < 4; i++)
        if (i != a && e.end[GATEWAY].lanes[i].len > 0)
            lane = i;
    ck_assert_uint_ne(lane, ENDS_LANES);
    ends_carry(&e, GATEWAY, lane, SIZE_MAX);
    ck_assert_uint_eq(got(), 3);
    ck_assert_uint_eq(e.end[EDGE].got[2].head[0], 'a');
    ends_wait(&e, SP_MS(500));
    ends_carry(&e, GATEWAY, a, SIZE_MAX); /* TCP brings it at last */
    ck_assert_uint_eq(got(), 3);
    ck_assert_uint_eq(count(EDGE)->dropped_copy, 1);
    ck_assert_uint_eq(count(EDGE)->reports_out, 1);
    ck_assert_uint_eq(count(GATEWAY)->reports_in, 1);
    ck_assert_uint_eq(count(GATEWAY)->missed, 1);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 1);
    ck_assert_uint_eq(count(GATEWAY)->datagrams_out, 3);
    ck_assert_uint_eq(count(GATEWAY)->control_repeats, 0);
    ck_assert_uint_eq(count(GATEWAY)->reports_out + count(EDGE)->reports_in, 0);
    ck_assert_uint_eq(count(EDGE)->missed + count(EDGE)->repeated, 0);
    ends_close(&e);
}
END_TEST

enum trouble { FULL, SUSPECT, DOUBT };

/* Of two lanes one had it, the other is in trouble: it stays where it is. */
START_TEST(not_by_a_lane_in_trouble)
{
    start(2);
    unsigned bad = put_text(gw, "stuck");
    struct end_lane *l = &e.end[GATEWAY].lanes[bad];

    if (_i == SUSPECT)
        ends_wait(&e, SP_MS(1400));
    else if (_i == DOUBT)
        ends_wait(&e, DOUBTFUL);
    else
        ends_carry(&e, GATEWAY, bad, SIZE_MAX);
    ck_assert(sp_lane_is_suspect(l->lane) == (_i == SUSPECT));
    l->full = _i == FULL;
    unsigned a = put_text(gw, "a");
    uint32_t seq = last_seq(GATEWAY);
    ck_assert_uint_eq(a, 1 - bad);
    ends_carry(&e, GATEWAY, a, SIZE_MAX); /* (it is lost all the same) */
    ck_assert_uint_eq(put_text(gw, "b"), 1 - bad);
    report_one(last_seq(GATEWAY), seq);
    ck_assert_uint_eq(count(GATEWAY)->missed, 1);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 0);
    ck_assert_uint_eq(waiting(seq, NULL), 0);
    /* As soon as it is well again it may have it. */
    l->full = false;
    ends_carry(&e, GATEWAY, bad, SIZE_MAX);
    ends_wait(&e, _i == SUSPECT ? SP_MS(260) : SP_MS(20));
    report_one(last_seq(GATEWAY), seq);
    ck_assert_uint_eq(count(GATEWAY)->missed, 1);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 1);
    ck_assert_uint_eq(waiting(seq, &a), 1);
    ck_assert_uint_eq(a, bad);
    ends_close(&e);
}
END_TEST

START_TEST(never_by_the_only_lane)
{
    start(1);
    put_text(gw, "a");
    put_text(gw, "b");
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, SP_MS(5));
    report_one(last_seq(GATEWAY), last_seq(GATEWAY) - 1);
    ck_assert_uint_eq(count(GATEWAY)->missed, 1);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 0);
    ends_close(&e);
}
END_TEST

START_TEST(three_times_at_most)
{
    uint32_t lanes = 0;

    start(8);
    lanes |= 1u << put_text(gw, "a");
    uint32_t seq = last_seq(GATEWAY);
    ends_lose_bytes(&e, GATEWAY);
    for (unsigned i = 1; i < 8; i++) {
        unsigned lane;

        ends_wait(&e, SP_MS(5));
        put_text(gw, "b");
        ends_lose_bytes(&e, GATEWAY);
        report_one(last_seq(GATEWAY), seq);
        ck_assert_uint_eq(count(GATEWAY)->repeated, i < 3 ? i : 3);
        ck_assert_uint_eq(waiting(seq, &lane), i <= 3);
        if (i <= 3) {
            ck_assert_uint_eq(lanes >> lane & 1, 0); /* none that it took before */
            lanes |= 1u << lane;
        }
        ends_lose_bytes(&e, GATEWAY);
    }
    ck_assert_uint_eq(count(GATEWAY)->missed, 1);
    ends_close(&e);
}
END_TEST

START_TEST(by_each_lane_once)
{
    start(3);
    put_text(gw, "a");
    uint32_t seq = last_seq(GATEWAY);
    ends_lose_bytes(&e, GATEWAY);
    for (unsigned i = 1; i < 6; i++) {
        ends_wait(&e, SP_MS(5));
        put_text(gw, "b");
        ends_lose_bytes(&e, GATEWAY);
        report_one(last_seq(GATEWAY), seq);
        ends_lose_bytes(&e, GATEWAY);
        ck_assert_uint_eq(count(GATEWAY)->repeated, i < 2 ? i : 2);
    }
    ends_close(&e);
}
END_TEST

/* What came before the repeat left says nothing of the repeat. */
START_TEST(a_repeat_is_given_its_time)
{
    start(8);
    put_text(gw, "a");
    uint32_t seq = last_seq(GATEWAY);
    put_text(gw, "b");
    ends_lose_bytes(&e, GATEWAY);
    for (unsigned i = 0; i < 5; i++) {
        report_one(seq + 1, seq);
        ends_wait(&e, SP_MS(20));
    }
    ck_assert_uint_eq(count(GATEWAY)->repeated, 1);
    put_text(gw, "c");
    report_one(seq + 1, seq);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 1);
    report_one(seq + 2, seq);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 2);
    put_text(gw, "d"); /* in the same moment as the repeat: it has not left after it */
    report_one(seq + 3, seq);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 2);
    ends_wait(&e, 1);
    put_text(gw, "e");
    report_one(seq + 4, seq);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 3);
    ends_close(&e);
}
END_TEST

START_TEST(not_after_its_age)
{
    start(4);
    uint64_t at_us = e.now_us;
    put_text(gw, "a");
    uint32_t seq = last_seq(GATEWAY);
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, SP_MS(200));
    put_text(gw, "b");
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, at_us + SP_MS(400) + (unsigned)_i - e.now_us);
    report_one(last_seq(GATEWAY), seq);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 1 - (unsigned)_i);
    ends_close(&e);
}
END_TEST

/* Voice is not played any more when a picture still is. */
START_TEST(voice_is_given_up_sooner)
{
    start(4);
    put_text(gw, "a");
    uint32_t seq = last_seq(GATEWAY);
    sp_sent_find(&e.end[GATEWAY].tunnel->repair.sent, seq)->cls = SP_CLASS_VOICE;
    ends_wait(&e, SP_MS(200) + (unsigned)_i);
    put_text(gw, "b");
    report_one(last_seq(GATEWAY), seq);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 1 - (unsigned)_i);
    ends_close(&e);
}
END_TEST

/* Its age counts from when it was queued, not from when it left. */
START_TEST(waiting_for_a_lane_is_part_of_its_age)
{
    start(3);
    for (unsigned i = 0; i < 3; i++)
        e.end[GATEWAY].lanes[i].full = true;
    put_text(gw, "a");
    uint32_t seq = last_seq(GATEWAY) + 1;
    ends_wait(&e, SP_MS(390));
    for (unsigned i = 0; i < 3; i++)
        e.end[GATEWAY].lanes[i].full = false;
    sp_tunnel_lane_writable(e.end[GATEWAY].lanes[0].lane);
    put_text(gw, "b");
    ck_assert_uint_eq(last_seq(GATEWAY), seq + 1);
    ends_wait(&e, SP_MS(11));
    report_one(seq + 1, seq);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 0);
    ends_close(&e);
}
END_TEST

START_TEST(what_opens_a_flow_is_repaired)
{
    start(4);
    struct sp_flow *f = ends_flow(&e);
    size_t before = got();

    ends_send(&e, f, "first", 5);
    ends_flush(&e);
    uint32_t seq = last_seq(GATEWAY);
    unsigned lane = ENDS_LANES;
    ck_assert_uint_eq(waiting(seq, &lane), 1);
    e.end[GATEWAY].lanes[lane].held = true;
    ends_send(&e, f, "second", 6);
    ends_settle(&e);
    ck_assert_uint_eq(got(), before + 1);
    ends_live(&e, SP_MS(2));
    ck_assert_uint_eq(got(), before + 2);
    ck_assert_mem_eq(e.end[EDGE].got[before + 1].head, "first", 5);
    ck_assert_uint_eq(e.end[EDGE].got[before + 1].flow, sp_flow_number(f));
    ck_assert_uint_eq(count(GATEWAY)->repeated, 1);
    ck_assert_uint_eq(count(EDGE)->flows_opened, 2);
    /* It may come again after the flow was closed: it opens nothing. */
    ends_live(&e, SP_MS(50));
    sp_flow_close(f, e.now_us);
    ends_settle(&e);
    e.end[GATEWAY].lanes[lane].held = false;
    ends_live(&e, SP_SEC(1));
    ck_assert_uint_eq(count(EDGE)->flows_opened, 2);
    ck_assert_uint_eq(got(), before + 2);
    ck_assert_uint_eq(sp_tunnel_flow_count(e.end[EDGE].tunnel), 1);
    ck_assert_uint_eq(sp_tunnel_flow_count(e.end[GATEWAY].tunnel), 1);
    ends_close(&e);
}
END_TEST

START_TEST(numbers_wrap)
{
    start_at(4, UINT32_MAX - 10);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t repeated = count(GATEWAY)->repeated;
        unsigned a = put_text(gw, "a");

        e.end[GATEWAY].lanes[a].held = true;
        put_text(gw, "b");
        live(SP_MS(3));
        ck_assert_uint_eq(got(), 3 + 2 * i);
        ck_assert_uint_eq(count(GATEWAY)->repeated, repeated + 1);
        e.end[GATEWAY].lanes[a].held = false;
        live(SP_MS(3));
    }
    ck_assert_uint_lt(last_seq(GATEWAY), 100);
    ends_close(&e);
}
END_TEST

/* --- what does not hold --------------------------------------------------------------------- */

START_TEST(forged_reports_of_what_never_left)
{
    static const uint8_t all[SP_CONTROL_MISSING_MAX] = {[0 ... SP_CONTROL_MISSING_MAX - 1] = 0xFF};
    static const uint32_t ahead[] = {1, 2, 100, 0x7FFFFFFF, 0x80000000, 0xF0000000};

    start(4);
    put_text(gw, "a");
    ends_settle(&e);
    for (unsigned i = 0; i < SP_ARRAY_LEN(ahead); i++)
        report(last_seq(GATEWAY) + ahead[i], all, sizeof all);
    report(last_seq(GATEWAY), NULL, 0);
    ck_assert_uint_eq(count(GATEWAY)->reports_in, SP_ARRAY_LEN(ahead) + 1);
    ck_assert_uint_eq(count(GATEWAY)->missed + count(GATEWAY)->repeated, 0);
    /* Below all that is remembered; and when nothing is. */
    report(last_seq(GATEWAY), all, sizeof all);
    ck_assert_uint_eq(count(GATEWAY)->repeated, 0);
    ends_wait(&e, SP_SEC(1));
    report(last_seq(GATEWAY), all, sizeof all);
    ck_assert_uint_eq(count(GATEWAY)->missed + count(GATEWAY)->repeated, 0);
    ck_assert_uint_eq(count(GATEWAY)->malformed, 0);
    ends_close(&e);
}
END_TEST

/* A far side that calls everything missing, always: it gets half as much again, and what may be
 * repeated at once. */
START_TEST(reports_are_no_amplifier)
{
    static const uint8_t all[SP_CONTROL_MISSING_MAX] = {[0 ... SP_CONTROL_MISSING_MAX - 1] = 0xFF};
    static uint8_t body[1000];
    uint64_t first = 0;

    start(8);
    for (unsigned ms = 0; ms < 3000; ms++) {
        put(gw, body, sizeof body);
        ends_lose_bytes(&e, GATEWAY);
        ends_wait(&e, SP_MS(1));
        report(last_seq(GATEWAY), all, sizeof all);
        ends_lose_bytes(&e, GATEWAY);
        if (ms == 99)
            first = count(GATEWAY)->repeated;
    }
    uint64_t left = count(GATEWAY)->datagrams_out * (sizeof body + SP_FRAME_HEADER_LEN);
    uint64_t again = count(GATEWAY)->repeated * (sizeof body + SP_FRAME_HEADER_LEN);
    ck_assert_uint_gt(first, 100); /* an honest one would have got what it needed */
    ck_assert_uint_le(again, left / 2 + 128 * 1024);
    ck_assert_uint_gt(again, left / 4);
    ends_close(&e);
}
END_TEST

/* Each takes time to read, so there may not be more than an honest far side sends. */
START_TEST(a_flood_of_reports)
{
    start(8);
    for (unsigned i = 0; i < 300; i++) {
        put_text(gw, "a");
        ends_lose_bytes(&e, GATEWAY);
    }
    for (unsigned i = 0; i < 200; i++)
        report_one(last_seq(GATEWAY) - i, last_seq(GATEWAY) - i - 1);
    ck_assert_uint_eq(count(GATEWAY)->reports_in, 200);
    ck_assert_uint_eq(count(GATEWAY)->missed, 50);
    ends_wait(&e, SP_MS(100));
    for (unsigned i = 0; i < 100; i++)
        report_one(last_seq(GATEWAY) - 200 + i, last_seq(GATEWAY) - 201 + i);
    ck_assert_uint_eq(count(GATEWAY)->missed, 100);
    ends_close(&e);
}
END_TEST

START_TEST(a_tunnel_that_is_idle_remembers_nothing)
{
    static uint8_t body[1000];
    const struct sp_sent *s;

    start(2);
    s = &e.end[GATEWAY].tunnel->repair.sent;
    ck_assert_ptr_null(s->bytes);
    for (unsigned i = 0; i < 200; i++) {
        put(gw, body, sizeof body);
        ends_settle(&e);
        live(SP_MS(5));
        ck_assert_ptr_nonnull(s->bytes);
        ck_assert_uint_gt(s->count, 0);
        ck_assert_uint_le(s->count, 81);
    }
    live(SP_MS(810));
    ck_assert_ptr_null(s->bytes);
    ck_assert_ptr_null(s->frames);
    ck_assert(!sp_timer_is_set(&e.end[GATEWAY].tunnel->repair.forget));
    ends_close(&e);
}
END_TEST

/* --- all together --------------------------------------------------------------------------- */

/* One gap and its repair, each allocation failing in turn. */
static void repair_once(void)
{
    for (unsigned i = 0; i < 4; i++)
        e.end[GATEWAY].lanes[i].held = false;
    unsigned a = put_text(gw, "a");
    if (a < ENDS_LANES)
        e.end[GATEWAY].lanes[a].held = true;
    put_text(gw, "b");
    live(SP_MS(3));
}

START_TEST(no_memory)
{
    bool failed = true;
    unsigned k = 0;

    while (failed) {
        start(4);
        alloc_fail_at(++k);
        repair_once();
        failed = alloc_fail_disarm();
        ck_assert_uint_le(got(), 3);
        ck_assert_uint_ge(got(), failed ? 1 : 3);
        /* From then on all is well. */
        for (unsigned i = 0; i < 3; i++) {
            live(SP_MS(100));
            size_t before = got();
            repair_once();
            ck_assert_uint_ge(got(), before + 2);
        }
        ck_assert_uint_ge(count(GATEWAY)->repeated, 3);
        for (unsigned i = 0; i < 4; i++)
            e.end[GATEWAY].lanes[i].held = false;
        live(SP_SEC(2));
        ck_assert_uint_eq(got() + ends_count(&e, GATEWAY)->dropped_full, 9);
        ends_close(&e);
    }
    ck_assert_uint_gt(k, 2); /* the two rings of what was sent */
}
END_TEST

/* Lanes that stand still for a while, each on its own, and reports as they come: each datagram is
 * told once at most, and all that was not too late is. */
#define STORM 3000

static bool told[STORM];

static void on_datagrams(struct end *end, struct sp_flow *f)
{
    static size_t seen;
    (void)f;

    if (end->n_got <= seen)
        seen = 0;
    for (; seen < end->n_got; seen++) {
        uint32_t index = sp_get_be32(end->got[seen % ENDS_GOT].head);
        if (end->got[seen % ENDS_GOT].len != 100)
            continue; /* hello */
        REQUIRE(index < STORM && !told[index]);
        told[index] = true;
    }
}

START_TEST(each_is_told_once)
{
    struct sp_rng_seeded rng;
    uint8_t body[100] = {0};
    size_t n = 0;

    sp_rng_seeded_init(&rng, 31 + (uint64_t)_i);
    memset(told, 0, sizeof told);
    start(6);
    e.end[EDGE].on_datagrams = on_datagrams;
    for (uint32_t i = 0; i < STORM; i++) {
        sp_put_be32(body, i);
        ends_send(&e, gw, body, sizeof body);
        if (sp_rng_below(&rng.rng, 20) == 0) {
            struct end_lane *l = &e.end[sp_rng_below(&rng.rng, 2)].lanes[sp_rng_below(&rng.rng, 6)];
            l->held = !l->held;
        }
        live(sp_rng_below(&rng.rng, SP_MS(6)));
    }
    for (unsigned i = 0; i < 6; i++)
        e.end[GATEWAY].lanes[i].held = e.end[EDGE].lanes[i].held = false;
    live(SP_SEC(2));
    for (uint32_t i = 0; i < STORM; i++)
        n += told[i];
    const struct sp_tunnel_counters *c = count(GATEWAY);
    ck_assert_uint_eq(n + 1, got());
    ck_assert_uint_eq(n + count(EDGE)->dropped_late + c->dropped_age, STORM);
    ck_assert_uint_gt(n, STORM * 9 / 10);
    ck_assert_uint_gt(c->repeated, 20);
    ck_assert_uint_le(c->missed, c->repeated * 3);
    ck_assert_uint_le(c->repeated, c->missed * 3);
    ck_assert_uint_eq(count(EDGE)->bytes_in, c->bytes_out);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_repair");
    TCase *tc = tcase_create("tunnel_repair");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_gap_is_reported_and_no_longer);
    tcase_add_test(tc, lanes_may_differ_by_two_milliseconds);
    tcase_add_test(tc, what_is_too_old_is_reported_no_more);
    tcase_add_test(tc, gaps_follow_each_other);
    tcase_add_test(tc, reports_are_few);
    tcase_add_test(tc, by_a_lane_that_is_well);
    tcase_add_test(tc, without_lanes_none_is_counted);
    tcase_add_test(tc, repeated_by_another_lane);
    tcase_add_loop_test(tc, not_by_a_lane_in_trouble, FULL, DOUBT + 1);
    tcase_add_test(tc, never_by_the_only_lane);
    tcase_add_test(tc, three_times_at_most);
    tcase_add_test(tc, by_each_lane_once);
    tcase_add_test(tc, a_repeat_is_given_its_time);
    tcase_add_loop_test(tc, not_after_its_age, 0, 2);
    tcase_add_loop_test(tc, voice_is_given_up_sooner, 0, 2);
    tcase_add_test(tc, waiting_for_a_lane_is_part_of_its_age);
    tcase_add_test(tc, what_opens_a_flow_is_repaired);
    tcase_add_test(tc, numbers_wrap);
    tcase_add_test(tc, forged_reports_of_what_never_left);
    tcase_add_test(tc, reports_are_no_amplifier);
    tcase_add_test(tc, a_flood_of_reports);
    tcase_add_test(tc, a_tunnel_that_is_idle_remembers_nothing);
    tcase_add_test(tc, no_memory);
    tcase_add_loop_test(tc, each_is_told_once, 0, 8);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
