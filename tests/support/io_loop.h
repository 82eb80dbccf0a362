/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An event loop with a ticker for tests of what does real I/O: runs until something has happened,
 * and never for ever.
 */
#ifndef SALLYPORT_TEST_IO_LOOP_H
#define SALLYPORT_TEST_IO_LOOP_H

#include <ev.h>
#include <stdbool.h>

#include "sallyport/ticker.h"

struct io_loop {
    struct ev_loop *loop;
    struct sp_ticker ticker;
    ev_timer step;
    unsigned patience_ms; /* io_loop_until's; may be changed */
};

typedef bool io_loop_fn(void *arg);

/* Ends the process when there is no loop to be had. */
void io_loop_init(struct io_loop *l);
void io_loop_fini(struct io_loop *l);

/* Turns the loop until `done` says so; false when patience is at its end, which is 10 s from the
 * start. */
bool io_loop_until(struct io_loop *l, io_loop_fn *done, void *arg);

/* Turns it for that long. */
void io_loop_for(struct io_loop *l, unsigned ms);

#endif
