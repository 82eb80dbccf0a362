/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TURN client's connection, by TCP or TLS, for thousands of them in one process. As a browser's:
 * TCP_NODELAY, a record a message, and when the socket is full a queue of 64 KiB that refuses what
 * does not fit. Unlike a browser's, what was sent in one turn leaves by one call of the system.
 */
#ifndef SALLYPORT_TEST_LOAD_STREAM_H
#define SALLYPORT_TEST_LOAD_STREAM_H

#include <ev.h>
#include <stdbool.h>

#include "sallyport/addr.h"
#include "sallyport/buf.h"
#include "sallyport/tls.h"

struct load_stream;

struct load_stream_events {
    void (*up)(struct load_stream *s, void *arg);
    /* A whole STUN or ChannelData message; valid during the call. */
    void (*message)(struct load_stream *s, struct sp_span msg, void *arg);
    /* Why it is of no use any more. It must not be freed from here. */
    void (*failed)(struct load_stream *s, const char *why, void *arg);
};

struct load_stream {
    struct ev_loop *loop;
    const struct load_stream_events *events;
    void *arg;
    int fd;
    ev_io readable, writable;
    struct sp_tls *tls; /* NULL: plain */
    struct sp_buf in,
        out; /* plain bytes not yet a message; what the socket has not taken, if plain */
    bool up;
    uint64_t refused;
};

/* Connects from `from`, with TLS if there is a `tls`, to a server that calls itself edge.test. */
void load_stream_open(struct load_stream *s, struct ev_loop *loop, const struct sp_addr *from,
                      const struct sp_addr *to, struct sp_tls_ctx *tls,
                      const struct load_stream_events *events, void *arg);
void load_stream_close(struct load_stream *s);

/* Takes a message with its padding. It leaves when it is flushed. False: refused. */
bool load_stream_put(struct load_stream *s, struct sp_span msg);
void load_stream_flush(struct load_stream *s);

#endif
