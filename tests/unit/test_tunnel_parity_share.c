/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much parity leaves: what the far side reports to miss decides. What it covers:
 * test_tunnel_parity.c.
 */
#include <check.h>
#include <stdlib.h>

#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define RTT SP_MS(20)

static struct two_ends e;
static struct sp_flow *gw;

/* So that nothing that left before counts any more: ten seconds are looked at. */
static void start(void)
{
    gw = ends_begin(&e, 2, RTT, 0, NULL);
    ends_live(&e, SP_SEC(11));
}

/* So many leave in this moment, all of a class that is not covered. Returns the last number. */
static uint32_t leave(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ends_put_text(&e, gw, "a");
        ends_lose_bytes(&e, GATEWAY);
    }
    return ends_last_seq(&e, GATEWAY);
}

/* Of those below `last` so many are missed, in runs of that length. */
static void miss(uint32_t last, unsigned runs, unsigned len)
{
    for (unsigned i = 0; i < runs; i++) {
        uint8_t bits = (uint8_t)((1u << len) - 1);
        ends_report(&e, last - i * 8, &bits, 1);
    }
    ends_lose_bytes(&e, GATEWAY);
}

static void expect(unsigned k, unsigned m)
{
    const struct sp_parity_enc *enc = &e.end[GATEWAY].tunnel->parity.enc;

    ck_assert_msg(enc->next_k == k && enc->next_m == m, "%u for %u, not %u for %u", enc->next_m,
                  enc->next_k, m, k);
}

static const struct {
    unsigned left, runs, len, ones, k, m;
} shares[] = {
    {1000, 0, 0, 0, 1, 0},
    {1000, 0, 0, 1, 14, 1},
    {1000, 0, 0, 6, 14, 1},
    {1000, 0, 0, 7, 14, 2},
    {1000, 0, 0, 34, 14, 2},
    {1000, 0, 0, 35, 10, 3},
    {300, 0, 0, 30, 10, 3},
    {4999, 0, 0, 1, 14, 1},
    {5000, 0, 0, 1, 1, 0}, /* not worth it */
    {19, 0, 0, 2, 14, 1},  /* too few to tell a share */
    {20, 0, 0, 2, 10, 3},
    /* Losses in a row. */
    {1600, 5, 2, 0, 14, 2},
    {1600, 4, 2, 0, 14, 1},
    {1000, 5, 2, 0, 10, 3},
    {1000, 4, 2, 0, 14, 2},
    {1000, 9, 2, 1, 10, 3},
    {1000, 8, 2, 2, 14, 2},
};

START_TEST(as_much_as_is_missed)
{
    start();
    uint32_t last = leave(shares[_i].left);
    miss(last, shares[_i].runs, shares[_i].len);
    miss(last - 8 * shares[_i].runs, shares[_i].ones, 1);
    expect(shares[_i].k, shares[_i].m);
    ends_close(&e);
}
END_TEST

/* It takes two reports to tell of both: next to each other, or with one between them that came. */
START_TEST(a_run_may_be_told_of_twice)
{
    start();
    uint32_t last = leave(1000);
    for (unsigned i = 5; i-- > 0;) {
        ends_report_one(&e, last - i * 8, last - i * 8 - 3);
        ends_report_one(&e, last - i * 8, last - i * 8 - 2 + (unsigned)_i);
    }
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->missed, 10);
    if (_i == 0)
        expect(10, 3); /* five runs of two */
    else
        expect(14, 2);
    ends_close(&e);
}
END_TEST

START_TEST(none_after_ten_seconds_without_loss)
{
    start();
    miss(leave(400), 2, 1);
    expect(14, 1);
    for (unsigned ms = 0; ms < 9400; ms += 100) {
        ends_live(&e, SP_MS(100));
        leave(1);
        expect(14, 1);
    }
    for (unsigned ms = 0; ms < 1200; ms += 100) {
        ends_live(&e, SP_MS(100));
        leave(1);
    }
    expect(1, 0);
    ends_close(&e);
}
END_TEST

START_TEST(less_when_less_is_missed)
{
    start();
    miss(leave(250), 10, 1);
    expect(10, 3);
    ends_live(&e, SP_SEC(3));
    leave(250);
    ends_live(&e, SP_MS(500));
    leave(1);
    expect(14, 2); /* 10 of 500, and none of late */
    leave(1200);
    ends_live(&e, SP_MS(500));
    leave(1);
    expect(14, 1);
    ends_close(&e);
}
END_TEST

/* What two seconds say counts as well: eight without loss don't hold it back. */
START_TEST(more_at_once_when_losses_rise)
{
    start();
    for (unsigned i = 0; i < 16; i++) {
        leave(100);
        ends_live(&e, SP_MS(500));
    }
    expect(1, 0);
    miss(leave(100), 6, 1);
    expect(14, 2); /* 6 of 1,700, but of late 6 of 400 */
    ends_close(&e);
}
END_TEST

START_TEST(after_a_pause_nothing_is_known)
{
    start();
    miss(leave(100), 4, 1);
    expect(10, 3);
    ends_live(&e, SP_SEC(60));
    leave(1);
    expect(1, 0);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_parity_share");
    TCase *tc = tcase_create("tunnel_parity_share");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, as_much_as_is_missed, 0, (int)SP_ARRAY_LEN(shares));
    tcase_add_loop_test(tc, a_run_may_be_told_of_twice, 0, 2);
    tcase_add_test(tc, none_after_ten_seconds_without_loss);
    tcase_add_test(tc, less_when_less_is_missed);
    tcase_add_test(tc, more_at_once_when_losses_rise);
    tcase_add_test(tc, after_a_pause_nothing_is_known);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
