/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_reservation.h"

#include <stdlib.h>

#include "sallyport/err.h"

#define LIFETIME_US (30 * UINT64_C(1000000))

struct reservation {
    struct sp_map_node node;
    uint8_t token[SP_TURN_TOKEN_LEN];
    struct sp_link link;
    struct sp_turn_reservation what;
    uint64_t until_us;
};

void sp_turn_reservations_init(struct sp_turn_reservations *r, struct sp_rng *rng)
{
    pthread_mutex_init(&r->lock, NULL);
    SP_MAP_INIT(&r->by_token, struct reservation, node, token, rng);
    sp_list_init(&r->by_age);
}

/* --- with the lock held --------------------------------------------------------------------- */

static struct reservation *find(const struct sp_turn_reservations *r, const uint8_t *token)
{
    struct sp_map_node *n = sp_map_get(&r->by_token, token);

    return n == NULL ? NULL : SP_CONTAINER_OF(n, struct reservation, node);
}

static struct reservation *oldest(const struct sp_turn_reservations *r)
{
    return sp_list_empty(&r->by_age)
               ? NULL
               : SP_LIST_ITEM(sp_list_first(&r->by_age), struct reservation, link);
}

static void forget(struct sp_turn_reservations *r, struct reservation *v)
{
    sp_map_del(&r->by_token, &v->node);
    sp_list_remove(&v->link);
    free(v);
}

/* --- to everybody --------------------------------------------------------------------------- */

void sp_turn_reservations_fini(struct sp_turn_reservations *r)
{
    struct reservation *v;

    while ((v = oldest(r)) != NULL)
        forget(r, v);
    sp_map_fini(&r->by_token);
    pthread_mutex_destroy(&r->lock);
}

int sp_turn_reservations_add(struct sp_turn_reservations *r, const struct sp_turn_reservation *what,
                             struct sp_rng *rng, uint64_t now_us,
                             uint8_t token[static SP_TURN_TOKEN_LEN])
{
    struct reservation *v = calloc(1, sizeof *v);

    if (v == NULL)
        return SP_ENOMEM;
    v->what = *what;
    v->until_us = now_us + LIFETIME_US;
    sp_rng_bytes(rng, v->token, sizeof v->token);
    memcpy(token, v->token, sizeof v->token); /* from here on it may be gone at any time */
    pthread_mutex_lock(&r->lock);
    int err = sp_map_add(&r->by_token, &v->node); /* of 64 random bits none comes twice */
    if (err == 0)
        sp_list_append(&r->by_age, &v->link);
    pthread_mutex_unlock(&r->lock);
    if (err != 0)
        free(v);
    return err == 0 ? 0 : SP_ENOMEM;
}

int sp_turn_reservations_find(struct sp_turn_reservations *r,
                              const uint8_t token[static SP_TURN_TOKEN_LEN],
                              struct sp_turn_reservation *out)
{
    pthread_mutex_lock(&r->lock);
    const struct reservation *v = find(r, token);
    if (v != NULL)
        *out = v->what;
    pthread_mutex_unlock(&r->lock);
    return v != NULL ? 0 : SP_ENOENT;
}

int sp_turn_reservations_take(struct sp_turn_reservations *r,
                              const uint8_t token[static SP_TURN_TOKEN_LEN],
                              struct sp_turn_reservation *out)
{
    pthread_mutex_lock(&r->lock);
    struct reservation *v = find(r, token);
    bool there = v != NULL;
    if (there) {
        *out = v->what;
        forget(r, v);
    }
    pthread_mutex_unlock(&r->lock);
    return there ? 0 : SP_ENOENT;
}

bool sp_turn_reservations_take_expired(struct sp_turn_reservations *r, uint64_t now_us,
                                       struct sp_turn_reservation *out)
{
    pthread_mutex_lock(&r->lock);
    struct reservation *v = oldest(r);
    bool due = v != NULL && v->until_us <= now_us;
    if (due) {
        *out = v->what;
        forget(r, v);
    }
    pthread_mutex_unlock(&r->lock);
    return due;
}

uint64_t sp_turn_reservations_due_us(struct sp_turn_reservations *r)
{
    pthread_mutex_lock(&r->lock);
    const struct reservation *v = oldest(r);
    uint64_t due_us = v != NULL ? v->until_us : UINT64_MAX;
    pthread_mutex_unlock(&r->lock);
    return due_us;
}

size_t sp_turn_reservations_count(struct sp_turn_reservations *r)
{
    pthread_mutex_lock(&r->lock);
    size_t n = r->by_token.len;
    pthread_mutex_unlock(&r->lock);
    return n;
}
