/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"

static struct sp_quota quota;

static void setup(void)
{
    struct sp_rng_seeded rng;

    sp_rng_seeded_init(&rng, 3);
    sp_quota_init(&quota, &rng.rng);
}

static void teardown(void)
{
    sp_quota_fini(&quota);
}

START_TEST(each_user_has_its_own)
{
    struct sp_span a = sp_span_str("a"), b = sp_span_str("b");
    struct sp_quota_user *u, *v, *w;

    ck_assert_int_eq(sp_quota_take(&quota, a, 2, &u), 0);
    ck_assert_int_eq(sp_quota_take(&quota, a, 2, &v), 0);
    ck_assert_ptr_eq(u, v);
    ck_assert_int_eq(sp_quota_take(&quota, a, 2, &w), SP_EFULL);
    ck_assert_int_eq(sp_quota_take(&quota, b, 2, &w), 0);
    ck_assert_uint_eq(sp_quota_held(&quota, a), 2);
    ck_assert_uint_eq(sp_quota_held(&quota, b), 1);
    sp_quota_give(&quota, u);
    ck_assert_int_eq(sp_quota_take(&quota, a, 2, &u), 0);
    sp_quota_give(&quota, u);
    sp_quota_give(&quota, u);
    sp_quota_give(&quota, w);
    ck_assert_uint_eq(sp_quota_held(&quota, a), 0);
    ck_assert_uint_eq(sp_quota_held(&quota, b), 0);
}
END_TEST

START_TEST(who_holds_nothing_is_forgotten)
{
    for (uint32_t i = 0; i < 1000; i++) {
        struct sp_quota_user *u;

        ck_assert_int_eq(sp_quota_take(&quota, sp_span(&i, sizeof i), 1, &u), 0);
        sp_quota_give(&quota, u);
    }
    ck_assert_uint_eq(quota.users.len, 0);
}
END_TEST

START_TEST(none_at_all)
{
    struct sp_quota_user *u;

    ck_assert_int_eq(sp_quota_take(&quota, sp_span_str("a"), 0, &u), SP_EFULL);
    ck_assert_uint_eq(quota.users.len, 0);
}
END_TEST

START_TEST(no_memory)
{
    struct sp_span a = sp_span_str("a");

    for (unsigned k = 1;; k++) {
        struct sp_quota_user *u = NULL;

        alloc_fail_at(k);
        int err = sp_quota_take(&quota, a, 1, &u);
        if (!alloc_fail_disarm()) {
            ck_assert_int_eq(err, 0);
            ck_assert_uint_gt(k, 2); /* the user, and the table */
            break;
        }
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_ptr_null(u);
        ck_assert_uint_eq(sp_quota_held(&quota, a), 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quota");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, each_user_has_its_own);
    tcase_add_test(t, who_holds_nothing_is_forgotten);
    tcase_add_test(t, none_at_all);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
