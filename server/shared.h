/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all workers read and only a reload (SIGHUP) changes: certificate, secrets and users, what a
 * port serves, whom to relay to, and the site that strangers see.
 */
#ifndef SALLYPORT_SERVER_SHARED_H
#define SALLYPORT_SERVER_SHARED_H

#include "demux.h"
#include "peer_policy.h"
#include "sallyport/rng.h"
#include "sallyport/secret_file.h"
#include "sallyport/tls_ctx.h"
#include "sallyport/token.h"
#include "site.h"
#include "turn_auth.h"

/* Where it all comes from; everything is borrowed for the whole life. */
struct sp_shared_config {
    unsigned serve;                   /* SP_SERVE_… of demux.h */
    const char *cert_file, *key_file; /* both NULL: ports speak plain TCP only */
    const char *realm;
    const char *secret_file;  /* may be NULL */
    const char *secret;       /* the same from the environment; may be NULL */
    const char *user_file;    /* may be NULL */
    const char *const *users; /* NAME:PASSWORD */
    size_t n_users;
    const struct sp_cidr *allow, *deny;
    size_t n_allow, n_deny;
    const struct sp_addr *own; /* what leads to this host, beside its interfaces' addresses */
    size_t n_own;
    const char *tunnel_path;
};

struct sp_shared {
    struct sp_shared_config config;
    struct sp_tls_ctx *tls; /* NULL without a certificate */
    struct sp_secrets secrets;
    struct sp_turn_auth *auth;
    struct sp_peer_policy *policy;
    struct sp_site *site;
};

#define SP_SHARED_WHY_MAX 512

/* SP_EINVAL and one line in `why` that names what is wrong and what is allowed. */
int sp_shared_new(const struct sp_shared_config *c, struct sp_rng *rng, struct sp_shared **out,
                  char why[static SP_SHARED_WHY_MAX]);
void sp_shared_free(struct sp_shared *s);

/* Rereads certificate, key, secrets and users. All or nothing: on an error the old ones stay. */
int sp_shared_reload(struct sp_shared *s, char why[static SP_SHARED_WHY_MAX]);

/* Whether a bearer token opens lanes: its claims, or the errors of sp_token_verify; SP_EDENIED for
 * another scope. */
int sp_shared_check_token(const struct sp_shared *s, struct sp_span token, uint64_t now_s,
                          struct sp_claims *out);

#endif
