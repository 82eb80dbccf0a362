/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lan_ports.h"

#include <stdlib.h>

#include "sallyport/clock.h"
#include "sallyport/crypto.h"
#include "sallyport/early.h"
#include "sallyport/err.h"
#include "sallyport/lan_port.h"
#include "sallyport/list.h"
#include "sallyport/map.h"
#include "sallyport/sock.h"
#include "sallyport/stun.h"

#define SOURCES_MAX 8 /* of one port: a browser's interfaces, and who else tries */

struct port;

/* One address that checks by a port. */
struct source {
    struct port *port;
    struct sp_link link; /* the least recently used first */
    struct sp_dgram *udp;
    struct sp_addr remote, local;
    struct sp_flow *flow;
    bool heeded; /* the far side said something to it */
};

/* One end, on each address where the gateway listens. */
struct port {
    struct sp_lan_ports *all;
    struct sp_map_node node;
    uint64_t end;
    struct sp_tunnel *tunnel;
    struct sp_timer lease;
    struct sp_dgram *udp[SP_LAN_PORT_ADDRS_MAX];
    struct sp_addr told[SP_LAN_PORT_ADDRS_MAX];
    size_t n;
    struct sp_list sources;
    size_t n_sources;
    struct sp_early early;
    uint8_t password[SP_LAN_PORT_PASSWORD_MAX]; /* the far end's, when checks are answered early */
    size_t password_len;
};

struct sp_lan_ports {
    const struct sp_client_env *env;
    struct sp_lan_ports_config config;
    struct sp_access access;
    struct sp_map by_end;
    struct sp_lan_ports_counters counters;
};

/* --- sources -------------------------------------------------------------------------------- */

static struct source *source_at(struct sp_link *l)
{
    return SP_LIST_ITEM(l, struct source, link);
}

/* Without a word to the tunnel. */
static void forget(struct source *s)
{
    sp_list_remove(&s->link);
    s->port->n_sources--;
    free(s);
}

static void end_source(struct source *s, uint64_t now_us)
{
    sp_flow_close(s->flow, now_us);
    forget(s);
}

static struct source *find_source(struct port *p, const struct sp_dgram *d,
                                  const struct sp_addr *remote)
{
    SP_LIST_EACH(&p->sources, l, next)
    {
        struct source *s = source_at(l);
        if (s->udp == d && sp_addr_eq(&s->remote, remote))
            return s;
    }
    return NULL;
}

/* Who has to make room: a call that goes on does for nobody of whom nothing is wanted. */
static struct source *least_of(struct port *p)
{
    SP_LIST_EACH(&p->sources, l, next)
    if (!source_at(l)->heeded)
        return source_at(l);
    return source_at(sp_list_first(&p->sources));
}

static bool is_check(struct sp_span d)
{
    struct sp_stun_msg m;

    return sp_stun_looks_like(d) && sp_stun_parse(d, &m) == 0 && m.method == SP_STUN_BINDING &&
           m.cls == SP_STUN_REQUEST;
}

static struct source *new_source(struct port *p, struct sp_dgram *d, const struct sp_dgram_in *in,
                                 uint64_t now_us)
{
    struct sp_lan_ports *all = p->all;
    struct source *s;

    if (!sp_access_allows(&all->access, &in->remote, now_us)) {
        all->counters.denied++;
        return NULL;
    }
    if (!is_check(in->body)) {
        all->counters.not_ice++;
        return NULL;
    }
    if (p->n_sources >= SOURCES_MAX) {
        end_source(least_of(p), now_us);
        all->counters.evicted++;
    }
    if ((s = calloc(1, sizeof *s)) == NULL)
        return NULL;
    *s = (struct source){.port = p, .udp = d, .remote = in->remote, .local = in->local};
    if (sp_flow_open(p->tunnel, SP_FLOW_SESSION, &in->remote, now_us, &s->flow) != 0) {
        all->counters.no_flow++;
        free(s);
        return NULL;
    }
    sp_flow_set_user(s->flow, s);
    sp_list_append(&p->sources, &s->link);
    p->n_sources++;
    return s;
}

/* What the far end will say as well, a round trip later. */
static void answer_early(struct source *s, struct sp_span check, uint64_t now_us)
{
    struct port *p = s->port;
    uint8_t bytes[SP_EARLY_ANSWER_MAX];
    struct sp_stun_msg m;

    if (p->password_len == 0 || p->early.over || !sp_stun_looks_like(check) ||
        sp_stun_parse(check, &m) != 0)
        return;
    size_t len = sp_early_answer(&p->early, sp_span(p->password, p->password_len), &m, &s->remote,
                                 now_us, bytes);
    const struct sp_span answer = sp_span(bytes, len);
    if (len > 0) {
        sp_dgram_send(s->udp, &s->remote, &s->local, &answer, 1);
        p->all->counters.early++;
    }
}

