/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole worker that runs out of memory: in a thread of its own, where each allocation of what its
 * clients make it do fails once, whoever asks for it (TLS, the door, HTTP, tunnels, flows, the TURN
 * engine, relays). The clients stand outside and have all the memory they want. Whatever comes of
 * it to them, the worker lives on, and the next who does the same finds it well; nothing is left
 * behind.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "gateway_end.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/token.h"
#include "server_env.h"
#include "turn_user.h"
#include "worker_rig.h"

/* What wolfSSL 5.5.4 forgets itself when a handshake finds no memory. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:TLSX_KeyShare_Establish";
}

#define IMPATIENT_MS 100 /* what was dropped for want of memory never comes */

static struct worker_rig r;
static struct ev_loop *theirs;
static ev_async stop;
static unsigned fail_at; /* the worker's k-th allocation; 0: none */
static bool failed;

/* --- the worker's thread -------------------------------------------------------------------- */

static void on_stop(struct ev_loop *loop, ev_async *w, int revents)
{
    (void)w;
    (void)revents;
    ev_break(loop, EVBREAK_ALL);
}

static void *run(void *arg)
{
    (void)arg;
    alloc_fail_at(fail_at);
    ev_run(theirs, 0);
    failed = alloc_fail_disarm();
    return NULL;
}

typedef bool client_fn(uint32_t seed);

/* Lets a client in while the worker's k-th allocation fails. Whether the client got all it wanted.
 */
static bool let_in(client_fn *client, unsigned k)
{
    static uint32_t seed;
    pthread_t thread;

    fail_at = k;
    r.loop.patience_ms = k == 0 ? 10000 : IMPATIENT_MS;
    ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
    bool well = client(++seed);
    ev_async_send(theirs, &stop);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return well;
}

/* Until what the clients left is gone. */
static void let_settle(void)
{
    struct sp_worker_stats s;

    fail_at = 0;
    for (int i = 0; i < 500; i++) {
        ev_run(theirs, EVRUN_NOWAIT);
        s = worker_rig_stats(&r);
        if (s.allocations == 0 && s.flows == 0 && s.lanes == 0)
            break;
        io_loop_for(&r.loop, 10);
    }
    ck_assert_uint_eq(s.allocations, 0);
    ck_assert_uint_eq(s.flows, 0);
    ck_assert_uint_eq(s.lanes, 0);
}

static void sweep(client_fn *client, unsigned least)
{
    unsigned k, unwell = 0;

    ck_assert(let_in(client, 0)); /* what is made once, and kept */
    for (k = 1; k < 5000; k++) {
        bool well = let_in(client, k);
        if (!failed && well)
            break;
        unwell += !well;
        if (!well)
            ck_assert_msg(let_in(client, 0), "not well after allocation %u failed", k);
    }
    ck_assert_uint_lt(k, 5000);
    ck_assert_uint_ge(k, least); /* there was something to fail */
    ck_assert_uint_gt(unwell, 0);
    ck_assert(let_in(client, 0));
    let_settle();
}

/* --- its clients ---------------------------------------------------------------------------- */

/* By datagrams, which are all answered unless memory is short. */
static bool by_udp(uint32_t seed)
{
    struct sp_addr server = worker_rig_udp(&r, "127.0.0.1"), peer = sp_addr_v4(127, 0, 0, 9, 9);
    struct turn_user user;
    struct udp_peer udp;
    int step, code = 0;

    turn_user_init(&user, SERVER_ENV_USER, SERVER_ENV_PASSWORD, seed);
    udp_peer_open(&udp, "127.0.0.1");
    for (step = 0; step < 6; step++) {
        struct sp_span request = step == 0   ? turn_user_binding(&user)
                                 : step < 3  ? turn_user_allocate(&user)
                                 : step == 3 ? turn_user_permit(&user, &peer)
                                 : step == 4 ? turn_user_bind(&user, 0x4000, &peer)
                                             : turn_user_refresh(&user, 0);
        udp_peer_send(&udp, &server, request);
        if (!udp_peer_recv(&udp, &r.loop))
            break;
        code = turn_user_take(&user, sp_span(udp.bytes, udp.len));
        if (code != 0 && step != 1)
            break;
    }
    if (step < 6) { /* it gives back what it may have got */
        udp_peer_send(&udp, &server, turn_user_refresh(&user, 0));
        (void)udp_peer_recv(&udp, &r.loop);
    }
    udp_peer_close(&udp);
    return step == 6;
}

static bool by_stream(uint32_t seed, struct sp_tls_ctx *tls)
{
    struct turn_user user;
    struct sp_span msg;
    struct peer p;
    int code = -1;

    turn_user_init(&user, SERVER_ENV_USER, SERVER_ENV_PASSWORD, seed);
    if (peer_connect(&p, &r.loop, worker_rig_tcp(&r), tls))
        for (int step = 0; step < 2 && !p.ended; step++) {
            msg = turn_user_allocate(&user);
            peer_send(&p, msg.p, msg.len);
            if (!peer_message(&p, &msg))
                break;
            code = turn_user_take(&user, msg);
        }
    peer_close(&p);
    return code == 0;
}

