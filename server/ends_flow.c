/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows of gateways, as ways to an end. The session is found by the first check; one whose USERNAME
 * is not known yet waits, with what comes behind it: browsers check as soon as they tell theirs,
 * and one that its gateway has answered early does not check again so soon.
 */
#include <stdlib.h>

#include "ends_impl.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

#define WAIT_US     SP_SEC(2)
#define AGAIN_US    SP_MS(200) /* where the news that its session is known were lost */
#define WAITING_MAX 256        /* flows of this worker */
#define KEPT_MAX    4          /* datagrams of each */
#define KEPT_LEN    1500

struct flow_wait {
    struct sp_via *via;
    struct sp_link link;
    uint8_t key[SP_RDV_KEY_LEN];
    struct sp_timer again;
    uint64_t until_us;
    size_t n;
    struct {
        size_t len;
        uint8_t bytes[KEPT_LEN];
    } kept[KEPT_MAX];
};

static uint64_t now_of(const struct sp_via *v)
{
    return sp_ticker_now(v->all->env.ticker);
}

static struct flow_wait *stop_waiting(struct sp_via *v)
{
    struct flow_wait *w = v->waiting;

    sp_timerq_cancel(&v->all->env.ticker->timers, &w->again);
    sp_list_remove(&w->link);
    v->all->n_waiting--;
    v->waiting = NULL;
    return w;
}

void flow_forget(struct sp_via *v)
{
    if (v->waiting == NULL)
        return;
    v->all->counters.flows_unknown += v->waiting->n;
    free(stop_waiting(v));
}

/* What sp_rdv_look_up says; 0: it is a way to an end from here on. */
static int settle(struct sp_via *v, struct sp_span check)
{
    struct sp_ends *e = v->all;
    struct sp_rdv_spot spot;
    int err = sp_rdv_look_up(e->registry, check, &spot);

    if (err == 0)
        err = via_attach(v, &spot, SP_RDV_GATEWAY);
    e->counters.flows += err == 0;
    return err;
}

static void on_again(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_via *v = arg;
    struct flow_wait *w = v->waiting;
    int err = settle(v, sp_span(w->kept[0].bytes, w->kept[0].len));

    if (err == SP_ENOENT && now_us < w->until_us &&
        sp_timerq_set(&v->all->env.ticker->timers, t, now_us + AGAIN_US) == 0)
        return;
    if (err != 0) {
        flow_forget(v);
        return;
    }
    /* Behind what waits nothing waits any more. */
    (void)stop_waiting(v);
    for (size_t i = 0; i < w->n; i++)
        via_input(v, sp_span(w->kept[i].bytes, w->kept[i].len), now_us);
    free(w);
}

void flows_wake(struct sp_ends *e, const uint8_t key[static SP_RDV_KEY_LEN])
{
    SP_LIST_EACH(&e->waiting, l, next)
    {
        struct flow_wait *w = SP_LIST_ITEM(l, struct flow_wait, link);
        if (memcmp(w->key, key, sizeof w->key) == 0)
            (void)sp_timerq_set(&e->env.ticker->timers, &w->again, now_of(w->via));
    }
}

static bool begin_to_wait(struct sp_via *v, struct sp_span check)
{
    struct sp_ends *e = v->all;
    struct flow_wait *w = e->n_waiting < WAITING_MAX ? calloc(1, sizeof *w) : NULL;

    if (w == NULL)
        return false;
    (void)sp_rdv_key_of(check, w->key);
    w->via = v;
    sp_timer_init(&w->again, on_again, v);
    w->until_us = now_of(v) + WAIT_US;
    if (sp_timerq_set(&e->env.ticker->timers, &w->again, now_of(v) + AGAIN_US) != 0) {
        free(w);
        return false;
    }
    v->waiting = w;
    sp_list_append(&e->waiting, &w->link);
    e->n_waiting++;
    return true;
}

static bool keep(struct sp_via *v, struct sp_span d)
{
    if (d.len > KEPT_LEN || (v->waiting == NULL && !begin_to_wait(v, d)) ||
        v->waiting->n == KEPT_MAX)
        return false;
    struct flow_wait *w = v->waiting;
    w->kept[w->n].len = d.len;
    memcpy(w->kept[w->n++].bytes, d.p, d.len);
    return true;
}

/* A check whose session is not known begins to wait, and whatever follows it waits, too. */
static void take_unknown(struct sp_via *v, struct sp_span d)
{
    int err = v->waiting != NULL ? SP_ENOENT : settle(v, d);

    if (err == 0)
        via_input(v, d, now_of(v));
    else if (err != SP_ENOENT || !keep(v, d))
        v->all->counters.flows_unknown++;
}

int sp_ends_flow_opened(struct sp_ends *e, struct sp_flow *f, struct sp_list *owner)
{
    struct sp_via *v = via_new(e, VIA_FLOW);

    if (v == NULL)
        return SP_ENOMEM;
    v->flow = f;
    sp_flow_set_user(f, v);
    sp_list_append(owner, &v->owned);
    via_enlist(v);
    return 0;
}

void sp_ends_flow_input(struct sp_via *v, const struct sp_span *d, size_t n)
{
    uint64_t now_us = now_of(v);

    for (size_t i = 0; i < n; i++) {
        if (v->path == NULL && v->owner == NO_OWNER)
            take_unknown(v, d[i]);
        else
            via_input(v, d[i], now_us);
    }
}

void sp_ends_flow_closed(struct sp_via *v)
{
    via_lost(v);
}

void sp_ends_flows_gone(struct sp_list *owner)
{
    SP_LIST_EACH(owner, link, next)
    via_lost(SP_LIST_ITEM(link, struct sp_via, owned));
}
