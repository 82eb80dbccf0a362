/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"
#include "port_pool.h"
#include "sallyport/err.h"
#include "server_env.h"
#include "turn_user.h"

static const struct sp_turn_relay_request any_port = {.family = SP_IPV4};
static const struct sp_turn_relay_request pair = {
    .family = SP_IPV4, .even_port = true, .reserve = true};

static struct sp_turn_relay must_open(struct sp_relays *r, const struct sp_turn_relay_request *want)
{
    struct sp_turn_relay relay;
    ck_assert_int_eq(sp_relays_open(r, want, NULL, &relay), 0);
    return relay;
}

static struct sp_relay_ips *ips;

/* Relays of their own: the bench's are of no use where ports are counted. */
static struct sp_relays *make(struct server_env *e, const char *local, const char *public_,
                              uint16_t min_port, uint16_t max_port)
{
    struct sp_relay_ip ip;
    struct sp_relays *r;

    ck_assert_int_eq(sp_addr_parse_ip(local, &ip.local), 0);
    ck_assert_int_eq(sp_addr_parse_ip(public_, &ip.public_), 0);
    ck_assert_int_eq(sp_relay_ips_new(&ip, 1, min_port, max_port, &ips), 0);
    ck_assert_int_eq(sp_relays_new(&e->env, ips, &r), 0);
    return r;
}

/* Numbers without sockets, of an address that this host need not have. */
static struct sp_relays_counters counted(const struct sp_relays *r)
{
    struct sp_relays_counters c;

    sp_relays_counters(r, &c);
    return c;
}

START_TEST(virtual_ones)
{
    char text[SP_ADDR_STRLEN];
    struct server_env e;

    server_env_open(&e, 0, 0);
    struct sp_relays *r = make(&e, "198.51.100.9", "203.0.113.9", 0, 0);
    struct sp_turn_relay a = must_open(r, &any_port), b = must_open(r, &pair);
    ck_assert_ptr_null(a.relay);
    ck_assert_uint_ge(a.local.port, SP_PORT_DYNAMIC_MIN);
    ck_assert_uint_eq(a.local.port, a.public_.port);
    ck_assert_str_eq(sp_addr_format_ip(&a.local, text), "198.51.100.9");
    ck_assert_str_eq(sp_addr_format_ip(&a.public_, text), "203.0.113.9");
    ck_assert_uint_eq(b.local.port % 2, 0);
    struct sp_turn_relay_request second = {.family = SP_IPV4, .port = (uint16_t)(b.local.port + 1)};
    struct sp_turn_relay c = must_open(r, &second);
    ck_assert_uint_eq(c.local.port, b.local.port + 1);
    ck_assert_uint_eq(counted(r).opened, 3);
    sp_relays_close(r, &a);
    sp_relays_close(r, &b);
    sp_relays_close(r, &c);
    sp_relays_free(r);
    sp_relay_ips_free(ips);
    server_env_close(&e);
}
END_TEST

START_TEST(families)
{
    const struct sp_turn_relay_request v6 = {.family = SP_IPV6};
    struct sp_turn_relay relay;
    struct server_env e;

    server_env_open(&e, 0, 0);
    struct sp_relays *r = make(&e, "198.51.100.9", "198.51.100.9", 0, 0);
    ck_assert_int_eq(sp_relays_open(r, &v6, NULL, &relay), SP_EINVAL); /* 440 */
    ck_assert_uint_eq(counted(r).refused, 1);
    sp_relays_free(r);
    sp_relay_ips_free(ips);
    server_env_close(&e);
}
END_TEST

START_TEST(every_port_once)
{
    struct sp_turn_relay all[4], one;
    struct server_env e;

    server_env_open(&e, 0, 0);
    struct sp_relays *r = make(&e, "127.0.0.1", "127.0.0.1", 23456, 23459);
    size_t n = 0;
    while (n < 4 && sp_relays_open(r, &any_port, NULL, &all[n]) == 0)
        n++;
    ck_assert_uint_ge(n, 1); /* somebody else may have some of them */
    ck_assert_int_eq(sp_relays_open(r, &any_port, NULL, &one), SP_EFULL);
    sp_relays_close(r, &all[0]);
    one = must_open(r, &any_port);
    ck_assert_uint_eq(one.local.port, all[0].local.port);
    sp_relays_close(r, &one);
    for (size_t i = 1; i < n; i++)
        sp_relays_close(r, &all[i]);
    sp_relays_free(r);
    sp_relay_ips_free(ips);
    server_env_close(&e);
}
END_TEST

