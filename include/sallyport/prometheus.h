/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes samples in Prometheus' text format (version 0.0.4) into a buffer: HELP and TYPE before the
 * first of a metric, then its samples, which the caller gives one after the other. All names get
 * the prefix "sallyport_", but those of the process, which are the same for every program. Bound
 * and no memory are remembered: one check at the end is enough.
 */
#ifndef SALLYPORT_PROMETHEUS_H
#define SALLYPORT_PROMETHEUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/buf.h"
#include "sallyport/counters.h"

#define SP_PROMETHEUS_TYPE   "text/plain; version=0.0.4; charset=utf-8"
#define SP_PROMETHEUS_PREFIX "sallyport_"

struct sp_prometheus {
    struct sp_buf *out;
    const char *last; /* the metric that was written last */
    bool failed;      /* something did not fit into `out` */
};

void sp_prometheus_init(struct sp_prometheus *p, struct sp_buf *out);

/* A metric apart from its value; `name` is a literal, or outlives `p`. */
struct sp_sample {
    enum sp_counter_kind kind;
    const char *name;   /* behind the prefix */
    const char *labels; /* NULL, or like `lane="0"`; from outside: sp_prometheus_label */
    const char *help;   /* may be NULL when the metric's first sample had it */
};
void sp_prometheus_sample(struct sp_prometheus *p, const struct sp_sample *s, uint64_t value);
/* Given in microseconds, written in seconds, as all times are. */
void sp_prometheus_seconds(struct sp_prometheus *p, const struct sp_sample *s, uint64_t us);

/* All of a table; all of several that describe parts of one struct. */
void sp_prometheus_table(struct sp_prometheus *p, const struct sp_counter *table, size_t n,
                         const void *base);
void sp_prometheus_groups(struct sp_prometheus *p, const struct sp_counter_group *groups, size_t n,
                          const void *base);

/* Version and cryptography, as the labels of a metric that is 1. */
void sp_prometheus_build_info(struct sp_prometheus *p);

/* The process_… metrics that every client library of Prometheus has; what the system does not tell
 * is left out. `start_unix_s` is when the process began. */
void sp_prometheus_process(struct sp_prometheus *p, uint64_t start_unix_s);

/* `name="value"` with what the format wants escaped; a value that does not fit is cut. */
#define SP_LABEL_MAX 256
const char *sp_prometheus_label(const char *name, const char *value, char out[static SP_LABEL_MAX]);

#endif
