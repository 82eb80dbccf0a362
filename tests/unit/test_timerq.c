/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/timerq.h"

#include <check.h>
#include <stdlib.h>

#include "../support/alloc_fail.h"
#include "sallyport/bytes.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/rng.h"

struct rec {
    struct sp_timer t;
    unsigned calls;
    uint64_t called_us;
    uint64_t order; /* the how-manieth call of all */
};

static uint64_t n_calls;

static void record(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct rec *r = arg;
    ck_assert_ptr_eq(t, &r->t);
    ck_assert(!sp_timer_is_set(t));
    r->calls++;
    r->called_us = now_us;
    r->order = n_calls++;
}

/* One assertion of Check's for all: each costs a system call. */
static void check_heap(const struct sp_timerq *q)
{
    size_t wrong = 0;
    for (size_t i = 0; i < q->len; i++) {
        wrong += q->places[q->heap[i].number] != i;
        wrong += sp_timerq_at(q, i)->number != q->heap[i].number + 1;
        wrong += sp_timerq_at(q, i)->due_us != q->heap[i].due_us;
        wrong += q->heap[i].due_us < q->heap[(i == 0 ? 0 : i - 1) / 4].due_us;
    }
    ck_assert_uint_eq(wrong, 0);
}

START_TEST(empty)
{
    struct sp_timerq q;
    struct rec r = {0};
    sp_timerq_init(&q);
    sp_timer_init(&r.t, record, &r);
    ck_assert(!sp_timer_is_set(&r.t));
    ck_assert_uint_eq(sp_timerq_next(&q), SP_NEVER);
    sp_timerq_run(&q, SP_NEVER);
    sp_timerq_cancel(&q, &r.t);
    sp_timerq_fini(&q);
    sp_timerq_fini(&q);
}
END_TEST

START_TEST(called_when_due_not_before)
{
    struct sp_timerq q;
    struct rec r = {0};
    sp_timerq_init(&q);
    sp_timer_init(&r.t, record, &r);
    ck_assert_int_eq(sp_timerq_set(&q, &r.t, 1000), 0);
    ck_assert(sp_timer_is_set(&r.t));
    ck_assert_uint_eq(sp_timerq_next(&q), 1000);
    sp_timerq_run(&q, 999);
    ck_assert_uint_eq(r.calls, 0);
    sp_timerq_run(&q, 1000);
    ck_assert_uint_eq(r.calls, 1);
    ck_assert_uint_eq(r.called_us, 1000);
    ck_assert_uint_eq(sp_timerq_next(&q), SP_NEVER);
    sp_timerq_run(&q, 5000);
    ck_assert_uint_eq(r.calls, 1);
    sp_timerq_fini(&q);
}
END_TEST

START_TEST(moved_and_cancelled)
{
    struct sp_timerq q;
    struct rec a = {0}, b = {0};
    sp_timerq_init(&q);
    sp_timer_init(&a.t, record, &a);
    sp_timer_init(&b.t, record, &b);
    sp_timerq_set(&q, &a.t, 10);
    sp_timerq_set(&q, &b.t, 20);
    sp_timerq_set(&q, &a.t, 30);
    ck_assert_uint_eq(q.len, 2);
    ck_assert_uint_eq(sp_timerq_next(&q), 20);
    sp_timerq_set(&q, &a.t, 5);
    ck_assert_uint_eq(sp_timerq_next(&q), 5);
    sp_timerq_cancel(&q, &a.t);
    sp_timerq_cancel(&q, &a.t);
    ck_assert(!sp_timer_is_set(&a.t));
    ck_assert_uint_eq(sp_timerq_next(&q), 20);
    sp_timerq_run(&q, 100);
    ck_assert_uint_eq(a.calls, 0);
    ck_assert_uint_eq(b.calls, 1);
    ck_assert_uint_eq(b.called_us, 100);
    sp_timerq_fini(&q);
}
END_TEST

START_TEST(equal_deadlines_in_the_order_of_setting)
{
    enum { N = 50 };
    struct sp_timerq q;
    struct rec r[N] = {{.calls = 0}};
    sp_timerq_init(&q);
    for (size_t i = 0; i < N; i++) {
        sp_timer_init(&r[i].t, record, &r[i]);
        sp_timerq_set(&q, &r[i].t, 7);
    }
    sp_timerq_set(&q, &r[0].t, 7); /* set anew: last now */
    n_calls = 0;
    sp_timerq_run(&q, 7);
    for (size_t i = 1; i < N; i++)
        ck_assert_uint_eq(r[i].order, i - 1);
    ck_assert_uint_eq(r[0].order, N - 1);
    sp_timerq_fini(&q);
}
END_TEST

