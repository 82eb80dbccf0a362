/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/clock.h"
#include "sallyport/dgramq.h"
#include "sallyport/rng.h"

#define AGE 1000

static void push(struct sp_dgramq *q, const char *text, uint64_t now_us)
{
    uint8_t *p = sp_dgramq_push(q, strlen(text), now_us);

    ck_assert_ptr_nonnull(p);
    memcpy(p, text, strlen(text));
}

static void check_front(const struct sp_dgramq *q, size_t max, const char *want, size_t want_n)
{
    size_t n = 77;
    struct sp_span s = sp_dgramq_front(q, max, &n);

    ck_assert_uint_eq(n, want_n);
    ck_assert_uint_eq(s.len, strlen(want));
    ck_assert(s.len == 0 || memcmp(s.p, want, s.len) == 0);
}

START_TEST(first_in_first_out)
{
    struct sp_dgramq q;

    sp_dgramq_init(&q, 100, AGE);
    ck_assert(sp_dgramq_empty(&q));
    check_front(&q, 100, "", 0);
    push(&q, "one", 1);
    push(&q, "three", 2);
    push(&q, "x", 3);
    ck_assert(!sp_dgramq_empty(&q));
    ck_assert_uint_eq(sp_dgramq_bytes(&q), 9);
    check_front(&q, 100, "onethreex", 3);
    check_front(&q, 9, "onethreex", 3);
    check_front(&q, 8, "onethree", 2);
    check_front(&q, 7, "one", 1);
    check_front(&q, 0, "one", 1); /* one at least, however long it is */
    ck_assert_uint_eq(sp_dgramq_len_at(&q, 1), 5);
    ck_assert_uint_eq(sp_dgramq_time_at(&q, 1), 2);
    sp_dgramq_pop(&q, 1);
    ck_assert_mem_eq(sp_dgramq_head(&q), "three", 5);
    check_front(&q, 5, "three", 1);
    sp_dgramq_pop(&q, 2);
    ck_assert(sp_dgramq_empty(&q));
    ck_assert_uint_eq(sp_dgramq_bytes(&q), 0);
    ck_assert_uint_eq(q.dropped_full + q.dropped_old, 0);
    sp_dgramq_fini(&q);
}
END_TEST

START_TEST(when_full_the_oldest_goes)
{
    struct sp_dgramq q;

    sp_dgramq_init(&q, 10, AGE);
    push(&q, "aaaa", 1);
    push(&q, "bbb", 1);
    push(&q, "ccc", 1);
    check_front(&q, 100, "aaaabbbccc", 3);
    push(&q, "d", 1);
    check_front(&q, 100, "bbbcccd", 3);
    ck_assert_uint_eq(q.dropped_full, 1);
    push(&q, "eeeeeeeee", 1);
    check_front(&q, 100, "deeeeeeeee", 2);
    ck_assert_uint_eq(q.dropped_full, 3);
    /* What can't fit at all drives nothing out. */
    ck_assert_ptr_null(sp_dgramq_push(&q, 11, 1));
    check_front(&q, 100, "deeeeeeeee", 2);
    ck_assert_uint_eq(q.dropped_full, 4);
    push(&q, "ffffffffff", 1);
    check_front(&q, 100, "ffffffffff", 1);
    ck_assert_uint_eq(q.dropped_full, 6);
    ck_assert_uint_eq(q.dropped_old, 0);
    sp_dgramq_fini(&q);
}
END_TEST

START_TEST(age)
{
    struct sp_dgramq q;

    sp_dgramq_init(&q, 100, AGE);
    ck_assert_uint_eq(sp_dgramq_next(&q), SP_NEVER);
    sp_dgramq_expire(&q, 5);
    push(&q, "a", 10);
    push(&q, "b", 10);
    push(&q, "c", 11);
    ck_assert_uint_eq(sp_dgramq_next(&q), 10 + AGE + 1);
    sp_dgramq_expire(&q, 10 + AGE);
    check_front(&q, 100, "abc", 3);
    sp_dgramq_expire(&q, 10 + AGE + 1);
    check_front(&q, 100, "c", 1);
    ck_assert_uint_eq(q.dropped_old, 2);
    ck_assert_uint_eq(sp_dgramq_next(&q), 11 + AGE + 1);
    sp_dgramq_expire(&q, sp_dgramq_next(&q));
    ck_assert(sp_dgramq_empty(&q));
    ck_assert_uint_eq(q.dropped_old, 3);
    ck_assert_uint_eq(q.dropped_full, 0);
    sp_dgramq_fini(&q);

    sp_dgramq_init(&q, 100, SP_NEVER);
    push(&q, "a", 10);
    sp_dgramq_expire(&q, SP_NEVER);
    ck_assert(!sp_dgramq_empty(&q));
    ck_assert_uint_eq(sp_dgramq_next(&q), SP_NEVER);
    sp_dgramq_fini(&q);
}
END_TEST

