/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/http.h"

/* A copy that ends where the text ends, so that the sanitizer sees a read behind it. */
struct copy {
    uint8_t *p;
    size_t len;
};

static struct copy copy_of(const char *text, size_t len)
{
    struct copy c = {malloc(len ? len : 1), len};

    ck_assert_ptr_nonnull(c.p);
    memcpy(c.p, text, len);
    return c;
}

static int parse_n(const char *text, size_t len, bool request, struct sp_http_head *h, size_t *used)
{
    struct copy c = copy_of(text, len);
    int err = request ? sp_http_parse_request(sp_span(c.p, len), h, used)
                      : sp_http_parse_response(sp_span(c.p, len), h, used);

    free(c.p);
    return err;
}

static int request_err(const char *text)
{
    struct sp_http_head h;
    size_t used = 77;
    int err = parse_n(text, strlen(text), true, &h, &used);

    if (err < 0)
        ck_assert_uint_eq(used, 77);
    return err;
}

static int response_err(const char *text)
{
    struct sp_http_head h;
    size_t used;

    return parse_n(text, strlen(text), false, &h, &used);
}

static void request(const char *text, struct sp_http_head *h)
{
    size_t used;

    ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), h, &used), 0);
    ck_assert_uint_eq(used, strlen(text));
}

static void response(const char *text, struct sp_http_head *h)
{
    size_t used;

    ck_assert_int_eq(sp_http_parse_response(sp_span_str(text), h, &used), 0);
    ck_assert_uint_eq(used, strlen(text));
}

#define ck_assert_span(s, text) ck_assert(sp_span_eq((s), sp_span_str(text)))

START_TEST(request_head)
{
    static const char text[] = "GET /a?b=c HTTP/1.1\r\n"
                               "Host: edge.example\r\n"
                               "Empty:\r\n"
                               "Blanks: \t one two \t \r\n"
                               "\r\n"
                               "GET /next";
    struct sp_http_head h;
    size_t used;

    ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
    ck_assert_str_eq(text + used, "GET /next");
    ck_assert_span(h.method, "GET");
    ck_assert_span(h.target, "/a?b=c");
    ck_assert_uint_eq(h.major, 1);
    ck_assert_uint_eq(h.minor, 1);
    ck_assert_uint_eq(h.status, 0);
    ck_assert_uint_eq(h.n_fields, 3);
    ck_assert_span(h.fields[0].name, "Host");
    ck_assert_span(h.fields[0].value, "edge.example");
    ck_assert_span(h.fields[1].value, "");
    ck_assert_span(h.fields[2].value, "one two");
    ck_assert(h.keep_alive && !h.upgrade && !h.chunked && !h.has_length);
    ck_assert_uint_eq(h.content_length, 0);
}
END_TEST

START_TEST(cut_at_each_byte)
{
    static const char req[] = "\r\nPOST * HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    static const char res[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n";
    struct sp_http_head h;
    size_t used = 77;

    for (size_t n = 0; n < sizeof(req) - 1; n++)
        ck_assert_int_eq(parse_n(req, n, true, &h, &used), SP_EMORE);
    for (size_t n = 0; n < sizeof(res) - 1; n++)
        ck_assert_int_eq(parse_n(res, n, false, &h, &used), SP_EMORE);
    ck_assert_uint_eq(used, 77);
    ck_assert_int_eq(parse_n(req, sizeof(req) - 1, true, &h, &used), 0);
    ck_assert_uint_eq(used, sizeof(req) - 1);
    ck_assert_int_eq(parse_n(res, sizeof(res) - 1, false, &h, &used), 0);
    ck_assert_uint_eq(used, sizeof(res) - 1);
}
END_TEST

