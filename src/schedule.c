/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/schedule.h"

static bool better(const struct sp_lane_view *a, const struct sp_lane_view *b)
{
    if (a->queued_bytes != b->queued_bytes)
        return a->queued_bytes < b->queued_bytes;
    return a->turn < b->turn;
}

int sp_schedule_pick(const struct sp_lane_view *lanes, size_t n)
{
    int best = -1;

    for (size_t i = 0; i < n; i++)
        if (lanes[i].usable && (best < 0 || better(&lanes[i], &lanes[best])))
            best = (int)i;
    return best;
}
