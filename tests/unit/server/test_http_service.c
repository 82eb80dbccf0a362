/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP as strangers meet it, behind the door and TLS.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_rig.h"
#include "sallyport/clock.h"
#include "sallyport/sock.h"

START_TEST(pages)
{
    static const struct {
        const char *request;
        unsigned status;
        bool goes_on;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200, true},
        {"\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, true},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 405, true},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, false},
        {"GET / HTTP/1.0\r\n\r\n", 200, false},
        {"GET / HTTP/1.1\r\n\r\n", 400, false},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, false},
        {"what is this?\r\n\r\n", 400, false},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 405, false},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", 413, false},
        {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501, false},
    };
    char text[HTTP_RIG_PAGE_MAX];
    struct http_rig r;

    http_rig_open(&r);
    for (size_t i = 0; i < 2 * SP_ARRAY_LEN(cases); i++) {
        size_t k = i / 2;
        struct peer p;
        http_rig_connect(&r, &p, i % 2);
        peer_say(&p, cases[k].request);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), cases[k].status);
        if (cases[k].goes_on) {
            peer_say(&p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
        } else {
            ck_assert(peer_ended(&p));
            ck_assert_str_eq(p.text, HTTP_RIG_IN_GOOD_ORDER); /* close_notify and all */
        }
        ck_assert_uint_eq(p.got.len, 0);
        peer_close(&p);
    }
    ck_assert_uint_eq(http_rig_counters(&r)->malformed, 6);
    http_rig_close(&r);
}
END_TEST

/* Requests behind each other, cut anywhere, are answered in order. */
START_TEST(pipelined)
{
    static const char both[] = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                               "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
    char text[HTTP_RIG_PAGE_MAX];
    struct peer p;
    struct http_rig r;

    http_rig_open(&r);
    http_rig_connect(&r, &p, true);
    for (size_t cut = 1; cut < sizeof both - 1; cut++) {
        peer_send(&p, both, cut);
        io_loop_for(&r.e.loop, 1);
        peer_send(&p, both + cut, sizeof both - 1 - cut);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
    }
    ck_assert_uint_eq(http_rig_counters(&r)->malformed, 0);
    peer_close(&p);
    http_rig_close(&r);
}
END_TEST

/* The head's own bound. */
START_TEST(long_head)
{
    static char head[SP_HTTP_HEAD_MAX + 100];
    char text[HTTP_RIG_PAGE_MAX];
    struct peer p;
    struct http_rig r;

    http_rig_open(&r);
    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    memset(head + strlen(head), 'a', sizeof head - 1 - strlen(head));
    http_rig_connect(&r, &p, true);
    peer_send(&p, head, sizeof head - 1);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 431);
    ck_assert(peer_ended(&p));
    peer_close(&p);
    http_rig_close(&r);
}
END_TEST

/* A lower one, --max-header: to the byte, whether the head comes at once or drips, and counted. */
START_TEST(long_head_by_option)
{
    static const char good[] = "GET / HTTP/1.1\r\nHost: x\r\nX: ", end[] = "\r\n\r\n";
    char text[HTTP_RIG_PAGE_MAX], head[1025];
    struct http_rig r;

    http_rig_open(&r);
    r.e.bounds.header_bytes = 1024;
    for (size_t len = 1023; len <= 1025; len++)
        for (int whole = 0; whole <= 1; whole++) {
            uint64_t hits = r.e.hits.header_bytes;
            bool fits = len <= 1024;
            struct peer p;

            memset(head, 'a', len);
            memcpy(head, good, sizeof good - 1);
            memcpy(head + len - (sizeof end - 1), end, sizeof end - 1);
            http_rig_connect(&r, &p, true);
            if (!whole) {
                peer_send(&p, head, 1000);
                io_loop_for(&r.e.loop, 2);
            }
            peer_send(&p, whole ? head : head + 1000, whole ? len : len - 1000);
            ck_assert_uint_eq(peer_answer(&p, text, sizeof text), fits ? 200 : 431);
            ck_assert_uint_eq(r.e.hits.header_bytes, hits + !fits);
            ck_assert(fits || peer_ended(&p));
            peer_close(&p);
        }
    http_rig_close(&r);
}
END_TEST

