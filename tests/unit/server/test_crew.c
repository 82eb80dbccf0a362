/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several workers, each in a thread of its own, as clients meet them: what one of them knows all of
 * them do, and bounds hold for all of them together.
 */
#include "crew.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway_end.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "server_env.h"
#include "turn_user.h"
#include "worker_rig.h"

#define WORKERS 2
#define MANY    24 /* of those, all come to the same worker once in a few million times */

static struct worker_rig r;

static void setup(void)
{
    worker_rig_init(&r);
}

static void with_sockets(void)
{
    r.ip.local = r.ip.public_ = sp_addr_v4(127, 0, 0, 1, 0);
    r.wc.min_port = 20000;
    r.wc.max_port = 29999;
}

static void start(void)
{
    ck_assert_msg(worker_rig_start_crew(&r, WORKERS) == 0, "%s", r.why);
}

static void teardown(void)
{
    worker_rig_close(&r);
}

/* --- clients by UDP ------------------------------------------------------------------------- */

struct client {
    struct turn_user user;
    struct udp_peer udp;
    int code; /* of the answer to its Allocate */
};

static struct client clients[MANY];

static int ask(struct client *c, struct sp_span request)
{
    struct sp_addr server = worker_rig_udp(&r, "127.0.0.1");

    udp_peer_send(&c->udp, &server, request);
    ck_assert_msg(udp_peer_recv(&c->udp, &r.loop), "no answer");
    return turn_user_take(&c->user, sp_span(c->udp.bytes, c->udp.len));
}

static void come(struct client *c)
{
    turn_user_init(&c->user, SERVER_ENV_USER, SERVER_ENV_PASSWORD, (uint32_t)(c - clients) + 1);
    udp_peer_open(&c->udp, "127.0.0.1");
    ck_assert_int_eq(ask(c, turn_user_allocate(&c->user)), 401);
}

static int worker_of(const struct client *c)
{
    return sp_relay_ips_owner(r.relay_ips, &c->user.relayed);
}

/* Whoever has no allocation is answered with `otherwise`. */
static size_t allocate_many(int otherwise)
{
    size_t n = 0;

    for (size_t i = 0; i < MANY; i++) {
        struct client *c = &clients[i];
        come(c);
        c->code = ask(c, turn_user_allocate(&c->user));
        ck_assert(c->code == 0 || c->code == otherwise);
        n += c->code == 0;
    }
    return n;
}

static void go(void)
{
    for (size_t i = 0; i < MANY; i++)
        udp_peer_close(&clients[i].udp);
}

static bool at_both_workers(void)
{
    bool at[WORKERS] = {false};

    for (size_t i = 0; i < MANY; i++)
        if (clients[i].code == 0)
            at[worker_of(&clients[i])] = true;
    return at[0] && at[1];
}

/* --- ports that are reserved ---------------------------------------------------------------- */

static bool is_bound(const struct sp_addr *a)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(a, false, &ss);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool is = bind(fd, (struct sockaddr *)&ss, len) != 0;

    close(fd);
    return is;
}

