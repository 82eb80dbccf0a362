/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "ends.h"
#include "sallyport/counters.h"
#include "sallyport/err.h"
#include "sallyport/map.h"
#include "sallyport/stream_lane.h"
#include "sallyport/token.h"

struct sp_sessions {
    struct sp_env env;
    struct sp_sessions_config config;
    struct sp_map by_id;
    struct sp_sessions_counters counters;
    bool draining;
};

struct sp_session {
    struct sp_sessions *all;
    struct sp_map_node node;
    struct sp_tunnel_id id;
    char subject[SP_TOKEN_NAME_MAX + 1];
    struct sp_subject_share share;
    uint64_t opened_us;
    struct sp_gate *gate;   /* NULL: it has no name yet */
    struct sp_addr gateway; /* where its last lane came from */
    bool leaving;           /* the gateway said that it ends */
    struct sp_tunnel *tunnel;
    struct sp_deferred flush;
    struct sp_list endpoints; /* of its flows */
    struct sp_list vias;      /* and of those for rendezvous sessions */
    struct sp_stream_lane *lanes[SP_LANES_MAX];
};

static const struct sp_tunnel_events tunnel_events;

/* --- the table ------------------------------------------------------------------------------ */

int sp_sessions_new(const struct sp_env *env, const struct sp_sessions_config *c,
                    struct sp_sessions **out)
{
    struct sp_sessions *all = calloc(1, sizeof *all);

    if (all == NULL)
        return SP_ENOMEM;
    all->env = *env;
    all->config = *c;
    SP_MAP_INIT(&all->by_id, struct sp_session, node, id, env->rng);
    *out = all;
    return 0;
}

static struct sp_session *session_of(struct sp_map_node *n)
{
    return n != NULL ? SP_CONTAINER_OF(n, struct sp_session, node) : NULL;
}

static void add_counters(struct sp_tunnel_counters *sum, const struct sp_tunnel_counters *c)
{
    size_t n;
    const struct sp_counter *table = sp_tunnel_counter_table(&n);

    sp_counters_add(table, n, sum, c);
}

size_t sp_sessions_count(const struct sp_sessions *all)
{
    return all->by_id.len;
}

size_t sp_sessions_lane_count(const struct sp_sessions *all)
{
    size_t n = 0;

    for (struct sp_map_node *i = NULL; (i = sp_map_next(&all->by_id, i)) != NULL;)
        n += sp_tunnel_lane_count(session_of(i)->tunnel);
    return n;
}

size_t sp_sessions_flow_count(const struct sp_sessions *all)
{
    size_t n = 0;

    for (struct sp_map_node *i = NULL; (i = sp_map_next(&all->by_id, i)) != NULL;)
        n += sp_tunnel_flow_count(session_of(i)->tunnel);
    return n;
}

void sp_sessions_counters(const struct sp_sessions *all, struct sp_sessions_counters *out)
{
    *out = all->counters;
    for (struct sp_map_node *i = NULL; (i = sp_map_next(&all->by_id, i)) != NULL;)
        add_counters(&out->tunnels, sp_tunnel_counters(session_of(i)->tunnel));
}

const struct sp_session *sp_sessions_next(const struct sp_sessions *all,
                                          const struct sp_session *before)
{
    const struct sp_map_node *after = before != NULL ? &before->node : NULL;
    return session_of(sp_map_next(&all->by_id, after));
}

void sp_session_view(const struct sp_session *s, struct sp_session_view *out)
{
    *out = (struct sp_session_view){.subject = s->subject,
                                    .gateway = &s->gateway,
                                    .opened_us = s->opened_us,
                                    .leaving = s->leaving,
                                    .tunnel = s->tunnel};
}

/* --- one session ---------------------------------------------------------------------------- */

/* One of all tunnels, and one of its subject's. */
static int enter(struct sp_sessions *all, const char *subject, struct sp_subject_share *share)
{
    const struct sp_bounds *b = all->env.bounds;
    struct sp_commons *c = all->env.commons;

    if (!sp_tally_take(&c->tunnels, (size_t)b->tunnels)) {
        all->env.hits->tunnels++;
        return SP_EFULL;
    }
    int err =
        sp_subject_enter(&c->subjects, sp_span_str(subject), (size_t)b->subject_tunnels, share);
    all->env.hits->subject_tunnels += err == SP_EFULL;
    if (err != 0)
        sp_tally_give(&c->tunnels);
    return err;
}

