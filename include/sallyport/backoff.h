/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long to wait before the next try: doubling from a first to a longest wait, each jittered to
 * 50-100 % of its step so that a thousand gateways don't return in one instant.
 */
#ifndef SALLYPORT_BACKOFF_H
#define SALLYPORT_BACKOFF_H

#include <stdint.h>

#include "sallyport/rng.h"

struct sp_backoff {
    uint64_t first_us, longest_us;
    unsigned tries;
};

void sp_backoff_init(struct sp_backoff *b, uint64_t first_us, uint64_t longest_us);

/* The wait before the next try. The very first try after a reset waits 0. */
uint64_t sp_backoff_next_us(struct sp_backoff *b, struct sp_rng *rng);
void sp_backoff_reset(struct sp_backoff *b);

#endif
