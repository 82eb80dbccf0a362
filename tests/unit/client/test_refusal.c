/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/error-crypt.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "refusal.h"
#include "sallyport/clock.h"
#include "tls_cert.h"

#define NOW_S 1700000000u /* Tue, 14 Nov 2023 22:13:20 GMT */

static void says(const struct sp_refusal *r, const char *part)
{
    char line[SP_REFUSAL_LINE_MAX];

    sp_refusal_explain(r, line);
    ck_assert_msg(strstr(line, part) != NULL, "\"%s\" is not in \"%s\"", part, line);
    ck_assert_ptr_null(strchr(line, '\n'));
}

static void says_not(const struct sp_refusal *r, const char *part)
{
    char line[SP_REFUSAL_LINE_MAX];

    sp_refusal_explain(r, line);
    ck_assert_msg(strstr(line, part) == NULL, "\"%s\" is in \"%s\"", part, line);
}

START_TEST(every_kind_says_something)
{
    for (int kind = 0; kind < SP_REFUSAL_KINDS; kind++) {
        struct sp_refusal r = {.kind = (enum sp_refusal_kind)kind, .why = "because"};
        char line[SP_REFUSAL_LINE_MAX] = "";
        sp_refusal_explain(&r, line);
        ck_assert_uint_gt(strlen(line), 5);
    }
}
END_TEST

START_TEST(an_expired_token)
{
    struct sp_refusal r = {.kind = SP_REFUSAL_ANSWER,
                           .status = 404,
                           .has_date = true,
                           .server_s = NOW_S,
                           .local_s = NOW_S + 1,
                           .token_known = true,
                           .token_expires_s = NOW_S - 3600};

    says(&r, "the token expired on Tue, 14 Nov 2023 21:13:20 GMT");
    says(&r, "the server's clock says Tue, 14 Nov 2023 22:13:20 GMT");
    says_not(&r, "this host's clock is");

    r.token_expires_s = NOW_S + 3600; /* by the server's clock it has not */
    r.local_s = NOW_S + 7200;
    says(&r, "ordinary web site (status 404)");
    says(&r, "this host's clock is 7200 s ahead of the server's");

    r.token_expires_s = NOW_S - 1;
    r.local_s = NOW_S - 7200;
    says(&r, "the token expired");
    says(&r, "7200 s behind");

    r.has_date = false; /* our own clock is all there is */
    r.token_expires_s = NOW_S - 7200;
    says(&r, "this host's clock says");
}
END_TEST

START_TEST(a_web_site)
{
    struct sp_refusal r = {.kind = SP_REFUSAL_ANSWER,
                           .status = 404,
                           .local_s = NOW_S,
                           .token_known = true,
                           .token_expires_s = NOW_S + 1};

    says(&r,
         "answers like an ordinary web site (status 404): wrong path, or the token was refused");
    ck_assert(sp_refusal_is_denial(&r));
    says_not(&r, "does not look like one of ours");
    r.token_known = false;
    says(&r, "does not look like one of ours");
    r.status = 0;
    snprintf(r.why, sizeof r.why, "bad bytes");
    says(&r, "does not speak HTTP: bad bytes");
    ck_assert(sp_refusal_is_denial(&r));
    ck_assert(sp_refusal_met_somebody(&r));
}
END_TEST

START_TEST(not_now_is_no_denial)
{
    static const unsigned later[] = {408, 429, 500, 502, 503, 504},
                          never[] = {101, 200, 401, 403, 404};

    for (size_t i = 0; i < SP_ARRAY_LEN(later); i++) {
        struct sp_refusal r = {.kind = SP_REFUSAL_ANSWER, .status = later[i]};
        says(&r, "not able just now (status");
        ck_assert(!sp_refusal_is_denial(&r));
        ck_assert(sp_refusal_met_somebody(&r));
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(never); i++) {
        struct sp_refusal r = {.kind = SP_REFUSAL_ANSWER, .status = never[i]};
        ck_assert(sp_refusal_is_denial(&r));
    }
}
END_TEST

