/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A byte stream on a loop: a TCP socket, plain or under TLS, which may begin later (a port that
 * serves both) and once. One read takes all that is there; what is written goes out at once if the
 * socket takes it, else waits within a bound. Knows no protocol above TLS.
 *
 * Finish, then tell: callbacks come last, and a stream may be freed from within any of them.
 */
#ifndef SALLYPORT_STREAM_H
#define SALLYPORT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/buf.h"
#include "sallyport/sock.h"
#include "sallyport/ticker.h"
#include "sallyport/tls.h"

struct sp_stream;

struct sp_stream_events {
    /* The connection is up, or TLS is (each time it was asked for). May be NULL. */
    void (*established)(struct sp_stream *s, void *arg);
    /* Bytes wait in sp_stream_in; consume what is whole. Not consumed ones stay, and count against
     * the input bound: a full input stops reading until something is consumed. */
    void (*input)(struct sp_stream *s, void *arg);
    /* There is room again after sp_stream_room was 0. May be NULL. */
    void (*writable)(struct sp_stream *s, void *arg);
    /* The end: SP_ECLOSED (the other side, in good order), SP_ESYS, SP_ETLS, SP_ETIMEDOUT.
     * Nothing comes after it; the owner frees the stream. */
    void (*closed)(struct sp_stream *s, int why, void *arg);
    /* The other side has said all it will ever say (FIN, or close_notify), and may still read:
     * what it said has all come into sp_stream_in. The owner finishes or frees the stream. NULL:
     * it is the end, `closed` with SP_ECLOSED. */
    void (*half_closed)(struct sp_stream *s, void *arg);
};

/* Input bound of a stream: a largest frame or TURN message, and an HTTP head, fit. */
#define SP_STREAM_IN_MAX  (256 * 1024)
#define SP_STREAM_OUT_MAX (1024 * 1024) /* bytes that may wait for the socket */

/* Takes over `fd`, connected and tuned (sp_listener_fn); `established` is not called for it.
 * SP_ENOMEM: fd is still the caller's. */
int sp_stream_new(struct sp_ticker *ticker, int fd, const struct sp_stream_events *ev, void *arg,
                  struct sp_stream **out);

/* Connects; `established` or `closed` (SP_ESYS, SP_ETIMEDOUT) follows from the loop, also when the
 * system refuses at once. SP_ENOMEM. */
int sp_stream_connect(struct sp_ticker *ticker, const struct sp_addr *remote, uint64_t timeout_us,
                      const struct sp_stream_events *ev, void *arg, struct sp_stream **out);

/* Another owner, as when a port's first bytes have told what it is. Input that waits is not lost:
 * call `input` of the new owner yourself, or return to the loop and it is called. */
void sp_stream_set_events(struct sp_stream *s, const struct sp_stream_events *ev, void *arg);

/* TLS from here on. Bytes already read become ciphertext. `established` follows, or `closed`. */
int sp_stream_start_tls_server(struct sp_stream *s, struct sp_tls_ctx *ctx, uint64_t timeout_us);
int sp_stream_start_tls_client(struct sp_stream *s, struct sp_tls_ctx *ctx, const char *host,
                               uint64_t timeout_us);

/* Plain bytes received so far; consume with sp_buf_consume. Ask for it each time, also when you
 * consume outside of `input`: this is how a stream that was full learns that it has to look. */
struct sp_buf *sp_stream_in(struct sp_stream *s);
/* Whether the last read took all it could, and left some: the next turn of the loop takes that. */
bool sp_stream_has_more(const struct sp_stream *s);

/* Sends all of it; under TLS one record per call (up to 16 KiB). SP_EFULL: over the bound, nothing
 * was taken; SP_ENOMEM; SP_EAGAIN: not established yet; SP_ECLOSED: it has ended, is being
 * finished or was half closed. Never calls back from within. */
int sp_stream_write(struct sp_stream *s, struct sp_span bytes);

/* The same in two steps, so that several short records leave by one call of the system: when they
 * are flushed, or, after sp_stream_cork, at the end of this loop turn. */
