/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "late.h"
#include "sallyport/err.h"
#include "sallyport/list.h"
#include "sallyport/ratelimit.h"
#include "sallyport/sock.h"

#define BIND_TRIES 16 /* ports that turn out to be somebody else's */
#define BATCH      64

/* An address with its ports. */
struct relay_ip {
    const struct sp_relay_ip *ip;
    struct sp_port_pool *ports;
};

struct sp_relays {
    struct sp_env env;
    const struct sp_relay_ips *ips;
    struct sp_ratelimit log_limit;
    struct sp_list open;                /* relays with a socket */
    struct sp_relays_counters counters; /* drops: of relays that are closed */
};

/* One relayed address with a socket: what the engine's handle points to. */
struct relay {
    struct sp_relays *all;
    struct sp_turn_alloc *alloc;
    struct sp_dgram *sock;
    struct sp_link link;
};

static bool ip_at(const struct sp_relays *r, size_t i, struct relay_ip *out)
{
    *out = (struct relay_ip){sp_relay_ips_at(r->ips, i), sp_relay_ips_ports(r->ips, i)};
    return true;
}

static bool ip_of_family(const struct sp_relays *r, uint16_t family, struct relay_ip *out)
{
    for (size_t i = 0; i < sp_relay_ips_count(r->ips); i++)
        if (sp_relay_ips_at(r->ips, i)->local.family == family)
            return ip_at(r, i, out);
    return false;
}

static bool ip_of(const struct sp_relays *r, const struct sp_addr *local, struct relay_ip *out)
{
    for (size_t i = 0; i < sp_relay_ips_count(r->ips); i++)
        if (sp_addr_same_ip(&sp_relay_ips_at(r->ips, i)->local, local))
            return ip_at(r, i, out);
    return false;
}

static void add_drops(const struct relay *relay, struct sp_relays_counters *sum)
{
    const struct sp_dgram_counters *c = sp_dgram_counters(relay->sock);

    sum->dropped += c->dropped_full + c->dropped_error;
    sum->late += c->dropped_late;
    sum->overflowed += sp_dgram_overflowed(relay->sock);
}

/* NULL is fine. */
static void close_socket(struct relay *relay)
{
    if (relay == NULL)
        return;
    add_drops(relay, &relay->all->counters);
    sp_list_remove(&relay->link);
    sp_dgram_close(relay->sock);
    free(relay);
}

void sp_relays_free(struct sp_relays *r)
{
    free(r);
}

int sp_relays_new(const struct sp_env *env, const struct sp_relay_ips *ips, struct sp_relays **out)
{
    struct sp_relays *r = calloc(1, sizeof *r);
    int err = 0;

    if (r == NULL)
        return SP_ENOMEM;
    r->env = *env;
    r->ips = ips;
    sp_list_init(&r->open);
    sp_ratelimit_init(&r->log_limit, 1, 1);
    for (size_t i = 0; i < sp_relay_ips_count(ips) && err == 0; i++) {
        const struct sp_relay_ip *ip = sp_relay_ips_at(ips, i);
        err = sp_turn_add_relay_ip(env->turn, &ip->local, &ip->public_);
    }
    if (err != 0) {
        sp_relays_free(r);
        return err;
    }
    *out = r;
    return 0;
}

static void on_input(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n, void *arg)
{
    struct relay *relay = arg;
    struct sp_turn_peer_dgram batch[BATCH];
    const struct sp_env *env = &relay->all->env;

    while (n > 0) {
        size_t k = n < BATCH ? n : BATCH;
        for (size_t i = 0; i < k; i++)
            batch[i] = (struct sp_turn_peer_dgram){in[i].remote, in[i].body};
        sp_turn_from_peer(env->turn, relay->alloc, sp_dgram_local(d), batch, k,
                          sp_ticker_now(env->ticker));
        in += k;
        n -= k;
    }
}

/* A client is told 508 for anything; what the system said is for the operator. */
static void log_failure(struct sp_relays *r, const struct sp_addr *local, int why)
{
    if (sp_ratelimit_take(&r->log_limit, sp_ticker_now(r->env.ticker)))
        sp_log_warn(r->env.log, "cannot open a relayed address", SP_F_ADDR("address", local),
                    SP_F_STR("reason", strerrordesc_np(why)));
}

static int take_port(struct sp_relays *r, const struct relay_ip *ip,
                     const struct sp_turn_relay_request *want, uint16_t *port)
{
    return sp_port_pool_take(ip->ports, r->env.worker, r->env.rng, want->even_port, want->reserve,
                             port);
}

/* A key frame comes as one burst, and the system's default holds fewer than a hundred datagrams.
 * What comes before the port is anybody's is dropped: as little as possible is kept of it. */
static const struct sp_sock_options of_relay = {.rcvbuf = 1 << 20, .sndbuf = 1 << 20},
                                    of_reserved = {.rcvbuf = 1};

/* *in_use: another program sits on that port. */
static int failure(struct sp_relays *r, const struct sp_addr *local, int err, bool *in_use)
{
    *in_use = err == SP_ESYS && errno == EADDRINUSE;
    if (err == SP_ESYS && !*in_use)
        log_failure(r, local, errno);
    return SP_EFULL;
}

