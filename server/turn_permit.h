/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CreatePermission and ChannelBind (RFC 8656 sections 10.2 and 12.2): with whom a client may
 * exchange data.
 */
#ifndef SALLYPORT_SERVER_TURN_PERMIT_H
#define SALLYPORT_SERVER_TURN_PERMIT_H

#include "turn_request.h"

/* Both are authenticated, and r->alloc is the user's. Each is carried out whole or not at all. */
void sp_turn_answer_create_permission(struct sp_turn_request *r);
void sp_turn_answer_channel_bind(struct sp_turn_request *r);

#endif
