/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP as strangers and gateways meet it, behind the door and TLS.
 */
#include "http_service.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "gateway_end.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/listener.h"
#include "sallyport/sock.h"
#include "server_env.h"
#include "tls_files.h"

#define PAGE_MAX      8192
#define IN_GOOD_ORDER "closed by the other side"

struct rig {
    struct server_env e;
    struct tls_files files;
    struct sp_tls_ctx *client;
    struct sp_shared shared;
    struct sp_keys keys;
    struct sp_keyring ring;
    struct sp_sessions *sessions;
    struct sp_http_service *http;
    struct sp_conns *conns;
    struct sp_listener *listener;
    const struct sp_addr *addr;
    struct sp_log log;
    int logs[2];
};

static int take_turn(struct sp_stream *s, void *arg)
{
    (void)s;
    (void)arg;
    return SP_EFULL;
}

static int take_http(struct sp_stream *s, void *arg)
{
    struct rig *r = arg;
    return sp_http_service_take(r->http, s);
}

static const struct sp_conn_takers takers = {.turn = take_turn, .http = take_http};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct rig *r = arg;
    (void)l;
    (void)remote;
    sp_conn_accept(r->conns, fd);
}

static void open_shared(struct rig *r)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    char why[SP_SHARED_WHY_MAX];

    r->shared.config.serve = SP_SERVE_TUNNEL | SP_SERVE_SITE;
    r->shared.config.tunnel_path = SP_UPGRADE_PATH;
    tls_files_make(&r->files, NULL);
    ck_assert_int_eq(sp_tls_ctx_client(r->files.ca, alpn, &r->client, why), 0);
    ck_assert_int_eq(sp_tls_ctx_server(r->files.cert, r->files.key, alpn, &r->keys.tls, why), 0);
    ck_assert_int_eq(
        sp_secrets_from_text("test", sp_span_str(SERVER_ENV_SECRET), &r->keys.secrets, why), 0);
    ck_assert_int_eq(sp_site_new(NULL, &r->shared.site, why), 0);
}

static void open_rig(struct rig *r)
{
    const struct sp_sessions_config c = {.linger_us = SP_SEC(30)};
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);

    *r = (struct rig){.log = {.level = SP_LOG_INFO}};
    ck_assert_int_eq(pipe(r->logs), 0);
    r->log.fd = r->logs[1];
    server_env_open(&r->e, 0, 0);
    r->e.bounds.tunnels = 2;
    r->e.env.log = &r->log;
    r->ring.now = &r->keys;
    r->e.env.keys = &r->ring;
    open_shared(r);
    ck_assert_int_eq(sp_sessions_new(&r->e.env, &c, &r->sessions), 0);
    ck_assert_int_eq(sp_http_service_new(&r->e.env, &r->shared, r->sessions, NULL, NULL, &r->http),
                     0);
    ck_assert_int_eq(sp_conns_new(&r->e.env, &r->shared, &takers, r, &r->conns), 0);
    ck_assert_int_eq(
        sp_listener_open(&r->e.loop.ticker, NULL, &any, NULL, on_accept, r, &r->listener), 0);
    r->addr = sp_listener_local(r->listener);
}

static void close_rig(struct rig *r)
{
    sp_listener_close(r->listener);
    sp_conns_free(r->conns);
    sp_http_service_free(r->http);
    sp_sessions_free(r->sessions);
    sp_site_free(r->shared.site);
    sp_secrets_fini(&r->keys.secrets);
    sp_tls_ctx_unref(r->keys.tls);
    sp_tls_ctx_unref(r->client);
    tls_files_remove(&r->files);
    server_env_close(&r->e);
    close(r->logs[0]);
    close(r->logs[1]);
}

static void connect_peer(struct rig *r, struct peer *p, bool tls)
{
    ck_assert(peer_connect(p, &r->e.loop, r->addr, tls ? r->client : NULL));
}

static const struct sp_http_counters *counters(const struct rig *r)
{
    return sp_http_service_counters(r->http);
}

/* The text of an upgrade for that path; `token` NULL: without Authorization. */
static void upgrade(char *text, size_t cap, const char *path, const char *token, const char *rest)
{
    snprintf(text, cap,
             "GET %s HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\nUpgrade: rfc4571\r\n"
             "%s%s%s%s\r\n",
             path, token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "",
             token != NULL ? "\r\n" : "", rest);
}

