/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/crypto.h"
#include "sallyport/err.h"

/* Who knows "stun.turn" is no ordinary web site. */
static const char *const alpn_of_site[] = {"http/1.1", NULL};
static const char *const alpn_with_turn[] = {"http/1.1", "stun.turn", NULL};

/* --- TURN users, of --user and of the file -------------------------------------------------- */

struct user_list {
    char **items; /* NAME:PASSWORD */
    size_t n;
};

static void user_list_fini(struct user_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        sp_crypto_wipe(l->items[i], strlen(l->items[i]));
        free(l->items[i]);
    }
    free(l->items);
}

static int user_list_fill(const struct sp_keys_config *c, const struct sp_secrets *file,
                          struct user_list *l)
{
    size_t n = c->n_users + file->n;

    l->items = calloc(n + 1, sizeof *l->items);
    if (l->items == NULL)
        return SP_ENOMEM;
    for (; l->n < n; l->n++) {
        bool by_option = l->n < c->n_users;
        struct sp_span s = by_option ? sp_span_str(c->users[l->n]) : file->items[l->n - c->n_users];
        l->items[l->n] = strndup((const char *)s.p, s.len);
        if (l->items[l->n] == NULL)
            return SP_ENOMEM;
    }
    return 0;
}

/* A file of one thing a line, as an option names it. */
static int read_file(const char *option, const char *path, struct sp_secrets *out,
                     char why[static SP_KEYS_WHY_MAX])
{
    char text[SP_SECRET_ERR_MAX];
    int err = sp_secret_file_read(path, out, text);

    if (err != 0)
        snprintf(why, SP_KEYS_WHY_MAX, "%s: %.480s", option, text);
    return err;
}

/* The first that can't be taken; some can't. None after it can be either, so it is found by halves.
 */
static size_t first_bad(struct sp_turn_auth *auth, const struct user_list *l)
{
    size_t good = 0, bad = l->n;

    while (bad - good > 1) {
        size_t middle = good + (bad - good) / 2;
        if (sp_turn_auth_set_users(auth, (const char *const *)l->items, middle) == 0)
            good = middle;
        else
            bad = middle;
    }
    return good;
}

/* Says which, but not what it holds: it may be a password. */
static void explain_users(const struct sp_keys_config *c, size_t i,
                          char why[static SP_KEYS_WHY_MAX])
{
    bool by_option = i < c->n_users;

    snprintf(why, SP_KEYS_WHY_MAX,
             "%s%s%s: number %zu is no good: wants NAME:PASSWORD, and each name once, options and "
             "file together",
             by_option ? "--user" : "--user-file", by_option ? "" : ": ",
             by_option ? "" : c->user_file, (by_option ? i : i - c->n_users) + 1);
}

static int read_users(const struct sp_keys_config *c, struct sp_keys *k,
                      char why[static SP_KEYS_WHY_MAX])
{
    struct sp_secrets file = {0};
    struct user_list list = {0};
    int err = c->user_file == NULL ? 0 : read_file("--user-file", c->user_file, &file, why);

    if (err == 0)
        err = user_list_fill(c, &file, &list);
    if (err == 0) {
        err = sp_turn_auth_set_users(k->auth, (const char *const *)list.items, list.n);
        if (err != 0 && err != SP_ENOMEM)
            explain_users(c, first_bad(k->auth, &list), why);
    }
    user_list_fini(&list);
    sp_secrets_fini(&file);
    return err;
}

/* --- the rest ------------------------------------------------------------------------------- */

static int read_tls(const struct sp_keys_config *c, struct sp_keys *k,
                    char why[static SP_KEYS_WHY_MAX])
{
    char tls_why[SP_TLS_ERROR_MAX];
    const char *const *alpn = c->turn_in_tls ? alpn_with_turn : alpn_of_site;

    if (c->cert_file == NULL)
        return 0;
    int err = sp_tls_ctx_server(c->cert_file, c->key_file, alpn, &k->tls, tls_why);
    if (err != 0)
        snprintf(why, SP_KEYS_WHY_MAX, "--cert, --key: %s", tls_why);
    else
        (void)sp_tls_validity_read(c->cert_file, &k->certificate); /* it may be swapped just now */
    return err;
}

static int read_secrets(const struct sp_keys_config *c, struct sp_keys *k,
                        char why[static SP_KEYS_WHY_MAX])
{
    int err = 0;

    if (c->secret_file != NULL)
        err = read_file("--secret-file", c->secret_file, &k->secrets, why);
    else if (c->secret != NULL)
        err = sp_secrets_from_text("SALLYPORT_SECRET", sp_span_str(c->secret), &k->secrets, why);
    return err != 0 ? err : sp_turn_auth_set_secrets(k->auth, k->secrets.items, k->secrets.n);
}

static int make_auth(const struct sp_keys_config *c, struct sp_rng *rng, struct sp_keys *k,
                     char why[static SP_KEYS_WHY_MAX])
{
    int err = sp_turn_auth_new(c->realm, rng, &k->auth);

    if (err == SP_ETOOBIG || err == SP_EINVAL)
        snprintf(why, SP_KEYS_WHY_MAX, "--realm: wants a name of 1 to %d bytes", SP_TURN_REALM_MAX);
    return err;
}

int sp_keys_load(const struct sp_keys_config *c, struct sp_rng *rng, struct sp_keys **out,
                 char why[static SP_KEYS_WHY_MAX])
{
    struct sp_keys *k = calloc(1, sizeof *k);

    snprintf(why, SP_KEYS_WHY_MAX, "no memory");
    if (k == NULL)
        return SP_ENOMEM;
    atomic_init(&k->refs, 1);
    int err = make_auth(c, rng, k, why);
    if (err == 0)
        err = read_tls(c, k, why);
    if (err == 0)
        err = read_secrets(c, k, why);
    if (err == 0)
        err = read_users(c, k, why);
    if (err != 0) {
        sp_keys_unref(k);
        return err;
    }
    *out = k;
    return 0;
}

struct sp_keys *sp_keys_ref(struct sp_keys *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void sp_keys_unref(struct sp_keys *k)
{
    if (k == NULL || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    sp_tls_ctx_unref(k->tls);
    sp_secrets_fini(&k->secrets);
    sp_turn_auth_free(k->auth);
    free(k);
}

int sp_keys_read_token(const struct sp_keys *k, struct sp_span token, uint64_t now_s,
                       struct sp_claims *out)
{
    return sp_token_verify(token, k->secrets.items, k->secrets.n, now_s, out);
}

int sp_keys_check_token(const struct sp_keys *k, struct sp_span token, uint64_t now_s,
                        struct sp_claims *out)
{
    struct sp_claims claims;
    int err = sp_keys_read_token(k, token, now_s, &claims);

    if (err == 0 && strcmp(claims.scope, SP_TOKEN_SCOPE_TUNNEL) != 0)
        err = SP_EDENIED;
    if (err == 0)
        *out = claims;
    return err;
}
