/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's local side: listens where browsers look for their TURN server, by UDP and TCP on
 * the same port, and gives each of them a flow: a UDP source address one, a TCP connection one.
 * What they send goes into their flow unchanged, what the flow brings goes back to them, from the
 * address they asked. Looks at no more than whether it could be STUN or ChannelData, so that a port
 * scan opens no flow.
 */
#ifndef SALLYPORT_CLIENT_LOCAL_H
#define SALLYPORT_CLIENT_LOCAL_H

#include <stddef.h>

#include "env.h"
#include "sallyport/addr.h"
#include "sallyport/tunnel.h"

struct sp_local;

struct sp_local_config {
    const struct sp_cidr *lan; /* who besides this host may use it; borrowed */
    size_t n_lan;
    size_t max_clients; /* beyond, the one that was silent for longest loses its flow */
};

struct sp_local_counters {
    uint64_t datagrams_in, datagrams_out; /* by UDP and TCP */
    uint64_t clients_opened, clients_evicted;
    uint64_t denied;   /* from elsewhere than this host and --lan */
    uint64_t not_turn; /* neither STUN nor ChannelData, or a beginning without STUN */
    uint64_t no_flow;  /* the tunnel could not open one */
    uint64_t dropped;  /* messages that clients by TCP did not read */
};

int sp_local_new(const struct sp_client_env *env, const struct sp_local_config *config,
                 struct sp_local **out);
/* Closes connections and sockets; flows are left to the tunnel. NULL is fine. */
void sp_local_free(struct sp_local *l);

/* Listens, UDP and TCP. Port 0: one that both have free. SP_ESYS: errno says why, and *transport
 * is "udp" or "tcp". SP_ENOMEM, SP_EFULL: too many addresses. */
#define SP_LOCAL_PORTS_MAX 16
int sp_local_listen(struct sp_local *l, const struct sp_addr *addr, const char **transport);
/* Where it listens; NULL from the end on. */
const struct sp_addr *sp_local_addr(const struct sp_local *l, size_t i);

bool sp_local_listens_on(const struct sp_local *l, const struct sp_addr *addr);

/* This host has other addresses than before. */
void sp_local_network_changed(struct sp_local *l);

/* Where flows are opened from now on; those of another tunnel stay where they are. Must be given
 * before the loop runs. */
void sp_local_set_tunnel(struct sp_local *l, struct sp_tunnel *t);

/* The flows of this one are gone; clients that had one are dropped. */
void sp_local_tunnel_gone(struct sp_local *l, const struct sp_tunnel *t);

/* Closes all flows, and tells the far side so; opens none any more. */
void sp_local_stop(struct sp_local *l);

/* What the tunnel tells (sp_tunnel_events). */
void sp_local_datagrams(struct sp_local *l, struct sp_flow *f, const struct sp_span *d, size_t n,
                        uint64_t now_us);
void sp_local_flow_closed(struct sp_local *l, struct sp_flow *f);

size_t sp_local_client_count(const struct sp_local *l);
const struct sp_local_counters *sp_local_counters(const struct sp_local *l);

#endif
