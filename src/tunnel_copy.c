/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is small and urgent travels twice in a wide tunnel: the copy leaves a moment later and by
 * another lane, so that neither one stalled lane nor a few segments in a row that are lost take
 * both. Voice's copy may wait for company: it goes within a record that leaves anyway, as the next
 * packet of the same voice does, and costs no segment and no acknowledgement of its own.
 */
#include <string.h>

#include "tunnel_impl.h"

#define APART_US SP_MS(8)  /* a burst of losses is over */
#define RIDE_US  SP_MS(22) /* the next of a voice left 20 ms later; half of a jitter buffer */
#define FRESH_US SP_MS(2)  /* a record that waited longer had no lane with room */

static void on_due(struct sp_timer *timer, uint64_t now_us, void *arg);

void copy_init(struct sp_tunnel *t)
{
    sp_timer_init(&t->copies.timer, on_due, t);
}

void copy_fini(struct sp_tunnel *t)
{
    sp_timerq_cancel(t->timers, &t->copies.timer);
}

/* No memory: the next datagram sends what is due. */
static void wait_for_next(struct sp_tunnel *t)
{
    const struct copies *k = &t->copies;
    uint64_t next_us = SP_NEVER;

    for (unsigned i = 0; i < k->n; i++)
        if (k->of[i].due_us < next_us)
            next_us = k->of[i].due_us;
    if (next_us != SP_NEVER)
        (void)sp_timerq_set(t->timers, &t->copies.timer, next_us);
}

/* Of what was remembered; NULL when that is gone, or was repeated, which is as good. */
static struct sp_sent_frame *frame_of(struct sp_tunnel *t, const struct copy *c)
{
    struct sp_sent_frame *f = sp_sent_find(&t->repair.sent, c->seq);
    return f != NULL && f->repeats == 0 ? f : NULL;
}

static void drop(struct copies *k, unsigned i)
{
    memmove(&k->of[i], &k->of[i + 1], (--k->n - i) * sizeof k->of[0]);
}

/* Where the path is full a copy would only take the place of something else. */
static void send_copy(struct sp_tunnel *t, const struct copy *c, uint64_t now_us)
{
    struct sp_sent_frame *f = frame_of(t, c);

    if (f == NULL || sp_classq_first(&t->queue) != SP_N_CLASSES)
        return;
    int lane = tunnel_pick_lane(t, f->lanes, SP_LANE_SURE, now_us);
    if (lane == NO_LANE)
        return;
    f->lanes |= sp_lane_bit((unsigned)lane);
    t->counters.copied++;
    t->lanes[lane]->turn = ++t->turns;
    lane_send(t->lanes[lane], sp_sent_bytes(&t->repair.sent, f), now_us);
}

static void on_due(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    struct copies *k = &t->copies;
    (void)timer;

    for (unsigned i = 0; i < k->n;) {
        if (k->of[i].due_us > now_us) {
            i++;
            continue;
        }
        struct copy c = k->of[i];
        drop(k, i);
        send_copy(t, &c, now_us);
    }
    wait_for_next(t);
}

void copy_left(struct sp_tunnel *t, uint32_t seq, enum sp_class c, uint64_t now_us)
{
    struct copies *k = &t->copies;

    if (!sp_tunnel_is_wide(t) || c > SP_CLASS_VOICE)
        return;
    if (c == SP_CLASS_VOICE && sp_bottleneck_is_full(&t->bottleneck, now_us))
        return;             /* calls are set up all the same: those are few */
    if (k->n == COPIES_MAX) /* more than that in so short a time is not what copies are for */
        return;
    k->of[k->n++] = (struct copy){.seq = seq,
                                  .from_us = now_us + APART_US,
                                  .due_us = now_us + (c == SP_CLASS_VOICE ? RIDE_US : APART_US)};
    if (!sp_timer_is_set(&k->timer) || k->timer.due_us > k->of[k->n - 1].due_us)
        wait_for_next(t);
}

size_t copy_ride(struct sp_tunnel *t, int lane, uint64_t queued_us, struct sp_span record,
                 uint8_t out[static SP_TUNNEL_RECORD_TARGET], uint64_t now_us)
{
    struct copies *k = &t->copies;
    size_t len = 0;

    if (now_us - queued_us > FRESH_US)
        return 0;
    for (unsigned i = 0; i < k->n && k->of[i].from_us <= now_us;) {
        struct sp_sent_frame *f = frame_of(t, &k->of[i]);
        bool fits = f != NULL && !sp_lane_is_in(f->lanes, (unsigned)lane) &&
                    (len > 0 ? len : record.len) + f->len <= SP_TUNNEL_RECORD_TARGET;
        if (f != NULL && !fits) {
            i++;
            continue;
        }
        drop(k, i);
        if (f == NULL)
            continue;
        if (len == 0)
            memcpy(out, record.p, len = record.len);
        memcpy(out + len, sp_sent_bytes(&t->repair.sent, f).p, f->len);
        len += f->len;
        f->lanes |= sp_lane_bit((unsigned)lane);
        t->counters.copied++;
    }
    return len;
}
