/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/gf256.h"
#include "sallyport/parity_enc.h"
#include "sallyport/rng.h"

#define MAX_AGE SP_MS(15)

static struct sp_parity_enc e;
static struct sp_span out[SP_PARITY_MAX_M];
static uint8_t bytes[SP_DATAGRAM_MAX + 1];

static void begin(unsigned k, unsigned m)
{
    sp_parity_enc_init(&e, MAX_AGE);
    ck_assert_int_eq(sp_parity_enc_set(&e, k, m), 0);
}

static int add(uint32_t seq, size_t len, uint64_t ms)
{
    memset(bytes, (int)(seq & 0xFF), len);
    return sp_parity_enc_add(&e, seq, (uint16_t)(seq % 5 + 1), sp_span(bytes, len), SP_MS(ms));
}

/* What stands at `at` in the sum of the datagram that add() made. */
static uint8_t member_at(uint32_t seq, size_t len, size_t at)
{
    uint8_t head[SP_PARITY_MEMBER_HEAD];

    sp_put_be16(head, (uint16_t)(seq % 5 + 1));
    sp_put_be16(head + 2, (uint16_t)len);
    if (at < sizeof(head))
        return head[at];
    return at < sizeof(head) + len ? (uint8_t)seq : 0;
}

START_TEST(off)
{
    sp_parity_enc_init(&e, MAX_AGE);
    ck_assert(!sp_parity_enc_on(&e));
    ck_assert_int_eq(add(1, 100, 0), 0);
    ck_assert_uint_eq(sp_parity_enc_next(&e), SP_NEVER);
    ck_assert_uint_eq(sp_parity_enc_close(&e, out), 0);
    ck_assert_ptr_null(e.rows[0]);
    ck_assert_int_eq(sp_parity_enc_set(&e, 0, 1), SP_EINVAL);
    ck_assert_int_eq(sp_parity_enc_set(&e, SP_PARITY_MAX_K + 1, 1), SP_EINVAL);
    ck_assert_int_eq(sp_parity_enc_set(&e, 1, SP_PARITY_MAX_M + 1), SP_EINVAL);
    ck_assert(!sp_parity_enc_on(&e));
    ck_assert_int_eq(sp_parity_enc_set(&e, SP_PARITY_MAX_K, SP_PARITY_MAX_M), 0);
    ck_assert(sp_parity_enc_on(&e));
    /* Off drops what was begun. */
    ck_assert_int_eq(add(1, 100, 0), 0);
    ck_assert_uint_eq(sp_parity_enc_next(&e), MAX_AGE);
    ck_assert_int_eq(sp_parity_enc_set(&e, 8, 0), 0);
    ck_assert_uint_eq(sp_parity_enc_next(&e), SP_NEVER);
    ck_assert_ptr_null(e.rows[0]);
    sp_parity_enc_fini(&e);
}
END_TEST

/* Groups of all sizes, with holes between their numbers, across the wrap of SEQ. */
START_TEST(sums)
{
    uint32_t seq = UINT32_MAX - 20;
    unsigned wrong = 0;

    begin(SP_PARITY_MAX_K, SP_PARITY_MAX_M);
    for (unsigned n = 1; n <= SP_PARITY_MAX_K; n++, seq += 10) {
        uint32_t seqs[SP_PARITY_MAX_K];
        size_t lens[SP_PARITY_MAX_K], longest = 0;

        ck_assert_int_eq(sp_parity_enc_set(&e, n, SP_PARITY_MAX_M), 0);
        for (unsigned i = 0; i < n; i++, seq += 1 + i % 3) {
            seqs[i] = seq;
            lens[i] = (i * 37 + n * 101) % 1300;
            longest = lens[i] > longest ? lens[i] : longest;
            ck_assert_int_eq(add(seq, lens[i], n * 100), 0);
            ck_assert_uint_eq(sp_parity_enc_next(&e), i + 1 == n ? 0 : SP_MS(n * 100) + MAX_AGE);
        }

        size_t m = sp_parity_enc_close(&e, out);

        ck_assert_uint_ge(m, 2);
        ck_assert_uint_eq(sp_parity_enc_next(&e), SP_NEVER);
        for (unsigned row = 0; row < m; row++) {
            struct sp_parity_frame f;

            ck_assert_int_eq(sp_parity_parse(out[row], &f), 0);
            ck_assert_uint_eq(f.row, row);
            ck_assert_uint_eq(f.cover.n, n);
            ck_assert_uint_eq(f.cover.base, seqs[0]);
            ck_assert_uint_eq(f.sum.len, SP_PARITY_MEMBER_HEAD + longest);
            for (unsigned i = 0; i < n; i++)
                wrong += !sp_parity_covers(&f.cover, seqs[i]);
            for (size_t at = 0; at < f.sum.len; at++) {
                uint8_t sum = 0;

                for (unsigned i = 0; i < n; i++)
                    sum ^= sp_gf256_mul(member_at(seqs[i], lens[i], at), sp_parity_factor(row, i));
                wrong += f.sum.p[at] != sum;
            }
        }
    }
    ck_assert_uint_eq(wrong, 0);
    sp_parity_enc_fini(&e);
}
END_TEST

