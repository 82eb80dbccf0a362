/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole tunnel in a simulated world: both ends, lanes between them, and somebody who does what a
 * gateway's uplink does: joins lanes, and replaces those that are lost or suspect as soon as the
 * network lets it. What must hold of every frame on every lane is required here, for each test that
 * uses it; what the datagrams mean is the user's. Knows no TURN.
 */
#ifndef TESTS_SIM_TUNNEL_H
#define TESTS_SIM_TUNNEL_H

#include "sallyport/rfc4571.h"
#include "sim_lane.h"

#define SIM_GATEWAY 0
#define SIM_EDGE    1

struct sim_tunnel;
struct sim_link;

/* As in sp_tunnel_events. */
struct sim_tunnel_user {
    void (*datagrams)(struct sim_tunnel *t, unsigned side, struct sp_flow *f,
                      const struct sp_span *d, size_t n, void *arg);
    int (*flow_opened)(struct sim_tunnel *t, struct sp_flow *f, void *arg);
    void (*flow_closed)(struct sim_tunnel *t, unsigned side, struct sp_flow *f, unsigned code,
                        void *arg);
    /* The edge's end is about to be freed, its flows with it. */
    void (*expired)(struct sim_tunnel *t, void *arg);
    /* A datagram is handed to a lane; `again`: in an OPEN that is repeated. May be NULL. */
    void (*handed)(struct sim_link *link, unsigned side, struct sp_span datagram, bool again,
                   void *arg);
};

/* Where neither may happen: these fail the simulation. */
void sim_tunnel_flows_stay(struct sim_tunnel *t, unsigned side, struct sp_flow *f, unsigned code,
                           void *arg);
void sim_tunnel_stays(struct sim_tunnel *t, void *arg);

struct sim_tunnel_config {
    struct sp_tunnel_config end[2];
    struct sim_path path;
    unsigned lanes;
    uint64_t spread_us; /* each lane object's delay is longer by up to that */
    uint64_t dial_us;   /* at least; a dial takes up to twice as long */
};
void sim_tunnel_config_default(struct sim_tunnel_config *c);

/* One connection that was or is a lane. */
struct sim_link {
    struct sim_tunnel *tunnel;
    struct sim_lane *lane;
    unsigned number, index;
    uint64_t handed[2], used[2]; /* datagrams that a side sent by it, that a side read from it */
};

struct sim_end {
    struct sim_tunnel *all;
    unsigned side;
    struct sp_tunnel *tunnel; /* NULL: it expired */
    struct sp_timer flush;
    unsigned draining; /* how often it was told that the other end drains */
    bool any;          /* a number was given */
    uint32_t next_seq; /* that a new datagram must have */
};

/* A lane number: what is open under it, and when the next try is. */
struct sim_slot {
    struct sim_tunnel *all;
    unsigned number;
    struct sim_link *now;  /* that the gateway has, or NULL */
    struct sim_link *next; /* that is being joined, or NULL */
    struct sp_timer dial;
};

struct sim_tunnel {
    struct sim *sim;
    struct sim_tunnel_config config;
    const struct sim_tunnel_user *user;
    void *arg;
    struct sim_end end[2];
    struct sim_slot slots[SP_LANES_MAX];
    struct sim_link **links;
    unsigned n_links;
    bool network_down; /* no dial succeeds */
    unsigned expired, suspected;
    uint64_t alone_us, expired_us; /* when the edge lost its last lane, and when it expired */
    struct sim_link *reading;      /* by which the datagrams come that are being told */
};

/* Its lanes join as soon as the world moves. */
void sim_tunnel_init(struct sim_tunnel *t, struct sim *s, const struct sim_tunnel_config *config,
                     const struct sim_tunnel_user *user, void *arg);
/* Requires that no lane lost anything that it had no reason to lose. */
void sim_tunnel_fini(struct sim_tunnel *t);

/* The lane of that number as the gateway sees it, or NULL. */
struct sim_lane *sim_tunnel_lane(struct sim_tunnel *t, unsigned number);
/* All lanes die, silently, and none comes back until the network does. */
void sim_tunnel_network_down(struct sim_tunnel *t);
void sim_tunnel_network_up(struct sim_tunnel *t);

/* What is so at any moment of each end: bounds, and that everything is counted: what was offered
 * by sp_flow_send was handed to a lane, dropped and counted, or waits. */
void sim_tunnel_check(const struct sim_tunnel *t, const uint64_t offered[2]);

#endif
