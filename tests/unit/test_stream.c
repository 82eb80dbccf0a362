/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_loop.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/stream.h"
#include "tls_files.h"

static const char *const alpn[] = {"http/1.1", NULL};

/* One end of a connection, and what happened to it. */
struct end {
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

struct rig {
    struct io_loop loop;
    int listening;
    struct sp_addr addr;
    struct end a, b; /* a connects to b */
    struct tls_files files;
    struct sp_tls_ctx *server, *client;
};

static void free_end(struct end *e)
{
    sp_stream_free(e->s);
    e->s = NULL;
}

static void on_established(struct sp_stream *s, void *arg)
{
    struct end *e = arg;
    ck_assert_ptr_eq(s, e->s);
    e->established++;
    if (e->greet)
        ck_assert_int_eq(sp_stream_write(s, sp_span_str("hello")), 0);
    if (e->free_when == IN_ESTABLISHED)
        free_end(e);
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct end *e = arg;

    ck_assert_ptr_eq(s, e->s);
    e->inputs++;
    if (e->free_when == IN_INPUT) {
        free_end(e);
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
    struct end *e = arg;
    ck_assert_ptr_eq(s, e->s);
    ck_assert_uint_gt(sp_stream_room(s), 0);
    e->writables++;
    if (e->free_when == IN_WRITABLE)
        free_end(e);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    struct end *e = arg;
    ck_assert_ptr_eq(s, e->s);
    e->closes++;
    e->why = why;
    snprintf(e->text, sizeof e->text, "%s", sp_stream_why(s));
    ck_assert_int_eq(e->closes, 1);
    if (e->free_when == IN_CLOSED)
        free_end(e);
}

static const struct sp_stream_events events = {
    .established = on_established, .input = on_input, .writable = on_writable, .closed = on_closed};

static void open_rig(struct rig *r)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    char why[SP_TLS_ERROR_MAX];

    *r = (struct rig){.listening = -1};
    io_loop_init(&r->loop);
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &r->listening, &r->addr), 0);
    sp_buf_init(&r->a.got, 16 << 20);
    sp_buf_init(&r->b.got, 16 << 20);
    tls_files_make(&r->files, NULL);
    ck_assert_int_eq(sp_tls_ctx_server(r->files.cert, r->files.key, alpn, &r->server, why), 0);
    ck_assert_int_eq(sp_tls_ctx_client(r->files.ca, alpn, &r->client, why), 0);
    r->b.ctx = r->server;
}

static void close_rig(struct rig *r)
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

static int accept_one(struct rig *r)
{
    int fd;

    for (int i = 0; (fd = accept4(r->listening, NULL, NULL, SOCK_NONBLOCK)) < 0; i++) {
        ck_assert_int_eq(errno, EAGAIN);
        ck_assert_int_lt(i, 1000);
        usleep(1000);
    }
    return fd;
}

static bool a_is_up(void *arg)
{
    struct rig *r = arg;
    return r->a.established > 0 || r->a.closes > 0;
}

static bool both_are_up(void *arg)
{
    struct rig *r = arg;
    return (r->a.established > 0 && r->b.established > 0) || r->a.closes > 0 || r->b.closes > 0;
}

static bool a_has_closed(void *arg)
{
    return ((struct rig *)arg)->a.closes > 0;
}

static bool b_has_closed(void *arg)
{
    return ((struct rig *)arg)->b.closes > 0;
}

static void connect_plain(struct rig *r)
{
    ck_assert_int_eq(
        sp_stream_connect(&r->loop.ticker, &r->addr, SP_SEC(5), &events, &r->a, &r->a.s), 0);
    ck_assert_int_eq(sp_stream_write(r->a.s, sp_span_str("early")), SP_EAGAIN);
    ck_assert_uint_eq(sp_stream_room(r->a.s), 0);
    int fd = accept_one(r);
    ck_assert_int_eq(sp_sock_tune_stream(fd), 0);
    ck_assert_int_eq(sp_stream_new(&r->loop.ticker, fd, &events, &r->b, &r->b.s), 0);
    ck_assert(io_loop_until(&r->loop, a_is_up, r));
    ck_assert_int_eq(r->a.closes, 0);
}

