/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "drain.h"

#include "sallyport/clock.h"

/* For the last answer to come through: lanes carry what closes a flow beside it. */
#define LAST_WORDS_US SP_MS(500)

static size_t allocations(const struct sp_drain *d)
{
    struct sp_worker_stats s;

    sp_worker_stats(d->worker, &s);
    return s.allocations;
}

static void on_stopped(struct sp_worker *w, void *arg)
{
    struct sp_drain *d = arg;
    (void)w;

    if (d->state == SP_ENDED)
        return;
    d->state = SP_ENDED;
    d->ended(d->arg);
}

static void stop(struct sp_drain *d, const char *why)
{
    d->state = SP_STOPPING;
    sp_timerq_cancel(&sp_worker_ticker(d->worker)->timers, &d->timer);
    sp_log_info(d->log, "stopping", SP_F_STR("reason", why),
                SP_F_UINT("allocations", allocations(d)));
    sp_worker_stop(d->worker, on_stopped, d);
}

static void on_drained(struct sp_worker *w, void *arg)
{
    struct sp_drain *d = arg;
    struct sp_ticker *t = sp_worker_ticker(w);

    if (d->state != SP_DRAINING)
        return;
    d->drained = true;
    if (!d->waited || sp_timerq_set(&t->timers, &d->timer, sp_ticker_now(t) + LAST_WORDS_US) != 0)
        stop(d, "no allocation is left");
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
    struct sp_ticker *t = sp_worker_ticker(d->worker);
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
    sp_worker_drain(d->worker, &d->config->alternates, on_drained, d);
}

void sp_drain_init(struct sp_drain *d, const struct sp_drain_config *config,
                   struct sp_worker *worker, const struct sp_log *log, void (*ended)(void *arg),
                   void *arg)
{
    *d = (struct sp_drain){
        .config = config, .worker = worker, .log = log, .ended = ended, .arg = arg};
    sp_timer_init(&d->timer, on_timeout, d);
}

void sp_drain_fini(struct sp_drain *d)
{
    if (d->worker != NULL)
        sp_timerq_cancel(&sp_worker_ticker(d->worker)->timers, &d->timer);
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
        on_stopped(d->worker, d);
        break;
    case SP_ENDED:
        break;
    }
}
