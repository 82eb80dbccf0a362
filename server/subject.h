/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subjects whose tokens opened tunnels, and what each of them has: tunnels, the lanes and flows
 * of these, and a pace for new lanes. Only who has a tunnel is remembered, and a tunnel outlives
 * its lanes by the linger time, so that there is no forgetting by leaving. One for all workers,
 * each of which may call at any time. Knows no token and no tunnel.
 */
#ifndef SALLYPORT_SERVER_SUBJECT_H
#define SALLYPORT_SERVER_SUBJECT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"
#include "sallyport/map.h"
#include "sallyport/rng.h"

struct sp_subject;

struct sp_subjects {
    pthread_mutex_t lock; /* for what begins and ends: no datagram waits for it */
    struct sp_map by_name;
};

/* What one tunnel adds to its subject's. Its worker's own. */
struct sp_subject_share {
    struct sp_subject *subject;
    size_t lanes, flows;
};

/* By one thread, when no other has it yet, or any more. */
void sp_subjects_init(struct sp_subjects *all, struct sp_rng *rng);
void sp_subjects_fini(struct sp_subjects *all); /* when all tunnels have left */

/* Another tunnel of the subject of that name. SP_EFULL: it has `max`; SP_ENOMEM. */
int sp_subject_enter(struct sp_subjects *all, struct sp_span name, size_t max,
                     struct sp_subject_share *t);
/* With all that it has. */
void sp_subject_leave(struct sp_subjects *all, struct sp_subject_share *t);

/* One more lane or flow of this tunnel. SP_EFULL: its subject has `max`. */
int sp_subject_take_lane(struct sp_subjects *all, struct sp_subject_share *t, size_t max);
int sp_subject_take_flow(struct sp_subjects *all, struct sp_subject_share *t, size_t max);
/* So many there are now; cheap where nothing has changed. */
void sp_subject_settle(struct sp_subjects *all, struct sp_subject_share *t, size_t lanes,
                       size_t flows);

/* Takes one of the lanes that a subject may open in a second (`per_s` of them, and as many at
 * once). Who has no tunnel yet may. */
bool sp_subject_take_handshake(struct sp_subjects *all, struct sp_span name, uint32_t per_s,
                               uint64_t now_us);

/* What a subject has; nothing, when nobody knows it. */
struct sp_subject_counts {
    size_t tunnels, lanes, flows;
};
struct sp_subject_counts sp_subject_counts(struct sp_subjects *all, struct sp_span name);

#endif
