/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/classq.h"

#include "sallyport/clock.h"

/* Voice that waited here for longer would come when its player has gone on: jitter buffers grow to
 * some 200 ms before they give up. A picture that is late is still decoded, for those that follow
 * build on it. */
#define VOICE_AGE_US SP_MS(200)

void sp_classq_init(struct sp_classq *q, size_t max_bytes, uint64_t max_age_us)
{
    *q = (struct sp_classq){.max_bytes = max_bytes};
    for (int c = 0; c < SP_N_CLASSES; c++) {
        bool voice = c == SP_CLASS_VOICE && max_age_us > VOICE_AGE_US;
        sp_dgramq_init(&q->of[c], max_bytes, voice ? VOICE_AGE_US : max_age_us);
    }
}

void sp_classq_set_age(struct sp_classq *q, enum sp_class c, uint64_t max_age_us)
{
    q->of[c].max_age_us = max_age_us;
}

void sp_classq_fini(struct sp_classq *q)
{
    for (int c = 0; c < SP_N_CLASSES; c++)
        sp_dgramq_fini(&q->of[c]);
}

void sp_classq_rest(struct sp_classq *q)
{
    for (int c = 0; c < SP_N_CLASSES; c++)
        sp_dgramq_rest(&q->of[c]);
}

size_t sp_classq_bytes(const struct sp_classq *q)
{
    size_t sum = 0;

    for (int c = 0; c < SP_N_CLASSES; c++)
        sum += sp_dgramq_bytes(&q->of[c]);
    return sum;
}

size_t sp_classq_count(const struct sp_classq *q)
{
    size_t sum = 0;

    for (int c = 0; c < SP_N_CLASSES; c++)
        sum += q->of[c].count;
    return sum;
}

/* The queue of class c drops of its own what it needs; the less urgent ones do before; and none
 * does in vain. */
static bool make_room(struct sp_classq *q, enum sp_class c, size_t len)
{
    size_t held = sp_classq_bytes(q), stays = 0;

    for (int more = 0; more < (int)c; more++)
        stays += sp_dgramq_bytes(&q->of[more]);
    if (stays + len > q->max_bytes)
        return false;
    for (int less = SP_N_CLASSES - 1; less >= (int)c; less--) {
        struct sp_dgramq *d = &q->of[less];
        while (held + len > q->max_bytes && !sp_dgramq_empty(d)) {
            held -= sp_dgramq_len_at(d, 0);
            sp_dgramq_pop(d, 1);
            q->dropped_full++;
        }
    }
    return true;
}

uint8_t *sp_classq_push(struct sp_classq *q, enum sp_class c, size_t len, uint64_t now_us)
{
    if (len <= q->max_bytes && !make_room(q, c, len)) {
        q->dropped_full++;
        return NULL;
    }
    return sp_dgramq_push(&q->of[c], len, now_us);
}

void sp_classq_expire(struct sp_classq *q, uint64_t now_us)
{
    for (int c = 0; c < SP_N_CLASSES; c++)
        sp_dgramq_expire(&q->of[c], now_us);
}

uint64_t sp_classq_next(const struct sp_classq *q)
{
    uint64_t first_us = SP_NEVER;

    for (int c = 0; c < SP_N_CLASSES; c++) {
        uint64_t at_us = sp_dgramq_next(&q->of[c]);
        if (at_us < first_us)
            first_us = at_us;
    }
    return first_us;
}

enum sp_class sp_classq_first(const struct sp_classq *q)
{
    int c = 0;

    while (c < SP_N_CLASSES && sp_dgramq_empty(&q->of[c]))
        c++;
    return (enum sp_class)c;
}

uint64_t sp_classq_dropped_old(const struct sp_classq *q)
{
    uint64_t sum = 0;

    for (int c = 0; c < SP_N_CLASSES; c++)
        sum += q->of[c].dropped_old;
    return sum;
}

uint64_t sp_classq_dropped_full(const struct sp_classq *q)
{
    uint64_t sum = q->dropped_full;

    for (int c = 0; c < SP_N_CLASSES; c++)
        sum += q->of[c].dropped_full;
    return sum;
}
