/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole worker, as its clients meet it: by UDP, TCP, TLS and tunnel.
 */
#include "worker.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway_end.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "server_env.h"
#include "turn_user.h"
#include "worker_rig.h"

#define PAGE_MAX 8192

static void start(struct worker_rig *r)
{
    ck_assert_msg(worker_rig_start(r) == 0, "%s", r->why);
}

/* --- a TURN client on any transport --------------------------------------------------------- */

struct client {
    struct worker_rig *rig;
    struct turn_user user;
    struct udp_peer *udp; /* one of these three */
    struct sp_addr server;
    struct peer *peer;
    struct gateway_end *gateway;
    struct sp_flow *flow;
};

static void send_to(struct client *c, struct sp_span msg)
{
    if (c->udp != NULL)
        udp_peer_send(c->udp, &c->server, msg);
    else if (c->peer != NULL)
        peer_send(c->peer, msg.p, msg.len);
    else
        gateway_end_send(c->gateway, c->flow, msg);
}

static struct sp_span recv_from(struct client *c)
{
    struct sp_span msg;
    bool got;

    if (c->udp != NULL) {
        got = udp_peer_recv(c->udp, &c->rig->loop);
        msg = sp_span(c->udp->bytes, c->udp->len);
    } else if (c->peer != NULL) {
        got = peer_message(c->peer, &msg);
    } else {
        got = gateway_end_recv(c->gateway, c->flow, &msg);
    }
    ck_assert_msg(got, "no answer");
    return msg;
}

static int ask(struct client *c, struct sp_span request)
{
    send_to(c, request);
    return turn_user_take(&c->user, recv_from(c));
}

static void allocate(struct client *c, uint32_t seed)
{
    turn_user_init(&c->user, SERVER_ENV_USER, SERVER_ENV_PASSWORD, seed);
    ck_assert_int_eq(ask(c, turn_user_allocate(&c->user)), 401);
    ck_assert_int_eq(ask(c, turn_user_allocate(&c->user)), 0);
}

/* A datagram from one to the other, both ways, through their relayed addresses. */
static void check_hairpin(struct client *a, struct client *b)
{
    struct client *const pair[][2] = {{a, b}, {b, a}};
    struct sp_addr from;
    struct sp_span data;

    ck_assert_int_eq(ask(a, turn_user_permit(&a->user, &b->user.relayed)), 0);
    ck_assert_int_eq(ask(b, turn_user_permit(&b->user, &a->user.relayed)), 0);
    for (size_t i = 0; i < 2; i++) {
        struct client *c = pair[i][0], *d = pair[i][1];
        send_to(c, turn_user_send(&c->user, &d->user.relayed, sp_span_str("media")));
        ck_assert(turn_user_is_data(recv_from(d), &from, &data));
        ck_assert(sp_addr_eq(&from, &c->user.relayed));
        ck_assert(sp_span_eq(data, sp_span_str("media")));
    }
}

/* --- UDP ------------------------------------------------------------------------------------ */

START_TEST(binding_by_udp)
{
    struct udp_peer udp, second;
    struct worker_rig r;

    worker_rig_init(&r);
    start(&r);
    udp_peer_open(&udp, "127.0.0.1");
    struct client c = {.rig = &r, .udp = &udp};
    turn_user_init(&c.user, "nobody", "", 1);
    for (int i = 1; i <= 3; i++) { /* [::] hears IPv4 too, and answers from where it was asked */
        char ip[32];
        snprintf(ip, sizeof ip, "127.0.0.%d", i);
        c.server = worker_rig_udp(&r, ip);
        ck_assert_int_eq(ask(&c, turn_user_binding(&c.user)), 0);
        ck_assert(sp_addr_eq(&udp.from, &c.server));
        ck_assert(sp_addr_eq(&c.user.mapped, &udp.addr));
    }
    udp_peer_open(&second, "127.0.0.1");
    struct client d = {.rig = &r, .udp = &second, .server = c.server};
    turn_user_init(&d.user, "nobody", "", 2);
    send_to(&c, turn_user_binding(&c.user)); /* two at once: each gets his own */
    ck_assert_int_eq(ask(&d, turn_user_binding(&d.user)), 0);
    ck_assert(sp_addr_eq(&d.user.mapped, &second.addr));
    ck_assert_int_eq(turn_user_take(&c.user, recv_from(&c)), 0);
    ck_assert(sp_addr_eq(&c.user.mapped, &udp.addr));
    ck_assert_uint_eq(worker_rig_stats(&r).udp_received, 5);
    ck_assert_uint_eq(worker_rig_stats(&r).udp_sent, 5);
    udp_peer_close(&udp);
    udp_peer_close(&second);
    worker_rig_close(&r);
}
END_TEST

