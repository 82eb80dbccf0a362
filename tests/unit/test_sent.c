/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/clock.h"
#include "sallyport/rng.h"
#include "sallyport/sent.h"

#define AGE   SP_MS(400)
#define START SP_SEC(10)
#define MOST  40000 /* bytes of a frame */

/* Each test from four places of the circle: wrapping is nothing special. */
static const uint32_t bases[] = {0, 1000000, UINT32_MAX - 3, UINT32_MAX / 2 - 3};
#define N_BASES ((int)(sizeof bases / sizeof bases[0]))

/* What frame `seq` consists of. */
static struct sp_span body(uint32_t seq, size_t len)
{
    static uint8_t bytes[MOST];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seq * 31 + i * 7);
    return sp_span(bytes, len);
}

static struct sp_sent_frame *add_at(struct sp_sent *s, uint32_t seq, size_t len, uint64_t now_us)
{
    return sp_sent_add(s, seq, body(seq, len), now_us, now_us);
}

static struct sp_sent_frame *add(struct sp_sent *s, uint32_t seq, size_t len)
{
    return add_at(s, seq, len, START);
}

/* It is remembered, and is what it was. */
static bool knows(struct sp_sent *s, uint32_t seq, size_t len)
{
    const struct sp_sent_frame *f = sp_sent_find(s, seq);

    return f != NULL && f->seq == seq && f->len == len &&
           sp_span_eq(sp_sent_bytes(s, f), body(seq, len));
}

static bool knows_all(struct sp_sent *s, uint32_t first, uint32_t n, size_t len)
{
    bool all =
        s->count == n && sp_sent_find(s, first - 1) == NULL && sp_sent_find(s, first + n) == NULL;

    for (uint32_t i = 0; i < n; i++)
        all = all && knows(s, first + i, len);
    return all;
}

START_TEST(remembers)
{
    uint32_t b = bases[_i];
    struct sp_sent s;

    sp_sent_init(&s, 100000, AGE);
    ck_assert_ptr_null(sp_sent_find(&s, b));
    ck_assert_ptr_null(sp_sent_find(&s, 0));
    for (uint32_t i = 0; i < 5; i++) {
        struct sp_sent_frame *f =
            sp_sent_add(&s, b + i, body(b + i, 10 + i), START + i, START + 100 + i);
        ck_assert_ptr_nonnull(f);
        ck_assert_ptr_eq(f, sp_sent_find(&s, b + i));
        ck_assert_uint_eq(f->first_us, START + i);
        ck_assert_uint_eq(f->left_us, START + 100 + i);
        ck_assert_uint_eq(f->lanes + f->repeats + f->cls, 0);
        ck_assert(!f->missed);
    }
    for (uint32_t i = 0; i < 5; i++)
        ck_assert(knows(&s, b + i, 10 + i));
    ck_assert_ptr_null(sp_sent_find(&s, b - 1));
    ck_assert_ptr_null(sp_sent_find(&s, b + 5));
    ck_assert_ptr_null(sp_sent_find(&s, b + 0x80000000u));
    sp_sent_fini(&s);
    ck_assert_ptr_null(sp_sent_find(&s, b));
    ck_assert_ptr_null(s.bytes);
    ck_assert_ptr_nonnull(add(&s, b, 3)); /* fini leaves it empty and of use */
    sp_sent_fini(&s);
}
END_TEST

START_TEST(grows_and_keeps_all)
{
    uint32_t b = bases[_i];
    struct sp_sent s;

    sp_sent_init(&s, 1000000, AGE);
    for (uint32_t i = 0; i < 900; i++) { /* both rings grow, several times, not at the same time */
        ck_assert_ptr_nonnull(add(&s, b + i, 1111));
        ck_assert_uint_eq(s.count, i + 1);
    }
    ck_assert(knows_all(&s, b, 900, 1111));
    ck_assert_ptr_nonnull(add(&s, b + 900, 1111)); /* beyond the bound the first goes */
    ck_assert(knows_all(&s, b + 1, 900, 1111));
    ck_assert_uint_le(s.cap, 1000000);
    sp_sent_fini(&s);
}
END_TEST

