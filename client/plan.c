/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include "sallyport/clock.h"

#define FIRST_US   SP_MS(250)
#define LONGEST_US SP_SEC(30)
/* What worked that long was no fluke: its loss is answered soon … */
#define STABLE_US SP_SEC(10)
/* … but not by all gateways of a server in the same moment. Nobody misses one lane of several; a
 * call misses the last one. */
#define SPREAD_US      SP_MS(250)
#define LEAD_SPREAD_US SP_MS(100)
/* The server keeps a tunnel without lanes that long (its --linger, by default). */
#define FORGOTTEN_US SP_SEC(30)
/* Until then there are calls to save, and a wait is no longer than this: where nobody is met, and
 * where each try costs somebody a handshake. */
#define HURRY_US         SP_SEC(1)
#define HURRY_NOT_NOW_US SP_SEC(4)
/* The same holds while a server that drains is to be replaced. */
#define REPLACE_US SP_SEC(120)
/* Between joins of a tunnel that has no lane, while earlier ones are under way. */
#define NEXT_JOIN_US SP_MS(500)
/* Another server loses the allocations for certain. But whoever has heard nothing for so long, as
 * another server can be reached, begins anew. */
#define HOLD_US SP_SEC(3)

void sp_plan_init(struct sp_plan *p, size_t n_servers, unsigned n_lanes, struct sp_rng *rng,
                  uint64_t now_us)
{
    *p = (struct sp_plan){.n_servers = n_servers,
                          .n_lanes = n_lanes,
                          .wanted = n_lanes,
                          .rng = rng,
                          .last = n_servers};
    sp_backoff_init(&p->backoff, FIRST_US, LONGEST_US);
    p->due_us = now_us + sp_backoff_next_us(&p->backoff, rng);
    for (unsigned i = 0; i < n_lanes; i++)
        sp_backoff_init(&p->lanes[i].backoff, FIRST_US, LONGEST_US);
}

