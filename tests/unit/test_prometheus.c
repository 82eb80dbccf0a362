/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text format, letter by letter; what does not fit; labels from outside; the tunnel's table.
 */
#include "sallyport/prometheus.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sallyport/bytes.h"
#include "sallyport/process.h"
#include "sallyport/tunnel.h"

#define TEXT_MAX (64 * 1024)

static struct sp_buf buf;
static struct sp_prometheus p;
static char text[TEXT_MAX];

static void setup(void)
{
    sp_buf_init(&buf, TEXT_MAX - 1);
    sp_prometheus_init(&p, &buf);
}

static void teardown(void)
{
    sp_buf_fini(&buf);
}

static const char *written(void)
{
    struct sp_span s = sp_buf_span(&buf);

    ck_assert(!p.failed);
    ck_assert_uint_lt(s.len, sizeof text);
    snprintf(text, sizeof text, "%.*s", (int)s.len, (const char *)s.p);
    return text;
}

START_TEST(samples)
{
    const struct sp_sample lane0 = {SP_IS_GAUGE, "rtt_seconds", "lane=\"0\"", "Round trip."};
    const struct sp_sample lane1 = {SP_IS_GAUGE, "rtt_seconds", "lane=\"1\"", NULL};
    const struct sp_sample bytes = {SP_IS_COUNTER, "bytes_total", NULL, "All of them."};

    sp_prometheus_seconds(&p, &lane0, 1500);
    sp_prometheus_seconds(&p, &lane1, 61000000);
    sp_prometheus_sample(&p, &bytes, UINT64_MAX);
    ck_assert_str_eq(written(), "# HELP sallyport_rtt_seconds Round trip.\n"
                                "# TYPE sallyport_rtt_seconds gauge\n"
                                "sallyport_rtt_seconds{lane=\"0\"} 0.001500\n"
                                "sallyport_rtt_seconds{lane=\"1\"} 61.000000\n"
                                "# HELP sallyport_bytes_total All of them.\n"
                                "# TYPE sallyport_bytes_total counter\n"
                                "sallyport_bytes_total 18446744073709551615\n");
}
END_TEST

struct things {
    uint64_t one, two;
};

START_TEST(tables)
{
    static const struct sp_counter table[] = {
        SP_COUNTER(struct things, one, "dropped_total", "reason=\"one\"", "Dropped."),
        SP_COUNTER(struct things, two, "dropped_total", "reason=\"two\"", NULL),
    };
    static const struct sp_counter_group groups[] = {
        {"all", table, 2, 0},
        {"second", table, 1, offsetof(struct things, two)},
    };
    const struct things t = {1, 2};

    sp_prometheus_groups(&p, groups, 1, &t);
    ck_assert_str_eq(written(), "# HELP sallyport_dropped_total Dropped.\n"
                                "# TYPE sallyport_dropped_total counter\n"
                                "sallyport_dropped_total{reason=\"one\"} 1\n"
                                "sallyport_dropped_total{reason=\"two\"} 2\n");
    sp_prometheus_groups(&p, &groups[1], 1, &t);
    ck_assert_ptr_nonnull(strstr(written(), "reason=\"two\"} 2\nsallyport_dropped_total{"
                                            "reason=\"one\"} 2\n"));
}
END_TEST

START_TEST(what_does_not_fit_is_remembered)
{
    const struct sp_sample s = {SP_IS_GAUGE, "a", NULL, "A."};
    struct sp_prometheus small;
    struct sp_buf b;

    sp_buf_init(&b, 40);
    sp_prometheus_init(&small, &b);
    sp_prometheus_sample(&small, &s, 1);
    ck_assert(small.failed);
    sp_buf_fini(&b);
}
END_TEST

START_TEST(labels_from_outside)
{
    char out[SP_LABEL_MAX], longest[2 * SP_LABEL_MAX];

    ck_assert_str_eq(sp_prometheus_label("a", "b", out), "a=\"b\"");
    ck_assert_str_eq(sp_prometheus_label("a", "\"} 1\n\\x", out), "a=\"\\\"} 1?\\\\x\"");
    ck_assert_str_eq(sp_prometheus_label("a", "\xc3\xa4", out), "a=\"??\"");
    for (size_t odd = 0; odd < 2; odd++) {
        memset(longest, '"', sizeof longest);
        memset(longest, 'x', odd);
        longest[sizeof longest - 1] = '\0';
        sp_prometheus_label("a", longest, out);
        size_t len = strlen(out);
        ck_assert_uint_lt(len, sizeof out);
        ck_assert(out[len - 1] == '"' && out[len - 2] == '"' && out[len - 3] == '\\');
    }
}
END_TEST

START_TEST(build)
{
    sp_prometheus_build_info(&p);
    ck_assert_ptr_nonnull(strstr(written(), "# TYPE sallyport_build_info gauge\n"
                                            "sallyport_build_info{version=\"" SALLYPORT_VERSION
                                            "\",crypto=\""));
    ck_assert_str_eq(text + strlen(text) - 5, "\"} 1\n");
}
END_TEST

START_TEST(process)
{
    struct sp_process_usage u;
    int fd[2];

    sp_process_usage(&u);
    ck_assert_uint_gt(u.resident_bytes, 100000);
    ck_assert_uint_ge(u.virtual_bytes, u.resident_bytes);
    ck_assert_uint_gt(u.max_fds, u.open_fds);
    uint64_t before = u.open_fds;
    ck_assert_int_eq(pipe(fd), 0);
    sp_process_usage(&u);
    ck_assert_uint_eq(u.open_fds, before + 2);
    close(fd[0]);
    close(fd[1]);

    sp_prometheus_process(&p, 1234567890);
    static const char *const lines[] = {"\nprocess_cpu_seconds_total ",
                                        "\nprocess_resident_memory_bytes ",
                                        "\nprocess_virtual_memory_bytes ",
                                        "\nprocess_open_fds ",
                                        "\nprocess_max_fds ",
                                        "\nprocess_start_time_seconds 1234567890\n"};
    for (size_t i = 0; i < SP_ARRAY_LEN(lines); i++)
        ck_assert_msg(strstr(written(), lines[i]) != NULL, "%s", lines[i]);
}
END_TEST

/* Every field has a row, no two rows one name, and the first of a metric has its help. */
START_TEST(the_tunnels_table)
{
    size_t n;
    const struct sp_counter *table = sp_tunnel_counter_table(&n);
    bool seen[sizeof(struct sp_tunnel_counters) / sizeof(uint64_t)] = {false};

    ck_assert_uint_eq(n, SP_ARRAY_LEN(seen));
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(!seen[table[i].offset / sizeof(uint64_t)], "%s", table[i].field);
        seen[table[i].offset / sizeof(uint64_t)] = true;
        bool first = i == 0 || strcmp(table[i].metric, table[i - 1].metric) != 0;
        ck_assert_msg(first == (table[i].help != NULL), "%s", table[i].field);
        ck_assert(first || table[i].labels != NULL);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prometheus");
    TCase *tc = tcase_create("prometheus");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, samples);
    tcase_add_test(tc, tables);
    tcase_add_test(tc, what_does_not_fit_is_remembered);
    tcase_add_test(tc, labels_from_outside);
    tcase_add_test(tc, build);
    tcase_add_test(tc, process);
    tcase_add_test(tc, the_tunnels_table);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
