/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nonces that need no memory (RFC 8489 section 9.2): a nonce says when it was made, and carries a
 * MAC over that and the client's address under a key that never leaves the process.
 *
 *     "obMatJos2" base64(features 24) base64(seconds 32 | worker 16 | MAC 72)      33 characters
 *
 * Knows no users.
 */
#ifndef SALLYPORT_SERVER_TURN_NONCE_H
#define SALLYPORT_SERVER_TURN_NONCE_H

#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"
#include "sallyport/crypto.h"
#include "sallyport/rng.h"

#define SP_TURN_NONCE_LEN 33
#define SP_TURN_NONCE_MAX (SP_TURN_NONCE_LEN + 1) /* with its NUL */

/* STUN security features, counted from the most significant bit (RFC 8489 section 18.1). */
#define SP_STUN_FEATURE_PASSWORD_ALGORITHMS (1u << 23)
#define SP_STUN_FEATURE_USERNAME_ANONYMITY  (1u << 22)

struct sp_turn_nonces {
    uint8_t key[SP_SHA256_LEN];
    uint16_t worker; /* stands in each nonce, so that another worker can tell whose it is */
};

void sp_turn_nonces_init(struct sp_turn_nonces *n, uint16_t worker, struct sp_rng *rng);
void sp_turn_nonces_fini(struct sp_turn_nonces *n);

/* `out` gets a NUL. The same client gets the same nonce within one second. */
void sp_turn_nonce_make(const struct sp_turn_nonces *n, const struct sp_addr *client,
                        uint32_t features, uint64_t now_us, char out[static SP_TURN_NONCE_MAX]);

/* SP_EEXPIRED: ours, but older than an hour. SP_EAUTH: not ours, or another client's. */
int sp_turn_nonce_check(const struct sp_turn_nonces *n, const struct sp_addr *client,
                        struct sp_span nonce, uint64_t now_us);

#endif
