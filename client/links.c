/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "links.h"

#include <stdlib.h>

#include "sallyport/clock.h"
#include "sallyport/counters.h"
#include "sallyport/err.h"
#include "sallyport/list.h"

#define DRAINING_MAX 4          /* servers that drain at once are few; beyond, the oldest ends */
#define LOOK_US      SP_MS(500) /* how often a tunnel that drains is asked for its flows */

struct link {
    struct sp_links *all;
    struct sp_link link;
    struct sp_tunnel *tunnel; /* there from the beginning, with or without lanes */
    struct sp_uplink *uplink;
    bool known_to_server; /* a server made its end of this tunnel … */
    uint64_t made_us;     /* … then; 0: the log has been told of its end */
    bool draining, stopping, stopped;
    struct sp_deferred flush, drain;
    struct sp_timer look;
};

struct sp_links {
    const struct sp_client_env *env;
    struct sp_uplink_config config;
    struct sp_tls_ctx *tls;
    const struct sp_links_events *events;
    void *arg;
    struct sp_list list; /* the one in use first */
    bool stopping;
    struct sp_tunnel_counters past_tunnels;
    struct sp_uplink_counters past_uplinks; /* and network_changes, which all see */
};

static const struct sp_tunnel_events tunnel_events;
static const struct sp_uplink_events uplink_events;

static struct link *link_of(struct sp_link *l)
{
    return SP_LIST_ITEM(l, struct link, link);
}

static struct link *in_use(const struct sp_links *all)
{
    return link_of(sp_list_first(&all->list));
}

static void add_tunnel_counters(struct sp_tunnel_counters *sum, struct sp_tunnel *t)
{
    size_t n;
    const struct sp_counter *table = sp_tunnel_counter_table(&n);

    sp_counters_add(table, n, sum, sp_tunnel_counters(t));
}

static void add_uplink_counters(struct sp_uplink_counters *sum, const struct sp_uplink *u)
{
    const struct sp_uplink_counters *c = sp_uplink_counters(u);

    sum->tries += c->tries;
    sum->tries_failed += c->tries_failed;
    sum->tunnels_made += c->tunnels_made;
}

/* --- one link ------------------------------------------------------------------------------- */

static int make_tunnel(struct link *l, struct sp_tunnel **out)
{
    struct sp_tunnel_config c;

    sp_tunnel_config_default(&c, SP_TUNNEL_GATEWAY);
    return sp_tunnel_new(&c, &tunnel_events, l, &l->all->env->ticker->timers, l->all->env->rng,
                         out);
}

/* How a tunnel was that the server knew of. */
static void log_end(struct link *l, const char *reason)
{
    const struct sp_client_env *env = l->all->env;
    const struct sp_server_url *server = sp_uplink_server(l->uplink);
    struct sp_log_field fields[3 + SP_TUNNEL_COUNTERS_MAX + 1];
    size_t n_table, n = 0;
    const struct sp_counter *table = sp_tunnel_counter_table(&n_table);

    if (l->made_us == 0)
        return;
    fields[n++] = SP_F_STR("server", server != NULL ? server->authority : "");
    fields[n++] = SP_F_STR("reason", reason);
    fields[n++] = SP_F_UINT("seconds", (sp_ticker_now(env->ticker) - l->made_us) / 1000000);
    n += sp_counters_fields(table, n_table, sp_tunnel_counters(l->tunnel), fields + n);
    fields[n] = (struct sp_log_field){0};
    sp_log_event(env->log, SP_LOG_INFO, "tunnel ended", fields);
    l->made_us = 0;
}

static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct link *l = arg;
    (void)d;
    sp_tunnel_flush(l->tunnel, now_us);
}

static void on_drain(struct sp_deferred *d, uint64_t now_us, void *arg);
static void on_look(struct sp_timer *timer, uint64_t now_us, void *arg);

static void link_free(struct link *l)
{
    sp_list_remove(&l->link);
    sp_timerq_cancel(&l->all->env->ticker->timers, &l->look);
    sp_deferred_cancel(&l->drain);
    log_end(l, l->draining ? "drained" : "stopped");
    if (l->uplink != NULL)
        add_uplink_counters(&l->all->past_uplinks, l->uplink);
    sp_uplink_free(l->uplink);
    sp_deferred_cancel(&l->flush);
    if (l->tunnel != NULL)
        add_tunnel_counters(&l->all->past_tunnels, l->tunnel);
    sp_tunnel_free(l->tunnel);
    free(l);
}