START_TEST(relay_by_udp)
{
    struct udp_peer udp, peer;
    struct sp_addr from;
    struct sp_span data;
    struct worker_rig r;

    worker_rig_init(&r);
    r.ip.local = r.ip.public_ = sp_addr_v4(127, 0, 0, 1, 0);
    r.wc.min_port = 20000;
    r.wc.max_port = 29999;
    start(&r);
    udp_peer_open(&udp, "127.0.0.1");
    udp_peer_open(&peer, "127.0.0.9");
    struct client c = {.rig = &r, .udp = &udp, .server = worker_rig_udp(&r, "127.0.0.1")};
    allocate(&c, 1);
    ck_assert_int_eq(ask(&c, turn_user_permit(&c.user, &peer.addr)), 0);
    send_to(&c, turn_user_send(&c.user, &peer.addr, sp_span_str("out")));
    ck_assert(udp_peer_recv(&peer, &r.loop));
    ck_assert(sp_addr_eq(&peer.from, &c.user.relayed));
    udp_peer_send(&peer, &c.user.relayed, sp_span_str("in"));
    ck_assert(turn_user_is_data(recv_from(&c), &from, &data));
    ck_assert(sp_addr_eq(&from, &peer.addr));
    ck_assert(sp_span_eq(data, sp_span_str("in")));

    /* The same client at another address of the server is another path, without an allocation. */
    c.server = worker_rig_udp(&r, "127.0.0.2");
    ck_assert_int_eq(ask(&c, turn_user_refresh(&c.user, 0)), 437);
    c.server = worker_rig_udp(&r, "127.0.0.1");
    ck_assert_int_eq(ask(&c, turn_user_refresh(&c.user, 0)), 0);
    ck_assert_uint_eq(worker_rig_stats(&r).allocations, 0);
    udp_peer_close(&udp);
    udp_peer_close(&peer);
    worker_rig_close(&r);
}
END_TEST

/* --- one TCP port --------------------------------------------------------------------------- */

START_TEST(site_and_strangers)
{
    static const char request[] = "GET %s HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\n"
                                  "Upgrade: rfc4571\r\nAuthorization: Bearer %s\r\n"
                                  "Sallyport-Tunnel: new\r\n\r\n";
    char text[PAGE_MAX], page[PAGE_MAX], missing[PAGE_MAX];
    struct peer p;
    struct worker_rig r;

    worker_rig_init(&r);
    start(&r);
    for (int tls = 0; tls < 2; tls++) {
        ck_assert(peer_connect(&p, &r.loop, worker_rig_tcp(&r), tls ? r.client : NULL));
        peer_say(&p, "GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n");
        ck_assert_uint_eq(peer_answer(&p, page, sizeof page), 200);
        snprintf(text, sizeof text, request, "/none", "v1.xxxx.xxxx");
        peer_say(&p, text);
        ck_assert_uint_eq(peer_answer(&p, missing, sizeof missing), 404);
        snprintf(text, sizeof text, request, SP_UPGRADE_PATH, "v1.xxxx.xxxx");
        peer_say(&p, text);
        ck_assert_uint_eq(peer_answer(&p, page, sizeof page), 404);
        ck_assert_str_eq(page, missing);
        peer_close(&p);
    }
    ck_assert_uint_eq(worker_rig_stats(&r).http.requests, 6);
    ck_assert_uint_eq(worker_rig_stats(&r).http.upgrades_refused, 1);
    worker_rig_close(&r);
}
END_TEST

