/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The narrowest line of a path, as its sender sees it. What is sent faster than that line takes it
 * stands in the queue before it: there what is urgent can't overtake the rest, nothing is dropped
 * for its age, and what finds the queue full is lost. So what is patient had better wait here.
 *
 * The far side tells what came last, when by its own clock, and how many bytes had come by then.
 * The sender knows when that left. The difference between the clocks is unknown, but the smallest
 * ever seen of a while is that of an empty queue, and what is more than it is the queue that this
 * datagram met: of this direction alone. As long as there is a queue the line is at work without a
 * pause, and bytes come at its rate. From then on the queue is followed as a bucket that leaks at
 * this rate, and set right by what is told.
 *
 * A rate that is too low shows where less of a queue is met than was expected: it grows. What left
 * before that which came, and has not come, was lost in the queue: it will pass the line again, and
 * is waited for, too. A queue that stays though we hold back may be another's: then for as long as
 * ours would need to pass nothing leaves that can wait, and if what leaves next meets it all the
 * same, waiting helps nobody but him, and ends; what waited leaves by and by. It begins again after
 * a pause, or when the queue grows, or much of ours is lost in it.
 *
 * Before the first queue was seen there is a guess: what is patient leaves no faster than that, or
 * the first key frames would stand before everything else for longer than it takes to learn of it.
 * Where a burst meets no queue the guess is soon high enough to hold back nothing.
 *
 * A pure machine: no timer, no memory but its own.
 */
#ifndef SALLYPORT_BOTTLENECK_H
#define SALLYPORT_BOTTLENECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/departed.h"

/* What the far side tells: of the datagram with the highest number that has come. */
struct sp_arrival {
    uint32_t seq;
    uint32_t at_us; /* when it came first, by the far side's clock, modulo 2^32 */
    uint32_t bytes; /* that had come by then, since any beginning, modulo 2^32 */
};

#define SP_BOTTLENECK_PAST 24

struct sp_bottleneck {
    uint64_t rate;              /* bytes a second; 0: no limit was seen */
    uint64_t burst_rate, guess; /* till then: at first, and now; 0: at once */
    uint64_t burst_us;          /* what is on its way to the line began to leave */
    uint64_t begun_us;          /* the first datagram left by this path */

    uint64_t busy_until_us; /* the line has work until then, as far as we sent it */
    uint64_t sent_bytes;
    uint32_t ahead_us; /* the queue that what was sent last was to meet, and itself */
    struct sp_departed departed;

    /* The least just now and before; since when "just now" is. */
    struct sp_bottleneck_least {
        bool is_known;
        uint32_t of[2];
        uint64_t since_us;
    } way, behind; /* the clocks' difference; bytes that left before what came, but had not come */

    struct sp_arrival last; /* that was told */
    uint64_t told_us;       /* and when */
    uint64_t shortest_us;   /* when that left last whose way was the least, more or less */
    uint32_t last_queue_us; /* that it met */
    uint64_t queued_us;     /* when there was one last */
    uint64_t full_us;       /* when it was long last */

    struct sp_bottleneck_reached {
        uint64_t until_us, sent_bytes; /* it had work till then, with what had left */
    } reached;                         /* by what was told last */

    uint64_t seen, seen_us; /* the last rate, and when */
    struct sp_bottleneck_past {
        uint32_t at_us, bytes, queue_us;
        uint32_t told_us, sent_bytes; /* when; what had left by then */
    } past[SP_BOTTLENECK_PAST];       /* what was told; a ring */
    unsigned n_past;

    uint64_t flood_us;         /* since then much is lost in a long queue; 0: no */
    uint32_t flood_bytes;      /* that had come by then */
    uint64_t whole_us;         /* nothing worth mentioning was lost last */
    uint64_t changed_us;       /* the rate was */
    unsigned growths, longs;   /* in a row: it grew; the queue was too long */
    uint64_t met_us, meant_us; /* queues, in sum */
    unsigned n_compared;
    uint64_t held_us;        /* something waited last */
    uint64_t clear_us;       /* last without a queue, or before anything waited */
    uint64_t clear_rate;     /* what was known then */
    uint64_t drain_from_us;  /* since then nothing leaves that can wait, so that the */
    uint64_t drain_until_us; /* queue is seen to end; 0: it does */
    uint64_t pause_us, pause_until_us;
    uint64_t ease_us;           /* 0: no; what waited before a pause leaves sooner and sooner */
    uint64_t anothers_us;       /* in a pause: it may still have been another's queue then */
    uint32_t anothers_queue_us; /* that it was taken for */
};

/* As long as no limit was seen, and the line was not seen to take more either, what is patient
 * leaves at so many bytes a second; 0: at once. */
void sp_bottleneck_init(struct sp_bottleneck *b, uint64_t burst_rate);

/* So many bytes leave now. */
void sp_bottleneck_sent(struct sp_bottleneck *b, size_t bytes, uint64_t now_us);
/* The datagram with this number, and perhaps others after it, were among what was `sent` last.
 * Numbers go up by what left in between. */
void sp_bottleneck_left(struct sp_bottleneck *b, uint32_t seq, uint64_t now_us);

/* It came by a lane whose way may be so much longer than another's, without any queue. */
void sp_bottleneck_arrived(struct sp_bottleneck *b, const struct sp_arrival *a, uint32_t spread_us,
                           uint64_t now_us);

/* A lane has ended: so many bytes that it had taken, or less, will never come. */
void sp_bottleneck_lost(struct sp_bottleneck *b, size_t bytes);

/* None of the lanes that there are had joined by `shortest_us`: it is another path, whose way may
 * be longer. What was known of the old one is forgotten. */
void sp_bottleneck_moved(struct sp_bottleneck *b);

/* Whether what is patient should wait; and that it does, which is remembered. */
bool sp_bottleneck_holds(struct sp_bottleneck *b, uint64_t now_us);
/* Something had to wait just now, and the line is not known to take more than at first: what is
 * sent beside it makes it later. */
bool sp_bottleneck_is_scarce(const struct sp_bottleneck *b, uint64_t now_us);
/* When to ask again. */
uint64_t sp_bottleneck_next(const struct sp_bottleneck *b, uint64_t now_us);

/* A limit is known: queues come and go. */
bool sp_bottleneck_is_known(const struct sp_bottleneck *b);
/* There was a queue of late, if a short one: what leaves in a burst stands in it. */
bool sp_bottleneck_has_queues(const struct sp_bottleneck *b, uint64_t now_us);
/* There was one just now, and it was long: what is sent twice makes it longer. */
bool sp_bottleneck_is_full(const struct sp_bottleneck *b, uint64_t now_us);
/* It was seen to stay whatever we send: another fills it. */
bool sp_bottleneck_is_anothers(const struct sp_bottleneck *b, uint64_t now_us);
/* There is one, or something would wait, or there was one not long ago: what is lost was lost
 * there, and parity would only take the place of something else. */
bool sp_bottleneck_is_tight(const struct sp_bottleneck *b, uint64_t now_us);

#endif
