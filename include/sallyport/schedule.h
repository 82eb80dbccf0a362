/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which lane takes the next datagrams: a pure function over what is known of each lane. Today the
 * lane with the least queued; what is better comes here, and nowhere else.
 */
#ifndef SALLYPORT_SCHEDULE_H
#define SALLYPORT_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sp_lane_view {
    bool usable;           /* not suspect, and has room */
    uint64_t queued_bytes; /* handed over, and not known to be acknowledged */
    uint32_t rtt_us;       /* 0: not known yet */
    uint64_t turn;         /* when it was used last, as a count: ties go to the longest ago */
};

/* The index of the lane to use, or -1 when none is usable. */
int sp_schedule_pick(const struct sp_lane_view *lanes, size_t n);

#endif