START_TEST(pages)
{
    static const struct {
        const char *request;
        unsigned status;
        bool goes_on;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200, true},
        {"\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, true},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 405, true},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, false},
        {"GET / HTTP/1.0\r\n\r\n", 200, false},
        {"GET / HTTP/1.1\r\n\r\n", 400, false},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, false},
        {"what is this?\r\n\r\n", 400, false},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 405, false},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", 413, false},
        {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501, false},
    };
    char text[PAGE_MAX];
    struct rig r;

    open_rig(&r);
    for (size_t i = 0; i < 2 * SP_ARRAY_LEN(cases); i++) {
        size_t k = i / 2;
        struct peer p;
        connect_peer(&r, &p, i % 2);
        peer_say(&p, cases[k].request);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), cases[k].status);
        if (cases[k].goes_on) {
            peer_say(&p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
        } else {
            ck_assert(peer_ended(&p));
            ck_assert_str_eq(p.text, IN_GOOD_ORDER); /* close_notify and all */
        }
        ck_assert_uint_eq(p.got.len, 0);
        peer_close(&p);
    }
    ck_assert_uint_eq(counters(&r)->malformed, 6);
    close_rig(&r);
}
END_TEST

/* Requests behind each other, cut anywhere, are answered in order. */
START_TEST(pipelined)
{
    static const char both[] = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                               "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
    char text[PAGE_MAX];
    struct peer p;
    struct rig r;

    open_rig(&r);
    connect_peer(&r, &p, true);
    for (size_t cut = 1; cut < sizeof both - 1; cut++) {
        peer_send(&p, both, cut);
        io_loop_for(&r.e.loop, 1);
        peer_send(&p, both + cut, sizeof both - 1 - cut);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
    }
    ck_assert_uint_eq(counters(&r)->malformed, 0);
    peer_close(&p);
    close_rig(&r);
}
END_TEST

/* The head's own bound. */
START_TEST(long_head)
{
    static char head[SP_HTTP_HEAD_MAX + 100];
    char text[PAGE_MAX];
    struct peer p;
    struct rig r;

    open_rig(&r);
    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    memset(head + strlen(head), 'a', sizeof head - 1 - strlen(head));
    connect_peer(&r, &p, true);
    peer_send(&p, head, sizeof head - 1);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 431);
    ck_assert(peer_ended(&p));
    peer_close(&p);
    close_rig(&r);
}
END_TEST

/* A lower one, --max-header: to the byte, whether the head comes at once or drips, and counted. */
START_TEST(long_head_by_option)
{
    static const char good[] = "GET / HTTP/1.1\r\nHost: x\r\nX: ", end[] = "\r\n\r\n";
    char text[PAGE_MAX], head[1025];
    struct rig r;

    open_rig(&r);
    r.e.bounds.header_bytes = 1024;
    for (size_t len = 1023; len <= 1025; len++)
        for (int whole = 0; whole <= 1; whole++) {
            uint64_t hits = r.e.hits.header_bytes;
            bool fits = len <= 1024;
            struct peer p;

            memset(head, 'a', len);
            memcpy(head, good, sizeof good - 1);
            memcpy(head + len - (sizeof end - 1), end, sizeof end - 1);
            connect_peer(&r, &p, true);
            if (!whole) {
                peer_send(&p, head, 1000);
                io_loop_for(&r.e.loop, 2);
            }
            peer_send(&p, whole ? head : head + 1000, whole ? len : len - 1000);
            ck_assert_uint_eq(peer_answer(&p, text, sizeof text), fits ? 200 : 431);
            ck_assert_uint_eq(r.e.hits.header_bytes, hits + !fits);
            ck_assert(fits || peer_ended(&p));
            peer_close(&p);
        }
    close_rig(&r);
}
END_TEST

/*
 * Whoever may not join gets what an unknown page gets, byte for byte, and can go on like everybody:
 * by the answer nobody learns that there is a tunnel.
 */
