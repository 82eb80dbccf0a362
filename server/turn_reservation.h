/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that were reserved beside an even one (RFC 8656 section 7.2), each for 30 seconds and known
 * by a random token. Each counts as an allocation of who asked for it, or one user could take all
 * ports this way. One table for all engines of a server, each of which may call at any time: who
 * takes a reservation out of it has it alone. Knows no allocations and no clock.
 */
#ifndef SALLYPORT_SERVER_TURN_RESERVATION_H
#define SALLYPORT_SERVER_TURN_RESERVATION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quota.h"
#include "sallyport/addr.h"
#include "sallyport/list.h"
#include "sallyport/map.h"
#include "sallyport/rng.h"

#define SP_TURN_TOKEN_LEN 8 /* of RESERVATION-TOKEN, section 18.10 */

struct sp_turn_reservation {
    struct sp_addr local;        /* address and port */
    struct sp_quota_user *quota; /* the unit that it takes */
};

struct sp_turn_reservations {
    pthread_mutex_t lock;
    struct sp_map by_token;
    struct sp_list by_age; /* the oldest first */
};

/* By one thread, when no other has it yet, or any more. What is left is forgotten. */
void sp_turn_reservations_init(struct sp_turn_reservations *r, struct sp_rng *rng);
void sp_turn_reservations_fini(struct sp_turn_reservations *r);

/* Copies `what`. SP_ENOMEM. */
int sp_turn_reservations_add(struct sp_turn_reservations *r, const struct sp_turn_reservation *what,
                             struct sp_rng *rng, uint64_t now_us,
                             uint8_t token[static SP_TURN_TOKEN_LEN]);

/* SP_ENOENT: no such token (any more). */
int sp_turn_reservations_find(struct sp_turn_reservations *r,
                              const uint8_t token[static SP_TURN_TOKEN_LEN],
                              struct sp_turn_reservation *out);

/* The same, and it is the caller's: nobody else finds it from here on. */
int sp_turn_reservations_take(struct sp_turn_reservations *r,
                              const uint8_t token[static SP_TURN_TOKEN_LEN],
                              struct sp_turn_reservation *out);

/* Takes the oldest one, if nobody has shown its token in time. */
bool sp_turn_reservations_take_expired(struct sp_turn_reservations *r, uint64_t now_us,
                                       struct sp_turn_reservation *out);
/* When the next one expires; UINT64_MAX: there is none. */
uint64_t sp_turn_reservations_due_us(struct sp_turn_reservations *r);

size_t sp_turn_reservations_count(struct sp_turn_reservations *r);

#endif
