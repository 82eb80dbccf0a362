/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_route.h"

#include <stdlib.h>

#include "sallyport/err.h"

void sp_turn_routes_init(struct sp_turn_routes *r, const struct sp_peer_policy *policy)
{
    *r = (struct sp_turn_routes){.policy = policy};
}

void sp_turn_routes_fini(struct sp_turn_routes *r)
{
    free(r->ours);
    r->ours = NULL;
    r->n_ours = 0;
}

static bool is_ours(const struct sp_turn_routes *r, const struct sp_addr *ip)
{
    for (size_t i = 0; i < r->n_ours; i++) {
        if (sp_addr_same_ip(&r->ours[i], ip))
            return true;
    }
    return false;
}

int sp_turn_routes_add_ours(struct sp_turn_routes *r, const struct sp_addr *ip)
{
    if (is_ours(r, ip))
        return 0;

    struct sp_addr *ours = realloc(r->ours, (r->n_ours + 1) * sizeof *ours);

    if (ours == NULL)
        return SP_ENOMEM;
    ours[r->n_ours] = *ip;
    ours[r->n_ours++].port = 0;
    r->ours = ours;
    return 0;
}

bool sp_turn_routes_may_permit(const struct sp_turn_routes *r, const struct sp_addr *peer)
{
    enum sp_peer_verdict v = sp_peer_policy_judge(r->policy, peer);

    return v == SP_PEER_ALLOWED || (v == SP_PEER_DENIED && is_ours(r, peer));
}

void sp_turn_route_refresh(const struct sp_turn_routes *r, const struct sp_addr *peer,
                           struct sp_turn_route *route)
{
    /* Both only grow, so no two states of the rules have the same sum; and it is never 0. */
    uint32_t stamp = sp_peer_policy_generation(r->policy) + (uint32_t)r->n_ours;

    if (route->stamp == stamp)
        return;

    enum sp_peer_verdict v = sp_peer_policy_judge(r->policy, peer);

    *route = (struct sp_turn_route){
        .stamp = stamp,
        .allowed = v == SP_PEER_ALLOWED,
        .ours = v != SP_PEER_REFUSED && is_ours(r, peer),
    };
}
