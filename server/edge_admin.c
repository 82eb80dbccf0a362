/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge_admin.h"

#include <jansson.h>

#include "metrics.h"
#include "sallyport/crypto.h"
#include "sallyport/prometheus.h"

#define LISTED_MAX 64 /* in one answer */

static void add_stats(struct sp_worker *w, void *arg)
{
    struct sp_worker_stats one;

    sp_worker_stats(w, &one);
    sp_server_stats_add(arg, &one);
}

/* Of all workers together. */
static void stats(const struct sp_edge_view *v, struct sp_worker_stats *out)
{
    *out = (struct sp_worker_stats){.allocations = 0};
    sp_crew_each(v->crew, add_stats, out);
}

static void healthz(struct sp_admin_reply *r, void *arg)
{
    const struct sp_edge_view *v = arg;
    struct sp_worker_stats s;

    stats(v, &s);
    if (s.draining)
        r->status = 503; /* a balancer sends nobody here any more */
    sp_admin_put(r, s.draining ? "draining\n" : "ok\n");
}

/* For an alert before browsers refuse it. Left out where there is none. */
static void put_certificate(struct sp_prometheus *p, const struct sp_tls_validity *v)
{
    const struct sp_sample s = {SP_IS_GAUGE, "certificate_end_timestamp_seconds", NULL,
                                "When the certificate that is served ends, in seconds since 1970."};

    if (v->until_s != 0)
        sp_prometheus_sample(p, &s, v->until_s);
}

static void metrics(struct sp_admin_reply *r, void *arg)
{
    const struct sp_edge_view *v = arg;
    struct sp_worker_stats s;
    struct sp_prometheus p;
    size_t n_groups, n_tunnel;
    const struct sp_counter_group *groups = sp_server_metrics(&n_groups);
    const struct sp_counter *tunnel = sp_tunnel_counter_table(&n_tunnel);

    stats(v, &s);
    r->type = SP_PROMETHEUS_TYPE;
    sp_prometheus_init(&p, &r->body);
    sp_prometheus_build_info(&p);
    put_certificate(&p, v->certificate);
    sp_prometheus_groups(&p, groups, n_groups, &s);
    sp_prometheus_table(&p, tunnel, n_tunnel, &s.sessions.tunnels);
    sp_prometheus_process(&p, v->start_unix_s);
    r->failed = p.failed;
}

/* --- /status -------------------------------------------------------------------------------- */

static json_t *json_listen(const struct sp_edge_view *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->config->n_listen; i++)
        json_array_append_new(list, json_pack("{s:s, s:o}", "transport", "tcp", "address",
                                              sp_admin_json_addr(sp_crew_listen(v->crew, i))));
    for (size_t i = 0; i < v->config->n_listen_udp; i++)
        json_array_append_new(list, json_pack("{s:s, s:o}", "transport", "udp", "address",
                                              sp_admin_json_addr(sp_crew_listen_udp(v->crew, i))));
    return list;
}

static json_t *json_relays(const struct sp_edge_view *v)
{
    char local[SP_ADDR_STRLEN], public_[SP_ADDR_STRLEN];
    json_t *list = json_array();

    for (size_t i = 0; i < v->config->n_relay_ips; i++) {
        const struct sp_relay_ip *ip = &v->config->relay_ips[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:i, s:i}", "local", sp_addr_format_ip(&ip->local, local),
                            "public", sp_addr_format_ip(&ip->public_, public_), "min_port",
                            (int)v->config->min_port, "max_port", (int)v->config->max_port));
    }
    return list;
}

static json_t *json_certificate(const struct sp_tls_validity *v)
{
    if (v->until_s == 0)
        return json_null();
    return json_pack("{s:s, s:s, s:I}", "from", v->from, "until", v->until, "until_unix",
                     (json_int_t)v->until_s);
}

static json_t *json_lanes(const struct sp_tunnel *t)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < SP_LANES_MAX; i++) {
        const struct sp_lane *l = sp_tunnel_lane(t, i);
        if (l != NULL)
            json_array_append_new(list, json_pack("{s:i, s:I, s:b}", "lane", (int)i, "rtt_us",
                                                  (json_int_t)sp_lane_rtt_us(l), "suspect",
                                                  sp_lane_is_suspect(l)));
    }
    return list;
}

static json_t *json_tunnel(const struct sp_session *s, uint64_t now_us)
{
    struct sp_session_view t;
    size_t n;
    const struct sp_counter *table = sp_tunnel_counter_table(&n);

    sp_session_view(s, &t);
    return json_pack("{s:s, s:o, s:I, s:b, s:I, s:o, s:o}", "subject", t.subject, "gateway",
                     sp_admin_json_addr(t.gateway), "age_seconds",
                     (json_int_t)((now_us - t.opened_us) / 1000000), "leaving", t.leaving, "flows",
                     (json_int_t)sp_tunnel_flow_count(t.tunnel), "lanes", json_lanes(t.tunnel),
                     "counters", sp_admin_json_table(table, n, sp_tunnel_counters(t.tunnel)));
}