/* An even port that is free, with the next one. */
static uint16_t free_pair(struct udp_peer *low, struct udp_peer *high)
{
    for (int i = 0; i < 1000; i++) {
        struct sp_addr next;
        udp_peer_open(low, "127.0.0.1");
        next = low->addr;
        next.port++;
        if (low->addr.port % 2 == 0 && sp_sock_udp(&next, NULL, &high->fd, &high->addr) == 0)
            return low->addr.port;
        udp_peer_close(low);
    }
    ck_abort_msg("no two ports are free");
    return 0;
}

/* Another program sits on the range: it is left alone, and its port isn't lost to us. */
START_TEST(taken_by_others)
{
    struct udp_peer low, high;
    struct sp_turn_relay relay;
    struct server_env e;

    server_env_open(&e, 0, 0);
    uint16_t port = free_pair(&low, &high);
    struct sp_relays *r = make(&e, "127.0.0.1", "127.0.0.1", port, (uint16_t)(port + 1));
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(sp_relays_open(r, &any_port, NULL, &relay), SP_EFULL);
        ck_assert_int_eq(sp_relays_open(r, &pair, NULL, &relay), SP_EFULL);
    }
    udp_peer_close(&high);
    relay = must_open(r, &any_port); /* tries the other */
    ck_assert_uint_eq(relay.local.port, port + 1);
    sp_relays_close(r, &relay);
    udp_peer_close(&low);
    relay = must_open(r, &pair); /* both are still there to be had */
    ck_assert_uint_eq(relay.local.port, port);
    sp_relays_close(r, &relay);
    struct sp_addr reserved = relay.local;
    reserved.port++;
    sp_relays_end_reservation(r, &reserved);
    sp_relays_free(r);
    sp_relay_ips_free(ips);
    server_env_close(&e);
}
END_TEST

/* Whether somebody else could have it. */
static bool is_free(const struct sp_addr *a)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(a, false, &ss);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool is = bind(fd, (struct sockaddr *)&ss, len) == 0;

    close(fd);
    return is;
}

/* A pair is had whole, or not at all; and nobody else gets the port that waits. */
START_TEST(reserved)
{
    struct udp_peer low, high;
    struct sp_turn_relay relay, again;
    struct server_env e;

    server_env_open(&e, 0, 0);
    uint16_t port = free_pair(&low, &high);
    udp_peer_close(&low);
    struct sp_relays *r = make(&e, "127.0.0.1", "127.0.0.1", port, (uint16_t)(port + 1));
    ck_assert_int_eq(sp_relays_open(r, &pair, NULL, &again), SP_EFULL);
    struct sp_turn_relay_request second = {
        .family = SP_IPV4, .port = (uint16_t)(port + 1), .reserved = high.addr};
    udp_peer_close(&high);
    ck_assert_int_eq(sp_relays_open(r, &second, NULL, &again), SP_EFULL);
    relay = must_open(r, &pair);
    ck_assert(!is_free(&second.reserved));
    udp_peer_open(&low, "127.0.0.1");
    udp_peer_send(&low, &second.reserved, sp_span_str("too early"));
    io_loop_for(&e.loop, 5);
    udp_peer_close(&low);
    ck_assert_int_eq(sp_relays_open(r, &any_port, NULL, &again), SP_EFULL);
    again = must_open(r, &second);
    ck_assert_uint_eq(again.local.port, port + 1);
    sp_relays_close(r, &again);
    sp_relays_close(r, &relay);
    relay = must_open(r, &pair); /* and nobody comes for it */
    sp_relays_end_reservation(r, &second.reserved);
    ck_assert(is_free(&second.reserved));
    again = must_open(r, &any_port);
    ck_assert_uint_eq(again.local.port, port + 1);
    sp_relays_close(r, &relay);
    sp_relays_close(r, &again);
    relay = must_open(r, &pair); /* and it ends with all others */
    sp_relays_close(r, &relay);
    sp_relays_free(r);
    sp_relay_ips_free(ips);
    ck_assert(is_free(&second.reserved));
    server_env_close(&e);
}
END_TEST

