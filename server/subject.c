/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "subject.h"

#include <stdlib.h>

#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/ratelimit.h"

struct sp_subject {
    struct sp_map_node node;
    uint8_t name[SP_SHA256_LEN]; /* its digest: keys of a map are of one length */
    struct sp_list tunnels;
    size_t n;
    struct sp_ratelimit handshakes; /* of rate 0 until the first */
};

void sp_subjects_init(struct sp_subjects *all, struct sp_rng *rng)
{
    SP_MAP_INIT(&all->by_name, struct sp_subject, node, name, rng);
}

void sp_subjects_fini(struct sp_subjects *all)
{
    sp_map_fini(&all->by_name);
}

static struct sp_subject *find(const struct sp_subjects *all, const uint8_t name[SP_SHA256_LEN])
{
    struct sp_map_node *n = sp_map_get(&all->by_name, name);

    return n == NULL ? NULL : SP_CONTAINER_OF(n, struct sp_subject, node);
}

struct sp_subject *sp_subject_find(const struct sp_subjects *all, struct sp_span name)
{
    uint8_t digest[SP_SHA256_LEN];

    sp_sha256(&name, 1, digest);
    return find(all, digest);
}

int sp_subject_enter(struct sp_subjects *all, struct sp_span name, struct sp_subject_tunnel *t)
{
    uint8_t digest[SP_SHA256_LEN];

    sp_sha256(&name, 1, digest);

    struct sp_subject *s = find(all, digest);

    if (s == NULL) {
        s = calloc(1, sizeof *s);
        if (s == NULL)
            return SP_ENOMEM;
        memcpy(s->name, digest, sizeof digest);
        sp_list_init(&s->tunnels);
        if (sp_map_add(&all->by_name, &s->node) != 0) {
            free(s);
            return SP_ENOMEM;
        }
    }
    s->n++;
    sp_list_append(&s->tunnels, &t->link);
    t->subject = s;
    return 0;
}

void sp_subject_leave(struct sp_subjects *all, struct sp_subject_tunnel *t)
{
    struct sp_subject *s = t->subject;

    sp_list_remove(&t->link);
    t->subject = NULL;
    if (--s->n > 0)
        return;
    sp_map_del(&all->by_name, &s->node);
    free(s);
}

size_t sp_subject_tunnels(const struct sp_subject *s)
{
    return s->n;
}

static size_t sum(const struct sp_subject *s, size_t (*count)(const struct sp_tunnel *t))
{
    size_t n = 0;

    SP_LIST_EACH(&s->tunnels, link, next)
    {
        const struct sp_tunnel *t = SP_LIST_ITEM(link, struct sp_subject_tunnel, link)->tunnel;
        n += t != NULL ? count(t) : 0;
    }
    return n;
}

size_t sp_subject_lanes(const struct sp_subject *s)
{
    return sum(s, sp_tunnel_lane_count);
}

size_t sp_subject_flows(const struct sp_subject *s)
{
    return sum(s, sp_tunnel_flow_count);
}

bool sp_subject_take_handshake(struct sp_subject *s, uint32_t per_s, uint64_t now_us)
{
    if (s->handshakes.per_s == 0)
        sp_ratelimit_init(&s->handshakes, per_s, per_s);
    return sp_ratelimit_take(&s->handshakes, now_us);
}
