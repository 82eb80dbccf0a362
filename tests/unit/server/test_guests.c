/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guests.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"

static struct sp_rng_seeded rng;

static void open_guests(struct sp_guests *g, size_t max)
{
    sp_rng_seeded_init(&rng, 1);
    sp_guests_init(g, max, max, &rng.rng);
}

static struct sp_addr from(uint8_t last)
{
    return sp_addr_v4(198, 51, 100, last, 1000);
}

/* As many as are wished for each, or a quarter. */
START_TEST(size_of_a_share)
{
    static const struct {
        size_t max, share, is;
    } rows[] = {{16, 3, 3}, {16, 4, 4}, {16, 5, 4}, {3, 5, 1}, {1, 1, 1}, {4096, 1024, 1024}};
    struct sp_guests g;

    sp_rng_seeded_init(&rng, 1);
    for (size_t i = 0; i < SP_ARRAY_LEN(rows); i++) {
        sp_guests_init(&g, rows[i].max, rows[i].share, &rng.rng);
        ck_assert_uint_eq(g.share, rows[i].is);
        sp_guests_fini(&g);
    }
}
END_TEST

START_TEST(who_came_first_goes_first)
{
    struct sp_guest guest[6] = {0};
    struct sp_guests g;

    open_guests(&g, 5);
    for (uint8_t i = 0; i < 6; i++) {
        struct sp_addr a = from(i);
        ck_assert_ptr_null(sp_guests_surplus(&g));
        ck_assert_int_eq(sp_guests_add(&g, &guest[i], &a), 0);
    }
    ck_assert_ptr_eq(sp_guests_surplus(&g), &guest[0]);
    sp_guests_remove(&g, &guest[1]); /* another leaves: nobody has to go */
    ck_assert_ptr_null(sp_guests_surplus(&g));
    sp_guests_remove(&g, &guest[1]);
    ck_assert_uint_eq(g.n, 5);
    for (size_t i = 0; i < 6; i++)
        sp_guests_remove(&g, &guest[i]);
    ck_assert_uint_eq(g.n, 0);
    sp_guests_fini(&g);
}
END_TEST

/* A quarter is for each address; who leaves makes room for the next from there. */
START_TEST(shares)
{
    struct sp_guest guest[16] = {0};
    struct sp_addr one = from(1), same = from(1), other = from(2);
    struct sp_guests g;

    same.port = 2000;
    open_guests(&g, 16);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(sp_guests_add(&g, &guest[i], i % 2 ? &one : &same), 0);
    ck_assert_int_eq(sp_guests_add(&g, &guest[4], &same), SP_EFULL);
    ck_assert_uint_eq(g.n, 4);
    sp_guests_remove(&g, &guest[4]); /* it never was one */
    ck_assert_uint_eq(g.n, 4);
    ck_assert_int_eq(sp_guests_add(&g, &guest[4], &other), 0);
    sp_guests_remove(&g, &guest[0]);
    ck_assert_int_eq(sp_guests_add(&g, &guest[5], &same), 0);
    for (size_t i = 0; i < 16; i++)
        sp_guests_remove(&g, &guest[i]);
    sp_guests_fini(&g);
}
END_TEST

/* Who has a /64 has as many addresses as he likes. */
START_TEST(shares_by_v6_prefix)
{
    struct sp_guest guest[3] = {0};
    struct sp_addr a, b, c;
    struct sp_guests g;

    open_guests(&g, 4);
    ck_assert_int_eq(sp_addr_parse_ip("2001:db8:0:1::1", &a), 0);
    ck_assert_int_eq(sp_addr_parse_ip("2001:db8:0:1:8000::2", &b), 0);
    ck_assert_int_eq(sp_addr_parse_ip("2001:db8:0:2::1", &c), 0);
    ck_assert_int_eq(sp_guests_add(&g, &guest[0], &a), 0);
    ck_assert_int_eq(sp_guests_add(&g, &guest[1], &b), SP_EFULL);
    ck_assert_int_eq(sp_guests_add(&g, &guest[2], &c), 0);
    sp_guests_remove(&g, &guest[0]);
    sp_guests_remove(&g, &guest[2]);
    sp_guests_fini(&g);
}
END_TEST

/* With few places there still is one for each. */
START_TEST(few_places)
{
    struct sp_guest guest[2] = {0};
    struct sp_addr a = from(1), b = from(2);
    struct sp_guests g;

    open_guests(&g, 1);
    ck_assert_int_eq(sp_guests_add(&g, &guest[0], &a), 0);
    ck_assert_int_eq(sp_guests_add(&g, &guest[1], &b), 0);
    ck_assert_ptr_eq(sp_guests_surplus(&g), &guest[0]);
    sp_guests_remove(&g, &guest[0]);
    sp_guests_remove(&g, &guest[1]);
    sp_guests_fini(&g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("guests");
    TCase *tc = tcase_create("guests");

    tcase_add_test(tc, size_of_a_share);
    tcase_add_test(tc, who_came_first_goes_first);
    tcase_add_test(tc, shares);
    tcase_add_test(tc, shares_by_v6_prefix);
    tcase_add_test(tc, few_places);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
