/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structs of uint64_t counters, described by a table, so that /metrics and /status of both programs
 * list every field of one without naming it again.
 */
#ifndef SALLYPORT_COUNTERS_H
#define SALLYPORT_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

struct sp_counter {
    const char *name; /* the field's; the metric's with a prefix and "_total" */
    size_t offset;    /* of the field in its struct */
};

#define SP_COUNTER(type, field)       \
    {                                 \
#field, offsetof(type, field) \
    }

/* `base` is the struct that the table describes. */
static inline uint64_t sp_counter_value(const struct sp_counter *c, const void *base)
{
    return *(const uint64_t *)(const void *)((const char *)base + c->offset);
}

/* Adds every counter of `base` to `sum`, both as the table describes. */
static inline void sp_counters_add(const struct sp_counter *table, size_t n, void *sum,
                                   const void *base)
{
    for (size_t i = 0; i < n; i++)
        *(uint64_t *)(void *)((char *)sum + table[i].offset) += sp_counter_value(&table[i], base);
}

/* Of struct sp_tunnel_counters: all its fields, in their order; *n is how many. */
const struct sp_counter *sp_tunnel_counter_table(size_t *n);

#endif
