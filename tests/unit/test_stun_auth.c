/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/stun_auth.h"
#include "stun_vector.h"

static const uint8_t id[SP_STUN_ID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* ---- keys ---- */

START_TEST(keys_of_long_term_credentials)
{
    /* printf 'user:realm:pass' | md5sum; | sha256sum */
    static const char md5[] = "8493fbc53ba582fb4c044c456bdc40eb";
    static const char sha256[] = "07e934117abd40836e7c6329b54731b2b2d2a5f9a71f544922d75e0730d8251b";
    struct sp_span user = sp_span_str("user"), realm = sp_span_str("realm");
    struct sp_span pass = sp_span_str("pass");
    uint8_t want[SP_SHA256_LEN];
    struct sp_stun_key key;

    sp_stun_key_md5(user, realm, pass, &key);
    ck_assert_uint_eq(key.len, stun_vector_unhex(md5, want, sizeof(want)));
    ck_assert_mem_eq(key.bytes, want, key.len);
    sp_stun_key_sha256(user, realm, pass, &key);
    ck_assert_uint_eq(key.len, stun_vector_unhex(sha256, want, sizeof(want)));
    ck_assert_mem_eq(key.bytes, want, key.len);
}
END_TEST

/* ---- vectors ---- */

/* The key that protects a vector; `sha256` says for which of the two attributes. */
static void vector_key(const struct stun_vector *v, bool sha256, struct sp_stun_key *key)
{
    const char *user = stun_vector_field(v, "user"), *password = stun_vector_field(v, "password");

    ck_assert_msg(password != NULL, "%s", v->file);
    if (!user) {
        key->len = strlen(password);
        ck_assert_uint_le(key->len, sizeof(key->bytes));
        memcpy(key->bytes, password, key->len);
        return;
    }

    struct sp_span realm = sp_span_str(stun_vector_field(v, "realm"));

    if (sha256)
        sp_stun_key_sha256(sp_span_str(user), realm, sp_span_str(password), key);
    else
        sp_stun_key_md5(sp_span_str(user), realm, sp_span_str(password), key);
}

/* What the vector's attributes promise is right, and with another key it is not. */
static void vector_checks(const struct stun_vector *v)
{
    const char *attributes = stun_vector_field(v, "attributes");
    bool sha1 = strstr(attributes, "0008/") != NULL, sha256 = strstr(attributes, "001c/") != NULL;
    bool crc = strstr(attributes, "8028/") != NULL;
    struct sp_stun_key key;
    struct sp_span key_span;
    struct sp_stun_msg m;

    ck_assert(sha1 || sha256);
    vector_key(v, sha256, &key);
    key_span = sp_span(key.bytes, key.len);
    ck_assert_int_eq(sp_stun_parse(sp_span(v->msg, v->len), &m), 0);
    ck_assert_msg(sp_stun_check_integrity(&m, key_span) == (sha1 ? 0 : SP_ENOENT), "%s", v->file);
    ck_assert_msg(sp_stun_check_integrity_sha256(&m, key_span) == (sha256 ? 0 : SP_ENOENT), "%s",
                  v->file);
    ck_assert_msg(sp_stun_check_fingerprint(&m) == (crc ? 0 : SP_ENOENT), "%s", v->file);

    key.bytes[key.len - 1] ^= 1;
    ck_assert_int_eq(sp_stun_check_integrity(&m, key_span), sha1 ? SP_EAUTH : SP_ENOENT);
    ck_assert_int_eq(sp_stun_check_integrity_sha256(&m, key_span), sha256 ? SP_EAUTH : SP_ENOENT);
}

START_TEST(vectors_check)
{
    stun_vectors(vector_checks);
}
END_TEST

/* Built again by us, it comes out byte for byte, except for padding: ours is zero, but it is
 * covered too, and some of the vectors have spaces. */
static void vector_builds(const struct stun_vector *v)
{
    uint8_t got[sizeof(v->msg)];
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    struct sp_stun_attr a;
    struct sp_stun_key key;
    size_t pos = 0, len;

    ck_assert_int_eq(sp_stun_parse(sp_span(v->msg, v->len), &m), 0);
    sp_stun_begin(&b, got, sizeof(got), m.method, m.cls, m.id);
    while (sp_stun_next(&m, &pos, &a)) {
        size_t end = (size_t)(a.value.p - v->msg) + a.value.len;

        vector_key(v, a.type == SP_ATTR_MESSAGE_INTEGRITY_SHA256, &key);
        if (a.type == SP_ATTR_MESSAGE_INTEGRITY)
            sp_stun_put_integrity(&b, sp_span(key.bytes, key.len));
        else if (a.type == SP_ATTR_MESSAGE_INTEGRITY_SHA256)
            sp_stun_put_integrity_sha256(&b, sp_span(key.bytes, key.len));
        else if (a.type == SP_ATTR_FINGERPRINT)
            sp_stun_put_fingerprint(&b);
        else
            sp_stun_put(&b, a.type, a.value);
        ck_assert_uint_ge(b.len, end);
        memcpy(got + end, v->msg + end, b.len - end);
    }
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_uint_eq(len, v->len);
    ck_assert_msg(memcmp(got, v->msg, len) == 0, "%s", v->file);
}

START_TEST(vectors_build)
{
    stun_vectors(vector_builds);
}
END_TEST

static size_t end_of(const struct sp_stun_msg *m, uint16_t type)
{
    struct sp_span v;

    return sp_stun_find(m, type, &v) ? (size_t)(v.p + v.len - m->raw.p) : 0;
}

/*
 * Each bit turned over, one at a time: the fingerprint notices all of them; a MAC notices those up
 * to its own end, and isn't disturbed by those behind it.
 */
static void vector_tampered(const struct stun_vector *v)
{
    uint8_t msg[sizeof(v->msg)];
    struct sp_stun_msg m;
    struct sp_stun_key md5_key, sha_key;
    size_t mac_end, mac256_end, crc_end;

    vector_key(v, false, &md5_key);
    vector_key(v, true, &sha_key);
    memcpy(msg, v->msg, v->len);
    ck_assert_int_eq(sp_stun_parse(sp_span(msg, v->len), &m), 0);
    mac_end = end_of(&m, SP_ATTR_MESSAGE_INTEGRITY);
    mac256_end = end_of(&m, SP_ATTR_MESSAGE_INTEGRITY_SHA256);
    crc_end = end_of(&m, SP_ATTR_FINGERPRINT);

    for (size_t bit = 0; bit < 8 * v->len; bit++) {
        size_t at = bit / 8;

        msg[at] ^= (uint8_t)(1u << bit % 8);
        if (sp_stun_parse(sp_span(msg, v->len), &m) == 0) {
            int mac = sp_stun_check_integrity(&m, sp_span(md5_key.bytes, md5_key.len));
            int mac256 = sp_stun_check_integrity_sha256(&m, sp_span(sha_key.bytes, sha_key.len));

            ck_assert_msg((mac == 0) == (at >= mac_end && mac_end > 0), "%s: bit %zu", v->file,
                          bit);
            ck_assert_msg((mac256 == 0) == (at >= mac256_end && mac256_end > 0), "%s: bit %zu",
                          v->file, bit);
            ck_assert_msg(sp_stun_check_fingerprint(&m) != 0 || at >= crc_end, "%s: bit %zu",
                          v->file, bit);
        }
        msg[at] ^= (uint8_t)(1u << bit % 8);
    }
}

START_TEST(vectors_tampered)
{
    stun_vectors(vector_tampered);
}
END_TEST

/* ---- both ways ---- */

static int build_protected(uint8_t *p, size_t cap, struct sp_span key, size_t *len)
{
    struct sp_stun_builder b;

    sp_stun_begin(&b, p, cap, SP_TURN_ALLOCATE, SP_STUN_REQUEST, id);
    sp_stun_put(&b, SP_ATTR_USERNAME, sp_span_str("alice"));
    sp_stun_put_integrity(&b, key);
    sp_stun_put_integrity_sha256(&b, key);
    sp_stun_put_fingerprint(&b);
    return sp_stun_end(&b, len);
}

START_TEST(all_three)
{
    static const size_t key_lens[] = {0, 1, 16, 20, 32, 64, 65, 200};
    uint8_t p[256], key[200];
    struct sp_stun_msg m;
    size_t len;

    memset(key, 'k', sizeof(key));
    for (size_t i = 0; i < SP_ARRAY_LEN(key_lens); i++) {
        struct sp_span right = sp_span(key, key_lens[i]), wrong = sp_span_str("wrong");

        ck_assert_int_eq(build_protected(p, sizeof(p), right, &len), 0);
        ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
        ck_assert_int_eq(sp_stun_check_integrity(&m, right), 0);
        ck_assert_int_eq(sp_stun_check_integrity_sha256(&m, right), 0);
        ck_assert_int_eq(sp_stun_check_fingerprint(&m), 0);
        ck_assert_int_eq(sp_stun_check_integrity(&m, wrong), SP_EAUTH);
        ck_assert_int_eq(sp_stun_check_integrity_sha256(&m, wrong), SP_EAUTH);
    }
}
END_TEST

START_TEST(overflow_at_each_capacity)
{
    size_t want, len;
    uint8_t whole[256];

    ck_assert_int_eq(build_protected(whole, sizeof(whole), sp_span_str("key"), &want), 0);
    for (size_t cap = 0; cap <= want; cap++) {
        uint8_t *p = malloc(cap ? cap : 1);

        ck_assert_ptr_nonnull(p);
        ck_assert_int_eq(build_protected(p, cap, sp_span_str("key"), &len),
                         cap < want ? SP_ETOOBIG : 0);
        ck_assert(cap < want || memcmp(p, whole, want) == 0);
        free(p);
    }
}
END_TEST

START_TEST(absent)
{
    uint8_t p[64];
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    size_t len;

    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_REQUEST, id);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    ck_assert_int_eq(sp_stun_check_integrity(&m, sp_span_str("key")), SP_ENOENT);
    ck_assert_int_eq(sp_stun_check_integrity_sha256(&m, sp_span_str("key")), SP_ENOENT);
    ck_assert_int_eq(sp_stun_check_fingerprint(&m), SP_ENOENT);
}
END_TEST

