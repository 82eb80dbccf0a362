/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/upgrade.h"
#include "site.h"

#define NOW  784111777
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"

static struct sp_site *site;
static char why[SP_SITE_WHY_MAX];
static struct sp_site_answer a;
static struct sp_http_head response; /* the head of `a`, parsed */

static void make_site(void)
{
    ck_assert_int_eq(sp_site_new(NULL, &site, why), 0);
}

static void free_site(void)
{
    sp_site_free(site);
}

/* What holds for every answer. */
static void check_answer(unsigned status, bool is_head)
{
    static const char *const telling[] = {"sallyport", "Sallyport", "Server", "TURN", "tunnel"};
    struct sp_span value;
    size_t used;

    ck_assert_uint_eq(a.status, status);
    ck_assert_uint_le(a.head.len, SP_SITE_HEAD_MAX);
    ck_assert_int_eq(sp_http_parse_response(a.head, &response, &used), 0);
    ck_assert_uint_eq(used, a.head.len);
    ck_assert_uint_eq(response.status, status);
    ck_assert_uint_eq(response.minor, 1);
    ck_assert(response.keep_alive == a.keep_alive);
    ck_assert(response.has_length && response.content_length > 0);
    ck_assert_uint_eq(a.body.len, is_head ? 0 : response.content_length);
    ck_assert(sp_http_find(&response, "Date", &value));
    ck_assert(sp_span_eq(value, sp_span_str(DATE)));
    ck_assert(sp_http_find(&response, "Content-Type", &value));
    ck_assert(sp_http_find(&response, "Allow", &value) == (status == 405));
    ck_assert(sp_http_has_token(&response, "Connection", a.keep_alive ? "keep-alive" : "close"));
    for (size_t i = 0; i < SP_ARRAY_LEN(telling); i++) {
        size_t len = strlen(telling[i]);

        ck_assert_ptr_null(memmem(a.head.p, a.head.len, telling[i], len));
        if (a.body.len > 0)
            ck_assert_ptr_null(memmem(a.body.p, a.body.len, telling[i], len));
    }
}

/* The answer to a request with that first line and those fields behind Host. */
static void ask(const char *line, const char *fields)
{
    struct sp_http_head h;
    char text[600];
    size_t used;

    snprintf(text, sizeof(text), "%s\r\nHost: a.example\r\n%s\r\n", line, fields);
    ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
    memset(&a, 0x55, sizeof(a));
    sp_site_serve(site, &h, NOW, &a);
}

static void answers(const char *line, const char *fields, unsigned status)
{
    ask(line, fields);
    check_answer(status, strncmp(line, "HEAD ", 5) == 0);
}

START_TEST(the_page)
{
    static const char *const lines[] = {
        "GET / HTTP/1.1",          "GET /?a=b HTTP/1.1",     "GET http://a.example/ HTTP/1.1",
        "GET / HTTP/1.0",          "GET HTTPS://a HTTP/1.1", "GET http://a?b=/c HTTP/1.1",
        "GET http://a/? HTTP/1.1",
    };
    char want[300];

    for (size_t i = 0; i < SP_ARRAY_LEN(lines); i++) {
        answers(lines[i], "", 200);
        ck_assert_ptr_nonnull(memmem(a.body.p, a.body.len, "<h1>Welcome</h1>", 16));
    }
    answers("GET / HTTP/1.1", "", 200);
    snprintf(want, sizeof(want),
             "HTTP/1.1 200 OK\r\n"
             "Date: " DATE "\r\n"
             "Content-Type: text/html; charset=utf-8\r\n"
             "Content-Length: %zu\r\n"
             "Connection: keep-alive\r\n\r\n",
             a.body.len);
    ck_assert(sp_span_eq(a.head, sp_span_str(want)));
}
END_TEST

START_TEST(head_requests)
{
    char text[SP_SITE_HEAD_MAX];
    size_t len;

    answers("GET / HTTP/1.1", "", 200);
    len = a.head.len;
    memcpy(text, a.head.p, len);
    answers("HEAD / HTTP/1.1", "", 200);
    ck_assert(sp_span_eq(a.head, sp_span(text, len)));
    answers("HEAD /x HTTP/1.1", "", 404);
}
END_TEST

