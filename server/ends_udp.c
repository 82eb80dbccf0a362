/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP addresses as ways to an end. Browsers check as soon as they tell their USERNAME, so that a
 * check may come first; it is kept for a moment, or the next one would have to do, and ICE-TCP,
 * whose connections wait, would be first.
 */
#include <stdlib.h>

#include "ends_impl.h"
#include "sallyport/chandata.h"
#include "sallyport/clock.h"
#include "sallyport/stun.h"

#define EARLY_MAX 128         /* of this worker; the oldest goes */
#define EARLY_LEN 512         /* a browser's has a hundred */
#define EARLY_US  SP_MS(1500) /* it has made others by then */

struct udp_early {
    size_t next; /* whose turn it is: the oldest one's */
    struct early {
        size_t len; /* 0: none */
        bool known; /* its session, by now */
        struct sp_dgram *dgram;
        struct via_pair pair;
        uint64_t at_us;
        uint8_t key[SP_RDV_KEY_LEN];
        uint8_t bytes[EARLY_LEN];
    } kept[EARLY_MAX];
};

static uint64_t now_of(const struct sp_ends *e)
{
    return sp_ticker_now(e->env.ticker);
}

/* --- a way ---------------------------------------------------------------------------------- */

/* NULL: of no session that is known. */
static struct sp_via *udp_via(struct sp_ends *e, struct sp_dgram *d, const struct via_pair *pair,
                              struct sp_span first)
{
    struct sp_map_node *n = sp_map_get(&e->by_pair, pair);
    struct sp_rdv_spot spot;
    struct sp_via *v;

    if (n != NULL)
        return SP_CONTAINER_OF(n, struct sp_via, by_pair);
    if (sp_rdv_look_up(e->registry, first, &spot) != 0 || (v = via_new(e, VIA_UDP)) == NULL)
        return NULL;
    v->pair = *pair;
    if (sp_map_add(&e->by_pair, &v->by_pair) == 0)
        v->dgram = d;
    if (v->dgram == NULL || via_attach(v, &spot, SP_RDV_UDP) != 0) {
        via_free(v);
        return NULL;
    }
    e->counters.udp++;
    return v;
}

/* --- too early ------------------------------------------------------------------------------ */

static void keep(struct sp_ends *e, struct sp_dgram *d, const struct via_pair *pair,
                 struct sp_span check)
{
    uint8_t key[SP_RDV_KEY_LEN];

    if (check.len > EARLY_LEN || sp_rdv_key_of(check, key) != 0)
        return;
    if (e->early == NULL && (e->early = calloc(1, sizeof *e->early)) == NULL)
        return;
    struct early *k = &e->early->kept[e->early->next++ % EARLY_MAX];
    *k = (struct early){.len = check.len, .dgram = d, .pair = *pair, .at_us = now_of(e)};
    memcpy(k->key, key, sizeof key);
    memcpy(k->bytes, check.p, check.len);
}

static void on_look(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_ends *e = arg;
    struct udp_early *all = e->early;
    (void)t;

    for (size_t i = 0; i < EARLY_MAX; i++) {
        struct early *k = &all->kept[(all->next + i) % EARLY_MAX];
        struct sp_span check = sp_span(k->bytes, k->len);
        if (!k->known)
            continue;
        struct sp_via *v = udp_via(e, k->dgram, &k->pair, check);
        if (v != NULL)
            via_input(v, check, now_us);
        *k = (struct early){.len = 0};
    }
}

void udp_wake(struct sp_ends *e, const uint8_t key[static SP_RDV_KEY_LEN])
{
    uint64_t now_us = now_of(e);
    bool found = false;

    for (size_t i = 0; e->early != NULL && i < EARLY_MAX; i++) {
        struct early *k = &e->early->kept[i];
        if (k->len == 0 || now_us - k->at_us >= EARLY_US || memcmp(k->key, key, sizeof k->key) != 0)
            continue;
        k->known = found = true;
    }
    if (found)
        (void)sp_timerq_set(&e->env.ticker->timers, &e->look, now_us);
}

void udp_init(struct sp_ends *e)
{
    sp_timer_init(&e->look, on_look, e);
}

void udp_forget(struct sp_ends *e)
{
    sp_timerq_cancel(&e->env.ticker->timers, &e->look);
    free(e->early);
    e->early = NULL;
}

/* --- what comes ----------------------------------------------------------------------------- */

bool sp_ends_is_turn(const struct sp_ends *e, struct sp_span d)
{
    struct sp_stun_msg m;
    struct sp_span username;

    if (!sp_rdv_expects(e->registry) && e->by_pair.len == 0)
        return true;
    if (sp_chandata_looks_like(d))
        return true;
    if (!sp_stun_looks_like(d) || sp_stun_parse(d, &m) != 0)
        return false;
    return m.method != SP_STUN_BINDING ||
           (m.cls == SP_STUN_REQUEST && !sp_stun_find(&m, SP_ATTR_USERNAME, &username));
}

bool sp_ends_take_udp(struct sp_ends *e, struct sp_dgram *d, const struct sp_dgram_in *in, size_t n)
{
    const struct via_pair pair = {in->remote, in->local};
    uint64_t now_us = now_of(e);
    struct sp_via *v = udp_via(e, d, &pair, in[0].body);

    for (size_t i = 0; v != NULL && i < n; i++)
        via_input(v, in[i].body, now_us);
    if (v == NULL)
        keep(e, d, &pair, in[0].body);
    return v != NULL;
}