/* Behind the MAC anyone could have added it; a MAC there protects nothing. */
START_TEST(macs_out_of_order_do_not_count)
{
    uint8_t p[256];
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    size_t len;

    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_REQUEST, id);
    sp_stun_put_integrity_sha256(&b, sp_span_str("key"));
    sp_stun_put_integrity(&b, sp_span_str("key"));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    ck_assert_int_eq(sp_stun_check_integrity_sha256(&m, sp_span_str("key")), 0);
    ck_assert_int_eq(sp_stun_check_integrity(&m, sp_span_str("key")), SP_ENOENT);

    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_REQUEST, id);
    sp_stun_put_fingerprint(&b);
    sp_stun_put_integrity(&b, sp_span_str("key"));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    ck_assert_int_eq(sp_stun_check_integrity(&m, sp_span_str("key")), SP_ENOENT);
    ck_assert_int_eq(sp_stun_check_fingerprint(&m), SP_EAUTH); /* it isn't the last */
}
END_TEST

/* A message of one protecting attribute of `n` bytes that are right as far as they go. What it
 * covers has a length without padding, so that an odd `n` is refused for being odd and for nothing
 * else. */
static struct sp_stun_msg with_mac_of(uint8_t *p, size_t cap, uint16_t type, size_t n)
{
    uint8_t mac[64] = {0};
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    struct sp_span part;
    uint8_t *value;
    size_t len;

