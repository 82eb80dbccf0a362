/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/stun_auth.h"

#include "sallyport/err.h"

#define ATTR_HEADER_LEN      4
#define FINGERPRINT_LEN      4
#define FINGERPRINT_XOR      0x5354554Eu /* "STUN": RFC 8489 section 14.7 */
#define SHA256_TRUNCATED_MIN 16          /* RFC 8489 section 14.6 */

/* user:realm:password in pieces. The password is hashed as it is: OpaqueString preparation (RFC
 * 8265) belongs where passwords enter, and changes nothing in ASCII. */
#define CREDENTIAL_PARTS 5

static void credential_parts(struct sp_span user, struct sp_span realm, struct sp_span password,
                             struct sp_span parts[static CREDENTIAL_PARTS])
{
    parts[0] = user;
    parts[1] = sp_span_str(":");
    parts[2] = realm;
    parts[3] = parts[1];
    parts[4] = password;
}

void sp_stun_key_md5(struct sp_span user, struct sp_span realm, struct sp_span password,
                     struct sp_stun_key *out)
{
    struct sp_span parts[CREDENTIAL_PARTS];

    credential_parts(user, realm, password, parts);
    *out = (struct sp_stun_key){.len = SP_MD5_LEN};
    sp_md5(parts, CREDENTIAL_PARTS, out->bytes);
}

void sp_stun_key_sha256(struct sp_span user, struct sp_span realm, struct sp_span password,
                        struct sp_stun_key *out)
{
    struct sp_span parts[CREDENTIAL_PARTS];

    credential_parts(user, realm, password, parts);
    *out = (struct sp_stun_key){.len = SP_SHA256_LEN};
    sp_sha256(parts, CREDENTIAL_PARTS, out->bytes);
}

/*
 * What a protecting attribute covers: the message up to it, with a length field as if the message
 * ended behind it. The header's first four bytes are made anew and the rest stays where it is, so
 * a received message is neither copied nor changed.
 */
struct covered {
    uint8_t head[4];
    struct sp_span parts[2];
};

static void cover(struct covered *c, const uint8_t *raw, const uint8_t *value, size_t value_len)
{
    size_t before = (size_t)(value - raw) - ATTR_HEADER_LEN;

    memcpy(c->head, raw, 2);
    sp_put_be16(c->head + 2, (uint16_t)(before + ATTR_HEADER_LEN + value_len - SP_STUN_HEADER_LEN));
    c->parts[0] = sp_span(c->head, sizeof(c->head));
    c->parts[1] = sp_span(raw + sizeof(c->head), before - sizeof(c->head));
}

static uint32_t fingerprint(const struct covered *c)
{
    return sp_crc32(c->parts, SP_ARRAY_LEN(c->parts)) ^ FINGERPRINT_XOR;
}

void sp_stun_put_integrity(struct sp_stun_builder *b, struct sp_span key)
{
    uint8_t *mac = sp_stun_put_space(b, SP_ATTR_MESSAGE_INTEGRITY, SP_SHA1_LEN);
    struct covered c;

    if (!mac)
        return;
    cover(&c, b->p, mac, SP_SHA1_LEN);
    sp_hmac_sha1(key, c.parts, SP_ARRAY_LEN(c.parts), mac);
}

void sp_stun_put_integrity_sha256(struct sp_stun_builder *b, struct sp_span key)
{
    uint8_t *mac = sp_stun_put_space(b, SP_ATTR_MESSAGE_INTEGRITY_SHA256, SP_SHA256_LEN);
    struct covered c;

    if (!mac)
        return;
    cover(&c, b->p, mac, SP_SHA256_LEN);
    sp_hmac_sha256(key, c.parts, SP_ARRAY_LEN(c.parts), mac);
}

void sp_stun_put_fingerprint(struct sp_stun_builder *b)
{
    uint8_t *crc = sp_stun_put_space(b, SP_ATTR_FINGERPRINT, FINGERPRINT_LEN);
    struct covered c;

    if (!crc)
        return;
    cover(&c, b->p, crc, FINGERPRINT_LEN);
    sp_put_be32(crc, fingerprint(&c));
}

int sp_stun_check_integrity(const struct sp_stun_msg *m, struct sp_span key)
{
    struct sp_span mac;
    struct covered c;
    uint8_t want[SP_SHA1_LEN];

    if (!sp_stun_find(m, SP_ATTR_MESSAGE_INTEGRITY, &mac))
        return SP_ENOENT;
    if (mac.len != sizeof(want))
        return SP_EAUTH;
    cover(&c, m->raw.p, mac.p, mac.len);
    sp_hmac_sha1(key, c.parts, SP_ARRAY_LEN(c.parts), want);
    return sp_crypto_equal(mac, sp_span(want, sizeof(want))) ? 0 : SP_EAUTH;
}

int sp_stun_check_integrity_sha256(const struct sp_stun_msg *m, struct sp_span key)
{
    struct sp_span mac;
    struct covered c;
    uint8_t want[SP_SHA256_LEN];

    if (!sp_stun_find(m, SP_ATTR_MESSAGE_INTEGRITY_SHA256, &mac))
        return SP_ENOENT;
    if (mac.len < SHA256_TRUNCATED_MIN || mac.len > sizeof(want) || mac.len % 4 != 0)
        return SP_EAUTH;
    cover(&c, m->raw.p, mac.p, mac.len);
    sp_hmac_sha256(key, c.parts, SP_ARRAY_LEN(c.parts), want);
    return sp_crypto_equal(mac, sp_span(want, mac.len)) ? 0 : SP_EAUTH;
}

int sp_stun_check_fingerprint(const struct sp_stun_msg *m)
{
    struct sp_span crc;
    struct covered c;

    if (!sp_stun_find(m, SP_ATTR_FINGERPRINT, &crc))
        return SP_ENOENT;
    /* It must be the last attribute: it vouches for the whole datagram being STUN. */
    if (crc.len != FINGERPRINT_LEN || crc.p + crc.len != m->raw.p + m->raw.len)
        return SP_EAUTH;
    cover(&c, m->raw.p, crc.p, crc.len);
    return sp_get_be32(crc.p) == fingerprint(&c) ? 0 : SP_EAUTH;
}
