/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim_ledger.h"

#include <stdlib.h>
#include <string.h>

#include "require.h"

static void *grow(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    *cap = *cap ? *cap * 2 : 256;
    p = realloc(p, *cap * size);
    REQUIRE(p != NULL);
    return p;
}

void sim_ledger_init(struct sim_ledger *l, struct sim *s, const struct sim_ledger_rules *rules)
{
    struct sp_rng_seeded rng;

    *l = (struct sim_ledger){.sim = s, .rules = *rules};
    sp_rng_seeded_init(&rng, 1);
    sp_rng_bytes(&rng.rng, l->pattern, sizeof l->pattern);
}

void sim_ledger_fini(struct sim_ledger *l)
{
    for (size_t i = 0; i < SIM_LEDGER_LANES; i++)
        free(l->lanes[i].index);
    free(l->marks);
    free(l->entries);
}

void sim_ledger_offer(struct sim_ledger *l, uint32_t flow, uint32_t len, uint8_t *bytes)
{
    uint32_t index = (uint32_t)l->n;

    SIM_REQUIRE(l->sim, len >= SIM_DATAGRAM_MIN && len <= SP_DATAGRAM_MAX + 1);
    l->entries = grow(l->entries, l->n, &l->cap, sizeof *l->entries);
    l->entries[l->n++] =
        (struct sim_ledger_entry){.offered_us = l->sim->now_us, .flow = flow, .len = len};
    sp_put_be32(bytes, index);
    sp_put_be32(bytes + 4, flow);
    sp_put_be32(bytes + 8, len);
    memcpy(bytes + SIM_DATAGRAM_MIN, l->pattern + index % SIM_LEDGER_PATTERN,
           len - SIM_DATAGRAM_MIN);
}

static uint32_t index_of(struct sim_ledger *l, struct sp_span s)
{
    SIM_REQUIRE(l->sim, s.len >= SIM_DATAGRAM_MIN);
    uint32_t index = sp_get_be32(s.p);
    SIM_REQUIRE(l->sim, index < l->n);
    return index;
}

uint32_t sim_ledger_hand(struct sim_ledger *l, unsigned lane, struct sp_span datagram, bool again)
{
    uint32_t index = index_of(l, datagram);
    struct sim_ledger_entry *d = &l->entries[index];

    SIM_REQUIRE(l->sim, d->handed == again);
    SIM_REQUIRE(l->sim, l->sim->now_us - d->offered_us <= l->rules.max_age_us);
    if (!again) {
        d->handed = true;
        d->handed_us = l->sim->now_us;
        d->order = l->handed++;
    }
    SIM_REQUIRE(l->sim, lane < SIM_LEDGER_LANES);
    struct sim_ledger_lane *o = &l->lanes[lane];
    o->index = grow(o->index, o->n, &o->cap, sizeof *o->index);
    o->index[o->n++] = index;
    return d->flow;
}

/* It may not come later than the bound after one that left later. */
static void check_lateness(struct sim_ledger *l, const struct sim_ledger_entry *d)
{
    const uint64_t bound_us = l->rules.max_late_us;
    size_t low = 0, high = l->n_marks;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (l->marks[mid].order > d->order)
            high = mid;
        else
            low = mid + 1;
    }
    if (low < l->n_marks) {
        /* Lanes that are alike swap nothing but what left at the same moment. */
        SIM_REQUIRE(l->sim, !l->rules.in_order || l->marks[low].handed_us == d->handed_us);
        SIM_REQUIRE(l->sim, l->sim->now_us - l->marks[low].at_us <= bound_us + bound_us / 32);
        return;
    }
    l->marks = grow(l->marks, l->n_marks, &l->cap_marks, sizeof *l->marks);
    l->marks[l->n_marks++] = (struct sim_ledger_mark){l->sim->now_us, d->handed_us, d->order};
}

static void check_lane_order(struct sim_ledger *l, unsigned lane, uint32_t index)
{
    SIM_REQUIRE(l->sim, lane < SIM_LEDGER_LANES);
    struct sim_ledger_lane *o = &l->lanes[lane];

    while (o->next < o->n && o->index[o->next] != index)
        o->next++;
    SIM_REQUIRE(l->sim, o->next < o->n);
    o->next++;
}

void sim_ledger_recover(struct sim_ledger *l, uint32_t flow, struct sp_span datagram)
{
    uint32_t index = index_of(l, datagram);
    struct sim_ledger_entry *d = &l->entries[index];
    const uint8_t *behind = datagram.p + SIM_DATAGRAM_MIN;

    SIM_REQUIRE(l->sim, d->handed && !d->delivered);
    SIM_REQUIRE(l->sim, d->flow == flow && sp_get_be32(datagram.p + 4) == flow);
    SIM_REQUIRE(l->sim, datagram.len == d->len && sp_get_be32(datagram.p + 8) == d->len);
    SIM_REQUIRE(l->sim, memcmp(behind, l->pattern + index % SIM_LEDGER_PATTERN,
                               datagram.len - SIM_DATAGRAM_MIN) == 0);
    check_lateness(l, d);
    d->delivered = true;
    l->delivered++;
}

void sim_ledger_deliver(struct sim_ledger *l, unsigned lane, uint32_t flow, struct sp_span datagram)
{
    check_lane_order(l, lane, index_of(l, datagram));
    sim_ledger_recover(l, flow, datagram);
}
