/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fallback.h"

#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/listener.h"
#include "server_env.h"

#define PAGE_MAX 8192

struct rig {
    struct server_env e;
    struct sp_shared shared;
    struct sp_fallback *fallback;
    struct sp_listener *listener; /* of the web server behind */
    struct peer visitor, server;
    int server_fd; /* a second one */
    int accepted;
};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct rig *r = arg;
    (void)l;
    (void)remote;
    if (r->accepted++ > 0) {
        close(fd);
        return;
    }
    r->server_fd = dup(fd);
    peer_open(&r->server, &r->e.loop, fd);
}

static void open_rig(struct rig *r)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    char why[SP_SITE_WHY_MAX];

    *r = (struct rig){.server_fd = -1};
    server_env_open(&r->e, 0, 0);
    ck_assert_int_eq(
        sp_listener_open(&r->e.loop.ticker, NULL, &any, NULL, on_accept, r, &r->listener), 0);
    r->shared.config.has_fallback = true;
    r->shared.config.fallback = *sp_listener_local(r->listener);
    ck_assert_int_eq(sp_site_new(NULL, &r->shared.site, why), 0);
    ck_assert_int_eq(sp_fallback_new(&r->e.env, &r->shared, &r->fallback), 0);
}

static void close_rig(struct rig *r)
{
    sp_fallback_free(r->fallback);
    sp_listener_close(r->listener);
    sp_site_free(r->shared.site);
    server_env_close(&r->e);
}

static const struct sp_stream_events no_owner;

/* Somebody who has said something already, and is passed on. */
static int visit(struct rig *r, struct peer *visitor, const char *text)
{
    struct sp_stream *s;
    int fds[2];

    tcp_pair(fds);
    peer_open(visitor, &r->e.loop, fds[1]);
    ck_assert_int_eq(sp_stream_new(&r->e.loop.ticker, fds[0], &no_owner, NULL, &s), 0);
    peer_say(visitor, text);
    int err = sp_fallback_take(r->fallback, s);
    if (err != 0)
        sp_stream_free(s);
    return err;
}

static bool is_accepted(void *arg)
{
    return ((struct rig *)arg)->accepted > 0;
}

static void visit_and_arrive(struct rig *r, const char *text)
{
    ck_assert_int_eq(visit(r, &r->visitor, text), 0);
    ck_assert(io_loop_until(&r->e.loop, is_accepted, r));
    ck_assert(peer_got(&r->server, strlen(text)));
    ck_assert(sp_span_eq(sp_buf_span(&r->server.got), sp_span_str(text)));
}

static const struct sp_fallback_counters *counters(const struct rig *r)
{
    return sp_fallback_counters(r->fallback);
}

static void close_server(struct rig *r)
{
    peer_close(&r->server);
    if (r->server_fd >= 0)
        close(r->server_fd);
    r->server_fd = -1;
}

static void close_peers(struct rig *r)
{
    peer_close(&r->visitor);
    close_server(r);
}

START_TEST(both_ways)
{
    struct rig r;

    open_rig(&r);
    visit_and_arrive(&r, "GET / whatever it is");
    peer_say(&r.server, "an answer");
    ck_assert(peer_got(&r.visitor, 9));
    peer_say(&r.visitor, " and more");
    ck_assert(peer_got(&r.server, 29));
    peer_say(&r.server, ", the last");
    sp_stream_finish(r.server.s, SP_SEC(5));
    ck_assert(peer_ended(&r.visitor));
    ck_assert_int_eq(r.visitor.why, SP_ECLOSED);
    ck_assert(sp_span_eq(sp_buf_span(&r.visitor.got), sp_span_str("an answer, the last")));
    ck_assert_uint_eq(counters(&r)->passed_on, 1);
    close_peers(&r);
    close_rig(&r);
}
END_TEST

/* Who has said all gets his answer nevertheless. */
START_TEST(half_closed)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(visit(&r, &r.visitor, "question"), 0);
    sp_stream_half_close(r.visitor.s);
    ck_assert(io_loop_until(&r.e.loop, is_accepted, &r));
    ck_assert(peer_ended(&r.server)); /* it has no half_closed: the end of input is told so */
    ck_assert(sp_span_eq(sp_buf_span(&r.server.got), sp_span_str("question")));
    ck_assert(!r.visitor.ended);
    close_server(&r);
    ck_assert(peer_ended(&r.visitor));
    close_peers(&r);
    close_rig(&r);
}
END_TEST

