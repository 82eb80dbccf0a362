/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"

#define LEAST ((size_t)64)
#define MOST  ((size_t)1 << 30)
#define LINE  64 /* of a cache: what one thread writes shares none with what the other does */

/* A record is its length and its bytes, and begins at a multiple of UNIT. None goes around the end:
 * before one that would, END fills the rest. */
#define UNIT   ((size_t)8)
#define HEADER sizeof(uint64_t)
#define END    UINT64_MAX

/* Positions count all bytes that ever went through; what is between them is in the ring. */
struct sp_ring {
    /* of the one that puts */
    _Alignas(LINE) _Atomic size_t tail;
    size_t head_seen;
    /* of the one that takes */
    _Alignas(LINE) _Atomic size_t head;
    size_t tail_seen;
    size_t taking; /* up to where the front record goes */
    /* of both, never changed */
    _Alignas(LINE) size_t mask;
    _Alignas(LINE) uint8_t bytes[];
};

int sp_ring_new(size_t bytes, struct sp_ring **out)
{
    size_t size = LEAST;

    if (bytes < UNIT || bytes > MOST)
        return SP_EINVAL;
    while (size < bytes)
        size *= 2;
    struct sp_ring *r = aligned_alloc(LINE, sizeof *r + size);
    if (r == NULL)
        return SP_ENOMEM;
    memset(r, 0, sizeof *r);
    r->mask = size - 1;
    *out = r;
    return 0;
}

void sp_ring_free(struct sp_ring *r)
{
    free(r);
}

static size_t record_len(size_t len)
{
    return HEADER + (len + UNIT - 1) / UNIT * UNIT;
}

/* One that is no longer than half of the ring fits into an empty one, wherever that begins. */
size_t sp_ring_longest(const struct sp_ring *r)
{
    return (r->mask + 1) / 2 - HEADER;
}

/* --- in ------------------------------------------------------------------------------------- */

static bool has_room(struct sp_ring *r, size_t tail, size_t n)
{
    size_t size = r->mask + 1;

    if (size - (tail - r->head_seen) >= n)
        return true;
    r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
    return size - (tail - r->head_seen) >= n;
}

static void put_header(struct sp_ring *r, size_t at, uint64_t value)
{
    memcpy(r->bytes + (at & r->mask), &value, sizeof value);
}

size_t sp_ring_room(struct sp_ring *r)
{
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    size_t size = r->mask + 1;

    if (!has_room(r, tail, size / 2)) /* looks where the other one is */
        return size - (tail - r->head_seen);
    return size - (tail - r->head_seen);
}

bool sp_ring_put(struct sp_ring *r, const struct sp_span *parts, size_t n)
{
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    size_t to_end = r->mask + 1 - (tail & r->mask), len = sp_spans_len(parts, n);
    size_t need = record_len(len), skip = need > to_end ? to_end : 0;
    if (len > sp_ring_longest(r) || !has_room(r, tail, skip + need))
        return false;
    if (skip > 0)
        put_header(r, tail, END);
    tail += skip;
    put_header(r, tail, len);
    sp_spans_join(r->bytes + (tail & r->mask) + HEADER, parts, n);
    atomic_store_explicit(&r->tail, tail + need, memory_order_release);
    return true;
}

/* --- out ------------------------------------------------------------------------------------ */

bool sp_ring_front(struct sp_ring *r, struct sp_span *out)
{
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t len;

    if (head == r->tail_seen) {
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (head == r->tail_seen)
            return false;
    }
    memcpy(&len, r->bytes + (head & r->mask), sizeof len);
    if (len == END) { /* a record follows: both were put at once */
        head += r->mask + 1 - (head & r->mask);
        memcpy(&len, r->bytes + (head & r->mask), sizeof len);
    }
    *out = sp_span(r->bytes + (head & r->mask) + HEADER, (size_t)len);
    r->taking = head + record_len((size_t)len);
    return true;
}

void sp_ring_pop(struct sp_ring *r)
{
    atomic_store_explicit(&r->head, r->taking, memory_order_release);
}
