/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guests.h"

#define SHARES   4 /* so many addresses may fill the place */
#define V6_PLACE 8 /* bytes of IPv6 that name one place: its hosts take what address they like */

void sp_guests_init(struct sp_guests *g, size_t max, size_t share, struct sp_rng *rng)
{
    size_t most = max / SHARES > 0 ? max / SHARES : 1;

    *g = (struct sp_guests){.max = max, .share = share < most ? share : most};
    sp_list_init(&g->list);
    sp_quota_init(&g->shares, rng);
}

void sp_guests_fini(struct sp_guests *g)
{
    sp_quota_fini(&g->shares);
}

int sp_guests_add(struct sp_guests *g, struct sp_guest *guest, const struct sp_addr *from)
{
    size_t len = from->family == SP_IPV6 ? V6_PLACE : sp_addr_ip_len(from);
    int err = sp_quota_take(&g->shares, sp_span(from->ip, len), g->share, &guest->share);

    if (err != 0)
        return err;
    sp_list_append(&g->list, &guest->link);
    g->n++;
    return 0;
}

void sp_guests_remove(struct sp_guests *g, struct sp_guest *guest)
{
    if (guest->share == NULL)
        return;
    sp_quota_give(&g->shares, guest->share);
    guest->share = NULL;
    sp_list_remove(&guest->link);
    g->n--;
}

struct sp_guest *sp_guests_surplus(const struct sp_guests *g)
{
    return g->n > g->max ? SP_LIST_ITEM(sp_list_first(&g->list), struct sp_guest, link) : NULL;
}
