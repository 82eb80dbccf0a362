/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream_rig.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"

static const char *const alpn[] = {"http/1.1", NULL};

void stream_end_free(struct stream_end *e)
{
    sp_stream_free(e->s);
    e->s = NULL;
}

static void on_established(struct sp_stream *s, void *arg)
{
    struct stream_end *e = arg;
    ck_assert_ptr_eq(s, e->s);
    e->established++;
    if (e->greet)
        ck_assert_int_eq(sp_stream_write(s, sp_span_str("hello")), 0);
    if (e->free_when == IN_ESTABLISHED)
        stream_end_free(e);
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct stream_end *e = arg;

    ck_assert_ptr_eq(s, e->s);
    e->inputs++;
    if (e->free_when == IN_INPUT) {
        stream_end_free(e);
        return;
    }
    struct sp_buf *in = sp_stream_in(s);
    ck_assert_uint_gt(in->len, 0);
    ck_assert_uint_le(in->len, SP_STREAM_IN_MAX);
    if (e->tls_on_hello && in->mem[in->off] == 0x16) {
        e->tls_on_hello = false;
        ck_assert_int_eq(sp_stream_start_tls_server(s, e->ctx, SP_SEC(5)), 0);
        return;
    }
    if (e->leave) {
        sp_buf_consume(in, 1);
        sp_stream_leave(s);
    }
    if (e->hold || e->leave)
        return;
    ck_assert_int_eq(sp_buf_append(&e->got, sp_buf_span(in)), 0);
    sp_buf_consume(in, in->len);
}

static void on_writable(struct sp_stream *s, void *arg)
{
    struct stream_end *e = arg;
    ck_assert_ptr_eq(s, e->s);
    ck_assert_uint_gt(sp_stream_room(s), 0);
    e->writables++;
    if (e->free_when == IN_WRITABLE)
        stream_end_free(e);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    struct stream_end *e = arg;
    ck_assert_ptr_eq(s, e->s);
    e->closes++;
    e->why = why;
    snprintf(e->text, sizeof e->text, "%s", sp_stream_why(s));
    ck_assert_int_eq(e->closes, 1);
    if (e->free_when == IN_CLOSED)
        stream_end_free(e);
}

const struct sp_stream_events stream_rig_events = {
    .established = on_established, .input = on_input, .writable = on_writable, .closed = on_closed};

void stream_rig_open(struct stream_rig *r)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    char why[SP_TLS_ERROR_MAX];

    *r = (struct stream_rig){.listening = -1};
    io_loop_init(&r->loop);
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &r->listening, &r->addr), 0);
    sp_buf_init(&r->a.got, 16 << 20);
    sp_buf_init(&r->b.got, 16 << 20);
    tls_files_make(&r->files, NULL);
    ck_assert_int_eq(sp_tls_ctx_server(r->files.cert, r->files.key, alpn, &r->server, why), 0);
    ck_assert_int_eq(sp_tls_ctx_client(r->files.ca, alpn, &r->client, why), 0);
    r->b.ctx = r->server;
}

void stream_rig_close(struct stream_rig *r)
{
    sp_stream_free(r->a.s);
    sp_stream_free(r->b.s);
    sp_buf_fini(&r->a.got);
    sp_buf_fini(&r->b.got);
    sp_tls_ctx_unref(r->server);
    sp_tls_ctx_unref(r->client);
    tls_files_remove(&r->files);
    close(r->listening);
    io_loop_fini(&r->loop);
}

int stream_rig_accept(struct stream_rig *r)
{
    int fd;

    for (int i = 0; (fd = accept4(r->listening, NULL, NULL, SOCK_NONBLOCK)) < 0; i++) {
        ck_assert_int_eq(errno, EAGAIN);
        ck_assert_int_lt(i, 1000);
        usleep(1000);
    }
    return fd;
}

bool stream_rig_a_up(void *arg)
{
    struct stream_rig *r = arg;
    return r->a.established > 0 || r->a.closes > 0;
}

static bool both_are_up(void *arg)
{
    struct stream_rig *r = arg;
    return (r->a.established > 0 && r->b.established > 0) || r->a.closes > 0 || r->b.closes > 0;
}

bool stream_rig_a_closed(void *arg)
{
    return ((struct stream_rig *)arg)->a.closes > 0;
}

bool stream_rig_b_closed(void *arg)
{
    return ((struct stream_rig *)arg)->b.closes > 0;
}

void stream_rig_plain(struct stream_rig *r)
{
    ck_assert_int_eq(
        sp_stream_connect(&r->loop.ticker, &r->addr, SP_SEC(5), &stream_rig_events, &r->a, &r->a.s),
        0);
    ck_assert_int_eq(sp_stream_write(r->a.s, sp_span_str("early")), SP_EAGAIN);
    ck_assert_uint_eq(sp_stream_room(r->a.s), 0);
    int fd = stream_rig_accept(r);
    ck_assert_int_eq(sp_sock_tune_stream(fd), 0);
    ck_assert_int_eq(sp_stream_new(&r->loop.ticker, fd, &stream_rig_events, &r->b, &r->b.s), 0);
    ck_assert(io_loop_until(&r->loop, stream_rig_a_up, r));
    ck_assert_int_eq(r->a.closes, 0);
}

void stream_rig_go_tls(struct stream_rig *r)
{
    r->a.established = 0;
    r->b.tls_on_hello = true;
    ck_assert_int_eq(sp_stream_start_tls_client(r->a.s, r->client, "edge.test", SP_SEC(5)), 0);
    ck_assert_int_eq(sp_stream_write(r->a.s, sp_span_str("early")), SP_EAGAIN);
    ck_assert(io_loop_until(&r->loop, both_are_up, r));
    io_loop_for(&r->loop, 10); /* the session ticket */
    r->a.inputs = r->b.inputs = 0;
}

void stream_rig_tls(struct stream_rig *r)
{
    stream_rig_plain(r);
    stream_rig_go_tls(r);
}

void stream_rig_as(struct stream_rig *r, bool tls)
{
    if (tls)
        stream_rig_tls(r);
    else
        stream_rig_plain(r);
    ck_assert_int_eq(r->a.established, 1);
    ck_assert_int_eq(r->b.established, tls ? 1 : 0);
}

void stream_rig_fill(uint8_t *p, size_t len, size_t from)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)((from + i) * 7 + ((from + i) >> 9));
}

void stream_rig_check(const struct sp_buf *b, size_t len)
{
    struct sp_span s = sp_buf_span(b);
    size_t wrong = 0;

    ck_assert_uint_eq(s.len, len);
    for (size_t i = 0; i < len; i++)
        wrong += s.p[i] != (uint8_t)(i * 7 + (i >> 9));
    ck_assert_uint_eq(wrong, 0);
}

struct amount {
    const struct stream_end *e;
    size_t len;
};

static bool has_got(void *arg)
{
    const struct amount *w = arg;
    return w->e->got.len >= w->len;
}

bool stream_end_got(struct io_loop *loop, const struct stream_end *e, size_t len)
{
    struct amount w = {e, len};
    return io_loop_until(loop, has_got, &w);
}
