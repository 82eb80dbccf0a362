/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the parts of a worker are joined:
 *
 *     listener ─▶ conn ─┬─▶ ends (ICE-TCP)
 *                       ├─▶ http_service ─▶ session (a lane; its flows' endpoints) ─┐
 *                       └─▶ endpoint (TURN over TCP, TLS) ──────────────────────────┼─▶ turn ─▶
 * relay UDP socket ────────────────────────────────────────────────────────────────────┘
 *
 * and back: turn ─▶ on_emit ─▶ relay, endpoint or UDP socket. Flows of rendezvous sessions, and
 * their UDP addresses, go to ends instead of endpoint and turn.
 */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "alloc_log.h"
#include "api_host.h"
#include "demo_host.h"
#include "endpoint.h"
#include "ends.h"
#include "late.h"
#include "own_addrs.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/listener.h"

#define BATCH          64
#define STRANGERS_PART 8         /* and no more than this part of the descriptors */
#define STOP_US        SP_SEC(2) /* for the other side to close as well */
#define LOOK_US        SP_MS(10)

/* How it comes to an end. */
struct ending {
    bool draining, stopping;
    sp_worker_fn *fn;
    void *arg;
    struct sp_deferred tell;
    struct sp_timer look; /* while stopping: whether all are closed */
    uint64_t deadline_us;
};

struct sp_worker {
    struct sp_worker_config config;
    const struct sp_shared *shared;
    const struct sp_relay_ips *relay_ips;
    struct sp_keys *keys;
    struct sp_keyring keyring; /* the same, as parts see it */
    struct sp_env env;
    struct sp_bound_hits hits;
    struct sp_rng rng;
    struct sp_ticker ticker;
    struct sp_peer_policy *policy;
    struct sp_own_addrs *own; /* tells the policy */
    struct sp_conns *conns;
    struct sp_http_service *http;
    struct sp_api *api;   /* NULL: not served */
    struct sp_demo *demo; /* the same */
    struct sp_sessions *sessions;
    struct sp_relays *relays;
    struct sp_list endpoints; /* of TCP and TLS connections */
    struct sp_guests guests;  /* those that had no allocation yet */
    uint64_t pushed_out, crowded, turn_dropped;
    struct ending ending;
    struct sp_listener *listeners[SP_LISTEN_MAX];
    struct sp_dgram *udp[SP_LISTEN_MAX];
};

/* --- in ------------------------------------------------------------------------------------- */

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct sp_worker *w = arg;
    (void)l;
    (void)remote;
    sp_conn_accept(w->conns, fd);
}

static int take_turn(struct sp_stream *s, void *arg)
{
    struct sp_worker *w = arg;
    int err = sp_endpoint_from_stream(&w->env, s, &w->endpoints, &w->guests);
    struct sp_guest *oldest = sp_guests_surplus(&w->guests);

    w->crowded += err == SP_EFULL;
    w->hits.strangers_per_address += err == SP_EFULL;
    if (oldest != NULL) {
        w->pushed_out++;
        w->hits.strangers++;
        sp_endpoint_free(sp_endpoint_of_guest(oldest));
    }
    return err;
}

static int take_ice(struct sp_stream *s, void *arg)
{
    struct sp_worker *w = arg;
    return sp_ends_take(w->env.ends, s);
}

static int take_http(struct sp_stream *s, void *arg)
{
    struct sp_worker *w = arg;
    return sp_http_service_take(w->http, s);
}

/* What came to another worker, and belongs here. */
static void on_post_datagram(void *arg, const struct sp_addr *relayed, const struct sp_addr *from,
                             struct sp_span body)
{
    struct sp_worker *w = arg;
    const struct sp_turn_peer_dgram d = {*from, body};

    sp_turn_from_other(w->env.turn, relayed, &d, sp_ticker_now(&w->ticker));
}

static void on_post_connection(void *arg, struct sp_stream *s)
{
    struct sp_worker *w = arg;

    enum sp_proto proto = SP_PROTO_HTTP;

    sp_stream_enter(s, &w->ticker);
    if (w->ending.stopping) {
        sp_stream_free(s);
        return;
    }
    (void)sp_demux(sp_buf_span(sp_stream_in(s)), sp_stream_tls(s) != NULL, w->shared->config.serve,
                   &proto);
    int err = proto == SP_PROTO_ICE ? take_ice(s, w) : take_http(s, w);
    if (err != 0)
        sp_stream_free(s);
}

