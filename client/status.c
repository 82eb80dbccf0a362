/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status.h"

#include <jansson.h>
#include <stdio.h>

#include "sallyport/control.h"
#include "sallyport/crypto.h"

/* "up": datagrams flow; "away": its lanes are gone, and it is looked for; "none": never made. */
static const char *state_of(const struct sp_status *s)
{
    if (sp_uplink_is_up(s->uplink))
        return "up";
    return sp_uplink_server(s->uplink) != NULL ? "away" : "none";
}

static struct sp_tunnel_counters tunnel_counters(const struct sp_status *s)
{
    struct sp_tunnel_counters sum = s->past;
    size_t n;
    const struct sp_counter *table = sp_tunnel_counter_table(&n);

    sp_counters_add(table, n, &sum, sp_tunnel_counters(s->tunnel));
    return sum;
}

static void healthz(struct sp_admin_reply *r, void *arg)
{
    const struct sp_status *s = arg;

    if (!sp_uplink_is_up(s->uplink))
        r->status = 503;
    sp_admin_put(r, "tunnel %s\n", state_of(s));
}

/* --- /metrics ------------------------------------------------------------------------------- */

static void lane_metrics(struct sp_admin_reply *r, const struct sp_status *s)
{
    char label[32];

    for (unsigned i = 0; i < SP_LANES_MAX; i++) {
        const struct sp_lane *l = sp_tunnel_lane(s->tunnel, i);
        if (l == NULL)
            continue;
        snprintf(label, sizeof label, "lane=\"%u\"", i);
        sp_admin_metric(r, "gauge", "sallyport_lane_rtt_us", "round trip of a lane", label,
                        sp_lane_rtt_us(l));
    }
    for (unsigned i = 0; i < SP_LANES_MAX; i++) {
        const struct sp_lane *l = sp_tunnel_lane(s->tunnel, i);
        if (l == NULL)
            continue;
        snprintf(label, sizeof label, "lane=\"%u\"", i);
        sp_admin_metric(r, "gauge", "sallyport_lane_suspect",
                        "1: no progress, waits for its replacement", label, sp_lane_is_suspect(l));
    }
}

static void metrics(struct sp_admin_reply *r, void *arg)
{
    const struct sp_status *s = arg;
    struct sp_tunnel_counters tunnel = tunnel_counters(s);
    const struct sp_counter *table;
    size_t n;

    sp_admin_metric(r, "gauge", "sallyport_tunnel_up", "1: a lane carries datagrams", NULL,
                    sp_uplink_is_up(s->uplink));
    sp_admin_metric(r, "gauge", "sallyport_lanes", "lanes of the tunnel", NULL,
                    sp_tunnel_lane_count(s->tunnel));
    sp_admin_metric(r, "gauge", "sallyport_flows", "flows of the tunnel", NULL,
                    sp_tunnel_flow_count(s->tunnel));
    sp_admin_metric(r, "gauge", "sallyport_clients", "local clients", NULL,
                    sp_local_client_count(s->local));
    lane_metrics(r, s);
    table = sp_tunnel_counter_table(&n);
    sp_admin_counters(r, "sallyport_tunnel_", table, n, &tunnel);
    table = sp_local_counter_table(&n);
    sp_admin_counters(r, "sallyport_local_", table, n, sp_local_counters(s->local));
    table = sp_uplink_counter_table(&n);
    sp_admin_counters(r, "sallyport_uplink_", table, n, sp_uplink_counters(s->uplink));
}

/* --- /status -------------------------------------------------------------------------------- */

static json_t *json_addr(const struct sp_addr *a)
{
    char text[SP_ADDR_STRLEN];
    return json_string(sp_addr_format(a, text));
}

static json_t *json_lanes(const struct sp_status *s)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < SP_LANES_MAX; i++) {
        const struct sp_lane *l = sp_tunnel_lane(s->tunnel, i);
        const struct sp_stream *stream = sp_uplink_lane_stream(s->uplink, i);
        if (l == NULL || stream == NULL)
            continue;
        const struct sp_tls *tls = sp_stream_tls(stream);
        json_array_append_new(list, json_pack("{s:i, s:o, s:b, s:I, s:I, s:s, s:s}", "lane", (int)i,
                                              "remote", json_addr(sp_stream_remote(stream)),
                                              "suspect", sp_lane_is_suspect(l), "rtt_us",
                                              (json_int_t)sp_lane_rtt_us(l), "pending_bytes",
                                              (json_int_t)sp_stream_pending(stream), "tls",
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
        json_array_append_new(list, json_addr(a));
    return list;
}

static json_t *json_counters(const struct sp_status *s)
{
    struct sp_tunnel_counters tunnel = tunnel_counters(s);
    const struct sp_counter *table;
    json_t *o = json_object();
    size_t n;

    table = sp_tunnel_counter_table(&n);
    json_object_set_new(o, "tunnel", sp_admin_json_counters(table, n, &tunnel));
    table = sp_local_counter_table(&n);
    json_object_set_new(o, "local", sp_admin_json_counters(table, n, sp_local_counters(s->local)));
    table = sp_uplink_counter_table(&n);
    json_object_set_new(o, "uplink",
                        sp_admin_json_counters(table, n, sp_uplink_counters(s->uplink)));
    return o;
}

static void status(struct sp_admin_reply *r, void *arg)
{
    const struct sp_status *s = arg;
    const struct sp_server_url *server = sp_uplink_server(s->uplink);

    sp_admin_put_json(
        r, json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o, s:I, s:I, s:o}", "version", SALLYPORT_VERSION,
                     "crypto", sp_crypto_describe(), "tunnel", state_of(s), "server",
                     server != NULL ? server->authority : NULL, "listen", json_listen(s), "lanes",
                     json_lanes(s), "flows", (json_int_t)sp_tunnel_flow_count(s->tunnel), "clients",
                     (json_int_t)sp_local_client_count(s->local), "counters", json_counters(s)));
}

static const struct sp_admin_route routes[] = {
    {"/healthz", healthz},
    {"/metrics", metrics},
    {"/status", status},
};

int sp_status_open(struct sp_status *s, const struct sp_client_env *env, const struct sp_addr *addr,
                   struct sp_admin **out)
{
    return sp_admin_open(env->ticker, env->log, addr, routes, SP_ARRAY_LEN(routes), s, out);
}
