/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_relayed.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"

static struct sp_turn_relayed table;
static struct sp_turn_relayed_names names, others;
static char a_bytes, b_bytes; /* nobody looks into an allocation here */
#define A ((struct sp_turn_alloc *)(void *)&a_bytes)
#define B ((struct sp_turn_alloc *)(void *)&b_bytes)

static void setup(void)
{
    struct sp_rng_seeded rng;

    sp_rng_seeded_init(&rng, 8);
    sp_turn_relayed_init(&table, &rng.rng);
    memset(&names, 0, sizeof names);
    memset(&others, 0, sizeof others);
}

static void teardown(void)
{
    sp_turn_relayed_fini(&table);
}

static struct sp_turn_relay relay(uint8_t local, uint8_t public_, uint16_t port)
{
    return (struct sp_turn_relay){
        .local = sp_addr_v4(10, 0, 0, local, port),
        .public_ = sp_addr_v4(10, 0, 0, public_, port),
    };
}

static struct sp_turn_alloc *find(uint8_t ip, uint16_t port)
{
    struct sp_addr a = sp_addr_v4(10, 0, 0, ip, port);

    return sp_turn_relayed_find(&table, &a);
}

START_TEST(by_both_names)
{
    struct sp_turn_relay r = relay(1, 2, 500), q = relay(1, 2, 501);

    ck_assert_int_eq(sp_turn_relayed_add(&table, &names, &r, A), 0);
    ck_assert_int_eq(sp_turn_relayed_add(&table, &others, &q, B), 0);
    ck_assert_ptr_eq(find(1, 500), A);
    ck_assert_ptr_eq(find(2, 500), A);
    ck_assert_ptr_eq(find(1, 501), B);
    ck_assert_ptr_eq(find(2, 501), B);
    ck_assert_ptr_null(find(2, 502));
    ck_assert_ptr_null(find(3, 500));
    sp_turn_relayed_del(&table, &names);
    sp_turn_relayed_del(&table, &names);
    ck_assert_ptr_null(find(1, 500));
    ck_assert_ptr_null(find(2, 500));
    ck_assert_ptr_eq(find(2, 501), B);
}
END_TEST

/* A memo holds until some address is gone, and that nothing was found is never remembered. */
START_TEST(recalled)
{
    struct sp_turn_relay r = relay(1, 2, 500), q = relay(1, 2, 501);
    struct sp_addr a = sp_addr_v4(10, 0, 0, 2, 500);
    struct sp_turn_relayed_memo memo = {0};

    ck_assert_ptr_null(sp_turn_relayed_recall(&table, &a, &memo));
    ck_assert_int_eq(sp_turn_relayed_add(&table, &names, &r, A), 0);
    ck_assert_ptr_eq(sp_turn_relayed_recall(&table, &a, &memo), A);
    names.public_.alloc = B; /* whoever looks it up sees that */
    ck_assert_ptr_eq(sp_turn_relayed_recall(&table, &a, &memo), A);
    ck_assert_int_eq(sp_turn_relayed_add(&table, &others, &q, B), 0);
    sp_turn_relayed_del(&table, &others);
    ck_assert_ptr_eq(sp_turn_relayed_recall(&table, &a, &memo), B);
    sp_turn_relayed_del(&table, &names);
    ck_assert_ptr_null(sp_turn_relayed_recall(&table, &a, &memo));
    ck_assert_int_eq(sp_turn_relayed_add(&table, &others, &r, A), 0);
    ck_assert_ptr_eq(sp_turn_relayed_recall(&table, &a, &memo), A);
}
END_TEST

START_TEST(without_a_nat_there_is_one_name)
{
    struct sp_turn_relay r = relay(1, 1, 500);

    ck_assert_int_eq(sp_turn_relayed_add(&table, &names, &r, A), 0);
    ck_assert_uint_eq(table.by_addr.len, 1);
    sp_turn_relayed_del(&table, &names);
    ck_assert_uint_eq(table.by_addr.len, 0);
}
END_TEST

START_TEST(no_name_twice)
{
    struct sp_turn_relay r = relay(1, 2, 500), same_local = relay(1, 3, 500),
                         same_public = relay(4, 2, 500);

    ck_assert_int_eq(sp_turn_relayed_add(&table, &names, &r, A), 0);
    ck_assert_int_eq(sp_turn_relayed_add(&table, &others, &same_local, B), SP_EEXIST);
    ck_assert_int_eq(sp_turn_relayed_add(&table, &others, &same_public, B), SP_EEXIST);
    ck_assert_uint_eq(table.by_addr.len, 2);
    ck_assert_ptr_eq(find(2, 500), A);
    ck_assert_ptr_null(find(4, 500));
}
END_TEST

START_TEST(no_memory)
{
    struct sp_turn_relay r = relay(1, 2, 500);

    alloc_fail_at(1);
    int err = sp_turn_relayed_add(&table, &names, &r, A);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert_uint_eq(table.by_addr.len, 0);
    sp_turn_relayed_del(&table, &names);
    ck_assert_int_eq(sp_turn_relayed_add(&table, &names, &r, A), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_relayed");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, by_both_names);
    tcase_add_test(t, recalled);
    tcase_add_test(t, without_a_nat_there_is_one_name);
    tcase_add_test(t, no_name_twice);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
