/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/dgramq.h"

#include <stdlib.h>

#include "sallyport/clock.h"

#define FIRST_BYTES   4096
#define FIRST_ENTRIES 16

struct sp_dgramq_entry {
    uint64_t at_us;
    size_t len;
};

void sp_dgramq_init(struct sp_dgramq *q, size_t max_bytes, uint64_t max_age_us)
{
    *q = (struct sp_dgramq){.max_bytes = max_bytes, .max_age_us = max_age_us};
}

void sp_dgramq_fini(struct sp_dgramq *q)
{
    free(q->mem);
    free(q->ring);
    sp_dgramq_init(q, q->max_bytes, q->max_age_us);
}

static struct sp_dgramq_entry *entry_at(const struct sp_dgramq *q, size_t i)
{
    return &q->ring[(q->first + i) & (q->ring_cap - 1)];
}

size_t sp_dgramq_len_at(const struct sp_dgramq *q, size_t i)
{
    return entry_at(q, i)->len;
}

uint64_t sp_dgramq_time_at(const struct sp_dgramq *q, size_t i)
{
    return entry_at(q, i)->at_us;
}

void sp_dgramq_pop(struct sp_dgramq *q, size_t n)
{
    for (size_t i = 0; i < n; i++)
        q->off += entry_at(q, i)->len;
    q->first += n;
    q->count -= n;
    if (q->count == 0)
        q->off = q->end = 0;
}

void sp_dgramq_rest(struct sp_dgramq *q)
{
    if (q->count > 0)
        return;
    free(q->mem);
    free(q->ring);
    q->mem = NULL;
    q->ring = NULL;
    q->cap = q->first = q->ring_cap = 0;
}

static bool grow_ring(struct sp_dgramq *q)
{
    size_t cap = q->ring_cap ? q->ring_cap * 2 : FIRST_ENTRIES;
    struct sp_dgramq_entry *ring = malloc(cap * sizeof *ring);
    if (ring == NULL)
        return false;
    for (size_t i = 0; i < q->count; i++)
        ring[i] = *entry_at(q, i);
    free(q->ring);
    q->ring = ring;
    q->ring_cap = cap;
    q->first = 0;
    return true;
}

/* Room for `len` more at the end: moves what is there to the front, or into a larger block. */
static bool make_room(struct sp_dgramq *q, size_t len)
{
    size_t held = sp_dgramq_bytes(q);

    if (q->cap - q->end >= len)
        return true;
    /* Moving pays only when at least half of the block is behind us; else each push could move. */
    if (q->off >= q->cap / 2 && q->cap - held >= len) {
        memmove(q->mem, q->mem + q->off, held);
    } else {
        size_t cap = q->cap ? q->cap : FIRST_BYTES;
        while (cap < (held + len) * 2)
            cap *= 2;
        uint8_t *mem = malloc(cap);
        if (mem == NULL)
            return false;
        if (held > 0)
            memcpy(mem, q->mem + q->off, held);
        free(q->mem);
        q->mem = mem;
        q->cap = cap;
    }
    q->off = 0;
    q->end = held;
    return true;
}

uint8_t *sp_dgramq_push(struct sp_dgramq *q, size_t len, uint64_t now_us)
{
    if (len > q->max_bytes) {
        q->dropped_full++;
        return NULL;
    }
    while (sp_dgramq_bytes(q) + len > q->max_bytes) {
        sp_dgramq_pop(q, 1);
        q->dropped_full++;
    }
    if ((q->count == q->ring_cap && !grow_ring(q)) || !make_room(q, len)) {
        q->dropped_full++;
        return NULL;
    }
    uint8_t *p = q->mem + q->end;
    *entry_at(q, q->count) = (struct sp_dgramq_entry){now_us, len};
    q->count++;
    q->end += len;
    return p;
}

void sp_dgramq_expire(struct sp_dgramq *q, uint64_t now_us)
{
    size_t n = 0;

    if (q->max_age_us == SP_NEVER)
        return;
    while (n < q->count && now_us > entry_at(q, n)->at_us + q->max_age_us)
        n++;
    if (n > 0)
        sp_dgramq_pop(q, n);
    q->dropped_old += n;
}

uint64_t sp_dgramq_next(const struct sp_dgramq *q)
{
    if (q->count == 0 || q->max_age_us == SP_NEVER)
        return SP_NEVER;
    return entry_at(q, 0)->at_us + q->max_age_us + 1;
}

struct sp_span sp_dgramq_front(const struct sp_dgramq *q, size_t max, size_t *n)
{
    size_t len = 0, i = 0;

    while (i < q->count && (i == 0 || len + entry_at(q, i)->len <= max))
        len += entry_at(q, i++)->len;
    *n = i;
    return i > 0 ? sp_span(q->mem + q->off, len) : (struct sp_span){0};
}

uint8_t *sp_dgramq_head(struct sp_dgramq *q)
{
    return q->mem + q->off;
}