START_TEST(fini_forgets)
{
    struct sp_timerq q;
    struct rec r = {0};
    sp_timerq_init(&q);
    sp_timer_init(&r.t, record, &r);
    sp_timerq_set(&q, &r.t, 1);
    sp_timerq_fini(&q);
    ck_assert(!sp_timer_is_set(&r.t));
    ck_assert_uint_eq(r.calls, 0);
}
END_TEST

/* A call that sets its own timer again, to a time that may have passed. */
struct again {
    struct sp_timer t;
    struct sp_timerq *q;
    uint64_t due_us;
    unsigned calls;
};

static void set_again(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct again *a = arg;
    (void)now_us;
    a->calls++;
    sp_timerq_set(a->q, t, a->due_us);
}

START_TEST(set_by_a_call_waits_for_the_next_run)
{
    static const uint64_t dues[] = {0, 50, 99, 100};
    for (size_t i = 0; i < SP_ARRAY_LEN(dues); i++) {
        struct sp_timerq q;
        struct again a = {.q = &q, .due_us = dues[i]};
        struct rec early = {0}, exact = {0};
        sp_timerq_init(&q);
        sp_timer_init(&a.t, set_again, &a);
        sp_timer_init(&early.t, record, &early);
        sp_timer_init(&exact.t, record, &exact);
        sp_timerq_set(&q, &a.t, 10);
        sp_timerq_set(&q, &early.t, 60);
        sp_timerq_set(&q, &exact.t, 100);

        sp_timerq_run(&q, 100);
        ck_assert_uint_eq(a.calls, 1);
        ck_assert_uint_eq(early.calls, 1); /* nothing that was due was held up by it */
        ck_assert_uint_eq(exact.calls, 1);
        ck_assert_uint_le(sp_timerq_next(&q), 100);

        sp_timerq_run(&q, 100); /* the same time is a run of its own */
        ck_assert_uint_eq(a.calls, 2);
        a.due_us = 101;
        sp_timerq_run(&q, 100);
        sp_timerq_run(&q, 100);
        ck_assert_uint_eq(a.calls, 3);
        sp_timerq_run(&q, 101);
        ck_assert_uint_eq(a.calls, 4);
        sp_timerq_fini(&q);
    }
}
END_TEST

START_TEST(a_time_that_passed_is_kept_outside_a_run)
{
    struct sp_timerq q;
    struct rec r = {0};
    sp_timerq_init(&q);
    sp_timer_init(&r.t, record, &r);
    sp_timerq_run(&q, 1000);
    sp_timerq_set(&q, &r.t, 3);
    ck_assert_uint_eq(sp_timerq_next(&q), 3);
    sp_timerq_run(&q, 1000);
    ck_assert_uint_eq(r.calls, 1);
    sp_timerq_fini(&q);
}
END_TEST

/* A call that ends its neighbours: one is cancelled, one is cancelled and freed, itself freed. */
struct killer {
    struct sp_timer t;
    struct sp_timerq *q;
    struct rec *cancel, *release;
};

static void kill_neighbours(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct killer *k = arg;
    (void)t, (void)now_us;
    sp_timerq_cancel(k->q, &k->cancel->t);
    sp_timerq_cancel(k->q, &k->release->t);
    free(k->release);
    free(k);
}

START_TEST(a_call_may_end_others_and_itself)
{
    struct sp_timerq q;
    struct rec spared = {0}, cancelled = {0};
    struct killer *k = calloc(1, sizeof *k);
    struct rec *released = calloc(1, sizeof *released);
    ck_assert(k != NULL && released != NULL);
    *k = (struct killer){.q = &q, .cancel = &cancelled, .release = released};
    sp_timerq_init(&q);
    sp_timer_init(&k->t, kill_neighbours, k);
    sp_timer_init(&spared.t, record, &spared);
    sp_timer_init(&cancelled.t, record, &cancelled);
    sp_timer_init(&released->t, record, released);
    sp_timerq_set(&q, &k->t, 1);
    sp_timerq_set(&q, &cancelled.t, 2);
    sp_timerq_set(&q, &released->t, 2);
    sp_timerq_set(&q, &spared.t, 2);
    sp_timerq_run(&q, 2);
    ck_assert_uint_eq(cancelled.calls, 0);
    ck_assert_uint_eq(spared.calls, 1);
    ck_assert_uint_eq(q.len, 0);
    sp_timerq_fini(&q);
}
END_TEST

