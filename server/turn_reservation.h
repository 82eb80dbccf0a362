/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that were reserved beside an even one (RFC 8656 section 7.2), each for 30 seconds and known
 * by a random token. Each counts as an allocation of who asked for it, or one user could take all
 * ports this way. Knows no allocations.
 */
#ifndef SALLYPORT_SERVER_TURN_RESERVATION_H
#define SALLYPORT_SERVER_TURN_RESERVATION_H

#include <stddef.h>
#include <stdint.h>

#include "quota.h"
#include "sallyport/addr.h"
#include "sallyport/map.h"
#include "sallyport/rng.h"
#include "sallyport/timerq.h"

#define SP_TURN_TOKEN_LEN 8 /* of RESERVATION-TOKEN, section 18.10 */

struct sp_turn_reservation {
    struct sp_addr local;        /* address and port */
    struct sp_quota_user *quota; /* the unit that it takes */
};

/* A reserved port that nobody took in time. */
typedef void sp_turn_reservation_end_fn(const struct sp_turn_reservation *v, void *arg);

struct sp_turn_reservations {
    struct sp_map by_token;
    struct sp_timerq *timers;
    struct sp_rng *rng;
    sp_turn_reservation_end_fn *end;
    void *arg;
};

void sp_turn_reservations_init(struct sp_turn_reservations *r, struct sp_timerq *timers,
                               struct sp_rng *rng, sp_turn_reservation_end_fn *end, void *arg);

/* Those that are left end now. */
void sp_turn_reservations_fini(struct sp_turn_reservations *r);

/* Copies `what`. SP_ENOMEM. */
int sp_turn_reservations_add(struct sp_turn_reservations *r, const struct sp_turn_reservation *what,
                             uint64_t now_us, uint8_t token[static SP_TURN_TOKEN_LEN]);

/* SP_ENOENT: no such token (any more). */
int sp_turn_reservations_find(const struct sp_turn_reservations *r,
                              const uint8_t token[static SP_TURN_TOKEN_LEN],
                              struct sp_turn_reservation *out);

/* It was claimed, or is to be forgotten: no end follows. Harmless when there is none. */
void sp_turn_reservations_del(struct sp_turn_reservations *r,
                              const uint8_t token[static SP_TURN_TOKEN_LEN]);

size_t sp_turn_reservations_count(const struct sp_turn_reservations *r);

#endif
