/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_perm.h"

#include <stdlib.h>

#include "sallyport/err.h"

#define FIRST_CAP 4

void sp_turn_perms_init(struct sp_turn_perms *p)
{
    *p = (struct sp_turn_perms){.v = NULL};
}

void sp_turn_perms_fini(struct sp_turn_perms *p)
{
    free(p->v);
    sp_turn_perms_init(p);
}

static int order(const struct sp_addr *a, const struct sp_addr *b)
{
    return a->family != b->family ? (int)a->family - (int)b->family
                                  : memcmp(a->ip, b->ip, sizeof a->ip);
}

/* Where the IP is, or where it belongs. */
static size_t place(const struct sp_turn_perms *p, const struct sp_addr *ip)
{
    size_t lo = 0, hi = p->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (order(&p->v[mid].ip, ip) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool is_at(const struct sp_turn_perms *p, size_t i, const struct sp_addr *ip)
{
    return i < p->n && sp_addr_same_ip(&p->v[i].ip, ip);
}

static void sweep(struct sp_turn_perms *p, uint64_t now_us)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->n; i++) {
        if (p->v[i].expires_us > now_us)
            p->v[kept++] = p->v[i];
    }
    p->n = kept;
}

int sp_turn_perms_copy(const struct sp_turn_perms *from, uint64_t now_us, struct sp_turn_perms *out)
{
    struct sp_turn_perms copy = {.cap = from->n};

    if (from->n > 0) {
        copy.v = malloc(from->n * sizeof *copy.v);
        if (copy.v == NULL)
            return SP_ENOMEM;
        memcpy(copy.v, from->v, from->n * sizeof *copy.v);
        copy.n = from->n;
        sweep(&copy, now_us);
    }
    *out = copy;
    return 0;
}

/* Room for one more. */
static int make_room(struct sp_turn_perms *p, size_t max, uint64_t now_us)
{
    if (p->n == p->cap || p->n >= max)
        sweep(p, now_us);
    if (p->n >= max)
        return SP_EFULL;
    if (p->n < p->cap)
        return 0;

    size_t cap = p->cap == 0 ? FIRST_CAP : p->cap * 2;
    struct sp_turn_perm *v = realloc(p->v, cap * sizeof *v);

    if (v == NULL)
        return SP_ENOMEM;
    p->v = v;
    p->cap = cap;
    return 0;
}

int sp_turn_perms_set(struct sp_turn_perms *p, const struct sp_addr *peer, size_t max,
                      uint64_t now_us)
{
    size_t i = place(p, peer);

    if (!is_at(p, i, peer)) {
        int err = make_room(p, max, now_us);

        if (err != 0)
            return err;
        i = place(p, peer); /* a sweep moves things */
        memmove(p->v + i + 1, p->v + i, (p->n - i) * sizeof *p->v);
        p->v[i] = (struct sp_turn_perm){.ip = *peer};
        p->v[i].ip.port = 0;
        p->n++;
    }
    p->v[i].expires_us = now_us + SP_TURN_PERM_LIFETIME_US;
    return 0;
}

struct sp_turn_perm *sp_turn_perms_find(const struct sp_turn_perms *p, const struct sp_addr *peer,
                                        uint64_t now_us)
{
    size_t i = place(p, peer);

    return is_at(p, i, peer) && p->v[i].expires_us > now_us ? &p->v[i] : NULL;
}