/* What one reserves all may claim: at whichever worker they are. */
static void claim_everywhere(void)
{
    struct client *owner = &clients[0];
    bool claimed[WORKERS] = {false};

    start();
    for (size_t i = 1; i < MANY; i++) {
        struct client *c = &clients[i];
        come(owner);
        ck_assert_int_eq(ask(owner, turn_user_allocate_pair(&owner->user)), 0);
        ck_assert(owner->user.has_token);
        struct sp_addr reserved = owner->user.relayed;
        reserved.port++;
        ck_assert_int_eq(sp_relay_ips_owner(r.relay_ips, &reserved), worker_of(owner));
        come(c);
        memcpy(c->user.token, owner->user.token, sizeof c->user.token);
        c->user.has_token = true;
        ck_assert(r.wc.min_port == 0 || is_bound(&reserved));
        ck_assert_int_eq(ask(c, turn_user_allocate(&c->user)), 0);
        ck_assert(sp_addr_eq(&c->user.relayed, &reserved));
        ck_assert(r.wc.min_port == 0 || is_bound(&reserved));
        claimed[worker_of(owner) != worker_of(c)] = true;
        /* It relays there: to the one who reserved it. */
        ck_assert_int_eq(ask(c, turn_user_permit(&c->user, &owner->user.relayed)), 0);
        ck_assert_int_eq(ask(owner, turn_user_permit(&owner->user, &reserved)), 0);
        struct sp_addr server = worker_rig_udp(&r, "127.0.0.1"), from;
        struct sp_span data;
        udp_peer_send(&owner->udp, &server,
                      turn_user_send(&owner->user, &reserved, sp_span_str("media")));
        ck_assert(udp_peer_recv(&c->udp, &r.loop));
        ck_assert(turn_user_is_data(sp_span(c->udp.bytes, c->udp.len), &from, &data));
        ck_assert(sp_addr_eq(&from, &owner->user.relayed));
        /* And once only. */
        ck_assert_int_eq(ask(c, turn_user_refresh(&c->user, 0)), 0);
        ck_assert_int_eq(ask(c, turn_user_allocate(&c->user)), 508);
        ck_assert(r.wc.min_port == 0 || !is_bound(&reserved));
        ck_assert_int_eq(ask(owner, turn_user_refresh(&owner->user, 0)), 0);
        udp_peer_close(&owner->udp);
        udp_peer_close(&c->udp);
    }
    ck_assert(claimed[0] && claimed[1]);
    ck_assert_uint_eq(worker_rig_stats(&r).allocations, 0);
}

START_TEST(reserved_ports)
{
    with_sockets();
    claim_everywhere();
}
END_TEST

START_TEST(reserved_virtual_ports)
{
    claim_everywhere();
}
END_TEST

/* Nobody comes for it. */
START_TEST(reserved_until_the_end)
{
    struct client *c = &clients[0];

    with_sockets();
    start();
    come(c);
    ck_assert_int_eq(ask(c, turn_user_allocate_pair(&c->user)), 0);
    struct sp_addr reserved = c->user.relayed;
    reserved.port++;
    ck_assert(is_bound(&reserved));
    udp_peer_close(&c->udp);
    worker_rig_stop(&r);
    sp_relay_ips_free(r.relay_ips);
    r.relay_ips = NULL;
    ck_assert(!is_bound(&reserved));
}
END_TEST

/* --- bounds of TURN ------------------------------------------------------------------------- */

START_TEST(allocations)
{
    r.wc.bounds.allocations = 9;
    start();
    ck_assert_uint_eq(allocate_many(508), 9);
    ck_assert(at_both_workers());
    ck_assert_uint_eq(worker_rig_stats(&r).allocations, 9);
    ck_assert_uint_eq(worker_rig_stats(&r).bounds.allocations, MANY - 9);
    /* What ends at one worker makes room at the other. */
    ck_assert_int_eq(ask(&clients[0], turn_user_refresh(&clients[0].user, 0)), 0);
    for (size_t i = MANY - 5, n = 0; i < MANY; i++) {
        int code = ask(&clients[i], turn_user_allocate(&clients[i].user));
        ck_assert_int_eq(code, n++ == 0 ? 0 : 508);
    }
    go();
}
END_TEST

START_TEST(allocations_of_a_user)
{
    r.wc.bounds.user_allocations = 9;
    start();
    ck_assert_uint_eq(allocate_many(486), 9);
    ck_assert(at_both_workers());
    ck_assert_uint_eq(worker_rig_stats(&r).bounds.user_allocations, MANY - 9);
    go();
}
END_TEST

