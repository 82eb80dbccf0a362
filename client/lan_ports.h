/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP ports that an edge asked for, each for one end of a rendezvous session (lan_port.h): open
 * beside the addresses where the gateway listens, for whoever may use the gateway. Each address
 * that sends a check there gets a flow of kind session, unchanged; the edge finds out by its
 * USERNAME whose it is, and decides whom to believe. A port lives as long as the edge renews it.
 */
#ifndef SALLYPORT_CLIENT_LAN_PORTS_H
#define SALLYPORT_CLIENT_LAN_PORTS_H

#include "access.h"
#include "env.h"
#include "sallyport/control.h"
#include "sallyport/tunnel.h"

struct sp_lan_ports;

struct sp_lan_ports_config {
    const struct sp_cidr *lan; /* who besides this host may use it; borrowed */
    size_t n_lan;
    size_t max_ports; /* ends that may be open at once */
    /* The i-th address where the gateway listens, or NULL. */
    const struct sp_addr *(*listens)(const void *arg, size_t i);
    const void *arg;
};

struct sp_lan_ports_counters {
    uint64_t opened, closed, refused; /* ends; refused: at the bound, or no port to be had */
    uint64_t datagrams_in, datagrams_out;
    uint64_t early;           /* checks that were answered here as well */
    uint64_t early_swallowed; /* answers of far ends to these, which went no further */
    uint64_t denied;          /* from elsewhere than this host and --lan */
    uint64_t not_ice;         /* the first of an address, and no check */
    uint64_t no_flow;         /* the tunnel could not open one */
    uint64_t evicted;         /* addresses that had to make room for another one */
};

/* SP_ENOMEM. */
int sp_lan_ports_new(const struct sp_client_env *env, const struct sp_lan_ports_config *c,
                     struct sp_lan_ports **out);
/* Flows are not closed. NULL is fine. */
void sp_lan_ports_free(struct sp_lan_ports *p);

/* As in sp_links_events: SP_CONTROL_MALFORMED, SP_CONTROL_FULL, or 0 and where it listens. */
unsigned sp_lan_ports_asked(struct sp_lan_ports *p, struct sp_tunnel *t, struct sp_span question,
                            uint8_t answer[static SP_CONTROL_BODY_MAX], size_t *len,
                            uint64_t now_us);

/* Of a flow of kind SP_FLOW_SESSION. */
void sp_lan_ports_datagrams(struct sp_lan_ports *p, struct sp_flow *f, const struct sp_span *d,
                            size_t n);
void sp_lan_ports_flow_closed(struct sp_lan_ports *p, struct sp_flow *f);
/* Its ports close; its flows are no more. */
void sp_lan_ports_tunnel_gone(struct sp_lan_ports *p, const struct sp_tunnel *t);
/* All of them close, and their flows. */
void sp_lan_ports_stop(struct sp_lan_ports *p);
void sp_lan_ports_network_changed(struct sp_lan_ports *p);

size_t sp_lan_ports_count(const struct sp_lan_ports *p);
const struct sp_lan_ports_counters *sp_lan_ports_counters(const struct sp_lan_ports *p);

#endif
