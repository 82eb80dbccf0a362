/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which way a peer's address goes: whether the policy lets it be relayed to, and whether it is one
 * of this server's own relay addresses, where hairpin answers. Permissions and channels remember
 * the answer, so that the data path asks neither list for each datagram.
 */
#ifndef SALLYPORT_SERVER_TURN_ROUTE_H
#define SALLYPORT_SERVER_TURN_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer_policy.h"
#include "sallyport/addr.h"

struct sp_turn_routes {
    const struct sp_peer_policy *policy;
    struct sp_addr *ours; /* relay addresses, local and public; port 0 */
    size_t n_ours;
};

/* A remembered answer; all zero: none yet. */
struct sp_turn_route {
    uint32_t stamp; /* of the rules it was made by */
    bool allowed;   /* by the policy */
    bool ours;      /* hairpin answers there, and the operator has not refused it */
};

void sp_turn_routes_init(struct sp_turn_routes *r, const struct sp_peer_policy *policy);
void sp_turn_routes_fini(struct sp_turn_routes *r);

/* SP_ENOMEM. An address that is there already changes nothing. */
int sp_turn_routes_add_ours(struct sp_turn_routes *r, const struct sp_addr *ip);

/* Whether permissions and channels for this peer may be made at all. The server's own relay
 * addresses are the exception from the list of denied ones, but not from the operator's word. */
bool sp_turn_routes_may_permit(const struct sp_turn_routes *r, const struct sp_addr *peer);

/* Makes `route` right for `peer`, if rules have changed since it was made. */
void sp_turn_route_refresh(const struct sp_turn_routes *r, const struct sp_addr *peer,
                           struct sp_turn_route *route);

#endif
