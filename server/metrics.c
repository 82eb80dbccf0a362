/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "metrics.h"

#include "sallyport/bytes.h"
#include "worker.h"

/* FIELD(field, metric, labels, help): see sallyport/counters.h. */

#define FIELD(...) SP_GAUGE(struct sp_worker_stats, __VA_ARGS__)
static const struct sp_counter now[] = {
    FIELD(allocations, "allocations", NULL, "TURN allocations there are."),
    FIELD(tunnels, "tunnels", NULL, "Tunnels there are, also those that wait for their gateway."),
    FIELD(lanes, "lanes", NULL, "Connections that are lanes of tunnels."),
    FIELD(flows, "flows", NULL, "Flows of tunnels: clients of gateways."),
    FIELD(rendezvous_sessions, "sessions", NULL, "Rendezvous sessions there are."),
    FIELD(draining, "draining", NULL,
          "1: takes nothing new and ends when the last allocation and the last session have."),
};
#undef FIELD

#define FIELD(...)      SP_COUNTER(struct sp_turn_counters, __VA_ARGS__)
#define DROPPED(reason) "turn_dropped_datagrams_total", "reason=\"" reason "\""
static const struct sp_counter turn[] = {
    FIELD(binding_requests, "turn_binding_requests_total", NULL, "STUN Binding requests."),
    FIELD(allocations, "turn_allocations_total", NULL, "Allocations that were made."),
    FIELD(allocation_errors, "turn_allocation_errors_total", NULL,
          "Allocate requests that were answered with an error, but for the challenge."),
    FIELD(turned_away, "turn_allocations_turned_away_total", NULL,
          "Allocate requests sent elsewhere, or refused, since the server drains."),
    FIELD(busy, "turn_allocations_busy_total", NULL,
          "Allocate requests that were refused, since more came than could be carried."),
    FIELD(malformed, "turn_malformed_messages_total", NULL,
          "Messages that are neither STUN nor ChannelData, or broken."),
    FIELD(auth_errors, "turn_auth_errors_total", NULL,
          "Requests whose credentials were wrong, expired, or another user's."),
    FIELD(unknown_method, "turn_unknown_methods_total", NULL,
          "STUN messages of a method or class that is not served."),
    FIELD(challenges_limited, "turn_challenges_limited_total", NULL,
          "Challenges (401, 438) by UDP that were held back: too many to one prefix."),
    FIELD(bindings_limited, "turn_bindings_limited_total", NULL,
          "Answers to Binding requests by UDP that were held back: too many to one prefix."),
    FIELD(unanswered, "turn_unanswered_requests_total", NULL,
          "Requests by UDP, not authenticated, whose error would have been longer than they."),
    FIELD(from_client_datagrams, "turn_from_client_datagrams_total", NULL,
          "Datagrams that clients sent for peers."),
    FIELD(from_client_bytes, "turn_from_client_bytes_total", NULL, "Bytes of these."),
    FIELD(to_client_datagrams, "turn_to_client_datagrams_total", NULL,
          "Datagrams that went to clients."),
    FIELD(to_client_bytes, "turn_to_client_bytes_total", NULL, "Bytes of these."),
    FIELD(from_peer_datagrams, "turn_from_peer_datagrams_total", NULL,
          "Datagrams that came from peers by UDP."),
    FIELD(from_peer_bytes, "turn_from_peer_bytes_total", NULL, "Bytes of these."),
    FIELD(to_peer_datagrams, "turn_to_peer_datagrams_total", NULL,
          "Datagrams that went to peers by UDP."),
    FIELD(to_peer_bytes, "turn_to_peer_bytes_total", NULL, "Bytes of these."),
    FIELD(hairpin_datagrams, "turn_hairpin_datagrams_total", NULL,
          "Datagrams from one allocation to another in memory; also counted as to a client."),
    FIELD(hairpin_bytes, "turn_hairpin_bytes_total", NULL, "Bytes of these."),
    FIELD(handed_over_datagrams, "turn_handed_over_datagrams_total", NULL,
          "Datagrams from an allocation of one worker for one of another."),
    FIELD(from_other_datagrams, "turn_from_other_datagrams_total", NULL,
          "Datagrams that came from an allocation of another worker."),
    FIELD(dropped_no_permission, DROPPED("no_permission"),
          "Datagrams that were not relayed: no permission for the peer, no allocation, no such "
          "channel, a peer that may not be relayed to, a plain peer of a virtual relayed address, "
          "too big."),
    FIELD(dropped_no_allocation, DROPPED("no_allocation"), NULL),
    FIELD(dropped_no_channel, DROPPED("no_channel"), NULL),
    FIELD(dropped_denied_peer, DROPPED("denied_peer"), NULL),
    FIELD(dropped_virtual, DROPPED("virtual"), NULL),
    FIELD(dropped_too_big, DROPPED("too_big"), NULL),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_conns_counters, __VA_ARGS__)
