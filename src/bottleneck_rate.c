/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the line takes: seen where its queue is at work, guessed before the first one, and set right
 * by comparing the queue that something met with the one that it was to meet.
 */
#include "bottleneck_impl.h"

/* What it takes to see a rate. Shorter than RUN_US it is the noise of single records; what was lost
 * in the queue comes later, within WINDOW_US. */
#define RUN_US    SP_MS(40)
#define WINDOW_US SP_MS(500)
#define RUN_BYTES 6000
#define DENSE_US  SP_MS(120) /* between arrivals, or lanes wait for what was lost */
#define SEEN_US   SP_SEC(1)
#define LEAST     8000  /* bytes a second */
#define WORTH     30000 /* so few are no burden for any line: it is lanes of different ways */
#define NOISE_US  SP_MS(1)
#define FEW       3000 /* bytes that come anyway */

/* Much is lost in a queue that long: a flood. */
#define FLOOD_QUEUE_US SP_MS(100)
#define FLOOD_US       SP_MS(300)

/* What it takes to see that a rate, or the guess, is wrong. */
#define COMPARED       4          /* arrivals: what they met, with what they were to meet */
#define WHOLE          4500       /* bytes behind: less than so much is only on its way */
#define AGAIN_US       SP_MS(500) /* to be sent again takes so long, and what the line needs */
#define GUESS_BEGIN_US SP_MS(250) /* after the first datagram of all bursts tell something */

static void set_rate(struct sp_bottleneck *b, uint64_t rate, uint64_t now_us)
{
    if (rate < LEAST)
        rate = LEAST;
    b->busy_until_us = now_us + backlog_us(b, now_us) * b->rate / rate;
    b->rate = rate;
    b->changed_us = now_us;
    b->n_compared = 0;
}

static struct sp_bottleneck_past *past_at(struct sp_bottleneck *b, unsigned i)
{
    return &b->past[(b->n_past - 1 - i) % SP_BOTTLENECK_PAST];
}

/* Since then less left than the line takes, and no more came: it was not us who kept it at work. */
static bool has_given_way(struct sp_bottleneck *b, const struct sp_bottleneck_past *since,
                          uint64_t now_us)
{
    uint32_t us = (uint32_t)now_us - since->told_us;
    uint32_t sent = (uint32_t)b->sent_bytes - since->sent_bytes;
    uint32_t came = past_at(b, 0)->bytes - since->bytes;

    return sent < b->rate * us / SP_SEC(1) / 2 && came < sent + sent / 4 + FEW;
}

/* Nothing but a queue since then; NULL: not for long enough to see what the line takes. */
static const struct sp_bottleneck_past *look_back(struct sp_bottleneck *b)
{
    const struct sp_bottleneck_past *now = past_at(b, 0), *since = now;
    unsigned kept = b->n_past < SP_BOTTLENECK_PAST ? b->n_past : SP_BOTTLENECK_PAST;
    bool is_long = now->queue_us >= QUEUE_US;

    for (unsigned i = 1; i < kept && now->queue_us >= BUSY_US; i++) {
        const struct sp_bottleneck_past *p = past_at(b, i);
        if (p->queue_us < BUSY_US || since->at_us - p->at_us >= DENSE_US ||
            now->at_us - p->at_us > WINDOW_US)
            break;
        since = p;
        is_long |= p->queue_us >= QUEUE_US;
    }
    bool is_enough = now->at_us - since->at_us >= RUN_US && now->bytes - since->bytes >= RUN_BYTES;
    return is_long && is_enough ? since : NULL;
}

/* From now on something waits, and it is to be seen whether the queue ends. */
static void first_rate(struct sp_bottleneck *b, uint64_t rate, uint64_t now_us)
{
    set_rate(b, rate, now_us);
    note_clear(b, now_us);
}

/* So much of ours is lost in a long queue that little comes, and no run of it: what does come is
 * less than the line takes, but to send any more than that is no use. */
void rate_see_flood(struct sp_bottleneck *b, const struct sp_arrival *a, uint32_t met_us,
                    uint32_t behind, uint64_t now_us)
{
    if (b->rate != 0 || met_us < FLOOD_QUEUE_US || behind < OURS) {
        b->flood_us = 0;
    } else if (b->flood_us == 0) {
        b->flood_us = now_us;
        b->flood_bytes = a->bytes;
    } else if (now_us - b->flood_us >= FLOOD_US) {
        first_rate(b,
                   later(WORTH, (a->bytes - b->flood_bytes) * SP_SEC(1) / (now_us - b->flood_us)),
                   now_us);
    }
}

/* The more of it was seen, the more it counts; and not at once where it is more: what lanes held
 * back may have come. */
