/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_auth.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "sallyport/token.h"
#include "turn_nonce.h"

#define UNIX  UINT64_C(1700000000)
#define REALM "example.org"
#define NONCE "of another module"

static struct sp_rng_seeded rng;
static struct sp_turn_auth *auth;
static struct sp_turn_auth_result result;

static const char *const users[] = {"alice:wonder", "bob:build:er"};
static const char *const secrets[] = {"north", "south", "a third, and longer secret"};

static void set_secrets(size_t n)
{
    struct sp_span s[3];

    for (size_t i = 0; i < n; i++)
        s[i] = sp_span_str(secrets[i]);
    ck_assert_int_eq(sp_turn_auth_set_secrets(auth, s, n), 0);
}

static void setup(void)
{
    sp_rng_seeded_init(&rng, 9);
    ck_assert_int_eq(sp_turn_auth_new(REALM, &rng.rng, &auth), 0);
    ck_assert_int_eq(sp_turn_auth_set_users(auth, users, 2), 0);
    set_secrets(3);
}

static void teardown(void)
{
    sp_turn_auth_free(auth);
}

/* What a request says; NULL or 0 leaves it out. */
struct request {
    const char *user, *password, *realm;
    bool userhash, no_nonce, no_mac;
    bool sha256_key, sha256_mac, both_macs;
    const char *list; /* PASSWORD-ALGORITHMS: 4 bytes each */
    size_t list_len;
    const char *choice; /* PASSWORD-ALGORITHM: 4 bytes */
    bool alter;         /* a bit, after it was signed */
};

static const struct request alice = {.user = "alice", .password = "wonder", .realm = REALM};

static void put_names(struct sp_stun_builder *b, const struct request *q)
{
    if (q->user != NULL && q->userhash) {
        struct sp_span parts[] = {sp_span_str(q->user), sp_span_str(":"), sp_span_str(REALM)};
        uint8_t hash[SP_SHA256_LEN];

        sp_sha256(parts, 3, hash);
        sp_stun_put(b, SP_ATTR_USERHASH, sp_span(hash, sizeof hash));
    } else if (q->user != NULL) {
        sp_stun_put(b, SP_ATTR_USERNAME, sp_span_str(q->user));
    }
    if (q->realm != NULL)
        sp_stun_put(b, SP_ATTR_REALM, sp_span_str(q->realm));
    if (!q->no_nonce)
        sp_stun_put(b, SP_ATTR_NONCE, sp_span_str(NONCE));
    if (q->list != NULL)
        sp_stun_put(b, SP_ATTR_PASSWORD_ALGORITHMS, sp_span(q->list, q->list_len));
    if (q->choice != NULL)
        sp_stun_put(b, SP_ATTR_PASSWORD_ALGORITHM, sp_span(q->choice, 4));
}

static int check_at(const struct request *q, uint64_t unix_s)
{
    static uint8_t msg[2048];
    struct sp_stun_builder b;
    struct sp_stun_key key;
    struct sp_stun_msg m;
    size_t len;

    sp_stun_begin(&b, msg, sizeof msg, SP_TURN_ALLOCATE, SP_STUN_REQUEST,
                  (const uint8_t *)"twelve bytes");
    put_names(&b, q);
    (q->sha256_key ? sp_stun_key_sha256
                   : sp_stun_key_md5)(sp_span_str(q->user ? q->user : ""), sp_span_str(REALM),
                                      sp_span_str(q->password ? q->password : ""), &key);
    if (!q->no_mac && (!q->sha256_mac || q->both_macs))
        sp_stun_put_integrity(&b, sp_span(key.bytes, key.len));
    if (!q->no_mac && q->sha256_mac)
        sp_stun_put_integrity_sha256(&b, sp_span(key.bytes, key.len));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    if (q->alter)
        msg[8] ^= 1;
    ck_assert_int_eq(sp_stun_parse(sp_span(msg, len), &m), 0);
    memset(&result, 0, sizeof result);

    int code = sp_turn_auth_check(auth, &m, unix_s, &result);

    if (code == 0) {
        ck_assert_int_eq(result.sha256, q->sha256_mac);
        ck_assert_uint_eq(result.key.len, key.len);
        ck_assert_mem_eq(result.key.bytes, key.bytes, key.len);
        ck_assert(sp_span_eq(result.username, sp_span_str(q->user)));
        ck_assert(sp_span_eq(result.nonce, sp_span_str(NONCE)));
    }
    return code;
}

