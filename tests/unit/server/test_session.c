/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tunnels on the server, with gateways' ends in the same loop.
 */
#include "session.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway_end.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "server_env.h"
#include "turn_user.h"

#define LINGER_US SP_SEC(5)

struct rig {
    struct server_env e;
    struct sp_sessions *all;
};

static void open_rig(struct rig *r)
{
    const struct sp_sessions_config c = {.linger_us = LINGER_US};

    server_env_open(&r->e, 0, 0);
    r->e.bounds.tunnels = 3;
    r->e.bounds.subject_tunnels = 2;
    ck_assert_int_eq(sp_sessions_new(&r->e.env, &c, &r->all), 0);
}

static void close_rig(struct rig *r)
{
    sp_sessions_free(r->all);
    server_env_close(&r->e);
}

static void ignore(struct sp_stream *s, void *arg)
{
    (void)s;
    (void)arg;
}

static void ignore_end(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    (void)arg;
}

static struct sp_stream *stream_of(struct rig *r, int fd)
{
    static const struct sp_stream_events nobody = {.input = ignore, .closed = ignore_end};
    struct sp_stream *s;

    ck_assert_int_eq(sp_stream_new(&r->e.loop.ticker, fd, &nobody, NULL, &s), 0);
    return s;
}

/* A lane between the gateway's end and its tunnel; what sp_session_join says of it. */
static int join(struct rig *r, struct gateway_end *g, const char *subject, unsigned lane)
{
    const struct sp_upgrade u = {.is_new = !g->has_id, .id = g->id, .lane = lane};
    const struct sp_tunnel_id *id;
    int fds[2];

    tcp_pair(fds);
    struct sp_stream *near = stream_of(r, fds[1]), *far = stream_of(r, fds[0]);
    int err = sp_session_join(r->all, &u, subject, near, &id);
    if (err != 0) {
        ck_assert_int_eq(sp_stream_write(near, sp_span_str("still ours")), 0);
        sp_stream_free(near);
        sp_stream_free(far);
        return err;
    }
    g->id = *id;
    g->has_id = true;
    gateway_end_add(g, far, lane);
    return 0;
}

/* Sends a request on a flow and reads its answer: 0, or the error. */
static int ask(struct gateway_end *g, struct sp_flow *f, struct turn_user *u,
               struct sp_span request)
{
    struct sp_span answer;

    gateway_end_send(g, f, request);
    return gateway_end_recv(g, f, &answer) ? turn_user_take(u, answer) : -1;
}

static struct sp_flow *allocate(struct gateway_end *g, struct turn_user *u, uint32_t seed)
{
    struct sp_flow *f = gateway_end_flow(g);

    turn_user_init(u, SERVER_ENV_USER, SERVER_ENV_PASSWORD, seed);
    ck_assert_int_eq(ask(g, f, u, turn_user_allocate(u)), 401);
    ck_assert_int_eq(ask(g, f, u, turn_user_allocate(u)), 0);
    return f;
}

static struct sp_sessions_counters counters(const struct rig *r)
{
    struct sp_sessions_counters c;
    sp_sessions_counters(r->all, &c);
    return c;
}

START_TEST(tunnels_and_lanes)
{
    struct gateway_end a, b;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&b, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    ck_assert_int_eq(join(&r, &a, "office", 5), 0);
    ck_assert_int_eq(join(&r, &b, "office", 0), 0);
    ck_assert_uint_eq(sp_sessions_count(r.all), 2);
    ck_assert_uint_eq(sp_sessions_lane_count(r.all), 3);
    ck_assert_uint_eq(sp_tunnel_id_worker(&a.id), 7); /* where its lanes belong */
    ck_assert_int_ne(memcmp(&a.id, &b.id, sizeof a.id), 0);
    ck_assert_uint_eq(counters(&r).opened, 2);
    ck_assert_uint_eq(counters(&r).lanes, 3);

    ck_assert_int_eq(join(&r, &a, "office", 5), 0); /* again: replaces the old one */
    ck_assert_uint_eq(sp_sessions_lane_count(r.all), 3);
    io_loop_for(&r.e.loop, 20);
    ck_assert_uint_eq(a.lanes_closed, 1); /* over there as well, and not the new one */
    ck_assert_uint_eq(sp_sessions_lane_count(r.all), 3);
    ck_assert_uint_eq(counters(&r).refused, 0);
    gateway_end_fini(&a);
    gateway_end_fini(&b);
    close_rig(&r);
}
END_TEST

