/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the admin port tells of a worker: every counter there is, under the name it has.
 */
#include "edge_admin.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "sallyport/tunnel.h"
#include "turn_user.h"
#include "worker_rig.h"

#define TEXT_MAX (64 * 1024)

struct rig {
    struct worker_rig r;
    struct sp_edge_view view;
    struct sp_tls_validity certificate;
    struct sp_admin *admin;
    char text[TEXT_MAX];
};

static void open_rig(struct rig *r)
{
    const struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);

    r->certificate = (struct sp_tls_validity){0};
    worker_rig_init(&r->r);
    ck_assert_int_eq(worker_rig_start_crew(&r->r, 3), 0);
    r->view = (struct sp_edge_view){.crew = r->r.crew,
                                    .ticker = &r->r.loop.ticker,
                                    .config = &r->r.wc,
                                    .certificate = &r->certificate,
                                    .start_unix_s = 1700000000};
    ck_assert_int_eq(sp_edge_admin_open(&r->view, NULL, &any, &r->admin), 0);
}

static void close_rig(struct rig *r)
{
    sp_admin_close(r->admin);
    worker_rig_close(&r->r);
}

/* The body that a path has, as a string in r->text. */
static unsigned get(struct rig *r, const char *path)
{
    char request[256];
    struct peer p;

    ck_assert(peer_connect(&p, &r->r.loop, sp_admin_local(r->admin), NULL));
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    peer_say(&p, request);
    unsigned status = peer_answer(&p, r->text, sizeof r->text);
    peer_close(&p);
    const char *body = strstr(r->text, "\r\n\r\n");
    ck_assert_ptr_nonnull(body);
    memmove(r->text, body + 4, strlen(body + 4) + 1);
    return status;
}

/* One client that asks for its address by UDP, so that some counters aren't 0. */
static void bind_by_udp(struct rig *r)
{
    struct sp_addr to = worker_rig_udp(&r->r, "127.0.0.1");
    struct turn_user u;
    struct udp_peer udp;

    udp_peer_open(&udp, "127.0.0.1");
    turn_user_init(&u, "nobody", "", 1);
    udp_peer_send(&udp, &to, turn_user_binding(&u));
    ck_assert(udp_peer_recv(&udp, &r->r.loop));
    udp_peer_close(&udp);
}

START_TEST(healthz)
{
    struct rig r;

    open_rig(&r);
    ck_assert_uint_eq(get(&r, "/healthz"), 200);
    ck_assert_str_eq(r.text, "ok\n");
    ck_assert_uint_eq(get(&r, "/other"), 404);
    close_rig(&r);
}
END_TEST

static void nothing(struct sp_worker *w, void *arg)
{
    (void)w;
    (void)arg;
}

static void drain(struct sp_worker *w, void *arg)
{
    const struct sp_turn_alternates nowhere = {.v4.family = SP_FAMILY_NONE};
    (void)arg;

    sp_worker_drain(w, &nowhere, nothing, NULL);
}

/* A balancer sends nobody here any more. */
START_TEST(healthz_while_draining)
{
    struct rig r;

    open_rig(&r);
    sp_crew_each(r.r.crew, drain, NULL);
    ck_assert_uint_eq(get(&r, "/healthz"), 503);
    ck_assert_str_eq(r.text, "draining\n");
    ck_assert_uint_eq(get(&r, "/metrics"), 200);
    ck_assert_ptr_nonnull(strstr(r.text, "\nsallyport_draining 1\n"));
    close_rig(&r);
}
END_TEST

static size_t count(const char *text, const char *start)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, start)) != NULL; p++)
        n += p == text || p[-1] == '\n';
    return n;
}