static void leave(struct sp_sessions *all, struct sp_subject_share *share)
{
    sp_subject_leave(&all->env.commons->subjects, share);
    sp_tally_give(&all->env.commons->tunnels);
}

static int take_lane(struct sp_session *s)
{
    const struct sp_env *env = &s->all->env;
    int err = sp_subject_take_lane(&env->commons->subjects, &s->share,
                                   (size_t)env->bounds->subject_lanes);

    env->hits->subject_lanes += err != 0;
    return err;
}

/* Its subject's bounds hold for all workers, who see only what each of them has settled. */
static void settle(struct sp_session *s)
{
    sp_subject_settle(&s->all->env.commons->subjects, &s->share, sp_tunnel_lane_count(s->tunnel),
                      sp_tunnel_flow_count(s->tunnel));
}

/* Flows end on either side, and no lane or flow ends without a word. */
static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct sp_session *s = arg;
    (void)d;
    sp_tunnel_flush(s->tunnel, now_us);
    settle(s);
}

static void session_free(struct sp_session *s)
{
    struct sp_sessions *all = s->all;

    sp_endpoint_free_all(&s->endpoints);
    sp_ends_flows_gone(&s->vias);
    sp_ends_gateway_left(s->gate);
    s->gate = NULL; /* its lanes end after it */
    add_counters(&all->counters.tunnels, sp_tunnel_counters(s->tunnel));
    sp_map_del(&all->by_id, &s->node);
    sp_tunnel_free(s->tunnel);
    sp_deferred_cancel(&s->flush);
    leave(all, &s->share);
    free(s);
}

/* How a tunnel was, for the operator; its id stays a secret. */
static void log_end(struct sp_session *s, const char *reason)
{
    uint64_t lived_us = sp_ticker_now(s->all->env.ticker) - s->opened_us;
    struct sp_log_field fields[4 + SP_TUNNEL_COUNTERS_MAX + 1];
    size_t n_table, n = 0;
    const struct sp_counter *table = sp_tunnel_counter_table(&n_table);

    fields[n++] = SP_F_STR("subject", s->subject);
    fields[n++] = SP_F_ADDR("gateway", &s->gateway);
    fields[n++] = SP_F_STR("reason", reason);
    fields[n++] = SP_F_UINT("seconds", lived_us / 1000000);
    n += sp_counters_fields(table, n_table, sp_tunnel_counters(s->tunnel), fields + n);
    fields[n] = (struct sp_log_field){0};
    sp_log_event(s->all->env.log, SP_LOG_INFO, "tunnel ended", fields);
}

/* Logged with all that happened to it, and gone. */
static void session_end(struct sp_session *s, const char *reason)
{
    log_end(s, reason);
    s->all->counters.ended++;
    session_free(s);
}

void sp_sessions_free(struct sp_sessions *all)
{
    struct sp_map_node *n;

    if (all == NULL)
        return;
    while ((n = sp_map_any(&all->by_id)) != NULL)
        session_end(session_of(n), "shutdown");
    sp_map_fini(&all->by_id);
    free(all);
}

/* Its tunnel, under a name that nobody can guess. */
static int start(struct sp_session *s)
{
    struct sp_sessions *all = s->all;
    struct sp_tunnel_config c;

    sp_put_be16(s->id.bytes, all->env.worker);
    sp_rng_bytes(all->env.rng, s->id.bytes + 2, sizeof s->id.bytes - 2);
    sp_tunnel_config_default(&c, SP_TUNNEL_EDGE);
    c.linger_us = all->config.linger_us;
    c.max_flows = (size_t)all->env.bounds->tunnel_flows;
    c.max_queue_bytes = (size_t)all->env.bounds->queue_bytes;
    int err =
        sp_tunnel_new(&c, &tunnel_events, s, &all->env.ticker->timers, all->env.rng, &s->tunnel);
    if (err == 0 && (err = sp_map_add(&all->by_id, &s->node)) != 0)
        sp_tunnel_free(s->tunnel);
    return err;
}

