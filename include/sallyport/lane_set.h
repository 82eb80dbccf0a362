/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lanes are numbered within their tunnel; a set of them is a bit for each. Knows nothing of what a
 * lane is.
 */
#ifndef SALLYPORT_LANE_SET_H
#define SALLYPORT_LANE_SET_H

#include <stdbool.h>
#include <stdint.h>

#define SP_LANES_MAX 64 /* lane numbers are 0 to 63 */

typedef uint64_t sp_lane_set;

/* The set of one. */
static inline sp_lane_set sp_lane_bit(unsigned lane)
{
    return (sp_lane_set)1 << lane;
}

static inline bool sp_lane_is_in(sp_lane_set set, unsigned lane)
{
    return (set >> lane & 1) != 0;
}

#endif
