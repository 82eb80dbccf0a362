/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_loop.h"
#include "sallyport/dgram.h"
#include "sallyport/err.h"

/* One socket, and what it received. */
struct end {
    struct sp_dgram *d;
    size_t calls, n, bytes, largest_batch;
    struct sp_addr remote, local; /* of the last */
    uint8_t last[65536];
    size_t last_len;
    size_t first_bytes[256]; /* how often each came */
    bool close_on_input, answer;
};

struct rig {
    struct io_loop loop;
    struct sp_dgram_pool *pool;
};

static void open_rig(struct rig *r)
{
    io_loop_init(&r->loop);
    ck_assert_int_eq(sp_dgram_pool_new(&r->loop.ticker, &r->pool), 0);
}

static void close_rig(struct rig *r)
{
    sp_dgram_pool_free(r->pool);
    io_loop_fini(&r->loop);
}

static void on_input(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n, void *arg)
{
    struct end *e = arg;

    ck_assert_ptr_eq(d, e->d);
    e->calls++;
    if (n > e->largest_batch)
        e->largest_batch = n;
    for (size_t i = 0; i < n; i++) {
        e->n++;
        e->bytes += in[i].body.len;
        e->remote = in[i].remote;
        e->local = in[i].local;
        e->last_len = in[i].body.len;
        if (in[i].body.len > 0) {
            memcpy(e->last, in[i].body.p, in[i].body.len);
            e->first_bytes[in[i].body.p[0]]++;
        }
        if (e->answer)
            sp_dgram_send(d, &in[i].remote, &in[i].local, &in[i].body, 1);
    }
    if (e->close_on_input) {
        sp_dgram_close(d);
        e->d = NULL;
    }
}

static struct end *open_end(struct rig *r, const char *local)
{
    struct end *e = calloc(1, sizeof *e);
    struct sp_addr a;

    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(sp_addr_parse(local, &a), 0);
    ck_assert_int_eq(sp_dgram_open(r->pool, &a, NULL, on_input, e, &e->d), 0);
    ck_assert_uint_ne(sp_dgram_local(e->d)->port, 0);
    return e;
}

static void close_end(struct end *e)
{
    sp_dgram_close(e->d);
    free(e);
}

struct wanted {
    const struct end *e;
    size_t n;
};

static bool has_come(void *arg)
{
    const struct wanted *w = arg;
    return w->e->n >= w->n;
}

static bool until(struct rig *r, const struct end *e, size_t n)
{
    struct wanted w = {e, n};
    return io_loop_until(&r->loop, has_come, &w);
}

static void send_bytes(struct end *from, const struct sp_addr *to, const void *p, size_t len)
{
    struct sp_span s = sp_span(p, len);
    sp_dgram_send(from->d, to, NULL, &s, 1);
}

START_TEST(parts_and_addresses)
{
    struct sp_span parts[] = {sp_span_str("one "), sp_span(NULL, 0), sp_span_str("datagram")};
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0"), *b = open_end(&r, "127.0.0.1:0");
    sp_dgram_send(a->d, sp_dgram_local(b->d), NULL, parts, 3);
    ck_assert_uint_eq(sp_dgram_counters(a->d)->sent, 0); /* at the end of the turn */
    ck_assert(until(&r, b, 1));
    ck_assert_uint_eq(b->last_len, 12);
    ck_assert(memcmp(b->last, "one datagram", 12) == 0);
    ck_assert(sp_addr_eq(&b->remote, sp_dgram_local(a->d)));
    ck_assert(sp_addr_eq(&b->local, sp_dgram_local(b->d)));
    ck_assert_uint_eq(sp_dgram_counters(a->d)->sent, 1);
    ck_assert_uint_eq(sp_dgram_counters(b->d)->received, 1);

    send_bytes(a, sp_dgram_local(b->d), NULL, 0); /* empty ones exist */
    ck_assert(until(&r, b, 2));
    ck_assert_uint_eq(b->last_len, 0);
    close_end(a);
    close_end(b);
    close_rig(&r);
}
END_TEST

