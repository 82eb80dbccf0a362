/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bottleneck_impl.h"

#define MARK_US    SP_MS(4)
#define MARK_BYTES 2000
#define BASE_US    SP_SEC(30) /* the way may become longer, and clocks drift */

#define SMALL 200 /* a record that the line needs no time for, so to speak */

/* As long as no queue was seen bursts leave no faster than is guessed: twice as fast where the line
 * is seen to take more, or a burst takes that long. */
#define GUESS_LONG_US SP_MS(40)

#define EASE_US   SP_MS(250)
#define FORGET_US SP_SEC(30)
#define FRESH_US  SP_MS(200)
#define QUEUED_US SP_SEC(30)
#define FULL_US   SP_MS(200) /* it was so */
#define TIGHT_US  SP_SEC(1)

void sp_bottleneck_init(struct sp_bottleneck *b, uint64_t burst_rate)
{
    *b = (struct sp_bottleneck){.burst_rate = burst_rate, .guess = burst_rate};
}

/* No faster than that; 0: any. */
static uint64_t pace(const struct sp_bottleneck *b)
{
    return b->rate != 0 ? b->rate : b->guess < GUESS_MAX ? b->guess : 0;
}

/* --- what leaves ---------------------------------------------------------------------------- */

void sp_bottleneck_sent(struct sp_bottleneck *b, size_t bytes, uint64_t now_us)
{
    uint64_t rate = pace(b);

    b->sent_bytes += bytes;
    b->ahead_us = (uint32_t)backlog_us(b, now_us);
    if (rate == 0)
        return;
    if (b->ahead_us == 0)
        b->burst_us = now_us;
    uint64_t takes_us = bytes * SP_SEC(1) / rate;
    if (bytes > SMALL)
        b->ahead_us += (uint32_t)((bytes - SMALL) * SP_SEC(1) / rate);
    set_busy(b, later(b->busy_until_us, now_us) + takes_us, now_us);
    if (now_us < b->drain_until_us)
        b->drain_until_us += takes_us;
}

void sp_bottleneck_left(struct sp_bottleneck *b, uint32_t seq, uint64_t now_us)
{
    if (b->begun_us == 0)
        b->begun_us = now_us;
    uint64_t apart = b->rate != 0 && b->rate < MARK_BYTES * 1000 ? b->rate / 1000 : MARK_BYTES;

    sp_departed_add(&b->departed,
                    &(struct sp_departure){.seq = seq,
                                           .queue_us = b->ahead_us,
                                           .left_us = (uint32_t)now_us,
                                           .sent_bytes = (uint32_t)b->sent_bytes},
                    MARK_US, (uint32_t)apart);
}

static bool find_leaving(const struct sp_bottleneck *b, uint32_t seq, uint64_t now_us,
                         struct leaving *out)
{
    struct sp_departure d;

    if (!sp_departed_find(&b->departed, seq, &d))
        return false;
    uint32_t ago_us = (uint32_t)now_us - d.left_us, since = (uint32_t)b->sent_bytes - d.sent_bytes;
    *out = (struct leaving){d.queue_us, now_us - ago_us, b->sent_bytes - since};
    return true;
}

/* --- what came ------------------------------------------------------------------------------ */

/* How much more than the least of a while this is. */
static uint32_t more_than_least(struct sp_bottleneck_least *l, uint32_t value, uint64_t now_us)
{
    if (!l->is_known || now_us - l->since_us > BASE_US) {
        l->of[1] = l->is_known ? l->of[0] : value;
        l->of[0] = value;
        l->since_us = now_us;
        l->is_known = true;
    }
    if ((int32_t)(value - l->of[0]) < 0)
        l->of[0] = value;
    if ((int32_t)(l->of[0] - l->of[1]) < 0)
        l->of[1] = l->of[0];
    return value - l->of[1];
}

/* One datagram may have been lost, and held up for it: a queue is what the next one meets, too. */
static uint32_t least_of_two(struct sp_bottleneck *b, uint32_t queue_us, bool fresh)
{
    uint32_t before_us = b->last_queue_us;

    b->last_queue_us = queue_us;
    return !fresh ? 0 : before_us < queue_us ? before_us : queue_us;
}

/* The line had work till then with what had left by then, and will have with what was lost before
 * that; and with what left since. Of two in a row the one that was not held up is right. */
static void follow(struct sp_bottleneck *b, const struct sp_bottleneck_reached *now,
                   uint64_t now_us)
{
    const struct sp_bottleneck_reached *both[] = {now, &b->reached};
    uint64_t least_us = UINT64_MAX;

    for (unsigned i = 0; i < 2; i++) {
        uint64_t since = b->sent_bytes - both[i]->sent_bytes;
        uint64_t until_us = both[i]->until_us + since * SP_SEC(1) / b->rate;
        if (until_us < least_us)
            least_us = until_us;
    }
    set_busy(b, least_us, now_us);
    b->reached = *now;
}

