/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include "sallyport/clock.h"

#define FIRST_US   SP_MS(250)
#define LONGEST_US SP_SEC(30)
/* What worked that long was no fluke: its loss is answered at once. */
#define STABLE_US SP_SEC(10)
/* The server keeps a tunnel without lanes that long (its --linger, by default). Another server
 * would lose the allocations for certain. */
#define FORGOTTEN_US SP_SEC(30)
/* Until then there are calls to save, and a wait is no longer than this. */
#define HURRY_US SP_SEC(4)

void sp_plan_init(struct sp_plan *p, size_t n_servers, unsigned n_lanes, struct sp_rng *rng,
                  uint64_t now_us)
{
    *p = (struct sp_plan){.n_servers = n_servers, .n_lanes = n_lanes, .rng = rng};
    sp_backoff_init(&p->backoff, FIRST_US, LONGEST_US);
    p->due_us = now_us + sp_backoff_next_us(&p->backoff, rng);
    for (unsigned i = 0; i < n_lanes; i++)
        sp_backoff_init(&p->lanes[i].backoff, FIRST_US, LONGEST_US);
}

static bool is_usable(const struct sp_plan_lane *l)
{
    return l->up && !l->suspect;
}

unsigned sp_plan_usable(const struct sp_plan *p)
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->n_lanes; i++)
        n += is_usable(&p->lanes[i]);
    return n;
}

static bool any_trying(const struct sp_plan *p)
{
    for (unsigned i = 0; i < p->n_lanes; i++)
        if (p->lanes[i].trying)
            return true;
    return false;
}

/* --- what next ------------------------------------------------------------------------------ */

static bool wants(const struct sp_plan_lane *l)
{
    return !is_usable(l) && !l->trying;
}

static bool next_leader(struct sp_plan *p, uint64_t now_us, struct sp_plan_try *out)
{
    bool knows = p->has_tunnel && p->server == p->home && !p->join_refused;

    if (any_trying(p) || now_us < p->due_us)
        return false;
    *out = (struct sp_plan_try){.server = p->server, .leader = true, .is_new = !knows};
    p->lanes[0].trying = true;
    return true;
}

bool sp_plan_next(struct sp_plan *p, uint64_t now_us, struct sp_plan_try *out)
{
    if (p->usable_since_us == 0)
        return next_leader(p, now_us, out);
    for (unsigned i = 0; i < p->n_lanes; i++) {
        struct sp_plan_lane *l = &p->lanes[i];
        if (!wants(l) || now_us < l->due_us)
            continue;
        l->trying = true;
        *out = (struct sp_plan_try){.server = p->home, .lane = i};
        return true;
    }
    return false;
}

uint64_t sp_plan_due_us(const struct sp_plan *p)
{
    uint64_t due_us = SP_NEVER;

    if (p->usable_since_us == 0)
        return any_trying(p) ? SP_NEVER : p->due_us;
    for (unsigned i = 0; i < p->n_lanes; i++)
        if (wants(&p->lanes[i]) && p->lanes[i].due_us < due_us)
            due_us = p->lanes[i].due_us;
    return due_us;
}

/* --- what came of it ------------------------------------------------------------------------ */

/* To be called when a lane's state has changed. */
static void note_usable(struct sp_plan *p, uint64_t now_us)
{
    bool usable = sp_plan_usable(p) > 0;

    if (usable && p->usable_since_us == 0) {
        p->usable_since_us = now_us;
        p->join_refused = false;
        p->tried = 0;
        p->server = p->home;
        for (unsigned i = 0; i < p->n_lanes; i++) {
            sp_backoff_reset(&p->lanes[i].backoff);
            p->lanes[i].due_us = now_us + sp_backoff_next_us(&p->lanes[i].backoff, p->rng);
        }
    } else if (!usable && p->usable_since_us != 0) {
        if (now_us - p->usable_since_us >= STABLE_US)
            sp_backoff_reset(&p->backoff);
        p->usable_since_us = 0;
        p->lost_us = now_us;
        p->due_us = now_us + sp_backoff_next_us(&p->backoff, p->rng);
    }
}

bool sp_plan_succeeded(struct sp_plan *p, const struct sp_plan_try *t, uint64_t now_us)
{
    struct sp_plan_lane *l = &p->lanes[t->lane];

    l->trying = false;
    if (t->is_new && sp_plan_usable(p) > 0)
        return false;
    if (t->is_new) {
        for (unsigned i = 0; i < p->n_lanes; i++)
            p->lanes[i].up = p->lanes[i].suspect = false;
        p->has_tunnel = true;
        p->home = t->server;
    }
    l->up = true;
    l->suspect = false;
    l->up_us = now_us;
    note_usable(p, now_us);
    return true;
}

/* All servers once, then a wait; a tunnel that may still be known keeps us where it is. */
static void next_server(struct sp_plan *p, uint64_t now_us)
{
    bool remembered = p->has_tunnel && now_us - p->lost_us < FORGOTTEN_US;

    p->join_refused = false;
    if (!remembered && ++p->tried < p->n_servers) {
        p->server = (p->server + 1) % p->n_servers;
        p->due_us = now_us;
        return;
    }
    uint64_t wait_us = sp_backoff_next_us(&p->backoff, p->rng);
    if (remembered && wait_us > HURRY_US)
        wait_us = HURRY_US - sp_rng_below(p->rng, HURRY_US / 2);
    p->tried = 0;
    p->server = p->has_tunnel ? p->home : 0;
    p->due_us = now_us + wait_us;
}

void sp_plan_failed(struct sp_plan *p, const struct sp_plan_try *t, bool denied, uint64_t now_us)
{
    struct sp_plan_lane *l = &p->lanes[t->lane];

    l->trying = false;
    l->due_us = now_us + sp_backoff_next_us(&l->backoff, p->rng);
    if (!t->leader || p->usable_since_us != 0)
        return;
    if (denied && !t->is_new) {
        p->join_refused = true;
        p->due_us = now_us;
    } else {
        next_server(p, now_us);
    }
}

/* --- lanes ---------------------------------------------------------------------------------- */

/* The lane wants a replacement: at once, unless it has only just come up. */
static void lane_fell(struct sp_plan *p, struct sp_plan_lane *l, uint64_t now_us)
{
    if (now_us - l->up_us >= STABLE_US)
        sp_backoff_reset(&l->backoff);
    l->due_us = now_us + sp_backoff_next_us(&l->backoff, p->rng);
    note_usable(p, now_us);
}

void sp_plan_lane_lost(struct sp_plan *p, unsigned lane, uint64_t now_us)
{
    struct sp_plan_lane *l = &p->lanes[lane];
    bool usable = is_usable(l);

    l->up = l->suspect = false;
    if (usable)
        lane_fell(p, l, now_us);
}

void sp_plan_lane_suspect(struct sp_plan *p, unsigned lane, uint64_t now_us)
{
    struct sp_plan_lane *l = &p->lanes[lane];

    if (!is_usable(l))
        return;
    l->suspect = true;
    lane_fell(p, l, now_us);
}

void sp_plan_lane_well(struct sp_plan *p, unsigned lane, uint64_t now_us)
{
    p->lanes[lane].suspect = false;
    note_usable(p, now_us);
}
