/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/clock.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

START_TEST(monotonic_and_never_zero)
{
    uint64_t before = sp_clock_us();
    ck_assert_uint_gt(before, 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = sp_clock_us();
        ck_assert_uint_ge(now, before);
        before = now;
    }
}
END_TEST

START_TEST(counts_microseconds)
{
    struct timespec pause = {.tv_nsec = 20000000};
    uint64_t before = sp_clock_us();
    ck_assert_int_eq(nanosleep(&pause, NULL), 0);
    uint64_t slept = sp_clock_us() - before;
    ck_assert_uint_ge(slept, SP_MS(20));
    ck_assert_uint_lt(slept, SP_SEC(10)); /* generous: the machine may be busy */
}
END_TEST

START_TEST(calendar_in_seconds)
{
    uint64_t before = (uint64_t)time(NULL), now = sp_clock_unix_s();
    ck_assert_uint_ge(now + 1, before); /* time() may read a coarser clock */
    ck_assert_uint_le(now, (uint64_t)time(NULL) + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tc = tcase_create("clock");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, monotonic_and_never_zero);
    tcase_add_test(tc, counts_microseconds);
    tcase_add_test(tc, calendar_in_seconds);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
