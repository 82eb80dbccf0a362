/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The door: what comes is told apart, outside and inside TLS; who dawdles or crowds has to go.
 */
#include "conn.h"

#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_loop.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/listener.h"
#include "server_env.h"
#include "tls_files.h"

#define STUN                           \
    "\x00\x01\x00\x00\x21\x12\xA4\x42" \
    "abcdefghijkl"

struct rig {
    struct server_env e;
    struct tls_files files;
    struct sp_shared shared;
    struct sp_keys keys;
    struct sp_keyring ring;
    struct sp_tls_ctx *client;
    struct sp_conns *conns;
    struct sp_listener *listener;
    unsigned turn, http, wanted;
    struct sp_stream *taken[16];
    size_t n_taken;
    int refuse; /* what takers say */
};

static void on_input(struct sp_stream *s, void *arg)
{
    (void)s;
    (void)arg;
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    (void)arg;
}

static int take(struct rig *r, struct sp_stream *s)
{
    static const struct sp_stream_events events = {.input = on_input, .closed = on_closed};

    if (r->refuse != 0)
        return r->refuse;
    ck_assert_uint_lt(r->n_taken, SP_ARRAY_LEN(r->taken));
    r->taken[r->n_taken++] = s;
    sp_stream_set_events(s, &events, NULL);
    return 0;
}

static int take_turn(struct sp_stream *s, void *arg)
{
    struct rig *r = arg;
    r->turn++;
    return take(r, s);
}

static int take_http(struct sp_stream *s, void *arg)
{
    struct rig *r = arg;
    r->http++;
    return take(r, s);
}

static const struct sp_conn_takers takers = {.turn = take_turn, .http = take_http};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct rig *r = arg;
    (void)l;
    (void)remote;
    sp_conn_accept(r->conns, fd);
}

static void open_rig(struct rig *r, bool certificate, size_t max_strangers)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    char why[SP_TLS_ERROR_MAX];

    *r = (struct rig){.turn = 0};
    server_env_open(&r->e, 0, 0);
    r->e.env.max_strangers = max_strangers;
    r->ring.now = &r->keys;
    r->e.env.keys = &r->ring;
    tls_files_make(&r->files, NULL);
    r->shared.config.serve = SP_SERVE_TUNNEL | SP_SERVE_TURN | SP_SERVE_SITE;
    ck_assert_int_eq(sp_tls_ctx_client(r->files.ca, alpn, &r->client, why), 0);
    if (certificate)
        ck_assert_int_eq(sp_tls_ctx_server(r->files.cert, r->files.key, alpn, &r->keys.tls, why),
                         0);
    ck_assert_int_eq(sp_conns_new(&r->e.env, &r->shared, &takers, r, &r->conns), 0);
    ck_assert_int_eq(
        sp_listener_open(&r->e.loop.ticker, NULL, &any, NULL, on_accept, r, &r->listener), 0);
}

static void close_rig(struct rig *r)
{
    for (size_t i = 0; i < r->n_taken; i++)
        sp_stream_free(r->taken[i]);
    sp_listener_close(r->listener);
    sp_conns_free(r->conns);
    sp_tls_ctx_unref(r->keys.tls);
    sp_tls_ctx_unref(r->client);
    tls_files_remove(&r->files);
    server_env_close(&r->e);
}

static void connect_peer(struct rig *r, struct peer *p, bool tls)
{
    ck_assert(peer_connect(p, &r->e.loop, sp_listener_local(r->listener), tls ? r->client : NULL));
}

static bool is_taken(void *arg)
{
    struct rig *r = arg;
    return r->turn + r->http >= r->wanted;
}

static bool wait_taken(struct rig *r, unsigned n)
{
    r->wanted = n;
    return io_loop_until(&r->e.loop, is_taken, r);
}

