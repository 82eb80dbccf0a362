/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Subjects alone: who is remembered, and what each of them has.
 */
#include "subject.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

static struct sp_subjects all;

static void setup(void)
{
    struct sp_rng_seeded rng;

    sp_rng_seeded_init(&rng, 4);
    sp_subjects_init(&all, &rng.rng);
}

static void teardown(void)
{
    sp_subjects_fini(&all);
}

static int enter_below(const char *name, size_t max, struct sp_subject_share *t)
{
    return sp_subject_enter(&all, sp_span_str(name), max, t);
}

static void enter(const char *name, struct sp_subject_share *t)
{
    ck_assert_int_eq(enter_below(name, 100, t), 0);
}

static struct sp_subject_counts has(const char *name)
{
    return sp_subject_counts(&all, sp_span_str(name));
}

/* By its whole name, whatever bytes that has. */
START_TEST(remembered_while_it_has_a_tunnel)
{
    struct sp_subject_share a, b, other, empty;

    ck_assert_uint_eq(has("alice").tunnels, 0);
    enter("alice", &a);
    enter("alice", &b);
    enter("alice2", &other);
    ck_assert_ptr_eq(a.subject, b.subject);
    ck_assert_ptr_ne(a.subject, other.subject);
    ck_assert_uint_eq(has("alic").tunnels, 0);
    ck_assert_uint_eq(has("Alice").tunnels, 0);
    ck_assert_uint_eq(sp_subject_counts(&all, sp_span("alice\0", 6)).tunnels, 0);
    enter("", &empty);
    ck_assert_uint_eq(has("").tunnels, 1);

    ck_assert_uint_eq(has("alice").tunnels, 2);
    ck_assert_uint_eq(has("alice2").tunnels, 1);
    sp_subject_leave(&all, &a);
    ck_assert_ptr_null(a.subject);
    ck_assert_uint_eq(has("alice").tunnels, 1);
    sp_subject_leave(&all, &b);
    ck_assert_uint_eq(has("alice").tunnels, 0);
    ck_assert_uint_eq(has("alice2").tunnels, 1);
    sp_subject_leave(&all, &other);
    sp_subject_leave(&all, &empty);
    ck_assert_uint_eq(all.by_name.len, 0);
}
END_TEST

/* No more than it may have, over all its tunnels; what ends makes room. */
START_TEST(bounds)
{
    struct sp_subject_share first, second, none, other;

    ck_assert_int_eq(enter_below("alice", 0, &none), SP_EFULL);
    ck_assert_uint_eq(all.by_name.len, 0);
    ck_assert_int_eq(enter_below("alice", 2, &first), 0);
    ck_assert_int_eq(enter_below("alice", 2, &second), 0);
    ck_assert_int_eq(enter_below("alice", 2, &none), SP_EFULL);
    ck_assert_int_eq(enter_below("bob", 1, &other), 0);

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sp_subject_take_lane(&all, i < 2 ? &first : &second, 3), 0);
    ck_assert_int_eq(sp_subject_take_lane(&all, &first, 3), SP_EFULL);
    ck_assert_int_eq(sp_subject_take_lane(&all, &second, 3), SP_EFULL);
    ck_assert_int_eq(sp_subject_take_lane(&all, &other, 1), 0);
    ck_assert_int_eq(sp_subject_take_flow(&all, &second, 1), 0);
    ck_assert_int_eq(sp_subject_take_flow(&all, &first, 1), SP_EFULL);
    ck_assert_uint_eq(has("alice").lanes, 3);
    ck_assert_uint_eq(has("alice").flows, 1);

    sp_subject_settle(&all, &first, 1, 0);
    ck_assert_uint_eq(has("alice").lanes, 2);
    ck_assert_int_eq(sp_subject_take_lane(&all, &second, 3), 0);
    sp_subject_settle(&all, &first, 1, 7);
    ck_assert_uint_eq(has("alice").lanes, 3);
    ck_assert_uint_eq(has("alice").flows, 8);
    sp_subject_leave(&all, &second);
    ck_assert_uint_eq(has("alice").lanes, 1);
    ck_assert_uint_eq(has("alice").flows, 7);
    sp_subject_leave(&all, &first);
    sp_subject_leave(&all, &other);
    ck_assert_uint_eq(all.by_name.len, 0);
}
END_TEST

