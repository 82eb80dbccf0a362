/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "own_addrs.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"

/* Who knows "stun.turn" is no ordinary web site. */
static const char *const alpn_of_site[] = {"http/1.1", NULL};
static const char *const alpn_with_turn[] = {"http/1.1", "stun.turn", NULL};

/* What a reload replaces, read completely before anything is exchanged. */
struct fresh {
    struct sp_tls_ctx *tls;
    struct sp_secrets secrets, users;
    char **user_list; /* of --user and of the file */
    size_t n_users;
};

static void fresh_fini(struct fresh *f)
{
    sp_tls_ctx_unref(f->tls);
    sp_secrets_fini(&f->secrets);
    if (f->user_list != NULL)
        for (size_t i = 0; i < f->n_users; i++) {
            sp_crypto_wipe(f->user_list[i], strlen(f->user_list[i]));
            free(f->user_list[i]);
        }
    free(f->user_list);
    sp_secrets_fini(&f->users);
}

static int read_tls(const struct sp_shared_config *c, struct fresh *f,
                    char why[static SP_SHARED_WHY_MAX])
{
    char tls_why[SP_TLS_ERROR_MAX];
    const char *const *alpn = c->serve & SP_SERVE_TURN ? alpn_with_turn : alpn_of_site;

    if (c->cert_file == NULL)
        return 0;
    int err = sp_tls_ctx_server(c->cert_file, c->key_file, alpn, &f->tls, tls_why);
    if (err != 0)
        snprintf(why, SP_SHARED_WHY_MAX, "%s", tls_why);
    return err;
}

static int read_secrets(const struct sp_shared_config *c, struct fresh *f,
                        char why[static SP_SHARED_WHY_MAX])
{
    if (c->secret_file != NULL)
        return sp_secret_file_read(c->secret_file, &f->secrets, why);
    if (c->secret != NULL)
        return sp_secrets_from_text("SALLYPORT_SECRET", sp_span_str(c->secret), &f->secrets, why);
    return 0;
}

static int read_users(const struct sp_shared_config *c, struct fresh *f,
                      char why[static SP_SHARED_WHY_MAX])
{
    if (c->user_file != NULL) {
        int err = sp_secret_file_read(c->user_file, &f->users, why);
        if (err != 0)
            return err;
    }
    f->user_list = calloc(c->n_users + f->users.n + 1, sizeof *f->user_list);
    if (f->user_list == NULL)
        return SP_ENOMEM;
    for (size_t i = 0; i < c->n_users + f->users.n; i++) {
        bool by_option = i < c->n_users;
        struct sp_span s = by_option ? sp_span_str(c->users[i]) : f->users.items[i - c->n_users];
        f->user_list[i] = strndup((const char *)s.p, s.len);
        if (f->user_list[i] == NULL)
            return SP_ENOMEM;
        f->n_users++;
    }
    return 0;
}

static int read_all(const struct sp_shared_config *c, struct fresh *f,
                    char why[static SP_SHARED_WHY_MAX])
{
    snprintf(why, SP_SHARED_WHY_MAX, "no memory");
    int err = read_tls(c, f, why);
    if (err == 0)
        err = read_secrets(c, f, why);
    if (err == 0)
        err = read_users(c, f, why);
    return err;
}

/* Users first: they may be wrong, while secrets can only lack memory. */
static int put_in_place(struct sp_shared *s, struct fresh *f, char why[static SP_SHARED_WHY_MAX])
{
    int err = sp_turn_auth_set_users(s->auth, (const char *const *)f->user_list, f->n_users);
    if (err != 0) {
        snprintf(why, SP_SHARED_WHY_MAX,
                 "TURN users (%s): each must be NAME:PASSWORD, and each name once",
                 s->config.user_file != NULL ? s->config.user_file : "--user");
        return err;
    }
    err = sp_turn_auth_set_secrets(s->auth, f->secrets.items, f->secrets.n);
    if (err != 0) {
        snprintf(why, SP_SHARED_WHY_MAX, "shared secrets: %s", sp_strerror(err));
        return err;
    }
    struct sp_tls_ctx *tls = s->tls;
    struct sp_secrets secrets = s->secrets;
    s->tls = f->tls;
    s->secrets = f->secrets;
    f->tls = tls; /* the old ones go with `f` */
    f->secrets = secrets;
    return 0;
}

int sp_shared_reload(struct sp_shared *s, char why[static SP_SHARED_WHY_MAX])
{
    struct fresh f = {0};
    int err = read_all(&s->config, &f, why);

    if (err == 0)
        err = put_in_place(s, &f, why);
    fresh_fini(&f);
    return err;
}

static int make_policy(struct sp_shared *s)
{
    const struct sp_shared_config *c = &s->config;
    int err = sp_peer_policy_new(&s->policy);

    for (size_t i = 0; i < c->n_allow && err == 0; i++)
        err = sp_peer_policy_allow(s->policy, &c->allow[i]);
    for (size_t i = 0; i < c->n_deny && err == 0; i++)
        err = sp_peer_policy_deny(s->policy, &c->deny[i]);
    if (err == 0)
        err = sp_own_addrs_read(s->policy);
    for (size_t i = 0; i < c->n_own && err == 0; i++)
        err = sp_peer_policy_own(s->policy, &c->own[i]);
    return err;
}

/* Without the site every page is missing; that is an answer as well. */
static int make_site(struct sp_shared *s)
{
    static const struct sp_site_config nothing;
    return sp_site_new(s->config.serve & SP_SERVE_SITE ? NULL : &nothing, &s->site);
}

int sp_shared_new(const struct sp_shared_config *c, struct sp_rng *rng, struct sp_shared **out,
                  char why[static SP_SHARED_WHY_MAX])
{
    struct sp_shared *s = calloc(1, sizeof *s);

    snprintf(why, SP_SHARED_WHY_MAX, "no memory");
    if (s == NULL)
        return SP_ENOMEM;
    s->config = *c;
    int err = sp_turn_auth_new(c->realm, rng, &s->auth);
    if (err == SP_ETOOBIG || err == SP_EINVAL)
        snprintf(why, SP_SHARED_WHY_MAX, "--realm: wants a name of 1 to %d bytes",
                 SP_TURN_REALM_MAX);
    if (err == 0)
        err = make_policy(s);
    if (err == 0)
        err = make_site(s);
    if (err == 0)
        err = sp_shared_reload(s, why);
    if (err != 0) {
        sp_shared_free(s);
        return err;
    }
    *out = s;
    return 0;
}

void sp_shared_free(struct sp_shared *s)
{
    if (s == NULL)
        return;
    sp_tls_ctx_unref(s->tls);
    sp_secrets_fini(&s->secrets);
    sp_turn_auth_free(s->auth);
    sp_peer_policy_free(s->policy);
    sp_site_free(s->site);
    free(s);
}

int sp_shared_check_token(const struct sp_shared *s, struct sp_span token, uint64_t now_s,
                          struct sp_claims *out)
{
    struct sp_claims claims;
    int err = sp_token_verify(token, s->secrets.items, s->secrets.n, now_s, &claims);

    if (err == 0 && strcmp(claims.scope, SP_TOKEN_SCOPE_TUNNEL) != 0)
        err = SP_EDENIED;
    if (err == 0)
        *out = claims;
    return err;
}
