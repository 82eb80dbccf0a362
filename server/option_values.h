/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values that only the server's options have: one reading, for the check of the command line and
 * for the configuration that is made of it. SP_EINVAL: it is none, and nothing was written.
 */
#ifndef SALLYPORT_SERVER_OPTION_VALUES_H
#define SALLYPORT_SERVER_OPTION_VALUES_H

#include "relay_ips.h"

/* A list of tunnel,turn,ice-tcp,api,site as SP_SERVE_... */
int sp_value_serve(const char *value, unsigned *out);
/* ADDR[=PUBLIC], both of one family. */
int sp_value_relay_ip(const char *value, struct sp_relay_ip *out);
/* MIN-MAX, or "none" for 0. */
int sp_value_ports(const char *value, uint16_t *min, uint16_t *max);
/* ADDR, ADDR:PORT, [ADDR]:PORT; without a port it is 0. */
int sp_value_alternate(const char *value, struct sp_addr *out);

#endif
