/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How one end says that it is about to end. The DRAIN is a transaction like OPEN and CLOSE:
 * repeated by another lane until answered, and idempotent. Any answer will do: who does not know
 * the method says so, and has heard it.
 */
#include <string.h>

#include "tunnel_impl.h"

static void say(struct sp_tunnel *t, uint64_t now_us)
{
    struct sp_control c = {.method = SP_CONTROL_DRAIN, .cls = SP_STUN_REQUEST};

    memcpy(c.id, t->drain.id, sizeof c.id);
    t->drain.last_lane = tunnel_control(t, &c, t->drain.last_lane, now_us);
    /* Without memory for the timer it was said once, which is enough more often than not. */
    (void)sp_timerq_set(t->timers, &t->drain.timer, now_us + tunnel_repeat_us(t, t->drain.repeats));
}

static void on_timer(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    (void)timer;

    t->drain.repeats++;
    say(t, now_us);
    t->counters.control_repeats += t->drain.last_lane != NO_LANE;
}

void drain_init(struct sp_tunnel *t)
{
    t->drain.last_lane = NO_LANE;
    sp_timer_init(&t->drain.timer, on_timer, t);
}

void drain_fini(struct sp_tunnel *t)
{
    sp_timerq_cancel(t->timers, &t->drain.timer);
}

void sp_tunnel_drain(struct sp_tunnel *t, uint64_t now_us)
{
    if (t->drain.begun)
        return;
    t->drain.begun = true;
    sp_rng_bytes(t->rng, t->drain.id, sizeof t->drain.id);
    say(t, now_us);
}

void drain_on_lane(struct sp_tunnel *t, uint64_t now_us)
{
    /* By the timer: the lane's owner may have to say something before the first frame. */
    if (t->drain.begun && !t->drain.answered && t->drain.last_lane == NO_LANE)
        (void)sp_timerq_set(t->timers, &t->drain.timer, now_us);
}

void drain_on_answer(struct sp_tunnel *t, const struct sp_control *c)
{
    if (!t->drain.begun || memcmp(t->drain.id, c->id, sizeof t->drain.id) != 0)
        return;
    t->drain.answered = true;
    sp_timerq_cancel(t->timers, &t->drain.timer);
}

void drain_on_request(struct sp_lane *l, const struct sp_control *c)
{
    struct sp_tunnel *t = l->tunnel;
    bool first = !t->drain.heard;

    tunnel_answer(l, c, 0);
    t->drain.heard = true;
    if (first && t->events->draining != NULL)
        t->events->draining(t->arg);
}

bool drain_any(const struct sp_tunnel *t)
{
    return t->drain.begun || t->drain.heard;
}
