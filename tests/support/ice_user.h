/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ICE agent's checks, for any transport and one candidate pair (RFC 8445 section 7): makes them
 * with both fragments and the far end's password, answers those of the far end, and believes no
 * answer that is not made with its password. Knows no candidates, no clock, and no conflict of
 * roles.
 */
#ifndef SALLYPORT_TEST_ICE_USER_H
#define SALLYPORT_TEST_ICE_USER_H

#include <stdbool.h>

#include "sallyport/addr.h"
#include "sallyport/stun.h"

#define ICE_USER_UFRAG_MAX    32
#define ICE_USER_PASSWORD_MAX 64
#define ICE_USER_REMEMBERED   64 /* checks that may still be answered */

struct ice_credentials {
    char ufrag[ICE_USER_UFRAG_MAX + 1], password[ICE_USER_PASSWORD_MAX + 1];
};

struct ice_user {
    struct ice_credentials own, far;
    bool controlling;
    uint8_t id[SP_STUN_ID_LEN]; /* of the last check; the others differ in what counts them */
    uint32_t checks;
    bool connected;             /* a check was answered */
    uint64_t answered, foreign; /* what came: checks; what was not the far end's */
    uint8_t msg[512];
};

/* "UFRAG:PASSWORD"; false: it is not, or too long. */
bool ice_credentials_parse(struct sp_span text, struct ice_credentials *out);

/* `seed` makes its transaction ids its own. */
void ice_user_init(struct ice_user *u, const struct ice_credentials *own,
                   const struct ice_credentials *far, bool controlling, uint32_t seed);

/* A check, or, once connected, a question for consent (RFC 7675). Both lie in u->msg until the
 * next message. */
struct sp_span ice_user_check(struct ice_user *u);

/* What came from there, which is STUN. True: a check of the far end, and *answer is for it. */
bool ice_user_take(struct ice_user *u, struct sp_span msg, const struct sp_addr *from,
                   struct sp_span *answer);

#endif