/* More than fits anywhere, to somebody who doesn't read at first: nothing is lost, and it is not we
 * who keep it. */
START_TEST(slow_reader)
{
    static uint8_t chunk[100000];
    struct rig r;
    size_t sent = 0;

    open_rig(&r);
    visit_and_arrive(&r, "question");
    r.visitor.holds = true;
    for (int i = 0; i < 500; i++) {
        while (sp_stream_room(r.server.s) > 0) {
            for (size_t k = 0; k < sizeof chunk; k++)
                chunk[k] = (uint8_t)((sent + k) % 251);
            peer_send(&r.server, chunk, sizeof chunk);
            sent += sizeof chunk;
        }
        io_loop_for(&r.e.loop, 1);
    }
    ck_assert_uint_eq(sp_stream_room(r.server.s), 0); /* the way is full, up to its beginning */
    sp_stream_finish(r.server.s, SP_SEC(20));
    size_t got = 0, same = 0;
    for (int i = 0; i < 10000 && got < sent; i++) {
        struct sp_span s = sp_buf_span(sp_stream_in(r.visitor.s));
        for (size_t k = 0; k < s.len; k++)
            same += s.p[k] == (uint8_t)((got + k) % 251);
        got += s.len;
        sp_buf_consume(sp_stream_in(r.visitor.s), s.len);
        io_loop_for(&r.e.loop, 1);
    }
    ck_assert_uint_eq(same, sent);
    close_peers(&r);
    close_rig(&r);
}
END_TEST

START_TEST(not_there)
{
    char text[PAGE_MAX];
    struct rig r;

    open_rig(&r);
    sp_listener_close(r.listener);
    ck_assert_int_eq(visit(&r, &r.visitor, "GET / HTTP/1.1\r\n\r\n"), 0);
    ck_assert_uint_eq(peer_answer(&r.visitor, text, sizeof text), 502);
    ck_assert(peer_ended(&r.visitor));
    ck_assert_int_eq(r.visitor.why, SP_ECLOSED);
    ck_assert_uint_eq(counters(&r)->unreachable, 1);
    peer_close(&r.visitor);
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    ck_assert_int_eq(
        sp_listener_open(&r.e.loop.ticker, NULL, &any, NULL, on_accept, &r, &r.listener), 0);
    close_rig(&r);
}
END_TEST

