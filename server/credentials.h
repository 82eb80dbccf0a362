/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `sallyport-server credentials`: prints a TURN username and password, a tunnel token, and the
 * iceServers list that an application would be given. Needs the secret, and no running server.
 */
#ifndef SALLYPORT_SERVER_CREDENTIALS_H
#define SALLYPORT_SERVER_CREDENTIALS_H

#include "sallyport/options.h"

extern const struct sp_options_spec sp_credentials_options;

/* Takes over `o`; returns the exit status. */
int sp_credentials_run(struct sp_options *o);

#endif