/* Through the engine: a client on TCP, a peer that speaks plain UDP. */
START_TEST(both_ways)
{
    static const struct sp_stream_events nothing;
    static uint8_t large[3000];
    struct sp_list endpoints;
    struct sp_guests guests;
    struct udp_peer udp, stranger;
    struct turn_user u;
    struct peer p;
    struct sp_span msg, data;
    struct sp_addr from;
    struct sp_stream *s;
    struct server_env e;
    int fds[2];

    server_env_open(&e, 20000, 29999);
    sp_list_init(&endpoints);
    sp_env_guests(&e.env, SP_WITHOUT_ALLOCATION, &guests);
    udp_peer_open(&udp, "127.0.0.1");
    udp_peer_open(&stranger, "127.0.0.2");
    tcp_pair(fds);
    peer_open(&p, &e.loop, fds[0]);
    ck_assert_int_eq(sp_stream_new(&e.loop.ticker, fds[1], &nothing, NULL, &s), 0);
    ck_assert_int_eq(sp_endpoint_from_stream(&e.env, s, &endpoints, &guests), 0);

    turn_user_init(&u, SERVER_ENV_USER, SERVER_ENV_PASSWORD, 1);
    for (int want = 401; want >= 0; want -= 401) {
        msg = turn_user_allocate(&u);
        peer_send(&p, msg.p, msg.len);
        ck_assert(peer_message(&p, &msg));
        ck_assert_int_eq(turn_user_take(&u, msg), want);
    }
    msg = turn_user_permit(&u, &udp.addr);
    peer_send(&p, msg.p, msg.len);
    ck_assert(peer_message(&p, &msg));
    ck_assert_int_eq(turn_user_take(&u, msg), 0);

    for (size_t len = 0; len <= sizeof large; len += 1000) {
        msg = turn_user_send(&u, &udp.addr, sp_span(large, len));
        peer_send(&p, msg.p, msg.len);
        ck_assert(udp_peer_recv(&udp, &e.loop));
        ck_assert_uint_eq(udp.len, len);
        ck_assert(sp_addr_eq(&udp.from, &u.relayed));
    }
    udp_peer_send(&stranger, &u.relayed, sp_span_str("let me in")); /* has no permission */
    udp_peer_send(&udp, &u.relayed, sp_span_str("answer"));
    ck_assert(peer_message(&p, &msg));
    ck_assert(turn_user_is_data(msg, &from, &data));
    ck_assert(sp_addr_eq(&from, &udp.addr));
    ck_assert(sp_span_eq(data, sp_span_str("answer")));
    ck_assert_uint_eq(sp_turn_counters(e.env.turn)->dropped_no_permission, 1);

    /* The allocation ends while a datagram for it waits in the socket. */
    udp_peer_send(&udp, &u.relayed, sp_span_str("too late"));
    sp_endpoint_free_all(&endpoints);
    io_loop_for(&e.loop, 20);
    struct sp_addr relayed = u.relayed;
    int fd;
    ck_assert_int_eq(sp_sock_udp(&relayed, NULL, &fd, &from), 0); /* its socket is closed */
    close(fd);
    udp_peer_close(&udp);
    udp_peer_close(&stranger);
    peer_close(&p);
    sp_guests_fini(&guests);
    server_env_close(&e);
}
END_TEST

/* How the socket that is bound there sets DF. */
static int mtu_discovery_of(const struct sp_addr *local)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sp_addr a;
        int value, type;
        socklen_t len = sizeof value, type_len = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_DGRAM &&
            sp_sock_local(fd, &a) == 0 && sp_addr_eq(&a, local) &&
            getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &len) == 0)
            return value;
    }
    return -1;
}

