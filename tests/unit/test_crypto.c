/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/crypto.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/alloc_fail.h"

/* A key or a text: as it stands, or one byte (or a count upwards) repeated. */
struct input {
    const char *text;
    unsigned byte, step, times;
};

static struct sp_span bytes_of(const struct input *in, uint8_t buf[static 256])
{
    if (in->text != NULL)
        return sp_span_str(in->text);
    for (unsigned i = 0; i < in->times; i++)
        buf[i] = (uint8_t)(in->byte + i * in->step);
    return sp_span(buf, in->times);
}

#define TEXT(s)     \
    {               \
        .text = (s) \
    }
#define REPEAT(b, n)              \
    {                             \
        .byte = (b), .times = (n) \
    }
#define COUNT(from, n)                          \
    {                                           \
        .byte = (from), .step = 1, .times = (n) \
    }
#define LARGE_KEY  "Test Using Larger Than Block-Size Key"
#define HASH_FIRST " - Hash Key First"

static void check_hex(const uint8_t *got, size_t len, const char *want)
{
    char hex[2 * 256 + 1];
    ck_assert_uint_le(len, 256);
    for (size_t i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", got[i]);
    hex[strlen(want)] = '\0'; /* RFC 4231 gives one result in part */
    ck_assert_str_eq(hex, want);
}

/* The same bytes in one span, or as three with an empty one between. */
struct pieces {
    struct sp_span parts[4];
};

static struct pieces cut(struct sp_span s, size_t at)
{
    size_t rest = (s.len - at) / 2;
    struct pieces p = {{sp_span(s.p, at), sp_span(NULL, 0), sp_span(s.p + at, rest),
                        sp_span(s.p + at + rest, s.len - at - rest)}};
    return p;
}

START_TEST(md5_rfc1321)
{
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"1234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "0",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_span text = sp_span_str(cases[i].text);
        uint8_t out[SP_MD5_LEN];
        for (size_t at = 0; at <= text.len; at++) {
            struct pieces p = cut(text, at);
            sp_md5(p.parts, 4, out);
            check_hex(out, sizeof out, cases[i].digest);
        }
    }
}
END_TEST

START_TEST(sha256_fips180)
{
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_span text = sp_span_str(cases[i].text);
        uint8_t out[SP_SHA256_LEN];
        for (size_t at = 0; at <= text.len; at++) {
            struct pieces p = cut(text, at);
            sp_sha256(p.parts, 4, out);
            check_hex(out, sizeof out, cases[i].digest);
        }
    }
}
END_TEST

struct hmac_case {
    struct input key, text;
    const char *digest;
};

typedef void hmac_fn(struct sp_span key, const struct sp_span *parts, size_t n, uint8_t *out);

static void check_hmac(hmac_fn *fn, const struct hmac_case *cases, size_t n, size_t len)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t key[256], text[256], out[SP_SHA256_LEN];
        struct sp_span k = bytes_of(&cases[i].key, key), t = bytes_of(&cases[i].text, text);
        for (size_t at = 0; at <= t.len; at++) {
            struct pieces p = cut(t, at);
            fn(k, p.parts, 4, out);
            check_hex(out, len, cases[i].digest);
        }
    }
}

static void sha1_fn(struct sp_span key, const struct sp_span *parts, size_t n, uint8_t *out)
{
    sp_hmac_sha1(key, parts, n, out);
}

static void sha256_fn(struct sp_span key, const struct sp_span *parts, size_t n, uint8_t *out)
{
    sp_hmac_sha256(key, parts, n, out);
}

