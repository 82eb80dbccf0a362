/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/schedule.h"

static bool better(const struct sp_lane_view *a, const struct sp_lane_view *b, bool wide)
{
    if (a->doubtful != b->doubtful)
        return b->doubtful;
    if (!wide)
        return false; /* the first it is */
    if (a->queued_bytes != b->queued_bytes)
        return a->queued_bytes < b->queued_bytes;
    if (a->owes != b->owes)
        return a->owes;
    return a->turn < b->turn;
}

int sp_schedule_pick(const struct sp_lane_view *lanes, size_t n, sp_lane_set avoid, bool wide)
{
    int best = -1;

    for (size_t i = 0; i < n; i++)
        if (lanes[i].usable && !sp_lane_is_in(avoid, (unsigned)i) &&
            (best < 0 || better(&lanes[i], &lanes[best], wide)))
            best = (int)i;
    return best;
}
