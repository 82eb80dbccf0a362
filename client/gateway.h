/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway program as a whole. gateway.c is where to begin reading.
 */
#ifndef SALLYPORT_CLIENT_GATEWAY_H
#define SALLYPORT_CLIENT_GATEWAY_H

#include "options.h"

/* Runs until a signal ends it. Returns the exit status: 0; 1: the system refused something; 2: a
 * file that an option names is no good. What went wrong stands on standard error. */
int sp_gateway_run(const struct sp_gateway_config *config);

#endif