/* Bad bytes are known before the empty line comes: nobody holds a connection open with them. */
START_TEST(early_no)
{
    ck_assert_int_eq(request_err("\x16\x03\x01"), SP_EBADMSG);
    ck_assert_int_eq(request_err("HELO mail"), SP_EBADMSG);
    ck_assert_int_eq(request_err("GET / HTTP/1.1\r\nNo colon here"), SP_EBADMSG);
    ck_assert_int_eq(response_err("SSH-2.0-x"), SP_EBADMSG);
    ck_assert_int_eq(response_err("\r\nHTTP/1.1 200 OK\r\n\r\n"), SP_EBADMSG);
}
END_TEST

/* The status that a refusal is answered with; whatever piece of a request of an unknown method is
 * there, it is not refused before its line is. */
START_TEST(refusals)
{
    static char long_target[SP_HTTP_HEAD_MAX + 9], long_field[SP_HTTP_HEAD_MAX + 1];
    const struct {
        const char *text;
        unsigned status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nNo colon here\r\n\r\n", 400},
        {"\x16\x03\x01", 400},
        {"HELO mail", 400},
        {"hello this is a line of text\r\n\r\n", 400},
        {"BREW / HTTP/0.9\r\n\r\n", 400},
        {"BREW /pot HTTP/1.1\r\n\r\n", 501},
        {"\r\nBREW * HTTP/1.0\r\nA: b\r\n\r\n", 501},
        {"get / HTTP/1.1\r\n\r\n", 501},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {long_target, 414},
        {long_field, 431},
    };
    const char brew[] = "BREW /pot HTTP/1.1";
    struct sp_http_head h;
    size_t used;

    memset(long_target, 'a', SP_HTTP_HEAD_MAX);
    memcpy(long_target, "GET /", 5);
    memcpy(long_target + SP_HTTP_HEAD_MAX, "\r\n\r\n", 5);
    memset(long_field, 'a', SP_HTTP_HEAD_MAX);
    memcpy(long_field, "GET / HTTP/1.1\r\nA: ", 19);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_span s = sp_span_str(cases[i].text);
        int err = sp_http_parse_request(s, &h, &used);
        ck_assert_int_ne(err, SP_EMORE);
        ck_assert_int_lt(err, 0);
        ck_assert_msg(sp_http_refusal(s, err) == cases[i].status, "%zu", i);
    }
    for (size_t n = 1; n < strlen(brew); n++)
        ck_assert_int_eq(parse_n(brew, n, true, &h, &used), SP_EMORE);
    ck_assert_int_eq(request_err(brew), SP_EBADMSG);
}
END_TEST

START_TEST(smuggling)
{
    static const char *const bad[] = {
        /* two ways to say where the body ends */
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length:\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding:\r\n",
        /* two ways to read a line */
        "Content-Length : 5\r\n",
        "Content Length: 5\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Folded: 1\r\n",
        "A: 1\r\n 2\r\n",
        "A: 1\r\n\t2\r\n",
        "A: 1\r\n \r\n",
        "A: 1\rB: 2\r\n",
        "A: 1\nB: 2\r\n",
        "A: 1\n",
        "A: 1\r\r\n",
        "A: \x01\r\n",
        "A: \x7f\r\n",
        "A\x01: 1\r\n",
        ": 1\r\n",
        "A\r\n",
        "A(: 1\r\n",
        "Host: b\r\n",
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        char text[300];

        snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", bad[i]);
        ck_assert_msg(request_err(text) == SP_EBADMSG, "%zu: %s", i, bad[i]);
    }
}
END_TEST