static const struct sp_counter conns[] = {
    FIELD(accepted, "connections_accepted_total", NULL, "TCP connections that were accepted."),
    FIELD(tls_failed, "connections_tls_failed_total", NULL, "TLS handshakes that failed."),
    FIELD(timed_out, "connections_timed_out_total", NULL,
          "Connections that said too little in the time they have for it."),
    FIELD(pushed_out, "connections_pushed_out_total", NULL,
          "Connections that had said nothing yet, closed to make room for newer ones."),
    FIELD(crowded, "connections_crowded_total", NULL,
          "Connections that were refused: too many that say nothing from one address."),
    FIELD(queued, "connections_queued_total", NULL,
          "TLS handshakes that had to wait for those before them."),
    FIELD(turn, "connections_turn_total", NULL, "Connections that turned out to be TURN."),
    FIELD(ice, "connections_ice_tcp_total", NULL, "Connections that turned out to be ICE-TCP."),
    FIELD(http, "connections_http_total", NULL, "Connections that turned out to be HTTP."),
    FIELD(unknown, "connections_unknown_total", NULL,
          "Connections that turned out to be nothing known; answered as the site does."),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_http_counters, __VA_ARGS__)
static const struct sp_counter http[] = {
    FIELD(requests, "http_requests_total", NULL, "HTTP requests, upgrades among them."),
    FIELD(malformed, "http_malformed_requests_total", NULL, "What is no HTTP request."),
    FIELD(upgrades, "http_upgrades_total", NULL, "Connections that became lanes."),
    FIELD(upgrades_refused, "http_upgrades_refused_total", NULL,
          "Lanes that were refused. Token or tunnel: as the site answers; a bound: 503."),
    FIELD(timed_out, "http_timed_out_total", NULL, "Requests that did not arrive in time."),
    FIELD(cut, "http_cut_total", NULL,
          "Answers that were cut off, since their file became shorter or unreadable."),
    FIELD(pushed_out, "http_pushed_out_total", NULL,
          "HTTP connections closed to make room for newer ones."),
    FIELD(crowded, "http_crowded_total", NULL,
          "HTTP connections that were refused: too many from one address."),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_demo_counters, __VA_ARGS__)
static const struct sp_counter demo[] = {
    FIELD(rooms, "demo_rooms_total", NULL, "Rooms of the demo page that were opened."),
    FIELD(seats, "demo_seats_total", NULL, "Seats in them that were taken."),
    FIELD(meetings, "demo_meetings_total", NULL, "Times that two met in one and got a session."),
    FIELD(messages, "demo_messages_total", NULL, "Messages that one said to the other."),
    FIELD(occupied, "demo_occupied_total", NULL, "Visitors of rooms that two were in already."),
    FIELD(hasty, "demo_hasty_messages_total", NULL,
          "Messages that were refused: too many by one seat."),
    FIELD(dropped, "demo_dropped_events_total", NULL,
          "Events that were kept for somebody who was away, and had to go."),
    FIELD(expired, "demo_expired_rooms_total", NULL, "Rooms that ended: they had lasted too long."),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_fallback_counters, __VA_ARGS__)
static const struct sp_counter fallback[] = {
    FIELD(passed_on, "fallback_passed_on_total", NULL,
          "Connections of strangers that were passed on to the fallback."),
    FIELD(unreachable, "fallback_unreachable_total", NULL,
          "Connections that the fallback did not take; answered with 502."),
    FIELD(cut, "fallback_cut_total", NULL, "Connections that the fallback broke off."),
    FIELD(timed_out, "fallback_timed_out_total", NULL,
          "Connections to the fallback that were idle for five minutes."),
    FIELD(pushed_out, "fallback_pushed_out_total", NULL,
          "Connections to the fallback closed to make room for newer ones."),
    FIELD(crowded, "fallback_crowded_total", NULL,
          "Connections not passed on to the fallback: too many from one address."),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_sessions_counters, __VA_ARGS__)
static const struct sp_counter sessions[] = {
    FIELD(opened, "tunnels_opened_total", NULL, "Tunnels that were opened."),
    FIELD(ended, "tunnels_ended_total", NULL, "Tunnels that ended."),
    FIELD(refused, "tunnels_refused_total", NULL,
          "Lanes that found no tunnel of theirs, or no room for a new one."),
    FIELD(busy, "tunnels_busy_total", NULL,
          "New tunnels that were refused, since more came than could be carried."),
    FIELD(lanes, "tunnels_lanes_total", NULL, "Connections that joined tunnels."),
};
#undef FIELD