static void go_tls(struct rig *r)
{
    r->a.established = 0;
    r->b.tls_on_hello = true;
    ck_assert_int_eq(sp_stream_start_tls_client(r->a.s, r->client, "edge.test", SP_SEC(5)), 0);
    ck_assert_int_eq(sp_stream_write(r->a.s, sp_span_str("early")), SP_EAGAIN);
    ck_assert(io_loop_until(&r->loop, both_are_up, r));
    io_loop_for(&r->loop, 10); /* the session ticket */
    r->a.inputs = r->b.inputs = 0;
}

static void connect_tls(struct rig *r)
{
    connect_plain(r);
    go_tls(r);
}

static void connect_as(struct rig *r, bool tls)
{
    if (tls)
        connect_tls(r);
    else
        connect_plain(r);
    ck_assert_int_eq(r->a.established, 1);
    ck_assert_int_eq(r->b.established, tls ? 1 : 0);
}

static void fill(uint8_t *p, size_t len, size_t from)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)((from + i) * 7 + ((from + i) >> 9));
}

static void check_pattern(const struct sp_buf *b, size_t len)
{
    struct sp_span s = sp_buf_span(b);
    size_t wrong = 0;

    ck_assert_uint_eq(s.len, len);
    for (size_t i = 0; i < len; i++)
        wrong += s.p[i] != (uint8_t)(i * 7 + (i >> 9));
    ck_assert_uint_eq(wrong, 0);
}

struct amount {
    const struct end *e;
    size_t len;
};

static bool has_got(void *arg)
{
    const struct amount *w = arg;
    return w->e->got.len >= w->len;
}

static bool until_got(struct rig *r, const struct end *e, size_t len)
{
    struct amount w = {e, len};
    return io_loop_until(&r->loop, has_got, &w);
}

/* --- bytes through -------------------------------------------------------------------------- */

START_TEST(there_and_back)
{
    struct rig r;

    open_rig(&r);
    connect_as(&r, _i == 1);
    ck_assert(sp_addr_eq(sp_stream_remote(r.a.s), &r.addr));
    ck_assert(sp_addr_eq(sp_stream_local(r.b.s), &r.addr));
    ck_assert(sp_addr_eq(sp_stream_local(r.a.s), sp_stream_remote(r.b.s)));
    ck_assert((sp_stream_tls(r.a.s) != NULL) == (_i == 1));
    if (_i == 1)
        ck_assert_str_eq(sp_tls_alpn(sp_stream_tls(r.b.s)), "http/1.1");
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("ping")), 0);
    ck_assert(until_got(&r, &r.b, 4));
    ck_assert(sp_span_eq(sp_buf_span(&r.b.got), sp_span_str("ping")));
    ck_assert_int_eq(sp_stream_put(r.b.s, sp_span_str("po")), 0);
    ck_assert_int_eq(sp_stream_put(r.b.s, sp_span_str("ng")), 0);
    ck_assert_uint_gt(sp_stream_pending(r.b.s), 0);
    sp_stream_flush(r.b.s);
    ck_assert_uint_eq(sp_stream_pending(r.b.s), 0);
    ck_assert(until_got(&r, &r.a, 4));
    ck_assert(sp_span_eq(sp_buf_span(&r.a.got), sp_span_str("pong")));
    ck_assert_int_eq(r.a.inputs, 1); /* both pieces came by one read */

    struct sp_sock_tcp info;
    ck_assert_int_eq(sp_stream_tcp_info(r.a.s, &info), 0);
    ck_assert_uint_gt(info.acked_bytes, 3);
    close_rig(&r);
}
END_TEST

/* A receiver that does not consume: its input stays within the bound, the sender's room ends, and
 * both go on when it consumes, which it does outside of any callback. */