START_TEST(batches)
{
    uint8_t data[200];
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0"), *b = open_end(&r, "127.0.0.1:0");
    struct end *c = open_end(&r, "127.0.0.1:0");
    /* To two sockets and from two in turn, more than one batch holds. */
    for (int i = 0; i < 150; i++) {
        memset(data, i, sizeof data);
        send_bytes(i % 2 ? a : c, sp_dgram_local(b->d), data, 1 + (size_t)i);
    }
    ck_assert_uint_gt(sp_dgram_counters(a->d)->sent + sp_dgram_counters(c->d)->sent, 0);
    ck_assert(until(&r, b, 150));
    for (int i = 0; i < 150; i++)
        ck_assert_uint_eq(b->first_bytes[i], 1);
    ck_assert_uint_eq(b->bytes, 150 * 151 / 2);
    ck_assert_uint_gt(b->largest_batch, 1);
    ck_assert_uint_lt(b->calls, 75);
    ck_assert_uint_eq(sp_dgram_counters(a->d)->sent, 75);
    ck_assert_uint_eq(sp_dgram_counters(c->d)->sent, 75);
    close_end(a);
    close_end(b);
    close_end(c);
    close_rig(&r);
}
END_TEST

/* Answers leave from the address that was asked. */
/* Like those of a frame of video: as many, as long, and in the same order as they were sent, with
 * others before, between and behind them. */
START_TEST(frames)
{
    static const size_t lens[] = {900, 900, 100, 1200, 1200, 1200, 1200, 1200, 1200, 300,
                                  300, 300, 300, 1400, 1400, 1400, 1401, 1401, 1401, 50};
    static uint8_t bytes[1500];
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0"), *b = open_end(&r, "127.0.0.1:0");
    struct end *c = open_end(&r, "127.0.0.1:0");
    size_t sum = 0;
    for (size_t i = 0; i < SP_ARRAY_LEN(lens); i++) {
        memset(bytes, (int)i, sizeof bytes);
        struct sp_span s = sp_span(bytes, lens[i]);
        sp_dgram_send(a->d, sp_dgram_local(i == 5 ? c->d : b->d), NULL, &s, 1);
        sum += i == 5 ? 0 : lens[i];
    }
    io_loop_for(&r.loop, 50);
    ck_assert_uint_eq(b->n, SP_ARRAY_LEN(lens) - 1);
    ck_assert_uint_eq(b->bytes, sum);
    ck_assert_uint_eq(c->n, 1);
    for (size_t i = 0; i < SP_ARRAY_LEN(lens); i++)
        ck_assert_uint_eq((i == 5 ? c : b)->first_bytes[i], 1);
    ck_assert_uint_eq(b->last[0], SP_ARRAY_LEN(lens) - 1);
    ck_assert_uint_eq(b->last_len, 50);
    ck_assert_uint_eq(sp_dgram_counters(a->d)->sent, SP_ARRAY_LEN(lens));
    close_end(a);
    close_end(b);
    close_end(c);
    close_rig(&r);
}
END_TEST

/* What goes one way leaves in one piece, though in turn with what goes others, and in its order. */
START_TEST(in_turn)
{
    static uint8_t bytes[4][900], piece[8000];
    struct sp_addr to, other;
    int fd, on = 1;
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0"), *b = open_end(&r, "127.0.0.1:0");
    struct end *c = open_end(&r, "127.0.0.1:0");
    ck_assert_int_eq(sp_addr_parse("127.0.0.1:0", &other), 0);
    ck_assert_int_eq(sp_sock_udp(&other, NULL, &fd, &to), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on), 0);
    for (uint8_t i = 0; i < 4; i++) {
        memset(bytes[i], i, sizeof bytes[i]);
        send_bytes(a, &to, bytes[i], i == 3 ? 100 : sizeof bytes[i]);
        send_bytes(c, &to, bytes[i], 50);
        send_bytes(a, sp_dgram_local(b->d), bytes[i], sizeof bytes[i]);
    }
    ck_assert(until(&r, b, 4));
    ck_assert_uint_eq(b->bytes, sizeof bytes);
    ck_assert_int_eq(recv(fd, piece, sizeof piece, MSG_DONTWAIT), 3 * 900 + 100);
    for (int i = 0; i < 4; i++)
        ck_assert(piece[900 * i] == i && piece[900 * i + 99] == i);
    ck_assert_int_eq(recv(fd, piece, sizeof piece, MSG_DONTWAIT), 4 * 50);
    ck_assert_int_eq(recv(fd, piece, sizeof piece, MSG_DONTWAIT), -1);
    ck_assert_uint_eq(sp_dgram_counters(a->d)->sent, 8);
    ck_assert_uint_eq(sp_dgram_counters(c->d)->sent, 4);
    close(fd);
    close_end(a);
    close_end(b);
    close_end(c);
    close_rig(&r);
}
END_TEST

