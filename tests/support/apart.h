/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A piece of a test in a process of its own: for what a process does to itself and cannot undo
 * (limits, identity, sandbox). Check's own functions don't belong in there; MUST does.
 */
#ifndef TESTS_APART_H
#define TESTS_APART_H

#include <stdio.h>

/* Returns 0 when all is as it must be. */
typedef int apart_fn(void *arg);

/* Runs `fn` in a child. Returns what it returned, or 128 and the number of the signal that ended
 * the child. */
int apart(apart_fn *fn, void *arg);

/* In such a function, and in what it calls: when this doesn't hold, says so, and it returns 1. */
#define MUST(cond)                                                                    \
    do {                                                                              \
        if (!(cond)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
            return 1;                                                                 \
        }                                                                             \
    } while (0)

#endif