START_TEST(back_pressure)
{
    static uint8_t chunk[16384];
    size_t sent = 0, total = 6 << 20, most = 0;
    struct rig r;

    open_rig(&r);
    connect_as(&r, _i == 1);
    r.b.hold = true;
    for (int idle = 0; idle < 5;) {
        while (sp_stream_room(r.a.s) > 0 && sent < total) {
            size_t n = sp_stream_room(r.a.s) < 5000 ? sp_stream_room(r.a.s) : 5000;
            fill(chunk, n, sent);
            ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(chunk, n)), 0);
            sent += n;
            idle = 0;
        }
        if (sp_stream_pending(r.a.s) > most)
            most = sp_stream_pending(r.a.s);
        io_loop_for(&r.loop, 20);
        idle++;
    }
    ck_assert_uint_lt(sent, total); /* or the kernel's buffers are larger than this test thinks */
    ck_assert_uint_le(most, 5000 + 100);
    ck_assert_uint_eq(sp_stream_in(r.b.s)->len, SP_STREAM_IN_MAX);
    ck_assert_int_eq(r.b.closes, 0);

    /* Half of it, now and from outside. */
    int inputs = r.b.inputs;
    struct sp_buf *in = sp_stream_in(r.b.s);
    ck_assert_int_eq(sp_buf_append(&r.b.got, sp_span(in->mem + in->off, in->len / 2)), 0);
    sp_buf_consume(in, in->len / 2);
    r.b.hold = false;
    r.a.writables = 0;
    ck_assert(until_got(&r, &r.b, sent));
    ck_assert_int_gt(r.b.inputs, inputs);
    check_pattern(&r.b.got, sent);
    io_loop_for(&r.loop, 20);
    ck_assert_int_gt(r.a.writables, 0);
    ck_assert_uint_gt(sp_stream_room(r.a.s), 0);
    close_rig(&r);
}
END_TEST

static size_t unsent(struct rig *r)
{
    struct sp_sock_tcp info;

    ck_assert_int_eq(sp_stream_tcp_info(r->a.s, &info), 0);
    return info.notsent_bytes;
}

/* What had room before has none once the kernel may hold less, and is told when it has some again.
 */
START_TEST(tuned_while_the_kernel_is_full)
{
    static uint8_t chunk[1000];
    size_t sent = 0, total = 6 << 20;
    struct rig r;

    open_rig(&r);
    connect_as(&r, false);
    r.b.hold = true;
    for (int full = 0; full < 2 && sent < total;) { /* and stays so */
        fill(chunk, sizeof chunk, sent);
        ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk)), 0);
        sent += sizeof chunk;
        full = unsent(&r) > SP_SOCK_NOTSENT_SOLE ? full + 1 : 0;
        io_loop_for(&r.loop, full > 0 ? 20 : 0);
    }
    ck_assert_uint_lt(sent, total);
    ck_assert_uint_gt(sp_stream_room(r.a.s), 0);
    sp_stream_tune_sole(r.a.s, NULL);
    ck_assert_uint_eq(sp_stream_room(r.a.s), 0);
    io_loop_for(&r.loop, 20);
    ck_assert_int_eq(r.a.writables, 0);

    struct sp_buf *in = sp_stream_in(r.b.s);
    ck_assert_int_eq(sp_buf_append(&r.b.got, sp_buf_span(in)), 0);
    sp_buf_consume(in, in->len);
    r.b.hold = false;
    ck_assert(until_got(&r, &r.b, sent));
    check_pattern(&r.b.got, sent);
    io_loop_for(&r.loop, 20);
    ck_assert_int_eq(r.a.writables, 1);
    ck_assert_uint_eq(sp_stream_room(r.a.s), SP_SOCK_NOTSENT_SOLE);
    close_rig(&r);
}
END_TEST

START_TEST(output_bound)
{
    static uint8_t chunk[50000];
    size_t sent = 0;
    struct rig r;
    int err;

    open_rig(&r);
    connect_as(&r, _i == 1);
    r.b.hold = true;
    do {
        fill(chunk, sizeof chunk, sent);
        err = sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk));
        sent += err == 0 ? sizeof chunk : 0;
        ck_assert_uint_le(sp_stream_pending(r.a.s), SP_STREAM_OUT_MAX + 4096);
    } while (err == 0 && sent < 64U << 20);
    ck_assert_int_eq(err, SP_EFULL);
    r.b.hold = false;
    sp_stream_set_events(r.b.s, &events, &r.b);
    ck_assert(until_got(&r, &r.b, sent));
    check_pattern(&r.b.got, sent);
    close_rig(&r);
}
END_TEST

