/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which lane takes the next datagrams: a pure function over what is known of each lane.
 *
 * A lost segment holds back all that its connection sends after it, and the sender learns of the
 * loss a round trip later. So the best lane is one with nothing on the way: what it takes can't be
 * held back. Next come those whose bytes are on the way for less than a round trip, the emptiest
 * first; last those where they should have been acknowledged by now, since there something was
 * lost, more often than not, and those whose congestion window is full.
 *
 * That is for a wide tunnel. In a narrow one, where nothing was lost of late, all goes by the first
 * lane that is in no doubt: few connections at work cost the least.
 *
 * Among idle lanes those come first whose kernel owes the far side an acknowledgement: it travels
 * with what is sent, and costs nothing.
 */
#ifndef SALLYPORT_SCHEDULE_H
#define SALLYPORT_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/lane_set.h"

struct sp_lane_view {
    bool usable;           /* not suspect, and has room */
    bool doubtful;         /* what it holds should be acknowledged by now; or its window is full */
    bool owes;             /* an acknowledgement of what came just now */
    uint64_t queued_bytes; /* handed over, and not known to be acknowledged */
    uint64_t turn;         /* when it was used last, as a count: ties go to the longest ago */
};

/* The index of the lane to use, or -1 when none is usable. None of `avoid`. */
int sp_schedule_pick(const struct sp_lane_view *lanes, size_t n, sp_lane_set avoid, bool wide);

#endif
