/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/map.h"

#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"
#include "siphash.h"

#define MIN_SLOTS 16

void sp_map_init(struct sp_map *m, ptrdiff_t key_off, size_t key_len, struct sp_rng *rng)
{
    *m = (struct sp_map){.key_off = key_off, .key_len = key_len};
    m->k[0] = sp_rng_u64(rng);
    m->k[1] = sp_rng_u64(rng);
}

void sp_map_fini(struct sp_map *m)
{
    free(m->slots);
    m->slots = NULL;
    m->n_slots = m->len = m->lowest = 0;
}

static const void *key_of(const struct sp_map *m, const struct sp_map_node *n)
{
    return (const char *)n + m->key_off;
}

static size_t slot_of(const struct sp_map *m, uint64_t hash)
{
    return (size_t)hash & (m->n_slots - 1);
}

static struct sp_map_node *find(const struct sp_map *m, const void *key, uint64_t hash)
{
    if (m->len == 0)
        return NULL;
    struct sp_map_node *n = m->slots[slot_of(m, hash)];
    while (n != NULL && (n->hash != hash || memcmp(key_of(m, n), key, m->key_len) != 0))
        n = n->next;
    return n;
}

static void link_node(struct sp_map *m, struct sp_map_node *n)
{
    size_t slot = slot_of(m, n->hash);
    n->next = m->slots[slot];
    m->slots[slot] = n;
    if (slot < m->lowest)
        m->lowest = slot;
}

static int resize(struct sp_map *m, size_t n_slots)
{
    struct sp_map old = *m;
    struct sp_map_node **slots = calloc(n_slots, sizeof(struct sp_map_node *));
    if (slots == NULL)
        return SP_ENOMEM;
    m->slots = slots;
    m->n_slots = m->lowest = n_slots;
    for (size_t i = 0; i < old.n_slots; i++) {
        for (struct sp_map_node *n = old.slots[i], *next; n != NULL; n = next) {
            next = n->next;
            link_node(m, n);
        }
    }
    free(old.slots);
    return 0;
}

int sp_map_add(struct sp_map *m, struct sp_map_node *n)
{
    uint64_t hash = sp_siphash24(m->k, key_of(m, n), m->key_len);
    if (find(m, key_of(m, n), hash) != NULL)
        return SP_EEXIST;
    if (m->len == m->n_slots) {
        int err = resize(m, m->n_slots == 0 ? MIN_SLOTS : m->n_slots * 2);
        if (err != 0)
            return err;
    }
    n->hash = hash;
    link_node(m, n);
    m->len++;
    return 0;
}

struct sp_map_node *sp_map_get(const struct sp_map *m, const void *key)
{
    return find(m, key, sp_siphash24(m->k, key, m->key_len));
}

struct sp_map_node *sp_map_get_near(const struct sp_map *m, struct sp_map_front *f, uint64_t hint,
                                    const void *key)
{
    if (f->losses != m->losses) {
        memset(f->late, 0, sizeof f->late);
        f->losses = m->losses;
    }
    /* The golden ratio spreads numbers that are near each other, as ports and addresses are. */
    struct sp_map_late *at = &f->late[(hint * UINT64_C(0x9E3779B97F4A7C15) >> 32) % SP_MAP_FRONT];
    if (at->node == NULL || at->hint != hint || memcmp(key_of(m, at->node), key, m->key_len) != 0) {
        struct sp_map_node *n = sp_map_get(m, key);
        if (n == NULL)
            return NULL;
        *at = (struct sp_map_late){n, hint};
    }
    return at->node;
}

/* Keeps sp_map_any() quick: the table is never much emptier than an eighth, so the next used slot
 * is near. */
static void settle(struct sp_map *m)
{
    if (m->n_slots > MIN_SLOTS && m->len < m->n_slots / 8)
        (void)resize(m, m->n_slots / 4); /* no memory: it stays large, which is only slower */
    while (m->lowest < m->n_slots && m->slots[m->lowest] == NULL)
        m->lowest++;
}

void sp_map_del(struct sp_map *m, struct sp_map_node *n)
{
    struct sp_map_node **at = &m->slots[slot_of(m, n->hash)];
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    n->next = NULL;
    m->len--;
    m->losses++;
    settle(m);
}

struct sp_map_node *sp_map_any(const struct sp_map *m)
{
    return m->len == 0 ? NULL : m->slots[m->lowest];
}

struct sp_map_node *sp_map_next(const struct sp_map *m, const struct sp_map_node *after)
{
    if (after == NULL)
        return sp_map_any(m);
    if (after->next != NULL)
        return after->next;
    for (size_t i = slot_of(m, after->hash) + 1; i < m->n_slots; i++) {
        if (m->slots[i] != NULL)
            return m->slots[i];
    }
    return NULL;
}
