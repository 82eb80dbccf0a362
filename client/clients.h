/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local clients that have, or may get, a flow: UDP ones found by the address pair they use, TCP
 * ones by their connection; bounded, the least recently used known. Pure: opens no flow and ends
 * none.
 */
#ifndef SALLYPORT_CLIENT_CLIENTS_H
#define SALLYPORT_CLIENT_CLIENTS_H

#include <stddef.h>

#include "sallyport/addr.h"
#include "sallyport/dgram.h"
#include "sallyport/list.h"
#include "sallyport/map.h"
#include "sallyport/msg_stream.h"
#include "sallyport/rng.h"
#include "sallyport/tunnel.h"

/* Where a client is and where it asked: answers go from the second to the first. */
struct sp_client_pair {
    struct sp_addr remote, local;
};

struct sp_client {
    struct sp_client_pair pair;
    struct sp_flow *flow;      /* NULL: a connection that has not said anything yet */
    struct sp_dgram *udp;      /* the socket that was asked, or NULL … */
    struct sp_msg_stream *tcp; /* … and this, owned by whoever put it here */
    void *owner;
    struct sp_map_node node;
    struct sp_link used;
};

struct sp_clients {
    struct sp_map udp;
    struct sp_list used; /* the least recently used first */
    size_t n, max;
};

void sp_clients_init(struct sp_clients *c, size_t max, struct sp_rng *rng);
/* All clients must have been removed. */
void sp_clients_fini(struct sp_clients *c);

/* UDP clients. */
struct sp_client *sp_clients_find(struct sp_clients *c, const struct sp_client_pair *pair);

/* A new one, zeroed but for its pair. A UDP one (`udp` not NULL) can be found. SP_EFULL: at the
 * bound, make room first; SP_EEXIST; SP_ENOMEM. */
int sp_clients_add(struct sp_clients *c, const struct sp_client_pair *pair, struct sp_dgram *udp,
                   struct sp_client **out);
void sp_clients_remove(struct sp_clients *c, struct sp_client *cl); /* frees it */

void sp_clients_touch(struct sp_clients *c, struct sp_client *cl);
struct sp_client *sp_clients_oldest(const struct sp_clients *c); /* NULL when empty */

#endif
