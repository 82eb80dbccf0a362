/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strangers in one place: connections that have proven nothing yet. Bounded in number, where the
 * one that came first has to go, and in share, so that nobody can push out all others from a single
 * address. Each worker has its part of the places, so that nobody's strangers wait for another
 * worker; the share of an address is one for all of them. Knows no connection.
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
    struct sp_quota_user *share, *own;
};

struct sp_guests {
    struct sp_list list;     /* who came first stands first */
    size_t n, max;           /* of this worker */
    size_t share, own_share; /* of one address (/64 for IPv6), at all of them and at this one */
    struct sp_quota *shares, own;
};

/* So many in all, and so many of these from one address. */
struct sp_guests_bounds {
    size_t max;
    size_t share; /* never more than a quarter of `max`, but one in any case */
    unsigned workers;
    struct sp_quota *shares; /* the same at all workers; borrowed */
};

/* One worker's part. */
void sp_guests_init(struct sp_guests *g, const struct sp_guests_bounds *b, struct sp_rng *rng);
void sp_guests_fini(struct sp_guests *g); /* when all have left */

/* SP_EFULL: the share of this address is taken already; SP_ENOMEM. */
int sp_guests_add(struct sp_guests *g, struct sp_guest *guest, const struct sp_addr *from);

/* Harmless when it is no guest (any more). */
void sp_guests_remove(struct sp_guests *g, struct sp_guest *guest);

/* The guest that has to go, since there are more than `max`; NULL: nobody has to. */
struct sp_guest *sp_guests_surplus(const struct sp_guests *g);

#endif
