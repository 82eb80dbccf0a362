/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim_scenario.h"

#include <stdlib.h>

#include "sim_flows.h"
#include "tunnel_impl.h"

struct world {
    struct sim sim;
    const struct sim_scenario *scenario;
    struct sim_tunnel tunnel;
    struct sim_flows flows;
    struct sim_ledger ledger[2];
    struct sp_timer fault, churn, away, drain;
    uint64_t opened_before; /* the edge drained */
};

/* --- what befalls lanes and flows ----------------------------------------------------------- */

static void befall(struct world *w, struct sim_lane *l, unsigned what)
{
    switch (what) {
    case OUTAGES:
        sim_lane_outage(l, SP_MS(300));
        break;
    case DEATHS:
        sim_lane_die(l);
        break;
    case CLOSES:
        sim_lane_close(l, (unsigned)sim_below(&w->sim, 2));
        break;
    case RESETS:
        sim_lane_reset(l);
        break;
    }
}

static uint64_t about(struct world *w, uint64_t us)
{
    return sim_between(&w->sim, us / 2, us * 3 / 2);
}

static void on_fault(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    struct sim_lane *l =
        sim_tunnel_lane(&w->tunnel, (unsigned)sim_below(&w->sim, w->scenario->lanes));
    unsigned what;
    (void)now_us;

    if (w->flows.quiet)
        return;
    do
        what = 1u << sim_below(&w->sim, 4);
    while ((w->scenario->befalls & what) == 0);
    if (l != NULL)
        befall(w, l, what);
    sim_set(&w->sim, timer, about(w, w->scenario->each_us));
}

static void on_churn(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    (void)now_us;

    if (w->flows.quiet)
        return;
    sim_flows_close_some(&w->flows);
    sim_flows_open(&w->flows);
    sim_set(&w->sim, timer, about(w, w->scenario->churn_us));
}

static void on_away(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    (void)now_us;

    if (w->tunnel.network_down) {
        sim_tunnel_network_up(&w->tunnel);
        return;
    }
    sim_tunnel_network_down(&w->tunnel);
    sim_set(&w->sim, timer, SP_MS(w->scenario->away_ms));
}

/* Those that are open on the edge by then live on; see check_drain. */
static void on_drain(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    (void)timer;

    sp_tunnel_drain(w->tunnel.end[SIM_EDGE].tunnel, now_us);
    w->opened_before = sp_tunnel_counters(w->tunnel.end[SIM_EDGE].tunnel)->flows_opened;
}

/* --- a run ---------------------------------------------------------------------------------- */

static void begin(struct world *w, const struct sim_scenario *sc, uint64_t seed)
{
    struct sim_tunnel_config c;

    w->scenario = sc;
    sim_init(&w->sim, sc->name, seed);
    sim_tunnel_config_default(&c);
    c.path = sc->path;
    if (c.path.delay_us == 0)
        c.path.delay_us = SP_MS(30);
    c.path.recover_us = 2 * c.path.delay_us + SP_MS(10);
    c.lanes = sc->lanes;
    c.spread_us = sc->spread_us;
    for (unsigned side = 0; side < 2; side++) {
        if (sc->queue_bytes > 0)
            c.end[side].max_queue_bytes = sc->queue_bytes;
        if (sc->max_flows[side] > 0)
            c.end[side].max_flows = sc->max_flows[side];
    }
    for (unsigned side = 0; side < 2; side++)
        sim_ledger_init(&w->ledger[side], &w->sim,
                        &(struct sim_ledger_rules){.max_age_us = c.end[side].max_age_us,
                                                   .max_late_us = c.end[1 - side].max_age_us,
                                                   .in_order = sc->clean});
    sim_flows_init(&w->flows, &w->sim, &w->tunnel, w->ledger,
                   &(struct sim_flows_config){.pace = sc->pace,
                                              .refuse_ppm = sc->refuse_ppm,
                                              .reuse_numbers = sc->reuse_numbers});
    sim_tunnel_init(&w->tunnel, &w->sim, &c, &sim_flows_user, &w->flows);
    for (unsigned side = 0; side < 2 && sc->first_seq != 0; side++)
        w->tunnel.end[side].tunnel->next_seq = sc->first_seq;
    sp_timer_init(&w->fault, on_fault, w);
    sp_timer_init(&w->churn, on_churn, w);
    sp_timer_init(&w->away, on_away, w);
    sp_timer_init(&w->drain, on_drain, w);
    sim_run_for(&w->sim, SP_MS(100)); /* lanes are there */
    for (unsigned i = 0; i < sc->flows; i++)
        sim_flows_open(&w->flows);
    if (sc->befalls != 0)
        sim_set(&w->sim, &w->fault, about(w, sc->each_us));
    if (sc->churn_us != 0)
        sim_set(&w->sim, &w->churn, about(w, sc->churn_us));
    if (sc->away_ms != 0)
        sim_set(&w->sim, &w->away, about(w, SP_SEC(1)));
    if (sc->drain_ms != 0)
        sim_set(&w->sim, &w->drain, about(w, SP_MS(sc->drain_ms)));
}

