/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/ticker.h"

#include <assert.h>
#include <stdlib.h>

#include "sallyport/clock.h"

/* Data goes from a socket through a few machines to another socket; each may put off once. Work
 * that goes in circles must not keep the loop from its sockets. */
#define MAX_ROUNDS 16

_Static_assert(SP_TICKER_BLOCKS == 32, "a bit each");

static void on_check(struct ev_loop *loop, ev_check *w, int revents)
{
    struct sp_ticker *t = w->data;
    (void)loop;
    (void)revents;
    t->now_us = sp_clock_us();
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct sp_ticker *t = w->data;
    (void)loop;
    (void)revents;
    t->armed_us = SP_NEVER;
    sp_timerq_run(&t->timers, t->now_us); /* none, if libev's clock was ahead: it is set again */
}

static void take_all(struct sp_list *to, struct sp_list *from)
{
    sp_list_init(to);
    if (sp_list_empty(from))
        return;
    *to = *from;
    to->head.next->prev = to->head.prev->next = &to->head;
    sp_list_init(from);
}

/* What is put into the list meanwhile stays there. */
static void run_list(struct sp_ticker *t, struct sp_list *list)
{
    struct sp_list batch;
    struct sp_link *l;

    take_all(&batch, list);
    while ((l = sp_list_first(&batch)) != NULL) {
        struct sp_deferred *d = SP_LIST_ITEM(l, struct sp_deferred, link);
        sp_list_remove(l);
        d->fn(d, t->now_us, d->arg);
    }
}

static void on_heard(struct ev_loop *loop, ev_check *w, int revents)
{
    struct sp_ticker *t = w->data;
    (void)loop;
    (void)revents;
    run_list(t, &t->ready);
}

static void run_deferred(struct sp_ticker *t)
{
    for (int round = 0; round < MAX_ROUNDS && !sp_list_empty(&t->deferred); round++)
        run_list(t, &t->deferred);
}

/* libev counts from a reading of its own, which is made anew here: from one that is as old as this
 * turn the timer would come too early by what the turn took, and again. */
static void arm(struct sp_ticker *t)
{
    uint64_t due = sp_list_empty(&t->deferred) ? sp_timerq_next(&t->timers) : t->now_us;

    if (due == t->armed_us)
        return;
    t->armed_us = due;
    ev_timer_stop(t->loop, &t->timer);
    if (due == SP_NEVER)
        return;
    ev_now_update(t->loop);
    ev_timer_set(&t->timer, due > t->now_us ? (double)(due - t->now_us) / 1e6 : 0., 0.);
    ev_timer_start(t->loop, &t->timer);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
    struct sp_ticker *t = w->data;
    (void)loop;
    (void)revents;
    t->now_us = sp_clock_us();
    run_deferred(t);
    arm(t);
}

void sp_ticker_init(struct sp_ticker *t, struct ev_loop *loop)
{
    *t = (struct sp_ticker){.loop = loop, .now_us = sp_clock_us(), .armed_us = SP_NEVER};
    sp_timerq_init(&t->timers);
    sp_list_init(&t->deferred);
    sp_list_init(&t->ready);
    ev_timer_init(&t->timer, on_timer, 0., 0.);
    ev_prepare_init(&t->prepare, on_prepare);
    ev_check_init(&t->check, on_check);
    ev_check_init(&t->heard, on_heard);
    t->timer.data = t->prepare.data = t->check.data = t->heard.data = t;
    ev_set_priority(&t->check, EV_MAXPRI); /* the time, before anybody asks for it */
    ev_set_priority(&t->heard, -1);        /* when all sockets have said that they are ready */
    /* Whoever has waited for something, and is late himself, looks first what has come meanwhile.
     */
    ev_set_priority(&t->timer, EV_MINPRI);
    ev_set_priority(&t->prepare, EV_MINPRI); /* the last word before the loop sleeps */
    ev_prepare_start(loop, &t->prepare);
    ev_check_start(loop, &t->check);
    ev_check_start(loop, &t->heard);
}

void sp_ticker_fini(struct sp_ticker *t)
{
    struct sp_link *l;

    while ((l = sp_list_first(&t->deferred)) != NULL || (l = sp_list_first(&t->ready)) != NULL)
        sp_list_remove(l);
    ev_timer_stop(t->loop, &t->timer);
    ev_prepare_stop(t->loop, &t->prepare);
    ev_check_stop(t->loop, &t->check);
    ev_check_stop(t->loop, &t->heard);
    sp_timerq_fini(&t->timers);
    free(t->scratch);
    free(t->blocks);
    t->scratch = t->blocks = NULL;
}

uint8_t *sp_ticker_take_scratch(struct sp_ticker *t)
{
    if (t->scratch_taken)
        return NULL;
    if (t->scratch == NULL)
        t->scratch = malloc(SP_TICKER_SCRATCH_LEN);
    t->scratch_taken = t->scratch != NULL;
    return t->scratch;
}

void sp_ticker_give_scratch(struct sp_ticker *t)
{
    assert(t->scratch_taken);
    t->scratch_taken = false;
}

/* The lowest first: as few are touched as are used at once. */
uint8_t *sp_ticker_take_block(struct sp_ticker *t)
{
    if (t->blocks_taken == UINT32_MAX)
        return NULL;
    if (t->blocks == NULL)
        t->blocks = malloc((size_t)SP_TICKER_BLOCKS * SP_TICKER_BLOCK_LEN);
    if (t->blocks == NULL)
        return NULL;
    unsigned i = (unsigned)__builtin_ctz(~t->blocks_taken);
    t->blocks_taken |= UINT32_C(1) << i;
    return t->blocks + (size_t)i * SP_TICKER_BLOCK_LEN;
}

void sp_ticker_give_block(struct sp_ticker *t, uint8_t *block)
{
    size_t i = (size_t)(block - t->blocks) / SP_TICKER_BLOCK_LEN;

    assert(i < SP_TICKER_BLOCKS && (t->blocks_taken >> i & 1) != 0);
    t->blocks_taken &= ~(UINT32_C(1) << i);
}

uint64_t sp_ticker_now(const struct sp_ticker *t)
{
    return t->now_us;
}

void sp_deferred_init(struct sp_deferred *d, sp_deferred_fn *fn, void *arg)
{
    *d = (struct sp_deferred){.fn = fn, .arg = arg};
}

void sp_ticker_defer(struct sp_ticker *t, struct sp_deferred *d)
{
    if (!sp_link_linked(&d->link))
        sp_list_append(&t->deferred, &d->link);
}

void sp_deferred_cancel(struct sp_deferred *d)
{
    sp_list_remove(&d->link);
}

void sp_ticker_ready(struct sp_ticker *t, struct sp_deferred *d)
{
    if (!sp_link_linked(&d->link))
        sp_list_prepend(&t->ready, &d->link);
}
