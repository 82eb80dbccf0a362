/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prefix_limit.h"

#include "sallyport/bytes.h"

#define NS_PER_US 1000u
#define NS_PER_S  UINT64_C(1000000000)

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

/* One costs 1/per_s seconds, and the level may be one second ahead of the time. */
static bool take(struct sp_prefix_limit_entry *e, uint32_t per_s, uint64_t now_ns)
{
    uint64_t level_ns = atomic_load_explicit(&e->level_ns, memory_order_relaxed);
    uint64_t cost_ns = NS_PER_S / per_s, next_ns;

    do {
        next_ns = (level_ns > now_ns ? level_ns : now_ns) + cost_ns;
        if (next_ns - now_ns > cost_ns * per_s)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&e->level_ns, &level_ns, next_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* The prefix's place, or one that it may have; NULL: there is none. */
static struct sp_prefix_limit_entry *find(struct sp_prefix_limit *l, uint64_t prefix,
                                          uint64_t now_ns, uint64_t *was)
{
    struct sp_prefix_limit_entry *set = l->entries[set_of(l, prefix)], *spare = NULL;

    for (size_t i = 0; i < SP_PREFIX_LIMIT_WAYS; i++) {
        uint64_t there = atomic_load_explicit(&set[i].prefix, memory_order_relaxed);
        if (there != prefix &&
            atomic_load_explicit(&set[i].level_ns, memory_order_relaxed) > now_ns)
            continue;
        spare = &set[i];
        *was = there;
        if (there == prefix)
            break;
    }
    return spare;
}

/* What another worker gives the place to meanwhile costs that one's prefix, once. */
bool sp_prefix_limit_take(struct sp_prefix_limit *l, const struct sp_addr *source, uint64_t now_us)
{
    uint64_t prefix = prefix_of(source), now_ns = now_us * NS_PER_US, was = 0;
    struct sp_prefix_limit_entry *e;

    do {
        e = find(l, prefix, now_ns, &was);
        if (e == NULL)
            return false;
    } while (was != prefix &&
             !atomic_compare_exchange_strong_explicit(&e->prefix, &was, prefix,
                                                      memory_order_relaxed, memory_order_relaxed));
    return take(e, l->per_s, now_ns);
}
