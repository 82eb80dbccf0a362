/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/parity_window.h"

#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/rfc4571.h"

/* A number that came. */
struct sp_parity_slot {
    const uint8_t *bytes; /* NULL: gone */
    uint64_t came_us;
    uint32_t seq;
    uint16_t flow; /* 0: nothing came here */
    uint16_t len;
};

#define RECORD_HEAD 6 /* SEQ, length */

/* Datagrams back to back, in the order in which they came. */
struct chunk {
    struct sp_link link;
    uint64_t newest_us;
    size_t used;
    uint8_t records[SP_PARITY_CHUNK];
};

_Static_assert(SP_PARITY_CHUNK >= RECORD_HEAD + SP_DATAGRAM_MAX, "a chunk holds any datagram");

void sp_parity_window_init(struct sp_parity_window *w, size_t max_bytes, uint64_t max_age_us)
{
    size_t chunks = max_bytes / SP_PARITY_CHUNK;

    memset(w, 0, sizeof(*w));
    sp_list_init(&w->chunks);
    w->max_chunks = chunks < 2 ? 2 : chunks < UINT32_MAX ? (unsigned)chunks : UINT32_MAX;
    w->max_age_us = max_age_us;
}

int sp_parity_window_begin(struct sp_parity_window *w, uint32_t lowest)
{
    w->slots = calloc(SP_PARITY_KEPT, sizeof(*w->slots));
    if (!w->slots)
        return SP_ENOMEM;
    w->lowest = lowest;
    w->highest = lowest - 1;
    return 0;
}

static struct chunk *first_chunk(const struct sp_parity_window *w)
{
    struct sp_link *l = sp_list_first(&w->chunks);

    return l ? SP_LIST_ITEM(l, struct chunk, link) : NULL;
}

static struct sp_parity_slot *slot_of(const struct sp_parity_window *w, uint32_t seq)
{
    return &w->slots[seq % SP_PARITY_KEPT];
}

/* Takes a chunk out of the window, and its bytes away from their slots. */
static void empty(struct sp_parity_window *w, struct chunk *c)
{
    for (size_t at = 0; at < c->used;) {
        const uint8_t *record = c->records + at;
        struct sp_parity_slot *s = slot_of(w, sp_get_be32(record));

        if (s->bytes == record + RECORD_HEAD)
            s->bytes = NULL;
        at += RECORD_HEAD + (size_t)sp_get_be16(record + 4);
    }
    sp_list_remove(&c->link);
    w->n_chunks--;
}

void sp_parity_window_end(struct sp_parity_window *w)
{
    for (struct chunk *c; (c = first_chunk(w)) != NULL;) {
        empty(w, c);
        free(c);
    }
    free(w->slots);
    w->slots = NULL;
}

void sp_parity_window_expire(struct sp_parity_window *w, uint64_t now_us)
{
    for (struct chunk *c; (c = first_chunk(w)) && now_us - c->newest_us > w->max_age_us;) {
        empty(w, c);
        free(c);
    }
}

/* The chunk that has `len` more bytes: the last one, or a new one; that of the oldest when there
 * may be no more, or when it is old enough anyway. NULL: no memory. */
static struct chunk *chunk_for(struct sp_parity_window *w, size_t len, uint64_t now_us)
{
    struct chunk *first = first_chunk(w), *c;

    if (first) {
        c = SP_LIST_ITEM(w->chunks.head.prev, struct chunk, link);
        if (len <= sizeof(c->records) - c->used)
            return c;
    }
    if (first && (w->n_chunks >= w->max_chunks || now_us - first->newest_us > w->max_age_us)) {
        c = first;
        empty(w, c);
    } else {
        c = malloc(sizeof(*c));
        if (!c)
            return NULL;
    }
    c->used = 0;
    sp_list_append(&w->chunks, &c->link);
    w->n_chunks++;
    return c;
}

static int32_t above(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

bool sp_parity_window_knows(const struct sp_parity_window *w, uint32_t seq)
{
    return above(seq, w->lowest) >= 0 && above(seq, w->highest) <= SP_PARITY_KEPT / 2;
}

bool sp_parity_window_came(const struct sp_parity_window *w, uint32_t seq)
{
    const struct sp_parity_slot *s = slot_of(w, seq);

    return s->flow != 0 && s->seq == seq && above(seq, w->lowest) >= 0;
}

bool sp_parity_window_keep(struct sp_parity_window *w, uint32_t seq, uint16_t flow,
                           struct sp_span datagram, uint64_t now_us)
{
    if (above(seq, w->lowest) < 0 || sp_parity_window_came(w, seq))
        return false;
    if (above(seq, w->highest) > 0)
        w->highest = seq;
    if (w->highest - w->lowest >= SP_PARITY_KEPT)
        w->lowest = w->highest - SP_PARITY_KEPT + 1;

    struct chunk *c = chunk_for(w, RECORD_HEAD + datagram.len, now_us);
    struct sp_parity_slot *s = slot_of(w, seq);

    *s = (struct sp_parity_slot){
        .came_us = now_us, .seq = seq, .flow = flow, .len = (uint16_t)datagram.len};
    if (c) {
        uint8_t *record = c->records + c->used;

        sp_put_be32(record, seq);
        sp_put_be16(record + 4, s->len);
        if (datagram.len > 0)
            memcpy(record + RECORD_HEAD, datagram.p, datagram.len);
        s->bytes = record + RECORD_HEAD;
        c->used += RECORD_HEAD + datagram.len;
        c->newest_us = now_us;
    }
    return true;
}

bool sp_parity_window_get(const struct sp_parity_window *w, uint32_t seq, uint64_t now_us,
                          uint16_t *flow, struct sp_span *datagram)
{
    const struct sp_parity_slot *s = slot_of(w, seq);

    if (!sp_parity_window_came(w, seq) || !s->bytes || now_us - s->came_us > w->max_age_us)
        return false;
    *flow = s->flow;
    *datagram = sp_span(s->bytes, s->len);
    return true;
}
