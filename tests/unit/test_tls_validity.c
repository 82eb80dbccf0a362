/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/tls_validity.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sallyport/err.h"
#include "tls_files.h"

#define YEAR_2020_S UINT64_C(1577836800)
#define YEAR_2021_S UINT64_C(1609459200)

static void expect_nothing(const char *path)
{
    struct sp_tls_validity v = {.from_s = 1, .until_s = 1, .from = "x", .until = "x"};

    ck_assert_int_eq(sp_tls_validity_read(path, &v), SP_EINVAL);
    ck_assert_uint_eq(v.from_s + v.until_s, 0);
    ck_assert_str_eq(v.from, "");
    ck_assert_str_eq(v.until, "");
}

START_TEST(good_now)
{
    struct sp_tls_validity v;
    struct tls_files f;
    uint64_t now_s = (uint64_t)time(NULL);

    tls_files_make(&f, NULL);
    ck_assert_int_eq(sp_tls_validity_read(f.cert, &v), 0);
    ck_assert_uint_le(v.from_s, now_s);
    ck_assert_uint_ge(v.until_s, now_s + UINT64_C(28) * 24 * 3600);
    ck_assert_uint_le(v.until_s, now_s + UINT64_C(32) * 24 * 3600);
    tls_files_remove(&f);
}
END_TEST

START_TEST(expired)
{
    struct tls_files_spec spec = {.expired = true};
    struct sp_tls_validity v;
    struct tls_files f;

    tls_files_make(&f, &spec);
    ck_assert_int_eq(sp_tls_validity_read(f.cert, &v), 0);
    ck_assert_uint_eq(v.from_s, YEAR_2020_S);
    ck_assert_uint_eq(v.until_s, YEAR_2021_S);
    ck_assert_str_eq(v.from, "2020-01-01");
    ck_assert_str_eq(v.until, "2021-01-01");
    tls_files_remove(&f);
}
END_TEST

static void append(const char *to, const char *from)
{
    char text[8192];
    FILE *in = fopen(from, "r"), *out = fopen(to, "a");

    ck_assert(in != NULL && out != NULL);
    size_t n = fread(text, 1, sizeof text, in);
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_eq(fwrite(text, 1, n, out), n);
    fclose(in);
    fclose(out);
}

/* As tools write chains: words, the server's own, the CA's. */
START_TEST(first_of_a_chain)
{
    struct tls_files_spec spec = {.expired = true};
    struct sp_tls_validity v;
    struct tls_files f;
    char chain[120];

    tls_files_make(&f, &spec);
    snprintf(chain, sizeof chain, "%s/chain.pem", f.dir);
    FILE *out = fopen(chain, "w");
    ck_assert_ptr_nonnull(out);
    fputs("Certificate:\n    Data:\n        Version: 3 (0x2)\n", out);
    fclose(out);
    append(chain, f.cert);
    append(chain, f.ca);
    ck_assert_int_eq(sp_tls_validity_read(chain, &v), 0);
    ck_assert_str_eq(v.until, "2021-01-01");
    tls_files_remove(&f);
}
END_TEST

START_TEST(no_certificate)
{
    struct tls_files f;

    tls_files_make(&f, NULL);
    expect_nothing(f.key);
    expect_nothing("/dev/null");
    expect_nothing("/nonexistent.pem");
    expect_nothing(f.dir);
    tls_files_remove(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls_validity");
    TCase *tc = tcase_create("tls_validity");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, good_now);
    tcase_add_test(tc, expired);
    tcase_add_test(tc, first_of_a_chain);
    tcase_add_test(tc, no_certificate);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
