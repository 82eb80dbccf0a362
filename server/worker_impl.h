/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of a worker have in common: worker.c (what it is made of, its life), worker_in.c
 * (what comes to it, and who takes that), worker_turn.c (what the TURN engine does to the world),
 * worker_end.c (how it drains and stops), worker_stats.c (its picture). Nobody else includes this.
 */
#ifndef SALLYPORT_SERVER_WORKER_IMPL_H
#define SALLYPORT_SERVER_WORKER_IMPL_H

#include "own_addrs.h"
#include "sallyport/listener.h"
#include "worker.h"

/* How it comes to an end: worker_end.c's. */
struct sp_worker_ending {
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
    struct sp_worker_ending ending;
    struct sp_listener *listeners[SP_LISTEN_MAX];
    struct sp_dgram *udp[SP_LISTEN_MAX];
};

/* --- of worker_in.c -------------------------------------------------------------------------- */

/* Who takes connections once the door knows what they are; their `arg` is the worker. */
extern const struct sp_conn_takers sp_worker_takers;

/* To the other workers; `office` may be NULL. */
int sp_worker_open_post(struct sp_worker *w, struct sp_post_office *office);

/* Binds and listens; an error is in `why`, and what was opened stays for the closing. */
int sp_worker_open_ports(struct sp_worker *w, char why[static SP_SHARED_WHY_MAX]);
void sp_worker_close_ports(struct sp_worker *w);

/* --- of worker_turn.c ------------------------------------------------------------------------ */

/* Makes the engine and the relayed addresses; an error is in `why`. */
int sp_worker_start_turn(struct sp_worker *w, char why[static SP_SHARED_WHY_MAX]);

/* --- of worker_end.c ------------------------------------------------------------------------- */

void sp_worker_ending_init(struct sp_worker *w);
/* Nobody is told any more. */
void sp_worker_ending_fini(struct sp_worker *w);
/* Something has gone that a worker waits for that drains. */
void sp_worker_tell_if_drained(struct sp_worker *w);

#endif
