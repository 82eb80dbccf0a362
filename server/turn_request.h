/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One STUN request in work, and how it is answered: signed as it was signed, with a FINGERPRINT if
 * it had one, and by UDP within the bounds that keep the engine from being an amplifier. Knows no
 * methods.
 */
#ifndef SALLYPORT_SERVER_TURN_REQUEST_H
#define SALLYPORT_SERVER_TURN_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "sallyport/stun.h"
#include "turn_alloc.h"
#include "turn_auth.h"
#include "turn_types.h"

struct sp_turn;

/* More unknown attributes than these are not listed. */
#define SP_TURN_UNKNOWN_MAX 16

struct sp_turn_request {
    struct sp_turn *turn;
    const struct sp_turn_path *path;
    struct sp_turn_alloc *alloc; /* of this path, or NULL */
    const struct sp_stun_msg *msg;
    uint64_t now_us, unix_s;
    bool has_fingerprint;
    bool authenticated; /* then `auth` is right */
    struct sp_turn_auth_result auth;
    uint16_t unknown[SP_TURN_UNKNOWN_MAX]; /* comprehension-required attributes: what a 420 lists */
    size_t n_unknown;
};

/* Checks the credentials. Otherwise it answers (400, 401, 438) and returns false. */
bool sp_turn_request_authenticate(struct sp_turn_request *r);

/* Begins a success response; the caller adds attributes, then sends it. */
void sp_turn_answer_begin(struct sp_turn_request *r, struct sp_stun_builder *b);
void sp_turn_answer_send(struct sp_turn_request *r, struct sp_stun_builder *b);

/* Answers with an error: 401 and 438 with a challenge, 420 with the list. */
void sp_turn_answer_error(struct sp_turn_request *r, unsigned code);

#endif
