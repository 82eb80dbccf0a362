/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP sockets on a loop: everything that is there is received in one go and handed on as a batch,
 * at most 32 a call; what is sent is collected and leaves by sendmmsg at the end of the loop turn,
 * or at once when the batch is full. What the kernel puts together of one sender's (UDP_GRO) is
 * taken apart here, and what is alike leaves in one piece (UDP_SEGMENT). Answers leave from the
 * address that was asked. Knows no protocol.
 */
#ifndef SALLYPORT_DGRAM_H
#define SALLYPORT_DGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"
#include "sallyport/sock.h"
#include "sallyport/ticker.h"

struct sp_dgram; /* one socket */

struct sp_dgram_in {
    struct sp_addr remote, local; /* local: the address it was sent to */
    struct sp_span body;          /* valid during the call */
};

typedef void sp_dgram_input_fn(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n,
                               void *arg);

struct sp_dgram_counters {
    uint64_t received, sent, dropped_full, dropped_error, truncated;
    uint64_t dropped_late; /* not among `received` */
};

/*
 * Receive and send buffers, shared by all sockets of a worker: one set, not one per socket.
 * Datagrams of up to 65,535 bytes are received whole.
 */
struct sp_dgram_pool;
int sp_dgram_pool_new(struct sp_ticker *ticker, struct sp_dgram_pool **out);
void sp_dgram_pool_free(struct sp_dgram_pool *p); /* after its sockets */

/* When one of its sockets has last dropped something that came too late, 0: never; and since when
 * they do without two seconds between. Once may be a machine that stood still; for longer: more
 * arrives than can be carried. */
uint64_t sp_dgram_pool_late_us(const struct sp_dgram_pool *p, uint64_t *since_us);

/* Binds and starts to read. SP_ESYS with errno. */
int sp_dgram_open(struct sp_dgram_pool *pool, const struct sp_addr *local,
                  const struct sp_sock_options *o, sp_dgram_input_fn *fn, void *arg,
                  struct sp_dgram **out);
/* The same with a socket that is bound already, whose buffers become those of `o`. On an error it
 * is still the caller's. */
int sp_dgram_adopt(struct sp_dgram_pool *pool, int fd, const struct sp_sock_options *o,
                   sp_dgram_input_fn *fn, void *arg, struct sp_dgram **out);
/* Safe from within its own input call. What was collected for sending is sent before. */
void sp_dgram_close(struct sp_dgram *d);

/*
 * From now on a datagram that has waited longer than that for being read is dropped, since a full
 * loop lets the oldest wait longest; but for those of which `keep` (may be NULL) says that they are
 * worth something all the same. Where the kernel doesn't tell when they came, all are read.
 */
typedef bool sp_dgram_keep_fn(struct sp_span body);
void sp_dgram_limit_age(struct sp_dgram *d, uint64_t max_age_us, sp_dgram_keep_fn *keep);

/* How many came for which the kernel had no room; what it had put together counts once. */
uint64_t sp_dgram_overflowed(const struct sp_dgram *d);

const struct sp_addr *sp_dgram_local(const struct sp_dgram *d);
const struct sp_dgram_counters *sp_dgram_counters(const struct sp_dgram *d);

/*
 * Sends the concatenation of `n` parts as one datagram; the bytes are copied. `local` (may be NULL)
 * is the address to send from. A full socket buffer drops it, counted: late is worthless.
 */
void sp_dgram_send(struct sp_dgram *d, const struct sp_addr *remote, const struct sp_addr *local,
                   const struct sp_span *parts, size_t n);

/* Whether IPv4 datagrams sent from now on carry DF (RFC 8656 section 14.8); those collected before
 * leave first. */
void sp_dgram_set_dont_fragment(struct sp_dgram *d, bool on);

#endif
