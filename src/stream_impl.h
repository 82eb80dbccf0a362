/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the stream share: stream.c (what happens to it, and what its owner asks of it)
 * and stream_io.c (how bytes get to and from the socket, and in what memory they lie meanwhile).
 * Nobody else includes this.
 */
#ifndef SALLYPORT_STREAM_IMPL_H
#define SALLYPORT_STREAM_IMPL_H

#include "sallyport/losses.h"
#include "sallyport/stream.h"

enum state {
    CONNECTING,
    SHAKING, /* TLS */
    OPEN,
    FINISHING,
    ENDED,
};

/* What the owner has to be told, in this order. */
enum news { ESTABLISHED = 1, INPUT = 2, HEARD_ALL = 4, WRITABLE = 8, CLOSED = 16 };

struct sp_stream {
    uint32_t magic;
    enum state state;
    struct sp_ticker *ticker; /* NULL: between two loops */
    struct sp_stream_events ev;
    void *arg;
    struct sp_addr remote, local;
    int fd;
    ev_io io;
    struct sp_timer timer;    /* of connecting, of the handshake, of finishing */
    struct sp_deferred work;  /* something happened outside of the loop's calls */
    struct sp_deferred ready; /* the socket has something */
    struct sp_buf in, out;    /* plain; under TLS `out` is what was written before it */
    struct sp_tls *tls;       /* NULL: plain */
    size_t unsent_max;        /* what the kernel may hold unsent … */
    size_t room;              /* … less what it may hold by now */
    struct sp_losses losses;
    const char *on_loss;           /* congestion control while it has many; NULL: as ever */
    char usual[SP_CONGESTION_MAX]; /* the one that it has otherwise */
    unsigned news;
    bool lent;      /* its buffers of input lie in the loop's scratch memory */
    bool corked;    /* what was put goes at the end of the loop turn */
    uint8_t *block; /* of the loop's, in which the output lies until it is flushed; or NULL */
    bool ack_now;   /* after each read */
    bool behind;    /* some of it was unsent when it was last asked */
    bool blocked;   /* the owner has been, or will be, told a room of 0 */
    bool look;      /* TLS may have something to say: new input, or new space for it */
    bool more;      /* the last read took all it could: there may be more */
    bool eof;       /* the other side sends no more */
    bool said_all, fin_sent;
    const char *heard_all;   /* nothing will be added to `in`, and why; NULL: it may */
    int end_code, end_errno; /* for `closed` */
    const char *end_text;    /* or NULL: TLS's, or of end_errno */
    bool *freed;             /* within a callback: set when it is freed, or leaves */
};

/* --- stream_io.c ---------------------------------------------------------------------------- */

/* It has ended, once: the owner is to be told that code, and text or TLS's or errno's. */
void stream_end(struct sp_stream *s, int code, const char *text);
void stream_end_by_errno(struct sp_stream *s, int err);

/* NULL: plain. */
struct sp_buf *stream_cipher_out(const struct sp_stream *s);
/* Before something is put. */
void stream_lend_out(struct sp_stream *s);
/* False: no memory for what is left. */
bool stream_settle_out(struct sp_stream *s);
/* So much has not left the kernel: what there is room for follows from it. */
void stream_know_unsent(struct sp_stream *s, size_t unsent);
void stream_ask_room(struct sp_stream *s);
void stream_ask_burst(struct sp_stream *s);
void stream_flush(struct sp_stream *s);

/* How much may be read now. */
size_t stream_read_room(const struct sp_stream *s);
void stream_read(struct sp_stream *s);
/* The owner has had his turn. */
void stream_settle(struct sp_stream *s);

#endif
