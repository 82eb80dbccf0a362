/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway that runs out of memory: in a thread of its own, where each allocation of what browsers
 * and its server make it do fails once, whoever asks for it. Browsers and a whole worker, real ones
 * all, stand outside and have all the memory they want. Whatever comes of it to them, the gateway
 * lives on, and the next who does the same finds it well; nothing is left behind.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "links.h"
#include "local.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/token.h"
#include "server_env.h"
#include "turn_user.h"
#include "worker_rig.h"

#define LANES        2
#define IMPATIENT_MS 100 /* what was dropped for want of memory never comes */

/* What wolfSSL 5.5.4 forgets itself when a handshake finds no memory. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:TLSX_KeyShare_Establish\nleak:TLSX_KeyShare_GenEccKey";
}

static struct worker_rig r; /* and the browsers' loop */
static struct tls_files files;
static struct sp_server_url url;
static struct sp_proxy no_proxy;
static char token[SP_TOKEN_MAX + 1];

static struct {
    struct io_loop loop;
    ev_async stop;
    struct sp_rng rng;
    struct sp_client_env env;
    struct sp_tls_ctx *tls;
    struct sp_local *local;
    struct sp_links *links;
    struct sp_addr at;
} g;

/* --- the gateway, as client/gateway.c puts it together -------------------------------------- */

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    (void)arg;
    sp_local_datagrams(g.local, f, d, n, now_us);
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)code;
    (void)arg;
    sp_local_flow_closed(g.local, f);
}

static void on_tunnel_in_use(struct sp_tunnel *t, void *arg)
{
    (void)arg;
    sp_local_set_tunnel(g.local, t);
}

static void on_tunnel_gone(struct sp_tunnel *t, void *arg)
{
    (void)arg;
    sp_local_tunnel_gone(g.local, t);
}

static const struct sp_links_events links_events = {
    .datagrams = on_datagrams,
    .flow_closed = on_flow_closed,
    .tunnel_in_use = on_tunnel_in_use,
    .tunnel_gone = on_tunnel_gone,
};

static int open_links(void)
{
    const struct sp_uplink_config config = {
        .servers = &url, .n_servers = 1, .proxies = &no_proxy, .token = token, .lanes = LANES};

    return sp_links_new(&g.env, &config, g.tls, &links_events, NULL, &g.links);
}

static void on_stop(struct ev_loop *loop, ev_async *w, int revents)
{
    (void)w;
    (void)revents;
    ev_break(loop, EVBREAK_ALL);
}

static void open_gateway(void)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    const struct sp_local_config config = {.max_clients = 100};
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    const char *transport;
    char why[SP_TLS_ERROR_MAX];

    memset(&g, 0, sizeof g);
    io_loop_init(&g.loop);
    ev_async_init(&g.stop, on_stop);
    ev_async_start(g.loop.loop, &g.stop);
    sp_rng_system_init(&g.rng);
    g.env = (struct sp_client_env){.ticker = &g.loop.ticker, .rng = &g.rng};
    ck_assert_int_eq(sp_dgram_pool_new(&g.loop.ticker, &g.env.dgrams), 0);
    ck_assert_int_eq(sp_resolver_new(&g.loop.ticker, &g.env.resolver), 0);
    ck_assert_msg(sp_tls_ctx_client(files.ca, alpn, &g.tls, why) == 0, "%s", why);
    ck_assert_int_eq(sp_local_new(&g.env, &config, &g.local), 0);
    ck_assert_int_eq(sp_local_listen(g.local, &any, &transport), 0);
    g.at = *sp_local_addr(g.local, 0);
}

static void close_gateway(void)
{
    sp_local_free(g.local);
    sp_links_free(g.links);
    sp_tls_ctx_unref(g.tls);
    sp_dgram_pool_free(g.env.dgrams);
    sp_resolver_free(g.env.resolver);
    ev_async_stop(g.loop.loop, &g.stop);
    io_loop_fini(&g.loop);
}

/* --- its thread ----------------------------------------------------------------------------- */

static unsigned fail_at; /* its k-th allocation; 0: none */
static bool failed, and_dial, and_hurry;
static _Atomic int dialled; /* what came of it */

static void *run(void *arg)
{
    (void)arg;
    alloc_fail_at(fail_at);
    if (and_dial)
        dialled = open_links();
    if (and_hurry) {
        struct sp_addr own = sp_addr_v4(127, 0, 0, 1, 0);
        sp_links_network_changed(g.links, &own, 1);
    }
    ev_run(g.loop.loop, 0);
    failed = alloc_fail_disarm();
    return NULL;
}

static bool lanes_are_up(void *arg)
{
    (void)arg;
    return worker_rig_stats(&r).lanes == LANES || dialled != 0;
}

static bool dial(uint32_t seed)
{
    (void)seed;
    return io_loop_until(&r.loop, lanes_are_up, NULL) && dialled == 0;
}

typedef bool user_fn(uint32_t seed);

static bool let_in(user_fn *user, unsigned k, unsigned patience_ms)
{
    static uint32_t seed;
    pthread_t thread;

    fail_at = k;
    dialled = 0;
    r.loop.patience_ms = patience_ms;
    ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
    bool well = user(++seed);
    ev_async_send(g.loop.loop, &g.stop);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return well;
}

