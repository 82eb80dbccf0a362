/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One event loop and all that lives on it: listening sockets, connections, tunnels, the TURN
 * engine, relayed addresses, timers. A worker shares nothing that is written on the data path; its
 * index stands in tunnel ids and nonces, so that more of them change no interface.
 */
#ifndef SALLYPORT_SERVER_WORKER_H
#define SALLYPORT_SERVER_WORKER_H

#include <ev.h>

#include "api.h"
#include "commons.h"
#include "conn.h"
#include "ends.h"
#include "http_service.h"
#include "relay.h"
#include "session.h"
#include "shared.h"

#define SP_LISTEN_MAX 16

struct sp_worker_config {
    uint16_t index;
    struct sp_addr listen[SP_LISTEN_MAX], listen_udp[SP_LISTEN_MAX];
    size_t n_listen, n_listen_udp;
    const struct sp_relay_ip *relay_ips;
    size_t n_relay_ips;
    uint16_t min_port, max_port; /* 0: virtual relayed addresses */
    uint64_t linger_us, session_idle_us;
    struct sp_stream_congestion turn_congestion; /* sp_env's */
    struct sp_bounds bounds;
    bool share_ports; /* with other workers, or with each other */
};

/* What it has in common with others. */
struct sp_worker_share {
    const struct sp_shared *shared;
    const struct sp_relay_ips *relay_ips; /* made of the config's */
    struct sp_keys *keys;                 /* counted up */
    const struct sp_log *log;
    struct sp_commons *commons;
    struct sp_post_office *office; /* NULL: it is alone */
};

struct sp_worker;

/* Binds and listens; nothing is read until the loop runs. On an error `why` names the address or
 * setting in one line: SP_ESYS when the system refused. */
int sp_worker_new(struct ev_loop *loop, const struct sp_worker_config *c,
                  const struct sp_worker_share *share, struct sp_worker **out,
                  char why[static SP_SHARED_WHY_MAX]);

/* One line of what could not be done with `a` (or NULL), and why; returns `err`. */
int sp_worker_say(char why[static SP_SHARED_WHY_MAX], const char *what, const struct sp_addr *a,
                  int err);

/* Takes nothing new: no tunnel, no allocation, no second request on a connection of the site. It
 * goes on listening, so that tunnels can replace their lanes. `fn` is called from the loop when no
 * allocation is left, which may be at once. */
typedef void sp_worker_fn(struct sp_worker *w, void *arg);
void sp_worker_drain(struct sp_worker *w, const struct sp_turn_alternates *alternates,
                     sp_worker_fn *fn, void *arg);

/* Ends allocations, tunnels and TURN connections in good order, and listens no more. `fn` is called
 * from the loop when all are closed, or have taken too long for it (2 s). */
void sp_worker_stop(struct sp_worker *w, sp_worker_fn *fn, void *arg);

/* Ends everything on it; the loop stays the caller's. */
void sp_worker_free(struct sp_worker *w);

/* Other keys (counted up), for all that begins from now on. Between two loop turns only. */
void sp_worker_set_keys(struct sp_worker *w, struct sp_keys *keys);

/* What it listens on, ports filled in; `i` below the config's counts. */
const struct sp_addr *sp_worker_listen(const struct sp_worker *w, size_t i);
const struct sp_addr *sp_worker_listen_udp(const struct sp_worker *w, size_t i);

struct sp_ends *sp_worker_ends(struct sp_worker *w);
struct sp_ticker *sp_worker_ticker(struct sp_worker *w);
const struct sp_sessions *sp_worker_sessions(const struct sp_worker *w);

/* A picture of it, for /metrics and /status: what stands here stands in metrics.c, too. */
struct sp_worker_stats {
    uint64_t allocations, tunnels, lanes, flows;
    uint64_t rendezvous_sessions;
    uint64_t draining; /* 1: it takes nothing new */
    struct sp_turn_counters turn;
    struct sp_conns_counters conns;
    struct sp_sessions_counters sessions;
    struct sp_rdv_counters rendezvous;
    struct sp_ends_counters ends;
    struct sp_relays_counters relays;
    struct sp_http_counters http;
    struct sp_api_counters api;
    struct sp_demo_counters demo;
    struct sp_fallback_counters fallback;
    struct sp_bound_hits bounds;
    struct sp_post_counters post;
    uint64_t accept_pauses, udp_received, udp_sent, udp_dropped, udp_late, udp_overflowed;
    uint64_t turn_pushed_out, turn_crowded; /* connections that had no allocation yet */
    uint64_t turn_dropped;                  /* messages that clients by TCP and TLS did not read */
};
void sp_worker_stats(const struct sp_worker *w, struct sp_worker_stats *out);

#endif
