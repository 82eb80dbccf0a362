/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells when the addresses of this host's interfaces have changed, or anything about its links and
 * routes: by the kernel's word (rtnetlink), or, where the system grants no such socket, every ten
 * seconds whether they have or not. Knows not what they are (sock.h).
 */
#ifndef SALLYPORT_NETWATCH_H
#define SALLYPORT_NETWATCH_H

#include "sallyport/ticker.h"

struct sp_netwatch;

/* They may have changed. Once a loop turn at most; may free the watch. */
typedef void sp_netwatch_fn(void *arg);

/* Addresses alone, or links and routes as well: that may be news all day. */
enum sp_netwatch_what { SP_NETWATCH_ADDRESSES, SP_NETWATCH_WAYS };

/* SP_ENOMEM. */
int sp_netwatch_new(struct sp_ticker *ticker, enum sp_netwatch_what what, sp_netwatch_fn *changed,
                    void *arg, struct sp_netwatch **out);
void sp_netwatch_free(struct sp_netwatch *w); /* NULL is allowed */

#endif
