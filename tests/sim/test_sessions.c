/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rendezvous sessions from LAN to LAN: whole workers, gateways that open ports when they are asked
 * to, and browsers that are UDP sockets on loopback.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ends.h"
#include "lan_ports.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/lan_port.h"
#include "sallyport/token.h"
#include "server_env.h"
#include "session_call.h"
#include "worker_rig.h"

#define HOLDER_A "holder-of-the-end-a"
#define HOLDER_B "holder-of-the-end-b"

/* A gateway: a tunnel's end, and its ports. */
struct gateway {
    struct gateway_end end;
    struct sp_client_env env;
    struct sp_lan_ports *ports;
};

static struct worker_rig r;
static struct gateway gateways[1];
static unsigned serial; /* of a session: its fragments are A000 and B000, A001 and B001 … */

/* --- gateways ------------------------------------------------------------------------------- */

static const struct sp_addr *listens(const void *arg, size_t i)
{
    static const struct sp_addr loopback[] = {{{127, 0, 0, 1}, 3478, SP_IPV4},
                                              {{127, 0, 0, 1}, 3479, SP_IPV4},
                                              {{127, 0, 0, 2}, 3478, SP_IPV4}};
    (void)arg;
    return i < SP_ARRAY_LEN(loopback) ? &loopback[i] : NULL;
}

static void on_take(struct sp_flow *f, const struct sp_span *d, size_t n)
{
    sp_lan_ports_datagrams(gateways[0].ports, f, d, n);
}

static void on_closed(struct gateway_end *g, struct sp_flow *f)
{
    struct gateway *gw = g->arg;
    sp_lan_ports_flow_closed(gw->ports, f);
}

static unsigned on_asked(struct gateway_end *g, struct sp_span question,
                         uint8_t answer[static SP_CONTROL_BODY_MAX], size_t *len, uint64_t now_us)
{
    struct gateway *gw = g->arg;
    return sp_lan_ports_asked(gw->ports, g->tunnel, question, answer, len, now_us);
}

static void open_gateway(struct gateway *g, const char *subject)
{
    const struct sp_lan_ports_config c = {.max_ports = 2, .listens = listens};
    char token[SP_TOKEN_MAX + 1];

    *g = (struct gateway){.env = {.ticker = &r.loop.ticker, .rng = &r.rng}};
    ck_assert_int_eq(sp_dgram_pool_new(&r.loop.ticker, &g->env.dgrams), 0);
    ck_assert_int_eq(sp_lan_ports_new(&g->env, &c, &g->ports), 0);
    gateway_end_init(&g->end, &r.loop);
    g->end.take = on_take;
    g->end.closed = on_closed;
    g->end.asked = on_asked;
    g->end.arg = g;
    server_env_token(subject, SP_TOKEN_SCOPE_TUNNEL, 60, token);
    ck_assert_uint_eq(gateway_end_join(&g->end, worker_rig_tcp(&r), r.client, token, 0), 101);
}

static void close_gateway(struct gateway *g)
{
    sp_lan_ports_free(g->ports);
    gateway_end_fini(&g->end);
    sp_dgram_pool_free(g->env.dgrams);
}

/* --- the server ----------------------------------------------------------------------------- */

/* What a worker's thread is asked to do, once. */
struct order {
    bool done, answered;
    const char *gateways[2];
    struct sp_ends_ask *asks[2];
    unsigned n;
    int err[2];
    struct sp_addr addrs[2][4];
    size_t n_addrs[2];
    char id[SP_RDV_ID_LEN + 1];
} order;

static void on_answer(int err, const struct sp_addr *addrs, size_t n, unsigned end)
{
    order.err[end] = err;
    order.n_addrs[end] = n;
    if (n > 0)
        memcpy(order.addrs[end], addrs, n * sizeof addrs[0]);
    __atomic_add_fetch(&order.n, 1, __ATOMIC_RELEASE);
}

static void on_answer_a(int err, const struct sp_addr *addrs, size_t n, void *arg)
{
    (void)arg;
    on_answer(err, addrs, n, 0);
}

