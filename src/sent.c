/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/sent.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES  4096
#define FIRST_FRAMES 16

/* So much stays until the owner rests: one burst after another needs none. */
#define KEEP_BYTES  8192
#define KEEP_FRAMES 64

void sp_sent_init(struct sp_sent *s, size_t max_bytes, uint64_t max_age_us)
{
    *s = (struct sp_sent){.max_bytes = max_bytes, .max_age_us = max_age_us};
}

void sp_sent_fini(struct sp_sent *s)
{
    free(s->bytes);
    free(s->frames);
    sp_sent_init(s, s->max_bytes, s->max_age_us);
}

static struct sp_sent_frame *frame_of(const struct sp_sent *s, uint32_t seq)
{
    return &s->frames[seq & (s->frames_cap - 1)];
}

static void forget_oldest(struct sp_sent *s)
{
    s->first++;
    s->count--;
    if (s->count > 0)
        s->tail = frame_of(s, s->first)->at;
    else
        s->head = s->tail = 0;
}

/* Where `len` bytes can lie in one piece, or `cap` if nowhere. Head and tail meet only when nothing
 * is there, or nothing else would fit. */
static size_t place(const struct sp_sent *s, size_t len)
{
    if (s->count == 0)
        return len <= s->cap ? 0 : s->cap;
    if (s->head > s->tail)
        return s->head + len <= s->cap ? s->head : len <= s->tail ? 0 : s->cap;
    return s->head + len <= s->tail ? s->head : s->cap;
}

static bool grow_frames(struct sp_sent *s)
{
    size_t cap = s->frames_cap ? s->frames_cap * 2 : FIRST_FRAMES;
    struct sp_sent_frame *frames = malloc(cap * sizeof *frames);

    if (frames == NULL)
        return false;
    for (uint32_t i = 0; i < s->count; i++)
        frames[(s->first + i) & (cap - 1)] = *frame_of(s, s->first + i);
    free(s->frames);
    s->frames = frames;
    s->frames_cap = cap;
    return true;
}

/* A larger block, and all that is remembered from its beginning on. */
static bool grow_bytes(struct sp_sent *s, size_t len)
{
    size_t cap = s->cap ? s->cap * 2 : FIRST_BYTES, head = 0;

    while (cap < len)
        cap *= 2;
    if (cap > s->max_bytes)
        cap = s->max_bytes;
    if (cap <= s->cap)
        return false;
    uint8_t *bytes = malloc(cap);
    if (bytes == NULL)
        return false;
    for (uint32_t i = 0; i < s->count; i++) {
        struct sp_sent_frame *f = frame_of(s, s->first + i);
        memcpy(bytes + head, s->bytes + f->at, f->len);
        f->at = (uint32_t)head;
        head += f->len;
    }
    free(s->bytes);
    s->bytes = bytes;
    s->cap = cap;
    s->tail = 0;
    s->head = head;
    return true;
}

/* Where there is no more memory the oldest gives its place. */
static bool make_room(struct sp_sent *s, size_t len, size_t *at)
{
    if (s->count == s->frames_cap && !grow_frames(s)) {
        if (s->count == 0)
            return false;
        forget_oldest(s);
    }
    while ((*at = place(s, len)) == s->cap) {
        if (grow_bytes(s, len))
            continue;
        if (s->count == 0)
            return false;
        forget_oldest(s);
    }
    return true;
}

struct sp_sent_frame *sp_sent_add(struct sp_sent *s, uint32_t seq, struct sp_span frame,
                                  uint64_t first_us, uint64_t now_us)
{
    size_t at;

    sp_sent_expire(s, now_us);
    if (seq != s->first + (uint32_t)s->count || frame.len > s->max_bytes)
        while (s->count > 0)
            forget_oldest(s);
    if (frame.len > s->max_bytes || !make_room(s, frame.len, &at))
        return NULL;
    if (s->count == 0) {
        s->first = seq;
        s->tail = at;
    }
    memcpy(s->bytes + at, frame.p, frame.len);
    s->head = at + frame.len;
    s->count++;
    struct sp_sent_frame *f = frame_of(s, seq);
    *f = (struct sp_sent_frame){.first_us = first_us,
                                .left_us = now_us,
                                .seq = seq,
                                .at = (uint32_t)at,
                                .len = (uint32_t)frame.len};
    return f;
}

struct sp_sent_frame *sp_sent_find(struct sp_sent *s, uint32_t seq)
{
    return seq - s->first < s->count ? frame_of(s, seq) : NULL;
}

struct sp_span sp_sent_bytes(const struct sp_sent *s, const struct sp_sent_frame *f)
{
    return sp_span(s->bytes + f->at, f->len);
}

void sp_sent_expire(struct sp_sent *s, uint64_t now_us)
{
    while (s->count > 0 && now_us > frame_of(s, s->first)->first_us + s->max_age_us)
        forget_oldest(s);
    if (s->count == 0 && (s->cap > KEEP_BYTES || s->frames_cap > KEEP_FRAMES))
        sp_sent_fini(s); /* a call has passed */
}

void sp_sent_rest(struct sp_sent *s)
{
    if (s->count == 0)
        sp_sent_fini(s);
}
