/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/parity.h"

#include "sallyport/err.h"
#include "sallyport/gf256.h"

#define FIXED_LEN 6 /* BASE, ROW, SPAN */

static size_t bitmap_len(uint8_t span)
{
    return (span + 7u) / 8;
}

/* SP_EBADMSG unless the first and the last bit are set, and none behind. */
static int read_bitmap(const uint8_t *p, struct sp_parity_cover *c)
{
    size_t len = bitmap_len(c->span);
    unsigned n = 0;

    memset(c->bitmap, 0, sizeof(c->bitmap));
    memcpy(c->bitmap, p, len);
    for (size_t i = 0; i < len; i++)
        n += (unsigned)__builtin_popcount(p[i]);
    /* Of the last byte, what is left is the last bit alone. */
    if (!(p[0] & 0x80) || (uint8_t)(p[len - 1] << (c->span - 1) % 8) != 0x80)
        return SP_EBADMSG;
    if (n > SP_PARITY_MAX_K)
        return SP_EBADMSG;
    c->n = (uint8_t)n;
    return 0;
}

int sp_parity_parse(struct sp_span payload, struct sp_parity_frame *out)
{
    struct sp_parity_frame f;
    size_t head;

    if (payload.len < FIXED_LEN)
        return SP_EBADMSG;
    f.cover.base = sp_get_be32(payload.p);
    f.row = payload.p[4];
    f.cover.span = payload.p[5];
    head = FIXED_LEN + bitmap_len(f.cover.span);
    if (f.row >= SP_PARITY_MAX_M || f.cover.span == 0)
        return SP_EBADMSG;
    if (payload.len < head + SP_PARITY_MEMBER_HEAD || payload.len > head + SP_PARITY_SUM_MAX)
        return SP_EBADMSG;
    if (read_bitmap(payload.p + FIXED_LEN, &f.cover))
        return SP_EBADMSG;
    f.sum = sp_span_skip(payload, head);
    *out = f;
    return 0;
}

size_t sp_parity_header(uint8_t *end, const struct sp_parity_cover *c, uint8_t row)
{
    size_t head = FIXED_LEN + bitmap_len(c->span);
    uint8_t *p = end - head;

    sp_put_be32(p, c->base);
    p[4] = row;
    p[5] = c->span;
    memcpy(p + FIXED_LEN, c->bitmap, bitmap_len(c->span));
    return head;
}

/*
 * Cauchy: 1 / (x + y) with a different x for each row and y for each column, all different; every
 * square part of it can be inverted, also when columns are multiplied. Here by x0 + y, with x0 = 0.
 */
uint8_t sp_parity_factor(unsigned row, unsigned i)
{
    uint8_t y = (uint8_t)(SP_PARITY_MAX_M + i);

    return sp_gf256_mul(sp_gf256_inv((uint8_t)(row ^ y)), y);
}

void sp_parity_add(uint8_t *sum, uint8_t factor, uint16_t flow, struct sp_span bytes)
{
    uint8_t head[SP_PARITY_MEMBER_HEAD];

    sp_put_be16(head, flow);
    sp_put_be16(head + 2, (uint16_t)bytes.len);
    sp_gf256_mul_add(sum, head, sizeof(head), factor);
    sp_gf256_mul_add(sum + sizeof(head), bytes.p, bytes.len, factor);
}
