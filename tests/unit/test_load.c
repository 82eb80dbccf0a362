/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the load generator counts with, and when its ends send: load_tally and load_shape. */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "load_shape.h"
#include "load_tally.h"
#include "process_use.h"

#define MS 1000000ull
#define S  1000000000ull

static struct load_tally tally;
static struct load_seen seen;
static const struct load_expected want = {7, {160, 1200}, 100 * S};

static void fresh(void)
{
    memset(&tally, 0, sizeof tally);
    memset(&seen, 0, sizeof seen);
}

static void take(uint32_t end, enum load_stream_kind stream, uint32_t number, uint64_t sent_ns,
                 uint64_t delay_ns)
{
    uint8_t bytes[1200] = {0};

    load_stamp(bytes, end, stream, number, sent_ns);
    load_tally_take(&tally, &seen, sp_span(bytes, want.len[stream]), &want, sent_ns + delay_ns);
}

START_TEST(what_comes_is_counted)
{
    fresh();
    take(7, LOAD_VOICE, 0, 101 * S, MS);
    take(7, LOAD_VIDEO, 1, 101 * S, MS);
    ck_assert_uint_eq(tally.delivered, 2);
    ck_assert_uint_eq(tally.bytes, 1360);
    ck_assert_uint_eq(tally.wrong + tally.copies, 0);
}
END_TEST

START_TEST(what_was_sent_before_counts_for_nothing)
{
    fresh();
    take(7, LOAD_VOICE, 0, 99 * S, 2 * S);
    ck_assert_uint_eq(tally.delivered + tally.wrong + tally.copies, 0);
    ck_assert_uint_eq(tally.before, 1);
    take(7, LOAD_VOICE, 1, 100 * S, 0);
    ck_assert_uint_eq(tally.delivered, 1);
}
END_TEST

START_TEST(what_is_not_due_here_is_wrong)
{
    uint8_t bytes[1200] = {0};

    fresh();
    take(6, LOAD_VOICE, 0, 101 * S, MS);
    ck_assert_uint_eq(tally.wrong, 1);
    load_stamp(bytes, 7, LOAD_VOICE, 0, 101 * S);
    load_tally_take(&tally, &seen, sp_span(bytes, 161), &want, 102 * S);
    load_tally_take(&tally, &seen, sp_span(bytes, 1200), &want, 102 * S);
    load_tally_take(&tally, &seen, sp_span(bytes, LOAD_HEADER_LEN - 1), &want, 102 * S);
    load_tally_take(&tally, &seen, sp_span(NULL, 0), &want, 102 * S);
    ck_assert_uint_eq(tally.wrong, 5);
    load_tally_take(&tally, &seen, sp_span(bytes, 160), &want, 100 * S); /* from the future */
    ck_assert_uint_eq(tally.wrong, 6);
    ck_assert_uint_eq(tally.delivered, 0);
}
END_TEST

START_TEST(copies_are_told_apart)
{
    static const uint32_t numbers[] = {5, 6, 4, 6, 5, 100, 36, 36, 100, 37, 35, 35};
    static const unsigned copies[] = {0, 0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 3};

    fresh();
    for (size_t i = 0; i < SP_ARRAY_LEN(numbers); i++) {
        take(7, LOAD_VOICE, numbers[i], 101 * S, MS);
        ck_assert_uint_eq(tally.copies, copies[i]);
        ck_assert_uint_eq(tally.delivered + tally.copies, i + 1);
    }
}
END_TEST

START_TEST(quantiles_are_near)
{
    fresh();
    ck_assert(load_tally_quantile_us(&tally, 0.5) == 0);
    for (uint32_t i = 1; i <= 10000; i++)
        take(7, LOAD_VOICE, i, 101 * S, i * 1000ull);
    for (unsigned percent = 0; percent < 100; percent++) {
        double q = percent / 100.0;
        double us = load_tally_quantile_us(&tally, q);
        ck_assert(us <= q * 10000 + 2 && us >= q * 10000 / 1.02 - 1);
    }
    ck_assert_uint_ge(load_tally_longer(&tally, 9 * MS), 1000 - 160);
    ck_assert_uint_le(load_tally_longer(&tally, 9 * MS), 1000);
    ck_assert_uint_eq(load_tally_longer(&tally, 11 * MS), 0);
    take(7, LOAD_VOICE, 10001, 101 * S, 3600 * S); /* beyond all steps */
    ck_assert(load_tally_quantile_us(&tally, 1) > 16e6);
}
END_TEST

START_TEST(ends_send_in_turn_and_evenly)
{
    struct load_shape s;
    uint32_t end;

    load_shape_init(&s, 10, 50, 1, 160);
    load_shape_start(&s, 100 * S);
    ck_assert(load_shape_rate(&s) > 499.9 && load_shape_rate(&s) < 500.1);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t due = 100 * S + i * 2 * MS;
        ck_assert(i == 0 || !load_shape_next(&s, due - 1000, &end));
        ck_assert(load_shape_next(&s, due + 1000, &end));
        ck_assert_uint_eq(end, i % 10);
        ck_assert(!load_shape_next(&s, due + 1000, &end));
    }
}
END_TEST

START_TEST(a_process_is_seen_to_work)
{
    struct process_use before, after;
    volatile unsigned n = 0;

    ck_assert(process_use_read(getpid(), &before));
    do {
        for (unsigned i = 0; i < 1000000; i++)
            n++;
        ck_assert(process_use_read(getpid(), &after));
    } while (after.cpu_ns == before.cpu_ns);
    ck_assert_uint_gt(after.cpu_ns, before.cpu_ns);
    ck_assert_uint_gt(after.rss_kb, 100);
    ck_assert(!process_use_read(-1, &after));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("load");
    TCase *t = tcase_create("load");

    tcase_add_test(t, what_comes_is_counted);
    tcase_add_test(t, what_was_sent_before_counts_for_nothing);
    tcase_add_test(t, what_is_not_due_here_is_wrong);
    tcase_add_test(t, copies_are_told_apart);
    tcase_add_test(t, quantiles_are_near);
    tcase_add_test(t, ends_send_in_turn_and_evenly);
    tcase_add_test(t, a_process_is_seen_to_work);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