START_TEST(keep_alive)
{
    answers("GET / HTTP/1.1", "", 200);
    ck_assert(a.keep_alive);
    answers("GET / HTTP/1.1", "Connection: close\r\n", 200);
    ck_assert(!a.keep_alive);
    answers("GET / HTTP/1.0", "", 200);
    ck_assert(!a.keep_alive);
    answers("GET / HTTP/1.0", "Connection: keep-alive\r\n", 200);
    ck_assert(a.keep_alive);
    answers("GET /x HTTP/1.1", "Connection: close\r\n", 404);
    ck_assert(!a.keep_alive);
    /* a body that is short enough to be skipped, and those that aren't */
    answers("POST /x HTTP/1.1", "Content-Length: 1048576\r\n", 404);
    ck_assert(a.keep_alive);
    answers("POST /x HTTP/1.1", "Content-Length: 1048577\r\n", 413);
    ck_assert(!a.keep_alive);
    answers("POST / HTTP/1.1", "Content-Length: 1048577\r\n", 413);
    /* whoever waits for a 100 may send the body afterwards, or not */
    answers("POST / HTTP/1.1", "Content-Length: 5\r\nExpect: 100-continue\r\n", 405);
    ck_assert(!a.keep_alive);
    answers("GET / HTTP/1.1", "Expect: 100-continue\r\n", 200);
    ck_assert(a.keep_alive);
    answers("GET / HTTP/1.1", "Transfer-Encoding: chunked\r\n", 200);
    ck_assert(!a.keep_alive);
}
END_TEST

START_TEST(refused)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"};
    char line[100];
    struct sp_span allow;
    struct sp_http_head h;
    size_t used;

    for (size_t i = 0; i < SP_ARRAY_LEN(methods); i++) {
        snprintf(line, sizeof(line), "%s / HTTP/1.1", methods[i]);
        answers(line, "", 405);
        ck_assert(sp_http_find(&response, "Allow", &allow));
        ck_assert(sp_span_eq(allow, sp_span_str("GET, HEAD")));
        ck_assert(a.keep_alive);
        snprintf(line, sizeof(line), "%s /x HTTP/1.1", methods[i]);
        answers(line, "", 404);
    }
    answers("GET /index.php HTTP/1.1", "", 404);
    answers("GET // HTTP/1.1", "", 404);
    answers("GET /%2e HTTP/1.1", "", 404);
    answers("GET /%00 HTTP/1.1", "", 400);
    answers("GET /%zz HTTP/1.1", "", 400);
    ck_assert(!a.keep_alive);
    answers("GET http://a//x HTTP/1.1", "", 404);
    answers("OPTIONS * HTTP/1.1", "", 400);
    answers("CONNECT b.example:443 HTTP/1.1", "", 400);
    answers("GET ftp://a/ HTTP/1.1", "", 400);
    ck_assert(!a.keep_alive);

    ck_assert_int_eq(
        sp_http_parse_request(sp_span_str("GET / HTTP/1.1\r\nA: b\r\n\r\n"), &h, &used), 0);
    sp_site_serve(site, &h, NOW, &a);
    check_answer(400, false); /* no Host */
    ck_assert_int_eq(sp_http_parse_request(sp_span_str("GET / HTTP/1.0\r\n\r\n"), &h, &used), 0);
    sp_site_serve(site, &h, NOW, &a);
    check_answer(200, false);
}
END_TEST

START_TEST(long_path)
{
    static char text[SP_SITE_PATH_MAX + 200];
    struct sp_http_head h;
    size_t used;

    snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", SP_SITE_PATH_MAX - 1, 0);
    ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
    sp_site_serve(site, &h, NOW, &a);
    check_answer(404, false);
    snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", SP_SITE_PATH_MAX, 0);
    ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
    sp_site_serve(site, &h, NOW, &a);
    check_answer(414, false);
    ck_assert(!a.keep_alive);
}
END_TEST

