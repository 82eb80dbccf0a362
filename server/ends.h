/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the ends of rendezvous sessions reach one worker: ICE-TCP connections (RFC 6544, passive,
 * with the frames of RFC 4571), UDP addresses, flows of gateways; and what other workers pass on of
 * theirs. Each becomes a path of the registry (rendezvous.h), which decides on all that goes by it.
 * Here is whatever has a descriptor, a tunnel or a ring.
 *
 * A session lives on one worker, its owner. A connection that comes to another is handed over,
 * whole; datagrams that come to another go through the rings (post.h), as hairpin's do. Who owns
 * what is told to all when it begins, and again every few seconds: looking it up touches nothing
 * that is shared, and what is lost does no harm for long.
 */
#ifndef SALLYPORT_SERVER_ENDS_H
#define SALLYPORT_SERVER_ENDS_H

#include "env.h"
#include "relay_ips.h"
#include "rendezvous.h"
#include "sallyport/dgram.h"
#include "sallyport/stream.h"
#include "sallyport/tunnel.h"

struct sp_ends;
struct sp_via; /* a path's transport */

struct sp_ends_config {
    uint64_t idle_us;                    /* --session-idle */
    const struct sp_relay_ip *relay_ips; /* which of our addresses is known by which others */
    size_t n_relay_ips;
    const struct sp_addr *listen_udp; /* as they are bound */
    size_t n_listen_udp;
    bool ice_tcp; /* is served */
};

struct sp_ends_counters {
    uint64_t ice_tcp;         /* connections that became a path, or went to another worker */
    uint64_t ice_tcp_unknown; /* whose USERNAME was not known in time, or that said nothing */
    uint64_t ice_tcp_crowded, ice_tcp_pushed_out; /* too many of these */
    uint64_t udp, flows;                          /* addresses and flows that became a path */
    uint64_t asked, asked_in_vain;                /* gateways, for a port */
    uint64_t flows_unknown;  /* datagrams of flows whose USERNAME was not known in time */
    uint64_t stream_dropped; /* what waited in vain for ICE-TCP connections */
};

/* `drained` is called from the loop when the last session has ended; may be NULL. SP_ENOMEM. */
int sp_ends_new(const struct sp_env *env, const struct sp_ends_config *c,
                void (*drained)(void *arg), void *arg, struct sp_ends **out);
/* After tunnels, which know of their flows here. */
void sp_ends_free(struct sp_ends *e);

/* No session is made from now on. */
void sp_ends_drain(struct sp_ends *e);
/* Ends all sessions; none is made any more. By no UDP socket is anything sent from then on. */
void sp_ends_finish(struct sp_ends *e);

struct sp_rdv *sp_ends_registry(struct sp_ends *e);
const struct sp_ends_counters *sp_ends_counters(const struct sp_ends *e);

/* --- what comes ----------------------------------------------------------------------------- */

/* A connection that begins like ICE-TCP. SP_ENOMEM, SP_EFULL (of its address): it is still the
 * caller's. A USERNAME that is not known yet may become so for two seconds, since browsers
 * check as soon as they tell theirs; then it is closed without a word. */
int sp_ends_take(struct sp_ends *e, struct sp_stream *s);

/* Whether only TURN may have sent it: browsers speak both by one socket, and an address that is a
 * session's must not lose its allocations for it. */
bool sp_ends_is_turn(const struct sp_ends *e, struct sp_span d);

/* Datagrams from one address to one of ours, none of which is TURN's. Whether they are a session's;
 * nobody else's then. A check whose USERNAME is not known yet is kept for a moment all the same. */
bool sp_ends_take_udp(struct sp_ends *e, struct sp_dgram *d, const struct sp_dgram_in *in,
                      size_t n);

/* What another worker's post_note brought. */
void sp_ends_note(struct sp_ends *e, unsigned from, struct sp_span note);

/* A flow of kind SP_FLOW_SESSION was opened; its user is the via from here on, which is in `owner`
 * as long as it lives. SP_ENOMEM. */
int sp_ends_flow_opened(struct sp_ends *e, struct sp_flow *f, struct sp_list *owner);
void sp_ends_flow_input(struct sp_via *v, const struct sp_span *d, size_t n);
/* The far side closed the flow. */
void sp_ends_flow_closed(struct sp_via *v);
/* The tunnel ends, its flows with it. */
void sp_ends_flows_gone(struct sp_list *owner);

/* --- gateways ------------------------------------------------------------------------------- */

/* A gateway that has a tunnel, to this worker or another. */
struct sp_ends_gateway {
    char name[SP_TOKEN_NAME_MAX + 1];    /* as its token says, or else the subject */
    char subject[SP_TOKEN_NAME_MAX + 1]; /* of that token */
    struct sp_addr from;
    uint64_t since_us;
};
struct sp_gate; /* one of them, as it is known here */

/* One of this worker's, and its tunnel. NULL: no memory. */
struct sp_gate *sp_ends_gateway_came(struct sp_ends *e, const struct sp_ends_gateway *about,
                                     struct sp_tunnel *t);
/* A lane of its tunnel has ended. NULL is fine. */
void sp_ends_gateway_lost_lane(struct sp_gate *g);
/* Before its tunnel is freed. NULL is fine. */
void sp_ends_gateway_left(struct sp_gate *g);

/* One after the other: first with NULL, NULL at the end. Valid until the loop is returned to. */
const struct sp_gate *sp_ends_gateway_next(const struct sp_ends *e, const struct sp_gate *before);
const struct sp_ends_gateway *sp_gate_about(const struct sp_gate *g);

/* 0: where it listens for this end. SP_ENOENT: no such gateway, or its tunnel ended, or has had no
 * lane for a second; SP_EFULL: it has no port left; SP_EDENIED: it does not do that; SP_ETIMEDOUT:
 * it said nothing for 3 s. */
typedef void sp_ends_gateway_fn(int err, const struct sp_addr *addrs, size_t n, void *arg);
struct sp_ends_ask;

struct sp_ends_whom {
    struct sp_span name, subject; /* subject: empty: of whomever */
};

/* Asks a gateway to open the end on its LAN, and to keep it open until the end is released. `fn` is
 * called later, from the loop, once, unless the ask is cancelled. The gateway that came last of
 * those with this name and subject. SP_ENOENT: there is none now, or it has had no lane for a
 * second; SP_EINVAL: nobody has joined the end; SP_ENOMEM. */
int sp_ends_ask_gateway(struct sp_ends *e, struct sp_rdv_session *s, unsigned end,
                        const struct sp_ends_whom *whom, sp_ends_gateway_fn *fn, void *arg,
                        struct sp_ends_ask **out);
void sp_ends_ask_cancel(struct sp_ends_ask *a);

/* --- what is told to browsers --------------------------------------------------------------- */

struct sp_ends_candidate {
    bool tcp;
    struct sp_addr addr;
};
#define SP_ENDS_CANDIDATES_MAX 8

/* Where an end without a gateway finds us. `local`: where its HTTP connection came to; told by the
 * address by which the world knows it. May be none. */
size_t sp_ends_candidates(const struct sp_ends *e, const struct sp_addr *local,
                          struct sp_ends_candidate out[static SP_ENDS_CANDIDATES_MAX]);

#endif
