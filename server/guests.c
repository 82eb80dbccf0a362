/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guests.h"

#define SHARES   4 /* so many addresses may fill the place, and half as many a worker's part */
#define V6_PLACE 8 /* bytes of IPv6 that name one place: its hosts take what address they like */

static size_t part_of(size_t n, size_t parts)
{
    return n / parts > 0 ? n / parts : 1;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void sp_guests_init(struct sp_guests *g, const struct sp_guests_bounds *b, struct sp_rng *rng)
{
    *g = (struct sp_guests){.max = part_of(b->max, b->workers), .shares = b->shares};
    g->share = least(b->share, part_of(b->max, SHARES));
    g->own_share = least(g->share, part_of(g->max, b->workers > 1 ? SHARES / 2 : SHARES));
    sp_list_init(&g->list);
    sp_quota_init(&g->own, rng);
}

void sp_guests_fini(struct sp_guests *g)
{
    sp_quota_fini(&g->own);
}

int sp_guests_add(struct sp_guests *g, struct sp_guest *guest, const struct sp_addr *from)
{
    size_t len = from->family == SP_IPV6 ? V6_PLACE : sp_addr_ip_len(from);
    struct sp_span place = sp_span(from->ip, len);
    int err = sp_quota_take(g->shares, place, g->share, &guest->share);

    if (err == 0) {
        err = sp_quota_take(&g->own, place, g->own_share, &guest->own);
        if (err != 0)
            sp_quota_give(g->shares, guest->share);
    }
    if (err != 0) {
        guest->share = NULL;
        return err;
    }
    sp_list_append(&g->list, &guest->link);
    g->n++;
    return 0;
}

void sp_guests_remove(struct sp_guests *g, struct sp_guest *guest)
{
    if (guest->share == NULL)
        return;
    sp_quota_give(g->shares, guest->share);
    sp_quota_give(&g->own, guest->own);
    guest->share = guest->own = NULL;
    sp_list_remove(&guest->link);
    g->n--;
}

struct sp_guest *sp_guests_surplus(const struct sp_guests *g)
{
    return g->n > g->max ? SP_LIST_ITEM(sp_list_first(&g->list), struct sp_guest, link) : NULL;
}
