/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real sockets on loopback, the gateway's end of a tunnel, and an edge's end that stands for the
 * server: joined by a wire in memory.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_loop.h"
#include "local.h"
#include "sallyport/buf.h"
#include "sallyport/err.h"
#include "sallyport/stun.h"

#define MAX_CLIENTS 4
#define GOT_MAX     64

struct wire {
    struct sp_lane *lane; /* NULL: let go of */
    struct sp_buf out;
};

struct got {
    struct sp_flow *flow;
    size_t len;
    uint8_t bytes[256];
};

static struct io_loop io;
static struct sp_rng rng;
static struct sp_client_env env;
static struct sp_local *local;
static struct sp_tunnel *tunnels[2]; /* gateway, edge */
static struct wire wires[2];         /* away from the gateway, away from the edge */
static struct sp_deferred carry;

/* What the edge saw. */
static struct got got[GOT_MAX];
static size_t n_got, n_opened, n_closed;
static bool echo;

/* --- the wire ------------------------------------------------------------------------------- */

static void lane_send(struct sp_span frames, void *arg)
{
    struct wire *w = arg;
    ck_assert_int_eq(sp_buf_append(&w->out, frames), 0);
    sp_ticker_defer(&io.ticker, &carry);
}

static bool lane_has_room(void *arg)
{
    (void)arg;
    return true;
}

static void lane_measure(struct sp_lane_measure *out, void *arg)
{
    (void)arg;
    *out = (struct sp_lane_measure){.rtt_us = 1000};
}

static void lane_close(void *arg)
{
    struct wire *w = arg;
    w->lane = NULL;
}

static const struct sp_lane_ops ops = {
    .send = lane_send, .has_room = lane_has_room, .measure = lane_measure, .close = lane_close};

static void on_carry(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    (void)d;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        size_t used;
        struct sp_lane *to = wires[1 - i].lane;
        if (to != NULL && wires[i].out.len > 0) {
            ck_assert_int_eq(sp_tunnel_lane_input(to, sp_buf_span(&wires[i].out), now_us, &used),
                             0);
            sp_buf_consume(&wires[i].out, used);
        }
    }
}

/* --- both ends ------------------------------------------------------------------------------ */

/* Flushing at once is as good as at the end of the turn, here. */
static void on_flush(void *arg)
{
    sp_ticker_defer(&io.ticker, arg);
}

static struct sp_deferred flushes[2];

static void flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    (void)arg;
    sp_tunnel_flush(tunnels[d - flushes], now_us);
}

static void gateway_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                              void *arg)
{
    (void)arg;
    sp_local_datagrams(local, f, d, n, now_us);
}

static void gateway_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)code;
    (void)arg;
    sp_local_flow_closed(local, f);
}

static void edge_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                           void *arg)
{
    (void)arg;
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_lt(n_got, GOT_MAX);
        struct got *g = &got[n_got++];
        ck_assert_uint_le(d[i].len, sizeof g->bytes);
        g->flow = f;
        g->len = d[i].len;
        memcpy(g->bytes, d[i].p, d[i].len);
        if (echo)
            sp_flow_send(f, &d[i], 1, now_us);
    }
}

static int edge_opened(struct sp_flow *f, uint64_t now_us, void *arg)
{
    (void)f;
    (void)now_us;
    (void)arg;
    n_opened++;
    return 0;
}

static void edge_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)f;
    (void)code;
    (void)arg;
    n_closed++;
}

static void suspect(struct sp_lane *l, void *arg)
{
    (void)l;
    (void)arg;
}

static void expired(void *arg)
{
    (void)arg;
}

static const struct sp_tunnel_events events[2] = {
    {.flush = on_flush,
     .datagrams = gateway_datagrams,
     .flow_closed = gateway_closed,
     .lane_suspect = suspect},
    {.flush = on_flush,
     .datagrams = edge_datagrams,
     .flow_opened = edge_opened,
     .flow_closed = edge_closed,
     .lane_suspect = suspect,
     .expired = expired},
};

