/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * STUN messages (RFC 8489 sections 5 and 14): a view over received bytes, and a builder into bytes
 * of the caller. The private control messages of the tunnel use the same codec. Knows no
 * transactions, no credentials (stun_auth.h) and no transport.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |0 0|     STUN Message Type     |         Message Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                   Magic Cookie  0x2112A442                    |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                     Transaction ID (96 bits)                  |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#ifndef SALLYPORT_STUN_H
#define SALLYPORT_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"

#define SP_STUN_HEADER_LEN 20
#define SP_STUN_COOKIE     0x2112A442u
#define SP_STUN_ID_LEN     12

enum sp_stun_class { SP_STUN_REQUEST, SP_STUN_INDICATION, SP_STUN_SUCCESS, SP_STUN_ERROR };

enum sp_stun_method {
    SP_STUN_BINDING = 0x001,
    SP_TURN_ALLOCATE = 0x003,
    SP_TURN_REFRESH = 0x004,
    SP_TURN_SEND = 0x006,
    SP_TURN_DATA = 0x007,
    SP_TURN_CREATE_PERMISSION = 0x008,
    SP_TURN_CHANNEL_BIND = 0x009,
};

enum sp_stun_attr_type {
    SP_ATTR_MAPPED_ADDRESS = 0x0001,
    SP_ATTR_CHANGE_REQUEST = 0x0003,
    SP_ATTR_USERNAME = 0x0006,
    SP_ATTR_MESSAGE_INTEGRITY = 0x0008,
    SP_ATTR_ERROR_CODE = 0x0009,
    SP_ATTR_UNKNOWN_ATTRIBUTES = 0x000A,
    SP_ATTR_CHANNEL_NUMBER = 0x000C,
    SP_ATTR_LIFETIME = 0x000D,
    SP_ATTR_XOR_PEER_ADDRESS = 0x0012,
    SP_ATTR_DATA = 0x0013,
    SP_ATTR_REALM = 0x0014,
    SP_ATTR_NONCE = 0x0015,
    SP_ATTR_XOR_RELAYED_ADDRESS = 0x0016,
    SP_ATTR_REQUESTED_ADDRESS_FAMILY = 0x0017,
    SP_ATTR_EVEN_PORT = 0x0018,
    SP_ATTR_REQUESTED_TRANSPORT = 0x0019,
    SP_ATTR_DONT_FRAGMENT = 0x001A,
    SP_ATTR_MESSAGE_INTEGRITY_SHA256 = 0x001C,
    SP_ATTR_PASSWORD_ALGORITHM = 0x001D,
    SP_ATTR_USERHASH = 0x001E,
    SP_ATTR_XOR_MAPPED_ADDRESS = 0x0020,
    SP_ATTR_RESERVATION_TOKEN = 0x0022,
    SP_ATTR_PRIORITY = 0x0024,
    SP_ATTR_USE_CANDIDATE = 0x0025,
    SP_ATTR_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
    SP_ATTR_ADDRESS_ERROR_CODE = 0x8001,
    SP_ATTR_PASSWORD_ALGORITHMS = 0x8002,
    SP_ATTR_ALTERNATE_DOMAIN = 0x8003,
    SP_ATTR_ICMP = 0x8004,
    SP_ATTR_SOFTWARE = 0x8022,
    SP_ATTR_ALTERNATE_SERVER = 0x8023,
    SP_ATTR_FINGERPRINT = 0x8028,
    SP_ATTR_ICE_CONTROLLED = 0x8029,
    SP_ATTR_ICE_CONTROLLING = 0x802A,
};

/* A parsed message: borrows the bytes it was parsed from. */
struct sp_stun_msg {
    uint16_t method;
    enum sp_stun_class cls;
    const uint8_t *id;  /* SP_STUN_ID_LEN bytes */
    struct sp_span raw; /* the whole message, header and all */
};