/* It becomes the one in use. `drained`: the server that it is to take the place of, or NULL. */
static int link_new(struct sp_links *all, const struct sp_server_url *drained)
{
    struct link *l = calloc(1, sizeof *l);
    struct sp_uplink_config config = all->config;

    if (l == NULL)
        return SP_ENOMEM;
    l->all = all;
    config.drained = drained;
    sp_deferred_init(&l->flush, on_flush, l);
    sp_deferred_init(&l->drain, on_drain, l);
    sp_timer_init(&l->look, on_look, l);
    sp_list_prepend(&all->list, &l->link);
    int err = make_tunnel(l, &l->tunnel);
    if (err == 0)
        err = sp_uplink_new(all->env, &config, all->tls, &uplink_events, l, &l->uplink);
    if (err != 0) {
        link_free(l);
        return err;
    }
    all->events->tunnel_in_use(l->tunnel, all->arg);
    return 0;
}

/* Whatever is left on it is lost. */
static void drop(struct link *l)
{
    l->all->events->tunnel_gone(l->tunnel, l->all->arg);
    link_free(l);
}

/* In good order, and so that the server doesn't wait for us. */
static void stop(struct link *l)
{
    if (l->stopping)
        return;
    l->stopping = true;
    sp_tunnel_drain(l->tunnel, sp_ticker_now(l->all->env->ticker));
    sp_uplink_stop(l->uplink);
}

/* --- what the tunnel tells ------------------------------------------------------------------ */

/* What came in one loop turn leaves at its end, together, so that several share a TLS record. */
static void on_want_flush(void *arg)
{
    struct link *l = arg;
    sp_ticker_defer(l->all->env->ticker, &l->flush);
}

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    const struct link *l = arg;
    l->all->events->datagrams(f, d, n, now_us, l->all->arg);
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    struct link *l = arg;
    struct sp_ticker *t = l->all->env->ticker;

    if (sp_timer_is_set(&l->look)) /* was it the last one? */
        (void)sp_timerq_set(&t->timers, &l->look, sp_ticker_now(t));
    l->all->events->flow_closed(f, code, l->all->arg);
}

static unsigned on_asked(struct sp_span question, uint8_t answer[static SP_CONTROL_BODY_MAX],
                         size_t *len, uint64_t now_us, void *arg)
{
    const struct link *l = arg;
    if (l->all->events->asked == NULL)
        return SP_CONTROL_UNKNOWN;
    return l->all->events->asked(l->tunnel, question, answer, len, now_us, l->all->arg);
}

static void on_lane_suspect(struct sp_lane *lane, void *arg)
{
    const struct link *l = arg;
    sp_uplink_lane_suspect(l->uplink, lane);
}

static void on_lanes_wanted(unsigned lanes, void *arg)
{
    const struct link *l = arg;
    sp_uplink_want(l->uplink, lanes);
}

/* In the middle of what a lane has brought: not now. */
static void on_draining(void *arg)
{
    struct link *l = arg;
    sp_ticker_defer(l->all->env->ticker, &l->drain);
}

static const struct sp_tunnel_events tunnel_events = {
    .flush = on_want_flush,
    .datagrams = on_datagrams,
    .flow_closed = on_flow_closed,
    .asked = on_asked,
    .lane_suspect = on_lane_suspect,
    .draining = on_draining,
    .lanes_wanted = on_lanes_wanted,
};

/* --- a server that drains ------------------------------------------------------------------- */

static size_t count_draining(const struct sp_links *all)
{
    size_t n = 0;

    for (struct sp_link *i = sp_list_first(&all->list); i != NULL; i = sp_list_next(&all->list, i))
        n += link_of(i)->draining;
    return n;
}

static void on_look(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct link *l = arg;

    if (sp_tunnel_flow_count(l->tunnel) == 0 ||
        sp_timerq_set(&l->all->env->ticker->timers, timer, now_us + LOOK_US) != 0)
        stop(l);
}

static void on_drain(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct link *l = arg;
    struct sp_links *all = l->all;
    const struct sp_server_url *server = sp_uplink_server(l->uplink);
    (void)d;

    if (all->stopping || l != in_use(all))
        return;
    sp_log_info(all->env->log, "the server drains: what begins now goes elsewhere",
                SP_F_STR("server", server->authority),
                SP_F_UINT("flows_that_stay", sp_tunnel_flow_count(l->tunnel)));
    if (count_draining(all) == DRAINING_MAX)
        drop(link_of(all->list.head.prev));
    if (link_new(all, server) != 0) {
        sp_log_error(all->env->log, "no memory for another tunnel");
        return;
    }
    l->draining = true;
    sp_uplink_retire(l->uplink);
    on_look(&l->look, now_us, l);
}

/* --- what the uplink tells ------------------------------------------------------------------ */