static void open_tunnels(void)
{
    for (int i = 0; i < 2; i++) {
        struct sp_tunnel_config c;
        sp_tunnel_config_default(&c, i == 0 ? SP_TUNNEL_GATEWAY : SP_TUNNEL_EDGE);
        sp_deferred_init(&flushes[i], flush, NULL);
        ck_assert_int_eq(
            sp_tunnel_new(&c, &events[i], &flushes[i], &io.ticker.timers, &rng, &tunnels[i]), 0);
        sp_buf_init(&wires[i].out, 1 << 20);
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(sp_tunnel_lane_add(tunnels[i], 0, &ops, &wires[i],
                                            sp_ticker_now(&io.ticker), &wires[i].lane),
                         0);
}

static void close_tunnels(void)
{
    for (int i = 0; i < 2; i++) {
        sp_deferred_cancel(&flushes[i]);
        sp_tunnel_free(tunnels[i]);
        sp_buf_fini(&wires[i].out);
    }
}

static void setup(void)
{
    struct sp_local_config config = {.max_clients = MAX_CLIENTS};

    io_loop_init(&io);
    sp_rng_system_init(&rng);
    env = (struct sp_client_env){.ticker = &io.ticker, .rng = &rng};
    ck_assert_int_eq(sp_dgram_pool_new(&io.ticker, &env.dgrams), 0);
    sp_deferred_init(&carry, on_carry, NULL);
    n_got = n_opened = n_closed = 0;
    echo = true;
    open_tunnels();
    ck_assert_int_eq(sp_local_new(&env, &config, &local), 0);
    sp_local_set_tunnel(local, tunnels[0]);
}

static void teardown(void)
{
    sp_local_free(local);
    close_tunnels();
    sp_deferred_cancel(&carry);
    sp_dgram_pool_free(env.dgrams);
    io_loop_fini(&io);
}

/* --- browsers ------------------------------------------------------------------------------- */

static struct sp_addr listen_on(const char *text)
{
    struct sp_addr a;
    const char *transport;

    ck_assert_int_eq(sp_addr_parse(text, &a), 0);
    ck_assert_int_eq(sp_local_listen(local, &a, &transport), 0);
    for (size_t i = 0; sp_local_addr(local, i) != NULL; i++)
        a = *sp_local_addr(local, i);
    return a;
}

static int browser(int type, const struct sp_addr *to)
{
    struct sockaddr_storage ss;
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, type, 0);

    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    socklen_t len = sp_addr_to_sockaddr(to, false, &ss);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
    return fd;
}

/* A Binding request with a transaction of its own. */
static size_t binding(uint8_t out[static SP_STUN_HEADER_LEN], uint8_t mark)
{
    uint8_t id[SP_STUN_ID_LEN] = {mark};
    struct sp_stun_builder b;
    size_t len;

    sp_stun_begin(&b, out, SP_STUN_HEADER_LEN, SP_STUN_BINDING, SP_STUN_REQUEST, id);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    return len;
}

static void say(int fd, const void *p, size_t len)
{
    ck_assert_int_eq(send(fd, p, len, MSG_NOSIGNAL), (ssize_t)len);
}

static bool has_got(void *arg)
{
    return n_got >= *(size_t *)arg;
}

static bool has_closed(void *arg)
{
    return n_closed >= *(size_t *)arg;
}

static void wait_got(size_t n)
{
    ck_assert_msg(io_loop_until(&io, has_got, &n), "%zu of %zu came", n_got, n);
    io_loop_for(&io, 10);
    ck_assert_uint_eq(n_got, n);
}

/* What comes back is what was sent. */
static void hears(int fd, const void *p, size_t len)
{
    uint8_t answer[512];

    ck_assert_int_eq(recv(fd, answer, sizeof answer, MSG_DONTWAIT), (ssize_t)len);
    ck_assert_mem_eq(answer, p, len);
}

/* Sends a request and waits for its echo. */
static void exchange(int fd, uint8_t mark)
{
    uint8_t request[SP_STUN_HEADER_LEN];
    size_t len = binding(request, mark);

    say(fd, request, len);
    wait_got(n_got + 1);
    hears(fd, request, len);
}

/* --- tests ---------------------------------------------------------------------------------- */

