/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pace.h"

#include <stddef.h>

#define NS_PER_US 1000u
#define NS_PER_S  UINT64_C(1000000000)

void sp_pace_init(struct sp_pace *p, uint32_t per_s, struct sp_rng *rng)
{
    *p = (struct sp_pace){
        .key = {sp_rng_u64(rng), sp_rng_u64(rng) | 1},
        .per_s = per_s,
    };
}

/* Multiply-shift under a random odd multiplier: who doesn't know it can't aim at a set. */
static size_t set_of(const struct sp_pace *p, uint64_t who)
{
    return (size_t)(((who ^ p->key[0]) * p->key[1]) >> 32) % SP_PACE_SETS;
}

/* One costs 1/per_s seconds, and the level may be one second ahead of the time. */
static bool take(struct sp_pace_entry *e, uint32_t per_s, uint64_t now_ns)
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

/* Their place; else the one whose bucket is fullest. */
static struct sp_pace_entry *find(struct sp_pace *p, uint64_t who, uint64_t *was)
{
    struct sp_pace_entry *set = p->entries[set_of(p, who)], *spare = NULL;
    uint64_t lowest_ns = UINT64_MAX;

    for (size_t i = 0; i < SP_PACE_WAYS; i++) {
        uint64_t there = atomic_load_explicit(&set[i].who, memory_order_relaxed);
        uint64_t level_ns = atomic_load_explicit(&set[i].level_ns, memory_order_relaxed);
        if (there != who && level_ns >= lowest_ns)
            continue;
        spare = &set[i];
        lowest_ns = level_ns;
        *was = there;
        if (there == who)
            break;
    }
    return spare;
}

/* What another worker gives the place to meanwhile costs that one, once. */
bool sp_pace_take(struct sp_pace *p, uint64_t who, uint64_t now_us)
{
    uint64_t was = 0;
    struct sp_pace_entry *e;

    do {
        e = find(p, who, &was);
    } while (was != who && !atomic_compare_exchange_strong_explicit(
                               &e->who, &was, who, memory_order_relaxed, memory_order_relaxed));
    return take(e, p->per_s, now_us * NS_PER_US);
}
