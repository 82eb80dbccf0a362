/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far side of a TCP or TLS connection, in the test's own loop: what it sends, what it got, how
 * it ended. And one that speaks UDP.
 */
#ifndef SALLYPORT_TEST_PEER_H
#define SALLYPORT_TEST_PEER_H

#include "io_loop.h"
#include "sallyport/addr.h"
#include "sallyport/buf.h"
#include "sallyport/stream.h"

struct peer {
    struct io_loop *loop;
    struct sp_stream *s; /* NULL when it was closed or given away */
    struct sp_tls_ctx *tls;
    struct sp_buf got;
    size_t wanted, told; /* bytes of `got`: waited for; of the last message */
    bool holds;          /* takes nothing out of the stream: it is given away, or reads no more */
    bool up, ended;
    int why;
    char text[64]; /* the same in words */
};

/* Connects, with TLS if there is a `tls`, to a server that calls itself edge.test; whether it got
 * through. */
bool peer_connect(struct peer *p, struct io_loop *l, const struct sp_addr *to,
                  struct sp_tls_ctx *tls);
/* On a connected socket, plain. */
void peer_open(struct peer *p, struct io_loop *l, int fd);
/* All of it must be taken at once. */
void peer_send(struct peer *p, const void *bytes, size_t len);
void peer_say(struct peer *p, const char *text);
/* Waits until `n` bytes are there that peer_forget has not seen; false when it ended before, or
 * after 10 s. */
bool peer_got(struct peer *p, size_t n);
void peer_forget(struct peer *p);
/* Waits for the next STUN message or ChannelData: valid until the next call. */
bool peer_message(struct peer *p, struct sp_span *out);
/* Waits for the end. */
bool peer_ended(struct peer *p);
void peer_close(struct peer *p);

/* Waits for a whole HTTP answer, with a body as long as it says; copies it, as a string, without
 * its Date, and forgets it. Its status, or 0. */
unsigned peer_answer(struct peer *p, char *text, size_t cap);

/* Two ends of a TCP connection on loopback, connected and tuned. */
void tcp_pair(int fds[static 2]);

struct udp_peer {
    int fd;
    struct sp_addr addr;
    uint8_t bytes[65536];
    size_t len;
    struct sp_addr from; /* of the last one */
};

/* "127.0.0.1" */
void udp_peer_open(struct udp_peer *u, const char *ip);
void udp_peer_send(struct udp_peer *u, const struct sp_addr *to, struct sp_span bytes);
/* Waits for the next datagram. */
bool udp_peer_recv(struct udp_peer *u, struct io_loop *l);
/* Whether none comes for that long. */
bool udp_peer_silent(struct udp_peer *u, struct io_loop *l, unsigned ms);
void udp_peer_close(struct udp_peer *u);

#endif
