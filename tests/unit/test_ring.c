/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/ring.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "sallyport/err.h"

static struct sp_ring *make(size_t bytes)
{
    struct sp_ring *r;

    ck_assert_int_eq(sp_ring_new(bytes, &r), 0);
    return r;
}

static bool put(struct sp_ring *r, const void *p, size_t len)
{
    struct sp_span s = sp_span(p, len);
    return sp_ring_put(r, &s, 1);
}

static void expect(struct sp_ring *r, const void *p, size_t len)
{
    struct sp_span s;

    ck_assert(sp_ring_front(r, &s));
    ck_assert_uint_eq(s.len, len);
    ck_assert_uint_eq((uintptr_t)s.p % 8, 0);
    if (len > 0)
        ck_assert_mem_eq(s.p, p, len);
    sp_ring_pop(r);
}

static void expect_none(struct sp_ring *r)
{
    struct sp_span s;
    ck_assert(!sp_ring_front(r, &s));
}

START_TEST(in_order)
{
    struct sp_ring *r = make(256);

    expect_none(r);
    ck_assert(put(r, "one", 3) && put(r, "", 0) && put(r, "two and more", 12));
    expect(r, "one", 3);
    expect(r, "", 0);
    expect(r, "two and more", 12);
    expect_none(r);
    sp_ring_free(r);
}
END_TEST

START_TEST(parts_become_one)
{
    struct sp_ring *r = make(256);
    const struct sp_span parts[] = {sp_span("ab", 2), {0}, sp_span("c", 1), sp_span("defghij", 7)};

    ck_assert(sp_ring_put(r, parts, SP_ARRAY_LEN(parts)) && sp_ring_put(r, parts, 0));
    expect(r, "abcdefghij", 10);
    expect(r, "", 0);
    sp_ring_free(r);
}
END_TEST

START_TEST(the_front_stays_until_it_is_popped)
{
    struct sp_ring *r = make(64);
    struct sp_span a, b;

    ck_assert(put(r, "stays", 5));
    ck_assert(sp_ring_front(r, &a) && sp_ring_front(r, &b));
    ck_assert_ptr_eq(a.p, b.p);
    ck_assert(put(r, "behind", 6));
    ck_assert_mem_eq(a.p, "stays", 5);
    sp_ring_pop(r);
    expect(r, "behind", 6);
    sp_ring_free(r);
}
END_TEST

/* 64 bytes hold four records of up to eight; what does not fit leaves no trace. */
START_TEST(full)
{
    struct sp_ring *r = make(64);

    for (unsigned round = 0; round < 100; round++) {
        for (uint64_t i = 0; i < 4; i++)
            ck_assert(put(r, &i, sizeof i));
        ck_assert(!put(r, "", 0));
        uint64_t first = 0;
        expect(r, &first, sizeof first);
        ck_assert(!put(r, "too long", 9));
        ck_assert(put(r, "again", 5));
        for (uint64_t i = 1; i < 4; i++)
            expect(r, &i, sizeof i);
        expect(r, "again", 5);
        expect_none(r);
    }
    sp_ring_free(r);
}
END_TEST

/* The longest fits into an empty ring, wherever it begins; one byte more never does. */
START_TEST(the_longest)
{
    uint8_t bytes[2048];
    struct sp_ring *r = make(2048);
    size_t longest = sp_ring_longest(r);

    ck_assert_uint_eq(longest, 1024 - 8);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(!put(r, bytes, longest + 1));
        ck_assert(put(r, bytes, longest));
        expect(r, bytes, longest);
        ck_assert(put(r, bytes, i % 41));
        expect(r, bytes, i % 41);
    }
    sp_ring_free(r);
}
END_TEST

START_TEST(sizes)
{
    struct sp_ring *r;

    ck_assert_int_eq(sp_ring_new(7, &r), SP_EINVAL);
    ck_assert_int_eq(sp_ring_new(((size_t)1 << 30) + 1, &r), SP_EINVAL);
    r = make(8);
    ck_assert_uint_ge(sp_ring_longest(r), 8);
    sp_ring_free(r);
    r = make(1025);
    ck_assert_uint_eq(sp_ring_longest(r), 1024 - 8);
    sp_ring_free(r);
    sp_ring_free(NULL);
}
END_TEST

START_TEST(no_memory)
{
    struct sp_ring *r;

    alloc_fail_at(1);
    int err = sp_ring_new(1024, &r);
    if (alloc_fail_disarm()) /* aligned_alloc may be the library's own */
        ck_assert_int_eq(err, SP_ENOMEM);
    else
        sp_ring_free(r);
}
END_TEST

/* --- two threads ---------------------------------------------------------------------------- */

/* Some 2,000 times through each ring: the two threads have to take turns, and on a busy machine a
 * turn takes as long as others keep the processor. */
#define RECORDS_PER_BYTE 20

struct producer {
    struct sp_ring *ring;
    uint32_t records;
};

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Number i is as long as its dice say, and full of them. */
static size_t make_record(uint32_t i, uint8_t out[static 256])
{
    uint32_t dice = i + 1;
    size_t len = 4 + next(&dice) % 200;

    memcpy(out, &i, 4);
    memset(out + 4, (int)next(&dice), len - 4);
    return len;
}

static void *produce(void *arg)
{
    const struct producer *p = arg;
    uint8_t bytes[256];

    for (uint32_t i = 0; i < p->records; i++) {
        size_t len = make_record(i, bytes);
        struct sp_span parts[] = {sp_span(bytes, 3), sp_span(bytes + 3, len - 3)};
        while (!sp_ring_put(p->ring, parts, 2))
            sched_yield();
    }
    return NULL;
}

START_TEST(from_thread_to_thread)
{
    uint32_t size = (uint32_t)512 << _i;
    struct sp_ring *r = make(size);
    struct producer producer = {.ring = r, .records = RECORDS_PER_BYTE * size};
    pthread_t thread;
    struct sp_span got;
    uint8_t want[256];

    ck_assert_int_eq(pthread_create(&thread, NULL, produce, &producer), 0);
    for (uint32_t i = 0; i < producer.records; i++) {
        size_t len = make_record(i, want);
        while (!sp_ring_front(r, &got))
            sched_yield();
        if (got.len != len || memcmp(got.p, want, len) != 0)
            ck_abort_msg("record %u is another, or altered", i);
        sp_ring_pop(r);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    expect_none(r);
    sp_ring_free(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ring");
    TCase *tc = tcase_create("ring");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, in_order);
    tcase_add_test(tc, parts_become_one);
    tcase_add_test(tc, the_front_stays_until_it_is_popped);
    tcase_add_test(tc, full);
    tcase_add_test(tc, the_longest);
    tcase_add_test(tc, sizes);
    tcase_add_test(tc, no_memory);
    tcase_add_loop_test(tc, from_thread_to_thread, 0, 6);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
