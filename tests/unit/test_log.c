/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sallyport/err.h"

/* A log that writes into a pipe, and what came out of it last. */
struct sink {
    struct sp_log log;
    int read_fd;
    char text[8192];
};

static struct sink sink;

static void open_sink(void)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    sink.log = (struct sp_log){.level = SP_LOG_DEBUG, .fd = fds[1]};
    sink.read_fd = fds[0];
}

static void close_sink(void)
{
    close(sink.read_fd);
    if (sink.log.fd >= 0)
        close(sink.log.fd);
}

static const char *written(void)
{
    ssize_t n = read(sink.read_fd, sink.text, sizeof sink.text - 1);
    sink.text[n < 0 ? 0 : n] = '\0';
    return sink.text;
}

/* Takes the date off, which no test knows; checks its form. */
static const char *without_date(const char *line, const char *before)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    ck_assert_msg(strncmp(line, before, strlen(before)) == 0, "%s", line);
    line += strlen(before);
    for (size_t i = 0; form[i] != '\0'; i++, line++) {
        if (form[i] == 'd')
            ck_assert_int_eq(*line >= '0' && *line <= '9', 1);
        else
            ck_assert_int_eq(*line, form[i]);
    }
    return line;
}

static const char *text_line(void)
{
    return without_date(written(), "");
}

static const char *json_line(void)
{
    return without_date(written(), "{\"time\":\"");
}

START_TEST(text_fields)
{
    struct sp_addr v4 = sp_addr_v4(192, 0, 2, 1, 443), v6;
    ck_assert_int_eq(sp_addr_parse("[2001:db8::1]:5", &v6), 0);
    sp_log_info(&sink.log, "tunnel opened", SP_F_STR("subject", "alice"),
                SP_F_UINT("bytes", UINT64_MAX), SP_F_INT("delta", INT64_MIN),
                SP_F_ADDR("peer", &v4), SP_F_ADDR("local", &v6), SP_F_STR("no", NULL),
                SP_F_ADDR("gone", NULL));
    ck_assert_str_eq(text_line(),
                     " info  tunnel opened subject=\"alice\" bytes=18446744073709551615"
                     " delta=-9223372036854775808 peer=192.0.2.1:443 local=[2001:db8::1]:5"
                     " no=\"\" gone=\"\"\n");
}
END_TEST

START_TEST(json_fields)
{
    struct sp_addr v4 = sp_addr_v4(192, 0, 2, 1, 443);
    sink.log.json = true;
    sp_log_warn(&sink.log, "tunnel opened", SP_F_STR("subject", "alice"), SP_F_UINT("bytes", 7),
                SP_F_INT("delta", -1), SP_F_ADDR("peer", &v4), SP_F_STR("no", NULL),
                SP_F_ADDR("gone", NULL));
    ck_assert_str_eq(json_line(),
                     "\",\"level\":\"warn\",\"msg\":\"tunnel opened\",\"subject\":\"alice\","
                     "\"bytes\":7,\"delta\":-1,\"peer\":\"192.0.2.1:443\",\"no\":\"\","
                     "\"gone\":\"\"}\n");
}
END_TEST

START_TEST(no_fields)
{
    sp_log_error(&sink.log, "bad");
    ck_assert_str_eq(text_line(), " error bad\n");
    sink.log.json = true;
    sp_log_debug(&sink.log, "good");
    ck_assert_str_eq(json_line(), "\",\"level\":\"debug\",\"msg\":\"good\"}\n");
}
END_TEST

START_TEST(levels)
{
    for (int level = SP_LOG_ERROR; level <= SP_LOG_DEBUG; level++) {
        sink.log.level = (enum sp_log_level)level;
        for (int line = SP_LOG_ERROR; line <= SP_LOG_DEBUG; line++) {
            SP_LOG_AT(&sink.log, (enum sp_log_level)line, "x");
            ck_assert_int_eq(written()[0] != '\0', line <= level);
        }
    }
    sp_log_error(NULL, "nobody hears it", SP_F_UINT("n", 1));
}
END_TEST

START_TEST(level_names)
{
    static const char *const bad[] = {"", "warning", "Info", "info ", "debug2", "0"};
    enum sp_log_level level = SP_LOG_WARN;
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        ck_assert_int_eq(sp_log_level_parse(bad[i], &level), SP_EINVAL);
    ck_assert_int_eq(level, SP_LOG_WARN);
    ck_assert_int_eq(sp_log_level_parse("error", &level), 0);
    ck_assert_int_eq(level, SP_LOG_ERROR);
    ck_assert_int_eq(sp_log_level_parse("warn", &level), 0);
    ck_assert_int_eq(level, SP_LOG_WARN);
    ck_assert_int_eq(sp_log_level_parse("info", &level), 0);
    ck_assert_int_eq(level, SP_LOG_INFO);
    ck_assert_int_eq(sp_log_level_parse("debug", &level), 0);
    ck_assert_int_eq(level, SP_LOG_DEBUG);
}
END_TEST

