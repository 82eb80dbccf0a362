/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "sallyport/base64.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/token.h"

#define NORTH sp_span_str("north")
#define SOUTH sp_span_str("south")

/* Made by another implementation (Python's hmac and hashlib). */
static const char vector[] =
    "v1.eyJraWQiOiI4MzRjZmE1NCIsInN1YiI6ImFsaWNlIiwic2NvcGUiOiJ0dW5uZWwiLCJleHAiOjIwMDAwMDAwMDAsIm"
    "d3Ijoib2ZmaWNlIn0.tLm1EviVChG_sYePtP5FxSlZkTLWggroAVEsL4LjhVs";

static struct sp_claims alice(void)
{
    return (struct sp_claims){
        .subject = "alice", .scope = "tunnel", .gateway = "office", .expires_s = 2000000000};
}

static int verify(const char *token, uint64_t now_s, struct sp_claims *c)
{
    struct sp_span secrets[] = {SOUTH, NORTH};
    size_t len = strlen(token);
    char *copy = malloc(len ? len : 1); /* ends where the token ends */
    int err;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, token, len);
    err = sp_token_verify(sp_span(copy, len), secrets, 2, now_s, c);
    free(copy);
    return err;
}

/* A token with any claims at all, rightly signed. */
static void forge(const char *json, char out[static SP_TOKEN_MAX + 100])
{
    uint8_t key[SP_SHA256_LEN], mac[SP_SHA256_LEN];
    struct sp_span text;
    size_t len;

    memcpy(out, "v1.", 3);
    ck_assert_int_eq(sp_base64_encode(SP_BASE64URL, sp_span_str(json), out + 3, SP_TOKEN_MAX), 0);
    len = strlen(out);
    text = sp_span(out, len);
    sp_hkdf_sha256(NORTH, "sallyport token v1", key, sizeof(key));
    sp_hmac_sha256(sp_span(key, sizeof(key)), &text, 1, mac);
    out[len++] = '.';
    ck_assert_int_eq(sp_base64_encode(SP_BASE64URL, sp_span(mac, sizeof(mac)), out + len, 90), 0);
}

START_TEST(known_token)
{
    struct sp_claims c = alice();
    char text[SP_TOKEN_MAX + 1];

    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), 0);
    ck_assert_str_eq(text, vector);
    memset(&c, 0, sizeof(c));
    ck_assert_int_eq(verify(vector, 1999999999, &c), 0);
    ck_assert_str_eq(c.key_id, "834cfa54");
    ck_assert_str_eq(c.subject, "alice");
    ck_assert_str_eq(c.scope, "tunnel");
    ck_assert_str_eq(c.gateway, "office");
    ck_assert_uint_eq(c.expires_s, 2000000000);
}
END_TEST

START_TEST(expiry)
{
    struct sp_claims c = {.expires_s = 0};

    ck_assert_int_eq(verify(vector, 2000000000, &c), SP_EEXPIRED);
    ck_assert_str_eq(c.subject, "alice");
    memset(&c, 0, sizeof(c));
    ck_assert_int_eq(sp_token_peek(sp_span_str(vector), &c), 0);
    ck_assert_uint_eq(c.expires_s, 2000000000);
    ck_assert_str_eq(c.gateway, "office");
}
END_TEST

START_TEST(secrets)
{
    struct sp_span others[] = {SOUTH, sp_span_str("nort"), sp_span_str("north1")};
    struct sp_claims c = {.subject = "untouched"};

    ck_assert_int_eq(sp_token_verify(sp_span_str(vector), others, 3, 0, &c), SP_EAUTH);
    ck_assert_int_eq(sp_token_verify(sp_span_str(vector), others, 0, 0, &c), SP_EAUTH);
    ck_assert_str_eq(c.subject, "untouched");
    /* the TURN REST key of the same secret doesn't make tokens */
    ck_assert_int_eq(verify(vector, 0, &c), 0);
}
END_TEST