void sp_bottleneck_arrived(struct sp_bottleneck *b, const struct sp_arrival *a, uint32_t spread_us,
                           uint64_t now_us)
{
    struct leaving m;

    if (!find_leaving(b, a->seq, now_us, &m) ||
        (b->told_us != 0 && (int32_t)(a->seq - b->last.seq) <= 0))
        return; /* by another lane something newer was told */
    uint32_t way_us = more_than_least(&b->way, a->at_us - (uint32_t)m.left_us, now_us);
    uint32_t met_us = way_us > spread_us ? way_us - spread_us : 0;
    if (way_us < BUSY_US)
        b->shortest_us = m.left_us;
    bool fresh = b->told_us != 0 && now_us - b->told_us < FRESH_US;
    uint32_t queue_us = least_of_two(b, met_us, fresh);
    uint32_t behind = more_than_least(&b->behind, (uint32_t)m.sent_bytes - a->bytes, now_us);
    if (queue_us >= BUSY_US)
        b->queued_us = now_us;
    if (queue_us >= long_us(b))
        b->full_us = now_us;
    if (behind < BEHIND)
        b->whole_us = now_us;
    b->told_us = now_us;
    if (now_us < b->pause_until_us)
        share_doubt_pause(b, queue_us, behind, now_us);
    if (now_us >= b->pause_until_us) {
        rate_see(b, a, queue_us, now_us);
        rate_see_flood(b, a, met_us, behind, now_us);
    }
    b->last = *a;
    if (b->rate == 0)
        rate_check_guess(b, &m, met_us, now_us);
    if (b->rate == 0 || is_easing(b))
        return;
    struct sp_bottleneck_reached reached = {m.left_us + met_us, m.sent_bytes};
    if (!fresh) { /* one says nothing */
        b->reached = reached;
        return;
    }
    if (share_is_anothers(b, &m, queue_us, behind, now_us)) {
        share_give_up(b, queue_us, now_us);
        return;
    }
    rate_adapt(b, &m, met_us, queue_us, behind, now_us);
    if (behind > BEHIND)
        reached.until_us += (behind - BEHIND) * SP_SEC(1) / b->rate;
    follow(b, &reached, now_us);
    if (b->drain_until_us != 0)
        share_drain_longer(b, m.left_us);
}

void sp_bottleneck_lost(struct sp_bottleneck *b, size_t bytes)
{
    b->behind.of[0] += (uint32_t)bytes;
    b->behind.of[1] += (uint32_t)bytes;
}

void sp_bottleneck_moved(struct sp_bottleneck *b)
{
    b->way.is_known = b->behind.is_known = false;
    b->rate = b->busy_until_us = b->drain_until_us = b->ease_us = 0;
    b->pause_us = b->pause_until_us = 0;
    b->queued_us = b->full_us = b->shortest_us = b->last_queue_us = 0;
    b->n_past = b->n_compared = 0;
    b->begun_us = 0;
    b->guess = b->burst_rate;
}

/* --- may it leave? -------------------------------------------------------------------------- */

/* Who eased off found no limit. */
static void forget(struct sp_bottleneck *b, uint64_t now_us)
{
    b->guess = is_easing(b) ? GUESS_MAX : b->burst_rate != 0 ? later(b->rate, b->burst_rate) : 0;
    b->changed_us = now_us;
    b->busy_until_us = b->drain_until_us = 0;
    b->rate = b->ease_us = 0;
}

static void forget_what_is_old(struct sp_bottleneck *b, uint64_t now_us)
{
    if (b->rate == 0)
        return;
    if (is_easing(b) && now_us - b->ease_us >= EASE_US)
        share_ease(b, now_us);
    if (is_easing(b) ? !holds_something(b, now_us)
                     : now_us - later(b->held_us, b->changed_us) > FORGET_US)
        forget(b, now_us);
}

bool sp_bottleneck_holds(struct sp_bottleneck *b, uint64_t now_us)
{
    forget_what_is_old(b, now_us);
    if (now_us >= b->drain_until_us && backlog_us(b, now_us) <= hold_us(b))
        return false;
    if (b->rate == 0 && now_us - b->burst_us > GUESS_LONG_US)
        rate_guess_more(b, 2, now_us);
    if (!holds_something(b, now_us))
        note_clear(b, now_us);
    b->held_us = now_us;
    return true;
}

bool sp_bottleneck_is_scarce(const struct sp_bottleneck *b, uint64_t now_us)
{
    return holds_something(b, now_us) && (b->rate != 0 || b->guess == b->burst_rate);
}

uint64_t sp_bottleneck_next(const struct sp_bottleneck *b, uint64_t now_us)
{
    if (now_us < b->drain_until_us)
        return b->drain_until_us;
    return backlog_us(b, now_us) > hold_us(b) ? b->busy_until_us - hold_us(b) / 2
                                              : now_us + HOLD_US / 2;
}

bool sp_bottleneck_is_known(const struct sp_bottleneck *b)
{
    return b->rate != 0;
}

bool sp_bottleneck_is_anothers(const struct sp_bottleneck *b, uint64_t now_us)
{
    return now_us < b->pause_until_us;
}

bool sp_bottleneck_has_queues(const struct sp_bottleneck *b, uint64_t now_us)
{
    return b->queued_us != 0 && now_us - b->queued_us < QUEUED_US;
}

bool sp_bottleneck_is_full(const struct sp_bottleneck *b, uint64_t now_us)
{
    return b->full_us != 0 && now_us - b->full_us < FULL_US;
}

bool sp_bottleneck_is_tight(const struct sp_bottleneck *b, uint64_t now_us)
{
    return (b->rate != 0 && backlog_us(b, now_us) > hold_us(b)) ||
           (b->full_us != 0 && now_us - b->full_us < TIGHT_US);
}