START_TEST(values_forge_nothing)
{
    static const struct {
        const char *value, *shown;
    } cases[] = {
        {"a\nb\rc\td", "a\\u000ab\\u000dc\\u0009d"},
        {"\" admin=\"1", "\\\" admin=\\\"1"},
        {"\\\"", "\\\\\\\""},
        {"\x1b[2J\x7f", "\\u001b[2J\\u007f"},
        {"J\xc3\xbcrgen", "J\\u00fcrgen"},
        {"\xc2\x85", "\\u0085"},                   /* a control character of C1 */
        {"\xe2\x80\xae", "\\u202e"},               /* turns the direction of writing */
        {"\xf0\x9f\x8f\xb0", "\\ud83c\\udff0"},    /* a castle */
        {"\xf4\x8f\xbf\xbf", "\\udbff\\udfff"},    /* the last code point */
        {"\xff\x80z", "\\ufffd\\ufffdz"},          /* never UTF-8 */
        {"\xc0\x8a", "\\ufffd\\ufffd"},            /* a line feed in two bytes */
        {"\xe0\x80\x8a", "\\ufffd\\ufffd\\ufffd"}, /* and in three */
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"}, /* half a surrogate pair */
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
        {"\xe2\x80", "\\ufffd\\ufffd"}, /* ends too early */
        {"\xf0\x9f\x8f"
         "a",
         "\\ufffd\\ufffd\\ufffda"},
    };
    char want[128];
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        sink.log.json = false;
        sp_log_info(&sink.log, "m", SP_F_STR("v", cases[i].value));
        snprintf(want, sizeof want, " info  m v=\"%s\"\n", cases[i].shown);
        ck_assert_str_eq(text_line(), want);
        sink.log.json = true;
        sp_log_info(&sink.log, "m", SP_F_STR("v", cases[i].value));
        snprintf(want, sizeof want, "\",\"level\":\"info\",\"msg\":\"m\",\"v\":\"%s\"}\n",
                 cases[i].shown);
        ck_assert_str_eq(json_line(), want);
    }
}
END_TEST

/* Each length around the bound: the line is whole, ends once, and says that it was cut. */
START_TEST(long_lines_are_cut_in_good_order)
{
    char value[3000];
    for (int json = 0; json <= 1; json++) {
        bool was_cut = false;
        sink.log.json = json;
        for (size_t len = 1800; len < 2200; len++) {
            memset(value, 'x', len);
            value[len] = '\0';
            sp_log_info(&sink.log, "m", SP_F_STR("v", value), SP_F_UINT("after", 12345));
            const char *line = written();
            size_t n = strlen(line);
            bool cut = strstr(line, json ? ",\"cut\":true}\n" : " cut=true\n") != NULL;
            bool whole = strstr(line, json ? ",\"after\":12345" : " after=12345") != NULL;

            ck_assert_uint_le(n, 2000);
            ck_assert_ptr_eq(strchr(line, '\n'), line + n - 1);
            ck_assert_int_eq(cut, !whole);
            ck_assert(cut || !was_cut);
            was_cut = cut;
            unsigned quotes = 0;
            for (const char *p = line; *p != '\0'; p++)
                quotes += *p == '"';
            ck_assert_uint_eq(quotes % 2, 0);
        }
        ck_assert(was_cut);
    }
}
END_TEST

START_TEST(an_escape_is_never_halved)
{
    char value[3000];
    for (size_t shift = 0; shift < 12; shift++) {
        memset(value, 'x', shift);
        size_t len = shift;
        while (len < 2000) {
            memcpy(value + len, "\xf0\x9f\x8f\xb0", 4);
            len += 4;
        }
        value[len] = '\0';
        sp_log_info(&sink.log, "m", SP_F_STR("v", value));
        const char *line = written();
        ck_assert_ptr_nonnull(strstr(line, "\\ud83c\\udff0\" cut=true\n"));
        ck_assert_uint_le(strlen(line), 2000);
    }
}
END_TEST

START_TEST(many_fields_are_cut_too)
{
    struct sp_log_field fields[501] = {{0}};
    for (size_t i = 0; i < 500; i++)
        fields[i] = SP_F_UINT("n", i);
    sink.log.json = true;
    sp_log_event(&sink.log, SP_LOG_INFO, "m", fields);
    const char *line = written();
    ck_assert_uint_le(strlen(line), 2000);
    ck_assert_uint_ge(strlen(line), 1900);
    ck_assert_ptr_nonnull(strstr(line, ",\"n\":99,"));
    ck_assert_str_eq(strrchr(line, ','), ",\"cut\":true}\n");
}
END_TEST

START_TEST(errno_survives)
{
    close(sink.log.fd);
    sink.log.fd = -1;
    errno = ENOENT;
    sp_log_error(&sink.log, "to nowhere");
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tc = tcase_create("log");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, open_sink, close_sink);
    tcase_add_test(tc, text_fields);
    tcase_add_test(tc, json_fields);
    tcase_add_test(tc, no_fields);
    tcase_add_test(tc, levels);
    tcase_add_test(tc, level_names);
    tcase_add_test(tc, values_forge_nothing);
    tcase_add_test(tc, long_lines_are_cut_in_good_order);
    tcase_add_test(tc, an_escape_is_never_halved);
    tcase_add_test(tc, many_fields_are_cut_too);
    tcase_add_test(tc, errno_survives);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
