/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which USERNAME is for whom. A browser's check says FAR:OWN (RFC 8445 section 7.2.2), so both
 * fragments together name the session and the end it comes from. Names are kept as digests, the
 * same on all workers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "rendezvous_impl.h"
#include "sallyport/clock.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/stun_auth.h"

#define FOREIGN_US (3 * SP_RDV_TELL_US)

static void make_key(const char *far_ufrag, const char *own_ufrag, uint8_t key[SP_RDV_KEY_LEN])
{
    const struct sp_span parts[] = {sp_span_str(far_ufrag), sp_span_str(":"),
                                    sp_span_str(own_ufrag)};
    uint8_t digest[SP_SHA256_LEN];

    sp_sha256(parts, SP_ARRAY_LEN(parts), digest);
    memcpy(key, digest, SP_RDV_KEY_LEN);
}

static struct rdv_name *name_of(struct sp_map_node *n)
{
    return n != NULL ? SP_CONTAINER_OF(n, struct rdv_name, node) : NULL;
}

static void name_free(struct sp_rdv *r, struct rdv_name *n)
{
    r->n_foreign -= n->session == NULL;
    sp_list_remove(&n->foreign);
    sp_map_del(&r->by_name, &n->node);
    free(n);
}

/* All sessions of all workers may be somewhere else. */
static size_t max_foreign(const struct sp_rdv *r)
{
    return 2 * NAMES * (size_t)r->config.bounds->sessions;
}

static int name_new(struct sp_rdv *r, const uint8_t key[SP_RDV_KEY_LEN], struct rdv_name **out)
{
    struct rdv_name *n = calloc(1, sizeof *n);

    if (n == NULL)
        return SP_ENOMEM;
    memcpy(n->key, key, sizeof n->key);
    int err = sp_map_add(&r->by_name, &n->node);
    if (err != 0)
        free(n);
    else
        *out = n;
    return err;
}

static void tell(const struct sp_rdv *r, const struct rdv_name *n, bool here)
{
    if (r->effects->tell_name != NULL)
        r->effects->tell_name(r->arg, n->key, here);
}

/* --- this worker's -------------------------------------------------------------------------- */

static struct rdv_name *take_old(struct rdv_name *old[NAMES], const uint8_t key[SP_RDV_KEY_LEN])
{
    for (size_t i = 0; i < NAMES; i++) {
        struct rdv_name *n = old[i];
        if (n != NULL && memcmp(n->key, key, sizeof n->key) == 0) {
            old[i] = NULL;
            return n;
        }
    }
    return NULL;
}

static int set_for_end(struct sp_rdv_session *s, unsigned end)
{
    struct sp_rdv *r = s->registry;
    struct rdv_end *own = &s->ends[end];
    const struct rdv_end *far = &s->ends[1 - end];
    struct rdv_name *old[NAMES];
    int err = 0;

    memcpy(old, own->names, sizeof old);
    for (size_t i = 0; i < NAMES; i++) {
        const char *own_ufrag = own->ufrags[i / GENERATIONS], *far_ufrag;
        uint8_t key[SP_RDV_KEY_LEN];

        far_ufrag = far->ufrags[i % GENERATIONS];
        own->names[i] = NULL;
        if (own_ufrag[0] == '\0' || far_ufrag[0] == '\0')
            continue;
        make_key(far_ufrag, own_ufrag, key);
        if ((own->names[i] = take_old(old, key)) != NULL)
            continue;
        int e = name_new(r, key, &own->names[i]);
        if (e != 0) {
            err = err == 0 ? e : err;
            continue;
        }
        own->names[i]->session = s;
        own->names[i]->end = end;
        own->names[i]->worker = r->config.worker;
        tell(r, own->names[i], true);
    }
    for (size_t i = 0; i < NAMES; i++)
        if (old[i] != NULL) {
            tell(r, old[i], false);
            name_free(r, old[i]);
        }
    return err;
}

int names_set(struct sp_rdv_session *s)
{
    int first = set_for_end(s, 0), second = set_for_end(s, 1);
    return first != 0 ? first : second;
}

void names_drop(struct sp_rdv_session *s)
{
    for (unsigned end = 0; end < 2; end++)
        for (size_t i = 0; i < NAMES; i++) {
            struct rdv_name **n = &s->ends[end].names[i];
            if (*n == NULL)
                continue;
            tell(s->registry, *n, false);
            name_free(s->registry, *n);
            *n = NULL;
        }
}

bool names_fit(const struct sp_rdv_session *s, unsigned end, struct sp_span username,
               struct sp_span *password)
{
    const struct rdv_end *own = &s->ends[end], *far = &s->ends[1 - end];

