/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests that can't run everywhere. One that lacks something here is left out and said to be,
 * with the reason, and its program ends with what ctest takes for skipped once all the others have
 * passed; with REQUIRE_ALL=1 in the environment it is a failure, as it is for an end-to-end test
 * (run-e2e.sh).
 */
#ifndef TESTS_SKIPS_H
#define TESTS_SKIPS_H

#include <check.h>

struct skips {
    unsigned n;
};

/* Adds the test. `lack`: what it would need and there is not ("needs root"), or NULL. */
void skips_add_test(struct skips *s, TCase *tc, const TTest *test, const char *lack);

/* What main returns. */
int skips_status(const struct skips *s, int failed);

/* What stands in the way of tests that only root can make. */
const char *skips_lack_root(void);

#endif
