/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a server comes to an end, as its clients meet it: by UDP, TLS, tunnel and as a stranger.
 */
#include "drain.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway_end.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "server_env.h"
#include "turn_user.h"
#include "worker_rig.h"

#define PAGE_MAX 8192

struct rig {
    struct worker_rig r;
    struct sp_drain_config config;
    struct sp_drain drain;
    unsigned ended;
    char token[SP_TOKEN_MAX + 1];
};

static void on_ended(void *arg)
{
    struct rig *r = arg;
    r->ended++;
}

static void open_rig(struct rig *r, uint64_t timeout_us)
{
    *r = (struct rig){.config = {.timeout_us = timeout_us}};
    worker_rig_init(&r->r);
    ck_assert_int_eq(worker_rig_start_crew(&r->r, 2), 0);
    sp_drain_init(&r->drain, &r->config, r->r.crew, &r->r.loop.ticker, NULL, on_ended, r);
    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, r->token);
}

static void close_rig(struct rig *r)
{
    worker_rig_stop(&r->r);
    sp_drain_fini(&r->drain);
    worker_rig_close(&r->r);
}

static bool has_ended(void *arg)
{
    const struct rig *r = arg;
    return r->ended > 0;
}

static void wait_for_end(struct rig *r)
{
    ck_assert(io_loop_until(&r->r.loop, has_ended, r));
    io_loop_for(&r->r.loop, 30);
    ck_assert_uint_eq(r->ended, 1);
    ck_assert_int_eq(r->drain.state, SP_ENDED);
}

/* --- a client by UDP ------------------------------------------------------------------------ */

struct client {
    struct udp_peer udp;
    struct turn_user user;
    struct sp_addr server;
};

static int ask(struct rig *r, struct client *c, struct sp_span request)
{
    udp_peer_send(&c->udp, &c->server, request);
    ck_assert(udp_peer_recv(&c->udp, &r->r.loop));
    return turn_user_take(&c->user, sp_span(c->udp.bytes, c->udp.len));
}

static int allocate(struct rig *r, struct client *c, uint32_t seed)
{
    udp_peer_open(&c->udp, "127.0.0.1");
    c->server = worker_rig_udp(&r->r, "127.0.0.1");
    turn_user_init(&c->user, SERVER_ENV_USER, SERVER_ENV_PASSWORD, seed);
    ck_assert_int_eq(ask(r, c, turn_user_allocate(&c->user)), 401);
    return ask(r, c, turn_user_allocate(&c->user));
}

/* -------------------------------------------------------------------------------------------- */

START_TEST(nothing_to_wait_for)
{
    struct rig r;

    open_rig(&r, SP_SEC(3600));
    sp_drain_ask(&r.drain);
    ck_assert_uint_eq(r.ended, 0); /* from the loop, not from within */
    wait_for_end(&r);
    sp_drain_ask(&r.drain); /* whoever asks once more */
    ck_assert_uint_eq(r.ended, 1);
    close_rig(&r);
}
END_TEST

START_TEST(waits_for_the_last_allocation)
{
    struct client a, b, late;
    struct rig r;

    open_rig(&r, SP_SEC(3600));
    r.config.alternates.v4 = sp_addr_v4(192, 0, 2, 9, 0);
    ck_assert_int_eq(allocate(&r, &a, 1), 0);
    ck_assert_int_eq(allocate(&r, &b, 2), 0);
    sp_drain_ask(&r.drain);
    ck_assert_int_eq(allocate(&r, &late, 3), 300);
    ck_assert_int_eq(ask(&r, &a, turn_user_refresh(&a.user, 600)), 0);
    ck_assert_int_eq(ask(&r, &a, turn_user_refresh(&a.user, 0)), 0);
    io_loop_for(&r.r.loop, 30);
    ck_assert_uint_eq(r.ended, 0);
    ck_assert_uint_eq(worker_rig_stats(&r.r).draining, 1);
    ck_assert_int_eq(ask(&r, &b, turn_user_refresh(&b.user, 0)), 0); /* answered, even so */
    ck_assert(r.drain.waited); /* and it waits for answers to come through */
    wait_for_end(&r);
    ck_assert_uint_eq(worker_rig_stats(&r.r).turn.turned_away, 1);
    udp_peer_close(&a.udp);
    udp_peer_close(&b.udp);
    udp_peer_close(&late.udp);
    close_rig(&r);
}
END_TEST

/* 0: the time is up; 1: asked again; 2: there was no time to begin with. */
START_TEST(stops)
{
    struct client a;
    struct rig r;

    open_rig(&r, _i == 0 ? SP_MS(50) : _i == 1 ? SP_SEC(3600) : 0);
    ck_assert_int_eq(allocate(&r, &a, 1), 0);
    sp_drain_ask(&r.drain);
    if (_i == 1) {
        ck_assert_int_eq(r.drain.state, SP_DRAINING);
        io_loop_for(&r.r.loop, 60);
        ck_assert_uint_eq(r.ended, 0);
        sp_drain_ask(&r.drain);
    }
    if (_i != 0)
        ck_assert_int_eq(r.drain.state, SP_STOPPING);
    wait_for_end(&r);
    ck_assert_uint_eq(worker_rig_stats(&r.r).allocations, 0);
    udp_peer_close(&a.udp);
    close_rig(&r);
}
END_TEST