START_TEST(broken_off)
{
    const struct linger now = {1, 0};
    struct rig r;

    open_rig(&r);
    visit_and_arrive(&r, "question");
    peer_say(&r.server, "half an ans");
    ck_assert(peer_got(&r.visitor, 11));
    ck_assert_int_eq(setsockopt(r.server_fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(r.server_fd);
    r.server_fd = -1;
    peer_close(&r.server);
    ck_assert(peer_ended(&r.visitor));
    ck_assert_uint_eq(counters(&r)->cut, 1);
    close_peers(&r);
    close_rig(&r);
}
END_TEST

START_TEST(idle)
{
    struct rig r;

    open_rig(&r);
    visit_and_arrive(&r, "question");
    server_env_pass(&r.e, SP_SEC(299));
    ck_assert_uint_eq(counters(&r)->timed_out, 0);
    server_env_pass(&r.e, SP_SEC(302));
    ck_assert_uint_eq(counters(&r)->timed_out, 1);
    ck_assert(peer_ended(&r.visitor));
    ck_assert(peer_ended(&r.server));
    close_peers(&r);
    close_rig(&r);
}
END_TEST

/* The end of input, which is told so: the web server here has no half_closed. */
static bool server_heard_all(struct rig *r)
{
    io_loop_for(&r->e.loop, 20);
    return r->server.ended;
}

/* Between two requests it is closed; before an answer it is not, nor is one of which more comes. */
START_TEST(drain)
{
    struct rig r;

    open_rig(&r);
    visit_and_arrive(&r, "question");
    sp_fallback_drain(r.fallback);
    server_env_pass(&r.e, SP_SEC(60));
    ck_assert(!server_heard_all(&r));
    peer_say(&r.server, "an answer");
    ck_assert(peer_got(&r.visitor, 9));
    server_env_pass(&r.e, SP_SEC(4));
    ck_assert(!server_heard_all(&r));
    peer_say(&r.visitor, " and another");
    ck_assert(peer_got(&r.server, 20));
    server_env_pass(&r.e, SP_SEC(60));
    ck_assert(!server_heard_all(&r));
    peer_say(&r.server, ", the last");
    ck_assert(peer_got(&r.visitor, 19));
    server_env_pass(&r.e, SP_SEC(6));
    ck_assert(peer_ended(&r.server));
    ck_assert(!r.visitor.ended);
    peer_say(&r.visitor, "too late");
    close_server(&r);
    ck_assert(peer_ended(&r.visitor));
    ck_assert_int_eq(r.visitor.why, SP_ECLOSED);
    ck_assert_uint_eq(counters(&r)->cut, 0);
    ck_assert_uint_eq(counters(&r)->timed_out, 0);
    close_peers(&r);
    close_rig(&r);
}
END_TEST

/* One that was being kept when it began; and a web server that doesn't close is not waited for
 * longer than ever. */
START_TEST(drain_finds_it_quiet)
{
    struct rig r;

    open_rig(&r);
    visit_and_arrive(&r, "question");
    peer_say(&r.server, "an answer");
    ck_assert(peer_got(&r.visitor, 9));
    server_env_pass(&r.e, SP_SEC(60));
    ck_assert(!server_heard_all(&r));
    sp_fallback_drain(r.fallback);
    server_env_pass(&r.e, SP_SEC(6));
    ck_assert(peer_ended(&r.server));
    server_env_pass(&r.e, SP_SEC(290));
    ck_assert(!r.visitor.ended);
    server_env_pass(&r.e, SP_SEC(302));
    ck_assert(peer_ended(&r.visitor));
    ck_assert_uint_eq(counters(&r)->timed_out, 1);
    close_peers(&r);
    close_rig(&r);
}
END_TEST

START_TEST(crowd)
{
    struct peer visitors[40];
    struct rig r;
    int n = 0;

    open_rig(&r);
    while (n < 40 && visit(&r, &visitors[n++], "question") == 0)
        ;
    ck_assert_int_eq(n, 64 / 4 + 1); /* a quarter of the places for one address */
    ck_assert_uint_eq(counters(&r)->crowded, 1);
    io_loop_for(&r.e.loop, 20);
    while (n > 0)
        peer_close(&visitors[--n]);
    if (r.accepted > 0)
        close_server(&r);
    io_loop_for(&r.e.loop, 20);
    close_rig(&r);
}
END_TEST

static void stop_listening(struct rig *r)
{
    close_peers(r);
    r->server = (struct peer){0};
    r->accepted = 0;
}

/* Who comes while there is none is not taken, or it is as ever; what was not taken stays its
 * owner's. */
START_TEST(no_memory)
{
    struct rig r;

    ev_set_allocator(alloc_fail_never);
    open_rig(&r);
    for (unsigned k = 1;; k++) {
        struct sp_stream *s;
        int fds[2];

        tcp_pair(fds);
        peer_open(&r.visitor, &r.e.loop, fds[1]);
        ck_assert_int_eq(sp_stream_new(&r.e.loop.ticker, fds[0], &no_owner, NULL, &s), 0);
        uint64_t passed_on = counters(&r)->passed_on;
        alloc_fail_at(k);
        int err = sp_fallback_take(r.fallback, s);
        bool failed = alloc_fail_disarm();
        ck_assert_uint_eq(counters(&r)->passed_on, passed_on + (err == 0));
        if (err != 0) {
            ck_assert(failed);
            ck_assert_int_eq(err, SP_ENOMEM);
            sp_stream_free(s);
            peer_close(&r.visitor);
            continue;
        }
        ck_assert(io_loop_until(&r.e.loop, is_accepted, &r));
        stop_listening(&r);
        io_loop_for(&r.e.loop, 20);
        if (!failed) {
            ck_assert_uint_ge(k, 4);
            break;
        }
    }
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fallback");
    TCase *tc = tcase_create("fallback");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, both_ways);
    tcase_add_test(tc, half_closed);
    tcase_add_test(tc, slow_reader);
    tcase_add_test(tc, not_there);
    tcase_add_test(tc, broken_off);
    tcase_add_test(tc, idle);
    tcase_add_test(tc, drain);
    tcase_add_test(tc, drain_finds_it_quiet);
    tcase_add_test(tc, crowd);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
