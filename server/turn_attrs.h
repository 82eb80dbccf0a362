/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attributes that this server understands. One list for all methods: an attribute that is known
 * and has no place in a message is ignored there (RFC 8489 section 6.3); only one that is not known
 * at all is answered with 420, or has an indication dropped.
 */
#ifndef SALLYPORT_SERVER_TURN_ATTRS_H
#define SALLYPORT_SERVER_TURN_ATTRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/stun.h"

/* True for all that need no comprehension (0x8000 and above). */
bool sp_turn_attr_is_known(uint16_t type);

/* Up to `cap` attributes of `m` that are not known; returns how many. */
size_t sp_turn_attrs_unknown(const struct sp_stun_msg *m, uint16_t *out, size_t cap);

#endif
