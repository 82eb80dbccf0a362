/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/timerq.h"

#include <stdlib.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"

#define MIN_CAP 16
#define WAYS    4 /* children: what is compared at each level is next to each other */

void sp_timerq_init(struct sp_timerq *q)
{
    *q = (struct sp_timerq){0};
}

void sp_timerq_fini(struct sp_timerq *q)
{
    for (size_t i = 0; i < q->len; i++)
        q->heap[i].timer->slot = 0;
    free(q->heap);
    *q = (struct sp_timerq){0};
}

void sp_timer_init(struct sp_timer *t, sp_timer_fn *fn, void *arg)
{
    *t = (struct sp_timer){.fn = fn, .arg = arg};
}

bool sp_timer_is_set(const struct sp_timer *t)
{
    return t->slot != 0;
}

static bool earlier(struct sp_timerq_entry a, struct sp_timerq_entry b)
{
    return a.due_us != b.due_us ? a.due_us < b.due_us : a.timer->turn < b.timer->turn;
}

static void put(struct sp_timerq *q, size_t i, struct sp_timerq_entry e)
{
    q->heap[i] = e;
    e.timer->slot = i + 1;
}

/* Finds the place for `e`, starting from the hole at `i`; true when it went up at all. */
static bool sift_up(struct sp_timerq *q, size_t i, struct sp_timerq_entry e)
{
    size_t from = i;
    while (i > 0 && earlier(e, q->heap[(i - 1) / WAYS])) {
        put(q, i, q->heap[(i - 1) / WAYS]);
        i = (i - 1) / WAYS;
    }
    put(q, i, e);
    return i != from;
}

static void sift_down(struct sp_timerq *q, size_t i, struct sp_timerq_entry e)
{
    for (;;) {
        size_t best = WAYS * i + 1, end = best + WAYS < q->len ? best + WAYS : q->len;
        for (size_t child = best + 1; child < end; child++)
            if (earlier(q->heap[child], q->heap[best]))
                best = child;
        if (best >= q->len || !earlier(q->heap[best], e))
            break;
        put(q, i, q->heap[best]);
        i = best;
    }
    put(q, i, e);
}

static int grow(struct sp_timerq *q)
{
    size_t cap = q->cap == 0 ? MIN_CAP : q->cap * 2;
    struct sp_timerq_entry *heap = realloc(q->heap, cap * sizeof *heap);
    if (heap == NULL)
        return SP_ENOMEM;
    q->heap = heap;
    q->cap = cap;
    return 0;
}

int sp_timerq_set(struct sp_timerq *q, struct sp_timer *t, uint64_t due_us)
{
    if (t->slot == 0 && q->len == q->cap) {
        int err = grow(q);
        if (err != 0)
            return err;
    }
    size_t i = t->slot != 0 ? t->slot - 1 : q->len++;
    t->due_us = due_us > q->run_us ? due_us : q->run_us;
    t->turn = q->turn++;
    struct sp_timerq_entry e = {t->due_us, t};
    if (!sift_up(q, i, e))
        sift_down(q, i, e);
    return 0;
}

void sp_timerq_cancel(struct sp_timerq *q, struct sp_timer *t)
{
    if (t->slot == 0)
        return;
    size_t i = t->slot - 1;
    struct sp_timerq_entry last = q->heap[--q->len];
    t->slot = 0;
    if (last.timer != t && !sift_up(q, i, last))
        sift_down(q, i, last);
}

uint64_t sp_timerq_next(const struct sp_timerq *q)
{
    return q->len == 0 ? SP_NEVER : q->heap[0].due_us;
}

void sp_timerq_run(struct sp_timerq *q, uint64_t now_us)
{
    uint64_t first_late = q->turn; /* turns from here on were given by the calls below */
    q->run_us = now_us;
    while (q->len > 0 && q->heap[0].due_us <= now_us) {
        struct sp_timer *t = q->heap[0].timer;
        /* What a call sets is due at now_us at the earliest, so behind all that was due before. */
        if (t->turn >= first_late)
            break;
        sp_timerq_cancel(q, t);
        t->fn(t, now_us, t->arg);
    }
    q->run_us = 0;
}
