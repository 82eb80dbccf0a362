/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "subject.h"

#include <stdlib.h>

#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/ratelimit.h"

struct sp_subject {
    struct sp_map_node node;
    uint8_t name[SP_SHA256_LEN]; /* its digest: keys of a map are of one length */
    struct sp_subject_counts has;
    struct sp_ratelimit handshakes; /* of rate 0 until the first */
};

void sp_subjects_init(struct sp_subjects *all, struct sp_rng *rng)
{
    pthread_mutex_init(&all->lock, NULL);
    SP_MAP_INIT(&all->by_name, struct sp_subject, node, name, rng);
}

void sp_subjects_fini(struct sp_subjects *all)
{
    sp_map_fini(&all->by_name);
    pthread_mutex_destroy(&all->lock);
}

static struct sp_subject *find(const struct sp_subjects *all,
                               const uint8_t name[static SP_SHA256_LEN])
{
    struct sp_map_node *n = sp_map_get(&all->by_name, name);

    return n == NULL ? NULL : SP_CONTAINER_OF(n, struct sp_subject, node);
}

/* --- tunnels -------------------------------------------------------------------------------- */

static struct sp_subject *add(struct sp_subjects *all, const uint8_t name[static SP_SHA256_LEN])
{
    struct sp_subject *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    memcpy(s->name, name, sizeof s->name);
    if (sp_map_add(&all->by_name, &s->node) != 0) {
        free(s);
        return NULL;
    }
    return s;
}

static int enter(struct sp_subjects *all, const uint8_t name[static SP_SHA256_LEN], size_t max,
                 struct sp_subject_share *t)
{
    struct sp_subject *s = find(all, name);

    if ((s == NULL ? 0 : s->has.tunnels) >= max)
        return SP_EFULL;
    if (s == NULL && (s = add(all, name)) == NULL)
        return SP_ENOMEM;
    s->has.tunnels++;
    *t = (struct sp_subject_share){.subject = s};
    return 0;
}

int sp_subject_enter(struct sp_subjects *all, struct sp_span name, size_t max,
                     struct sp_subject_share *t)
{
    uint8_t digest[SP_SHA256_LEN];

    sp_sha256(&name, 1, digest);
    pthread_mutex_lock(&all->lock);
    int err = enter(all, digest, max, t);
    pthread_mutex_unlock(&all->lock);
    return err;
}

void sp_subject_leave(struct sp_subjects *all, struct sp_subject_share *t)
{
    struct sp_subject *s = t->subject;

    sp_subject_settle(all, t, 0, 0);
    t->subject = NULL;
    pthread_mutex_lock(&all->lock);
    if (--s->has.tunnels == 0) {
        sp_map_del(&all->by_name, &s->node);
        free(s);
    }
    pthread_mutex_unlock(&all->lock);
}

/* --- lanes and flows ------------------------------------------------------------------------ */

static int take(struct sp_subjects *all, size_t *of_subject, size_t *of_tunnel, size_t max)
{
    pthread_mutex_lock(&all->lock);
    bool room = *of_subject < max;
    *of_subject += room;
    *of_tunnel += room;
    pthread_mutex_unlock(&all->lock);
    return room ? 0 : SP_EFULL;
}

int sp_subject_take_lane(struct sp_subjects *all, struct sp_subject_share *t, size_t max)
{
    return take(all, &t->subject->has.lanes, &t->lanes, max);
}

int sp_subject_take_flow(struct sp_subjects *all, struct sp_subject_share *t, size_t max)
{
    return take(all, &t->subject->has.flows, &t->flows, max);
}

void sp_subject_settle(struct sp_subjects *all, struct sp_subject_share *t, size_t lanes,
                       size_t flows)
{
    struct sp_subject_counts *has = &t->subject->has;

    if (lanes == t->lanes && flows == t->flows)
        return;
    pthread_mutex_lock(&all->lock);
    has->lanes += lanes - t->lanes;
    has->flows += flows - t->flows;
    pthread_mutex_unlock(&all->lock);
    t->lanes = lanes;
    t->flows = flows;
}

bool sp_subject_take_handshake(struct sp_subjects *all, struct sp_span name, uint32_t per_s,
                               uint64_t now_us)
{
    uint8_t digest[SP_SHA256_LEN];
    bool may = true;

    sp_sha256(&name, 1, digest);
    pthread_mutex_lock(&all->lock);
    struct sp_subject *s = find(all, digest);
    if (s != NULL) {
        if (s->handshakes.per_s == 0)
            sp_ratelimit_init(&s->handshakes, per_s, per_s);
        may = sp_ratelimit_take(&s->handshakes, now_us);
    }
    pthread_mutex_unlock(&all->lock);
    return may;
}

struct sp_subject_counts sp_subject_counts(struct sp_subjects *all, struct sp_span name)
{
    uint8_t digest[SP_SHA256_LEN];
    struct sp_subject_counts has = {0};

    sp_sha256(&name, 1, digest);
    pthread_mutex_lock(&all->lock);
    const struct sp_subject *s = find(all, digest);
    if (s != NULL)
        has = s->has;
    pthread_mutex_unlock(&all->lock);
    return has;
}
