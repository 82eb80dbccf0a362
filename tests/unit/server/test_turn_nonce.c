/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_nonce.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"

#define SECOND UINT64_C(1000000)
#define NOW    (5000 * SECOND)

static struct sp_turn_nonces nonces;
static struct sp_addr client;
static char nonce[SP_TURN_NONCE_LEN + 1];

static void setup(void)
{
    struct sp_rng_seeded rng;

    sp_rng_seeded_init(&rng, 1);
    sp_turn_nonces_init(&nonces, 0, &rng.rng);
    client = sp_addr_v4(9, 8, 7, 6, 5000);
    sp_turn_nonce_make(&nonces, &client, SP_STUN_FEATURE_PASSWORD_ALGORITHMS, NOW, nonce);
}

static void teardown(void)
{
    sp_turn_nonces_fini(&nonces);
}

static int check(uint64_t now_us)
{
    return sp_turn_nonce_check(&nonces, &client, sp_span_str(nonce), now_us);
}

START_TEST(looks_as_rfc_8489_wants)
{
    ck_assert_uint_eq(strlen(nonce), SP_TURN_NONCE_LEN);
    ck_assert(strncmp(nonce, "obMatJos2gAAA", 13) == 0); /* bit 0, the most significant */
    sp_turn_nonce_make(&nonces, &client,
                       SP_STUN_FEATURE_PASSWORD_ALGORITHMS | SP_STUN_FEATURE_USERNAME_ANONYMITY,
                       NOW, nonce);
    ck_assert(strncmp(nonce, "obMatJos2wAAA", 13) == 0);
    ck_assert_int_eq(check(NOW), 0);
    sp_turn_nonce_make(&nonces, &client, 0, NOW, nonce);
    ck_assert(strncmp(nonce, "obMatJos2AAAA", 13) == 0);
}
END_TEST

START_TEST(holds_for_an_hour)
{
    ck_assert_int_eq(check(NOW), 0);
    ck_assert_int_eq(check(NOW + 3600 * SECOND), 0);
    ck_assert_int_eq(check(NOW + 3601 * SECOND), SP_EEXPIRED);
    ck_assert_int_eq(check(NOW - 1 * SECOND), SP_EEXPIRED); /* from the future */
}
END_TEST

/* The seconds have 32 bits; their wrap after 136 years is seen here only. */
START_TEST(seconds_wrap)
{
    uint64_t before = UINT32_MAX * SECOND;

    sp_turn_nonce_make(&nonces, &client, 0, before, nonce);
    ck_assert_int_eq(check(before + 10 * SECOND), 0);
    ck_assert_int_eq(check(before + 4000 * SECOND), SP_EEXPIRED);
}
END_TEST

START_TEST(belongs_to_one_client)
{
    client.port++;
    ck_assert_int_eq(check(NOW), SP_EAUTH);
    client.port--;
    ck_assert_int_eq(check(NOW), 0);
    client.ip[3]++;
    ck_assert_int_eq(check(NOW), SP_EAUTH);
}
END_TEST

START_TEST(no_character_may_change)
{
    for (size_t i = 0; i < SP_TURN_NONCE_LEN; i++) {
        char was = nonce[i];

        nonce[i] = was == 'A' ? 'B' : 'A';
        ck_assert_int_eq(check(NOW), SP_EAUTH);
        nonce[i] = '=';
        ck_assert_int_eq(check(NOW), SP_EAUTH);
        nonce[i] = was;
    }
    ck_assert_int_eq(check(NOW), 0);
}
END_TEST

START_TEST(lengths)
{
    for (size_t len = 0; len < SP_TURN_NONCE_LEN; len++)
        ck_assert_int_eq(sp_turn_nonce_check(&nonces, &client, sp_span(nonce, len), NOW), SP_EAUTH);
    ck_assert_int_eq(sp_turn_nonce_check(&nonces, &client, sp_span(nonce, sizeof nonce), NOW),
                     SP_EAUTH);
}
END_TEST

START_TEST(another_key_another_nonce)
{
    struct sp_turn_nonces other;
    struct sp_rng_seeded rng;

    sp_rng_seeded_init(&rng, 2);
    sp_turn_nonces_init(&other, 0, &rng.rng);
    ck_assert_int_eq(sp_turn_nonce_check(&other, &client, sp_span_str(nonce), NOW), SP_EAUTH);
}
END_TEST

START_TEST(the_worker_stands_in_it)
{
    char other[SP_TURN_NONCE_LEN + 1];

    nonces.worker = 3;
    sp_turn_nonce_make(&nonces, &client, SP_STUN_FEATURE_PASSWORD_ALGORITHMS, NOW, other);
    ck_assert_str_ne(nonce, other);
    ck_assert_int_eq(check(NOW), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_nonce");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, looks_as_rfc_8489_wants);
    tcase_add_test(t, holds_for_an_hour);
    tcase_add_test(t, seconds_wrap);
    tcase_add_test(t, belongs_to_one_client);
    tcase_add_test(t, no_character_may_change);
    tcase_add_test(t, lengths);
    tcase_add_test(t, another_key_another_nonce);
    tcase_add_test(t, the_worker_stands_in_it);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