int sp_stream_put(struct sp_stream *s, struct sp_span bytes);
void sp_stream_flush(struct sp_stream *s);
void sp_stream_cork(struct sp_stream *s);

/* How much may be written now so that nothing waits in this process behind a slow socket: 0 while
 * earlier bytes wait, here (but for the end of the turn) or (SP_SOCK_NOTSENT_MAX of them, or what
 * it was tuned to) unsent in the kernel, and until it is established; `writable` tells when that
 * ends. */
size_t sp_stream_room(struct sp_stream *s);

/* The same where `len` bytes want to leave together: what would go through the kernel at once does
 * not count as unsent in it, so that a picture takes one call of the system. What was put before
 * and not flushed counts. */
size_t sp_stream_room_for(struct sp_stream *s, size_t len);

/* Whether the kernel held bytes that could not leave yet when it was last asked, which is each time
 * that as much was put as may be unsent: what is put now goes behind them. */
bool sp_stream_is_behind(const struct sp_stream *s);

/*
 * Puts the concatenation of `n` parts, of at most SP_TLS_PARTS bytes, where there is room and what
 * is put takes no memory of the stream's; the caller flushes in this loop turn. SP_EAGAIN: there is
 * not, and nothing has happened; others as sp_stream_write.
 */
int sp_stream_pass(struct sp_stream *s, const struct sp_span *parts, size_t n);

/* Bytes (of ciphertext, under TLS) that wait in this process. */
size_t sp_stream_pending(const struct sp_stream *s);

/* From now on it is a tunnel's lane (sp_sock_tune_lane). */
void sp_stream_tune_lane(struct sp_stream *s);
/* Of a lane: sp_sock_expect_queue. */
void sp_stream_expect_queue(struct sp_stream *s, bool queue);
/* Names as the kernel has them, which stay valid. What is not to be had changes nothing. */
struct sp_stream_congestion {
    const char *name;    /* NULL: the system's */
    const char *on_loss; /* instead, while it loses packets all the time (losses.h); or NULL */
};
/* From now on it is the only connection that somebody has (sp_sock_tune_sole). */
void sp_stream_tune_sole(struct sp_stream *s, const struct sp_stream_congestion *c);

/* The kernel's side of it, from which the stream learns as well how much room there is. SP_ESYS. */
int sp_stream_tcp_info(struct sp_stream *s, struct sp_sock_tcp *out);

/* Sends what waits, then FIN, as who has said all and still listens. Of a plain stream only. */
void sp_stream_half_close(struct sp_stream *s);

/* Sends what waits, then close_notify and FIN, then `closed` when the other side has closed too;
 * bounded by `timeout_us` (SP_ECLOSED also when it then ends with all sent, SP_ETIMEDOUT
 * otherwise). Input is thrown away from here on. */
void sp_stream_finish(struct sp_stream *s, uint64_t timeout_us);

/* To another loop, in another thread: it leaves its own, which knows nothing of it from then on
 * (safe from within its callbacks), and enters the other, called from there. In between nothing may
 * be done with it but to free it. What was received stays; the new owner sets his events, and is
 * then called as after sp_stream_set_events. SP_ECLOSED: it is not established, is being finished,
 * or has ended, which its owner may hear only after what came before; it stays where it is. */
int sp_stream_leave(struct sp_stream *s);
void sp_stream_enter(struct sp_stream *s, struct sp_ticker *ticker);

/* At once, without a word to anybody; no callback follows. Safe from within its own callbacks. */
void sp_stream_free(struct sp_stream *s);

const struct sp_addr *sp_stream_remote(const struct sp_stream *s);
const struct sp_addr *sp_stream_local(const struct sp_stream *s);
/* NULL when it is plain. */
const struct sp_tls *sp_stream_tls(const struct sp_stream *s);
/* One line on how it ended: TLS's reason, or the system's error. Valid in `closed`. */
const char *sp_stream_why(const struct sp_stream *s);

#endif