/* DF is asked for datagram by datagram, and changes nothing else. */
START_TEST(dont_fragment)
{
    struct udp_peer udp;
    struct server_env e;

    server_env_open(&e, 20000, 29999);
    udp_peer_open(&udp, "127.0.0.1");
    struct sp_turn_relay relay = must_open(e.relays, &any_port);
    for (uint8_t i = 0; i < 8; i++) {
        struct sp_span part = sp_span(&i, 1);
        sp_relays_send(relay.relay, &udp.addr, i % 3 == 0, &part, 1);
        ck_assert_int_eq(mtu_discovery_of(&relay.local),
                         i % 3 == 0 ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
    }
    for (uint8_t i = 0; i < 8; i++) {
        ck_assert(udp_peer_recv(&udp, &e.loop));
        ck_assert_uint_eq(udp.bytes[0], i);
    }
    sp_relays_close(e.relays, &relay);
    ck_assert_uint_eq(counted(e.relays).dropped, 0);
    udp_peer_close(&udp);
    server_env_close(&e);
}
END_TEST

static bool has_dropped(void *arg)
{
    return counted(arg).dropped > 0;
}

/* Counted while the relay is there, and once only when it goes. */
START_TEST(what_the_kernel_does_not_take)
{
    const struct sp_addr elsewhere = sp_addr_v4(203, 0, 113, 77, 9); /* not from loopback */
    struct sp_span part = sp_span("x", 1);
    struct server_env e;

    server_env_open(&e, 20000, 29999);
    struct sp_turn_relay relay = must_open(e.relays, &any_port);
    sp_relays_send(relay.relay, &elsewhere, false, &part, 1);
    ck_assert(io_loop_until(&e.loop, has_dropped, e.relays));
    ck_assert_uint_eq(counted(e.relays).dropped, 1);
    sp_relays_close(e.relays, &relay);
    ck_assert_uint_eq(counted(e.relays).dropped, 1);
    server_env_close(&e);
}
END_TEST

START_TEST(check_of_addresses)
{
    struct sp_relay_ip here = {.local = sp_addr_v4(127, 0, 0, 1, 0)};
    struct sp_relay_ip elsewhere = {.local = sp_addr_v4(203, 0, 113, 77, 0)};

    ck_assert_int_eq(sp_relay_ip_check(&here), 0);
    ck_assert_int_eq(sp_relay_ip_check(&elsewhere), SP_ESYS);
    ck_assert_int_eq(errno, EADDRNOTAVAIL);
}
END_TEST

/* What the system has against it is told, and not once for each client that tries. */
START_TEST(system_refuses)
{
    struct sp_log log = {.level = SP_LOG_WARN};
    struct sp_turn_relay relay;
    struct server_env e;
    char text[4096];
    int logs[2];

    ck_assert_int_eq(pipe(logs), 0);
    log.fd = logs[1];
    server_env_open(&e, 0, 0);
    e.env.log = &log;
    struct sp_relays *r = make(&e, "203.0.113.77", "203.0.113.77", 20000, 20100);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(sp_relays_open(r, &any_port, NULL, &relay), SP_EFULL);
    ssize_t n = read(logs[0], text, sizeof text - 1);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_ptr_nonnull(strstr(text, "203.0.113.77"));
    ck_assert_ptr_nonnull(strstr(text, "assign"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + n - 1); /* one line */
    sp_relays_free(r);
    sp_relay_ips_free(ips);
    server_env_close(&e);
    close(logs[0]);
    close(logs[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("relay");
    TCase *tc = tcase_create("relay");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, virtual_ones);
    tcase_add_test(tc, families);
    tcase_add_test(tc, every_port_once);
    tcase_add_test(tc, taken_by_others);
    tcase_add_test(tc, reserved);
    tcase_add_test(tc, both_ways);
    tcase_add_test(tc, dont_fragment);
    tcase_add_test(tc, what_the_kernel_does_not_take);
    tcase_add_test(tc, check_of_addresses);
    tcase_add_test(tc, system_refuses);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
