/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ends of rendezvous sessions as they reach a whole worker, and a crew of several: by ICE-TCP,
 * by UDP, by flows. Who may send to whom is for the registry's own test.
 */
#include "ends.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/stun.h"
#include "sallyport/token.h"
#include "server_env.h"
#include "session_call.h"
#include "worker_rig.h"

#define HOLDER_A "holder-of-the-end-a"
#define HOLDER_B "holder-of-the-end-b"

static struct worker_rig r;

static void open_rig(unsigned workers)
{
    worker_rig_init(&r);
    r.sc.serve |= SP_SERVE_ICE_TCP;
    r.wc.session_idle_us = SP_SEC(30);
    ck_assert_msg((workers == 1 ? worker_rig_start(&r) : worker_rig_start_crew(&r, workers)) == 0,
                  "%s", r.why);
}

/* One worker, at which ends may be silent for so long. */
static void open_rig_idle(uint64_t idle_us)
{
    worker_rig_init(&r);
    r.sc.serve |= SP_SERVE_ICE_TCP;
    r.wc.session_idle_us = idle_us;
    ck_assert_msg(worker_rig_start(&r) == 0, "%s", r.why);
}

/* --- a session ------------------------------------------------------------------------------ */

struct order {
    char ufrags[2][8];
    bool done;
};

static void make_session(struct sp_worker *w, void *arg)
{
    struct order *o = arg;
    struct sp_rdv *registry = sp_ends_registry(sp_worker_ends(w));
    const struct sp_rdv_order order = {.subject = sp_span_str("app"), .ttl_us = SP_SEC(60)};
    uint64_t now_us = sp_ticker_now(sp_worker_ticker(w));
    struct sp_rdv_session *s;

    if (o->done)
        return;
    o->done = true;
    ck_assert_int_eq(sp_rdv_create(registry, &order, now_us, &s), 0);
    for (unsigned end = 0; end < 2; end++) {
        const struct sp_rdv_join j = {.holder = sp_span_str(end == 0 ? HOLDER_A : HOLDER_B),
                                      .ufrag = sp_span_str(o->ufrags[end])};
        ck_assert_int_eq(sp_rdv_join(s, end, &j, now_us), 0);
    }
}

/* At the first worker. */
static void introduce(const char *a, const char *b)
{
    struct order o = {.done = false};

    memcpy(o.ufrags[0], a, strlen(a));
    memcpy(o.ufrags[1], b, strlen(b));
    if (r.crew != NULL)
        sp_crew_each(r.crew, make_session, &o);
    else
        make_session(r.w, &o);
}

/* --- both ends ------------------------------------------------------------------------------ */

static void by_tcp(struct call_end *e, struct peer *p, bool tls)
{
    *e = (struct call_end){.loop = &r.loop, .peer = p};
    ck_assert(peer_connect(p, &r.loop, worker_rig_tcp(&r), tls ? r.client : NULL));
}

static void by_udp(struct call_end *e, struct udp_peer *u)
{
    *e = (struct call_end){.loop = &r.loop, .udp = u, .server = worker_rig_udp(&r, "127.0.0.1")};
    udp_peer_open(u, "127.0.0.1");
}

/* A gateway with one lane. */
static void open_gateway(struct gateway_end *g)
{
    char token[SP_TOKEN_MAX + 1];

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, token);
    gateway_end_init(g, &r.loop);
    ck_assert_uint_eq(gateway_end_join(g, worker_rig_tcp(&r), r.client, token, 0), 101);
}

/* --- one worker ----------------------------------------------------------------------------- */

START_TEST(tcp_and_tls)
{
    struct peer pa, pb;
    struct call_end a, b;

    open_rig(1);
    introduce("AAAA", "BBBB");
    by_tcp(&a, &pa, false);
    by_tcp(&b, &pb, true);
    call_begin(&a, &b, "BBBB:AAAA", "AAAA:BBBB");
    struct sp_worker_stats s = worker_rig_stats(&r);
    ck_assert_uint_eq(s.ends.ice_tcp, 2);
    ck_assert_uint_eq(s.rendezvous.connected, 1);
    peer_close(&pa);
    io_loop_for(&r.loop, 20);
    call_end_send(&b, sp_span_str("\x80 to nobody"));
    io_loop_for(&r.loop, 20);
    ck_assert_uint_eq(worker_rig_stats(&r).rendezvous.refused_no_path, 0);
    sp_ends_finish(sp_worker_ends(r.w)); /* the session's end closes what is left */
    ck_assert(peer_ended(&pb));
    peer_close(&pb);
    worker_rig_close(&r);
}
END_TEST

