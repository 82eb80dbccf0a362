/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TURN engine (RFC 8656, RFC 8489; 5766's channel range): one for all transports. Datagrams
 * and the time go in; datagrams to clients and to peers come out in batches. It does no I/O: relay
 * sockets are opened by its owner on request, time arrives with each call, deadlines live in the
 * owner's timer queue. Knows nothing of tunnels: a flow is a transport like UDP, TCP and TLS.
 *
 * A datagram to a relayed address of this engine is handed to that allocation in memory (hairpin):
 * permissions of both sides are checked as on the wire, and no socket sees it.
 */
#ifndef SALLYPORT_SERVER_TURN_H
#define SALLYPORT_SERVER_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"
#include "sallyport/rng.h"
#include "sallyport/timerq.h"
#include "turn_types.h"

struct sp_turn;
struct sp_turn_auth;   /* turn_auth.h */
struct sp_peer_policy; /* peer_policy.h */

/* Everything given is borrowed and must outlive the engine. SP_ENOMEM. */
int sp_turn_new(const struct sp_turn_config *config, const struct sp_turn_auth *auth,
                const struct sp_peer_policy *policy, struct sp_timerq *timers, struct sp_rng *rng,
                struct sp_turn **out);

/* Before the first input. `effects` is copied; all of them must be there but
 * hand_over and busy. */
void sp_turn_set_effects(struct sp_turn *t, const struct sp_turn_effects *effects, void *arg);

/* Who may allocate from now on; what runs goes on, and is refreshed by who is in the new one. */
void sp_turn_set_auth(struct sp_turn *t, const struct sp_turn_auth *auth);

/* An address that relays of this server have: `local` as sockets are bound to it, `public_` as
 * peers are told it (the same without a NAT); ports don't matter. Clients may have permissions and
 * channels for it, since hairpin answers there, although the policy denies the server's own
 * addresses; but not where the operator has refused it by name or prefix. What goes to a port of it
 * that is no relayed address of this engine is judged by the policy. SP_ENOMEM. */
int sp_turn_add_relay_ip(struct sp_turn *t, const struct sp_addr *local,
                         const struct sp_addr *public_);

/* Makes no allocation from now on. Who asks for one is sent to an alternate of his family (300, RFC
 * 8489 section 10), or is told that there is no capacity (508) when there is none or he came by a
 * flow: what is behind a gateway can reach nothing else. What runs goes on. */
void sp_turn_drain(struct sp_turn *t, const struct sp_turn_alternates *a);

/* Ends all allocations (relay_close and alloc_end are called). */
void sp_turn_end_all(struct sp_turn *t);

/* Ends all allocations (relay_close and alloc_end are called), then frees. */
void sp_turn_free(struct sp_turn *t);

/* `n` messages (STUN or ChannelData, each whole) from one client. Garbage is counted and dropped.
 * `unix_s` is for credentials that expire. */
void sp_turn_from_client(struct sp_turn *t, const struct sp_turn_path *path,
                         const struct sp_span *msgs, size_t n, uint64_t now_us, uint64_t unix_s);

/* The same from the client of this allocation, which the owner remembers from alloc_begin until
 * alloc_end, as far as it is ChannelData: returns how many messages at the front were. */
size_t sp_turn_from_alloc(struct sp_turn_alloc *a, const struct sp_span *msgs, size_t n,
                          uint64_t now_us);

/* `n` datagrams that arrived on an allocation's relay, each with its sender. */
void sp_turn_from_peer(struct sp_turn *t, struct sp_turn_alloc *alloc,
                       const struct sp_addr *relay_local, const struct sp_turn_peer_dgram *d,
                       size_t n, uint64_t now_us);

/* A datagram that another engine of this server handed over: hairpin between two of them. */
void sp_turn_from_other(struct sp_turn *t, const struct sp_addr *relayed,
                        const struct sp_turn_peer_dgram *d, uint64_t now_us);

/* The path is gone (connection closed, flow ended): its allocation ends. Harmless without one. */
void sp_turn_path_gone(struct sp_turn *t, const struct sp_turn_path *path);
bool sp_turn_path_has_alloc(struct sp_turn *t, const struct sp_turn_path *path);

/* About an allocation, from alloc_begin until alloc_end has returned. */
const struct sp_turn_path *sp_turn_alloc_path(const struct sp_turn_alloc *a);
struct sp_span sp_turn_alloc_username(const struct sp_turn_alloc *a);
uint64_t sp_turn_alloc_begun_us(const struct sp_turn_alloc *a);
const struct sp_turn_usage *sp_turn_alloc_usage(const struct sp_turn_alloc *a);
/* Its relay of that family (SP_IPV4 or SP_IPV6), or NULL. */
const struct sp_turn_relay *sp_turn_alloc_relay(const struct sp_turn_alloc *a, uint16_t family);

const struct sp_turn_counters *sp_turn_counters(const struct sp_turn *t);
size_t sp_turn_alloc_count(const struct sp_turn *t);

#endif
