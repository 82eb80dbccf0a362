/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/buf.h"

#include <check.h>
#include <stdlib.h>

#include "../support/alloc_fail.h"
#include "sallyport/err.h"
#include "sallyport/rng.h"

static bool holds(const struct sp_buf *b, const char *text)
{
    return sp_span_eq(sp_buf_span(b), sp_span_str(text));
}

START_TEST(empty)
{
    struct sp_buf b;
    sp_buf_init(&b, 100);
    ck_assert_ptr_null(b.mem);
    ck_assert_uint_eq(sp_buf_span(&b).len, 0);
    sp_buf_consume(&b, 5);
    ck_assert_int_eq(sp_buf_append(&b, sp_span(NULL, 0)), 0);
    ck_assert_ptr_null(b.mem);
    sp_buf_release(&b);
    sp_buf_fini(&b);
    sp_buf_fini(&b);
}
END_TEST

START_TEST(append_and_consume)
{
    struct sp_buf b;
    sp_buf_init(&b, 100);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("sally ")), 0);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("port")), 0);
    ck_assert(holds(&b, "sally port"));
    sp_buf_consume(&b, 0);
    sp_buf_consume(&b, 3);
    ck_assert(holds(&b, "ly port"));
    sp_buf_release(&b); /* not empty: nothing happens */
    ck_assert(holds(&b, "ly port"));
    sp_buf_consume(&b, 1000);
    ck_assert(holds(&b, ""));
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("x")), 0);
    ck_assert(holds(&b, "x"));
    sp_buf_fini(&b);
}
END_TEST

START_TEST(reserve_and_commit)
{
    struct sp_buf b;
    sp_buf_init(&b, 1000);
    uint8_t *p = sp_buf_reserve(&b, 1000);
    ck_assert_ptr_nonnull(p);
    memset(p, 'x', 1000); /* all of it is there */
    memcpy(p, "abc", 3);
    sp_buf_commit(&b, 3);
    ck_assert(holds(&b, "abc"));
    ck_assert_ptr_null(sp_buf_reserve(&b, 998));
    ck_assert(holds(&b, "abc"));
    p = sp_buf_reserve(&b, 997);
    ck_assert_ptr_nonnull(p);
    memcpy(p, "def", 3);
    ck_assert(holds(&b, "abc")); /* not before commit */
    sp_buf_commit(&b, 3);
    ck_assert(holds(&b, "abcdef"));
    ck_assert_ptr_nonnull(sp_buf_reserve(&b, 0));
    sp_buf_fini(&b);
}
END_TEST

START_TEST(reserve_nothing_of_nothing)
{
    struct sp_buf b;
    sp_buf_init(&b, 0);
    ck_assert_ptr_nonnull(sp_buf_reserve(&b, 0));
    ck_assert_ptr_null(sp_buf_reserve(&b, 1));
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("x")), SP_EFULL);
    sp_buf_fini(&b);
}
END_TEST

START_TEST(the_bound)
{
    struct sp_buf b;
    sp_buf_init(&b, 5);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("abcdef")), SP_EFULL);
    ck_assert(holds(&b, ""));
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("abcde")), 0);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("f")), SP_EFULL);
    ck_assert(holds(&b, "abcde"));
    sp_buf_consume(&b, 2);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("fgh")), SP_EFULL);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("fg")), 0);
    ck_assert(holds(&b, "cdefg"));
    ck_assert_ptr_null(sp_buf_reserve(&b, SIZE_MAX));
    sp_buf_fini(&b);

    sp_buf_init(&b, SIZE_MAX);
    ck_assert_ptr_null(sp_buf_reserve(&b, SIZE_MAX));
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("unbounded, nearly")), 0);
    ck_assert_ptr_null(sp_buf_reserve(&b, SIZE_MAX - 8));
    ck_assert(holds(&b, "unbounded, nearly"));
    sp_buf_fini(&b);
}
END_TEST

START_TEST(gives_memory_back)
{
    static uint8_t large[20000];
    struct sp_buf b;
    sp_buf_init(&b, sizeof large);
    ck_assert_int_eq(sp_buf_append(&b, sp_span(large, sizeof large)), 0);
    sp_buf_consume(&b, sizeof large - 1);
    ck_assert_ptr_nonnull(b.mem);
    sp_buf_consume(&b, 1);
    ck_assert_ptr_null(b.mem);
    ck_assert_uint_eq(b.cap, 0);

    ck_assert_int_eq(sp_buf_append(&b, sp_span(large, 100)), 0);
    sp_buf_consume(&b, 100);
    ck_assert_ptr_nonnull(b.mem); /* a small one is kept */
    sp_buf_release(&b);
    ck_assert_ptr_null(b.mem);
    sp_buf_fini(&b);
}
END_TEST

/* Bytes in a known order go through a buffer in random portions, for many bounds. */
START_TEST(a_queue_whatever_the_portions)
{
    static const size_t bounds[] = {1, 2, 7, 255, 256, 257, 1000, 5000, 20000};
    static uint8_t portion[20000];
    struct sp_rng_seeded rng;
    sp_rng_seeded_init(&rng, 3);
    for (size_t i = 0; i < SP_ARRAY_LEN(bounds); i++) {
        size_t max = bounds[i], held = 0;
        uint8_t in = 0, out = 0;
        struct sp_buf b;
        sp_buf_init(&b, max);
        for (int round = 0; round < 3000; round++) {
            size_t n = 1 + sp_rng_below(&rng.rng, max);
            for (size_t j = 0; j < n; j++)
                portion[j] = (uint8_t)(in + j);
            int err = sp_buf_append(&b, sp_span(portion, n));
            ck_assert_int_eq(err, held + n > max ? SP_EFULL : 0);
            if (err == 0) {
                in = (uint8_t)(in + n);
                held += n;
            }
            struct sp_span s = sp_buf_span(&b);
            ck_assert_uint_eq(s.len, held);
            for (size_t j = 0; j < held; j++) {
                if (s.p[j] != (uint8_t)(out + j))
                    ck_abort_msg("byte %zu of %zu is wrong", j, held);
            }
            n = sp_rng_below(&rng.rng, held + 1);
            sp_buf_consume(&b, n);
            out = (uint8_t)(out + n);
            held -= n;
            ck_assert_uint_le(b.cap, max + max / 2 > 256 ? max + max / 2 : 256);
        }
        sp_buf_fini(&b);
    }
}
END_TEST

