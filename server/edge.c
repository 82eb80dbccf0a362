/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the whole works. A browser's datagram has reached the gateway beside it, and comes here in a
 * frame, inside TLS, on the one port that firewalls leave open:
 *
 *   443 ─▶ listener ─▶ conn ─▶ TLS ─▶ conn ─┬─ HTTP ─▶ http_service ─┬─▶ the site, for strangers
 *                                           │                        └─▶ session: a lane
 *                                           │                               │ frames
 *                                           │                               ▼
 *                                           └─ STUN ─▶ endpoint      endpoint, one a flow
 *                                                         │                 │
 *   3478 by UDP ──────────────────────────────────────────┴──▶   turn   ◀───┘
 *                                                             │        │
 *              another allocation here, in memory (hairpin) ◀─┘        └─▶ relay ─▶ UDP peers
 *
 * conn tells by the first bytes, outside and then inside TLS, what a connection is. All of this
 * lives on a worker (worker.c): one loop, one thread, no locks. There is one for each processor
 * (crew.c); what belongs to another one's tunnel or relayed address goes to him by post.c. This
 * file owns what workers share and what a process has once: settings, signals, the admin port.
 */
#include "edge.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drain.h"
#include "edge_admin.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/notify.h"
#include "sallyport/process.h"
#include "sallyport/sock.h"

_Static_assert(SP_KEYS_WHY_MAX == SP_SHARED_WHY_MAX, "one buffer for whoever has something to say");

#define SPARE_FDS 64 /* listeners, the loop, files that are read, the admin port */

struct edge {
    const struct sp_edge_config *config;
    struct ev_loop *loop;
    struct sp_rng rng;
    struct sp_shared *shared;
    struct sp_relay_ips *relay_ips;
    struct sp_crew *crew;
    struct sp_tls_validity certificate; /* that is served */
    struct sp_ticker ticker;            /* of signals, the end, and the admin port */
    struct sp_edge_view view;
    struct sp_admin *admin;
    struct sp_drain drain;
    ev_signal on_term, on_int, on_hup;
};

static void on_end_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct edge *e = watcher->data;
    (void)loop;
    (void)events;

    sp_notify(SP_NOTIFY_STOPPING);
    sp_drain_ask(&e->drain);
}

static void on_ended(void *arg)
{
    struct edge *e = arg;
    ev_break(e->loop, EVBREAK_ALL);
}

/* It is served all the same: a clock may be wrong, and clients judge by theirs. */
static void say_certificate(const struct edge *e)
{
    const struct sp_tls_validity *v = &e->certificate;
    uint64_t now_s = sp_clock_unix_s();

    if (v->until_s != 0 && now_s > v->until_s)
        sp_log_warn(&e->config->log,
                    "the certificate has expired: gateways and browsers refuse this server",
                    SP_F_STR("until", v->until));
    else if (now_s < v->from_s)
        sp_log_warn(&e->config->log,
                    "the certificate is not valid yet: gateways and browsers refuse this server",
                    SP_F_STR("from", v->from));
}

static void set_keys(struct sp_worker *w, void *arg)
{
    sp_worker_set_keys(w, arg);
}

static void reload(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct edge *e = watcher->data;
    struct sp_keys *keys;
    char why[SP_KEYS_WHY_MAX];
    (void)loop;
    (void)events;

    if (sp_keys_load(&e->config->keys, &e->rng, &keys, why) != 0) {
        sp_log_error(&e->config->log, "nothing was reread", SP_F_STR("reason", why));
        return;
    }
    sp_crew_each(e->crew, set_keys, keys);
    sp_log_info(&e->config->log, "certificate, secrets and users reread");
    e->certificate = keys->certificate;
    say_certificate(e);
    sp_keys_unref(keys);
}

