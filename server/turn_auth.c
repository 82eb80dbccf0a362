/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_auth.h"

#include <stdbool.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/map.h"
#include "sallyport/token.h"
#include "turn_nonce.h"

/* RFC 8489 section 18.5.1 */
#define ALGORITHM_MD5    0x0001
#define ALGORITHM_SHA256 0x0002

/* Each: algorithm 16 | length of its parameters 16. In order of preference. */
static const uint8_t algorithms[] = {0, ALGORITHM_SHA256, 0, 0, 0, ALGORITHM_MD5, 0, 0};

struct user {
    struct sp_map_node node;
    uint8_t hash[SP_SHA256_LEN]; /* of name and realm: USERHASH (RFC 8489 section 14.4) */
    struct sp_stun_key md5, sha256;
    size_t name_len;
    char name[];
};

struct secret {
    size_t len;
    uint8_t *bytes;
};

struct sp_turn_auth {
    struct sp_rng *rng;
    struct sp_map users;
    struct secret *secrets;
    size_t n_secrets;
    char realm[SP_TURN_REALM_MAX + 1];
};

static void init_users(struct sp_map *m, struct sp_rng *rng)
{
    SP_MAP_INIT(m, struct user, node, hash, rng);
}

static void free_users(struct sp_map *m)
{
    struct sp_map_node *n;

    while ((n = sp_map_any(m)) != NULL) {
        struct user *u = SP_CONTAINER_OF(n, struct user, node);

        sp_map_del(m, n);
        sp_crypto_wipe(u, sizeof *u);
        free(u);
    }
    sp_map_fini(m);
}

static void free_secrets(struct secret *secrets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sp_crypto_wipe(secrets[i].bytes, secrets[i].len);
        free(secrets[i].bytes);
    }
    free(secrets);
}

int sp_turn_auth_new(const char *realm, struct sp_rng *rng, struct sp_turn_auth **out)
{
    size_t len = strlen(realm);

    if (len == 0)
        return SP_EINVAL;
    if (len > SP_TURN_REALM_MAX)
        return SP_ETOOBIG;

    struct sp_turn_auth *a = calloc(1, sizeof *a);

    if (a == NULL)
        return SP_ENOMEM;
    a->rng = rng;
    memcpy(a->realm, realm, len);
    init_users(&a->users, rng);
    *out = a;
    return 0;
}

void sp_turn_auth_free(struct sp_turn_auth *a)
{
    if (a == NULL)
        return;
    free_users(&a->users);
    free_secrets(a->secrets, a->n_secrets);
    free(a);
}

const char *sp_turn_auth_realm(const struct sp_turn_auth *a)
{
    return a->realm;
}

struct sp_span sp_turn_auth_algorithms(void)
{
    return sp_span(algorithms, sizeof algorithms);
}

/* --- users and secrets -------------------------------------------------------------------- */

static void user_hash(const struct sp_turn_auth *a, struct sp_span name,
                      uint8_t out[static SP_SHA256_LEN])
{
    const struct sp_span parts[] = {name, sp_span_str(":"), sp_span_str(a->realm)};

    sp_sha256(parts, SP_ARRAY_LEN(parts), out);
}

static int add_user(const struct sp_turn_auth *a, struct sp_map *users, const char *text)
{
    const char *colon = strchr(text, ':');

    if (colon == NULL || colon == text || colon[1] == '\0')
        return SP_EINVAL;

    struct sp_span realm = sp_span_str(a->realm), password = sp_span_str(colon + 1);
    struct sp_span name = sp_span(text, (size_t)(colon - text));

    if (name.len > SP_TURN_USERNAME_MAX)
        return SP_ETOOBIG;

    struct user *u = calloc(1, sizeof *u + name.len);

    if (u == NULL)
        return SP_ENOMEM;
    memcpy(u->name, name.p, name.len);
    u->name_len = name.len;
    user_hash(a, name, u->hash);
    sp_stun_key_md5(name, realm, password, &u->md5);
    sp_stun_key_sha256(name, realm, password, &u->sha256);

    int err = sp_map_add(users, &u->node);

    if (err != 0)
        free(u);
    return err;
}

int sp_turn_auth_set_users(struct sp_turn_auth *a, const char *const *name_colon_password, size_t n)
{
    struct sp_map users;

    init_users(&users, a->rng);
    for (size_t i = 0; i < n; i++) {
        int err = add_user(a, &users, name_colon_password[i]);

        if (err != 0) {
            free_users(&users);
            return err;
        }
    }
    free_users(&a->users);
    a->users = users;
    return 0;
}

static int copy_secret(struct secret *to, struct sp_span from)
{
    if (from.len == 0)
        return SP_EINVAL;
    to->bytes = malloc(from.len);
    if (to->bytes == NULL)
        return SP_ENOMEM;
    memcpy(to->bytes, from.p, from.len);
    to->len = from.len;
    return 0;
}

int sp_turn_auth_set_secrets(struct sp_turn_auth *a, const struct sp_span *secrets, size_t n)
{
    struct secret *copy = n == 0 ? NULL : calloc(n, sizeof *copy);

    if (n > 0 && copy == NULL)
        return SP_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int err = copy_secret(&copy[i], secrets[i]);

        if (err != 0) {
            free_secrets(copy, i);
            return err;
        }
    }
    free_secrets(a->secrets, a->n_secrets);
    a->secrets = copy;
    a->n_secrets = n;
    return 0;
}

uint32_t sp_turn_auth_features(const struct sp_turn_auth *a)
{
    uint32_t features = SP_STUN_FEATURE_PASSWORD_ALGORITHMS;

    /* A client that is told of anonymity must use it, and a REST username can't be told from its
     * hash. */
    if (a->n_secrets == 0)
        features |= SP_STUN_FEATURE_USERNAME_ANONYMITY;
    return features;
}

