/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An edge server without sockets: the TURN engine, virtual relays, and what server/endpoint.c is to
 * a flow, on the time of a simulated world. Each gateway's relays have an IP of their own, so that
 * permissions, which are for an IP, can tell them apart.
 */
#ifndef TESTS_SIM_EDGE_H
#define TESTS_SIM_EDGE_H

#include "peer_policy.h"
#include "sallyport/err.h"
#include "sallyport/list.h"
#include "sim.h"
#include "sim_tunnel.h"
#include "turn.h"
#include "turn_auth.h"

#define EDGE_REALM      "example.org"
#define EDGE_IDLE_US    SP_SEC(30)
#define EDGE_UNIX_S     UINT64_C(1700000000)
#define EDGE_GATEWAYS   4
#define EDGE_FIRST_PORT 50000
#define EDGE_RELAYS_MAX 256

struct edge {
    struct sim *sim;
    struct sp_turn *turn;
    struct sp_turn_auth *auth;
    struct sp_peer_policy *policy;
    struct sp_list endpoints;
    unsigned gateway; /* whose input the engine is working on */
    uint16_t next_port;
    bool relay[EDGE_RELAYS_MAX]; /* open, by port */
    unsigned begun, ended[SP_TURN_END_SHUTDOWN + 1];
    uint64_t sent[EDGE_GATEWAYS]; /* datagrams offered to each gateway's flows */
};

/* A flow's end at the edge. */
struct edge_endpoint {
    struct edge *edge;
    unsigned gateway;
    struct sp_flow *flow;
    struct sp_turn_path path;
    struct sp_timer idle;
    uint64_t last_in_us;
    struct sp_link link;
};

static inline struct sp_addr edge_relay_ip(unsigned gateway)
{
    return sp_addr_v4(198, 51, 100, (uint8_t)(1 + gateway), 0);
}

/* --- what the engine asks for --------------------------------------------------------------- */

static inline void edge_emit(void *arg, const struct sp_turn_out *out, size_t n)
{
    static const uint8_t zeros[4];
    struct edge *e = arg;

    for (size_t i = 0; i < n; i++) {
        SIM_REQUIRE(e->sim, out[i].client != NULL); /* relays are virtual: hairpin or nothing */
        struct edge_endpoint *ep = out[i].client->via;
        const struct sp_span parts[] = {sp_span(out[i].head, out[i].head_len), out[i].body,
                                        sp_span(zeros, out[i].pad_len)};
        e->sent[ep->gateway]++;
        sp_flow_send(ep->flow, parts, 3, e->sim->now_us);
    }
}

static inline int edge_relay_open(void *arg, const struct sp_turn_relay_request *want,
                                  struct sp_turn_alloc *alloc, struct sp_turn_relay *out)
{
    struct edge *e = arg;
    (void)alloc;

    if (want->family != SP_IPV4)
        return SP_EINVAL;
    SIM_REQUIRE(e->sim, !want->even_port && !want->reserve && want->port == 0);
    SIM_REQUIRE(e->sim, e->next_port < EDGE_RELAYS_MAX);
    *out = (struct sp_turn_relay){.local = edge_relay_ip(e->gateway)};
    out->local.port = (uint16_t)(EDGE_FIRST_PORT + e->next_port);
    out->public_ = out->local;
    e->relay[e->next_port++] = true;
    return 0;
}

static inline void edge_relay_close(void *arg, const struct sp_turn_relay *relay)
{
    struct edge *e = arg;
    bool *open = &e->relay[relay->local.port - EDGE_FIRST_PORT];

    SIM_REQUIRE(e->sim, *open && relay->relay == NULL);
    *open = false;
}

static inline void edge_reservation_end(void *arg, const struct sp_addr *local)
{
    struct edge *e = arg;
    (void)local;
    SIM_REQUIRE(e->sim, false);
}

static inline void edge_alloc_begin(void *arg, struct sp_turn_alloc *alloc)
{
    struct edge *e = arg;
    (void)alloc;
    e->begun++;
}

static inline void edge_alloc_end(void *arg, const struct sp_turn_alloc *alloc,
                                  enum sp_turn_end why)
{
    struct edge *e = arg;
    (void)alloc;
    e->ended[why]++;
}

static const struct sp_turn_effects edge_effects = {
    .emit = edge_emit,
    .relay_open = edge_relay_open,
    .relay_close = edge_relay_close,
    .reservation_end = edge_reservation_end,
    .alloc_begin = edge_alloc_begin,
    .alloc_end = edge_alloc_end,
};

/* --- endpoints ------------------------------------------------------------------------------ */

static inline void edge_endpoint_free(struct edge_endpoint *ep)
{
    sp_list_remove(&ep->link);
    sp_timerq_cancel(&ep->edge->sim->timers, &ep->idle);
    sp_turn_path_gone(ep->edge->turn, &ep->path);
    free(ep);
}

