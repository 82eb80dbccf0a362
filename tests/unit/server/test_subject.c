/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Subjects alone: who is remembered, and what each of them has.
 */
#include "subject.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "two_ends.h"

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

static void enter(const char *name, struct sp_subject_tunnel *t)
{
    *t = (struct sp_subject_tunnel){0};
    ck_assert_int_eq(sp_subject_enter(&all, sp_span_str(name), t), 0);
}

static struct sp_subject *find(const char *name)
{
    return sp_subject_find(&all, sp_span_str(name));
}

/* By its whole name, whatever bytes that has. */
START_TEST(remembered_while_it_has_a_tunnel)
{
    struct sp_subject_tunnel a, b, other, empty;

    ck_assert_ptr_null(find("alice"));
    enter("alice", &a);
    enter("alice", &b);
    enter("alice2", &other);
    ck_assert_ptr_eq(a.subject, b.subject);
    ck_assert_ptr_ne(a.subject, other.subject);
    ck_assert_ptr_eq(find("alice"), a.subject);
    ck_assert_ptr_null(find("alic"));
    ck_assert_ptr_null(find("Alice"));
    ck_assert_ptr_null(sp_subject_find(&all, sp_span("alice\0", 6)));
    enter("", &empty);
    ck_assert_ptr_eq(find(""), empty.subject);

    ck_assert_uint_eq(sp_subject_tunnels(a.subject), 2);
    ck_assert_uint_eq(sp_subject_tunnels(other.subject), 1);
    sp_subject_leave(&all, &a);
    ck_assert_ptr_null(a.subject);
    ck_assert_uint_eq(sp_subject_tunnels(find("alice")), 1);
    sp_subject_leave(&all, &b);
    ck_assert_ptr_null(find("alice"));
    ck_assert_ptr_eq(find("alice2"), other.subject);
    sp_subject_leave(&all, &other);
    sp_subject_leave(&all, &empty);
    ck_assert_uint_eq(all.by_name.len, 0);
}
END_TEST

/* Summed up over its tunnels; one whose tunnel is yet to come has none. */
START_TEST(lanes_and_flows)
{
    struct sp_subject_tunnel first, second, to_come, other;
    struct two_ends e[2];
    struct sp_flow *f;

    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(ends_open(&e[i], NULL, NULL), 0);
        for (unsigned lane = 0; lane <= i; lane++)
            ck_assert_int_eq(ends_join(&e[i], lane), 0);
        ends_connected_flow(&e[i], &f);
    }
    ends_connected_flow(&e[1], &f);
    enter("alice", &first);
    enter("alice", &to_come);
    enter("alice", &second);
    enter("bob", &other);
    ck_assert_uint_eq(sp_subject_lanes(find("alice")), 0);
    first.tunnel = e[0].end[EDGE].tunnel;
    second.tunnel = e[1].end[EDGE].tunnel;
    ck_assert_uint_eq(sp_subject_tunnels(find("alice")), 3);
    ck_assert_uint_eq(sp_subject_lanes(find("alice")), 3);
    ck_assert_uint_eq(sp_subject_flows(find("alice")), 3);
    ck_assert_uint_eq(sp_subject_lanes(find("bob")), 0);
    ck_assert_uint_eq(sp_subject_flows(find("bob")), 0);
    ends_lose_both(&e[1], 0);
    ck_assert_uint_eq(sp_subject_lanes(find("alice")), 2);
    sp_subject_leave(&all, &second);
    ck_assert_uint_eq(sp_subject_lanes(find("alice")), 1);
    ck_assert_uint_eq(sp_subject_flows(find("alice")), 1);
    sp_subject_leave(&all, &first);
    sp_subject_leave(&all, &to_come);
    sp_subject_leave(&all, &other);
    for (unsigned i = 0; i < 2; i++)
        ends_close(&e[i]);
}
END_TEST

static unsigned handshakes(const char *name, uint32_t per_s, uint64_t now_us)
{
    unsigned n = 0;

    while (n <= 1000 && sp_subject_take_handshake(find(name), per_s, now_us))
        n++;
    return n;
}

/* As many at once as in a second; each subject has its own pace, all its tunnels share it. */
START_TEST(pace_of_lanes)
{
    struct sp_subject_tunnel a, b, again;

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

START_TEST(no_memory)
{
    struct sp_subject_tunnel t = {0}, held;
    struct sp_span name = sp_span_str("alice");

    enter("bob", &held);
    for (unsigned k = 1;; k++) {
        alloc_fail_at(k);
        int err = sp_subject_enter(&all, name, &t);
        if (!alloc_fail_disarm()) {
            ck_assert_int_eq(err, 0);
            ck_assert_uint_ge(k, 2);
            break;
        }
        ck_assert(err == 0 || err == SP_ENOMEM);
        if (err == 0)
            sp_subject_leave(&all, &t);
        ck_assert_ptr_null(t.subject);
        ck_assert_ptr_null(find("alice"));
        ck_assert_ptr_eq(find("bob"), held.subject);
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
    tcase_add_test(tc, lanes_and_flows);
    tcase_add_test(tc, pace_of_lanes);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