/* With room for its first lane. */
static int session_new(struct sp_sessions *all, const char *subject, struct sp_session **out)
{
    if (all->draining)
        return SP_EDENIED;
    if (sp_env_busy(&all->env)) {
        all->counters.busy++;
        return SP_EFULL;
    }
    struct sp_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return SP_ENOMEM;
    s->all = all;
    s->opened_us = sp_ticker_now(all->env.ticker);
    snprintf(s->subject, sizeof s->subject, "%s", subject);
    sp_list_init(&s->endpoints);
    sp_list_init(&s->vias);
    sp_deferred_init(&s->flush, on_flush, s);
    int err = enter(all, subject, &s->share);
    if (err == 0 && ((err = take_lane(s)) != 0 || (err = start(s)) != 0))
        leave(all, &s->share);
    if (err != 0) {
        free(s);
        return err;
    }
    *out = s;
    return 0;
}

static void on_lane_closed(struct sp_stream_lane *l, int why, const char *text, void *arg)
{
    struct sp_session *s = arg;
    (void)why;
    for (size_t i = 0; i < SP_LANES_MAX; i++)
        if (s->lanes[i] == l)
            s->lanes[i] = NULL;
    sp_ends_gateway_lost_lane(s->gate);
    settle(s);
    sp_log_debug(s->all->env.log, "lane ended", SP_F_STR("subject", s->subject),
                 SP_F_STR("reason", text));
}

/* In time: one token can't keep the server busy with nothing but handshakes. */
static int check_pace(struct sp_sessions *all, const char *subject)
{
    const struct sp_env *env = &all->env;

    if (sp_subject_take_handshake(&env->commons->subjects, sp_span_str(subject),
                                  (uint32_t)env->bounds->subject_handshakes,
                                  sp_ticker_now(env->ticker)))
        return 0;
    env->hits->subject_handshakes++;
    return SP_EFULL;
}

int sp_session_join(struct sp_sessions *all, const struct sp_upgrade *u, const char *subject,
                    struct sp_stream *stream, const struct sp_tunnel_id **id)
{
    struct sp_session *s = NULL;
    struct sp_stream_lane *l;
    int err = 0;

    if (!u->is_new) {
        s = session_of(sp_map_get(&all->by_id, &u->id));
        if (s == NULL || strcmp(s->subject, subject) != 0)
            err = SP_ENOENT;
    }
    if (err == 0)
        err = check_pace(all, subject);
    if (err == 0 && u->is_new)
        err = session_new(all, subject, &s);
    else if (err == 0 && sp_tunnel_lane(s->tunnel, u->lane) == NULL) /* or it replaces one */
        err = take_lane(s);
    if (err != 0) {
        all->counters.refused++;
        return err;
    }
    err = sp_stream_lane_new(stream, all->env.ticker, s->tunnel, u->lane, on_lane_closed, s, &l);
    if (err != 0) {
        if (u->is_new)
            session_free(s);
        else
            settle(s);
        return err;
    }
    s->lanes[u->lane] = l;
    all->counters.lanes++;
    s->gateway = *sp_stream_remote(stream);
    if (u->is_new) {
        all->counters.opened++;
        sp_log_info(all->env.log, "tunnel opened", SP_F_STR("subject", subject),
                    SP_F_ADDR("gateway", sp_stream_remote(stream)));
    }
    *id = &s->id;
    return 0;
}

void sp_session_name(struct sp_sessions *all, const struct sp_tunnel_id *id, const char *gateway)
{
    struct sp_session *s = session_of(sp_map_get(&all->by_id, id));
    struct sp_ends_gateway about = {.since_us = sp_ticker_now(all->env.ticker)};

    if (s == NULL || s->gate != NULL || all->env.ends == NULL)
        return;
    about.from = s->gateway;
    snprintf(about.subject, sizeof about.subject, "%s", s->subject);
    snprintf(about.name, sizeof about.name, "%s", gateway[0] != '\0' ? gateway : s->subject);
    s->gate = sp_ends_gateway_came(all->env.ends, &about, s->tunnel);
}