static int check(const struct request *q)
{
    return check_at(q, UNIX);
}

static int check_rest(const char *secret, uint64_t expires_s, const char *user, uint64_t unix_s)
{
    char name[SP_REST_USERNAME_MAX + 1], password[SP_REST_PASSWORD_LEN + 1];
    struct request q = {.user = name, .password = password, .realm = REALM};

    ck_assert_int_eq(sp_rest_username(expires_s, user, name), 0);
    sp_rest_password(sp_span_str(secret), sp_span_str(name), password);
    return check_at(&q, unix_s);
}

/* --- static users ------------------------------------------------------------------------- */

START_TEST(static_users)
{
    ck_assert_int_eq(check(&alice), 0);
    ck_assert(sp_span_eq(result.account, sp_span_str("alice")));

    struct request q = alice;

    q.password = "wonde";
    ck_assert_int_eq(check(&q), 401);
    q = (struct request){.user = "bob", .password = "build:er", .realm = REALM};
    ck_assert_int_eq(check(&q), 0);
    q.user = "alice";
    ck_assert_int_eq(check(&q), 401);
    q.user = "carol";
    ck_assert_int_eq(check(&q), 401);
}
END_TEST

START_TEST(what_is_missing)
{
    struct request q = alice;

    q.no_mac = true;
    ck_assert_int_eq(check(&q), 401); /* the first request has nothing */
    q = alice;
    q.user = NULL;
    ck_assert_int_eq(check(&q), 400);
    q = alice;
    q.realm = NULL;
    ck_assert_int_eq(check(&q), 400);
    q = alice;
    q.no_nonce = true;
    ck_assert_int_eq(check(&q), 400);
    q = alice;
    q.user = "";
    ck_assert_int_eq(check(&q), 400);
}
END_TEST

START_TEST(what_is_wrong)
{
    struct request q = alice;

    q.alter = true;
    ck_assert_int_eq(check(&q), 401);
    q = alice;
    q.realm = "example.com";
    ck_assert_int_eq(check(&q), 401);
}
END_TEST

START_TEST(a_long_username)
{
    static char name[SP_TURN_USERNAME_MAX + 2];
    struct request q = {.user = name, .password = "p", .realm = REALM};

    memset(name, 'n', SP_TURN_USERNAME_MAX);
    ck_assert_int_eq(check(&q), 401);
    name[SP_TURN_USERNAME_MAX] = 'n';
    ck_assert_int_eq(check(&q), 400);
}
END_TEST

START_TEST(sha256)
{
    struct request q = alice;

    q.sha256_mac = true; /* with the key of MD5 */
    ck_assert_int_eq(check(&q), 0);
    q.sha256_key = true; /* nobody said so */
    ck_assert_int_eq(check(&q), 401);
    q.choice = "\0\2\0\0";
    ck_assert_int_eq(check(&q), 0);
    ck_assert_uint_eq(result.key.len, 32);
    q.list = "\0\2\0\0\0\1\0\0";
    q.list_len = 8;
    ck_assert_int_eq(check(&q), 0);
    q.alter = true;
    ck_assert_int_eq(check(&q), 401);
    q.alter = false;
    q.both_macs = true;
    ck_assert_int_eq(check(&q), 0);
}
END_TEST

/* Someone on the way who has shortened the list is found out by its echo. */
START_TEST(bid_down)
{
    struct request q = alice;

    q.choice = "\0\1\0\0";
    q.list = "\0\2\0\0\0\1\0\0";
    q.list_len = 8;
    ck_assert_int_eq(check(&q), 0);
    q.list = "\0\1\0\0";
    q.list_len = 4;
    ck_assert_int_eq(check(&q), 400);
    q.list_len = 0;
    ck_assert_int_eq(check(&q), 400);
    q.list = "\0\1\0\0\0\2\0\0";
    q.list_len = 8;
    ck_assert_int_eq(check(&q), 400);
    q.list = "\0\2\0\0\0\1\0\0";
    q.choice = NULL;
    ck_assert_int_eq(check(&q), 400);
    q.choice = "\0\3\0\0"; /* of which nobody has heard */
    ck_assert_int_eq(check(&q), 400);
    q.choice = "\0\1\0\4"; /* parameters that MD5 doesn't have */
    ck_assert_int_eq(check(&q), 400);
    ck_assert(sp_span_eq(sp_turn_auth_algorithms(), sp_span("\0\2\0\0\0\1\0\0", 8)));
}
END_TEST

