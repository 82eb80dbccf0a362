/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/parity_dec.h"
#include "sallyport/parity_enc.h"
#include "sallyport/rng.h"

#define MAX_BYTES (256 * 1024)
#define MAX_AGE   SP_MS(300)
#define MEMBERS   70 /* of a group, with those beside it */

/* ---- a sender whose datagrams are told by their numbers ---- */

static size_t len_of(uint32_t seq)
{
    uint32_t x = seq * 2654435761u;

    return x >> 28 == 0 ? 0 : x >> 28 == 1 ? SP_DATAGRAM_MAX - (x & 0xFF) : (x >> 8) % 1400;
}

static uint16_t flow_of(uint32_t seq)
{
    return (uint16_t)(seq * 40503u % 0xFFFE + 1);
}

static uint8_t scratch[SP_DATAGRAM_MAX];

static struct sp_span datagram(uint32_t seq)
{
    size_t len = len_of(seq);
    uint32_t x = seq;

    for (size_t i = 0; i < len; i++) {
        x = x * 1103515245 + 12345;
        scratch[i] = (uint8_t)(x >> 16);
    }
    return sp_span(scratch, len);
}

struct payload {
    uint8_t *p;
    size_t len;
};

static struct sp_parity_dec d;
static struct sp_parity_enc e;
static uint64_t now_us;
static bool came[MEMBERS], yielded[MEMBERS];
static uint32_t first;

static void begin(void)
{
    now_us = SP_SEC(10);
    sp_parity_dec_init(&d, MAX_BYTES, MAX_AGE);
    sp_parity_enc_init(&e, SP_MS(20));
}

static void end(void)
{
    sp_parity_dec_fini(&d);
    sp_parity_enc_fini(&e);
    ck_assert_uint_eq(d.held, 0);
    ck_assert_uint_eq(d.n_groups, 0);
}

/* A parity frame out of which comes nothing begins the window. */
static void wake(uint32_t seq)
{
    static const uint8_t zeros[5];
    struct sp_parity_cover c = {.base = seq, .span = 1, .n = 1, .bitmap = {0x80}};
    uint8_t wire[SP_PARITY_HEADER_MAX + 5];
    size_t head = sp_parity_header(wire + SP_PARITY_HEADER_MAX, &c, 0);

    memcpy(wire + SP_PARITY_HEADER_MAX, zeros, 5);
    ck_assert_int_eq(
        sp_parity_dec_parity(&d, sp_span(wire + SP_PARITY_HEADER_MAX - head, head + 5), now_us), 0);
    ck_assert(sp_parity_window_begun(&d.window));
}

static void data(uint32_t seq)
{
    sp_parity_dec_data(&d, seq, flow_of(seq), datagram(seq), now_us);
}

/* Takes what was found: each right, once, and none that came. Returns how many. */
static unsigned take(void)
{
    struct sp_parity_found f;
    unsigned n = 0;

    for (; sp_parity_dec_next(&d, &f); n++) {
        uint32_t i = f.seq - first;

        if (i >= MEMBERS || came[i] || yielded[i])
            ck_abort_msg("number %u out of turn", i);
        if (f.flow != flow_of(f.seq) || !sp_span_eq(f.datagram, datagram(f.seq)))
            ck_abort_msg("number %u altered", i);
        yielded[i] = true;
    }
    return n;
}

/* Groups of the numbers from `first` on, those with a bit in `members`; its payloads. */
static size_t group(const bool members[static MEMBERS], unsigned m,
                    struct payload out[static SP_PARITY_MAX_M])
{
    struct sp_span spans[SP_PARITY_MAX_M];
    size_t n;

