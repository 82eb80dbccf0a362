/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What came too early to go on, and may be able to a moment later.
 */
#include <stdlib.h>

#include "rendezvous_impl.h"
#include "sallyport/clock.h"

#define HELD_MAX     16 /* datagrams of an end that wait for a path to be proven … */
#define HELD_LEN_MAX 2048
#define HELD_US      SP_SEC(1) /* … for so long */

static void held_free(struct rdv_end *e, struct rdv_held *h)
{
    sp_list_remove(&h->link);
    e->n_held--;
    free(h);
}

void held_drop(struct rdv_end *e)
{
    SP_LIST_EACH(&e->held, l, next)
    held_free(e, SP_LIST_ITEM(l, struct rdv_held, link));
}

static struct rdv_held *held_new(const struct sp_rdv_path *p, struct sp_span d, uint64_t now_us)
{
    struct rdv_held *h = d.len <= HELD_LEN_MAX ? malloc(sizeof *h + d.len) : NULL;

    if (h == NULL)
        return NULL;
    *h = (struct rdv_held){.serial = p->serial, .at_us = now_us, .len = d.len};
    memcpy(h->bytes, d.p, d.len);
    return h;
}

/* Whoever is sure of his path first says hello at once, and would wait for a while before he says
 * it again. Of a stranger nothing is kept. */
bool held_data(struct sp_rdv_path *p, struct sp_span d, uint64_t now_us)
{
    struct rdv_end *e = own_end(p);
    struct rdv_held *h;

    if (!(p->proven || p->verified) || (h = held_new(p, d, now_us)) == NULL)
        return false;
    if (e->n_held == HELD_MAX)
        held_free(e, SP_LIST_ITEM(sp_list_first(&e->held), struct rdv_held, link));
    sp_list_append(&e->held, &h->link);
    e->n_held++;
    return true;
}

/* A path has been proven: what waits may be able to go on now. */
void held_let_go(struct sp_rdv_session *s, unsigned end, uint64_t now_us)
{
    struct rdv_end *e = &s->ends[end], *far = &s->ends[1 - end];

    if (far->sending == NULL)
        return;
    SP_LIST_EACH(&e->held, l, next)
    {
        struct rdv_held *h = SP_LIST_ITEM(l, struct rdv_held, link);
        struct sp_rdv_path *p = rdv_path_by_serial(e, h->serial);
        if (p != NULL && !p->proven)
            continue;
        if (p != NULL && now_us - h->at_us < HELD_US)
            rdv_forward(p, far->sending, sp_span(h->bytes, h->len), now_us);
        held_free(e, h);
    }
}

/* The far end has no path yet that knows the fragment: the check waits for one, in the place of the
 * one before. Who was answered early is sure of his path, and checks it again only after a second
 * or so. */
void held_check(struct sp_rdv_path *p, unsigned generation, struct sp_span check, uint64_t now_us)
{
    struct rdv_held *h = held_new(p, check, now_us);

    if (h == NULL)
        p->session->registry->counters.refused_no_path++;
    else
        p->session->registry->counters.refused_no_path += p->check != NULL;
    if (h != NULL)
        h->generation = generation;
    free(p->check);
    p->check = h;
}

/* The first path of an end, or with a new fragment, has checked: it gets what waited for it. */
void held_let_checks_go(struct sp_rdv_path *to, uint64_t now_us)
{
    SP_LIST_EACH(&far_end(to)->paths, l, next)
    {
        struct sp_rdv_path *p = path_at(l);
        struct rdv_held *h = p->check;
        if (h == NULL || h->generation != to->tried || yields(p, now_us))
            continue;
        p->check = NULL;
        if (now_us - h->at_us < HELD_US)
            rdv_forward(p, to, sp_span(h->bytes, h->len), now_us);
        free(h);
    }
}
