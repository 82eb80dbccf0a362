/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "access.h"

#include "sallyport/clock.h"

#define LOOK_US  SP_SEC(1)
#define TRUST_US SP_SEC(60) /* an address that was ours may be somebody else's by now */

void sp_access_init(struct sp_access *a, const struct sp_cidr *lan, size_t n_lan,
                    sp_access_own_fn *own_addrs)
{
    a->lan = lan;
    a->n_lan = n_lan;
    a->own_addrs = own_addrs;
    a->n_own = 0;
    a->looked_us = 0;
}

static bool is_own(const struct sp_access *a, const struct sp_addr *remote)
{
    for (size_t i = 0; i < a->n_own; i++)
        if (sp_addr_same_ip(&a->own[i], remote))
            return true;
    return false;
}

static void look(struct sp_access *a, uint64_t now_us)
{
    size_t n = a->own_addrs(a->own, SP_ACCESS_OWN_MAX);

    a->n_own = n < SP_ACCESS_OWN_MAX ? n : SP_ACCESS_OWN_MAX;
    a->looked_us = now_us;
}

void sp_access_look_again(struct sp_access *a)
{
    a->looked_us = 0;
}

bool sp_access_allows(struct sp_access *a, const struct sp_addr *remote, uint64_t now_us)
{
    if (sp_addr_is_loopback(remote))
        return true;
    for (size_t i = 0; i < a->n_lan; i++)
        if (sp_cidr_contains(&a->lan[i], remote))
            return true;
    bool own = is_own(a, remote);
    if (a->looked_us == 0 || now_us - a->looked_us >= (own ? TRUST_US : LOOK_US)) {
        look(a, now_us);
        own = is_own(a, remote);
    }
    return own;
}
