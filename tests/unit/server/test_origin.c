/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "origin.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const items[] = {"https://app.example", "http://localhost:8080"};
static const struct sp_origins all = {.items = items, .n = 2};

static enum sp_origin_verdict of(const char *fields, const char **out)
{
    char text[600];
    struct sp_http_head h;
    size_t used;

    snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s\r\n", fields);
    ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
    return sp_origin_of(&all, &h, out);
}

START_TEST(verdicts)
{
    static const struct {
        const char *fields;
        enum sp_origin_verdict verdict;
        const char *origin;
    } cases[] = {
        {"", SP_ORIGIN_NONE, NULL},
        {"Origin: https://app.example\r\n", SP_ORIGIN_ALLOWED, "https://app.example"},
        {"origin: http://localhost:8080\r\n", SP_ORIGIN_ALLOWED, "http://localhost:8080"},
        {"Origin: https://app.example\r\nHost: x\r\nSec-Fetch-Site: cross-site\r\n",
         SP_ORIGIN_ALLOWED, "https://app.example"},
        {"Origin: null\r\n", SP_ORIGIN_FOREIGN, NULL},
        {"Origin:\r\n", SP_ORIGIN_FOREIGN, NULL},
        {"Origin: https://app.exampl\r\n", SP_ORIGIN_FOREIGN, NULL},
        {"Origin: https://app.example.org\r\n", SP_ORIGIN_FOREIGN, NULL},
        {"Origin: http://app.example\r\n", SP_ORIGIN_FOREIGN, NULL},
        {"Origin: HTTPS://app.example\r\n", SP_ORIGIN_FOREIGN, NULL},
        {"Origin: https://app.example\r\nOrigin: https://app.example\r\n", SP_ORIGIN_FOREIGN, NULL},
        {"Host: app.example\r\nSec-Fetch-Site: same-origin\r\n", SP_ORIGIN_ALLOWED,
         "https://app.example"},
        {"Host: app.example\r\n", SP_ORIGIN_NONE, NULL},
        {"Host: app.example\r\nSec-Fetch-Site: same-site\r\n", SP_ORIGIN_NONE, NULL},
        {"Host: app.example\r\nSec-Fetch-Site: none\r\n", SP_ORIGIN_NONE, NULL},
        {"Host: evil.example\r\nSec-Fetch-Site: same-origin\r\n", SP_ORIGIN_NONE, NULL},
        {"Sec-Fetch-Site: same-origin\r\n", SP_ORIGIN_NONE, NULL},
        /* the origin counts that is said */
        {"Host: app.example\r\nSec-Fetch-Site: same-origin\r\nOrigin: https://evil.example\r\n",
         SP_ORIGIN_FOREIGN, NULL},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        const char *origin = NULL;
        ck_assert_msg(of(cases[i].fields, &origin) == cases[i].verdict, "%s", cases[i].fields);
        ck_assert((origin == NULL) == (cases[i].origin == NULL));
        if (origin != NULL)
            ck_assert_str_eq(origin, cases[i].origin);
    }
}
END_TEST

/* Pages of the server itself, by whichever name it is asked (--demo). */
START_TEST(own_pages)
{
    static const struct {
        const char *fields;
        enum sp_origin_verdict without, with;
    } cases[] = {
        {"", SP_ORIGIN_NONE, SP_ORIGIN_NONE},
        {"Sec-Fetch-Site: same-origin\r\n", SP_ORIGIN_NONE, SP_ORIGIN_ALLOWED},
        {"Sec-Fetch-Site: cross-site\r\n", SP_ORIGIN_NONE, SP_ORIGIN_NONE},
        {"Origin: https://edge.test\r\n", SP_ORIGIN_FOREIGN, SP_ORIGIN_ALLOWED},
        {"Origin: http://edge.test\r\n", SP_ORIGIN_FOREIGN, SP_ORIGIN_FOREIGN},
        {"Origin: https://edge.test:444\r\n", SP_ORIGIN_FOREIGN, SP_ORIGIN_FOREIGN},
        {"Origin: https://\r\n", SP_ORIGIN_FOREIGN, SP_ORIGIN_FOREIGN},
        {"Origin: https://edge.test\r\nOrigin: https://edge.test\r\n", SP_ORIGIN_FOREIGN,
         SP_ORIGIN_FOREIGN},
    };
    static const struct sp_origins none = {.n = 0}, own = {.own = true};
    char text[200];

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        const char *origin = "unset";
        struct sp_http_head h;
        size_t used;
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: edge.test\r\n%s\r\n", cases[i].fields);
        ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
        ck_assert_int_eq(sp_origin_of(&none, &h, &origin), cases[i].without);
        ck_assert_int_eq(sp_origin_of(&own, &h, &origin), cases[i].with);
        if (cases[i].with == SP_ORIGIN_ALLOWED)
            ck_assert_ptr_null(origin);
    }
}
END_TEST

START_TEST(as_browsers_send_them)
{
    static const char *const good[] = {
        "https://app.example",    "http://app.example",     "https://app.example:8443",
        "http://localhost:8080",  "https://198.51.100.2",   "https://[2001:db8::1]",
        "https://[::1]:444",      "http://app.example:443", "https://xn--bcher-kva.example",
        "https://app.example:80", "https://a_b.example",
    };
    static const char *const bad[] = {
        "",
        "*",
        "null",
        "app.example",
        "https://",
        "https:///",
        "https://app.example/",
        "https://app.example/x",
        "https://App.example",
        "HTTPS://app.example",
        "https://app.example:443",
        "http://app.example:80",
        "https://app.example:",
        "https://app.example:0",
        "https://app.example:0444",
        "https://app.example:65536",
        "https://app.example:444x",
        "https://user@app.example",
        "https://*.app.example",
        "https://[::1",
        "https://[198.51.100.2]",
        "https://[]",
        "https://a b",
        "wss://app.example",
        "https://\xc3\xbc.example",
    };
    char lengthy[400] = "https://";

    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++)
        ck_assert_msg(sp_origin_check(good[i]) == NULL, "%s", good[i]);
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        ck_assert_msg(sp_origin_check(bad[i]) != NULL, "%s", bad[i]);
    memset(lengthy + 8, 'a', SP_ORIGIN_MAX - 8);
    ck_assert_ptr_null(sp_origin_check(lengthy));
    lengthy[SP_ORIGIN_MAX] = 'a';
    ck_assert_ptr_nonnull(sp_origin_check(lengthy));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("origin");
    TCase *tc = tcase_create("origin");

    tcase_add_test(tc, verdicts);
    tcase_add_test(tc, own_pages);
    tcase_add_test(tc, as_browsers_send_them);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