START_TEST(udp_and_tcp)
{
    struct peer pa;
    struct udp_peer ub;
    struct call_end a, b;

    open_rig(1);
    introduce("AAAA", "BBBB");
    by_tcp(&a, &pa, false);
    by_udp(&b, &ub);
    call_begin(&a, &b, "BBBB:AAAA", "AAAA:BBBB");
    ck_assert_uint_eq(worker_rig_stats(&r).ends.udp, 1);
    peer_close(&pa);
    udp_peer_close(&ub);
    worker_rig_close(&r);
}
END_TEST

START_TEST(flow_and_udp)
{
    struct gateway_end g;
    struct udp_peer ub;
    struct call_end a = {.loop = &r.loop, .gateway = &g}, b;

    open_rig(1);
    introduce("AAAA", "BBBB");
    open_gateway(&g);
    a.flow = gateway_end_flow_of(&g, SP_FLOW_SESSION);
    by_udp(&b, &ub);
    call_end_send(&a, sp_span_str("\x16 nothing yet")); /* which names no session */
    call_begin(&a, &b, "BBBB:AAAA", "AAAA:BBBB");
    struct sp_worker_stats s = worker_rig_stats(&r);
    ck_assert_uint_eq(s.ends.flows, 1);
    ck_assert_uint_eq(s.ends.flows_unknown, 1);
    gateway_end_fini(&g);
    udp_peer_close(&ub);
    worker_rig_close(&r);
}
END_TEST

static bool flow_has_ended(void *arg)
{
    const struct gateway_end *g = arg;
    return g->flows_closed == 1;
}

START_TEST(a_flow_of_no_session_ends)
{
    struct gateway_end g;
    struct call_end a = {.loop = &r.loop, .gateway = &g};

    open_rig_idle(SP_MS(300));
    open_gateway(&g);
    a.flow = gateway_end_flow_of(&g, SP_FLOW_SESSION);
    call_end_send_stun(&a, SP_STUN_REQUEST, 1, "XXXX:YYYY");
    ck_assert(io_loop_until(&r.loop, flow_has_ended, &g));
    ck_assert_uint_eq(worker_rig_stats(&r).ends.flows_unknown, 1);
    gateway_end_fini(&g);
    worker_rig_close(&r);
}
END_TEST

/* What its gateway has answered early is not said again so soon: it waits for its session. */
START_TEST(flow_that_is_early)
{
    struct gateway_end g;
    struct udp_peer ub;
    struct call_end a = {.loop = &r.loop, .gateway = &g}, b;

    open_rig(1);
    open_gateway(&g);
    a.flow = gateway_end_flow_of(&g, SP_FLOW_SESSION);
    call_end_send_stun(&a, SP_STUN_REQUEST, 9, "BBBB:AAAA");
    io_loop_for(&r.loop, 60);
    for (unsigned i = 0; i < 5; i++)
        call_end_send(&a, sp_span_str("\x16 hello")); /* three of these find room behind it */
    io_loop_for(&r.loop, 60);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.flows, 0);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.flows_unknown, 2);
    introduce("AAAA", "BBBB");
    io_loop_for(&r.loop, 100);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.flows, 1);
    by_udp(&b, &ub);
    call_end_send_stun(&b, SP_STUN_REQUEST, 2, "AAAA:BBBB");
    call_end_expect_stun(&b, SP_STUN_REQUEST, 9);
    gateway_end_fini(&g);
    udp_peer_close(&ub);
    worker_rig_close(&r);
}
END_TEST

/* Not when it is looked for the next time. */
START_TEST(who_waits_is_told_at_once)
{
    struct gateway_end g;
    struct peer pb;
    struct call_end a = {.loop = &r.loop, .gateway = &g}, b;

    open_rig(1);
    open_gateway(&g);
    a.flow = gateway_end_flow_of(&g, SP_FLOW_SESSION);
    by_tcp(&b, &pb, false);
    call_end_send_stun(&a, SP_STUN_REQUEST, 9, "BBBB:AAAA");
    call_end_send_stun(&b, SP_STUN_REQUEST, 8, "AAAA:BBBB");
    io_loop_for(&r.loop, 50);
    introduce("AAAA", "BBBB");
    io_loop_for(&r.loop, 50);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.flows, 1);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.ice_tcp, 1);
    gateway_end_fini(&g);
    peer_close(&pb);
    worker_rig_close(&r);
}
END_TEST

