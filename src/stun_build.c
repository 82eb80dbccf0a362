/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writing half of sallyport/stun.h. The length in the header is written at the end, and by who
 * must protect the message before that (stun_auth.c).
 */
#include "sallyport/err.h"
#include "sallyport/stun.h"

/* As RFC 8489 section 14.8, 8656 section 19, 6062 section 6.3, 8016 and 8445 register them. */
static const struct {
    unsigned code;
    const char *phrase;
} phrases[] = {
    {300, "Try Alternate"},
    {400, "Bad Request"},
    {401, "Unauthenticated"},
    {403, "Forbidden"},
    {405, "Mobility Forbidden"},
    {420, "Unknown Attribute"},
    {437, "Allocation Mismatch"},
    {438, "Stale Nonce"},
    {440, "Address Family not Supported"},
    {441, "Wrong Credentials"},
    {442, "Unsupported Transport Protocol"},
    {443, "Peer Address Family Mismatch"},
    {446, "Connection Already Exists"},
    {447, "Connection Timeout or Failure"},
    {486, "Allocation Quota Reached"},
    {487, "Role Conflict"},
    {500, "Server Error"},
    {508, "Insufficient Capacity"},
};

static void fail(struct sp_stun_builder *b, int err)
{
    if (b->err == 0)
        b->err = err;
}

void sp_stun_begin(struct sp_stun_builder *b, uint8_t *p, size_t cap, uint16_t method,
                   enum sp_stun_class cls, const uint8_t id[static SP_STUN_ID_LEN])
{
    *b = (struct sp_stun_builder){.p = p, .cap = cap};
    if (method > 0xFFF) {
        fail(b, SP_EINVAL);
        return;
    }
    if (cap < SP_STUN_HEADER_LEN) {
        fail(b, SP_ETOOBIG);
        return;
    }

    unsigned m = method, c = (unsigned)cls;
    unsigned type = (m & 0x00F) | (c & 1) << 4 | (m & 0x070) << 1 | (c & 2) << 7 | (m & 0xF80) << 2;

    sp_put_be16(p, (uint16_t)type);
    sp_put_be16(p + 2, 0);
    sp_put_be32(p + 4, SP_STUN_COOKIE);
    memcpy(p + 8, id, SP_STUN_ID_LEN);
    b->len = SP_STUN_HEADER_LEN;
}

uint8_t *sp_stun_put_space(struct sp_stun_builder *b, uint16_t type, size_t len)
{
    if (b->err)
        return NULL;
    /* The message's length is 16 bits and a multiple of four; `len` alone may wrap a sum. */
    if (len > UINT16_MAX) {
        fail(b, SP_ETOOBIG);
        return NULL;
    }

    size_t padding = (0 - len) & 3;
    size_t end = b->len + 4 + len + padding;

    if (end > b->cap || end - SP_STUN_HEADER_LEN > UINT16_MAX) {
        fail(b, SP_ETOOBIG);
        return NULL;
    }

    uint8_t *p = b->p + b->len;

    sp_put_be16(p, type);
    sp_put_be16(p + 2, (uint16_t)len);
    memset(p + 4 + len, 0, padding);
    b->len = end;
    return p + 4;
}

void sp_stun_put(struct sp_stun_builder *b, uint16_t type, struct sp_span value)
{
    uint8_t *p = sp_stun_put_space(b, type, value.len);

    if (p && value.len > 0)
        memcpy(p, value.p, value.len);
}

void sp_stun_put_u32(struct sp_stun_builder *b, uint16_t type, uint32_t v)
{
    uint8_t *p = sp_stun_put_space(b, type, 4);

    if (p)
        sp_put_be32(p, v);
}

/* `mask` is laid over port and address. */
static void put_masked_addr(struct sp_stun_builder *b, uint16_t type, const struct sp_addr *a,
                            const uint8_t mask[static 16])
{
    size_t ip_len = sp_addr_ip_len(a);

    if (ip_len == 0) {
        fail(b, SP_EINVAL);
        return;
    }

    uint8_t *p = sp_stun_put_space(b, type, 4 + ip_len);

    if (!p)
        return;
    p[0] = 0;
    p[1] = (uint8_t)a->family;
    sp_put_be16(p + 2, (uint16_t)(a->port ^ sp_get_be16(mask)));
    for (size_t i = 0; i < ip_len; i++)
        p[4 + i] = a->ip[i] ^ mask[i];
}

void sp_stun_put_addr(struct sp_stun_builder *b, uint16_t type, const struct sp_addr *a)
{
    static const uint8_t zeros[16];

    put_masked_addr(b, type, a, zeros);
}

void sp_stun_put_xor_addr(struct sp_stun_builder *b, uint16_t type, const struct sp_addr *a)
{
    put_masked_addr(b, type, a, b->p + 4); /* the cookie, then the transaction id */
}

static const char *phrase_of(unsigned code)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(phrases); i++) {
        if (phrases[i].code == code)
            return phrases[i].phrase;
    }
    return "";
}

void sp_stun_put_error(struct sp_stun_builder *b, unsigned code, const char *reason)
{
    if (code < 300 || code > 699) {
        fail(b, SP_EINVAL);
        return;
    }

    struct sp_span phrase = sp_span_str(reason ? reason : phrase_of(code));
    uint8_t *p = sp_stun_put_space(b, SP_ATTR_ERROR_CODE, 4 + phrase.len);

    if (!p)
        return;
    sp_put_be16(p, 0);
    p[2] = (uint8_t)(code / 100);
    p[3] = (uint8_t)(code % 100);
    memcpy(p + 4, phrase.p, phrase.len);
}

void sp_stun_put_unknown(struct sp_stun_builder *b, const uint16_t *types, size_t n)
{
    if (n > UINT16_MAX / 2) {
        fail(b, SP_ETOOBIG);
        return;
    }

    uint8_t *p = sp_stun_put_space(b, SP_ATTR_UNKNOWN_ATTRIBUTES, 2 * n);

    for (size_t i = 0; p && i < n; i++)
        sp_put_be16(p + 2 * i, types[i]);
}

int sp_stun_end(struct sp_stun_builder *b, size_t *len)
{
    if (b->err)
        return b->err;
    sp_put_be16(b->p + 2, (uint16_t)(b->len - SP_STUN_HEADER_LEN));
    *len = b->len;
    return 0;
}
