/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "local.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "access.h"
#include "clients.h"
#include "sallyport/chandata.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/listener.h"
#include "sallyport/msg_stream.h"
#include "sallyport/stun.h"

#define PORT_TRIES 32

/* A browser that does not read for that long has lost its call anyway. */
#define TCP_QUEUE_BYTES (256 * 1024)
#define TCP_AGE_US      SP_SEC(2)

struct port {
    struct sp_local *local;
    struct sp_dgram *udp;
    struct sp_listener *tcp;
};

struct sp_local {
    const struct sp_client_env *env;
    struct sp_tunnel *tunnel; /* NULL: opens no flows */
    struct sp_access access;
    struct sp_clients clients;
    struct port ports[SP_LOCAL_PORTS_MAX];
    size_t n_ports;
    struct sp_local_counters counters;
};

/* --- clients -------------------------------------------------------------------------------- */

/* Without a word to the tunnel. */
static void forget(struct sp_local *l, struct sp_client *c)
{
    sp_msg_stream_free(c->tcp);
    sp_clients_remove(&l->clients, c);
}

static void end(struct sp_local *l, struct sp_client *c, uint64_t now_us)
{
    if (c->flow != NULL)
        sp_flow_close(c->flow, now_us);
    forget(l, c);
}

/* NULL: no memory. */
static struct sp_client *add(struct sp_local *l, const struct sp_client_pair *pair,
                             struct sp_dgram *udp, uint64_t now_us)
{
    struct sp_client *c;

    if (l->clients.n >= l->clients.max) {
        end(l, sp_clients_oldest(&l->clients), now_us);
        l->counters.clients_evicted++;
    }
    if (sp_clients_add(&l->clients, pair, udp, &c) != 0)
        return NULL;
    c->owner = l;
    l->counters.clients_opened++;
    return c;
}

static bool open_flow(struct sp_local *l, struct sp_client *c, uint64_t now_us)
{
    if (l->tunnel == NULL ||
        sp_flow_open(l->tunnel, SP_FLOW_TURN, &c->pair.remote, now_us, &c->flow) != 0) {
        l->counters.no_flow++;
        return false;
    }
    sp_flow_set_user(c->flow, c);
    return true;
}

/* One datagram or message; false: the client got no flow. */
static bool send_up(struct sp_local *l, struct sp_client *c, struct sp_span body, uint64_t now_us)
{
    if (c->flow == NULL && !open_flow(l, c, now_us))
        return false;
    sp_clients_touch(&l->clients, c);
    l->counters.datagrams_in++;
    sp_flow_send(c->flow, &body, 1, now_us);
    return true;
}

/* --- UDP ------------------------------------------------------------------------------------ */

/* The one that sends from there, made if this is how a TURN or STUN client begins. */
static struct sp_client *udp_client(struct sp_local *l, struct sp_dgram *d,
                                    const struct sp_dgram_in *in, uint64_t now_us)
{
    struct sp_client_pair pair = {in->remote, in->local};
    struct sp_client *c = sp_clients_find(&l->clients, &pair);

    if (c != NULL)
        return c;
    if (!sp_access_allows(&l->access, &in->remote, now_us)) {
        l->counters.denied++;
        return NULL;
    }
    if (!sp_stun_looks_like(in->body)) {
        l->counters.not_turn++;
        return NULL;
    }
    return add(l, &pair, d, now_us);
}

static void on_udp(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n, void *arg)
{
    struct port *port = arg;
    struct sp_local *l = port->local;
    uint64_t now_us = sp_ticker_now(l->env->ticker);

    for (size_t i = 0; i < n; i++) {
        if (!sp_stun_looks_like(in[i].body) && !sp_chandata_looks_like(in[i].body)) {
            l->counters.not_turn++;
            continue;
        }
        struct sp_client *c = udp_client(l, d, &in[i], now_us);
        if (c != NULL && !send_up(l, c, in[i].body, now_us))
            forget(l, c);
    }
}

