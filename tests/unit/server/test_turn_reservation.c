/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_reservation.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"

#define SECOND UINT64_C(1000000)
#define NOW    (50 * SECOND)

static struct sp_rng_seeded rng;
static struct sp_turn_reservations table;
static const struct sp_turn_reservation one = {.local = {.port = 50001, .family = SP_IPV4}};
static uint8_t token[SP_TURN_TOKEN_LEN];

static void setup(void)
{
    sp_rng_seeded_init(&rng, 8);
    sp_turn_reservations_init(&table, &rng.rng);
}

static void teardown(void)
{
    sp_turn_reservations_fini(&table);
}

static bool has(void)
{
    struct sp_turn_reservation v = {.quota = NULL};

    if (sp_turn_reservations_find(&table, token, &v) != 0)
        return false;
    ck_assert(sp_addr_eq(&v.local, &one.local));
    return true;
}

static int add(uint64_t now_us, uint8_t *out)
{
    return sp_turn_reservations_add(&table, &one, &rng.rng, now_us, out);
}

START_TEST(lasts_30_seconds)
{
    struct sp_turn_reservation v = {.quota = NULL};
    uint8_t later[SP_TURN_TOKEN_LEN];

    ck_assert_uint_eq(sp_turn_reservations_due_us(&table), UINT64_MAX);
    ck_assert_int_eq(add(NOW, token), 0);
    ck_assert_int_eq(add(NOW + SECOND, later), 0);
    ck_assert_uint_eq(sp_turn_reservations_due_us(&table), NOW + 30 * SECOND);
    ck_assert(!sp_turn_reservations_take_expired(&table, NOW + 30 * SECOND - 1, &v));
    ck_assert(has());
    ck_assert(sp_turn_reservations_take_expired(&table, NOW + 30 * SECOND, &v));
    ck_assert(sp_addr_eq(&v.local, &one.local));
    ck_assert(!has());
    ck_assert(!sp_turn_reservations_take_expired(&table, NOW + 30 * SECOND, &v));
    ck_assert_uint_eq(sp_turn_reservations_due_us(&table), NOW + 31 * SECOND);
    ck_assert_uint_eq(sp_turn_reservations_count(&table), 1);
}
END_TEST

START_TEST(what_is_taken_is_gone)
{
    struct sp_turn_reservation v = {.quota = NULL};

    ck_assert_int_eq(add(NOW, token), 0);
    ck_assert_int_eq(sp_turn_reservations_take(&table, token, &v), 0);
    ck_assert(sp_addr_eq(&v.local, &one.local));
    ck_assert_int_eq(sp_turn_reservations_take(&table, token, &v), SP_ENOENT);
    ck_assert(!has());
    ck_assert(!sp_turn_reservations_take_expired(&table, UINT64_MAX, &v));
}
END_TEST

START_TEST(tokens_differ_and_are_not_guessed)
{
    uint8_t other[SP_TURN_TOKEN_LEN];

    ck_assert_int_eq(add(NOW, other), 0);
    ck_assert_int_eq(add(NOW, token), 0);
    ck_assert_mem_ne(token, other, sizeof token);
    token[7] ^= 1;
    ck_assert(!has());
}
END_TEST

#define TAKERS 4
#define TOKENS 2000

static uint8_t tokens[TOKENS][SP_TURN_TOKEN_LEN];

static void *take_all(void *arg)
{
    size_t *n = arg;
    struct sp_turn_reservation v;

    for (size_t i = 0; i < TOKENS; i++)
        *n += sp_turn_reservations_take(&table, tokens[i], &v) == 0;
    return NULL;
}

/* However many workers are shown one token at once: one of them has it. */
START_TEST(one_gets_it)
{
    pthread_t threads[TAKERS];
    size_t got[TAKERS] = {0}, sum = 0;

    for (size_t i = 0; i < TOKENS; i++)
        ck_assert_int_eq(add(NOW, tokens[i]), 0);
    for (size_t i = 0; i < TAKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_all, &got[i]), 0);
    for (size_t i = 0; i < TAKERS; i++) {
        pthread_join(threads[i], NULL);
        sum += got[i];
    }
    ck_assert_uint_eq(sum, TOKENS);
    ck_assert_uint_eq(sp_turn_reservations_count(&table), 0);
}
END_TEST

START_TEST(no_memory)
{
    unsigned k;

    for (k = 1;; k++) {
        alloc_fail_at(k);
        int err = add(NOW, token);
        if (!alloc_fail_disarm())
            break;
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_uint_eq(sp_turn_reservations_count(&table), 0);
    }
    ck_assert_uint_ge(k, 2);
    ck_assert(has());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_reservation");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, lasts_30_seconds);
    tcase_add_test(t, what_is_taken_is_gone);
    tcase_add_test(t, tokens_differ_and_are_not_guessed);
    tcase_add_test(t, one_gets_it);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
