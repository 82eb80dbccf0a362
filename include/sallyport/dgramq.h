/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A queue of datagrams that wait for a byte stream, each already framed for it, back to back in
 * one piece of memory so that many leave by one write without another copy. Bounded in bytes and
 * in age: a datagram is worth nothing late, so when it is full the oldest goes, and is counted.
 * Knows no framing and no stream.
 */
#ifndef SALLYPORT_DGRAMQ_H
#define SALLYPORT_DGRAMQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"

struct sp_dgramq_entry;

struct sp_dgramq {
    uint8_t *mem;
    size_t off, end, cap;          /* bytes are mem[off .. end) */
    struct sp_dgramq_entry *ring;  /* length and time of each */
    size_t first, count, ring_cap; /* ring_cap: a power of two, or 0 */
    size_t max_bytes;
    uint64_t max_age_us;                /* SP_NEVER: no bound */
    uint64_t dropped_old, dropped_full; /* datagrams, since init */
};

void sp_dgramq_init(struct sp_dgramq *q, size_t max_bytes, uint64_t max_age_us);
void sp_dgramq_fini(struct sp_dgramq *q);

static inline bool sp_dgramq_empty(const struct sp_dgramq *q)
{
    return q->count == 0;
}
static inline size_t sp_dgramq_bytes(const struct sp_dgramq *q)
{
    return q->end - q->off;
}

/*
 * Room for one datagram of `len` framed bytes (not 0), queued at once; the caller fills all of it
 * before the next call. Drops the oldest until it fits. NULL: longer than the whole bound, or no
 * memory (counted as dropped_full).
 */
uint8_t *sp_dgramq_push(struct sp_dgramq *q, size_t len, uint64_t now_us);

/* Drops what is older than the bound. */
void sp_dgramq_expire(struct sp_dgramq *q, uint64_t now_us);

/* When the oldest becomes too old; SP_NEVER when empty. */
uint64_t sp_dgramq_next(const struct sp_dgramq *q);

/*
 * The oldest datagrams that fit in `max` bytes together, at least one however long it is; back to
 * back. *n is how many. An empty span when the queue is empty. The bytes stay until the next push,
 * expire or pop.
 */
struct sp_span sp_dgramq_front(const struct sp_dgramq *q, size_t max, size_t *n);

/* The same bytes, for who must patch them in place before they leave (sequence numbers). */
uint8_t *sp_dgramq_head(struct sp_dgramq *q);

/* The length of the i-th oldest, and when it was pushed; i < count. */
size_t sp_dgramq_len_at(const struct sp_dgramq *q, size_t i);
uint64_t sp_dgramq_time_at(const struct sp_dgramq *q, size_t i);

void sp_dgramq_pop(struct sp_dgramq *q, size_t n);

/* Frees its memory if it is empty. Without this it stays as large as it has been, so that one burst
 * after another needs none: to be called now and then by who knows that nothing goes on. */
void sp_dgramq_rest(struct sp_dgramq *q);

#endif
