/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sallyport/err.h"
#include "stream_impl.h"

#define MAGIC 0x53745265U

static void on_timer(struct sp_timer *t, uint64_t now_us, void *arg);
static void on_work(struct sp_deferred *d, uint64_t now_us, void *arg);
static void on_ready(struct sp_deferred *d, uint64_t now_us, void *arg);

size_t sp_stream_pending(const struct sp_stream *s)
{
    return s->out.len + (s->tls != NULL ? stream_cipher_out(s)->len : 0);
}

/* --- what TLS makes of it ------------------------------------------------------------------- */

static void established(struct sp_stream *s)
{
    s->state = OPEN;
    s->blocked = sp_stream_pending(s) > 0; /* the end of the handshake */
    s->news |= ESTABLISHED;
    sp_timerq_cancel(&s->ticker->timers, &s->timer);
}

static void shake(struct sp_stream *s)
{
    int err = sp_tls_handshake(s->tls);

    stream_flush(s); /* an alert, too */
    if (err == SP_ETLS)
        stream_end(s, SP_ETLS, NULL);
    else if (err == 0 && s->state == SHAKING)
        established(s);
}

static void hear_all(struct sp_stream *s, const char *how)
{
    if (s->heard_all == NULL)
        s->news |= HEARD_ALL;
    s->heard_all = how;
}

static void decrypt(struct sp_stream *s)
{
    size_t before = s->in.len;
    int err = sp_tls_read(s->tls, &s->in);

    if (s->in.len > before)
        s->news |= INPUT;
    if (err == SP_EFULL)
        s->look = true; /* when something was consumed */
    if (sp_tls_cipher_out(s->tls)->len > 0)
        stream_flush(s); /* TLS itself has answered something */
    if (err == SP_ECLOSED)
        hear_all(s, "closed by the other side");
    else if (err == SP_ETLS)
        stream_end(s, SP_ETLS, NULL);
}

/* Brings everything as far as it gets without the owner. */
static void advance(struct sp_stream *s)
{
    if (s->look && s->state == SHAKING) {
        s->look = false;
        shake(s);
        s->look = true; /* data may have come behind the last of the handshake */
    }
    if (s->look && s->state == OPEN && s->in.len < s->in.max) {
        s->look = false;
        if (s->tls != NULL && s->heard_all == NULL)
            decrypt(s);
    }
    if (s->eof && s->state == SHAKING)
        stream_end(s, SP_ECLOSED, "the connection was closed during the TLS handshake");
    if (s->eof && s->state == OPEN && !s->look && s->heard_all == NULL)
        hear_all(s, s->tls == NULL ? "closed by the other side"
                                   : "the connection was cut: closed without a word from TLS");
    if (s->state == FINISHING)
        sp_buf_fini(&s->in); /* not before: the owner may have looked at it while he finished */
    if (s->eof && s->state == FINISHING && s->fin_sent)
        stream_end(s, SP_ECLOSED, "finished");
    if (s->blocked && s->state == OPEN && sp_stream_pending(s) == 0 && s->room > 0) {
        s->blocked = false;
        s->news |= WRITABLE;
    }
}

/* --- watchers and callbacks ----------------------------------------------------------------- */

/* What the watcher waits for follows from the state, and is set here alone. */
static void set_watcher(struct sp_stream *s)
{
    int events = 0;

    if (stream_read_room(s) > 0)
        events |= EV_READ;
    if (s->state == CONNECTING || (s->state != ENDED && (sp_stream_pending(s) > 0 || s->blocked)))
        events |= EV_WRITE;
    if (events == (s->io.events & (EV_READ | EV_WRITE)) && (events != 0) == ev_is_active(&s->io))
        return;
    ev_io_stop(s->ticker->loop, &s->io);
    ev_io_set(&s->io, s->fd, events);
    if (events != 0)
        ev_io_start(s->ticker->loop, &s->io);
}

/* Takes the first of the news and tells it. */
static void tell(struct sp_stream *s)
{
    unsigned one = s->news & -s->news;

    s->news &= ~one;
    switch (one) {
    case ESTABLISHED:
        if (s->state == OPEN && s->ev.established != NULL)
            s->ev.established(s, s->arg);
        break;
    case INPUT:
        if ((s->state == OPEN || s->state == ENDED) && s->in.len > 0)
            s->ev.input(s, s->arg);
        break;
    case HEARD_ALL:
        if (s->state == OPEN && s->ev.half_closed != NULL)
            s->ev.half_closed(s, s->arg);
        else
            stream_end(s, SP_ECLOSED, s->heard_all);
        break;
    case WRITABLE:
        if (s->state == OPEN && !s->blocked && s->ev.writable != NULL)
            s->ev.writable(s, s->arg);
        break;
    default:
        s->ev.closed(s, s->end_code, s->arg);
        break;
    }
}