/* In the time that it takes no more leave than bucket and pace allow, however many ports ask. */
START_TEST(answers_to_strangers)
{
    struct sp_addr server;
    uint64_t from_us = sp_clock_us();
    unsigned answered = 0;

    r.wc.bounds.answers_per_s = 20;
    start();
    server = worker_rig_udp(&r, "127.0.0.1");
    for (size_t i = 0; i < MANY; i++) {
        struct client *c = &clients[i];
        turn_user_init(&c->user, "", "", (uint32_t)i + 1);
        udp_peer_open(&c->udp, "127.0.0.1");
        for (int k = 0; k < 5; k++)
            udp_peer_send(&c->udp, &server, turn_user_binding(&c->user));
    }
    io_loop_for(&r.loop, 100);
    for (size_t i = 0; i < MANY; i++)
        while (recv(clients[i].udp.fd, clients[i].udp.bytes, 1, MSG_DONTWAIT) >= 0)
            answered++;
    uint64_t took_us = sp_clock_us() - from_us;
    ck_assert_uint_ge(answered, 20);
    ck_assert_uint_le(answered, 20 + 20 * took_us / SP_SEC(1) + 1);
    ck_assert_uint_eq(worker_rig_stats(&r).bounds.answers_per_s, MANY * 5 - answered);
    go();
}
END_TEST

/* --- bounds of strangers -------------------------------------------------------------------- */

static int dial(uint8_t last)
{
    struct sp_addr from = sp_addr_v4(127, 0, 0, last, 0);
    struct sockaddr_storage ss;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sp_addr_to_sockaddr(&from, false, &ss);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
    len = sp_addr_to_sockaddr(worker_rig_tcp(&r), false, &ss);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
    return fd;
}

static bool all_accepted(void *arg)
{
    (void)arg;
    return worker_rig_stats(&r).conns.accepted == MANY;
}

