/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log lines of an allocation: one when it is made, and one at its end that tells how it was.
 * What they hold is in README.md; passwords and tunnel ids are not.
 */
#ifndef SALLYPORT_SERVER_ALLOC_LOG_H
#define SALLYPORT_SERVER_ALLOC_LOG_H

#include "env.h"
#include "turn.h"

void sp_alloc_log_begin(const struct sp_env *env, const struct sp_turn_alloc *a);
void sp_alloc_log_end(const struct sp_env *env, const struct sp_turn_alloc *a,
                      enum sp_turn_end why);

#endif
