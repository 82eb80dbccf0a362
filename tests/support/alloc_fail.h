/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes one allocation of a test fail: the k-th malloc, calloc, realloc or reallocarray of the
 * calling thread after alloc_fail_at(k), no matter who asks (our code, libc's strdup, a library).
 * Those before and after it are served as ever. Linking alloc_fail.c is all that is needed, with or
 * without sanitizers; unarmed, it changes nothing.
 *
 * A test lets each allocation of an operation fail in turn, until one round needs none to fail:
 *
 *     for (unsigned k = 1;; k++) {
 *         alloc_fail_at(k);
 *         int err = operation(&thing);
 *         if (!alloc_fail_disarm()) {
 *             ck_assert_int_eq(err, 0);
 *             break;
 *         }
 *         ck_assert_int_eq(err, SP_ENOMEM);
 *         // ... and nothing was changed, nothing leaked
 *     }
 *
 * Nothing of Check's may be called while it is armed: it ends the test when its own memory fails.
 */
#ifndef SALLYPORT_TESTS_ALLOC_FAIL_H
#define SALLYPORT_TESTS_ALLOC_FAIL_H

#include <stdbool.h>

/* Arms it for the `k`-th allocation from now; 1 is the next. Replaces an earlier arming. */
void alloc_fail_at(unsigned k);

/* Ends it; true when an allocation was made to fail since alloc_fail_at(). */
bool alloc_fail_disarm(void);

/* A realloc that never fails on purpose, nor counts: for libev, which knows no other answer to that
 * than to end the process (ev_set_allocator). */
void *alloc_fail_never(void *p, long size);

/* How many allocations the calling thread has asked for so far: to show that a call needs none. */
unsigned long alloc_fail_count(void);

#endif
