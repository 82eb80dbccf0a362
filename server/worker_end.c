/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a worker comes to an end: it drains, taking nothing new until no allocation is left, and
 * stops, closing what there is in good order.
 */
#include "endpoint.h"
#include "worker_impl.h"

#define STOP_US SP_SEC(2) /* for the other side to close as well */
#define LOOK_US SP_MS(10)

static void on_tell(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct sp_worker *w = arg;
    (void)d;
    (void)now_us;
    w->ending.fn(w, w->ending.arg);
}

void sp_worker_tell_if_drained(struct sp_worker *w)
{
    if (w->ending.draining && !w->ending.stopping && sp_turn_alloc_count(w->env.turn) == 0 &&
        sp_rdv_count(sp_ends_registry(w->env.ends)) == 0)
        sp_ticker_defer(&w->ticker, &w->ending.tell);
}

void sp_worker_drain(struct sp_worker *w, const struct sp_turn_alternates *alternates,
                     sp_worker_fn *fn, void *arg)
{
    w->ending.draining = true;
    w->ending.fn = fn;
    w->ending.arg = arg;
    sp_turn_drain(w->env.turn, alternates);
    sp_sessions_drain(w->sessions);
    sp_ends_drain(w->env.ends);
    sp_http_service_drain(w->http);
    if (w->api != NULL)
        sp_api_drain(w->api);
    sp_worker_tell_if_drained(w);
}

static void on_look(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_worker *w = arg;
    bool open = sp_sessions_lane_count(w->sessions) > 0 || !sp_list_empty(&w->endpoints);

    if (!open || now_us >= w->ending.deadline_us ||
        sp_timerq_set(&w->ticker.timers, timer, now_us + LOOK_US) != 0)
        sp_ticker_defer(&w->ticker, &w->ending.tell);
}

void sp_worker_stop(struct sp_worker *w, sp_worker_fn *fn, void *arg)
{
    uint64_t now_us = sp_ticker_now(&w->ticker);

    w->ending.stopping = true;
    w->ending.fn = fn;
    w->ending.arg = arg;
    w->ending.deadline_us = now_us + STOP_US;
    sp_deferred_cancel(&w->ending.tell);
    sp_turn_end_all(w->env.turn);
    sp_ends_finish(w->env.ends);
    sp_sessions_finish(w->sessions, STOP_US);
    sp_endpoint_finish_all(&w->endpoints, STOP_US);
    sp_worker_close_ports(w);
    on_look(&w->ending.look, now_us, w);
}

void sp_worker_ending_init(struct sp_worker *w)
{
    sp_deferred_init(&w->ending.tell, on_tell, w);
    sp_timer_init(&w->ending.look, on_look, w);
}

void sp_worker_ending_fini(struct sp_worker *w)
{
    w->ending.stopping = true;
    sp_deferred_cancel(&w->ending.tell);
    sp_timerq_cancel(&w->ticker.timers, &w->ending.look);
}