/*
 * The server has made its end. The first time, ours has been waiting for that. Later it means that
 * the tunnel we had is forgotten over there, with all its flows and their relayed addresses; so it
 * is here, too: browsers notice, and begin anew.
 */
static struct sp_tunnel *on_tunnel_made(void *arg)
{
    struct link *l = arg;
    struct sp_links *all = l->all;
    struct sp_tunnel *old = l->tunnel, *made;

    if (!l->known_to_server) {
        l->known_to_server = true;
        l->made_us = sp_ticker_now(all->env->ticker);
        return old;
    }
    if (make_tunnel(l, &made) != 0)
        return NULL;
    log_end(l, "replaced");
    l->made_us = sp_ticker_now(all->env->ticker);
    l->tunnel = made;
    sp_deferred_cancel(&l->drain); /* was about the old one */
    all->events->tunnel_in_use(made, all->arg);
    all->events->tunnel_gone(old, all->arg);
    add_tunnel_counters(&all->past_tunnels, old);
    sp_tunnel_free(old);
    return made;
}

static void on_uplink_stopped(void *arg)
{
    struct link *l = arg;
    struct sp_links *all = l->all;

    if (!all->stopping) {
        drop(l); /* only those that drain stop by themselves */
        return;
    }
    log_end(l, l->draining ? "drained" : "stopped");
    l->stopped = true;
    for (struct sp_link *i = sp_list_first(&all->list); i != NULL; i = sp_list_next(&all->list, i))
        if (!link_of(i)->stopped)
            return;
    all->events->stopped(all->arg);
}

static const struct sp_uplink_events uplink_events = {
    .tunnel_made = on_tunnel_made,
    .stopped = on_uplink_stopped,
};

/* --- all of them ---------------------------------------------------------------------------- */

int sp_links_new(const struct sp_client_env *env, const struct sp_uplink_config *config,
                 struct sp_tls_ctx *tls, const struct sp_links_events *events, void *arg,
                 struct sp_links **out)
{
    struct sp_links *all = calloc(1, sizeof *all);

    if (all == NULL)
        return SP_ENOMEM;
    all->env = env;
    all->config = *config;
    all->tls = sp_tls_ctx_ref(tls);
    all->events = events;
    all->arg = arg;
    sp_list_init(&all->list);
    int err = link_new(all, NULL);
    if (err != 0) {
        sp_links_free(all);
        return err;
    }
    *out = all;
    return 0;
}

void sp_links_free(struct sp_links *all)
{
    if (all == NULL)
        return;
    SP_LIST_EACH(&all->list, i, next)
    link_free(link_of(i));
    sp_tls_ctx_unref(all->tls);
    free(all);
}

void sp_links_set_tls(struct sp_links *all, struct sp_tls_ctx *tls)
{
    sp_tls_ctx_ref(tls);
    sp_tls_ctx_unref(all->tls);
    all->tls = tls;
    SP_LIST_EACH(&all->list, i, next)
    sp_uplink_set_tls(link_of(i)->uplink, tls);
}

void sp_links_network_changed(struct sp_links *all, const struct sp_addr *own, size_t n)
{
    all->past_uplinks.network_changes += !all->stopping;
    SP_LIST_EACH(&all->list, i, next)
    sp_uplink_network_changed(link_of(i)->uplink, own, n);
}

void sp_links_stop(struct sp_links *all)
{
    all->stopping = true;
    SP_LIST_EACH(&all->list, i, next)
    stop(link_of(i));
}

struct sp_tunnel *sp_links_tunnel(const struct sp_links *all)
{
    return in_use(all)->tunnel;
}

const struct sp_uplink *sp_links_uplink(const struct sp_links *all)
{
    return in_use(all)->uplink;
}

uint64_t sp_links_made_us(const struct sp_links *all)
{
    return in_use(all)->made_us;
}

size_t sp_links_draining(const struct sp_links *all)
{
    return count_draining(all);
}

size_t sp_links_draining_flows(const struct sp_links *all)
{
    size_t n = 0;

    for (struct sp_link *i = sp_list_first(&all->list); i != NULL; i = sp_list_next(&all->list, i))
        if (link_of(i)->draining)
            n += sp_tunnel_flow_count(link_of(i)->tunnel);
    return n;
}

void sp_links_counters(const struct sp_links *all, struct sp_tunnel_counters *tunnel,
                       struct sp_uplink_counters *uplink)
{
    *tunnel = all->past_tunnels;
    *uplink = all->past_uplinks;
    for (struct sp_link *i = sp_list_first(&all->list); i != NULL;
         i = sp_list_next(&all->list, i)) {
        add_tunnel_counters(tunnel, link_of(i)->tunnel);
        add_uplink_counters(uplink, link_of(i)->uplink);
    }
}
