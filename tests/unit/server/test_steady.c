/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole worker whose calls are under way: by whatever way a datagram comes and goes, nobody asks
 * for memory for it, neither the worker nor, on their side, a tunnel or a TLS connection.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "load_end.h"
#include "load_tunnel.h"
#include "server_env.h"
#include "worker_rig.h"

#define BURST 12

struct call {
    struct worker_rig rig;
    struct load_world world;
    struct load_end ends[2];
    struct load_tunnels tunnels[2];
};

static struct sp_flow *open_flow(struct load_end *e, void *arg)
{
    struct call *c = arg;
    return load_tunnels_flow(&c->tunnels[e->number], 0, e);
}

static uint64_t now_us(void *arg)
{
    struct call *c = arg;
    return sp_ticker_now(&c->rig.loop.ticker);
}

static void take_udp(uint32_t host, struct sp_span datagram, void *arg)
{
    struct call *c = arg;
    load_end_take(&c->ends[host], datagram, load_now_ns());
}

static bool both_ready(void *arg)
{
    struct call *c = arg;
    return c->world.ready == 2;
}

static void open_call(struct call *c, enum load_kind kind, enum load_kind other)
{
    const enum load_kind kinds[] = {kind, other};
    const struct sp_addr net = sp_addr_v4(127, 64, 0, 1, 0);
    static const char *const users[] = {"test:test"};
    char token[SP_TOKEN_MAX + 1];

    memset(c, 0, sizeof *c);
    worker_rig_init(&c->rig);
    c->rig.kc.users = users;
    if (other == LOAD_PEER) { /* no virtual relays: it sends to their sockets */
        c->rig.ip.local = c->rig.ip.public_ = sp_addr_v4(127, 0, 0, 1, 0);
        c->rig.wc.min_port = 49152;
        c->rig.wc.max_port = 65535;
    }
    ck_assert_msg(worker_rig_start(&c->rig) == 0, "%s", c->rig.why);
    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, token);
    c->world = (struct load_world){.loop = c->rig.loop.loop,
                                   .tls = c->rig.client,
                                   .arg = c,
                                   .dirty = calloc(2, sizeof *c->world.dirty),
                                   .flow_open = open_flow,
                                   .now_us = now_us};
    load_udp_init(&c->world.udp, c->rig.loop.loop, &net, take_udp, c);
    for (uint32_t i = 0; i < 2; i++) {
        const struct load_tunnels_config t = {1, 4, *worker_rig_tcp(&c->rig), c->rig.client, token};
        c->ends[i] =
            (struct load_end){.world = &c->world,
                              .number = i,
                              .kind = kinds[i],
                              .server = kinds[i] == LOAD_UDP ? worker_rig_udp(&c->rig, "127.0.0.1")
                                                             : *worker_rig_tcp(&c->rig),
                              .other = &c->ends[i ^ 1]};
        if (kinds[i] == LOAD_TUNNEL)
            load_tunnels_open(&c->tunnels[i], &c->rig.loop, &t);
    }
    for (int i = 0; i < 2; i++)
        load_end_open(&c->ends[i]);
    load_world_flush(&c->world);
    ck_assert(io_loop_until(&c->rig.loop, both_ready, c));
}

static void close_call(struct call *c)
{
    for (int i = 0; i < 2; i++) {
        load_end_close(&c->ends[i]);
        if (c->tunnels[i].n > 0)
            load_tunnels_close(&c->tunnels[i]);
    }
    load_udp_fini(&c->world.udp);
    free(c->world.dirty);
    worker_rig_close(&c->rig);
}

struct wanted {
    struct call *call;
    uint64_t delivered;
};

static bool has_come(void *arg)
{
    struct wanted *w = arg;
    return w->call->world.tally.delivered >= w->delivered;
}

/* Voice each way, then a frame of video at once. Returns how many allocations were made for it, but
 * for those of the clients' connections when they send. */
static unsigned long speak(struct call *c, unsigned rounds)
{
    struct wanted w = {c, c->world.tally.delivered};
    unsigned long asked = 0;
    bool came = true;

    c->world.len[LOAD_VOICE] = 160;
    c->world.len[LOAD_VIDEO] = 1200;
    for (unsigned i = 0; i < rounds && came; i++) {
        for (int end = 0; end < 2; end++)
            load_end_send(&c->ends[end], LOAD_VOICE, 160);
        for (unsigned n = 0; n < BURST; n++)
            load_end_send(&c->ends[i & 1], LOAD_VIDEO, 1200);
        load_world_flush(&c->world);
        w.delivered += 2 + BURST;
        unsigned long before = alloc_fail_count();
        came = io_loop_until(&c->rig.loop, has_come, &w);
        asked += alloc_fail_count() - before;
    }
    ck_assert(came);
    return asked;
}

/* Queues and tables become as large as they have to be, which is more where the machine is busy and
 * somebody comes late. They double, so that this ends; what a datagram asks for would not. */
static void must_ask_for_nothing(enum load_kind kind, enum load_kind other)
{
    static struct call c;
    unsigned long asked;
    unsigned tries = 0;

    open_call(&c, kind, other);
    speak(&c, 200);
    do
        asked = speak(&c, 100);
    while (asked > 0 && ++tries < 10);
    ck_assert_msg(asked == 0, "%lu allocations for %u datagrams from %s to %s", asked,
                  100 * (2 + BURST), load_kind_name(kind), load_kind_name(other));
    close_call(&c);
}

START_TEST(udp_to_udp)
{
    must_ask_for_nothing(LOAD_UDP, LOAD_UDP);
}
END_TEST

START_TEST(tcp_to_tcp)
{
    must_ask_for_nothing(LOAD_TCP, LOAD_TCP);
}
END_TEST

START_TEST(tls_to_tls)
{
    must_ask_for_nothing(LOAD_TLS, LOAD_TLS);
}
END_TEST

START_TEST(tls_to_peer)
{
    must_ask_for_nothing(LOAD_TLS, LOAD_PEER);
}
END_TEST

START_TEST(tunnel_to_tunnel)
{
    must_ask_for_nothing(LOAD_TUNNEL, LOAD_TUNNEL);
}
END_TEST

START_TEST(tunnel_to_peer)
{
    must_ask_for_nothing(LOAD_TUNNEL, LOAD_PEER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("steady");
    TCase *tc = tcase_create("steady");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, udp_to_udp);
    tcase_add_test(tc, tcp_to_tcp);
    tcase_add_test(tc, tls_to_tls);
    tcase_add_test(tc, tls_to_peer);
    tcase_add_test(tc, tunnel_to_tunnel);
    tcase_add_test(tc, tunnel_to_peer);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