static void on_answer_b(int err, const struct sp_addr *addrs, size_t n, void *arg)
{
    (void)arg;
    on_answer(err, addrs, n, 1);
}

static void make_session(struct sp_worker *w, void *arg)
{
    struct sp_ends *e = sp_worker_ends(w);
    const struct sp_rdv_order o = {.subject = sp_span_str("app"), .ttl_us = SP_SEC(60)};
    uint64_t now_us = sp_ticker_now(sp_worker_ticker(w));
    struct sp_rdv_session *s;
    struct sp_rdv_view v;
    (void)arg;

    if (order.done)
        return;
    order.done = true;
    ck_assert_int_eq(sp_rdv_create(sp_ends_registry(e), &o, now_us, &s), 0);
    sp_rdv_view(s, now_us, &v);
    memcpy(order.id, v.id, sizeof order.id);
    for (unsigned end = 0; end < 2; end++) {
        char ufrag[16];
        snprintf(ufrag, sizeof ufrag, "%c%03u", end == 0 ? 'A' : 'B', serial);
        const struct sp_rdv_join j = {.holder = sp_span_str(end == 0 ? HOLDER_A : HOLDER_B),
                                      .ufrag = sp_span_str(ufrag)};
        ck_assert_int_eq(sp_rdv_join(s, end, &j, now_us), 0);
        if (order.gateways[end] == NULL)
            continue;
        const struct sp_ends_whom whom = {.name = sp_span_str(order.gateways[end])};
        ck_assert_int_eq(sp_ends_ask_gateway(e, s, end, &whom, end == 0 ? on_answer_a : on_answer_b,
                                             NULL, &order.asks[end]),
                         0);
    }
}

static void end_session(struct sp_worker *w, void *arg)
{
    struct sp_rdv *registry = sp_ends_registry(sp_worker_ends(w));
    struct sp_rdv_session *s = sp_rdv_find(registry, sp_span_str(order.id));
    (void)arg;

    if (s != NULL)
        sp_rdv_end(s, "asked", sp_ticker_now(sp_worker_ticker(w)));
}

static void in_worker(sp_crew_fn *fn)
{
    if (r.crew != NULL)
        sp_crew_each(r.crew, fn, NULL);
    else
        fn(r.w, NULL);
}

static bool both_answered(void *arg)
{
    unsigned want = 0;

    for (unsigned end = 0; end < 2; end++)
        want += order.gateways[end] != NULL;
    (void)arg;
    return __atomic_load_n(&order.n, __ATOMIC_ACQUIRE) == want;
}

static void introduce(const char *a, const char *b)
{
    memset(&order, 0, sizeof order);
    order.gateways[0] = a;
    order.gateways[1] = b;
    in_worker(make_session);
    serial++;
    ck_assert(io_loop_until(&r.loop, both_answered, NULL));
}

static void open_rig(unsigned workers)
{
    serial = 0;
    worker_rig_init(&r);
    r.sc.serve |= SP_SERVE_ICE_TCP;
    r.wc.session_idle_us = SP_SEC(30);
    ck_assert_msg((workers == 1 ? worker_rig_start(&r) : worker_rig_start_crew(&r, workers)) == 0,
                  "%s", r.why);
}

static void browser(struct call_end *e, struct udp_peer *u, const struct sp_addr *to)
{
    *e = (struct call_end){.loop = &r.loop, .udp = u, .server = *to};
    udp_peer_open(u, "127.0.0.1");
}

static bool ports_are_closed(void *arg)
{
    (void)arg;
    return sp_lan_ports_count(gateways[0].ports) == 0;
}

/* --- tests ---------------------------------------------------------------------------------- */

