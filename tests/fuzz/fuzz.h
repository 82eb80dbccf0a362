/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets share. A target asserts the properties of what it feeds, so that wrong
 * answers are found as well as crashes; REQUIRE stays in release builds.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
