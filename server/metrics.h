/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the server counts, one row for each figure: its name in /metrics and /status, and the help
 * that an operator reads.
 */
#ifndef SALLYPORT_SERVER_METRICS_H
#define SALLYPORT_SERVER_METRICS_H

#include "sallyport/counters.h"
#include "worker.h"

/* Parts of struct sp_worker_stats. The first group is what there is now, the others only grow. */
const struct sp_counter_group *sp_server_metrics(size_t *n);

/* One worker's figures on top of those of others. */
void sp_server_stats_add(struct sp_worker_stats *sum, const struct sp_worker_stats *one);

#endif
