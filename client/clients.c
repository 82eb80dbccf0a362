/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clients.h"

#include <assert.h>
#include <stdlib.h>

#include "sallyport/err.h"

void sp_clients_init(struct sp_clients *c, size_t max, struct sp_rng *rng)
{
    SP_MAP_INIT(&c->udp, struct sp_client, node, pair, rng);
    sp_list_init(&c->used);
    c->n = 0;
    c->max = max;
}

void sp_clients_fini(struct sp_clients *c)
{
    assert(c->n == 0);
    sp_map_fini(&c->udp);
}

struct sp_client *sp_clients_find(struct sp_clients *c, const struct sp_client_pair *pair)
{
    struct sp_map_node *node = sp_map_get(&c->udp, pair);
    return node != NULL ? SP_CONTAINER_OF(node, struct sp_client, node) : NULL;
}

int sp_clients_add(struct sp_clients *c, const struct sp_client_pair *pair, struct sp_dgram *udp,
                   struct sp_client **out)
{
    if (c->n >= c->max)
        return SP_EFULL;
    struct sp_client *cl = calloc(1, sizeof *cl);
    if (cl == NULL)
        return SP_ENOMEM;
    cl->pair = *pair;
    cl->udp = udp;
    int err = udp != NULL ? sp_map_add(&c->udp, &cl->node) : 0;
    if (err != 0) {
        free(cl);
        return err;
    }
    sp_list_append(&c->used, &cl->used);
    c->n++;
    *out = cl;
    return 0;
}

void sp_clients_remove(struct sp_clients *c, struct sp_client *cl)
{
    if (cl->udp != NULL)
        sp_map_del(&c->udp, &cl->node);
    sp_list_remove(&cl->used);
    c->n--;
    free(cl);
}

void sp_clients_touch(struct sp_clients *c, struct sp_client *cl)
{
    sp_list_remove(&cl->used);
    sp_list_append(&c->used, &cl->used);
}

struct sp_client *sp_clients_oldest(const struct sp_clients *c)
{
    struct sp_link *link = sp_list_first(&c->used);
    return link != NULL ? SP_LIST_ITEM(link, struct sp_client, used) : NULL;
}
