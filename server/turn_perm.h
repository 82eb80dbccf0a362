/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The permissions of one allocation (RFC 8656 section 9): IP addresses, each for 300 seconds. A
 * sorted array, since they are looked up with each datagram and change once in minutes. Those whose
 * time is over are not found, and leave when room is needed: no timers.
 */
#ifndef SALLYPORT_SERVER_TURN_PERM_H
#define SALLYPORT_SERVER_TURN_PERM_H

#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "turn_route.h"

#define SP_TURN_PERM_LIFETIME_US (300 * UINT64_C(1000000))

struct sp_turn_perm {
    struct sp_addr ip; /* port 0 */
    struct sp_turn_route route;
    uint64_t expires_us;
};

struct sp_turn_perms {
    struct sp_turn_perm *v; /* sorted by ip */
    size_t n, cap;
};

void sp_turn_perms_init(struct sp_turn_perms *p);
void sp_turn_perms_fini(struct sp_turn_perms *p);

/* A copy of those that still hold, so that a request which names several addresses can be carried
 * out whole or not at all. SP_ENOMEM. */
int sp_turn_perms_copy(const struct sp_turn_perms *from, uint64_t now_us,
                       struct sp_turn_perms *out);

/* Installs or refreshes the permission for the IP of `peer`. SP_EFULL: `max` others hold;
 * SP_ENOMEM. */
int sp_turn_perms_set(struct sp_turn_perms *p, const struct sp_addr *peer, size_t max,
                      uint64_t now_us);

/* The permission for the IP of `peer`, or NULL; valid until the set changes. */
struct sp_turn_perm *sp_turn_perms_find(const struct sp_turn_perms *p, const struct sp_addr *peer,
                                        uint64_t now_us);

#endif