START_TEST(userhash)
{
    struct request q = alice;

    q.userhash = true;
    ck_assert_int_eq(check(&q), 0); /* the name comes back: see check_at */
    q.user = "carol";
    ck_assert_int_eq(check(&q), 401);
}
END_TEST

START_TEST(features)
{
    ck_assert_uint_eq(sp_turn_auth_features(auth), SP_STUN_FEATURE_PASSWORD_ALGORITHMS);
    set_secrets(0); /* all names are known: they may be hidden */
    ck_assert_uint_eq(sp_turn_auth_features(auth),
                      SP_STUN_FEATURE_PASSWORD_ALGORITHMS | SP_STUN_FEATURE_USERNAME_ANONYMITY);
}
END_TEST

/* --- REST credentials --------------------------------------------------------------------- */

START_TEST(any_of_the_secrets)
{
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(check_rest(secrets[i], UNIX + 60, "carol", UNIX), 0);
        ck_assert(sp_span_eq(result.account, sp_span_str("carol")));
    }
    ck_assert_int_eq(check_rest("east", UNIX + 60, "carol", UNIX), 401);
    set_secrets(1);
    ck_assert_int_eq(check_rest(secrets[0], UNIX + 60, "carol", UNIX), 0);
    ck_assert_int_eq(check_rest(secrets[1], UNIX + 60, "carol", UNIX), 401);
    set_secrets(0);
    ck_assert_int_eq(check_rest(secrets[0], UNIX + 60, "carol", UNIX), 401);
}
END_TEST

START_TEST(expiry)
{
    ck_assert_int_eq(check_rest(secrets[0], UNIX + 1, "carol", UNIX), 0);
    ck_assert_int_eq(check_rest(secrets[0], UNIX, "carol", UNIX), 401);
    ck_assert_int_eq(check_rest(secrets[0], UNIX - 1000, "carol", UNIX), 401);
    ck_assert_int_eq(check_rest(secrets[0], UNIX - 1000, "carol", 0), 0); /* doesn't count */
    ck_assert_int_eq(check_rest("east", UNIX - 1000, "carol", 0), 401);
}
END_TEST

START_TEST(names_without_a_user)
{
    ck_assert_int_eq(check_rest(secrets[0], UNIX + 60, "", UNIX), 0);
    ck_assert(sp_span_eq(result.account, result.username));

    char name[64], password[SP_REST_PASSWORD_LEN + 1];
    struct request q = {.user = name, .password = password, .realm = REALM};

    snprintf(name, sizeof name, "%llu:", (unsigned long long)UNIX + 60);
    sp_rest_password(sp_span_str(secrets[0]), sp_span_str(name), password);
    ck_assert_int_eq(check(&q), 0);
    ck_assert(sp_span_eq(result.account, result.username));
    snprintf(name, sizeof name, "carol"); /* the right password for a name that never expires */
    sp_rest_password(sp_span_str(secrets[0]), sp_span_str(name), password);
    ck_assert_int_eq(check(&q), 401);
    snprintf(name, sizeof name, "%llu:a:b", (unsigned long long)UNIX + 60);
    sp_rest_password(sp_span_str(secrets[0]), sp_span_str(name), password);
    ck_assert_int_eq(check(&q), 0);
    ck_assert(sp_span_eq(result.account, sp_span_str("a:b")));
}
END_TEST

START_TEST(rest_with_sha256)
{
    char name[SP_REST_USERNAME_MAX + 1], password[SP_REST_PASSWORD_LEN + 1];
    struct request q = {
        .user = name,
        .password = password,
        .realm = REALM,
        .sha256_key = true,
        .sha256_mac = true,
        .choice = "\0\2\0\0",
    };

    ck_assert_int_eq(sp_rest_username(UNIX + 60, "carol", name), 0);
    sp_rest_password(sp_span_str(secrets[2]), sp_span_str(name), password);
    ck_assert_int_eq(check(&q), 0);
}
END_TEST