static bool was_answered(struct port *p, struct sp_span d)
{
    struct sp_stun_msg m;

    return p->early.n > 0 && sp_stun_looks_like(d) && sp_stun_parse(d, &m) == 0 &&
           sp_early_swallows(&p->early, &m);
}

static void on_udp(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n, void *arg)
{
    struct port *p = arg;
    uint64_t now_us = sp_ticker_now(p->all->env->ticker);
    struct source *s = NULL;

    for (size_t i = 0; i < n; i++) {
        if (s == NULL || !sp_addr_eq(&s->remote, &in[i].remote))
            s = find_source(p, d, &in[i].remote);
        if (s == NULL && (s = new_source(p, d, &in[i], now_us)) == NULL)
            continue;
        sp_list_remove(&s->link);
        sp_list_append(&p->sources, &s->link);
        p->all->counters.datagrams_in++;
        answer_early(s, in[i].body, now_us);
        sp_flow_send(s->flow, &in[i].body, 1, now_us);
    }
}

void sp_lan_ports_datagrams(struct sp_lan_ports *p, struct sp_flow *f, const struct sp_span *d,
                            size_t n)
{
    struct source *s = sp_flow_user(f);

    s->heeded = true;
    for (size_t i = 0; i < n; i++) {
        if (was_answered(s->port, d[i])) {
            p->counters.early_swallowed++;
            continue;
        }
        p->counters.datagrams_out++;
        sp_dgram_send(s->udp, &s->remote, &s->local, &d[i], 1);
    }
}

void sp_lan_ports_flow_closed(struct sp_lan_ports *p, struct sp_flow *f)
{
    (void)p;
    forget(sp_flow_user(f));
}

/* --- ports ---------------------------------------------------------------------------------- */

static struct port *port_of(struct sp_map_node *n)
{
    return n != NULL ? SP_CONTAINER_OF(n, struct port, node) : NULL;
}

/* `now_us` 0: the flows are no more. */
static void port_close(struct port *p, uint64_t now_us)
{
    struct sp_lan_ports *all = p->all;

    SP_LIST_EACH(&p->sources, l, next)
    {
        if (now_us != 0)
            end_source(source_at(l), now_us);
        else
            forget(source_at(l));
    }
    for (size_t i = 0; i < p->n; i++)
        sp_dgram_close(p->udp[i]);
    sp_crypto_wipe(p->password, sizeof p->password);
    sp_timerq_cancel(&all->env->ticker->timers, &p->lease);
    sp_map_del(&all->by_end, &p->node);
    all->counters.closed++;
    free(p);
}

static void on_lease(struct sp_timer *t, uint64_t now_us, void *arg)
{
    (void)t;
    port_close(arg, now_us);
}

/* Where browsers find it: an address of its own, or what "everywhere" means on this network. */
static bool told_address(const struct sp_addr *listen, struct sp_addr *out)
{
    *out = *listen;
    if (!sp_addr_is_any(listen))
        return true;
    return sp_sock_default_addr(SP_IPV4, out) == 0 || sp_sock_default_addr(SP_IPV6, out) == 0;
}

static bool has_ip(const struct port *p, const struct sp_addr *a)
{
    for (size_t i = 0; i < p->n; i++)
        if (sp_addr_same_ip(&p->told[i], a))
            return true;
    return false;
}

/*
 * On each address where the gateway listens, as far as they go: on loopback ones, or on the others.
 * Loopback is for hosts that have nothing else: to whom the far end's checks come from there, he
 * says so in his answers, and a Firefox at the far end drops those.
 */
static void listen_on(struct port *p, bool loopback)
{
    static const struct sp_sock_options options = {.rcvbuf = 1 << 20, .sndbuf = 1 << 20};
    const struct sp_lan_ports_config *c = &p->all->config;
    const struct sp_addr *listen;

    for (size_t i = 0; p->n < SP_LAN_PORT_ADDRS_MAX && (listen = c->listens(c->arg, i)) != NULL;
         i++) {
        struct sp_addr local = *listen, told;
        local.port = 0;
        if (!told_address(listen, &told) || has_ip(p, &told) ||
            sp_addr_is_loopback(&told) != loopback ||
            sp_dgram_open(p->all->env->dgrams, &local, &options, on_udp, p, &p->udp[p->n]) != 0)
            continue;
        told.port = sp_dgram_local(p->udp[p->n])->port;
        p->told[p->n++] = told;
    }
}

