/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the TURN engines of one server (one for each worker) count and keep together: allocations in
 * all and of each user, answers to strangers, reserved ports. Each may use it at any time; nothing
 * of it is touched for a datagram that is relayed.
 */
#ifndef SALLYPORT_SERVER_TURN_COMMON_H
#define SALLYPORT_SERVER_TURN_COMMON_H

#include "prefix_limit.h"
#include "quota.h"
#include "tally.h"
#include "turn_reservation.h"

struct sp_turn_common {
    struct sp_tally allocs;
    struct sp_quota users; /* allocations, and ports that are reserved */
    struct sp_prefix_limit challenges, bindings;
    struct sp_turn_reservations reservations;
};

/* By one thread, before the first engine and after the last one. */
void sp_turn_common_init(struct sp_turn_common *c, uint32_t answers_per_s, struct sp_rng *rng);
void sp_turn_common_fini(struct sp_turn_common *c);

#endif
