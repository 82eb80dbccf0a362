/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flows of a simulated tunnel, as both ends' owners see them: opened by the gateway, closed by
 * either side, refused by the edge, their numbers used again; and what is said on each, both ways,
 * entered in a ledger. What must hold of a flow is required here. Knows nothing of what befalls
 * lanes.
 */
#ifndef TESTS_SIM_FLOWS_H
#define TESTS_SIM_FLOWS_H

#include "sim_ledger.h"
#include "sim_tunnel.h"

#define SIM_FLOWS_MAX 4096 /* in one run */

enum sim_talk { SIM_VOICE, SIM_VIDEO, SIM_ODD, SIM_TALKS };

struct sim_flow {
    struct sim_flows *all;
    uint32_t id;
    enum sim_talk kind;
    uint16_t number;
    struct sp_flow *end[2];
    bool closed_by_us[2];
    bool used, handed;  /* a datagram was offered, was handed to a lane, on the gateway */
    bool was_open;      /* on the edge */
    uint64_t closed_us; /* on the gateway */
    struct sp_timer talk[2];
};

struct sim_flows_config {
    uint64_t pace;       /* traffic is so many times slower; 0 is 1 */
    uint32_t refuse_ppm; /* flows that the edge's owner refuses */
    bool reuse_numbers;  /* as soon as they may be */
};

struct sim_flows {
    struct sim *sim;
    struct sim_tunnel *tunnel;
    struct sim_ledger *ledger[2]; /* of what each side sends */
    struct sim_flows_config config;
    struct sim_flow flow[SIM_FLOWS_MAX];
    unsigned n;
    struct sim_flow *of_number[65536]; /* the last one that the gateway gave it to */
    bool quiet;                        /* no more traffic */
    unsigned closed_on_us, refused, reused;
};

/* The tunnel tells sim_flows_user, with these flows as its `arg`. Ledgers and tunnel stay the
 * caller's, and are there by the first call that follows. */
void sim_flows_init(struct sim_flows *w, struct sim *s, struct sim_tunnel *t,
                    struct sim_ledger ledgers[static 2], const struct sim_flows_config *config);
void sim_flows_fini(struct sim_flows *w); /* before the tunnel */
extern const struct sim_tunnel_user sim_flows_user;

/* False: a bound of the tunnel allows no flow now. */
bool sim_flows_open(struct sim_flows *w);
/* One of them, by one side or by both at once. */
void sim_flows_close_some(struct sim_flows *w);

/* When nothing is under way: both ends think the same of every flow. */
void sim_flows_agree(const struct sim_flows *w);

#endif
