/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim_tunnel.h"

#include <stdlib.h>
#include <string.h>

#include "sallyport/control.h"
#include "tunnel_impl.h"

/* --- frames on lanes ------------------------------------------------------------------------ */

/* Each datagram of whole frames. */
typedef void each_fn(struct sim_link *link, unsigned side, uint32_t seq, struct sp_span datagram,
                     bool in_open, void *arg);

static unsigned each_datagram(struct sim_link *link, unsigned side, struct sp_span s, each_fn *fn,
                              void *arg)
{
    struct sim_tunnel *t = link->tunnel;
    unsigned n = 0, frames = 0;

    while (s.len > 0) {
        struct sp_span packet;
        struct sp_frame f;
        struct sp_control c;
        size_t used;
        bool answerable;

        SIM_REQUIRE(t->sim, sp_rfc4571_next(s, SP_FRAME_MAX, &packet, &used) == 0);
        SIM_REQUIRE(t->sim, sp_frame_parse(packet, &f) == 0);
        s = sp_span_skip(s, used);
        frames++;
        if (f.kind == SP_FRAME_DATA) {
            fn(link, side, f.seq, f.body, false, arg);
            n++;
            continue;
        }
        if (f.kind == SP_FRAME_PARITY)
            continue;
        SIM_REQUIRE(t->sim, f.kind == SP_FRAME_CONTROL);
        SIM_REQUIRE(t->sim, sp_control_parse(f.body, &c, &answerable) == 0);
        if (c.has_data) {
            fn(link, side, c.seq, c.data, true, arg);
            n++;
        }
    }
    SIM_REQUIRE(t->sim, frames > 0);
    return n;
}

struct handing {
    struct sp_lane *lane;
    bool had_room;
};

static void on_handed(struct sim_link *link, unsigned side, uint32_t seq, struct sp_span datagram,
                      bool in_open, void *arg)
{
    struct sim_tunnel *t = link->tunnel;
    struct sim_end *end = &t->end[side];
    const struct handing *h = arg;
    bool again = end->any && seq != end->next_seq;

    if (again) { /* with the number that it had */
        SIM_REQUIRE(t->sim, (int32_t)(seq - end->next_seq) < 0);
    } else {
        end->any = true;
        end->next_seq = seq + 1;
    }
    /* Only a control message, as a repeated OPEN is, does not wait for a lane that is well. */
    SIM_REQUIRE(t->sim, (again && in_open) || (h->had_room && !sp_lane_is_suspect(h->lane)));
    if (t->user->handed != NULL)
        t->user->handed(link, side, datagram, again, t->arg);
}

static void only_count(struct sim_link *link, unsigned side, uint32_t seq, struct sp_span datagram,
                       bool in_open, void *arg)
{
    (void)link, (void)side, (void)seq, (void)datagram, (void)in_open, (void)arg;
}

static void on_sent(struct sim_lane *l, unsigned side, struct sp_span frames, bool had_room,
                    void *arg)
{
    struct sim_link *link = arg;
    struct handing h = {sim_lane_end(l, side), had_room};
    unsigned n = each_datagram(link, side, frames, on_handed, &h);

    link->handed[side] += n;
    SIM_REQUIRE(link->tunnel->sim, n < 2 || frames.len <= SP_TUNNEL_RECORD_TARGET);
}

static void on_reading(struct sim_lane *l, unsigned side, void *arg)
{
    struct sim_link *link = arg;
    (void)l;
    (void)side;
    link->tunnel->reading = link;
}

static void on_used(struct sim_lane *l, unsigned side, struct sp_span frames, void *arg)
{
    struct sim_link *link = arg;
    (void)l;
    link->used[side] += each_datagram(link, side, frames, only_count, NULL);
    SIM_REQUIRE(link->tunnel->sim, link->used[side] <= link->handed[1 - side]);
}

/* --- lanes: what an uplink does ------------------------------------------------------------- */

static void dial_later(struct sim_slot *slot)
{
    struct sim_tunnel *t = slot->all;

    if (!sp_timer_is_set(&slot->dial))
        sim_set(t->sim, &slot->dial, sim_between(t->sim, t->config.dial_us, 2 * t->config.dial_us));
}

static void on_ended(struct sim_lane *l, unsigned side, bool by_tunnel, void *arg)
{
    struct sim_link *link = arg;
    struct sim_slot *slot = &link->tunnel->slots[link->number];
    (void)l;

    if (side == SIM_EDGE)
        link->tunnel->alone_us = link->tunnel->sim->now_us;
    if (side != SIM_GATEWAY || link != slot->now)
        return;
    slot->now = NULL;
    if (!by_tunnel)
        dial_later(slot);
}

