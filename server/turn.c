/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn.h"

#include <stdlib.h>

#include "sallyport/chandata.h"
#include "sallyport/err.h"
#include "turn_alloc.h"
#include "turn_data.h"
#include "turn_engine.h"
#include "turn_methods.h"

/* Those of other engines as well: whoever made them may be late. */
static void end_reservations(struct sp_turn *t, uint64_t now_us)
{
    struct sp_turn_reservation v;

    while (sp_turn_reservations_take_expired(&t->common->reservations, now_us, &v)) {
        sp_quota_give(&t->common->users, v.quota);
        t->effects.reservation_end(t->arg, &v.local);
    }
}

static void on_sweep(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_turn *t = arg;
    (void)timer;

    end_reservations(t, now_us);
    (void)sp_turn_sweep(t); /* the timer has just left its place to itself */
}

int sp_turn_sweep(struct sp_turn *t)
{
    uint64_t due_us = sp_turn_reservations_due_us(&t->common->reservations);

    if (due_us == UINT64_MAX)
        sp_timerq_cancel(t->timers, &t->sweep);
    return due_us == UINT64_MAX ? 0 : sp_timerq_set(t->timers, &t->sweep, due_us);
}

int sp_turn_new(const struct sp_turn_config *config, const struct sp_turn_auth *auth,
                const struct sp_peer_policy *policy, struct sp_timerq *timers, struct sp_rng *rng,
                struct sp_turn **out)
{
    struct sp_turn *t = calloc(1, sizeof *t);

    if (t == NULL)
        return SP_ENOMEM;
    t->config = *config;
    t->auth = auth;
    t->timers = timers;
    t->rng = rng;
    sp_turn_nonces_init(&t->nonces, config->worker, rng);
    SP_MAP_INIT(&t->allocs, struct sp_turn_alloc, node, path, rng);
    sp_turn_relayed_init(&t->relayed, rng);
    sp_turn_routes_init(&t->routes, policy);
    sp_timer_init(&t->sweep, on_sweep, t);
    sp_turn_common_init(&t->own_common, config->udp_answers_per_s, rng);
    t->common = config->common != NULL ? config->common : &t->own_common;
    t->hits = config->hits != NULL ? config->hits : &t->own_hits;
    sp_turn_outbox_init(&t->out);
    t->indications = sp_rng_u64(rng);
    *out = t;
    return 0;
}

void sp_turn_set_effects(struct sp_turn *t, const struct sp_turn_effects *effects, void *arg)
{
    t->effects = *effects;
    t->arg = arg;
    t->out.emit = effects->emit;
    t->out.arg = arg;
}

void sp_turn_set_auth(struct sp_turn *t, const struct sp_turn_auth *auth)
{
    t->auth = auth;
}

int sp_turn_add_relay_ip(struct sp_turn *t, const struct sp_addr *local,
                         const struct sp_addr *public_)
{
    int err = sp_turn_routes_add_ours(&t->routes, local);

    return err != 0 ? err : sp_turn_routes_add_ours(&t->routes, public_);
}

void sp_turn_drain(struct sp_turn *t, const struct sp_turn_alternates *a)
{
    t->draining = true;
    t->alternates = *a;
}

void sp_turn_end_all(struct sp_turn *t)
{
    struct sp_map_node *n;

    while ((n = sp_map_any(&t->allocs)) != NULL)
        sp_turn_alloc_end(SP_CONTAINER_OF(n, struct sp_turn_alloc, node), SP_TURN_END_SHUTDOWN);
}

void sp_turn_free(struct sp_turn *t)
{
    if (t == NULL)
        return;
    sp_turn_end_all(t);
    if (t->common == &t->own_common)
        end_reservations(t, UINT64_MAX);
    sp_timerq_cancel(t->timers, &t->sweep);
    sp_turn_common_fini(&t->own_common);
    sp_map_fini(&t->allocs);
    sp_turn_relayed_fini(&t->relayed);
    sp_turn_routes_fini(&t->routes);
    sp_turn_nonces_fini(&t->nonces);
    free(t);
}

void sp_turn_from_client(struct sp_turn *t, const struct sp_turn_path *path,
                         const struct sp_span *msgs, size_t n, uint64_t now_us, uint64_t unix_s)
{
    struct sp_turn_alloc *a = sp_turn_alloc_at(t, path);

    for (size_t i = 0; i < n; i++) {
        if (sp_chandata_looks_like(msgs[i]))
            sp_turn_data_channel(t, a, msgs[i], now_us);
        else
            a = sp_turn_stun_input(t, path, a, msgs[i], now_us, unix_s);
    }
    sp_turn_outbox_flush(&t->out);
}

size_t sp_turn_from_alloc(struct sp_turn_alloc *a, const struct sp_span *msgs, size_t n,
                          uint64_t now_us)
{
    struct sp_turn *t = a->turn;
    size_t i = 0;

    for (; i < n && sp_chandata_looks_like(msgs[i]); i++)
        sp_turn_data_channel(t, a, msgs[i], now_us);
    sp_turn_outbox_flush(&t->out);
    return i;
}

void sp_turn_from_peer(struct sp_turn *t, struct sp_turn_alloc *alloc,
                       const struct sp_addr *relay_local, const struct sp_turn_peer_dgram *d,
                       size_t n, uint64_t now_us)
{
    const struct sp_turn_leg *leg = sp_turn_alloc_leg(alloc, relay_local->family);

    for (size_t i = 0; i < n; i++)
        sp_turn_data_peer(t, alloc, leg, &d[i], now_us);
    sp_turn_outbox_flush(&t->out);
}

void sp_turn_from_other(struct sp_turn *t, const struct sp_addr *relayed,
                        const struct sp_turn_peer_dgram *d, uint64_t now_us)
{
    sp_turn_data_other(t, relayed, d, now_us);
    sp_turn_outbox_flush(&t->out);
}

void sp_turn_path_gone(struct sp_turn *t, const struct sp_turn_path *path)
{
    struct sp_turn_alloc *a = sp_turn_alloc_at(t, path);

    if (a != NULL)
        sp_turn_alloc_end(a, SP_TURN_END_PATH);
}

bool sp_turn_path_has_alloc(struct sp_turn *t, const struct sp_turn_path *path)
{
    return sp_turn_alloc_at(t, path) != NULL;
}

const struct sp_turn_path *sp_turn_alloc_path(const struct sp_turn_alloc *a)
{
    return &a->path;
}

struct sp_span sp_turn_alloc_username(const struct sp_turn_alloc *a)
{
    return sp_span(a->username, a->username_len);
}

uint64_t sp_turn_alloc_begun_us(const struct sp_turn_alloc *a)
{
    return a->begun_us;
}

const struct sp_turn_usage *sp_turn_alloc_usage(const struct sp_turn_alloc *a)
{
    return &a->usage;
}

const struct sp_turn_relay *sp_turn_alloc_relay(const struct sp_turn_alloc *a, uint16_t family)
{
    const struct sp_turn_leg *leg = sp_turn_alloc_leg(a, family);

    return leg == NULL ? NULL : &leg->relay;
}

const struct sp_turn_counters *sp_turn_counters(const struct sp_turn *t)
{
    return &t->counters;
}

size_t sp_turn_alloc_count(const struct sp_turn *t)
{
    return t->allocs.len;
}