/* --- TCP ------------------------------------------------------------------------------------ */

static void on_tcp(struct sp_msg_stream *m, const struct sp_span *msgs, size_t n, void *arg)
{
    struct sp_client *c = arg;
    struct sp_local *l = c->owner;
    uint64_t now_us = sp_ticker_now(l->env->ticker);
    (void)m;

    for (size_t i = 0; i < n; i++) {
        if (c->flow == NULL && !sp_stun_looks_like(msgs[i])) {
            l->counters.not_turn++;
        } else if (!send_up(l, c, msgs[i], now_us)) {
            forget(l, c);
            return;
        }
    }
}

static void on_tcp_closed(struct sp_msg_stream *m, int why, void *arg)
{
    struct sp_client *c = arg;
    struct sp_local *l = c->owner;
    (void)m;

    if (why == SP_EBADMSG)
        l->counters.not_turn++;
    end(l, c, sp_ticker_now(l->env->ticker));
}

static const struct sp_msg_stream_events tcp_events = {.input = on_tcp, .closed = on_tcp_closed};
static const struct sp_stream_events no_events = {0};

/* Wraps a connection up to its messages; closes `fd` when there is no memory for that. */
static struct sp_msg_stream *wrap(struct sp_local *l, int fd, struct sp_client *c)
{
    const struct sp_msg_stream_config config = {
        .max_bytes = TCP_QUEUE_BYTES, .max_age_us = TCP_AGE_US, .rng = l->env->rng};
    struct sp_stream *s;
    struct sp_msg_stream *m;

    if (sp_stream_new(l->env->ticker, fd, &no_events, NULL, &s) != 0) {
        close(fd);
        return NULL;
    }
    if (sp_msg_stream_new(s, l->env->ticker, &config, &tcp_events, c, &m) != 0) {
        sp_stream_free(s);
        return NULL;
    }
    return m;
}

static void on_accept(struct sp_listener *listener, int fd, const struct sp_addr *remote, void *arg)
{
    struct port *port = arg;
    struct sp_local *l = port->local;
    uint64_t now_us = sp_ticker_now(l->env->ticker);
    struct sp_client_pair pair = {*remote, *sp_listener_local(listener)};
    bool allowed = sp_access_allows(&l->access, remote, now_us);
    struct sp_client *c = allowed ? add(l, &pair, NULL, now_us) : NULL;

    l->counters.denied += !allowed;
    if (c == NULL) {
        close(fd);
        return;
    }
    c->tcp = wrap(l, fd, c);
    if (c->tcp == NULL)
        forget(l, c);
    else
        sp_msg_stream_count_drops(c->tcp, &l->counters.dropped);
}

/* --- what the tunnel brings ----------------------------------------------------------------- */

void sp_local_datagrams(struct sp_local *l, struct sp_flow *f, const struct sp_span *d, size_t n,
                        uint64_t now_us)
{
    struct sp_client *c = sp_flow_user(f);

    sp_clients_touch(&l->clients, c);
    l->counters.datagrams_out += n;
    for (size_t i = 0; i < n; i++) {
        if (c->tcp != NULL)
            sp_msg_stream_send(c->tcp, &d[i], 1, now_us);
        else
            sp_dgram_send(c->udp, &c->pair.remote, &c->pair.local, &d[i], 1);
    }
}

/* A TCP client sees its connection close, and knows; a UDP one gets a new flow with its next
 * request. */
void sp_local_flow_closed(struct sp_local *l, struct sp_flow *f)
{
    forget(l, sp_flow_user(f));
}

/* --- ports ---------------------------------------------------------------------------------- */

static void close_port(struct port *p)
{
    if (p->udp != NULL)
        sp_dgram_close(p->udp);
    if (p->tcp != NULL)
        sp_listener_close(p->tcp);
    *p = (struct port){0};
}

