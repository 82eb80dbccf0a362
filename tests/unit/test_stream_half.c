/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams whose one direction has ended, and the other not.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_loop.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/listener.h"
#include "sallyport/stream.h"
#include "tls_files.h"

static const char *const alpn[] = {"http/1.1", NULL};

/* The end under test: hears until the other side has said all, and answers then. */
struct listening {
    struct io_loop loop;
    struct sp_listener *listener;
    struct tls_files files;
    struct sp_tls_ctx *server, *client;
    struct sp_stream *s;
    struct sp_buf got;
    bool tls, hold;
    int half_closes, closes, why;
    size_t got_by_then; /* when it was half closed */
};

static void take(struct listening *l)
{
    struct sp_buf *in = sp_stream_in(l->s);
    ck_assert_int_eq(sp_buf_append(&l->got, sp_buf_span(in)), 0);
    sp_buf_consume(in, in->len);
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct listening *l = arg;

    if (l->tls && sp_stream_tls(s) == NULL)
        ck_assert_int_eq(sp_stream_start_tls_server(s, l->server, SP_SEC(10)), 0);
    else if (!l->hold)
        take(l);
}

static void on_half_closed(struct sp_stream *s, void *arg)
{
    struct listening *l = arg;
    (void)s;
    l->half_closes++;
    l->got_by_then = l->got.len;
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    struct listening *l = arg;
    (void)s;
    l->closes++;
    l->why = why;
}

static const struct sp_stream_events patient = {
    .input = on_input, .closed = on_closed, .half_closed = on_half_closed};
static const struct sp_stream_events impatient = {.input = on_input, .closed = on_closed};

static void on_accept(struct sp_listener *from, int fd, const struct sp_addr *remote, void *arg)
{
    struct listening *l = arg;
    (void)from;
    (void)remote;
    ck_assert_int_eq(sp_stream_new(&l->loop.ticker, fd, &patient, l, &l->s), 0);
}

static void open_both(struct listening *l, struct peer *p, bool tls)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    char why[SP_TLS_ERROR_MAX];

    *l = (struct listening){.tls = tls};
    io_loop_init(&l->loop);
    sp_buf_init(&l->got, 16 << 20);
    tls_files_make(&l->files, NULL);
    ck_assert_int_eq(sp_tls_ctx_server(l->files.cert, l->files.key, alpn, &l->server, why), 0);
    ck_assert_int_eq(sp_tls_ctx_client(l->files.ca, alpn, &l->client, why), 0);
    ck_assert_int_eq(
        sp_listener_open(&l->loop.ticker, NULL, &any, NULL, on_accept, l, &l->listener), 0);
    ck_assert(peer_connect(p, &l->loop, sp_listener_local(l->listener), tls ? l->client : NULL));
    io_loop_for(&l->loop, 20);
    ck_assert_ptr_nonnull(l->s);
}

static void close_both(struct listening *l, struct peer *p)
{
    peer_close(p);
    sp_stream_free(l->s);
    sp_listener_close(l->listener);
    sp_buf_fini(&l->got);
    sp_tls_ctx_unref(l->server);
    sp_tls_ctx_unref(l->client);
    tls_files_remove(&l->files);
    io_loop_fini(&l->loop);
}

static bool is_half_closed(void *arg)
{
    struct listening *l = arg;
    return l->half_closes > 0 || l->closes > 0;
}

static bool is_closed(void *arg)
{
    return ((struct listening *)arg)->closes > 0;
}

/* Whoever has asked and said that this was all is answered nevertheless. */
START_TEST(answered_afterwards)
{
    struct listening l;
    struct peer p;

    open_both(&l, &p, _i == 1);
    p.holds = true;
    peer_say(&p, "question");
    if (_i == 1)
        sp_stream_finish(p.s, SP_SEC(10)); /* close_notify, and FIN */
    else
        sp_stream_half_close(p.s);
    ck_assert(io_loop_until(&l.loop, is_half_closed, &l));
    ck_assert_int_eq(l.half_closes, 1);
    ck_assert_int_eq(l.closes, 0);
    ck_assert_uint_eq(l.got_by_then, strlen("question"));
    ck_assert_int_eq(sp_stream_write(l.s, sp_span_str("answer")), 0);
    sp_stream_finish(l.s, SP_SEC(10));
    ck_assert(io_loop_until(&l.loop, is_closed, &l));
    ck_assert_int_eq(l.why, SP_ECLOSED);
    ck_assert_int_eq(l.half_closes, 1);
    if (_i == 0) {
        p.holds = false;
        ck_assert(peer_ended(&p));
        ck_assert_int_eq(p.why, SP_ECLOSED);
        ck_assert_uint_eq(sp_stream_in(p.s)->len, strlen("answer"));
    }
    close_both(&l, &p);
}
END_TEST

