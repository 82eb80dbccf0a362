/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/classq.h"
#include "sallyport/clock.h"

#define AGE SP_MS(400)

static struct sp_classq q;

static void push(enum sp_class c, const char *text, uint64_t now_us)
{
    uint8_t *p = sp_classq_push(&q, c, strlen(text), now_us);

    ck_assert_ptr_nonnull(p);
    memcpy(p, text, strlen(text));
}

static void check_waits(enum sp_class c, const char *want)
{
    size_t n;
    struct sp_span s = sp_dgramq_front(&q.of[c], SIZE_MAX, &n);

    ck_assert_uint_eq(s.len, strlen(want));
    ck_assert(s.len == 0 || memcmp(s.p, want, s.len) == 0);
}

START_TEST(the_most_urgent_first)
{
    sp_classq_init(&q, 100, AGE);
    ck_assert_int_eq(sp_classq_first(&q), SP_N_CLASSES);
    for (int c = SP_N_CLASSES - 1; c >= 0; c--) {
        push((enum sp_class)c, "ab", 1);
        ck_assert_int_eq(sp_classq_first(&q), c);
    }
    ck_assert_uint_eq(sp_classq_count(&q), SP_N_CLASSES);
    ck_assert_uint_eq(sp_classq_bytes(&q), 2 * SP_N_CLASSES);
    for (int c = 0; c < SP_N_CLASSES; c++) {
        ck_assert_int_eq(sp_classq_first(&q), c);
        sp_dgramq_pop(&q.of[c], 1);
    }
    ck_assert_int_eq(sp_classq_first(&q), SP_N_CLASSES);
    ck_assert_uint_eq(sp_classq_count(&q) + sp_classq_bytes(&q), 0);
    ck_assert_uint_eq(sp_classq_dropped_full(&q) + sp_classq_dropped_old(&q), 0);
    sp_classq_fini(&q);
}
END_TEST

START_TEST(the_least_urgent_make_room)
{
    sp_classq_init(&q, 10, AGE);
    push(SP_CLASS_DATA, "ddd", 1);
    push(SP_CLASS_VIDEO, "vv", 1);
    push(SP_CLASS_VIDEO, "ww", 2);
    push(SP_CLASS_VOICE, "aaa", 2);
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 0);
    push(SP_CLASS_VOICE, "b", 3);
    check_waits(SP_CLASS_DATA, "");
    check_waits(SP_CLASS_VIDEO, "vvww");
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 1);
    push(SP_CLASS_CONTROL, "ccc", 3); /* of video, the oldest, and no more than it needs */
    check_waits(SP_CLASS_VIDEO, "ww");
    check_waits(SP_CLASS_VOICE, "aaab");
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 2);
    push(SP_CLASS_CONTROL, "eeee", 3); /* then of voice */
    check_waits(SP_CLASS_VIDEO, "");
    check_waits(SP_CLASS_VOICE, "b");
    check_waits(SP_CLASS_CONTROL, "ccceeee");
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 4);
    push(SP_CLASS_CONTROL, "ffffffffff", 3); /* and of its own */
    ck_assert_uint_eq(sp_classq_count(&q), 1);
    ck_assert_uint_eq(sp_classq_bytes(&q), 10);
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 7);
    sp_classq_fini(&q);
}
END_TEST

/* What can't have room drives nothing out. */
START_TEST(the_more_urgent_stay)
{
    sp_classq_init(&q, 10, AGE);
    push(SP_CLASS_CONTROL, "cccccccc", 1);
    push(SP_CLASS_VOICE, "a", 1);
    push(SP_CLASS_DATA, "d", 1);
    ck_assert_ptr_null(sp_classq_push(&q, SP_CLASS_VOICE, 3, 1));
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 1);
    ck_assert_uint_eq(sp_classq_count(&q), 3);
    ck_assert_ptr_null(sp_classq_push(&q, SP_CLASS_CONTROL, 11, 1)); /* more than there is */
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 2);
    ck_assert_uint_eq(sp_classq_count(&q), 3);
    push(SP_CLASS_VOICE, "bb", 1);
    check_waits(SP_CLASS_CONTROL, "cccccccc");
    check_waits(SP_CLASS_VOICE, "bb");
    check_waits(SP_CLASS_DATA, "");
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 4);
    sp_classq_fini(&q);
}
END_TEST