/* Nor when the browser checks again. */
START_TEST(a_check_by_udp_that_is_early)
{
    struct udp_peer ua, ub;
    struct call_end a, b;

    open_rig(1);
    introduce("CCCC", "DDDD"); /* or nobody would look at it */
    by_udp(&a, &ua);
    by_udp(&b, &ub);
    for (uint8_t i = 0; i < 200; i++) { /* of whom room is made */
        char name[16];
        snprintf(name, sizeof name, "XXXX:%04u", i);
        call_end_send_stun(&b, SP_STUN_REQUEST, 7, name);
    }
    call_end_send_stun(&a, SP_STUN_REQUEST, 9, "BBBB:AAAA");
    io_loop_for(&r.loop, 50);
    introduce("AAAA", "BBBB");
    io_loop_for(&r.loop, 50);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.udp, 1);
    udp_peer_close(&ub);
    by_udp(&b, &ub);
    call_end_send_stun(&b, SP_STUN_REQUEST, 2, "AAAA:BBBB");
    call_end_expect_stun(&b, SP_STUN_REQUEST, 9);
    udp_peer_close(&ua);
    udp_peer_close(&ub);
    worker_rig_close(&r);
}
END_TEST

/* Closed without a word, but not at once: it may be early. */
START_TEST(whom_nobody_knows)
{
    struct peer px, pa, pb;
    struct call_end x, a, b;

    open_rig(1);
    by_tcp(&x, &px, false);
    call_end_send_stun(&x, SP_STUN_REQUEST, 1, "XXXX:YYYY");
    by_tcp(&a, &pa, false);
    call_end_send_stun(&a, SP_STUN_REQUEST, 1, "BBBB:AAAA");
    io_loop_for(&r.loop, 100);
    introduce("AAAA", "BBBB");
    by_tcp(&b, &pb, false);
    call_begin(&a, &b, "BBBB:AAAA", "AAAA:BBBB");
    ck_assert(peer_ended(&px));
    ck_assert_uint_eq(px.got.len, 0);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.ice_tcp_unknown, 1);
    peer_close(&px);
    peer_close(&pa);
    peer_close(&pb);
    worker_rig_close(&r);
}
END_TEST

START_TEST(what_is_no_check)
{
    static const uint8_t no_username[] = {0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1,
                                          2, 3,  4, 5, 6, 7, 8,    9,    10,   11,   12};
    struct peer p;

    open_rig(1);
    ck_assert(peer_connect(&p, &r.loop, worker_rig_tcp(&r), NULL));
    peer_send(&p, no_username, sizeof no_username);
    ck_assert(peer_ended(&p));
    ck_assert_uint_eq(p.got.len, 0);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.ice_tcp_unknown, 1);
    peer_close(&p);
    worker_rig_close(&r);
}
END_TEST

/* What is a session's goes no further; TURN is served beside it, as ever. */
START_TEST(others_by_udp)
{
    struct udp_peer u;
    struct call_end e;

    open_rig(1);
    introduce("AAAA", "BBBB");
    by_udp(&e, &u);
    call_end_send_stun(&e, SP_STUN_REQUEST, 9, "XXXX:YYYY");
    call_end_expect_stun(&e, SP_STUN_SUCCESS, 9);
    udp_peer_close(&u);
    worker_rig_close(&r);
}
END_TEST

/* Browsers speak TURN and ICE by one socket. */
START_TEST(turn_by_a_sessions_address)
{
    static const uint8_t channel[] = {0x40, 0, 0, 4, 1, 2, 3, 4};
    struct peer pa;
    struct udp_peer ub;
    struct call_end a, b;

    open_rig(1);
    introduce("AAAA", "BBBB");
    by_tcp(&a, &pa, false);
    by_udp(&b, &ub);
    call_begin(&a, &b, "BBBB:AAAA", "AAAA:BBBB");
    uint64_t before = worker_rig_stats(&r).rendezvous.forwarded;
    call_end_send_stun(&b, SP_STUN_REQUEST, 9, NULL); /* which address it has */
    call_end_expect_stun(&b, SP_STUN_SUCCESS, 9);
    call_end_send(&b, sp_span(channel, sizeof channel));
    io_loop_for(&r.loop, 20);
    ck_assert_uint_eq(worker_rig_stats(&r).rendezvous.forwarded, before);
    call_end_send(&b, sp_span_str("\x80 media"));
    call_end_expect(&a, "\x80 media");
    peer_close(&pa);
    udp_peer_close(&ub);
    worker_rig_close(&r);
}
END_TEST

/* --- candidates ----------------------------------------------------------------------------- */

