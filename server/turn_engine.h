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
 */
#ifndef SALLYPORT_SERVER_TURN_ENGINE_H
#define SALLYPORT_SERVER_TURN_ENGINE_H

#include "bounds.h"
#include "prefix_limit.h"
#include "quota.h"
#include "sallyport/map.h"
#include "sallyport/rng.h"
#include "sallyport/timerq.h"
#include "turn_nonce.h"
#include "turn_outbox.h"
#include "turn_relayed.h"
#include "turn_reservation.h"
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
    struct sp_turn_relayed relayed;
    struct sp_turn_routes routes;
    struct sp_turn_reservations reservations;
    struct sp_quota quota;
    struct sp_prefix_limit challenges, bindings;
    struct sp_turn_outbox out;
    uint64_t indications; /* counts Data indications, from a random start: their ids */
};

#endif