static bool by_tcp(uint32_t seed)
{
    return by_stream(seed, NULL);
}

static bool by_tls(uint32_t seed)
{
    return by_stream(seed, r.client);
}

static bool a_stranger(uint32_t seed)
{
    char page[8192];
    struct peer p;
    unsigned status = 0;
    (void)seed;

    if (peer_connect(&p, &r.loop, worker_rig_tcp(&r), r.client)) {
        peer_say(&p, "GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n");
        status = peer_answer(&p, page, sizeof page);
    }
    peer_close(&p);
    return status == 200;
}

/* Two lanes, and an allocation by a flow. */
static bool by_tunnel(uint32_t seed)
{
    char token[SP_TOKEN_MAX + 1];
    struct gateway_end g;
    struct turn_user user;
    struct sp_span msg;
    int code = -1;

    server_env_token("alice", SP_TOKEN_SCOPE_TUNNEL, 60, token);
    turn_user_init(&user, SERVER_ENV_USER, SERVER_ENV_PASSWORD, seed);
    gateway_end_init(&g, &r.loop);
    if (gateway_end_join(&g, worker_rig_tcp(&r), r.client, token, 0) == 101 &&
        gateway_end_join(&g, worker_rig_tcp(&r), r.client, token, 1) == 101) {
        struct sp_flow *f = gateway_end_flow(&g);
        for (int step = 0; step < 2 && g.flows_closed == 0; step++) {
            gateway_end_send(&g, f, turn_user_allocate(&user));
            if (!gateway_end_recv(&g, f, &msg))
                break;
            code = turn_user_take(&user, msg);
        }
    }
    gateway_end_fini(&g);
    return code == 0;
}

/* --- the rig -------------------------------------------------------------------------------- */

static void setup(void)
{
    struct ev_loop *mine;

    ev_set_allocator(alloc_fail_never);
    worker_rig_init(&r);
    r.wc.linger_us = SP_MS(50);
    r.wc.bounds.subject_handshakes = 1000000; /* one client after the other, all of one subject */
    theirs = ev_loop_new(EVFLAG_AUTO);
    ck_assert_ptr_nonnull(theirs);
    mine = r.loop.loop;
    r.loop.loop = theirs;
    ck_assert_msg(worker_rig_start(&r) == 0, "%s", r.why);
    r.loop.loop = mine;
    ev_async_init(&stop, on_stop);
    ev_async_start(theirs, &stop);
}

static void teardown(void)
{
    worker_rig_close(&r);
    ev_async_stop(theirs, &stop);
    ev_loop_destroy(theirs);
}

START_TEST(datagrams)
{
    sweep(by_udp, 3);
}
END_TEST

START_TEST(turn_by_tcp)
{
    sweep(by_tcp, 5);
}
END_TEST

START_TEST(turn_by_tls)
{
    sweep(by_tls, 20);
}
END_TEST

START_TEST(strangers)
{
    sweep(a_stranger, 20);
}
END_TEST

START_TEST(tunnels)
{
    sweep(by_tunnel, 40);
}
END_TEST

/* A worker and what it is made of: all of it, or nothing and a reason. */
START_TEST(starting)
{
    struct worker_rig w;
    unsigned k;

    for (k = 1;; k++) {
        struct sp_worker_share share = {.log = NULL};
        const struct worker_rig *made = &r;

        w = (struct worker_rig){.w = NULL};
        alloc_fail_at(k);
        int err = sp_shared_new(&made->sc, &w.shared, w.why);
        if (err == 0)
            err = sp_keys_load(&made->kc, &r.rng, &share.keys, w.why);
        share.shared = w.shared;
        share.relay_ips = made->relay_ips;
        share.commons = &r.commons;
        if (err == 0)
            err = sp_worker_new(r.loop.loop, &made->wc, &share, &w.w, w.why);
        bool it_failed = alloc_fail_disarm();
        sp_worker_free(w.w);
        sp_keys_unref(share.keys);
        sp_shared_free(w.shared);
        if (!it_failed) {
            ck_assert_msg(err == 0, "%s", w.why);
            break;
        }
        ck_assert_msg(err == 0 || w.why[0] != '\0', "allocation %u, error %d", k, err);
    }
    ck_assert_uint_gt(k, 30);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("no_memory");
    TCase *tc = tcase_create("worker");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, datagrams);
    tcase_add_test(tc, turn_by_tcp);
    tcase_add_test(tc, turn_by_tls);
    tcase_add_test(tc, strangers);
    tcase_add_test(tc, tunnels);
    tcase_add_test(tc, starting);
    suite_add_tcase(s, tc);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
