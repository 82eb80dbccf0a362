/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/rng.h"
#include "sallyport/seqwin.h"

#define BOUND SP_MS(320) /* a 32nd is 10 ms */
#define SLICE (BOUND / 32)

static struct sp_seqwin w;

static enum sp_seq_verdict take(uint32_t seq, uint64_t ms)
{
    return sp_seqwin_take(&w, seq, SP_SEC(5) + SP_MS(ms));
}

/* Each test from four places of the circle: wrapping is nothing special. */
static const uint32_t bases[] = {0, 1000000, UINT32_MAX - 3, UINT32_MAX / 2 + 1};

START_TEST(copies)
{
    uint32_t b = bases[_i];

    sp_seqwin_init(&w, BOUND);
    ck_assert_int_eq(take(b, 0), SP_SEQ_NEW);
    ck_assert_int_eq(take(b, 0), SP_SEQ_COPY);
    ck_assert_int_eq(take(b + 3, 0), SP_SEQ_NEW);
    ck_assert_int_eq(take(b + 1, 0), SP_SEQ_NEW);
    ck_assert_int_eq(take(b + 1, 0), SP_SEQ_COPY);
    ck_assert_int_eq(take(b + 3, 0), SP_SEQ_COPY);
    ck_assert_int_eq(take(b + 2, 0), SP_SEQ_NEW);
    ck_assert_int_eq(take(b - 1, 0), SP_SEQ_NEW); /* below the first that came */
    ck_assert_int_eq(take(b - 1, 0), SP_SEQ_COPY);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_int_eq(take(b + i, 1000), SP_SEQ_COPY); /* whatever the time */
}
END_TEST

START_TEST(window)
{
    uint32_t b = bases[_i], top = b + 100000;

    sp_seqwin_init(&w, BOUND);
    ck_assert_int_eq(take(top - 1, 0), SP_SEQ_NEW);
    ck_assert_int_eq(take(top, 0), SP_SEQ_NEW);
    ck_assert_int_eq(take(top - SP_SEQWIN_LEN, 0), SP_SEQ_OLD);
    ck_assert_int_eq(take(top - SP_SEQWIN_LEN, 0), SP_SEQ_OLD);
    ck_assert_int_eq(take(top - SP_SEQWIN_LEN + 1, 0), SP_SEQ_NEW);
    ck_assert_int_eq(take(top - SP_SEQWIN_LEN + 1, 0), SP_SEQ_COPY);
    ck_assert_int_eq(take(top + 0x80000000u, 0), SP_SEQ_OLD); /* neither above nor below */
    /* One step on, the lowest leaves; its place is free for the new highest. */
    ck_assert_int_eq(take(top + 1, 0), SP_SEQ_NEW);
    ck_assert_int_eq(take(top - SP_SEQWIN_LEN + 1, 0), SP_SEQ_OLD);
    ck_assert_int_eq(take(top + 1, 0), SP_SEQ_COPY);
    /* A step of all but one, of exactly, and of more than the window: nothing of before is left. */
    for (uint32_t step = SP_SEQWIN_LEN - 1; step <= SP_SEQWIN_LEN + 1; step++) {
        uint32_t from = top + 1;
        top = from + step;
        ck_assert_int_eq(take(top, 0), SP_SEQ_NEW);
        ck_assert_int_eq(take(from, 0), step < SP_SEQWIN_LEN ? SP_SEQ_COPY : SP_SEQ_OLD);
        bool all_new = true;
        for (uint32_t i = 1; i < SP_SEQWIN_LEN - 1; i++)
            all_new &= take(top - i, 0) == SP_SEQ_NEW;
        ck_assert(all_new);
        ck_assert_int_eq(take(top + 1, 0), SP_SEQ_NEW); /* the next round's `from` */
    }
}
END_TEST

START_TEST(late)
{
    uint32_t b = bases[_i];

    sp_seqwin_init(&w, BOUND);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_int_eq(take(b + i, 0), SP_SEQ_NEW);
    /* 5 to 9 are missing from 100 ms on. */
    ck_assert_int_eq(take(b + 10, 100), SP_SEQ_NEW);
    ck_assert_int_eq(take(b + 11, 200), SP_SEQ_NEW);
    ck_assert_int_eq(take(b + 5, 100), SP_SEQ_NEW);
    ck_assert_int_eq(take(b + 6, 100 + 320), SP_SEQ_NEW);
    ck_assert_int_eq(take(b + 7, 100 + 320 + 11), SP_SEQ_LATE);
    ck_assert_int_eq(take(b + 7, 100 + 320 + 11), SP_SEQ_COPY); /* judged once */
    ck_assert_int_eq(take(b + 8, 50000), SP_SEQ_LATE);
    /* A silence makes nothing late: what was never overtaken is new. */
    ck_assert_int_eq(take(b + 12, 90000), SP_SEQ_NEW);
    /* Many slices later the first marks are gone, but not the verdict. */
    for (uint32_t i = 0; i < 3 * SP_SEQWIN_MARKS; i++)
        ck_assert_int_eq(take(b + 13 + i, 90000 + i * 20), SP_SEQ_NEW);
    ck_assert_int_eq(take(b + 9, 90000 + 3 * SP_SEQWIN_MARKS * 20), SP_SEQ_LATE);
}
END_TEST

