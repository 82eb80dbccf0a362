/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/err.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>

#define LAST SP_ETLS

START_TEST(every_code_has_a_text_of_its_own)
{
    for (int a = 0; a >= LAST; a--) {
        ck_assert_str_ne(sp_strerror(a), "unknown error");
        ck_assert_str_ne(sp_strerror(a), "");
        for (int b = 0; b > a; b--)
            ck_assert_str_ne(sp_strerror(a), sp_strerror(b));
    }
}
END_TEST

START_TEST(other_numbers_are_unknown)
{
    static const int others[] = {1, 42, INT_MAX, LAST - 1, -1000, INT_MIN};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_str_eq(sp_strerror(others[i]), "unknown error");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("err");
    TCase *tc = tcase_create("err");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, every_code_has_a_text_of_its_own);
    tcase_add_test(tc, other_numbers_are_unknown);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
