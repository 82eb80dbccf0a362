/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocate (RFC 8656 section 7.2): which relayed addresses a client gets, and for how long.
 */
#ifndef SALLYPORT_SERVER_TURN_ALLOCATE_H
#define SALLYPORT_SERVER_TURN_ALLOCATE_H

#include <stdint.h>

#include "turn_request.h"

/* An authenticated Allocate; sets r->alloc when it makes one. */
void sp_turn_answer_allocate(struct sp_turn_request *r);

/* What LIFETIME asks for, within the bounds of the configuration; 0 stays 0. SP_EBADMSG. */
int sp_turn_lifetime_of(const struct sp_turn_request *r, uint32_t *out);

#endif