/* Who can't say any more still hears. */
START_TEST(hears_after_half_close)
{
    struct listening l;
    struct peer p;

    open_both(&l, &p, false);
    sp_stream_half_close(l.s);
    ck_assert_int_eq(sp_stream_write(l.s, sp_span_str("x")), SP_ECLOSED);
    ck_assert_uint_eq(sp_stream_room(l.s), 0);
    ck_assert(peer_ended(&p));
    ck_assert_int_eq(l.closes, 0);
    peer_close(&p);

    int fds[2];
    tcp_pair(fds);
    sp_stream_free(l.s);
    ck_assert_int_eq(sp_stream_new(&l.loop.ticker, fds[0], &patient, &l, &l.s), 0);
    sp_stream_half_close(l.s);
    char c;
    io_loop_for(&l.loop, 20);
    ck_assert_int_eq(recv(fds[1], &c, 1, 0), 0);
    ck_assert_int_eq(write(fds[1], "still here", 10), 10);
    close(fds[1]);
    ck_assert(io_loop_until(&l.loop, is_half_closed, &l));
    ck_assert_uint_eq(l.got_by_then, 10);
    close_both(&l, &p);
}
END_TEST

/* What was in flight is sent before the FIN. */
START_TEST(half_close_sends_the_rest)
{
    static uint8_t chunk[900000];
    struct listening l;
    struct peer p;

    open_both(&l, &p, false);
    peer_send(&p, chunk, sizeof chunk);
    sp_stream_half_close(p.s);
    ck_assert_uint_gt(sp_stream_pending(p.s), 0);
    ck_assert(io_loop_until(&l.loop, is_half_closed, &l));
    ck_assert_uint_eq(l.got_by_then, sizeof chunk);
    close_both(&l, &p);
}
END_TEST

/* More than fits has come, the end too, before anything was taken: none of it is lost, and the end
 * comes last. */
START_TEST(end_behind_a_full_input)
{
    static uint8_t chunk[16000];
    struct listening l;
    struct peer p;
    size_t sent = 0;

    open_both(&l, &p, _i == 1);
    l.hold = true;
    for (int i = 0; i < 40; i++, sent += sizeof chunk)
        peer_send(&p, chunk, sizeof chunk);
    sp_stream_finish(p.s, SP_SEC(10));
    io_loop_for(&l.loop, 100);
    ck_assert_uint_eq(sp_stream_in(l.s)->len, SP_STREAM_IN_MAX);
    ck_assert_int_eq(l.half_closes, 0);
    l.hold = false;
    while (l.half_closes == 0) {
        struct sp_buf *in = sp_stream_in(l.s);
        size_t n = in->len < 777 ? in->len : 777;
        ck_assert_int_eq(sp_buf_append(&l.got, sp_span(sp_buf_span(in).p, n)), 0);
        sp_buf_consume(in, n);
        l.hold = true;
        if (in->len == 0 || l.got.len % 16 == 0)
            io_loop_for(&l.loop, 1);
    }
    take(&l);
    ck_assert_uint_eq(l.got.len, sent);
    ck_assert_int_eq(l.closes, 0);
    close_both(&l, &p);
}
END_TEST

/* A new owner hears of an end that the old one was told, and one that came with the last bytes. */
START_TEST(end_and_a_new_owner)
{
    struct listening l;
    struct peer p;

    open_both(&l, &p, _i == 1);
    l.hold = true;
    peer_say(&p, "question");
    sp_stream_finish(p.s, SP_SEC(10));
    ck_assert(io_loop_until(&l.loop, is_half_closed, &l));
    ck_assert_int_eq(l.half_closes, 1);
    sp_stream_set_events(l.s, &patient, &l);
    l.hold = false;
    l.half_closes = 0;
    ck_assert(io_loop_until(&l.loop, is_half_closed, &l));
    ck_assert_int_eq(l.half_closes, 1);
    ck_assert_uint_eq(l.got_by_then, strlen("question"));
    sp_stream_set_events(l.s, &impatient, &l);
    ck_assert(io_loop_until(&l.loop, is_closed, &l));
    ck_assert_int_eq(l.why, SP_ECLOSED);
    close_both(&l, &p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stream_half");
    TCase *tc = tcase_create("stream_half");

    tcase_add_loop_test(tc, answered_afterwards, 0, 2);
    tcase_add_test(tc, hears_after_half_close);
    tcase_add_test(tc, half_close_sends_the_rest);
    tcase_add_loop_test(tc, end_behind_a_full_input, 0, 2);
    tcase_add_loop_test(tc, end_and_a_new_owner, 0, 2);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
