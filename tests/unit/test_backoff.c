/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/backoff.h"

#include <check.h>
#include <stdlib.h>

#define SECOND 1000000u

START_TEST(doubles_up_to_the_longest)
{
    static const uint64_t steps[] = {1, 2, 4, 8, 16, 30, 30, 30};
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sp_rng_seeded rng;
        struct sp_backoff b;
        sp_rng_seeded_init(&rng, seed);
        sp_backoff_init(&b, SECOND, 30ull * SECOND);
        for (int round = 0; round < 2; round++) {
            ck_assert_uint_eq(sp_backoff_next_us(&b, &rng.rng), 0);
            for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
                uint64_t wait = sp_backoff_next_us(&b, &rng.rng);
                ck_assert_uint_ge(wait, steps[i] * SECOND / 2);
                ck_assert_uint_le(wait, steps[i] * SECOND);
            }
            sp_backoff_reset(&b);
        }
    }
}
END_TEST

START_TEST(jitter_fills_its_range)
{
    struct sp_rng_seeded rng;
    uint64_t least = UINT64_MAX, most = 0;
    unsigned lower_half = 0;
    sp_rng_seeded_init(&rng, 1);
    for (int i = 0; i < 1000; i++) {
        struct sp_backoff b;
        sp_backoff_init(&b, 1000, 1000);
        sp_backoff_next_us(&b, &rng.rng);
        uint64_t wait = sp_backoff_next_us(&b, &rng.rng);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
        lower_half += wait < 750;
    }
    ck_assert_uint_le(least, 505);
    ck_assert_uint_ge(most, 995);
    ck_assert_uint_ge(lower_half, 400);
    ck_assert_uint_le(lower_half, 600);
}
END_TEST

START_TEST(stays_at_the_longest_for_ever)
{
    struct sp_rng_seeded rng;
    struct sp_backoff b;
    sp_rng_seeded_init(&rng, 2);
    sp_backoff_init(&b, 1, UINT64_MAX);
    for (int i = 0; i < 1000; i++)
        sp_backoff_next_us(&b, &rng.rng);
    unsigned tries = b.tries;
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_ge(sp_backoff_next_us(&b, &rng.rng), UINT64_MAX / 2);
    ck_assert_uint_eq(b.tries, tries); /* no counter that wraps to "first try" one day */
}
END_TEST

START_TEST(odd_settings)
{
    struct sp_rng_seeded rng;
    struct sp_backoff b;
    sp_rng_seeded_init(&rng, 3);
    sp_backoff_init(&b, 50, 10); /* the longest wins */
    sp_backoff_next_us(&b, &rng.rng);
    for (int i = 0; i < 50; i++) {
        uint64_t wait = sp_backoff_next_us(&b, &rng.rng);
        ck_assert_uint_ge(wait, 5);
        ck_assert_uint_le(wait, 10);
    }
    sp_backoff_init(&b, 0, 10);
    for (int i = 0; i < 50; i++)
        ck_assert_uint_eq(sp_backoff_next_us(&b, &rng.rng), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backoff");
    TCase *tc = tcase_create("backoff");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, doubles_up_to_the_longest);
    tcase_add_test(tc, jitter_fills_its_range);
    tcase_add_test(tc, stays_at_the_longest_for_ever);
    tcase_add_test(tc, odd_settings);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