    ck_assert_int_eq(sp_parity_enc_set(&e, 1, 0), 0);
    ck_assert_int_eq(sp_parity_enc_set(&e, 1, m), 0);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (members[i] &&
            sp_parity_enc_add(&e, first + i, flow_of(first + i), datagram(first + i), 0))
            ck_abort_msg("not added");
    }
    n = sp_parity_enc_close(&e, spans);
    for (size_t i = 0; i < n; i++) {
        out[i].len = spans[i].len;
        out[i].p = malloc(spans[i].len); /* of its exact size, so that reading on is noticed */
        ck_assert_ptr_nonnull(out[i].p);
        memcpy(out[i].p, spans[i].p, spans[i].len);
    }
    return n;
}

/* ---- what it must do ---- */

/* One group under a random loss: events in a random order, some of them twice. */
static void one_group(struct sp_rng *rng, uint32_t base)
{
    bool members[MEMBERS] = {false}, lost[MEMBERS] = {false};
    struct payload parities[SP_PARITY_MAX_M];
    unsigned m = 1 + (unsigned)sp_rng_below(rng, SP_PARITY_MAX_M), n = 0, n_lost = 0, events = 0;
    unsigned size = 1 + (unsigned)sp_rng_below(rng, sp_rng_below(rng, 4) ? 12 : SP_PARITY_MAX_K);
    uint8_t order[4 * MEMBERS];

    first = base;
    memset(came, 0, sizeof(came));
    memset(yielded, 0, sizeof(yielded));
    for (uint32_t i = 0; i < MEMBERS && n < size; i++) {
        members[i] = i == 0 || sp_rng_below(rng, 5) > 0;
        n += members[i];
    }
    size_t made = group(members, m, parities);

    ck_assert_uint_eq(made, m);
    while (n_lost < m && n_lost < n && sp_rng_below(rng, 8)) {
        uint32_t i = (uint32_t)sp_rng_below(rng, MEMBERS);

        n_lost += members[i] && !lost[i];
        lost[i] |= members[i];
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        for (unsigned copies = members[i] && !lost[i] ? 1 + !sp_rng_below(rng, 9) : 0; copies;
             copies--)
            order[events++] = (uint8_t)i;
    }
    /* Of the parities as many as are needed, any of them, or more. */
    unsigned skip = (unsigned)sp_rng_below(rng, m - n_lost + 1),
             at = (unsigned)sp_rng_below(rng, m);

    for (unsigned i = skip; i < m; i++)
        order[events++] = (uint8_t)(MEMBERS + (at + i) % m);
    for (unsigned i = 0; i < events; i++) {
        uint64_t j = i + sp_rng_below(rng, events - i);
        uint8_t t = order[j];

        order[j] = order[i];
        order[i] = t;
        now_us += sp_rng_below(rng, 300);
        if (t < MEMBERS) {
            data(base + t);
            came[t] = true;
        } else {
            struct payload *p = &parities[t - MEMBERS];
            int err = sp_parity_dec_parity(&d, sp_span(p->p, p->len), now_us);

            if (err)
                ck_abort_msg("parity refused: %d", err);
        }
        take();
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (lost[i] && !yielded[i])
            ck_abort_msg("number %u of %u not recovered, %u lost, %u parities", i, n, n_lost, m);
    }
    /* What was recovered may come after all. */
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (lost[i])
            data(base + i);
    }
    ck_assert_uint_eq(take(), 0);
    for (unsigned i = 0; i < m; i++) {
        ck_assert_int_eq(sp_parity_dec_parity(&d, sp_span(parities[i].p, parities[i].len), now_us),
                         0);
        free(parities[i].p);
    }
    ck_assert_uint_eq(take(), 0);
    ck_assert_uint_eq(d.n_groups, 0);
}

START_TEST(any_m_are_recovered)
{
    static const uint32_t bases[] = {7, 1000000, UINT32_MAX - 900, UINT32_MAX / 2 - 900};
    struct sp_rng_seeded rng;
    uint32_t base = bases[_i % 4];

    sp_rng_seeded_init(&rng, 100 + (uint64_t)_i);
    begin();
    wake(base - 1);
    data(base - 1);
    take();
    for (int round = 0; round < 60; round++, base += MEMBERS, now_us += SP_MS(10))
        one_group(&rng.rng, base);
    ck_assert_uint_gt(d.recovered, 50);
    ck_assert_uint_gt(d.useless, 60);
    ck_assert_uint_eq(d.given_up, 0);
    ck_assert_uint_eq(d.bad, 1); /* the one that woke it */
    end();
}
END_TEST