/* With the socket that it is given, or with one that it opens (fd: -1). */
static int open_socket(struct sp_relays *r, const struct sp_addr *local, int fd, struct relay **out,
                       bool *in_use)
{
    struct relay *relay = calloc(1, sizeof *relay);

    *in_use = false;
    if (relay == NULL)
        return SP_ENOMEM;
    relay->all = r;
    int err = fd < 0 ? sp_dgram_open(r->env.dgrams, local, &of_relay, on_input, relay, &relay->sock)
                     : sp_dgram_adopt(r->env.dgrams, fd, &of_relay, on_input, relay, &relay->sock);
    if (err != 0) {
        free(relay);
        return failure(r, local, err, in_use);
    }
    sp_dgram_limit_age(relay->sock, SP_MEDIA_MAX_AGE_US, sp_late_is_control);
    sp_list_append(&r->open, &relay->link);
    *out = relay;
    return 0;
}

/* Its socket waits in the pool, in no loop, for the worker where its token is shown: so nobody else
 * takes it meanwhile, not even for a moment. */
static int reserve(struct sp_relays *r, const struct relay_ip *ip, uint16_t port, bool *in_use)
{
    struct sp_addr local = ip->ip->local, bound;
    int fd;

    local.port = port;
    int err = sp_sock_udp(&local, &of_reserved, &fd, &bound);
    if (err != 0)
        return failure(r, &local, err, in_use);
    sp_port_pool_leave(ip->ports, port, fd);
    return 0;
}

/* A port of the pool's choice, and perhaps the next one, to be reserved. Tries a few: another
 * program may sit on one of the range. Those stay taken meanwhile, so that the same one isn't tried
 * again. */
static int open_new(struct sp_relays *r, const struct relay_ip *ip,
                    const struct sp_turn_relay_request *want, struct relay **out, uint16_t *port)
{
    struct sp_addr local = ip->ip->local;
    uint16_t busy[2 * BIND_TRIES];
    size_t n_busy = 0;
    bool in_use = true;
    int err = 0;

    for (int i = 0; i < BIND_TRIES && in_use; i++) {
        err = take_port(r, ip, want, port);
        if (err != 0)
            break;
        local.port = *port;
        err = open_socket(r, &local, -1, out, &in_use);
        if (err == 0 && want->reserve) {
            err = reserve(r, ip, (uint16_t)(*port + 1), &in_use);
            if (err != 0)
                close_socket(*out);
        }
        if (err == 0)
            break;
        busy[n_busy++] = *port;
        if (want->reserve)
            busy[n_busy++] = (uint16_t)(*port + 1);
    }
    for (size_t i = 0; i < n_busy; i++)
        sp_port_pool_give(ip->ports, busy[i]);
    return err;
}

/* Whichever worker's it was, it is this one's from now on. */
static int open_reserved(struct sp_relays *r, const struct relay_ip *ip,
                         const struct sp_addr *local, struct relay **out)
{
    int fd = sp_port_pool_fetch(ip->ports, local->port);
    bool in_use;

    if (fd < 0)
        return SP_EFULL;
    sp_sock_discard(fd);
    int err = open_socket(r, local, fd, out, &in_use);
    if (err != 0)
        close(fd);
    return err;
}

static int open_port(struct sp_relays *r, const struct relay_ip *ip,
                     const struct sp_turn_relay_request *want, struct relay **out, uint16_t *port)
{
    bool sockets = !sp_relay_ips_are_virtual(r->ips);
    int err = 0;

    *port = want->port;
    if (want->port == 0)
        return sockets ? open_new(r, ip, want, out, port) : take_port(r, ip, want, port);
    if (sockets)
        err = open_reserved(r, ip, &want->reserved, out);
    if (err == 0)
        sp_port_pool_pass(ip->ports, want->port, r->env.worker);
    return err;
}

static int open_relay(struct sp_relays *r, const struct relay_ip *ip,
                      const struct sp_turn_relay_request *want, struct sp_turn_alloc *alloc,
                      struct sp_turn_relay *out)
{
    struct relay *relay = NULL;
    uint16_t port;
    int err = open_port(r, ip, want, &relay, &port);

    if (err != 0)
        return err;
    if (relay != NULL)
        relay->alloc = alloc;
    *out =
        (struct sp_turn_relay){.relay = relay, .local = ip->ip->local, .public_ = ip->ip->public_};
    out->local.port = out->public_.port = port;
    return 0;
}

int sp_relays_open(struct sp_relays *r, const struct sp_turn_relay_request *want,
                   struct sp_turn_alloc *alloc, struct sp_turn_relay *out)
{
    struct relay_ip ip;
    int err = SP_EINVAL;

    if (ip_of_family(r, want->family, &ip))
        err = open_relay(r, &ip, want, alloc, out);
    if (err == 0)
        r->counters.opened++;
    else
        r->counters.refused++;
    return err;
}

void sp_relays_close(struct sp_relays *r, const struct sp_turn_relay *relay)
{
    struct relay *sock = relay->relay;

    if (sock != NULL)
        close_socket(sock);
    sp_relays_end_reservation(r, &relay->local);
}

void sp_relays_end_reservation(struct sp_relays *r, const struct sp_addr *local)
{
    struct relay_ip ip;

    if (!ip_of(r, local, &ip))
        return;
    int fd = sp_port_pool_fetch(ip.ports, local->port);
    if (fd >= 0)
        close(fd);
    sp_port_pool_give(ip.ports, local->port);
}

void sp_relays_send(void *relay, const struct sp_addr *peer, bool dont_fragment,
                    const struct sp_span *parts, size_t n)
{
    struct relay *sock = relay;

    sp_dgram_set_dont_fragment(sock->sock, dont_fragment);
    sp_dgram_send(sock->sock, peer, NULL, parts, n);
}

void sp_relays_counters(const struct sp_relays *r, struct sp_relays_counters *out)
{
    *out = r->counters;
    SP_LIST_EACH(&r->open, link, after)
    add_drops(SP_LIST_ITEM(link, struct relay, link), out);
}
