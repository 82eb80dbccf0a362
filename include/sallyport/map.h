/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash map of intrusive nodes, keyed by a run of bytes that lies in the element at a fixed
 * offset and does not change while it is in the map. Hashing is SipHash-2-4 under a random key,
 * since keys come from strangers. Owns no element.
 */
#ifndef SALLYPORT_MAP_H
#define SALLYPORT_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "sallyport/rng.h"

struct sp_map_node {
    struct sp_map_node *next;
    uint64_t hash;
};

struct sp_map {
    struct sp_map_node **slots;
    size_t n_slots, len; /* n_slots: a power of two, or 0 */
    size_t lowest;       /* the first slot that is used */
    ptrdiff_t key_off;   /* from the node to its key; may be negative */
    size_t key_len;
    uint64_t losses; /* nodes that have left it */
    uint64_t k[2];
};

/* Allocates nothing yet. `key_off` is offsetof(element, key) - offsetof(element, node). */
void sp_map_init(struct sp_map *m, ptrdiff_t key_off, size_t key_len, struct sp_rng *rng);

/* Frees the table, not the elements; the map may be used again after init. */
void sp_map_fini(struct sp_map *m);

/* SP_ENOMEM: nothing changed. SP_EEXIST: an element with this key is there. */
int sp_map_add(struct sp_map *m, struct sp_map_node *n);

/* NULL when there is none. `key` is read for key_len bytes. */
struct sp_map_node *sp_map_get(const struct sp_map *m, const void *key);

/*
 * A front: finds an element that was asked for lately without hashing its key, by a hint that is
 * cheaper (any number; equal keys have equal ones) and may be foreseen by strangers: who meets
 * another there is looked up in the map. Forgets all when the map loses one. All zero before it is
 * used.
 */
#define SP_MAP_FRONT 512
struct sp_map_front {
    uint64_t losses; /* the map's, when it was filled */
    struct sp_map_late {
        struct sp_map_node *node;
        uint64_t hint; /* so that another's key, which lies elsewhere, need not be read */
    } late[SP_MAP_FRONT];
};
struct sp_map_node *sp_map_get_near(const struct sp_map *m, struct sp_map_front *f, uint64_t hint,
                                    const void *key);

/* The node must be in this map. */
void sp_map_del(struct sp_map *m, struct sp_map_node *n);

/* Any element, or NULL when empty: for emptying a map one by one. */
struct sp_map_node *sp_map_any(const struct sp_map *m);

/* Walks all elements: start with NULL; NULL ends. The map must not be changed meanwhile. */
struct sp_map_node *sp_map_next(const struct sp_map *m, const struct sp_map_node *after);

#define SP_MAP_INIT(m, type, node, key, rng)                                           \
    sp_map_init((m), (ptrdiff_t)offsetof(type, key) - (ptrdiff_t)offsetof(type, node), \
                sizeof(((type *)0)->key), (rng))

#endif
