/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many of something each user holds: allocations, tunnels, places. Only users who hold one are
 * remembered, by the SHA-256 of their name. Several workers may count in one, each in its thread.
 * Knows not what it counts.
 */
#ifndef SALLYPORT_SERVER_QUOTA_H
#define SALLYPORT_SERVER_QUOTA_H

#include <pthread.h>
#include <stddef.h>

#include "sallyport/bytes.h"
#include "sallyport/map.h"
#include "sallyport/rng.h"

struct sp_quota_user;

struct sp_quota {
    pthread_mutex_t lock; /* for what no datagram waits for */
    struct sp_map users;
};

/* By one thread, when no other has it yet, or any more. */
void sp_quota_init(struct sp_quota *q, struct sp_rng *rng);
void sp_quota_fini(struct sp_quota *q);

/* One more for this user. SP_EFULL: the user holds `max` already; SP_ENOMEM. */
int sp_quota_take(struct sp_quota *q, struct sp_span user, size_t max, struct sp_quota_user **out);

/* One less; `u` may be gone after it. */
void sp_quota_give(struct sp_quota *q, struct sp_quota_user *u);

size_t sp_quota_held(struct sp_quota *q, struct sp_span user);

#endif