START_TEST(refused_like_a_missing_page)
{
    char good[SP_TOKEN_MAX + 1], expired[SP_TOKEN_MAX + 1], other[SP_TOKEN_MAX + 1];
    char request[PAGE_MAX], missing[PAGE_MAX], text[PAGE_MAX];
    struct rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, -5, expired);
    server_env_token("office", "elsewhere", 60, other);
    const struct {
        const char *token, *rest;
    } cases[] = {
        {"not.even.one", "Sallyport-Tunnel: new\r\n"},
        {expired, "Sallyport-Tunnel: new\r\n"},
        {other, "Sallyport-Tunnel: new\r\n"},
        {NULL, "Sallyport-Tunnel: new\r\n"},
        {good, ""},
        {good, "Sallyport-Tunnel: old\r\n"},
        {good, "Sallyport-Tunnel: new; lane=32\r\n"},
        {good, "Sallyport-Tunnel: 000700112233445566778899aabbccddeeff; lane=0\r\n"},
        {good, "Sallyport-Tunnel: new\r\nContent-Length: 0\r\nAuthorization: Bearer x\r\n"},
    };

    open_rig(&r);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct peer p;
        connect_peer(&r, &p, true);
        upgrade(request, sizeof request, "/no/such/page", cases[i].token, cases[i].rest);
        peer_say(&p, request);
        ck_assert_uint_eq(peer_answer(&p, missing, sizeof missing), 404);
        upgrade(request, sizeof request, SP_UPGRADE_PATH, cases[i].token, cases[i].rest);
        peer_say(&p, request);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
        ck_assert_str_eq(text, missing);
        peer_say(&p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
        peer_close(&p);
    }
    ck_assert_uint_eq(counters(&r)->upgrades, 0);
    ck_assert_uint_eq(counters(&r)->upgrades_refused, 4); /* those that were well-formed */
    ck_assert_uint_eq(sp_sessions_count(r.sessions), 0);
    close_rig(&r);
}
END_TEST

/* A token in the clear is anybody's; and where no tunnel is served, a good one is worth nothing. */
START_TEST(no_lane_here)
{
    char good[SP_TOKEN_MAX + 1], request[PAGE_MAX], text[PAGE_MAX];
    struct peer p;
    struct rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    upgrade(request, sizeof request, SP_UPGRADE_PATH, good, "Sallyport-Tunnel: new\r\n");
    open_rig(&r);
    connect_peer(&r, &p, false);
    peer_say(&p, request);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
    peer_close(&p);
    r.shared.config.serve = SP_SERVE_SITE;
    connect_peer(&r, &p, true);
    peer_say(&p, request);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
    peer_close(&p);
    ck_assert_uint_eq(counters(&r)->upgrades_refused, 0);
    close_rig(&r);
}
END_TEST

START_TEST(lanes)
{
    char good[SP_TOKEN_MAX + 1], other[SP_TOKEN_MAX + 1];
    struct gateway_end a, b, c;
    struct rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    server_env_token("thief", SP_TOKEN_SCOPE_TUNNEL, 60, other);
    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&b, &r.e.loop);
    gateway_end_init(&c, &r.e.loop);
    ck_assert_uint_eq(gateway_end_join(&a, r.addr, r.client, good, 0), 101);
    ck_assert_uint_eq(gateway_end_join(&a, r.addr, r.client, good, 3), 101);
    ck_assert_uint_eq(sp_sessions_count(r.sessions), 1);
    ck_assert_uint_eq(sp_sessions_lane_count(r.sessions), 2);
    b.has_id = true;
    b.id = a.id;
    ck_assert_uint_eq(gateway_end_join(&b, r.addr, r.client, other, 1), 404);
    b.has_id = false;
    ck_assert_uint_eq(gateway_end_join(&b, r.addr, r.client, good, 0), 101);
    ck_assert_uint_eq(gateway_end_join(&c, r.addr, r.client, good, 0), 503); /* at a bound */
    ck_assert_uint_eq(counters(&r)->upgrades, 3);
    ck_assert_uint_eq(counters(&r)->upgrades_refused, 2);

    /* Lanes are no guests of the site any more: its patience does not end them. */
    server_env_pass(&r.e, SP_SEC(12));
    io_loop_for(&r.e.loop, 20);
    ck_assert_uint_eq(sp_sessions_lane_count(r.sessions), 3);
    gateway_end_fini(&a);
    gateway_end_fini(&b);
    gateway_end_fini(&c);
    close_rig(&r);
}
END_TEST

/* Asks for a lane, and the status has to be that; 503 is whole, says when to come again, and is the
 * connection's end. */