static const struct sim_lane_watch watch = {
    .sent = on_sent,
    .reading = on_reading,
    .used = on_used,
    .ended = on_ended,
};

/* The edge joins it first; the gateway half a round trip later, when it reads the answer. */
static void begin_join(struct sim_slot *slot)
{
    struct sim_tunnel *t = slot->all;
    struct sim_link *link = sim_alloc(sizeof *link);
    struct sim_path path = t->config.path;

    path.delay_us += sim_below(t->sim, t->config.spread_us + 1);
    *link = (struct sim_link){.tunnel = t, .number = slot->number, .index = t->n_links};
    t->links = realloc(t->links, (t->n_links + 1) * sizeof(struct sim_link *));
    SIM_REQUIRE(t->sim, t->links != NULL);
    t->links[t->n_links++] = link;
    link->lane = sim_lane_new(t->sim, &path, &watch, link);
    sim_lane_join(link->lane, SIM_EDGE, t->end[SIM_EDGE].tunnel, slot->number);
    slot->next = link;
    sim_set(t->sim, &slot->dial, path.delay_us);
}

static void end_join(struct sim_slot *slot)
{
    struct sim_link *link = slot->next;

    slot->next = NULL;
    slot->now = link;
    sim_lane_join(link->lane, SIM_GATEWAY, slot->all->end[SIM_GATEWAY].tunnel, slot->number);
}

static void on_dial(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sim_slot *slot = arg;
    struct sim_tunnel *t = slot->all;
    struct sp_lane *lane = slot->now != NULL ? sim_lane_end(slot->now->lane, SIM_GATEWAY) : NULL;
    (void)timer;
    (void)now_us;

    if (slot->next != NULL)
        end_join(slot);
    else if (lane != NULL && !sp_lane_is_suspect(lane))
        return; /* it came back to life */
    else if (t->network_down || t->end[SIM_EDGE].tunnel == NULL)
        dial_later(slot);
    else
        begin_join(slot);
}

struct sim_lane *sim_tunnel_lane(struct sim_tunnel *t, unsigned number)
{
    struct sim_link *link = t->slots[number].now;
    return link != NULL ? link->lane : NULL;
}

void sim_tunnel_network_down(struct sim_tunnel *t)
{
    t->network_down = true;
    for (unsigned i = 0; i < t->n_links; i++)
        if (!sim_lane_is_over(t->links[i]->lane))
            sim_lane_die(t->links[i]->lane);
}

void sim_tunnel_network_up(struct sim_tunnel *t)
{
    t->network_down = false;
}

/* --- what the tunnels tell ------------------------------------------------------------------ */

static void on_flush(void *arg)
{
    struct sim_end *end = arg;
    SIM_REQUIRE(end->all->sim, !sp_timer_is_set(&end->flush));
    sim_set(end->all->sim, &end->flush, 0);
}

static void on_flush_timer(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sim_end *end = arg;
    (void)timer;
    sp_tunnel_flush(end->tunnel, now_us);
}

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    struct sim_end *end = arg;
    SIM_REQUIRE(end->all->sim, now_us == end->all->sim->now_us && n > 0);
    end->all->user->datagrams(end->all, end->side, f, d, n, end->all->arg);
}

static int on_flow_opened(struct sp_flow *f, uint64_t now_us, void *arg)
{
    struct sim_end *end = arg;
    (void)now_us;
    SIM_REQUIRE(end->all->sim, end->side == SIM_EDGE);
    return end->all->user->flow_opened(end->all, f, end->all->arg);
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    struct sim_end *end = arg;
    end->all->user->flow_closed(end->all, end->side, f, code, end->all->arg);
}

static void on_lane_suspect(struct sp_lane *l, void *arg)
{
    struct sim_end *end = arg;

    end->all->suspected++;
    if (end->side == SIM_GATEWAY)
        dial_later(&end->all->slots[sp_lane_number(l)]);
}

static void on_expired(void *arg)
{
    struct sim_end *end = arg;
    struct sim_tunnel *t = end->all;

    SIM_REQUIRE(t->sim, end->side == SIM_EDGE && sp_tunnel_lane_count(end->tunnel) == 0);
    t->expired++;
    t->expired_us = t->sim->now_us;
    t->user->expired(t, t->arg);
    sp_timerq_cancel(&t->sim->timers, &end->flush);
    sp_tunnel_free(end->tunnel);
    end->tunnel = NULL;
}

static void on_draining(void *arg)
{
    struct sim_end *end = arg;
    end->draining++;
}

static const struct sp_tunnel_events events = {
    .flush = on_flush,
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = on_flow_closed,
    .lane_suspect = on_lane_suspect,
    .draining = on_draining,
    .expired = on_expired,
};

/* --- life ----------------------------------------------------------------------------------- */