START_TEST(holds_no_memory_at_rest)
{
    struct sp_dgramq q;

    sp_dgramq_init(&q, 1000000, AGE);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_ptr_nonnull(sp_dgramq_push(&q, 1000, 1));
    ck_assert_uint_ge(q.cap, 100000);
    sp_dgramq_pop(&q, 99);
    sp_dgramq_rest(&q); /* not while something waits */
    ck_assert_uint_ge(q.cap, 100000);
    sp_dgramq_pop(&q, 1);
    ck_assert_uint_ge(q.cap, 100000); /* another burst may follow */
    sp_dgramq_rest(&q);
    ck_assert_ptr_null(q.mem);
    ck_assert_ptr_null(q.ring);
    push(&q, "again", 2);
    check_front(&q, 100, "again", 1);
    sp_dgramq_fini(&q);
    ck_assert_ptr_null(q.mem);
    push(&q, "and again", 3); /* fini leaves it empty and of use */
    sp_dgramq_fini(&q);
}
END_TEST

START_TEST(without_memory)
{
    struct sp_dgramq q;
    uint64_t dropped = 0;

    sp_dgramq_init(&q, 1000000, AGE);
    push(&q, "kept", 1);
    for (unsigned i = 0; i < 200; i++) {
        size_t len = 1 + i * 10;
        alloc_fail_at(1);
        uint8_t *p = sp_dgramq_push(&q, len, 1);
        bool failed = alloc_fail_disarm();
        ck_assert(failed == (p == NULL));
        dropped += failed;
        if (failed)
            p = sp_dgramq_push(&q, len, 1);
        ck_assert_ptr_nonnull(p);
        memset(p, 0, len);
        ck_assert_uint_eq(q.count, i + 2);
    }
    ck_assert_uint_gt(dropped, 4);
    ck_assert_uint_eq(q.dropped_full, dropped);
    ck_assert_mem_eq(sp_dgramq_head(&q), "kept", 4);
    sp_dgramq_fini(&q);
}
END_TEST

/*
 * Against a queue so simple that it can't be wrong. (One assertion for each run: Check tells its
 * parent about each, which takes longer than the queue.)
 */
#define MOST      65536
#define MAX_BYTES 20000

struct item {
    uint64_t at_us;
    size_t len;
    uint8_t fill;
};

struct model {
    struct item items[MOST];
    size_t first, end, bytes;
    uint64_t old, full;
};

static bool model_push(struct model *m, struct sp_dgramq *q, struct item item)
{
    for (; m->bytes + item.len > MAX_BYTES; m->full++)
        m->bytes -= m->items[m->first++].len;
    m->items[m->end++] = item;
    m->bytes += item.len;
    uint8_t *p = sp_dgramq_push(q, item.len, item.at_us);
    if (p != NULL)
        memset(p, item.fill, item.len);
    return p != NULL && m->end < MOST;
}

static void model_expire(struct model *m, struct sp_dgramq *q, uint64_t now_us)
{
    for (; m->first < m->end && now_us - m->items[m->first].at_us > q->max_age_us; m->old++)
        m->bytes -= m->items[m->first++].len;
    sp_dgramq_expire(q, now_us);
}

static bool model_take(struct model *m, struct sp_dgramq *q, size_t max)
{
    size_t n, off = 0;
    struct sp_span s = sp_dgramq_front(q, max, &n);
    bool same = true;

    for (size_t i = 0; i < n; i++) {
        const struct item *item = &m->items[m->first++];
        same &= sp_dgramq_len_at(q, i) == item->len && sp_dgramq_time_at(q, i) == item->at_us;
        for (size_t k = 0; k < item->len; k++)
            same &= s.p[off + k] == item->fill;
        off += item->len;
    }
    m->bytes -= off;
    same &= off == s.len && (n <= 1 || off <= max);
    same &= m->first == m->end || off + m->items[m->first].len > max; /* not one too few */
    sp_dgramq_pop(q, n);
    return same;
}

static bool model_agrees(const struct model *m, const struct sp_dgramq *q)
{
    return q->count == m->end - m->first && sp_dgramq_bytes(q) == m->bytes &&
           q->dropped_old == m->old && q->dropped_full == m->full && q->cap <= 8 * MAX_BYTES;
}

START_TEST(like_the_simplest_queue)
{
    static struct model m;
    uint64_t now_us = 1;
    struct sp_dgramq q;
    struct sp_rng_seeded rng;
    bool same = true;

    sp_rng_seeded_init(&rng, 11);
    sp_dgramq_init(&q, MAX_BYTES, _i == 0 ? 150 : 20000);
    for (unsigned step = 0; step < 20000; step++) {
        now_us += sp_rng_below(&rng.rng, 30);
        if (sp_rng_below(&rng.rng, 100) < (step / 5000 % 2 ? 90 : 40))
            same = model_push(
                &m, &q,
                (struct item){now_us,
                              1 + sp_rng_below(&rng.rng, sp_rng_below(&rng.rng, 50) ? 300 : 6000),
                              (uint8_t)step});
        else if (sp_rng_below(&rng.rng, 4) == 0)
            model_expire(&m, &q, now_us);
        else
            same = model_take(&m, &q, sp_rng_below(&rng.rng, 3000));
        same = same && model_agrees(&m, &q);
        if (!same)
            ck_abort_msg("step %u", step);
    }
    ck_assert_uint_gt(_i == 0 ? m.old : m.full, 100);
    sp_dgramq_fini(&q);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dgramq");
    TCase *tc = tcase_create("dgramq");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, first_in_first_out);
    tcase_add_test(tc, when_full_the_oldest_goes);
    tcase_add_test(tc, age);
    tcase_add_test(tc, holds_no_memory_at_rest);
    tcase_add_test(tc, without_memory);
    tcase_add_loop_test(tc, like_the_simplest_queue, 0, 2);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
