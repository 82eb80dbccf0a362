/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the ends share: ends.c (vias, other workers), ends_tcp.c (connections whose
 * session is looked for). Nobody else includes this.
 */
#ifndef SALLYPORT_SERVER_ENDS_IMPL_H
#define SALLYPORT_SERVER_ENDS_IMPL_H

#include "ends.h"
#include "guests.h"
#include "sallyport/map.h"
#include "sallyport/msg_stream.h"

enum via_kind { VIA_TCP, VIA_UDP, VIA_FLOW, VIA_OTHER };

#define NO_OWNER UINT16_MAX /* no session is known yet */

/* Names a via for two workers: the one that has the transport, and its number there. */
struct via_key {
    uint64_t handle, worker;
};
struct via_pair {
    struct sp_addr remote, local;
};

/*
 *   path here:                       transport here, session here
 *   path here, kind VIA_OTHER:       transport at key.worker, session here
 *   no path, `owner` another worker: transport here, session there: a porter
 *   no path, NO_OWNER:               a flow whose session is not known yet
 */
struct sp_via {
    struct sp_ends *all;
    enum via_kind kind;
    struct sp_rdv_path *path;
    unsigned owner;
    struct via_key key;
    struct sp_map_node key_node; /* of VIA_OTHER and of porters */
    struct sp_link porter;       /* of porters */
    uint64_t last_us;            /* of porters: when something went either way */
    struct sp_msg_stream *stream;
    struct sp_dgram *dgram;
    struct via_pair pair;
    struct sp_map_node by_pair; /* of VIA_UDP */
    struct sp_flow *flow;
    struct sp_link owned; /* of VIA_FLOW: by its tunnel */
};

struct sp_ends {
    struct sp_env env;
    struct sp_ends_config config;
    struct sp_rdv *registry;
    void (*drained)(void *arg);
    void *arg;
    struct sp_map by_key, by_pair;
    struct sp_list porters;
    struct sp_timer sweep; /* of porters that nobody uses */
    uint64_t last_handle;
    struct sp_guests guests; /* connections whose session is not known yet */
    struct sp_ends_counters counters;
};

/* The session is here. NULL: no memory. */
struct sp_via *via_new_here(struct sp_ends *e, enum via_kind kind, const struct sp_rdv_spot *spot);
/* Forgets it; its transport stays. */
void via_free(struct sp_via *v);
/* Its transport has ended: whoever has the session is told. */
void via_lost(struct sp_via *v);
void via_input(struct sp_via *v, struct sp_span datagram, uint64_t now_us);

/* ends_tcp.c */
void newcomers_free_all(struct sp_ends *e);

#endif
