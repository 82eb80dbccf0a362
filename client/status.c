/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status.h"

#include <jansson.h>
#include <stdio.h>

#include "metrics.h"
#include "sallyport/control.h"
#include "sallyport/crypto.h"
#include "sallyport/prometheus.h"

/* "up": datagrams flow; "away": its lanes are gone, and it is looked for; "none": never made. */
static const char *state_of(const struct sp_uplink *u)
{
    if (sp_uplink_is_up(u))
        return "up";
    return sp_uplink_server(u) != NULL ? "away" : "none";
}

static void look(const struct sp_status *s, struct sp_client_stats *out)
{
    struct sp_tunnel *t = sp_links_tunnel(s->links);

    *out = (struct sp_client_stats){.tunnel_up = sp_uplink_is_up(sp_links_uplink(s->links)),
                                    .lanes = sp_tunnel_lane_count(t),
                                    .flows = sp_tunnel_flow_count(t),
                                    .draining_tunnels = sp_links_draining(s->links),
                                    .draining_flows = sp_links_draining_flows(s->links),
                                    .clients = sp_local_client_count(s->local),
                                    .session_ports = sp_lan_ports_count(s->lan_ports),
                                    .sessions = *sp_lan_ports_counters(s->lan_ports),
                                    .local = *sp_local_counters(s->local)};
    sp_links_counters(s->links, &out->tunnel, &out->uplink);
}

static void healthz(struct sp_admin_reply *r, void *arg)
{
    const struct sp_status *s = arg;
    const struct sp_uplink *u = sp_links_uplink(s->links);

    if (!sp_uplink_is_up(u))
        r->status = 503;
    sp_admin_put(r, "tunnel %s\n", state_of(u));
}

/* --- /metrics ------------------------------------------------------------------------------- */

/* One sample for each lane there is. */
static void rtt_metric(struct sp_prometheus *p, const struct sp_status *s)
{
    char label[32];
    const struct sp_sample sample = {SP_IS_GAUGE, "lane_rtt_seconds", label,
                                     "Round trip of a lane, as TCP measures it."};

    for (unsigned i = 0; i < SP_LANES_MAX; i++) {
        const struct sp_lane *l = sp_tunnel_lane(sp_links_tunnel(s->links), i);
        if (l == NULL)
            continue;
        snprintf(label, sizeof label, "lane=\"%u\"", i);
        sp_prometheus_seconds(p, &sample, sp_lane_rtt_us(l));
    }
}

static void suspect_metric(struct sp_prometheus *p, const struct sp_status *s)
{
    char label[32];
    const struct sp_sample sample = {SP_IS_GAUGE, "lane_suspect", label,
                                     "1: no progress, waits for its replacement."};

    for (unsigned i = 0; i < SP_LANES_MAX; i++) {
        const struct sp_lane *l = sp_tunnel_lane(sp_links_tunnel(s->links), i);
        if (l == NULL)
            continue;
        snprintf(label, sizeof label, "lane=\"%u\"", i);
        sp_prometheus_sample(p, &sample, sp_lane_is_suspect(l));
    }
}

static void metrics(struct sp_admin_reply *r, void *arg)
{
    const struct sp_status *s = arg;
    struct sp_client_stats stats;
    struct sp_prometheus p;
    size_t n_groups, n_tunnel;
    const struct sp_counter_group *groups = sp_client_metrics(&n_groups);
    const struct sp_counter *tunnel = sp_tunnel_counter_table(&n_tunnel);

    look(s, &stats);
    r->type = SP_PROMETHEUS_TYPE;
    sp_prometheus_init(&p, &r->body);
    sp_prometheus_build_info(&p);
    sp_prometheus_groups(&p, groups, n_groups, &stats);
    sp_prometheus_table(&p, tunnel, n_tunnel, &stats.tunnel);
    rtt_metric(&p, s);
    suspect_metric(&p, s);
    sp_prometheus_process(&p, s->start_unix_s);
    r->failed = p.failed;
}

/* --- /status -------------------------------------------------------------------------------- */

static json_t *json_lanes(const struct sp_status *s)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < SP_LANES_MAX; i++) {
        const struct sp_lane *l = sp_tunnel_lane(sp_links_tunnel(s->links), i);
        const struct sp_stream *stream = sp_uplink_lane_stream(sp_links_uplink(s->links), i);
        if (l == NULL || stream == NULL)
            continue;
        const struct sp_tls *tls = sp_stream_tls(stream);
        json_array_append_new(
            list, json_pack("{s:i, s:o, s:b, s:I, s:I, s:s, s:s}", "lane", (int)i, "remote",
                            sp_admin_json_addr(sp_stream_remote(stream)), "suspect",
                            sp_lane_is_suspect(l), "rtt_us", (json_int_t)sp_lane_rtt_us(l),
                            "pending_bytes", (json_int_t)sp_stream_pending(stream), "tls",
                            tls != NULL ? sp_tls_version(tls) : "", "cipher",
                            tls != NULL ? sp_tls_cipher(tls) : ""));
    }
    return list;
}

static json_t *json_listen(const struct sp_status *s)
{
    json_t *list = json_array();
    const struct sp_addr *a;

    for (size_t i = 0; (a = sp_local_addr(s->local, i)) != NULL; i++)
        json_array_append_new(list, sp_admin_json_addr(a));
    return list;
}

static void status(struct sp_admin_reply *r, void *arg)
{
    const struct sp_status *s = arg;
    const struct sp_uplink *u = sp_links_uplink(s->links);
    const struct sp_server_url *server = sp_uplink_server(u);
    struct sp_client_stats stats;
    size_t n_groups, n_tunnel;
    const struct sp_counter_group *groups = sp_client_metrics(&n_groups);
    const struct sp_counter *tunnel = sp_tunnel_counter_table(&n_tunnel);

    look(s, &stats);
    json_t *counters = sp_admin_json_groups(groups + 1, n_groups - 1, &stats);
    json_object_set_new(counters, "tunnel", sp_admin_json_table(tunnel, n_tunnel, &stats.tunnel));
    uint64_t now_us = sp_ticker_now(s->ticker);
    json_t *root =
        json_pack("{s:s, s:s, s:I, s:I, s:s, s:s?}", "version", SALLYPORT_VERSION, "crypto",
                  sp_crypto_describe(), "started_unix", (json_int_t)s->start_unix_s,
                  "uptime_seconds", (json_int_t)((now_us - s->start_us) / 1000000), "tunnel",
                  state_of(u), "server", server != NULL ? server->authority : NULL);
    if (server != NULL)
        json_object_set_new(
            root, "tunnel_age_seconds",
            json_integer((json_int_t)((now_us - sp_links_made_us(s->links)) / 1000000)));
    json_object_set_new(root, "listen", json_listen(s));
    json_object_set_new(root, "lanes", json_lanes(s));
    json_object_set_new(root, "now", sp_admin_json_table(groups[0].table, groups[0].n, &stats));
    json_object_set_new(root, "counters", counters);
    sp_admin_put_json(r, root);
}

static const struct sp_admin_route routes[] = {
    {"/healthz", healthz},
    {"/metrics", metrics},
    {"/status", status},
};

int sp_status_open(struct sp_status *s, const struct sp_client_env *env, const struct sp_addr *addr,
                   struct sp_admin **out)
{
    s->ticker = env->ticker;
    s->start_us = sp_ticker_now(env->ticker);
    return sp_admin_open(env->ticker, env->log, addr, routes, SP_ARRAY_LEN(routes), s, out);
}
