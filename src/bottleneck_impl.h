/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the bottleneck share: bottleneck.c (what leaves, what came, may it leave),
 * bottleneck_rate.c (what the line takes), bottleneck_share.c (whose queue it is). Nobody else
 * includes this.
 */
#ifndef SALLYPORT_BOTTLENECK_IMPL_H
#define SALLYPORT_BOTTLENECK_IMPL_H

#include "sallyport/bottleneck.h"
#include "sallyport/clock.h"

#define BUSY_US     SP_MS(8)  /* a queue that long is no noise: the line was at work */
#define QUEUE_US    SP_MS(25) /* and this long is one that is to be ended */
#define HOLD_US     SP_MS(15) /* what may stand there, so that the line is never idle */
#define RECORD      1400
#define BUSY_MAX_US SP_SEC(2)
#define HELD_US     SP_MS(50) /* what waited within that is still waiting, more or less */
#define BEHIND      12000     /* so much was lost in the queue: it is we who fill it */
#define OURS        (2 * BEHIND)
#define GUESS_MAX   20000000 /* faster than that is at once */
#define GUESS_US    SP_MS(5) /* what may stand there */

/* What is known of a datagram that left. */
struct leaving {
    uint32_t queue_us;
    uint64_t left_us, sent_bytes;
};

static inline uint64_t backlog_us(const struct sp_bottleneck *b, uint64_t now_us)
{
    return b->busy_until_us > now_us ? b->busy_until_us - now_us : 0;
}

static inline bool is_easing(const struct sp_bottleneck *b)
{
    return b->ease_us != 0;
}

static inline uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t record_us(const struct sp_bottleneck *b)
{
    return b->rate != 0 ? RECORD * SP_SEC(1) / b->rate : 0;
}

/* A slow line is at work for a while with each record: then these are longer. */
static inline uint64_t hold_us(const struct sp_bottleneck *b)
{
    if (b->rate == 0)
        return GUESS_US;
    return later(HOLD_US, record_us(b));
}

static inline uint64_t long_us(const struct sp_bottleneck *b)
{
    return later(QUEUE_US, HOLD_US + 3 * record_us(b));
}

/* The line has work till then, as is known now. */
static inline void set_busy(struct sp_bottleneck *b, uint64_t until_us, uint64_t now_us)
{
    b->busy_until_us = until_us < now_us + BUSY_MAX_US ? until_us : now_us + BUSY_MAX_US;
}

static inline bool holds_something(const struct sp_bottleneck *b, uint64_t now_us)
{
    return b->held_us != 0 && now_us - b->held_us < HELD_US;
}

/* No queue stands there, or nothing waits for its end. */
static inline void note_clear(struct sp_bottleneck *b, uint64_t now_us)
{
    b->clear_us = now_us;
    b->clear_rate = b->rate;
}

/* bottleneck_rate.c */
/* What was told just now: a line at work shows its rate; the first of all is learned so. */
void rate_see(struct sp_bottleneck *b, const struct sp_arrival *a, uint32_t queue_us,
              uint64_t now_us);
/* The same where nothing but losses are seen. */
void rate_see_flood(struct sp_bottleneck *b, const struct sp_arrival *a, uint32_t met_us,
                    uint32_t behind, uint64_t now_us);
/* A rate is known: is it right? */
void rate_adapt(struct sp_bottleneck *b, const struct leaving *m, uint32_t met_us,
                uint32_t queue_us, uint32_t behind, uint64_t now_us);
/* None is: is the guess? */
void rate_check_guess(struct sp_bottleneck *b, const struct leaving *m, uint32_t met_us,
                      uint64_t now_us);
void rate_guess_more(struct sp_bottleneck *b, unsigned times, uint64_t now_us);

/* bottleneck_share.c */
bool share_is_anothers(struct sp_bottleneck *b, const struct leaving *m, uint32_t queue_us,
                       uint32_t behind, uint64_t now_us);
/* It is another's: a pause begins. */
void share_give_up(struct sp_bottleneck *b, uint32_t queue_us, uint64_t now_us);
/* In a pause: is it still? */
void share_doubt_pause(struct sp_bottleneck *b, uint32_t queue_us, uint32_t behind,
                       uint64_t now_us);
void share_ease(struct sp_bottleneck *b, uint64_t now_us);
void share_drain_longer(struct sp_bottleneck *b, uint64_t left_us);

#endif
