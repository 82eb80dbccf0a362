/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets, non-blocking and close-on-exec, with the options that media wants. On failure the calls
 * return SP_ESYS with errno set, and leave nothing open.
 */
#ifndef SALLYPORT_SOCK_H
#define SALLYPORT_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"

struct sp_sock_options {
    bool reuse_port;    /* several workers listen on one port */
    bool dont_fragment; /* UDP: set DF */
    int rcvbuf, sndbuf; /* bytes; 0: the system's default */
};

/* Bound UDP socket; a wildcard address tells the local address of each datagram (IP_PKTINFO).
 * `[::]` takes IPv4 as well, and falls back to 0.0.0.0 where there is no IPv6; *bound says what it
 * became, port included. `o` may be NULL. */
int sp_sock_udp(const struct sp_addr *local, const struct sp_sock_options *o, int *fd,
                struct sp_addr *bound);

/* Its buffers anew. */
void sp_sock_set_buffers(int fd, const struct sp_sock_options *o);
/* Drops what has come and was not read, or the first of it. */
void sp_sock_discard(int fd);

/* Listening TCP socket; the same fallback. */
int sp_sock_listen(const struct sp_addr *local, const struct sp_sock_options *o, int *fd,
                   struct sp_addr *bound);

/* What to do when nobody can listen there, by errno: a clause to put behind strerror's text; ""
 * when there is nothing to say. */
const char *sp_sock_listen_advice(int err);

/* Starts a connection: 0 with a socket that becomes writable when it is through (sp_sock_error). */
int sp_sock_connect(const struct sp_addr *remote, int *fd);
int sp_sock_error(int fd); /* SO_ERROR: 0 or an errno */

/*
 * How much the kernel may hold that was never sent (TCP_NOTSENT_LOWAT). What lies there can be
 * neither dropped nor overtaken: 25 ms of a 5 Mbit/s video. It must last from the moment that the
 * kernel wakes us, at half of it, until we have written again: at 100 Mbit/s 0.6 ms, which is
 * enough.
 */
#define SP_SOCK_NOTSENT_MAX 16384

/* TCP_NODELAY, TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT, keep-alive: as lanes and TURN/TCP want it. */
int sp_sock_tune_stream(int fd);

/*
 * Beyond that, what two ends want who both acknowledge at once: retransmission a little after a
 * round trip, not 200 ms after it (a lane carries too little for TCP to see a loss by what comes
 * after it); no growing patience as long as little is on the way; acknowledgements within 8 ms, as
 * far as the kernel has such options. True: it has that last one; otherwise sp_sock_ack_now is
 * wanted after each read.
 */
bool sp_sock_tune_lane(int fd);
/*
 * Where there is a queue on the way, which round trips grow with, what is late is not lost yet:
 * retransmission so soon would be for nothing, and would make the queue longer still.
 */
void sp_sock_expect_queue(int fd, bool queue);
void sp_sock_ack_now(int fd);

/*
 * The only connection that somebody has, and so what voice and video share: no more than
 * SP_SOCK_NOTSENT_SOLE unsent in the kernel, since on a lossy link, where a round trip carries some
 * ten segments, 16 KB would be 80 ms that voice waits behind video. The far end is a browser's,
 * which is free with its acknowledgements: sooner retransmission and acknowledgements, as lanes
 * have, were measured to be of no use.
 */
#define SP_SOCK_NOTSENT_SOLE 4096
void sp_sock_tune_sole(int fd);

/* Of a connection; a name as the kernel has it. SP_ESYS: it has not, or keeps it for root, and
 * nothing has changed. */
#define SP_CONGESTION_MAX 16 /* bytes of a name, with the end */
int sp_sock_set_congestion(int fd, const char *name);
int sp_sock_congestion(int fd, char name[static SP_CONGESTION_MAX]);
/* Whether that congestion control is to be had (NULL: the system's), and the name of what a
 * connection has then, which is the system's where it is not. SP_ESYS, with errno. */
int sp_sock_try_congestion(const char *name, char got[static SP_CONGESTION_MAX]);

/*
 * How much of it there is unsent, how much more would leave at once, as the path's window is now,
 * without adding to it, at most SP_SOCK_BURST_MAX; and how many segments were sent, and of these
 * again, since the connection began. SP_ESYS: not TCP.
 */
#define SP_SOCK_BURST_MAX 16384
struct sp_sock_burst {
    size_t notsent, at_once;
    uint32_t segments, retransmits;
};
int sp_sock_burst(int fd, struct sp_sock_burst *out);

/* How much of it there is. SP_ESYS: not TCP. */
int sp_sock_notsent(int fd, size_t *out);
/* Bytes that have come and were not read. SP_ESYS: not a socket. */
int sp_sock_unread(int fd, size_t *out);

int sp_sock_local(int fd, struct sp_addr *out);
int sp_sock_remote(int fd, struct sp_addr *out);

/* What a TCP connection holds and how it fares (TCP_INFO, SIOCOUTQ). */
struct sp_sock_tcp {
    uint32_t unacked_bytes; /* sent or waiting in the kernel, not acknowledged */
    uint32_t notsent_bytes;
    uint32_t rtt_us;
    uint64_t acked_bytes;     /* since the start: progress */
    uint32_t retransmits;     /* total */
    uint32_t window_segments; /* of 1,460 bytes at most: so many leave at once if written next */
};
int sp_sock_tcp_info(int fd, struct sp_sock_tcp *out);

/* The address of the default route of a family, as this host would send from. SP_ENOENT: none. */
int sp_sock_default_addr(uint16_t family, struct sp_addr *out);

/* All addresses of this host, port 0; writes at most `cap`, returns how many there are. */
size_t sp_sock_own_addrs(struct sp_addr *out, size_t cap);
/* Whether it is one of them (of the first 256); the port does not matter. */
bool sp_sock_is_own(const struct sp_addr *a);

#endif