static inline void edge_on_idle(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct edge_endpoint *ep = arg;
    bool idle = now_us - ep->last_in_us >= EDGE_IDLE_US;

    if (!idle || sp_turn_path_has_alloc(ep->edge->turn, &ep->path)) {
        sim_set(ep->edge->sim, t, EDGE_IDLE_US - (idle ? 0 : now_us - ep->last_in_us));
        return;
    }
    sp_flow_close(ep->flow, now_us);
    edge_endpoint_free(ep);
}

/* The flow becomes a client of the engine. */
static inline void edge_flow_opened(struct edge *e, unsigned gateway, struct sp_flow *f)
{
    static const struct sp_addr nowhere;
    struct edge_endpoint *ep = sim_alloc(sizeof *ep);

    ep->edge = e;
    ep->gateway = gateway;
    ep->flow = f;
    ep->path = sp_turn_path_make(SP_TURN_FLOW, ep, &nowhere, &nowhere);
    ep->last_in_us = e->sim->now_us;
    sp_timer_init(&ep->idle, edge_on_idle, ep);
    sim_set(e->sim, &ep->idle, EDGE_IDLE_US);
    sp_list_append(&e->endpoints, &ep->link);
    sp_flow_set_user(f, ep);
}

static inline void edge_input(struct edge_endpoint *ep, const struct sp_span *d, size_t n)
{
    struct edge *e = ep->edge;
    uint64_t unix_s = EDGE_UNIX_S + (e->sim->now_us - SIM_START) / SP_SEC(1);

    e->gateway = ep->gateway;
    ep->last_in_us = e->sim->now_us;
    sp_turn_from_client(e->turn, &ep->path, d, n, e->sim->now_us, unix_s);
}

/* Its tunnel ends: so do its flows. */
static inline void edge_gateway_gone(struct edge *e, unsigned gateway)
{
    SP_LIST_EACH(&e->endpoints, link, next)
    {
        struct edge_endpoint *ep = SP_LIST_ITEM(link, struct edge_endpoint, link);
        if (ep->gateway == gateway)
            edge_endpoint_free(ep);
    }
}

/* --- the edge ------------------------------------------------------------------------------- */

/* What comes in goes out or is dropped and counted; and who begins ends. */
static inline void edge_check(const struct edge *e)
{
    const struct sp_turn_counters *c = sp_turn_counters(e->turn);
    unsigned ended = 0, open = 0;

    for (size_t i = 0; i <= SP_TURN_END_SHUTDOWN; i++)
        ended += e->ended[i];
    for (size_t i = 0; i < EDGE_RELAYS_MAX; i++)
        open += e->relay[i];
    SIM_REQUIRE(e->sim,
                e->begun - ended == sp_turn_alloc_count(e->turn) && open == e->begun - ended);
    SIM_REQUIRE(e->sim, c->from_peer_datagrams == 0 && c->to_peer_datagrams == 0);
    SIM_REQUIRE(e->sim, c->from_client_datagrams ==
                            c->to_client_datagrams + c->dropped_no_permission +
                                c->dropped_no_allocation + c->dropped_no_channel +
                                c->dropped_denied_peer + c->dropped_virtual + c->dropped_too_big);
    SIM_REQUIRE(e->sim, c->hairpin_datagrams == c->to_client_datagrams);
    SIM_REQUIRE(e->sim, c->malformed == 0);
}

static inline void edge_init(struct edge *e, struct sim *s, const char *const *users,
                             size_t n_users)
{
    struct sp_turn_config config;

    *e = (struct edge){.sim = s};
    sp_list_init(&e->endpoints);
    sp_turn_config_default(&config);
    SIM_REQUIRE(s, sp_turn_auth_new(EDGE_REALM, &s->rng.rng, &e->auth) == 0);
    SIM_REQUIRE(s, sp_turn_auth_set_users(e->auth, users, n_users) == 0);
    SIM_REQUIRE(s, sp_peer_policy_new(&e->policy) == 0);
    SIM_REQUIRE(s,
                sp_turn_new(&config, e->auth, e->policy, &s->timers, &s->rng.rng, &e->turn) == 0);
    sp_turn_set_effects(e->turn, &edge_effects, e);
    for (unsigned i = 0; i < EDGE_GATEWAYS; i++) {
        struct sp_addr ip = edge_relay_ip(i);
        SIM_REQUIRE(s, sp_turn_add_relay_ip(e->turn, &ip, &ip) == 0);
    }
}

/* After all tunnels are gone. */
static inline void edge_fini(struct edge *e)
{
    SP_LIST_EACH(&e->endpoints, link, next)
    edge_endpoint_free(SP_LIST_ITEM(link, struct edge_endpoint, link));
    edge_check(e);
    SIM_REQUIRE(e->sim, sp_turn_alloc_count(e->turn) == 0);
    sp_turn_free(e->turn);
    sp_turn_auth_free(e->auth);
    sp_peer_policy_free(e->policy);
}

#endif