static void watch_signals(struct edge *e)
{
    ev_signal_init(&e->on_term, on_end_signal, SIGTERM);
    ev_signal_init(&e->on_int, on_end_signal, SIGINT);
    ev_signal_init(&e->on_hup, reload, SIGHUP);
    e->on_term.data = e->on_int.data = e->on_hup.data = e;
    ev_signal_start(e->loop, &e->on_term);
    ev_signal_start(e->loop, &e->on_int);
    ev_signal_start(e->loop, &e->on_hup);
}

/* One line, for whoever started us and waits. */
static void say_ready(const struct edge *e)
{
    const struct sp_worker_config *c = &e->config->worker;
    char text[SP_ADDR_STRLEN];

    printf("ready");
    for (size_t i = 0; i < c->n_listen; i++)
        printf(" tcp %s", sp_addr_format(sp_crew_listen(e->crew, i), text));
    for (size_t i = 0; i < c->n_listen_udp; i++)
        printf(" udp %s", sp_addr_format(sp_crew_listen_udp(e->crew, i), text));
    for (size_t i = 0; i < c->n_relay_ips; i++)
        printf(" relay %s%s", sp_addr_format_ip(&c->relay_ips[i].public_, text),
               c->min_port == 0 ? " (virtual)" : "");
    if (e->admin != NULL)
        printf(" admin %s", sp_addr_format(sp_admin_local(e->admin), text));
    printf("\n");
    fflush(stdout);
    sp_notify(SP_NOTIFY_READY);
}

/* 0, or the exit status, with one line in `why`. */
static int start_workers(struct edge *e, char why[static SP_SHARED_WHY_MAX])
{
    const struct sp_edge_config *c = e->config;
    const struct sp_worker_config *w = &c->worker;
    struct sp_worker_share share = {.shared = e->shared, .log = &c->log};
    int err = sp_keys_load(&c->keys, &e->rng, &share.keys, why);

    if (err != 0)
        return err == SP_ENOMEM ? 1 : 2;
    err = sp_relay_ips_new(w->relay_ips, w->n_relay_ips, w->min_port, w->max_port, &e->relay_ips);
    if (err != 0) {
        sp_keys_unref(share.keys);
        snprintf(why, SP_SHARED_WHY_MAX, "no memory");
        return 1;
    }
    share.relay_ips = e->relay_ips;
    e->certificate = share.keys->certificate;
    err = sp_crew_new(c->workers, w, &share, &e->crew, why);
    sp_keys_unref(share.keys); /* they hold them by themselves */
    return err == 0 ? 0 : 1;
}

static int start(struct edge *e, char why[static SP_SHARED_WHY_MAX])
{
    const struct sp_edge_config *c = e->config;
    char text[SP_ADDR_STRLEN];

    e->loop = ev_default_loop(EVFLAG_AUTO);
    if (e->loop == NULL) {
        snprintf(why, SP_SHARED_WHY_MAX, "cannot start an event loop");
        return 1;
    }
    sp_rng_system_init(&e->rng);
    sp_ticker_init(&e->ticker, e->loop);
    int err = sp_shared_new(&c->shared, &e->shared, why);
    if (err != 0)
        return err == SP_EINVAL ? 2 : 1;
    int status = start_workers(e, why);
    if (status != 0)
        return status;
    e->view = (struct sp_edge_view){.crew = e->crew,
                                    .ticker = &e->ticker,
                                    .config = &c->worker,
                                    .certificate = &e->certificate,
                                    .start_unix_s = sp_clock_unix_s()};
    if (c->has_admin && sp_edge_admin_open(&e->view, &c->log, &c->admin, &e->admin) != 0) {
        snprintf(why, SP_SHARED_WHY_MAX, "cannot listen on %s (--admin): %m%s",
                 sp_addr_format(&c->admin, text), sp_sock_listen_advice(errno));
        return 1;
    }
    sp_drain_init(&e->drain, &c->drain, e->crew, &e->ticker, &c->log, on_ended, e);
    watch_signals(e);
    return 0;
}

