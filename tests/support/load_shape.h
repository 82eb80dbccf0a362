/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the load generator's ends send: each as often as the others, one after the other, evenly
 * spread, so that what is due next needs no queue, however many ends there are. Pure.
 */
#ifndef SALLYPORT_TEST_LOAD_SHAPE_H
#define SALLYPORT_TEST_LOAD_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

struct load_shape {
    unsigned burst, bytes; /* datagrams at once, and how long they are */
    uint32_t ends, next;
    double interval_ns; /* from one end's burst to the next end's */
    double due_ns;
};

/* `per_s` bursts a second of each end, from `start_ns` on. */
void load_shape_init(struct load_shape *s, uint32_t ends, double per_s, unsigned burst,
                     unsigned bytes);
void load_shape_start(struct load_shape *s, uint64_t start_ns);

/* Whether an end has to send a burst by now; then which. */
bool load_shape_next(struct load_shape *s, uint64_t now_ns, uint32_t *end);

/* Datagrams a second of all ends. */
double load_shape_rate(const struct load_shape *s);

#endif
