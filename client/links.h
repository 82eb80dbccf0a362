/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's tunnels, each with the lanes that lead to it: the one in use, where flows are
 * opened, and beside it those whose server drains, as long as there are flows left on them. So the
 * calls that a server waits for stay where they are, and new ones begin elsewhere.
 *
 *     one in use ──its server drains──▶ one more, beside a new one in use ──no flow is left──▶ gone
 *
 * Knows nothing of who is behind a flow.
 */
#ifndef SALLYPORT_CLIENT_LINKS_H
#define SALLYPORT_CLIENT_LINKS_H

#include "uplink.h"

struct sp_links;

struct sp_links_events {
    /* As in sp_tunnel_events, of any of the tunnels. */
    void (*datagrams)(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                      void *arg);
    void (*flow_closed)(struct sp_flow *f, unsigned code, void *arg);
    /* May be NULL: nothing is understood. */
    unsigned (*asked)(struct sp_tunnel *t, struct sp_span question,
                      uint8_t answer[static SP_CONTROL_BODY_MAX], size_t *len, uint64_t now_us,
                      void *arg);
    /* From now on this is the tunnel in use; first told by sp_links_new. */
    void (*tunnel_in_use)(struct sp_tunnel *t, void *arg);
    /* This one is about to be freed: its flows may not be used after this. */
    void (*tunnel_gone)(struct sp_tunnel *t, void *arg);
    /* All connections are closed, after sp_links_stop. */
    void (*stopped)(void *arg);
};

/* All is borrowed, but `tls` counted up. Starts with the next loop turn. SP_ENOMEM. */
int sp_links_new(const struct sp_client_env *env, const struct sp_uplink_config *config,
                 struct sp_tls_ctx *tls, const struct sp_links_events *events, void *arg,
                 struct sp_links **out);
/* Cuts everything, without an event. NULL is fine. */
void sp_links_free(struct sp_links *all);

/* As in uplink.h, for all. */
void sp_links_set_tls(struct sp_links *all, struct sp_tls_ctx *tls);
void sp_links_network_changed(struct sp_links *all, const struct sp_addr *own, size_t n);

/* Says good-bye to the servers, and closes what is open in good order; `stopped` follows, from the
 * loop. */
void sp_links_stop(struct sp_links *all);

/* The one in use. */
struct sp_tunnel *sp_links_tunnel(const struct sp_links *all);
const struct sp_uplink *sp_links_uplink(const struct sp_links *all);

/* When its server made its end of it; 0 before. */
uint64_t sp_links_made_us(const struct sp_links *all);

/* Of those that drain. */
size_t sp_links_draining(const struct sp_links *all);
size_t sp_links_draining_flows(const struct sp_links *all);

/* Sums over all that are and were. */
void sp_links_counters(const struct sp_links *all, struct sp_tunnel_counters *tunnel,
                       struct sp_uplink_counters *uplink);

#endif