/* A burst to one of several addresses is told in order, with that address each, in calls of no more
 * than was promised; and answered from there. */
START_TEST(burst_and_answers)
{
    static const char *const servers[] = {"0.0.0.0:0", "[::]:0"};
    uint8_t bytes[800];
    struct sp_addr to = {0};
    struct rig r;

    open_rig(&r);
    struct end *server = open_end(&r, servers[_i]), *client = open_end(&r, "127.0.0.1:0");
    ck_assert_int_eq(sp_addr_parse_ip("127.0.0.3", &to), 0);
    to.port = sp_dgram_local(server->d)->port;
    server->answer = true;
    for (int i = 0; i < 100; i++) {
        memset(bytes, i, sizeof bytes);
        send_bytes(client, &to, bytes, i == 99 ? 7 : sizeof bytes);
    }
    ck_assert(until(&r, client, 100));
    ck_assert_uint_eq(server->n, 100);
    ck_assert_uint_eq(server->bytes, 99 * sizeof bytes + 7);
    ck_assert_uint_eq(client->bytes, server->bytes);
    ck_assert_uint_le(server->largest_batch, 32);
    ck_assert_uint_eq(server->last[0], 99);
    ck_assert(sp_addr_eq(&server->local, &to));
    ck_assert(sp_addr_eq(&client->remote, &to));
    for (int i = 0; i < 100; i++)
        ck_assert(server->first_bytes[i] == 1 && client->first_bytes[i] == 1);
    close_end(server);
    close_end(client);
    close_rig(&r);
}
END_TEST

START_TEST(asked_address)
{
    static const struct {
        const char *server, *client, *ask;
    } cases[] = {{"0.0.0.0:0", "127.0.0.1:0", "127.0.0.2"},
                 {"[::]:0", "127.0.0.1:0", "127.0.0.3"},
                 {"[::]:0", "[::1]:0", "::1"}};

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct rig r;
        struct sp_addr to, local;
        open_rig(&r);
        struct end *server = open_end(&r, cases[i].server);
        ck_assert_int_eq(sp_addr_parse(cases[i].client, &local), 0);
        if (sp_dgram_local(server->d)->family == SP_IPV4 && local.family == SP_IPV6) {
            close_end(server); /* no IPv6 here */
            close_rig(&r);
            continue;
        }
        struct end *client = open_end(&r, cases[i].client);
        ck_assert_int_eq(sp_addr_parse_ip(cases[i].ask, &to), 0);
        to.port = sp_dgram_local(server->d)->port;
        server->answer = true;
        send_bytes(client, &to, "who are you?", 12);
        ck_assert(until(&r, client, 1));
        ck_assert(sp_addr_eq(&server->local, &to));
        ck_assert(sp_addr_eq(&server->remote, sp_dgram_local(client->d)));
        ck_assert(sp_addr_eq(&client->remote, &to));
        close_end(server);
        close_end(client);
        close_rig(&r);
    }
}
END_TEST

/* What the kernel said of one datagram leaves no less room for what it says of the next, which has
 * a longer address, or tells where it was sent to. */
START_TEST(short_then_long)
{
    struct rig r;
    open_rig(&r);
    struct end *from = open_end(&r, "127.0.0.2:0"), *to = open_end(&r, "127.0.0.1:0");
    struct end *from6 = open_end(&r, "[::1]:0"), *to6 = open_end(&r, "[::]:0");
    struct sp_addr asked;

    ck_assert_int_eq(sp_addr_parse("[::1]:1", &asked), 0);
    asked.port = sp_dgram_local(to6->d)->port;
    send_bytes(from, sp_dgram_local(to->d), "short", 5);
    ck_assert(until(&r, to, 1));
    ck_assert(sp_addr_eq(&to->remote, sp_dgram_local(from->d)));
    send_bytes(from6, &asked, "long", 4);
    ck_assert(until(&r, to6, 1));
    ck_assert(sp_addr_eq(&to6->remote, sp_dgram_local(from6->d)));
    ck_assert(sp_addr_eq(&to6->local, &asked));
    close_end(from);
    close_end(to);
    close_end(from6);
    close_end(to6);
    close_rig(&r);
}
END_TEST

