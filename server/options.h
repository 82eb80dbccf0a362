/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's command line: its table of options, and their defaults. edge_config.h says what they
 * come to.
 */
#ifndef SALLYPORT_SERVER_OPTIONS_H
#define SALLYPORT_SERVER_OPTIONS_H

#include "sallyport/options.h"

#define SP_EDGE_ADMIN      "127.0.0.1:9641"   /* default of --admin */
#define SP_EDGE_CONGESTION "auto"             /* of --turn-congestion */
#define SP_EDGE_SERVE      "tunnel,turn,site" /* of --serve */
/* The same with --demo, whose page wants the API and, without a gateway, ICE-TCP. */
#define SP_EDGE_SERVE_DEMO "tunnel,turn,ice-tcp,api,site"

/* For the parser, --help, the manual page and tests. */
extern const struct sp_options_spec sp_edge_options;

#endif
