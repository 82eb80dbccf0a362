/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's own struct, for the files that make up the engine; its owner sees turn.h only.
 *
 *     turn_data      what clients send to peers, and peers to clients
 *     turn_methods   requests: the table of methods; Binding and Refresh
 *     turn_allocate  Allocate
 *     turn_permit    CreatePermission and ChannelBind
 *     turn_request   a request in work, and how it is answered
 *     turn_alloc     an allocation: made, found, ended
 *     turn_common    what the engines of all workers share
 */
#ifndef SALLYPORT_SERVER_TURN_ENGINE_H
#define SALLYPORT_SERVER_TURN_ENGINE_H

#include "bounds.h"
#include "sallyport/map.h"
#include "sallyport/rng.h"
#include "sallyport/timerq.h"
#include "turn_common.h"
#include "turn_nonce.h"
#include "turn_outbox.h"
#include "turn_relayed.h"
#include "turn_route.h"
#include "turn_types.h"

struct sp_turn_auth;

struct sp_turn {
    struct sp_turn_config config;
    const struct sp_turn_auth *auth;
    struct sp_turn_nonces nonces;
    struct sp_timerq *timers;
    struct sp_rng *rng;
    struct sp_turn_effects effects;
    void *arg; /* of effects */
    struct sp_turn_counters counters;
    struct sp_bound_hits *hits, own_hits; /* where its owner wants them, or nowhere */
    bool draining;
    struct sp_turn_alternates alternates;

    struct sp_map allocs; /* struct sp_turn_alloc by path */
    struct sp_map_front lately;
    struct sp_turn_relayed relayed;
    struct sp_turn_routes routes;
    struct sp_turn_common *common, own_common; /* the config's, or its own */
    struct sp_timer sweep;                     /* reservations that expire */
    struct sp_turn_outbox out;
    uint64_t indications; /* counts Data indications, from a random start: their ids */
};

/* Sees to it that reservations end when they expire. SP_ENOMEM. */
int sp_turn_sweep(struct sp_turn *t);

#endif