START_TEST(who_may_join)
{
    struct gateway_end a, thief;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&thief, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    thief.has_id = true;
    thief.id = a.id;
    ck_assert_int_eq(join(&r, &thief, "somebody else", 1), SP_ENOENT); /* another subject's */
    thief.id.bytes[SP_TUNNEL_ID_LEN - 1] ^= 1;
    ck_assert_int_eq(join(&r, &thief, "office", 1), SP_ENOENT); /* nobody's */
    ck_assert_uint_eq(sp_sessions_lane_count(r.all), 1);
    ck_assert_uint_eq(counters(&r).refused, 2);
    ck_assert_uint_eq(counters(&r).lanes, 1);
    gateway_end_fini(&a);
    gateway_end_fini(&thief);
    close_rig(&r);
}
END_TEST

static bool is_empty(void *arg)
{
    struct rig *r = arg;
    return sp_sessions_lane_count(r->all) == 0;
}

START_TEST(bounds)
{
    struct gateway_end g[5];
    struct rig r;

    open_rig(&r);
    for (size_t i = 0; i < SP_ARRAY_LEN(g); i++)
        gateway_end_init(&g[i], &r.e.loop);
    ck_assert_int_eq(join(&r, &g[0], "one", 0), 0);
    ck_assert_int_eq(join(&r, &g[1], "one", 0), 0);
    ck_assert_int_eq(join(&r, &g[2], "one", 0), SP_EFULL); /* of its subject */
    ck_assert_int_eq(join(&r, &g[1], "one", 1), 0);        /* a lane is no tunnel */
    ck_assert_int_eq(join(&r, &g[3], "two", 0), 0);
    ck_assert_int_eq(join(&r, &g[4], "three", 0), SP_EFULL); /* of all */
    ck_assert_uint_eq(counters(&r).refused, 2);
    ck_assert_uint_eq(r.e.hits.subject_tunnels, 1);
    ck_assert_uint_eq(r.e.hits.tunnels, 1);
    for (size_t i = 0; i < SP_ARRAY_LEN(g); i++)
        gateway_end_fini(&g[i]);
    ck_assert(io_loop_until(&r.e.loop, is_empty, &r));
    server_env_pass(&r.e, LINGER_US + SP_SEC(1));
    ck_assert_uint_eq(sp_sessions_count(r.all), 0);
    gateway_end_init(&g[0], &r.e.loop);
    ck_assert_int_eq(join(&r, &g[0], "one", 0), 0); /* what ended counts no more */
    gateway_end_fini(&g[0]);
    close_rig(&r);
}
END_TEST

/* A lane that takes another's place is none more; and what another subject has doesn't count. */
START_TEST(lanes_of_a_subject)
{
    struct gateway_end g[3];
    struct rig r;

    open_rig(&r);
    r.e.bounds.subject_lanes = 3;
    for (size_t i = 0; i < SP_ARRAY_LEN(g); i++)
        gateway_end_init(&g[i], &r.e.loop);
    ck_assert_int_eq(join(&r, &g[0], "one", 0), 0);
    ck_assert_int_eq(join(&r, &g[0], "one", 1), 0);
    ck_assert_int_eq(join(&r, &g[1], "one", 0), 0);
    ck_assert_int_eq(join(&r, &g[1], "one", 1), SP_EFULL);
    ck_assert_uint_eq(r.e.hits.subject_lanes, 1);
    ck_assert_int_eq(join(&r, &g[1], "one", 0), 0);
    ck_assert_int_eq(join(&r, &g[2], "two", 0), 0);
    ck_assert_uint_eq(sp_sessions_lane_count(r.all), 4);
    for (size_t i = 0; i < SP_ARRAY_LEN(g); i++)
        gateway_end_fini(&g[i]);
    close_rig(&r);
}
END_TEST

