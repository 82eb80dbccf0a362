/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "uplink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dial.h"
#include "network.h"
#include "refusal.h"
#include "sallyport/clock.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "token_source.h"

#define FINISH_US SP_SEC(2)
/* What a tunnel without a call, or without losses, can do with; and how long the others are kept,
 * for a network that lost something is like to do it again. */
#define LANES_NARROW 4
#define SPARE_US     SP_SEC(300)

/* One lane number: what is open under it, and what is being opened. */
struct slot {
    struct sp_uplink *uplink;
    unsigned lane;
    struct sp_stream_lane *open; /* or NULL */
    struct sp_dial *dial;        /* or NULL */
    struct sp_plan_try try_;     /* what the dial is for */
};

struct sp_uplink {
    const struct sp_client_env *env;
    struct sp_uplink_config config;
    const struct sp_uplink_events *events;
    void *arg;
    struct sp_tls_ctx *tls;
    struct sp_tunnel *tunnel; /* NULL before the first */
    size_t home;              /* the server that made it */
    struct sp_tunnel_id id;
    struct sp_addr where; /* the address that the tunnel's lanes go to */
    struct sp_plan plan;
    struct sp_timer due;
    struct sp_timer spare; /* the lanes that a narrow tunnel has no use for are closed */
    struct sp_deferred stopped;
    struct slot slots[SP_LANES_MAX];
    struct sp_refusal_gate gate;
    struct sp_uplink_counters counters;
    bool was_up, stopping;
};

static void on_dialled(const struct sp_dial_result *result, const struct sp_refusal *why,
                       void *arg);

static uint64_t now(const struct sp_uplink *u)
{
    return sp_ticker_now(u->env->ticker);
}

/* --- what is tried next --------------------------------------------------------------------- */

static enum sp_plan_failure meaning(const struct sp_refusal *why)
{
    if (sp_refusal_is_denial(why))
        return SP_PLAN_DENIED;
    return sp_refusal_met_somebody(why) ? SP_PLAN_NOT_NOW : SP_PLAN_UNREACHABLE;
}

/* The server that is to be replaced is asked as well, in case its name leads to another. */
static bool is_drained(const struct slot *s)
{
    const struct sp_uplink *u = s->uplink;
    return u->tunnel == NULL && &u->config.servers[s->try_.server] == u->config.drained;
}

static void refused(struct slot *s, const struct sp_refusal *why)
{
    struct sp_uplink *u = s->uplink;
    const struct sp_server_url *server = &u->config.servers[s->try_.server];
    char line[SP_REFUSAL_LINE_MAX];

    u->counters.tries_failed++;
    sp_refusal_explain(why, line);
    if (is_drained(s) && why->kind == SP_REFUSAL_ANSWER)
        snprintf(line, sizeof line, "it drains, and has no successor yet");
    sp_plan_failed(&u->plan, &s->try_, meaning(why), now(u));
    uint64_t due_us = sp_plan_due_us(&u->plan);
    bool waits = due_us != SP_NEVER && due_us > now(u);
    /* That a server has forgotten the tunnel is told when a new one is made. */
    bool expected = s->try_.leader && !s->try_.is_new && sp_refusal_is_denial(why);
    bool say = !expected && sp_refusal_gate_take(&u->gate, why->kind, now(u));
    sp_log_event(
        u->env->log, say ? SP_LOG_WARN : SP_LOG_DEBUG, "could not open a lane",
        (const struct sp_log_field[]){SP_F_STR("server", server->authority),
                                      SP_F_UINT("lane", s->lane),
                                      SP_F_STR("reason", line),
                                      SP_F_UINT("retry_ms", waits ? (due_us - now(u)) / 1000 : 0),
                                      {0}});
}

static void begin(struct slot *s)
{
    struct sp_uplink *u = s->uplink;
    const struct sp_proxy *proxy = &u->config.proxies[s->try_.server];
    struct sp_secrets token = {0};
    struct sp_refusal why = {.kind = SP_REFUSAL_TOKEN_FILE};

    u->counters.tries++;
    /* It may have been renewed since the last connection. */
    if (sp_token_source_read(u->config.token_file, u->config.token, &token, why.why) != 0) {
        refused(s, &why);
        return;
    }
    struct sp_dial_order order = {
        .server = &u->config.servers[s->try_.server],
        .proxy = proxy->host[0] != '\0' ? proxy : NULL,
        .tls = u->tls,
        .prefer = s->try_.is_new ? NULL : &u->where,
        .hurried = s->try_.hurried,
        .upgrade = {.token = token.items[0],
                    .is_new = s->try_.is_new,
                    .id = u->id,
                    .lane = s->try_.lane},
    };
    if (sp_dial_start(u->env, &order, on_dialled, s, &s->dial) != 0) {
        why.kind = SP_REFUSAL_MEMORY;
        refused(s, &why);
    }
    sp_secrets_fini(&token);
}