/* --- settings ----------------------------------------------------------------------------- */

START_TEST(realms)
{
    struct sp_turn_auth *a = NULL;
    char realm[SP_TURN_REALM_MAX + 2] = {0};

    memset(realm, 'r', SP_TURN_REALM_MAX + 1);
    ck_assert_int_eq(sp_turn_auth_new(realm, &rng.rng, &a), SP_ETOOBIG);
    ck_assert_int_eq(sp_turn_auth_new("", &rng.rng, &a), SP_EINVAL);
    ck_assert_ptr_null(a);
    realm[SP_TURN_REALM_MAX] = '\0';
    ck_assert_int_eq(sp_turn_auth_new(realm, &rng.rng, &a), 0);
    ck_assert_str_eq(sp_turn_auth_realm(a), realm);
    sp_turn_auth_free(a);
}
END_TEST

START_TEST(bad_users_change_nothing)
{
    static const struct {
        const char *users[2];
        int err;
    } bad[] = {
        {{"carol:x", "carol"}, SP_EINVAL},   {{"carol:x", ":x"}, SP_EINVAL},
        {{"carol:x", "dave:"}, SP_EINVAL},   {{"carol:x", ""}, SP_EINVAL},
        {{"carol:x", "carol:y"}, SP_EEXIST},
    };
    struct request q = {.user = "carol", .password = "x", .realm = REALM};

    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        ck_assert_int_eq(sp_turn_auth_set_users(auth, bad[i].users, 2), bad[i].err);
    ck_assert_int_eq(check(&alice), 0);
    ck_assert_int_eq(check(&q), 401);

    static char name[SP_TURN_USERNAME_MAX + 4];
    const char *const long_name[] = {name};

    memset(name, 'n', SP_TURN_USERNAME_MAX + 1);
    memcpy(name + SP_TURN_USERNAME_MAX + 1, ":p", 3);
    ck_assert_int_eq(sp_turn_auth_set_users(auth, long_name, 1), SP_ETOOBIG);
    ck_assert_int_eq(sp_turn_auth_set_users(auth, &bad[0].users[0], 1), 0);
    ck_assert_int_eq(check(&alice), 401);
    ck_assert_int_eq(check(&q), 0);

    struct sp_span none = sp_span_str("");

    ck_assert_int_eq(sp_turn_auth_set_secrets(auth, &none, 1), SP_EINVAL);
    ck_assert_int_eq(check_rest(secrets[0], UNIX + 60, "carol", UNIX), 0);
}
END_TEST

START_TEST(no_memory)
{
    static const char *const others[] = {"carol:x", "dave:y"};
    struct sp_span other[] = {sp_span_str("east"), sp_span_str("west")};
    struct sp_turn_auth *a = NULL;
    unsigned k;

    alloc_fail_at(1);
    int err = sp_turn_auth_new(REALM, &rng.rng, &a);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    for (k = 1;; k++) {
        alloc_fail_at(k);
        err = sp_turn_auth_set_users(auth, others, 2);
        if (!alloc_fail_disarm())
            break;
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_int_eq(check(&alice), 0);
    }
    ck_assert_uint_gt(k, 2);
    ck_assert_int_eq(check(&alice), 401);
    for (k = 1;; k++) {
        alloc_fail_at(k);
        err = sp_turn_auth_set_secrets(auth, other, 2);
        if (!alloc_fail_disarm())
            break;
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_int_eq(check_rest(secrets[0], UNIX + 60, "carol", UNIX), 0);
    }
    ck_assert_uint_gt(k, 2);
    ck_assert_int_eq(check_rest("west", UNIX + 60, "carol", UNIX), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_auth");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, static_users);
    tcase_add_test(t, what_is_missing);
    tcase_add_test(t, what_is_wrong);
    tcase_add_test(t, a_long_username);
    tcase_add_test(t, sha256);
    tcase_add_test(t, bid_down);
    tcase_add_test(t, userhash);
    tcase_add_test(t, features);
    tcase_add_test(t, any_of_the_secrets);
    tcase_add_test(t, expiry);
    tcase_add_test(t, names_without_a_user);
    tcase_add_test(t, rest_with_sha256);
    tcase_add_test(t, realms);
    tcase_add_test(t, bad_users_change_nothing);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