START_TEST(hmac_sha1_rfc2202)
{
    static const struct hmac_case cases[] = {
        {REPEAT(0x0b, 20), TEXT("Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00"},
        {TEXT("Jefe"), TEXT("what do ya want for nothing?"),
         "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {REPEAT(0xaa, 20), REPEAT(0xdd, 50), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
        {COUNT(1, 25), REPEAT(0xcd, 50), "4c9007f4026250c6bc8414f9bf50c86c2d7235da"},
        {REPEAT(0x0c, 20), TEXT("Test With Truncation"),
         "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
        {REPEAT(0xaa, 80), TEXT(LARGE_KEY HASH_FIRST), "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
        {REPEAT(0xaa, 80), TEXT(LARGE_KEY " and Larger Than One Block-Size Data"),
         "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
    };
    check_hmac(sha1_fn, cases, SP_ARRAY_LEN(cases), SP_SHA1_LEN);
}
END_TEST

START_TEST(hmac_sha256_rfc4231)
{
    static const struct hmac_case cases[] = {
        {REPEAT(0x0b, 20), TEXT("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {TEXT("Jefe"), TEXT("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {REPEAT(0xaa, 20), REPEAT(0xdd, 50),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {COUNT(1, 25), REPEAT(0xcd, 50),
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {REPEAT(0x0c, 20), TEXT("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b"},
        {REPEAT(0xaa, 131), TEXT(LARGE_KEY HASH_FIRST),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {REPEAT(0xaa, 131),
         TEXT("This is a test using a larger than block-size key and a larger than block-size data."
              " The key needs to be hashed before being used by the HMAC algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
        {TEXT(""), TEXT(""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
    };
    check_hmac(sha256_fn, cases, SP_ARRAY_LEN(cases), SP_SHA256_LEN);
}
END_TEST

START_TEST(hkdf_without_salt)
{
    uint8_t ikm[256], out[100];
    struct input rfc5869_3 = REPEAT(0x0b, 22), counted = COUNT(0, 80);
    sp_hkdf_sha256(bytes_of(&rfc5869_3, ikm), "", out, 42);
    check_hex(
        out, 42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");

    /* These two by another implementation. */
    sp_hkdf_sha256(sp_span_str("north of the wall"), "sallyport token v1", out, 32);
    check_hex(out, 32, "c79eb615aa4340d0dfb3f35957d0732772be9235e562ca4c04f565dd8689ec1c");
    sp_hkdf_sha256(bytes_of(&counted, ikm), "sallyport test", out, 100);
    check_hex(
        out, 100,
        "ccf7f969ad0896c7c5e701e59a9761353dcb94234372fca7e83a84f0897e2f4ed645b5bca4ac6808c61ecd"
        "fa891aa74378b4231775ef2361692664bd8ab98d0a926131e11c352c218004aa17d910337fa40542bdae8f"
        "129036f15030f3ca2560e40f2896");
}
END_TEST

START_TEST(hkdf_of_the_greatest_length)
{
    static uint8_t out[255 * SP_SHA256_LEN + 1];
    uint8_t digest[SP_SHA256_LEN];
    out[sizeof out - 1] = 0xaa;
    sp_hkdf_sha256(sp_span_str("k"), "long", out, sizeof out - 1);
    ck_assert_uint_eq(out[sizeof out - 1], 0xaa);
    sp_sha256(&(struct sp_span){out, sizeof out - 1}, 1, digest);
    check_hex(digest, sizeof digest,
              "dd7b99c64d037519b806a66fb5ecfe60117e940bbb7f2a4b5dc171e59b3ed9dd");
}
END_TEST

START_TEST(crc32_values)
{
    struct sp_span check = sp_span_str("123456789");
    for (size_t at = 0; at <= check.len; at++) {
        struct pieces p = cut(check, at);
        ck_assert_uint_eq(sp_crc32(p.parts, 4), 0xcbf43926);
    }
    ck_assert_uint_eq(sp_crc32(NULL, 0), 0);
    ck_assert_uint_eq(sp_crc32(&(struct sp_span){(const uint8_t *)"a", 1}, 1), 0xe8b7be43);
}
END_TEST

START_TEST(crc32_of_each_byte)
{
    for (unsigned byte = 0; byte < 256; byte++) { /* bit by bit, by the definition */
        uint8_t b = (uint8_t)byte;
        uint32_t crc = UINT32_MAX ^ byte;
        for (int i = 0; i < 8; i++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        ck_assert_uint_eq(sp_crc32(&(struct sp_span){&b, 1}, 1), ~crc);
    }
}
END_TEST

START_TEST(equal)
{
    uint8_t a[64], b[64];
    memset(a, 0x5a, sizeof a);
    memset(b, 0x5a, sizeof b);
    ck_assert(sp_crypto_equal(sp_span(a, 64), sp_span(b, 64)));
    ck_assert(sp_crypto_equal(sp_span(NULL, 0), sp_span(b, 0)));
    ck_assert(!sp_crypto_equal(sp_span(a, 63), sp_span(b, 64)));
    for (size_t i = 0; i < 64; i++) {
        for (int bit = 0; bit < 8; bit++) {
            b[i] ^= (uint8_t)(1 << bit);
            ck_assert(!sp_crypto_equal(sp_span(a, 64), sp_span(b, 64)));
            b[i] ^= (uint8_t)(1 << bit);
        }
    }
}
END_TEST

START_TEST(wipe)
{
    char secret[16] = "keep this quiet";
    sp_crypto_wipe(secret, 9);
    ck_assert_mem_eq(secret, "\0\0\0\0\0\0\0\0\0 quiet", 16);
    sp_crypto_wipe(NULL, 0);
}
END_TEST

START_TEST(no_allocation_for_a_message)
{
    struct sp_span part = sp_span_str("a datagram");
    uint8_t out[SP_SHA256_LEN];
    alloc_fail_at(1);
    unsigned long before = alloc_fail_count();
    sp_md5(&part, 1, out);
    sp_sha256(&part, 1, out);
    sp_hmac_sha1(part, &part, 1, out);
    sp_hmac_sha256(part, &part, 1, out);
    sp_crc32(&part, 1);
    unsigned long asked = alloc_fail_count() - before;
    alloc_fail_disarm();
    ck_assert_uint_eq(asked, 0);
}
END_TEST

START_TEST(describe)
{
    const char *text = sp_crypto_describe(), *comma = strchr(text, ',');
    unsigned major, minor, patch;
    ck_assert_int_eq(sscanf(text, "wolfSSL %u.%u.%u", &major, &minor, &patch), 3);
    ck_assert_ptr_nonnull(comma);
    ck_assert(strcmp(comma, ", AES in hardware") == 0 || strcmp(comma, ", AES in software") == 0);
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("aes"))
        ck_assert_str_eq(comma, ", AES in software");
#endif
    ck_assert_str_eq(text, sp_crypto_describe());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crypto");
    TCase *tc = tcase_create("crypto");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, md5_rfc1321);
    tcase_add_test(tc, sha256_fips180);
    tcase_add_test(tc, hmac_sha1_rfc2202);
    tcase_add_test(tc, hmac_sha256_rfc4231);
    tcase_add_test(tc, hkdf_without_salt);
    tcase_add_test(tc, hkdf_of_the_greatest_length);
    tcase_add_test(tc, crc32_values);
    tcase_add_test(tc, crc32_of_each_byte);
    tcase_add_test(tc, equal);
    tcase_add_test(tc, wipe);
    tcase_add_test(tc, no_allocation_for_a_message);
    tcase_add_test(tc, describe);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