void sim_tunnel_config_default(struct sim_tunnel_config *c)
{
    *c = (struct sim_tunnel_config){
        .path = {.delay_us = SP_MS(30), .recover_us = SP_MS(70)},
        .lanes = 4,
        .dial_us = SP_MS(150),
    };
    sp_tunnel_config_default(&c->end[SIM_GATEWAY], SP_TUNNEL_GATEWAY);
    sp_tunnel_config_default(&c->end[SIM_EDGE], SP_TUNNEL_EDGE);
}

void sim_tunnel_init(struct sim_tunnel *t, struct sim *s, const struct sim_tunnel_config *config,
                     const struct sim_tunnel_user *user, void *arg)
{
    *t = (struct sim_tunnel){.sim = s, .config = *config, .user = user, .arg = arg};
    for (unsigned side = 0; side < 2; side++) {
        struct sim_end *end = &t->end[side];
        end->all = t;
        end->side = side;
        sp_timer_init(&end->flush, on_flush_timer, end);
        SIM_REQUIRE(s, sp_tunnel_new(&config->end[side], &events, end, &s->timers, &s->rng.rng,
                                     &end->tunnel) == 0);
    }
    for (unsigned i = 0; i < config->lanes; i++) {
        struct sim_slot *slot = &t->slots[i];
        *slot = (struct sim_slot){.all = t, .number = i};
        sp_timer_init(&slot->dial, on_dial, slot);
        sim_set(s, &slot->dial, 0);
    }
}

void sim_tunnel_fini(struct sim_tunnel *t)
{
    for (unsigned i = 0; i < t->n_links; i++) {
        const struct sim_link *l = t->links[i];
        for (unsigned side = 0; side < 2 && !sim_lane_was_harmed(l->lane); side++)
            SIM_REQUIRE(t->sim, l->handed[side] == l->used[1 - side]);
    }
    for (unsigned side = 0; side < 2; side++) {
        sp_timerq_cancel(&t->sim->timers, &t->end[side].flush);
        sp_tunnel_free(t->end[side].tunnel);
    }
    for (unsigned i = 0; i < t->n_links; i++) {
        SIM_REQUIRE(t->sim, sim_lane_end(t->links[i]->lane, 0) == NULL);
        SIM_REQUIRE(t->sim, sim_lane_end(t->links[i]->lane, 1) == NULL);
    }
    for (unsigned i = 0; i < t->n_links; i++) {
        sim_lane_free(t->links[i]->lane);
        free(t->links[i]);
    }
    for (unsigned i = 0; i < t->config.lanes; i++)
        sp_timerq_cancel(&t->sim->timers, &t->slots[i].dial);
    free(t->links);
}

static uint64_t used_of(const struct sim_tunnel *t, unsigned side)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < t->n_links; i++)
        n += t->links[i]->used[side];
    return n;
}

static uint64_t handed_of(const struct sim_tunnel *t, unsigned side)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < t->n_links; i++)
        n += t->links[i]->handed[side];
    return n;
}

void sim_tunnel_check(const struct sim_tunnel *t, const uint64_t offered[2])
{
    for (unsigned side = 0; side < 2; side++) {
        struct sp_tunnel *x = t->end[side].tunnel;
        if (x == NULL)
            continue;
        const struct sp_tunnel_counters *c = sp_tunnel_counters(x);

        SIM_REQUIRE(t->sim, sp_classq_bytes(&x->queue) <= x->config.max_queue_bytes);
        SIM_REQUIRE(t->sim, x->n_flows <= x->config.max_flows);
        SIM_REQUIRE(t->sim, c->flows_opened - c->flows_closed == x->n_flows);
        SIM_REQUIRE(t->sim, c->malformed == 0);
        SIM_REQUIRE(t->sim, offered[side] == c->datagrams_out + c->dropped_age + c->dropped_full +
                                                 c->dropped_too_big + sp_classq_count(&x->queue));
        SIM_REQUIRE(t->sim, handed_of(t, side) >= c->datagrams_out);
        SIM_REQUIRE(t->sim, c->recovered <= x->parity.dec.recovered);
        SIM_REQUIRE(t->sim, used_of(t, side) + x->parity.dec.recovered ==
                                c->datagrams_in + c->dropped_copy + c->dropped_old +
                                    c->dropped_late + c->dropped_unknown_flow);
    }
}

void sim_tunnel_flows_stay(struct sim_tunnel *t, unsigned side, struct sp_flow *f, unsigned code,
                           void *arg)
{
    (void)side, (void)f, (void)code, (void)arg;
    SIM_REQUIRE(t->sim, false);
}

void sim_tunnel_stays(struct sim_tunnel *t, void *arg)
{
    (void)arg;
    SIM_REQUIRE(t->sim, false);
}
