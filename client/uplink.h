/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps lanes to one server: does what the plan (plan.h) says is next, by dialling (dial.h), and
 * lets what it gets join the tunnel. Says in the log what goes wrong, and what is probably the
 * reason. Knows nothing of flows and of who sends what.
 */
#ifndef SALLYPORT_CLIENT_UPLINK_H
#define SALLYPORT_CLIENT_UPLINK_H

#include "env.h"
#include "plan.h"
#include "proxy.h"
#include "sallyport/stream_lane.h"
#include "sallyport/tls_ctx.h"
#include "sallyport/tunnel.h"
#include "url.h"

struct sp_uplink;

struct sp_uplink_config {
    const struct sp_server_url *servers; /* borrowed, as all of these */
    size_t n_servers;
    const struct sp_proxy *proxies; /* one for each server; without a host: straight */
    const char *token_file;         /* reread for each try; NULL: take `token` */
    const char *token;
    unsigned lanes; /* at most */
    /* NULL, or the one of them that drains: the first tunnel is looked for elsewhere first. */
    const struct sp_server_url *drained;
};

struct sp_uplink_events {
    /*
     * The server made a tunnel. Returns the end here that lanes shall join; it replaces the one
     * that was returned before (whose flows the server has forgotten), if any. NULL: no memory.
     */
    struct sp_tunnel *(*tunnel_made)(void *arg);
    /* All connections are closed, after sp_uplink_stop; or, after sp_uplink_retire, the server does
     * not know the tunnel any more. */
    void (*stopped)(void *arg);
};

/* Starts with the next loop turn. `tls` is counted up. SP_ENOMEM. */
int sp_uplink_new(const struct sp_client_env *env, const struct sp_uplink_config *config,
                  struct sp_tls_ctx *tls, const struct sp_uplink_events *events, void *arg,
                  struct sp_uplink **out);
/* Cuts all connections; the tunnel must still be there. */
void sp_uplink_free(struct sp_uplink *u);

/* Other trust, from the next connection on. */
void sp_uplink_set_tls(struct sp_uplink *u, struct sp_tls_ctx *tls);

/* To be told when the tunnel says so. */
void sp_uplink_lane_suspect(struct sp_uplink *u, const struct sp_lane *lane);

/* To be told when this host's network has become another (network.h), with the addresses it has
 * now. A lane that left from another address is lost, the other ones are asked whether they live,
 * and what failed before is tried again at once. */
void sp_uplink_network_changed(struct sp_uplink *u, const struct sp_addr *own, size_t n);

/* No other tunnel is made from now on; lanes of the one there is are replaced as ever. Harmless the
 * second time. */
void sp_uplink_retire(struct sp_uplink *u);

/* The same: the tunnel has a use for so many lanes. It gets no more than are configured, and not
 * fewer than a few; those it has no use for any more are kept for a while. */
void sp_uplink_want(struct sp_uplink *u, unsigned lanes);

/* Tries nothing any more, and closes what is open in good order; `stopped` follows, from the loop.
 */
void sp_uplink_stop(struct sp_uplink *u);

/* The tunnel has a lane that carries datagrams. */
bool sp_uplink_is_up(const struct sp_uplink *u);

/* For /status. NULL: no tunnel yet. */
const struct sp_server_url *sp_uplink_server(const struct sp_uplink *u);
struct sp_stream *sp_uplink_lane_stream(const struct sp_uplink *u, unsigned lane); /* NULL: none */

struct sp_uplink_counters {
    uint64_t tries, tries_failed, tunnels_made, network_changes;
};
const struct sp_uplink_counters *sp_uplink_counters(const struct sp_uplink *u);

#endif
