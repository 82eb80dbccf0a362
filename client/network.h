/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells when this host's network has become another: an address came or went, a link went up or
 * down, the way out leaves from another address. The kernel tells of much more
 * (sallyport/netwatch.h: routes that are confirmed, leases that are renewed, bridges of
 * containers); what makes no difference to a connection is not told on. Knows nothing of lanes.
 */
#ifndef SALLYPORT_CLIENT_NETWORK_H
#define SALLYPORT_CLIENT_NETWORK_H

#include "sallyport/addr.h"
#include "sallyport/ticker.h"

#define SP_NETWORK_ADDRS_MAX 256

struct sp_network;

/* `own`: the addresses of this host's links that are up, port 0; when there are
 * SP_NETWORK_ADDRS_MAX of them there may be more. */
typedef void sp_network_fn(const struct sp_addr *own, size_t n, void *arg);

/* Several changes that come together, as when an address and its route are set, are told once,
 * from the loop. SP_ENOMEM. */
int sp_network_new(struct sp_ticker *ticker, sp_network_fn *fn, void *arg, struct sp_network **out);
/* NULL is fine. */
void sp_network_free(struct sp_network *w);

#endif