/* --- what is missing ------------------------------------------------------------------------ */

#define CAP 40

/* Writes it as text, the nearest to `below` first: '-' is missing. Nothing beyond `cap` is touched.
 */
static const char *missing(uint32_t below, uint64_t ms, size_t cap)
{
    static char text[CAP * 8 + 1];
    uint8_t bitmap[CAP + 1];
    size_t n = 0;

    memset(bitmap, 0xEE, sizeof bitmap);
    size_t len = sp_seqwin_missing(&w, below, SP_SEC(5) + SP_MS(ms), bitmap, cap);
    ck_assert_uint_le(len, cap);
    ck_assert(len == 0 || bitmap[len - 1] != 0);
    ck_assert_uint_eq(bitmap[cap], 0xEE);
    for (size_t i = 0; i < len * 8; i++) {
        text[i] = bitmap[i / 8] >> (i % 8) & 1 ? '-' : '+';
        if (text[i] == '-')
            n = i + 1;
    }
    text[n] = '\0';
    return text;
}

START_TEST(gaps)
{
    uint32_t b = bases[_i];

    sp_seqwin_init(&w, BOUND);
    ck_assert_str_eq(missing(b, 0, CAP), ""); /* nothing came yet */
    take(b, 0);
    ck_assert_str_eq(missing(b, 0, CAP), ""); /* what was sent before is not missed */
    take(b + 1, 0);
    ck_assert_str_eq(missing(b + 1, 0, CAP), "");
    take(b + 3, 0);
    ck_assert_str_eq(missing(b + 3, 0, CAP), "-");
    take(b + 6, 0);
    ck_assert_str_eq(missing(b + 6, 0, CAP), "--+-");
    ck_assert_str_eq(missing(b + 3, 0, CAP), "-"); /* below an earlier one */
    ck_assert_str_eq(missing(b + 1, 0, CAP), "");
    ck_assert_str_eq(missing(b, 0, CAP), "");
    take(b + 4, 0);
    ck_assert_str_eq(missing(b + 6, 0, CAP), "-++-");
    take(b + 5, 0);
    take(b + 2, 0);
    ck_assert_str_eq(missing(b + 6, 0, CAP), "");
    take(b - 2, 0); /* before the first, and late: what lies between is not missed all the same */
    ck_assert_str_eq(missing(b + 6, 0, CAP), "");
}
END_TEST

/* Long runs of what came, gaps of any length, at any place in the memory: each number is looked at.
 */
START_TEST(each_that_is_missing)
{
    uint8_t bitmap[200], want[200];
    struct sp_rng_seeded rng;
    struct sp_seqwin win;
    uint32_t seq = 0xfffff000;

    sp_rng_seeded_init(&rng, 5);
    sp_seqwin_init(&win, SP_MS(400));
    for (unsigned round = 0; round < 60; round++) {
        seq += 1 + (uint32_t)sp_rng_below(&rng.rng, 20);
        for (uint32_t run = (uint32_t)sp_rng_below(&rng.rng, 300); run > 0; run--)
            ck_assert_int_eq(sp_seqwin_take(&win, seq++, SP_SEC(1)), SP_SEQ_NEW);
        ck_assert_int_eq(sp_seqwin_take(&win, seq, SP_SEC(1)), SP_SEQ_NEW);
        struct sp_seqwin copy = win;
        memset(want, 0, sizeof want);
        for (uint32_t i = 0; i < 8 * sizeof want && (int32_t)(seq - 1 - i - win.first) >= 0; i++) {
            copy = win; /* to ask changes it */
            if (sp_seqwin_take(&copy, seq - 1 - i, SP_SEC(1)) == SP_SEQ_NEW)
                want[i / 8] |= (uint8_t)(1u << i % 8);
        }
        sp_seqwin_missing(&win, seq, SP_SEC(1), bitmap, sizeof bitmap);
        ck_assert_mem_eq(bitmap, want, sizeof want);
    }
}
END_TEST

