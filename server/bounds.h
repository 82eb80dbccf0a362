/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every bound that an operator may move: one list, from which come the options and their help, the
 * defaults, and a counter each in /metrics (bounds_hit_total) that tells when it was hit. What is
 * answered then is with whoever keeps the bound.
 */
#ifndef SALLYPORT_SERVER_BOUNDS_H
#define SALLYPORT_SERVER_BOUNDS_H

#include <stddef.h>
#include <stdint.h>

#include "sallyport/counters.h"
#include "sallyport/options.h"

/*
 * FIRST for the first, X for the others:
 *
 * (field, option, argument, default, least, most, what it bounds, why that default)
 */
#define SP_BOUNDS(FIRST, X)                                                                       \
    FIRST(handshake_s, "handshake-timeout", "SECONDS", 10, 1, 600,                                \
          "for TLS, and for a request to arrive",                                                 \
          "Ten round trips by satellite; who drips bytes holds a place no longer.")               \
    X(header_bytes, "max-header", "BYTES", 16384, 1024, 16384, "longest head of an HTTP request", \
      "As much as web servers take; a lane's has less than 2,000.")                               \
    X(strangers, "max-strangers", "N", 4096, 8, 1000000,                                          \
      "connections that have proven nothing yet",                                                 \
      "In each of three places (at the door, on the site, TURN without allocation), and no more " \
      "than an eighth of the descriptors; the oldest has to go. TLS costs about 55 KB each "      \
      "until its handshake is done, and 3 KB then.")                                              \
    X(strangers_per_address, "max-strangers-per-address", "N", 1024, 2, 1000000,                  \
      "of these from one address (/64 of IPv6)",                                                  \
      "Many for an office behind one NAT; and no more than a quarter of all, so that nobody can " \
      "push out everyone else.")                                                                  \
    X(answers_per_s, "max-answers-per-second", "N", 100, 1, 1000000,                              \
      "to strangers by UDP, for each /24 or /56",                                                 \
      "Challenges and Binding answers, each: an office starts that many calls a second, and who " \
      "is flooded with forged requests' answers gets 16 KB a second of each.")                    \
    X(allocations, "max-allocations", "N", 65536, 1, 1000000, "TURN allocations",                 \
      "A backstop: descriptors and ports end before it.")                                         \
    X(user_allocations, "max-allocations-per-user", "N", 1024, 1, 1000000,                        \
      "of these of one TURN user", "One static user may well serve a whole application.")         \
    X(permissions, "max-permissions", "N", 256, 1, 65535, "permissions of an allocation",         \
      "A call with dozens of others, each with several candidates.")                              \
    X(channels, "max-channels", "N", 256, 1, 16384, "channels of an allocation",                  \
      "As many as permissions.")                                                                  \
    X(tunnels, "max-tunnels", "N", 10000, 1, 1000000, "tunnels", "A backstop.")                   \
    X(subject_tunnels, "max-tunnels-per-subject", "N", 256, 1, 1000000,                           \
      "of these with tokens of one subject", "A subject may be a whole office.")                  \
    X(subject_lanes, "max-lanes-per-subject", "N", 2048, 1, 1000000, "lanes of these tunnels",    \
      "Eight for each tunnel.")                                                                   \
    X(subject_flows, "max-flows-per-subject", "N", 16384, 1, 10000000, "flows of these tunnels",  \
      "64 for each tunnel: a browser has a few for each call.")                                   \
    X(subject_handshakes, "max-handshakes-per-second", "N", 200, 1, 1000000,                      \
      "lanes that one subject may open",                                                          \
      "As many at once: an office is back in ten seconds after a restart, and one token can't "   \
      "keep the server busy.")                                                                    \
    X(tunnel_flows, "max-flows-per-tunnel", "N", 1024, 1, 8192, "flows of one tunnel",            \
      "An office on one gateway.")                                                                \
    X(sessions, "max-sessions", "N", 10000, 1, 1000000, "rendezvous sessions", "A backstop.")     \
    X(subject_sessions, "max-sessions-per-subject", "N", 1024, 1, 1000000,                        \
      "of these made with tokens of one subject", "An application for a whole company.")          \
    X(api_requests, "max-requests-per-second", "N", 1000, 1, 1000000,                             \
      "requests to the control API by one token",                                                 \
      "A whole company comes into the office; a browser's ticket has 20.")                        \
    X(demo_rooms, "max-demo-rooms", "N", 64, 1, 10000, "rooms of the demo page (--demo)",         \
      "So many pairs at once; who shows something needs one.")                                    \
    X(demo_joins, "max-demo-joins-per-second", "N", 5, 1, 1000000,                                \
      "who come into these rooms, for each /24 or /56",                                           \
      "People open pages by hand; who comes back to a seat is not counted.")                      \
    X(queue_bytes, "max-queue", "BYTES", 1048576, 65536, 67108864,                                \
      "that wait for lanes, or for a TURN or ICE-TCP client",                                     \
      "400 ms of 20 Mbit/s, and what waits longer is dropped for its age.")

#define SP_BOUND_FIELD(field, ...) uint64_t field;

/* The bounds as they are set … */
struct sp_bounds {
    SP_BOUNDS(SP_BOUND_FIELD, SP_BOUND_FIELD)
};

/* … and how often each was hit. */
struct sp_bound_hits {
    SP_BOUNDS(SP_BOUND_FIELD, SP_BOUND_FIELD)
};

void sp_bounds_default(struct sp_bounds *b);

/* What was given on the command line and elsewhere; the defaults otherwise. */
void sp_bounds_read(const struct sp_options *o, struct sp_bounds *b);

/* A row each, of struct sp_bound_hits. */
#define SP_BOUND_ONE(...) +1
enum { SP_BOUNDS_N = SP_BOUNDS(SP_BOUND_ONE, SP_BOUND_ONE) };
extern const struct sp_counter sp_bound_hits_table[SP_BOUNDS_N];

/* A row of the options' table. */
#define SP_BOUND_ROW(field, option, argument, preset_, least, most, what, why) \
    {.name = (option),                                                         \
     .arg = (argument),                                                        \
     .help = (what),                                                           \
     .more = (why),                                                            \
     .preset = #preset_,                                                       \
     .flags = SP_OPTION_NUMBER | SP_OPTION_RARE,                               \
     .min = (least),                                                           \
     .max = (most)},

#endif