static void say_up(const struct sp_uplink *u)
{
    const struct sp_tls *tls = NULL;

    for (unsigned i = 0; i < u->config.lanes && tls == NULL; i++)
        if (u->slots[i].open != NULL)
            tls = sp_stream_tls(sp_stream_lane_stream(u->slots[i].open));
    sp_log_info(
        u->env->log, "tunnel up", SP_F_STR("server", u->config.servers[u->plan.home].authority),
        SP_F_ADDR("remote", &u->where), SP_F_STR("tls", tls != NULL ? sp_tls_version(tls) : ""),
        SP_F_STR("cipher", tls != NULL ? sp_tls_cipher(tls) : ""));
}

static void report_state(struct sp_uplink *u)
{
    bool up = sp_plan_usable(&u->plan) > 0;

    if (up == u->was_up || u->stopping)
        return;
    u->was_up = up;
    if (up)
        say_up(u);
    else if (!u->plan.joins_only) /* that one may just have ended */
        sp_log_warn(u->env->log, "tunnel away: no lane carries datagrams, trying again",
                    SP_F_STR("server", u->config.servers[u->plan.home].authority));
}

/* A suspect lane may have come back to life by itself; nobody tells. */
static void look_at_suspects(struct sp_uplink *u)
{
    for (unsigned i = 0; i < u->config.lanes; i++) {
        const struct slot *s = &u->slots[i];
        if (u->plan.lanes[i].suspect && s->open != NULL &&
            !sp_lane_is_suspect(sp_stream_lane_lane(s->open)))
            sp_plan_lane_well(&u->plan, i, now(u));
    }
}

static void stop_dial(struct slot *s)
{
    sp_dial_free(s->dial);
    s->dial = NULL;
}

/* Whatever happens ends here. */
static void go_on(struct sp_uplink *u)
{
    struct sp_plan_try t;

    if (u->stopping)
        return;
    look_at_suspects(u);
    if (sp_plan_is_over(&u->plan, now(u))) {
        sp_uplink_stop(u);
        return;
    }
    while (sp_plan_next(&u->plan, now(u), &t)) {
        struct slot *s = &u->slots[t.lane];
        stop_dial(s); /* the plan goes past a join that hangs */
        s->try_ = t;
        begin(s);
    }
    report_state(u);
    uint64_t due_us = sp_plan_due_us(&u->plan);
    if (due_us == SP_NEVER)
        sp_timerq_cancel(&u->env->ticker->timers, &u->due);
    else
        sp_timerq_set(&u->env->ticker->timers, &u->due, due_us);
}

static void on_due(struct sp_timer *t, uint64_t now_us, void *arg)
{
    (void)t;
    (void)now_us;
    go_on(arg);
}

/* --- lanes ---------------------------------------------------------------------------------- */

static unsigned within_bounds(const struct sp_uplink *u, unsigned lanes)
{
    if (lanes < LANES_NARROW)
        lanes = LANES_NARROW;
    return u->config.lanes < lanes ? u->config.lanes : lanes;
}

void sp_uplink_want(struct sp_uplink *u, unsigned lanes)
{
    struct sp_timerq *timers = &u->env->ticker->timers;
    bool wide = lanes > 1;

    sp_plan_want(&u->plan, within_bounds(u, lanes));
    if (wide)
        sp_timerq_cancel(timers, &u->spare);
    else /* no memory for the timer: they stay, which does no harm */
        (void)sp_timerq_set(timers, &u->spare, now(u) + SPARE_US);
    /* Not from here: the tunnel is in the middle of something. */
    if (wide && u->tunnel != NULL && !u->stopping)
        (void)sp_timerq_set(timers, &u->due, now(u));
}

static void on_spare(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_uplink *u = arg;
    (void)t;
    (void)now_us;
    for (unsigned i = u->plan.wanted; i < u->config.lanes; i++)
        if (u->slots[i].open != NULL)
            sp_stream_finish(sp_stream_lane_stream(u->slots[i].open), FINISH_US);
}

static void tell_when_stopped(struct sp_uplink *u)
{
    for (unsigned i = 0; i < u->config.lanes; i++)
        if (u->slots[i].open != NULL)
            return;
    sp_ticker_defer(u->env->ticker, &u->stopped);
}