static void asks(struct rig *r, const char *token, const char *rest, unsigned status)
{
    char request[PAGE_MAX], text[PAGE_MAX];
    struct peer p;

    connect_peer(r, &p, true);
    upgrade(request, sizeof request, SP_UPGRADE_PATH, token, rest);
    peer_say(&p, request);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), status);
    if (status == 503) {
        ck_assert_ptr_nonnull(strstr(text, "\r\nRetry-After: 1\r\n"));
        ck_assert_ptr_nonnull(strstr(text, "\r\nConnection: close\r\n"));
        ck_assert(peer_ended(&p));
        ck_assert_str_eq(p.text, IN_GOOD_ORDER);
    }
    peer_close(&p);
}

/* Whose token is good learns that there is no room, and doesn't take it that his tunnel, or his
 * token, is not known. Others learn nothing of it. */
START_TEST(not_now)
{
    static const char unknown[] =
        "Sallyport-Tunnel: 000700112233445566778899aabbccddeeff; lane=0\r\n";
    char good[SP_TOKEN_MAX + 1], other[SP_TOKEN_MAX + 1], bad[SP_TOKEN_MAX + 1];
    struct gateway_end g;
    struct rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    server_env_token("thief", SP_TOKEN_SCOPE_TUNNEL, 60, other);
    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, -5, bad);
    open_rig(&r);
    gateway_end_init(&g, &r.e.loop);
    ck_assert_uint_eq(gateway_end_join(&g, r.addr, r.client, good, 0), 101);
    r.e.bounds.subject_lanes = 1;
    ck_assert_uint_eq(gateway_end_join(&g, r.addr, r.client, good, 1), 503);
    ck_assert_uint_eq(gateway_end_join(&g, r.addr, r.client, other, 1), 404);
    r.e.bounds.subject_tunnels = 1;
    asks(&r, good, "Sallyport-Tunnel: new\r\n", 503);
    asks(&r, bad, "Sallyport-Tunnel: new\r\n", 404);
    asks(&r, NULL, "Sallyport-Tunnel: new\r\n", 404);
    asks(&r, good, unknown, 404); /* forgotten is forgotten */
    ck_assert_uint_eq(r.e.hits.subject_lanes, 1);
    ck_assert_uint_eq(r.e.hits.subject_tunnels, 1);
    ck_assert_uint_eq(counters(&r)->upgrades_refused, 5);
    ck_assert_uint_eq(sp_sessions_lane_count(r.sessions), 1);

    sp_sessions_drain(r.sessions);
    r.e.bounds.subject_tunnels = 2;
    r.e.bounds.subject_lanes = 2;
    asks(&r, good, "Sallyport-Tunnel: new\r\n", 503);
    gateway_end_fini(&g);
    close_rig(&r);
}
END_TEST

/* Nobody else is asked for that. */
START_TEST(not_now_with_a_fallback)
{
    char good[SP_TOKEN_MAX + 1];
    struct gateway_end g;
    struct rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    open_rig(&r);
    sp_http_service_free(r.http);
    r.shared.config.has_fallback = true;
    r.shared.config.fallback = sp_addr_v4(127, 0, 0, 1, 1); /* where nobody is */
    ck_assert_int_eq(sp_http_service_new(&r.e.env, &r.shared, r.sessions, NULL, NULL, &r.http), 0);
    r.e.bounds.tunnels = 1;
    gateway_end_init(&g, &r.e.loop);
    ck_assert_uint_eq(gateway_end_join(&g, r.addr, r.client, good, 0), 101);
    asks(&r, good, "Sallyport-Tunnel: new\r\n", 503);
    asks(&r, "no token", "Sallyport-Tunnel: new\r\n", 502);
    gateway_end_fini(&g);
    close_rig(&r);
}
END_TEST

/* A web server behind: `fd` is its connection, once there is one. */
struct behind {
    int listener, fd;
};

static bool is_passed_on(void *arg)
{
    struct behind *b = arg;
    b->fd = accept(b->listener, NULL, NULL);
    return b->fd >= 0;
}

static bool has_heard_all(void *arg)
{
    char text[PAGE_MAX];
    return recv(((struct behind *)arg)->fd, text, sizeof text, MSG_DONTWAIT) == 0;
}