/* What it is, byte by byte: told as soon as it can be, and what came is handed on unread. */
START_TEST(told_apart)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool tls, turn;
    } cases[] = {
        {STUN, 20, false, true},
        {STUN, 20, true, true},
        {"GET / HTTP/1.1\r\n", 16, false, false},
        {"GET / HTTP/1.1\r\n", 16, true, false},
        {"\x80\x81\x82", 3, false, false}, /* nobody's: a web server would answer it, too */
        {"\x80\x81\x82", 3, true, false},
        {"\x16\x03\x01\x02\x00\x01", 6, true, false}, /* TLS inside TLS is nothing we know */
    };
    struct rig r;

    open_rig(&r, true, 64);
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct peer p;
        unsigned turn = r.turn;
        connect_peer(&r, &p, cases[i].tls);
        for (size_t k = 0; k < cases[i].len; k++) {
            peer_send(&p, cases[i].bytes + k, 1);
            io_loop_for(&r.e.loop, 2);
        }
        ck_assert(wait_taken(&r, i + 1));
        io_loop_for(&r.e.loop, 10);
        ck_assert_uint_eq(r.turn - turn, cases[i].turn);
        struct sp_stream *s = r.taken[r.n_taken - 1];
        ck_assert_int_eq(sp_stream_tls(s) != NULL, cases[i].tls);
        ck_assert(sp_span_eq(sp_buf_span(sp_stream_in(s)), sp_span(cases[i].bytes, cases[i].len)));
        peer_close(&p);
    }
    const struct sp_conns_counters *c = sp_conns_counters(r.conns);
    ck_assert_uint_eq(c->accepted, SP_ARRAY_LEN(cases));
    ck_assert_uint_eq(c->turn, 2);
    ck_assert_uint_eq(c->http, 2);
    ck_assert_uint_eq(c->unknown, 3);
    close_rig(&r);
}
END_TEST

/* Without TURN, STUN is as strange as anything. */
START_TEST(turn_not_served)
{
    struct peer p;
    struct rig r;

    open_rig(&r, true, 64);
    r.shared.config.serve = SP_SERVE_TUNNEL | SP_SERVE_SITE;
    connect_peer(&r, &p, true);
    peer_send(&p, STUN, 20);
    ck_assert(wait_taken(&r, 1));
    ck_assert_uint_eq(r.http, 1);
    peer_close(&p);
    close_rig(&r);
}
END_TEST

/* A ClientHello where there is no certificate: it is answered as anything unknown is. */
START_TEST(no_certificate)
{
    static const char hello[] = "\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03";
    struct peer p;
    struct rig r;

    open_rig(&r, false, 64);
    connect_peer(&r, &p, false);
    peer_send(&p, hello, sizeof hello - 1);
    ck_assert(wait_taken(&r, 1));
    ck_assert_uint_eq(r.http, 1);
    ck_assert_uint_eq(sp_conns_counters(r.conns)->unknown, 1);
    ck_assert_ptr_null(sp_stream_tls(r.taken[0]));
    peer_close(&p);
    close_rig(&r);
}
END_TEST

/* Nothing, half a request, half a handshake: until its time is over. */
START_TEST(who_dawdles)
{
    static const char *const said[] = {"", "GE", "\x16\x03\x01\x02\x00\x01\x00"};
    struct peer p[SP_ARRAY_LEN(said)];
    struct rig r;

    open_rig(&r, true, 64);
    for (size_t i = 0; i < SP_ARRAY_LEN(said); i++) {
        connect_peer(&r, &p[i], false);
        peer_send(&p[i], said[i], i == 2 ? 7 : strlen(said[i]));
    }
    io_loop_for(&r.e.loop, 20);
    server_env_pass(&r.e, SP_SEC(9));
    io_loop_for(&r.e.loop, 20);
    for (size_t i = 0; i < SP_ARRAY_LEN(said); i++)
        ck_assert(!p[i].ended);
    server_env_pass(&r.e, SP_SEC(11));
    for (size_t i = 0; i < SP_ARRAY_LEN(said); i++) {
        ck_assert(peer_ended(&p[i]));
        ck_assert_uint_eq(p[i].got.len, 0);
        peer_close(&p[i]);
    }
    ck_assert_uint_eq(sp_conns_counters(r.conns)->timed_out, 3);
    ck_assert_uint_eq(r.e.hits.handshake_s, 3);
    ck_assert_uint_eq(r.http + r.turn, 0);
    close_rig(&r);
}
END_TEST

/* After a whole handshake the site's patience counts, and its way to end. */
START_TEST(silent_inside_tls)
{
    struct peer p;
    struct rig r;

    open_rig(&r, true, 64);
    connect_peer(&r, &p, true);
    io_loop_for(&r.e.loop, 20);
    server_env_pass(&r.e, SP_SEC(11));
    ck_assert_uint_eq(r.http, 1);
    ck_assert_uint_eq(sp_conns_counters(r.conns)->timed_out, 0);
    peer_close(&p);
    close_rig(&r);
}
END_TEST

START_TEST(broken_handshake)
{
    static const char bad[] = "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00garbage that is no record";
    struct peer p;
    struct rig r;

    open_rig(&r, true, 64);
    connect_peer(&r, &p, false);
    peer_send(&p, bad, sizeof bad - 1);
    ck_assert(peer_ended(&p));
    ck_assert_uint_eq(sp_conns_counters(r.conns)->tls_failed, 1);
    peer_close(&p);
    connect_peer(&r, &p, false); /* gone in the middle of it */
    peer_send(&p, bad, 8);
    io_loop_for(&r.e.loop, 20);
    peer_close(&p);
    io_loop_for(&r.e.loop, 20);
    ck_assert_uint_eq(sp_conns_counters(r.conns)->tls_failed, 1);
    close_rig(&r);
}
END_TEST