/* The end of everything that the loop calls. The stream may be gone after each of the owner's
 * callbacks, and anything may have happened to it. */
static void run(struct sp_stream *s)
{
    bool freed = false;

    s->freed = &freed;
    for (advance(s); s->news != 0; advance(s)) {
        tell(s);
        if (freed)
            return;
        if (s->news == 0)
            stream_settle(s); /* which may be news, too */
    }
    stream_settle(s);
    s->freed = NULL;
    if (s->corked)
        sp_ticker_defer(s->ticker, &s->work);
    set_watcher(s);
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
    struct sp_stream *s = w->data;
    (void)loop;

    assert(s->magic == MAGIC);
    if (s->state == CONNECTING) {
        int err = sp_sock_error(s->fd);
        if (err == 0)
            err = sp_sock_local(s->fd, &s->local) == 0 ? 0 : errno;
        if (err != 0)
            stream_end_by_errno(s, err);
        else
            established(s);
        run(s);
        return;
    }
    if (revents & EV_READ)
        sp_ticker_ready(s->ticker, &s->ready);
    if ((revents & EV_WRITE) == 0)
        return;
    stream_flush(s);
    stream_ask_room(s);
    run(s);
}

static void on_ready(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct sp_stream *s = arg;
    (void)d;
    (void)now_us;

    assert(s->magic == MAGIC);
    stream_read(s);
    run(s);
}

static void on_timer(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_stream *s = arg;
    (void)t;
    (void)now_us;

    assert(s->magic == MAGIC);
    if (s->state == CONNECTING)
        stream_end(s, SP_ETIMEDOUT, "no answer: the connection timed out");
    else if (s->state == SHAKING)
        stream_end(s, SP_ETIMEDOUT, "the TLS handshake timed out");
    else if (s->fin_sent)
        stream_end(s, SP_ECLOSED, "finished; the other side did not close");
    else
        stream_end(s, SP_ETIMEDOUT, "the other side did not take the rest");
    run(s);
}

static void on_work(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct sp_stream *s = arg;
    (void)d;
    (void)now_us;

    assert(s->magic == MAGIC);
    if (s->corked)
        stream_flush(s);
    run(s);
}

/* From the owner's calls: the loop goes on with it in this turn. */
static void call_later(struct sp_stream *s)
{
    if (s->freed == NULL) /* otherwise `run` is about to do it */
        sp_ticker_defer(s->ticker, &s->work);
}

/* --- life ----------------------------------------------------------------------------------- */

static struct sp_stream *make(struct sp_ticker *ticker, int fd, enum state state,
                              const struct sp_stream_events *ev, void *arg)
{
    struct sp_stream *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->magic = MAGIC;
    s->state = state;
    s->ticker = ticker;
    s->ev = *ev;
    s->arg = arg;
    s->fd = fd;
    s->room = s->unsent_max = SP_SOCK_NOTSENT_MAX;
    sp_buf_init(&s->in, SP_STREAM_IN_MAX);
    sp_buf_init(&s->out, SP_STREAM_OUT_MAX);
    sp_timer_init(&s->timer, on_timer, s);
    sp_deferred_init(&s->work, on_work, s);
    sp_deferred_init(&s->ready, on_ready, s);
    ev_io_init(&s->io, on_io, fd, 0);
    s->io.data = s;
    return s;
}

int sp_stream_new(struct sp_ticker *ticker, int fd, const struct sp_stream_events *ev, void *arg,
                  struct sp_stream **out)
{
    struct sp_stream *s = make(ticker, fd, OPEN, ev, arg);

    if (s == NULL)
        return SP_ENOMEM;
    /* Fails when it broke already: the first read will say so. */
    (void)sp_sock_local(fd, &s->local);
    (void)sp_sock_remote(fd, &s->remote);
    set_watcher(s);
    *out = s;
    return 0;
}

static int set_timeout(struct sp_stream *s, uint64_t timeout_us)
{
    return sp_timerq_set(&s->ticker->timers, &s->timer, sp_ticker_now(s->ticker) + timeout_us);
}

int sp_stream_connect(struct sp_ticker *ticker, const struct sp_addr *remote, uint64_t timeout_us,
                      const struct sp_stream_events *ev, void *arg, struct sp_stream **out)
{
    struct sp_stream *s = make(ticker, -1, CONNECTING, ev, arg);

    if (s == NULL)
        return SP_ENOMEM;
    s->remote = *remote;
    if (set_timeout(s, timeout_us) != 0) {
        sp_stream_free(s);
        return SP_ENOMEM;
    }
    if (sp_sock_connect(remote, &s->fd) != 0 || sp_sock_tune_stream(s->fd) != 0) {
        stream_end_by_errno(s, errno);
        call_later(s);
    }
    set_watcher(s);
    *out = s;
    return 0;
}