/* What comes in one piece with the end of the handshake is not left lying. */
START_TEST(data_behind_the_handshake)
{
    struct rig r;

    open_rig(&r);
    connect_plain(&r);
    r.a.greet = true;
    go_tls(&r);
    ck_assert(until_got(&r, &r.b, 5));
    ck_assert(sp_span_eq(sp_buf_span(&r.b.got), sp_span_str("hello")));
    close_rig(&r);
}
END_TEST

/* More than the input holds, and then the end: first all of it, then `closed`. */
START_TEST(held_then_closed)
{
    static uint8_t data[SP_STREAM_IN_MAX + 100000];
    struct rig r;

    open_rig(&r);
    connect_as(&r, _i == 1);
    r.b.hold = true;
    fill(data, sizeof data, 0);
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(data, sizeof data)), 0);
    sp_stream_finish(r.a.s, SP_SEC(5));
    io_loop_for(&r.loop, 50);
    ck_assert_uint_eq(sp_stream_in(r.b.s)->len, SP_STREAM_IN_MAX);
    ck_assert_int_eq(r.b.closes, 0);
    r.b.hold = false;
    sp_stream_set_events(r.b.s, &events, &r.b);
    ck_assert(io_loop_until(&r.loop, b_has_closed, &r));
    check_pattern(&r.b.got, sizeof data);
    ck_assert_int_eq(r.b.why, SP_ECLOSED);
    close_rig(&r);
}
END_TEST

/* --- owners --------------------------------------------------------------------------------- */

START_TEST(another_owner)
{
    struct end second = {0};
    struct rig r;

    open_rig(&r);
    connect_as(&r, false);
    r.b.hold = true;
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("kept")), 0);
    while (r.b.inputs == 0)
        io_loop_for(&r.loop, 1);
    second.s = r.b.s;
    sp_buf_init(&second.got, 1000);
    sp_stream_set_events(r.b.s, &events, &second);
    ck_assert_int_eq(second.inputs, 0);
    ck_assert(until_got(&r, &second, 4));
    ck_assert(sp_span_eq(sp_buf_span(&second.got), sp_span_str("kept")));
    ck_assert_int_eq(r.b.inputs, 1);
    sp_buf_fini(&second.got);
    close_rig(&r);
}
END_TEST

#define MOVED_BYTES 300000 /* of which the first is consumed before it moves */

static bool c_has_closed(void *arg)
{
    return ((struct end *)arg)->closes > 0;
}

/* The second half of a connection's life: hears the rest, answers, and waits for the end. */
static void *live_on(void *arg)
{
    struct end *e = arg;
    struct amount all = {e, MOVED_BYTES - 1};
    struct io_loop loop;

    io_loop_init(&loop);
    sp_stream_enter(e->s, &loop.ticker);
    sp_stream_set_events(e->s, &events, e);
    if (io_loop_until(&loop, has_got, &all) && sp_stream_write(e->s, sp_span_str("thanks")) == 0)
        io_loop_until(&loop, c_has_closed, e);
    free_end(e);
    io_loop_fini(&loop);
    return NULL;
}

static bool b_was_told(void *arg)
{
    return ((struct rig *)arg)->b.inputs > 0;
}

