/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP before ICE-TCP, of one end: whoever nominates what answers first would otherwise have a call
 * by TCP that could go by UDP, where its answer is late by a moment.
 */
#include <stdlib.h>

#include "rendezvous_impl.h"
#include "sallyport/clock.h"

#define YIELD_US SP_MS(500) /* where UDP comes, but nothing goes back */

static void go_on(struct sp_rdv_path *p, uint64_t now_us)
{
    struct rdv_held *h = p->check;

    p->yields_us = now_us; /* not once more */
    p->check = NULL;
    if (h != NULL)
        check_pass(p, h->generation, sp_span(h->bytes, h->len), now_us);
    free(h);
}

static void on_yield(struct sp_timer *t, uint64_t now_us, void *arg)
{
    (void)t;
    go_on(arg, now_us);
}

void yield_init(struct sp_rdv_path *p)
{
    sp_timer_init(&p->yield, on_yield, p);
}

void yield_fini(struct sp_rdv_path *p)
{
    sp_timerq_cancel(p->session->registry->timers, &p->yield);
}

/* Checks come by UDP, but none that is known to be heard there. */
static bool udp_tries(const struct rdv_end *e, unsigned generation)
{
    bool tries = false;

    SP_LIST_EACH(&e->paths, l, next)
    {
        const struct sp_rdv_path *p = path_at(l);
        if (p->way != SP_RDV_UDP || p->tried != generation)
            continue;
        if (p->proven && p->answered)
            return false;
        tries = true;
    }
    return tries;
}

static bool has_checked(const struct rdv_end *e)
{
    SP_LIST_EACH(&e->paths, l, next)
    if (path_at(l)->tried > 0)
        return true;
    return false;
}

/* Its time begins when there is somebody who could answer. */
bool yields(struct sp_rdv_path *p, uint64_t now_us)
{
    if (p->way != SP_RDV_TCP || p->proven || !udp_tries(own_end(p), p->tried))
        return false;
    if (p->yields_us == 0 && has_checked(far_end(p)) &&
        sp_timerq_set(p->session->registry->timers, &p->yield, now_us + YIELD_US) == 0)
        p->yields_us = now_us + YIELD_US;
    return p->yields_us == 0 ? !has_checked(far_end(p)) : now_us < p->yields_us;
}

void yield_look(struct rdv_end *e, uint64_t now_us)
{
    SP_LIST_EACH(&e->paths, l, next)
    {
        struct sp_rdv_path *p = path_at(l);
        if (now_us >= p->yields_us || udp_tries(e, p->tried))
            continue;
        sp_timerq_cancel(p->session->registry->timers, &p->yield);
        go_on(p, now_us);
    }
}

bool yield_sending(const struct sp_rdv_path *p)
{
    const struct sp_rdv_path *s = own_end(p)->sending;

    return s != NULL && p->way == SP_RDV_TCP && s->way == SP_RDV_UDP && s->answered &&
           s->generation >= p->generation;
}
