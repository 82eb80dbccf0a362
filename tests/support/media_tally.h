/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What became of the datagrams of one stream: which came, how late, how often. Knows no clock.
 * Times in nanoseconds; what never came counts as later than everything.
 */
#ifndef SALLYPORT_TEST_MEDIA_TALLY_H
#define SALLYPORT_TEST_MEDIA_TALLY_H

#include <stdint.h>
#include <stdio.h>

struct media_tally {
    uint64_t *sent_ns;  /* by number */
    uint64_t *delay_ns; /* by number; 0: not there yet */
    uint32_t sent, cap;
    uint32_t came, copies, unknown;
    uint32_t refused; /* by the sender's own queue, which counts it here */
    uint64_t bytes;   /* sent */
    uint64_t last_ns, longest_gap_ns;
};

void media_tally_init(struct media_tally *t);
void media_tally_fini(struct media_tally *t);

/* The next number; ends the process when there is no memory. */
void media_tally_sent(struct media_tally *t, uint64_t sent_ns, size_t bytes);
void media_tally_came(struct media_tally *t, uint32_t number, uint64_t at_ns);

/* Later than this, or lost. */
uint32_t media_tally_later(const struct media_tally *t, uint64_t than_ns);

/* The members of a JSON object: counts, quantiles of the delay of those that came, how many were
 * later than floor_ns and 50 or 100 ms, the longest time without any, the same for each second of
 * sending, and the whole distribution. */
void media_tally_print(const struct media_tally *t, uint64_t floor_ns, FILE *f);

#endif