START_TEST(tls_and_certificates)
{
    struct sp_refusal r = {.kind = SP_REFUSAL_TLS, .why = "the certificate of CN=x is not trusted"};

    says(&r, "CN=x");
    says(&r, "--ca");
    ck_assert_int_eq(sp_refusal_cert(&r), SP_REFUSAL_CERT_SIGNER);
    snprintf(r.why, sizeof r.why, "connection reset by peer");
    says_not(&r, "--ca");
    ck_assert_int_eq(sp_refusal_cert(&r), SP_REFUSAL_CERT_FINE);
    ck_assert(!sp_refusal_is_denial(&r));
}
END_TEST

/* Another CA would be of no help. */
START_TEST(certificates_of_another_time_or_name)
{
    static const struct {
        int wolf_err;
        enum sp_refusal_cert what;
        const char *says[3];
    } cases[] = {
        {ASN_AFTER_DATE_E,
         SP_REFUSAL_CERT_DATE,
         {"expired on 2021-01-01", "needs a new one", "Tue, 14 Nov 2023 22:13:20 GMT"}},
        {ASN_BEFORE_DATE_E,
         SP_REFUSAL_CERT_DATE,
         {"not valid before 2020-01-01", "needs a new one", "clock (Tue, 14 Nov 2023 22:13:20"}},
        {0, SP_REFUSAL_CERT_NAME, {"not for edge.test", "--server", "log-in page"}},
    };
    const struct sp_tls_cert cert = {
        .names = "a.test", .issuer = "Some CA", .from = "2020-01-01", .until = "2021-01-01"};

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_refusal r = {.kind = SP_REFUSAL_TLS, .local_s = NOW_S};
        sp_tls_cert_explain(&cert, "edge.test", cases[i].wolf_err, r.why);
        ck_assert_int_eq(sp_refusal_cert(&r), cases[i].what);
        for (size_t k = 0; k < SP_ARRAY_LEN(cases[i].says); k++)
            says(&r, cases[i].says[k]);
        says_not(&r, "--ca");
    }
}
END_TEST

START_TEST(proxies)
{
    struct sp_refusal r = {.kind = SP_REFUSAL_PROXY, .proxy = "proxy:3128", .why = "it left"};

    says(&r, "the proxy proxy:3128 does not answer as one: it left");
    r.proxy_answer.status = 407;
    says(&r, "--proxy http://user:password@host:port");
    snprintf(r.proxy_answer.offer, sizeof r.proxy_answer.offer, "Negotiate, NTLM");
    says(&r, "by Negotiate, NTLM; only Basic");
    snprintf(r.proxy_answer.offer, sizeof r.proxy_answer.offer, "NTLM, Basic");
    says_not(&r, "only Basic");
    r.proxy_answer.status = 403;
    says(&r, "refused to connect (status 403)");
    r.kind = SP_REFUSAL_CONNECT;
    says(&r, "cannot connect to the proxy proxy:3128: it left");
    ck_assert(!sp_refusal_is_denial(&r));
}
END_TEST

START_TEST(once_a_minute_for_each_kind)
{
    struct sp_refusal_gate g = {0};
    uint64_t t = SP_SEC(1);

    ck_assert(sp_refusal_gate_take(&g, SP_REFUSAL_NAME, t));
    ck_assert(!sp_refusal_gate_take(&g, SP_REFUSAL_NAME, t));
    ck_assert(sp_refusal_gate_take(&g, SP_REFUSAL_TLS, t));
    ck_assert(!sp_refusal_gate_take(&g, SP_REFUSAL_NAME, t + SP_SEC(60) - 1));
    ck_assert(sp_refusal_gate_take(&g, SP_REFUSAL_NAME, t + SP_SEC(60)));
    ck_assert(!sp_refusal_gate_take(&g, SP_REFUSAL_NAME, t + SP_SEC(61)));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("refusal");
    TCase *tc = tcase_create("refusal");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, every_kind_says_something);
    tcase_add_test(tc, an_expired_token);
    tcase_add_test(tc, a_web_site);
    tcase_add_test(tc, not_now_is_no_denial);
    tcase_add_test(tc, tls_and_certificates);
    tcase_add_test(tc, certificates_of_another_time_or_name);
    tcase_add_test(tc, proxies);
    tcase_add_test(tc, once_a_minute_for_each_kind);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
