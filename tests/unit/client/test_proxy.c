/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"
#include "sallyport/err.h"

static void good(const char *text, const char *host, unsigned port, const char *basic)
{
    struct sp_proxy p;
    const char *why = "";

    ck_assert_msg(sp_proxy_parse(text, &p, &why) == 0, "%s: %s", text, why);
    ck_assert_str_eq(p.host, host);
    if (host[0] != '\0')
        ck_assert_uint_eq(p.port, port);
    ck_assert_str_eq(p.basic, basic);
}

START_TEST(urls)
{
    static const char *const wrong[] = {
        "https://proxy:3128", "socks5://proxy:1080", "http://",
        "http://proxy/path",  "http://proxy:99999",  "http://pro xy"};

    good("http://proxy:3128", "proxy", 3128, "");
    good("http://proxy:3128/", "proxy", 3128, "");
    good("proxy", "proxy", 8080, "");
    good("http://[fd00::1]:3128", "fd00::1", 3128, "");
    good("http://Aladdin:open%20sesame@proxy", "proxy", 8080, "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    good("http://Aladdin@proxy", "proxy", 8080, "QWxhZGRpbjo="); /* "Aladdin:" */
    good("none", "", 0, "");
    good("", "", 0, "");
    for (size_t i = 0; i < SP_ARRAY_LEN(wrong); i++) {
        struct sp_proxy p;
        const char *why = NULL;
        ck_assert_msg(sp_proxy_parse(wrong[i], &p, &why) == SP_EINVAL, "%s", wrong[i]);
        ck_assert_ptr_nonnull(why);
    }
}
END_TEST

START_TEST(no_proxy)
{
    static const struct {
        const char *list, *host;
        bool bypass;
    } cases[] = {
        {NULL, "edge.example", false},
        {"", "edge.example", false},
        {" , ,", "edge.example", false},
        {"*", "edge.example", true},
        {"edge.example", "edge.example", true},
        {"EDGE.example", "edge.example", true},
        {"example", "edge.example", true},
        {".example", "edge.example", true},
        {"*.example", "edge.example", true},
        {"dge.example", "edge.example", false},
        {"other,edge.example", "edge.example", true},
        {"other edge.example", "edge.example", true},
        {"edge.example:443", "edge.example", true},
        {"edge.example:8443", "edge.example", false},
        {"edge.example:", "edge.example", false},
        {"an.edge.example", "edge.example", false},
        {"192.0.2.0/24", "192.0.2.77", true},
        {"192.0.2.0/24", "192.0.3.77", false},
        {"192.0.2.77", "192.0.2.77", true},
        {"192.0.2.77:443", "192.0.2.77", true},
        {"2.77", "192.0.2.77", true}, /* as a name: harmless, and what others do */
        {"2001:db8::/32", "2001:db8::5", true},
        {"2001:db8::5", "2001:db8::5", true},
        {"0.0.0.0/0", "edge.example", false},
        {"192.0.2.77", "edge.example", false},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        ck_assert_msg(sp_proxy_bypass(cases[i].list, cases[i].host, 443) == cases[i].bypass,
                      "%s for %s", cases[i].list, cases[i].host);
}
END_TEST

START_TEST(request)
{
    struct sp_proxy p = {.host = "proxy", .port = 3128};
    char text[SP_PROXY_REQUEST_MAX];
    size_t len;

    ck_assert_int_eq(sp_proxy_request(&p, "edge.example", 443, text, sizeof text, &len), 0);
    ck_assert_str_eq(text, "CONNECT edge.example:443 HTTP/1.1\r\nHost: edge.example:443\r\n\r\n");
    ck_assert_uint_eq(len, strlen(text));
    strcpy(p.basic, "QWxh");
    ck_assert_int_eq(sp_proxy_request(&p, "2001:db8::1", 8443, text, sizeof text, &len), 0);
    ck_assert_str_eq(text, "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n"
                           "Proxy-Authorization: Basic QWxh\r\n\r\n");
    ck_assert_int_eq(sp_proxy_request(&p, "2001:db8::1", 8443, text, len, &len), SP_ETOOBIG);
}
END_TEST

static int parse(const char *text, struct sp_proxy_answer *out, size_t *used)
{
    return sp_proxy_parse_answer(sp_span_str(text), out, used);
}

START_TEST(answers)
{
    static const char ok[] = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
    struct sp_proxy_answer a = {0};
    size_t used = 0;
    char part[sizeof ok];

    for (size_t n = 0; n < sizeof ok - 1; n++) {
        memcpy(part, ok, n);
        part[n] = '\0';
        ck_assert_int_eq(parse(part, &a, &used), SP_EMORE);
    }
    ck_assert_int_eq(parse(ok, &a, &used), 0);
    ck_assert_uint_eq(a.status, 200);
    ck_assert_uint_eq(used, sizeof ok - 1);
    ck_assert_str_eq(a.offer, "");
    ck_assert_int_eq(parse("HTTP/1.0 200 OK\r\n\r\n\x16\x03", &a, &used), 0);
    ck_assert_uint_eq(used, 19);
    ck_assert_int_eq(parse("HTTP/1.1 407 Proxy Authentication Required\r\n"
                           "Proxy-Authenticate: Negotiate\r\n"
                           "proxy-authenticate: Basic realm=\"x\"\r\n\r\n",
                           &a, &used),
                     0);
    ck_assert_uint_eq(a.status, 407);
    ck_assert_str_eq(a.offer, "Negotiate, Basic");
    ck_assert_int_eq(parse("SSH-2.0-OpenSSH_9.2\r\n\r\n", &a, &used), SP_EBADMSG);
    ck_assert_int_eq(parse("HTTP/2.0 200 OK\r\n\r\n", &a, &used), SP_EBADMSG);
}
END_TEST

/* However much a proxy offers, what is kept of it has its bound. */
START_TEST(a_long_offer)
{
    struct sp_proxy_answer a;
    size_t used;
    char text[4096] = "HTTP/1.1 407 No\r\n";

    for (int i = 0; i < 40; i++)
        strcat(text, "Proxy-Authenticate: Abcdefghijklmnop x=y\r\n");
    strcat(text, "\r\n");
    ck_assert_int_eq(parse(text, &a, &used), 0);
    ck_assert_uint_gt(strlen(a.offer), 64);
    ck_assert_uint_lt(strlen(a.offer), SP_PROXY_OFFER_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("proxy");
    TCase *tc = tcase_create("proxy");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, urls);
    tcase_add_test(tc, no_proxy);
    tcase_add_test(tc, request);
    tcase_add_test(tc, answers);
    tcase_add_test(tc, a_long_offer);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
