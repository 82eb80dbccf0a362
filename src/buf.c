/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/buf.h"

#include <assert.h>
#include <stdlib.h>

#include "sallyport/err.h"

#define MIN_CAP  256
#define KEEP_CAP 4096 /* an empty buffer keeps no more than this */

void sp_buf_init(struct sp_buf *b, size_t max)
{
    /* No buffer comes near the cut, which spares the sums below the thought of overflow. */
    *b = (struct sp_buf){.max = max < SIZE_MAX / 4 ? max : SIZE_MAX / 4};
}

static void drop_memory(struct sp_buf *b)
{
    if (!b->lent)
        free(b->mem);
    b->mem = NULL;
    b->lent = false;
}

void sp_buf_fini(struct sp_buf *b)
{
    drop_memory(b);
    b->off = b->len = b->cap = 0;
}

struct sp_span sp_buf_span(const struct sp_buf *b)
{
    return b->mem == NULL ? sp_span(NULL, 0) : sp_span(b->mem + b->off, b->len);
}

/* Moves what is in it to the front of `cap` bytes of new memory. */
static int move_to_new(struct sp_buf *b, size_t cap)
{
    uint8_t *mem = malloc(cap);
    if (mem == NULL)
        return SP_ENOMEM;
    if (b->mem != NULL && b->len > 0)
        memcpy(mem, b->mem + b->off, b->len);
    drop_memory(b);
    b->mem = mem;
    b->cap = cap;
    b->off = 0;
    return 0;
}

/*
 * Moving to the front pays when at least half as much was consumed as must be moved: then a byte is
 * moved twice at most on its way through. Otherwise the memory grows, up to one and a half times
 * the bound; from there on moving always pays.
 */
static int make_room(struct sp_buf *b, size_t n)
{
    if (b->mem != NULL && b->len + n <= b->cap && b->off >= b->len / 2) {
        memmove(b->mem, b->mem + b->off, b->len);
        b->off = 0;
        return 0;
    }
    size_t cap = b->cap * 2, most = b->max + b->max / 2;
    if (cap < b->len + n)
        cap = b->len + n;
    if (cap > most)
        cap = most;
    return move_to_new(b, cap > MIN_CAP ? cap : MIN_CAP);
}

uint8_t *sp_buf_reserve(struct sp_buf *b, size_t n)
{
    if (n > b->max - b->len)
        return NULL;
    if ((b->mem == NULL || n > b->cap - b->off - b->len) && make_room(b, n) != 0)
        return NULL;
    return b->mem + b->off + b->len;
}

void sp_buf_commit(struct sp_buf *b, size_t n)
{
    assert(n <= b->cap - b->off - b->len);
    b->len += n;
}

int sp_buf_append(struct sp_buf *b, struct sp_span s)
{
    if (s.len == 0)
        return 0;
    if (s.len > b->max - b->len)
        return SP_EFULL;
    uint8_t *to = sp_buf_reserve(b, s.len);
    if (to == NULL)
        return SP_ENOMEM;
    memcpy(to, s.p, s.len);
    b->len += s.len;
    return 0;
}

void sp_buf_consume(struct sp_buf *b, size_t n)
{
    if (n < b->len) {
        b->off += n;
        b->len -= n;
        return;
    }
    b->off = b->len = 0;
    if (b->cap > KEEP_CAP)
        sp_buf_fini(b);
}

void sp_buf_release(struct sp_buf *b)
{
    if (b->len == 0)
        sp_buf_fini(b);
}

void sp_buf_lend(struct sp_buf *b, uint8_t *mem, size_t cap)
{
    assert(!b->lent && b->len <= cap);
    if (b->len > 0)
        memcpy(mem, b->mem + b->off, b->len);
    drop_memory(b);
    b->mem = mem;
    b->cap = cap;
    b->off = 0;
    b->lent = true;
}

int sp_buf_settle(struct sp_buf *b)
{
    int err = 0;

    if (!b->lent)
        return 0;
    if (b->len > 0 && (err = move_to_new(b, b->len)) == 0)
        return 0;
    sp_buf_fini(b);
    return err;
}
