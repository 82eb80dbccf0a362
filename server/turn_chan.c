/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_chan.h"

#include <stdlib.h>

#include "sallyport/err.h"

#define FIRST_CAP 4

void sp_turn_chans_init(struct sp_turn_chans *c)
{
    *c = (struct sp_turn_chans){.n = 0};
}

void sp_turn_chans_fini(struct sp_turn_chans *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->by_number[i]);
    free(c->by_number);
    free(c->by_peer);
    sp_turn_chans_init(c);
}

/* Where it is, or where it belongs. */
static size_t place_number(const struct sp_turn_chans *c, uint16_t number)
{
    size_t lo = 0, hi = c->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (c->by_number[mid]->number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static size_t place_peer(const struct sp_turn_chans *c, const struct sp_addr *peer)
{
    size_t lo = 0, hi = c->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (memcmp(&c->by_peer[mid]->peer, peer, sizeof *peer) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct sp_turn_chan *at_number(const struct sp_turn_chans *c, uint16_t number)
{
    size_t i = place_number(c, number);

    return i < c->n && c->by_number[i]->number == number ? c->by_number[i] : NULL;
}

static struct sp_turn_chan *at_peer(const struct sp_turn_chans *c, const struct sp_addr *peer)
{
    size_t i = place_peer(c, peer);

    return i < c->n && sp_addr_eq(&c->by_peer[i]->peer, peer) ? c->by_peer[i] : NULL;
}

static bool has_rested(const struct sp_turn_chan *ch, uint64_t now_us)
{
    return ch->expires_us + SP_TURN_CHAN_REST_US <= now_us;
}

static void sweep(struct sp_turn_chans *c, uint64_t now_us)
{
    size_t peers = 0, numbers = 0;

    for (size_t i = 0; i < c->n; i++) {
        if (!has_rested(c->by_peer[i], now_us))
            c->by_peer[peers++] = c->by_peer[i];
    }
    for (size_t i = 0; i < c->n; i++) {
        if (has_rested(c->by_number[i], now_us))
            free(c->by_number[i]);
        else
            c->by_number[numbers++] = c->by_number[i];
    }
    c->n = numbers;
}

static int grow(struct sp_turn_chans *c)
{
    size_t cap = c->cap == 0 ? FIRST_CAP : c->cap * 2;
    struct sp_turn_chan **by_number = realloc(c->by_number, cap * sizeof(struct sp_turn_chan *));

    if (by_number == NULL)
        return SP_ENOMEM;
    c->by_number = by_number;

    struct sp_turn_chan **by_peer = realloc(c->by_peer, cap * sizeof(struct sp_turn_chan *));

    if (by_peer == NULL)
        return SP_ENOMEM;
    c->by_peer = by_peer;
    c->cap = cap;
    return 0;
}

static void insert(struct sp_turn_chan **v, size_t n, size_t i, struct sp_turn_chan *ch)
{
    memmove(v + i + 1, v + i, (n - i) * sizeof(struct sp_turn_chan *));
    v[i] = ch;
}

static int add(struct sp_turn_chans *c, uint16_t number, const struct sp_addr *peer,
               uint64_t expires_us)
{
    if (c->n == c->cap && grow(c) != 0)
        return SP_ENOMEM;

    struct sp_turn_chan *ch = malloc(sizeof *ch);

    if (ch == NULL)
        return SP_ENOMEM;
    *ch = (struct sp_turn_chan){.peer = *peer, .number = number, .expires_us = expires_us};
    insert(c->by_number, c->n, place_number(c, number), ch);
    insert(c->by_peer, c->n, place_peer(c, peer), ch);
    c->n++;
    return 0;
}

int sp_turn_chans_bind(struct sp_turn_chans *c, uint16_t number, const struct sp_addr *peer,
                       size_t max, uint64_t now_us)
{
    struct sp_turn_chan *ch = at_number(c, number), *other = at_peer(c, peer);
    bool free_again =
        (ch != NULL && has_rested(ch, now_us)) || (other != NULL && has_rested(other, now_us));

    if (free_again || c->n >= max) {
        sweep(c, now_us);
        ch = at_number(c, number);
        other = at_peer(c, peer);
    }
    if (ch != other)
        return SP_EEXIST;
    if (ch == NULL) {
        if (c->n >= max)
            return SP_EFULL;
        return add(c, number, peer, now_us + SP_TURN_CHAN_LIFETIME_US);
    }
    ch->expires_us = now_us + SP_TURN_CHAN_LIFETIME_US;
    return 0;
}

static struct sp_turn_chan *if_bound(struct sp_turn_chan *ch, uint64_t now_us)
{
    return ch != NULL && ch->expires_us > now_us ? ch : NULL;
}

struct sp_turn_chan *sp_turn_chans_by_number(const struct sp_turn_chans *c, uint16_t number,
                                             uint64_t now_us)
{
    return if_bound(at_number(c, number), now_us);
}

struct sp_turn_chan *sp_turn_chans_by_peer(const struct sp_turn_chans *c,
                                           const struct sp_addr *peer, uint64_t now_us)
{
    return if_bound(at_peer(c, peer), now_us);
}
