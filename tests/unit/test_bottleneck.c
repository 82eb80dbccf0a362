/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a sender learns of the narrowest line of a path, before a line that is a multiplication: no
 * loss, no noise, 30 ms there and 30 back. How it does with all that: sim/test_narrow_line.c.
 */
#include "sallyport/bottleneck.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/bytes.h"
#include "sallyport/clock.h"
#include "sallyport/rng.h"

#define ONE_WAY SP_MS(30)
#define SIZE    1200
#define EACH    SP_MS(25) /* something is told */
#define MOST    4096      /* on the way */
#define TOLD    64

struct packet {
    uint64_t at_us;
    uint32_t seq, bytes;
};

struct world {
    struct sp_bottleneck b;
    uint64_t now_us, clock_us; /* the far side's is so much ahead */
    uint64_t rate;             /* of the line, bytes a second; 0: whatever is sent passes */
    uint64_t free_us;          /* the line is, from then on */
    uint32_t spread_us;        /* of the lanes' ways, as far as known */
    uint64_t detour_us;        /* every other few take that much longer */
    unsigned losing;           /* every other one is lost, so many more */
    uint32_t lost;             /* bytes, that have not come again */
    uint64_t others_us;        /* somebody else keeps so much of its queue full */
    uint64_t offered, waiting; /* bytes a second; bytes that wait here */
    uint32_t seq, bytes;
    struct packet on_the_way[MOST];
    unsigned n_sent, n_came;
    struct sp_arrival last;
    bool news; /* since something was told */
    uint64_t told_us;
    struct told {
        uint64_t due_us;
        struct sp_arrival arrival;
    } told[TOLD];
    unsigned n_told, n_heard;
};

static struct world w;

static void begin(uint64_t rate, uint64_t offered)
{
    w = (struct world){.now_us = SP_SEC(1000),
                       .rate = rate,
                       .offered = offered,
                       .clock_us = UINT32_MAX - SP_SEC(1002), /* and wraps soon */
                       .seq = UINT32_MAX - 500};
    sp_bottleneck_init(&w.b, 1250000);
}

static uint64_t queue_us(void)
{
    return w.free_us > w.now_us ? w.free_us - w.now_us : 0;
}

static void send_one(void)
{
    uint64_t from_us = w.free_us > w.now_us ? w.free_us : w.now_us;

    if (w.others_us > 0 && from_us < w.now_us + w.others_us)
        from_us = w.now_us + w.others_us;
    if (w.losing > 0 && w.seq % 2 == 0) {
        w.losing--;
        w.lost += SIZE;
    } else {
        uint64_t detour_us = w.seq / 16 % 2 == 0 ? w.detour_us : 0;
        w.free_us = from_us + (w.rate > 0 ? SIZE * SP_SEC(1) / w.rate : 0);
        w.bytes += SIZE;
        w.on_the_way[w.n_sent++ % MOST] =
            (struct packet){w.free_us + ONE_WAY + detour_us, w.seq, w.bytes};
    }
    sp_bottleneck_sent(&w.b, SIZE, w.now_us);
    sp_bottleneck_left(&w.b, w.seq++, w.now_us);
}

static void come(void)
{
    while (w.n_came < w.n_sent && w.on_the_way[w.n_came % MOST].at_us <= w.now_us) {
        const struct packet *p = &w.on_the_way[w.n_came++ % MOST];
        w.last = (struct sp_arrival){p->seq, (uint32_t)(p->at_us + w.clock_us), p->bytes};
        w.news = true;
    }
    if (!w.news || w.now_us - w.told_us < EACH)
        return;
    w.told[w.n_told++ % TOLD] = (struct told){w.now_us + ONE_WAY, w.last};
    w.told_us = w.now_us;
    w.news = false;
}

static void hear(void)
{
    while (w.n_heard < w.n_told && w.told[w.n_heard % TOLD].due_us <= w.now_us)
        sp_bottleneck_arrived(&w.b, &w.told[w.n_heard++ % TOLD].arrival, w.spread_us, w.now_us);
}

static void run(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        w.now_us += SP_MS(1);
        come();
        hear();
        w.waiting += w.offered / 1000;
        if (w.waiting > 100000)
            w.waiting = 100000; /* the oldest is dropped */
        while (w.waiting >= SIZE && !sp_bottleneck_holds(&w.b, w.now_us)) {
            w.waiting -= SIZE;
            send_one();
        }
    }
}

