/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How wide a tunnel is. Narrow: all goes by one lane as long as that is well, which costs the
 * least. Wide: each datagram takes a lane that has nothing on the way, so that a lost segment holds
 * back nothing else, and what is urgent goes twice. It is wide at the beginning of a call, until
 * enough has left to know what the network is like, for a while after something was missed, longer
 * where that happens again, and while somebody else keeps a queue full: there something is lost all
 * the time.
 */
#include "tunnel_impl.h"

#define QUIET_US SP_SEC(30) /* after this, what comes is a new call */
#define FRESH_US SP_SEC(10)
#define ONCE_US  SP_SEC(5) /* what is missed once may only have been held up, by a busy host */
#define LOSSY_US SP_SEC(30)
#define SAME_US  SP_MS(500) /* one loss is told of for as long */
#define ENOUGH   1000       /* records: one loss in 200 is sure to have shown */

#define SMOOTH 16 /* measurements of a round trip */

static void on_timer(struct sp_timer *timer, uint64_t now_us, void *arg);

void width_init(struct sp_tunnel *t)
{
    sp_timer_init(&t->width.narrows, on_timer, t);
}

void width_fini(struct sp_tunnel *t)
{
    sp_timerq_cancel(t->timers, &t->width.narrows);
}

static void tell(struct sp_tunnel *t)
{
    if (t->events->width_changed != NULL)
        t->events->width_changed(t->width.wide, t->arg);
}

/* Without memory for its timer it stays as it is, which is slower or costs more, but works. */
static void widen(struct sp_tunnel *t, uint64_t us, uint64_t now_us)
{
    struct width *w = &t->width;

    if (now_us + us > w->until_us)
        w->until_us = now_us + us;
    if (w->wide || sp_timerq_set(t->timers, &w->narrows, w->until_us) != 0)
        return;
    w->wide = true;
    tell(t);
}

static void on_timer(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;

    if (now_us < t->width.until_us) {
        (void)sp_timerq_set(t->timers, timer, t->width.until_us); /* it has been: there is room */
        return;
    }
    t->width.wide = false;
    tell(t);
}

/* For how long after something was missed. */
static uint64_t wary_us(const struct width *w)
{
    return w->lossy ? LOSSY_US : ONCE_US;
}

void width_on_sent(struct sp_tunnel *t, uint64_t now_us)
{
    struct width *w = &t->width;

    if (w->sent_us == 0 || now_us - w->sent_us > QUIET_US) {
        w->fresh = ENOUGH;
        widen(t, FRESH_US, now_us);
    } else if (w->fresh > 0 && --w->fresh == 0 && w->wide &&
               (w->missed_us == 0 || now_us - w->missed_us >= wary_us(w))) {
        w->until_us = now_us;
        (void)sp_timerq_set(t->timers, &w->narrows, now_us);
    }
    w->sent_us = now_us;
}

void width_on_missed(struct sp_tunnel *t, uint64_t now_us)
{
    if (sp_bottleneck_is_tight(&t->bottleneck, now_us))
        return; /* it was too much: many lanes are more of it */
    struct width *w = &t->width;
    if (w->missed_us == 0 || now_us - w->missed_us >= SAME_US)
        w->lossy = w->missed_us != 0 && now_us - w->missed_us < LOSSY_US;
    w->missed_us = now_us;
    widen(t, wary_us(w), now_us);
}

void width_on_told(struct sp_tunnel *t, uint64_t now_us)
{
    if (sp_bottleneck_is_anothers(&t->bottleneck, now_us))
        widen(t, LOSSY_US, now_us);
}

bool sp_tunnel_is_wide(const struct sp_tunnel *t)
{
    return t->width.wide;
}

void width_on_rtt(struct sp_tunnel *t, uint32_t rtt_us)
{
    struct width *w = &t->width;

    if (rtt_us == 0)
        return;
    if (w->rtt_us == 0)
        w->rtt_us = rtt_us;
    w->rtt_us = (uint32_t)(((uint64_t)w->rtt_us * (SMOOTH - 1) + rtt_us) / SMOOTH);
}