/* No single changed character passes, and no cut one. */
START_TEST(every_character_counts)
{
    struct sp_claims c = {.subject = "untouched"};
    char text[sizeof(vector)];
    size_t len = strlen(vector);

    for (size_t i = 0; i < len; i++) {
        int err;

        memcpy(text, vector, sizeof(vector));
        text[i] = text[i] == 'A' ? 'B' : 'A';
        err = verify(text, 0, &c);
        ck_assert_msg(err == SP_EAUTH || err == SP_EBADMSG, "%zu: %d", i, err);
        memcpy(text, vector, sizeof(vector));
        text[i] = '\0';
        err = verify(text, 0, &c);
        ck_assert_msg(err == SP_EAUTH || err == SP_EBADMSG, "cut at %zu: %d", i, err);
    }
    ck_assert_str_eq(c.subject, "untouched");
}
END_TEST

START_TEST(not_a_token)
{
    static const char *const bad[] = {
        "", "v", "v1", "v1.", "v1..", "v1.e30", "v2.e30.AAAA", "e30.AAAA", "v1.e30.AAAA", "v1.e30.",
        /* right length of the MAC, but more follows; or another alphabet, or padded */
        "v1.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.x",
        "v1.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+",
        "v1.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        " v1.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    char big[SP_TOKEN_MAX + 2];
    struct sp_claims c;

    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        ck_assert_msg(verify(bad[i], 0, &c) == SP_EBADMSG, "%s", bad[i]);
        ck_assert_msg(sp_token_peek(sp_span_str(bad[i]), &c) == SP_EBADMSG, "%s", bad[i]);
    }
    ck_assert_int_eq(sp_token_peek(sp_span(NULL, 0), &c), SP_EBADMSG);
    memset(big, 'A', sizeof(big));
    memcpy(big, "v1.", 3);
    memcpy(big + sizeof(big) - 45, strrchr(vector, '.'), 45);
    ck_assert_int_eq(verify(big, 0, &c), SP_EBADMSG); /* SP_TOKEN_MAX + 1 */
    memmove(big + 3, big + 4, sizeof(big) - 4);
    ck_assert_int_eq(verify(big, 0, &c), SP_EAUTH);
}
END_TEST

START_TEST(claims_refused)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "\"v\"",
        "{\"sub\":\"a\",\"scope\":\"t\"}",
        "{\"sub\":\"a\",\"exp\":5}",
        "{\"scope\":\"t\",\"exp\":5}",
        "{\"sub\":\"\",\"scope\":\"t\",\"exp\":5}",
        "{\"sub\":1,\"scope\":\"t\",\"exp\":5}",
        "{\"sub\":null,\"scope\":\"t\",\"exp\":5}",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":5.0}",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":\"5\"}",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":-5}",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":99999999999999999999}",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":5,\"gw\":7}",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":5,\"kid\":\"123456789\"}",
        "{\"sub\":\"a\",\"sub\":\"b\",\"scope\":\"t\",\"exp\":5}",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":5,\"exp\":6}",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":5,\"x\":{\"y\":1,\"y\":2}}",
        "{\"sub\":\"a\\u0000b\",\"scope\":\"t\",\"exp\":5}",
        "{\"sub\":\"a\\nb\",\"scope\":\"t\",\"exp\":5}",
        "{\"sub\":\"a\x7f\",\"scope\":\"t\",\"exp\":5}",
        "{\"sub\":\"\xff\",\"scope\":\"t\",\"exp\":5}",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":5} x",
        "{\"sub\":\"a\",\"scope\":\"t\",\"exp\":5",
    };
    char text[SP_TOKEN_MAX + 100], json[SP_TOKEN_MAX];
    struct sp_claims c = {.subject = "untouched"};

    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        forge(bad[i], text);
        ck_assert_msg(verify(text, 0, &c) == SP_EBADMSG, "%s", bad[i]);
        ck_assert_msg(sp_token_peek(sp_span_str(text), &c) == SP_EBADMSG, "%s", bad[i]);
    }
    snprintf(json, sizeof(json), "{\"sub\":\"%0*d\",\"scope\":\"t\",\"exp\":5}",
             SP_TOKEN_NAME_MAX + 1, 7);
    forge(json, text);
    ck_assert_int_eq(verify(text, 0, &c), SP_EBADMSG);
    /* as deep as it can be */
    memset(json, '[', 700);
    json[700] = '\0';
    forge(json, text);
    ck_assert_int_eq(verify(text, 0, &c), SP_EBADMSG);
    ck_assert_str_eq(c.subject, "untouched");
}
END_TEST

