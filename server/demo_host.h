/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the demo page asks its worker for: gateways, and who shares a LAN with them.
 */
#ifndef SALLYPORT_SERVER_DEMO_HOST_H
#define SALLYPORT_SERVER_DEMO_HOST_H

#include "demo.h"
#include "env.h"

/* For `env->ends`, which `env` outlives. The listeners are those of http_demo.c. SP_ENOMEM. */
int sp_demo_host_new(const struct sp_env *env, struct sp_demo **out);

#endif
