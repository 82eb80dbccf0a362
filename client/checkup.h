/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `sallyport-client check`: what this network lets through. Does once, step by step, what the
 * gateway does all the time, and says of each step how it went. (Not check.h, which is
 * what unit tests include.)
 */
#ifndef SALLYPORT_CLIENT_CHECKUP_H
#define SALLYPORT_CLIENT_CHECKUP_H

#include "options.h"

/* Those of run, so that the same --config file will do; and --json. */
extern const struct sp_options_spec sp_check_options;

/* Prints the report; exit status 0 when the tunnel would work with one of the servers, 1 when it
 * would not, 2 when a file that the configuration names is no good. */
int sp_check_run(const struct sp_gateway_config *config, bool as_json);

#endif
