/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim_flows.h"

#include <string.h>

#include "tunnel_impl.h"

#define REST_US SP_SEC(120) /* PROTOCOL.md */

/* --- what is said --------------------------------------------------------------------------- */

static void offer(struct sim_flow *f, unsigned side, uint32_t len)
{
    struct sim_flows *w = f->all;
    uint8_t bytes[SP_DATAGRAM_MAX + 1];

    f->used |= side == SIM_GATEWAY && len <= SP_DATAGRAM_MAX;
    sim_ledger_offer(w->ledger[side], f->id, len, bytes);
    size_t cut = (size_t)sim_below(w->sim, len + 1);
    struct sp_span parts[] = {sp_span(bytes, cut), sp_span(bytes + cut, len - cut)};
    sp_flow_send(f->end[side], parts, 2, w->sim->now_us);
    memset(bytes, 0, len); /* whoever still needs them has a copy */
}

static uint32_t odd_length(struct sim_flows *w)
{
    switch (sim_below(w->sim, 50)) {
    case 0:
        return SP_DATAGRAM_MAX + 1;
    case 1:
        return SP_DATAGRAM_MAX;
    case 2:
        return SIM_DATAGRAM_MIN;
    default:
        return (uint32_t)sim_between(w->sim, SIM_DATAGRAM_MIN, 1500);
    }
}

static void on_talk(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sim_flow *f = arg;
    struct sim_flows *w = f->all;
    unsigned side = timer == &f->talk[SIM_EDGE];
    uint64_t next_us = SP_MS(20);
    (void)now_us;

    if (f->end[side] == NULL || w->quiet)
        return;
    switch (f->kind) {
    case SIM_VOICE:
        offer(f, side, 160);
        break;
    case SIM_VIDEO:
        for (uint64_t n = sim_between(w->sim, 1, 5); n > 0; n--)
            offer(f, side, (uint32_t)sim_between(w->sim, 900, 1200));
        next_us = SP_MS(33);
        break;
    case SIM_ODD:
    case SIM_TALKS:
        offer(f, side, odd_length(w));
        next_us = sim_between(w->sim, 1, SP_MS(120));
        break;
    }
    sim_set(w->sim, timer, next_us * (w->config.pace ? w->config.pace : 1));
}

static void talk_soon(struct sim_flow *f, unsigned side)
{
    sim_set(f->all->sim, &f->talk[side], sim_between(f->all->sim, 1, SP_MS(20)));
}

/* --- flows come and go ---------------------------------------------------------------------- */

void sim_flows_init(struct sim_flows *w, struct sim *s, struct sim_tunnel *t,
                    struct sim_ledger ledgers[static 2], const struct sim_flows_config *config)
{
    memset(w, 0, sizeof *w);
    w->sim = s;
    w->tunnel = t;
    w->ledger[SIM_GATEWAY] = &ledgers[SIM_GATEWAY];
    w->ledger[SIM_EDGE] = &ledgers[SIM_EDGE];
    w->config = *config;
}

void sim_flows_fini(struct sim_flows *w)
{
    for (unsigned i = 0; i < w->n; i++)
        for (unsigned side = 0; side < 2; side++)
            sp_timerq_cancel(&w->sim->timers, &w->flow[i].talk[side]);
}

bool sim_flows_open(struct sim_flows *w)
{
    struct sp_tunnel *gateway = w->tunnel->end[SIM_GATEWAY].tunnel;
    struct sp_addr local = sp_addr_v4(192, 168, 0, 1, (uint16_t)w->n);
    struct sp_flow *end;

    SIM_REQUIRE(w->sim, w->n < SIM_FLOWS_MAX);
    if (w->config.reuse_numbers)
        gateway->last_number = 0;
    int err = sp_flow_open(gateway, SP_FLOW_TURN, &local, w->sim->now_us, &end);
    SIM_REQUIRE(w->sim, err == 0 || sp_tunnel_flow_count(gateway) == gateway->config.max_flows ||
                            gateway->n_resting >= 4 * gateway->config.max_flows);
    if (err != 0)
        return false;
    struct sim_flow *f = &w->flow[w->n];
    *f = (struct sim_flow){
        .all = w, .id = w->n++, .kind = (enum sim_talk)sim_below(w->sim, SIM_TALKS)};
    f->number = sp_flow_number(end);
    f->end[SIM_GATEWAY] = end;
    sp_flow_set_user(end, f);
    struct sim_flow *before = w->of_number[f->number];
    if (before != NULL) { /* a number rests, unless nobody but us ever heard of it */
        SIM_REQUIRE(w->sim, before->end[SIM_GATEWAY] == NULL);
        SIM_REQUIRE(w->sim, !before->used || w->sim->now_us - before->closed_us >= REST_US);
        w->reused += before->used;
    }
    w->of_number[f->number] = f;
    sp_timer_init(&f->talk[SIM_GATEWAY], on_talk, f);
    sp_timer_init(&f->talk[SIM_EDGE], on_talk, f);
    if (!sim_chance(w->sim, 30000)) /* a few are opened and never used */
        talk_soon(f, SIM_GATEWAY);
    return true;
}

