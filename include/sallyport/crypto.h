/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few digests that STUN, TURN and tokens need, over wolfCrypt. The only module besides
 * those of tls that includes wolfSSL's headers. Knows no message format.
 */
#ifndef SALLYPORT_CRYPTO_H
#define SALLYPORT_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"

#define SP_MD5_LEN    16
#define SP_SHA1_LEN   20
#define SP_SHA256_LEN 32

/* All of these hash the concatenation of `n` spans. */
void sp_md5(const struct sp_span *parts, size_t n, uint8_t out[static SP_MD5_LEN]);
void sp_sha256(const struct sp_span *parts, size_t n, uint8_t out[static SP_SHA256_LEN]);
void sp_hmac_sha1(struct sp_span key, const struct sp_span *parts, size_t n,
                  uint8_t out[static SP_SHA1_LEN]);
void sp_hmac_sha256(struct sp_span key, const struct sp_span *parts, size_t n,
                    uint8_t out[static SP_SHA256_LEN]);

/* HKDF-SHA256 (RFC 5869) without salt. `out_len` at most 255 * 32. */
void sp_hkdf_sha256(struct sp_span secret, const char *info, uint8_t *out, size_t out_len);

/* CRC-32 of ISO 3309, as FINGERPRINT uses it (RFC 8489 section 14.7), before its XOR. */
uint32_t sp_crc32(const struct sp_span *parts, size_t n);

/* In time that depends on the lengths only. */
bool sp_crypto_equal(struct sp_span a, struct sp_span b);

/* Overwrites, and is not optimized away. */
void sp_crypto_wipe(void *p, size_t len);

/* One line for --version: "wolfSSL 5.5.4, AES in hardware" (or "AES in software"). */
const char *sp_crypto_describe(void);

#endif
