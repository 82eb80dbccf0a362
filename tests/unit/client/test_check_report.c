/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which rows the facts of a check become, wherever it ended; as text and as JSON.
 */
#include "check_report.h"

#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"

static struct sp_check_part part;
static struct sp_dial_trace trace;
static struct sp_refusal refusal;
static struct sp_proxy proxy;
static struct sp_server_url server;

static void setup(void)
{
    const char *why;

    part = (struct sp_check_part){.title = "https://edge.test"};
    trace = (struct sp_dial_trace){.start_us = 1000};
    refusal = (struct sp_refusal){0};
    ck_assert_int_eq(sp_proxy_parse("http://proxy.test:3128", &proxy, &why), 0);
    ck_assert_int_eq(sp_server_url_parse("https://edge.test", &server, &why), 0);
}

/* How far it came: 0 nowhere, 1 connected, 2 through the proxy, 3 TLS. */
static void come(int steps)
{
    if (steps > 0) {
        trace.connected_us = 21000;
        trace.remote = sp_addr_v4(198, 51, 100, 2, 443);
    }
    if (steps > 1)
        trace.proxied_us = 31000;
    if (steps > 2) {
        trace.secured_us = 61500;
        trace.tls[0] = '\0';
        snprintf(trace.tls, sizeof trace.tls, "TLSv1.3");
        snprintf(trace.peer.names, sizeof trace.peer.names, "edge.test");
        snprintf(trace.peer.issuer, sizeof trace.peer.issuer, "Some CA");
        snprintf(trace.peer.until, sizeof trace.peer.until, "2031-12-24");
    }
}

static void dialled(bool by_proxy, bool open)
{
    sp_check_dialled(&part, &(struct sp_check_dial){.proxy = by_proxy ? &proxy : NULL,
                                                    .server = &server,
                                                    .trace = &trace,
                                                    .refusal = open ? NULL : &refusal,
                                                    .end_us = 81500,
                                                    .rtt_us = 20400});
}

static void refused(enum sp_refusal_kind kind, const char *why)
{
    refusal.kind = kind;
    snprintf(refusal.why, sizeof refusal.why, "%s", why);
}

/* "connect:0 tls:3" of all rows. */
static const char *rows(void)
{
    static char out[256];
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < part.n; i++)
        len += (size_t)snprintf(out + len, sizeof out - len, "%s%s:%d", i > 0 ? " " : "",
                                part.rows[i].check, part.rows[i].status);
    return out;
}

/* The row of that name. */
static const struct sp_check_row *row(const char *name)
{
    for (size_t i = 0; i < part.n; i++)
        if (strcmp(part.rows[i].check, name) == 0)
            return &part.rows[i];
    ck_abort_msg("no row %s", name);
}

static void says(const char *name, const char *text)
{
    ck_assert_msg(strstr(row(name)->text, text) != NULL, "no \"%s\" in %s", text, row(name)->text);
}

START_TEST(all_is_well)
{
    come(3);
    trace.proxied_us = 0;
    dialled(false, true);
    ck_assert_str_eq(rows(), "proxy:0 connect:0 tls:0 tunnel:0");
    ck_assert(part.works);
    says("connect", "198.51.100.2:443 took the connection");
    ck_assert_uint_eq(row("connect")->took_us, 20000);
    says("tls", "TLSv1.3; the certificate for edge.test is signed by Some CA, until 2031-12-24");
    ck_assert_uint_eq(row("tls")->took_us, 40500);
    says("tunnel", "round trip 20.4 ms");
    ck_assert_uint_eq(row("tunnel")->took_us, 20000);
    ck_assert_ptr_null(row("tunnel")->advice);
}
END_TEST

START_TEST(it_ends_somewhere)
{
    static const struct {
        int steps;
        bool by_proxy;
        enum sp_refusal_kind kind;
        const char *why, *rows, *row, *text;
    } cases[] = {
        {0, false, SP_REFUSAL_NAME, "no such name: edge.test", "proxy:0 connect:1 tls:3 tunnel:3",
         "connect", "no such name"},
        {0, false, SP_REFUSAL_CONNECT, "198.51.100.2:443: timed out",
         "proxy:0 connect:1 tls:3 tunnel:3", "connect", "timed out"},
        {0, true, SP_REFUSAL_CONNECT, "refused", "connect:1 proxy:3 tls:3 tunnel:3", "connect",
         "cannot connect"},
        {1, true, SP_REFUSAL_PROXY, "", "connect:0 proxy:1 tls:3 tunnel:3", "proxy", "proxy"},
        {1, false, SP_REFUSAL_TLS, "the connection was reset", "proxy:0 connect:0 tls:1 tunnel:3",
         "tls", "reset"},
        {1, false, SP_REFUSAL_TLS, "certificate for a is signed by b, unknown here",
         "proxy:0 connect:0 tls:2 tunnel:3", "tls", "signed by b"},
        {2, true, SP_REFUSAL_TLS, "certificate", "connect:0 proxy:0 tls:2 tunnel:3", "tls", "--ca"},
        {3, true, SP_REFUSAL_LOST, "closed", "connect:0 proxy:0 tls:0 tunnel:2", "tunnel",
         "closed"},
        {0, false, SP_REFUSAL_MEMORY, "", "proxy:0 connect:1 tls:3 tunnel:3", "connect", "memory"},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        setup();
        come(cases[i].steps);
        refused(cases[i].kind, cases[i].why);
        dialled(cases[i].by_proxy, false);
        ck_assert_str_eq(rows(), cases[i].rows);
        ck_assert(!part.works);
        says(cases[i].row, cases[i].text);
        ck_assert_ptr_nonnull(row(cases[i].row)->advice);
    }
}
END_TEST

