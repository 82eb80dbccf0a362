/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/stream.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "stream_rig.h"

/* --- bytes through -------------------------------------------------------------------------- */

START_TEST(there_and_back)
{
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_as(&r, _i == 1);
    ck_assert(sp_addr_eq(sp_stream_remote(r.a.s), &r.addr));
    ck_assert(sp_addr_eq(sp_stream_local(r.b.s), &r.addr));
    ck_assert(sp_addr_eq(sp_stream_local(r.a.s), sp_stream_remote(r.b.s)));
    ck_assert((sp_stream_tls(r.a.s) != NULL) == (_i == 1));
    if (_i == 1)
        ck_assert_str_eq(sp_tls_alpn(sp_stream_tls(r.b.s)), "http/1.1");
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("ping")), 0);
    ck_assert(stream_end_got(&r.loop, &r.b, 4));
    ck_assert(sp_span_eq(sp_buf_span(&r.b.got), sp_span_str("ping")));
    ck_assert_int_eq(sp_stream_put(r.b.s, sp_span_str("po")), 0);
    ck_assert_int_eq(sp_stream_put(r.b.s, sp_span_str("ng")), 0);
    ck_assert_uint_gt(sp_stream_pending(r.b.s), 0);
    sp_stream_flush(r.b.s);
    ck_assert_uint_eq(sp_stream_pending(r.b.s), 0);
    ck_assert(stream_end_got(&r.loop, &r.a, 4));
    ck_assert(sp_span_eq(sp_buf_span(&r.a.got), sp_span_str("pong")));
    ck_assert_int_eq(r.a.inputs, 1); /* both pieces came by one read */

    struct sp_sock_tcp info;
    ck_assert_int_eq(sp_stream_tcp_info(r.a.s, &info), 0);
    ck_assert_uint_gt(info.acked_bytes, 3);
    stream_rig_close(&r);
}
END_TEST

/* What comes by several streams in one turn is heard in the order in which it came. */
#define SEVERAL 5

struct several {
    struct io_loop loop;
    struct sp_stream *s[SEVERAL];
    size_t n;
    uint8_t heard[SEVERAL];
};

static struct several several;

static void hear(struct sp_stream *s, void *arg)
{
    struct several *r = arg;

    r->heard[r->n++] = sp_stream_in(s)->mem[sp_stream_in(s)->off];
    sp_buf_consume(sp_stream_in(s), 1);
}

static void never_closes(struct sp_stream *s, int why, void *arg)
{
    (void)s, (void)why, (void)arg;
    ck_abort_msg("a stream ended");
}

static bool all_heard(void *arg)
{
    return ((struct several *)arg)->n == SEVERAL;
}

START_TEST(in_the_order_in_which_it_came)
{
    static const struct sp_stream_events events = {.input = hear, .closed = never_closes};
    static const uint8_t order[SEVERAL] = {3, 0, 4, 1, 2};
    int fds[SEVERAL][2];

    several = (struct several){.n = 0};
    io_loop_init(&several.loop);
    for (int i = 0; i < SEVERAL; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds[i]), 0);
        ck_assert_int_eq(
            sp_stream_new(&several.loop.ticker, fds[i][0], &events, &several, &several.s[i]), 0);
    }
    io_loop_for(&several.loop, 1);
    for (int i = 0; i < SEVERAL; i++)
        ck_assert_int_eq(write(fds[order[i]][1], &order[i], 1), 1);
    ck_assert(io_loop_until(&several.loop, all_heard, &several));
    ck_assert_mem_eq(several.heard, order, SEVERAL);
    /* One that goes while it is about to be heard. */
    several.n = 0;
    ck_assert_int_eq(write(fds[0][1], "", 1), 1);
    sp_stream_free(several.s[0]);
    io_loop_for(&several.loop, 1);
    ck_assert_uint_eq(several.n, 0);
    for (int i = 1; i < SEVERAL; i++)
        sp_stream_free(several.s[i]);
    for (int i = 0; i < SEVERAL; i++)
        close(fds[i][1]);
    io_loop_fini(&several.loop);
}
END_TEST