START_TEST(lan_to_lan)
{
    struct udp_peer ua, ub;
    struct call_end a, b;
    unsigned workers = _i == 0 ? 1 : 3;

    open_rig(workers);
    open_gateway(&gateways[0], "office");
    io_loop_for(&r.loop, 30); /* until all workers have heard of it */
    introduce("office", "office");
    for (unsigned end = 0; end < 2; end++) {
        ck_assert_int_eq(order.err[end], 0);
        ck_assert_uint_eq(order.n_addrs[end], 2); /* one for each address, not for each port */
        ck_assert_uint_eq(order.addrs[end][0].ip[3], 1);
        ck_assert_uint_eq(order.addrs[end][1].ip[3], 2);
    }
    ck_assert_uint_eq(sp_lan_ports_count(gateways[0].ports), 2);
    browser(&a, &ua, &order.addrs[0][0]);
    browser(&b, &ub, &order.addrs[1][1]);
    call_begin(&a, &b, "B000:A000", "A000:B000");
    ck_assert_uint_eq(worker_rig_stats(&r).ends.flows, 2);
    in_worker(end_session);
    ck_assert(io_loop_until(&r.loop, ports_are_closed, NULL));
    udp_peer_close(&ua);
    udp_peer_close(&ub);
    close_gateway(&gateways[0]);
    worker_rig_close(&r);
}
END_TEST

START_TEST(lan_to_ice_tcp)
{
    struct udp_peer ua;
    struct peer pb;
    struct call_end a, b = {.loop = &r.loop, .peer = &pb};

    open_rig(1);
    open_gateway(&gateways[0], "office");
    introduce("office", NULL);
    browser(&a, &ua, &order.addrs[0][0]);
    ck_assert(peer_connect(&pb, &r.loop, worker_rig_tcp(&r), NULL));
    call_begin(&a, &b, "B000:A000", "A000:B000");
    udp_peer_send(&ua, &order.addrs[0][1], sp_span_str("\x80 no check")); /* opens no flow */
    io_loop_for(&r.loop, 20);
    ck_assert_uint_eq(sp_lan_ports_counters(gateways[0].ports)->not_ice, 1);
    udp_peer_close(&ua);
    peer_close(&pb);
    close_gateway(&gateways[0]);
    worker_rig_close(&r);
}
END_TEST

START_TEST(many_who_check_for_nothing)
{
    static const uint8_t check[] = {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1,  2,
                                    3, 4, 5, 6, 7,    8,    9,    10,   11, 12};
    struct udp_peer ua, ub, others[20];
    struct call_end a, b;

    open_rig(1);
    open_gateway(&gateways[0], "office");
    introduce("office", "office");
    browser(&a, &ua, &order.addrs[0][0]);
    browser(&b, &ub, &order.addrs[1][0]);
    call_begin(&a, &b, "B000:A000", "A000:B000");
    for (size_t i = 0; i < SP_ARRAY_LEN(others); i++) {
        udp_peer_open(&others[i], "127.0.0.1");
        udp_peer_send(&others[i], &order.addrs[0][0], sp_span(check, sizeof check));
        io_loop_for(&r.loop, 2);
    }
    ck_assert_uint_gt(sp_lan_ports_counters(gateways[0].ports)->evicted, 0);
    call_end_send(&a, sp_span_str("\x80 media"));
    call_end_expect(&b, "\x80 media");
    for (size_t i = 0; i < SP_ARRAY_LEN(others); i++)
        udp_peer_close(&others[i]);
    udp_peer_close(&ua);
    udp_peer_close(&ub);
    close_gateway(&gateways[0]);
    worker_rig_close(&r);
}
END_TEST

START_TEST(who_does_not_answer)
{
    struct sp_ends_ask *ask;

    open_rig(1);
    open_gateway(&gateways[0], "office");
    introduce("office", "office"); /* as many as it has room for */
    ck_assert_int_eq(order.err[0] | order.err[1], 0);
    introduce("office", NULL);
    ck_assert_int_eq(order.err[0], SP_EFULL);
    gateways[0].end.asked = NULL; /* an old one */
    introduce("office", NULL);
    ck_assert_int_eq(order.err[0], SP_EDENIED);
    struct sp_ends *e = sp_worker_ends(r.w);
    struct sp_rdv_session *s = sp_rdv_find(sp_ends_registry(e), sp_span_str(order.id));
    const struct sp_ends_whom strangers[] = {{.name = sp_span_str("home")},
                                             {sp_span_str("office"), sp_span_str("x")}};
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(sp_ends_ask_gateway(e, s, 0, &strangers[i], on_answer_a, NULL, &ask),
                         SP_ENOENT);
    const struct sp_gate *g = sp_ends_gateway_next(e, NULL);
    ck_assert_str_eq(sp_gate_about(g)->name, "office");
    ck_assert_ptr_null(sp_ends_gateway_next(e, g));
    close_gateway(&gateways[0]);
    worker_rig_close(&r);
}
END_TEST