    for (size_t i = 0; i < NAMES; i++) {
        struct sp_span o = sp_span_str(own->ufrags[i / GENERATIONS]);
        struct sp_span f = sp_span_str(far->ufrags[i % GENERATIONS]);

        *password = sp_span_str(far->passwords[i % GENERATIONS]);
        if (o.len > 0 && f.len > 0 && username.len == f.len + 1 + o.len &&
            memcmp(username.p, f.p, f.len) == 0 && username.p[f.len] == ':' &&
            memcmp(username.p + f.len + 1, o.p, o.len) == 0)
            return true;
    }
    return false;
}

/* --- of all workers ------------------------------------------------------------------------- */

bool sp_rdv_expects(const struct sp_rdv *r)
{
    return r->by_name.len > 0 || !sp_list_empty(&r->sessions);
}

static int username_of(struct sp_span first, struct sp_stun_msg *m, struct sp_span *out)
{
    if (!sp_stun_looks_like(first) || sp_stun_parse(first, m) != 0 ||
        m->method != SP_STUN_BINDING || m->cls != SP_STUN_REQUEST ||
        !sp_stun_find(m, SP_ATTR_USERNAME, out))
        return SP_EBADMSG;
    return out->len > 0 && memchr(out->p, ':', out->len) != NULL ? 0 : SP_EBADMSG;
}

bool names_prove(const struct sp_rdv_session *s, const struct sp_stun_msg *m,
                 struct sp_span password)
{
    return !s->early || password.len == 0 || sp_stun_check_integrity(m, password) == 0;
}

int sp_rdv_key_of(struct sp_span first, uint8_t key[static SP_RDV_KEY_LEN])
{
    struct sp_stun_msg m;
    struct sp_span username;
    uint8_t digest[SP_SHA256_LEN];
    int err = username_of(first, &m, &username);

    if (err != 0)
        return err;
    sp_sha256(&username, 1, digest);
    memcpy(key, digest, SP_RDV_KEY_LEN);
    return 0;
}

int sp_rdv_look_up(struct sp_rdv *r, struct sp_span first, struct sp_rdv_spot *out)
{
    struct sp_stun_msg m;
    struct sp_span username, password;
    uint8_t digest[SP_SHA256_LEN];
    int err = username_of(first, &m, &username);

    if (err != 0)
        return err;
    sp_sha256(&username, 1, digest);
    const struct rdv_name *n = name_of(sp_map_get(&r->by_name, digest));
    if (n == NULL)
        return SP_ENOENT;
    if (n->session != NULL && (!names_fit(n->session, n->end, username, &password) ||
                               !names_prove(n->session, &m, password))) {
        r->counters.refused_unverified++;
        return SP_EAUTH;
    }
    *out = (struct sp_rdv_spot){.session = n->session, .end = n->end, .worker = n->worker};
    return 0;
}

int sp_rdv_heard_name(struct sp_rdv *r, const uint8_t key[static SP_RDV_KEY_LEN], unsigned worker,
                      bool here, uint64_t now_us)
{
    struct rdv_name *n = name_of(sp_map_get(&r->by_name, key));

    if (n != NULL && n->session != NULL)
        return 0; /* who has it himself believes nobody else */
    if (!here) {
        if (n != NULL && n->worker == worker)
            name_free(r, n);
        return 0;
    }
    if (n != NULL && n->worker != worker && now_us < n->expires_us)
        return SP_EEXIST; /* who said it first */
    if (n == NULL) {
        if (r->n_foreign >= max_foreign(r))
            return SP_EFULL;
        int err = name_new(r, key, &n);
        if (err != 0)
            return err;
        r->n_foreign++;
    }
    n->worker = worker;
    n->expires_us = now_us + FOREIGN_US;
    sp_list_remove(&n->foreign);
    sp_list_append(&r->foreign, &n->foreign);
    rdv_start_sweep(r, now_us);
    return 0;
}

void names_tell_all(struct sp_rdv *r)
{
    for (struct sp_map_node *i = NULL; (i = sp_map_next(&r->by_name, i)) != NULL;)
        if (name_of(i)->session != NULL)
            tell(r, name_of(i), true);
}

/* All last equally long, so who was told of first expires first. */
void names_expire(struct sp_rdv *r, uint64_t now_us)
{
    SP_LIST_EACH(&r->foreign, l, next)
    {
        struct rdv_name *n = SP_LIST_ITEM(l, struct rdv_name, foreign);
        if (now_us < n->expires_us)
            return;
        name_free(r, n);
    }
}

void names_fini(struct sp_rdv *r)
{
    struct sp_map_node *n;

    while ((n = sp_map_any(&r->by_name)) != NULL)
        name_free(r, name_of(n));
    sp_map_fini(&r->by_name);
}
