/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What left is found by its number as long as it is remembered, whatever wraps.
 */
#include "sallyport/departed.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/clock.h"

#define EACH_US SP_MS(5)
#define SIZE    1000

static struct sp_departed d;
static struct sp_departure next;

static void begin(uint32_t seq, uint32_t left_us, uint32_t sent_bytes)
{
    d = (struct sp_departed){.n = 0};
    next = (struct sp_departure){.seq = seq, .left_us = left_us, .sent_bytes = sent_bytes};
}

static void leave(unsigned n, uint32_t each_us)
{
    for (unsigned i = 0; i < n; i++) {
        sp_departed_add(&d, &next, EACH_US, 2 * SIZE);
        next.seq++;
        next.left_us += each_us;
        next.sent_bytes += SIZE;
        next.queue_us = next.seq;
    }
}

static uint32_t found(uint32_t seq)
{
    struct sp_departure out;

    ck_assert(sp_departed_find(&d, seq, &out));
    return out.seq;
}

START_TEST(nothing_has_left)
{
    struct sp_departure out;

    begin(5, 0, 0);
    ck_assert(!sp_departed_find(&d, 5, &out));
    leave(1, EACH_US);
    ck_assert(!sp_departed_find(&d, 4, &out));
    ck_assert_uint_eq(found(5), 5);
}
END_TEST

/* Each of them, over the end of numbers, clock and bytes. */
START_TEST(each_by_its_number)
{
    const uint32_t seq = UINT32_MAX - 50;
    struct sp_departure out;

    begin(seq, UINT32_MAX - 60 * EACH_US, UINT32_MAX - 70 * SIZE);
    leave(100, EACH_US);
    for (uint32_t i = 1; i < 100; i++) {
        ck_assert(sp_departed_find(&d, seq + i, &out));
        ck_assert_uint_eq(out.seq, seq + i);
        ck_assert_uint_eq(out.queue_us, seq + i);
        ck_assert_uint_eq(out.left_us, (uint32_t)(UINT32_MAX - 60 * EACH_US + i * EACH_US));
        ck_assert_uint_eq(out.sent_bytes, UINT32_MAX - 70 * SIZE + i * SIZE);
    }
}
END_TEST

/* What leaves at once is kept only where it is much. */
START_TEST(those_that_leave_together)
{
    begin(10, 0, 0);
    leave(6, 0);
    ck_assert_uint_eq(d.n, 3);
    ck_assert_uint_eq(found(11), 10);
    ck_assert_uint_eq(found(12), 12);
    ck_assert_uint_eq(found(15), 14);
    next.left_us += EACH_US;
    leave(1, 0);
    ck_assert_uint_eq(found(16), 16);
}
END_TEST

START_TEST(the_oldest_is_forgotten)
{
    begin(0, 0, 0);
    leave(SP_DEPARTED_MAX + 10, EACH_US);
    ck_assert_uint_eq(d.n, SP_DEPARTED_MAX);
    ck_assert_uint_eq(found(10), 10);
    ck_assert_uint_eq(found(3), 10); /* it left before that */
    ck_assert_uint_eq(found(SP_DEPARTED_MAX + 9), SP_DEPARTED_MAX + 9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("departed");
    TCase *tc = tcase_create("departed");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tc, nothing_has_left);
    tcase_add_test(tc, each_by_its_number);
    tcase_add_test(tc, those_that_leave_together);
    tcase_add_test(tc, the_oldest_is_forgotten);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