/* What one group gives back is what another one lacks. */
START_TEST(chain)
{
    struct payload p[3][SP_PARITY_MAX_M];

    begin();
    first = 100;
    memset(came, 0, sizeof(came));
    memset(yielded, 0, sizeof(yielded));
    for (uint32_t i = 0; i < 3; i++) {
        bool members[MEMBERS] = {false};

        members[i] = members[i + 1] = true;
        ck_assert_uint_eq(group(members, 1, p[i]), 1);
    }
    wake(99);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(sp_parity_dec_parity(&d, sp_span(p[i][0].p, p[i][0].len), now_us), 0);
        ck_assert_uint_eq(take(), 0);
        free(p[i][0].p);
    }
    came[3] = true;
    data(103);
    ck_assert_uint_eq(take(), 3);
    end();
}
END_TEST

/* One parity over 100 and 101. */
static struct payload pair(void)
{
    bool members[MEMBERS] = {true, true};
    struct payload p[SP_PARITY_MAX_M];

    first = 100;
    memset(came, 0, sizeof(came));
    memset(yielded, 0, sizeof(yielded));
    sp_parity_enc_init(&e, SP_MS(20));
    ck_assert_uint_eq(group(members, 1, p), 1);
    sp_parity_enc_fini(&e);
    return p[0];
}

static int parity(struct payload p)
{
    return sp_parity_dec_parity(&d, sp_span(p.p, p.len), now_us);
}

START_TEST(costs_nothing_without_parity)
{
    begin();
    unsigned long before = alloc_fail_count();

    for (uint32_t i = 0; i < 100; i++)
        sp_parity_dec_data(&d, i, 1, sp_span("abc", 3), now_us);
    unsigned long after = alloc_fail_count();

    ck_assert_uint_eq(after, before);
    ck_assert(!sp_parity_window_begun(&d.window));

    struct payload p = pair();

    ck_assert_int_eq(parity(p), 0);
    ck_assert(sp_parity_window_begun(&d.window));
    sp_parity_dec_data(&d, 100, flow_of(100), datagram(100), now_us);
    came[0] = true;
    ck_assert_uint_eq(take(), 1);
    /* Five seconds without parity end it. */
    now_us += SP_SEC(5);
    sp_parity_dec_expire(&d, now_us);
    ck_assert(sp_parity_window_begun(&d.window));
    sp_parity_dec_expire(&d, now_us + 1);
    ck_assert(!sp_parity_window_begun(&d.window));
    /* And the next one begins above what came or was found. */
    now_us += SP_SEC(1);
    ck_assert_int_eq(parity(p), SP_EEXPIRED);
    static const uint8_t again[] = {0, 0, 0, 101, 0, 1, 0x80, 0, 1, 0, 0};
    ck_assert_int_eq(sp_parity_dec_parity(&d, sp_span(again, sizeof(again)), now_us), SP_EEXPIRED);
    ck_assert_uint_eq(take(), 0);
    free(p.p);
    end();
}
END_TEST