/* By ALPN nobody learns of TURN where it is not served. */
START_TEST(alpn)
{
    static const char *const offered[] = {"stun.turn", NULL};
    static const struct {
        unsigned serve;
        const char *chosen;
    } cases[] = {{SP_SERVE_TUNNEL | SP_SERVE_TURN, "stun.turn"},
                 {SP_SERVE_TUNNEL | SP_SERVE_SITE, ""}};

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_tls_ctx *ctx;
        struct peer p;
        struct worker_rig r;
        worker_rig_init(&r);
        r.sc.serve = cases[i].serve;
        r.kc.turn_in_tls = cases[i].serve & SP_SERVE_TURN;
        start(&r);
        ck_assert_int_eq(sp_tls_ctx_client(r.files.ca, offered, &ctx, r.why), 0);
        ck_assert(peer_connect(&p, &r.loop, worker_rig_tcp(&r), ctx));
        ck_assert_str_eq(sp_tls_alpn(sp_stream_tls(p.s)), cases[i].chosen);
        peer_close(&p);
        sp_tls_ctx_unref(ctx);
        worker_rig_close(&r);
    }
}
END_TEST

/* One TURN engine under all: a caller by TCP, one by TLS, one by UDP, one behind a gateway. */
START_TEST(every_transport)
{
    char token[SP_TOKEN_MAX + 1];
    struct client c[4];
    struct udp_peer udp;
    struct peer tcp, tls;
    struct gateway_end g;
    struct worker_rig r;

    worker_rig_init(&r);
    start(&r);
    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, token);
    udp_peer_open(&udp, "127.0.0.1");
    ck_assert(peer_connect(&tcp, &r.loop, worker_rig_tcp(&r), NULL));
    ck_assert(peer_connect(&tls, &r.loop, worker_rig_tcp(&r), r.client));
    gateway_end_init(&g, &r.loop);
    ck_assert_uint_eq(gateway_end_join(&g, worker_rig_tcp(&r), r.client, token, 0), 101);
    ck_assert_uint_eq(sp_tunnel_id_worker(&g.id), 7);
    c[0] = (struct client){.rig = &r, .udp = &udp, .server = worker_rig_udp(&r, "127.0.0.1")};
    c[1] = (struct client){.rig = &r, .peer = &tcp};
    c[2] = (struct client){.rig = &r, .peer = &tls};
    c[3] = (struct client){.rig = &r, .gateway = &g, .flow = gateway_end_flow(&g)};
    for (uint32_t i = 0; i < 4; i++)
        allocate(&c[i], i + 1);
    ck_assert(sp_addr_eq(&c[0].user.mapped, &udp.addr));
    ck_assert(sp_addr_eq(&c[1].user.mapped, sp_stream_local(tcp.s)));
    ck_assert(sp_addr_eq(&c[2].user.mapped, sp_stream_local(tls.s)));
    ck_assert(sp_addr_eq(&c[3].user.mapped, &c[3].user.relayed)); /* nothing of the LAN */
    ck_assert(sp_addr_same_ip(&c[3].user.relayed, &r.ip.public_));
    for (size_t i = 0; i < 4; i++)
        for (size_t k = i + 1; k < 4; k++)
            check_hairpin(&c[i], &c[k]);

    struct sp_worker_stats s = worker_rig_stats(&r);
    ck_assert_uint_eq(s.allocations, 4);
    ck_assert_uint_eq(s.turn.hairpin_datagrams, 12);
    ck_assert_uint_eq(s.tunnels, 1);
    ck_assert_uint_eq(s.lanes, 1);
    ck_assert_uint_eq(s.flows, 1);
    ck_assert_uint_eq(s.conns.accepted, 3);
    ck_assert_uint_eq(s.conns.turn, 2);
    ck_assert_uint_eq(s.conns.http, 1);
    ck_assert_uint_eq(s.http.upgrades, 1);
    ck_assert_uint_eq(s.sessions.opened, 1);
    ck_assert_uint_eq(s.relays.opened, 4);
    udp_peer_close(&udp);
    peer_close(&tcp);
    peer_close(&tls);
    gateway_end_fini(&g);
    worker_rig_close(&r);
}
END_TEST

