/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What proves who is who: certificate, shared secrets, TURN users. All of it is read at once, and
 * is constant from then on. A reload (SIGHUP) makes another one, complete, before anybody hears of
 * it; each worker then exchanges its pointer between two loop turns, and whoever is still in the
 * middle of something with the old one (a handshake) goes on with that. So a reload is all or
 * nothing, and nobody needs a lock. Knows no worker.
 */
#ifndef SALLYPORT_SERVER_KEYS_H
#define SALLYPORT_SERVER_KEYS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/rng.h"
#include "sallyport/secret_file.h"
#include "sallyport/tls_ctx.h"
#include "sallyport/tls_validity.h"
#include "sallyport/token.h"
#include "turn_auth.h"

/* Where it all comes from; everything is borrowed for the whole life. */
struct sp_keys_config {
    const char *cert_file, *key_file; /* both NULL: ports speak plain TCP only */
    bool turn_in_tls;                 /* "stun.turn" is among what TLS offers (RFC 7443) */
    const char *realm;
    const char *secret_file;  /* may be NULL */
    const char *secret;       /* the same from the environment; may be NULL */
    const char *user_file;    /* may be NULL */
    const char *const *users; /* NAME:PASSWORD */
    size_t n_users;
};

struct sp_keys {
    atomic_uint refs;       /* workers share it */
    struct sp_tls_ctx *tls; /* NULL without a certificate */
    struct sp_tls_validity certificate;
    struct sp_secrets secrets;
    struct sp_turn_auth *auth;
};

/* What the parts of a worker look into, each time anew: its keys as they are now. */
struct sp_keyring {
    const struct sp_keys *now;
};

#define SP_KEYS_WHY_MAX 512

/* Reads everything. SP_EINVAL, SP_ENOMEM or what the files' readers say, and one line in `why` that
 * names what is wrong and what is allowed. The result counts one holder. */
int sp_keys_load(const struct sp_keys_config *c, struct sp_rng *rng, struct sp_keys **out,
                 char why[static SP_KEYS_WHY_MAX]);

struct sp_keys *sp_keys_ref(struct sp_keys *k);
void sp_keys_unref(struct sp_keys *k); /* NULL is fine */

/* Whether a bearer token opens lanes: its claims, or the errors of sp_token_verify; SP_EDENIED for
 * another scope. */
int sp_keys_check_token(const struct sp_keys *k, struct sp_span token, uint64_t now_s,
                        struct sp_claims *out);

/* Whether it is one of ours at all, whatever its scope: what sp_token_verify says. */
int sp_keys_read_token(const struct sp_keys *k, struct sp_span token, uint64_t now_s,
                       struct sp_claims *out);

#endif