static void on_post_note(void *arg, unsigned from, struct sp_span note)
{
    struct sp_worker *w = arg;
    sp_ends_note(w->env.ends, from, note);
}

static const struct sp_post_events post_events = {
    .datagram = on_post_datagram,
    .connection = on_post_connection,
    .note = on_post_note,
};

static const struct sp_conn_takers takers = {.turn = take_turn, .ice = take_ice, .http = take_http};

static bool same_path(const struct sp_dgram_in *a, const struct sp_dgram_in *b)
{
    return sp_addr_eq(&a->remote, &b->remote) && sp_addr_eq(&a->local, &b->local);
}

/* Clients by UDP: runs of datagrams from one of them go on together, those of TURN and those of a
 * session each on their own. */
static void on_udp(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n, void *arg)
{
    struct sp_worker *w = arg;
    uint64_t unix_s = sp_clock_unix_s();

    for (size_t i = 0; i < n;) {
        struct sp_turn_path path = sp_turn_path_make(SP_TURN_UDP, d, &in[i].remote, &in[i].local);
        size_t from = i;
        struct sp_span msgs[BATCH];
        size_t k = 0;
        const struct sp_dgram_in *first = &in[i];
        bool turn = sp_ends_is_turn(w->env.ends, first->body);
        while (i < n && k < BATCH && same_path(first, &in[i]) &&
               sp_ends_is_turn(w->env.ends, in[i].body) == turn)
            msgs[k++] = in[i++].body;
        if (!turn && sp_ends_take_udp(w->env.ends, d, &in[from], k))
            continue;
        sp_turn_from_client(w->env.turn, &path, msgs, k, sp_ticker_now(&w->ticker), unix_s);
    }
}

/* --- out ------------------------------------------------------------------------------------ */

static void emit_one(const struct sp_turn_out *out)
{
    static const uint8_t zeros[4];
    const struct sp_span parts[] = {
        sp_span(out->head, out->head_len),
        out->body,
        sp_span(zeros, out->pad_len),
    };
    const struct sp_turn_path *client = out->client;

    if (client == NULL)
        sp_relays_send(out->relay, &out->peer, out->dont_fragment, parts, SP_ARRAY_LEN(parts));
    else if (client->transport == SP_TURN_UDP)
        sp_dgram_send(client->via, &client->remote, &client->local, parts, SP_ARRAY_LEN(parts));
    else
        sp_endpoint_send(client->via, parts, SP_ARRAY_LEN(parts));
}

static void on_emit(void *arg, const struct sp_turn_out *out, size_t n)
{
    (void)arg;
    for (size_t i = 0; i < n; i++)
        emit_one(&out[i]);
}

/* One of our relay addresses, and no port of this worker's. */
static bool on_hand_over(void *arg, const struct sp_addr *relayed, const struct sp_addr *from,
                         struct sp_span body)
{
    struct sp_worker *w = arg;
    int owner = w->env.post != NULL ? sp_relay_ips_owner(w->relay_ips, relayed) : -1;

    return owner >= 0 &&
           sp_post_datagram(w->env.post, (unsigned)owner, relayed, from, body) != SP_ENOENT;
}

static int on_relay_open(void *arg, const struct sp_turn_relay_request *want,
                         struct sp_turn_alloc *alloc, struct sp_turn_relay *out)
{
    struct sp_worker *w = arg;
    return sp_relays_open(w->relays, want, alloc, out);
}

static void on_relay_close(void *arg, const struct sp_turn_relay *relay)
{
    struct sp_worker *w = arg;
    sp_relays_close(w->relays, relay);
}

static void on_reservation_end(void *arg, const struct sp_addr *local)
{
    struct sp_worker *w = arg;
    sp_relays_end_reservation(w->relays, local);
}

/* --- the end -------------------------------------------------------------------------------- */

static void on_tell(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct sp_worker *w = arg;
    (void)d;
    (void)now_us;
    w->ending.fn(w, w->ending.arg);
}