START_TEST(each_source_is_a_flow)
{
    struct sp_addr at = listen_on("127.0.0.1:0");
    int a = browser(SOCK_DGRAM, &at), b = browser(SOCK_DGRAM, &at);

    exchange(a, 1);
    exchange(b, 2);
    exchange(a, 3);
    ck_assert_uint_eq(n_opened, 2);
    ck_assert_ptr_eq(got[0].flow, got[2].flow);
    ck_assert_ptr_ne(got[0].flow, got[1].flow);
    ck_assert_uint_eq(sp_local_client_count(local), 2);
    close(a);
    close(b);
}
END_TEST

START_TEST(answers_leave_from_where_it_was_asked)
{
    struct sp_addr at = listen_on("0.0.0.0:0");

    /* A connected socket hears only the address it speaks to. */
    at.ip[0] = 127;
    for (uint8_t i = 1; i <= 3; i++) {
        at.ip[3] = i;
        int fd = browser(SOCK_DGRAM, &at);
        exchange(fd, i);
        close(fd);
    }
    ck_assert_uint_eq(n_opened, 3);
}
END_TEST

START_TEST(only_stun_opens_a_flow)
{
    static const uint8_t channel_data[] = {0x40, 0x01, 0, 3, 'a', 'b', 'c'};
    struct sp_addr at = listen_on("127.0.0.1:0");
    int fd = browser(SOCK_DGRAM, &at);

    say(fd, "hello", 5);
    say(fd, channel_data, sizeof channel_data);
    say(fd, "", 0);
    say(fd, "\x16\xfe\xff\0\0\0\0\0\0\0\0\0\0\0", 14); /* DTLS */
    io_loop_for(&io, 30);
    ck_assert_uint_eq(n_opened, 0);
    ck_assert_uint_eq(sp_local_client_count(local), 0);
    ck_assert_uint_eq(sp_local_counters(local)->not_turn, 4);
    exchange(fd, 1);
    say(fd, channel_data, sizeof channel_data);
    wait_got(2);
    hears(fd, channel_data, sizeof channel_data);
    say(fd, "\x80 is RTP", 8);
    io_loop_for(&io, 30);
    ck_assert_uint_eq(n_got, 2);
    close(fd);
}
END_TEST

START_TEST(tcp_is_cut_into_messages)
{
    static const uint8_t padded[] = {0x40, 0x01, 0, 3, 'a', 'b', 'c', 0};
    struct sp_addr at = listen_on("127.0.0.1:0");
    int fd = browser(SOCK_STREAM, &at);
    uint8_t request[SP_STUN_HEADER_LEN];
    size_t len = binding(request, 1);

    say(fd, padded, sizeof padded); /* not how it begins */
    io_loop_for(&io, 30);
    ck_assert_uint_eq(n_opened, 0);
    ck_assert_uint_eq(sp_local_counters(local)->not_turn, 1);
    for (size_t i = 0; i < len; i++) {
        say(fd, request + i, 1);
        io_loop_for(&io, 3);
    }
    wait_got(1);
    hears(fd, request, len);
    /* Two at once; the padding of a stream does not travel, and comes back with the echo. */
    uint8_t both[SP_STUN_HEADER_LEN + sizeof padded];
    memcpy(both, request, len);
    memcpy(both + len, padded, sizeof padded);
    say(fd, both, sizeof both);
    wait_got(3);
    ck_assert_uint_eq(got[2].len, sizeof padded - 1);
    hears(fd, both, sizeof both);
    ck_assert_uint_eq(n_opened, 1);
    close(fd);
    size_t one = 1;
    ck_assert(io_loop_until(&io, has_closed, &one));
    ck_assert_uint_eq(sp_local_client_count(local), 0);
}
END_TEST

