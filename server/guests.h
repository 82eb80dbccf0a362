/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strangers in one place: connections that have proven nothing yet. Bounded in number, where the
 * one that came first has to go, and in share, so that nobody can push out all others from a single
 * address. Knows no connection.
 */
#ifndef SALLYPORT_SERVER_GUESTS_H
#define SALLYPORT_SERVER_GUESTS_H

#include <stddef.h>

#include "quota.h"
#include "sallyport/addr.h"
#include "sallyport/list.h"

/* Embedded in what is a guest; all zero when it is none. */
struct sp_guest {
    struct sp_link link;
    struct sp_quota_user *share;
};

struct sp_guests {
    struct sp_list list; /* who came first stands first */
    size_t n, max, share;
    struct sp_quota shares; /* by address, /64 for IPv6 */
};

/* `share`: so many from one address; never more than a quarter of `max`, but one in any case. */
void sp_guests_init(struct sp_guests *g, size_t max, size_t share, struct sp_rng *rng);
void sp_guests_fini(struct sp_guests *g); /* when all have left */

/* SP_EFULL: the share of this address is taken already; SP_ENOMEM. */
int sp_guests_add(struct sp_guests *g, struct sp_guest *guest, const struct sp_addr *from);

/* Harmless when it is no guest (any more). */
void sp_guests_remove(struct sp_guests *g, struct sp_guest *guest);

/* The guest that has to go, since there are more than `max`; NULL: nobody has to. */
struct sp_guest *sp_guests_surplus(const struct sp_guests *g);

#endif
