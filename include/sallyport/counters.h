/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structs of uint64_t that count things, each described by a table: what /metrics and /status of
 * both programs tell. A field that is in the table is in both; nothing else has to be changed for a
 * new one, and the help that an operator reads stands in the same row.
 *
 *     static const struct sp_counter doors[] = {
 *         SP_COUNTER(struct doors, opened, "doors_opened_total", NULL, "Doors that were opened."),
 *         SP_COUNTER(struct doors, stuck, "doors_shut_total", "reason=\"stuck\"", "Doors shut."),
 *         SP_COUNTER(struct doors, cold, "doors_shut_total", "reason=\"cold\"", NULL),
 *         SP_GAUGE(struct doors, ajar, "doors_ajar", NULL, "Doors that are ajar now."),
 *     };
 *
 * Names as Prometheus wants them: what is counted, the unit (bytes, seconds, datagrams), and
 * "_total" behind what only ever grows. A label is for a dimension whose sum means something (why a
 * datagram was dropped; not: which way it went). No label holds what comes from outside, such as a
 * user's name: each new value would cost memory here and there, for ever.
 */
#ifndef SALLYPORT_COUNTERS_H
#define SALLYPORT_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "sallyport/log.h"

enum sp_counter_kind { SP_IS_COUNTER, SP_IS_GAUGE };

struct sp_counter {
    enum sp_counter_kind kind;
    const char *field;  /* in /status */
    size_t offset;      /* of the field in its struct */
    const char *metric; /* in /metrics, behind "sallyport_" */
    const char *labels; /* NULL, or like `reason="age"` */
    const char *help;   /* with the first row of a metric; rows of one metric follow each other */
};

#define SP_COUNTER(type, field, metric, labels, help)                      \
    {                                                                      \
        SP_IS_COUNTER, #field, offsetof(type, field), metric, labels, help \
    }
#define SP_GAUGE(type, field, metric, labels, help)                      \
    {                                                                    \
        SP_IS_GAUGE, #field, offsetof(type, field), metric, labels, help \
    }

/* A struct of them as a part of a larger one: an object of /status. */
struct sp_counter_group {
    const char *name;
    const struct sp_counter *table;
    size_t n, offset;
};

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

/* A log field for each row, under the field's name; returns n. */
size_t sp_counters_fields(const struct sp_counter *table, size_t n, const void *base,
                          struct sp_log_field *out);

/* Of struct sp_tunnel_counters: all its fields; *n is how many. */
#define SP_TUNNEL_COUNTERS_MAX 32
const struct sp_counter *sp_tunnel_counter_table(size_t *n);

#endif
