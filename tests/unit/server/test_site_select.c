/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site_select.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define DATE   "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static struct sp_site_version version = {100, 784111777, "\"v1\""};

/* What a request with these fields gets: "200 0+100". */
static const char *got(const char *method, const char *fields)
{
    static char result[64];
    char text[512];
    struct sp_http_head h;
    struct sp_site_part part = {77, 77};
    size_t used;

    snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, fields);
    ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
    unsigned status = sp_site_select(&h, &version, &part);
    if (status == 200 || status == 206)
        snprintf(result, sizeof result, "%u %u+%u", status, (unsigned)part.first,
                 (unsigned)part.len);
    else
        snprintf(result, sizeof result, "%u", status);
    return result;
}

struct row {
    const char *fields, *result;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *result = got("GET", rows[i].fields);
        ck_assert_msg(strcmp(result, rows[i].result) == 0, "%s: %s, not %s", rows[i].fields, result,
                      rows[i].result);
    }
}

START_TEST(preconditions)
{
    static const struct row rows[] = {
        {"", "200 0+100"},
        {"If-None-Match: \"v1\"\r\n", "304"},
        {"If-None-Match: W/\"v1\"\r\n", "304"},
        {"If-None-Match: \"v0\", W/\"x,y\" ,\"v1\"\r\n", "304"},
        {"If-None-Match: \"v0\"\r\nIf-None-Match: \"v1\"\r\n", "304"},
        {"If-None-Match: *\r\n", "304"},
        {"If-None-Match: \"v0\"\r\n", "200 0+100"},
        {"If-None-Match: v1\r\n", "200 0+100"},
        {"If-None-Match: \"v1\r\n", "200 0+100"},
        {"If-Modified-Since: " DATE "\r\n", "304"},
        {"If-Modified-Since: " AFTER "\r\n", "304"},
        {"If-Modified-Since: " BEFORE "\r\n", "200 0+100"},
        {"If-Modified-Since: yesterday\r\n", "200 0+100"},
        /* the tag decides, the date is not asked */
        {"If-None-Match: \"v0\"\r\nIf-Modified-Since: " DATE "\r\n", "200 0+100"},
        {"If-None-Match: \"v1\"\r\nIf-Modified-Since: " BEFORE "\r\n", "304"},
        {"If-Match: \"v1\"\r\n", "200 0+100"},
        {"If-Match: *\r\n", "200 0+100"},
        {"If-Match: W/\"v1\"\r\n", "412"},
        {"If-Match: \"v0\"\r\n", "412"},
        {"If-Unmodified-Since: " DATE "\r\n", "200 0+100"},
        {"If-Unmodified-Since: " BEFORE "\r\n", "412"},
        {"If-Match: \"v1\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", "200 0+100"},
        {"If-Match: \"v1\"\r\nIf-None-Match: \"v1\"\r\n", "304"},
    };

    check_rows(rows, SP_ARRAY_LEN(rows));
}
END_TEST

START_TEST(ranges)
{
    static const struct row rows[] = {
        {"Range: bytes=0-9\r\n", "206 0+10"},
        {"Range: Bytes=0-0\r\n", "206 0+1"},
        {"Range: bytes=10-\r\n", "206 10+90"},
        {"Range: bytes=99-\r\n", "206 99+1"},
        {"Range: bytes=-1\r\n", "206 99+1"},
        {"Range: bytes=-100\r\n", "206 0+100"},
        {"Range: bytes=-1000\r\n", "206 0+100"},
        {"Range: bytes=90-1000\r\n", "206 90+10"},
        {"Range: bytes=90-99999999999999999999999999\r\n", "206 90+10"},
        {"Range: bytes=100-\r\n", "416"},
        {"Range: bytes=100-200\r\n", "416"},
        {"Range: bytes=99999999999999999999999999-\r\n", "416"},
        {"Range: bytes=-0\r\n", "416"},
        {"Range: bytes=9-0\r\n", "200 0+100"},
        {"Range: bytes=0-1,3-4\r\n", "200 0+100"},
        {"Range: bytes=\r\n", "200 0+100"},
        {"Range: bytes=-\r\n", "200 0+100"},
        {"Range: bytes=1\r\n", "200 0+100"},
        {"Range: bytes=a-b\r\n", "200 0+100"},
        {"Range: bytes=0--1\r\n", "200 0+100"},
        {"Range: lines=0-1\r\n", "200 0+100"},
        {"Range: bytes\r\n", "200 0+100"},
        {"Range: bytes=0-9\r\nIf-Range: \"v1\"\r\n", "206 0+10"},
        {"Range: bytes=0-9\r\nIf-Range: \"v0\"\r\n", "200 0+100"},
        {"Range: bytes=0-9\r\nIf-Range: W/\"v1\"\r\n", "200 0+100"},
        {"Range: bytes=0-9\r\nIf-Range: " DATE "\r\n", "206 0+10"},
        {"Range: bytes=0-9\r\nIf-Range: " AFTER "\r\n", "200 0+100"},
        {"Range: bytes=0-9\r\nIf-None-Match: \"v1\"\r\n", "304"},
    };

    check_rows(rows, SP_ARRAY_LEN(rows));
    ck_assert_str_eq(got("HEAD", "Range: bytes=0-9\r\n"), "200 0+100");
}
END_TEST

START_TEST(empty)
{
    static const struct row rows[] = {
        {"", "200 0+0"},
        {"Range: bytes=0-\r\n", "416"},
        {"Range: bytes=-5\r\n", "200 0+0"},
    };

    version.len = 0;
    check_rows(rows, SP_ARRAY_LEN(rows));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("site_select");
    TCase *tc = tcase_create("site_select");

    tcase_add_test(tc, preconditions);
    tcase_add_test(tc, ranges);
    tcase_add_test(tc, empty);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
