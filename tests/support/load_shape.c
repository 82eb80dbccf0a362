/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load_shape.h"

void load_shape_init(struct load_shape *s, uint32_t ends, double per_s, unsigned burst,
                     unsigned bytes)
{
    *s = (struct load_shape){
        .burst = burst, .bytes = bytes, .ends = ends, .interval_ns = 1e9 / (per_s * ends)};
}

void load_shape_start(struct load_shape *s, uint64_t start_ns)
{
    s->due_ns = (double)start_ns;
}

bool load_shape_next(struct load_shape *s, uint64_t now_ns, uint32_t *end)
{
    if (s->due_ns > (double)now_ns)
        return false;
    *end = s->next;
    s->next = s->next + 1 < s->ends ? s->next + 1 : 0;
    s->due_ns += s->interval_ns;
    return true;
}

double load_shape_rate(const struct load_shape *s)
{
    return 1e9 / s->interval_ns * s->burst;
}
