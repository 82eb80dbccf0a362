/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TURN clients on TCP connections. (On flows: test_session.c.)
 */
#include "endpoint.h"

#include <check.h>
#include <stdlib.h>

#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "server_env.h"
#include "turn_user.h"

struct rig {
    struct server_env e;
    struct sp_list endpoints;
    struct sp_guests guests;
};

static void open_rig(struct rig *r)
{
    server_env_open(&r->e, 0, 0);
    sp_list_init(&r->endpoints);
    r->e.bounds.strangers_per_address = 64;
    sp_env_guests(&r->e.env, SP_WITHOUT_ALLOCATION, &r->guests);
}

static void close_rig(struct rig *r)
{
    sp_endpoint_free_all(&r->endpoints);
    sp_guests_fini(&r->guests);
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

static struct sp_stream *connected(struct rig *r, struct peer *p)
{
    static const struct sp_stream_events nobody = {.input = ignore, .closed = ignore_end};
    struct sp_stream *s;
    int fds[2];

    tcp_pair(fds);
    peer_open(p, &r->e.loop, fds[0]);
    ck_assert_int_eq(sp_stream_new(&r->e.loop.ticker, fds[1], &nobody, NULL, &s), 0);
    return s;
}

static void open_endpoint(struct rig *r, struct peer *p)
{
    struct sp_stream *s = connected(r, p);
    ck_assert_int_eq(sp_endpoint_from_stream(&r->e.env, s, &r->endpoints, &r->guests), 0);
}

static size_t count(const struct sp_list *l)
{
    size_t n = 0;

    for (const struct sp_link *i = sp_list_first(l); i != NULL; i = sp_list_next(l, i))
        n++;
    return n;
}

/* Sends a request and reads its answer: 0, or the error. */
static int ask(struct peer *p, struct turn_user *u, struct sp_span request)
{
    struct sp_span answer;

    peer_send(p, request.p, request.len);
    return peer_message(p, &answer) ? turn_user_take(u, answer) : -1;
}

static void allocate(struct peer *p, struct turn_user *u, uint32_t seed)
{
    turn_user_init(u, SERVER_ENV_USER, SERVER_ENV_PASSWORD, seed);
    ck_assert_int_eq(ask(p, u, turn_user_allocate(u)), 401);
    ck_assert_int_eq(ask(p, u, turn_user_allocate(u)), 0);
}

START_TEST(allocation)
{
    struct turn_user u;
    struct peer p;
    struct rig r;

    open_rig(&r);
    open_endpoint(&r, &p);
    ck_assert_uint_eq(r.guests.n, 1);
    turn_user_init(&u, SERVER_ENV_USER, "not it", 1);
    ck_assert_int_eq(ask(&p, &u, turn_user_allocate(&u)), 401);
    ck_assert_int_eq(ask(&p, &u, turn_user_allocate(&u)), 401);
    ck_assert_uint_eq(r.guests.n, 1);
    allocate(&p, &u, 2);
    ck_assert_uint_eq(r.guests.n, 0); /* who is known is nobody's guest */
    ck_assert(sp_addr_eq(&u.mapped, sp_stream_local(p.s)));
    ck_assert_uint_ne(u.relayed.port, 0);
    ck_assert_uint_eq(sp_turn_alloc_count(r.e.env.turn), 1);
    ck_assert_int_eq(ask(&p, &u, turn_user_refresh(&u, 0)), 0);
    ck_assert_uint_eq(sp_turn_alloc_count(r.e.env.turn), 0);
    ck_assert_uint_eq(r.guests.n, 0);
    peer_close(&p);
    close_rig(&r);
}
END_TEST

static bool has_no_endpoints(void *arg)
{
    struct rig *r = arg;
    return sp_list_empty(&r->endpoints);
}

START_TEST(client_goes)
{
    struct turn_user u;
    struct peer p, q;
    struct rig r;

    open_rig(&r);
    open_endpoint(&r, &p);
    open_endpoint(&r, &q);
    allocate(&p, &u, 1);
    peer_close(&p);
    peer_close(&q);
    ck_assert(io_loop_until(&r.e.loop, has_no_endpoints, &r));
    ck_assert_uint_eq(r.e.begun, 1);
    ck_assert_uint_eq(r.e.ended, 1);
    ck_assert_uint_eq(r.guests.n, 0);
    close_rig(&r);
}
END_TEST

START_TEST(idle)
{
    struct turn_user u, stranger;
    struct peer p, q;
    struct rig r;

    open_rig(&r);
    open_endpoint(&r, &p);
    open_endpoint(&r, &q);
    allocate(&p, &u, 1);
    turn_user_init(&stranger, "nobody", "", 2);
    server_env_pass(&r.e, SP_SEC(29));
    ck_assert_int_eq(ask(&q, &stranger, turn_user_binding(&stranger)), 0);
    ck_assert(sp_addr_eq(&stranger.mapped, sp_stream_local(q.s)));
    server_env_pass(&r.e, SP_SEC(62));
    ck_assert(peer_ended(&q)); /* who holds nothing and says nothing goes */
    ck_assert_uint_eq(count(&r.endpoints), 1);
    ck_assert_uint_eq(r.guests.n, 0);
    ck_assert_int_eq(ask(&p, &u, turn_user_refresh(&u, 0)), 0);
    server_env_pass(&r.e, SP_SEC(200));
    ck_assert(peer_ended(&p)); /* also when it had an allocation once */
    ck_assert(sp_list_empty(&r.endpoints));
    peer_close(&p);
    peer_close(&q);
    close_rig(&r);
}
END_TEST

/* It is what was said last that counts. */
START_TEST(not_idle)
{
    struct turn_user u;
    struct peer p;
    struct rig r;

    open_rig(&r);
    struct sp_ticker *t = &r.e.loop.ticker;
    open_endpoint(&r, &p);
    uint64_t began_us = sp_ticker_now(t);
    io_loop_for(&r.e.loop, 400);
    turn_user_init(&u, "nobody", "", 1);
    ck_assert_int_eq(ask(&p, &u, turn_user_binding(&u)), 0);
    sp_timerq_run(&t->timers, began_us + SP_MS(30200));
    ck_assert_uint_eq(count(&r.endpoints), 1);
    sp_timerq_run(&t->timers, began_us + SP_MS(31500));
    ck_assert_uint_eq(count(&r.endpoints), 0);
    peer_close(&p);
    close_rig(&r);
}
END_TEST

START_TEST(neither_stun_nor_channel_data)
{
    struct peer p;
    struct rig r;

    open_rig(&r);
    open_endpoint(&r, &p);
    peer_say(&p, "\x80 is no channel");
    ck_assert(peer_ended(&p));
    ck_assert_uint_eq(p.got.len, 0);
    ck_assert(sp_list_empty(&r.endpoints));
    peer_close(&p);
    close_rig(&r);
}
END_TEST

/* Two callers of this server: from one connection to the other, in memory. */
START_TEST(hairpin)
{
    struct turn_user u, v;
    struct peer p, q;
    struct sp_span msg, data;
    struct sp_addr from;
    struct rig r;

    open_rig(&r);
    open_endpoint(&r, &p);
    open_endpoint(&r, &q);
    allocate(&p, &u, 1);
    allocate(&q, &v, 2);
    ck_assert(!sp_addr_eq(&u.relayed, &v.relayed));
    ck_assert_int_eq(ask(&p, &u, turn_user_permit(&u, &v.relayed)), 0);
    msg = turn_user_send(&u, &v.relayed, sp_span_str("dropped")); /* not permitted over there */
    peer_send(&p, msg.p, msg.len);
    ck_assert_int_eq(ask(&p, &u, turn_user_refresh(&u, 600)), 0); /* so it was looked at */
    ck_assert_int_eq(ask(&q, &v, turn_user_permit(&v, &u.relayed)), 0);
    for (const char *text = "12345"; *text != '\0'; text++) { /* of all paddings */
        msg = turn_user_send(&u, &v.relayed, sp_span_str(text));
        peer_send(&p, msg.p, msg.len);
        ck_assert(peer_message(&q, &msg));
        ck_assert(turn_user_is_data(msg, &from, &data));
        ck_assert(sp_addr_eq(&from, &u.relayed));
        ck_assert(sp_span_eq(data, sp_span_str(text)));
    }
    ck_assert_uint_eq(sp_turn_counters(r.e.env.turn)->hairpin_datagrams, 5);
    ck_assert_uint_eq(sp_turn_counters(r.e.env.turn)->dropped_no_permission, 1);
    /* All at once, with something on its way. */
    msg = turn_user_send(&u, &v.relayed, sp_span_str("last"));
    peer_send(&p, msg.p, msg.len);
    sp_endpoint_free_all(&r.endpoints);
    ck_assert_uint_eq(r.e.ended, 2);
    peer_close(&p);
    peer_close(&q);
    close_rig(&r);
}
END_TEST

/* An address that has had its share gets no more; the stream is still the caller's. */
START_TEST(crowded)
{
    struct sp_stream *s;
    struct peer p, q;
    struct rig r;

    open_rig(&r);
    r.guests.max = 4;
    r.guests.share = 1;
    open_endpoint(&r, &p);
    s = connected(&r, &q);
    ck_assert_int_eq(sp_endpoint_from_stream(&r.e.env, s, &r.endpoints, &r.guests), SP_EFULL);
    ck_assert_uint_eq(count(&r.endpoints), 1);
    ck_assert_int_eq(sp_stream_write(s, sp_span_str("ours")), 0);
    ck_assert(peer_got(&q, 4));
    sp_stream_free(s);
    sp_endpoint_free(
        sp_endpoint_of_guest(SP_LIST_ITEM(sp_list_first(&r.guests.list), struct sp_guest, link)));
    ck_assert(sp_list_empty(&r.endpoints));
    peer_close(&p);
    peer_close(&q);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("endpoint");
    TCase *tc = tcase_create("endpoint");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, allocation);
    tcase_add_test(tc, client_goes);
    tcase_add_test(tc, idle);
    tcase_add_test(tc, not_idle);
    tcase_add_test(tc, neither_stun_nor_channel_data);
    tcase_add_test(tc, hairpin);
    tcase_add_test(tc, crowded);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