/* Whether the bytes begin like STUN: first two bits zero and the cookie in its place (RFC 7983 and
 * 8489 section 6.3). False when fewer than 8 bytes are there. */
bool sp_stun_looks_like(struct sp_span s);

/*
 * Parses one whole message, checks that each attribute lies within it, and that what follows a
 * MESSAGE-INTEGRITY is only what may (others there are ignored by sp_stun_attr, section 14.5).
 * SP_EBADMSG: not STUN, length wrong, attribute overruns. Does not check FINGERPRINT.
 */
int sp_stun_parse(struct sp_span s, struct sp_stun_msg *out);

struct sp_stun_attr {
    uint16_t type;
    struct sp_span value; /* without padding */
};

/* Walks the attributes that count: `pos` starts at 0. Returns false at the end. Attributes behind
 * MESSAGE-INTEGRITY other than MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, and all behind
 * FINGERPRINT, are not shown (RFC 8489 sections 14.5 to 14.7). */
bool sp_stun_next(const struct sp_stun_msg *m, size_t *pos, struct sp_stun_attr *out);

/* The first attribute of that type, or false (RFC 8489 section 14: repeats are ignored). */
bool sp_stun_find(const struct sp_stun_msg *m, uint16_t type, struct sp_span *value);

/* Typed reads. SP_ENOENT: not there; SP_EBADMSG: there, but of a wrong length or family. */
int sp_stun_find_u32(const struct sp_stun_msg *m, uint16_t type, uint32_t *out);
int sp_stun_find_xor_addr(const struct sp_stun_msg *m, uint16_t type, struct sp_addr *out);
int sp_stun_xor_addr(const struct sp_stun_msg *m, struct sp_span value, struct sp_addr *out);

/* CODE of an ERROR-CODE attribute, 300-699; reason (may be NULL) is the phrase, borrowed. */
int sp_stun_find_error(const struct sp_stun_msg *m, unsigned *code, struct sp_span *reason);

/*
 * Collects the comprehension-required attributes (0x0000-0x7FFF) that are not in `known` (n_known
 * types), each once, at most `cap`. Returns how many were written.
 */
size_t sp_stun_unknown(const struct sp_stun_msg *m, const uint16_t *known, size_t n_known,
                       uint16_t *out, size_t cap);

/*
 * Builds a message into the caller's bytes. The first error sticks and is returned by
 * sp_stun_end, so calls in between need no checks.
 */
struct sp_stun_builder {
    uint8_t *p;
    size_t cap, len;
    int err;
};

void sp_stun_begin(struct sp_stun_builder *b, uint8_t *p, size_t cap, uint16_t method,
                   enum sp_stun_class cls, const uint8_t id[static SP_STUN_ID_LEN]);
void sp_stun_put(struct sp_stun_builder *b, uint16_t type, struct sp_span value);
void sp_stun_put_u32(struct sp_stun_builder *b, uint16_t type, uint32_t v);
/* As it is, for the attributes that are not XORed: ALTERNATE-SERVER (RFC 8489 section 14.15). */
void sp_stun_put_addr(struct sp_stun_builder *b, uint16_t type, const struct sp_addr *a);
void sp_stun_put_xor_addr(struct sp_stun_builder *b, uint16_t type, const struct sp_addr *a);
/* `reason` NULL: the phrase RFC 8489/8656 register for the code. */
void sp_stun_put_error(struct sp_stun_builder *b, unsigned code, const char *reason);
void sp_stun_put_unknown(struct sp_stun_builder *b, const uint16_t *types, size_t n);

/* Reserves an attribute of `len` bytes and returns where its value goes; NULL after an error. */
uint8_t *sp_stun_put_space(struct sp_stun_builder *b, uint16_t type, size_t len);

/* Writes the final length. The message is b->p[0 .. *len). SP_ETOOBIG when it did not fit. */
int sp_stun_end(struct sp_stun_builder *b, size_t *len);

#endif