START_TEST(largest)
{
    static uint8_t data[70000];
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0"), *b = open_end(&r, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 3);
    send_bytes(a, sp_dgram_local(b->d), data, 65507);
    send_bytes(a, sp_dgram_local(b->d), data, 65507);
    send_bytes(a, sp_dgram_local(b->d), data, 65507);
    ck_assert(until(&r, b, 3));
    ck_assert_uint_eq(b->last_len, 65507);
    ck_assert(memcmp(b->last, data, 65507) == 0);

    /* Too large for UDP, or for the buffers: counted, and the neighbours go. */
    send_bytes(a, sp_dgram_local(b->d), data, 10);
    send_bytes(a, sp_dgram_local(b->d), data, 65508);
    send_bytes(a, sp_dgram_local(b->d), data, 70000);
    send_bytes(a, sp_dgram_local(b->d), data, 11);
    ck_assert(until(&r, b, 5));
    ck_assert_uint_eq(b->last_len, 11);
    ck_assert_uint_eq(sp_dgram_counters(a->d)->dropped_error, 2);
    ck_assert_uint_eq(sp_dgram_counters(a->d)->sent, 5);
    close_end(a);
    close_end(b);
    close_rig(&r);
}
END_TEST

/* Nobody listens there, no way leads there: the socket lives on. */
START_TEST(unreachable)
{
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0"), *b = open_end(&r, "127.0.0.1:0");
    struct end *gone = open_end(&r, "127.0.0.1:0");
    struct sp_addr dead = *sp_dgram_local(gone->d), v6;
    close_end(gone);
    ck_assert_int_eq(sp_addr_parse("[2001:db8::1]:9", &v6), 0);
    for (int i = 0; i < 5; i++) {
        send_bytes(a, &dead, "x", 1);
        send_bytes(a, &v6, "x", 1); /* not this socket's family */
        io_loop_for(&r.loop, 5);
    }
    ck_assert_uint_eq(sp_dgram_counters(a->d)->dropped_error, 5);
    send_bytes(a, sp_dgram_local(b->d), "y", 1);
    ck_assert(until(&r, b, 1));
    send_bytes(b, sp_dgram_local(a->d), "z", 1);
    ck_assert(until(&r, a, 1));
    close_end(a);
    close_end(b);
    close_rig(&r);
}
END_TEST

START_TEST(closed_within)
{
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0"), *b = open_end(&r, "127.0.0.1:0");
    b->close_on_input = b->answer = true;
    for (int i = 0; i < 100; i++)
        send_bytes(a, sp_dgram_local(b->d), "x", 1);
    ck_assert(until(&r, b, 1));
    ck_assert_ptr_null(b->d);
    size_t told = b->n;
    ck_assert(until(&r, a, told)); /* what it had answered was sent before */
    io_loop_for(&r.loop, 10);
    ck_assert_uint_eq(b->calls, 1);
    ck_assert_uint_eq(b->n, told);
    ck_assert_uint_eq(a->n, told);
    close_end(a);
    close_end(b);
    close_rig(&r);
}
END_TEST

START_TEST(many_sockets)
{
    enum { N = 150 };
    struct end *ends[N];
    struct rig r;

    open_rig(&r);
    struct end *b = open_end(&r, "127.0.0.1:0");
    for (int i = 0; i < N; i++) {
        ends[i] = open_end(&r, "127.0.0.1:0");
        uint8_t byte = (uint8_t)i;
        send_bytes(ends[i], sp_dgram_local(b->d), &byte, 1);
    }
    ck_assert(until(&r, b, N));
    for (int i = 0; i < N; i++) {
        ck_assert_uint_eq(b->first_bytes[i], 1);
        ck_assert_uint_eq(sp_dgram_counters(ends[i]->d)->sent, 1);
        close_end(ends[i]);
    }
    close_end(b);
    close_rig(&r);
}
END_TEST

