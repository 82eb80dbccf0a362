/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prefix_limit.h"

#include <check.h>
#include <stdlib.h>

#define SECOND 1000000u

static struct sp_prefix_limit limit;
static struct sp_rng_seeded rng;

static void setup(void)
{
    sp_rng_seeded_init(&rng, 5);
    sp_prefix_limit_init(&limit, 10, &rng.rng);
}

static unsigned drain(const struct sp_addr *a, uint64_t now_us)
{
    unsigned n = 0;

    while (sp_prefix_limit_take(&limit, a, now_us))
        n++;
    return n;
}

static struct sp_addr v6(const char *text)
{
    struct sp_addr a;

    ck_assert_int_eq(sp_addr_parse_ip(text, &a), 0);
    return a;
}

START_TEST(a_prefix_is_one_source)
{
    struct sp_addr a = sp_addr_v4(9, 8, 7, 1, 1), same = sp_addr_v4(9, 8, 7, 255, 2),
                   other = sp_addr_v4(9, 8, 6, 1, 1);
    struct sp_addr b = v6("2a00:1:2:3400::1"), same6 = v6("2a00:1:2:34ff:ffff::"),
                   other6 = v6("2a00:1:2:3500::1");

    ck_assert_uint_eq(drain(&a, SECOND), 10);
    ck_assert_uint_eq(drain(&same, SECOND), 0);
    ck_assert_uint_eq(drain(&other, SECOND), 10);
    ck_assert_uint_eq(drain(&b, SECOND), 10);
    ck_assert_uint_eq(drain(&same6, SECOND), 0);
    ck_assert_uint_eq(drain(&other6, SECOND), 10);
}
END_TEST

START_TEST(comes_back_with_time)
{
    struct sp_addr a = sp_addr_v4(9, 8, 7, 1, 1);

    ck_assert_uint_eq(drain(&a, SECOND), 10);
    ck_assert_uint_eq(drain(&a, SECOND + SECOND / 2), 5);
    ck_assert_uint_eq(drain(&a, 100 * SECOND), 10);
}
END_TEST

/* However many prefixes are invented, no more answers leave than the table has places for; and one
 * that has spent its share doesn't get a new one by being crowded out. */
START_TEST(a_flood_of_prefixes_is_bounded)
{
    struct sp_addr a = sp_addr_v4(9, 8, 7, 1, 1);
    unsigned passed = 0;

    ck_assert_uint_eq(drain(&a, SECOND), 10);
    for (unsigned i = 0; i < 200000; i++) {
        uint32_t r = (uint32_t)sp_rng_u64(&rng.rng);
        struct sp_addr b = sp_addr_v4((uint8_t)(r >> 24 | 16), (uint8_t)(r >> 16),
                                      (uint8_t)(r >> 8), (uint8_t)r, 1);

        passed += sp_prefix_limit_take(&limit, &b, SECOND);
    }
    ck_assert_uint_ge(passed, SP_PACE_SETS * SP_PACE_WAYS - 1);
    ck_assert_uint_le(passed, SP_PACE_SETS * SP_PACE_WAYS * 10);
    ck_assert_uint_eq(drain(&a, SECOND), 0);
    /* A second later all is as new. */
    ck_assert_uint_eq(drain(&a, 2 * SECOND + 1), 10);
}
END_TEST

/* More than there are places: who asks once is answered all the same. */
START_TEST(a_crowd_is_not_refused)
{
    for (unsigned i = 0; i < 2 * SP_PACE_SETS * SP_PACE_WAYS; i++) {
        struct sp_addr a = sp_addr_v4(9, (uint8_t)(i >> 8), (uint8_t)i, 1, 1);

        ck_assert(sp_prefix_limit_take(&limit, &a, SECOND));
    }
}
END_TEST

/* Neighbours don't end up in one set: each has room for four of these. */
START_TEST(sets_are_used_evenly)
{
    struct sp_prefix_limit single;
    unsigned passed = 0;

    sp_prefix_limit_init(&single, 1, &rng.rng);
    for (unsigned i = 0; i < 512; i++) {
        struct sp_addr a = sp_addr_v4(9, (uint8_t)(i >> 8), (uint8_t)i, 1, 1);

        passed += sp_prefix_limit_take(&single, &a, SECOND);
    }
    ck_assert_uint_gt(passed, 440);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prefix_limit");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_prefix_is_one_source);
    tcase_add_test(t, comes_back_with_time);
    tcase_add_test(t, a_flood_of_prefixes_is_bounded);
    tcase_add_test(t, a_crowd_is_not_refused);
    tcase_add_test(t, sets_are_used_evenly);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