static void burst(uint64_t bytes)
{
    w.waiting += bytes;
}

static void rate_is(uint64_t rate)
{
    ck_assert_msg(w.b.rate > rate * 85 / 100 && w.b.rate < rate * 115 / 100, "%lu, not %lu",
                  (unsigned long)w.b.rate, (unsigned long)rate);
}

/* --- the rate ------------------------------------------------------------------------------- */

START_TEST(no_queue_no_limit)
{
    begin(0, 1000000);
    run(20000);
    ck_assert_uint_eq(w.b.rate, 0);
    ck_assert_uint_eq(w.b.held_us, 0);
    begin(1000000, 250000); /* a line with room, and no bursts */
    run(20000);
    ck_assert_uint_eq(w.b.rate, 0);
}
END_TEST

/* Till more is known a burst leaves at 10 Mbit/s, and a long one at more. */
START_TEST(bursts_at_first)
{
    begin(0, 0);
    burst(50000);
    run(10);
    ck_assert_uint_gt(w.b.sent_bytes, 15000);
    ck_assert_uint_lt(w.b.sent_bytes, 22000);
    run(30);
    ck_assert_uint_lt(w.waiting, SIZE);
    burst(90000);
    run(40);
    ck_assert_uint_gt(w.waiting, 30000);
    run(22);
    ck_assert_uint_lt(w.waiting, SIZE);
}
END_TEST

/* Where the line takes it faster they leave at once before long, and never faster than it takes
 * them where it does not. */
START_TEST(bursts_without_a_queue)
{
    begin(_i == 0 ? 5000000 : 700000, 0);
    for (unsigned i = 0; i < 10; i++) {
        burst(9000);
        run(100);
    }
    run(40000); /* which is not forgotten */
    burst(20000);
    run(4);
    ck_assert_int_eq(w.waiting < SIZE, _i == 0);
    run(200);
    ck_assert_uint_eq(w.b.rate, 0);
    ck_assert_uint_lt(w.waiting, SIZE);
}
END_TEST

static const uint64_t rates[] = {60000, 125000, 375000, 750000, 5000000};

/* More than the line takes: from then on it is never idle, and nothing waits there for long. */
START_TEST(too_much)
{
    begin(rates[_i], rates[_i] * 5 / 4);
    run(5000);
    rate_is(rates[_i]);
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t free_us = w.free_us;
        run(1);
        ck_assert_uint_lt(queue_us(), SP_MS(45) + 3 * SIZE * SP_SEC(1) / w.rate);
        ck_assert(free_us > w.now_us - SP_MS(25));
    }
}
END_TEST

/* A burst that the line needs 150 ms for: the first stands there, the next ones wait here. */
START_TEST(bursts)
{
    begin(375000, 125000);
    run(2000);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t most_us = 0;
        burst(375000 * 15 / 100);
        for (unsigned ms = 0; ms < 1000; ms++) {
            run(1);
            if (queue_us() > most_us)
                most_us = queue_us();
        }
        ck_assert_uint_gt(most_us, i == 0 ? SP_MS(100) : SP_MS(10));
        ck_assert_uint_lt(most_us, i == 0 ? SP_MS(200) : SP_MS(60));
    }
    rate_is(375000);
}
END_TEST

/* What was learned is a little too low, and nothing waits for long: bursts show it all the same. */
START_TEST(a_little_too_low)
{
    begin(700000, 0);
    run(1000);
    burst(100000);
    run(1000);
    w.b.rate = 560000;
    for (unsigned i = 0; i < 40; i++) {
        burst(9000);
        run(100);
    }
    ck_assert_uint_gt(w.b.rate, 630000);
    ck_assert_uint_lt(w.b.rate, 750000);
}
END_TEST

START_TEST(the_line_gets_slower_and_faster)
{
    begin(1250000, 250000);
    run(3000);
    w.rate = 125000;
    run(1500);
    rate_is(125000);
    ck_assert_uint_lt(queue_us(), SP_MS(45));
    w.rate = 1250000;
    run(1500);
    ck_assert_uint_lt(w.waiting, SIZE); /* all passes again */
}
END_TEST

/* Nothing has waited for half a minute: the line may be another by now. */
START_TEST(is_forgotten)
{
    begin(375000, 450000);
    run(3000);
    rate_is(375000);
    w.offered = 20000;
    run(28000);
    ck_assert_uint_ne(w.b.rate, 0);
    run(4000);
    ck_assert_uint_eq(w.b.rate, 0);
}
END_TEST