/* Nothing of the loop knows it any more. */
static void leave_loop(struct sp_stream *s)
{
    if (s->ticker == NULL)
        return;
    stream_settle(s);
    (void)stream_settle_out(s);
    if (s->freed != NULL)
        *s->freed = true;
    s->freed = NULL;
    ev_io_stop(s->ticker->loop, &s->io);
    sp_timerq_cancel(&s->ticker->timers, &s->timer);
    sp_deferred_cancel(&s->work);
    sp_deferred_cancel(&s->ready);
    s->ticker = NULL;
}

int sp_stream_leave(struct sp_stream *s)
{
    assert(s->magic == MAGIC);
    if (s->state != OPEN)
        return SP_ECLOSED;
    leave_loop(s);
    return 0;
}

void sp_stream_enter(struct sp_stream *s, struct sp_ticker *ticker)
{
    assert(s->magic == MAGIC && s->ticker == NULL);
    s->ticker = ticker;
    call_later(s); /* for the watcher, too */
}

void sp_stream_free(struct sp_stream *s)
{
    if (s == NULL)
        return;
    assert(s->magic == MAGIC);
    leave_loop(s);
    if (s->fd >= 0)
        close(s->fd);
    sp_tls_free(s->tls);
    sp_buf_fini(&s->in);
    sp_buf_fini(&s->out);
    s->magic = 0;
    free(s);
}

/* --- the owner's calls ---------------------------------------------------------------------- */

void sp_stream_set_events(struct sp_stream *s, const struct sp_stream_events *ev, void *arg)
{
    s->ev = *ev;
    s->arg = arg;
    if (s->in.len > 0)
        s->news |= INPUT;
    if (s->heard_all != NULL)
        s->news |= HEARD_ALL;
    if (s->news != 0)
        call_later(s);
}

/* What was read already may be the beginning of TLS. */
static int begin_tls(struct sp_stream *s, struct sp_tls *tls, uint64_t timeout_us)
{
    if (sp_buf_append(sp_tls_cipher_in(tls), sp_buf_span(&s->in)) != 0 ||
        set_timeout(s, timeout_us) != 0) {
        sp_tls_free(tls);
        return SP_ENOMEM;
    }
    sp_buf_fini(&s->in);
    (void)stream_settle_out(s);
    s->tls = tls;
    s->state = SHAKING;
    s->news &= ~(unsigned)(INPUT | WRITABLE);
    s->look = true;
    call_later(s);
    return 0;
}

int sp_stream_start_tls_server(struct sp_stream *s, struct sp_tls_ctx *ctx, uint64_t timeout_us)
{
    struct sp_tls *tls;

    if (s->state != OPEN || s->tls != NULL)
        return s->state == ENDED ? SP_ECLOSED : SP_EINVAL;
    int err = sp_tls_server(ctx, &tls);
    return err != 0 ? err : begin_tls(s, tls, timeout_us);
}

int sp_stream_start_tls_client(struct sp_stream *s, struct sp_tls_ctx *ctx, const char *host,
                               uint64_t timeout_us)
{
    struct sp_tls *tls;

    if (s->state != OPEN || s->tls != NULL)
        return s->state == ENDED ? SP_ECLOSED : SP_EINVAL;
    int err = sp_tls_client(ctx, host, &tls);
    return err != 0 ? err : begin_tls(s, tls, timeout_us);
}

bool sp_stream_has_more(const struct sp_stream *s)
{
    size_t unread;

    return s->more && s->state != ENDED && sp_sock_unread(s->fd, &unread) == 0 && unread > 0;
}

struct sp_buf *sp_stream_in(struct sp_stream *s)
{
    if (s->state == OPEN && s->in.len == s->in.max)
        call_later(s);
    return &s->in;
}

static int was_put(struct sp_stream *s, int err)
{
    if (err != SP_ETLS)
        return err;
    stream_end(s, SP_ETLS, NULL);
    call_later(s);
    return SP_ECLOSED;
}

int sp_stream_put(struct sp_stream *s, struct sp_span bytes)
{
    if (s->state == CONNECTING || s->state == SHAKING)
        return SP_EAGAIN;
    if (s->state != OPEN || s->said_all)
        return SP_ECLOSED;
    if (bytes.len > SP_STREAM_OUT_MAX - sp_stream_pending(s))
        return SP_EFULL;
    stream_lend_out(s);
    return was_put(s, s->tls != NULL ? sp_tls_write(s->tls, bytes) : sp_buf_append(&s->out, bytes));
}

