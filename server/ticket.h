/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tickets: tokens that are good for one end of one rendezvous session, and for nothing else. Knows
 * not who gets one.
 */
#ifndef SALLYPORT_SERVER_TICKET_H
#define SALLYPORT_SERVER_TICKET_H

#include "rendezvous.h"
#include "sallyport/token.h"

/* `gateway`: the only one that this end may ask; "" for any. SP_ETOOBIG. */
int sp_ticket_make(struct sp_span secret, const struct sp_rdv_view *session, unsigned end,
                   const char *gateway, uint64_t expires_s, char out[static SP_TOKEN_MAX + 1]);

#endif
