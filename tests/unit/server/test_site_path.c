/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site_path.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"

START_TEST(good)
{
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        {"/", "/", ""},
        {"/a/b.html", "/a/b.html", ""},
        {"/a/", "/a/", ""},
        {"/a?b=c/../d", "/a", "?b=c/../d"},
        {"/a#b", "/a", "#b"},
        {"/%61%2Db%2c%20%C3%a9", "/a-b, \xC3\xA9", ""},
        {"/a%3Fb?c", "/a?b", "?c"},
        {"/a.b/c..d/e.", "/a.b/c..d/e.", ""},
        {"/%25%32%65", "/%2e", ""}, /* once, not twice */
        {"/.well-known/acme-challenge/x", "/.well-known/acme-challenge/x", ""},
        {"/%2Ewell-known/x", "/.well-known/x", ""},
        {"/\\..\\x", "/\\..\\x", ""}, /* a name like any other here */
        {"http://a.example/b?c", "/b", "?c"},
        {"HTTPS://a", "/", ""},
        {"https://a?b=/c", "/", ""},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_site_path path;
        struct sp_span query;

        ck_assert_msg(sp_site_path_parse(sp_span_str(cases[i].target), &path, &query) == 0, "%s",
                      cases[i].target);
        ck_assert_str_eq(path.text, cases[i].path);
        ck_assert_uint_eq(path.len, strlen(cases[i].path));
        ck_assert(sp_span_eq(query, sp_span_str(cases[i].query)));
    }
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *target;
        int err;
    } cases[] = {
        {"", SP_EBADMSG},
        {"*", SP_EBADMSG},
        {"a", SP_EBADMSG},
        {"a.example:443", SP_EBADMSG},
        {"ftp://a/", SP_EBADMSG},
        {"/%", SP_EBADMSG},
        {"/%4", SP_EBADMSG},
        {"/%4g", SP_EBADMSG},
        {"/%g4", SP_EBADMSG},
        {"/%%41", SP_EBADMSG},
        {"/%00", SP_EBADMSG},
        {"/a%00.html", SP_EBADMSG},
        {"/..", SP_ENOENT},
        {"/../etc/passwd", SP_ENOENT},
        {"/a/../../etc/passwd", SP_ENOENT},
        {"/a/..", SP_ENOENT},
        {"/.", SP_ENOENT},
        {"/./a", SP_ENOENT},
        {"/%2e%2e/etc/passwd", SP_ENOENT},
        {"/%2E./etc/passwd", SP_ENOENT},
        {"/.%2e/etc/passwd", SP_ENOENT},
        {"/..%2fetc%2fpasswd", SP_ENOENT},
        {"/a%2Fb", SP_ENOENT},
        {"/%2Fetc/passwd", SP_ENOENT},
        {"//", SP_ENOENT},
        {"//etc/passwd", SP_ENOENT},
        {"/a//b", SP_ENOENT},
        {"/a//", SP_ENOENT},
        {"/.htaccess", SP_ENOENT},
        {"/.git/config", SP_ENOENT},
        {"/a/.well-known/x", SP_ENOENT},
        {"/.well-known-not/x", SP_ENOENT},
        {"/.well-known/.secret", SP_ENOENT},
        {"/.well-known/../x", SP_ENOENT},
        {"http://a//x", SP_ENOENT},
        {"http://a/../x", SP_ENOENT},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_site_path path;
        struct sp_span query;

        ck_assert_msg(sp_site_path_parse(sp_span_str(cases[i].target), &path, &query) ==
                          cases[i].err,
                      "%s", cases[i].target);
    }
}
END_TEST

START_TEST(bounds)
{
    static char text[SP_SITE_PATH_MAX + 10];
    struct sp_site_path path;
    struct sp_span query;

    memset(text, '/', sizeof text);
    for (size_t i = 1; i < SP_SITE_PATH_MAX; i++)
        text[i] = i % (SP_SITE_SEGMENT_MAX + 1) == 0 ? '/' : 'a';
    ck_assert_int_eq(sp_site_path_parse(sp_span(text, SP_SITE_PATH_MAX), &path, &query), 0);
    ck_assert_uint_eq(path.len, SP_SITE_PATH_MAX);
    ck_assert_int_eq(sp_site_path_parse(sp_span(text, SP_SITE_PATH_MAX + 1), &path, &query),
                     SP_ETOOBIG);
    text[SP_SITE_SEGMENT_MAX + 1] = 'a';
    ck_assert_int_eq(sp_site_path_parse(sp_span(text, SP_SITE_PATH_MAX), &path, &query), SP_ENOENT);
}
END_TEST

START_TEST(encoded)
{
    struct sp_site_path path;
    struct sp_span query;
    char text[64];
    size_t len;

    ck_assert_int_eq(
        sp_site_path_parse(sp_span_str("/a%20b/%C3%A9%25%3F%23%0d%0a\"<x>;~"), &path, &query), 0);
    ck_assert_int_eq(sp_site_path_encode(&path, text, sizeof text, &len), 0);
    ck_assert_str_eq(text, "/a%20b/%C3%A9%25%3F%23%0D%0A%22%3Cx%3E;~");
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_int_eq(sp_site_path_encode(&path, text, 12, &len), SP_ETOOBIG);
}
END_TEST

START_TEST(types)
{
    static const struct {
        const char *path, *type;
    } cases[] = {
        {"/a.html", "text/html; charset=utf-8"},
        {"/A.HTM", "text/html; charset=utf-8"},
        {"/x.tar.gz", "application/gzip"},
        {"/logo.svg", "image/svg+xml"},
        {"/app.js", "text/javascript; charset=utf-8"},
        {"/a", "application/octet-stream"},
        {"/a.unknown", "application/octet-stream"},
        {"/a.html/b", "application/octet-stream"},
        {"a.png", "image/png"},
        {"/a.", "application/octet-stream"},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        ck_assert_str_eq(sp_site_path_type(cases[i].path), cases[i].type);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("site_path");
    TCase *tc = tcase_create("site_path");

    tcase_add_test(tc, good);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, bounds);
    tcase_add_test(tc, encoded);
    tcase_add_test(tc, types);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