START_TEST(a_full_buffer_moves_seldom)
{
    enum { MAX = 1 << 20, PORTION = 100 };
    static uint8_t bytes[MAX];
    struct sp_buf b;
    unsigned moves = 0;
    sp_buf_init(&b, MAX);
    unsigned long allocations = alloc_fail_count();
    int err = sp_buf_append(&b, sp_span(bytes, MAX));
    /* Ten times its content goes through in small portions while it stays full. */
    for (size_t i = 0; i < 10 * (size_t)MAX / PORTION; i++) {
        size_t off = b.off;
        sp_buf_consume(&b, PORTION);
        err |= sp_buf_append(&b, sp_span(bytes, PORTION));
        moves += b.off < off;
    }
    allocations = alloc_fail_count() - allocations;
    ck_assert_int_eq(err, 0);
    ck_assert_uint_eq(allocations, 2); /* its first, and the one and a half bounds it may have */
    ck_assert_uint_gt(moves, 0);
    ck_assert_uint_le(moves, 21); /* two for each time the content changed */
    sp_buf_fini(&b);
}
END_TEST

START_TEST(memory_fails_at_each_call)
{
    static uint8_t bytes[400];
    struct sp_buf b;
    unsigned refused = 0;
    sp_buf_init(&b, 40000);
    for (size_t i = 0; i < 100; i++) {
        memset(bytes, (int)i, sizeof bytes);
        alloc_fail_at(1);
        int err = sp_buf_append(&b, sp_span(bytes, sizeof bytes));
        bool failed = alloc_fail_disarm();
        ck_assert_int_eq(err, failed ? SP_ENOMEM : 0);
        if (failed) {
            refused++;
            alloc_fail_at(1);
            uint8_t *p = sp_buf_reserve(&b, sizeof bytes);
            ck_assert(alloc_fail_disarm());
            ck_assert_ptr_null(p);
            ck_assert_uint_eq(sp_buf_span(&b).len, i * sizeof bytes);
            ck_assert_int_eq(sp_buf_append(&b, sp_span(bytes, sizeof bytes)), 0);
        }
    }
    ck_assert_uint_gt(refused, 2);
    ck_assert_uint_lt(refused, 20); /* it grows by doubling */
    struct sp_span s = sp_buf_span(&b);
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] != i / sizeof bytes)
            ck_abort_msg("byte %zu is wrong", i);
    }
    sp_buf_fini(&b);
}
END_TEST

/* What passes through lies in memory of somebody else, and what stays is copied. */
START_TEST(lent_memory)
{
    static uint8_t mem[100];
    struct sp_buf b;

    sp_buf_init(&b, 1000);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("early ")), 0);
    sp_buf_lend(&b, mem, sizeof mem);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("late")), 0);
    ck_assert_ptr_eq(sp_buf_span(&b).p, mem);
    ck_assert(sp_span_eq(sp_buf_span(&b), sp_span_str("early late")));
    sp_buf_consume(&b, 6);
    ck_assert_int_eq(sp_buf_settle(&b), 0);
    memset(mem, 0, sizeof mem);
    ck_assert(sp_span_eq(sp_buf_span(&b), sp_span_str("late")));
    ck_assert_int_eq(sp_buf_settle(&b), 0);

    /* More than there is room for; and all of it consumed. */
    sp_buf_lend(&b, mem, sizeof mem);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(sp_buf_append(&b, sp_span_str("12345678")), 0);
    ck_assert(!b.lent);
    ck_assert_uint_eq(b.len, 404);
    sp_buf_consume(&b, 404);
    sp_buf_lend(&b, mem, sizeof mem);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("x")), 0);
    sp_buf_consume(&b, 1);
    ck_assert_int_eq(sp_buf_settle(&b), 0);
    ck_assert_ptr_null(b.mem);
    sp_buf_lend(&b, mem, sizeof mem);
    ck_assert_int_eq(sp_buf_append(&b, sp_span_str("lost")), 0);
    alloc_fail_at(1);
    int err = sp_buf_settle(&b);
    alloc_fail_disarm();
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert_uint_eq(b.len, 0);
    sp_buf_lend(&b, mem, sizeof mem);
    sp_buf_fini(&b); /* of memory that isn't ours nothing is freed */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buf");
    TCase *tc = tcase_create("buf");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, lent_memory);
    tcase_add_test(tc, empty);
    tcase_add_test(tc, append_and_consume);
    tcase_add_test(tc, reserve_and_commit);
    tcase_add_test(tc, reserve_nothing_of_nothing);
    tcase_add_test(tc, the_bound);
    tcase_add_test(tc, gives_memory_back);
    tcase_add_test(tc, a_queue_whatever_the_portions);
    tcase_add_test(tc, a_full_buffer_moves_seldom);
    tcase_add_test(tc, memory_fails_at_each_call);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