/* Both callers are blocked: two tunnels, two lanes each, and nothing but the one TCP port. */
START_TEST(two_tunnels)
{
    char token[SP_TOKEN_MAX + 1];
    struct gateway_end g[2];
    struct client c[2];
    struct worker_rig r;

    worker_rig_init(&r);
    start(&r);
    for (uint32_t i = 0; i < 2; i++) {
        server_env_token(i == 0 ? "office" : "home", SP_TOKEN_SCOPE_TUNNEL, 60, token);
        gateway_end_init(&g[i], &r.loop);
        for (unsigned lane = 0; lane < 2; lane++)
            ck_assert_uint_eq(gateway_end_join(&g[i], worker_rig_tcp(&r), r.client, token, lane),
                              101);
        c[i] = (struct client){.rig = &r, .gateway = &g[i], .flow = gateway_end_flow(&g[i])};
        allocate(&c[i], i + 1);
    }
    check_hairpin(&c[0], &c[1]);
    sp_stream_lane_free(g[0].lanes[0]); /* a lane is lost: the other carries on */
    check_hairpin(&c[0], &c[1]);
    ck_assert_uint_eq(worker_rig_stats(&r).udp_sent, 0);
    for (size_t i = 0; i < 2; i++)
        gateway_end_fini(&g[i]);
    worker_rig_close(&r);
}
END_TEST

/* --- hostile clients ------------------------------------------------------------------------ */

START_TEST(garbage)
{
    static const char answer_of_a_web_server[] = "HTTP/1.1 400";
    struct sp_rng_seeded rng; /* the same each time: by chance it could make sense */
    struct udp_peer udp;
    struct worker_rig r;
    uint8_t bytes[600];
    unsigned answered = 0;

    sp_rng_seeded_init(&rng, 7);
    worker_rig_init(&r);
    start(&r);
    udp_peer_open(&udp, "127.0.0.1");
    struct sp_addr to = worker_rig_udp(&r, "127.0.0.1");
    for (int i = 0; i < 100; i++) {
        struct peer p;
        sp_rng_bytes(&rng.rng, bytes, sizeof bytes);
        udp_peer_send(&udp, &to, sp_span(bytes, (size_t)i));
        ck_assert(peer_connect(&p, &r.loop, worker_rig_tcp(&r), i % 2 ? r.client : NULL));
        peer_send(&p, bytes, sizeof bytes);
        ck_assert(peer_ended(&p));
        answered +=
            p.got.len > 12 && memcmp(sp_buf_span(&p.got).p, answer_of_a_web_server, 12) == 0;
        peer_close(&p);
    }
    ck_assert_uint_gt(answered, 80); /* but for what looked like TLS or STUN for a while */
    ck_assert(udp_peer_silent(&udp, &r.loop, 20));
    ck_assert_uint_eq(worker_rig_stats(&r).turn.malformed, 100);
    ck_assert_uint_eq(worker_rig_stats(&r).conns.accepted, 100);
    udp_peer_close(&udp);
    worker_rig_close(&r);
}
END_TEST

