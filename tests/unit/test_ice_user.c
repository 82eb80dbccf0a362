/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the quality bench comes by ICE-TCP with: ice_user. */
#include <check.h>
#include <stdlib.h>

#include "ice_user.h"
#include "sallyport/err.h"
#include "sallyport/stun_auth.h"

static const struct ice_credentials alice = {"aaaa", "the-password-of-alice-0"},
                                    bob = {"bbbb", "the-password-of-bob-000"};
static struct sp_addr server;

static struct ice_user a, b;

static void meet(void)
{
    server = sp_addr_v4(198, 51, 100, 2, 443);
    ice_user_init(&a, &alice, &bob, true, 1);
    ice_user_init(&b, &bob, &alice, false, 2);
}

/* Whether it was answered; the answer lies in to->msg. */
static bool pass(struct ice_user *to, struct sp_span msg, struct sp_span *answer)
{
    return ice_user_take(to, msg, &server, answer);
}

START_TEST(credentials_from_text)
{
    static const char *const wrong[] = {
        "", ":", "aaaa", "aaaa:", ":password", "a-fragment-that-is-longer-than-33:password"};
    struct ice_credentials c;
    char text[128] = "aaaa:";

    ck_assert(ice_credentials_parse(sp_span_str("aaaa:pass:word"), &c));
    ck_assert_str_eq(c.ufrag, "aaaa");
    ck_assert_str_eq(c.password, "pass:word");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!ice_credentials_parse(sp_span_str(wrong[i]), &c), "%s", wrong[i]);
    memset(text + 5, 'p', ICE_USER_PASSWORD_MAX);
    ck_assert(ice_credentials_parse(sp_span_str(text), &c));
    text[5 + ICE_USER_PASSWORD_MAX] = 'p';
    ck_assert(!ice_credentials_parse(sp_span_str(text), &c));
}
END_TEST

/* RFC 8445 section 7.2.2 and 7.1. */
START_TEST(what_a_check_says)
{
    struct sp_stun_msg m;
    struct sp_span v;
    uint32_t priority;

    meet();
    ck_assert_int_eq(sp_stun_parse(ice_user_check(&a), &m), 0);
    ck_assert_uint_eq(m.method, SP_STUN_BINDING);
    ck_assert_int_eq(m.cls, SP_STUN_REQUEST);
    ck_assert(sp_stun_find(&m, SP_ATTR_USERNAME, &v));
    ck_assert(sp_span_eq(v, sp_span_str("bbbb:aaaa")));
    ck_assert_int_eq(sp_stun_find_u32(&m, SP_ATTR_PRIORITY, &priority), 0);
    ck_assert(sp_stun_find(&m, SP_ATTR_ICE_CONTROLLING, &v));
    ck_assert(sp_stun_find(&m, SP_ATTR_USE_CANDIDATE, &v));
    ck_assert_int_eq(sp_stun_check_integrity(&m, sp_span_str(bob.password)), 0);
    ck_assert_int_eq(sp_stun_check_fingerprint(&m), 0);
    ck_assert_int_eq(sp_stun_parse(ice_user_check(&b), &m), 0);
    ck_assert(sp_stun_find(&m, SP_ATTR_ICE_CONTROLLED, &v));
    ck_assert(!sp_stun_find(&m, SP_ATTR_USE_CANDIDATE, &v));
}
END_TEST

START_TEST(an_answer_connects_who_asked)
{
    struct sp_span answer, none;
    struct sp_stun_msg m;
    struct sp_addr mapped;

    meet();
    struct sp_span check = ice_user_check(&a);
    ck_assert(pass(&b, check, &answer));
    ck_assert_int_eq(sp_stun_parse(answer, &m), 0);
    ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_MAPPED_ADDRESS, &mapped), 0);
    ck_assert(sp_addr_eq(&mapped, &server));
    ck_assert_int_eq(sp_stun_check_fingerprint(&m), 0);
    ck_assert(!pass(&a, answer, &none));
    ck_assert(a.connected);
    ck_assert(!b.connected); /* whom nobody has answered yet */
    ck_assert_uint_eq(b.answered, 1);
    ck_assert_uint_eq(a.foreign + b.foreign, 0);
}
END_TEST

/* The first of them was on its way for long, as the far end was not there. */
START_TEST(any_of_the_last_checks_may_be_answered)
{
    uint8_t first[512], kept[512];
    struct sp_span check, answer, none;

    meet();
    check = ice_user_check(&a);
    memcpy(first, check.p, check.len);
    ck_assert(pass(&b, sp_span(first, check.len), &answer));
    memcpy(kept, answer.p, answer.len);
    answer = sp_span(kept, answer.len);
    for (unsigned i = 1; i < ICE_USER_REMEMBERED; i++)
        ice_user_check(&a);
    ck_assert(!pass(&a, answer, &none));
    ck_assert(a.connected);
    a.connected = false;
    ice_user_check(&a);
    ck_assert(!pass(&a, answer, &none)); /* too long ago */
    ck_assert(!a.connected);
    ck_assert_uint_eq(a.foreign, 1);
}
END_TEST

static struct sp_span answer_of(struct ice_user *from, struct sp_span check)
{
    struct sp_span answer;

    ck_assert(pass(from, check, &answer));
    return answer;
}

/* Who has seen fragments and checks, and knows no password. */
START_TEST(strangers_are_not_believed)
{
    static const struct ice_credentials guess = {"bbbb", "the-password-of-mallory"};
    struct ice_user mallory, other;
    struct sp_span none;

    meet();
    ice_user_init(&mallory, &guess, &alice, false, 3);
    struct sp_span check = ice_user_check(&a);
    uint8_t bytes[512];
    memcpy(bytes, check.p, check.len);
    ck_assert(!pass(&mallory, sp_span(bytes, check.len), &none)); /* its password is another */
    ck_assert_uint_eq(mallory.foreign, 1);

    /* An answer by somebody whom another password was told. */
    other = a;
    other.far = guess;
    ck_assert(!pass(&a, answer_of(&mallory, ice_user_check(&other)), &none));
    ck_assert(!a.connected);

    /* To what was not asked; the right fragments in the wrong order; no Binding. */
    ice_user_init(&other, &alice, &bob, true, 4);
    ck_assert(!pass(&a, answer_of(&b, ice_user_check(&other)), &none));
    ck_assert(!a.connected);
    ck_assert(!pass(&a, ice_user_check(&a), &none));
    bytes[0] = 0x01; /* a class of its own */
    ck_assert(!pass(&b, sp_span(bytes, check.len), &none));
    ck_assert(!pass(&b, sp_span_str("no message"), &none));
    ck_assert_uint_eq(a.foreign, 3);
    ck_assert_uint_eq(b.foreign, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ice_user");
    TCase *tc = tcase_create("ice_user");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, credentials_from_text);
    tcase_add_test(tc, what_a_check_says);
    tcase_add_test(tc, an_answer_connects_who_asked);
    tcase_add_test(tc, any_of_the_last_checks_may_be_answered);
    tcase_add_test(tc, strangers_are_not_believed);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
