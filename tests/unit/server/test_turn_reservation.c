/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_reservation.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"

#define SECOND UINT64_C(1000000)
#define NOW    (50 * SECOND)

static struct sp_rng_seeded rng;
static struct sp_timerq timers;
static struct sp_turn_reservations table;
static unsigned n_ended;
static struct sp_addr last_ended;
static const struct sp_turn_reservation one = {.local = {.port = 50001, .family = SP_IPV4}};
static uint8_t token[SP_TURN_TOKEN_LEN];

static void on_end(const struct sp_turn_reservation *v, void *arg)
{
    ck_assert_ptr_eq(arg, &table);
    last_ended = v->local;
    n_ended++;
}

static void setup(void)
{
    n_ended = 0;
    sp_rng_seeded_init(&rng, 8);
    sp_timerq_init(&timers);
    sp_turn_reservations_init(&table, &timers, &rng.rng, on_end, &table);
}

static void teardown(void)
{
    sp_turn_reservations_fini(&table);
    sp_timerq_fini(&timers);
}

static bool has(void)
{
    struct sp_turn_reservation v = {.quota = NULL};

    if (sp_turn_reservations_find(&table, token, &v) != 0)
        return false;
    ck_assert(sp_addr_eq(&v.local, &one.local));
    return true;
}

START_TEST(lasts_30_seconds)
{
    ck_assert_int_eq(sp_turn_reservations_add(&table, &one, NOW, token), 0);
    sp_timerq_run(&timers, NOW + 30 * SECOND - 1);
    ck_assert(has());
    sp_timerq_run(&timers, NOW + 30 * SECOND);
    ck_assert(!has());
    ck_assert_uint_eq(n_ended, 1);
    ck_assert(sp_addr_eq(&last_ended, &one.local));
    ck_assert_uint_eq(sp_turn_reservations_count(&table), 0);
}
END_TEST

START_TEST(what_is_claimed_does_not_end)
{
    ck_assert_int_eq(sp_turn_reservations_add(&table, &one, NOW, token), 0);
    sp_turn_reservations_del(&table, token);
    sp_turn_reservations_del(&table, token);
    sp_timerq_run(&timers, NOW + 31 * SECOND);
    ck_assert(!has());
    ck_assert_uint_eq(n_ended, 0);
    ck_assert_uint_eq(timers.len, 0);
}
END_TEST

START_TEST(tokens_differ_and_are_not_guessed)
{
    uint8_t other[SP_TURN_TOKEN_LEN];

    ck_assert_int_eq(sp_turn_reservations_add(&table, &one, NOW, other), 0);
    ck_assert_int_eq(sp_turn_reservations_add(&table, &one, NOW, token), 0);
    ck_assert_mem_ne(token, other, sizeof token);
    token[7] ^= 1;
    ck_assert(!has());
}
END_TEST

START_TEST(all_end_with_the_table)
{
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(sp_turn_reservations_add(&table, &one, NOW, token), 0);
    sp_turn_reservations_fini(&table);
    ck_assert_uint_eq(n_ended, 100);
    ck_assert_uint_eq(timers.len, 0);
}
END_TEST

START_TEST(no_memory)
{
    unsigned k;

    for (k = 1;; k++) {
        alloc_fail_at(k);
        int err = sp_turn_reservations_add(&table, &one, NOW, token);
        if (!alloc_fail_disarm())
            break;
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_uint_eq(sp_turn_reservations_count(&table), 0);
        ck_assert_uint_eq(timers.len, 0);
    }
    ck_assert_uint_gt(k, 2);
    ck_assert(has());
    ck_assert_uint_eq(n_ended, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_reservation");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, lasts_30_seconds);
    tcase_add_test(t, what_is_claimed_does_not_end);
    tcase_add_test(t, tokens_differ_and_are_not_guessed);
    tcase_add_test(t, all_end_with_the_table);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
