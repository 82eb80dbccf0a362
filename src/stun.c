/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/stun.h"

#include <netinet/in.h>

#include "sallyport/err.h"

#define ATTR_HEADER_LEN 4

bool sp_stun_looks_like(struct sp_span s)
{
    return s.len >= 8 && s.p[0] < 0x40 && sp_get_be32(s.p + 4) == SP_STUN_COOKIE;
}

/* What an attribute of `len` bytes takes up, header and padding included. */
static size_t attr_size(size_t len)
{
    return ATTR_HEADER_LEN + ((len + 3) & ~(size_t)3);
}

/* The length of the message is a multiple of four here, so where a header begins, it is whole. */
static bool attrs_fit(struct sp_span attrs)
{
    while (attrs.len > 0) {
        size_t size = attr_size(sp_get_be16(attrs.p + 2));

        if (size > attrs.len)
            return false;
        attrs = sp_span_skip(attrs, size);
    }
    return true;
}

/*
 * The message type interleaves method (M) and class (C), from RFC 8489 section 5:
 *
 *     0 0 M M M M M C M M M C M M M M
 *         11      7 1 6   4 0 3     0
 */
int sp_stun_parse(struct sp_span s, struct sp_stun_msg *out)
{
    if (s.len < SP_STUN_HEADER_LEN || !sp_stun_looks_like(s))
        return SP_EBADMSG;

    uint16_t type = sp_get_be16(s.p);
    size_t len = sp_get_be16(s.p + 2);

    if (len % 4 != 0 || len != s.len - SP_STUN_HEADER_LEN)
        return SP_EBADMSG;
    if (!attrs_fit(sp_span_skip(s, SP_STUN_HEADER_LEN)))
        return SP_EBADMSG;

    out->method = (uint16_t)((type & 0x000F) | (type & 0x00E0) >> 1 | (type & 0x3E00) >> 2);
    out->cls = (enum sp_stun_class)((type & 0x0010) >> 4 | (type & 0x0100) >> 7);
    out->id = s.p + 8;
    out->raw = s;
    return 0;
}

/* The order in which the attributes that protect a message must stand; 0 for all others. */
static unsigned protection_rank(uint16_t type)
{
    switch (type) {
    case SP_ATTR_MESSAGE_INTEGRITY:
        return 1;
    case SP_ATTR_MESSAGE_INTEGRITY_SHA256:
        return 2;
    case SP_ATTR_FINGERPRINT:
        return 3;
    default:
        return 0;
    }
}

/*
 * Attributes start at multiples of four, which leaves the low two bits of the position for the rank
 * of the last protecting attribute: behind it only those of a higher rank count. Whatever else
 * stands there may have been added on the way, by someone without the key.
 */
bool sp_stun_next(const struct sp_stun_msg *m, size_t *pos, struct sp_stun_attr *out)
{
    size_t off = SP_STUN_HEADER_LEN + (*pos & ~(size_t)3);
    unsigned seen = *pos & 3;

    while (off < m->raw.len) {
        const uint8_t *p = m->raw.p + off;
        uint16_t type = sp_get_be16(p);
        size_t len = sp_get_be16(p + 2);
        unsigned rank = protection_rank(type);

        off += attr_size(len);
        if (rank > seen || seen == 0) {
            *pos = (off - SP_STUN_HEADER_LEN) | rank;
            out->type = type;
            out->value = sp_span(p + ATTR_HEADER_LEN, len);
            return true;
        }
    }
    return false;
}

bool sp_stun_find(const struct sp_stun_msg *m, uint16_t type, struct sp_span *value)
{
    struct sp_stun_attr a;
    size_t pos = 0;

    while (sp_stun_next(m, &pos, &a)) {
        if (a.type == type) {
            *value = a.value;
            return true;
        }
    }
    return false;
}

int sp_stun_find_u32(const struct sp_stun_msg *m, uint16_t type, uint32_t *out)
{
    struct sp_span v;

    if (!sp_stun_find(m, type, &v))
        return SP_ENOENT;
    if (v.len != 4)
        return SP_EBADMSG;
    *out = sp_get_be32(v.p);
    return 0;
}

int sp_stun_find_xor_addr(const struct sp_stun_msg *m, uint16_t type, struct sp_addr *out)
{
    struct sp_span v;

    if (!sp_stun_find(m, type, &v))
        return SP_ENOENT;
    return sp_stun_xor_addr(m, v, out);
}

/*
 * RFC 8489 section 14.2. The address is XORed with the cookie and, after it, the transaction id,
 * which is how the two stand in the header.
 *
 *     |0 0 0 0 0 0 0 0|    Family     |         X-Port                |
 *     |                X-Address (32 or 128 bits)                     |
 */
int sp_stun_xor_addr(const struct sp_stun_msg *m, struct sp_span value, struct sp_addr *out)
{
    if (value.len < 4)
        return SP_EBADMSG;

    const uint8_t *mask = m->raw.p + 4;
    uint16_t port = (uint16_t)(sp_get_be16(value.p + 2) ^ sp_get_be16(mask));
    uint8_t ip[16];

    for (size_t i = 4; i < value.len && i < 4 + sizeof(ip); i++)
        ip[i - 4] = value.p[i] ^ mask[i - 4];

    if (value.p[1] == SP_IPV4 && value.len == 8) {
        *out = sp_addr_v4(ip[0], ip[1], ip[2], ip[3], port);
        return 0;
    }
    if (value.p[1] == SP_IPV6 && value.len == 20) {
        /* By way of a sockaddr, since that is where a mapped address becomes IPv4. */
        struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

        memcpy(&sin6.sin6_addr, ip, sizeof(ip));
        return sp_addr_from_sockaddr((const struct sockaddr *)&sin6, out);
    }
    return SP_EBADMSG;
}

/*
 * RFC 8489 section 14.8:
 *
 *     |           Reserved, should be 0         |Class|     Number    |
 *     |      Reason Phrase (variable)                                ..
 */
int sp_stun_find_error(const struct sp_stun_msg *m, unsigned *code, struct sp_span *reason)
{
    struct sp_span v;

    if (!sp_stun_find(m, SP_ATTR_ERROR_CODE, &v))
        return SP_ENOENT;
    if (v.len < 4)
        return SP_EBADMSG;

    unsigned hundreds = v.p[2] & 7, number = v.p[3];

    if (hundreds < 3 || hundreds > 6 || number > 99)
        return SP_EBADMSG;
    *code = hundreds * 100 + number;
    if (reason)
        *reason = sp_span_skip(v, 4);
    return 0;
}

static bool holds(const uint16_t *types, size_t n, uint16_t type)
{
    for (size_t i = 0; i < n; i++) {
        if (types[i] == type)
            return true;
    }
    return false;
}

size_t sp_stun_unknown(const struct sp_stun_msg *m, const uint16_t *known, size_t n_known,
                       uint16_t *out, size_t cap)
{
    struct sp_stun_attr a;
    size_t pos = 0, n = 0;

    while (n < cap && sp_stun_next(m, &pos, &a)) {
        if (a.type < 0x8000 && !holds(known, n_known, a.type) && !holds(out, n, a.type))
            out[n++] = a.type;
    }
    return n;
}