/* What a read left is told of, for as long as it is there. */
#define ONE_READ 65536

struct reads {
    size_t n, len[4];
    bool more[4];
};

static void note_read(struct sp_stream *s, void *arg)
{
    struct reads *r = arg;

    ck_assert_uint_lt(r->n, 4);
    r->len[r->n] = sp_stream_in(s)->len;
    r->more[r->n++] = sp_stream_has_more(s);
    sp_buf_consume(sp_stream_in(s), sp_stream_in(s)->len);
}

START_TEST(more_than_a_read_takes)
{
    static const struct sp_stream_events events = {.input = note_read, .closed = never_closes};
    static const uint8_t bytes[ONE_READ + 1];
    struct reads r = {0};
    struct io_loop loop;
    struct sp_stream *s;
    int fds[2];

    io_loop_init(&loop);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(sp_stream_new(&loop.ticker, fds[0], &events, &r, &s), 0);
    ck_assert(!sp_stream_has_more(s));
    ck_assert_int_eq(write(fds[1], bytes, ONE_READ + 1), ONE_READ + 1);
    io_loop_for(&loop, 5);
    ck_assert_uint_eq(r.n, 2);
    ck_assert_uint_eq(r.len[0], ONE_READ);
    ck_assert(r.more[0]);
    ck_assert_uint_eq(r.len[1], 1);
    ck_assert(!r.more[1]);
    /* It took all that it could, which was all. */
    ck_assert_int_eq(write(fds[1], bytes, ONE_READ), ONE_READ);
    io_loop_for(&loop, 5);
    ck_assert_uint_eq(r.n, 3);
    ck_assert_uint_eq(r.len[2], ONE_READ);
    ck_assert(!r.more[2]);
    sp_stream_free(s);
    close(fds[1]);
    io_loop_fini(&loop);
}
END_TEST

/* A receiver that does not consume: its input stays within the bound, the sender's room ends, and
 * both go on when it consumes, which it does outside of any callback. */
START_TEST(back_pressure)
{
    static uint8_t chunk[16384];
    size_t sent = 0, total = 6 << 20, most = 0;
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_as(&r, _i == 1);
    r.b.hold = true;
    for (int idle = 0; idle < 5;) {
        while (sp_stream_room(r.a.s) > 0 && sent < total) {
            size_t n = sp_stream_room(r.a.s) < 5000 ? sp_stream_room(r.a.s) : 5000;
            stream_rig_fill(chunk, n, sent);
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
    ck_assert(stream_end_got(&r.loop, &r.b, sent));
    ck_assert_int_gt(r.b.inputs, inputs);
    stream_rig_check(&r.b.got, sent);
    io_loop_for(&r.loop, 20);
    ck_assert_int_gt(r.a.writables, 0);
    ck_assert_uint_gt(sp_stream_room(r.a.s), 0);
    stream_rig_close(&r);
}
END_TEST

static size_t unsent(struct stream_rig *r)
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
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_as(&r, false);
    r.b.hold = true;
    for (int full = 0; full < 3 && sent < total;) { /* and stays so */
        stream_rig_fill(chunk, sizeof chunk, sent);
        ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk)), 0);
        sent += sizeof chunk;
        io_loop_for(&r.loop, full > 0 ? 20 : 0);
        full = unsent(&r) > SP_SOCK_NOTSENT_SOLE ? full + 1 : 0;
    }
    ck_assert_uint_lt(sent, total);
    ck_assert_uint_gt(sp_stream_room(r.a.s), 0);
    sp_stream_tune_sole(r.a.s, &(struct sp_stream_congestion){0});
    ck_assert_uint_eq(sp_stream_room(r.a.s), 0);
    io_loop_for(&r.loop, 20);
    ck_assert_int_eq(r.a.writables, 0);

    struct sp_buf *in = sp_stream_in(r.b.s);
    ck_assert_int_eq(sp_buf_append(&r.b.got, sp_buf_span(in)), 0);
    sp_buf_consume(in, in->len);
    r.b.hold = false;
    ck_assert(stream_end_got(&r.loop, &r.b, sent));
    stream_rig_check(&r.b.got, sent);
    io_loop_for(&r.loop, 20);
    ck_assert_int_eq(r.a.writables, 1);
    ck_assert_uint_eq(sp_stream_room(r.a.s), SP_SOCK_NOTSENT_SOLE);
    stream_rig_close(&r);
}
END_TEST