/* So many a second, and as many at once; each lane that is asked for counts, also in vain. */
START_TEST(pace_of_a_subject)
{
    struct gateway_end a, b;
    struct rig r;
    unsigned joined = 0;

    open_rig(&r);
    r.e.bounds.subject_handshakes = 5;
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&b, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "one", 0), 0);
    for (unsigned i = 1; i <= 10; i++) /* within one turn of the loop: no time passes */
        joined += join(&r, &a, "one", i) == 0;
    ck_assert_uint_eq(joined, 5);
    ck_assert_uint_eq(r.e.hits.subject_handshakes, 5);
    ck_assert_int_eq(join(&r, &b, "two", 0), 0);
    io_loop_for(&r.e.loop, 300);
    ck_assert_int_eq(join(&r, &a, "one", 9), 0);
    gateway_end_fini(&a);
    gateway_end_fini(&b);
    close_rig(&r);
}
END_TEST

START_TEST(flows_of_a_subject)
{
    struct gateway_end a, b;
    struct turn_user u;
    struct rig r;

    open_rig(&r);
    r.e.bounds.subject_flows = 2;
    r.e.bounds.tunnel_flows = 1;
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&b, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "one", 0), 0);
    ck_assert_int_eq(join(&r, &b, "one", 0), 0);
    turn_user_init(&u, "nobody", "", 1);
    ck_assert_int_eq(ask(&a, gateway_end_flow(&a), &u, turn_user_binding(&u)), 403);
    gateway_end_send(&a, gateway_end_flow(&a), sp_span_str("too many for the tunnel"));
    io_loop_for(&r.e.loop, 50);
    ck_assert_uint_eq(a.closed_code, SP_CONTROL_FULL);
    ck_assert_uint_eq(counters(&r).tunnels.flows_crowded, 1);
    ck_assert_uint_eq(r.e.hits.subject_flows, 0);
    r.e.bounds.subject_flows = 1;
    gateway_end_send(&b, gateway_end_flow(&b), sp_span_str("too many for the subject"));
    io_loop_for(&r.e.loop, 50);
    ck_assert_uint_eq(b.closed_code, SP_CONTROL_FULL);
    ck_assert_uint_eq(r.e.hits.subject_flows, 1);
    ck_assert_uint_eq(counters(&r).tunnels.flows_crowded, 1);
    gateway_end_fini(&a);
    gateway_end_fini(&b);
    close_rig(&r);
}
END_TEST

/* What a browser behind a gateway sees: no address of its own, and nothing outside an allocation.
 */
START_TEST(flows)
{
    struct gateway_end a, b;
    struct turn_user u, v;
    struct sp_span msg, data;
    struct sp_addr from;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&b, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    ck_assert_int_eq(join(&r, &b, "home", 0), 0);
    struct sp_flow *f = gateway_end_flow(&a);
    turn_user_init(&u, "nobody", "", 1);
    ck_assert_int_eq(ask(&a, f, &u, turn_user_binding(&u)), 403);
    f = allocate(&a, &u, 2);
    ck_assert(sp_addr_eq(&u.mapped, &u.relayed));
    struct sp_flow *g = allocate(&b, &v, 3);
    ck_assert_uint_eq(sp_sessions_flow_count(r.all), 3);

    /* Both callers are blocked: from tunnel to tunnel, in memory. */
    ck_assert_int_eq(ask(&a, f, &u, turn_user_permit(&u, &v.relayed)), 0);
    ck_assert_int_eq(ask(&b, g, &v, turn_user_permit(&v, &u.relayed)), 0);
    gateway_end_send(&a, f, turn_user_send(&u, &v.relayed, sp_span_str("hello")));
    ck_assert(gateway_end_recv(&b, g, &msg));
    ck_assert(turn_user_is_data(msg, &from, &data));
    ck_assert(sp_addr_eq(&from, &u.relayed));
    ck_assert(sp_span_eq(data, sp_span_str("hello")));
    ck_assert_uint_eq(sp_turn_counters(r.e.env.turn)->hairpin_datagrams, 1);

    sp_flow_close(f, sp_ticker_now(&r.e.loop.ticker));
    io_loop_for(&r.e.loop, 50);
    ck_assert_uint_eq(r.e.ended, 1);
    ck_assert_uint_eq(sp_sessions_flow_count(r.all), 2);
    gateway_end_fini(&a);
    gateway_end_fini(&b);
    close_rig(&r);
}
END_TEST

