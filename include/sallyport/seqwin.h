/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver's memory of sequence numbers: which came, so that a second copy is dropped, and
 * when a higher one first came, so that a datagram which the others have long overtaken is dropped
 * as late, without any timestamp on the wire. Serial number arithmetic (RFC 1982): wrapping is
 * nothing special. Knows no frames.
 */
#ifndef SALLYPORT_SEQWIN_H
#define SALLYPORT_SEQWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_SEQWIN_LEN   16384 /* numbers behind the highest that are still remembered */
#define SP_SEQWIN_MARKS 64

enum sp_seq_verdict {
    SP_SEQ_NEW,  /* deliver it */
    SP_SEQ_COPY, /* came before */
    SP_SEQ_OLD,  /* below the window: nobody can tell whether it came */
    SP_SEQ_LATE, /* missing for longer than the bound */
};

struct sp_seqwin {
    uint64_t bits[SP_SEQWIN_LEN / 64];
    uint32_t highest;
    uint32_t first; /* that ever came, or the lowest that is remembered */
    bool any;       /* something came */
    uint8_t first_mark, n_marks;
    uint64_t max_age_us;
    /* Marks the highest number of each slice of time. */
    struct {
        uint64_t at_us;
        uint32_t seq;
    } marks[SP_SEQWIN_MARKS];
};

/* A datagram counts as late when it was missing for more than `max_age_us`, give or take a 32nd. */
void sp_seqwin_init(struct sp_seqwin *w, uint64_t max_age_us);

/* Judges one number and remembers it when it is new or late. */
enum sp_seq_verdict sp_seqwin_take(struct sp_seqwin *w, uint32_t seq, uint64_t now_us);

/*
 * What is missing below a number that came, as a bitmap: bit i of it, the lowest of byte 0 first,
 * is the number below - 1 - i. What is missing for longer than the bound is missed no more; nor is
 * what was sent before the first that ever came. Writes at most `cap` bytes; returns how many, the
 * last of which is not 0.
 */
size_t sp_seqwin_missing(const struct sp_seqwin *w, uint32_t below, uint64_t now_us,
                         uint8_t *bitmap, size_t cap);

#endif