static void on_lane_closed(struct sp_stream_lane *l, int why, const char *text, void *arg)
{
    struct slot *s = arg;
    struct sp_uplink *u = s->uplink;

    if (s->open == l)
        s->open = NULL;
    if (why == SP_EEXIST)
        return; /* replaced, which the plan knows */
    sp_log_event(
        u->env->log, u->stopping ? SP_LOG_DEBUG : SP_LOG_INFO, "lane lost",
        (const struct sp_log_field[]){SP_F_UINT("lane", s->lane), SP_F_STR("reason", text), {0}});
    if (u->stopping) {
        tell_when_stopped(u);
        return;
    }
    sp_plan_lane_lost(&u->plan, s->lane, now(u));
    go_on(u);
}

/* The server made a tunnel for us: its old one, if there was one, is forgotten by now. */
static int adopt_tunnel(struct sp_uplink *u, const struct sp_tunnel_id *id)
{
    bool first = u->tunnel == NULL, elsewhere = u->home != u->plan.home;
    struct sp_tunnel *made = u->events->tunnel_made(u->arg);

    if (made == NULL)
        return SP_ENOMEM;
    u->tunnel = made;
    if (!first)
        sp_log_warn(u->env->log, "new tunnel: relayed addresses are lost, calls have to restart",
                    SP_F_STR("server", u->config.servers[u->plan.home].authority),
                    SP_F_STR("reason", elsewhere ? "failed over from another server"
                                                 : "the server no longer knew the old one"));
    u->home = u->plan.home;
    u->id = *id;
    u->counters.tunnels_made++;
    return 0;
}

static void join(struct slot *s, const struct sp_dial_result *r)
{
    struct sp_uplink *u = s->uplink;
    struct sp_addr where = *sp_stream_remote(r->stream);
    struct sp_stream_lane *l;
    int err = s->try_.is_new ? adopt_tunnel(u, &r->id) : 0;

    if (err == 0)
        err = sp_stream_lane_new(r->stream, u->env->ticker, u->tunnel, s->lane, on_lane_closed, s,
                                 &l);
    if (err != 0) {
        sp_log_error(u->env->log, "could not open a lane", SP_F_STR("reason", sp_strerror(err)));
        sp_stream_free(r->stream);
        sp_plan_lane_lost(&u->plan, s->lane, now(u));
        return;
    }
    s->open = l;
    u->where = where;
    sp_log_debug(u->env->log, "lane joined", SP_F_UINT("lane", s->lane),
                 SP_F_ADDR("remote", &where));
}

/* A lane that was asked for has to be one of our tunnel as it is now: a server may answer oddly,
 * and another tunnel may have been made meanwhile. */
static bool is_ours(const struct slot *s, const struct sp_dial_result *r)
{
    return s->try_.is_new || memcmp(&r->id, &s->uplink->id, sizeof r->id) == 0;
}

static void on_dialled(const struct sp_dial_result *result, const struct sp_refusal *why, void *arg)
{
    static const struct sp_refusal not_ours = {.kind = SP_REFUSAL_ANSWER, .status = 101};
    struct slot *s = arg;
    struct sp_uplink *u = s->uplink;

    s->dial = NULL;
    look_at_suspects(u);
    if (result != NULL && !is_ours(s, result)) {
        sp_stream_free(result->stream);
        result = NULL;
        why = &not_ours;
    }
    if (result == NULL)
        refused(s, why);
    else if (!sp_plan_succeeded(&u->plan, &s->try_, now(u)))
        sp_stream_free(result->stream);
    else
        join(s, result);
    go_on(u);
}

void sp_uplink_lane_suspect(struct sp_uplink *u, const struct sp_lane *lane)
{
    if (u->stopping)
        return;
    sp_log_info(u->env->log, "lane suspect: no progress, replacing it",
                SP_F_UINT("lane", sp_lane_number(lane)));
    sp_plan_lane_suspect(&u->plan, sp_lane_number(lane), now(u));
    go_on(u);
}

/* --- the network ---------------------------------------------------------------------------- */

static bool has_address(const struct sp_addr *own, size_t n, const struct sp_addr *a)
{
    if (n == SP_NETWORK_ADDRS_MAX)
        return true; /* for all we know */
    for (size_t i = 0; i < n; i++)
        if (sp_addr_same_ip(&own[i], a))
            return true;
    return false;
}

/* Its own end would tell of nothing for a long time: there is no way to send from there. */
static void lose_address(struct slot *s)
{
    struct sp_uplink *u = s->uplink;
    struct sp_stream *stream = sp_stream_lane_stream(s->open);

    sp_log_info(u->env->log, "lane lost", SP_F_UINT("lane", s->lane),
                SP_F_STR("reason", "this host no longer has the address it left from"),
                SP_F_ADDR("local", sp_stream_local(stream)));
    sp_stream_lane_free(s->open);
    s->open = NULL;
    sp_plan_lane_lost(&u->plan, s->lane, now(u));
}