START_TEST(another_loop)
{
    static uint8_t bytes[MOVED_BYTES];
    struct end c = {0};
    struct rig r;
    pthread_t thread;

    open_rig(&r);
    connect_as(&r, _i == 1);
    r.b.leave = true;
    fill(bytes, sizeof bytes, (size_t)0 - 1);
    for (size_t i = 0, n; i < sizeof bytes; i += n) {
        n = sizeof bytes - i < 16000 ? sizeof bytes - i : 16000;
        ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(bytes + i, n)), 0);
    }
    ck_assert(io_loop_until(&r.loop, b_was_told, &r));
    c.s = r.b.s;
    r.b.s = NULL;
    io_loop_for(&r.loop, 20); /* it would be noticed if somebody still listened here */
    ck_assert_int_eq(r.b.inputs, 1);
    sp_buf_init(&c.got, 1 << 20);
    ck_assert_int_eq(pthread_create(&thread, NULL, live_on, &c), 0);
    ck_assert(until_got(&r, &r.a, 6));
    sp_stream_finish(r.a.s, SP_SEC(5));
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    check_pattern(&c.got, MOVED_BYTES - 1);
    ck_assert_int_eq(c.closes, 1);
    ck_assert_int_eq(c.why, SP_ECLOSED);
    ck_assert_int_eq(r.b.inputs + r.b.closes, 1);
    sp_buf_fini(&c.got);
    close_rig(&r);
}
END_TEST

/* Nobody took it. */
START_TEST(freed_between_two_loops)
{
    struct rig r;

    open_rig(&r);
    connect_as(&r, _i == 1);
    sp_stream_leave(r.b.s);
    free_end(&r.b);
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    close_rig(&r);
}
END_TEST

/* For each callback, plain and under TLS; the sanitizer looks for what is touched afterwards. */
static void free_in(int when, bool tls)
{
    static uint8_t chunk[16384];
    struct rig r;

    open_rig(&r);
    if (when == IN_ESTABLISHED) {
        r.a.free_when = tls ? NEVER : IN_ESTABLISHED;
        connect_plain(&r);
        r.a.free_when = r.b.free_when = IN_ESTABLISHED;
        if (tls)
            go_tls(&r);
        ck_assert_ptr_null(r.a.s);
        ck_assert(!tls || r.b.s == NULL);
    } else {
        connect_as(&r, tls);
    }
    if (when == IN_INPUT) {
        r.b.free_when = IN_INPUT;
        ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk)), 0);
        sp_stream_finish(r.a.s, SP_SEC(5));
        ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
        ck_assert_ptr_null(r.b.s);
        ck_assert_int_eq(r.b.inputs, 1);
        ck_assert_int_eq(r.b.closes, 0);
    }
    if (when == IN_WRITABLE) {
        r.a.free_when = IN_WRITABLE;
        r.b.hold = true;
        while (sp_stream_room(r.a.s) > 0)
            ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk)), 0);
        r.b.hold = false;
        ck_assert(io_loop_until(&r.loop, b_has_closed, &r));
        ck_assert_ptr_null(r.a.s);
        ck_assert_int_eq(r.a.writables, 1);
    }
    if (when == IN_CLOSED) {
        r.b.free_when = IN_CLOSED;
        free_end(&r.a);
        ck_assert(io_loop_until(&r.loop, b_has_closed, &r));
        ck_assert_ptr_null(r.b.s);
        ck_assert_int_eq(r.b.why, SP_ECLOSED);
    }
    io_loop_for(&r.loop, 5);
    close_rig(&r);
}

START_TEST(freed_within)
{
    free_in(1 + _i / 2, _i % 2 == 1);
}
END_TEST

/* --- ends ----------------------------------------------------------------------------------- */

START_TEST(finish_sends_the_rest)
{
    static uint8_t chunk[50000];
    size_t sent = 0;
    struct rig r;

    open_rig(&r);
    connect_as(&r, _i == 1);
    r.b.hold = true;
    for (int i = 0; i < 20; i++, sent += sizeof chunk) {
        fill(chunk, sizeof chunk, sent);
        ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk)), 0);
    }
    sp_stream_finish(r.a.s, SP_SEC(5));
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("late")), SP_ECLOSED);
    r.b.hold = false;
    r.b.free_when = IN_CLOSED;
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ECLOSED);
    check_pattern(&r.b.got, sent);
    ck_assert_int_eq(r.b.why, SP_ECLOSED);
    ck_assert_str_eq(r.b.text, "closed by the other side");
    close_rig(&r);
}
END_TEST