#define FIELD(...)      SP_COUNTER(struct sp_rdv_counters, __VA_ARGS__)
#define REFUSED(reason) "sessions_refused_datagrams_total", "reason=\"" reason "\""
static const struct sp_counter rendezvous[] = {
    FIELD(created, "sessions_created_total", NULL, "Rendezvous sessions that were made."),
    FIELD(connected, "sessions_connected_total", NULL,
          "Of these: both ends had a way that the other one had answered."),
    FIELD(ended, "sessions_ended_total", NULL, "Rendezvous sessions that ended."),
    FIELD(joined, "sessions_ends_joined_total", NULL, "Ends of sessions that were joined."),
    FIELD(released, "sessions_ends_released_total", NULL,
          "Ends of sessions that were silent for too long, or whose session ended."),
    FIELD(paths, "sessions_paths_total", NULL,
          "Ways to an end that were tried: connections, UDP addresses, flows."),
    FIELD(proven, "sessions_paths_proven_total", NULL,
          "Of these: the far end had answered a request that came that way."),
    FIELD(paths_never_proven, "sessions_paths_unproven_total", NULL,
          "Ways to an end that ended without having been proven."),
    FIELD(paths_pushed_out, "sessions_paths_pushed_out_total", NULL,
          "Ways to an end that were closed to make room for newer ones."),
    FIELD(forwarded, "sessions_forwarded_datagrams_total", NULL,
          "Datagrams that went from one end of a session to the other."),
    FIELD(forwarded_bytes, "sessions_forwarded_bytes_total", NULL, "Bytes of these."),
    FIELD(early, "sessions_early_answers_total", NULL,
          "Checks that were passed on, and answered early as well; not by a gateway."),
    FIELD(
        early_swallowed, "sessions_early_swallowed_total", NULL,
        "Answers of far ends to checks that were answered early, which went no further. Much fewer "
        "than these: far ends were not there."),
    FIELD(
        refused_unknown, REFUSED("unknown"),
        "Datagrams that were not forwarded: unknown (a check with another USERNAME than the "
        "session's), unproven (no check, on a way that is not proven), unasked (an answer to what "
        "nobody asked), unverified (a check that was not made with the password that is known), "
        "replayed (a check that had come by another way), ahead (one of a browser that restarted "
        "ICE and has no answer yet), malformed (STUN that is broken or no Binding), no_path (the "
        "far end has none yet)."),
    FIELD(refused_unproven, REFUSED("unproven"), NULL),
    FIELD(refused_unasked, REFUSED("unasked"), NULL),
    FIELD(refused_unverified, REFUSED("unverified"), NULL),
    FIELD(refused_ahead, REFUSED("ahead"), NULL),
    FIELD(refused_replayed, REFUSED("replayed"), NULL),
    FIELD(refused_malformed, REFUSED("malformed"), NULL),
    FIELD(refused_no_path, REFUSED("no_path"), NULL),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_ends_counters, __VA_ARGS__)
static const struct sp_counter ends[] = {
    FIELD(ice_tcp, "ends_ice_tcp_total", NULL,
          "ICE-TCP connections that found their rendezvous session."),
    FIELD(ice_tcp_unknown, "ends_ice_tcp_unknown_total", NULL,
          "ICE-TCP connections that were closed: of no session."),
    FIELD(ice_tcp_crowded, "ends_ice_tcp_crowded_total", NULL,
          "ICE-TCP connections that were refused: too many of no session from one address."),
    FIELD(ice_tcp_pushed_out, "ends_ice_tcp_pushed_out_total", NULL,
          "ICE-TCP connections of no session, closed to make room for newer ones."),
    FIELD(udp, "ends_udp_total", NULL, "UDP addresses that became a way to an end."),
    FIELD(flows, "ends_flows_total", NULL, "Flows of gateways that became a way to an end."),
    FIELD(asked, "ends_gateways_asked_total", NULL,
          "Gateways that were asked to open a port for an end of a rendezvous session."),
    FIELD(asked_in_vain, "ends_gateways_asked_in_vain_total", NULL,
          "Of these: there was none, or it refused, or said nothing in time."),
    FIELD(flows_unknown, "ends_flows_unknown_datagrams_total", NULL,
          "Datagrams of gateways' flows that were of no session."),
    FIELD(stream_dropped, "ends_ice_tcp_dropped_datagrams_total", NULL,
          "Datagrams that waited in vain for ICE-TCP connections."),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_api_counters, __VA_ARGS__)
static const struct sp_counter api[] = {
    FIELD(requests, "api_requests_total", NULL, "Requests to the control API."),
    FIELD(problems, "api_problems_total", NULL,
          "Requests to the control API that were answered with what is wrong."),
    FIELD(strangers, "api_strangers_total", NULL,
          "Requests for the control API's paths, with no token or from a page that may not: the "
          "site answered."),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_relays_counters, __VA_ARGS__)
