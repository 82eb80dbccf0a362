/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What left when: a short memory, in which the number of a datagram is looked up when the far side
 * tells of it. Not each datagram is kept: who left soon after another one has left with it. When
 * there is no room the oldest is forgotten.
 *
 * Each tunnel has one, idle or not, so it is small: times and bytes are modulo 2^32.
 */
#ifndef SALLYPORT_DEPARTED_H
#define SALLYPORT_DEPARTED_H

#include <stdbool.h>
#include <stdint.h>

#define SP_DEPARTED_MAX 256

struct sp_departure {
    uint32_t seq;        /* of the first of them */
    uint32_t queue_us;   /* that it was to meet */
    uint32_t left_us;    /* by the clock */
    uint32_t sent_bytes; /* since any beginning, with it */
};

/* All zero is an empty one. */
struct sp_departed {
    struct sp_departure of[SP_DEPARTED_MAX]; /* a ring */
    uint16_t first, n;
};

/* Kept unless it left less than `apart_us` and `apart_bytes` after the last that was. Numbers and
 * bytes go up. */
void sp_departed_add(struct sp_departed *d, const struct sp_departure *what, uint32_t apart_us,
                     uint32_t apart_bytes);

/* That with which `seq` left, or the oldest, if it left before that: then it is a bound. False: it
 * is not known, or has not left at all. */
bool sp_departed_find(const struct sp_departed *d, uint32_t seq, struct sp_departure *out);

#endif