START_TEST(finish_is_bounded)
{
    static uint8_t chunk[1000000];
    struct rig r;

    open_rig(&r);
    connect_plain(&r);
    free_end(&r.b);
    free_end(&r.a);
    r.a = (struct end){.got = r.a.got};

    /* A peer that reads nothing: not all could be sent. */
    ck_assert_int_eq(sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &events, &r.a, &r.a.s),
                     0);
    int fd = accept_one(&r), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ck_assert(io_loop_until(&r.loop, a_is_up, &r));
    while (sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk)) == 0)
        ;
    sp_stream_finish(r.a.s, SP_MS(50));
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ETIMEDOUT);
    close(fd);
    free_end(&r.a);
    r.a = (struct end){.got = r.a.got};

    /* A peer that reads all, but never closes. */
    ck_assert_int_eq(sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &events, &r.a, &r.a.s),
                     0);
    fd = accept_one(&r);
    ck_assert(io_loop_until(&r.loop, a_is_up, &r));
    sp_stream_finish(r.a.s, SP_MS(50));
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ECLOSED);
    close(fd);
    close_rig(&r);
}
END_TEST

START_TEST(finish_before_it_began)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &events, &r.a, &r.a.s),
                     0);
    sp_stream_finish(r.a.s, SP_SEC(5));
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(r.a.established, 0);
    close_rig(&r);
}
END_TEST

START_TEST(data_then_fin)
{
    struct rig r;

    open_rig(&r);
    connect_as(&r, _i == 1);
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("last words")), 0);
    sp_stream_finish(r.a.s, SP_SEC(5));
    ck_assert(io_loop_until(&r.loop, b_has_closed, &r));
    ck_assert(sp_span_eq(sp_buf_span(&r.b.got), sp_span_str("last words")));
    ck_assert_int_eq(r.b.why, SP_ECLOSED);
    close_rig(&r);
}
END_TEST

START_TEST(cut_under_tls)
{
    struct rig r;

    open_rig(&r);
    connect_tls(&r);
    free_end(&r.a); /* FIN, but no close_notify */
    ck_assert(io_loop_until(&r.loop, b_has_closed, &r));
    ck_assert_int_eq(r.b.why, SP_ECLOSED);
    ck_assert_ptr_nonnull(strstr(r.b.text, "cut"));
    close_rig(&r);
}
END_TEST

START_TEST(reset)
{
    struct linger now = {1, 0};
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &events, &r.a, &r.a.s),
                     0);
    int fd = accept_one(&r);
    ck_assert(io_loop_until(&r.loop, a_is_up, &r));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    usleep(10000);
    /* By writing (no SIGPIPE), or by reading. */
    if (_i == 1)
        ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("x")), 0);
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ESYS);
    ck_assert_ptr_nonnull(strstr(r.a.text, "reset"));
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("x")), SP_ECLOSED);
    close_rig(&r);
}
END_TEST

START_TEST(no_signal)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &events, &r.a, &r.a.s),
                     0);
    int fd = accept_one(&r);
    ck_assert_int_eq(sp_stream_new(&r.loop.ticker, fd, &events, &r.b, &r.b.s), 0);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    ck_assert_int_eq(sp_stream_write(r.b.s, sp_span_str("x")), 0);
    ck_assert_int_eq(r.b.closes, 0);
    ck_assert(io_loop_until(&r.loop, b_has_closed, &r));
    ck_assert_int_eq(r.b.why, SP_ESYS);
    ck_assert_str_eq(r.b.text, "Broken pipe");
    close_rig(&r);
}
END_TEST

START_TEST(connection_refused)
{
    struct sp_addr nobody;
    struct rig r;
    int fd;

    open_rig(&r);
    /* A port that is taken, but where nobody listens. */
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &fd, &nobody), 0);
    close(fd);
    ck_assert_int_eq(sp_stream_connect(&r.loop.ticker, &nobody, SP_SEC(5), &events, &r.a, &r.a.s),
                     0);
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ESYS);
    ck_assert_str_eq(r.a.text, "Connection refused");
    ck_assert_int_eq(r.a.established, 0);
    free_end(&r.a);

    /* Refused by the system at once: told from the loop all the same. */
    struct sp_addr broadcast = sp_addr_v4(255, 255, 255, 255, 443);
    r.a.closes = 0;
    ck_assert_int_eq(
        sp_stream_connect(&r.loop.ticker, &broadcast, SP_SEC(5), &events, &r.a, &r.a.s), 0);
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ESYS);
    close_rig(&r);
}
END_TEST

