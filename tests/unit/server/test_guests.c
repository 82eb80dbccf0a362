/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guests.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"

static struct sp_rng_seeded rng;
static struct sp_quota of_all;

static void setup(void)
{
    sp_rng_seeded_init(&rng, 1);
    sp_quota_init(&of_all, &rng.rng);
}

static void teardown(void)
{
    ck_assert_uint_eq(of_all.users.len, 0);
    sp_quota_fini(&of_all);
}

static void open_part(struct sp_guests *g, size_t max, size_t share, unsigned workers)
{
    const struct sp_guests_bounds b = {
        .max = max, .share = share, .workers = workers, .shares = &of_all};

    sp_guests_init(g, &b, &rng.rng);
}

static void open_guests(struct sp_guests *g, size_t max)
{
    open_part(g, max, max, 1);
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

    for (size_t i = 0; i < SP_ARRAY_LEN(rows); i++) {
        open_part(&g, rows[i].max, rows[i].share, 1);
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

/* Each worker has its part of the places, so that together they keep no more than one would; but an
 * address has its share of all of them, however it is dealt out, and not all of a worker's part. */
START_TEST(several_workers)
{
    struct sp_guest guest[11] = {0};
    struct sp_addr a = from(1);
    struct sp_guests g[2], eight;

    for (size_t i = 0; i < 2; i++) {
        open_part(&g[i], 16, 3, 2);
        ck_assert_uint_eq(g[i].max, 8);
    }
    ck_assert_int_eq(sp_guests_add(&g[0], &guest[0], &a), 0);
    ck_assert_int_eq(sp_guests_add(&g[1], &guest[1], &a), 0);
    ck_assert_int_eq(sp_guests_add(&g[1], &guest[2], &a), 0);
    ck_assert_int_eq(sp_guests_add(&g[0], &guest[3], &a), SP_EFULL);
    ck_assert_int_eq(sp_guests_add(&g[1], &guest[3], &a), SP_EFULL);
    sp_guests_remove(&g[1], &guest[1]);
    ck_assert_int_eq(sp_guests_add(&g[0], &guest[3], &a), 0);
    for (uint8_t i = 4; i < 11; i++) {
        struct sp_addr other = from(i);
        ck_assert_ptr_null(sp_guests_surplus(&g[0]));
        ck_assert_int_eq(sp_guests_add(&g[0], &guest[i], &other), 0);
    }
    ck_assert_ptr_eq(sp_guests_surplus(&g[0]), &guest[0]);
    ck_assert_ptr_null(sp_guests_surplus(&g[1]));
    for (size_t i = 0; i < 11; i++)
        sp_guests_remove(&g[i == 2], &guest[i]);
    open_part(&eight, 32, 8, 8);
    ck_assert_uint_eq(eight.max, 4);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(sp_guests_add(&eight, &guest[i], &a), i < 2 ? 0 : SP_EFULL);
    sp_guests_remove(&eight, &guest[0]);
    sp_guests_remove(&eight, &guest[1]);
    sp_guests_fini(&eight);
    sp_guests_fini(&g[0]);
    sp_guests_fini(&g[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("guests");
    TCase *tc = tcase_create("guests");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, size_of_a_share);
    tcase_add_test(tc, who_came_first_goes_first);
    tcase_add_test(tc, shares);
    tcase_add_test(tc, shares_by_v6_prefix);
    tcase_add_test(tc, few_places);
    tcase_add_test(tc, several_workers);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
