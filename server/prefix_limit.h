/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * So many a second for each source prefix (/24 of IPv4, /56 of IPv6), in a table of fixed size:
 * the source of a datagram may be anyone's invention, so it must not cost memory. A prefix whose
 * bucket has run full again is as if it had never been seen, so only those give way to new ones;
 * where none can, the new one is refused. All workers may take from one at once, without locks.
 */
#ifndef SALLYPORT_SERVER_PREFIX_LIMIT_H
#define SALLYPORT_SERVER_PREFIX_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/rng.h"

#define SP_PREFIX_LIMIT_SETS 256
#define SP_PREFIX_LIMIT_WAYS 4

struct sp_prefix_limit_entry {
    _Atomic uint64_t prefix;   /* 0: never used */
    _Atomic uint64_t level_ns; /* when the bucket is full again */
};

struct sp_prefix_limit {
    uint64_t key[2];
    uint32_t per_s; /* as many at once, too */
    struct sp_prefix_limit_entry entries[SP_PREFIX_LIMIT_SETS][SP_PREFIX_LIMIT_WAYS];
};

/* `per_s` 1 to 1,000,000. */
void sp_prefix_limit_init(struct sp_prefix_limit *l, uint32_t per_s, struct sp_rng *rng);

/* Takes one for this source; false when there is none. */
bool sp_prefix_limit_take(struct sp_prefix_limit *l, const struct sp_addr *source, uint64_t now_us);

#endif