START_TEST(fits_exactly)
{
    uint32_t b = bases[_i];
    struct sp_sent s;

    sp_sent_init(&s, 1000, AGE);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_ptr_nonnull(add(&s, b + i, 250));
    ck_assert(knows_all(&s, b, 4, 250)); /* to the last byte */
    ck_assert_uint_eq(s.cap, 1000);
    for (uint32_t i = 4; i < 50; i++) {
        ck_assert_ptr_nonnull(add(&s, b + i, 250));
        ck_assert(knows_all(&s, b + i - 3, 4, 250));
    }
    ck_assert_ptr_nonnull(add(&s, b + 50, 1000)); /* all of it */
    ck_assert(knows_all(&s, b + 50, 1, 1000));
    ck_assert_ptr_nonnull(add(&s, b + 51, 1));
    ck_assert(knows_all(&s, b + 51, 1, 1));
    sp_sent_fini(&s);
}
END_TEST

/* None is cut in two: what does not fit behind the last goes to the beginning. */
START_TEST(wraps)
{
    uint32_t b = bases[_i];
    struct sp_sent s;

    sp_sent_init(&s, 1000, AGE);
    for (uint32_t i = 0; i < 3; i++)
        add(&s, b + i, 300);
    ck_assert(knows_all(&s, b, 3, 300));
    add(&s, b + 3, 300); /* 100 are left at the end: the first gives its place */
    ck_assert(knows_all(&s, b + 1, 3, 300));
    ck_assert_uint_eq(sp_sent_find(&s, b + 3)->at, 0);
    ck_assert_ptr_nonnull(add(&s, b + 4, 301)); /* from 300 on, and a byte of the third's */
    ck_assert_ptr_null(sp_sent_find(&s, b + 1));
    ck_assert_ptr_null(sp_sent_find(&s, b + 2));
    ck_assert(knows(&s, b + 3, 300) && knows(&s, b + 4, 301));
    sp_sent_fini(&s);
}
END_TEST

START_TEST(age)
{
    uint32_t b = bases[_i];
    struct sp_sent s;

    sp_sent_init(&s, 100000, AGE);
    for (uint32_t i = 0; i < 10; i++)
        add_at(&s, b + i, 100, START + SP_MS(i * 10));
    sp_sent_expire(&s, START + AGE);
    ck_assert(knows_all(&s, b, 10, 100));
    sp_sent_expire(&s, START + AGE + 1);
    ck_assert(knows_all(&s, b + 1, 9, 100));
    add_at(&s, b + 10, 100, START + AGE + SP_MS(40)); /* adding does it, too */
    ck_assert(knows_all(&s, b + 4, 7, 100));
    sp_sent_expire(&s, START - SP_MS(1)); /* a clock that steps back forgets nothing */
    ck_assert(knows_all(&s, b + 4, 7, 100));
    sp_sent_fini(&s);
}
END_TEST

/* But for a little until its owner rests. */
START_TEST(idle_holds_no_memory)
{
    struct sp_sent s;

    for (uint32_t n = 1; n < 3000; n *= 3) {
        sp_sent_init(&s, 1000000, AGE);
        for (uint32_t i = 0; i < n; i++)
            add(&s, i, 300);
        sp_sent_expire(&s, START + AGE);
        sp_sent_rest(&s);
        ck_assert_ptr_nonnull(s.bytes);
        ck_assert(knows_all(&s, 0, n, 300));
        sp_sent_expire(&s, START + AGE + 1);
        ck_assert_uint_eq(s.cap, n * 300 > 8192 ? 0 : n * 300 > 4096 ? 8192 : 4096);
        ck_assert_uint_eq(s.count, 0);
        sp_sent_rest(&s);
        ck_assert_ptr_null(s.bytes);
        ck_assert_ptr_null(s.frames);
        ck_assert_uint_eq(s.cap + s.frames_cap + s.count, 0);
        ck_assert_ptr_nonnull(add_at(&s, n, 300, START + AGE + 2)); /* the next call */
        ck_assert(knows_all(&s, n, 1, 300));
        sp_sent_fini(&s);
    }
}
END_TEST