START_TEST(gaps_end_with_age)
{
    uint32_t b = bases[_i];

    sp_seqwin_init(&w, BOUND);
    take(b, 0);
    take(b + 2, 0);
    take(b + 4, 100);
    take(b + 6, 200);
    ck_assert_str_eq(missing(b + 6, 200, CAP), "-+-+-");
    ck_assert_str_eq(missing(b + 6, 320, CAP), "-+-+-");
    ck_assert_str_eq(missing(b + 6, 331, CAP), "-+-");
    ck_assert_str_eq(missing(b + 4, 331, CAP), "-");
    ck_assert_str_eq(missing(b + 6, 420, CAP), "-+-");
    ck_assert_str_eq(missing(b + 6, 431, CAP), "-");
    ck_assert_str_eq(missing(b + 6, 531, CAP), "");
    ck_assert_str_eq(missing(b + 6, 90000, CAP), "");
}
END_TEST

START_TEST(gaps_beyond_the_bitmap)
{
    uint32_t b = bases[_i];

    sp_seqwin_init(&w, BOUND);
    take(b, 0);
    take(b + 400, 0);
    ck_assert_uint_eq(strlen(missing(b + 400, 0, CAP)), CAP * 8);
    ck_assert_str_eq(missing(b + 400, 0, 1), "--------");
    ck_assert_str_eq(missing(b + 400, 0, 0), "");
    for (uint32_t i = 0; i < 8; i++)
        take(b + 399 - i, 0);
    ck_assert_str_eq(missing(b + 400, 0, 1), "");
    ck_assert_str_eq(missing(b + 400, 0, 2), "++++++++--------");
    /* Down to the first, and not beyond. */
    ck_assert_uint_eq(strlen(missing(b + 390, 0, CAP)), CAP * 8);
    take(b + 100, 0);
    ck_assert_uint_eq(strlen(missing(b + 100, 0, CAP)), 99);
}
END_TEST

START_TEST(gaps_beyond_the_window)
{
    uint32_t b = bases[_i], top = b + 5 * SP_SEQWIN_LEN;

    sp_seqwin_init(&w, BOUND);
    take(b, 0);
    take(b + 2, 0);
    take(top, 0); /* all between is missing, as far as is remembered */
    ck_assert_uint_eq(strlen(missing(top, 0, CAP)), CAP * 8);
    ck_assert_str_eq(missing(b + 2, 0, CAP), ""); /* nobody knows any more */
    ck_assert_str_eq(missing(top - SP_SEQWIN_LEN + 1, 0, CAP), "");
    ck_assert_str_eq(missing(top - SP_SEQWIN_LEN + 4, 0, CAP), "---");
}
END_TEST

/* The number that came first does not come to lie ahead, half a circle on. */
START_TEST(gaps_after_a_long_time)
{
    uint32_t b = bases[_i], top = b;
    uint64_t ms = 0;

    sp_seqwin_init(&w, BOUND);
    take(b, ms);
    for (unsigned i = 0; i < 400; i++) { /* 6.7 thousand millions, in strides */
        top += 0x1000000;
        ms += 1000;
        ck_assert_int_eq(take(top, ms), SP_SEQ_NEW);
        ck_assert_int_eq(take(top + 3, ms), SP_SEQ_NEW);
        ck_assert_int_eq(take(top + 1, ms), SP_SEQ_NEW);
        const char *text = missing(top + 3, ms, CAP);
        if (strncmp(text, "-++-", 4) != 0 || strlen(text) != CAP * 8)
            ck_abort_msg("stride %u: %s", i, text);
    }
}
END_TEST

/* A model that remembers everything: who came, and when the highest rose. */
#define MODEL_SPAN 300000

static struct {
    bool came[MODEL_SPAN];
    uint64_t rose_us[MODEL_SPAN]; /* when this became the highest or was passed */
    int64_t highest, first;
} model;

static void model_rise(int64_t to, uint64_t now_us)
{
    for (int64_t i = model.highest + 1; i <= to; i++)
        model.rose_us[i] = now_us;
    model.highest = to;
}