START_TEST(output_bound)
{
    static uint8_t chunk[50000];
    size_t sent = 0;
    struct stream_rig r;
    int err;

    stream_rig_open(&r);
    stream_rig_as(&r, _i == 1);
    r.b.hold = true;
    do {
        stream_rig_fill(chunk, sizeof chunk, sent);
        err = sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk));
        sent += err == 0 ? sizeof chunk : 0;
        ck_assert_uint_le(sp_stream_pending(r.a.s), SP_STREAM_OUT_MAX + 4096);
    } while (err == 0 && sent < 64U << 20);
    ck_assert_int_eq(err, SP_EFULL);
    r.b.hold = false;
    sp_stream_set_events(r.b.s, &stream_rig_events, &r.b);
    ck_assert(stream_end_got(&r.loop, &r.b, sent));
    stream_rig_check(&r.b.got, sent);
    stream_rig_close(&r);
}
END_TEST

/* What comes in one piece with the end of the handshake is not left lying. */
START_TEST(data_behind_the_handshake)
{
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_plain(&r);
    r.a.greet = true;
    stream_rig_go_tls(&r);
    ck_assert(stream_end_got(&r.loop, &r.b, 5));
    ck_assert(sp_span_eq(sp_buf_span(&r.b.got), sp_span_str("hello")));
    stream_rig_close(&r);
}
END_TEST

/* More than the input holds, and then the end: first all of it, then `closed`. */
START_TEST(held_then_closed)
{
    static uint8_t data[SP_STREAM_IN_MAX + 100000];
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_as(&r, _i == 1);
    r.b.hold = true;
    stream_rig_fill(data, sizeof data, 0);
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(data, sizeof data)), 0);
    sp_stream_finish(r.a.s, SP_SEC(5));
    io_loop_for(&r.loop, 50);
    ck_assert_uint_eq(sp_stream_in(r.b.s)->len, SP_STREAM_IN_MAX);
    ck_assert_int_eq(r.b.closes, 0);
    r.b.hold = false;
    sp_stream_set_events(r.b.s, &stream_rig_events, &r.b);
    ck_assert(io_loop_until(&r.loop, stream_rig_b_closed, &r));
    stream_rig_check(&r.b.got, sizeof data);
    ck_assert_int_eq(r.b.why, SP_ECLOSED);
    stream_rig_close(&r);
}
END_TEST

/* --- owners --------------------------------------------------------------------------------- */

START_TEST(another_owner)
{
    struct stream_end second = {0};
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_as(&r, false);
    r.b.hold = true;
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("kept")), 0);
    while (r.b.inputs == 0)
        io_loop_for(&r.loop, 1);
    second.s = r.b.s;
    sp_buf_init(&second.got, 1000);
    sp_stream_set_events(r.b.s, &stream_rig_events, &second);
    ck_assert_int_eq(second.inputs, 0);
    ck_assert(stream_end_got(&r.loop, &second, 4));
    ck_assert(sp_span_eq(sp_buf_span(&second.got), sp_span_str("kept")));
    ck_assert_int_eq(r.b.inputs, 1);
    sp_buf_fini(&second.got);
    stream_rig_close(&r);
}
END_TEST

#define MOVED_BYTES 300000 /* of which the first is consumed before it moves */

static bool c_has_closed(void *arg)
{
    return ((struct stream_end *)arg)->closes > 0;
}

/* The second half of a connection's life: hears the rest, answers, and waits for the end. */
static void *live_on(void *arg)
{
    struct stream_end *e = arg;
    struct io_loop loop;

    io_loop_init(&loop);
    sp_stream_enter(e->s, &loop.ticker);
    sp_stream_set_events(e->s, &stream_rig_events, e);
    if (stream_end_got(&loop, e, MOVED_BYTES - 1) &&
        sp_stream_write(e->s, sp_span_str("thanks")) == 0)
        io_loop_until(&loop, c_has_closed, e);
    stream_end_free(e);
    io_loop_fini(&loop);
    return NULL;
}