START_TEST(a_number_that_is_not_the_next)
{
    static const uint32_t steps[] = {2, 0, 100, UINT32_MAX, UINT32_MAX - 1, 0x80000000u};

    for (unsigned i = 0; i < SP_ARRAY_LEN(steps); i++) {
        uint32_t b = bases[_i], last = b + 9;
        struct sp_sent s;

        sp_sent_init(&s, 100000, AGE);
        for (uint32_t k = 0; k < 10; k++)
            add(&s, b + k, 100);
        ck_assert_ptr_nonnull(add(&s, last + steps[i], 50));
        ck_assert(knows_all(&s, last + steps[i], 1, 50));
        ck_assert_ptr_nonnull(add(&s, last + steps[i] + 1, 50));
        ck_assert(knows_all(&s, last + steps[i], 2, 50));
        sp_sent_fini(&s);
    }
}
END_TEST

START_TEST(longer_than_the_bound)
{
    struct sp_sent s;

    sp_sent_init(&s, 1000, AGE);
    ck_assert_ptr_null(add(&s, 6, 1001));
    add(&s, 7, 100);
    ck_assert_ptr_null(add(&s, 8, 1001));
    ck_assert_uint_eq(s.count, 0); /* numbers go on without a gap, or not at all */
    ck_assert_ptr_nonnull(add(&s, 9, 1000));
    ck_assert(knows_all(&s, 9, 1, 1000));
    sp_sent_fini(&s);
}
END_TEST

/* At each step the next allocation fails: what is remembered is a run of numbers that ends with the
 * last, and right; or nothing. */
START_TEST(without_memory)
{
    struct sp_sent s;
    unsigned failures = 0, nothing = 0;

    sp_sent_init(&s, 1000000, AGE);
    for (uint32_t seq = 0; seq < 3000; seq++) {
        size_t len = 1 + seq * 37 % 2000 + (seq % 400 == 399 ? 30000 : 0);
        struct sp_span frame = body(seq, len);

        alloc_fail_at(1 + seq % 2);
        struct sp_sent_frame *f = sp_sent_add(&s, seq, frame, START, START);
        failures += alloc_fail_disarm();
        ck_assert((f != NULL) == (s.count > 0));
        nothing += f == NULL;
        if (f != NULL)
            ck_assert(f == sp_sent_find(&s, seq) && knows(&s, seq, len));
        for (uint32_t i = 0; i < s.count; i++) {
            uint32_t other = s.first + i;
            if (!knows(&s, other, 1 + other * 37 % 2000 + (other % 400 == 399 ? 30000 : 0)))
                ck_abort_msg("number %u after %u", other, seq);
        }
        if (seq % 50 == 0)
            sp_sent_fini(&s);
    }
    ck_assert_uint_gt(failures, 100);
    ck_assert_uint_gt(nothing, 2);
    sp_sent_fini(&s);

    /* The oldest go where the rest can't grow. */
    sp_sent_init(&s, 1000000, AGE);
    for (uint32_t seq = 0; seq < 64; seq++)
        add(&s, seq, 100);
    for (uint32_t seq = 64; seq < 300; seq++) {
        struct sp_span frame = body(seq, 100);
        alloc_fail_at(1);
        const struct sp_sent_frame *f = sp_sent_add(&s, seq, frame, START, START);
        ck_assert(alloc_fail_disarm());
        ck_assert_ptr_nonnull(f);
    }
    ck_assert(knows_all(&s, 300 - 64, 64, 100));
    sp_sent_fini(&s);
}
END_TEST

START_TEST(none_for_a_datagram)
{
    struct sp_sent s;
    uint64_t now_us = START;
    unsigned long asked = 0;

    sp_sent_init(&s, 1000000, AGE);
    for (uint32_t seq = 0; seq < 5000; seq++) {
        if (seq == 1000)
            asked = alloc_fail_count();
        sp_sent_add(&s, seq, body(seq, 500), now_us, now_us);
        now_us += SP_MS(1);
    }
    ck_assert_uint_eq(alloc_fail_count(), asked);
    sp_sent_fini(&s);
}
END_TEST

