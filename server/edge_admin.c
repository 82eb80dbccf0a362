/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge_admin.h"

#include <jansson.h>

#include "metrics.h"
#include "sallyport/crypto.h"
#include "sallyport/prometheus.h"

static void healthz(struct sp_admin_reply *r, void *arg)
{
    (void)arg;
    sp_admin_put(r, "ok\n");
}

static void metrics(struct sp_admin_reply *r, void *arg)
{
    const struct sp_edge_view *v = arg;
    struct sp_worker_stats s;
    struct sp_prometheus p;
    size_t n_groups, n_tunnel;
    const struct sp_counter_group *groups = sp_server_metrics(&n_groups);
    const struct sp_counter *tunnel = sp_tunnel_counter_table(&n_tunnel);

    sp_worker_stats(v->worker, &s);
    r->type = SP_PROMETHEUS_TYPE;
    sp_prometheus_init(&p, &r->body);
    sp_prometheus_build_info(&p);
    sp_prometheus_groups(&p, groups, n_groups, &s);
    sp_prometheus_table(&p, tunnel, n_tunnel, &s.sessions.tunnels);
    sp_prometheus_process(&p, v->start_unix_s);
    r->failed = p.failed;
}

static void status(struct sp_admin_reply *r, void *arg)
{
    const struct sp_edge_view *v = arg;
    struct sp_worker_stats s;
    size_t n_groups, n_tunnel;
    const struct sp_counter_group *groups = sp_server_metrics(&n_groups);
    const struct sp_counter *tunnel = sp_tunnel_counter_table(&n_tunnel);

    sp_worker_stats(v->worker, &s);
    json_t *counters = sp_admin_json_groups(groups + 1, n_groups - 1, &s);
    json_object_set_new(counters, "tunnel",
                        sp_admin_json_table(tunnel, n_tunnel, &s.sessions.tunnels));
    sp_admin_put_json(r, json_pack("{s:s, s:s, s:o, s:o}", "version", SALLYPORT_VERSION, "crypto",
                                   sp_crypto_describe(), "now",
                                   sp_admin_json_table(groups[0].table, groups[0].n, &s),
                                   "counters", counters));
}

static const struct sp_admin_route routes[] = {
    {"/healthz", healthz},
    {"/metrics", metrics},
    {"/status", status},
};

int sp_edge_admin_open(struct sp_edge_view *v, const struct sp_log *log, const struct sp_addr *addr,
                       struct sp_admin **out)
{
    return sp_admin_open(sp_worker_ticker(v->worker), log, addr, routes, SP_ARRAY_LEN(routes), v,
                         out);
}
