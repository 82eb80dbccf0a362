/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is small and urgent travels twice in a wide tunnel: the copy leaves a moment later and by
 * another lane, so that neither one stalled lane nor a few segments in a row that are lost take
 * both.
 */
#include "tunnel_impl.h"

#define APART_US SP_MS(8) /* a burst of losses is over; a fifth of what a jitter buffer waits */

static void on_due(struct sp_timer *timer, uint64_t now_us, void *arg);

void copy_init(struct sp_tunnel *t)
{
    sp_timer_init(&t->copy.timer, on_due, t);
}

void copy_fini(struct sp_tunnel *t)
{
    sp_timerq_cancel(t->timers, &t->copy.timer);
}

static void wait_for_next(struct sp_tunnel *t)
{
    if (t->copy.n > 0) /* no memory: the next datagram sends what is due */
        (void)sp_timerq_set(t->timers, &t->copy.timer, t->copy.due_us[t->copy.first]);
}

/* Where the path is full a copy would only take the place of something else. */
static void send_copy(struct sp_tunnel *t, uint32_t seq, uint64_t now_us)
{
    struct sp_sent_frame *f = sp_sent_find(&t->repair.sent, seq);

    if (f == NULL || f->repeats > 0 || sp_classq_first(&t->queue) != SP_N_CLASSES)
        return;
    int lane = tunnel_pick_lane(t, f->lanes, SP_LANE_SURE, now_us);
    if (lane == NO_LANE)
        return;
    f->lanes |= (uint32_t)1 << lane;
    t->counters.copied++;
    t->lanes[lane]->turn = ++t->turns;
    lane_send(t->lanes[lane], sp_sent_bytes(&t->repair.sent, f), now_us);
}

static void send_due(struct sp_tunnel *t, uint64_t now_us)
{
    struct copy *c = &t->copy;

    while (c->n > 0 && c->due_us[c->first] <= now_us) {
        uint32_t seq = c->seq[c->first];
        c->first = (c->first + 1) % COPIES_MAX;
        c->n--;
        send_copy(t, seq, now_us);
    }
}

static void on_due(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    (void)timer;

    send_due(t, now_us);
    wait_for_next(t);
}

void copy_left(struct sp_tunnel *t, uint32_t seq, enum sp_class c, uint64_t now_us)
{
    struct copy *k = &t->copy;

    if (!t->width.wide || c > SP_CLASS_VOICE || width_is_full(t))
        return;
    if (k->n == COPIES_MAX) /* more than that in so short a time is not what copies are for */
        return;
    unsigned i = (k->first + k->n++) % COPIES_MAX;
    k->seq[i] = seq;
    k->due_us[i] = now_us + APART_US;
    if (!sp_timer_is_set(&k->timer))
        wait_for_next(t);
}
