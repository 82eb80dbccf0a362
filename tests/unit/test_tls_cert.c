/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_cert.h"

#include <check.h>
#include <unistd.h>

#include "sallyport/err.h"
#include "tls_pair.h"

static void expect_refused(struct tls_pair *p, const char *host, const char *const *words)
{
    int c, s;

    tls_pair_meet(p, host);
    tls_pair_shake(p, SIZE_MAX, &c, &s);
    ck_assert_int_eq(c, SP_ETLS);
    for (size_t i = 0; words[i] != NULL; i++)
        ck_assert_msg(strstr(sp_tls_why(p->client), words[i]) != NULL, "\"%s\" lacks \"%s\"",
                      sp_tls_why(p->client), words[i]);
    ck_assert_ptr_null(strchr(sp_tls_why(p->client), '\n'));
    ck_assert_int_eq(sp_tls_handshake(p->client), SP_ETLS);
    /* The server hears of it, in 1.3 after it is done with its own part. */
    struct sp_buf got;
    sp_buf_init(&got, 1000);
    if (s == 0)
        s = sp_tls_read(p->server, &got);
    ck_assert_int_eq(s, SP_ETLS);
    ck_assert_msg(strstr(sp_tls_why(p->server), "the other side refused") != NULL, "%s",
                  sp_tls_why(p->server));
    sp_buf_fini(&got);
    tls_pair_part(p);
}

static void expect_accepted(struct tls_pair *p, const char *host)
{
    tls_pair_meet(p, host);
    tls_pair_must_shake(p);
    tls_pair_part(p);
}

START_TEST(names)
{
    struct tls_files_spec spec = {.names = "a.test,*.wild.test,192.0.2.7,2001:db8::7"};
    struct tls_pair p;

    tls_pair_open(&p, &spec, NULL);
    expect_accepted(&p, "a.test");
    expect_accepted(&p, "A.TEST");
    expect_accepted(&p, "x.wild.test");
    expect_accepted(&p, "192.0.2.7");
    expect_accepted(&p, "2001:db8::7");
    expect_accepted(&p, "2001:0db8:0:0:0:0:0:7");
    expect_refused(&p, "b.test",
                   (const char *const[]){"certificate is for a.test, *.wild.test, 192.0.2.7",
                                         "not for b.test", "signed by", "sallyport test CA", NULL});
    expect_refused(&p, "wild.test", (const char *const[]){"not for wild.test", NULL});
    expect_refused(&p, "x.y.wild.test", (const char *const[]){"not for x.y.wild.test", NULL});
    expect_refused(&p, "192.0.2.8", (const char *const[]){"not for 192.0.2.8", NULL});
    expect_refused(&p, "2001:db8::8", (const char *const[]){"not for 2001:db8::8", NULL});
    tls_pair_close(&p);
}
END_TEST

START_TEST(common_name_is_not_enough)
{
    struct tls_files_spec spec = {.no_names = true};
    struct tls_pair p;

    tls_pair_open(&p, &spec, NULL);
    expect_refused(&p, "edge.test",
                   (const char *const[]){"not for edge.test", "CN=edge.test", NULL});
    tls_pair_close(&p);
}
END_TEST

START_TEST(expired)
{
    struct tls_files_spec spec = {.expired = true};
    struct tls_pair p;

    tls_pair_open(&p, &spec, NULL);
    expect_refused(&p, "edge.test",
                   (const char *const[]){"certificate for edge.test expired on 2021-01-01",
                                         "sallyport test CA", NULL});
    tls_pair_close(&p);
}
END_TEST

/* As seen behind a box that opens TLS: the right name, signed by somebody else. */
START_TEST(signed_by_a_stranger)
{
    struct tls_files_spec spec = {.ca_name = "Corp TLS Inspection CA"};
    char why[SP_TLS_ERROR_MAX];
    struct tls_pair p;
    struct tls_files ours;

    tls_pair_open(&p, &spec, NULL);
    tls_files_make(&ours, NULL);
    sp_tls_ctx_unref(p.client_ctx);
    ck_assert_int_eq(sp_tls_ctx_client(ours.ca, NULL, &p.client_ctx, why), 0);
    expect_refused(&p, "edge.test",
                   (const char *const[]){"certificate for edge.test is signed by",
                                         "CN=Corp TLS Inspection CA", "unknown here", NULL});
    tls_files_remove(&ours);
    tls_pair_close(&p);
}
END_TEST

/* A CA's own certificate, served as it is: by name it may be right, but nobody vouches for it. */
START_TEST(system_store_refuses_test_ca)
{
    char why[SP_TLS_ERROR_MAX];
    struct tls_pair p;

    tls_pair_open(&p, NULL, NULL);
    sp_tls_ctx_unref(p.client_ctx);
    p.client_ctx = NULL;
    int err = sp_tls_ctx_client(NULL, NULL, &p.client_ctx, why);
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0) {
        ck_assert_msg(err == 0, "%s", why);
        expect_refused(&p, "edge.test", (const char *const[]){"sallyport test CA", NULL});
    } else {
        ck_assert(err == 0 || strstr(why, "ca-certificates.crt") != NULL);
    }
    tls_pair_close(&p);
}
END_TEST

START_TEST(name_matching)
{
    static const struct {
        const char *pattern, *host;
        bool match;
    } cases[] = {
        {"a.test", "a.test", true},
        {"a.test", "A.Test", true},
        {"a.test", "a.test.", true},
        {"a.test", "b.test", false},
        {"a.test", "aa.test", false},
        {"a.test", "a.tes", false},
        {"*.a.test", "x.a.test", true},
        {"*.a.test", "a.test", false},
        {"*.a.test", ".a.test", false},
        {"*.a.test", "x.y.a.test", false},
        {"*.test", "a.test", false},
        {"*", "a", false},
        {"x*.a.test", "xy.a.test", false},
        {"a.*.test", "a.b.test", false},
        {"", "", false},
        {"*.", "a.", false},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        ck_assert_msg(sp_tls_cert_name_matches(sp_span_str(cases[i].pattern), cases[i].host) ==
                          cases[i].match,
                      "%s %s", cases[i].pattern, cases[i].host);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls_cert");
    TCase *tc = tcase_create("tls_cert");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, names);
    tcase_add_test(tc, common_name_is_not_enough);
    tcase_add_test(tc, expired);
    tcase_add_test(tc, signed_by_a_stranger);
    tcase_add_test(tc, system_store_refuses_test_ca);
    tcase_add_test(tc, name_matching);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
