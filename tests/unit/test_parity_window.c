/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/parity_window.h"
#include "sallyport/rfc4571.h"

#define MAX_BYTES (4 * SP_PARITY_CHUNK)
#define MAX_AGE   SP_MS(300)

static struct sp_parity_window w;
static uint8_t bytes[SP_DATAGRAM_MAX];
static const uint32_t bases[] = {0, 1000000, UINT32_MAX - 3, UINT32_MAX / 2 - 3};

/* The bytes tell the number. */
static bool keep(uint32_t seq, size_t len, uint64_t ms)
{
    memset(bytes, (int)(seq & 0xFF), len);
    return sp_parity_window_keep(&w, seq, (uint16_t)(seq % 7 + 1), sp_span(bytes, len), SP_MS(ms));
}

static bool has(uint32_t seq, size_t len, uint64_t ms)
{
    struct sp_span s;
    uint16_t flow;

    if (!sp_parity_window_get(&w, seq, SP_MS(ms), &flow, &s))
        return false;
    ck_assert_uint_eq(flow, seq % 7 + 1);
    ck_assert_uint_eq(s.len, len);
    memset(bytes, (int)(seq & 0xFF), len);
    if (len > 0)
        ck_assert_mem_eq(s.p, bytes, len);
    return true;
}

static void begin(uint32_t lowest)
{
    sp_parity_window_init(&w, MAX_BYTES, MAX_AGE);
    ck_assert(!sp_parity_window_begun(&w));
    ck_assert_int_eq(sp_parity_window_begin(&w, lowest), 0);
    ck_assert(sp_parity_window_begun(&w));
}

START_TEST(what_came)
{
    uint32_t b = bases[_i];

    begin(b);
    ck_assert(!keep(b - 1, 10, 1000)); /* nobody knows */
    ck_assert(!sp_parity_window_came(&w, b - 1));
    ck_assert(keep(b + 5, 10, 1000));
    ck_assert(!keep(b + 5, 11, 1000));
    ck_assert(keep(b, 0, 1000));
    ck_assert(keep(b + 2, SP_DATAGRAM_MAX, 1001));
    for (uint32_t i = 0; i < 10; i++)
        ck_assert_int_eq(sp_parity_window_came(&w, b + i), i == 0 || i == 2 || i == 5);
    ck_assert(has(b + 5, 10, 1300));
    ck_assert(!has(b + 5, 10, 1301));
    ck_assert(has(b, 0, 1300));
    ck_assert(has(b + 2, SP_DATAGRAM_MAX, 1301));
    ck_assert(!has(b + 1, 0, 1000));
    /* Too old, they came all the same. */
    sp_parity_window_expire(&w, SP_MS(2000));
    ck_assert_uint_eq(w.n_chunks, 0);
    ck_assert(sp_parity_window_came(&w, b + 5));
    ck_assert(!keep(b + 5, 10, 2000));
    sp_parity_window_end(&w);
    ck_assert(!sp_parity_window_begun(&w));
}
END_TEST

START_TEST(what_is_known)
{
    uint32_t b = bases[_i];

    begin(b);
    ck_assert(!sp_parity_window_knows(&w, b - 1));
    ck_assert(sp_parity_window_knows(&w, b));
    ck_assert(sp_parity_window_knows(&w, b - 1 + SP_PARITY_KEPT / 2));
    ck_assert(!sp_parity_window_knows(&w, b + SP_PARITY_KEPT / 2));
    ck_assert(keep(b + SP_PARITY_KEPT - 1, 20, 1000));
    ck_assert(sp_parity_window_knows(&w, b));
    ck_assert(keep(b + SP_PARITY_KEPT, 20, 1000));
    ck_assert(!sp_parity_window_knows(&w, b));
    ck_assert(sp_parity_window_knows(&w, b + 1));
    sp_parity_window_end(&w);
    begin(b);
    for (uint32_t i = 0; i < 3 * SP_PARITY_KEPT; i += 3)
        ck_assert(keep(b + i, 20, 1000));

    uint32_t top = b + (3 * SP_PARITY_KEPT - 1) / 3 * 3;

    ck_assert(sp_parity_window_knows(&w, top - SP_PARITY_KEPT + 1));
    ck_assert(!sp_parity_window_knows(&w, top - SP_PARITY_KEPT));
    for (uint32_t i = 0; i < SP_PARITY_KEPT; i++) {
        ck_assert_int_eq(sp_parity_window_came(&w, top - i), i % 3 == 0);
        ck_assert_int_eq(has(top - i, 20, 1000), i % 3 == 0);
    }
    ck_assert(!sp_parity_window_came(&w, top - SP_PARITY_KEPT / 3 * 3 - 3));
    /* A leap: what was is forgotten. */
    ck_assert(keep(top + 1000000, 20, 1000));
    ck_assert(!sp_parity_window_came(&w, top));
    ck_assert(!keep(top, 20, 1000));
    sp_parity_window_end(&w);
}
END_TEST

START_TEST(bytes_have_a_bound)
{
    uint32_t n = 0;

    begin(0);
    for (; n < 1000; n++)
        ck_assert(keep(n, 1200, 1000));
    ck_assert_uint_eq(w.n_chunks, MAX_BYTES / SP_PARITY_CHUNK);
    /* The last ones are there, all of three chunks at least, and one begun. */
    uint32_t there = 0;

    while (has(n - 1 - there, 1200, 1000))
        there++;
    ck_assert_uint_ge(there, 3 * (SP_PARITY_CHUNK / 1206));
    ck_assert_uint_le(there, 4 * (SP_PARITY_CHUNK / 1206));
    for (uint32_t i = 0; i < n - there; i++) {
        ck_assert(!has(i, 1200, 1000));
        ck_assert(sp_parity_window_came(&w, i));
    }
    /* Little comes, little is held; old chunks are used again. */
    for (; n < 2000; n++) {
        uint64_t ms = 1300 + (n - 1000) * 20;
        unsigned long before = alloc_fail_count();
        bool kept = keep(n, 1200, ms);
        unsigned long allocated = alloc_fail_count() - before;

        ck_assert(kept);
        if (n > 1100)
            ck_assert_uint_eq(allocated, 0);
        ck_assert(has(n, 1200, ms));
    }
    sp_parity_window_expire(&w, SP_MS(1300 + 1000 * 20));
    ck_assert_uint_le(w.n_chunks, 2);
    sp_parity_window_end(&w);
}
END_TEST

START_TEST(no_memory)
{
    sp_parity_window_init(&w, 0, MAX_AGE);
    ck_assert_uint_eq(w.max_chunks, 2);
    alloc_fail_at(1);
    int err = sp_parity_window_begin(&w, 5);
    alloc_fail_disarm();
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert(!sp_parity_window_begun(&w));
    begin(5);
    alloc_fail_at(1);
    bool kept = keep(5, 100, 1000);
    ck_assert(alloc_fail_disarm());
    ck_assert(kept);
    ck_assert(sp_parity_window_came(&w, 5));
    ck_assert(!has(5, 100, 1000));
    ck_assert(keep(6, 100, 1000));
    ck_assert(has(6, 100, 1000));
    sp_parity_window_end(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parity_window");
    TCase *tc = tcase_create("parity_window");
    SRunner *runner = srunner_create(suite);
    int n = (int)SP_ARRAY_LEN(bases);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, what_came, 0, n);
    tcase_add_loop_test(tc, what_is_known, 0, n);
    tcase_add_test(tc, bytes_have_a_bound);
    tcase_add_test(tc, no_memory);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