static const char *advice_for(enum sp_refusal_kind kind, const char *why, int steps,
                              const char *name)
{
    setup();
    come(steps);
    refused(kind, why);
    dialled(false, false);
    return row(name)->advice;
}

/* What to do follows from what it was. */
START_TEST(advice)
{
    ck_assert_ptr_nonnull(strstr(advice_for(SP_REFUSAL_NAME, "no such name", 0, "connect"),
                                 "known to a proxy alone"));
    ck_assert_ptr_nonnull(
        strstr(advice_for(SP_REFUSAL_CONNECT, "refused", 0, "connect"), "the server is down"));
    ck_assert_ptr_nonnull(
        strstr(advice_for(SP_REFUSAL_TLS, "certificate for a expired on 2021-01-01 (signed by b)",
                          1, "tls"),
               "clock"));
    ck_assert_ptr_nonnull(strstr(
        advice_for(SP_REFUSAL_TLS, "certificate is for a, not for b (signed by c)", 1, "tls"),
        "--server's host"));
    ck_assert_ptr_nonnull(strstr(
        advice_for(SP_REFUSAL_TLS, "certificate for a is signed by b, unknown here", 1, "tls"),
        "reads your traffic"));
}
END_TEST

START_TEST(a_site_answers)
{
    come(3);
    trace.proxied_us = 0;
    refused(SP_REFUSAL_ANSWER, "");
    refusal.status = 404;
    dialled(false, false);
    ck_assert_str_eq(rows(), "proxy:0 connect:0 tls:0 tunnel:2");
    says("tunnel", "404");
}
END_TEST

START_TEST(names)
{
    const struct sp_addr addrs[] = {sp_addr_v4(198, 51, 100, 2, 0), sp_addr_v4(198, 51, 100, 3, 0)};

    sp_check_name(&part, "edge.test", false, 0, NULL, addrs, 2);
    sp_check_name(&part, "edge.test", false, SP_ENOENT, "no such name", NULL, 0);
    sp_check_name(&part, "edge.test", true, SP_ENOENT, "no such name", NULL, 0);
    ck_assert_str_eq(rows(), "name:0 name:1 name:0");
    ck_assert_str_eq(part.rows[0].text, "edge.test is 198.51.100.2, 198.51.100.3");
    ck_assert_str_eq(part.rows[2].text, "no such name; the proxy has to know it");
}
END_TEST

START_TEST(this_host)
{
    const struct sp_addr to = sp_addr_v4(198, 51, 100, 2, 3478), me = sp_addr_v4(192, 0, 2, 9, 7);

    sp_check_udp(&part, &to, &me, 5000);
    sp_check_udp(&part, &to, NULL, 3000000);
    sp_check_address(&part, true);
    sp_check_address(&part, false);
    sp_check_listen(&part, "udp", &to, 0);
    sp_check_listen(&part, "tcp", &to, EADDRINUSE);
    sp_check_listen(&part, "tcp", &to, EADDRNOTAVAIL);
    ck_assert_str_eq(rows(), "udp:0 udp:1 address:0 address:2 listen:0 listen:2 listen:2");
    ck_assert_str_eq(part.rows[0].text, "198.51.100.2:3478 answers, and sees 192.0.2.9:7");
    ck_assert_uint_eq(part.rows[1].took_us, 0);
    ck_assert_ptr_nonnull(strstr(part.rows[5].text, "already in use"));
}
END_TEST

START_TEST(a_full_part_holds)
{
    for (int i = 0; i < SP_CHECK_ROWS_MAX + 5; i++)
        sp_check_add(&part, "name", SP_CHECK_OK, "%d", i);
    ck_assert_uint_eq(part.n, SP_CHECK_ROWS_MAX);
    ck_assert_str_eq(part.rows[SP_CHECK_ROWS_MAX - 1].text, "44");
}
END_TEST

START_TEST(as_text)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    sp_check_add(&part, "name", SP_CHECK_OK, "one")->took_us = 1234;
    sp_check_add(&part, "connect", SP_CHECK_BLOCKED, "two")->advice = "do it";
    sp_check_write(&part, f);
    fclose(f);
    ck_assert_str_eq(text, "https://edge.test\n"
                           "  ok       name     one (1.2 ms)\n"
                           "  blocked  connect  two\n"
                           "                      do it\n");
    free(text);
}
END_TEST

START_TEST(as_json)
{
    sp_check_add(&part, "name", SP_CHECK_SKIPPED, "o\"n\ne")->took_us = 1500;
    sp_check_add(&part, "connect", SP_CHECK_PROBLEM, "two")->advice = "do it";
    json_t *o = sp_check_json(&part);
    char *text = json_dumps(o, JSON_COMPACT);

    ck_assert_str_eq(text, "{\"title\":\"https://edge.test\",\"checks\":["
                           "{\"check\":\"name\",\"status\":\"skipped\",\"text\":\"o\\\"n\\ne\","
                           "\"ms\":1.5},"
                           "{\"check\":\"connect\",\"status\":\"problem\",\"text\":\"two\","
                           "\"advice\":\"do it\"}]}");
    free(text);
    json_decref(o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("check_report");
    TCase *tc = tcase_create("check_report");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, all_is_well);
    tcase_add_test(tc, it_ends_somewhere);
    tcase_add_test(tc, advice);
    tcase_add_test(tc, a_site_answers);
    tcase_add_test(tc, names);
    tcase_add_test(tc, this_host);
    tcase_add_test(tc, a_full_part_holds);
    tcase_add_test(tc, as_text);
    tcase_add_test(tc, as_json);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