static int open_port(struct sp_local *l, struct port *p, const struct sp_addr *addr,
                     const char **transport)
{
    static const struct sp_sock_options tcp = {0};
    /* A key frame comes as one burst, and the system's default holds fewer than a hundred
     * datagrams. */
    static const struct sp_sock_options udp = {.rcvbuf = 1 << 20, .sndbuf = 1 << 20};
    struct sp_addr same = *addr;

    *transport = "udp";
    p->local = l;
    int err = sp_dgram_open(l->env->dgrams, addr, &udp, on_udp, p, &p->udp);
    if (err == 0) {
        *transport = "tcp";
        same.port = sp_dgram_local(p->udp)->port;
        err = sp_listener_open(l->env->ticker, l->env->log, &same, &tcp, on_accept, p, &p->tcp);
    }
    if (err != 0) {
        int saved = errno;
        close_port(p);
        errno = saved;
    }
    return err;
}

int sp_local_listen(struct sp_local *l, const struct sp_addr *addr, const char **transport)
{
    int err = SP_EFULL;

    if (l->n_ports == SP_LOCAL_PORTS_MAX)
        return err;
    /* Port 0: what UDP was given may be taken by somebody's TCP. */
    for (int tries = 0; tries < PORT_TRIES; tries++) {
        err = open_port(l, &l->ports[l->n_ports], addr, transport);
        if (err != SP_ESYS || errno != EADDRINUSE || addr->port != 0)
            break;
    }
    if (err == 0)
        l->n_ports++;
    return err;
}

const struct sp_addr *sp_local_addr(const struct sp_local *l, size_t i)
{
    return i < l->n_ports ? sp_dgram_local(l->ports[i].udp) : NULL;
}

bool sp_local_listens_on(const struct sp_local *l, const struct sp_addr *addr)
{
    for (size_t i = 0; i < l->n_ports; i++)
        if (sp_addr_eq(sp_dgram_local(l->ports[i].udp), addr))
            return true;
    return false;
}

void sp_local_network_changed(struct sp_local *l)
{
    sp_access_look_again(&l->access);
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_local_new(const struct sp_client_env *env, const struct sp_local_config *config,
                 struct sp_local **out)
{
    struct sp_local *l = calloc(1, sizeof *l);

    if (l == NULL)
        return SP_ENOMEM;
    l->env = env;
    sp_access_init(&l->access, config->lan, config->n_lan, sp_sock_own_addrs);
    sp_clients_init(&l->clients, config->max_clients, env->rng);
    *out = l;
    return 0;
}

static void forget_all(struct sp_local *l)
{
    struct sp_client *c;

    while ((c = sp_clients_oldest(&l->clients)) != NULL)
        forget(l, c);
}

void sp_local_set_tunnel(struct sp_local *l, struct sp_tunnel *t)
{
    l->tunnel = t;
}

void sp_local_tunnel_gone(struct sp_local *l, const struct sp_tunnel *t)
{
    SP_LIST_EACH(&l->clients.used, link, next)
    {
        struct sp_client *c = SP_LIST_ITEM(link, struct sp_client, used);
        if (c->flow != NULL && sp_flow_tunnel(c->flow) == t)
            forget(l, c);
    }
}

void sp_local_stop(struct sp_local *l)
{
    struct sp_client *c;

    l->tunnel = NULL;
    while ((c = sp_clients_oldest(&l->clients)) != NULL)
        end(l, c, sp_ticker_now(l->env->ticker));
}

void sp_local_free(struct sp_local *l)
{
    if (l == NULL)
        return;
    forget_all(l);
    while (l->n_ports > 0)
        close_port(&l->ports[--l->n_ports]);
    sp_clients_fini(&l->clients);
    free(l);
}

/* --- what is asked -------------------------------------------------------------------------- */

size_t sp_local_client_count(const struct sp_local *l)
{
    return l->clients.n;
}

const struct sp_local_counters *sp_local_counters(const struct sp_local *l)
{
    return &l->counters;
}
