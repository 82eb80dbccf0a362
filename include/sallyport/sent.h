/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender's memory of frames that have left: by sequence number, what it was, when and by which
 * lanes it went, so that what the far side misses can be repeated by another lane while that is
 * still worth something. Bounded in bytes and in age; the oldest is forgotten first. Memory is
 * taken as it is needed, none for a datagram, and given back when nothing is remembered: a little
 * of it when the owner rests. Knows no lanes but their numbers, and sends nothing itself.
 */
#ifndef SALLYPORT_SENT_H
#define SALLYPORT_SENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"
#include "sallyport/lane_set.h"

struct sp_sent_frame {
    uint64_t first_us; /* when it was queued: what its age counts from */
    uint64_t left_us;  /* when it left last */
    uint32_t seq;
    sp_lane_set lanes; /* that it went by */
    uint32_t at, len;
    uint8_t cls;     /* the owner's */
    uint8_t repeats; /* how often it was repeated */
    bool missed;     /* the owner's: it was counted as lost */
};

struct sp_sent {
    uint8_t *bytes; /* frames back to back, as a ring: none is cut in two */
    size_t cap, max_bytes;
    size_t head, tail; /* of the bytes: the next goes to head, the oldest lies at tail */
    struct sp_sent_frame *frames;
    size_t frames_cap; /* a power of two, or 0 */
    uint32_t first;    /* the oldest number that is remembered */
    size_t count;
    uint64_t max_age_us;
};

/* `max_age_us` counts from when a frame was queued. */
void sp_sent_init(struct sp_sent *s, size_t max_bytes, uint64_t max_age_us);
void sp_sent_fini(struct sp_sent *s);

/*
 * Remembers a copy of a frame, and forgets what is too old. Numbers come one after the other: one
 * that is not the next forgets all before it. Where memory is short the oldest are forgotten; NULL:
 * there is none at all, or the frame is longer than the bound. Then nothing is remembered.
 */
struct sp_sent_frame *sp_sent_add(struct sp_sent *s, uint32_t seq, struct sp_span frame,
                                  uint64_t first_us, uint64_t now_us);

/* NULL: unknown, or forgotten. Valid until the next add or expire. */
struct sp_sent_frame *sp_sent_find(struct sp_sent *s, uint32_t seq);
struct sp_span sp_sent_bytes(const struct sp_sent *s, const struct sp_sent_frame *f);

/* Forgets what is too old; when nothing is left, holds no more than a burst needs. Nobody else
 * frees it, so the owner calls this when it has been idle for a while, too. */
void sp_sent_expire(struct sp_sent *s, uint64_t now_us);

/* Holds no memory, if nothing is remembered: to be called by who knows that nothing goes on. */
void sp_sent_rest(struct sp_sent *s);

#endif