static bool is_cut(void *arg)
{
    (void)arg;
    return worker_rig_stats(&r).lanes == 0;
}

/* It may have been killed: its tunnel lingers, but whoever asks has other ways. */
START_TEST(who_has_no_lane)
{
    struct gateway *g = &gateways[0];
    char token[SP_TOKEN_MAX + 1];
    struct sp_ends_ask *ask;

    open_rig(1);
    open_gateway(g, "office");
    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, token);
    for (unsigned back = 0; back < 2; back++) {
        sp_stream_lane_free(g->end.lanes[0]);
        g->end.lanes[0] = NULL;
        ck_assert(io_loop_until(&r.loop, is_cut, NULL));
        memset(&order, 0, sizeof order);
        order.gateways[0] = "office";
        in_worker(make_session);
        serial++;
        if (back == 0) /* in time */
            ck_assert_uint_eq(gateway_end_join(&g->end, worker_rig_tcp(&r), r.client, token, 0),
                              101);
        ck_assert(io_loop_until(&r.loop, both_answered, NULL));
        ck_assert_int_eq(order.err[0], back == 0 ? 0 : SP_ENOENT);
    }
    struct sp_ends *e = sp_worker_ends(r.w);
    struct sp_rdv_session *s = sp_rdv_find(sp_ends_registry(e), sp_span_str(order.id));
    const struct sp_ends_whom whom = {.name = sp_span_str("office")};
    ck_assert_ptr_nonnull(sp_ends_gateway_next(e, NULL)); /* it still lingers, but now at once: */
    ck_assert_int_eq(sp_ends_ask_gateway(e, s, 0, &whom, on_answer_a, NULL, &ask), SP_ENOENT);
    ck_assert_uint_eq(gateway_end_join(&g->end, worker_rig_tcp(&r), r.client, token, 0), 101);
    introduce("office", NULL);
    ck_assert_int_eq(order.err[0], 0);
    close_gateway(g);
    worker_rig_close(&r);
}
END_TEST

/* However many there are: what the tunnel leaves behind must not use it any more. */
START_TEST(when_a_tunnel_ends)
{
    const struct sp_lan_ports_config c = {.max_ports = 40, .listens = listens};
    struct sp_lan_ports *ports;
    uint8_t question[SP_LAN_PORT_QUESTION_MAX], answer[SP_CONTROL_BODY_MAX];
    size_t len;

    open_rig(1);
    open_gateway(&gateways[0], "office");
    ck_assert_int_eq(sp_lan_ports_new(&gateways[0].env, &c, &ports), 0);
    for (uint64_t end = 1; end <= c.max_ports; end++) {
        const struct sp_lan_port q = {.end = end, .lifetime_s = 45};
        struct sp_span body = sp_span(question, sp_lan_port_build(&q, question));
        ck_assert_uint_eq(sp_lan_ports_asked(ports, gateways[0].end.tunnel, body, answer, &len,
                                             sp_ticker_now(&r.loop.ticker)),
                          0);
    }
    ck_assert_uint_eq(sp_lan_ports_count(ports), c.max_ports);
    sp_lan_ports_tunnel_gone(ports, gateways[0].end.tunnel);
    ck_assert_uint_eq(sp_lan_ports_count(ports), 0);
    sp_lan_ports_free(ports);
    close_gateway(&gateways[0]);
    worker_rig_close(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sessions");
    TCase *tc = tcase_create("sessions");

    tcase_add_loop_test(tc, lan_to_lan, 0, 2);
    tcase_add_test(tc, lan_to_ice_tcp);
    tcase_add_test(tc, many_who_check_for_nothing);
    tcase_add_test(tc, who_does_not_answer);
    tcase_add_test(tc, who_has_no_lane);
    tcase_add_test(tc, when_a_tunnel_ends);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
