/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A token bucket as a value: so many a second, so many at once.
 */
#ifndef SALLYPORT_RATELIMIT_H
#define SALLYPORT_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct sp_ratelimit {
    uint32_t per_s, burst;
    uint32_t part;     /* of a microsecond, in 1 / per_s: so that any rate is kept exactly */
    uint64_t level_us; /* time up to which the bucket is spent */
};

/* `per_s` and `burst` at least 1. Starts full. */
void sp_ratelimit_init(struct sp_ratelimit *r, uint32_t per_s, uint32_t burst);

/* Takes one; false when there is none. */
bool sp_ratelimit_take(struct sp_ratelimit *r, uint64_t now_us);

#endif
