/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/ratelimit.h"

#include <check.h>
#include <stdlib.h>

#define SECOND 1000000u

static unsigned drain(struct sp_ratelimit *r, uint64_t now_us)
{
    unsigned n = 0;
    while (sp_ratelimit_take(r, now_us))
        n++;
    return n;
}

START_TEST(starts_full_whatever_the_time)
{
    static const uint64_t starts[] = {0, 1, 5 * SECOND, UINT64_MAX / 2};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct sp_ratelimit r;
        sp_ratelimit_init(&r, 10, 25);
        ck_assert_uint_eq(drain(&r, starts[i]), 25);
        ck_assert(!sp_ratelimit_take(&r, starts[i] + SECOND / 10 - 1));
        ck_assert(sp_ratelimit_take(&r, starts[i] + SECOND / 10));
        ck_assert(!sp_ratelimit_take(&r, starts[i] + SECOND / 10));
    }
}
END_TEST

START_TEST(never_more_than_the_burst)
{
    struct sp_ratelimit r;
    sp_ratelimit_init(&r, 100, 7);
    ck_assert_uint_eq(drain(&r, 1000), 7);
    ck_assert_uint_eq(drain(&r, 3600ull * SECOND), 7);
    ck_assert_uint_eq(drain(&r, 3600ull * SECOND + SECOND / 50), 2);
}
END_TEST

START_TEST(one_at_a_time)
{
    struct sp_ratelimit r;
    sp_ratelimit_init(&r, 1, 1);
    ck_assert(sp_ratelimit_take(&r, 77));
    ck_assert(!sp_ratelimit_take(&r, 77 + SECOND - 1));
    ck_assert(sp_ratelimit_take(&r, 77 + SECOND));
    ck_assert(!sp_ratelimit_take(&r, 77 + SECOND));
}
END_TEST

START_TEST(any_rate_is_kept_exactly)
{
    static const uint32_t rates[] = {1, 3, 7, 700, 999983, 700000, 1500000, 3000001};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct sp_ratelimit r;
        uint64_t taken = 0;
        sp_ratelimit_init(&r, rates[i], rates[i]);
        ck_assert_uint_eq(drain(&r, SECOND), rates[i]);
        for (uint64_t now = SECOND; now <= 4 * SECOND; now += 1000)
            taken += drain(&r, now);
        ck_assert_uint_eq(taken, 3ull * rates[i]);
    }
}
END_TEST

START_TEST(the_largest_numbers)
{
    struct sp_ratelimit r;
    sp_ratelimit_init(&r, 1, UINT32_MAX); /* 136 years' worth */
    for (int i = 0; i < 1000; i++)
        ck_assert(sp_ratelimit_take(&r, SECOND));
    ck_assert_uint_eq(r.level_us, 1001ull * SECOND);
    r.level_us = SECOND + (uint64_t)UINT32_MAX * SECOND;
    ck_assert(!sp_ratelimit_take(&r, SECOND));
    ck_assert(sp_ratelimit_take(&r, 2 * SECOND));

    sp_ratelimit_init(&r, UINT32_MAX, UINT32_MAX);
    for (int i = 0; i < 10000; i++)
        ck_assert(sp_ratelimit_take(&r, SECOND));
    ck_assert_uint_eq(r.level_us, SECOND + 2); /* 10,000 at 4,294.97 a microsecond */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ratelimit");
    TCase *tc = tcase_create("ratelimit");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, starts_full_whatever_the_time);
    tcase_add_test(tc, never_more_than_the_burst);
    tcase_add_test(tc, one_at_a_time);
    tcase_add_test(tc, any_rate_is_kept_exactly);
    tcase_add_test(tc, the_largest_numbers);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
