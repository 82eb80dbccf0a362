/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/tls_ctx.h"

#include <check.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sallyport/err.h"
#include "tls_pair.h"

static void expect_server_error(const char *cert, const char *key, const char *file,
                                const char *words)
{
    struct sp_tls_ctx *c = NULL;
    char why[SP_TLS_ERROR_MAX] = "";

    ck_assert_int_eq(sp_tls_ctx_server(cert, key, NULL, &c, why), SP_EINVAL);
    ck_assert_ptr_null(c);
    ck_assert_msg(strstr(why, file) != NULL && strstr(why, words) != NULL, "\"%s\" lacks \"%s\"",
                  why, words);
}

static const char *const encrypted[] = {
    "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,CFFD00F2CDBC0FF0245D140C73E2E7A2\n\n"
    "ZioKSXjExMsoqd8XKTtgWkoPKXseCBjsRZjIQXiRgup3y1pn1p16G2SA0yx2b6Lw\n"
    "Jul/388SFNITE9DQwzhDqRC1EQw948lF7x8z8o2k1oF5WmIDGJTiP3yIb4CzLkwr\n"
    "VI8ru2BnUHLPFzlayCkktzX2QwU8BLVkBP++uerRwAc=\n-----END EC PRIVATE KEY-----\n",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhelZ8kjCDHNAICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEGf1EfQaS9tQKS46UJ+5kt8EgZB8\n"
    "qfPRUDxbFYbGYBzPf0bzygB9bBBmPdppAgEXjJBs48TQrV/eLTX+G7CTBBN7z/CH\n"
    "YepGi0CixRMrFNlIrJDX0ibsPK7/5O98GGpkcYJkZdC82S1UNsO5gsPNLYZ/DTbI\n"
    "uMtXqIZYA+ANpGZQhB/1pmBvSLgNkUMQLC2IJ9w8Zk2L6FZ4nkcoELw9Lympw/k=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n",
};

START_TEST(bad_files)
{
    struct tls_files a, b;
    char path[40], why[SP_TLS_ERROR_MAX];
    struct sp_tls_ctx *c;

    tls_files_make(&a, NULL);
    tls_files_make(&b, NULL);
    expect_server_error("/nonexistent.pem", a.key, "/nonexistent.pem", "No such file");
    expect_server_error(a.cert, "/nonexistent.pem", "/nonexistent.pem", "No such file");
    expect_server_error(a.cert, "/tmp", "/tmp", "cannot read");
    expect_server_error(a.key, a.key, a.key, "holds no certificate");
    expect_server_error(a.cert, a.cert, a.cert, "holds no private key");
    expect_server_error(a.cert, "/dev/null", "/dev/null", "holds no private key");
    expect_server_error(a.cert, b.key, b.key, "does not belong to the certificate");

    /* Both ways to say that a password is needed. */
    for (size_t i = 0; i < SP_ARRAY_LEN(encrypted); i++) {
        int fd = memfd_create("key", 0);
        ck_assert_int_ge(fd, 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ck_assert_int_eq(write(fd, encrypted[i], strlen(encrypted[i])), (int)strlen(encrypted[i]));
        expect_server_error(a.cert, path, path, "is encrypted");
        close(fd);
    }

    ck_assert_int_eq(sp_tls_ctx_client(a.key, NULL, &c, why), SP_EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "holds no CA certificate"));
    ck_assert_int_eq(sp_tls_ctx_client("/nonexistent.pem", NULL, &c, why), SP_EINVAL);
    tls_files_remove(&a);
    tls_files_remove(&b);
}
END_TEST

START_TEST(old_ca)
{
    struct tls_files_spec spec = {.ca_expired = true};
    char why[SP_TLS_ERROR_MAX] = "";
    struct sp_tls_ctx *c = NULL;
    struct tls_files old;

    tls_files_make(&old, &spec);
    ck_assert_int_eq(sp_tls_ctx_client(old.ca, NULL, &c, why), SP_EINVAL);
    ck_assert_msg(strstr(why, old.ca) != NULL && strstr(why, "has expired") != NULL, "%s", why);
    tls_files_remove(&old);
}
END_TEST

START_TEST(context_outlived)
{
    struct tls_pair p;

    tls_pair_open(&p, NULL, NULL);
    tls_pair_meet(&p, "edge.test");
    sp_tls_ctx_unref(p.server_ctx);
    sp_tls_ctx_unref(p.client_ctx);
    p.server_ctx = p.client_ctx = NULL;
    tls_pair_must_shake(&p);
    tls_pair_send(p.client, p.server, 100, SIZE_MAX);
    tls_pair_close(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls_ctx");
    TCase *tc = tcase_create("tls_ctx");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, bad_files);
    tcase_add_test(tc, old_ca);
    tcase_add_test(tc, context_outlived);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
