/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An allocation (RFC 8656 section 6): made in steps, found by its path or by its relayed addresses,
 * ended in one way only. Knows no messages.
 */
#ifndef SALLYPORT_SERVER_TURN_ALLOC_H
#define SALLYPORT_SERVER_TURN_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quota.h"
#include "sallyport/map.h"
#include "sallyport/stun.h"
#include "sallyport/timerq.h"
#include "turn_chan.h"
#include "turn_perm.h"
#include "turn_relayed.h"
#include "turn_reservation.h"
#include "turn_types.h"

struct sp_turn;

/* One relayed address of an allocation: one by IPv4, or one by IPv6, or both. */
struct sp_turn_leg {
    struct sp_turn_relay relay;
    struct sp_turn_relayed_names names;
};
#define SP_TURN_LEGS_MAX 2

/* What the Allocate that made it was answered: if it comes again, it gets the same. */
struct sp_turn_alloc_birth {
    uint8_t request_id[SP_STUN_ID_LEN];
    uint32_t lifetime_s;
    bool has_token;
    uint8_t token[SP_TURN_TOKEN_LEN];
    uint16_t missing_family, missing_code; /* ADDRESS-ERROR-CODE; 0: none */
};

struct sp_turn_alloc {
    struct sp_turn *turn;
    struct sp_map_node node; /* in the engine's map, by path */
    struct sp_turn_path path;
    struct sp_timer expiry;
    struct sp_turn_leg legs[SP_TURN_LEGS_MAX];
    size_t n_legs;
    struct sp_turn_perms perms;
    struct sp_turn_chans chans;
    struct sp_quota_user *quota;
    struct sp_turn_alloc_birth birth;
    uint64_t begun_us;
    struct sp_turn_usage usage;
    size_t username_len;
    uint8_t username[];
};

/* An allocation that nobody can find yet. Takes over the unit of quota,
 * and that of all allocations. SP_ENOMEM. */
int sp_turn_alloc_new(struct sp_turn *t, const struct sp_turn_path *path, struct sp_span username,
                      struct sp_quota_user *quota, struct sp_turn_alloc **out);

/* Opens a relay for it. What relay_open said, or SP_EFULL or SP_ENOMEM. A port that was reserved
 * before is the relay's from here on, or on an error nobody's. */
int sp_turn_alloc_open_leg(struct sp_turn_alloc *a, const struct sp_turn_relay_request *want);

/* Gives back the port that relay_open reserved beside `local`. */
void sp_turn_alloc_end_reserved(struct sp_turn_alloc *a, const struct sp_addr *local);

/* Makes it known under its path, for its first lifetime, and tells the owner (alloc_begin).
 * SP_ENOMEM: nothing has changed. */
int sp_turn_alloc_begin(struct sp_turn_alloc *a, uint64_t now_us);

/* Sets how long it lasts from now. */
void sp_turn_alloc_set_lifetime(struct sp_turn_alloc *a, uint32_t lifetime_s, uint64_t now_us);

/* Closes its relays and frees it; the owner is told (alloc_end) if it was told of the begin. What
 * waits in the outbox is emitted before. */
void sp_turn_alloc_end(struct sp_turn_alloc *a, enum sp_turn_end why);

/* NULL when there is none. */
struct sp_turn_alloc *sp_turn_alloc_at(struct sp_turn *t, const struct sp_turn_path *path);

/* Its leg of that family, or NULL. */
const struct sp_turn_leg *sp_turn_alloc_leg(const struct sp_turn_alloc *a, uint16_t family);

#endif
