/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a connection loses packets all the time, as a value: out of two counts that the kernel
 * keeps, whenever somebody has them at hand. It is slow to say no again, so that it does not change
 * its mind every second.
 */
#ifndef SALLYPORT_LOSSES_H
#define SALLYPORT_LOSSES_H

#include <stdbool.h>
#include <stdint.h>

#define SP_LOSSES_MANY  4    /* at least so many … */
#define SP_LOSSES_SHARE 128  /* … and one of so many that were sent */
#define SP_LOSSES_LOOK  512  /* sent, after which it begins to count anew */
#define SP_LOSSES_QUIET 4096 /* sent without a loss: it has few again */

/* All zero is a new connection's. */
struct sp_losses {
    uint32_t sent, lost; /* where it began to count */
    bool many;
};

/* Packets that were sent, and sent again, since the connection began (they may wrap). True: `many`
 * has changed. */
bool sp_losses_tell(struct sp_losses *l, uint32_t sent, uint32_t lost);

#endif
