/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How wide a tunnel is. Narrow: all goes by one lane as long as that is well, which costs the
 * least. Wide: each datagram takes a lane that has nothing on the way, so that a lost segment holds
 * back nothing else, and what is urgent goes twice. It is wide at the beginning of a call, until
 * enough has left to know what the network is like, for a while after something was missed, longer
 * where that happens again, and while somebody else keeps a queue full: there something is lost all
 * the time. How many lanes that takes follows from how much is on the way at a time.
 */
#include "tunnel_impl.h"

#define QUIET_US SP_SEC(30) /* after this, what comes is a new call */
#define FRESH_US SP_SEC(10)
#define ONCE_US  SP_SEC(5) /* what is missed once may only have been held up, by a busy host */
#define LOSSY_US SP_SEC(30)
#define SAME_US  SP_MS(500) /* one loss is told of for as long */
#define ENOUGH   1000       /* records: one loss in 200 is sure to have shown */

#define SMOOTH 16 /* measurements of a round trip */

#define LANES_WIDE 32 /* enough for a frame of video where the round trip is short */
#define COUNT_US   SP_SEC(1)
#define COUNT_MAX  SP_SEC(3) /* what is older says nothing of now */

static void on_timer(struct sp_timer *timer, uint64_t now_us, void *arg);

void width_init(struct sp_tunnel *t)
{
    sp_timer_init(&t->width.narrows, on_timer, t);
}

void width_fini(struct sp_tunnel *t)
{
    sp_timerq_cancel(t->timers, &t->width.narrows);
}

static void want(struct sp_tunnel *t, unsigned lanes)
{
    t->width.lanes = lanes;
    if (t->events->lanes_wanted != NULL)
        t->events->lanes_wanted(lanes, t->arg);
}

/* Without memory for its timer it stays as it is, which is slower or costs more, but works. */
static void widen(struct sp_tunnel *t, uint64_t us, uint64_t now_us)
{
    struct width *w = &t->width;

    if (now_us + us > w->until_us)
        w->until_us = now_us + us;
    if (!sp_tunnel_is_wide(t) && sp_timerq_set(t->timers, &w->narrows, w->until_us) == 0)
        want(t, LANES_WIDE);
}

static void on_timer(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;

    if (now_us < t->width.until_us) {
        (void)sp_timerq_set(t->timers, timer, t->width.until_us); /* it has been: there is room */
        return;
    }
    want(t, 1);
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
    } else if (w->fresh > 0 && --w->fresh == 0 && sp_tunnel_is_wide(t) &&
               !sp_bottleneck_is_anothers(&t->bottleneck, now_us) &&
               (w->missed_us == 0 || now_us - w->missed_us >= wary_us(w))) {
        w->until_us = now_us;
        (void)sp_timerq_set(t->timers, &w->narrows, now_us);
    }
    w->sent_us = now_us;
}

/* Datagrams on the way at a time since this was asked last, in the direction that has more of them;
 * 0: not known, or that was just now. */
static uint64_t count_on_the_way(struct sp_tunnel *t, uint64_t now_us)
{
    const struct sp_tunnel_counters *c = &t->counters;
    struct width *w = &t->width;
    struct traffic before = w->counted;
    uint64_t us = now_us - before.at_us;

    if (before.at_us != 0 && us < COUNT_US)
        return 0;
    w->counted = (struct traffic){.at_us = now_us,
                                  .in = c->datagrams_in + c->parity_in,
                                  .out = c->datagrams_out + c->parity_out};
    uint64_t in = w->counted.in - before.in, out = w->counted.out - before.out;
    return before.at_us == 0 || us > COUNT_MAX ? 0 : (in > out ? in : out) * w->rtt_us / us;
}

/* So many that what leaves finds one with nothing on the way: half as many again as there are
 * datagrams, as some are held up by what was lost. */
static void count_lanes(struct sp_tunnel *t, uint64_t now_us)
{
    uint64_t n = count_on_the_way(t, now_us);

    n += n / 2;
    if (n > SP_LANES_MAX)
        n = SP_LANES_MAX;
    if (n > t->width.lanes)
        want(t, (unsigned)n);
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
    if (sp_tunnel_is_wide(t))
        count_lanes(t, now_us);
}

void width_on_told(struct sp_tunnel *t, uint64_t now_us)
{
    if (sp_bottleneck_is_anothers(&t->bottleneck, now_us))
        widen(t, LOSSY_US, now_us);
}

bool sp_tunnel_is_wide(const struct sp_tunnel *t)
{
    return t->width.lanes > 1;
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