static void check_bounds(struct world *w)
{
    const uint64_t offered[2] = {w->ledger[SIM_GATEWAY].n, w->ledger[SIM_EDGE].n};
    sim_tunnel_check(&w->tunnel, offered);
}

static void check_delivery(struct world *w)
{
    const struct sim_scenario *sc = w->scenario;

    for (unsigned from = 0; from < 2; from++) {
        const struct sim_ledger *way = &w->ledger[from];
        const struct sp_tunnel_counters *c = sp_tunnel_counters(w->tunnel.end[1 - from].tunnel);
        uint64_t too_big = sp_tunnel_counters(w->tunnel.end[from].tunnel)->dropped_too_big;

        SIM_REQUIRE(&w->sim, way->delivered == c->datagrams_in);
        SIM_REQUIRE(&w->sim,
                    way->delivered * 100 >= (uint64_t)sc->least_percent * (way->n - too_big));
        if (sc->clean)
            SIM_REQUIRE(&w->sim, way->delivered + too_big == way->n);
    }
    if (sc->churn_us == 0 && sc->refuse_ppm == 0) /* whatever happened to lanes, flows stayed */
        SIM_REQUIRE(&w->sim, w->flows.closed_on_us == 0 && w->flows.refused == 0);
}

/* The gateway has heard it, whatever happened to lanes, and no flow began after that. */
static void check_drain(struct world *w)
{
    const struct sim_end *gateway = &w->tunnel.end[SIM_GATEWAY], *edge = &w->tunnel.end[SIM_EDGE];

    SIM_REQUIRE(&w->sim, gateway->draining == (w->scenario->drain_ms != 0));
    SIM_REQUIRE(&w->sim, edge->draining == 0);
    SIM_REQUIRE(&w->sim, w->scenario->drain_ms == 0 ||
                             sp_tunnel_counters(edge->tunnel)->flows_opened == w->opened_before);
}

static unsigned what_was_seen(struct world *w)
{
    unsigned seen = w->flows.refused > 0 ? REFUSED : 0;

    if (w->flows.reused > 0)
        seen |= REUSED;
    if (w->tunnel.suspected > 0)
        seen |= SUSPECT;
    for (unsigned side = 0; side < 2 && w->tunnel.end[side].tunnel != NULL; side++) {
        const struct sp_tunnel_counters *c = sp_tunnel_counters(w->tunnel.end[side].tunnel);
        seen |= c->dropped_copy > 0 ? COPY : 0;
        seen |= c->dropped_late > 0 ? LATE : 0;
        seen |= c->dropped_age > 0 ? AGE : 0;
        seen |= c->dropped_full > 0 ? FULL : 0;
        seen |= c->dropped_too_big > 0 ? TOO_BIG : 0;
        seen |= c->dropped_unknown_flow > 0 ? UNKNOWN_FLOW : 0;
        seen |= c->lanes_lost > 0 ? LANE_LOST : 0;
        seen |= c->control_repeats > 0 ? REPEAT : 0;
        if (w->tunnel.end[side].tunnel->next_seq < w->scenario->first_seq)
            seen |= WRAPPED;
    }
    return seen;
}

static void end(struct world *w)
{
    sp_timerq_cancel(&w->sim.timers, &w->fault);
    sp_timerq_cancel(&w->sim.timers, &w->churn);
    sp_timerq_cancel(&w->sim.timers, &w->away);
    sp_timerq_cancel(&w->sim.timers, &w->drain);
    sim_flows_fini(&w->flows);
    sim_tunnel_fini(&w->tunnel);
    for (unsigned side = 0; side < 2; side++)
        sim_ledger_fini(&w->ledger[side]);
    sim_fini(&w->sim);
    free(w);
}

/* One that the edge gave up: once, after the linger time, not before. */
static void check_expiry(struct world *w)
{
    SIM_REQUIRE(&w->sim, w->tunnel.expired == 1 && w->tunnel.end[SIM_EDGE].tunnel == NULL);
    SIM_REQUIRE(&w->sim, w->tunnel.expired_us - w->tunnel.alone_us ==
                             w->tunnel.config.end[SIM_EDGE].linger_us);
}

unsigned sim_scenario_run(const struct sim_scenario *sc, uint64_t seed)
{
    struct world *w = sim_alloc(sizeof *w);
    uint64_t left_ms = sc->run_ms ? sc->run_ms : 3000;

    begin(w, sc, seed);
    for (; left_ms > 0; left_ms -= left_ms < 50 ? left_ms : 50) {
        sim_run_for(&w->sim, SP_MS(left_ms < 50 ? left_ms : 50));
        check_bounds(w);
    }
    w->flows.quiet = true;
    sim_run_for(&w->sim,
                SP_SEC(30) + SP_MS(sc->away_ms)); /* all that is under way comes to an end */
    check_bounds(w);
    if (sc->expires) {
        check_expiry(w);
    } else {
        SIM_REQUIRE(&w->sim, w->tunnel.expired == 0);
        sim_flows_agree(&w->flows);
        check_delivery(w);
        check_drain(w);
    }
    unsigned seen = what_was_seen(w);
    end(w);
    return seen;
}
