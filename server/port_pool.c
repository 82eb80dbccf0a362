/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "port_pool.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "sallyport/err.h"

/* So many throws of the dice before the search goes port by port: then the pool is nearly full, and
 * a search finds what is left. */
#define THROWS 16

#define NOBODY 0

struct sp_port_pool {
    uint16_t min;
    size_t n;
    atomic_int *sockets;      /* from min on: 0, or the descriptor + 1 */
    _Atomic uint8_t owners[]; /* from min on: NOBODY, or the worker's index + 1 */
};

int sp_port_pool_new(uint16_t min, uint16_t max, struct sp_port_pool **out)
{
    if (min == 0 || min > max)
        return SP_EINVAL;

    size_t n = (size_t)max - min + 1;
    struct sp_port_pool *p = calloc(1, sizeof *p + n * sizeof p->owners[0]);

    if (p == NULL)
        return SP_ENOMEM;
    p->sockets = calloc(n, sizeof p->sockets[0]); /* mostly never touched */
    if (p->sockets == NULL) {
        free(p);
        return SP_ENOMEM;
    }
    p->min = min;
    p->n = n;
    *out = p;
    return 0;
}

void sp_port_pool_free(struct sp_port_pool *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        if (p->sockets[i] != 0)
            close(p->sockets[i] - 1);
    free(p->sockets);
    free(p);
}

static bool claim(struct sp_port_pool *p, size_t i, uint8_t owner)
{
    uint8_t nobody = NOBODY;

    return i < p->n && atomic_load_explicit(&p->owners[i], memory_order_relaxed) == NOBODY &&
           atomic_compare_exchange_strong_explicit(&p->owners[i], &nobody, owner,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static void release(struct sp_port_pool *p, size_t i)
{
    atomic_store_explicit(&p->owners[i], NOBODY, memory_order_relaxed);
}

static bool claim_fitting(struct sp_port_pool *p, size_t i, uint8_t owner, bool even, bool pair)
{
    if (even && (p->min + i) % 2 != 0)
        return false;
    if (!claim(p, i, owner))
        return false;
    if (!pair || claim(p, i + 1, owner))
        return true;
    release(p, i);
    return false;
}

int sp_port_pool_take(struct sp_port_pool *p, unsigned worker, struct sp_rng *rng, bool even,
                      bool pair, uint16_t *port)
{
    uint8_t owner = (uint8_t)(worker + 1);
    size_t at = 0;
    bool found = false;

    assert(worker < SP_WORKERS_MAX);
    even = even || pair;
    for (int i = 0; i < THROWS && !found; i++) {
        at = (size_t)sp_rng_below(rng, p->n);
        found = claim_fitting(p, at, owner, even, pair);
    }
    for (size_t i = 0; i < p->n && !found; i++) {
        at = (at + 1) % p->n;
        found = claim_fitting(p, at, owner, even, pair);
    }
    if (!found)
        return SP_EFULL;
    *port = (uint16_t)(p->min + at);
    return 0;
}

int sp_port_pool_owner(const struct sp_port_pool *p, uint16_t port)
{
    if (port < p->min || (size_t)port - p->min >= p->n)
        return -1;
    return atomic_load_explicit(&p->owners[port - p->min], memory_order_relaxed) - 1;
}

void sp_port_pool_give(struct sp_port_pool *p, uint16_t port)
{
    assert(sp_port_pool_owner(p, port) >= 0);
    release(p, (size_t)port - p->min);
}

void sp_port_pool_pass(struct sp_port_pool *p, uint16_t port, unsigned worker)
{
    assert(sp_port_pool_owner(p, port) >= 0 && worker < SP_WORKERS_MAX);
    atomic_store_explicit(&p->owners[port - p->min], (uint8_t)(worker + 1), memory_order_relaxed);
}

void sp_port_pool_leave(struct sp_port_pool *p, uint16_t port, int fd)
{
    assert(sp_port_pool_owner(p, port) >= 0);
    atomic_store(&p->sockets[port - p->min], fd + 1);
}

int sp_port_pool_fetch(struct sp_port_pool *p, uint16_t port)
{
    if (sp_port_pool_owner(p, port) < 0)
        return -1;
    return atomic_exchange(&p->sockets[port - p->min], 0) - 1;
}