START_TEST(unparsed)
{
    static const unsigned statuses[] = {400, 408, 414, 431, 501, 502, 505};

    for (size_t i = 0; i < SP_ARRAY_LEN(statuses); i++) {
        memset(&a, 0x55, sizeof(a));
        sp_site_refuse(site, statuses[i], NOW, &a);
        check_answer(statuses[i], false);
        ck_assert(!a.keep_alive);
    }
}
END_TEST

/* A stranger who knows the path of the tunnel learns nothing from it. */
START_TEST(the_tunnel_is_not_there)
{
    static const char upgrade[] = "Connection: Upgrade\r\nUpgrade: rfc4571\r\n";
    static const char with_token[] = "Connection: Upgrade\r\nUpgrade: rfc4571\r\n"
                                     "Authorization: Bearer v1.x.y\r\nSallyport-Tunnel: new\r\n";
    static const char *const fields[] = {"", "Connection: close\r\n", upgrade, with_token};
    static const char *const methods[] = {"GET", "HEAD", "POST"};
    char line[200], first[SP_SITE_HEAD_MAX];

    for (size_t m = 0; m < SP_ARRAY_LEN(methods); m++) {
        for (size_t i = 0; i < SP_ARRAY_LEN(fields); i++) {
            size_t len;
            struct sp_span body;

            snprintf(line, sizeof(line), "%s /nothing/here HTTP/1.1", methods[m]);
            answers(line, fields[i], 404);
            len = a.head.len;
            memcpy(first, a.head.p, len);
            body = a.body;
            snprintf(line, sizeof(line), "%s " SP_UPGRADE_PATH " HTTP/1.1", methods[m]);
            answers(line, fields[i], 404);
            ck_assert(sp_span_eq(a.head, sp_span(first, len)));
            ck_assert(sp_span_eq(a.body, body));
        }
    }
}
END_TEST

START_TEST(pages_of_ones_own)
{
    static const struct sp_site_page pages[] = {
        {"/", "text/plain", {(const uint8_t *)"home", 4}},
        {"/style.css", "text/css", {(const uint8_t *)"p{}", 3}},
    };
    struct sp_site_page page = {"/", "", {NULL, 0}};
    struct sp_site_config config = {pages, 2, NULL};
    char type[SP_SITE_TYPE_MAX + 2];
    struct sp_span value;
    struct sp_site *s = NULL;

    free_site();
    ck_assert_int_eq(sp_site_new(&config, &site, why), 0);
    answers("GET / HTTP/1.1", "", 200);
    ck_assert(sp_span_eq(a.body, sp_span_str("home")));
    answers("GET /style.css?v=2 HTTP/1.1", "", 200);
    ck_assert(sp_span_eq(a.body, sp_span_str("p{}")));
    ck_assert(sp_http_find(&response, "Content-Type", &value));
    ck_assert(sp_span_eq(value, sp_span_str("text/css")));
    answers("GET /style.cs HTTP/1.1", "", 404);
    answers("POST /style.css HTTP/1.1", "", 405);

    config = (struct sp_site_config){&page, 1, NULL};
    ck_assert_int_eq(sp_site_new(&config, &s, why), SP_EINVAL);
    page.type = "text/html\r\nX: y";
    ck_assert_int_eq(sp_site_new(&config, &s, why), SP_EINVAL);
    memset(type, 'x', sizeof(type));
    type[sizeof(type) - 1] = '\0';
    page.type = type;
    ck_assert_int_eq(sp_site_new(&config, &s, why), SP_EINVAL);
    type[SP_SITE_TYPE_MAX] = '\0';
    page.path = "x";
    ck_assert_int_eq(sp_site_new(&config, &s, why), SP_EINVAL);
    ck_assert_ptr_null(s);
    page.path = "/";
    ck_assert_int_eq(sp_site_new(&config, &s, why), 0);
    sp_site_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("site");
    TCase *tc = tcase_create("site");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, make_site, free_site);
    tcase_add_test(tc, the_page);
    tcase_add_test(tc, head_requests);
    tcase_add_test(tc, keep_alive);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, long_path);
    tcase_add_test(tc, unparsed);
    tcase_add_test(tc, the_tunnel_is_not_there);
    tcase_add_test(tc, pages_of_ones_own);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
