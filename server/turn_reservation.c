/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_reservation.h"

#include <stdlib.h>

#include "sallyport/err.h"

#define LIFETIME_US (30 * UINT64_C(1000000))

struct reservation {
    struct sp_map_node node;
    uint8_t token[SP_TURN_TOKEN_LEN];
    struct sp_turn_reservation what;
    struct sp_timer expiry;
    struct sp_turn_reservations *home;
};

void sp_turn_reservations_init(struct sp_turn_reservations *r, struct sp_timerq *timers,
                               struct sp_rng *rng, sp_turn_reservation_end_fn *end, void *arg)
{
    *r = (struct sp_turn_reservations){.timers = timers, .rng = rng, .end = end, .arg = arg};
    SP_MAP_INIT(&r->by_token, struct reservation, node, token, rng);
}

static void forget(struct reservation *v)
{
    sp_timerq_cancel(v->home->timers, &v->expiry);
    sp_map_del(&v->home->by_token, &v->node);
    free(v);
}

static void end(struct reservation *v)
{
    struct sp_turn_reservations *r = v->home;
    struct sp_turn_reservation what = v->what;

    forget(v);
    r->end(&what, r->arg);
}

static void on_expiry(struct sp_timer *t, uint64_t now_us, void *arg)
{
    (void)t;
    (void)now_us;
    end(arg);
}

void sp_turn_reservations_fini(struct sp_turn_reservations *r)
{
    struct sp_map_node *n;

    while ((n = sp_map_any(&r->by_token)) != NULL)
        end(SP_CONTAINER_OF(n, struct reservation, node));
    sp_map_fini(&r->by_token);
}

int sp_turn_reservations_add(struct sp_turn_reservations *r, const struct sp_turn_reservation *what,
                             uint64_t now_us, uint8_t token[static SP_TURN_TOKEN_LEN])
{
    struct reservation *v = calloc(1, sizeof *v);

    if (v == NULL)
        return SP_ENOMEM;
    v->what = *what;
    v->home = r;
    sp_timer_init(&v->expiry, on_expiry, v);
    sp_rng_bytes(r->rng, v->token, sizeof v->token);
    if (sp_map_add(&r->by_token, &v->node) != 0) { /* of 64 random bits none comes twice */
        free(v);
        return SP_ENOMEM;
    }
    if (sp_timerq_set(r->timers, &v->expiry, now_us + LIFETIME_US) != 0) {
        forget(v);
        return SP_ENOMEM;
    }
    memcpy(token, v->token, sizeof v->token);
    return 0;
}

static struct reservation *find(const struct sp_turn_reservations *r, const uint8_t *token)
{
    struct sp_map_node *n = sp_map_get(&r->by_token, token);

    return n == NULL ? NULL : SP_CONTAINER_OF(n, struct reservation, node);
}

int sp_turn_reservations_find(const struct sp_turn_reservations *r,
                              const uint8_t token[static SP_TURN_TOKEN_LEN],
                              struct sp_turn_reservation *out)
{
    struct reservation *v = find(r, token);

    if (v == NULL)
        return SP_ENOENT;
    *out = v->what;
    return 0;
}

void sp_turn_reservations_del(struct sp_turn_reservations *r,
                              const uint8_t token[static SP_TURN_TOKEN_LEN])
{
    struct reservation *v = find(r, token);

    if (v != NULL)
        forget(v);
}

size_t sp_turn_reservations_count(const struct sp_turn_reservations *r)
{
    return r->by_token.len;
}