void rate_see(struct sp_bottleneck *b, const struct sp_arrival *a, uint32_t queue_us,
              uint64_t now_us)
{
    b->past[b->n_past++ % SP_BOTTLENECK_PAST] =
        (struct sp_bottleneck_past){.at_us = a->at_us,
                                    .bytes = a->bytes,
                                    .queue_us = queue_us,
                                    .told_us = (uint32_t)now_us,
                                    .sent_bytes = (uint32_t)b->sent_bytes};
    const struct sp_bottleneck_past *since = look_back(b);
    if (since == NULL || (b->rate != 0 && has_given_way(b, since, now_us)))
        return;
    uint32_t us = a->at_us - since->at_us;
    uint64_t seen = (a->bytes - since->bytes) * SP_SEC(1) / us, most = b->rate + b->rate / 8;
    if (b->rate == 0 && seen < WORTH)
        return;
    b->seen = seen;
    b->seen_us = now_us;
    if (b->rate == 0) {
        first_rate(b, seen, now_us);
    } else {
        seen = seen < most ? seen : most;
        set_rate(b, (seen * us + b->rate * (WINDOW_US - us)) / WINDOW_US, now_us);
    }
}

static void shrink(struct sp_bottleneck *b, uint64_t now_us)
{
    uint64_t rate = b->rate / 2;

    if (now_us - b->seen_us < SEEN_US && b->seen > rate)
        rate = b->seen;
    if (rate < b->rate)
        set_rate(b, rate, now_us);
    b->growths = b->longs = 0;
}

/* Less of a queue than was meant is a line that takes more; hardly any, while something waits
 * here, one that is idle. */
static void compare(struct sp_bottleneck *b, uint32_t met_us, uint32_t meant_us, bool whole,
                    uint64_t now_us)
{
    if (b->n_compared == 0)
        b->met_us = b->meant_us = 0;
    b->met_us += met_us < 2 * meant_us ? met_us + NOISE_US : 2 * meant_us;
    b->meant_us += meant_us;
    if (++b->n_compared < COMPARED)
        return;
    b->n_compared = 0;
    bool is_idle = b->met_us + COMPARED * NOISE_US < b->meant_us * 3 / 4;
    if (is_idle && holds_something(b, now_us)) {
        unsigned n = b->growths + (b->met_us < b->meant_us / 4);
        set_rate(b, b->rate + b->rate * (1 << (n < 3 ? n : 3)) / 8, now_us);
        b->growths++;
        return;
    }
    b->growths = 0;
    if (b->met_us < b->meant_us && whole)
        set_rate(b, is_idle ? b->rate + b->rate / 8 : b->rate * b->meant_us / b->met_us, now_us);
}

/* Much of ours was lost before the line, and lanes can't have sent it all again by now. */
static bool will_pass_again(const struct sp_bottleneck *b, uint32_t behind, uint64_t now_us)
{
    return behind >= BEHIND && now_us - b->whole_us < AGAIN_US + behind * SP_SEC(1) / b->rate;
}

/* What left since the last change met less of a queue than it was to, or much more. Less is also
 * met where much of ours was lost before it. */
void rate_adapt(struct sp_bottleneck *b, const struct leaving *m, uint32_t met_us,
                uint32_t queue_us, uint32_t behind, uint64_t now_us)
{
    if (m->left_us < b->changed_us)
        return;
    if (queue_us > m->queue_us + long_us(b)) {
        if (++b->longs == 2)
            shrink(b, now_us);
        return;
    }
    b->longs = 0;
    if (m->queue_us >= BUSY_US && !will_pass_again(b, behind, now_us))
        compare(b, met_us, m->queue_us, behind < WHOLE, now_us);
}

/* The line takes so many times more, or is to show that it does not. */
void rate_guess_more(struct sp_bottleneck *b, unsigned times, uint64_t now_us)
{
    b->busy_until_us = now_us + backlog_us(b, now_us) / times;
    b->guess *= times;
    b->burst_us = b->changed_us = now_us;
}

/* A burst that left since the last change met less of a queue than it was to meet. What came first
 * tells nothing: there is no other way yet to compare its own with. */
void rate_check_guess(struct sp_bottleneck *b, const struct leaving *m, uint32_t met_us,
                      uint64_t now_us)
{
    if (b->guess >= GUESS_MAX || m->left_us < b->changed_us || m->queue_us < GUESS_US ||
        m->left_us - b->begun_us < GUESS_BEGIN_US)
        return;
    if (met_us < m->queue_us / 4)
        rate_guess_more(b, 4, now_us);
    else if (met_us < m->queue_us * 3 / 4)
        rate_guess_more(b, 2, now_us);
}
