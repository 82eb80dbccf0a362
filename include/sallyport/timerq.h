/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deadlines of one machine in a heap of intrusive timers, four ways wide. Moving one visits no
 * other timer: those of thousands of tunnels lie in memory that is cold. Knows no clock: the owner
 * asks for the next deadline, waits as it likes, and comes back with the time.
 */
#ifndef SALLYPORT_TIMERQ_H
#define SALLYPORT_TIMERQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sp_timer;
typedef void sp_timer_fn(struct sp_timer *t, uint64_t now_us, void *arg);

struct sp_timer {
    uint64_t due_us;
    uint64_t turn;   /* of two that are due together, the one set first goes first */
    uint32_t number; /* in its queue, from 1 on; 0: not set */
    sp_timer_fn *fn;
    void *arg;
};

/* With all that comparing needs. */
struct sp_timerq_entry {
    uint64_t due_us;
    uint32_t turn;   /* its low half */
    uint32_t number; /* of the timer, from 0 on */
};

struct sp_timerq {
    struct sp_timerq_entry *heap;
    struct sp_timer **timers; /* by number */
    uint32_t *places;         /* in the heap, by number */
    void *memory;             /* in which these lie */
    size_t len, cap;
    uint32_t used, free; /* numbers that were ever; the first that is free, from 1 on */
    uint64_t turn;
    uint64_t run_us; /* the time of the run that is going on; 0 otherwise */
};

void sp_timerq_init(struct sp_timerq *q);

/* Timers still set are forgotten, not called; they must still be there. */
void sp_timerq_fini(struct sp_timerq *q);

void sp_timer_init(struct sp_timer *t, sp_timer_fn *fn, void *arg);
bool sp_timer_is_set(const struct sp_timer *t);

/* Sets or moves it. SP_ENOMEM: not set (moving never fails). Within a run, a time before the run's
 * counts as the run's. */
int sp_timerq_set(struct sp_timerq *q, struct sp_timer *t, uint64_t due_us);

/* Harmless when it is not set. */
void sp_timerq_cancel(struct sp_timerq *q, struct sp_timer *t);

/* Those that are set, `len` of them, in no order but that the first is the next. */
struct sp_timer *sp_timerq_at(const struct sp_timerq *q, size_t i);

/* SP_NEVER when empty. */
uint64_t sp_timerq_next(const struct sp_timerq *q);

/* Calls all that are due, earliest first, each taken out before its call; a timer set to a time
 * not after `now_us` by a call waits for the next run, so this always ends. A call may set, cancel
 * and free timers, its own too; it may not run or end the queue. */
void sp_timerq_run(struct sp_timerq *q, uint64_t now_us);

#endif
