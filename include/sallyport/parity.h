/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parity frame's payload: which datagrams it covers, and a sum of them. A code over GF(256) of
 * which each n of n datagrams and m parities give back all the rest: Cauchy's matrix, its columns
 * scaled so that row 0 is plain XOR. Only a codec: parity_enc.h makes groups, parity_dec.h solves.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | BASE: the lowest SEQ that is covered                          |
 *     +---------------+---------------+-------------------------------+
 *     | ROW           | SPAN          | bitmap: SPAN bits, in bytes ...
 *     +---------------+---------------+-------------------------------+
 *     | sum of all that are covered, each as FLOW 16 | LENGTH 16 | bytes, then zeros
 *     +---------------------------------------------------------------+
 *
 * The highest bit of the bitmap's first byte is BASE's, the next BASE + 1's, ...; the first and the
 * last of the SPAN bits are set, those behind them are not. Of the i-th that is covered (from 0),
 * row j counts sp_parity_factor(j, i) times. All parities of a group are equally long.
 */
#ifndef SALLYPORT_PARITY_H
#define SALLYPORT_PARITY_H

#include <stdbool.h>
#include <stdint.h>

#include "sallyport/bytes.h"
#include "sallyport/rfc4571.h"

#define SP_PARITY_MAX_K       64  /* datagrams that a group may cover */
#define SP_PARITY_MAX_M       8   /* parities that it may have */
#define SP_PARITY_MAX_SPAN    255 /* numbers from its lowest to its highest */
#define SP_PARITY_BITMAP_LEN  ((SP_PARITY_MAX_SPAN + 7) / 8)
#define SP_PARITY_HEADER_MAX  (6 + SP_PARITY_BITMAP_LEN)
#define SP_PARITY_MEMBER_HEAD 4 /* FLOW, LENGTH */
#define SP_PARITY_SUM_MAX     (SP_PARITY_MEMBER_HEAD + SP_DATAGRAM_MAX)

/* Which datagrams a group covers. */
struct sp_parity_cover {
    uint32_t base;
    uint8_t span; /* 1 to SP_PARITY_MAX_SPAN */
    uint8_t n;    /* bits that are set */
    uint8_t bitmap[SP_PARITY_BITMAP_LEN];
};

static inline bool sp_parity_covers(const struct sp_parity_cover *c, uint32_t seq)
{
    uint32_t i = seq - c->base;

    return i < c->span && (c->bitmap[i / 8] & 0x80 >> i % 8);
}

struct sp_parity_frame {
    struct sp_parity_cover cover;
    uint8_t row;
    struct sp_span sum; /* borrowed */
};

/* SP_EBADMSG: anything that the drawing doesn't allow, or a sum over SP_PARITY_SUM_MAX. */
int sp_parity_parse(struct sp_span payload, struct sp_parity_frame *out);

/* Writes what stands before the sum so that it ends at `end`. Returns its length. */
size_t sp_parity_header(uint8_t *end, const struct sp_parity_cover *c, uint8_t row);

/* How often row `row` (below SP_PARITY_MAX_M) counts the `i`-th datagram (below SP_PARITY_MAX_K).
 */
uint8_t sp_parity_factor(unsigned row, unsigned i);

/* sum += factor * (FLOW, LENGTH, bytes); the sum has room for SP_PARITY_MEMBER_HEAD + bytes.len. */
void sp_parity_add(uint8_t *sum, uint8_t factor, uint16_t flow, struct sp_span bytes);

#endif
