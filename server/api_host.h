/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control API asks its worker for, answered by the ends of his sessions.
 */
#ifndef SALLYPORT_SERVER_API_HOST_H
#define SALLYPORT_SERVER_API_HOST_H

#include "api.h"
#include "env.h"
#include "shared.h"

/* For `env->ends`. SP_ENOMEM. */
int sp_api_host_new(const struct sp_env *env, const struct sp_shared *shared, struct sp_api **out);

#endif