/* --- the end -------------------------------------------------------------------------------- */

void sp_sessions_drain(struct sp_sessions *all)
{
    uint64_t now_us = sp_ticker_now(all->env.ticker);

    all->draining = true;
    for (struct sp_map_node *i = NULL; (i = sp_map_next(&all->by_id, i)) != NULL;) {
        struct sp_session *s = session_of(i);
        sp_tunnel_drain(s->tunnel, now_us);
        sp_endpoint_drain_all(&s->endpoints);
    }
}

/* In this order on each lane: what waits, that we end, that flows end, the end. */
static void finish(struct sp_session *s, uint64_t timeout_us)
{
    uint64_t now_us = sp_ticker_now(s->all->env.ticker);

    sp_tunnel_flush(s->tunnel, now_us);
    sp_tunnel_drain(s->tunnel, now_us);
    sp_endpoint_finish_all(&s->endpoints, timeout_us);
    for (size_t i = 0; i < SP_LANES_MAX; i++)
        if (s->lanes[i] != NULL)
            sp_stream_finish(sp_stream_lane_stream(s->lanes[i]), timeout_us);
}

void sp_sessions_finish(struct sp_sessions *all, uint64_t timeout_us)
{
    all->draining = true;
    for (struct sp_map_node *i = NULL; (i = sp_map_next(&all->by_id, i)) != NULL;)
        finish(session_of(i), timeout_us);
}

/* --- what the tunnel tells ------------------------------------------------------------------ */

static void on_want_flush(void *arg)
{
    struct sp_session *s = arg;
    sp_ticker_defer(s->all->env.ticker, &s->flush);
}

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    (void)now_us;
    (void)arg;
    if (sp_flow_kind(f) == SP_FLOW_SESSION)
        sp_ends_flow_input(sp_flow_user(f), d, n);
    else
        sp_endpoint_input(sp_flow_user(f), d, n);
}

static int on_flow_opened(struct sp_flow *f, uint64_t now_us, void *arg)
{
    struct sp_session *s = arg;
    const struct sp_env *env = &s->all->env;
    (void)now_us;

    if (sp_flow_kind(f) != SP_FLOW_TURN && sp_flow_kind(f) != SP_FLOW_SESSION)
        return SP_CONTROL_UNKNOWN;
    /* The tunnel counts it already. */
    sp_subject_settle(&env->commons->subjects, &s->share, sp_tunnel_lane_count(s->tunnel),
                      sp_tunnel_flow_count(s->tunnel) - 1);
    if (sp_subject_take_flow(&env->commons->subjects, &s->share,
                             (size_t)env->bounds->subject_flows) != 0) {
        env->hits->subject_flows++;
        return SP_CONTROL_FULL;
    }
    int err = sp_flow_kind(f) == SP_FLOW_SESSION
                  ? sp_ends_flow_opened(env->ends, f, &s->vias)
                  : sp_endpoint_from_flow(env, f, s->subject, &s->endpoints);
    return err == 0 ? 0 : SP_CONTROL_FULL;
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)code;
    (void)arg;
    if (sp_flow_kind(f) == SP_FLOW_SESSION)
        sp_ends_flow_closed(sp_flow_user(f));
    else
        sp_endpoint_free(sp_flow_user(f));
}

/* The gateway replaces it; here it only gets no more datagrams. */
static void on_lane_suspect(struct sp_lane *l, void *arg)
{
    struct sp_session *s = arg;
    sp_log_debug(s->all->env.log, "lane makes no progress", SP_F_STR("subject", s->subject),
                 SP_F_UINT("lane", sp_lane_number(l)));
}

static void on_draining(void *arg)
{
    struct sp_session *s = arg;
    s->leaving = true;
}

static void on_expired(void *arg)
{
    struct sp_session *s = arg;
    session_end(s, s->leaving ? "left" : "expired");
}

static const struct sp_tunnel_events tunnel_events = {
    .flush = on_want_flush,
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = on_flow_closed,
    .lane_suspect = on_lane_suspect,
    .draining = on_draining,
    .expired = on_expired,
};
