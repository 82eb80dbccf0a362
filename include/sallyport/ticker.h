/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins a libev loop to the machines: one clock reading per loop turn, the worker's timer queue
 * driven by one ev_timer, and work put off to the end of the turn, just before the loop sleeps.
 * Everything that does I/O on one worker shares one ticker.
 */
#ifndef SALLYPORT_TICKER_H
#define SALLYPORT_TICKER_H

#include <ev.h>
#include <stdint.h>

#include "sallyport/list.h"
#include "sallyport/timerq.h"

struct sp_deferred;
typedef void sp_deferred_fn(struct sp_deferred *d, uint64_t now_us, void *arg);

/* Runs once at the end of the loop turn in which it was put off. */
struct sp_deferred {
    struct sp_link link;
    sp_deferred_fn *fn;
    void *arg;
};

struct sp_ticker {
    struct ev_loop *loop;
    struct sp_timerq timers;
    struct sp_list deferred;
    ev_timer timer;
    ev_prepare prepare;
    ev_check check;
    uint64_t now_us;
    uint64_t armed_us; /* what `timer` waits for; SP_NEVER: it is stopped */
};

/* From here on ev_run goes on until ev_break. */
void sp_ticker_init(struct sp_ticker *t, struct ev_loop *loop);
void sp_ticker_fini(struct sp_ticker *t);

/* The time as of this loop turn. */
uint64_t sp_ticker_now(const struct sp_ticker *t);

void sp_deferred_init(struct sp_deferred *d, sp_deferred_fn *fn, void *arg);

/* Harmless when it is put off already. What is deferred by deferred work runs in the same turn, up
 * to a bound, so that data passed from machine to machine leaves in the turn it came. */
void sp_ticker_defer(struct sp_ticker *t, struct sp_deferred *d);
void sp_deferred_cancel(struct sp_deferred *d);

#endif
