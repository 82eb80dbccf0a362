/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prefix_limit.h"

#include "sallyport/bytes.h"

void sp_prefix_limit_init(struct sp_prefix_limit *l, uint32_t per_s, struct sp_rng *rng)
{
    sp_pace_init(&l->pace, per_s, rng);
}

/* The family above, the first 24 or 56 bits below. */
uint64_t sp_prefix_of(const struct sp_addr *a)
{
    uint64_t family = (uint64_t)a->family << 56;

    return a->family == SP_IPV4 ? family | sp_get_be32(a->ip) >> 8
                                : family | sp_get_be64(a->ip) >> 8;
}

bool sp_prefix_limit_take(struct sp_prefix_limit *l, const struct sp_addr *source, uint64_t now_us)
{
    return sp_pace_take(&l->pace, sp_prefix_of(source), now_us);
}