    sp_stun_begin(&b, p, cap, SP_STUN_BINDING, SP_STUN_REQUEST, id);
    sp_stun_put(&b, SP_ATTR_USERNAME, sp_span_str("alice"));
    part = sp_span(p, b.len);
    value = sp_stun_put_space(&b, type, n);
    ck_assert_ptr_nonnull(value);
    sp_put_be16(p + 2, (uint16_t)(part.len + 4 + n - SP_STUN_HEADER_LEN));
    if (type == SP_ATTR_MESSAGE_INTEGRITY_SHA256)
        sp_hmac_sha256(sp_span_str("key"), &part, 1, mac);
    else if (type == SP_ATTR_MESSAGE_INTEGRITY)
        sp_hmac_sha1(sp_span_str("key"), &part, 1, mac);
    else
        sp_put_be32(mac, sp_crc32(&part, 1) ^ 0x5354554E);
    memcpy(value, mac, n);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    return m;
}

START_TEST(mac_of_each_length)
{
    uint8_t p[256];

    for (size_t n = 0; n <= 40; n++) {
        bool right = n >= 16 && n <= 32 && n % 4 == 0;
        struct sp_stun_msg m = with_mac_of(p, sizeof(p), SP_ATTR_MESSAGE_INTEGRITY_SHA256, n);

        ck_assert_msg(sp_stun_check_integrity_sha256(&m, sp_span_str("key")) ==
                          (right ? 0 : SP_EAUTH),
                      "%zu bytes of SHA-256", n);
        ck_assert_int_eq(sp_stun_check_integrity_sha256(&m, sp_span_str("kez")), SP_EAUTH);
        m = with_mac_of(p, sizeof(p), SP_ATTR_MESSAGE_INTEGRITY, n);
        ck_assert_msg(sp_stun_check_integrity(&m, sp_span_str("key")) == (n == 20 ? 0 : SP_EAUTH),
                      "%zu bytes of SHA-1", n);
        m = with_mac_of(p, sizeof(p), SP_ATTR_FINGERPRINT, n);
        ck_assert_msg(sp_stun_check_fingerprint(&m) == (n == 4 ? 0 : SP_EAUTH), "%zu bytes of CRC",
                      n);
    }
}
END_TEST