START_TEST(claims_accepted)
{
    char text[SP_TOKEN_MAX + 100];
    struct sp_claims c;

    /* unknown keys are for later versions; who needs no gateway name leaves it out */
    forge("{\"new\":[1,{\"sub\":2}],\"sub\":\"\xc3\xa4\\\"\",\"scope\":\"t\",\"exp\":5}", text);
    ck_assert_int_eq(verify(text, 4, &c), 0);
    ck_assert_str_eq(c.subject, "\xc3\xa4\"");
    ck_assert_str_eq(c.gateway, "");
    ck_assert_str_eq(c.key_id, "");
}
END_TEST

START_TEST(sign_bounds)
{
    struct sp_claims c = alice(), back;
    char text[SP_TOKEN_MAX + 1], small[sizeof(vector)];

    strcpy(text, "untouched");
    c.subject[0] = '\0';
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    c = alice();
    c.scope[0] = '\0';
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    c = alice();
    c.gateway[0] = '\n';
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    c = alice();
    c.subject[0] = '\xff';
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    c = alice();
    c.gateway[0] = '\xff';
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    c = alice();
    c.expires_s = UINT64_MAX;
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    /* each quotation mark takes two bytes of JSON */
    c = alice();
    memset(c.subject, '"', SP_TOKEN_NAME_MAX);
    memset(c.scope, '"', SP_TOKEN_NAME_MAX);
    memset(c.gateway, '"', SP_TOKEN_NAME_MAX);
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_ETOOBIG);
    c = alice();
    ck_assert_int_eq(sp_token_sign(NORTH, &c, small, sizeof(small) - 1), SP_ETOOBIG);
    ck_assert_int_eq(sp_token_sign(NORTH, &c, small, 0), SP_ETOOBIG);
    ck_assert_str_eq(text, "untouched");
    ck_assert_int_eq(sp_token_sign(NORTH, &c, small, sizeof(small)), 0);
    /* the longest plain names fit */
    memset(c.subject, 's', SP_TOKEN_NAME_MAX);
    memset(c.scope, 't', SP_TOKEN_NAME_MAX);
    memset(c.gateway, 'g', SP_TOKEN_NAME_MAX);
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), 0);
    ck_assert_int_eq(verify(text, 0, &back), 0);
    ck_assert_str_eq(back.gateway, c.gateway);
}
END_TEST

static struct sp_claims ticket(unsigned end)
{
    struct sp_claims c = {.subject = "app",
                          .scope = SP_TOKEN_SCOPE_END,
                          .session = "0000c0ffee",
                          .expires_s = 2000000000};
    c.end = end;
    return c;
}

START_TEST(tickets)
{
    char text[SP_TOKEN_MAX + 1];
    struct sp_claims back;

    for (unsigned end = 0; end < 2; end++) {
        struct sp_claims c = ticket(end);
        ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), 0);
        ck_assert_int_eq(verify(text, 0, &back), 0);
        ck_assert_str_eq(back.scope, SP_TOKEN_SCOPE_END);
        ck_assert_str_eq(back.session, "0000c0ffee");
        ck_assert_uint_eq(back.end, end);
        ck_assert_str_eq(back.gateway, "");
    }
    struct sp_claims named = ticket(1);
    strcpy(named.gateway, "office");
    ck_assert_int_eq(sp_token_sign(NORTH, &named, text, sizeof(text)), 0);
    ck_assert_int_eq(verify(text, 0, &back), 0);
    ck_assert_str_eq(back.gateway, "office");
}
END_TEST

