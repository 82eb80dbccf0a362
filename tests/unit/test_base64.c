/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/base64.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"

static const struct vector {
    const char *bytes, *plain, *url;
} vectors[] = {
    {"", "", ""}, /* RFC 4648 section 10 */
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/", "-_-_"}, /* where the alphabets differ */
    {"\xff\xef", "/+8=", "_-8"},
};

static const char *text_of(const struct vector *v, enum sp_base64_kind kind)
{
    return kind == SP_BASE64 ? v->plain : v->url;
}

static int decode(enum sp_base64_kind kind, const char *text)
{
    uint8_t out[64];
    size_t len = 999;
    int err = sp_base64_decode(kind, sp_span_str(text), out, sizeof out, &len);
    ck_assert(err == 0 || len == 999);
    return err;
}

START_TEST(vectors_both_ways)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(vectors); i++) {
        for (enum sp_base64_kind kind = SP_BASE64; kind <= SP_BASE64URL; kind++) {
            struct sp_span bytes = sp_span_str(vectors[i].bytes);
            const char *text = text_of(&vectors[i], kind);
            char enc[SP_BASE64_ENC_MAX(8)];
            uint8_t dec[8];
            size_t len;

            ck_assert_uint_eq(sp_base64_enc_len(kind, bytes.len), strlen(text));
            ck_assert_int_eq(sp_base64_encode(kind, bytes, enc, sizeof enc), 0);
            ck_assert_str_eq(enc, text);
            ck_assert_int_eq(sp_base64_decode(kind, sp_span_str(text), dec, sizeof dec, &len), 0);
            ck_assert(sp_span_eq(sp_span(dec, len), bytes));
        }
    }
}
END_TEST

START_TEST(every_length_and_bound)
{
    for (size_t n = 0; n < 50; n++) {
        for (enum sp_base64_kind kind = SP_BASE64; kind <= SP_BASE64URL; kind++) {
            uint8_t bytes[50], dec[50];
            char enc[SP_BASE64_ENC_MAX(50)] = "untouched";
            size_t len = 999, enc_len = sp_base64_enc_len(kind, n);
            for (size_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)(i * 97 + n);

            ck_assert_uint_lt(enc_len, SP_BASE64_ENC_MAX(n));
            ck_assert_int_eq(sp_base64_encode(kind, sp_span(bytes, n), enc, enc_len), SP_ETOOBIG);
            ck_assert_str_eq(enc, "untouched");
            ck_assert_int_eq(sp_base64_encode(kind, sp_span(bytes, n), enc, enc_len + 1), 0);
            ck_assert_uint_eq(strlen(enc), enc_len);

            struct sp_span text = sp_span_str(enc);
            ck_assert_uint_le(n, SP_BASE64_DEC_MAX(text.len));
            if (n > 0)
                ck_assert_int_eq(sp_base64_decode(kind, text, dec, n - 1, &len), SP_ETOOBIG);
            ck_assert_uint_eq(len, 999);
            ck_assert_int_eq(sp_base64_decode(kind, text, dec, n, &len), 0);
            ck_assert(sp_span_eq(sp_span(dec, len), sp_span(bytes, n)));
        }
    }
}
END_TEST

START_TEST(one_spelling_only)
{
    static const char *const bad_in_both[] = {
        "A",    "AAAAA", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v====",
        "=",    "==",    "====",   "A===",  "Zg=",   "Zm9vZg=",
        "Zh==", "Zm9=",  "Zg=a",   "=Zm9",  "Zm9v=", "\xc3\xa4\xc3\xa4",
        "Zm9.", "Zm9@",  "Zm9[",   "Zm9`",  "Zm9{",
    };
    static const char *const bad_plain[] = {"-_-_", "Zg", "Zm8", "/-8=", "Zm9vYg"};
    static const char *const bad_url[] = {"+/+/", "Zg==", "Zm8=", "_+8", "Zh", "Zm9"};

    for (size_t i = 0; i < SP_ARRAY_LEN(bad_in_both); i++) {
        ck_assert_int_eq(decode(SP_BASE64, bad_in_both[i]), SP_EBADMSG);
        ck_assert_int_eq(decode(SP_BASE64URL, bad_in_both[i]), SP_EBADMSG);
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(bad_plain); i++)
        ck_assert_int_eq(decode(SP_BASE64, bad_plain[i]), SP_EBADMSG);
    for (size_t i = 0; i < SP_ARRAY_LEN(bad_url); i++)
        ck_assert_int_eq(decode(SP_BASE64URL, bad_url[i]), SP_EBADMSG);
}
END_TEST

START_TEST(each_byte_is_in_the_alphabet_or_not)
{
    for (enum sp_base64_kind kind = SP_BASE64; kind <= SP_BASE64URL; kind++) {
        unsigned good = 0;
        for (unsigned c = 0; c < 256; c++) {
            uint8_t text[4] = {'A', 'A', 'A', (uint8_t)c}, out[3];
            size_t len;
            good += sp_base64_decode(kind, sp_span(text, 4), out, 3, &len) == 0 && len == 3;
        }
        ck_assert_uint_eq(good, 64);
    }
}
END_TEST

START_TEST(decodes_in_place)
{
    uint8_t text[] = "Zm9vYmFy";
    size_t len;
    ck_assert_int_eq(sp_base64_decode(SP_BASE64, sp_span(text, 8), text, 8, &len), 0);
    ck_assert(sp_span_eq(sp_span(text, len), sp_span_str("foobar")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base64");
    TCase *tc = tcase_create("base64");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, vectors_both_ways);
    tcase_add_test(tc, every_length_and_bound);
    tcase_add_test(tc, one_spelling_only);
    tcase_add_test(tc, each_byte_is_in_the_alphabet_or_not);
    tcase_add_test(tc, decodes_in_place);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