static int put_parts(struct sp_stream *s, const struct sp_span *parts, size_t n)
{
    size_t len = sp_spans_len(parts, n);
    uint8_t *to;

    if (s->tls != NULL)
        return was_put(s, sp_tls_write_parts(s->tls, parts, n));
    if ((to = sp_buf_reserve(&s->out, len)) == NULL)
        return SP_ENOMEM;
    sp_spans_join(to, parts, n);
    sp_buf_commit(&s->out, len);
    return 0;
}

void sp_stream_flush(struct sp_stream *s)
{
    stream_flush(s);
    if (s->state == ENDED)
        call_later(s);
    else if (s->freed == NULL)
        set_watcher(s);
}

void sp_stream_cork(struct sp_stream *s)
{
    s->corked = true;
    call_later(s);
}

int sp_stream_write(struct sp_stream *s, struct sp_span bytes)
{
    int err = sp_stream_put(s, bytes);

    if (err == 0)
        sp_stream_flush(s);
    return err;
}

size_t sp_stream_room(struct sp_stream *s)
{
    if (s->state != OPEN || s->said_all || s->blocked)
        return 0;
    if (s->corked && sp_stream_pending(s) < s->room)
        return s->room - sp_stream_pending(s);
    if (s->corked)
        stream_flush(s);
    if (s->room == 0 && s->state == OPEN)
        stream_ask_room(s);
    if (s->room == 0)
        s->blocked = true;
    if (s->blocked)
        call_later(s); /* for the watcher */
    return s->blocked || sp_stream_pending(s) > 0 ? 0 : s->room;
}

size_t sp_stream_room_for(struct sp_stream *s, size_t len)
{
    size_t pending = sp_stream_pending(s);

    if (s->state != OPEN || s->said_all || s->blocked)
        return 0;
    if (pending + len > s->unsent_max)
        stream_ask_burst(s);
    return s->room > pending ? s->room - pending : 0;
}

bool sp_stream_is_behind(const struct sp_stream *s)
{
    return s->behind;
}

int sp_stream_pass(struct sp_stream *s, const struct sp_span *parts, size_t n)
{
    size_t pending = sp_stream_pending(s);

    if (pending == 0 && sp_stream_room(s) == 0)
        return SP_EAGAIN;
    if (s->state != OPEN || s->said_all || s->blocked || s->corked || pending >= s->room)
        return SP_EAGAIN;
    stream_lend_out(s);
    return s->block != NULL ? put_parts(s, parts, n) : SP_EAGAIN;
}

void sp_stream_half_close(struct sp_stream *s)
{
    assert(s->tls == NULL);
    if (s->state != OPEN || s->said_all)
        return;
    s->said_all = true;
    stream_flush(s);
    call_later(s); /* for the watcher */
}

void sp_stream_finish(struct sp_stream *s, uint64_t timeout_us)
{
    if (s->state == ENDED || s->state == FINISHING)
        return;
    if (s->state != OPEN || set_timeout(s, timeout_us) != 0) {
        stream_end(s, SP_ECLOSED, "given up");
    } else {
        s->state = FINISHING;
        s->news = 0;
        if (s->tls != NULL)
            sp_tls_close(s->tls);
        stream_flush(s);
    }
    call_later(s);
}

void sp_stream_tune_lane(struct sp_stream *s)
{
    s->ack_now = !sp_sock_tune_lane(s->fd);
}

void sp_stream_expect_queue(struct sp_stream *s, bool queue)
{
    sp_sock_expect_queue(s->fd, queue);
}

void sp_stream_tune_sole(struct sp_stream *s, const struct sp_stream_congestion *c)
{
    sp_sock_tune_sole(s->fd);
    if (c->name != NULL)
        (void)sp_sock_set_congestion(s->fd, c->name);
    if (c->on_loss != NULL && sp_sock_congestion(s->fd, s->usual) == 0)
        s->on_loss = c->on_loss;
    s->unsent_max = SP_SOCK_NOTSENT_SOLE;
    s->room = 0; /* to be asked for */
}

/* --- questions ------------------------------------------------------------------------------ */

int sp_stream_tcp_info(struct sp_stream *s, struct sp_sock_tcp *out)
{
    int err = sp_sock_tcp_info(s->fd, out);

    if (err == 0)
        stream_know_unsent(s, out->notsent_bytes);
    return err;
}

const struct sp_addr *sp_stream_remote(const struct sp_stream *s)
{
    return &s->remote;
}

const struct sp_addr *sp_stream_local(const struct sp_stream *s)
{
    return &s->local;
}

const struct sp_tls *sp_stream_tls(const struct sp_stream *s)
{
    return s->tls;
}

const char *sp_stream_why(const struct sp_stream *s)
{
    if (s->end_text != NULL)
        return s->end_text;
    if (s->end_code == SP_ETLS)
        return sp_tls_why(s->tls);
    return s->end_errno != 0 ? strerrordesc_np(s->end_errno) : "open";
}
