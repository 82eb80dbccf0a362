/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_relayed.h"

void sp_turn_relayed_init(struct sp_turn_relayed *r, struct sp_rng *rng)
{
    *r = (struct sp_turn_relayed){0};
    SP_MAP_INIT(&r->by_addr, struct sp_turn_relayed_name, node, addr, rng);
}

void sp_turn_relayed_fini(struct sp_turn_relayed *r)
{
    sp_map_fini(&r->by_addr);
}

static int add(struct sp_turn_relayed *r, struct sp_turn_relayed_name *n,
               const struct sp_addr *addr, struct sp_turn_alloc *alloc)
{
    n->addr = *addr;

    int err = sp_map_add(&r->by_addr, &n->node);

    if (err == 0)
        n->alloc = alloc;
    return err;
}

static void del(struct sp_turn_relayed *r, struct sp_turn_relayed_name *n)
{
    if (n->alloc == NULL)
        return;
    sp_map_del(&r->by_addr, &n->node);
    n->alloc = NULL;
}

int sp_turn_relayed_add(struct sp_turn_relayed *r, struct sp_turn_relayed_names *n,
                        const struct sp_turn_relay *relay, struct sp_turn_alloc *alloc)
{
    int err = add(r, &n->local, &relay->local, alloc);

    if (err == 0 && !sp_addr_eq(&relay->local, &relay->public_))
        err = add(r, &n->public_, &relay->public_, alloc);
    if (err != 0)
        del(r, &n->local);
    return err;
}

void sp_turn_relayed_del(struct sp_turn_relayed *r, struct sp_turn_relayed_names *n)
{
    del(r, &n->local);
    del(r, &n->public_);
}

struct sp_turn_alloc *sp_turn_relayed_find(struct sp_turn_relayed *r, const struct sp_addr *addr)
{
    struct sp_map_node *n = sp_map_get_near(&r->by_addr, &r->lately, addr->port, addr);

    return n == NULL ? NULL : SP_CONTAINER_OF(n, struct sp_turn_relayed_name, node)->alloc;
}

struct sp_turn_alloc *sp_turn_relayed_recall(struct sp_turn_relayed *r, const struct sp_addr *addr,
                                             struct sp_turn_relayed_memo *memo)
{
    if (memo->alloc == NULL || memo->losses != r->by_addr.losses)
        *memo = (struct sp_turn_relayed_memo){sp_turn_relayed_find(r, addr), r->by_addr.losses};
    return memo->alloc;
}