static void tell_if_drained(struct sp_worker *w)
{
    if (w->ending.draining && !w->ending.stopping && sp_turn_alloc_count(w->env.turn) == 0 &&
        sp_rdv_count(sp_ends_registry(w->env.ends)) == 0)
        sp_ticker_defer(&w->ticker, &w->ending.tell);
}

static void on_ends_drained(void *arg)
{
    tell_if_drained(arg);
}

void sp_worker_drain(struct sp_worker *w, const struct sp_turn_alternates *alternates,
                     sp_worker_fn *fn, void *arg)
{
    w->ending.draining = true;
    w->ending.fn = fn;
    w->ending.arg = arg;
    sp_turn_drain(w->env.turn, alternates);
    sp_sessions_drain(w->sessions);
    sp_ends_drain(w->env.ends);
    sp_http_service_drain(w->http);
    if (w->api != NULL)
        sp_api_drain(w->api);
    tell_if_drained(w);
}

static void on_look(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_worker *w = arg;
    bool open = sp_sessions_lane_count(w->sessions) > 0 || !sp_list_empty(&w->endpoints);

    if (!open || now_us >= w->ending.deadline_us ||
        sp_timerq_set(&w->ticker.timers, timer, now_us + LOOK_US) != 0)
        sp_ticker_defer(&w->ticker, &w->ending.tell);
}

static void stop_listening(struct sp_worker *w)
{
    for (size_t i = 0; i < SP_LISTEN_MAX; i++) {
        if (w->listeners[i] != NULL)
            sp_listener_close(w->listeners[i]);
        if (w->udp[i] != NULL)
            sp_dgram_close(w->udp[i]);
        w->listeners[i] = NULL;
        w->udp[i] = NULL;
    }
}

void sp_worker_stop(struct sp_worker *w, sp_worker_fn *fn, void *arg)
{
    uint64_t now_us = sp_ticker_now(&w->ticker);

    w->ending.stopping = true;
    w->ending.fn = fn;
    w->ending.arg = arg;
    w->ending.deadline_us = now_us + STOP_US;
    sp_deferred_cancel(&w->ending.tell);
    sp_turn_end_all(w->env.turn);
    sp_ends_finish(w->env.ends);
    sp_sessions_finish(w->sessions, STOP_US);
    sp_endpoint_finish_all(&w->endpoints, STOP_US);
    stop_listening(w);
    on_look(&w->ending.look, now_us, w);
}

/* --- what the engine tells of allocations ----------------------------------------------------- */

static void on_alloc_begin(void *arg, struct sp_turn_alloc *a)
{
    struct sp_worker *w = arg;
    const struct sp_turn_path *path = sp_turn_alloc_path(a);

    if (path->transport != SP_TURN_UDP)
        sp_endpoint_allocated(path->via, a);
    sp_alloc_log_begin(&w->env, a);
}

static void on_alloc_end(void *arg, const struct sp_turn_alloc *a, enum sp_turn_end why)
{
    const struct sp_turn_path *path = sp_turn_alloc_path(a);
    struct sp_worker *w = arg;

    if (path->transport != SP_TURN_UDP)
        sp_endpoint_deallocated(path->via);
    sp_alloc_log_end(&w->env, a, why);
    tell_if_drained(w);
}

static bool on_busy(void *arg)
{
    const struct sp_worker *w = arg;
    return sp_env_busy(&w->env);
}

static const struct sp_turn_effects effects = {
    .busy = on_busy,
    .emit = on_emit,
    .relay_open = on_relay_open,
    .relay_close = on_relay_close,
    .reservation_end = on_reservation_end,
    .hand_over = on_hand_over,
    .alloc_begin = on_alloc_begin,
    .alloc_end = on_alloc_end,
};

/* --- life ----------------------------------------------------------------------------------- */

int sp_worker_say(char why[static SP_SHARED_WHY_MAX], const char *what, const struct sp_addr *a,
                  int err)
{
    char addr[SP_ADDR_STRLEN] = "";

    if (a != NULL)
        (a->port != 0 ? sp_addr_format : sp_addr_format_ip)(a, addr);
    snprintf(why, SP_SHARED_WHY_MAX, "%s%s%s: %s%s", what, a != NULL ? " " : "", addr,
             err == SP_ESYS ? strerror(errno) : sp_strerror(err),
             a != NULL && err == SP_ESYS ? sp_sock_listen_advice(errno) : "");
    return err;
}