/* A ticket that names no end would be one for all; a tunnel's token that names one, a ticket. */
START_TEST(tickets_name_their_end)
{
    static const char *const bad[] = {
        "{\"sub\":\"a\",\"scope\":\"end\",\"exp\":5}",
        "{\"sub\":\"a\",\"scope\":\"end\",\"exp\":5,\"end\":1}",
        "{\"sub\":\"a\",\"scope\":\"end\",\"exp\":5,\"sid\":\"\"}",
        "{\"sub\":\"a\",\"scope\":\"end\",\"exp\":5,\"sid\":7}",
        "{\"sub\":\"a\",\"scope\":\"end\",\"exp\":5,\"sid\":\"x\",\"end\":2}",
        "{\"sub\":\"a\",\"scope\":\"end\",\"exp\":5,\"sid\":\"x\",\"end\":-1}",
        "{\"sub\":\"a\",\"scope\":\"end\",\"exp\":5,\"sid\":\"x\",\"end\":\"1\"}",
        "{\"sub\":\"a\",\"scope\":\"end\",\"exp\":5,\"sid\":\"x\\n\"}",
        "{\"sub\":\"a\",\"scope\":\"tunnel\",\"exp\":5,\"sid\":\"x\"}",
        "{\"sub\":\"a\",\"scope\":\"tunnel\",\"exp\":5,\"end\":1}",
        "{\"sub\":\"a\",\"scope\":\"session\",\"exp\":5,\"sid\":\"x\",\"end\":1}",
    };
    char text[SP_TOKEN_MAX + 100];
    struct sp_claims c = {.subject = "untouched"};

    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        forge(bad[i], text);
        ck_assert_msg(verify(text, 0, &c) == SP_EBADMSG, "%s", bad[i]);
    }
    ck_assert_str_eq(c.subject, "untouched");
    c = ticket(2);
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    c = ticket(0);
    c.session[0] = '\0';
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    c = ticket(0);
    c.session[0] = '\n';
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    c = ticket(0);
    strcpy(c.scope, SP_TOKEN_SCOPE_SESSION);
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
    c = alice();
    c.end = 1;
    ck_assert_int_eq(sp_token_sign(NORTH, &c, text, sizeof(text)), SP_EINVAL);
}
END_TEST

START_TEST(rest)
{
    char name[SP_REST_USERNAME_MAX + 1], password[SP_REST_PASSWORD_LEN + 1];
    char user[SP_REST_USERNAME_MAX];

    ck_assert_int_eq(sp_rest_username(1433895918, "alice", name), 0);
    ck_assert_str_eq(name, "1433895918:alice");
    sp_rest_password(NORTH, sp_span_str(name), password);
    ck_assert_str_eq(password, "RqMvcGPYTJMGThVLSi4amT4zFtI="); /* Python's, too */
    ck_assert_int_eq(sp_rest_username(1433895918, "", name), 0);
    ck_assert_str_eq(name, "1433895918");

    memset(user, 'u', sizeof(user));
    user[SP_REST_USERNAME_MAX - 11] = '\0'; /* with "1433895918:" it just fits */
    ck_assert_int_eq(sp_rest_username(1433895918, user, name), 0);
    ck_assert_uint_eq(strlen(name), SP_REST_USERNAME_MAX);
    ck_assert_int_eq(sp_rest_username(14338959180, user, name), SP_ETOOBIG);
}
END_TEST

START_TEST(rest_expiry)
{
    static const char *const bad[] = {
        "", ":", ":5", "alice", "5x:alice", "-5:a", "+5", " 5", "18446744073709551616", "5 :a"};
    uint64_t t = 77;

    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        ck_assert_msg(sp_rest_expiry(sp_span_str(bad[i]), &t) == SP_EBADMSG, "%s", bad[i]);
    ck_assert_uint_eq(t, 77);
    ck_assert_int_eq(sp_rest_expiry(sp_span_str("1433895918:alice:x"), &t), 0);
    ck_assert_uint_eq(t, 1433895918);
    ck_assert_int_eq(sp_rest_expiry(sp_span_str("18446744073709551615"), &t), 0);
    ck_assert_uint_eq(t, UINT64_MAX);
    ck_assert_int_eq(sp_rest_expiry(sp_span_str("0:"), &t), 0);
    ck_assert_uint_eq(t, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token");
    TCase *tc = tcase_create("token");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, known_token);
    tcase_add_test(tc, expiry);
    tcase_add_test(tc, secrets);
    tcase_add_test(tc, every_character_counts);
    tcase_add_test(tc, not_a_token);
    tcase_add_test(tc, claims_refused);
    tcase_add_test(tc, claims_accepted);
    tcase_add_test(tc, sign_bounds);
    tcase_add_test(tc, tickets);
    tcase_add_test(tc, tickets_name_their_end);
    tcase_add_test(tc, rest);
    tcase_add_test(tc, rest_expiry);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
