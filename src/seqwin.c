/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/seqwin.h"

#include <string.h>

#define SLICES 32 /* of time, within the bound */

void sp_seqwin_init(struct sp_seqwin *w, uint64_t max_age_us)
{
    memset(w, 0, sizeof *w);
    w->max_age_us = max_age_us;
}

/* a is behind b (RFC 1982). */
static bool behind(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static bool test(const struct sp_seqwin *w, uint32_t seq)
{
    uint32_t i = seq % SP_SEQWIN_LEN;
    return w->bits[i / 64] >> (i % 64) & 1;
}

static void set(struct sp_seqwin *w, uint32_t seq)
{
    uint32_t i = seq % SP_SEQWIN_LEN;
    w->bits[i / 64] |= (uint64_t)1 << (i % 64);
}

/* Forgets the numbers that leave the window when `seq` becomes the highest. */
static void advance(struct sp_seqwin *w, uint32_t seq)
{
    if (seq - w->highest >= SP_SEQWIN_LEN) {
        memset(w->bits, 0, sizeof w->bits);
    } else {
        for (uint32_t s = w->highest + 1; s != seq + 1; s++) {
            uint32_t i = s % SP_SEQWIN_LEN;
            w->bits[i / 64] &= ~((uint64_t)1 << (i % 64));
        }
    }
    w->highest = seq;
    if (seq - w->first >= SP_SEQWIN_LEN)
        w->first = seq - SP_SEQWIN_LEN + 1; /* or it would lie ahead, half a circle on */
}

/*
 * A mark holds the highest number of a slice of time. The first mark above a number is therefore
 * not younger than the moment when that number was overtaken, and at most a slice older.
 */
static void mark(struct sp_seqwin *w, uint64_t now_us)
{
    unsigned last = (unsigned)(w->first_mark + w->n_marks - 1) % SP_SEQWIN_MARKS;

    if (w->n_marks > 0 && now_us - w->marks[last].at_us < w->max_age_us / SLICES) {
        w->marks[last].seq = w->highest;
        return;
    }
    if (w->n_marks == SP_SEQWIN_MARKS)
        w->first_mark = (uint8_t)((w->first_mark + 1) % SP_SEQWIN_MARKS);
    else
        w->n_marks++;
    last = (unsigned)(w->first_mark + w->n_marks - 1) % SP_SEQWIN_MARKS;
    w->marks[last].at_us = now_us;
    w->marks[last].seq = w->highest;
}

/* When `seq` was overtaken: binary search, since marks rise in time and number. */
static uint64_t overtaken_us(const struct sp_seqwin *w, uint32_t seq)
{
    unsigned lo = 0, hi = w->n_marks - 1u; /* the last mark is always above */

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (behind(seq, w->marks[(w->first_mark + mid) % SP_SEQWIN_MARKS].seq))
            hi = mid;
        else
            lo = mid + 1;
    }
    return w->marks[(w->first_mark + lo) % SP_SEQWIN_MARKS].at_us;
}

enum sp_seq_verdict sp_seqwin_take(struct sp_seqwin *w, uint32_t seq, uint64_t now_us)
{
    if (!w->any) {
        w->any = true;
        w->highest = w->first = seq;
    } else if (!behind(seq, w->highest)) {
        if (seq == w->highest)
            return SP_SEQ_COPY;
        advance(w, seq);
    } else {
        if (w->highest - seq >= SP_SEQWIN_LEN)
            return SP_SEQ_OLD;
        if (test(w, seq))
            return SP_SEQ_COPY;
        set(w, seq);
        bool late = now_us - overtaken_us(w, seq) > w->max_age_us + w->max_age_us / SLICES;
        return late ? SP_SEQ_LATE : SP_SEQ_NEW;
    }
    set(w, seq);
    mark(w, now_us);
    return SP_SEQ_NEW;
}

size_t sp_seqwin_missing(const struct sp_seqwin *w, uint32_t below, uint64_t now_us,
                         uint8_t *bitmap, size_t cap)
{
    size_t len = 0;

    memset(bitmap, 0, cap);
    for (uint32_t i = 0; w->any && i < cap * 8; i++) {
        uint32_t seq = below - 1 - i;

        if (behind(seq, w->first))
            break;
        if (seq % 64 == 63 && w->bits[seq % SP_SEQWIN_LEN / 64] == UINT64_MAX) {
            i += 63; /* nothing is missing of them, nor below the first, which is not asked */
            continue;
        }
        if (test(w, seq))
            continue;
        if (now_us - overtaken_us(w, seq) > w->max_age_us)
            break; /* and so are those below */
        bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
        len = i / 8 + 1;
    }
    return len;
}