START_TEST(random_changes_in_order)
{
    enum { N = 300 };
    static struct rec r[N];
    struct sp_timerq q;
    struct sp_rng_seeded rng;
    uint64_t now = 1;
    sp_rng_seeded_init(&rng, 5);
    sp_timerq_init(&q);
    for (size_t i = 0; i < N; i++)
        sp_timer_init(&r[i].t, record, &r[i]);
    for (int round = 0; round < 20000; round++) {
        struct rec *x = &r[sp_rng_below(&rng.rng, N)];
        if (sp_rng_below(&rng.rng, 3) == 0)
            sp_timerq_cancel(&q, &x->t);
        else
            ck_assert_int_eq(sp_timerq_set(&q, &x->t, now + 1 + sp_rng_below(&rng.rng, 1000)), 0);
        check_heap(&q);
        if (round % 50 != 0)
            continue;

        uint64_t first = SP_NEVER;
        for (size_t i = 0; i < N; i++) {
            r[i].calls = 0;
            if (sp_timer_is_set(&r[i].t) && r[i].t.due_us < first)
                first = r[i].t.due_us;
        }
        ck_assert_uint_eq(sp_timerq_next(&q), first);
        now += sp_rng_below(&rng.rng, 200);
        n_calls = 0;
        sp_timerq_run(&q, now);
        size_t wrong = 0;
        for (size_t i = 0; i < N; i++) {
            wrong += sp_timer_is_set(&r[i].t) && r[i].t.due_us <= now;
            wrong += r[i].calls > 0 && r[i].t.due_us > now;
            for (size_t j = 0; j < i; j++) {
                bool both = r[i].calls > 0 && r[j].calls > 0 && r[i].t.due_us != r[j].t.due_us;
                wrong += both && (r[i].order < r[j].order) != (r[i].t.due_us < r[j].t.due_us);
            }
        }
        ck_assert_uint_eq(wrong, 0);
        check_heap(&q);
    }
    sp_timerq_fini(&q);
}
END_TEST

START_TEST(memory_fails_at_each_call)
{
    enum { N = 100 };
    struct rec r[N] = {{.calls = 0}};
    struct sp_timerq q;
    unsigned refused = 0;
    sp_timerq_init(&q);
    for (size_t i = 0; i < N; i++) {
        sp_timer_init(&r[i].t, record, &r[i]);
        alloc_fail_at(1);
        int err = sp_timerq_set(&q, &r[i].t, 1000 - i);
        bool failed = alloc_fail_disarm();
        ck_assert_int_eq(err, failed ? SP_ENOMEM : 0);
        ck_assert_int_eq(sp_timer_is_set(&r[i].t), !failed);
        if (failed) {
            refused++;
            ck_assert_uint_eq(q.len, i);
            ck_assert_int_eq(sp_timerq_set(&q, &r[i].t, 1000 - i), 0);
        }
        alloc_fail_at(1); /* moving needs no memory, least of all when the heap is just full */
        err = sp_timerq_set(&q, &r[i].t, 500 - i);
        ck_assert(!alloc_fail_disarm());
        ck_assert_int_eq(err, 0);
        check_heap(&q);
    }
    ck_assert_uint_eq(refused, 4); /* 16, 32, 64, 128 */
    sp_timerq_run(&q, 1000);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(r[i].calls, 1);
    sp_timerq_fini(&q);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("timerq");
    TCase *tc = tcase_create("timerq");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, empty);
    tcase_add_test(tc, called_when_due_not_before);
    tcase_add_test(tc, moved_and_cancelled);
    tcase_add_test(tc, equal_deadlines_in_the_order_of_setting);
    tcase_add_test(tc, fini_forgets);
    tcase_add_test(tc, set_by_a_call_waits_for_the_next_run);
    tcase_add_test(tc, a_time_that_passed_is_kept_outside_a_run);
    tcase_add_test(tc, a_call_may_end_others_and_itself);
    tcase_add_test(tc, random_changes_in_order);
    tcase_add_test(tc, memory_fails_at_each_call);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
