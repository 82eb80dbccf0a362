/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_perm.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "sallyport/rng.h"

#define NOW UINT64_C(1000000)
#define MAX 64

static struct sp_turn_perms perms;

static void setup(void)
{
    sp_turn_perms_init(&perms);
}

static void teardown(void)
{
    sp_turn_perms_fini(&perms);
}

static struct sp_addr ip(unsigned i)
{
    return sp_addr_v4(9, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, (uint16_t)(i * 7));
}

static bool has(unsigned i, uint64_t now_us)
{
    struct sp_addr a = ip(i);

    return sp_turn_perms_find(&perms, &a, now_us) != NULL;
}

static int set(unsigned i, size_t max, uint64_t now_us)
{
    struct sp_addr a = ip(i);

    return sp_turn_perms_set(&perms, &a, max, now_us);
}

START_TEST(for_an_ip_whatever_the_port)
{
    struct sp_addr a = ip(5);

    ck_assert(!has(5, NOW));
    ck_assert_int_eq(set(5, MAX, NOW), 0);
    a.port = 1;
    ck_assert_ptr_nonnull(sp_turn_perms_find(&perms, &a, NOW));
    a.family = SP_IPV6; /* the same bytes in another family */
    ck_assert_ptr_null(sp_turn_perms_find(&perms, &a, NOW));
    ck_assert(!has(4, NOW));
    ck_assert(!has(6, NOW));
}
END_TEST

START_TEST(lasts_300_seconds)
{
    ck_assert_int_eq(set(5, MAX, NOW), 0);
    ck_assert(has(5, NOW + SP_TURN_PERM_LIFETIME_US - 1));
    ck_assert(!has(5, NOW + SP_TURN_PERM_LIFETIME_US));
    ck_assert_uint_eq(SP_TURN_PERM_LIFETIME_US, 300000000);
    ck_assert_int_eq(set(5, MAX, NOW + 200), 0);
    ck_assert(has(5, NOW + 200 + SP_TURN_PERM_LIFETIME_US - 1));
    ck_assert_uint_eq(perms.n, 1);
}
END_TEST

START_TEST(the_bound_counts_those_that_hold)
{
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(set(i, 8, NOW + i), 0);
    ck_assert_int_eq(set(8, 8, NOW + 10), SP_EFULL);
    ck_assert_int_eq(set(3, 8, NOW + 10), 0); /* a refresh needs no room */
    /* 0 and 1 are over: two places. */
    ck_assert_int_eq(set(8, 8, NOW + 1 + SP_TURN_PERM_LIFETIME_US), 0);
    ck_assert_int_eq(set(9, 8, NOW + 1 + SP_TURN_PERM_LIFETIME_US), 0);
    ck_assert_int_eq(set(10, 8, NOW + 1 + SP_TURN_PERM_LIFETIME_US), SP_EFULL);
}
END_TEST

/* Against a table of flags that can't be wrong. */
START_TEST(as_a_plain_table_says)
{
    struct sp_rng_seeded rng;
    uint64_t expires[200] = {0}, now = NOW;

    sp_rng_seeded_init(&rng, 4);
    for (int i = 0; i < 5000; i++) {
        unsigned k = (unsigned)sp_rng_below(&rng.rng, 200);

        now += sp_rng_below(&rng.rng, 20000000);
        ck_assert_int_eq(set(k, 1000, now), 0);
        expires[k] = now + SP_TURN_PERM_LIFETIME_US;
        k = (unsigned)sp_rng_below(&rng.rng, 200);
        ck_assert_int_eq(has(k, now), expires[k] > now);
    }
    ck_assert_uint_le(perms.n, 200);
}
END_TEST

START_TEST(a_copy_is_its_own)
{
    struct sp_turn_perms copy;

    ck_assert_int_eq(sp_turn_perms_copy(&perms, NOW, &copy), 0);
    ck_assert_uint_eq(copy.n, 0);
    ck_assert_int_eq(set(1, MAX, NOW), 0);
    ck_assert_int_eq(set(2, MAX, NOW + 5), 0);
    ck_assert_int_eq(sp_turn_perms_copy(&perms, NOW + SP_TURN_PERM_LIFETIME_US, &copy), 0);
    ck_assert_uint_eq(copy.n, 1);
    ck_assert_uint_eq(perms.n, 2);

    struct sp_addr a = ip(3);

    ck_assert_int_eq(sp_turn_perms_set(&copy, &a, MAX, NOW), 0);
    ck_assert(!has(3, NOW));
    sp_turn_perms_fini(&copy);
    ck_assert(has(1, NOW));
}
END_TEST

START_TEST(no_memory)
{
    struct sp_turn_perms copy;

    alloc_fail_at(1);
    int err = set(1, MAX, NOW);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert(!has(1, NOW));
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(set(i, MAX, NOW), 0);
    alloc_fail_at(1);
    err = set(4, MAX, NOW);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert(has(3, NOW) && !has(4, NOW));
    alloc_fail_at(1);
    err = sp_turn_perms_copy(&perms, NOW, &copy);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_perm");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, for_an_ip_whatever_the_port);
    tcase_add_test(t, lasts_300_seconds);
    tcase_add_test(t, the_bound_counts_those_that_hold);
    tcase_add_test(t, as_a_plain_table_says);
    tcase_add_test(t, a_copy_is_its_own);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
