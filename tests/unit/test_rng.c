/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/rng.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/bytes.h"

START_TEST(seeded_is_xoshiro256starstar)
{
    /* The first outputs from the state {1, 2, 3, 4}, as the generator's authors' code gives them.
     */
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240, 1216172134540287360};
    struct sp_rng_seeded r;
    sp_rng_seeded_init(&r, 0);
    memcpy(r.s, (uint64_t[]){1, 2, 3, 4}, sizeof r.s);
    for (size_t i = 0; i < SP_ARRAY_LEN(want); i++)
        ck_assert_uint_eq(sp_rng_u64(&r.rng), want[i]);
}
END_TEST

START_TEST(seeds_go_through_splitmix64)
{
    static const uint64_t want[] = {6457827717110365317u, 3203168211198807973u,
                                    9817491932198370423u, 4593380528125082431u};
    struct sp_rng_seeded r;
    sp_rng_seeded_init(&r, 1234567);
    for (size_t i = 0; i < SP_ARRAY_LEN(want); i++)
        ck_assert_uint_eq(r.s[i], want[i]);
}
END_TEST

START_TEST(a_seed_repeats)
{
    struct sp_rng_seeded a, b, c;
    uint8_t x[37], y[37], z[37];
    sp_rng_seeded_init(&a, 42);
    sp_rng_seeded_init(&b, 42);
    sp_rng_seeded_init(&c, 43);
    for (int i = 0; i < 10; i++) {
        sp_rng_bytes(&a.rng, x, sizeof x);
        sp_rng_bytes(&b.rng, y, sizeof y);
        sp_rng_bytes(&c.rng, z, sizeof z);
        ck_assert_mem_eq(x, y, sizeof x);
        ck_assert_mem_ne(x, z, sizeof x);
    }
}
END_TEST

START_TEST(fills_just_what_was_asked)
{
    struct sp_rng_seeded seeded;
    struct sp_rng system, *rngs[] = {&system, &seeded.rng};
    sp_rng_system_init(&system);
    sp_rng_seeded_init(&seeded, 7);
    for (size_t r = 0; r < SP_ARRAY_LEN(rngs); r++) {
        for (size_t len = 0; len < 40; len++) {
            uint8_t buf[48] = {0}, seen[40] = {0};
            for (int i = 0; i < 40; i++) { /* a byte stays 0 by chance once in 2^320 */
                sp_rng_bytes(rngs[r], buf + 4, len);
                for (size_t j = 0; j < len; j++)
                    seen[j] |= buf[4 + j];
            }
            for (size_t j = 0; j < len; j++)
                ck_assert_uint_ne(seen[j], 0);
            ck_assert_mem_eq(buf, (uint8_t[4]){0}, 4);
            ck_assert_mem_eq(buf + 4 + len, (uint8_t[4]){0}, 4);
        }
    }
}
END_TEST

START_TEST(system_fills_large_buffers)
{
    enum { LEN = 1 << 20 };
    static uint8_t buf[LEN];
    struct sp_rng rng;
    unsigned counts[256] = {0};
    sp_rng_system_init(&rng);
    sp_rng_bytes(&rng, buf, LEN);
    for (size_t i = 0; i < LEN; i++)
        counts[buf[i]]++;
    for (int i = 0; i < 256; i++) { /* 4096 on average, sigma 64 */
        ck_assert_uint_gt(counts[i], 4096 - 10 * 64);
        ck_assert_uint_lt(counts[i], 4096 + 10 * 64);
    }
    ck_assert_uint_ne(sp_rng_u64(&rng), sp_rng_u64(&rng));
}
END_TEST

START_TEST(below_is_uniform)
{
    struct sp_rng_seeded r;
    unsigned counts[7] = {0};
    sp_rng_seeded_init(&r, 99);
    for (int i = 0; i < 70000; i++)
        counts[sp_rng_below(&r.rng, 7)]++;
    for (int i = 0; i < 7; i++) {
        ck_assert_uint_gt(counts[i], 9400);
        ck_assert_uint_lt(counts[i], 10600);
    }
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(sp_rng_below(&r.rng, 1), 0);
}
END_TEST

/* Gives out what the test lays down. */
struct scripted {
    struct sp_rng rng;
    uint64_t next[4];
    size_t used;
};

static void scripted_fill(struct sp_rng *self, uint8_t *out, size_t len)
{
    struct scripted *s = SP_CONTAINER_OF(self, struct scripted, rng);
    ck_assert_uint_eq(len, 8);
    ck_assert_uint_lt(s->used, SP_ARRAY_LEN(s->next));
    sp_put_be64(out, s->next[s->used++]);
}

START_TEST(below_throws_the_surplus_away)
{
    /* 2^64 = 2 * (2^63 - 1) + 2: numbers 0 and 1 are too many. */
    struct scripted s = {.rng = {scripted_fill}, .next = {0, 1, 2, UINT64_MAX}};
    uint64_t n = INT64_MAX;
    ck_assert_uint_eq(sp_rng_below(&s.rng, n), 2);
    ck_assert_uint_eq(s.used, 3);
    ck_assert_uint_eq(sp_rng_below(&s.rng, n), 1); /* 2^64 - 1 = 2n + 1 */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rng");
    TCase *tc = tcase_create("rng");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, seeded_is_xoshiro256starstar);
    tcase_add_test(tc, seeds_go_through_splitmix64);
    tcase_add_test(tc, a_seed_repeats);
    tcase_add_test(tc, fills_just_what_was_asked);
    tcase_add_test(tc, system_fills_large_buffers);
    tcase_add_test(tc, below_is_uniform);
    tcase_add_test(tc, below_throws_the_surplus_away);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
