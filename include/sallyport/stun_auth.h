/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What protects a STUN message: MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT, and the
 * keys of long-term credentials (RFC 8489 sections 9.2 and 14.5 to 14.7). Knows neither users nor
 * nonces.
 */
#ifndef SALLYPORT_STUN_AUTH_H
#define SALLYPORT_STUN_AUTH_H

#include "sallyport/crypto.h"
#include "sallyport/stun.h"

/* The key of long-term credentials: MD5 (16 bytes) or SHA-256 (32) of user:realm:password. */
struct sp_stun_key {
    uint8_t bytes[SP_SHA256_LEN];
    size_t len;
};

void sp_stun_key_md5(struct sp_span user, struct sp_span realm, struct sp_span password,
                     struct sp_stun_key *out);
void sp_stun_key_sha256(struct sp_span user, struct sp_span realm, struct sp_span password,
                        struct sp_stun_key *out);
/* `key` below is any span: with short-term credentials it is the password itself. */

/* Appends the attribute over all that was built so far (the length field counts it already). */
void sp_stun_put_integrity(struct sp_stun_builder *b, struct sp_span key);
void sp_stun_put_integrity_sha256(struct sp_stun_builder *b, struct sp_span key);
void sp_stun_put_fingerprint(struct sp_stun_builder *b);

/* 0: right; SP_ENOENT: the attribute isn't there; SP_EAUTH: wrong. In constant time over the MAC.
 * SHA256 may be truncated to 16..32 bytes in steps of 4 (section 14.6). */
int sp_stun_check_integrity(const struct sp_stun_msg *m, struct sp_span key);
int sp_stun_check_integrity_sha256(const struct sp_stun_msg *m, struct sp_span key);
int sp_stun_check_fingerprint(const struct sp_stun_msg *m);

#endif