/* Each place where strangers stand: they may hold descriptors, but never all of them. */
static size_t max_strangers(const struct sp_bounds *b)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur / STRANGERS_PART > b->strangers)
        return (size_t)b->strangers;
    return files.rlim_cur / STRANGERS_PART;
}

static int check_relay_ips(const struct sp_worker_config *c, char why[static SP_SHARED_WHY_MAX])
{
    for (size_t i = 0; c->min_port != 0 && i < c->n_relay_ips; i++) {
        int err = sp_relay_ip_check(&c->relay_ips[i]);
        if (err != 0)
            return sp_worker_say(why, "cannot relay by (--relay-ip)", &c->relay_ips[i].local, err);
    }
    return 0;
}

static int start_post(struct sp_worker *w, struct sp_post_office *office)
{
    if (office == NULL)
        return 0;
    return sp_post_open(office, w->config.index, &w->ticker, &post_events, w, &w->env.post);
}

/* What all of them see one of them tells. */
static const struct sp_log *log_of_first(const struct sp_worker *w)
{
    return w->env.post == NULL || w->config.index == 0 ? w->env.log : NULL;
}

static int start_policy(struct sp_worker *w)
{
    int err = sp_shared_make_policy(w->shared, &w->policy);

    return err != 0 ? err : sp_own_addrs_watch(&w->ticker, w->policy, log_of_first(w), &w->own);
}

/* Who denies the net around the server would be surprised by what that does to calls between its
 * users. */
static void warn_of_hairpin(const struct sp_worker *w)
{
    const struct sp_worker_config *c = &w->config;

    for (size_t i = 0; i < c->n_relay_ips; i++)
        if (sp_peer_policy_judge(w->policy, &c->relay_ips[i].public_) == SP_PEER_REFUSED)
            sp_log_warn(log_of_first(w),
                        "--deny-peer covers a relayed address of this server: its users can't call "
                        "each other by it",
                        SP_F_ADDR("relayed", &c->relay_ips[i].public_));
}

static int start_turn(struct sp_worker *w, char why[static SP_SHARED_WHY_MAX])
{
    const struct sp_worker_config *c = &w->config;
    struct sp_turn_config tc;

    sp_turn_config_default(&tc);
    tc.max_allocs = (size_t)c->bounds.allocations;
    tc.max_allocs_per_user = (size_t)c->bounds.user_allocations;
    tc.max_perms_per_alloc = (size_t)c->bounds.permissions;
    tc.max_channels_per_alloc = (size_t)c->bounds.channels;
    tc.udp_answers_per_s = (uint32_t)c->bounds.answers_per_s;
    tc.hits = &w->hits;
    tc.worker = c->index;
    tc.common = &w->env.commons->turn;
    int err = sp_turn_new(&tc, w->keys->auth, w->policy, &w->ticker.timers, &w->rng, &w->env.turn);
    if (err != 0)
        return sp_worker_say(why, "cannot start the TURN engine", NULL, err);
    sp_turn_set_effects(w->env.turn, &effects, w);
    err = sp_relays_new(&w->env, w->relay_ips, &w->relays);
    return err == 0 ? 0 : sp_worker_say(why, "cannot set up relayed addresses", NULL, err);
}

static int start_parts(struct sp_worker *w)
{
    const struct sp_sessions_config sc = {
        .linger_us = w->config.linger_us,
    };
    const struct sp_ends_config ec = {
        .idle_us = w->config.session_idle_us,
        .relay_ips = w->config.relay_ips,
        .n_relay_ips = w->config.n_relay_ips,
        .listen_udp = w->config.listen_udp,
        .n_listen_udp = w->config.n_listen_udp,
        .ice_tcp = (w->shared->config.serve & SP_SERVE_ICE_TCP) != 0,
    };
    int err = sp_ends_new(&w->env, &ec, on_ends_drained, w, &w->env.ends);

    if (err == 0)
        err = sp_sessions_new(&w->env, &sc, &w->sessions);
    if (err == 0 && (w->shared->config.serve & SP_SERVE_API))
        err = sp_api_host_new(&w->env, w->shared, &w->api);
    if (err == 0 && w->shared->config.demo)
        err = sp_demo_host_new(&w->env, &w->demo);
    if (err == 0)
        err = sp_http_service_new(&w->env, w->shared, w->sessions, w->api, w->demo, &w->http);
    if (err == 0)
        err = sp_conns_new(&w->env, w->shared, &takers, w, &w->conns);
    return err;
}

