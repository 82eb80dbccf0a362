/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How any request is answered: challenges, signatures, FINGERPRINT, what a stranger may get. */
#include "turn_request.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/token.h"
#include "turn_client.h"

static struct rig rig;
static struct rig_client c;

static void setup(void)
{
    rig_open(&rig, NULL);
    rig_client_init(&c, &rig, SP_TURN_UDP, 5000);
}

static void teardown(void)
{
    rig_close(&rig);
}

static const struct sp_turn_counters *counters(void)
{
    return sp_turn_counters(rig.turn);
}

static bool has(const struct sp_stun_msg *m, uint16_t type)
{
    struct sp_span v;

    return sp_stun_find(m, type, &v);
}

START_TEST(the_first_request_gets_a_challenge)
{
    struct sp_stun_msg m;
    struct sp_span v;

    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 401);
    ck_assert(rig_answer(&c, &m));
    ck_assert(sp_stun_find(&m, SP_ATTR_REALM, &v) && sp_span_eq(v, sp_span_str(RIG_REALM)));
    ck_assert(sp_stun_find(&m, SP_ATTR_NONCE, &v) && v.len == 33);
    ck_assert(sp_stun_find(&m, SP_ATTR_PASSWORD_ALGORITHMS, &v));
    ck_assert(sp_span_eq(v, sp_turn_auth_algorithms()));
    ck_assert(!has(&m, SP_ATTR_SOFTWARE) && !has(&m, SP_ATTR_MESSAGE_INTEGRITY));
    ck_assert_uint_le(rig.out[0].len, 160);
    ck_assert_uint_eq(counters()->auth_errors, 0); /* nobody tried anything */
}
END_TEST

/* However long the realm, whatever else is asked for: 160 bytes are the most. */
START_TEST(a_challenge_is_short)
{
    size_t longest = 0;

    for (size_t len = 1; len <= SP_TURN_REALM_MAX; len++) {
        char realm[SP_TURN_REALM_MAX + 1] = {0};

        rig_close(&rig);
        rig_init(&rig);
        sp_turn_auth_free(rig.auth);
        memset(realm, 'r', len);
        ck_assert_int_eq(sp_turn_auth_new(realm, &rig.rng.rng, &rig.auth), 0);
        ck_assert_int_eq(rig_start(&rig, NULL), 0);
        c.fingerprint = len % 2 == 0;
        rig_allocate(&c);
        ck_assert_int_eq(rig_do(&c), 401);
        ck_assert_uint_le(rig.out[0].len, 160);
        longest = rig.out[0].len > longest ? rig.out[0].len : longest;
    }
    ck_assert_uint_gt(longest, 150);
}
END_TEST

START_TEST(all_requests_but_binding_want_credentials)
{
    static const uint16_t methods[] = {SP_TURN_ALLOCATE, SP_TURN_REFRESH, SP_TURN_CREATE_PERMISSION,
                                       SP_TURN_CHANNEL_BIND};

    for (size_t i = 0; i < SP_ARRAY_LEN(methods); i++) {
        rig_begin(&c, methods[i]);
        ck_assert_int_eq(rig_do(&c), 401);
    }
    rig_begin(&c, SP_STUN_BINDING);
    ck_assert_int_eq(rig_do(&c), 0);
}
END_TEST

START_TEST(wrong_credentials)
{
    ck_assert(rig_hello(&c));
    c.password = "guess";
    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 401);
    c.user = "mallory";
    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 401);
    ck_assert_uint_eq(counters()->auth_errors, 2);
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 0);
}
END_TEST

START_TEST(stale_nonce)
{
    char old[SP_TURN_NONCE_MAX];

    ck_assert_int_eq(rig_make(&c), 0);
    memcpy(old, c.nonce, sizeof old);
    for (int i = 0; i < 8; i++) { /* 4,000 seconds in all, and the allocation stays */
        ck_assert_int_eq(rig_refresh(&c, 600), 0);
        rig_advance(&rig, 500);
    }
    ck_assert_int_eq(rig_refresh(&c, 600), 438);
    ck_assert_uint_le(rig.out[0].len, 160);
    ck_assert(rig_take_nonce(&c));
    ck_assert_str_ne(old, c.nonce);
    ck_assert_int_eq(rig_refresh(&c, 600), 0);
    ck_assert_uint_eq(counters()->auth_errors, 0);
}
END_TEST

START_TEST(a_nonce_of_another_client)
{
    struct rig_client d;

    rig_client_init(&d, &rig, SP_TURN_UDP, 5001);
    ck_assert(rig_hello(&c));
    memcpy(d.nonce, c.nonce, sizeof d.nonce);
    rig_allocate(&d);
    ck_assert_int_eq(rig_do(&d), 438);
    ck_assert(rig_take_nonce(&d));
    rig_allocate(&d);
    ck_assert_int_eq(rig_do(&d), 0);
}
END_TEST