/* A truncated MAC is compared over what there is of it, each byte. */
START_TEST(truncated_mac_is_compared_whole)
{
    for (size_t n = 16; n <= 32; n += 4) {
        uint8_t p[256];
        struct sp_stun_msg m = with_mac_of(p, sizeof(p), SP_ATTR_MESSAGE_INTEGRITY_SHA256, n);

        for (size_t i = m.raw.len - n; i < m.raw.len; i++) {
            p[i] ^= 0x80;
            ck_assert_int_eq(sp_stun_check_integrity_sha256(&m, sp_span_str("key")), SP_EAUTH);
            p[i] ^= 0x80;
        }
        ck_assert_int_eq(sp_stun_check_integrity_sha256(&m, sp_span_str("key")), 0);
    }
}
END_TEST

/* Added on the way behind the MAC: seen by nobody, and the MAC still fits. */
START_TEST(addition_behind_the_mac)
{
    uint8_t p[256];
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    struct sp_span v;
    size_t len;

    sp_stun_begin(&b, p, sizeof(p), SP_TURN_REFRESH, SP_STUN_REQUEST, id);
    sp_stun_put_integrity(&b, sp_span_str("key"));
    sp_stun_put_u32(&b, SP_ATTR_LIFETIME, 0);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    ck_assert_int_eq(sp_stun_check_integrity(&m, sp_span_str("key")), 0);
    ck_assert(!sp_stun_find(&m, SP_ATTR_LIFETIME, &v));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stun_auth");
    TCase *tc = tcase_create("stun_auth");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, keys_of_long_term_credentials);
    tcase_add_test(tc, vectors_check);
    tcase_add_test(tc, vectors_build);
    tcase_add_test(tc, vectors_tampered);
    tcase_add_test(tc, all_three);
    tcase_add_test(tc, overflow_at_each_capacity);
    tcase_add_test(tc, absent);
    tcase_add_test(tc, macs_out_of_order_do_not_count);
    tcase_add_test(tc, mac_of_each_length);
    tcase_add_test(tc, truncated_mac_is_compared_whole);
    tcase_add_test(tc, addition_behind_the_mac);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