static int start_listening(struct sp_worker *w, char why[static SP_SHARED_WHY_MAX])
{
    const struct sp_worker_config *c = &w->config;
    const struct sp_sock_options tcp = {.reuse_port = c->share_ports},
                                 udp = {.rcvbuf = 4 << 20,
                                        .sndbuf = 4 << 20,
                                        .reuse_port = c->share_ports};
    int err;

    for (size_t i = 0; i < c->n_listen; i++) {
        err = sp_listener_open(&w->ticker, w->env.log, &c->listen[i], &tcp, on_accept, w,
                               &w->listeners[i]);
        if (err != 0)
            return sp_worker_say(why, "cannot listen (--listen) on TCP", &c->listen[i], err);
    }
    for (size_t i = 0; i < c->n_listen_udp; i++) {
        err = sp_dgram_open(w->env.dgrams, &c->listen_udp[i], &udp, on_udp, w, &w->udp[i]);
        if (err != 0)
            return sp_worker_say(why, "cannot listen (--listen-udp) on UDP", &c->listen_udp[i],
                                 err);
        sp_dgram_limit_age(w->udp[i], SP_MEDIA_MAX_AGE_US, sp_late_is_turn_control);
        w->config.listen_udp[i] = *sp_dgram_local(w->udp[i]);
    }
    return 0;
}

int sp_worker_new(struct ev_loop *loop, const struct sp_worker_config *c,
                  const struct sp_worker_share *share, struct sp_worker **out,
                  char why[static SP_SHARED_WHY_MAX])
{
    struct sp_worker *w = calloc(1, sizeof *w);

    if (w == NULL)
        return sp_worker_say(why, "cannot start", NULL, SP_ENOMEM);
    w->config = *c;
    w->shared = share->shared;
    w->relay_ips = share->relay_ips;
    w->keys = sp_keys_ref(share->keys);
    w->keyring.now = w->keys;
    sp_list_init(&w->endpoints);
    sp_rng_system_init(&w->rng);
    sp_ticker_init(&w->ticker, loop);
    w->env = (struct sp_env){.worker = c->index,
                             .ticker = &w->ticker,
                             .rng = &w->rng,
                             .log = share->log,
                             .keys = &w->keyring,
                             .turn_dropped = &w->turn_dropped,
                             .bounds = &w->config.bounds,
                             .hits = &w->hits,
                             .commons = share->commons,
                             .congestion = c->turn_congestion,
                             .max_strangers = max_strangers(&c->bounds)};
    sp_deferred_init(&w->ending.tell, on_tell, w);
    sp_timer_init(&w->ending.look, on_look, w);
    sp_env_guests(&w->env, SP_WITHOUT_ALLOCATION, &w->guests);
    int err = check_relay_ips(c, why);
    if (err == 0 && (err = start_post(w, share->office)) != 0)
        sp_worker_say(why, "cannot start", NULL, err);
    if (err == 0 && (err = sp_dgram_pool_new(&w->ticker, &w->env.dgrams)) != 0)
        sp_worker_say(why, "cannot start", NULL, err);
    if (err == 0 && (err = start_policy(w)) != 0)
        sp_worker_say(why, "cannot start", NULL, err);
    if (err == 0)
        err = start_turn(w, why);
    if (err == 0 && (err = start_parts(w)) != 0)
        sp_worker_say(why, "cannot start", NULL, err);
    if (err == 0)
        err = start_listening(w, why);
    if (err != 0) {
        sp_worker_free(w);
        return err;
    }
    warn_of_hairpin(w);
    *out = w;
    return 0;
}