/* --- browsers ------------------------------------------------------------------------------- */

static bool by_udp(uint32_t seed)
{
    struct turn_user user;
    struct udp_peer udp;
    int code = -1;

    turn_user_init(&user, SERVER_ENV_USER, SERVER_ENV_PASSWORD, seed);
    udp_peer_open(&udp, "127.0.0.1");
    for (int step = 0; step < 3; step++) {
        udp_peer_send(&udp, &g.at,
                      step < 2 ? turn_user_allocate(&user) : turn_user_refresh(&user, 0));
        if (!udp_peer_recv(&udp, &r.loop)) {
            code = -1;
            break;
        }
        code = turn_user_take(&user, sp_span(udp.bytes, udp.len));
    }
    udp_peer_close(&udp);
    return code == 0;
}

static bool by_tcp(uint32_t seed)
{
    struct turn_user user;
    struct sp_span msg;
    struct peer p;
    int code = -1;

    turn_user_init(&user, SERVER_ENV_USER, SERVER_ENV_PASSWORD, seed);
    if (peer_connect(&p, &r.loop, &g.at, NULL))
        for (int step = 0; step < 3 && !p.ended; step++) {
            msg = step < 2 ? turn_user_allocate(&user) : turn_user_refresh(&user, 0);
            peer_send(&p, msg.p, msg.len);
            code = peer_message(&p, &msg) ? turn_user_take(&user, msg) : -1;
        }
    peer_close(&p);
    return code == 0;
}

/* As browsers do, it asks again: a lane may have been lost, with what was in it. The gateway waits
 * longer from loss to loss before it dials again, unless it hears that the network has changed. */
static bool well_again(user_fn *user)
{
    bool well = false;

    and_hurry = true;
    for (int i = 0; i < 10 && !well; i++)
        well = let_in(user, 0, 1000);
    and_hurry = false;
    return well;
}

static void sweep_browser(user_fn *user, unsigned least)
{
    unsigned k, unwell = 0;

    open_gateway();
    and_dial = true;
    ck_assert(let_in(dial, 0, 10000));
    ck_assert_int_eq(dialled, 0);
    and_dial = false;
    ck_assert(let_in(user, 0, 10000));
    for (k = 1; k < 1000; k++) {
        bool well = let_in(user, k, IMPATIENT_MS);
        if (!failed && well)
            break;
        unwell += !well;
        if (!well)
            ck_assert_msg(well_again(user), "not well after allocation %u failed", k);
    }
    ck_assert_uint_ge(k, least); /* there was something to fail */
    ck_assert_uint_lt(k, 1000);
    ck_assert_uint_gt(unwell, 0);
    close_gateway();
}

START_TEST(browsers_by_udp)
{
    sweep_browser(by_udp, 3);
}
END_TEST

START_TEST(browsers_by_tcp)
{
    sweep_browser(by_tcp, 4);
}
END_TEST

static bool lanes_are_gone(void *arg)
{
    (void)arg;
    return worker_rig_stats(&r).lanes == 0;
}

/* A try that finds no memory is no end: the gateway dials again. Every fifth allocation, since each
 * takes the time that the gateway waits before it dials. */
START_TEST(dialling)
{
    unsigned k;
    bool up = false;

    for (k = 1; k < 3000 && (!up || failed); k += 5) {
        open_gateway();
        and_dial = true;
        up = let_in(dial, k, 10000);
        ck_assert(up || dialled == SP_ENOMEM);
        close_gateway();
        r.loop.patience_ms = 10000;
        ck_assert(io_loop_until(&r.loop, lanes_are_gone, NULL));
    }
    ck_assert_uint_gt(k, 50);
    ck_assert_uint_lt(k, 3000);
}
END_TEST

/* --- the rig -------------------------------------------------------------------------------- */

static void setup(void)
{
    static const struct tls_files_spec spec = {.names = "127.0.0.1,edge.test"};
    char text[SP_ADDR_STRLEN], whole[SP_ADDR_STRLEN + 8];
    const char *why;

    ev_set_allocator(alloc_fail_never);
    worker_rig_init(&r);
    tls_files_make(&files, &spec);
    r.kc.cert_file = files.cert;
    r.kc.key_file = files.key;
    r.wc.linger_us = SP_MS(50);
    ck_assert_msg(worker_rig_start(&r) == 0, "%s", r.why);
    snprintf(whole, sizeof whole, "https://%s", sp_addr_format(worker_rig_tcp(&r), text));
    ck_assert_int_eq(sp_server_url_parse(whole, &url, &why), 0);
    server_env_token("alice", SP_TOKEN_SCOPE_TUNNEL, 3600, token);
}

static void teardown(void)
{
    worker_rig_close(&r);
    tls_files_remove(&files);
}

int main(void)
{
    Suite *s = suite_create("gateway_no_memory");
    TCase *tc = tcase_create("gateway");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, browsers_by_udp);
    tcase_add_test(tc, browsers_by_tcp);
    tcase_add_test(tc, dialling);
    suite_add_tcase(s, tc);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