/* Everything that wants privileges is done. */
static int confine(const struct edge *e, char why[static SP_SHARED_WHY_MAX])
{
    const struct sp_keys_config *c = &e->config->keys;
    const struct sp_confine_file files[] = {
        {"--cert", c->cert_file, false},
        {"--key", c->key_file, false},
        {"--secret-file", c->secret_file, false},
        {"--user-file", c->user_file, false},
    };

    return sp_confine(&e->config->confine, files, SP_ARRAY_LEN(files), &e->config->log, why);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Some descriptors are for us. A client by TCP or TLS takes one, and its relayed address another,
 * if it has a socket; behind a gateway or by UDP there is only that. */
static void say_room(const struct edge *e)
{
    const struct sp_worker_config *c = &e->config->worker;
    struct sp_process_usage u;

    sp_process_usage(&u);
    uint64_t room = u.max_fds > SPARE_FDS ? u.max_fds - SPARE_FDS : 0;
    uint64_t clients = c->bounds.allocations, sockets = c->min_port != 0;

    if (sockets && clients > 1ull + c->max_port - c->min_port)
        clients = 1ull + c->max_port - c->min_port;

    sp_log_info(&e->config->log, "room for clients", SP_F_UINT("descriptors", u.max_fds),
                SP_F_UINT("by_tls", least(clients, room / (1 + sockets))),
                SP_F_UINT("behind_gateways", sockets ? least(clients, room) : clients));
}

#define WITHOUT_GATEWAY "congestion control for who comes without a gateway"

/* As who we are from now on. */
static void say_congestion(const struct edge *e)
{
    const struct sp_edge_config *c = e->config;
    const struct sp_stream_congestion *cc = &c->worker.turn_congestion;
    const char *wanted = cc->name != NULL ? cc->name : cc->on_loss;
    char name[SP_CONGESTION_MAX];

    if (!(c->shared.serve & (SP_SERVE_TURN | SP_SERVE_ICE_TCP)))
        return;
    if (sp_sock_try_congestion(wanted, name) != 0) {
        /* Who named one expects it. */
        SP_LOG_AT(&c->log, cc->name != NULL ? SP_LOG_WARN : SP_LOG_INFO, WITHOUT_GATEWAY,
                  SP_F_STR("name", name), SP_F_STR("wanted", wanted),
                  SP_F_STR("reason", strerrordesc_np(errno)));
    } else if (cc->on_loss != NULL) {
        (void)sp_sock_try_congestion(NULL, name);
        sp_log_info(&c->log, WITHOUT_GATEWAY, SP_F_STR("name", name),
                    SP_F_STR("on_loss", cc->on_loss));
    } else {
        sp_log_info(&c->log, WITHOUT_GATEWAY, SP_F_STR("name", name));
    }
}

int sp_edge_run(const struct sp_edge_config *c)
{
    struct edge e = {.config = c};
    char why[SP_SHARED_WHY_MAX];
    int status = start(&e, why);

    if (status == 0 && confine(&e, why) != 0)
        status = 1;
    if (status == 0 && sp_crew_start(e.crew) != 0) {
        snprintf(why, sizeof why, "cannot start %u threads (--workers): %m", c->workers);
        status = 1;
    }
    if (status == 0) {
        say_room(&e);
        say_congestion(&e);
        say_certificate(&e);
        say_ready(&e);
        ev_run(e.loop, 0);
        sp_log_info(&c->log, "stopped");
    } else {
        fprintf(stderr, "sallyport-server: %s\n", why);
    }
    sp_admin_close(e.admin);
    sp_crew_free(e.crew);
    sp_drain_fini(&e.drain);
    if (e.ticker.loop != NULL)
        sp_ticker_fini(&e.ticker);
    sp_relay_ips_free(e.relay_ips);
    sp_shared_free(e.shared);
    return status;
}
