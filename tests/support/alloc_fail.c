/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alloc_fail.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/*
 * This program's own malloc and friends come before all others. They hand on to the sanitizer's
 * where there is one, since its free() must know the memory, and to libc's otherwise.
 */
void *__interceptor_malloc(size_t size) __attribute__((weak));
void *__interceptor_calloc(size_t n, size_t size) __attribute__((weak));
void *__interceptor_realloc(void *p, size_t size) __attribute__((weak));
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

/* ThreadSanitizer asks for memory before it can be called itself. */
#if defined(__clang__)
#define PLAIN __attribute__((disable_sanitizer_instrumentation))
#else
#define PLAIN __attribute__((no_sanitize("thread")))
#endif

static _Thread_local unsigned countdown;
static _Thread_local bool failed;
static _Thread_local unsigned long count;

void alloc_fail_at(unsigned k)
{
    failed = false;
    countdown = k;
}

bool alloc_fail_disarm(void)
{
    countdown = 0;
    return failed;
}

void *alloc_fail_never(void *p, long size)
{
    if (size == 0) {
        free(p);
        return NULL;
    }
    return __interceptor_realloc != NULL ? __interceptor_realloc(p, (size_t)size)
                                         : __libc_realloc(p, (size_t)size);
}

unsigned long alloc_fail_count(void)
{
    return count;
}

PLAIN static bool must_fail(void)
{
    count++;
    if (countdown == 0 || --countdown > 0)
        return false;
    failed = true;
    errno = ENOMEM;
    return true;
}

PLAIN void *malloc(size_t size)
{
    if (must_fail())
        return NULL;
    return __interceptor_malloc != NULL ? __interceptor_malloc(size) : __libc_malloc(size);
}

PLAIN void *calloc(size_t n, size_t size)
{
    if (must_fail())
        return NULL;
    return __interceptor_calloc != NULL ? __interceptor_calloc(n, size) : __libc_calloc(n, size);
}

PLAIN void *realloc(void *p, size_t size)
{
    if (must_fail())
        return NULL;
    return __interceptor_realloc != NULL ? __interceptor_realloc(p, size) : __libc_realloc(p, size);
}

PLAIN void *reallocarray(void *p, size_t n, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(n, size, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(p, all);
}
