/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/early.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/stun_auth.h"

#define T0 SP_SEC(50)

static const char password[] = "the-far-ends-password22";
static struct sp_early e;

static struct sp_span pw(void)
{
    return sp_span_str(password);
}

static bool nominating; /* what check() makes */

/* A check; `key` makes its MESSAGE-INTEGRITY. */
static struct sp_stun_msg check(uint8_t id, const char *key)
{
    static uint8_t bytes[256];
    static struct sp_stun_msg m;
    struct sp_stun_builder b;
    uint8_t ids[SP_STUN_ID_LEN];
    size_t len;

    memset(ids, id, sizeof ids);
    sp_stun_begin(&b, bytes, sizeof bytes, SP_STUN_BINDING, SP_STUN_REQUEST, ids);
    sp_stun_put(&b, SP_ATTR_USERNAME, sp_span_str("FFFF:OOOO"));
    if (nominating)
        sp_stun_put(&b, SP_ATTR_USE_CANDIDATE, sp_span(NULL, 0));
    sp_stun_put_integrity(&b, sp_span_str(key));
    sp_stun_put_fingerprint(&b);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(bytes, len), &m), 0);
    return m;
}

static struct sp_stun_msg answer(enum sp_stun_class cls, uint8_t id)
{
    static uint8_t bytes[64];
    static struct sp_stun_msg m;
    struct sp_stun_builder b;
    uint8_t ids[SP_STUN_ID_LEN];
    size_t len;

    memset(ids, id, sizeof ids);
    sp_stun_begin(&b, bytes, sizeof bytes, SP_STUN_BINDING, cls, ids);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(bytes, len), &m), 0);
    return m;
}

static size_t ask(uint8_t id, const char *key, uint64_t now_us, uint8_t *out)
{
    const struct sp_addr from = sp_addr_v4(192, 168, 1, 7, 5000);
    struct sp_stun_msg m = check(id, key);

    return sp_early_answer(&e, pw(), &m, &from, now_us, out);
}

START_TEST(is_as_the_far_end_would_answer)
{
    uint8_t out[SP_EARLY_ANSWER_MAX];
    const struct sp_addr from = sp_addr_v4(192, 168, 1, 7, 5000);
    struct sp_stun_msg m;
    struct sp_addr mapped;
    size_t len = ask(1, password, T0, out);

    ck_assert_uint_gt(len, 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(out, len), &m), 0);
    ck_assert_int_eq(m.cls, SP_STUN_SUCCESS);
    ck_assert_uint_eq(m.id[0], 1);
    ck_assert_int_eq(sp_stun_check_integrity(&m, pw()), 0);
    ck_assert_int_eq(sp_stun_check_fingerprint(&m), 0);
    ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_MAPPED_ADDRESS, &mapped), 0);
    ck_assert(sp_addr_eq(&mapped, &from));
}
END_TEST

START_TEST(whose_password_is_wrong)
{
    uint8_t out[SP_EARLY_ANSWER_MAX];
    const struct sp_addr from = sp_addr_v4(192, 168, 1, 7, 5000);
    struct sp_stun_msg m = check(1, password);

    ck_assert_uint_eq(ask(1, "another-password-of-22-", T0, out), 0);
    ck_assert_uint_eq(sp_early_answer(&e, sp_span_str(""), &m, &from, T0, out), 0);
    ck_assert_uint_eq(e.began_us, 0);
}
END_TEST

START_TEST(the_far_ends_answer_ends_it)
{
    uint8_t out[SP_EARLY_ANSWER_MAX];

    ck_assert_uint_gt(ask(1, password, T0, out), 0);
    ck_assert_uint_gt(ask(2, password, T0 + 1, out), 0);
    struct sp_stun_msg m = answer(SP_STUN_SUCCESS, 2);
    ck_assert(sp_early_swallows(&e, &m));
    ck_assert_uint_eq(ask(3, password, T0 + 2, out), 0);
    m = answer(SP_STUN_ERROR, 1); /* whatever it is */
    ck_assert(sp_early_swallows(&e, &m));
    m = answer(SP_STUN_SUCCESS, 3);
    ck_assert(!sp_early_swallows(&e, &m));
    m = answer(SP_STUN_INDICATION, 1);
    ck_assert(!sp_early_swallows(&e, &m));
}
END_TEST

/* A dead path must not look alive. */
START_TEST(not_for_long)
{
    uint8_t out[SP_EARLY_ANSWER_MAX];

    ck_assert_uint_gt(ask(1, password, T0, out), 0);
    ck_assert_uint_gt(ask(2, password, T0 + SP_SEC(2) - 1, out), 0);
    ck_assert_uint_eq(ask(3, password, T0 + SP_SEC(2), out), 0);
    ck_assert_uint_eq(ask(2, password, T0 + SP_SEC(2), out), 0);
}
END_TEST

/* Which path is used is for the far end alone to agree to. */
START_TEST(no_nomination)
{
    uint8_t out[SP_EARLY_ANSWER_MAX];

    nominating = true;
    ck_assert_uint_eq(ask(1, password, T0, out), 0);
    nominating = false;
    ck_assert_uint_gt(ask(2, password, T0, out), 0);
    struct sp_stun_msg m = answer(SP_STUN_SUCCESS, 1);
    ck_assert(!sp_early_swallows(&e, &m)); /* it is the first one to it */
}
END_TEST

START_TEST(not_often)
{
    uint8_t out[SP_EARLY_ANSWER_MAX];

    for (unsigned i = 0; i < SP_EARLY_CHECKS_MAX; i++)
        ck_assert_uint_gt(ask((uint8_t)(i + 1), password, T0, out), 0);
    ck_assert_uint_eq(ask(100, password, T0, out), 0);
    ck_assert_uint_gt(ask(1, password, T0, out), 0); /* repeated */
}
END_TEST

static void setup(void)
{
    e = (struct sp_early){.n = 0};
    nominating = false;
}

int main(void)
{
    Suite *s = suite_create("early");
    TCase *tc = tcase_create("early");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, is_as_the_far_end_would_answer);
    tcase_add_test(tc, whose_password_is_wrong);
    tcase_add_test(tc, the_far_ends_answer_ends_it);
    tcase_add_test(tc, not_for_long);
    tcase_add_test(tc, no_nomination);
    tcase_add_test(tc, not_often);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
