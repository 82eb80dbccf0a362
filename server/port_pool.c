/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "port_pool.h"

#include <assert.h>
#include <stdlib.h>

#include "sallyport/err.h"

/* So many throws of the dice before the search goes port by port: then the pool is nearly full, and
 * a search finds what is left. */
#define THROWS 16

struct sp_port_pool {
    struct sp_rng *rng;
    uint16_t min;
    size_t n, n_free;
    uint64_t taken[]; /* one bit a port, from min on */
};

int sp_port_pool_new(uint16_t min, uint16_t max, struct sp_rng *rng, struct sp_port_pool **out)
{
    if (min == 0 || min > max)
        return SP_EINVAL;

    size_t n = (size_t)max - min + 1;
    struct sp_port_pool *p = calloc(1, sizeof *p + (n + 63) / 64 * sizeof p->taken[0]);

    if (p == NULL)
        return SP_ENOMEM;
    p->rng = rng;
    p->min = min;
    p->n = p->n_free = n;
    *out = p;
    return 0;
}

void sp_port_pool_free(struct sp_port_pool *p)
{
    free(p);
}

static bool is_free(const struct sp_port_pool *p, size_t i)
{
    return i < p->n && (p->taken[i / 64] >> (i % 64) & 1) == 0;
}

static void mark(struct sp_port_pool *p, size_t i)
{
    p->taken[i / 64] |= UINT64_C(1) << (i % 64);
    p->n_free--;
}

static bool fits(const struct sp_port_pool *p, size_t i, bool even, bool pair)
{
    if (even && (p->min + i) % 2 != 0)
        return false;
    return is_free(p, i) && (!pair || is_free(p, i + 1));
}

int sp_port_pool_take(struct sp_port_pool *p, bool even, bool pair, uint16_t *port)
{
    size_t at = 0;
    bool found = false;

    even = even || pair;
    if (p->n_free == 0)
        return SP_EFULL;
    for (int i = 0; i < THROWS && !found; i++) {
        at = (size_t)sp_rng_below(p->rng, p->n);
        found = fits(p, at, even, pair);
    }
    for (size_t i = 0; i < p->n && !found; i++) {
        at = (at + 1) % p->n;
        found = fits(p, at, even, pair);
    }
    if (!found)
        return SP_EFULL;
    mark(p, at);
    if (pair)
        mark(p, at + 1);
    *port = (uint16_t)(p->min + at);
    return 0;
}

bool sp_port_pool_is_taken(const struct sp_port_pool *p, uint16_t port)
{
    return port >= p->min && (size_t)port - p->min < p->n && !is_free(p, (size_t)port - p->min);
}

void sp_port_pool_give(struct sp_port_pool *p, uint16_t port)
{
    assert(sp_port_pool_is_taken(p, port));

    size_t i = (size_t)port - p->min;

    p->taken[i / 64] &= ~(UINT64_C(1) << (i % 64));
    p->n_free++;
}

size_t sp_port_pool_free_count(const struct sp_port_pool *p)
{
    return p->n_free;
}
