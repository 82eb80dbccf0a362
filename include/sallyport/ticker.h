/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins a libev loop to the machines: one clock reading per loop turn, sockets heard in the order
 * in which they became ready, then the worker's timer queue driven by one ev_timer, and work put
 * off to the end of the turn, just before the loop sleeps. Everything that does I/O on one worker
 * shares one ticker.
 */
#ifndef SALLYPORT_TICKER_H
#define SALLYPORT_TICKER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "sallyport/list.h"
#include "sallyport/timerq.h"

struct sp_deferred;
typedef void sp_deferred_fn(struct sp_deferred *d, uint64_t now_us, void *arg);

/* Runs once at the end of the loop turn in which it was put off. */
struct sp_deferred {
    struct sp_link link;
    sp_deferred_fn *fn;
    void *arg;
};

struct sp_ticker {
    struct ev_loop *loop;
    struct sp_timerq timers;
    struct sp_list deferred, ready;
    ev_timer timer;
    ev_prepare prepare;
    ev_check check, heard;
    uint64_t now_us;
    uint64_t armed_us;         /* what `timer` waits for; SP_NEVER: it is stopped */
    uint8_t *scratch, *blocks; /* NULL: nobody has wanted them */
    bool scratch_taken;
    uint32_t blocks_taken; /* a bit each */
};

/* From here on ev_run goes on until ev_break. */
void sp_ticker_init(struct sp_ticker *t, struct ev_loop *loop);
void sp_ticker_fini(struct sp_ticker *t);

/*
 * Memory for what only passes through, so that who does I/O on this loop needs none of his own. One
 * large piece, for the time of one call from the loop; and blocks, for what leaves before the loop
 * sleeps. Not cleared; in memory only as far as it is touched. NULL: all of it is in use, or there
 * is none.
 */
#define SP_TICKER_SCRATCH_LEN (256 * 1024)
#define SP_TICKER_BLOCK_LEN   (32 * 1024)
#define SP_TICKER_BLOCKS      32
uint8_t *sp_ticker_take_scratch(struct sp_ticker *t);
void sp_ticker_give_scratch(struct sp_ticker *t);
uint8_t *sp_ticker_take_block(struct sp_ticker *t);
void sp_ticker_give_block(struct sp_ticker *t, uint8_t *block);

/* The time as of this loop turn. */
uint64_t sp_ticker_now(const struct sp_ticker *t);

void sp_deferred_init(struct sp_deferred *d, sp_deferred_fn *fn, void *arg);

/* Harmless when it is put off already. What is deferred by deferred work runs in the same turn, up
 * to a bound, so that data passed from machine to machine leaves in the turn it came. */
void sp_ticker_defer(struct sp_ticker *t, struct sp_deferred *d);
void sp_deferred_cancel(struct sp_deferred *d);

/* From a watcher's callback: its socket has something. Runs once in this turn, before timers do, in
 * the order in which sockets became ready; libev calls in the opposite one, and what came by
 * several lanes one after the other would go on backwards. */
void sp_ticker_ready(struct sp_ticker *t, struct sp_deferred *d);

#endif
