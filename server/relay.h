/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Relayed addresses: takes ports and opens their UDP sockets for the TURN engine, and brings it
 * what arrives there. With virtual addresses there are numbers and no sockets. Knows no
 * allocation beyond its handle.
 */
#ifndef SALLYPORT_SERVER_RELAY_H
#define SALLYPORT_SERVER_RELAY_H

#include "env.h"
#include "relay_ips.h"

struct sp_relays;

struct sp_relays_counters {
    uint64_t opened, refused;
    uint64_t dropped;    /* datagrams that the kernel did not take */
    uint64_t overflowed; /* datagrams from peers that it had no room for */
    uint64_t late;       /* datagrams from peers that waited too long */
};

/* `ips` is borrowed; the first of a family serves it. Tells the engine which addresses are ours.
 * SP_ENOMEM. */
int sp_relays_new(const struct sp_env *env, const struct sp_relay_ips *ips, struct sp_relays **out);
/* After the engine has ended its allocations. */
void sp_relays_free(struct sp_relays *r);

/* The engine's effects of the same names (turn.h). */
int sp_relays_open(struct sp_relays *r, const struct sp_turn_relay_request *want,
                   struct sp_turn_alloc *alloc, struct sp_turn_relay *out);
void sp_relays_close(struct sp_relays *r, const struct sp_turn_relay *relay);
void sp_relays_end_reservation(struct sp_relays *r, const struct sp_addr *local);

/* To a peer, by the handle that sp_relays_open gave. */
void sp_relays_send(void *relay, const struct sp_addr *peer, bool dont_fragment,
                    const struct sp_span *parts, size_t n);

/* The sum over all relays that there are and were. */
void sp_relays_counters(const struct sp_relays *r, struct sp_relays_counters *out);

#endif