static void forget(struct sim_flow *f, unsigned side)
{
    f->end[side] = NULL;
    sp_timerq_cancel(&f->all->sim->timers, &f->talk[side]);
    if (side == SIM_GATEWAY)
        f->closed_us = f->all->sim->now_us;
}

static void close_flow(struct sim_flow *f, unsigned side)
{
    struct sp_flow *end = f->end[side];

    f->closed_by_us[side] = true;
    forget(f, side);
    sp_flow_close(end, f->all->sim->now_us);
}

void sim_flows_close_some(struct sim_flows *w)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        struct sim_flow *f = &w->flow[sim_below(w->sim, w->n)];
        unsigned side = (unsigned)sim_below(w->sim, 2);
        if (f->end[side] == NULL)
            continue;
        close_flow(f, side);
        if (sim_chance(w->sim, 100000) && f->end[1 - side] != NULL)
            close_flow(f, 1 - side); /* both at once */
        break;
    }
}

void sim_flows_agree(const struct sim_flows *w)
{
    size_t open = 0;

    for (unsigned i = 0; i < w->n; i++) {
        const struct sim_flow *f = &w->flow[i];
        bool there = f->end[SIM_GATEWAY] != NULL, here = f->end[SIM_EDGE] != NULL;
        SIM_REQUIRE(w->sim, here == (there && f->handed));
        open += here;
    }
    SIM_REQUIRE(w->sim, sp_tunnel_flow_count(w->tunnel->end[SIM_EDGE].tunnel) == open);
    for (unsigned side = 0; side < 2; side++)
        for (unsigned number = 0; number < 65536; number++) {
            const struct sp_flow *f = flow_find(w->tunnel->end[side].tunnel, (uint16_t)number);
            SIM_REQUIRE(w->sim, f == NULL || f->state != FLOW_CLOSING);
            SIM_REQUIRE(w->sim,
                        f == NULL || f->state != FLOW_OPENING || !w->of_number[number]->handed);
        }
}

/* --- what the tunnel tells ------------------------------------------------------------------ */

static int on_flow_opened(struct sim_tunnel *t, struct sp_flow *end, void *arg)
{
    struct sim_flows *w = arg;
    struct sim_flow *f = w->of_number[sp_flow_number(end)];
    (void)t;

    SIM_REQUIRE(w->sim, f != NULL && !f->was_open); /* once in its life */
    struct sp_addr local = sp_addr_v4(192, 168, 0, 1, (uint16_t)f->id);
    SIM_REQUIRE(w->sim, sp_flow_kind(end) == SP_FLOW_TURN);
    SIM_REQUIRE(w->sim, sp_addr_eq(sp_flow_local(end), &local));
    if (sim_chance(w->sim, w->config.refuse_ppm))
        return SP_CONTROL_FULL;
    f->was_open = true;
    f->end[SIM_EDGE] = end;
    sp_flow_set_user(end, f);
    if (!w->quiet && sim_chance(w->sim, 700000))
        talk_soon(f, SIM_EDGE);
    return 0;
}

static void on_flow_closed(struct sim_tunnel *t, unsigned side, struct sp_flow *end, unsigned code,
                           void *arg)
{
    struct sim_flows *w = arg;
    struct sim_flow *f = sp_flow_user(end);
    (void)t;

    SIM_REQUIRE(w->sim, f != NULL && f->end[side] == end);
    SIM_REQUIRE(w->sim, code == 0 || side == SIM_GATEWAY);
    if (code == SP_CONTROL_RESTING) { /* closed before its OPEN was answered here */
        SIM_REQUIRE(w->sim, f->closed_by_us[SIM_EDGE]);
    } else if (code != 0) {
        w->refused++;
        SIM_REQUIRE(w->sim, code == SP_CONTROL_FULL);
    } else { /* somebody closed it, and it was not us */
        SIM_REQUIRE(w->sim, f->closed_by_us[1 - side] || w->config.refuse_ppm > 0);
        w->closed_on_us++;
    }
    forget(f, side);
}

static void on_expired(struct sim_tunnel *t, void *arg)
{
    struct sim_flows *w = arg;
    (void)t;

    for (unsigned i = 0; i < w->n; i++)
        if (w->flow[i].end[SIM_EDGE] != NULL)
            forget(&w->flow[i], SIM_EDGE);
}

static void on_handed(struct sim_link *link, unsigned side, struct sp_span datagram, bool again,
                      void *arg)
{
    struct sim_flows *w = arg;
    uint32_t id = sim_ledger_hand(w->ledger[side], link->index, datagram, again);

    if (side == SIM_GATEWAY)
        w->flow[id].handed = true;
}

static void on_datagrams(struct sim_tunnel *t, unsigned side, struct sp_flow *end,
                         const struct sp_span *d, size_t n, void *arg)
{
    struct sim_flows *w = arg;
    const struct sim_flow *f = sp_flow_user(end);

    SIM_REQUIRE(w->sim, f != NULL);
    for (size_t i = 0; i < n; i++)
        sim_ledger_deliver(w->ledger[1 - side], t->reading->index, f->id, d[i]);
}

const struct sim_tunnel_user sim_flows_user = {
    .expired = on_expired,
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = on_flow_closed,
    .handed = on_handed,
};
