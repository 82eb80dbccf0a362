/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two streams (sallyport/stream.h) on one loop, joined by a connection over loopback, that note
 * what becomes of them. What a test of streams can't do without is asserted here, by Check.
 */
#ifndef SALLYPORT_TEST_STREAM_RIG_H
#define SALLYPORT_TEST_STREAM_RIG_H

#include "io_loop.h"
#include "sallyport/stream.h"
#include "tls_files.h"

/* One end of a connection, and what happened to it. */
struct stream_end {
    struct sp_stream *s;
    int established, inputs, writables, closes, why;
    char text[256];
    struct sp_buf got; /* all that was consumed */
    bool hold;         /* consume nothing */
    bool greet;        /* write something as soon as it is established */
    bool tls_on_hello; /* the first byte decides, as on a port that serves both */
    bool leave;        /* its loop, when something has come */
    struct sp_tls_ctx *ctx;
    enum { NEVER, IN_ESTABLISHED, IN_INPUT, IN_WRITABLE, IN_CLOSED } free_when;
};

struct stream_rig {
    struct io_loop loop;
    int listening;
    struct sp_addr addr;
    struct stream_end a, b; /* a connects to b */
    struct tls_files files;
    struct sp_tls_ctx *server, *client;
};

/* What the ends hear by: consumes, answers or frees as its end says. */
extern const struct sp_stream_events stream_rig_events;

/* A listener, and the certificates; nothing is connected yet. */
void stream_rig_open(struct stream_rig *r);
void stream_rig_close(struct stream_rig *r);
void stream_end_free(struct stream_end *e);

/* The next connection to the listener, as its descriptor: the caller's. */
int stream_rig_accept(struct stream_rig *r);

/* Connected, without TLS, with it, or as the test's round says; and a connection that goes over to
 * TLS. */
void stream_rig_plain(struct stream_rig *r);
void stream_rig_tls(struct stream_rig *r);
void stream_rig_as(struct stream_rig *r, bool tls);
void stream_rig_go_tls(struct stream_rig *r);

/* For io_loop_until, with the rig: a is established, or closed. */
bool stream_rig_a_up(void *rig);
bool stream_rig_a_closed(void *rig);
bool stream_rig_b_closed(void *rig);

/* Runs its loop until that end has consumed so many bytes; false when they don't come. */
bool stream_end_got(struct io_loop *loop, const struct stream_end *e, size_t len);

/* Bytes of a pattern, from an offset on; and: this is the pattern, so long. */
void stream_rig_fill(uint8_t *p, size_t len, size_t from);
void stream_rig_check(const struct sp_buf *b, size_t len);

#endif