START_TEST(a_stream_that_is_not_turn_is_closed)
{
    struct sp_addr at = listen_on("127.0.0.1:0");
    int fd = browser(SOCK_STREAM, &at);
    char c;

    say(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\0\0\0\0\0\0\0", 20); /* TLS */
    io_loop_for(&io, 30);
    ck_assert(recv(fd, &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
    ck_assert_uint_eq(n_opened, 0);
    ck_assert_uint_eq(sp_local_client_count(local), 0);
    close(fd);
}
END_TEST

START_TEST(the_server_ends_a_flow)
{
    struct sp_addr at = listen_on("127.0.0.1:0");
    int udp = browser(SOCK_DGRAM, &at), tcp = browser(SOCK_STREAM, &at);
    char c;

    exchange(udp, 1);
    exchange(tcp, 2);
    sp_flow_close(got[0].flow, sp_ticker_now(&io.ticker));
    sp_flow_close(got[1].flow, sp_ticker_now(&io.ticker));
    io_loop_for(&io, 30);
    ck_assert_uint_eq(sp_local_client_count(local), 0);
    ck_assert_int_eq(recv(tcp, &c, 1, MSG_DONTWAIT), 0); /* a TCP client sees it */
    exchange(udp, 3);                                    /* a UDP one gets a new flow */
    ck_assert_uint_eq(n_opened, 3);
    close(udp);
    close(tcp);
}
END_TEST

START_TEST(at_the_bound_the_least_recently_used_goes)
{
    struct sp_addr at = listen_on("127.0.0.1:0");
    int fds[MAX_CLIENTS + 1];
    size_t one = 1;

    for (int i = 0; i < MAX_CLIENTS; i++) {
        fds[i] = browser(i == 0 ? SOCK_STREAM : SOCK_DGRAM, &at);
        exchange(fds[i], (uint8_t)(i + 1));
    }
    exchange(fds[0], 50);
    fds[MAX_CLIENTS] = browser(SOCK_DGRAM, &at);
    exchange(fds[MAX_CLIENTS], 51);
    ck_assert(io_loop_until(&io, has_closed, &one));
    ck_assert_uint_eq(sp_local_client_count(local), MAX_CLIENTS);
    ck_assert_uint_eq(sp_local_counters(local)->clients_evicted, 1);
    /* It was the second; the first goes on under its flow, the second gets another. */
    exchange(fds[0], 52);
    ck_assert_ptr_eq(got[n_got - 1].flow, got[0].flow);
    exchange(fds[1], 53);
    ck_assert_uint_eq(n_opened, MAX_CLIENTS + 2);
    for (int i = 0; i <= MAX_CLIENTS; i++)
        close(fds[i]);
}
END_TEST

/* The flows of a tunnel that drains stay where they are; what begins goes by the new one. */
START_TEST(a_tunnel_beside_another)
{
    struct sp_tunnel_config config;
    struct sp_addr at = listen_on("127.0.0.1:0");
    int udp = browser(SOCK_DGRAM, &at), tcp = browser(SOCK_STREAM, &at);
    int other = browser(SOCK_DGRAM, &at);
    struct sp_tunnel *next; /* without a lane: nothing comes back */
    struct sp_tunnel_events quiet = events[0];
    uint8_t request[SP_STUN_HEADER_LEN];

    sp_tunnel_config_default(&config, SP_TUNNEL_GATEWAY);
    quiet.flush = expired; /* nothing is done */
    ck_assert_int_eq(sp_tunnel_new(&config, &quiet, NULL, &io.ticker.timers, &rng, &next), 0);
    exchange(udp, 1);
    exchange(tcp, 2);
    sp_local_set_tunnel(local, next);
    say(other, request, binding(request, 3));
    io_loop_for(&io, 20);
    ck_assert_uint_eq(sp_tunnel_flow_count(next), 1);
    exchange(udp, 4);
    exchange(tcp, 5);
    ck_assert_uint_eq(sp_tunnel_flow_count(tunnels[0]), 2);
    ck_assert_uint_eq(sp_local_client_count(local), 3);
    sp_local_tunnel_gone(local, next);
    ck_assert_uint_eq(sp_local_client_count(local), 2);
    sp_local_set_tunnel(local, tunnels[0]);
    sp_tunnel_free(next);
    exchange(udp, 6);
    exchange(other, 7);
    close(udp);
    close(tcp);
    close(other);
}
END_TEST

START_TEST(a_new_tunnel_ends_all_flows)
{
    struct sp_addr at = listen_on("127.0.0.1:0");
    int udp = browser(SOCK_DGRAM, &at), tcp = browser(SOCK_STREAM, &at);
    char c;

    exchange(udp, 1);
    exchange(tcp, 2);
    sp_local_tunnel_gone(local, tunnels[0]);
    close_tunnels();
    open_tunnels();
    sp_local_set_tunnel(local, tunnels[0]);
    ck_assert_uint_eq(sp_local_client_count(local), 0);
    ck_assert_int_eq(recv(tcp, &c, 1, MSG_DONTWAIT), 0);
    exchange(udp, 3);
    ck_assert_uint_eq(n_opened, 3);
    close(udp);
    close(tcp);
}
END_TEST

START_TEST(without_lanes_it_waits_and_ages)
{
    struct sp_addr at = listen_on("127.0.0.1:0");
    int fd = browser(SOCK_DGRAM, &at);
    uint8_t request[SP_STUN_HEADER_LEN];
    size_t len = binding(request, 1);

    sp_tunnel_lane_remove(wires[0].lane, sp_ticker_now(&io.ticker));
    wires[0].lane = NULL;
    say(fd, request, len); /* too early: forgotten by then */
    io_loop_for(&io, 600);
    say(fd, request, len); /* just in time */
    io_loop_for(&io, 50);
    ck_assert_uint_eq(n_got, 0);
    ck_assert_int_eq(sp_tunnel_lane_add(tunnels[0], 0, &ops, &wires[0], sp_ticker_now(&io.ticker),
                                        &wires[0].lane),
                     0);
    wait_got(1);
    hears(fd, request, len);
    ck_assert_uint_eq(sp_tunnel_counters(tunnels[0])->dropped_age, 1);
    close(fd);
}
END_TEST

START_TEST(stopped)
{
    struct sp_addr at = listen_on("127.0.0.1:0");
    int udp = browser(SOCK_DGRAM, &at), tcp = browser(SOCK_STREAM, &at);
    uint8_t request[SP_STUN_HEADER_LEN];
    size_t two = 2, len = binding(request, 9);
    char c;

    exchange(udp, 1);
    exchange(tcp, 2);
    sp_local_stop(local);
    ck_assert(io_loop_until(&io, has_closed, &two));
    ck_assert_int_eq(recv(tcp, &c, 1, MSG_DONTWAIT), 0);
    say(udp, request, len);
    io_loop_for(&io, 30);
    ck_assert_uint_eq(n_opened, 2);
    ck_assert_uint_eq(sp_local_client_count(local), 0);
    ck_assert_uint_eq(sp_local_counters(local)->no_flow, 1);
    close(udp);
    close(tcp);
}
END_TEST

START_TEST(ports)
{
    struct sp_addr a = listen_on("127.0.0.1:0"), b = listen_on("127.0.0.1:0");
    const char *transport = NULL;

    ck_assert_uint_ne(a.port, 0);
    ck_assert_uint_ne(a.port, b.port);
    int tcp = browser(SOCK_STREAM, &a); /* the same port for both */
    close(tcp);
    ck_assert_int_eq(sp_local_listen(local, &a, &transport), SP_ESYS);
    ck_assert_int_eq(errno, EADDRINUSE);
    ck_assert_str_eq(transport, "udp");

    /* Somebody's TCP has the port: what UDP had got is given back. */
    struct sp_addr c = sp_addr_v4(127, 0, 0, 1, 0);
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(&c, false, &ss);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(sp_sock_local(fd, &c), 0);
    ck_assert_int_eq(sp_local_listen(local, &c, &transport), SP_ESYS);
    ck_assert_str_eq(transport, "tcp");
    close(fd);
    ck_assert_int_eq(sp_local_listen(local, &c, &transport), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("local");
    TCase *tc = tcase_create("local");
    SRunner *runner = srunner_create(s);

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_source_is_a_flow);
    tcase_add_test(tc, answers_leave_from_where_it_was_asked);
    tcase_add_test(tc, only_stun_opens_a_flow);
    tcase_add_test(tc, tcp_is_cut_into_messages);
    tcase_add_test(tc, a_stream_that_is_not_turn_is_closed);
    tcase_add_test(tc, the_server_ends_a_flow);
    tcase_add_test(tc, at_the_bound_the_least_recently_used_goes);
    tcase_add_test(tc, a_tunnel_beside_another);
    tcase_add_test(tc, a_new_tunnel_ends_all_flows);
    tcase_add_test(tc, without_lanes_it_waits_and_ages);
    tcase_add_test(tc, stopped);
    tcase_add_test(tc, ports);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
