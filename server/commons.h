/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all workers of a server count together, so that its bounds hold for the whole of it, however
 * many they are. Each may use it at any time: for what begins and ends, never for a datagram.
 */
#ifndef SALLYPORT_SERVER_COMMONS_H
#define SALLYPORT_SERVER_COMMONS_H

#include "bounds.h"
#include "guests.h"
#include "pace.h"
#include "prefix_limit.h"
#include "subject.h"
#include "tally.h"
#include "turn_common.h"

/* Where strangers stand, each with a bound of its own. */
enum sp_place {
    SP_AT_DOOR,
    SP_ON_SITE,
    SP_AT_FALLBACK,
    SP_WITHOUT_ALLOCATION,
    SP_WITHOUT_SESSION,
    SP_PLACES_N
};

struct sp_commons {
    unsigned workers;
    struct sp_turn_common turn;
    struct sp_tally tunnels, sessions; /* sessions: rendezvous */
    struct sp_quota session_subjects;  /* of these, by subject */
    struct sp_pace api_requests;       /* by tokens that make sessions */
    struct sp_tally demo_rooms;
    struct sp_prefix_limit demo_joins;
    struct sp_subjects subjects;
    struct sp_quota strangers[SP_PLACES_N]; /* by address */
};

/* By one thread, before the first worker and after the last one. */
void sp_commons_init(struct sp_commons *c, unsigned workers, const struct sp_bounds *bounds,
                     struct sp_rng *rng);
void sp_commons_fini(struct sp_commons *c);

/* So many strangers in a place, and so many of these from one address. */
struct sp_guests_bounds sp_commons_strangers(struct sp_commons *c, enum sp_place place, size_t max,
                                             uint64_t share);

#endif