static struct sp_span tell(struct gateway_end *g, struct sp_flow *f, struct sp_span request)
{
    struct sp_span answer;

    gateway_end_send(g, f, request);
    ck_assert(gateway_end_recv(g, f, &answer));
    return answer;
}

/* A call by a tunnel goes on, on a new lane as well; a new tunnel is not to be had. */
START_TEST(tunnels)
{
    struct gateway_end g, late;
    struct turn_user u;
    struct rig r;

    open_rig(&r, SP_SEC(3600));
    const struct sp_addr *tcp = worker_rig_tcp(&r.r);
    gateway_end_init(&g, &r.r.loop);
    gateway_end_init(&late, &r.r.loop);
    ck_assert_uint_eq(gateway_end_join(&g, tcp, r.r.client, r.token, 0), 101);
    struct sp_flow *f = gateway_end_flow(&g);
    turn_user_init(&u, SERVER_ENV_USER, SERVER_ENV_PASSWORD, 1);
    ck_assert_int_eq(turn_user_take(&u, tell(&g, f, turn_user_allocate(&u))), 401);
    ck_assert_int_eq(turn_user_take(&u, tell(&g, f, turn_user_allocate(&u))), 0);
    sp_drain_ask(&r.drain);
    ck_assert_uint_eq(gateway_end_join(&late, tcp, r.r.client, r.token, 0), 503);
    ck_assert_uint_eq(gateway_end_join(&g, tcp, r.r.client, r.token, 1), 101);
    ck_assert_uint_eq(g.draining, 1);
    ck_assert_int_eq(turn_user_take(&u, tell(&g, f, turn_user_refresh(&u, 600))), 0);
    sp_drain_ask(&r.drain);
    wait_for_end(&r);
    ck_assert_uint_eq(g.flows_closed, 1);
    ck_assert_uint_eq(g.lanes_closed, 2);
    ck_assert_int_eq(g.lane_why, SP_ECLOSED);
    gateway_end_fini(&g);
    gateway_end_fini(&late);
    close_rig(&r);
}
END_TEST

/* The site is there as long as the port is, but nobody stays. */
START_TEST(strangers)
{
    char text[PAGE_MAX];
    struct client a;
    struct peer p;
    struct rig r;

    open_rig(&r, SP_SEC(3600));
    ck_assert_int_eq(allocate(&r, &a, 1), 0);
    ck_assert(peer_connect(&p, &r.r.loop, worker_rig_tcp(&r.r), r.r.client));
    peer_say(&p, "GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n");
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
    ck_assert_ptr_nonnull(strstr(text, "Connection: keep-alive"));
    sp_drain_ask(&r.drain);
    peer_say(&p, "GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n");
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
    ck_assert_ptr_nonnull(strstr(text, "Connection: close"));
    ck_assert(peer_ended(&p));
    peer_close(&p);
    ck_assert(peer_connect(&p, &r.r.loop, worker_rig_tcp(&r.r), r.r.client));
    peer_close(&p);
    udp_peer_close(&a.udp);
    close_rig(&r);
}
END_TEST

/* Who neither reads nor closes is not waited for for ever. */
START_TEST(a_peer_that_does_not_close)
{
    struct turn_user u;
    struct peer p;
    struct sp_span msg;
    struct rig r;

    open_rig(&r, 0);
    ck_assert(peer_connect(&p, &r.r.loop, worker_rig_tcp(&r.r), NULL));
    turn_user_init(&u, SERVER_ENV_USER, SERVER_ENV_PASSWORD, 1);
    msg = turn_user_binding(&u);
    peer_send(&p, msg.p, msg.len);
    ck_assert(peer_message(&p, &msg));
    sp_drain_ask(&r.drain);
    for (int i = 0; i < 3; i++)
        sp_timerq_run(&r.r.loop.ticker.timers,
                      sp_ticker_now(&r.r.loop.ticker) + SP_SEC(1) * (uint64_t)(i + 1));
    wait_for_end(&r);
    peer_close(&p);
    close_rig(&r);
}
END_TEST

/* The third time ends it at once. */
START_TEST(impatient)
{
    struct gateway_end g;
    struct rig r;

    open_rig(&r, 0);
    gateway_end_init(&g, &r.r.loop);
    ck_assert_uint_eq(gateway_end_join(&g, worker_rig_tcp(&r.r), r.r.client, r.token, 0), 101);
    sp_drain_ask(&r.drain);
    ck_assert_uint_eq(r.ended, 0);
    sp_drain_ask(&r.drain);
    ck_assert_uint_eq(r.ended, 1);
    io_loop_for(&r.r.loop, 50);
    ck_assert_uint_eq(r.ended, 1);
    gateway_end_fini(&g);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("drain");
    TCase *tc = tcase_create("drain");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, nothing_to_wait_for);
    tcase_add_test(tc, waits_for_the_last_allocation);
    tcase_add_loop_test(tc, stops, 0, 3);
    tcase_add_test(tc, tunnels);
    tcase_add_test(tc, strangers);
    tcase_add_test(tc, a_peer_that_does_not_close);
    tcase_add_test(tc, impatient);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