START_TEST(nul_is_refused)
{
    static const char name[] = "GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n";
    static const char value[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    static const char target[] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n";
    struct sp_http_head h;
    size_t used;

    ck_assert_int_eq(parse_n(name, sizeof(name) - 1, true, &h, &used), SP_EBADMSG);
    ck_assert_int_eq(parse_n(value, sizeof(value) - 1, true, &h, &used), SP_EBADMSG);
    ck_assert_int_eq(parse_n(target, sizeof(target) - 1, true, &h, &used), SP_EBADMSG);
}
END_TEST

START_TEST(request_line)
{
    static const char *const bad[] = {
        "GET HTTP/1.1",    "GET  / HTTP/1.1",   "GET / HTTP/1.1 ",   "GET / HTTP/1",
        "GET / HTTP/1.",   "GET / HTTP/11.1",   "GET / http/1.1",    "GET /",
        "GET / HTTP/0.9",  "SOURCE / ICE/1.0",  "FROB / HTTP/1.1",   "get / HTTP/1.1",
        " GET / HTTP/1.1", "GET\t/ HTTP/1.1",   "GET /a b HTTP/1.1", "GET / HTTP/1.1\r\n ",
        "GET x HTTP/1.1",  "GET / X HTTP/1.1",  "G/T / HTTP/1.1",    "PRI * HTTP/2.0",
        "GET / HTTQ/1.1",  "GET /\x01 HTTP/1.1"};

    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        char text[100];

        snprintf(text, sizeof(text), "%s\r\nHost: a\r\n\r\n", bad[i]);
        ck_assert_msg(request_err(text) == SP_EBADMSG, "%zu: %s", i, bad[i]);
    }
    /* Right, but of a version that we don't speak. */
    ck_assert_int_eq(request_err("GET / HTTP/2.0\r\n\r\n"), SP_EPROTO);
    ck_assert_int_eq(request_err("GET / HTTP/3.1\r\nHost: a\r\n\r\n"), SP_EPROTO);
    ck_assert_int_eq(request_err("CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    ck_assert_int_eq(request_err("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    ck_assert_int_eq(request_err("GET http://a.example/x HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
}
END_TEST

START_TEST(bounds)
{
    static char text[SP_HTTP_HEAD_MAX + 100];
    struct sp_http_head h;
    size_t used, n;

    /* as long as may be, one more, and one that never ends */
    for (size_t extra = 0; extra < 2; extra++) {
        size_t total = SP_HTTP_HEAD_MAX + extra;

        memset(text, 'x', sizeof(text));
        memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
        memcpy(text + total - 4, "\r\n\r\n", 4);
        ck_assert_int_eq(parse_n(text, total, true, &h, &used), extra ? SP_ETOOBIG : 0);
        ck_assert_int_eq(parse_n(text, SP_HTTP_HEAD_MAX - 1, true, &h, &used), SP_EMORE);
    }
    memset(text + 19, 'x', sizeof(text) - 19);
    ck_assert_int_eq(parse_n(text, SP_HTTP_HEAD_MAX, true, &h, &used), SP_ETOOBIG);
    ck_assert_int_eq(parse_n(text, sizeof(text), true, &h, &used), SP_ETOOBIG);
    memset(text, 'x', sizeof(text));
    memcpy(text, "GET /", 5);
    ck_assert_int_eq(parse_n(text, sizeof(text), true, &h, &used), SP_ETOOBIG);

    for (size_t extra = 0; extra < 2; extra++) {
        n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
        for (size_t i = 0; i < SP_HTTP_FIELDS_MAX + extra; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "A%zu: 1\r\n", i);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
        ck_assert_int_eq(parse_n(text, n, true, &h, &used), extra ? SP_ETOOBIG : 0);
    }
}
END_TEST

START_TEST(keep_alive_and_upgrade)
{
    struct sp_http_head h;

    request("GET / HTTP/1.0\r\n\r\n", &h);
    ck_assert(!h.keep_alive);
    request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &h);
    ck_assert(h.keep_alive);
    request("GET / HTTP/1.1\r\nConnection: x, CLOSE\r\n\r\n", &h);
    ck_assert(!h.keep_alive);
    request("GET / HTTP/1.1\r\nConnection: Upgrade\r\n\r\n", &h);
    ck_assert(!h.upgrade);
    request("GET / HTTP/1.1\r\nUpgrade: rfc4571\r\n\r\n", &h);
    ck_assert(!h.upgrade);
    request("GET / HTTP/1.1\r\nconnection: keep-alive\r\nCONNECTION: uPGRADE\r\nUpgrade: h2c, "
            "rfc4571\r\n\r\n",
            &h);
    ck_assert(h.upgrade && h.keep_alive);
    request("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n\r\n", &h);
    ck_assert(h.chunked && !h.has_length);
    request("POST / HTTP/1.1\r\nContent-Length: 1844674407370955161\r\n\r\n", &h);
    ck_assert(h.has_length && h.content_length == 1844674407370955161u);
    request("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &h);
    ck_assert(h.has_length && h.content_length == 0);
}
END_TEST

START_TEST(response_head)
{
    struct sp_http_head h;

    response("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
             "rfc4571\r\nA: b\r\n\r\n",
             &h);
    ck_assert_uint_eq(h.status, 101);
    ck_assert(h.upgrade);
    ck_assert_uint_eq(h.n_fields, 3);
    response("HTTP/1.1 404 Not Found\r\nContent-Length: 17\r\n\r\n", &h);
    ck_assert_uint_eq(h.status, 404);
    ck_assert(h.keep_alive && h.has_length && h.content_length == 17);
    ck_assert_uint_eq(h.method.len, 0);
    /* no length: the body ends with the connection */
    response("HTTP/1.1 200\r\n\r\n", &h);
    ck_assert(!h.keep_alive && !h.has_length && h.content_length == 0);
    response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", &h);
    ck_assert(h.keep_alive && h.minor == 0);
    response("HTTP/1.1 200 Sch\xc3\xb6n\r\nTransfer-Encoding: chunked\r\n\r\n", &h);
    ck_assert(h.chunked);

    ck_assert_int_eq(response_err("HTTP/2.0 200 OK\r\n\r\n"), SP_EPROTO);
    ck_assert_int_eq(response_err("HTTP/1.1 99 Low\r\n\r\n"), SP_EBADMSG);
    ck_assert_int_eq(response_err("HTTP/1.1 1000 High\r\n\r\n"), SP_EBADMSG);
    ck_assert_int_eq(response_err("HTTP/1.1 abc\r\n\r\n"), SP_EBADMSG);
    ck_assert_int_eq(response_err("GET / HTTP/1.1\r\n\r\n"), SP_EBADMSG);
    ck_assert_int_eq(response_err("HTTP/1.1 200 OK\nA: b\r\n\r\n"), SP_EBADMSG);
    ck_assert_int_eq(
        response_err("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        SP_EBADMSG);
    ck_assert_int_eq(
        response_err("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        SP_EBADMSG);
}
END_TEST

START_TEST(fields)
{
    struct sp_http_head h;
    struct sp_span v;

    request("GET / HTTP/1.1\r\nA: 1\r\na: 2\r\nList: x ,\tyy\r\nLIST: ,, zz\r\n\r\n", &h);
    ck_assert(sp_http_find(&h, "a", &v));
    ck_assert_span(v, "1");
    ck_assert(!sp_http_find(&h, "ab", &v));
    ck_assert_int_eq(sp_http_find_one(&h, "ab", &v), SP_ENOENT);
    ck_assert(!sp_http_find(&h, "", &v));
    ck_assert_span(v, "1");
    ck_assert(sp_http_has_token(&h, "list", "X"));
    ck_assert(sp_http_has_token(&h, "list", "yY"));
    ck_assert(sp_http_has_token(&h, "list", "zz"));
    ck_assert(!sp_http_has_token(&h, "list", "y"));
    ck_assert(!sp_http_has_token(&h, "list", "zzz"));
    ck_assert(!sp_http_has_token(&h, "lis", "zz"));
}
END_TEST

START_TEST(bearer)
{
    static const struct {
        const char *fields, *token; /* NULL: refused */
        int err;
    } cases[] = {
        {"Authorization: Bearer v1.x.y\r\n", "v1.x.y", 0},
        {"authorization: bEARER   abc  \r\n", "abc", 0},
        {"X: y\r\n", NULL, SP_ENOENT},
        {"Authorization: Basic YTpi\r\n", NULL, SP_EBADMSG},
        {"Authorization: Bearer\r\n", NULL, SP_EBADMSG},
        {"Authorization: Bearer \r\n", NULL, SP_EBADMSG},
        {"Authorization: Bearer a b\r\n", NULL, SP_EBADMSG},
        {"Authorization: Bearer a\xff\r\n", NULL, SP_EBADMSG},
        {"Authorization: Bearer a\r\nAuthorization: Bearer a\r\n", NULL, SP_EBADMSG},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_span token = sp_span_str("untouched");
        struct sp_http_head h;
        char text[200];
        size_t used;

        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s\r\n", cases[i].fields);
        ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
        ck_assert_msg(sp_http_bearer(&h, &token) == cases[i].err, "%s", cases[i].fields);
        ck_assert(sp_span_eq(token, sp_span_str(cases[i].err ? "untouched" : cases[i].token)));
    }
}
END_TEST

START_TEST(looks_like)
{
    static const struct {
        const char *text;
        int want;
    } cases[] = {
        {"", SP_EMORE},
        {"G", SP_EMORE},
        {"GET", SP_EMORE},
        {"GET ", 1},
        {"GET / HTTP", 1},
        {"GETA", 0},
        {"GET\t", 0},
        {"get ", 0},
        {"M-SEARC", SP_EMORE},
        {"M-SEARCH ", 1},
        {"UNLOCK ", 1},
        {"UNL", SP_EMORE},
        {"UNLINK /", 1},
        {"PROPFIND", SP_EMORE},
        {"PROPPATCH x", 1},
        {"HTTP/1.1 200", 0},
        {"\x16\x03\x01", 0},
        {"\r\nGET ", 0},
        {" ", 0},
        {"PRI * ", 0},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct copy c = copy_of(cases[i].text, strlen(cases[i].text));

        ck_assert_msg(sp_http_looks_like(sp_span(c.p, c.len)) == cases[i].want, "%s",
                      cases[i].text);
        free(c.p);
    }
    ck_assert_int_eq(sp_http_looks_like(sp_span(NULL, 0)), SP_EMORE);
    ck_assert_int_eq(sp_http_looks_like(sp_span("\0\x1\0\0", 4)), 0);
}
END_TEST

START_TEST(dates)
{
    static const struct {
        uint64_t unix_s;
        const char *text;
    } good[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {4294967296, "Sun, 07 Feb 2106 06:28:16 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    static const char *const bad[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 GMTx",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Wed, 30 Feb 2000 00:00:00 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun, 06 Nov 1994 -1:49:37 GMT",
    };
    char text[30];
    uint64_t t = 77;

    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++) {
        sp_http_date(good[i].unix_s, text);
        ck_assert_str_eq(text, good[i].text);
        ck_assert_int_eq(sp_http_parse_date(sp_span_str(text), &t), 0);
        ck_assert_uint_eq(t, good[i].unix_s);
    }
    sp_http_date(UINT64_MAX, text);
    ck_assert_str_eq(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    t = 77;
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        ck_assert_msg(sp_http_parse_date(sp_span_str(bad[i]), &t) == SP_EBADMSG, "%s", bad[i]);
        ck_assert_uint_eq(t, 77);
    }
    ck_assert_int_eq(sp_http_parse_date(sp_span("Sun, 06 Nov 1994 08:49:37\0GMT", 29), &t),
                     SP_EBADMSG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *tc = tcase_create("http");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, request_head);
    tcase_add_test(tc, cut_at_each_byte);
    tcase_add_test(tc, early_no);
    tcase_add_test(tc, refusals);
    tcase_add_test(tc, smuggling);
    tcase_add_test(tc, nul_is_refused);
    tcase_add_test(tc, request_line);
    tcase_add_test(tc, bounds);
    tcase_add_test(tc, keep_alive_and_upgrade);
    tcase_add_test(tc, response_head);
    tcase_add_test(tc, fields);
    tcase_add_test(tc, bearer);
    tcase_add_test(tc, looks_like);
    tcase_add_test(tc, dates);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
