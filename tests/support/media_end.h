/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One end of a media path, on a host (a network namespace) of its own: a plain UDP socket; a TURN
 * client with an allocation and one channel, by UDP or by TLS; or an ICE agent with one ICE-TCP
 * connection (RFC 6544, active) to a rendezvous session. By TCP it is as a browser is, and stays so
 * whatever sallyport does: a datagram a write (and TLS record), TCP_NODELAY, and when the socket is
 * full a queue of 64 KiB that refuses what does not fit. Opening and joining block; the rest does
 * not.
 */
#ifndef SALLYPORT_TEST_MEDIA_END_H
#define SALLYPORT_TEST_MEDIA_END_H

#include <stdbool.h>

#include "ice_user.h"
#include "sallyport/buf.h"
#include "sallyport/tls.h"
#include "turn_user.h"

enum media_end_kind { MEDIA_END_DIRECT, MEDIA_END_UDP, MEDIA_END_TLS, MEDIA_END_ICE_TCP };

struct media_end {
    const char *target;
    enum media_end_kind kind;
    int fd;
    struct sp_addr addr; /* its own, of a direct one; else the server's */
    struct sp_tls *tls;
    struct sp_buf out;   /* by plain TCP: what waits for the socket */
    struct sp_buf plain; /* by TCP and TLS: what came, not yet a whole message */
    struct turn_user user;
    int answer; /* to the last request; -1: none yet */
    struct ice_user ice;
    uint64_t check_us; /* when the next check is due */
    uint64_t refused;
};

typedef void media_end_input_fn(const uint8_t *data, size_t len, void *arg);

/*
 * `target` is NETNS, a comma (NETNS empty: this one) and
 *
 *     direct:ADDR:PORT                  its own address
 *     udp:ADDR:PORT  tls:ADDR:PORT      of a server that knows the TURN user test:test
 *     ice-tcp:ADDR:PORT,OWN,FAR         of a server that knows a session of both UFRAG:PASSWORD
 *
 * It must stay. `number` is another one for each end; 1 has the controlling role of ICE. What goes
 * wrong ends the process with a line that names the target.
 */
void media_end_open(struct media_end *e, const char *target, struct sp_tls_ctx *tls,
                    uint32_t number);
void media_end_close(struct media_end *e);

/* They send to each other from now on: each knows the other's address, or its channel is bound, or
 * checks have gone both ways and their answers, too. */
void media_ends_join(struct media_end *a, struct media_end *b);

/* False: refused. Asks for consent, too, when that is due. */
bool media_end_send(struct media_end *e, struct sp_span data);
/* Hands on all datagrams that are there; answers checks. */
void media_end_read(struct media_end *e, media_end_input_fn *fn, void *arg);

/* Whether to wait for room; then media_end_flush. */
bool media_end_waits(const struct media_end *e);
void media_end_flush(struct media_end *e);

#endif
