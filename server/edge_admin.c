/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge_admin.h"

#include <jansson.h>

#include "sallyport/crypto.h"

#define TURN(f)    SP_COUNTER(struct sp_turn_counters, f)
#define CONN(f)    SP_COUNTER(struct sp_conns_counters, f)
#define HTTP(f)    SP_COUNTER(struct sp_http_counters, f)
#define SESSION(f) SP_COUNTER(struct sp_sessions_counters, f)
#define RELAY(f)   SP_COUNTER(struct sp_relays_counters, f)
#define WORKER(f)  SP_COUNTER(struct sp_worker_stats, f)

static const struct sp_counter turn[] = {
    TURN(binding_requests),      TURN(allocations),
    TURN(allocation_errors),     TURN(malformed),
    TURN(auth_errors),           TURN(unknown_method),
    TURN(challenges_limited),    TURN(unanswered),
    TURN(from_client_datagrams), TURN(from_client_bytes),
    TURN(to_client_datagrams),   TURN(to_client_bytes),
    TURN(from_peer_datagrams),   TURN(from_peer_bytes),
    TURN(to_peer_datagrams),     TURN(to_peer_bytes),
    TURN(hairpin_datagrams),     TURN(hairpin_bytes),
    TURN(dropped_no_permission), TURN(dropped_no_allocation),
    TURN(dropped_no_channel),    TURN(dropped_denied_peer),
    TURN(dropped_virtual),       TURN(dropped_too_big),
};
static const struct sp_counter conns[] = {
    CONN(accepted), CONN(tls_failed), CONN(timed_out), CONN(pushed_out),
    CONN(crowded),  CONN(turn),       CONN(http),      CONN(unknown),
};
static const struct sp_counter http[] = {
    HTTP(requests),  HTTP(malformed),  HTTP(upgrades), HTTP(upgrades_refused),
    HTTP(timed_out), HTTP(pushed_out), HTTP(crowded),
};
static const struct sp_counter sessions[] = {
    SESSION(opened),
    SESSION(ended),
    SESSION(refused),
    SESSION(lanes),
};
static const struct sp_counter relays[] = {
    RELAY(opened),
    RELAY(refused),
    RELAY(dropped),
};
static const struct sp_counter sockets[] = {
    WORKER(accept_pauses),   WORKER(udp_received), WORKER(udp_sent),     WORKER(udp_dropped),
    WORKER(turn_pushed_out), WORKER(turn_crowded), WORKER(turn_dropped),
};

/* Every struct of counters, and where it lies in a worker's. */
static const struct group {
    const char *name;
    const struct sp_counter *table;
    size_t n, offset;
} groups[] = {
    {"turn", turn, SP_ARRAY_LEN(turn), offsetof(struct sp_worker_stats, turn)},
    {"connections", conns, SP_ARRAY_LEN(conns), offsetof(struct sp_worker_stats, conns)},
    {"http", http, SP_ARRAY_LEN(http), offsetof(struct sp_worker_stats, http)},
    {"tunnels", sessions, SP_ARRAY_LEN(sessions), offsetof(struct sp_worker_stats, sessions)},
    {"relays", relays, SP_ARRAY_LEN(relays), offsetof(struct sp_worker_stats, relays)},
    {"sockets", sockets, SP_ARRAY_LEN(sockets), 0},
};

static const void *part_of(const struct sp_worker_stats *s, size_t offset)
{
    return (const char *)s + offset;
}

static void healthz(struct sp_admin_reply *r, void *arg)
{
    (void)arg;
    sp_admin_put(r, "ok\n");
}

static void metrics(struct sp_admin_reply *r, void *arg)
{
    struct sp_worker_stats s;
    size_t n;
    const struct sp_counter *tunnel = sp_tunnel_counter_table(&n);

    sp_worker_stats(arg, &s);
    sp_admin_metric(r, "gauge", "sallyport_allocations", "TURN allocations there are", NULL,
                    s.allocations);
    sp_admin_metric(r, "gauge", "sallyport_tunnels", "tunnels there are", NULL, s.tunnels);
    sp_admin_metric(r, "gauge", "sallyport_lanes", "lanes of these tunnels", NULL, s.lanes);
    sp_admin_metric(r, "gauge", "sallyport_flows", "flows of these tunnels", NULL, s.flows);
    for (size_t i = 0; i < SP_ARRAY_LEN(groups); i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "sallyport_%s_", groups[i].name);
        sp_admin_counters(r, prefix, groups[i].table, groups[i].n, part_of(&s, groups[i].offset));
    }
    sp_admin_counters(r, "sallyport_tunnel_", tunnel, n, &s.sessions.tunnels);
}

static void status(struct sp_admin_reply *r, void *arg)
{
    struct sp_worker_stats s;
    size_t n;
    const struct sp_counter *tunnel = sp_tunnel_counter_table(&n);

    sp_worker_stats(arg, &s);
    json_t *root = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "version", SALLYPORT_VERSION,
                             "crypto", sp_crypto_describe(), "allocations",
                             (json_int_t)s.allocations, "tunnels", (json_int_t)s.tunnels, "lanes",
                             (json_int_t)s.lanes, "flows", (json_int_t)s.flows);
    json_t *counters = json_object();
    for (size_t i = 0; i < SP_ARRAY_LEN(groups); i++)
        json_object_set_new(
            counters, groups[i].name,
            sp_admin_json_counters(groups[i].table, groups[i].n, part_of(&s, groups[i].offset)));
    json_object_set_new(counters, "tunnel", sp_admin_json_counters(tunnel, n, &s.sessions.tunnels));
    json_object_set_new(root, "counters", counters);
    sp_admin_put_json(r, root);
}

static const struct sp_admin_route routes[] = {
    {"/healthz", healthz},
    {"/metrics", metrics},
    {"/status", status},
};

int sp_edge_admin_open(struct sp_worker *w, const struct sp_log *log, const struct sp_addr *addr,
                       struct sp_admin **out)
{
    return sp_admin_open(sp_worker_ticker(w), log, addr, routes, SP_ARRAY_LEN(routes), w, out);
}
