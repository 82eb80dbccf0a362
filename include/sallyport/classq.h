/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Datagrams that wait for a byte stream, by class: the most urgent leave first, each class drops
 * what is too old for it to be played, and when all together are too much, the least urgent make
 * room, the oldest of them first. A row of dgramq.h's queues; knows no streams.
 */
#ifndef SALLYPORT_CLASSQ_H
#define SALLYPORT_CLASSQ_H

#include "sallyport/classify.h"
#include "sallyport/dgramq.h"

struct sp_classq {
    struct sp_dgramq of[SP_N_CLASSES];
    size_t max_bytes;      /* of all */
    uint64_t dropped_full; /* beside what the queues counted */
};

/* `max_age_us`: of the most patient classes; voice is given up sooner. */
void sp_classq_init(struct sp_classq *q, size_t max_bytes, uint64_t max_age_us);
/* Of one class, instead; SP_NEVER: no bound. Before anything waits in it. */
void sp_classq_set_age(struct sp_classq *q, enum sp_class c, uint64_t max_age_us);
void sp_classq_fini(struct sp_classq *q);
/* As sp_dgramq_rest. */
void sp_classq_rest(struct sp_classq *q);

/* As sp_dgramq_push. NULL, and counted: longer than the bound, no memory, or what is more urgent
 * leaves no room; then nothing was driven out. */
uint8_t *sp_classq_push(struct sp_classq *q, enum sp_class c, size_t len, uint64_t now_us);

/* Drops what is too old, class by class. */
void sp_classq_expire(struct sp_classq *q, uint64_t now_us);
/* When something becomes too old; SP_NEVER when nothing waits. */
uint64_t sp_classq_next(const struct sp_classq *q);

/* The most urgent class of which something waits; SP_N_CLASSES: nothing does. */
enum sp_class sp_classq_first(const struct sp_classq *q);

/* How many wait, and their bytes. */
size_t sp_classq_count(const struct sp_classq *q);
size_t sp_classq_bytes(const struct sp_classq *q);
uint64_t sp_classq_dropped_old(const struct sp_classq *q);
uint64_t sp_classq_dropped_full(const struct sp_classq *q);

#endif