/* A listener whose queue is full does not answer. */
START_TEST(connection_timeout)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), full;
    int fd, filler[8];
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &fd, &full), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(filler); i++)
        ck_assert_int_eq(sp_sock_connect(&full, &filler[i]), 0);
    usleep(10000);
    ck_assert_int_eq(sp_stream_connect(&r.loop.ticker, &full, SP_MS(50), &events, &r.a, &r.a.s), 0);
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ETIMEDOUT);
    ck_assert_int_eq(r.a.established, 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(filler); i++)
        close(filler[i]);
    close(fd);
    close_rig(&r);
}
END_TEST

START_TEST(handshake_timeout)
{
    struct rig r;

    open_rig(&r);
    connect_plain(&r);
    ck_assert_int_eq(sp_stream_start_tls_server(r.b.s, r.server, SP_MS(50)), 0);
    ck_assert(io_loop_until(&r.loop, b_has_closed, &r));
    ck_assert_int_eq(r.b.why, SP_ETIMEDOUT);
    ck_assert_int_eq(r.b.established, 0);
    close_rig(&r);
}
END_TEST

START_TEST(wrong_certificate)
{
    struct rig r;

    open_rig(&r);
    connect_plain(&r);
    r.a.established = 0;
    r.b.tls_on_hello = true;
    ck_assert_int_eq(sp_stream_start_tls_client(r.a.s, r.client, "other.test", SP_SEC(5)), 0);
    ck_assert(io_loop_until(&r.loop, a_has_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ETLS);
    ck_assert_ptr_nonnull(strstr(r.a.text, "certificate is for edge.test, not for other.test"));
    ck_assert(io_loop_until(&r.loop, b_has_closed, &r));
    ck_assert_int_eq(r.b.why, SP_ETLS);
    ck_assert_int_eq(r.a.established, 0);
    close_rig(&r);
}
END_TEST

START_TEST(tls_twice)
{
    struct rig r;

    open_rig(&r);
    connect_tls(&r);
    ck_assert_int_eq(sp_stream_start_tls_client(r.a.s, r.client, "edge.test", SP_SEC(5)),
                     SP_EINVAL);
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("still here")), 0);
    ck_assert(until_got(&r, &r.b, 10));
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *tc = tcase_create("stream");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, there_and_back, 0, 2);
    tcase_add_loop_test(tc, back_pressure, 0, 2);
    tcase_add_test(tc, tuned_while_the_kernel_is_full);
    tcase_add_loop_test(tc, output_bound, 0, 2);
    tcase_add_test(tc, data_behind_the_handshake);
    tcase_add_loop_test(tc, held_then_closed, 0, 2);
    tcase_add_test(tc, another_owner);
    tcase_add_loop_test(tc, another_loop, 0, 2);
    tcase_add_loop_test(tc, freed_between_two_loops, 0, 2);
    tcase_add_loop_test(tc, freed_within, 0, 8);
    tcase_add_loop_test(tc, finish_sends_the_rest, 0, 2);
    tcase_add_test(tc, finish_is_bounded);
    tcase_add_test(tc, finish_before_it_began);
    tcase_add_loop_test(tc, data_then_fin, 0, 2);
    tcase_add_test(tc, cut_under_tls);
    tcase_add_loop_test(tc, reset, 0, 2);
    tcase_add_test(tc, no_signal);
    tcase_add_test(tc, connection_refused);
    tcase_add_test(tc, connection_timeout);
    tcase_add_test(tc, handshake_timeout);
    tcase_add_test(tc, wrong_certificate);
    tcase_add_test(tc, tls_twice);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
