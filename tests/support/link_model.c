/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "link_model.h"

#include <string.h>

#define NS_PER_S 1000000000ull

/* The longest that a packet may take on the line or in the air: keeps sums far from overflow. */
#define LONGEST_NS (3600 * NS_PER_S)

const char *link_params_wrong(const struct link_params *p)
{
    if (!(p->loss >= 0 && p->loss <= 1))
        return "loss is from 0% to 100%";
    if (p->burst != 0 && !(p->burst >= 1 && p->burst <= 1e6))
        return "burst is 0 (none) or from 1 to 1000000";
    /* In the good state at most every packet turns it bad. */
    if (p->burst != 0 && p->loss < 1 && p->loss > p->burst / (p->burst + 1))
        return "so short bursts cannot lose so much";
    if (p->delay_ns > LONGEST_NS || p->jitter_ns > LONGEST_NS || p->queue_ns > LONGEST_NS)
        return "no time may be longer than an hour";
    if (p->rate_bps != 0 && p->rate_bps < 1000)
        return "rate is 0 (no limit) or at least 1k";
    if (p->queue_bytes != 0 && p->queue_ns != 0)
        return "a queue has a bound in bytes or in time";
    return NULL;
}

void link_init(struct link_line *l, struct sp_rng *rng)
{
    memset(l, 0, sizeof *l);
    l->rng = rng;
    l->waiting_end = &l->waiting;
}

/* ---- chance ---------------------------------------------------------------------------------- */

static bool chance(struct link_line *l, double share)
{
    return (double)(sp_rng_u64(l->rng) >> 11) * 0x1p-53 < share;
}

static bool goes_bad(struct link_line *l)
{
    const struct link_params *p = &l->params;

    if (l->bad)
        return !chance(l, 1 / p->burst);
    return chance(l, p->loss / (p->burst * (1 - p->loss)));
}

static bool is_lost(struct link_line *l)
{
    const struct link_params *p = &l->params;

    if (p->loss <= 0 || p->loss >= 1 || p->burst == 0) {
        l->bad = false;
        return p->loss >= 1 || (p->loss > 0 && chance(l, p->loss));
    }
    return l->bad = goes_bad(l);
}

/* ---- the way --------------------------------------------------------------------------------- */

/* Keeps the order of those that are due at the same time. */
static void fly(struct link_line *l, struct link_packet *p)
{
    struct link_packet **at = &l->flying;

    if (l->flying_last != NULL && l->flying_last->due_ns <= p->due_ns) {
        at = &l->flying_last->next;
    } else {
        while (*at != NULL && (*at)->due_ns <= p->due_ns)
            at = &(*at)->next;
    }
    p->next = *at;
    *at = p;
    if (p->next == NULL)
        l->flying_last = p;
}

static void leave_line(struct link_line *l, struct link_packet *p, uint64_t at_ns)
{
    p->due_ns = at_ns + l->params.delay_ns;
    if (l->params.jitter_ns > 0)
        p->due_ns += sp_rng_below(l->rng, l->params.jitter_ns + 1);
    if (!l->params.reorder && l->flying_last != NULL && p->due_ns < l->flying_last->due_ns)
        p->due_ns = l->flying_last->due_ns;
    p->lost = is_lost(l);
    if (p->lost) {
        l->counts.lost++;
        l->counts.lost_bytes += p->len;
        l->counts.bursts += !l->lost_last;
    }
    l->lost_last = p->lost;
    fly(l, p);
}

/* ---- the line -------------------------------------------------------------------------------- */

/* The packet at the head begins to be sent. */
static void begin(struct link_line *l, uint64_t at_ns)
{
    uint64_t bits_ns, rate = l->params.rate_bps;

    l->done_ns = at_ns;
    if (rate == 0)
        return;
    bits_ns = l->waiting->len * 8ull * NS_PER_S + l->carry;
    l->done_ns += bits_ns / rate;
    l->carry = bits_ns % rate;
}

static void settle(struct link_line *l, uint64_t now_ns)
{
    while (l->waiting != NULL && l->done_ns <= now_ns) {
        struct link_packet *p = l->waiting;

        l->waiting = p->next;
        if (l->waiting == NULL)
            l->waiting_end = &l->waiting;
        l->waiting_bytes -= p->len;
        leave_line(l, p, l->done_ns);
        if (l->waiting != NULL)
            begin(l, l->done_ns);
    }
}

void link_set(struct link_line *l, const struct link_params *p, uint64_t now_ns)
{
    uint64_t old_bps = l->params.rate_bps;

    settle(l, now_ns);
    l->params = *p;
    l->carry = 0;
    if (l->waiting != NULL) { /* the rest of the one on the line at the new rate */
        double left = (double)(l->done_ns - now_ns) * (double)old_bps;
        l->done_ns = now_ns;
        if (p->rate_bps != 0)
            l->done_ns += (uint64_t)(left / (double)p->rate_bps);
    }
    settle(l, now_ns);
}

static uint64_t room(const struct link_params *p)
{
    if (p->queue_ns == 0)
        return p->queue_bytes;
    return (uint64_t)((double)p->queue_ns * (double)p->rate_bps / (8.0 * NS_PER_S));
}

bool link_offer(struct link_line *l, struct link_packet *p, uint64_t now_ns)
{
    struct link_counts *c = &l->counts;

    settle(l, now_ns);
    c->offered++;
    c->offered_bytes += p->len;
    if (p->len > c->longest)
        c->longest = p->len;
    if (l->waiting != NULL && l->waiting_bytes + p->len > room(&l->params)) {
        c->full++;
        c->full_bytes += p->len;
        return false;
    }
    p->next = NULL;
    *l->waiting_end = p;
    l->waiting_end = &p->next;
    l->waiting_bytes += p->len;
    if (l->waiting == p)
        begin(l, now_ns);
    settle(l, now_ns);
    if (l->waiting_bytes > c->most_waiting_bytes)
        c->most_waiting_bytes = l->waiting_bytes;
    return true;
}

uint64_t link_next_ns(const struct link_line *l)
{
    uint64_t next = l->waiting != NULL ? l->done_ns : LINK_NEVER;

    if (l->flying != NULL && l->flying->due_ns < next)
        next = l->flying->due_ns;
    return next;
}

struct link_packet *link_take(struct link_line *l, uint64_t now_ns)
{
    struct link_packet *p;

    settle(l, now_ns);
    p = l->flying;
    if (p == NULL || p->due_ns > now_ns)
        return NULL;
    l->flying = p->next;
    if (l->flying == NULL)
        l->flying_last = NULL;
    if (!p->lost) {
        l->counts.arrived++;
        l->counts.arrived_bytes += p->len;
    }
    return p;
}
