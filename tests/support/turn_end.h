/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One end of a media path, on a host (a network namespace) of its own: a plain UDP socket, or a
 * TURN client with an allocation and one channel, by UDP or by TLS. By TLS it is as a browser is,
 * and stays so whatever sallyport does: a record a datagram, TCP_NODELAY, and when the socket is
 * full a queue of 64 KiB that refuses what does not fit. Opening blocks; the rest does not.
 */
#ifndef SALLYPORT_TEST_TURN_END_H
#define SALLYPORT_TEST_TURN_END_H

#include <stdbool.h>

#include "sallyport/buf.h"
#include "sallyport/tls.h"
#include "turn_user.h"

struct turn_end {
    const char *target;
    int fd;
    bool direct;
    struct sp_addr addr; /* of a direct one */
    struct sp_tls *tls;  /* NULL: UDP */
    struct sp_buf plain; /* what came, not yet a whole message */
    struct turn_user user;
    int answer; /* to the last request; -1: none yet */
    uint64_t refused;
};

typedef void turn_end_input_fn(const uint8_t *data, size_t len, void *arg);

/*
 * `target` is "NETNS,udp:ADDR:PORT" or "NETNS,tls:ADDR:PORT" of a server that knows the user
 * test:test, or "NETNS,direct:ADDR:PORT", its own address; NETNS empty: this one. It must stay.
 * `number` is another one for each end. What goes wrong ends the process with a line that names the
 * target.
 */
void turn_end_open(struct turn_end *e, const char *target, struct sp_tls_ctx *tls, uint32_t number);
void turn_end_close(struct turn_end *e);

/* Where the other end has to send: the relayed address, or its own. */
struct sp_addr turn_end_address(const struct turn_end *e);
/* To whom it sends from now on. */
void turn_end_join(struct turn_end *e, const struct sp_addr *peer);

/* False: refused. */
bool turn_end_send(struct turn_end *e, struct sp_span data);
/* Hands on all datagrams that are there. */
void turn_end_read(struct turn_end *e, turn_end_input_fn *fn, void *arg);

/* Whether to wait for room; then turn_end_flush. */
bool turn_end_waits(const struct turn_end *e);
void turn_end_flush(struct turn_end *e);

#endif
