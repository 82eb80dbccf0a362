/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_alloc.h"

#include <stdlib.h>

#include "sallyport/err.h"
#include "turn_engine.h"

#define US_PER_S UINT64_C(1000000)

static void on_expiry(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    (void)timer;
    (void)now_us;
    sp_turn_alloc_end(arg, SP_TURN_END_EXPIRED);
}

int sp_turn_alloc_new(struct sp_turn *t, const struct sp_turn_path *path, struct sp_span username,
                      struct sp_quota_user *quota, struct sp_turn_alloc **out)
{
    struct sp_turn_alloc *a = calloc(1, sizeof *a + username.len);

    if (a == NULL)
        return SP_ENOMEM;
    a->turn = t;
    a->quota = quota;
    a->path = *path;
    sp_timer_init(&a->expiry, on_expiry, a);
    sp_turn_perms_init(&a->perms);
    sp_turn_chans_init(&a->chans);
    memcpy(a->username, username.p, username.len);
    a->username_len = username.len;
    *out = a;
    return 0;
}

int sp_turn_alloc_open_leg(struct sp_turn_alloc *a, const struct sp_turn_relay_request *want)
{
    struct sp_turn *t = a->turn;
    struct sp_turn_leg *leg = &a->legs[a->n_legs];
    int err = t->effects.relay_open(t->arg, want, a, &leg->relay);

    if (err != 0 && want->port != 0)
        t->effects.reservation_end(t->arg, &want->reserved);
    if (err != 0)
        return err;
    err = sp_turn_relayed_add(&t->relayed, &leg->names, &leg->relay, a);
    if (err != 0) {
        t->effects.relay_close(t->arg, &leg->relay);
        if (want->reserve)
            sp_turn_alloc_end_reserved(a, &leg->relay.local);
        return err == SP_ENOMEM ? SP_ENOMEM : SP_EFULL;
    }
    a->n_legs++;
    return 0;
}

void sp_turn_alloc_end_reserved(struct sp_turn_alloc *a, const struct sp_addr *local)
{
    struct sp_addr next = *local;

    next.port++;
    a->turn->effects.reservation_end(a->turn->arg, &next);
}

int sp_turn_alloc_begin(struct sp_turn_alloc *a, uint64_t now_us)
{
    struct sp_turn *t = a->turn;
    uint64_t lifetime_us = a->birth.lifetime_s * US_PER_S;

    if (sp_timerq_set(t->timers, &a->expiry, now_us + lifetime_us) != 0)
        return SP_ENOMEM;
    if (sp_map_add(&t->allocs, &a->node) != 0) {
        sp_timerq_cancel(t->timers, &a->expiry);
        return SP_ENOMEM;
    }
    a->begun_us = now_us;
    t->counters.allocations++;
    t->effects.alloc_begin(t->arg, a);
    return 0;
}

void sp_turn_alloc_set_lifetime(struct sp_turn_alloc *a, uint32_t lifetime_s, uint64_t now_us)
{
    (void)sp_timerq_set(a->turn->timers, &a->expiry, now_us + lifetime_s * US_PER_S); /* a move */
}

void sp_turn_alloc_end(struct sp_turn_alloc *a, enum sp_turn_end why)
{
    struct sp_turn *t = a->turn;
    bool begun = sp_turn_alloc_at(t, &a->path) == a;

    sp_turn_outbox_flush(&t->out); /* outs point to the path and the relays */
    sp_timerq_cancel(t->timers, &a->expiry);
    if (begun) {
        sp_map_del(&t->allocs, &a->node);
        t->effects.alloc_end(t->arg, a, why);
    }
    for (size_t i = 0; i < a->n_legs; i++) {
        sp_turn_relayed_del(&t->relayed, &a->legs[i].names);
        t->effects.relay_close(t->arg, &a->legs[i].relay);
    }
    sp_turn_perms_fini(&a->perms);
    sp_turn_chans_fini(&a->chans);
    sp_quota_give(&t->common->users, a->quota);
    sp_tally_give(&t->common->allocs);
    free(a);
}

struct sp_turn_alloc *sp_turn_alloc_at(struct sp_turn *t, const struct sp_turn_path *path)
{
    uint64_t hint = (uintptr_t)path->via + sp_get_be32(path->remote.ip) + path->remote.port;
    struct sp_map_node *n = sp_map_get_near(&t->allocs, &t->lately, hint, path);

    return n == NULL ? NULL : SP_CONTAINER_OF(n, struct sp_turn_alloc, node);
}

const struct sp_turn_leg *sp_turn_alloc_leg(const struct sp_turn_alloc *a, uint16_t family)
{
    for (size_t i = 0; i < a->n_legs; i++) {
        if (a->legs[i].relay.local.family == family)
            return &a->legs[i];
    }
    return NULL;
}
