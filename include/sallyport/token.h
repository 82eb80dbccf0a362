/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bearer tokens, and TURN REST credentials (draft-uberti-behave-turn-rest). Both come from one
 * shared secret, through different keys, so neither yields the other:
 *
 *     token    = "v1." base64url(claims) "." base64url(HMAC-SHA256(key, "v1." base64url(claims)))
 *     key      = HKDF(secret, "sallyport token v1")
 *     claims   = JSON object: "kid" key id, "sub" subject, "scope", "exp" seconds since 1970, "gw"
 *                gateway name, "sid" session id and "end" 0 or 1 (of a ticket)
 *
 * The scope says what a token is good for, and it is good for nothing else: to open lanes, to make
 * sessions, or (a ticket) to be one end of one session. So a browser never holds more than it
 * needs.
 *
 *     username = expiry ":" user,  credential = base64(HMAC-SHA1(secret, username))
 *
 * Knows no files; secrets come as spans. Time is passed in.
 */
#ifndef SALLYPORT_TOKEN_H
#define SALLYPORT_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"

#define SP_TOKEN_SCOPE_TUNNEL  "tunnel"  /* opens lanes */
#define SP_TOKEN_SCOPE_SESSION "session" /* makes sessions */
#define SP_TOKEN_SCOPE_END     "end"     /* a ticket: is one end of one session */
#define SP_TOKEN_MAX           1024      /* longer is refused unread */
#define SP_TOKEN_NAME_MAX      128       /* bytes of subject, scope or gateway name */
#define SP_TOKEN_SESSION_MAX   64        /* bytes of a session id */
#define SP_REST_USERNAME_MAX   256
#define SP_REST_PASSWORD_LEN   28 /* base64 of 20 bytes, without NUL */

struct sp_claims {
    char key_id[9]; /* first 8 hex digits of SHA-256 of the token key: tells which secret signed */
    char subject[SP_TOKEN_NAME_MAX + 1];
    char scope[SP_TOKEN_NAME_MAX + 1];   /* SP_TOKEN_SCOPE_… */
    char gateway[SP_TOKEN_NAME_MAX + 1]; /* may be empty */
    uint64_t expires_s;
    char session[SP_TOKEN_SESSION_MAX + 1]; /* of a ticket; empty otherwise */
    unsigned end;                           /* 0 or 1: which end of it */
};

/* Signs; key_id is filled in from the secret. `out` gets a NUL. SP_ETOOBIG, SP_EINVAL (empty
 * subject or scope, control characters, a ticket without session or anything else with one). */
int sp_token_sign(struct sp_span secret, const struct sp_claims *claims, char *out, size_t cap);

/*
 * Checks against each of `n` secrets, in time that doesn't tell which matched or how far the MAC
 * was right. SP_EBADMSG: not a token; SP_EAUTH: signed by none of them; SP_EEXPIRED: right, but
 * not any more (claims are written then too).
 */
int sp_token_verify(struct sp_span token, const struct sp_span *secrets, size_t n, uint64_t now_s,
                    struct sp_claims *out);

/* Reads the claims WITHOUT checking the signature: for a gateway that wants to know the expiry of
 * its own token. SP_EBADMSG. */
int sp_token_peek(struct sp_span token, struct sp_claims *out);

/* username = "<expiry>:<user>" (":" absent when user is empty). SP_ETOOBIG. */
int sp_rest_username(uint64_t expires_s, const char *user,
                     char out[static SP_REST_USERNAME_MAX + 1]);
void sp_rest_password(struct sp_span secret, struct sp_span username,
                      char out[static SP_REST_PASSWORD_LEN + 1]);
/* The expiry before the ":" (or the whole). SP_EBADMSG when it is no number. */
int sp_rest_expiry(struct sp_span username, uint64_t *expires_s);

#endif