static bool b_was_told(void *arg)
{
    return ((struct stream_rig *)arg)->b.inputs > 0;
}

START_TEST(another_loop)
{
    static uint8_t bytes[MOVED_BYTES];
    struct stream_end c = {0};
    struct stream_rig r;
    pthread_t thread;

    stream_rig_open(&r);
    stream_rig_as(&r, _i == 1);
    r.b.leave = true;
    stream_rig_fill(bytes, sizeof bytes, (size_t)0 - 1);
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
    ck_assert(stream_end_got(&r.loop, &r.a, 6));
    sp_stream_finish(r.a.s, SP_SEC(5));
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    stream_rig_check(&c.got, MOVED_BYTES - 1);
    ck_assert_int_eq(c.closes, 1);
    ck_assert_int_eq(c.why, SP_ECLOSED);
    ck_assert_int_eq(r.b.inputs + r.b.closes, 1);
    sp_buf_fini(&c.got);
    stream_rig_close(&r);
}
END_TEST

/* Nobody took it. */
START_TEST(freed_between_two_loops)
{
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_as(&r, _i == 1);
    sp_stream_leave(r.b.s);
    stream_end_free(&r.b);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    stream_rig_close(&r);
}
END_TEST

/* For each callback, plain and under TLS; the sanitizer looks for what is touched afterwards. */
static void free_in(int when, bool tls)
{
    static uint8_t chunk[16384];
    struct stream_rig r;

    stream_rig_open(&r);
    if (when == IN_ESTABLISHED) {
        r.a.free_when = tls ? NEVER : IN_ESTABLISHED;
        stream_rig_plain(&r);
        r.a.free_when = r.b.free_when = IN_ESTABLISHED;
        if (tls)
            stream_rig_go_tls(&r);
        ck_assert_ptr_null(r.a.s);
        ck_assert(!tls || r.b.s == NULL);
    } else {
        stream_rig_as(&r, tls);
    }
    if (when == IN_INPUT) {
        r.b.free_when = IN_INPUT;
        ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk)), 0);
        sp_stream_finish(r.a.s, SP_SEC(5));
        ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
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
        ck_assert(io_loop_until(&r.loop, stream_rig_b_closed, &r));
        ck_assert_ptr_null(r.a.s);
        ck_assert_int_eq(r.a.writables, 1);
    }
    if (when == IN_CLOSED) {
        r.b.free_when = IN_CLOSED;
        stream_end_free(&r.a);
        ck_assert(io_loop_until(&r.loop, stream_rig_b_closed, &r));
        ck_assert_ptr_null(r.b.s);
        ck_assert_int_eq(r.b.why, SP_ECLOSED);
    }
    io_loop_for(&r.loop, 5);
    stream_rig_close(&r);
}

START_TEST(freed_within)
{
    free_in(1 + _i / 2, _i % 2 == 1);
}
END_TEST

START_TEST(tls_twice)
{
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_tls(&r);
    ck_assert_int_eq(sp_stream_start_tls_client(r.a.s, r.client, "edge.test", SP_SEC(5)),
                     SP_EINVAL);
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("still here")), 0);
    ck_assert(stream_end_got(&r.loop, &r.b, 10));
    stream_rig_close(&r);
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
    tcase_add_test(tc, in_the_order_in_which_it_came);
    tcase_add_test(tc, more_than_a_read_takes);
    tcase_add_loop_test(tc, back_pressure, 0, 2);
    tcase_add_test(tc, tuned_while_the_kernel_is_full);
    tcase_add_loop_test(tc, output_bound, 0, 2);
    tcase_add_test(tc, data_behind_the_handshake);
    tcase_add_loop_test(tc, held_then_closed, 0, 2);
    tcase_add_test(tc, another_owner);
    tcase_add_loop_test(tc, another_loop, 0, 2);
    tcase_add_loop_test(tc, freed_between_two_loops, 0, 2);
    tcase_add_loop_test(tc, freed_within, 0, 8);
    tcase_add_test(tc, tls_twice);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
