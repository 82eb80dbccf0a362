/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker_impl.h"

void sp_worker_stats(const struct sp_worker *w, struct sp_worker_stats *out)
{
    *out = (struct sp_worker_stats){
        .allocations = sp_turn_alloc_count(w->env.turn),
        .tunnels = sp_sessions_count(w->sessions),
        .lanes = sp_sessions_lane_count(w->sessions),
        .flows = sp_sessions_flow_count(w->sessions),
        .draining = w->ending.draining || w->ending.stopping,
        .turn = *sp_turn_counters(w->env.turn),
        .conns = *sp_conns_counters(w->conns),
        .http = *sp_http_service_counters(w->http),
        .fallback = sp_http_service_fallback_counters(w->http),
        .bounds = w->hits,
        .turn_pushed_out = w->pushed_out,
        .turn_crowded = w->crowded,
        .turn_dropped = w->turn_dropped,
    };
    if (w->env.post != NULL)
        out->post = *sp_post_counters(w->env.post);
    sp_relays_counters(w->relays, &out->relays);
    sp_sessions_counters(w->sessions, &out->sessions);
    out->rendezvous_sessions = sp_rdv_count(sp_ends_registry(w->env.ends));
    out->rendezvous = *sp_rdv_counters(sp_ends_registry(w->env.ends));
    out->ends = *sp_ends_counters(w->env.ends);
    if (w->api != NULL)
        out->api = *sp_api_counters(w->api);
    if (w->demo != NULL)
        out->demo = *sp_demo_counters(w->demo);
    out->bounds.tunnel_flows = out->sessions.tunnels.flows_crowded;
    out->bounds.queue_bytes = out->sessions.tunnels.dropped_full + w->turn_dropped;
    for (size_t i = 0; i < w->config.n_listen && w->listeners[i] != NULL; i++)
        out->accept_pauses += sp_listener_counters(w->listeners[i])->pauses;
    for (size_t i = 0; i < w->config.n_listen_udp && w->udp[i] != NULL; i++) {
        const struct sp_dgram_counters *d = sp_dgram_counters(w->udp[i]);
        out->udp_received += d->received;
        out->udp_sent += d->sent;
        out->udp_late += d->dropped_late;
        out->udp_overflowed += sp_dgram_overflowed(w->udp[i]);
        out->udp_dropped += d->dropped_full + d->dropped_error + d->truncated;
    }
}