/* A flow of another kind is refused, and costs nothing. */
START_TEST(unknown_kind)
{
    static const struct sp_addr nobody;
    struct gateway_end a;
    struct sp_flow *f;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    ck_assert_int_eq(sp_flow_open(a.tunnel, (enum sp_flow_kind)3, &nobody, 0, &f), 0);
    gateway_end_send(&a, f, sp_span_str("session?"));
    io_loop_for(&r.e.loop, 50);
    ck_assert_uint_eq(a.flows_closed, 1);
    ck_assert_uint_eq(a.closed_code, SP_CONTROL_UNKNOWN);
    ck_assert_uint_eq(sp_sessions_flow_count(r.all), 0);
    gateway_end_fini(&a);
    close_rig(&r);
}
END_TEST

/* Without an allocation and idle: the server closes the flow; with one it stays. */
START_TEST(idle_flow)
{
    struct gateway_end a;
    struct turn_user u, v;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    struct sp_flow *f = gateway_end_flow(&a);
    turn_user_init(&u, "nobody", "", 1);
    ck_assert_int_eq(ask(&a, f, &u, turn_user_binding(&u)), 403);
    allocate(&a, &v, 2);
    server_env_pass(&r.e, SP_SEC(62));
    io_loop_for(&r.e.loop, 50);
    ck_assert_uint_eq(a.flows_closed, 1);
    ck_assert_uint_eq(sp_sessions_flow_count(r.all), 1);
    ck_assert_uint_eq(r.e.ended, 0);
    gateway_end_fini(&a);
    close_rig(&r);
}
END_TEST

/* All lanes are lost, and joined again: flows and relayed addresses are still there. */
START_TEST(linger)
{
    struct gateway_end a;
    struct turn_user u;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    struct sp_flow *f = allocate(&a, &u, 1);
    sp_stream_lane_free(a.lanes[0]);
    ck_assert(io_loop_until(&r.e.loop, is_empty, &r));
    server_env_pass(&r.e, LINGER_US - SP_SEC(1));
    ck_assert_uint_eq(sp_sessions_count(r.all), 1);
    ck_assert_int_eq(join(&r, &a, "office", 2), 0);
    server_env_pass(&r.e, LINGER_US);
    ck_assert_int_eq(ask(&a, f, &u, turn_user_refresh(&u, 600)), 0);

    sp_stream_lane_free(a.lanes[2]);
    ck_assert(io_loop_until(&r.e.loop, is_empty, &r));
    server_env_pass(&r.e, LINGER_US + SP_SEC(1));
    ck_assert_uint_eq(sp_sessions_count(r.all), 0);
    ck_assert_uint_eq(r.e.ended, 1);
    ck_assert_uint_eq(counters(&r).ended, 1);
    ck_assert_uint_eq(counters(&r).tunnels.lanes_joined, 2); /* what has ended still counts */
    ck_assert_uint_gt(counters(&r).tunnels.datagrams_in, 2);
    ck_assert_int_eq(join(&r, &a, "office", 0), SP_ENOENT);
    gateway_end_fini(&a);
    close_rig(&r);
}
END_TEST

/* Everything at once, in the middle of it: lanes, flows, an allocation, datagrams on their way. */
START_TEST(all_end)
{
    struct gateway_end a, b;
    struct turn_user u, v;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&b, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    ck_assert_int_eq(join(&r, &a, "office", 1), 0);
    ck_assert_int_eq(join(&r, &b, "home", 0), 0);
    struct sp_flow *f = allocate(&a, &u, 1);
    allocate(&b, &v, 2);
    for (int i = 0; i < 20; i++)
        gateway_end_send(&a, f, turn_user_refresh(&u, 600));
    ev_run(r.e.loop.loop, EVRUN_NOWAIT);
    sp_sessions_free(r.all);
    ck_assert_uint_eq(r.e.ended, 2);
    ck_assert_uint_eq(sp_turn_alloc_count(r.e.env.turn), 0);
    io_loop_for(&r.e.loop, 50);
    ck_assert_uint_eq(a.lanes_closed, 2);
    ck_assert_uint_eq(b.lanes_closed, 1);
    gateway_end_fini(&a);
    gateway_end_fini(&b);
    server_env_close(&r.e);
}
END_TEST

static bool is_told(void *arg)
{
    const struct gateway_end *g = arg;
    return g->draining > 0;
}

