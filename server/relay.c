/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "port_pool.h"
#include "sallyport/err.h"
#include "sallyport/list.h"
#include "sallyport/ratelimit.h"
#include "sallyport/sock.h"

#define IPS_MAX    16
#define BIND_TRIES 16 /* ports that turn out to be somebody else's */
#define BATCH      64

struct relay_ip {
    struct sp_relay_ip ip;
    struct sp_port_pool *ports;
};

struct sp_relays {
    struct sp_env env;
    struct relay_ip ips[IPS_MAX];
    size_t n_ips;
    bool virtual_;
    struct sp_ratelimit log_limit;
    struct sp_list open;                /* relays with a socket */
    struct sp_relays_counters counters; /* `dropped`: of relays that are closed */
};

/* One relayed address with a socket: what the engine's handle points to. */
struct relay {
    struct sp_relays *all;
    struct sp_turn_alloc *alloc;
    struct sp_dgram *sock;
    struct sp_link link;
};

static struct relay_ip *ip_of_family(struct sp_relays *r, uint16_t family)
{
    for (size_t i = 0; i < r->n_ips; i++)
        if (r->ips[i].ip.local.family == family)
            return &r->ips[i];
    return NULL;
}

static struct relay_ip *ip_of(struct sp_relays *r, const struct sp_addr *local)
{
    for (size_t i = 0; i < r->n_ips; i++)
        if (sp_addr_same_ip(&r->ips[i].ip.local, local))
            return &r->ips[i];
    return NULL;
}

int sp_relay_ip_check(const struct sp_relay_ip *ip)
{
    struct sp_addr bound;
    int fd, err = sp_sock_udp(&ip->local, NULL, &fd, &bound);

    if (err == 0)
        close(fd);
    return err;
}

void sp_relays_free(struct sp_relays *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n_ips; i++)
        sp_port_pool_free(r->ips[i].ports);
    free(r);
}

int sp_relays_new(const struct sp_env *env, const struct sp_relay_ip *ips, size_t n,
                  uint16_t min_port, uint16_t max_port, struct sp_relays **out)
{
    int err = 0;

    if (n == 0 || n > IPS_MAX)
        return SP_EINVAL;
    struct sp_relays *r = calloc(1, sizeof *r);
    if (r == NULL)
        return SP_ENOMEM;
    r->env = *env;
    sp_list_init(&r->open);
    sp_ratelimit_init(&r->log_limit, 1, 1);
    r->virtual_ = min_port == 0;
    if (r->virtual_) {
        min_port = SP_PORT_DYNAMIC_MIN;
        max_port = SP_PORT_DYNAMIC_MAX;
    }
    for (size_t i = 0; i < n && err == 0; i++) {
        r->ips[i].ip = ips[i];
        err = sp_port_pool_new(min_port, max_port, env->rng, &r->ips[i].ports);
        if (err == 0) {
            r->n_ips++;
            err = sp_turn_add_relay_ip(env->turn, &ips[i].local, &ips[i].public_);
        }
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

/* Tries a few ports: another program may sit on one of the range. Those stay taken meanwhile, so
 * that the same one isn't tried again. */
static int open_socket(struct sp_relays *r, struct relay_ip *ip, struct relay *relay,
                       const struct sp_turn_relay_request *want, uint16_t *port)
{
    /* A key frame comes as one burst, and the system's default holds fewer than a hundred
     * datagrams. */
    static const struct sp_sock_options o = {.rcvbuf = 1 << 20, .sndbuf = 1 << 20};
    uint16_t busy[BIND_TRIES];
    size_t n_busy = 0;
    int err = SP_EFULL;

    while (n_busy < BIND_TRIES) {
        struct sp_addr local = ip->ip.local;
        err = 0;
        if (want->port != 0)
            *port = want->port; /* reserved before, and taken since */
        else
            err = sp_port_pool_take(ip->ports, want->even_port, want->reserve, port);
        if (err != 0)
            break;
        local.port = *port;
        err = sp_dgram_open(r->env.dgrams, &local, &o, on_input, relay, &relay->sock);
        if (err == 0)
            break;
        bool in_use = err == SP_ESYS && errno == EADDRINUSE;
        if (err == SP_ESYS && !in_use)
            log_failure(r, &local, errno);
        err = SP_EFULL;
        if (want->port == 0) /* a reserved one stays taken: reservation_end gives it back */
            busy[n_busy++] = *port;
        if (want->reserve)
            sp_port_pool_give(ip->ports, (uint16_t)(*port + 1));
        if (!in_use || want->port != 0)
            break;
    }
    for (size_t i = 0; i < n_busy; i++)
        sp_port_pool_give(ip->ports, busy[i]);
    return err;
}

static int open_relay(struct sp_relays *r, struct relay_ip *ip,
                      const struct sp_turn_relay_request *want, struct sp_turn_alloc *alloc,
                      struct sp_turn_relay *out)
{
    uint16_t port = want->port;
    struct relay *relay = NULL;
    int err = 0;

    if (r->virtual_) {
        if (port == 0)
            err = sp_port_pool_take(ip->ports, want->even_port, want->reserve, &port);
    } else {
        relay = calloc(1, sizeof *relay);
        if (relay == NULL)
            return SP_ENOMEM;
        *relay = (struct relay){.all = r, .alloc = alloc};
        err = open_socket(r, ip, relay, want, &port);
        if (err == 0)
            sp_list_append(&r->open, &relay->link);
    }
    if (err != 0) {
        free(relay);
        return err;
    }
    *out = (struct sp_turn_relay){.relay = relay, .local = ip->ip.local, .public_ = ip->ip.public_};
    out->local.port = out->public_.port = port;
    return 0;
}

int sp_relays_open(struct sp_relays *r, const struct sp_turn_relay_request *want,
                   struct sp_turn_alloc *alloc, struct sp_turn_relay *out)
{
    struct relay_ip *ip = ip_of_family(r, want->family);

    int err = ip == NULL ? SP_EINVAL : open_relay(r, ip, want, alloc, out);
    if (err == 0)
        r->counters.opened++;
    else
        r->counters.refused++;
    return err;
}

static uint64_t dropped_by(const struct relay *sock)
{
    const struct sp_dgram_counters *c = sp_dgram_counters(sock->sock);

    return c->dropped_full + c->dropped_error;
}

void sp_relays_close(struct sp_relays *r, const struct sp_turn_relay *relay)
{
    struct relay *sock = relay->relay;

    if (sock != NULL) {
        r->counters.dropped += dropped_by(sock);
        sp_list_remove(&sock->link);
        sp_dgram_close(sock->sock);
        free(sock);
    }
    sp_relays_end_reservation(r, &relay->local);
}

void sp_relays_end_reservation(struct sp_relays *r, const struct sp_addr *local)
{
    struct relay_ip *ip = ip_of(r, local);

    if (ip != NULL)
        sp_port_pool_give(ip->ports, local->port);
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
    out->dropped += dropped_by(SP_LIST_ITEM(link, struct relay, link));
}