/* When to ask again is when part of what stands there has left. */
START_TEST(asks_again_in_time)
{
    begin(375000, 450000);
    run(3000);
    while (!sp_bottleneck_holds(&w.b, w.now_us))
        send_one();
    uint64_t next_us = sp_bottleneck_next(&w.b, w.now_us);
    ck_assert_uint_gt(next_us, w.now_us);
    ck_assert(sp_bottleneck_holds(&w.b, w.now_us + SP_MS(1)) ||
              w.b.busy_until_us - w.now_us <= SP_MS(16));
    ck_assert(!sp_bottleneck_holds(&w.b, next_us));
    ck_assert(w.b.busy_until_us > next_us); /* and the line has work till then */
}
END_TEST

START_TEST(says_when_it_is_full)
{
    begin(375000, 250000);
    run(2000);
    ck_assert(!sp_bottleneck_is_full(&w.b, w.now_us));
    ck_assert(!sp_bottleneck_is_tight(&w.b, w.now_us));
    ck_assert(!sp_bottleneck_has_queues(&w.b, w.now_us));
    burst(60000);
    run(120);
    ck_assert(sp_bottleneck_is_full(&w.b, w.now_us));
    run(1000);
    ck_assert(!sp_bottleneck_is_full(&w.b, w.now_us));
    ck_assert(sp_bottleneck_has_queues(&w.b, w.now_us));
    ck_assert(!sp_bottleneck_has_queues(&w.b, w.now_us + SP_SEC(30)));
    burst(60000);
    run(60);
    ck_assert(!sp_bottleneck_is_full(&w.b, w.now_us)); /* since it waits here */
    ck_assert(w.waiting > SIZE && w.b.busy_until_us > w.now_us);
    ck_assert_uint_eq(w.b.held_us, w.now_us);
    ck_assert(sp_bottleneck_is_tight(&w.b, w.now_us));
}
END_TEST

/* --- somebody else's queue ------------------------------------------------------------------ */

START_TEST(others_do_not_give_way)
{
    begin(750000, 250000);
    run(2000);
    w.others_us = SP_MS(120);
    run(6000);
    ck_assert_uint_lt(w.waiting, SIZE);
    ck_assert(w.b.pause_until_us > w.now_us || w.b.rate == 0 || w.b.rate > 250000);
    unsigned held = 0;
    for (unsigned i = 0; i < 30000; i++) {
        run(1);
        held += w.waiting >= SIZE;
    }
    ck_assert_msg(held < 3000, "it waited for %u of 30000 ms", held);
    w.others_us = 0; /* and when they have gone it is ours again */
    w.offered = 900000;
    run(70000);
    rate_is(750000);
}
END_TEST

static void meet_others(void)
{
    begin(750000, 900000);
    run(2000);
    rate_is(750000);
    w.others_us = SP_MS(120);
    for (unsigned ms = 0; ms < 5000 && w.b.pause_until_us == 0; ms++)
        run(1);
    ck_assert_uint_gt(w.b.pause_until_us, w.now_us);
}

/* There is no room for what waited. */
START_TEST(what_waited_for_others_leaves_by_and_by)
{
    meet_others();
    ck_assert_uint_gt(w.waiting, 80000);
    uint64_t sent = w.b.sent_bytes;
    run(50);
    ck_assert_uint_lt(w.b.sent_bytes - sent, 2 * 750000 / 20);
    w.offered = 300000;
    run(1000);
    ck_assert_uint_lt(w.waiting, SIZE);
}
END_TEST

/* Who held back for nothing had less and less of the line: that is not where it goes on from. */
START_TEST(back_to_what_it_had)
{
    begin(750000, 900000);
    run(2000);
    w.others_us = SP_MS(120);
    for (unsigned ms = 0; ms < 5000 && w.b.drain_until_us == 0; ms++)
        run(1);
    w.b.rate /= 4;
    for (unsigned ms = 0; ms < 5000 && w.b.pause_until_us == 0; ms++)
        run(1);
    ck_assert_uint_gt(w.b.pause_until_us, w.now_us);
    ck_assert_uint_gt(w.b.rate, 750000);
}
END_TEST