START_TEST(candidates_are_public)
{
    struct sp_ends_candidate c[SP_ENDS_CANDIDATES_MAX];
    struct sp_addr local = sp_addr_v4(198, 51, 100, 7, 443);

    worker_rig_init(&r);
    r.sc.serve |= SP_SERVE_ICE_TCP;
    r.ip.public_ = sp_addr_v4(203, 0, 113, 9, 0);
    ck_assert_int_eq(worker_rig_start(&r), 0);
    uint16_t udp_port = worker_rig_udp(&r, "127.0.0.1").port;
    ck_assert_uint_eq(sp_ends_candidates(sp_worker_ends(r.w), &local, c), 2);
    ck_assert(!c[0].tcp);
    ck_assert_uint_eq(c[0].addr.port, udp_port);
    ck_assert_uint_eq(c[0].addr.ip[0], 203);
    ck_assert(c[1].tcp);
    ck_assert_uint_eq(c[1].addr.port, 443);
    ck_assert_uint_eq(c[1].addr.ip[0], 203);
    local.ip[3] = 8; /* which no --relay-ip says anything of */
    ck_assert_uint_eq(sp_ends_candidates(sp_worker_ends(r.w), &local, c), 2);
    ck_assert(sp_addr_eq(&c[1].addr, &local));
    worker_rig_close(&r);
}
END_TEST

/* --- several -------------------------------------------------------------------------------- */

#define CALLS 6

/* Wherever the kernel puts them: some ends come to the session's worker, others to another. */
START_TEST(ends_on_several_workers)
{
    struct peer pa[CALLS];
    struct udp_peer ub[CALLS];
    struct gateway_end g;
    struct call_end a, b;
    char ufrags[2][8], names[2][16];

    open_rig(3);
    open_gateway(&g);
    for (unsigned i = 0; i < CALLS; i++) {
        snprintf(ufrags[0], sizeof ufrags[0], "AAA%u", i);
        snprintf(ufrags[1], sizeof ufrags[1], "BBB%u", i);
        snprintf(names[0], sizeof names[0], "BBB%u:AAA%u", i, i);
        snprintf(names[1], sizeof names[1], "AAA%u:BBB%u", i, i);
        introduce(ufrags[0], ufrags[1]);
        io_loop_for(&r.loop, 20); /* until all have heard of it */
        by_udp(&b, &ub[i]);
        if (i % 2 == 0) {
            by_tcp(&a, &pa[i], i % 4 == 0);
        } else {
            a = (struct call_end){.loop = &r.loop, .gateway = &g};
            a.flow = gateway_end_flow_of(&g, SP_FLOW_SESSION);
        }
        call_begin(&a, &b, names[0], names[1]);
    }
    struct sp_worker_stats s = worker_rig_stats(&r);
    ck_assert_uint_eq(s.rendezvous.connected, CALLS);
    ck_assert_uint_eq(s.ends.flows, CALLS / 2);
    gateway_end_fini(&g);
    for (unsigned i = 0; i < CALLS; i++) {
        if (i % 2 == 0)
            peer_close(&pa[i]);
        udp_peer_close(&ub[i]);
    }
    worker_rig_close(&r);
}
END_TEST

static unsigned strangers_taken;

/* At workers that don't have the session: all in one turn, so that its owner can't say anything. */
static void send_as_many(struct sp_worker *w, void *arg)
{
    static const uint8_t check[] = {0, 1, 0,   16,  0x21, 0x12, 0xA4, 0x42, 1,   2,   3,
                                    4, 5, 6,   7,   8,    9,    10,   11,   12,  0,   6,
                                    0, 9, 'B', 'B', 'B',  'B',  ':',  'A',  'A', 'A', 'A'};
    uint8_t bytes[sizeof check + 3] = {0};
    struct sp_ends *e = sp_worker_ends(w);

    memcpy(bytes, check, sizeof check);
    if (sp_rdv_count(sp_ends_registry(e)) > 0)
        return;
    for (uint16_t i = 0; i < 100; i++) {
        const struct sp_dgram_in in = {.remote = sp_addr_v4(192, 0, 2, 1, (uint16_t)(1000 + i)),
                                       .local = sp_addr_v4(192, 0, 2, 2, 3478),
                                       .body = sp_span(bytes, sizeof bytes)};
        strangers_taken += sp_ends_take_udp(e, arg, &in, 1);
    }
}

