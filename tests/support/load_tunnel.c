/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load_tunnel.h"

#include <stdio.h>
#include <stdlib.h>

#include "sallyport/err.h"

static _Noreturn void die(size_t tunnel, const char *what, unsigned number)
{
    fprintf(stderr, "load: tunnel %zu: %s %u\n", tunnel, what, number);
    exit(1);
}

static void take(struct sp_flow *f, const struct sp_span *d, size_t n)
{
    uint64_t now_ns = load_now_ns();

    for (size_t i = 0; i < n; i++)
        load_end_take(sp_flow_user(f), d[i], now_ns);
}

void load_tunnels_open(struct load_tunnels *t, struct io_loop *loop,
                       const struct load_tunnels_config *c)
{
    t->n = c->n;
    t->lanes = c->lanes;
    t->ends = calloc(c->n, sizeof *t->ends);
    if (t->ends == NULL)
        die(0, "no memory for tunnels:", (unsigned)c->n);
    for (size_t i = 0; i < c->n; i++) {
        struct gateway_end *g = &t->ends[i];

        gateway_end_init(g, loop);
        g->take = take;
        for (unsigned lane = 0; lane < c->lanes; lane++) {
            unsigned status = gateway_end_join(g, &c->server, c->tls, c->token, lane);

            if (status != 101)
                die(i, "no lane; the server answers", status);
        }
    }
}

void load_tunnels_close(struct load_tunnels *t)
{
    for (size_t i = 0; i < t->n; i++)
        gateway_end_fini(&t->ends[i]);
    free(t->ends);
}

struct sp_flow *load_tunnels_flow(struct load_tunnels *t, size_t tunnel, struct load_end *e)
{
    struct gateway_end *g = &t->ends[tunnel];
    struct sp_flow *f;

    if (sp_flow_open(g->tunnel, SP_FLOW_TURN, &e->address, sp_ticker_now(&g->loop->ticker), &f) !=
        0)
        return NULL;
    sp_flow_set_user(f, e);
    return f;
}

void load_tunnels_check(const struct load_tunnels *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->ends[i].lanes_closed > 0)
            die(i, "lanes have ended:", t->ends[i].lanes_closed);
        if (t->ends[i].flows_closed > 0)
            die(i, "a flow was closed with", t->ends[i].closed_code);
    }
}