/* Who can't be taken is closed. */
START_TEST(taker_refuses)
{
    struct peer p, q;
    struct rig r;

    open_rig(&r, true, 64);
    r.refuse = SP_ENOMEM;
    connect_peer(&r, &p, false);
    connect_peer(&r, &q, true);
    peer_say(&p, "GET / HTTP/1.1\r\n");
    peer_send(&q, STUN, 20);
    ck_assert(peer_ended(&p));
    ck_assert(peer_ended(&q));
    peer_close(&p);
    peer_close(&q);
    close_rig(&r);
}
END_TEST

/* A connection from an address of its own. */
static int connect_from(struct rig *r, uint8_t last)
{
    struct sp_addr from = sp_addr_v4(127, 0, 0, last, 0);
    struct sockaddr_storage ss;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sp_addr_to_sockaddr(&from, false, &ss);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
    len = sp_addr_to_sockaddr(sp_listener_local(r->listener), false, &ss);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
    io_loop_for(&r->e.loop, 10);
    return fd;
}

struct failed {
    struct rig *r;
    uint64_t wanted;
};

static bool have_failed(void *arg)
{
    struct failed *f = arg;
    return sp_conns_counters(f->r->conns)->tls_failed >= f->wanted;
}

/* Many that ask for a handshake in the same moment: most wait, all have their turn, whoever leaves
 * meanwhile holds up nobody. */
START_TEST(handshakes_in_turn)
{
    static const char bad[] = "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00garbage that is no record";
    static const struct linger at_once = {1, 0};
    int fds[24];
    struct rig r;
    struct failed most = {&r, SP_ARRAY_LEN(fds) - 1};

    open_rig(&r, true, 64);
    for (size_t i = 0; i < SP_ARRAY_LEN(fds); i++)
        fds[i] = connect_from(&r, (uint8_t)(2 + i));
    for (size_t i = 0; i < SP_ARRAY_LEN(fds); i++)
        ck_assert_int_eq(send(fds[i], bad, sizeof bad - 1, 0), (ssize_t)sizeof bad - 1);
    ev_run(r.e.loop.loop, EVRUN_ONCE);
    ck_assert_uint_ge(sp_conns_counters(r.conns)->queued, 8);
    ck_assert_uint_le(sp_conns_counters(r.conns)->tls_failed, 4);
    setsockopt(fds[23], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fds[23]);
    ck_assert(io_loop_until(&r.e.loop, have_failed, &most));
    for (size_t i = 0; i + 1 < SP_ARRAY_LEN(fds); i++)
        close(fds[i]);
    close_rig(&r);
}
END_TEST

static bool is_open(int fd)
{
    char c;
    return recv(fd, &c, 1, MSG_DONTWAIT) < 0;
}

/* Eight may stand there, two of them from one address; beyond that the first has to go. */
START_TEST(crowd)
{
    int fds[11];
    struct rig r;

    open_rig(&r, true, 8);
    for (uint8_t i = 0; i < 8; i++)
        fds[i] = connect_from(&r, (uint8_t)(2 + i / 2));
    fds[8] = connect_from(&r, 2); /* has two already */
    ck_assert_uint_eq(sp_conns_counters(r.conns)->crowded, 1);
    ck_assert_uint_eq(r.e.hits.strangers_per_address, 1);
    ck_assert(!is_open(fds[8]));
    for (size_t i = 0; i < 8; i++)
        ck_assert(is_open(fds[i]));
    fds[9] = connect_from(&r, 9);
    ck_assert_uint_eq(sp_conns_counters(r.conns)->pushed_out, 1);
    ck_assert_uint_eq(r.e.hits.strangers, 1);
    ck_assert(!is_open(fds[0]));
    ck_assert(is_open(fds[1]));
    ck_assert(is_open(fds[9]));
    fds[10] = connect_from(&r, 2); /* its place is free again */
    ck_assert(is_open(fds[10]));
    for (size_t i = 0; i < SP_ARRAY_LEN(fds); i++)
        close(fds[i]);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conn");
    TCase *tc = tcase_create("conn");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, told_apart);
    tcase_add_test(tc, turn_not_served);
    tcase_add_test(tc, no_certificate);
    tcase_add_test(tc, who_dawdles);
    tcase_add_test(tc, silent_inside_tls);
    tcase_add_test(tc, broken_handshake);
    tcase_add_test(tc, taker_refuses);
    tcase_add_test(tc, handshakes_in_turn);
    tcase_add_test(tc, crowd);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
