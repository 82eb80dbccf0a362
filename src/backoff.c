/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/backoff.h"

void sp_backoff_init(struct sp_backoff *b, uint64_t first_us, uint64_t longest_us)
{
    *b = (struct sp_backoff){.first_us = first_us, .longest_us = longest_us};
}

uint64_t sp_backoff_next_us(struct sp_backoff *b, struct sp_rng *rng)
{
    uint64_t step = b->first_us;
    if (b->tries == 0) {
        b->tries = 1;
        return 0;
    }
    for (unsigned i = 1; i < b->tries && step < b->longest_us; i++)
        step = step <= b->longest_us / 2 ? step * 2 : b->longest_us;
    if (step < b->longest_us)
        b->tries++;
    else
        step = b->longest_us;
    return step - sp_rng_below(rng, step / 2 + 1);
}

void sp_backoff_reset(struct sp_backoff *b)
{
    b->tries = 0;
}