/* Who was passed on has no answer that could say that the server drains (fallback.h). */
START_TEST(drain_with_a_fallback)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    char text[PAGE_MAX];
    struct peer p;
    struct rig r;
    struct behind b;

    open_rig(&r);
    sp_http_service_free(r.http);
    r.shared.config.has_fallback = true;
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &b.listener, &r.shared.config.fallback), 0);
    ck_assert_int_eq(sp_http_service_new(&r.e.env, &r.shared, r.sessions, NULL, NULL, &r.http), 0);
    connect_peer(&r, &p, true);
    peer_say(&p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert(io_loop_until(&r.e.loop, is_passed_on, &b));
    ck_assert_int_gt(dprintf(b.fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 0);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
    sp_http_service_drain(r.http);
    server_env_pass(&r.e, SP_SEC(6));
    ck_assert(io_loop_until(&r.e.loop, has_heard_all, &b));
    close(b.fd);
    ck_assert(peer_ended(&p));
    ck_assert_str_eq(p.text, IN_GOOD_ORDER);
    peer_close(&p);
    close(b.listener);
    close_rig(&r);
}
END_TEST

/* Frames that come right behind the request are the lane's. */
START_TEST(frames_behind_the_request)
{
    char good[SP_TOKEN_MAX + 1], request[PAGE_MAX];
    struct peer p;
    struct rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    upgrade(request, sizeof request, SP_UPGRADE_PATH, good, "Sallyport-Tunnel: new\r\n");
    open_rig(&r);
    connect_peer(&r, &p, true);
    size_t len = strlen(request);
    memcpy(request + len, "\xFF\xFF\x00\x00", 4); /* a frame that is too long, so that it shows */
    peer_send(&p, request, len + 4);
    ck_assert(peer_ended(&p));
    ck_assert(p.got.len > 12 && memcmp(sp_buf_span(&p.got).p, "HTTP/1.1 101", 12) == 0);
    ck_assert_uint_eq(sp_sessions_count(r.sessions), 1);
    ck_assert_uint_eq(sp_sessions_lane_count(r.sessions), 0);
    peer_close(&p);
    close_rig(&r);
}
END_TEST

/* Says something in two pieces, a moment after each other. */
static void drip(struct rig *r, struct peer *p, const char *one, const char *two)
{
    peer_say(p, one);
    io_loop_for(&r->e.loop, 20);
    peer_say(p, two);
}

/* A head that drips has ten seconds from its first byte on, each one; an idle connection a minute.
 * All end as a web server ends. */
START_TEST(who_dawdles)
{
    char text[PAGE_MAX];
    struct peer first, second, body, idle;
    struct rig r;

    open_rig(&r);
    struct sp_ticker *t = &r.e.loop.ticker;
    connect_peer(&r, &first, true);
    connect_peer(&r, &second, true);
    connect_peer(&r, &body, true);
    connect_peer(&r, &idle, true);
    drip(&r, &second, "GET / HT", "TP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_uint_eq(peer_answer(&second, text, sizeof text), 200);
    peer_say(&body, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    ck_assert_uint_eq(peer_answer(&body, text, sizeof text), 200);
    peer_say(&idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_uint_eq(peer_answer(&idle, text, sizeof text), 200);
    peer_say(&first, "GET / H");
    peer_say(&second, "GET / H");
    io_loop_for(&r.e.loop, 20);
    uint64_t began_us = sp_ticker_now(t);
    sp_timerq_run(&t->timers, began_us + SP_SEC(9));
    ck_assert_uint_eq(counters(&r)->timed_out, 0);
    io_loop_for(&r.e.loop, 500);
    peer_say(&first, "T");
    peer_say(&second, "T");
    io_loop_for(&r.e.loop, 20);
    sp_timerq_run(&t->timers, began_us + SP_MS(10250)); /* what drips later gives no more time */
    ck_assert_uint_eq(counters(&r)->timed_out, 2);
    ck_assert_uint_eq(peer_answer(&first, text, sizeof text), 408);
    ck_assert_uint_eq(peer_answer(&second, text, sizeof text), 408);
    ck_assert(peer_ended(&first));
    ck_assert(peer_ended(&second));
    ck_assert_str_eq(first.text, IN_GOOD_ORDER);
    ck_assert_str_eq(second.text, IN_GOOD_ORDER);
    ck_assert(!body.ended && !idle.ended);
    peer_say(&body, "defg"); /* it drips as well */
    io_loop_for(&r.e.loop, 20);
    server_env_pass(&r.e, SP_SEC(61));
    ck_assert(peer_ended(&body));
    ck_assert(peer_ended(&idle));
    ck_assert_str_eq(idle.text, IN_GOOD_ORDER);
    ck_assert_uint_eq(counters(&r)->timed_out, 4);
    peer_close(&first);
    peer_close(&second);
    peer_close(&body);
    peer_close(&idle);
    close_rig(&r);
}
END_TEST

/* Asks again and again, and reads none of it: what waits for it stays small. */
START_TEST(reads_nothing)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct peer p;
    struct rig r;

    open_rig(&r);
    connect_peer(&r, &p, false);
    p.holds = true;
    for (int i = 0; i < 300 && !p.ended; i++) {
        for (int k = 0; k < 200 && sp_stream_pending(p.s) < 100000; k++)
            peer_say(&p, request);
        io_loop_for(&r.e.loop, 2);
    }
    uint64_t answered = counters(&r)->requests;
    io_loop_for(&r.e.loop, 100);
    ck_assert_uint_eq(counters(&r)->requests, answered); /* it has come to rest */
    server_env_pass(&r.e, SP_SEC(62));
    server_env_pass(&r.e, SP_SEC(10));
    ck_assert_uint_eq(counters(&r)->timed_out, 1);
    peer_close(&p);
    close_rig(&r);
}
END_TEST

static size_t lines_of(int fd, const char *word)
{
    static char text[1 << 20];
    size_t n = 0;
    ssize_t len = read(fd, text, sizeof text - 1);

    text[len > 0 ? len : 0] = '\0';
    for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
        n++;
    return n;
}

/* Strangers who try tokens don't fill the log, and no token gets into it. */
START_TEST(log_of_refusals)
{
    char request[PAGE_MAX], text[PAGE_MAX];
    struct peer p;
    struct rig r;

    open_rig(&r);
    upgrade(request, sizeof request, SP_UPGRADE_PATH, "v1.c2VjcmV0.c2VjcmV0",
            "Sallyport-Tunnel: new\r\n");
    connect_peer(&r, &p, true);
    for (int i = 0; i < 50; i++) {
        peer_say(&p, request);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
    }
    ck_assert_uint_eq(counters(&r)->upgrades_refused, 50);
    size_t n = lines_of(r.logs[0], "upgrade refused");
    ck_assert_uint_ge(n, 5);
    ck_assert_uint_le(n, 30);
    peer_close(&p);
    close_rig(&r);
}
END_TEST

/* A connection from an address of its own, which has asked for a page. */
static int visit_from(struct rig *r, uint8_t last)
{
    struct sp_addr from = sp_addr_v4(127, 0, 0, last, 0);
    struct sockaddr_storage ss;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sp_addr_to_sockaddr(&from, false, &ss);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
    len = sp_addr_to_sockaddr(r->addr, false, &ss);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
    ck_assert_int_eq(write(fd, "GET ", 4), 4);
    io_loop_for(&r->e.loop, 10);
    return fd;
}

START_TEST(crowd)
{
    int fds[8];
    char c;
    struct rig r;

    open_rig(&r);
    sp_http_service_free(r.http);
    r.e.env.max_strangers = 4;
    ck_assert_int_eq(sp_http_service_new(&r.e.env, &r.shared, r.sessions, NULL, NULL, &r.http), 0);
    for (uint8_t i = 0; i < 5; i++)
        fds[i] = visit_from(&r, (uint8_t)(2 + i));
    ck_assert_uint_eq(counters(&r)->pushed_out, 1);
    ck_assert_int_eq(recv(fds[0], &c, 1, MSG_DONTWAIT), 0);
    ck_assert_int_lt(recv(fds[1], &c, 1, MSG_DONTWAIT), 0);
    fds[5] = visit_from(&r, 3);
    ck_assert_uint_eq(counters(&r)->crowded, 1);
    ck_assert_int_lt(recv(fds[1], &c, 1, MSG_DONTWAIT), 0);
    for (size_t i = 0; i < 6; i++)
        close(fds[i]);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http_service");
    TCase *tc = tcase_create("http_service");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, pages);
    tcase_add_test(tc, pipelined);
    tcase_add_test(tc, long_head);
    tcase_add_test(tc, long_head_by_option);
    tcase_add_test(tc, refused_like_a_missing_page);
    tcase_add_test(tc, no_lane_here);
    tcase_add_test(tc, lanes);
    tcase_add_test(tc, not_now);
    tcase_add_test(tc, not_now_with_a_fallback);
    tcase_add_test(tc, drain_with_a_fallback);
    tcase_add_test(tc, frames_behind_the_request);
    tcase_add_test(tc, who_dawdles);
    tcase_add_test(tc, reads_nothing);
    tcase_add_test(tc, log_of_refusals);
    tcase_add_test(tc, crowd);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