static struct port *port_new(struct sp_lan_ports *all, struct sp_tunnel *t, uint64_t end)
{
    struct port *p = NULL;

    if (all->by_end.len < all->config.max_ports)
        p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->all = all;
    p->end = end;
    p->tunnel = t;
    sp_list_init(&p->sources);
    sp_timer_init(&p->lease, on_lease, p);
    if (sp_map_add(&all->by_end, &p->node) != 0) {
        free(p);
        return NULL;
    }
    all->counters.opened++;
    listen_on(p, false);
    if (p->n == 0)
        listen_on(p, true);
    if (p->n == 0) {
        port_close(p, 0);
        return NULL;
    }
    return p;
}

/* Another one: ICE has been restarted, and the far end has not answered yet. */
static void set_password(struct port *p, struct sp_span password)
{
    if (sp_span_eq(password, sp_span(p->password, p->password_len)))
        return;
    p->early = (struct sp_early){.n = 0};
    if (password.len > 0)
        memcpy(p->password, password.p, password.len);
    p->password_len = password.len;
}

unsigned sp_lan_ports_asked(struct sp_lan_ports *all, struct sp_tunnel *t, struct sp_span question,
                            uint8_t answer[static SP_CONTROL_BODY_MAX], size_t *len,
                            uint64_t now_us)
{
    struct sp_lan_port q;

    if (sp_lan_port_parse(question, &q) != 0)
        return SP_CONTROL_MALFORMED;
    struct port *p = port_of(sp_map_get(&all->by_end, &q.end));
    if (p != NULL && p->tunnel != t)
        return SP_CONTROL_MALFORMED; /* another edge's */
    if (q.lifetime_s == 0) {
        if (p != NULL)
            port_close(p, now_us);
        *len = 0;
        return 0;
    }
    if (p == NULL)
        p = port_new(all, t, q.end);
    if (p == NULL ||
        sp_timerq_set(&all->env->ticker->timers, &p->lease, now_us + SP_SEC(q.lifetime_s)) != 0) {
        all->counters.refused++;
        if (p != NULL)
            port_close(p, now_us);
        return SP_CONTROL_FULL;
    }
    set_password(p, q.password);
    *len = sp_lan_port_build_answer(p->told, p->n, answer);
    return 0;
}

static struct port *port_of_tunnel(const struct sp_lan_ports *p, const struct sp_tunnel *t)
{
    struct sp_map_node *n = NULL;

    while ((n = sp_map_next(&p->by_end, n)) != NULL && port_of(n)->tunnel != t)
        ;
    return port_of(n);
}

/* One at a time, since a map that is walked must not change: the next one may stand before it then.
 */
void sp_lan_ports_tunnel_gone(struct sp_lan_ports *p, const struct sp_tunnel *t)
{
    struct port *port;

    while ((port = port_of_tunnel(p, t)) != NULL)
        port_close(port, 0);
}

void sp_lan_ports_stop(struct sp_lan_ports *p)
{
    struct sp_map_node *n;

    while ((n = sp_map_any(&p->by_end)) != NULL)
        port_close(port_of(n), sp_ticker_now(p->env->ticker));
}

void sp_lan_ports_network_changed(struct sp_lan_ports *p)
{
    sp_access_look_again(&p->access);
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_lan_ports_new(const struct sp_client_env *env, const struct sp_lan_ports_config *c,
                     struct sp_lan_ports **out)
{
    struct sp_lan_ports *p = calloc(1, sizeof *p);

    if (p == NULL)
        return SP_ENOMEM;
    p->env = env;
    p->config = *c;
    sp_access_init(&p->access, c->lan, c->n_lan, sp_sock_own_addrs);
    SP_MAP_INIT(&p->by_end, struct port, node, end, env->rng);
    *out = p;
    return 0;
}

void sp_lan_ports_free(struct sp_lan_ports *p)
{
    struct sp_map_node *n;

    if (p == NULL)
        return;
    while ((n = sp_map_any(&p->by_end)) != NULL)
        port_close(port_of(n), 0);
    sp_map_fini(&p->by_end);
    free(p);
}

size_t sp_lan_ports_count(const struct sp_lan_ports *p)
{
    return p->by_end.len;
}

const struct sp_lan_ports_counters *sp_lan_ports_counters(const struct sp_lan_ports *p)
{
    return &p->counters;
}