START_TEST(forged_addresses_at_another_worker)
{
    int socket; /* of whom nothing is wanted */

    worker_rig_init(&r);
    r.sc.serve |= SP_SERVE_ICE_TCP;
    r.wc.session_idle_us = SP_SEC(30);
    r.wc.bounds.sessions = 1;
    ck_assert_msg(worker_rig_start_crew(&r, 2) == 0, "%s", r.why);
    introduce("AAAA", "BBBB");
    io_loop_for(&r.loop, 20);
    strangers_taken = 0;
    sp_crew_each(r.crew, send_as_many, &socket);
    ck_assert_uint_eq(strangers_taken, 2 * (SP_RDV_UNPROVEN_MAX + SP_RDV_PROVEN_MAX));
    ck_assert_uint_eq(worker_rig_stats(&r).ends.udp, strangers_taken);
    worker_rig_close(&r);
}
END_TEST

static void finish_elsewhere(struct sp_worker *w, void *arg)
{
    struct sp_ends *e = sp_worker_ends(w);
    (void)arg;
    if (sp_rdv_count(sp_ends_registry(e)) == 0)
        sp_ends_finish(e);
}

/* Its sockets are closed by then, and the session's worker may still send. */
START_TEST(who_finishes_keeps_no_address)
{
    int socket;

    open_rig(2);
    introduce("AAAA", "BBBB");
    io_loop_for(&r.loop, 20);
    strangers_taken = 0;
    sp_crew_each(r.crew, send_as_many, &socket);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.udp, 100);
    sp_crew_each(r.crew, finish_elsewhere, NULL);
    sp_crew_each(r.crew, send_as_many, &socket);
    ck_assert_uint_eq(worker_rig_stats(&r).ends.udp, 200); /* none was known any more */
    worker_rig_close(&r);
}
END_TEST

/* --- gateways ------------------------------------------------------------------------------- */

static struct {
    struct sp_gate *gates[2];
    unsigned known; /* at how many workers */
} office;

static void come_twice(struct sp_worker *w, void *arg)
{
    static const struct sp_ends_gateway about = {.name = "office", .subject = "office"};

    for (size_t i = 0; office.gates[1] == NULL && i < 2; i++)
        office.gates[i] = sp_ends_gateway_came(sp_worker_ends(w), &about, arg);
}

/* By that worker, and the others take no notice. */
static void leave_once(struct sp_worker *w, void *arg)
{
    (void)arg;
    for (const struct sp_gate *g = NULL; (g = sp_ends_gateway_next(sp_worker_ends(w), g)) != NULL;)
        for (size_t i = 0; i < 2; i++)
            if (g == office.gates[i]) {
                sp_ends_gateway_left(office.gates[i]);
                office.gates[i] = NULL;
                return;
            }
}

static void count_known(struct sp_worker *w, void *arg)
{
    (void)arg;
    office.known += sp_ends_gateway_next(sp_worker_ends(w), NULL) != NULL;
}

static unsigned workers_that_know_it(void)
{
    io_loop_for(&r.loop, 20);
    office.known = 0;
    sp_crew_each(r.crew, count_known, NULL);
    return office.known;
}

START_TEST(a_gateway_with_two_tunnels)
{
    int tunnel; /* of which nothing is wanted */

    open_rig(3);
    memset(&office, 0, sizeof office);
    sp_crew_each(r.crew, come_twice, &tunnel);
    ck_assert_uint_eq(workers_that_know_it(), 3);
    sp_crew_each(r.crew, leave_once, NULL);
    ck_assert_uint_eq(workers_that_know_it(), 3);
    sp_crew_each(r.crew, leave_once, NULL);
    ck_assert_uint_eq(workers_that_know_it(), 0);
    worker_rig_close(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ends");
    TCase *tc = tcase_create("ends");

    tcase_add_test(tc, tcp_and_tls);
    tcase_add_test(tc, udp_and_tcp);
    tcase_add_test(tc, flow_and_udp);
    tcase_add_test(tc, a_flow_of_no_session_ends);
    tcase_add_test(tc, flow_that_is_early);
    tcase_add_test(tc, who_waits_is_told_at_once);
    tcase_add_test(tc, a_check_by_udp_that_is_early);
    tcase_add_test(tc, whom_nobody_knows);
    tcase_add_test(tc, what_is_no_check);
    tcase_add_test(tc, others_by_udp);
    tcase_add_test(tc, turn_by_a_sessions_address);
    tcase_add_test(tc, candidates_are_public);
    tcase_add_test(tc, ends_on_several_workers);
    tcase_add_test(tc, forged_addresses_at_another_worker);
    tcase_add_test(tc, who_finishes_keeps_no_address);
    tcase_add_test(tc, a_gateway_with_two_tunnels);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