START_TEST(what_does_not_fit)
{
    begin(64, 2);
    ck_assert_int_eq(add(100, SP_DATAGRAM_MAX + 1, 0), SP_ETOOBIG);
    ck_assert_uint_eq(sp_parity_enc_next(&e), SP_NEVER);
    ck_assert_int_eq(add(100, SP_DATAGRAM_MAX, 0), 0);
    ck_assert_int_eq(add(100, 10, 0), SP_EFULL);
    ck_assert_int_eq(add(99, 10, 0), SP_EFULL);
    ck_assert_int_eq(add(100 + SP_PARITY_MAX_SPAN, 10, 0), SP_EFULL);
    ck_assert_int_eq(add(100 + SP_PARITY_MAX_SPAN - 1, 10, 0), 0);
    ck_assert_uint_eq(e.cover.n, 2);
    ck_assert_uint_eq(sp_parity_enc_close(&e, out), 1);
    ck_assert_int_eq(add(99, 10, 0), 0); /* a new one, and still in debt for the large one */
    ck_assert_uint_eq(sp_parity_enc_close(&e, out), 0);
    ck_assert_uint_eq(e.groups, 2);
    ck_assert_uint_eq(e.parities, 1);
    sp_parity_enc_fini(&e);
}
END_TEST

/* The open group keeps what it began with. */
START_TEST(set_while_open)
{
    begin(2, 1);
    ck_assert_int_eq(add(1, 100, 0), 0);
    ck_assert_int_eq(sp_parity_enc_set(&e, 4, 4), 0);
    ck_assert_int_eq(add(2, 100, 0), 0);
    ck_assert_uint_eq(sp_parity_enc_next(&e), 0);
    ck_assert_uint_eq(sp_parity_enc_close(&e, out), 1);
    for (uint32_t i = 3; i < 7; i++) {
        ck_assert_uint_ne(sp_parity_enc_next(&e), 0);
        ck_assert_int_eq(add(i, 100, 0), 0);
    }
    ck_assert_uint_eq(sp_parity_enc_next(&e), 0);
    ck_assert_uint_eq(sp_parity_enc_close(&e, out), 4);
    sp_parity_enc_fini(&e);
}
END_TEST

static const struct mix {
    unsigned k, m, group; /* datagrams after which the group is closed */
    size_t small, large;  /* each third is large */
    unsigned percent;     /* parity bytes to be had, give or take a twentieth */
} mixes[] = {
    {8, 2, 8, 1200, 1200, 25},  {7, 2, 7, 300, 300, 29},      {10, 3, 7, 1200, 1200, 30},
    {10, 3, 3, 1200, 1200, 30}, {10, 3, 1, 1200, 1200, 30},   {14, 4, 14, 160, 1200, 29},
    {4, 1, 4, 0, 1200, 25},     {4, 1, 4, 1, 1, 25},          {1, 1, 1, 160, 1200, 100},
    {1, 2, 1, 500, 500, 200},   {64, 8, 64, 16000, 1200, 12}, {20, 6, 2, 100, 1200, 30},
};

