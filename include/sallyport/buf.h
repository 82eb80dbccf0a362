/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing byte queue: written at the end, consumed at the front, in one piece of memory, with a
 * bound given at init. Gives its memory back when it runs empty and was large.
 */
#ifndef SALLYPORT_BUF_H
#define SALLYPORT_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"

struct sp_buf {
    uint8_t *mem;
    size_t off, len, cap; /* bytes are mem[off .. off + len) */
    size_t max;
    bool lent; /* `mem` is somebody else's */
};

/* Allocates nothing yet. */
void sp_buf_init(struct sp_buf *b, size_t max);
void sp_buf_fini(struct sp_buf *b);

/* What is in it; valid until the next call that changes the buffer. */
struct sp_span sp_buf_span(const struct sp_buf *b);

/* Room for `n` more at the returned place (then sp_buf_commit). NULL: over the bound, or no memory.
 */
uint8_t *sp_buf_reserve(struct sp_buf *b, size_t n);
void sp_buf_commit(struct sp_buf *b, size_t n);

/* SP_EFULL over the bound, SP_ENOMEM; nothing is written then. */
int sp_buf_append(struct sp_buf *b, struct sp_span s);

/* Drops `n` bytes from the front; at most what is there. */
void sp_buf_consume(struct sp_buf *b, size_t n);

/* Frees the memory when it is empty. */
void sp_buf_release(struct sp_buf *b);

/* From here on, and until it is empty or wants more, it lies in `mem`, which has room for what is
 * in it now and stays the caller's; its own memory is freed. What only passes through needs none
 * then. */
void sp_buf_lend(struct sp_buf *b, uint8_t *mem, size_t cap);
/* It is not lent any more: what is left in it is copied. SP_ENOMEM: and lost. */
int sp_buf_settle(struct sp_buf *b);

#endif
