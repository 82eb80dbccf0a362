/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "skips.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SKIPPED 77 /* SKIP_RETURN_CODE in ../CMakeLists.txt */

void skips_add_test(struct skips *s, TCase *tc, const TTest *test, const char *lack)
{
    if (lack == NULL) {
        tcase_add_test(tc, test);
        return;
    }
    fprintf(stderr, "%s: skipped: %s\n", test->name, lack);
    s->n++;
}

int skips_status(const struct skips *s, int failed)
{
    const char *all = getenv("REQUIRE_ALL");

    if (failed > 0)
        return EXIT_FAILURE;
    if (s->n == 0)
        return EXIT_SUCCESS;
    if (all == NULL || strcmp(all, "1") != 0)
        return SKIPPED;
    fprintf(stderr, "REQUIRE_ALL=1 allows no skipped test\n");
    return EXIT_FAILURE;
}

const char *skips_lack_root(void)
{
    return geteuid() == 0 ? NULL : "needs root";
}
