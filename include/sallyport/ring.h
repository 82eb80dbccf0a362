/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded queue of records from one thread to one other, without locks: the one only puts, the
 * other only takes, and what was put is seen whole or not at all. Knows neither threads nor loops:
 * whoever puts wakes the other one up himself.
 */
#ifndef SALLYPORT_RING_H
#define SALLYPORT_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "sallyport/bytes.h"

struct sp_ring;

/* Room for `bytes` of records (8 to 1 GiB; more where it is no power of two), each of which takes
 * its length and up to 15 bytes. SP_EINVAL, SP_ENOMEM. */
int sp_ring_new(size_t bytes, struct sp_ring **out);
/* By one thread, when the other has ended or will not come back to it. */
void sp_ring_free(struct sp_ring *r);

/* --- by the one that puts ------------------------------------------------------------------- */

/* A record out of those parts, one after another, of at most sp_ring_longest together. False: there
 * is no room, nothing was put. */
size_t sp_ring_longest(const struct sp_ring *r);
/* So much may be put for certain, lengths included. */
size_t sp_ring_room(struct sp_ring *r);
bool sp_ring_put(struct sp_ring *r, const struct sp_span *parts, size_t n);

/* --- by the one that takes ------------------------------------------------------------------ */

/* The oldest record, aligned as malloc's memory is to 8 bytes; it stays where it is until it is
 * popped. False: there is none. */
bool sp_ring_front(struct sp_ring *r, struct sp_span *out);
/* After sp_ring_front said true. */
void sp_ring_pop(struct sp_ring *r);

#endif