void sp_plan_want(struct sp_plan *p, unsigned n)
{
    p->wanted = n;
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

/* The server may know our tunnel. */
static bool is_remembered(const struct sp_plan *p, uint64_t now_us)
{
    return p->has_tunnel && !p->join_refused && now_us - p->lost_us < FORGOTTEN_US;
}

/* In the order in which they were given, but for the one that may know our tunnel, and the one that
 * drains. */
static size_t server_at(const struct sp_plan *p, size_t i)
{
    if (!p->has_tunnel && p->last < p->n_servers) {
        if (i == p->n_servers - 1)
            return p->last;
        return i < p->last ? i : i + 1;
    }
    if (!p->home_first || i > p->home)
        return i;
    return i == 0 ? p->home : i - 1;
}

static void begin_round(struct sp_plan *p, uint64_t now_us)
{
    p->home_first = is_remembered(p, now_us);
    p->tried = 0;
    p->server = server_at(p, 0);
}

void sp_plan_replace(struct sp_plan *p, size_t server, uint64_t now_us)
{
    p->last = server;
    p->hurry_until_us = now_us + REPLACE_US;
    p->due_us = now_us + sp_rng_below(p->rng, SPREAD_US); /* all its gateways do so now */
    begin_round(p, now_us);
}

void sp_plan_join_only(struct sp_plan *p)
{
    p->joins_only = true;
}

bool sp_plan_is_over(const struct sp_plan *p, uint64_t now_us)
{
    return p->joins_only && sp_plan_usable(p) == 0 && !is_remembered(p, now_us);
}

/* --- what next ------------------------------------------------------------------------------ */

static bool wants(const struct sp_plan_lane *l)
{
    return !is_usable(l) && !l->trying;
}

/* Whether the next try joins the tunnel there was. */
static bool joins(const struct sp_plan *p)
{
    return p->has_tunnel && p->server == p->home && !p->join_refused;
}

/* The lane that may lead now; n_lanes: none. A new tunnel begins with lane 0, whatever became of
 * joins. */
static unsigned leader(const struct sp_plan *p)
{
    unsigned i = 0;

    if (!joins(p))
        return p->making || p->joins_only ? p->n_lanes : 0;
    while (i < p->n_lanes && p->lanes[i].trying)
        i++;
    return i;
}

static bool next_leader(struct sp_plan *p, uint64_t now_us, struct sp_plan_try *out)
{
    unsigned lane = leader(p);

    if (lane == p->n_lanes || now_us < p->due_us)
        return false;
    *out = (struct sp_plan_try){.server = p->server,
                                .lane = lane,
                                .leader = true,
                                .is_new = !joins(p),
                                .hurried = !p->joins_only && p->tried + 1 < p->n_servers};
    p->making = p->making || out->is_new;
    p->lanes[lane].trying = true;
    p->due_us = now_us + NEXT_JOIN_US;
    return true;
}

bool sp_plan_next(struct sp_plan *p, uint64_t now_us, struct sp_plan_try *out)
{
    if (p->usable_since_us == 0)
        return next_leader(p, now_us, out);
    for (unsigned i = 0; i < p->wanted; i++) {
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
        return leader(p) == p->n_lanes ? SP_NEVER : p->due_us;
    for (unsigned i = 0; i < p->wanted; i++)
        if (wants(&p->lanes[i]) && p->lanes[i].due_us < due_us)
            due_us = p->lanes[i].due_us;
    return due_us;
}

/* --- what came of it ------------------------------------------------------------------------ */

/* The first wait is none but what keeps gateways apart. */
static uint64_t wait_us(struct sp_plan *p, struct sp_backoff *b, uint64_t spread_us)
{
    uint64_t us = sp_backoff_next_us(b, p->rng);
    return us > 0 ? us : sp_rng_below(p->rng, spread_us);
}

/* To be called when a lane's state has changed. */
static void note_usable(struct sp_plan *p, uint64_t now_us)
{
    bool usable = sp_plan_usable(p) > 0;

    if (usable && p->usable_since_us == 0) {
        p->usable_since_us = now_us;
        p->join_refused = false;
        for (unsigned i = 0; i < p->n_lanes; i++) {
            sp_backoff_reset(&p->lanes[i].backoff);
            p->lanes[i].due_us = now_us + sp_backoff_next_us(&p->lanes[i].backoff, p->rng);
        }
    } else if (!usable && p->usable_since_us != 0) {
        if (now_us - p->usable_since_us >= STABLE_US)
            sp_backoff_reset(&p->backoff);
        p->usable_since_us = 0;
        p->lost_us = now_us;
        p->due_us = now_us + wait_us(p, &p->backoff, LEAD_SPREAD_US);
        begin_round(p, now_us);
    }
}

bool sp_plan_succeeded(struct sp_plan *p, const struct sp_plan_try *t, uint64_t now_us)
{
    struct sp_plan_lane *l = &p->lanes[t->lane];

    l->trying = false;
    p->making = p->making && !t->is_new;
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

/* All servers once, then a wait; a tunnel that may still be known keeps us where it is for a while.
 */
static void next_server(struct sp_plan *p, uint64_t longest_us, uint64_t now_us)
{
    bool remembered = is_remembered(p, now_us);
    bool holds = p->joins_only || (remembered && now_us - p->lost_us < HOLD_US);
    bool hurries = remembered || (!p->has_tunnel && now_us < p->hurry_until_us);

    if (!holds && ++p->tried < p->n_servers) {
        p->server = server_at(p, p->tried);
        p->due_us = now_us;
        return;
    }
    uint64_t us = sp_backoff_next_us(&p->backoff, p->rng);
    if (hurries && us > longest_us)
        us = longest_us - sp_rng_below(p->rng, longest_us / 2);
    p->join_refused = false;
    begin_round(p, now_us);
    p->due_us = now_us + us;
}

/* The tunnel is gone for certain: a new one, at the first server that gives it. */
static void begin_anew(struct sp_plan *p, uint64_t now_us)
{
    p->join_refused = true;
    begin_round(p, now_us);
    p->due_us = now_us;
}

void sp_plan_failed(struct sp_plan *p, const struct sp_plan_try *t, enum sp_plan_failure why,
                    uint64_t now_us)
{
    struct sp_plan_lane *l = &p->lanes[t->lane];
    bool forgotten = why == SP_PLAN_DENIED || (why == SP_PLAN_NOT_NOW && !is_remembered(p, now_us));

    l->trying = false;
    l->due_us = now_us + sp_backoff_next_us(&l->backoff, p->rng);
    p->making = p->making && !t->is_new;
    if (p->usable_since_us != 0 || t->is_new == joins(p))
        return; /* one that the plan has gone past */
    if (forgotten && !t->is_new)
        begin_anew(p, now_us);
    else
        next_server(p, why == SP_PLAN_UNREACHABLE ? HURRY_US : HURRY_NOT_NOW_US, now_us);
}

void sp_plan_network_changed(struct sp_plan *p, uint64_t now_us)
{
    for (unsigned i = 0; i < p->n_lanes; i++) {
        struct sp_plan_lane *l = &p->lanes[i];
        l->trying = false;
        sp_backoff_reset(&l->backoff);
        l->due_us = now_us;
    }
    p->making = false;
    sp_backoff_reset(&p->backoff);
    p->due_us = now_us;
    begin_round(p, now_us);
}

/* --- lanes ---------------------------------------------------------------------------------- */

/* The lane wants a replacement: soon, unless it has only just come up. */
static void lane_fell(struct sp_plan *p, struct sp_plan_lane *l, uint64_t now_us)
{
    if (now_us - l->up_us >= STABLE_US)
        sp_backoff_reset(&l->backoff);
    l->due_us = now_us + wait_us(p, &l->backoff, SPREAD_US);
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