/*
 * Against a list that forgets by age only. The ring may forget sooner, when it is full: then what
 * it has left and the new one could not have stood in its bytes together with the one that went.
 */
#define STEPS 30000

struct item {
    uint64_t first_us;
    uint32_t seq;
    size_t len;
};

struct model {
    struct item items[STEPS];
    size_t first, end;
};

static bool model_agrees(const struct model *m, struct sp_sent *s)
{
    size_t bytes = 0;

    if (s->count > m->end - m->first || s->cap > s->max_bytes || s->head > s->cap)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        const struct item *item = &m->items[m->end - 1 - i];
        const struct sp_sent_frame *f = sp_sent_find(s, item->seq);
        if (f == NULL || f->seq != item->seq || f->len != item->len ||
            f->first_us != item->first_us || f->at + f->len > s->cap)
            return false;
        bytes += f->len;
    }
    return bytes <= s->max_bytes;
}

/* All that is remembered is what it was: asked now and then, since it takes long. */
static bool bytes_agree(const struct model *m, struct sp_sent *s)
{
    bool same = true;

    for (size_t i = 0; i < s->count; i++)
        same = same && knows(s, m->items[m->end - 1 - i].seq, m->items[m->end - 1 - i].len);
    return same;
}

START_TEST(like_the_simplest_list)
{
    static struct model m;
    struct sp_rng_seeded rng;
    struct sp_sent s;
    uint64_t now_us = START;
    uint32_t seq = bases[_i] - 1000;
    unsigned pressed = 0, aged = 0;

    memset(&m, 0, sizeof m);
    sp_rng_seeded_init(&rng, 21 + (uint64_t)_i);
    sp_sent_init(&s, 50000, AGE);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned phase = step / 3000 % 3; /* sparse, busy, as large as can be */
        now_us += sp_rng_below(&rng.rng, phase == 0 ? SP_MS(40) : SP_MS(2));
        if (sp_rng_below(&rng.rng, 2000) == 0) {
            seq += (uint32_t)sp_rng_below(&rng.rng, 5);
            now_us += sp_rng_below(&rng.rng, 2 * AGE);
        }
        size_t len = 1 + sp_rng_below(&rng.rng, phase == 2 ? 16000 : phase == 1 ? 1400 : 200);
        if (m.end > m.first && seq != m.items[m.end - 1].seq + 1)
            m.first = m.end;
        m.items[m.end++] = (struct item){now_us, seq, len};
        size_t before = s.count;
        while (m.items[m.first].first_us + AGE < now_us) {
            m.first++;
            aged++;
        }
        if (add_at(&s, seq, len, now_us) == NULL || !model_agrees(&m, &s))
            ck_abort_msg("step %u", step);
        if (step % 16 == 0 && !bytes_agree(&m, &s))
            ck_abort_msg("bytes at step %u", step);
        if (s.count < m.end - m.first && s.count <= before) {
            size_t held = 0;
            pressed++;
            for (size_t i = 0; i <= s.count; i++) /* and the one that went last */
                held += m.items[m.end - 1 - i].len;
            ck_assert_msg(held + 16000 > s.max_bytes, "step %u: forgot too early", step);
        }
        seq++;
    }
    ck_assert_uint_gt(pressed, 1000);
    ck_assert_uint_gt(aged, 1000);
    sp_sent_fini(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sent");
    TCase *tc = tcase_create("sent");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, remembers, 0, N_BASES);
    tcase_add_loop_test(tc, grows_and_keeps_all, 0, N_BASES);
    tcase_add_loop_test(tc, fits_exactly, 0, N_BASES);
    tcase_add_loop_test(tc, wraps, 0, N_BASES);
    tcase_add_loop_test(tc, age, 0, N_BASES);
    tcase_add_test(tc, idle_holds_no_memory);
    tcase_add_loop_test(tc, a_number_that_is_not_the_next, 0, N_BASES);
    tcase_add_test(tc, longer_than_the_bound);
    tcase_add_test(tc, without_memory);
    tcase_add_test(tc, none_for_a_datagram);
    tcase_add_loop_test(tc, like_the_simplest_list, 0, N_BASES);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