START_TEST(voice_is_given_up_sooner)
{
    sp_classq_init(&q, 100, AGE);
    ck_assert_uint_eq(sp_classq_next(&q), SP_NEVER);
    for (int c = 0; c < SP_N_CLASSES; c++)
        push((enum sp_class)c, "x", 10);
    ck_assert_uint_eq(sp_classq_next(&q), 10 + SP_MS(200) + 1);
    sp_classq_expire(&q, 10 + SP_MS(200));
    ck_assert_uint_eq(sp_classq_count(&q), SP_N_CLASSES);
    sp_classq_expire(&q, 10 + SP_MS(200) + 1);
    check_waits(SP_CLASS_VOICE, "");
    ck_assert_uint_eq(sp_classq_count(&q), SP_N_CLASSES - 1);
    ck_assert_uint_eq(sp_classq_dropped_old(&q), 1);
    ck_assert_uint_eq(sp_classq_next(&q), 10 + AGE + 1);
    sp_classq_expire(&q, 10 + AGE);
    ck_assert_uint_eq(sp_classq_count(&q), SP_N_CLASSES - 1);
    sp_classq_expire(&q, 10 + AGE + 1);
    ck_assert_uint_eq(sp_classq_count(&q), 0);
    ck_assert_uint_eq(sp_classq_dropped_old(&q), SP_N_CLASSES);
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 0);
    ck_assert_uint_eq(sp_classq_next(&q), SP_NEVER);
    sp_classq_fini(&q);

    sp_classq_init(&q, 100, SP_MS(50)); /* no later than the others */
    push(SP_CLASS_VOICE, "x", 10);
    ck_assert_uint_eq(sp_classq_next(&q), 10 + SP_MS(50) + 1);
    sp_classq_fini(&q);
}
END_TEST

START_TEST(an_age_of_its_own)
{
    sp_classq_init(&q, 100, AGE);
    sp_classq_set_age(&q, SP_CLASS_CONTROL, SP_NEVER);
    sp_classq_set_age(&q, SP_CLASS_DATA, AGE + 5);
    push(SP_CLASS_CONTROL, "c", 10);
    ck_assert_uint_eq(sp_classq_next(&q), SP_NEVER);
    push(SP_CLASS_DATA, "d", 10);
    ck_assert_uint_eq(sp_classq_next(&q), 10 + AGE + 5 + 1);
    sp_classq_expire(&q, SP_SEC(100));
    check_waits(SP_CLASS_CONTROL, "c");
    check_waits(SP_CLASS_DATA, "");
    ck_assert_uint_eq(sp_classq_dropped_old(&q), 1);
    sp_classq_fini(&q);
}
END_TEST

START_TEST(no_memory)
{
    sp_classq_init(&q, 100, AGE);
    alloc_fail_at(1);
    uint8_t *p = sp_classq_push(&q, SP_CLASS_VOICE, 5, 1);
    ck_assert(alloc_fail_disarm());
    ck_assert_ptr_null(p);
    ck_assert_uint_eq(sp_classq_dropped_full(&q), 1);
    ck_assert_int_eq(sp_classq_first(&q), SP_N_CLASSES);
    push(SP_CLASS_VOICE, "x", 1);
    sp_classq_fini(&q);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("classq");
    TCase *tc = tcase_create("classq");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, the_most_urgent_first);
    tcase_add_test(tc, the_least_urgent_make_room);
    tcase_add_test(tc, the_more_urgent_stay);
    tcase_add_test(tc, voice_is_given_up_sooner);
    tcase_add_test(tc, an_age_of_its_own);
    tcase_add_test(tc, no_memory);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
