/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose queue it is. One that would be the same without us is another's: who waits for it to end
 * waits for nothing.
 */
#include "bottleneck_impl.h"

#define USELESS_US     SP_SEC(3)  /* no line that we alone fill needs longer to become empty */
#define STAYS_US       SP_MS(300) /* then it is to be seen whose queue it is; a short one: */
#define STAYS_SHORT_US SP_SEC(2)
#define DRAIN_MAX_US   SP_MS(500)
#define DRAINED_US     SP_MS(25) /* before its end: what leaves sees whether it ends */
#define OURS_QUEUE_US  SP_MS(50)
#define OURS_US        SP_SEC(1)
#define PAUSE_US       SP_SEC(15)
#define PAUSE_MAX_US   SP_SEC(60)

/* Until all that stands there now has passed; where it is long it may have grown since. */
static uint64_t drain_us(const struct sp_bottleneck *b, uint32_t queue_us, uint64_t now_us)
{
    uint64_t backlog = backlog_us(b, now_us);
    uint64_t us = queue_us < long_us(b) ? later(queue_us, backlog) : queue_us + backlog;

    return us < DRAIN_MAX_US ? us : DRAIN_MAX_US;
}

/* What waited leaves not all at once: the queue has no room for it. */
void share_ease(struct sp_bottleneck *b, uint64_t now_us)
{
    b->rate += b->rate / 2;
    b->ease_us = now_us;
}

void share_give_up(struct sp_bottleneck *b, uint32_t queue_us, uint64_t now_us)
{
    b->pause_us = b->pause_us == 0                 ? PAUSE_US
                  : b->pause_us < PAUSE_MAX_US / 2 ? b->pause_us * 2
                                                   : PAUSE_MAX_US;
    b->pause_until_us = now_us + b->pause_us;
    b->anothers_us = now_us;
    b->anothers_queue_us = queue_us;
    b->busy_until_us = b->drain_until_us = 0;
    b->behind.is_known = false;
    b->n_past = 0;
    b->rate = later(b->rate, b->clear_rate); /* what came since was its share, as we held back */
    share_ease(b, now_us);
}

static uint64_t short_us(const struct sp_bottleneck *b)
{
    return later(BUSY_US, 2 * record_us(b));
}

static void drain(struct sp_bottleneck *b, uint32_t queue_us, uint64_t now_us)
{
    b->drain_from_us = now_us;
    b->drain_until_us = now_us + drain_us(b, queue_us, now_us);
}

/* What left before met more of ours than was known when it began. */
void share_drain_longer(struct sp_bottleneck *b, uint64_t left_us)
{
    if (left_us < b->drain_from_us)
        b->drain_until_us = later(b->drain_until_us, b->busy_until_us);
}

static void queue_ended(struct sp_bottleneck *b, uint64_t now_us)
{
    note_clear(b, now_us);
    b->drain_until_us = 0;
}

/* Whether the queue would be the same without us: it stays though we hold back; so for a while
 * nothing leaves that can wait, and what leaves then meets as much as ever. What was lost of ours
 * fills a queue for longer. */
bool share_is_anothers(struct sp_bottleneck *b, const struct leaving *m, uint32_t queue_us,
                       uint32_t behind, uint64_t now_us)
{
    uint64_t stays_us = queue_us >= long_us(b) ? STAYS_US : STAYS_SHORT_US;

    if (!holds_something(b, now_us)) {
        queue_ended(b, now_us);
    } else if (queue_us < short_us(b)) {
        b->pause_us = 0;
        queue_ended(b, now_us);
    } else if (b->drain_until_us == 0) {
        if (now_us - b->clear_us > stays_us)
            drain(b, queue_us, now_us);
    } else if (m->left_us + DRAINED_US >= b->drain_until_us) {
        uint64_t ours_us =
            m->left_us < b->drain_until_us ? b->drain_until_us - m->left_us : hold_us(b);
        if (queue_us < ours_us + short_us(b))
            queue_ended(b, now_us);
        else
            return behind < BEHIND || now_us - b->clear_us > USELESS_US;
    }
    return false;
}

/* The queue has grown since, or much of ours is lost in it: it is ours now. */
void share_doubt_pause(struct sp_bottleneck *b, uint32_t queue_us, uint32_t behind, uint64_t now_us)
{
    if (behind < OURS && queue_us < 2 * b->anothers_queue_us + OURS_QUEUE_US) {
        b->anothers_us = now_us;
    } else if (now_us - b->anothers_us > OURS_US) {
        b->pause_until_us = now_us;
        b->ease_us = 0;
    }
}
