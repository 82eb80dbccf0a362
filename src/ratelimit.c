/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/ratelimit.h"

#define US_PER_S 1000000u

void sp_ratelimit_init(struct sp_ratelimit *r, uint32_t per_s, uint32_t burst)
{
    *r = (struct sp_ratelimit){.per_s = per_s, .burst = burst};
}

bool sp_ratelimit_take(struct sp_ratelimit *r, uint64_t now_us)
{
    if (r->level_us < now_us) { /* it ran full again */
        r->level_us = now_us;
        r->part = 0;
    }
    /* One costs 1/per_s seconds, and the level may be burst/per_s seconds ahead of the time. In
     * 1/per_s microseconds all of these are whole numbers, below 2^53. */
    uint64_t ahead = (r->level_us - now_us) * r->per_s + r->part;
    if (ahead + US_PER_S > (uint64_t)r->burst * US_PER_S)
        return false;
    r->level_us += US_PER_S / r->per_s;
    uint64_t part = (uint64_t)r->part + US_PER_S % r->per_s;
    if (part >= r->per_s) {
        part -= r->per_s;
        r->level_us++;
    }
    r->part = (uint32_t)part;
    return true;
}