/* A web server behind: `fd` is its connection, once there is one. */
struct behind {
    int listener, fd;
};

static bool is_passed_on(void *arg)
{
    struct behind *b = arg;
    b->fd = accept(b->listener, NULL, NULL);
    return b->fd >= 0;
}

static bool has_heard_all(void *arg)
{
    char text[HTTP_RIG_PAGE_MAX];
    return recv(((struct behind *)arg)->fd, text, sizeof text, MSG_DONTWAIT) == 0;
}

/* Who was passed on has no answer that could say that the server drains (fallback.h). */
START_TEST(drain_with_a_fallback)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    char text[HTTP_RIG_PAGE_MAX];
    struct peer p;
    struct http_rig r;
    struct behind b;

    http_rig_open(&r);
    sp_http_service_free(r.http);
    r.shared.config.has_fallback = true;
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &b.listener, &r.shared.config.fallback), 0);
    ck_assert_int_eq(sp_http_service_new(&r.e.env, &r.shared, r.sessions, NULL, NULL, &r.http), 0);
    http_rig_connect(&r, &p, true);
    peer_say(&p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert(io_loop_until(&r.e.loop, is_passed_on, &b));
    ck_assert_int_gt(dprintf(b.fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 0);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
    sp_http_service_drain(r.http);
    server_env_pass(&r.e, SP_SEC(6));
    ck_assert(io_loop_until(&r.e.loop, has_heard_all, &b));
    close(b.fd);
    ck_assert(peer_ended(&p));
    ck_assert_str_eq(p.text, HTTP_RIG_IN_GOOD_ORDER);
    peer_close(&p);
    close(b.listener);
    http_rig_close(&r);
}
END_TEST

/* Says something in two pieces, a moment after each other. */
static void drip(struct http_rig *r, struct peer *p, const char *one, const char *two)
{
    peer_say(p, one);
    io_loop_for(&r->e.loop, 20);
    peer_say(p, two);
}

/* A head that drips has ten seconds from its first byte on, each one; an idle connection a minute.
 * All end as a web server ends. */
START_TEST(who_dawdles)
{
    char text[HTTP_RIG_PAGE_MAX];
    struct peer first, second, body, idle;
    struct http_rig r;

    http_rig_open(&r);
    struct sp_ticker *t = &r.e.loop.ticker;
    http_rig_connect(&r, &first, true);
    http_rig_connect(&r, &second, true);
    http_rig_connect(&r, &body, true);
    http_rig_connect(&r, &idle, true);
    drip(&r, &second, "GET / HT", "TP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_uint_eq(peer_answer(&second, text, sizeof text), 200);
    peer_say(&body, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    ck_assert_uint_eq(peer_answer(&body, text, sizeof text), 200);
    peer_say(&idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_uint_eq(peer_answer(&idle, text, sizeof text), 200);
    peer_say(&first, "GET / H");
    peer_say(&second, "GET / H");
    io_loop_for(&r.e.loop, 20);
    uint64_t began_us = sp_ticker_now(t);
    sp_timerq_run(&t->timers, began_us + SP_SEC(9));
    ck_assert_uint_eq(http_rig_counters(&r)->timed_out, 0);
    io_loop_for(&r.e.loop, 500);
    peer_say(&first, "T");
    peer_say(&second, "T");
    io_loop_for(&r.e.loop, 20);
    sp_timerq_run(&t->timers, began_us + SP_MS(10250)); /* what drips later gives no more time */
    ck_assert_uint_eq(http_rig_counters(&r)->timed_out, 2);
    ck_assert_uint_eq(peer_answer(&first, text, sizeof text), 408);
    ck_assert_uint_eq(peer_answer(&second, text, sizeof text), 408);
    ck_assert(peer_ended(&first));
    ck_assert(peer_ended(&second));
    ck_assert_str_eq(first.text, HTTP_RIG_IN_GOOD_ORDER);
    ck_assert_str_eq(second.text, HTTP_RIG_IN_GOOD_ORDER);
    ck_assert(!body.ended && !idle.ended);
    peer_say(&body, "defg"); /* it drips as well */
    io_loop_for(&r.e.loop, 20);
    server_env_pass(&r.e, SP_SEC(61));
    ck_assert(peer_ended(&body));
    ck_assert(peer_ended(&idle));
    ck_assert_str_eq(idle.text, HTTP_RIG_IN_GOOD_ORDER);
    ck_assert_uint_eq(http_rig_counters(&r)->timed_out, 4);
    peer_close(&first);
    peer_close(&second);
    peer_close(&body);
    peer_close(&idle);
    http_rig_close(&r);
}
END_TEST

/* Asks again and again, and reads none of it: what waits for it stays small. */
START_TEST(reads_nothing)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct peer p;
    struct http_rig r;

    http_rig_open(&r);
    http_rig_connect(&r, &p, false);
    p.holds = true;
    for (int i = 0; i < 300 && !p.ended; i++) {
        for (int k = 0; k < 200 && sp_stream_pending(p.s) < 100000; k++)
            peer_say(&p, request);
        io_loop_for(&r.e.loop, 2);
    }
    uint64_t answered = http_rig_counters(&r)->requests;
    io_loop_for(&r.e.loop, 100);
    ck_assert_uint_eq(http_rig_counters(&r)->requests, answered); /* it has come to rest */
    server_env_pass(&r.e, SP_SEC(62));
    server_env_pass(&r.e, SP_SEC(10));
    ck_assert_uint_eq(http_rig_counters(&r)->timed_out, 1);
    peer_close(&p);
    http_rig_close(&r);
}
END_TEST

/* A connection from an address of its own, which has asked for a page. */
static int visit_from(struct http_rig *r, uint8_t last)
{
    struct sp_addr from = sp_addr_v4(127, 0, 0, last, 0);
    struct sockaddr_storage ss;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sp_addr_to_sockaddr(&from, false, &ss);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
    len = sp_addr_to_sockaddr(r->addr, false, &ss);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
    ck_assert_int_eq(write(fd, "GET ", 4), 4);
    io_loop_for(&r->e.loop, 10);
    return fd;
}

START_TEST(crowd)
{
    int fds[8];
    char c;
    struct http_rig r;

    http_rig_open(&r);
    sp_http_service_free(r.http);
    r.e.env.max_strangers = 4;
    ck_assert_int_eq(sp_http_service_new(&r.e.env, &r.shared, r.sessions, NULL, NULL, &r.http), 0);
    for (uint8_t i = 0; i < 5; i++)
        fds[i] = visit_from(&r, (uint8_t)(2 + i));
    ck_assert_uint_eq(http_rig_counters(&r)->pushed_out, 1);
    ck_assert_int_eq(recv(fds[0], &c, 1, MSG_DONTWAIT), 0);
    ck_assert_int_lt(recv(fds[1], &c, 1, MSG_DONTWAIT), 0);
    fds[5] = visit_from(&r, 3);
    ck_assert_uint_eq(http_rig_counters(&r)->crowded, 1);
    ck_assert_int_lt(recv(fds[1], &c, 1, MSG_DONTWAIT), 0);
    for (size_t i = 0; i < 6; i++)
        close(fds[i]);
    http_rig_close(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http_service");
    TCase *tc = tcase_create("http_service");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, pages);
    tcase_add_test(tc, pipelined);
    tcase_add_test(tc, long_head);
    tcase_add_test(tc, long_head_by_option);
    tcase_add_test(tc, drain_with_a_fallback);
    tcase_add_test(tc, who_dawdles);
    tcase_add_test(tc, reads_nothing);
    tcase_add_test(tc, crowd);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