START_TEST(too_old)
{
    struct payload p = pair();

    /* A parity that waits for longer than the bound. */
    begin();
    ck_assert_int_eq(parity(p), 0);
    now_us += MAX_AGE;
    sp_parity_dec_expire(&d, now_us);
    ck_assert_uint_eq(d.n_groups, 1);
    now_us += 1;
    data(100);
    ck_assert_uint_eq(d.n_groups, 0);
    ck_assert_uint_eq(d.given_up, 1);
    ck_assert_uint_eq(take(), 0);
    end();
    /* A datagram that is too old to be used. */
    begin();
    wake(99);
    take();
    data(100);
    now_us += MAX_AGE + 1;
    ck_assert_int_eq(parity(p), 0);
    ck_assert_uint_eq(take(), 0);
    ck_assert_uint_eq(d.given_up, 1);
    end();
    /* Numbers that left the window, and such as are far above it. */
    begin();
    wake(99);
    data(99 + SP_PARITY_KEPT);
    ck_assert_int_eq(parity(p), 0);
    data(100 + SP_PARITY_KEPT);
    ck_assert_int_eq(parity(p), SP_EEXPIRED);
    ck_assert_uint_eq(take(), 0);
    end();
    begin();
    wake((uint32_t)101 - SP_PARITY_KEPT / 2);
    take();
    ck_assert_int_eq(parity(p), SP_EEXPIRED);
    data((uint32_t)101 - SP_PARITY_KEPT / 2);
    ck_assert_int_eq(parity(p), 0);
    end();
    free(p.p);
}
END_TEST

/* A window that moved on while a group waited: it is not solved out of what isn't known any more.
 */
START_TEST(window_moves_on)
{
    bool members[MEMBERS] = {[0] = true, [10] = true};
    struct payload p[SP_PARITY_MAX_M];

    begin();
    first = 100;
    memset(came, 0, sizeof(came));
    memset(yielded, 0, sizeof(yielded));
    ck_assert_uint_eq(group(members, 1, p), 1);
    ck_assert_int_eq(parity(p[0]), 0);
    data(104 + SP_PARITY_KEPT); /* now 105 is the lowest */
    data(110);
    ck_assert_uint_eq(take(), 0);
    ck_assert_uint_eq(d.given_up, 1);
    free(p[0].p);
    end();
}
END_TEST

/* Forged: sums that are no datagram, groups that contradict each other. */
START_TEST(forged)
{
    struct payload p = pair();

    begin();
    /* Flow 0. */
    wake(99);
    ck_assert_uint_eq(d.bad, 1);
    ck_assert_uint_eq(take(), 0);
    ck_assert_int_eq(parity(p), 0);

    uint8_t *longer = malloc(p.len + 1);

    ck_assert_ptr_nonnull(longer);
    memcpy(longer, p.p, p.len);
    longer[p.len] = 0;
    longer[4] = 1; /* another row, of another length */
    ck_assert_int_eq(sp_parity_dec_parity(&d, sp_span(longer, p.len + 1), now_us), SP_EBADMSG);
    free(longer);
    ck_assert_uint_eq(d.n_groups, 1);
    /* The same row again changes nothing. */
    ck_assert_int_eq(parity(p), 0);
    ck_assert_uint_eq(d.n_groups, 1);
    /* A datagram that is longer than the sum it is said to be in. */
    memset(scratch, 1, 16000);
    sp_parity_dec_data(&d, 100, 5, sp_span(scratch, 16000), now_us);
    ck_assert_uint_eq(take(), 0);
    ck_assert_uint_eq(d.n_groups, 0);
    ck_assert_uint_eq(d.given_up, 1);
    free(p.p);
    end();
}
END_TEST