/* What holds an allocation lives on; lanes may come; nothing begins. */
START_TEST(drain)
{
    struct gateway_end a, b;
    struct turn_user u;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&b, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    struct sp_flow *f = allocate(&a, &u, 1), *asking = gateway_end_flow(&a);
    struct turn_user v;
    turn_user_init(&v, SERVER_ENV_USER, SERVER_ENV_PASSWORD, 2);
    ck_assert_int_eq(ask(&a, asking, &v, turn_user_allocate(&v)), 401);
    sp_sessions_drain(r.all);
    ck_assert(io_loop_until(&r.e.loop, is_told, &a));
    io_loop_for(&r.e.loop, 20);
    ck_assert_uint_eq(a.flows_closed, 1); /* that which had none */
    ck_assert_uint_eq(sp_sessions_flow_count(r.all), 1);
    ck_assert_int_eq(ask(&a, f, &u, turn_user_refresh(&u, 600)), 0);
    ck_assert_int_eq(join(&r, &b, "office", 0), SP_EDENIED);
    ck_assert_int_eq(join(&r, &a, "office", 1), 0);
    ck_assert_int_eq(ask(&a, f, &u, turn_user_refresh(&u, 600)), 0);

    /* Its last answer comes through before the flow ends. */
    ck_assert_int_eq(ask(&a, f, &u, turn_user_refresh(&u, 0)), 0);
    ck_assert_int_eq(ask(&a, f, &u, turn_user_refresh(&u, 0)), 437);
    ck_assert_uint_eq(a.flows_closed, 1);
    server_env_pass(&r.e, SP_SEC(3));
    io_loop_for(&r.e.loop, 20);
    ck_assert_uint_eq(a.flows_closed, 2);
    ck_assert_uint_eq(sp_sessions_count(r.all), 1); /* its gateway may be slow to let go */
    gateway_end_fini(&a);
    gateway_end_fini(&b);
    close_rig(&r);
}
END_TEST

static bool is_cut(void *arg)
{
    const struct gateway_end *g = arg;
    return g->lanes_closed == 2;
}

START_TEST(finish)
{
    struct gateway_end a;
    struct turn_user u;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    ck_assert_int_eq(join(&r, &a, "office", 1), 0);
    allocate(&a, &u, 1);
    sp_sessions_finish(r.all, SP_SEC(2));
    ck_assert_uint_eq(r.e.ended, 1);
    ck_assert(io_loop_until(&r.e.loop, is_cut, &a));
    ck_assert_uint_eq(a.draining, 1);
    ck_assert_uint_eq(a.flows_closed, 1);
    ck_assert_int_eq(a.lane_why, SP_ECLOSED); /* in good order */
    io_loop_for(&r.e.loop, 20);
    ck_assert_uint_eq(sp_sessions_lane_count(r.all), 0);
    gateway_end_fini(&a);
    close_rig(&r);
}
END_TEST

/* A gateway that says good-bye leaves nothing that lingers. */
START_TEST(gateway_says_goodbye)
{
    struct gateway_end a;
    struct rig r;

    open_rig(&r);
    gateway_end_init(&a, &r.e.loop);
    ck_assert_int_eq(join(&r, &a, "office", 0), 0);
    sp_tunnel_drain(a.tunnel, sp_ticker_now(&r.e.loop.ticker));
    io_loop_for(&r.e.loop, 20);
    ck_assert_uint_eq(sp_sessions_count(r.all), 1);
    gateway_end_fini(&a);
    io_loop_for(&r.e.loop, 20);
    ck_assert_uint_eq(sp_sessions_count(r.all), 0);
    ck_assert_uint_eq(counters(&r).ended, 1);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session");
    TCase *tc = tcase_create("session");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, tunnels_and_lanes);
    tcase_add_test(tc, who_may_join);
    tcase_add_test(tc, bounds);
    tcase_add_test(tc, lanes_of_a_subject);
    tcase_add_test(tc, pace_of_a_subject);
    tcase_add_test(tc, flows_of_a_subject);
    tcase_add_test(tc, flows);
    tcase_add_test(tc, unknown_kind);
    tcase_add_test(tc, idle_flow);
    tcase_add_test(tc, linger);
    tcase_add_test(tc, all_end);
    tcase_add_test(tc, drain);
    tcase_add_test(tc, finish);
    tcase_add_test(tc, gateway_says_goodbye);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
