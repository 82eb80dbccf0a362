/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * So many a second for each source prefix (/24 of IPv4, /56 of IPv6): the source of a datagram may
 * be anyone's invention, so the table has a fixed size (pace.h). All workers may take from one at
 * once, without locks.
 */
#ifndef SALLYPORT_SERVER_PREFIX_LIMIT_H
#define SALLYPORT_SERVER_PREFIX_LIMIT_H

#include "pace.h"
#include "sallyport/addr.h"

struct sp_prefix_limit {
    struct sp_pace pace;
};

/* `per_s` 1 to 1,000,000. */
/* The prefix as a number, another one for each; never 0 for an address. */
uint64_t sp_prefix_of(const struct sp_addr *a);

void sp_prefix_limit_init(struct sp_prefix_limit *l, uint32_t per_s, struct sp_rng *rng);

/* Takes one for this source; false when there is none. */
bool sp_prefix_limit_take(struct sp_prefix_limit *l, const struct sp_addr *source, uint64_t now_us);

#endif