/* Where the window may say either, both are right. */
static bool model_agrees(int64_t n, uint64_t now_us, enum sp_seq_verdict v)
{
    bool first = n > model.highest;

    if (model.highest < 0)
        model.first = n;
    if (first) {
        model_rise(n, now_us);
    } else if (model.highest - n >= SP_SEQWIN_LEN) {
        return v == SP_SEQ_OLD;
    } else if (model.came[n]) {
        return v == SP_SEQ_COPY;
    }
    model.came[n] = true;
    if (first)
        return v == SP_SEQ_NEW;
    uint64_t age_us = now_us - model.rose_us[n + 1];
    if (age_us <= BOUND)
        return v == SP_SEQ_NEW;
    return v == SP_SEQ_LATE || (v == SP_SEQ_NEW && age_us <= BOUND + SLICE);
}

/* Of each number whether it is missed below one that came; where the slices of time allow either,
 * both are right, but no older one is missed where a younger one is not. */
static bool model_misses(uint32_t base, int64_t below, uint64_t now_us, size_t cap)
{
    uint8_t bitmap[CAP] = {0};
    size_t len = sp_seqwin_missing(&w, base + (uint32_t)below, now_us, bitmap, cap);
    bool over = false;

    for (size_t i = 0; i < cap * 8; i++) {
        int64_t n = below - 1 - (int64_t)i;
        bool missed = i / 8 < len && (bitmap[i / 8] >> (i % 8) & 1);
        if (n < model.first || model.highest - n >= SP_SEQWIN_LEN || model.came[n]) {
            if (missed)
                return false;
            continue;
        }
        uint64_t age_us = now_us - model.rose_us[n + 1];
        if (missed ? age_us > BOUND || over : age_us + SLICE <= BOUND)
            return false;
        over |= !missed;
    }
    return len <= cap && (len == 0 || bitmap[len - 1] != 0);
}

static bool model_misses_somewhere(uint32_t base, struct sp_rng *rng, uint64_t now_us)
{
    int64_t below = model.highest - (int64_t)sp_rng_below(rng, 500);

    if (below < 0 || !model.came[below])
        below = model.highest;
    return model_misses(base, below, now_us, (size_t)sp_rng_below(rng, CAP + 1));
}

START_TEST(like_a_model_that_forgets_nothing)
{
    struct sp_rng_seeded rng;
    uint64_t now_us = SP_SEC(1);
    uint32_t base = bases[_i];
    unsigned verdicts[4] = {0};

    sp_rng_seeded_init(&rng, 5 + (uint64_t)_i);
    sp_seqwin_init(&w, BOUND);
    memset(&model, 0, sizeof model);
    model.highest = -1;
    while (model.highest < MODEL_SPAN - 40000) {
        uint64_t kind = sp_rng_below(&rng.rng, 1000);
        int64_t n = model.highest + 1 + (int64_t)sp_rng_below(&rng.rng, 6);
        if (kind == 0)
            n += (int64_t)sp_rng_below(&rng.rng, 17000);
        else if (kind < 500 && model.highest > 0)
            n = model.highest - (int64_t)sp_rng_below(&rng.rng, (uint64_t)model.highest < 3000
                                                                    ? (uint64_t)model.highest + 1
                                                                    : 3000);
        else if (kind < 520 && model.highest > 20000)
            n = model.highest - 16370 - (int64_t)sp_rng_below(&rng.rng, 30);
        now_us += sp_rng_below(&rng.rng, sp_rng_below(&rng.rng, 2000) ? 1200 : SP_MS(500));
        enum sp_seq_verdict v = sp_seqwin_take(&w, base + (uint32_t)n, now_us);
        if (!model_agrees(n, now_us, v))
            ck_abort_msg("number %ld of %ld: verdict %d", (long)n, (long)model.highest, v);
        verdicts[v]++;
        if (!model_misses_somewhere(base, &rng.rng, now_us))
            ck_abort_msg("missing below %ld", (long)model.highest);
    }
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_gt(verdicts[i], 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("seqwin");
    TCase *tc = tcase_create("seqwin");
    SRunner *runner = srunner_create(suite);
    int n = (int)(sizeof bases / sizeof bases[0]);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, copies, 0, n);
    tcase_add_loop_test(tc, window, 0, n);
    tcase_add_test(tc, each_that_is_missing);
    tcase_add_loop_test(tc, late, 0, n);
    tcase_add_loop_test(tc, gaps, 0, n);
    tcase_add_loop_test(tc, gaps_end_with_age, 0, n);
    tcase_add_loop_test(tc, gaps_beyond_the_bitmap, 0, n);
    tcase_add_loop_test(tc, gaps_beyond_the_window, 0, n);
    tcase_add_loop_test(tc, gaps_after_a_long_time, 0, n);
    tcase_add_loop_test(tc, like_a_model_that_forgets_nothing, 0, n);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
