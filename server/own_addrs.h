/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses of this host, which nobody may be relayed to: read at start, and again whenever
 * they have changed, so that the peer policy knows them as they are.
 */
#ifndef SALLYPORT_SERVER_OWN_ADDRS_H
#define SALLYPORT_SERVER_OWN_ADDRS_H

#include "peer_policy.h"
#include "sallyport/log.h"
#include "sallyport/ticker.h"

struct sp_own_addrs;

/* Tells the policy what they are now. If the system doesn't say, what the policy knows stays.
 * SP_ENOMEM. */
int sp_own_addrs_read(struct sp_peer_policy *policy);

/* Keeps it so. `policy` is borrowed and used on this ticker's loop alone. SP_ENOMEM. */
int sp_own_addrs_watch(struct sp_ticker *ticker, struct sp_peer_policy *policy,
                       const struct sp_log *log, struct sp_own_addrs **out);
void sp_own_addrs_free(struct sp_own_addrs *o); /* NULL is allowed */

#endif
