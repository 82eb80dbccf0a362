/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "metrics.h"

#include "sallyport/bytes.h"

/* FIELD(field, metric, labels, help): see sallyport/counters.h. */

#define FIELD(...) SP_GAUGE(struct sp_client_stats, __VA_ARGS__)
static const struct sp_counter now[] = {
    FIELD(tunnel_up, "tunnel_up", NULL, "1: a lane carries datagrams; 0: calls stand still."),
    FIELD(lanes, "lanes", NULL, "Connections that are lanes of the tunnel."),
    FIELD(flows, "flows", NULL, "Flows of the tunnel, also those that are being closed."),
    FIELD(draining_tunnels, "draining_tunnels", NULL,
          "Tunnels beside that one: their server drains, and calls on them go on."),
    FIELD(draining_flows, "draining_flows", NULL, "Flows of these."),
    FIELD(clients, "clients", NULL, "Local clients: browsers' sockets that use the gateway."),
    FIELD(session_ports, "session_ports", NULL,
          "Ends of rendezvous sessions that have a port here."),
};
#undef FIELD

#define FIELD(...)      SP_COUNTER(struct sp_local_counters, __VA_ARGS__)
#define DROPPED(reason) "local_dropped_datagrams_total", "reason=\"" reason "\""
static const struct sp_counter local[] = {
    FIELD(datagrams_in, "local_received_datagrams_total", NULL,
          "Datagrams and messages of local clients that went into their flows."),
    FIELD(datagrams_out, "local_sent_datagrams_total", NULL,
          "Datagrams and messages that went to local clients."),
    FIELD(clients_opened, "local_clients_opened_total", NULL, "Local clients that came."),
    FIELD(clients_evicted, "local_clients_evicted_total", NULL,
          "Local clients that lost their flow to a newer one, having been silent for longest."),
    FIELD(denied, DROPPED("denied"),
          "Datagrams and connections that went nowhere: denied (from elsewhere than this host and "
          "--lan), not_turn (neither STUN nor ChannelData), no_flow (the tunnel could not open "
          "one), unread (a client by TCP did not read in time)."),
    FIELD(not_turn, DROPPED("not_turn"), NULL),
    FIELD(no_flow, DROPPED("no_flow"), NULL),
    FIELD(dropped, DROPPED("unread"), NULL),
};
#undef FIELD
#undef DROPPED

#define FIELD(...)      SP_COUNTER(struct sp_lan_ports_counters, __VA_ARGS__)
#define DROPPED(reason) "session_dropped_datagrams_total", "reason=\"" reason "\""
static const struct sp_counter sessions[] = {
    FIELD(opened, "session_ports_opened_total", NULL,
          "Ends of rendezvous sessions that got a port here."),
    FIELD(closed, "session_ports_closed_total", NULL, "Of these: closed again."),
    FIELD(refused, "session_ports_refused_total", NULL,
          "Ends of rendezvous sessions that got none: too many, or the system had no port."),
    FIELD(datagrams_in, "session_received_datagrams_total", NULL,
          "Datagrams of browsers that went into flows of rendezvous sessions."),
    FIELD(datagrams_out, "session_sent_datagrams_total", NULL,
          "Datagrams of rendezvous sessions that went to browsers."),
    FIELD(early, "session_early_answers_total", NULL,
          "Checks that were passed on, and answered early as well."),
    FIELD(
        early_swallowed, "session_early_swallowed_total", NULL,
        "Answers of far ends to checks that were answered early, which went no further. Much fewer "
        "than these: far ends were not there."),
    FIELD(denied, DROPPED("denied"),
          "Datagrams that went nowhere: denied (from elsewhere than this host and --lan), not_ice "
          "(the first from there, and no check), no_flow (the tunnel could not open one)."),
    FIELD(not_ice, DROPPED("not_ice"), NULL),
    FIELD(no_flow, DROPPED("no_flow"), NULL),
    FIELD(evicted, "session_sources_evicted_total", NULL,
          "Addresses that lost their flow to a newer one at the same port."),
};
#undef FIELD
#undef DROPPED

#define FIELD(...) SP_COUNTER(struct sp_uplink_counters, __VA_ARGS__)
static const struct sp_counter uplink[] = {
    FIELD(tries, "uplink_tries_total", NULL, "Times that a lane was asked for."),
    FIELD(tries_failed, "uplink_tries_failed_total", NULL, "Those that failed, for any reason."),
    FIELD(network_changes, "uplink_network_changes_total", NULL,
          "Times that this host got another address or way out."),
    FIELD(tunnels_made, "uplink_tunnels_made_total", NULL,
          "Tunnels that servers made; after the first, unless a server drained, calls were lost."),
};
#undef FIELD

static const struct sp_counter_group groups[] = {
    {"now", now, SP_ARRAY_LEN(now), 0},
    {"local", local, SP_ARRAY_LEN(local), offsetof(struct sp_client_stats, local)},
    {"sessions", sessions, SP_ARRAY_LEN(sessions), offsetof(struct sp_client_stats, sessions)},
    {"uplink", uplink, SP_ARRAY_LEN(uplink), offsetof(struct sp_client_stats, uplink)},
};

const struct sp_counter_group *sp_client_metrics(size_t *n)
{
    *n = SP_ARRAY_LEN(groups);
    return groups;
}
