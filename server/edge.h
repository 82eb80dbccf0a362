/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edge server as a whole: what its workers share, the workers, the admin port, signals, and
 * the line that says that it is ready.
 */
#ifndef SALLYPORT_SERVER_EDGE_H
#define SALLYPORT_SERVER_EDGE_H

#include "edge_config.h"

/* Runs until a signal ends it. Returns the exit status: 0, 2 for a setting that is wrong, 1 when
 * the system refused; both are said in one line on standard error. */
int sp_edge_run(const struct sp_edge_config *c);

#endif