/* A changed byte in the padding, FLOW or LENGTH is noticed. */
START_TEST(altered)
{
    static const uint8_t small[100] = {9};

    for (int what = 0; what < 5; what++) {
        uint8_t wire[7 + 4 + 200] = {0, 0, 0, 100, 0, 2, 0xC0};
        uint8_t *sum = wire + 7;

        begin();
        /* 100 is all of `small`, 101 has 50 bytes. */
        sp_parity_add(sum, 1, 1, sp_span(small, 100));
        sp_parity_add(sum, 1, 2, sp_span(small, 50));
        if (what == 1)
            sum[1] ^= 2; /* FLOW is 0 */
        if (what == 4)
            sp_put_be16(sum, 1 ^ SP_FLOW_PARITY);
        if (what == 2)
            sp_put_be16(sum + 2, 100 ^ 201);
        if (what == 3)
            sum[4 + 50] ^= 1;
        ck_assert_int_eq(sp_parity_dec_parity(&d, sp_span(wire, sizeof(wire)), now_us), 0);
        sp_parity_dec_data(&d, 100, 1, sp_span(small, 100), now_us);

        struct sp_parity_found f;
        bool got = sp_parity_dec_next(&d, &f);

        ck_assert_int_eq(got, what == 0);
        ck_assert_uint_eq(d.bad, what != 0);
        if (got)
            ck_assert(f.flow == 2 && f.seq == 101 && sp_span_eq(f.datagram, sp_span(small, 50)));
        end();
    }
}
END_TEST

/* Groups that never get what they lack: bounded in number and in bytes. */
START_TEST(bounded)
{
    static uint8_t wire[7 + SP_PARITY_SUM_MAX];

    begin();
    wire[5] = 2;
    wire[6] = 0xC0;
    wake(0);
    for (uint32_t i = 0; i < 1000; i++) {
        size_t sum = _i ? SP_PARITY_SUM_MAX : 50;

        sp_put_be32(wire, i);
        ck_assert_int_eq(sp_parity_dec_parity(&d, sp_span(wire, 7 + sum), now_us), 0);
        ck_assert_uint_le(d.n_groups, SP_PARITY_GROUPS);
        ck_assert_uint_le(d.held, MAX_BYTES / 2);
    }
    ck_assert_uint_ge(d.n_groups, 5);
    ck_assert_uint_eq(d.given_up, 1000 - d.n_groups);
    end();
}
END_TEST

/* Nobody takes what is found. */
START_TEST(not_taken)
{
    static uint8_t wire[7 + SP_PARITY_SUM_MAX];

    begin();
    wire[5] = 1;
    wire[6] = 0x80;
    for (uint32_t i = 0; i < 1000; i++) {
        sp_put_be32(wire, i);
        sp_put_be16(wire + 7, 1);
        sp_put_be16(wire + 9, SP_DATAGRAM_MAX);
        ck_assert_int_eq(sp_parity_dec_parity(&d, sp_span(wire, sizeof(wire)), now_us), 0);
        ck_assert_uint_le(d.held, MAX_BYTES / 2);
    }
    ck_assert_uint_eq(d.recovered, 1000);
    end();
}
END_TEST

START_TEST(no_memory)
{
    struct payload p = pair();
    bool failed = true;

    for (unsigned k = 1; failed; k++) {
        begin();
        came[0] = came[1] = yielded[0] = yielded[1] = false;
        struct sp_span s = datagram(100);

        alloc_fail_at(k);
        int err = parity(p);
        if (err == 0)
            sp_parity_dec_data(&d, 100, flow_of(100), s, now_us);
        failed = alloc_fail_disarm();
        came[0] = err == 0;
        ck_assert(err == 0 || (failed && err == SP_ENOMEM));
        unsigned n = take();
        ck_assert_uint_le(n, 1);
        if (!failed)
            ck_assert_uint_eq(n, 1);
        /* It goes on. */
        if (err) {
            ck_assert_int_eq(parity(p), 0);
            data(100);
            came[0] = true;
            ck_assert_uint_eq(take(), 1);
        }
        end();
    }
    free(p.p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parity_dec");
    TCase *tc = tcase_create("parity_dec");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, any_m_are_recovered, 0, 12);
    tcase_add_test(tc, chain);
    tcase_add_test(tc, costs_nothing_without_parity);
    tcase_add_test(tc, too_old);
    tcase_add_test(tc, window_moves_on);
    tcase_add_test(tc, forged);
    tcase_add_test(tc, altered);
    tcase_add_loop_test(tc, bounded, 0, 2);
    tcase_add_test(tc, not_taken);
    tcase_add_test(tc, no_memory);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