/* The nonce is looked at last (RFC 8489 section 9.2.4). */
START_TEST(a_stale_nonce_and_a_wrong_password)
{
    ck_assert(rig_hello(&c));
    rig_advance(&rig, 3700);
    c.password = "won";
    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 401);
}
END_TEST

/* It makes no allocation any more, and ends none; another user's, or a wrong one, is none. */
START_TEST(an_expired_rest_credential)
{
    char name[SP_REST_USERNAME_MAX + 1], password[SP_REST_PASSWORD_LEN + 1];
    struct rig_client d;

    ck_assert_int_eq(sp_rest_username(rig.unix_s + 100, "carol", name), 0);
    sp_rest_password(sp_span_str("north"), sp_span_str(name), password);
    c.user = name;
    c.password = password;
    ck_assert_int_eq(rig_make(&c), 0);
    rig_advance(&rig, 200);
    ck_assert_int_eq(rig_refresh(&c, 600), 0);
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);

    rig_client_init(&d, &rig, SP_TURN_UDP, 5001);
    d.user = name;
    d.password = password;
    ck_assert(rig_hello(&d));
    rig_allocate(&d);
    ck_assert_int_eq(rig_do(&d), 401);

    c.password = "wrong";
    rig_begin(&c, SP_TURN_REFRESH);
    ck_assert_int_eq(rig_do(&c), 401);
    c.password = password;
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
    rig_allocate(&c); /* the same five-tuple: it has ended */
    ck_assert_int_eq(rig_do(&c), 401);
}
END_TEST

START_TEST(incomplete_credentials)
{
    struct sp_stun_key key;
    struct sp_stun_msg m;

    ck_assert(rig_hello(&c));
    rig_allocate(&c);
    sp_stun_put(&c.b, SP_ATTR_USERNAME, sp_span_str(c.user));
    sp_stun_put(&c.b, SP_ATTR_REALM, sp_span_str(RIG_REALM));
    rig_key(&c, &key);
    sp_stun_put_integrity(&c.b, sp_span(key.bytes, key.len));
    c.nonce[0] = '\0'; /* rig_end signs no more */
    ck_assert_int_eq(rig_do(&c), 400);
    ck_assert(rig_answer(&c, &m));
    ck_assert(!has(&m, SP_ATTR_MESSAGE_INTEGRITY) && !has(&m, SP_ATTR_REALM) &&
              !has(&m, SP_ATTR_NONCE));
}
END_TEST

/* Signed as it was asked, by any kind of key and MAC: rig_code checks the answers. */
START_TEST(answers_are_signed_alike)
{
    c.mac = (_i & 1) != 0 ? RIG_SHA256 : RIG_SHA1;
    c.sha256_key = (_i & 2) != 0;
    c.fingerprint = (_i & 4) != 0;
    ck_assert_int_eq(rig_make(&c), 0);
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
    ck_assert_int_eq(rig_permit(&c, "10.0.0.1"), 403);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.8.8:5"), 0);
    ck_assert_int_eq(rig_bind(&c, 0x4001, "8.8.8.8:5"), 400);
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
    ck_assert_int_eq(rig_refresh(&c, 0), 437);
}
END_TEST

START_TEST(wrong_fingerprint_is_dropped)
{
    c.fingerprint = true;
    rig_begin(&c, SP_STUN_BINDING);

    size_t len = rig_end(&c);

    c.msg[len - 1] ^= 1;
    rig_msg(&c, c.msg, len);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->malformed, 1);
    c.msg[len - 1] ^= 1;
    rig_msg(&c, c.msg, len);
    ck_assert_int_eq(rig_code(&c), 0);
}
END_TEST

START_TEST(unknown_attributes_are_listed)
{
    struct sp_stun_msg m;
    struct sp_span v;

    ck_assert(rig_hello(&c));
    rig_allocate(&c);
    sp_stun_put(&c.b, 0x7001, sp_span_str(""));
    sp_stun_put(&c.b, 0x0003, sp_span_str("abcd")); /* CHANGE-REQUEST: not here */
    sp_stun_put(&c.b, 0x7001, sp_span_str("again"));
    sp_stun_put(&c.b, 0xC001, sp_span_str("need not be understood"));
    ck_assert_int_eq(rig_do(&c), 420);
    ck_assert(rig_answer(&c, &m));
    ck_assert(sp_stun_find(&m, SP_ATTR_UNKNOWN_ATTRIBUTES, &v));
    ck_assert(sp_span_eq(v, sp_span("\x70\x01\x00\x03", 4)));
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 0);
    /* Known, though it means nothing here. */
    rig_allocate(&c);
    sp_stun_put_u32(&c.b, SP_ATTR_CHANNEL_NUMBER, 0x40000000);
    sp_stun_put(&c.b, 0xC001, sp_span_str(""));
    ck_assert_int_eq(rig_do(&c), 0);
}
END_TEST