static size_t open_and_close(int fds[static MANY])
{
    size_t open = 0;
    char c;

    for (size_t i = 0; i < MANY; i++) {
        open += recv(fds[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
        close(fds[i]);
    }
    return open;
}

/* A quarter of all places for one address, wherever its connections come. */
START_TEST(strangers_of_an_address)
{
    int fds[MANY];

    r.wc.bounds.strangers = 32;
    r.wc.bounds.strangers_per_address = 5;
    start();
    for (size_t i = 0; i < MANY; i++)
        fds[i] = dial(1);
    ck_assert(io_loop_until(&r.loop, all_accepted, NULL));
    ck_assert_uint_eq(worker_rig_stats(&r).bounds.strangers_per_address, MANY - 5);
    ck_assert_uint_eq(open_and_close(fds), 5);
}
END_TEST

/* Each worker has half of the places: of many strangers about as many stay. */
START_TEST(strangers)
{
    int fds[MANY];

    r.wc.bounds.strangers = 8;
    start();
    for (size_t i = 0; i < MANY; i++)
        fds[i] = dial((uint8_t)(1 + i));
    ck_assert(io_loop_until(&r.loop, all_accepted, NULL));
    uint64_t out = worker_rig_stats(&r).bounds.strangers;
    ck_assert_uint_ge(out, MANY - 8);
    ck_assert_uint_eq(open_and_close(fds), MANY - out);
}
END_TEST

/* --- bounds of tunnels ---------------------------------------------------------------------- */

#define GATEWAYS 12

static struct gateway_end gateways[GATEWAYS];

static unsigned join(size_t i, const char *subject, unsigned lane)
{
    char token[SP_TOKEN_MAX + 1];

    server_env_token(subject, SP_TOKEN_SCOPE_TUNNEL, 60, token);
    return gateway_end_join(&gateways[i], worker_rig_tcp(&r), r.client, token, lane);
}

/* How many get a tunnel; the others are told to come again. */
static size_t join_all(const char *names[static GATEWAYS])
{
    size_t n = 0;

    for (size_t i = 0; i < GATEWAYS; i++) {
        gateway_end_init(&gateways[i], &r.loop);
        unsigned status = join(i, names[i], 0);
        ck_assert(status == 101 || status == 503);
        n += status == 101;
    }
    return n;
}

static void leave_all(void)
{
    for (size_t i = 0; i < GATEWAYS; i++)
        gateway_end_fini(&gateways[i]);
}

static const char *office[GATEWAYS] = {"office", "office", "office", "office", "office", "office",
                                       "office", "office", "office", "office", "office", "office"};

START_TEST(tunnels)
{
    const char *names[GATEWAYS] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};

    r.wc.bounds.tunnels = 4;
    start();
    ck_assert_uint_eq(join_all(names), 4);
    ck_assert_uint_eq(worker_rig_stats(&r).bounds.tunnels, GATEWAYS - 4);
    ck_assert_uint_eq(worker_rig_stats(&r).tunnels, 4);
    leave_all();
}
END_TEST

START_TEST(tunnels_of_a_subject)
{
    r.wc.bounds.subject_tunnels = 4;
    start();
    ck_assert_uint_eq(join_all(office), 4);
    ck_assert_uint_eq(worker_rig_stats(&r).bounds.subject_tunnels, GATEWAYS - 4);
    leave_all();
}
END_TEST

static bool lanes_are_gone(void *arg)
{
    (void)arg;
    return worker_rig_stats(&r).lanes == 0;
}

/* As many as it may have; when they have ended, as many again. */
START_TEST(lanes_of_a_subject)
{
    r.wc.bounds.subject_lanes = GATEWAYS + 3;
    start();
    for (int round = 0; round < 2; round++) {
        size_t n = 0;
        ck_assert_uint_eq(join_all(office), GATEWAYS);
        for (size_t i = 0; i < GATEWAYS; i++) {
            unsigned status = join(i, "office", 1);
            ck_assert(status == 101 || status == 503);
            n += status == 101;
        }
        ck_assert_uint_eq(n, 3);
        ck_assert_uint_eq(worker_rig_stats(&r).bounds.subject_lanes,
                          (uint64_t)(round + 1) * (GATEWAYS - 3));
        leave_all();
        ck_assert(io_loop_until(&r.loop, lanes_are_gone, NULL));
    }
}
END_TEST

static uint64_t wanted_flows;

static bool flows_are_there(void *arg)
{
    const struct sp_worker_stats s = worker_rig_stats(&r);
    (void)arg;
    return s.flows == wanted_flows && s.bounds.subject_flows == GATEWAYS - wanted_flows;
}

START_TEST(flows_of_a_subject)
{
    r.wc.bounds.subject_flows = wanted_flows = 5;
    start();
    ck_assert_uint_eq(join_all(office), GATEWAYS);
    for (size_t i = 0; i < GATEWAYS; i++) {
        struct turn_user u;
        turn_user_init(&u, "", "", (uint32_t)i + 1);
        gateway_end_send(&gateways[i], gateway_end_flow(&gateways[i]), turn_user_binding(&u));
    }
    ck_assert(io_loop_until(&r.loop, flows_are_there, NULL));
    leave_all();
}
END_TEST

/* In the time that it takes no more than bucket and pace allow. */
START_TEST(handshakes_of_a_subject)
{
    uint64_t from_us = sp_clock_us();

    r.wc.bounds.subject_handshakes = 4;
    start();
    size_t n = join_all(office);
    uint64_t took_us = sp_clock_us() - from_us;
    ck_assert_uint_ge(n, 4);
    ck_assert_uint_le(n, 1 + 4 + 4 * took_us / SP_SEC(1) + 1); /* nobody knows the first one */
    ck_assert_uint_eq(worker_rig_stats(&r).bounds.subject_handshakes, GATEWAYS - n);
    leave_all();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("crew");
    TCase *tc = tcase_create("crew");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, reserved_ports);
    tcase_add_test(tc, reserved_virtual_ports);
    tcase_add_test(tc, reserved_until_the_end);
    tcase_add_test(tc, allocations);
    tcase_add_test(tc, allocations_of_a_user);
    tcase_add_test(tc, answers_to_strangers);
    tcase_add_test(tc, strangers_of_an_address);
    tcase_add_test(tc, strangers);
    tcase_add_test(tc, tunnels);
    tcase_add_test(tc, tunnels_of_a_subject);
    tcase_add_test(tc, lanes_of_a_subject);
    tcase_add_test(tc, flows_of_a_subject);
    tcase_add_test(tc, handshakes_of_a_subject);
    suite_add_tcase(s, tc);

    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
