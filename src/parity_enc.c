/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/parity_enc.h"

#include <stdlib.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"

#define ROOM 2048 /* steps in which the rows grow */
/* A group has one parity at least until that many more were made than were paid for. */
#define AHEAD 2
/* Credit is counted in this many parts of a byte, so that little is lost by rounding. */
#define PARTS 256

void sp_parity_enc_init(struct sp_parity_enc *e, uint64_t max_age_us)
{
    memset(e, 0, sizeof(*e));
    e->k = e->next_k = 1;
    e->max_age_us = max_age_us;
}

void sp_parity_enc_fini(struct sp_parity_enc *e)
{
    for (unsigned i = 0; i < SP_PARITY_MAX_M; i++) {
        free(e->rows[i]);
        e->rows[i] = NULL;
    }
    e->row_cap = 0;
}

static void begin(struct sp_parity_enc *e)
{
    e->cover.n = 0;
    e->k = e->next_k;
    e->m = e->next_m;
}

int sp_parity_enc_set(struct sp_parity_enc *e, unsigned k, unsigned m)
{
    if (k < 1 || k > SP_PARITY_MAX_K || m > SP_PARITY_MAX_M)
        return SP_EINVAL;
    if (e->next_k != k || e->next_m != m)
        e->credit = 0;
    e->next_k = k;
    e->next_m = m;
    if (m == 0)
        sp_parity_enc_fini(e);
    if (m == 0 || e->cover.n == 0)
        begin(e);
    return 0;
}

/* Room for `sum` bytes in each row that this group may need, those behind sum_len zero. */
static int make_room(struct sp_parity_enc *e, size_t sum)
{
    size_t cap = sum <= e->row_cap ? e->row_cap : (sum + ROOM - 1) / ROOM * ROOM;

    for (unsigned i = 0; i < SP_PARITY_MAX_M; i++) {
        if (e->rows[i] ? cap == e->row_cap : i >= e->m)
            continue;

        uint8_t *row = realloc(e->rows[i], SP_PARITY_HEADER_MAX + cap);

        if (!row)
            return SP_ENOMEM; /* rows that have grown already only have more room than they need */
        e->rows[i] = row;
    }
    e->row_cap = cap;
    return 0;
}

static uint8_t *sum_of(const struct sp_parity_enc *e, unsigned row)
{
    return e->rows[row] + SP_PARITY_HEADER_MAX;
}

int sp_parity_enc_add(struct sp_parity_enc *e, uint32_t seq, uint16_t flow, struct sp_span datagram,
                      uint64_t now_us)
{
    size_t sum = SP_PARITY_MEMBER_HEAD + datagram.len;
    struct sp_parity_cover *c = &e->cover;
    bool first = c->n == 0;
    uint32_t at = first ? 0 : seq - c->base;

    if (e->m == 0)
        return 0;
    if (datagram.len > SP_DATAGRAM_MAX)
        return SP_ETOOBIG;
    if (c->n >= SP_PARITY_MAX_K || at >= SP_PARITY_MAX_SPAN || (!first && at < c->span))
        return SP_EFULL;
    if (make_room(e, sum))
        return SP_ENOMEM;

    if (first) {
        memset(c, 0, sizeof(*c));
        c->base = seq;
        e->sum_len = 0;
        e->due_us = now_us + e->max_age_us;
    }
    for (unsigned row = 0; row < e->m; row++) {
        if (sum > e->sum_len)
            memset(sum_of(e, row) + e->sum_len, 0, sum - e->sum_len);
        sp_parity_add(sum_of(e, row), sp_parity_factor(row, c->n), flow, datagram);
    }
    if (sum > e->sum_len)
        e->sum_len = sum;
    c->bitmap[at / 8] |= (uint8_t)(0x80 >> at % 8);
    c->span = (uint8_t)(at + 1);
    c->n++;
    e->credit += (int64_t)(sum * PARTS * e->m / e->k);
    return 0;
}

uint64_t sp_parity_enc_next(const struct sp_parity_enc *e)
{
    if (e->cover.n == 0)
        return SP_NEVER;
    return e->cover.n >= e->k ? 0 : e->due_us;
}

/* How many parities of `cost` the group gets, paid for. */
static unsigned pay(struct sp_parity_enc *e, int64_t cost)
{
    int64_t n = e->credit > 0 ? (e->credit + cost / 2) / cost : 0;

    if (n == 0 && e->credit > -AHEAD * cost)
        n = 1;
    if (n >= e->m) {
        n = e->m;
        /* What can't be spent now is not saved up for a burst later. */
        e->credit = e->credit < (n + 1) * cost ? e->credit : (n + 1) * cost;
    }
    e->credit -= n * cost;
    return (unsigned)n;
}

size_t sp_parity_enc_close(struct sp_parity_enc *e, struct sp_span out[static SP_PARITY_MAX_M])
{
    if (e->cover.n == 0)
        return 0;

    unsigned n = pay(e, (int64_t)e->sum_len * PARTS);

    for (unsigned row = 0; row < n; row++) {
        size_t head = sp_parity_header(sum_of(e, row), &e->cover, (uint8_t)row);

        out[row] = sp_span(sum_of(e, row) - head, head + e->sum_len);
    }
    e->groups++;
    e->parities += n;
    begin(e);
    return n;
}