/* Theirs grows while it is seen whether it ends: it is theirs all the same. */
START_TEST(others_join_by_and_by)
{
    begin(750000, 900000);
    run(2000);
    for (unsigned ms = 0; ms < 5000 && w.b.pause_until_us == 0; ms++) {
        if (w.others_us < SP_MS(300))
            w.others_us += SP_MS(1);
        run(1);
    }
    uint64_t until_us = w.b.pause_until_us;
    ck_assert_uint_gt(until_us, w.now_us);
    w.offered = 300000;
    run(4000);
    ck_assert_uint_eq(w.b.pause_until_us, until_us);
}
END_TEST

/* A queue that grows when they have gone is ours, whatever it was before. */
START_TEST(others_have_gone)
{
    meet_others();
    w.others_us = 0;
    run(4000);
    ck_assert_uint_gt(w.waiting, SIZE);
    run(4000);
    rate_is(750000);
    ck_assert_uint_lt(queue_us(), SP_MS(40));
}
END_TEST

/* Of ours much stands in the line's queue when it becomes narrow, which takes long to end. */
START_TEST(a_long_queue_of_ours)
{
    begin(750000, 900000);
    run(2000);
    w.rate = 37500;
    w.offered = 100000;
    run(15000);
    ck_assert_uint_eq(w.b.pause_until_us, 0);
    rate_is(37500);
}
END_TEST

/* Longer than the time for which it is looked whether it ends; what is urgent sees it meanwhile. */
static const uint64_t falls[] = {150000, 75000, 37500};

START_TEST(a_queue_of_ours_that_takes_longer)
{
    begin(750000, 900000);
    run(2000);
    w.rate = falls[_i];
    uint64_t each_ms = 3000000 / falls[_i];
    for (unsigned i = 0; i < 20000 / each_ms; i++) {
        run(each_ms);
        send_one();
    }
    ck_assert_uint_eq(w.b.pause_until_us, 0);
    ck_assert_uint_lt(queue_us(), SP_MS(100));
}
END_TEST

/* What met a queue of seconds had left before all that is remembered. */
START_TEST(a_queue_longer_than_its_memory)
{
    struct sp_arrival a = {.seq = 0};

    begin(0, 0);
    for (; a.seq < 2; a.seq++, w.now_us += SP_MS(25)) {
        a.at_us = (uint32_t)(w.now_us + ONE_WAY);
        sp_bottleneck_left(&w.b, a.seq, w.now_us);
        sp_bottleneck_arrived(&w.b, &a, 0, w.now_us + 2 * ONE_WAY);
    }
    for (uint32_t seq = a.seq; seq < 2 * SP_DEPARTED_MAX; seq++, w.now_us += SP_MS(5))
        sp_bottleneck_left(&w.b, seq, w.now_us);
    for (uint32_t last = a.seq + 2; a.seq < last; a.seq++, w.now_us += SP_MS(25)) {
        a.at_us = (uint32_t)w.now_us;
        sp_bottleneck_arrived(&w.b, &a, 0, w.now_us);
    }
    ck_assert(sp_bottleneck_is_full(&w.b, w.now_us));
}
END_TEST

/* --- lanes ---------------------------------------------------------------------------------- */

/* What takes longer by a longer way met no queue. */
START_TEST(lanes_of_different_ways)
{
    begin(0, 125000);
    w.detour_us = SP_MS(60);
    w.spread_us = _i == 0 ? SP_MS(60) : 0;
    run(20000);
    ck_assert_int_eq(w.b.held_us == 0, _i == 0);
}
END_TEST

/* A line that is full, and much is lost before it. */
static void lose(void)
{
    begin(375000, 450000);
    run(3000);
    rate_is(375000);
    w.losing = 50;
    run(800);
    ck_assert_uint_eq(w.losing, 0);
    w.waiting = 0;
    w.offered = 100000;
}

/* Nor for ever: what has not come by then does not come, and the line is another now. */
START_TEST(what_was_lost_is_not_waited_for_long)
{
    lose();
    w.offered = 450000;
    w.rate = 0;
    run(3000);
    ck_assert_uint_lt(w.waiting, SIZE);
}
END_TEST

/* It is sent again by its lane, and little else goes before: the line would take 75,000 bytes. */
START_TEST(what_was_lost_is_waited_for)
{
    lose();
    w.offered = 300000;
    uint64_t sent = w.b.sent_bytes;
    run(200);
    ck_assert_uint_lt(w.b.sent_bytes - sent, 30000);
    ck_assert_uint_gt(w.waiting, 5 * SIZE);
    w.offered = 100000;
    w.bytes += w.lost;
    run(1000);
    ck_assert_uint_lt(w.waiting, SIZE);
}
END_TEST

