/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/netwatch.h"
#include "sallyport/sock.h"

/* A lease brings an address, then a route, then perhaps another address: wait until it is quiet,
 * but not for long. */
#define QUIET_US   SP_MS(20)
#define LONGEST_US SP_MS(200)

/* What a connection is concerned with. */
struct picture {
    struct sp_addr own[SP_NETWORK_ADDRS_MAX]; /* of links that are up, link-local ones at the end */
    size_t n, n_global;
    struct sp_addr out4, out6; /* where the way out leaves from; SP_FAMILY_NONE: there is none */
};

struct sp_network {
    struct sp_ticker *ticker;
    struct sp_netwatch *watch;
    struct sp_timer quiet;
    uint64_t first_us; /* of the news that have not been looked at */
    struct picture seen;
    sp_network_fn *fn;
    void *arg;
};

/* Each link has such an address, bridges of containers too: no news that one has come. */
static bool is_link_local(const struct sp_addr *a)
{
    if (a->family == SP_IPV4)
        return a->ip[0] == 169 && a->ip[1] == 254;
    return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

/* An address of a link that is down counts as none: nothing reaches it. */
static void add_addresses(struct picture *p, const struct ifaddrs *all, bool link_local)
{
    for (const struct ifaddrs *i = all; i != NULL && p->n < SP_NETWORK_ADDRS_MAX; i = i->ifa_next) {
        struct sp_addr a;
        if (i->ifa_addr == NULL || !(i->ifa_flags & IFF_RUNNING) ||
            sp_addr_from_sockaddr(i->ifa_addr, &a) != 0 || is_link_local(&a) != link_local)
            continue;
        a.port = 0;
        p->own[p->n++] = a;
    }
}

static void take_picture(struct picture *p)
{
    struct ifaddrs *all;

    *p = (struct picture){.n = 0};
    if (getifaddrs(&all) != 0)
        return;
    add_addresses(p, all, false);
    p->n_global = p->n;
    add_addresses(p, all, true);
    freeifaddrs(all);
    (void)sp_sock_default_addr(SP_IPV4, &p->out4);
    (void)sp_sock_default_addr(SP_IPV6, &p->out6);
}

static bool same_picture(const struct picture *a, const struct picture *b)
{
    return a->n_global == b->n_global &&
           memcmp(a->own, b->own, a->n_global * sizeof a->own[0]) == 0 &&
           sp_addr_eq(&a->out4, &b->out4) && sp_addr_eq(&a->out6, &b->out6);
}

static void on_quiet(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_network *w = arg;
    struct picture now;
    (void)t;
    (void)now_us;

    w->first_us = 0;
    take_picture(&now);
    if (same_picture(&now, &w->seen))
        return;
    w->seen = now;
    w->fn(now.own, now.n, w->arg);
}

static void on_news(void *arg)
{
    struct sp_network *w = arg;
    uint64_t now_us = sp_ticker_now(w->ticker), due_us = now_us + QUIET_US;

    if (w->first_us == 0)
        w->first_us = now_us;
    if (due_us > w->first_us + LONGEST_US)
        due_us = w->first_us + LONGEST_US;
    sp_timerq_set(&w->ticker->timers, &w->quiet, due_us); /* no memory: the next news count */
}

int sp_network_new(struct sp_ticker *ticker, sp_network_fn *fn, void *arg, struct sp_network **out)
{
    struct sp_network *w = calloc(1, sizeof *w);

    if (w == NULL)
        return SP_ENOMEM;
    w->ticker = ticker;
    w->fn = fn;
    w->arg = arg;
    sp_timer_init(&w->quiet, on_quiet, w);
    int err = sp_netwatch_new(ticker, SP_NETWATCH_WAYS, on_news, w, &w->watch);
    if (err != 0) {
        free(w);
        return err;
    }
    take_picture(&w->seen);
    *out = w;
    return 0;
}

void sp_network_free(struct sp_network *w)
{
    if (w == NULL)
        return;
    sp_netwatch_free(w->watch);
    sp_timerq_cancel(&w->ticker->timers, &w->quiet);
    free(w);
}
