/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TURN client that came by something with a life of its own: a TCP or TLS connection, or a flow
 * of a tunnel. Joins that transport to the TURN engine, both ways. (A client by UDP needs none: its
 * five-tuple says all.) Without an allocation and idle for 30 s, it ends.
 */
#ifndef SALLYPORT_SERVER_ENDPOINT_H
#define SALLYPORT_SERVER_ENDPOINT_H

#include "env.h"
#include "guests.h"
#include "sallyport/stream.h"
#include "sallyport/tunnel.h"

struct sp_endpoint;

/* TURN over TCP or TLS. Takes over the stream and what waits in it. It is kept in `owner`'s list,
 * and leaves it by itself when it ends. Until it has had an allocation it is one of `guests`, where
 * others may push it out. SP_ENOMEM, SP_EFULL (its address has had its share): the stream is still
 * the caller's. */
int sp_endpoint_from_stream(const struct sp_env *env, struct sp_stream *s, struct sp_list *owner,
                            struct sp_guests *guests);

/* It got an allocation: its user is known, and it is nobody's guest any more. The allocation need
 * not be looked up until sp_endpoint_deallocated. */
void sp_endpoint_allocated(struct sp_endpoint *ep, struct sp_turn_alloc *alloc);

/* The endpoint that this guest is. */
struct sp_endpoint *sp_endpoint_of_guest(struct sp_guest *guest);

/* TURN on a flow; becomes the flow's user. When idle it closes the flow. `subject` (borrowed) is
 * whose tunnel it is. */
int sp_endpoint_from_flow(const struct sp_env *env, struct sp_flow *f, const char *subject,
                          struct sp_list *owner);

/* Whose tunnel it came by; NULL for a connection. */
const char *sp_endpoint_subject(const struct sp_endpoint *ep);

/* The server drains. Flows that hold no allocation are closed at once, so that their gateway opens
 * them elsewhere; others a moment after theirs has ended (sp_endpoint_deallocated), when its last
 * answer has come through. */
void sp_endpoint_drain_all(struct sp_list *owner);
/* Its allocation has ended. */
void sp_endpoint_deallocated(struct sp_endpoint *ep);

/* All of an owner's end in good order: flows are closed, connections finished within `timeout_us`.
 * An endpoint leaves the list when it has ended, flows at once. */
void sp_endpoint_finish_all(struct sp_list *owner, uint64_t timeout_us);

/* Datagrams of its flow. */
void sp_endpoint_input(struct sp_endpoint *ep, const struct sp_span *msgs, size_t n);

/* To the client, from the engine's emit; `out` is what the path's `via` pointed to. */
void sp_endpoint_send(struct sp_endpoint *ep, const struct sp_span *parts, size_t n);

/* Ends its allocation and its connection; a flow is left alone (its tunnel ends it). */
void sp_endpoint_free(struct sp_endpoint *ep);

/* All of an owner's. */
void sp_endpoint_free_all(struct sp_list *owner);

#endif