struct listed {
    json_t *list;
    size_t n;
};

/* Not more than an answer holds: who wants all of thousands reads the log. */
static void add_tunnels(struct sp_worker *w, void *arg)
{
    const struct sp_sessions *all = sp_worker_sessions(w);
    uint64_t now_us = sp_ticker_now(sp_worker_ticker(w));
    const struct sp_session *s = NULL;
    struct listed *t = arg;

    for (; t->n < LISTED_MAX && (s = sp_sessions_next(all, s)) != NULL; t->n++)
        json_array_append_new(t->list, json_tunnel(s, now_us));
}

/* Fragments and ids are for the ends alone. */
static json_t *json_end(const struct sp_rdv_end_view *e)
{
    return json_pack("{s:b, s:s, s:s, s:i, s:i, s:I, s:I, s:I}", "joined", e->joined, "gateway",
                     e->gateway, "way", e->way, "paths", (int)e->paths, "unproven",
                     (int)e->unproven, "idle_seconds", (json_int_t)(e->idle_us / 1000000),
                     "datagrams", (json_int_t)e->datagrams_in, "bytes", (json_int_t)e->bytes_in);
}

static void add_rendezvous(struct sp_worker *w, void *arg)
{
    const struct sp_rdv *all = sp_ends_registry(sp_worker_ends(w));
    uint64_t now_us = sp_ticker_now(sp_worker_ticker(w));
    struct sp_rdv_session *s = NULL;
    struct listed *t = arg;
    struct sp_rdv_view v;

    while (t->n < LISTED_MAX && (s = sp_rdv_next(all, s)) != NULL) {
        sp_rdv_view(s, now_us, &v);
        json_array_append_new(t->list, json_pack("{s:s, s:I, s:b, s:b, s:[o, o]}", "subject",
                                                 v.subject, "age_seconds",
                                                 (json_int_t)((now_us - v.created_us) / 1000000),
                                                 "early", v.early, "connected", v.connected, "ends",
                                                 json_end(&v.ends[0]), json_end(&v.ends[1])));
        t->n++;
    }
}

static json_t *json_rendezvous(const struct sp_edge_view *v)
{
    struct listed t = {.list = json_array()};

    sp_crew_each(v->crew, add_rendezvous, &t);
    return t.list;
}

static json_t *json_tunnels(const struct sp_edge_view *v)
{
    struct listed t = {.list = json_array()};

    sp_crew_each(v->crew, add_tunnels, &t);
    return t.list;
}

static void status(struct sp_admin_reply *r, void *arg)
{
    const struct sp_edge_view *v = arg;
    struct sp_worker_stats s;
    size_t n_groups, n_tunnel;
    const struct sp_counter_group *groups = sp_server_metrics(&n_groups);
    const struct sp_counter *tunnel = sp_tunnel_counter_table(&n_tunnel);
    uint64_t now_us = sp_ticker_now(v->ticker);

    stats(v, &s);
    json_t *root = json_pack("{s:s, s:s, s:I, s:I}", "version", SALLYPORT_VERSION, "crypto",
                             sp_crypto_describe(), "started_unix", (json_int_t)v->start_unix_s,
                             "uptime_seconds", (json_int_t)((now_us - v->start_us) / 1000000));
    json_t *counters = sp_admin_json_groups(groups + 1, n_groups - 1, &s);
    json_object_set_new(counters, "tunnel",
                        sp_admin_json_table(tunnel, n_tunnel, &s.sessions.tunnels));
    json_object_set_new(root, "listen", json_listen(v));
    json_object_set_new(root, "relays", json_relays(v));
    json_object_set_new(root, "certificate", json_certificate(v->certificate));
    json_object_set_new(root, "now", sp_admin_json_table(groups[0].table, groups[0].n, &s));
    json_object_set_new(root, "tunnels", json_tunnels(v));
    json_object_set_new(root, "sessions", json_rendezvous(v));
    json_object_set_new(root, "counters", counters);
    sp_admin_put_json(r, root);
}

static const struct sp_admin_route routes[] = {
    {"/healthz", healthz},
    {"/metrics", metrics},
    {"/status", status},
};

int sp_edge_admin_open(struct sp_edge_view *v, const struct sp_log *log, const struct sp_addr *addr,
                       struct sp_admin **out)
{
    v->start_us = sp_ticker_now(v->ticker);
    return sp_admin_open(v->ticker, log, addr, routes, SP_ARRAY_LEN(routes), v, out);
}