void sp_uplink_network_changed(struct sp_uplink *u, const struct sp_addr *own, size_t n)
{
    if (u->stopping)
        return;
    u->counters.network_changes++;
    sp_log_info(u->env->log, "the network has changed");
    for (unsigned i = 0; i < u->config.lanes; i++) {
        struct slot *s = &u->slots[i];
        stop_dial(s);
        if (s->open != NULL &&
            !has_address(own, n, sp_stream_local(sp_stream_lane_stream(s->open))))
            lose_address(s);
    }
    sp_plan_network_changed(&u->plan, now(u));
    if (u->tunnel != NULL)
        sp_tunnel_probe(u->tunnel, now(u));
    go_on(u);
}

/* --- life ----------------------------------------------------------------------------------- */

static void on_stopped(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct sp_uplink *u = arg;
    (void)d;
    (void)now_us;
    u->events->stopped(u->arg);
}

int sp_uplink_new(const struct sp_client_env *env, const struct sp_uplink_config *config,
                  struct sp_tls_ctx *tls, const struct sp_uplink_events *events, void *arg,
                  struct sp_uplink **out)
{
    struct sp_uplink *u = calloc(1, sizeof *u);
    uint64_t now_us = sp_ticker_now(env->ticker);

    if (u == NULL)
        return SP_ENOMEM;
    u->env = env;
    u->config = *config;
    u->events = events;
    u->arg = arg;
    sp_timer_init(&u->due, on_due, u);
    sp_timer_init(&u->spare, on_spare, u);
    sp_deferred_init(&u->stopped, on_stopped, u);
    for (unsigned i = 0; i < SP_LANES_MAX; i++)
        u->slots[i] = (struct slot){.uplink = u, .lane = i};
    sp_plan_init(&u->plan, config->n_servers, config->lanes, env->rng, now_us);
    sp_plan_want(&u->plan, within_bounds(u, LANES_NARROW));
    if (config->drained != NULL)
        sp_plan_replace(&u->plan, (size_t)(config->drained - config->servers), now_us);
    if (sp_timerq_set(&env->ticker->timers, &u->due, now_us) != 0) {
        free(u);
        return SP_ENOMEM;
    }
    u->tls = sp_tls_ctx_ref(tls);
    *out = u;
    return 0;
}

static void stop_dialling(struct sp_uplink *u)
{
    sp_timerq_cancel(&u->env->ticker->timers, &u->due);
    sp_timerq_cancel(&u->env->ticker->timers, &u->spare);
    for (unsigned i = 0; i < u->config.lanes; i++)
        stop_dial(&u->slots[i]);
}

void sp_uplink_free(struct sp_uplink *u)
{
    if (u == NULL)
        return;
    stop_dialling(u);
    for (unsigned i = 0; i < u->config.lanes; i++)
        sp_stream_lane_free(u->slots[i].open);
    sp_deferred_cancel(&u->stopped);
    sp_tls_ctx_unref(u->tls);
    sp_crypto_wipe(&u->id, sizeof u->id);
    free(u);
}

void sp_uplink_set_tls(struct sp_uplink *u, struct sp_tls_ctx *tls)
{
    sp_tls_ctx_ref(tls);
    sp_tls_ctx_unref(u->tls);
    u->tls = tls;
}

void sp_uplink_retire(struct sp_uplink *u)
{
    sp_plan_join_only(&u->plan);
    go_on(u);
}

void sp_uplink_stop(struct sp_uplink *u)
{
    if (u->stopping)
        return;
    u->stopping = true;
    stop_dialling(u);
    for (unsigned i = 0; i < u->config.lanes; i++)
        if (u->slots[i].open != NULL)
            sp_stream_finish(sp_stream_lane_stream(u->slots[i].open), FINISH_US);
    tell_when_stopped(u);
}

/* --- what is asked -------------------------------------------------------------------------- */

bool sp_uplink_is_up(const struct sp_uplink *u)
{
    return sp_plan_usable(&u->plan) > 0;
}

const struct sp_server_url *sp_uplink_server(const struct sp_uplink *u)
{
    return u->tunnel != NULL ? &u->config.servers[u->plan.home] : NULL;
}

struct sp_stream *sp_uplink_lane_stream(const struct sp_uplink *u, unsigned lane)
{
    struct sp_stream_lane *l = lane < u->config.lanes ? u->slots[lane].open : NULL;
    return l != NULL ? sp_stream_lane_stream(l) : NULL;
}

const struct sp_uplink_counters *sp_uplink_counters(const struct sp_uplink *u)
{
    return &u->counters;
}
