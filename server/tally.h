/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many of something there are in the whole server, where there may be no more than so many.
 * All workers count at once, without locks: for what begins and ends, not for datagrams.
 */
#ifndef SALLYPORT_SERVER_TALLY_H
#define SALLYPORT_SERVER_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct sp_tally {
    atomic_size_t n;
};

/* One more. False: there are `max`. */
static inline bool sp_tally_take(struct sp_tally *t, size_t max)
{
    size_t n = atomic_load_explicit(&t->n, memory_order_relaxed);

    do
        if (n >= max)
            return false;
    while (!atomic_compare_exchange_weak_explicit(&t->n, &n, n + 1, memory_order_relaxed,
                                                  memory_order_relaxed));
    return true;
}

/* One less. */
static inline void sp_tally_give(struct sp_tally *t)
{
    atomic_fetch_sub_explicit(&t->n, 1, memory_order_relaxed);
}

#endif