static const struct sp_counter relays[] = {
    FIELD(opened, "relays_opened_total", NULL, "Relayed addresses that were opened."),
    FIELD(refused, "relays_refused_total", NULL,
          "Relayed addresses that could not be opened: no port left, or none of that family."),
    FIELD(dropped, "relays_dropped_datagrams_total", NULL,
          "Datagrams to peers that the kernel did not take."),
    FIELD(late, "relays_late_datagrams_total", NULL,
          "Media from peers that was dropped, since it had waited too long."),
    FIELD(overflowed, "relays_overflowed_datagrams_total", NULL,
          "Datagrams from peers that the kernel had no room for."),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_worker_stats, __VA_ARGS__)
static const struct sp_counter sockets[] = {
    FIELD(accept_pauses, "sockets_accept_pauses_total", NULL,
          "Times that accepting paused, for want of descriptors or memory."),
    FIELD(udp_received, "sockets_udp_received_datagrams_total", NULL,
          "Datagrams that clients sent by UDP."),
    FIELD(udp_sent, "sockets_udp_sent_datagrams_total", NULL,
          "Datagrams that went to clients by UDP."),
    FIELD(udp_dropped, "sockets_udp_dropped_datagrams_total", NULL,
          "Datagrams to and from clients by UDP that the kernel did not take, or cut."),
    FIELD(udp_late, "sockets_udp_late_datagrams_total", NULL,
          "Media from clients by UDP that was dropped, since it had waited too long."),
    FIELD(udp_overflowed, "sockets_udp_overflowed_datagrams_total", NULL,
          "Datagrams from clients by UDP that the kernel had no room for."),
    FIELD(turn_pushed_out, "sockets_turn_pushed_out_total", NULL,
          "TURN connections without an allocation, closed to make room for newer ones."),
    FIELD(turn_crowded, "sockets_turn_crowded_total", NULL,
          "TURN connections that were refused: too many without allocation from one address."),
    FIELD(turn_dropped, "sockets_turn_dropped_messages_total", NULL,
          "Messages that waited in vain for the connections of clients by TCP and TLS."),
};
#undef FIELD

#define FIELD(...) SP_COUNTER(struct sp_post_counters, __VA_ARGS__)
static const struct sp_counter post[] = {
    FIELD(datagrams_dropped, "workers_dropped_datagrams_total", NULL,
          "Datagrams that the other worker did not take in time."),
    FIELD(notes_dropped, "workers_dropped_notes_total", NULL,
          "Notes on rendezvous sessions, their datagrams among them, that were not taken in time."),
    FIELD(datagrams_late, "workers_late_datagrams_total", NULL,
          "Media from other workers that was dropped, since it had waited too long."),
    FIELD(connections, "workers_connections_total", NULL,
          "Connections that went to the worker of their tunnel or session."),
};
#undef FIELD

#define GROUP(name, table, part)                                                 \
    {                                                                            \
        name, table, SP_ARRAY_LEN(table), offsetof(struct sp_worker_stats, part) \
    }

static const struct sp_counter_group groups[] = {
    {"now", now, SP_ARRAY_LEN(now), 0},
    GROUP("turn", turn, turn),
    GROUP("connections", conns, conns),
    GROUP("http", http, http),
    GROUP("api", api, api),
    GROUP("demo", demo, demo),
    GROUP("fallback", fallback, fallback),
    GROUP("tunnels", sessions, sessions),
    GROUP("sessions", rendezvous, rendezvous),
    GROUP("ends", ends, ends),
    GROUP("relays", relays, relays),
    GROUP("workers", post, post),
    {"sockets", sockets, SP_ARRAY_LEN(sockets), 0},
    {"bounds_hit", sp_bound_hits_table, SP_BOUNDS_N, offsetof(struct sp_worker_stats, bounds)},
};

void sp_server_stats_add(struct sp_worker_stats *sum, const struct sp_worker_stats *one)
{
    size_t n_tunnel;
    const struct sp_counter *tunnel = sp_tunnel_counter_table(&n_tunnel);

    for (size_t i = 0; i < SP_ARRAY_LEN(groups); i++)
        sp_counters_add(groups[i].table, groups[i].n, (char *)sum + groups[i].offset,
                        (const char *)one + groups[i].offset);
    sp_counters_add(tunnel, n_tunnel, &sum->sessions.tunnels, &one->sessions.tunnels);
    sum->draining = sum->draining > 0; /* it is said to all of them at once */
}

const struct sp_counter_group *sp_server_metrics(size_t *n)
{
    *n = SP_ARRAY_LEN(groups);
    return groups;
}
