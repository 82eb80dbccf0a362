/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes too long after it was overtaken is dropped and counted, by whatever way it comes: by
 * its own lane, as a repeat, or made of parity. (When it was overtaken: test_seqwin.c.)
 */
#include <check.h>

#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define RTT   SP_MS(20)
#define GROUP SP_MS(35)
#define LATE  SP_MS(420) /* the bound, and a slice of time */

static struct two_ends e;
static struct sp_flow *gw;

static unsigned put_video(void)
{
    return ends_put_rtp(&e, gw, 96, 1100);
}

static size_t got(void)
{
    return e.end[EDGE].n_got;
}

static uint64_t late(void)
{
    return ends_count(&e, EDGE)->dropped_late;
}

static void hold(unsigned side, bool held)
{
    for (unsigned i = 0; i < ENDS_LANES; i++)
        e.end[side].lanes[i].held = held;
}

/* Wide, one parity for 14, and both ends know it; from now on nobody hears what the edge misses. */
static void start(void)
{
    gw = ends_begin(&e, 8, RTT, 0, NULL);
    ends_put_text(&e, gw, "a");
    ends_put_text(&e, gw, "b");
    ends_settle(&e);
    ends_report_one(&e, ends_last_seq(&e, GATEWAY), ends_last_seq(&e, GATEWAY) - 1);
    ends_settle(&e);
    ends_live(&e, SP_MS(3));
    put_video();
    ends_live(&e, 2 * GROUP);
    ck_assert_uint_eq(ends_count(&e, EDGE)->parity_in, 1);
    hold(EDGE, true);
}

START_TEST(by_its_own_lane)
{
    start();
    unsigned slow = put_video();
    e.end[GATEWAY].lanes[slow].held = true;
    ends_put_text(&e, gw, "overtakes");
    size_t before = got();
    ends_settle(&e);
    ck_assert_uint_eq(got(), before + 1);
    hold(GATEWAY, true); /* its parity, too */
    ends_wait(&e, LATE);
    ends_carry(&e, GATEWAY, slow, SIZE_MAX);
    ck_assert_uint_eq(got(), before + 1);
    ck_assert_uint_eq(late(), 1);
    ends_close(&e);
}
END_TEST

/* Of its group all else has come, and its parity, but too late. */
START_TEST(made_of_parity)
{
    start();
    unsigned lost = put_video(), slow = put_video();
    ends_wait(&e, GROUP); /* its parity leaves */
    uint64_t parity_in = ends_count(&e, EDGE)->parity_in;
    hold(GATEWAY, true);
    unsigned fast = ends_put_text(&e, gw, "overtakes both");
    ck_assert_uint_lt(fast, ENDS_LANES);
    ck_assert_uint_ne(fast, lost);
    ck_assert_uint_ne(fast, slow);
    size_t before = got();
    uint64_t held = e.end[EDGE].tunnel->parity.dec.recovered;
    ends_carry(&e, GATEWAY, fast, SIZE_MAX);
    ck_assert_uint_ge(got(), before + 1);
    ck_assert_uint_eq(ends_count(&e, EDGE)->parity_in, parity_in);
    before = got();
    ends_wait(&e, LATE);
    for (unsigned i = 0; i < ENDS_LANES; i++)
        if (i != lost)
            ends_carry(&e, GATEWAY, i, SIZE_MAX);
    ck_assert_uint_eq(ends_count(&e, EDGE)->parity_in, parity_in + 1);
    ck_assert_uint_eq(e.end[EDGE].tunnel->parity.dec.recovered, held + 1); /* it could be made */
    ck_assert_uint_eq(ends_count(&e, EDGE)->recovered, 0);
    ck_assert_uint_eq(got(), before);
    ck_assert_uint_eq(late(), 2);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_late");
    TCase *tc = tcase_create("tunnel_late");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, by_its_own_lane);
    tcase_add_test(tc, made_of_parity);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
