/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "drain.h"

#include "sallyport/clock.h"

/* For the last answer to come through: lanes carry what closes a flow beside it. */
#define LAST_WORDS_US SP_MS(500)

/* --- what workers do and say, in their threads ------------------------------------------------ */

static void add_allocations(struct sp_worker *w, void *arg)
{
    struct sp_worker_stats s;
    uint64_t *sum = arg;

    sp_worker_stats(w, &s);
    *sum += s.allocations;
}

static void say_drained(struct sp_worker *w, void *arg)
{
    struct sp_drain *d = arg;
    (void)w;

    atomic_fetch_add(&d->drained_workers, 1);
    ev_async_send(d->ticker->loop, &d->said);
}

static void say_stopped(struct sp_worker *w, void *arg)
{
    struct sp_drain *d = arg;
    (void)w;

    atomic_fetch_add(&d->stopped_workers, 1);
    ev_async_send(d->ticker->loop, &d->said);
}

static void drain_worker(struct sp_worker *w, void *arg)
{
    struct sp_drain *d = arg;
    sp_worker_drain(w, &d->config->alternates, say_drained, d);
}

static void stop_worker(struct sp_worker *w, void *arg)
{
    sp_worker_stop(w, say_stopped, arg);
}

/* --- the steps ------------------------------------------------------------------------------ */

static uint64_t allocations(const struct sp_drain *d)
{
    uint64_t sum = 0;

    sp_crew_each(d->crew, add_allocations, &sum);
    return sum;
}

static void end(struct sp_drain *d)
{
    if (d->state == SP_ENDED)
        return;
    d->state = SP_ENDED;
    d->ended(d->arg);
}

static void stop(struct sp_drain *d, const char *why)
{
    d->state = SP_STOPPING;
    sp_timerq_cancel(&d->ticker->timers, &d->timer);
    sp_log_info(d->log, "stopping", SP_F_STR("reason", why),
                SP_F_UINT("allocations", allocations(d)));
    sp_crew_each(d->crew, stop_worker, d);
}

static void on_drained(struct sp_drain *d)
{
    if (d->drained)
        return;
    d->drained = true;
    if (!d->waited ||
        sp_timerq_set(&d->ticker->timers, &d->timer, sp_ticker_now(d->ticker) + LAST_WORDS_US) != 0)
        stop(d, "no allocation is left");
}

static void on_said(struct ev_loop *loop, ev_async *w, int revents)
{
    struct sp_drain *d = w->data;
    unsigned all = sp_crew_size(d->crew);
    (void)loop;
    (void)revents;

    if (d->state == SP_DRAINING && atomic_load(&d->drained_workers) >= all)
        on_drained(d);
    if (d->state == SP_STOPPING && atomic_load(&d->stopped_workers) >= all)
        end(d);
}

static void on_timeout(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_drain *d = arg;
    (void)timer;
    (void)now_us;
    stop(d, d->drained ? "no allocation is left" : "drained for long enough");
}

static void drain(struct sp_drain *d)
{
    struct sp_ticker *t = d->ticker;
    uint64_t timeout_us = d->config->timeout_us;

    d->state = SP_DRAINING;
    d->waited = allocations(d) > 0;
    if (timeout_us == 0 ||
        sp_timerq_set(&t->timers, &d->timer, sp_ticker_now(t) + timeout_us) != 0) {
        stop(d, "asked");
        return;
    }
    sp_log_info(d->log, "draining: takes nothing new, and waits for what there is",
                SP_F_UINT("allocations", allocations(d)),
                SP_F_UINT("seconds", timeout_us / 1000000));
    sp_crew_each(d->crew, drain_worker, d);
}

void sp_drain_init(struct sp_drain *d, const struct sp_drain_config *config, struct sp_crew *crew,
                   struct sp_ticker *ticker, const struct sp_log *log, void (*ended)(void *arg),
                   void *arg)
{
    *d = (struct sp_drain){
        .config = config, .crew = crew, .ticker = ticker, .log = log, .ended = ended, .arg = arg};
    sp_timer_init(&d->timer, on_timeout, d);
    ev_async_init(&d->said, on_said);
    d->said.data = d;
    ev_async_start(ticker->loop, &d->said);
}

void sp_drain_fini(struct sp_drain *d)
{
    if (d->crew == NULL)
        return;
    sp_timerq_cancel(&d->ticker->timers, &d->timer);
    ev_async_stop(d->ticker->loop, &d->said);
}

void sp_drain_ask(struct sp_drain *d)
{
    switch (d->state) {
    case SP_RUNNING:
        drain(d);
        break;
    case SP_DRAINING:
        stop(d, "asked again");
        break;
    case SP_STOPPING:
        end(d);
        break;
    case SP_ENDED:
        break;
    }
}