/* --- checking a request ------------------------------------------------------------------- */

/* What a request says of itself. */
struct claim {
    const struct sp_stun_msg *msg;
    struct sp_span username; /* empty with USERHASH */
    uint8_t user_hash[SP_SHA256_LEN];
    struct sp_span realm, nonce;
    bool sha256_key; /* PASSWORD-ALGORITHM */
    bool sha256_mac;
};

/* The bullets of RFC 8489 section 9.2.4 that need no knowledge of users. */
static int read_names(const struct sp_turn_auth *a, struct claim *c)
{
    struct sp_span v;

    if (!sp_stun_find(c->msg, SP_ATTR_REALM, &c->realm) ||
        !sp_stun_find(c->msg, SP_ATTR_NONCE, &c->nonce))
        return 400;
    if (sp_stun_find(c->msg, SP_ATTR_USERNAME, &c->username)) {
        if (c->username.len == 0 || c->username.len > SP_TURN_USERNAME_MAX)
            return 400;
        user_hash(a, c->username, c->user_hash);
        return 0;
    }
    if (!sp_stun_find(c->msg, SP_ATTR_USERHASH, &v) || v.len != sizeof c->user_hash)
        return 400;
    memcpy(c->user_hash, v.p, v.len);
    return 0;
}

/*
 * PASSWORD-ALGORITHMS must be what the challenge offered, else someone on the way has weakened the
 * choice. Its absence is no sign of that: section 9.2.3.2 has a client repeat the choice alone, and
 * what the first request carried was under its MAC.
 */
static int read_algorithm(struct claim *c)
{
    struct sp_span list, choice;
    bool has_list = sp_stun_find(c->msg, SP_ATTR_PASSWORD_ALGORITHMS, &list);

    if (has_list && !sp_span_eq(list, sp_turn_auth_algorithms()))
        return 400;
    if (!sp_stun_find(c->msg, SP_ATTR_PASSWORD_ALGORITHM, &choice))
        return has_list ? 400 : 0;
    if (choice.len != 4 || sp_get_be16(choice.p + 2) != 0)
        return 400;

    uint16_t algorithm = sp_get_be16(choice.p);

    c->sha256_key = algorithm == ALGORITHM_SHA256;
    return algorithm == ALGORITHM_SHA256 || algorithm == ALGORITHM_MD5 ? 0 : 400;
}

static bool mac_is_right(const struct claim *c, const struct sp_stun_key *key)
{
    struct sp_span k = sp_span(key->bytes, key->len);

    return (c->sha256_mac ? sp_stun_check_integrity_sha256(c->msg, k)
                          : sp_stun_check_integrity(c->msg, k)) == 0;
}

static bool check_static_user(const struct sp_turn_auth *a, const struct claim *c,
                              struct sp_turn_auth_result *r)
{
    struct sp_map_node *n = sp_map_get(&a->users, c->user_hash);

    if (n == NULL) { /* the time doesn't tell who exists */
        struct sp_stun_key nobody = {.len = SP_MD5_LEN};

        (void)mac_is_right(c, &nobody);
        return false;
    }

    const struct user *u = SP_CONTAINER_OF(n, struct user, node);

    r->key = c->sha256_key ? u->sha256 : u->md5;
    r->username = r->account = sp_span(u->name, u->name_len);
    return mac_is_right(c, &r->key);
}

/* All secrets are tried, whichever is right, so that the time doesn't tell. */
static bool check_rest_user(const struct sp_turn_auth *a, const struct claim *c, uint64_t unix_s,
                            struct sp_turn_auth_result *r)
{
    uint64_t expires_s;
    bool right = false;

    if (sp_rest_expiry(c->username, &expires_s) != 0)
        return false;
    for (size_t i = 0; i < a->n_secrets; i++) {
        char password[SP_REST_PASSWORD_LEN + 1];
        struct sp_stun_key key;

        sp_rest_password(sp_span(a->secrets[i].bytes, a->secrets[i].len), c->username, password);
        (c->sha256_key ? sp_stun_key_sha256 : sp_stun_key_md5)(c->username, sp_span_str(a->realm),
                                                               sp_span_str(password), &key);
        if (mac_is_right(c, &key)) {
            r->key = key;
            right = true;
        }
        sp_crypto_wipe(password, sizeof password);
        sp_crypto_wipe(&key, sizeof key);
    }

    const uint8_t *colon = memchr(c->username.p, ':', c->username.len);
    size_t skip = colon == NULL ? 0 : (size_t)(colon - c->username.p) + 1;

    r->username = c->username;
    r->account = sp_span_skip(c->username, skip < c->username.len ? skip : 0);
    return right && expires_s > unix_s;
}

int sp_turn_auth_check(const struct sp_turn_auth *a, const struct sp_stun_msg *m, uint64_t unix_s,
                       struct sp_turn_auth_result *out)
{
    struct claim c = {.msg = m};
    struct sp_turn_auth_result r = {.sha256 = 0};
    struct sp_span mac;

    c.sha256_mac = sp_stun_find(m, SP_ATTR_MESSAGE_INTEGRITY_SHA256, &mac);
    if (!c.sha256_mac && !sp_stun_find(m, SP_ATTR_MESSAGE_INTEGRITY, &mac))
        return 401;

    int code = read_names(a, &c);

    if (code == 0)
        code = read_algorithm(&c);
    if (code != 0)
        return code;
    if (!sp_span_eq(c.realm, sp_span_str(a->realm)))
        return 401;
    if (!check_static_user(a, &c, &r) && !check_rest_user(a, &c, unix_s, &r))
        return 401;
    r.nonce = c.nonce;
    r.sha256 = c.sha256_mac;
    *out = r;
    return 0;
}
