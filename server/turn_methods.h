/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * STUN messages from clients, by method and class: requests are checked and handed to who answers
 * them, Send indications go to the data path, the rest is dropped (RFC 8489 section 6.3).
 */
#ifndef SALLYPORT_SERVER_TURN_METHODS_H
#define SALLYPORT_SERVER_TURN_METHODS_H

#include <stdint.h>

#include "sallyport/bytes.h"
#include "turn_alloc.h"

struct sp_turn;

/* One message from `path`, whose allocation is `a` (or NULL). Returns the allocation that the path
 * has afterwards. */
struct sp_turn_alloc *sp_turn_stun_input(struct sp_turn *t, const struct sp_turn_path *path,
                                         struct sp_turn_alloc *a, struct sp_span msg,
                                         uint64_t now_us, uint64_t unix_s);

#endif
