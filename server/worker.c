/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the parts of a worker are joined:
 *
 *     listener ─▶ conn ─┬─▶ ends (ICE-TCP)
 *                       ├─▶ http_service ─▶ session (a lane; its flows' endpoints) ─┐
 *                       └─▶ endpoint (TURN over TCP, TLS) ──────────────────────────┼─▶ turn ─▶
 * relay UDP socket ────────────────────────────────────────────────────────────────────┘
 *
 * and back: turn ─▶ worker_turn ─▶ relay, endpoint or UDP socket. Flows of rendezvous sessions, and
 * their UDP addresses, go to ends instead of endpoint and turn.
 */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api_host.h"
#include "demo_host.h"
#include "endpoint.h"
#include "sallyport/err.h"
#include "worker_impl.h"

#define STRANGERS_PART 8 /* and no more than this part of the descriptors */

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

static void on_ends_drained(void *arg)
{
    sp_worker_tell_if_drained(arg);
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
        err = sp_conns_new(&w->env, w->shared, &sp_worker_takers, w, &w->conns);
    return err;
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
    sp_worker_ending_init(w);
    sp_env_guests(&w->env, SP_WITHOUT_ALLOCATION, &w->guests);
    int err = check_relay_ips(c, why);
    if (err == 0 && (err = sp_worker_open_post(w, share->office)) != 0)
        sp_worker_say(why, "cannot start", NULL, err);
    if (err == 0 && (err = sp_dgram_pool_new(&w->ticker, &w->env.dgrams)) != 0)
        sp_worker_say(why, "cannot start", NULL, err);
    if (err == 0 && (err = start_policy(w)) != 0)
        sp_worker_say(why, "cannot start", NULL, err);
    if (err == 0)
        err = sp_worker_start_turn(w, why);
    if (err == 0 && (err = start_parts(w)) != 0)
        sp_worker_say(why, "cannot start", NULL, err);
    if (err == 0)
        err = sp_worker_open_ports(w, why);
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
    sp_worker_ending_fini(w);
    sp_worker_close_ports(w);
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