START_TEST(very_many_unknown_attributes)
{
    struct sp_stun_msg m;
    struct sp_span v;

    ck_assert(rig_hello(&c));
    rig_allocate(&c);
    for (uint16_t i = 0; i < 200; i++)
        sp_stun_put(&c.b, (uint16_t)(0x7000 + i), sp_span_str(""));
    c.mac = RIG_SHA256;
    ck_assert_int_eq(rig_do(&c), 420);
    ck_assert(rig_answer(&c, &m) && sp_stun_find(&m, SP_ATTR_UNKNOWN_ATTRIBUTES, &v));
    ck_assert_uint_eq(v.len, 2 * SP_TURN_UNKNOWN_MAX);
}
END_TEST

/* By UDP nobody who has not shown credentials gets an error that is longer than what he sent. */
START_TEST(no_amplification)
{
    size_t answered = 0;

    for (size_t n = 1; n < 40; n++) {
        rig_begin(&c, SP_STUN_BINDING);
        for (size_t i = 0; i < n; i++)
            sp_stun_put(&c.b, (uint16_t)(0x7000 + i), sp_span_str(""));

        size_t len = rig_end(&c);

        rig_msg(&c, c.msg, len);
        if (rig.n_out == 0)
            continue;
        ck_assert_int_eq(rig_code(&c), 420);
        ck_assert_uint_le(rig.out[0].len, len);
        answered++;
    }
    ck_assert_uint_gt(answered, 30);
    ck_assert_uint_eq(counters()->unanswered, 39 - answered);
    ck_assert_uint_gt(counters()->unanswered, 0);
    /* Not so on a stream: nobody invents its source. */
    rig_client_init(&c, &rig, SP_TURN_TCP, 5001);
    rig_begin(&c, SP_STUN_BINDING);
    sp_stun_put(&c.b, 0x7000, sp_span_str(""));
    ck_assert_int_eq(rig_do(&c), 420);
}
END_TEST

START_TEST(challenges_are_limited_by_prefix)
{
    struct rig_client d;
    unsigned n = 0, limited;

    for (uint16_t i = 0; i < 500; i++) {
        rig_client_init(&d, &rig, SP_TURN_UDP, i);
        d.path.remote.ip[3] = (uint8_t)i;
        rig_allocate(&d);
        n += rig_do(&d) == 401;
    }
    ck_assert_uint_eq(n, 100); /* the default a second */
    limited = (unsigned)counters()->challenges_limited;
    ck_assert_uint_eq(limited, 400);
    /* Others are not touched: another prefix, another transport, who has a nonce, Binding. */
    d.path.remote.ip[2]++;
    rig_allocate(&d);
    ck_assert_int_eq(rig_do(&d), 401);
    d.path.remote.ip[2]--;
    rig_begin(&d, SP_STUN_BINDING);
    ck_assert_int_eq(rig_do(&d), 0);
    rig_client_init(&d, &rig, SP_TURN_TCP, 1);
    ck_assert_int_eq(rig_make(&d), 0);
    ck_assert_uint_eq(counters()->challenges_limited, limited);
    rig_advance(&rig, 1);
    ck_assert_int_eq(rig_make(&c), 0);
}
END_TEST

START_TEST(garbage_is_counted)
{
    static const char *const garbage[] = {
        "",
        "\x80rtp",
        "\x00\x01\x00\x00",
        "\x00\x01\x00\x00\x21\x12\xa4\x42too short", /* an id has 12 bytes */
        "\x40\x00",
    };
    uint64_t was = 0;

    for (size_t i = 0; i < SP_ARRAY_LEN(garbage); i++) {
        size_t len = i == 2 ? 4 : i == 3 ? 17 : i == 4 ? 2 : strlen(garbage[i]);

        rig_msg(&c, garbage[i], len);
        ck_assert_uint_eq(rig.n_out, 0);
        ck_assert_uint_eq(counters()->malformed, ++was);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_request");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_first_request_gets_a_challenge);
    tcase_add_test(t, a_challenge_is_short);
    tcase_add_test(t, all_requests_but_binding_want_credentials);
    tcase_add_test(t, wrong_credentials);
    tcase_add_test(t, stale_nonce);
    tcase_add_test(t, a_nonce_of_another_client);
    tcase_add_test(t, a_stale_nonce_and_a_wrong_password);
    tcase_add_test(t, an_expired_rest_credential);
    tcase_add_test(t, incomplete_credentials);
    tcase_add_loop_test(t, answers_are_signed_alike, 0, 8);
    tcase_add_test(t, wrong_fingerprint_is_dropped);
    tcase_add_test(t, unknown_attributes_are_listed);
    tcase_add_test(t, very_many_unknown_attributes);
    tcase_add_test(t, no_amplification);
    tcase_add_test(t, challenges_are_limited_by_prefix);
    tcase_add_test(t, garbage_is_counted);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
