/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/bytes.h"
#include "sallyport/err.h"
#include "sallyport/upgrade.h"
#include "url.h"

static void good(const char *text, const char *host, unsigned port, const char *path,
                 const char *authority)
{
    struct sp_server_url u;
    const char *why = "";

    ck_assert_msg(sp_server_url_parse(text, &u, &why) == 0, "%s: %s", text, why);
    ck_assert_str_eq(u.host, host);
    ck_assert_uint_eq(u.port, port);
    ck_assert_str_eq(u.path, path);
    ck_assert_str_eq(u.authority, authority);
}

START_TEST(servers)
{
    good("https://edge.example", "edge.example", 443, SP_UPGRADE_PATH, "edge.example");
    good("https://edge.example/", "edge.example", 443, SP_UPGRADE_PATH, "edge.example");
    good("HTTPS://Edge.Example:443", "edge.example", 443, SP_UPGRADE_PATH, "edge.example");
    good("https://edge.example:8443/a/b", "edge.example", 8443, "/a/b", "edge.example:8443");
    good("https://192.0.2.7:1", "192.0.2.7", 1, SP_UPGRADE_PATH, "192.0.2.7:1");
    good("https://[2001:db8::1]", "2001:db8::1", 443, SP_UPGRADE_PATH, "[2001:db8::1]");
    good("https://[2001:DB8::1]:65535/x", "2001:db8::1", 65535, "/x", "[2001:db8::1]:65535");
    good("https://a_b.example./p@q:r", "a_b.example.", 443, "/p@q:r", "a_b.example.");
}
END_TEST

START_TEST(wrong_servers)
{
    static const char *const texts[] = {
        "",
        "edge.example",
        "http://edge.example",
        "https://",
        "https:///path",
        "https://edge.example:",
        "https://edge.example:0",
        "https://edge.example:65536",
        "https://edge.example:443x",
        "https://edge.example:-1",
        "https://edge.example: 443",
        "https://edge example",
        "https://edge.example/a b",
        "https://edge.example/a?b",
        "https://edge.example#f",
        "https://edge.example?f",
        "https://edge.example/\r\nX: y",
        "https://edge.example\n",
        "https://user:secret@edge.example",
        "https://2001:db8::1",
        "https://[2001:db8::1",
        "https://[2001:db8::1]443",
        "https://[edge.example]",
        "https://[192.0.2.1]",
        "https://.example",
        "https://-x.example",
        "https://\xc3\xa9.example",
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++) {
        struct sp_server_url u = {.port = 77};
        const char *why = NULL;
        ck_assert_msg(sp_server_url_parse(texts[i], &u, &why) == SP_EINVAL, "%s", texts[i]);
        ck_assert_ptr_nonnull(why);
        ck_assert_uint_eq(u.port, 77);
    }
}
END_TEST

/* What is as long as allowed fits, and one more does not. */
static int parse_lengths(size_t host, size_t path)
{
    char text[1024] = "https://", *p = text + 8;
    struct sp_server_url u;
    const char *why;

    memset(p, 'a', host);
    p += host;
    *p = '/';
    memset(p + 1, 'b', path - 1);
    p[path] = '\0';
    int err = sp_server_url_parse(text, &u, &why);
    if (err == 0) {
        ck_assert_uint_eq(strlen(u.host), host);
        ck_assert_uint_eq(strlen(u.path), path);
    }
    return err;
}

START_TEST(lengths)
{
    ck_assert_int_eq(parse_lengths(SP_URL_HOST_MAX, SP_URL_PATH_MAX), 0);
    ck_assert_int_eq(parse_lengths(SP_URL_HOST_MAX + 1, SP_URL_PATH_MAX), SP_EINVAL);
    ck_assert_int_eq(parse_lengths(SP_URL_HOST_MAX, SP_URL_PATH_MAX + 1), SP_EINVAL);
}
END_TEST

START_TEST(user_and_password)
{
    struct sp_url u;
    const char *why;

    ck_assert_int_eq(sp_url_parse("http://me:p%40ss%3a@proxy:3128", &u, &why), 0);
    ck_assert_str_eq(u.user, "me:p@ss:");
    ck_assert_str_eq(u.host, "proxy");
    ck_assert_int_eq(sp_url_parse("a@b@proxy", &u, &why), 0);
    ck_assert_str_eq(u.user, "a@b");
    ck_assert_str_eq(u.scheme, "");
    ck_assert_int_eq(sp_url_parse("http://me:%4@proxy", &u, &why), SP_EINVAL);
    ck_assert_int_eq(sp_url_parse("http://me:%@proxy", &u, &why), SP_EINVAL);
    ck_assert_int_eq(sp_url_parse("http://me:%0d%0a@proxy", &u, &why), SP_EINVAL);
    ck_assert_int_eq(sp_url_parse("http://me:%00@proxy", &u, &why), SP_EINVAL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("url");
    TCase *tc = tcase_create("url");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, servers);
    tcase_add_test(tc, wrong_servers);
    tcase_add_test(tc, lengths);
    tcase_add_test(tc, user_and_password);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
