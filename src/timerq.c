/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/timerq.h"

#include <stdlib.h>
#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"

#define MIN_CAP 16
#define WAYS    4 /* children */
#define LINE    64

_Static_assert(sizeof(struct sp_timerq_entry) * WAYS == LINE, "children share a cache line");

void sp_timerq_init(struct sp_timerq *q)
{
    *q = (struct sp_timerq){0};
}

void sp_timerq_fini(struct sp_timerq *q)
{
    for (size_t i = 0; i < q->len; i++)
        q->timers[q->heap[i].number]->number = 0;
    free(q->memory);
    *q = (struct sp_timerq){0};
}

void sp_timer_init(struct sp_timer *t, sp_timer_fn *fn, void *arg)
{
    *t = (struct sp_timer){.fn = fn, .arg = arg};
}

bool sp_timer_is_set(const struct sp_timer *t)
{
    return t->number != 0;
}

/* Of a turn it is the low half that is compared: less than 2^31 lie between any two of one time. */
static bool earlier(struct sp_timerq_entry a, struct sp_timerq_entry b)
{
    return a.due_us != b.due_us ? a.due_us < b.due_us : (int32_t)(a.turn - b.turn) < 0;
}

static void put(struct sp_timerq *q, size_t i, struct sp_timerq_entry e)
{
    q->heap[i] = e;
    q->places[e.number] = (uint32_t)i;
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

/* One piece of memory: entries, of which the second begins a cache line, and so does each first
 * child; timers; places. */
static int grow(struct sp_timerq *q)
{
    size_t cap = q->cap == 0 ? MIN_CAP : q->cap * 2;
    struct sp_timerq old = *q;
    size_t each = sizeof *q->heap + sizeof(struct sp_timer *) + sizeof *q->places;
    uint8_t *memory = cap > UINT32_MAX ? NULL : malloc(2 * LINE + cap * each);

    if (memory == NULL)
        return SP_ENOMEM;
    size_t past = (uintptr_t)memory % LINE;
    q->memory = memory;
    q->heap = (void *)(memory + LINE - past + LINE - sizeof *q->heap);
    q->timers = (void *)(q->heap + cap);
    q->places = (void *)(q->timers + cap);
    q->cap = cap;
    if (old.cap > 0) {
        memcpy(q->heap, old.heap, old.cap * sizeof *q->heap);
        memcpy(q->timers, old.timers, old.cap * sizeof(struct sp_timer *));
        memcpy(q->places, old.places, old.cap * sizeof *q->places);
    }
    free(old.memory);
    return 0;
}

/* The place of a number that is free names the next one that is. */
static uint32_t take_number(struct sp_timerq *q, struct sp_timer *t)
{
    uint32_t n = q->free;

    if (n != 0)
        q->free = q->places[n - 1];
    else
        n = ++q->used;
    q->timers[n - 1] = t;
    t->number = n;
    return n - 1;
}

static void give_number(struct sp_timerq *q, struct sp_timer *t)
{
    q->places[t->number - 1] = q->free;
    q->free = t->number;
    t->number = 0;
}

int sp_timerq_set(struct sp_timerq *q, struct sp_timer *t, uint64_t due_us)
{
    if (t->number == 0 && q->len == q->cap) {
        int err = grow(q);
        if (err != 0)
            return err;
    }
    t->due_us = due_us > q->run_us ? due_us : q->run_us;
    t->turn = q->turn++;
    size_t i = t->number != 0 ? q->places[t->number - 1] : q->len++;
    uint32_t number = t->number != 0 ? t->number - 1 : take_number(q, t);
    struct sp_timerq_entry e = {t->due_us, (uint32_t)t->turn, number};
    if (!sift_up(q, i, e))
        sift_down(q, i, e);
    return 0;
}

void sp_timerq_cancel(struct sp_timerq *q, struct sp_timer *t)
{
    if (t->number == 0)
        return;
    size_t i = q->places[t->number - 1];
    struct sp_timerq_entry last = q->heap[--q->len];
    give_number(q, t);
    if (i != q->len && !sift_up(q, i, last))
        sift_down(q, i, last);
}

struct sp_timer *sp_timerq_at(const struct sp_timerq *q, size_t i)
{
    return q->timers[q->heap[i].number];
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
        struct sp_timer *t = sp_timerq_at(q, 0);
        /* What a call sets is due at now_us at the earliest, so behind all that was due before. */
        if (t->turn >= first_late)
            break;
        sp_timerq_cancel(q, t);
        t->fn(t, now_us, t->arg);
    }
    q->run_us = 0;
}
