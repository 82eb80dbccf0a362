/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What arrives on a TCP port, told by its first bytes: one table of probes before TLS, one inside.
 * Pure: a probe sees bytes and says yes, no, or not yet. Knows no connection.
 */
#ifndef SALLYPORT_SERVER_DEMUX_H
#define SALLYPORT_SERVER_DEMUX_H

#include <stdbool.h>

#include "sallyport/bytes.h"

enum sp_proto {
    SP_PROTO_NONE, /* nothing that this port serves */
    SP_PROTO_TLS,
    SP_PROTO_TURN, /* STUN, as TURN over TCP begins with it */
    SP_PROTO_ICE,  /* STUN behind its length, as ICE-TCP begins (RFC 6544 section 3) */
    SP_PROTO_HTTP,
};

/* What the operator lets a port serve (--serve). HTTP is always known: strangers meet a site. */
#define SP_SERVE_TUNNEL  (1u << 0)
#define SP_SERVE_TURN    (1u << 1)
#define SP_SERVE_SITE    (1u << 2)
#define SP_SERVE_ICE_TCP (1u << 3)
#define SP_SERVE_API     (1u << 4)

/* A first check by ICE-TCP is no longer than that: two fragments of 256 characters fit. */
#define SP_DEMUX_ICE_MAX 1023

/* No probe needs more than this many bytes to make up its mind. */
#define SP_DEMUX_MAX 16

/*
 * Judges the first bytes of a connection. 0: *out says what it is (SP_PROTO_NONE: all probes said
 * no). SP_EMORE: some probe can't tell yet.
 */
int sp_demux(struct sp_span first, bool inside_tls, unsigned serve, enum sp_proto *out);

#endif
