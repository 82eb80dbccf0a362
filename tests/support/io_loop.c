/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io_loop.h"

#include <stdio.h>
#include <stdlib.h>

#include "sallyport/clock.h"

#define STEP_S 0.002

/* Only so that the loop turns: work may be done after its sockets were looked at. */
static void on_step(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
}

void io_loop_init(struct io_loop *l)
{
    *l = (struct io_loop){.loop = ev_loop_new(EVFLAG_AUTO), .patience_ms = 10000};
    if (l->loop == NULL) {
        fprintf(stderr, "no event loop\n");
        exit(1);
    }
    sp_ticker_init(&l->ticker, l->loop);
}

void io_loop_fini(struct io_loop *l)
{
    sp_ticker_fini(&l->ticker);
    ev_loop_destroy(l->loop);
}

static bool run(struct io_loop *l, io_loop_fn *done, void *arg, uint64_t us)
{
    uint64_t until = sp_clock_us() + us;
    bool is_done = false;

    ev_timer_init(&l->step, on_step, STEP_S, STEP_S);
    ev_timer_start(l->loop, &l->step);
    while (!(is_done = done != NULL && done(arg)) && sp_clock_us() < until)
        ev_run(l->loop, EVRUN_ONCE);
    ev_timer_stop(l->loop, &l->step);
    return is_done;
}

bool io_loop_until(struct io_loop *l, io_loop_fn *done, void *arg)
{
    return run(l, done, arg, SP_MS(l->patience_ms));
}

void io_loop_for(struct io_loop *l, unsigned ms)
{
    run(l, NULL, NULL, SP_MS(ms));
}