static unsigned handshakes(const char *name, uint32_t per_s, uint64_t now_us)
{
    unsigned n = 0;

    while (n <= 1000 && sp_subject_take_handshake(&all, sp_span_str(name), per_s, now_us))
        n++;
    return n;
}

/* As many at once as in a second; each subject has its own pace, all its tunnels share it. */
START_TEST(pace_of_lanes)
{
    struct sp_subject_share a, b, again;

    ck_assert_uint_eq(handshakes("alice", 5, SP_SEC(1)), 1001); /* not known yet */
    enter("alice", &a);
    enter("bob", &b);
    ck_assert_uint_eq(handshakes("alice", 5, SP_SEC(1)), 5);
    enter("alice", &again);
    ck_assert_uint_eq(handshakes("alice", 5, SP_SEC(1)), 0);
    ck_assert_uint_eq(handshakes("bob", 5, SP_SEC(1)), 5);
    ck_assert_uint_eq(handshakes("alice", 5, SP_SEC(1) + 400000), 2);
    ck_assert_uint_eq(handshakes("alice", 5, SP_SEC(60)), 5);
    sp_subject_leave(&all, &a);
    ck_assert_uint_eq(handshakes("alice", 5, SP_SEC(60)), 0); /* remembered by the other tunnel */
    sp_subject_leave(&all, &again);
    sp_subject_leave(&all, &b);
}
END_TEST

#define WORKERS 4
#define TURNS   2000
#define MAX     6

static void *come_and_go(void *arg)
{
    bool *too_many = arg;

    for (int i = 0; i < TURNS; i++) {
        struct sp_subject_share t;
        if (enter_below("alice", MAX, &t) != 0)
            continue;
        for (int k = 0; k < 3; k++)
            (void)sp_subject_take_lane(&all, &t, MAX);
        struct sp_subject_counts n = has("alice");
        *too_many |= n.tunnels > MAX || n.lanes > MAX;
        sp_subject_settle(&all, &t, t.lanes > 0, 0);
        sp_subject_leave(&all, &t);
    }
    return NULL;
}

/* The bounds hold for all workers together, at any moment, and nothing is left at the end. */
START_TEST(several_workers)
{
    pthread_t threads[WORKERS];
    bool too_many[WORKERS] = {false};

    for (size_t i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, &too_many[i]), 0);
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(!too_many[i]);
    }
    ck_assert_uint_eq(all.by_name.len, 0);
}
END_TEST

START_TEST(no_memory)
{
    struct sp_subject_share t = {0}, held;

    enter("bob", &held);
    for (unsigned k = 1;; k++) {
        alloc_fail_at(k);
        int err = enter_below("alice", 1, &t);
        if (!alloc_fail_disarm()) {
            ck_assert_int_eq(err, 0);
            ck_assert_uint_ge(k, 2);
            break;
        }
        ck_assert(err == 0 || err == SP_ENOMEM);
        if (err == 0)
            sp_subject_leave(&all, &t);
        ck_assert_ptr_null(t.subject);
        ck_assert_uint_eq(has("alice").tunnels, 0);
        ck_assert_uint_eq(has("bob").tunnels, 1);
    }
    sp_subject_leave(&all, &t);
    sp_subject_leave(&all, &held);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("subject");
    TCase *tc = tcase_create("subject");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, remembered_while_it_has_a_tunnel);
    tcase_add_test(tc, bounds);
    tcase_add_test(tc, pace_of_lanes);
    tcase_add_test(tc, several_workers);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