/* Over time, m bytes for each k, however the groups turn out. */
START_TEST(rate)
{
    const struct mix *mix = &mixes[_i];
    double covered = 0, made = 0;

    begin(mix->k, mix->m);
    for (uint32_t seq = 0; seq < 6000; seq++) {
        size_t len = seq % 3 == 2 ? mix->large : mix->small;

        covered += (double)len + SP_PARITY_MEMBER_HEAD;
        if (add(seq, len, 0))
            ck_abort_msg("not added");
        if (e.cover.n < mix->group)
            continue;

        size_t m = sp_parity_enc_close(&e, out);

        if (m > mix->m)
            ck_abort_msg("%zu parities", m);
        made += (double)(m * e.sum_len);
    }
    ck_assert_double_ge(made * 100 / covered, mix->percent * 0.95);
    ck_assert_double_le(made * 100 / covered, mix->percent * 1.05);
    sp_parity_enc_fini(&e);
}
END_TEST

/* Full groups of one length always have m: what else came in between makes no difference for long.
 */
START_TEST(full_groups_have_m)
{
    uint32_t seq = 0;

    begin(8, 3);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 8; i++)
            ck_assert_int_eq(add(seq++, 1100, 0), 0);
        ck_assert_uint_eq(sp_parity_enc_close(&e, out), 3);
    }
    /* A lone datagram has one, as long as that isn't far ahead. */
    unsigned parities = 0;

    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(add(seq++, 1100, 0), 0);
        size_t m = sp_parity_enc_close(&e, out);
        if (i < 3)
            ck_assert_uint_eq(m, 1);
        parities += (unsigned)m;
    }
    ck_assert_uint_le(parities, 6);
    sp_parity_enc_fini(&e);
}
END_TEST

/* What a group of many was not given, because m is the most, is not saved up for a burst later. */
START_TEST(nothing_is_saved_up)
{
    uint32_t seq = 0;
    unsigned parities = 0;

    begin(8, 1);
    for (int i = 0; i < SP_PARITY_MAX_K; i++)
        ck_assert_int_eq(add(seq++, 1100, 0), 0);
    ck_assert_uint_eq(sp_parity_enc_close(&e, out), 1);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(add(seq++, 1100, 0), 0);
        parities += (unsigned)sp_parity_enc_close(&e, out);
    }
    ck_assert_uint_ge(parities, 4);
    ck_assert_uint_le(parities, 7);
    sp_parity_enc_fini(&e);
}
END_TEST

START_TEST(no_memory)
{
    begin(64, 4);
    for (unsigned round = 0; round < 3; round++) {
        size_t len = (size_t[]){100, 3000, 16000}[round];
        bool failed = true;

        for (unsigned k = 1; failed; k++) {
            unsigned n = e.cover.n;
            size_t sum_len = e.sum_len;

            alloc_fail_at(k);
            int err = add(round + 1, len, 0);
            failed = alloc_fail_disarm();
            ck_assert_int_eq(err, failed ? SP_ENOMEM : 0);
            ck_assert_uint_eq(e.cover.n, failed ? n : n + 1);
            if (failed && n > 0)
                ck_assert_uint_eq(e.sum_len, sum_len);
        }
    }
    ck_assert_uint_ge(sp_parity_enc_close(&e, out), 1);
    struct sp_parity_frame f;

    ck_assert_int_eq(sp_parity_parse(out[0], &f), 0);
    for (size_t at = 0; at < f.sum.len; at++) {
        uint8_t want = member_at(1, 100, at) ^ member_at(2, 3000, at) ^ member_at(3, 16000, at);

        if (f.sum.p[at] != want)
            ck_abort_msg("byte %zu is wrong", at);
    }
    sp_parity_enc_fini(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parity_enc");
    TCase *tc = tcase_create("parity_enc");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, off);
    tcase_add_test(tc, sums);
    tcase_add_test(tc, what_does_not_fit);
    tcase_add_test(tc, set_while_open);
    tcase_add_loop_test(tc, rate, 0, (int)SP_ARRAY_LEN(mixes));
    tcase_add_test(tc, full_groups_have_m);
    tcase_add_test(tc, nothing_is_saved_up);
    tcase_add_test(tc, no_memory);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