/* A lane that ends takes bytes with it for good. */
START_TEST(what_a_lane_took_with_it_is_not)
{
    lose();
    sp_bottleneck_lost(&w.b, w.lost);
    run(1000);
    ck_assert_uint_lt(w.waiting, SIZE);
}
END_TEST

/* A lane ends that took so much of it: what leaves in the next while. */
static uint64_t sent_without(uint32_t bytes)
{
    lose();
    sp_bottleneck_lost(&w.b, bytes);
    w.offered = 300000;
    uint64_t sent = w.b.sent_bytes;
    run(200);
    return w.b.sent_bytes - sent;
}

/* What others took is waited for all the same. */
START_TEST(what_a_lane_took_with_it_is_no_more_than_that)
{
    ck_assert_uint_lt(sent_without(12000), sent_without(60000) * 2 / 3);
}
END_TEST

/* --- bad input ------------------------------------------------------------------------------ */

START_TEST(unknown_numbers)
{
    begin(375000, 250000);
    run(2000);
    struct sp_bottleneck before = w.b;
    const uint32_t seqs[] = {w.seq + 100000, UINT32_MAX - 600, w.seq + 0x80000000};
    for (unsigned i = 0; i < 3; i++) {
        struct sp_arrival a = {seqs[i], 1, 2};
        if ((int32_t)(seqs[i] - w.seq) < 0) {
            sp_bottleneck_arrived(&w.b, &a, 0, w.now_us);
            ck_assert_mem_eq(&before, &w.b, sizeof before);
        }
    }
}
END_TEST

/* Whatever is told: it is never so slow that nothing leaves, and waits are bounded. */
START_TEST(forged)
{
    struct sp_rng_seeded rng;

    sp_rng_seeded_init(&rng, (uint64_t)_i);
    begin(375000, 450000);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t r[3];
        uint8_t bytes[12];
        sp_rng_bytes(&rng.rng, bytes, sizeof bytes);
        for (unsigned k = 0; k < 3; k++)
            r[k] = sp_get_be32(bytes + 4 * (size_t)k);
        struct sp_arrival a = {w.seq - r[0] % 300, r[1], r[2]};
        if (i % 7 != 0)
            a.at_us = (uint32_t)w.now_us + r[1] % 100000;
        sp_bottleneck_arrived(&w.b, &a, 0, w.now_us);
        run(1 + r[0] % 3);
        ck_assert(w.b.rate == 0 || w.b.rate >= 8000);
        ck_assert(w.b.busy_until_us < w.now_us + SP_SEC(120));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bottleneck");
    TCase *tc = tcase_create("bottleneck");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, no_queue_no_limit);
    tcase_add_test(tc, bursts_at_first);
    tcase_add_loop_test(tc, bursts_without_a_queue, 0, 2);
    tcase_add_loop_test(tc, too_much, 0, (int)(sizeof rates / sizeof rates[0]));
    tcase_add_test(tc, bursts);
    tcase_add_test(tc, a_little_too_low);
    tcase_add_test(tc, the_line_gets_slower_and_faster);
    tcase_add_test(tc, is_forgotten);
    tcase_add_test(tc, asks_again_in_time);
    tcase_add_test(tc, says_when_it_is_full);
    tcase_add_test(tc, others_do_not_give_way);
    tcase_add_test(tc, what_waited_for_others_leaves_by_and_by);
    tcase_add_test(tc, back_to_what_it_had);
    tcase_add_test(tc, others_join_by_and_by);
    tcase_add_test(tc, others_have_gone);
    tcase_add_test(tc, a_long_queue_of_ours);
    tcase_add_loop_test(tc, a_queue_of_ours_that_takes_longer, 0, 3);
    tcase_add_test(tc, a_queue_longer_than_its_memory);
    tcase_add_loop_test(tc, lanes_of_different_ways, 0, 2);
    tcase_add_test(tc, what_was_lost_is_waited_for);
    tcase_add_test(tc, what_was_lost_is_not_waited_for_long);
    tcase_add_test(tc, what_a_lane_took_with_it_is_not);
    tcase_add_test(tc, what_a_lane_took_with_it_is_no_more_than_that);
    tcase_add_test(tc, unknown_numbers);
    tcase_add_loop_test(tc, forged, 1, 5);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
