/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prefix_limit.h"

#include "sallyport/bytes.h"

void sp_prefix_limit_init(struct sp_prefix_limit *l, uint32_t per_s, struct sp_rng *rng)
{
    *l = (struct sp_prefix_limit){
        .key = {sp_rng_u64(rng), sp_rng_u64(rng) | 1},
        .per_s = per_s,
    };
}

/* The family above, the first 24 or 56 bits below; never 0 for an address. */
static uint64_t prefix_of(const struct sp_addr *a)
{
    uint64_t family = (uint64_t)a->family << 56;

    return a->family == SP_IPV4 ? family | sp_get_be32(a->ip) >> 8
                                : family | sp_get_be64(a->ip) >> 8;
}

/* Multiply-shift under a random odd multiplier: who doesn't know it can't aim at a set. */
static size_t set_of(const struct sp_prefix_limit *l, uint64_t prefix)
{
    return (size_t)(((prefix ^ l->key[0]) * l->key[1]) >> 32) % SP_PREFIX_LIMIT_SETS;
}

bool sp_prefix_limit_take(struct sp_prefix_limit *l, const struct sp_addr *source, uint64_t now_us)
{
    uint64_t prefix = prefix_of(source);
    size_t set = set_of(l, prefix), spare = SP_PREFIX_LIMIT_WAYS;

    for (size_t i = 0; i < SP_PREFIX_LIMIT_WAYS; i++) {
        if (l->entries[set][i].prefix == prefix)
            return sp_ratelimit_take(&l->entries[set][i].bucket, now_us);
        if (l->entries[set][i].prefix == 0 || l->entries[set][i].bucket.level_us <= now_us)
            spare = i;
    }
    if (spare == SP_PREFIX_LIMIT_WAYS)
        return false;
    l->entries[set][spare].prefix = prefix;
    sp_ratelimit_init(&l->entries[set][spare].bucket, l->per_s, l->per_s);
    return sp_ratelimit_take(&l->entries[set][spare].bucket, now_us);
}
