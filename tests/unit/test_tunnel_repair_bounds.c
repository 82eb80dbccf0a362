/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What reports can't make the other end do, whoever sends them; that nothing is told twice and
 * nothing kept for longer than it is of use; and what happens without memory.
 */
#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define RTT  SP_MS(20)
#define REST SP_SEC(6) /* till then a little memory is kept for the next burst */

static struct two_ends e;
static struct sp_flow *gw;

static void start(unsigned lanes)
{
    gw = ends_begin(&e, lanes, RTT, 0, NULL);
}

static size_t got(void)
{
    return e.end[EDGE].n_got;
}

/* All that may move does, now and for that long. */
static void live(uint64_t us)
{
    ends_settle(&e);
    ends_live(&e, us);
}

START_TEST(forged_reports_of_what_never_left)
{
    static const uint8_t all[SP_CONTROL_MISSING_MAX] = {[0 ... SP_CONTROL_MISSING_MAX - 1] = 0xFF};
    static const uint32_t ahead[] = {1, 2, 100, 0x7FFFFFFF, 0x80000000, 0xF0000000};

    start(4);
    ends_put_text(&e, gw, "a");
    ends_settle(&e);
    for (unsigned i = 0; i < SP_ARRAY_LEN(ahead); i++)
        ends_report(&e, ends_last_seq(&e, GATEWAY) + ahead[i], all, sizeof all);
    ends_report(&e, ends_last_seq(&e, GATEWAY), NULL, 0);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->reports_in, SP_ARRAY_LEN(ahead) + 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed + ends_count(&e, GATEWAY)->repeated, 0);
    /* Below all that is remembered; and when nothing is. */
    ends_report(&e, ends_last_seq(&e, GATEWAY), all, sizeof all);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->repeated, 0);
    ends_wait(&e, SP_SEC(1));
    ends_report(&e, ends_last_seq(&e, GATEWAY), all, sizeof all);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed + ends_count(&e, GATEWAY)->repeated, 0);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->malformed, 0);
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
        ends_put(&e, gw, body, sizeof body);
        ends_lose_bytes(&e, GATEWAY);
        ends_wait(&e, SP_MS(1));
        ends_report(&e, ends_last_seq(&e, GATEWAY), all, sizeof all);
        ends_lose_bytes(&e, GATEWAY);
        if (ms == 99)
            first = ends_count(&e, GATEWAY)->repeated;
    }
    uint64_t left = ends_count(&e, GATEWAY)->datagrams_out * (sizeof body + SP_FRAME_HEADER_LEN);
    uint64_t again = ends_count(&e, GATEWAY)->repeated * (sizeof body + SP_FRAME_HEADER_LEN);
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
        ends_put_text(&e, gw, "a");
        ends_lose_bytes(&e, GATEWAY);
    }
    for (unsigned i = 0; i < 200; i++)
        ends_report_one(&e, ends_last_seq(&e, GATEWAY) - i, ends_last_seq(&e, GATEWAY) - i - 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->reports_in, 200);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 50);
    ends_wait(&e, SP_MS(100));
    for (unsigned i = 0; i < 100; i++)
        ends_report_one(&e, ends_last_seq(&e, GATEWAY) - 200 + i,
                        ends_last_seq(&e, GATEWAY) - 201 + i);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 100);
    ends_close(&e);
}
END_TEST

START_TEST(a_tunnel_that_is_idle_remembers_nothing)
{
    static uint8_t body[1000];
    const struct sp_sent *s;

    start(2);
    live(REST);
    s = &e.end[GATEWAY].tunnel->repair.sent;
    ck_assert_ptr_null(s->bytes);
    for (unsigned i = 0; i < 200; i++) {
        ends_put(&e, gw, body, sizeof body);
        ends_settle(&e);
        live(SP_MS(5));
        ck_assert_ptr_nonnull(s->bytes);
        ck_assert_uint_gt(s->count, 0);
        ck_assert_uint_le(s->count, 81);
    }
    live(SP_MS(810));
    ck_assert_uint_eq(s->count, 0);
    ck_assert_ptr_null(s->bytes); /* it was much */
    ck_assert_ptr_null(s->frames);
    ck_assert(!sp_timer_is_set(&e.end[GATEWAY].tunnel->repair.forget));
    ends_put(&e, gw, body, sizeof body);
    ends_settle(&e);
    live(SP_MS(810));
    ck_assert_uint_eq(s->count, 0);
    live(REST);
    ck_assert_ptr_null(s->bytes);
    ck_assert_ptr_null(s->frames);
    ends_close(&e);
}
END_TEST

/* --- all together --------------------------------------------------------------------------- */

/* One gap and its repair, each allocation failing in turn. */
static void repair_once(void)
{
    for (unsigned i = 0; i < 4; i++)
        e.end[GATEWAY].lanes[i].held = false;
    unsigned a = ends_put_text(&e, gw, "a");
    if (a < ENDS_LANES)
        e.end[GATEWAY].lanes[a].held = true;
    ends_put_text(&e, gw, "b");
    live(SP_MS(3));
}

START_TEST(no_memory)
{
    bool failed = true;
    unsigned k = 0;

    while (failed) {
        start(4);
        live(REST); /* or there is memory left */
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
        ck_assert_uint_ge(ends_count(&e, GATEWAY)->repeated, 3);
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
    const struct sp_tunnel_counters *c = ends_count(&e, GATEWAY);
    ck_assert_uint_eq(n + 1, got());
    ck_assert_uint_eq(n + ends_count(&e, EDGE)->dropped_late + c->dropped_age, STORM);
    ck_assert_uint_gt(n, STORM * 9 / 10);
    ck_assert_uint_gt(c->repeated, 20);
    ck_assert_uint_le(c->missed, c->repeated * 3);
    ck_assert_uint_le(c->repeated, c->missed * 3);
    ck_assert_uint_eq(ends_count(&e, EDGE)->bytes_in, c->bytes_out);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_repair_bounds");
    TCase *tc = tcase_create("tunnel_repair_bounds");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
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
