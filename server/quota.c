/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota.h"

#include <stdlib.h>

#include "sallyport/crypto.h"
#include "sallyport/err.h"

struct sp_quota_user {
    struct sp_map_node node;
    uint8_t name[SP_SHA256_LEN]; /* its digest: keys of a map are of one length */
    size_t held;
};

void sp_quota_init(struct sp_quota *q, struct sp_rng *rng)
{
    pthread_mutex_init(&q->lock, NULL);
    SP_MAP_INIT(&q->users, struct sp_quota_user, node, name, rng);
}

static struct sp_quota_user *user_of(struct sp_map_node *n)
{
    return n == NULL ? NULL : SP_CONTAINER_OF(n, struct sp_quota_user, node);
}

void sp_quota_fini(struct sp_quota *q)
{
    struct sp_quota_user *u;

    while ((u = user_of(sp_map_any(&q->users))) != NULL) {
        sp_map_del(&q->users, &u->node);
        free(u);
    }
    sp_map_fini(&q->users);
    pthread_mutex_destroy(&q->lock);
}

static int take(struct sp_quota *q, const uint8_t name[static SP_SHA256_LEN], size_t max,
                struct sp_quota_user **out)
{
    struct sp_quota_user *u = user_of(sp_map_get(&q->users, name));

    if ((u == NULL ? 0 : u->held) >= max)
        return SP_EFULL;
    if (u == NULL) {
        u = calloc(1, sizeof *u);
        if (u == NULL)
            return SP_ENOMEM;
        memcpy(u->name, name, sizeof u->name);
        if (sp_map_add(&q->users, &u->node) != 0) {
            free(u);
            return SP_ENOMEM;
        }
    }
    u->held++;
    *out = u;
    return 0;
}

int sp_quota_take(struct sp_quota *q, struct sp_span user, size_t max, struct sp_quota_user **out)
{
    uint8_t name[SP_SHA256_LEN];

    sp_sha256(&user, 1, name);
    pthread_mutex_lock(&q->lock);
    int err = take(q, name, max, out);
    pthread_mutex_unlock(&q->lock);
    return err;
}

void sp_quota_give(struct sp_quota *q, struct sp_quota_user *u)
{
    pthread_mutex_lock(&q->lock);
    if (--u->held == 0) {
        sp_map_del(&q->users, &u->node);
        free(u);
    }
    pthread_mutex_unlock(&q->lock);
}

size_t sp_quota_held(struct sp_quota *q, struct sp_span user)
{
    uint8_t name[SP_SHA256_LEN];

    sp_sha256(&user, 1, name);

    pthread_mutex_lock(&q->lock);
    const struct sp_quota_user *u = user_of(sp_map_get(&q->users, name));
    size_t held = u == NULL ? 0 : u->held;
    pthread_mutex_unlock(&q->lock);
    return held;
}
