/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * REQUIRE(cond): what must hold in a test's helpers, in fuzz targets and in whatever else has no
 * Check at hand. It stays in release builds; when it doesn't hold, its file, line and text are told
 * and the program ends. In a simulated world: SIM_REQUIRE (sim.h), which names the seed too.
 */
#ifndef TESTS_REQUIRE_H
#define TESTS_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(cond)                                                                 \
    do {                                                                              \
        if (!(cond)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

#endif