/* Structs of nothing but counters: as many samples as fields, so that none can be forgotten. */
START_TEST(metrics)
{
    static const struct {
        const char *prefix;
        size_t n;
    } groups[] = {
        {"sallyport_turn_", sizeof(struct sp_turn_counters)},
        {"sallyport_connections_", sizeof(struct sp_conns_counters)},
        {"sallyport_http_", sizeof(struct sp_http_counters)},
        {"sallyport_tunnels_", offsetof(struct sp_sessions_counters, tunnels)},
        {"sallyport_relays_", sizeof(struct sp_relays_counters)},
        {"sallyport_sockets_",
         sizeof(struct sp_worker_stats) - offsetof(struct sp_worker_stats, accept_pauses)},
        {"sallyport_tunnel_", sizeof(struct sp_tunnel_counters)},
    };
    struct rig r;

    open_rig(&r);
    bind_by_udp(&r);
    ck_assert_uint_eq(get(&r, "/metrics"), 200);
    for (size_t i = 0; i < SP_ARRAY_LEN(groups); i++)
        ck_assert_msg(count(r.text, groups[i].prefix) == groups[i].n / sizeof(uint64_t), "%s: %zu",
                      groups[i].prefix, count(r.text, groups[i].prefix));
    ck_assert_uint_eq(count(r.text, "sallyport_allocations 0\n"), 1);
    ck_assert_uint_eq(count(r.text, "sallyport_turn_binding_requests_total 1\n"), 1);
    ck_assert_uint_eq(count(r.text, "sallyport_sockets_udp_received_datagrams_total 1\n"), 1);
    ck_assert_uint_eq(count(r.text, "# TYPE sallyport_flows gauge\n"), 1);
    ck_assert_uint_eq(count(r.text, "process_start_time_seconds 1700000000\n"), 1);
    ck_assert_uint_eq(count(r.text, "sallyport_build_info{version="), 1);
    close_rig(&r);
}
END_TEST

START_TEST(certificate)
{
    struct rig r;

    open_rig(&r);
    ck_assert_uint_eq(get(&r, "/metrics"), 200);
    ck_assert_uint_eq(count(r.text, "sallyport_certificate_"), 0); /* there is none */
    ck_assert_uint_eq(get(&r, "/status"), 200);
    ck_assert_ptr_nonnull(strstr(r.text, "\"certificate\": null"));
    r.certificate = (struct sp_tls_validity){
        .from_s = 1700000000, .until_s = 1800000000, .from = "2023-11-14", .until = "2027-01-15"};
    ck_assert_uint_eq(get(&r, "/metrics"), 200);
    ck_assert_uint_eq(count(r.text, "sallyport_certificate_end_timestamp_seconds 1800000000\n"), 1);
    ck_assert_uint_eq(get(&r, "/status"), 200);
    json_t *o = json_loads(r.text, 0, NULL);
    const json_t *c = json_object_get(o, "certificate");
    ck_assert_str_eq(json_string_value(json_object_get(c, "from")), "2023-11-14");
    ck_assert_str_eq(json_string_value(json_object_get(c, "until")), "2027-01-15");
    ck_assert_int_eq(json_integer_value(json_object_get(c, "until_unix")), 1800000000);
    json_decref(o);
    close_rig(&r);
}
END_TEST

START_TEST(status)
{
    struct rig r;

    open_rig(&r);
    bind_by_udp(&r);
    ck_assert_uint_eq(get(&r, "/status"), 200);
    json_t *o = json_loads(r.text, 0, NULL);
    ck_assert_ptr_nonnull(o);
    ck_assert_ptr_nonnull(json_string_value(json_object_get(o, "version")));
    ck_assert_ptr_nonnull(json_string_value(json_object_get(o, "crypto")));
    ck_assert(json_is_integer(json_object_get(json_object_get(o, "now"), "tunnels")));
    const json_t *counters = json_object_get(o, "counters");
    ck_assert_uint_eq(json_object_size(counters), 14);
    const json_t *turn = json_object_get(counters, "turn");
    ck_assert_uint_eq(json_object_size(turn), sizeof(struct sp_turn_counters) / sizeof(uint64_t));
    ck_assert_int_eq(json_integer_value(json_object_get(turn, "binding_requests")), 1);
    json_decref(o);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("edge_admin");
    TCase *tc = tcase_create("edge_admin");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, healthz);
    tcase_add_test(tc, healthz_while_draining);
    tcase_add_test(tc, metrics);
    tcase_add_test(tc, certificate);
    tcase_add_test(tc, status);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