START_TEST(port_taken)
{
    struct sp_dgram *d = NULL;
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0");
    ck_assert_int_eq(sp_dgram_open(r.pool, sp_dgram_local(a->d), NULL, on_input, NULL, &d),
                     SP_ESYS);
    ck_assert_ptr_null(d);
    close_end(a);
    close_rig(&r);
}
END_TEST

static bool is_small(struct sp_span body)
{
    return body.len < 10;
}

/* What nobody read for too long is dropped and counted, however much there is, unless it is worth
 * something late; what comes after it is read in the same turn. */
START_TEST(too_late)
{
    static const uint8_t bytes[100];
    uint64_t since_us;
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0"), *b = open_end(&r, "127.0.0.1:0");
    sp_dgram_limit_age(b->d, 100000, is_small);
    ck_assert_uint_eq(sp_dgram_pool_late_us(r.pool, &since_us), 0);
    io_loop_for(&r.loop, 200); /* the kernel begins to take times when it gets to it */
    for (int i = 0; i < 70; i++)
        send_bytes(a, sp_dgram_local(b->d), bytes, i == 40 ? 5 : sizeof bytes);
    sp_dgram_set_dont_fragment(a->d, true); /* sends what waits */
    usleep(150000);
    for (int i = 0; i < 3; i++)
        send_bytes(a, sp_dgram_local(b->d), bytes, sizeof bytes);
    ck_assert(until(&r, b, 4));
    io_loop_for(&r.loop, 5);
    ck_assert_uint_eq(b->n, 4);
    ck_assert_uint_eq(sp_dgram_counters(b->d)->received, 4);
    ck_assert_uint_eq(sp_dgram_counters(b->d)->dropped_late, 69);
    uint64_t first_us = sp_dgram_pool_late_us(r.pool, &since_us);
    ck_assert_uint_gt(first_us, 0);
    ck_assert_uint_ge(first_us, since_us);
    ck_assert_uint_lt(first_us - since_us, 100000);
    send_bytes(a, sp_dgram_local(b->d), bytes, sizeof bytes);
    sp_dgram_set_dont_fragment(a->d, false);
    usleep(150000);
    send_bytes(a, sp_dgram_local(b->d), bytes, sizeof bytes);
    ck_assert(until(&r, b, 5));
    uint64_t again_us, last_us = sp_dgram_pool_late_us(r.pool, &again_us);
    ck_assert_uint_eq(again_us, since_us); /* it has not stopped */
    ck_assert_uint_ge(last_us, first_us + 100000);
    close_end(a);
    close_end(b);
    close_rig(&r);
}
END_TEST

/* What the kernel has no room for is known, too. */
START_TEST(overflow)
{
    static const uint8_t bytes[1000];
    static const struct sp_sock_options small = {.rcvbuf = 1};
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    struct end e = {0};
    struct rig r;

    open_rig(&r);
    struct end *a = open_end(&r, "127.0.0.1:0");
    ck_assert_int_eq(sp_dgram_open(r.pool, &any, &small, on_input, &e, &e.d), 0);
    ck_assert_uint_eq(sp_dgram_overflowed(e.d), 0);
    for (size_t i = 0; i < 20; i++) /* each longer, so that they don't leave in one piece */
        send_bytes(a, sp_dgram_local(e.d), bytes, sizeof bytes - 20 + i);
    sp_dgram_set_dont_fragment(a->d, true); /* sends what waits */
    io_loop_for(&r.loop, 5);
    ck_assert_uint_gt(sp_dgram_overflowed(e.d), 0);
    ck_assert_uint_eq(sp_dgram_overflowed(e.d) + e.n, 20);
    sp_dgram_close(e.d);
    close_end(a);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dgram");
    TCase *tc = tcase_create("dgram");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, parts_and_addresses);
    tcase_add_test(tc, too_late);
    tcase_add_test(tc, overflow);
    tcase_add_test(tc, batches);
    tcase_add_test(tc, frames);
    tcase_add_test(tc, in_turn);
    tcase_add_loop_test(tc, burst_and_answers, 0, 2);
    tcase_add_test(tc, asked_address);
    tcase_add_test(tc, short_then_long);
    tcase_add_test(tc, largest);
    tcase_add_test(tc, unreachable);
    tcase_add_test(tc, closed_within);
    tcase_add_test(tc, many_sockets);
    tcase_add_test(tc, port_taken);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