/* From the door inwards: who might still use a part goes before it. */
void sp_worker_free(struct sp_worker *w)
{
    if (w == NULL)
        return;
    w->ending.stopping = true; /* nobody is told any more */
    sp_deferred_cancel(&w->ending.tell);
    sp_timerq_cancel(&w->ticker.timers, &w->ending.look);
    stop_listening(w);
    sp_conns_free(w->conns);
    sp_http_service_free(w->http);
    sp_api_free(w->api);
    sp_demo_free(w->demo, sp_ticker_now(&w->ticker));
    sp_endpoint_free_all(&w->endpoints);
    sp_guests_fini(&w->guests);
    sp_sessions_free(w->sessions);
    sp_ends_free(w->env.ends);
    if (w->env.turn != NULL)
        sp_turn_free(w->env.turn);
    sp_relays_free(w->relays);
    if (w->env.dgrams != NULL)
        sp_dgram_pool_free(w->env.dgrams);
    sp_post_close(w->env.post);
    sp_own_addrs_free(w->own);
    sp_peer_policy_free(w->policy);
    sp_ticker_fini(&w->ticker);
    sp_keys_unref(w->keys);
    free(w);
}

void sp_worker_set_keys(struct sp_worker *w, struct sp_keys *keys)
{
    struct sp_keys *old = w->keys;

    w->keys = sp_keys_ref(keys);
    w->keyring.now = keys;
    sp_turn_set_auth(w->env.turn, keys->auth);
    sp_keys_unref(old);
}

const struct sp_addr *sp_worker_listen(const struct sp_worker *w, size_t i)
{
    const struct sp_listener *l = w->listeners[i];
    return l != NULL ? sp_listener_local(l) : &w->config.listen[i]; /* it is ending */
}

const struct sp_addr *sp_worker_listen_udp(const struct sp_worker *w, size_t i)
{
    const struct sp_dgram *d = w->udp[i];
    return d != NULL ? sp_dgram_local(d) : &w->config.listen_udp[i];
}

struct sp_ends *sp_worker_ends(struct sp_worker *w)
{
    return w->env.ends;
}

struct sp_ticker *sp_worker_ticker(struct sp_worker *w)
{
    return &w->ticker;
}

const struct sp_sessions *sp_worker_sessions(const struct sp_worker *w)
{
    return w->sessions;
}

void sp_worker_stats(const struct sp_worker *w, struct sp_worker_stats *out)
{
    *out = (struct sp_worker_stats){
        .allocations = sp_turn_alloc_count(w->env.turn),
        .tunnels = sp_sessions_count(w->sessions),
        .lanes = sp_sessions_lane_count(w->sessions),
        .flows = sp_sessions_flow_count(w->sessions),
        .draining = w->ending.draining || w->ending.stopping,
        .turn = *sp_turn_counters(w->env.turn),
        .conns = *sp_conns_counters(w->conns),
        .http = *sp_http_service_counters(w->http),
        .fallback = sp_http_service_fallback_counters(w->http),
        .bounds = w->hits,
        .turn_pushed_out = w->pushed_out,
        .turn_crowded = w->crowded,
        .turn_dropped = w->turn_dropped,
    };
    if (w->env.post != NULL)
        out->post = *sp_post_counters(w->env.post);
    sp_relays_counters(w->relays, &out->relays);
    sp_sessions_counters(w->sessions, &out->sessions);
    out->rendezvous_sessions = sp_rdv_count(sp_ends_registry(w->env.ends));
    out->rendezvous = *sp_rdv_counters(sp_ends_registry(w->env.ends));
    out->ends = *sp_ends_counters(w->env.ends);
    if (w->api != NULL)
        out->api = *sp_api_counters(w->api);
    if (w->demo != NULL)
        out->demo = *sp_demo_counters(w->demo);
    out->bounds.tunnel_flows = out->sessions.tunnels.flows_crowded;
    out->bounds.queue_bytes = out->sessions.tunnels.dropped_full + w->turn_dropped;
    for (size_t i = 0; i < w->config.n_listen && w->listeners[i] != NULL; i++)
        out->accept_pauses += sp_listener_counters(w->listeners[i])->pauses;
    for (size_t i = 0; i < w->config.n_listen_udp && w->udp[i] != NULL; i++) {
        const struct sp_dgram_counters *d = sp_dgram_counters(w->udp[i]);
        out->udp_received += d->received;
        out->udp_sent += d->sent;
        out->udp_late += d->dropped_late;
        out->udp_overflowed += sp_dgram_overflowed(w->udp[i]);
        out->udp_dropped += d->dropped_full + d->dropped_error + d->truncated;
    }
}
