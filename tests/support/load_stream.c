/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sallyport/err.h"
#include "sallyport/turn_stream.h"

#define QUEUE_MAX 65536 /* as libwebrtc's */
#define READ_ROOM 32768

/* What passes through is read and decrypted here, by one connection after the other. */
#define SCRATCH (READ_ROOM + 2 * SP_TURN_STREAM_MAX)
static uint8_t cipher[SCRATCH], plain[2 * SCRATCH];

static void lend(struct load_stream *s)
{
    if (s->tls != NULL)
        sp_buf_lend(sp_tls_cipher_in(s->tls), cipher, sizeof cipher);
    sp_buf_lend(&s->in, plain, sizeof plain);
}

static void fail(struct load_stream *s, const char *why)
{
    ev_io_stop(s->loop, &s->readable);
    ev_io_stop(s->loop, &s->writable);
    s->events->failed(s, why, s->arg);
}

/* ---- out ------------------------------------------------------------------------------------- */

static struct sp_buf *out_of(struct load_stream *s)
{
    return s->tls != NULL ? sp_tls_cipher_out(s->tls) : &s->out;
}

void load_stream_flush(struct load_stream *s)
{
    struct sp_buf *out = out_of(s);

    while (out->len > 0) {
        ssize_t n = send(s->fd, out->mem + out->off, out->len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            ev_io_start(s->loop, &s->writable);
            return;
        }
        if (n < 0 && errno != EINTR) {
            fail(s, strerror(errno));
            return;
        }
        if (n > 0)
            sp_buf_consume(out, (size_t)n);
    }
    ev_io_stop(s->loop, &s->writable);
}

bool load_stream_put(struct load_stream *s, struct sp_span msg)
{
    if (!s->up || out_of(s)->len + msg.len > QUEUE_MAX ||
        (s->tls != NULL ? sp_tls_write(s->tls, msg) : sp_buf_append(&s->out, msg)) != 0) {
        s->refused++;
        return false;
    }
    return true;
}

/* ---- in -------------------------------------------------------------------------------------- */

static void take_messages(struct load_stream *s)
{
    struct sp_span all = sp_buf_span(&s->in), msg;
    size_t used, done = 0;
    int status;

    while ((status = sp_turn_stream_next(sp_span_skip(all, done), &msg, &used)) == 0) {
        s->events->message(s, msg, s->arg);
        done += used;
    }
    sp_buf_consume(&s->in, done);
    if (status != SP_EMORE)
        fail(s, "the server sent what is neither STUN nor ChannelData");
}

static void come_up(struct load_stream *s)
{
    s->up = true;
    s->events->up(s, s->arg);
}

static void take_cipher(struct load_stream *s)
{
    int status;

    if (!s->up) {
        status = sp_tls_handshake(s->tls);
        load_stream_flush(s);
        if (status != 0 && status != SP_EAGAIN)
            fail(s, sp_tls_why(s->tls));
        if (status != 0)
            return;
        come_up(s);
    }
    do {
        status = sp_tls_read(s->tls, &s->in);
        take_messages(s);
    } while (status == SP_EFULL);
    if (status == SP_ECLOSED)
        fail(s, "the server ended TLS");
    else if (status != 0 && status != SP_EAGAIN)
        fail(s, sp_tls_why(s->tls));
}

static void settle(struct load_stream *s)
{
    if (sp_buf_settle(&s->in) != 0 || (s->tls != NULL && sp_buf_settle(sp_tls_cipher_in(s->tls))))
        fail(s, "no memory");
}

static void take_all(struct load_stream *s)
{
    struct sp_buf *in = s->tls != NULL ? sp_tls_cipher_in(s->tls) : &s->in;
    uint8_t *room = sp_buf_reserve(in, READ_ROOM);
    ssize_t n = room != NULL ? recv(s->fd, room, READ_ROOM, MSG_DONTWAIT) : 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        fail(s, n < 0 ? strerror(errno) : "the server closed the connection");
        return;
    }
    sp_buf_commit(in, (size_t)n);
    if (s->tls != NULL)
        take_cipher(s);
    else
        take_messages(s);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    struct load_stream *s = w->data;

    (void)loop;
    (void)events;
    lend(s);
    take_all(s);
    settle(s);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void on_writable(struct ev_loop *loop, ev_io *w, int events)
{
    struct load_stream *s = w->data;
    int error = 0;
    socklen_t len = sizeof error;

    (void)events;
    if (ev_is_active(&s->readable)) {
        load_stream_flush(s);
        return;
    }
    ev_io_stop(loop, w);
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        fail(s, strerror(error));
        return;
    }
    ev_io_start(loop, &s->readable);
    if (s->tls != NULL)
        take_cipher(s);
    else
        come_up(s);
}

static bool start_connecting(struct load_stream *s, const struct sp_addr *from,
                             const struct sp_addr *to)
{
    struct sockaddr_storage local, remote;
    socklen_t local_len = sp_addr_to_sockaddr(from, false, &local);
    socklen_t remote_len = sp_addr_to_sockaddr(to, false, &remote);
    int on = 1;

    s->fd = socket(remote.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* With its port chosen at connect, each address has all of them for each server. */
    return s->fd >= 0 &&
           setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 &&
           bind(s->fd, (struct sockaddr *)&local, local_len) == 0 &&
           setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           (connect(s->fd, (struct sockaddr *)&remote, remote_len) == 0 || errno == EINPROGRESS);
}

void load_stream_open(struct load_stream *s, struct ev_loop *loop, const struct sp_addr *from,
                      const struct sp_addr *to, struct sp_tls_ctx *tls,
                      const struct load_stream_events *events, void *arg)
{
    *s = (struct load_stream){.loop = loop, .events = events, .arg = arg};
    sp_buf_init(&s->in, 4 * SP_TURN_STREAM_MAX);
    sp_buf_init(&s->out, QUEUE_MAX);
    ev_init(&s->readable, on_readable);
    ev_init(&s->writable, on_writable);
    if ((tls != NULL && sp_tls_client(tls, "edge.test", &s->tls) != 0) ||
        !start_connecting(s, from, to)) {
        fail(s, strerror(errno));
        return;
    }
    ev_io_set(&s->readable, s->fd, EV_READ);
    ev_io_set(&s->writable, s->fd, EV_WRITE);
    s->readable.data = s->writable.data = s;
    ev_io_start(loop, &s->writable);
}

void load_stream_close(struct load_stream *s)
{
    ev_io_stop(s->loop, &s->readable);
    ev_io_stop(s->loop, &s->writable);
    if (s->tls != NULL)
        sp_tls_free(s->tls);
    sp_buf_fini(&s->in);
    sp_buf_fini(&s->out);
    if (s->fd >= 0)
        close(s->fd);
}
