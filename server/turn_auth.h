/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may allocate: static users and TURN REST credentials (RFC 8489 section 9.2,
 * draft-uberti-behave-turn-rest). Filled once, and constant from then on: all workers check against
 * the same. Knows no allocations, and no nonces (turn_nonce.h) but that a request must have one.
 */
#ifndef SALLYPORT_SERVER_TURN_AUTH_H
#define SALLYPORT_SERVER_TURN_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "sallyport/rng.h"
#include "sallyport/stun.h"
#include "sallyport/stun_auth.h"

struct sp_turn_auth;

#define SP_TURN_USERNAME_MAX 512 /* RFC 8489 section 14.3: fewer than 509 bytes */

/* A challenge by UDP stays within 160 bytes (with FINGERPRINT and PASSWORD-ALGORITHMS), so this is
 * what is left for the realm. No host name is longer. */
#define SP_TURN_REALM_MAX 64

/* The realm is copied; at most SP_TURN_REALM_MAX bytes. SP_EINVAL (empty), SP_ETOOBIG, SP_ENOMEM.
 */
int sp_turn_auth_new(const char *realm, struct sp_rng *rng, struct sp_turn_auth **out);
void sp_turn_auth_free(struct sp_turn_auth *a);
const char *sp_turn_auth_realm(const struct sp_turn_auth *a);

/* Both replace what was there, before anybody else knows of `a`; keys are derived here and the
 * password forgotten. SP_EINVAL: a user without ":", with an empty name or password, or an empty
 * secret; SP_ETOOBIG: a name over SP_TURN_USERNAME_MAX; SP_EEXIST: twice the same name; SP_ENOMEM.
 * On an error nothing has changed. Passwords are used as they are, without OpaqueString preparation
 * (RFC 8265). */
int sp_turn_auth_set_users(struct sp_turn_auth *a, const char *const *name_colon_password,
                           size_t n);
int sp_turn_auth_set_secrets(struct sp_turn_auth *a, const struct sp_span *secrets, size_t n);

/* What a nonce has to say of it: the SP_STUN_FEATURE_… that clients may use. */
uint32_t sp_turn_auth_features(const struct sp_turn_auth *a);

/* The value of PASSWORD-ALGORITHMS, which a challenge carries beside that nonce: SHA-256, then MD5
 * (RFC 8489 sections 14.11 and 18.5). */
struct sp_span sp_turn_auth_algorithms(void);

/*
 * Checks a request: USERNAME or USERHASH, REALM, NONCE, PASSWORD-ALGORITHM(S) and
 * MESSAGE-INTEGRITY(-SHA256), in the order of RFC 8489 section 9.2.4. Returns 0 and the key that
 * signs the answer (and the names, borrowed from the message or from here), or the STUN error code
 * that the answer carries: 400, 401. Whether the nonce is good comes last, and is the caller's to
 * find out (438).
 *
 * `unix_s` 0: a REST credential's expiry doesn't count. For requests about an allocation that was
 * made while it was valid: an expired credential makes no new allocation and ends no running one.
 */
struct sp_turn_auth_result {
    struct sp_span username;
    struct sp_span account; /* whose quota: of a REST username what follows the expiry */
    struct sp_stun_key key;
    struct sp_span nonce;
    int sha256; /* the request was protected by MESSAGE-INTEGRITY-SHA256: answer alike */
};
int sp_turn_auth_check(const struct sp_turn_auth *a, const struct sp_stun_msg *m, uint64_t unix_s,
                       struct sp_turn_auth_result *out);

#endif