static bool is_answered(void *arg)
{
    char c;
    return recv(*(int *)arg, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* Connections that only ever ask for bindings hold places, but not all: the first has to go, and
 * nobody who has an allocation. */
START_TEST(turn_strangers)
{
    struct rlimit before, few;
    struct sockaddr_storage ss;
    struct turn_user u;
    struct worker_rig r;
    struct peer known;
    int fds[17];
    char c;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 128;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    worker_rig_init(&r);
    start(&r);
    ck_assert(peer_connect(&known, &r.loop, worker_rig_tcp(&r), r.client));
    struct client k = {.rig = &r, .peer = &known};
    allocate(&k, 2);
    turn_user_init(&u, "nobody", "", 1);
    for (size_t i = 0; i < SP_ARRAY_LEN(fds); i++) {
        struct sp_addr from = sp_addr_v4(127, 0, 0, (uint8_t)(2 + i), 0);
        struct sp_span msg = turn_user_binding(&u);
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        socklen_t len = sp_addr_to_sockaddr(&from, false, &ss);
        ck_assert_int_eq(bind(fds[i], (struct sockaddr *)&ss, len), 0);
        len = sp_addr_to_sockaddr(worker_rig_tcp(&r), false, &ss);
        ck_assert_int_eq(connect(fds[i], (struct sockaddr *)&ss, len), 0);
        ck_assert_int_eq(send(fds[i], msg.p, msg.len, 0), (ssize_t)msg.len);
        ck_assert(io_loop_until(&r.loop, is_answered, &fds[i]));
        ck_assert_int_eq(recv(fds[i], &c, 1, MSG_DONTWAIT), 1);
    }
    ck_assert_uint_eq(worker_rig_stats(&r).turn_pushed_out, 1);
    uint8_t rest[256];
    ck_assert_int_gt(recv(fds[0], rest, sizeof rest, MSG_DONTWAIT), 0);
    ck_assert_int_eq(recv(fds[0], rest, sizeof rest, MSG_DONTWAIT), 0); /* closed */
    ck_assert_int_gt(recv(fds[1], rest, sizeof rest, MSG_DONTWAIT), 0);
    ck_assert_int_lt(recv(fds[1], rest, sizeof rest, MSG_DONTWAIT), 0); /* open */
    ck_assert_int_eq(ask(&k, turn_user_refresh(&k.user, 600)), 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(fds); i++)
        close(fds[i]);
    peer_close(&known);
    worker_rig_close(&r);
    setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

/* A handshake that never ends takes no more than its time. */
START_TEST(half_handshake)
{
    struct peer p;
    struct worker_rig r;

    worker_rig_init(&r);
    start(&r);
    ck_assert(peer_connect(&p, &r.loop, worker_rig_tcp(&r), NULL));
    peer_send(&p, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    io_loop_for(&r.loop, 20);
    ck_assert(!p.ended);
    struct sp_ticker *t = sp_worker_ticker(r.w);
    sp_timerq_run(&t->timers, sp_ticker_now(t) + SP_SEC(11));
    ck_assert(peer_ended(&p));
    ck_assert_uint_eq(worker_rig_stats(&r).conns.timed_out, 1);
    peer_close(&p);
    worker_rig_close(&r);
}
END_TEST

/* --- life ----------------------------------------------------------------------------------- */

/* With connections in every state, allocations on every transport, datagrams under way. */
START_TEST(ends_in_the_middle)
{
    char token[SP_TOKEN_MAX + 1];
    struct peer silent, shaking, page, tls;
    struct udp_peer udp, target;
    struct gateway_end g;
    struct worker_rig r;

    worker_rig_init(&r);
    r.ip.local = r.ip.public_ = sp_addr_v4(127, 0, 0, 1, 0);
    r.wc.min_port = 20000;
    r.wc.max_port = 29999;
    start(&r);
    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, token);
    ck_assert(peer_connect(&silent, &r.loop, worker_rig_tcp(&r), NULL));
    ck_assert(peer_connect(&shaking, &r.loop, worker_rig_tcp(&r), NULL));
    peer_send(&shaking, "\x16\x03\x01\x02\x00\x01\x00", 7);
    ck_assert(peer_connect(&page, &r.loop, worker_rig_tcp(&r), r.client));
    peer_say(&page, "GET / HT");
    ck_assert(peer_connect(&tls, &r.loop, worker_rig_tcp(&r), r.client));
    udp_peer_open(&udp, "127.0.0.1");
    udp_peer_open(&target, "127.0.0.1");
    gateway_end_init(&g, &r.loop);
    ck_assert_uint_eq(gateway_end_join(&g, worker_rig_tcp(&r), r.client, token, 0), 101);
    struct client c[] = {
        {.rig = &r, .udp = &udp, .server = worker_rig_udp(&r, "127.0.0.1")},
        {.rig = &r, .peer = &tls},
        {.rig = &r, .gateway = &g, .flow = gateway_end_flow(&g)},
    };
    for (uint32_t i = 0; i < 3; i++) {
        allocate(&c[i], i + 1);
        ck_assert_int_eq(ask(&c[i], turn_user_permit(&c[i].user, &target.addr)), 0);
    }
    for (int i = 0; i < 50; i++)
        for (size_t k = 0; k < 3; k++) {
            send_to(&c[k], turn_user_send(&c[k].user, &target.addr, sp_span_str("more")));
            udp_peer_send(&target, &c[k].user.relayed, sp_span_str("and more"));
        }
    ev_run(r.loop.loop, EVRUN_NOWAIT);
    sp_worker_free(r.w);
    r.w = NULL;
    ck_assert(peer_ended(&silent));
    ck_assert(peer_ended(&shaking));
    ck_assert(peer_ended(&page));
    ck_assert(peer_ended(&tls));
    peer_close(&silent);
    peer_close(&shaking);
    peer_close(&page);
    peer_close(&tls);
    udp_peer_close(&udp);
    udp_peer_close(&target);
    gateway_end_fini(&g);
    worker_rig_close(&r);
}
END_TEST

/* What the system refuses is told in one line with the address, and leaves nothing behind. */
START_TEST(refused_by_the_system)
{
    char text[SP_ADDR_STRLEN];
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), taken;
    struct udp_peer udp;
    int fd;

    ck_assert_int_eq(sp_sock_listen(&any, NULL, &fd, &taken), 0);
    udp_peer_open(&udp, "127.0.0.1");
    for (int i = 0; i < 3; i++) {
        struct worker_rig r;
        worker_rig_init(&r);
        switch (i) {
        case 0:
            r.wc.listen[1] = taken;
            r.wc.n_listen = 2;
            sp_addr_format(&taken, text);
            break;
        case 1:
            r.wc.listen_udp[1] = udp.addr;
            r.wc.n_listen_udp = 2;
            sp_addr_format(&udp.addr, text);
            break;
        case 2:
            r.ip.local = r.ip.public_ = sp_addr_v4(203, 0, 113, 77, 0);
            r.wc.min_port = 20000;
            r.wc.max_port = 29999;
            sp_addr_format_ip(&r.ip.local, text);
            break;
        }
        ck_assert_int_eq(worker_rig_start(&r), SP_ESYS);
        ck_assert_msg(strstr(r.why, text) != NULL, "%s", r.why);
        ck_assert_ptr_null(strchr(r.why, '\n'));
        ck_assert_ptr_null(r.w);
        worker_rig_close(&r);
    }
    close(fd);
    udp_peer_close(&udp);
}
END_TEST

/* A reload in the middle of a handshake and of a session. */
START_TEST(reload)
{
    char text[PAGE_MAX];
    struct peer before, after;
    struct worker_rig r;

    worker_rig_init(&r);
    start(&r);
    ck_assert(peer_connect(&before, &r.loop, worker_rig_tcp(&r), r.client));
    ck_assert_int_eq(worker_rig_reload(&r), 0);
    ck_assert(peer_connect(&after, &r.loop, worker_rig_tcp(&r), r.client));
    ck_assert_int_eq(worker_rig_reload(&r), 0);
    peer_say(&before, "GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n");
    peer_say(&after, "GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n");
    ck_assert_uint_eq(peer_answer(&before, text, sizeof text), 200);
    ck_assert_uint_eq(peer_answer(&after, text, sizeof text), 200);
    peer_close(&before);
    peer_close(&after);
    worker_rig_close(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("worker");
    TCase *tc = tcase_create("worker");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, binding_by_udp);
    tcase_add_test(tc, relay_by_udp);
    tcase_add_test(tc, site_and_strangers);
    tcase_add_test(tc, alpn);
    tcase_add_test(tc, every_transport);
    tcase_add_test(tc, two_tunnels);
    tcase_add_test(tc, garbage);
    tcase_add_test(tc, turn_strangers);
    tcase_add_test(tc, half_handshake);
    tcase_add_test(tc, ends_in_the_middle);
    tcase_add_test(tc, refused_by_the_system);
    tcase_add_test(tc, reload);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
