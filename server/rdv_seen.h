/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions that have been seen: a check travels in the clear, and whoever saw it may say it
 * again by a path of his own, which a right answer would prove. Kept as marks of four bytes, of
 * which the oldest goes when there are too many; how many went is known. Knows no path.
 */
#ifndef SALLYPORT_SERVER_RDV_SEEN_H
#define SALLYPORT_SERVER_RDV_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/stun.h"

/* 32 KB: five hours, at a check in 2.5 s as browsers make them. */
#define SEEN_MAX 8192

/* All zero: none yet. */
struct rdv_seen {
    uint32_t *marks; /* a ring; what comes next takes the place of the oldest when it is full */
    size_t room, n;
    size_t max; /* 0: SEEN_MAX */
    uint64_t total;
};

uint32_t seen_mark(const uint8_t id[static SP_STUN_ID_LEN]);
/* Without memory for more it takes the place of another one. */
void seen_add(struct rdv_seen *s, uint32_t mark);
bool seen_has(const struct rdv_seen *s, uint32_t mark);
/* So many of the first are not known any more. */
uint64_t seen_lost(const struct rdv_seen *s);
void seen_fini(struct rdv_seen *s);

#endif
