/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge_config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "option_values.h"
#include "options.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/options_shared.h"
#include "sallyport/process.h"
#include "sallyport/sock.h"
#include "sallyport/upgrade.h"

static int set_listen(const struct sp_options *o, const char *name, const char *preset,
                      struct sp_addr *out, size_t *n, char why[static SP_OPTIONS_ERR_MAX])
{
    size_t given;
    int err = sp_options_count_most(o, name, SP_LISTEN_MAX, &given, why);

    *n = 0;
    if (err != 0)
        return err;
    if (given == 0)
        return sp_addr_parse(preset, &out[(*n)++]);
    for (size_t i = 0; i < given; i++) {
        const char *value = sp_options_nth(o, name, i);
        if (strcmp(value, "none") == 0) {
            if (given > 1) {
                snprintf(why, SP_OPTIONS_ERR_MAX, "--%s: none stands alone", name);
                return SP_EINVAL;
            }
            return 0;
        }
        sp_addr_parse(value, &out[(*n)++]);
    }
    return 0;
}

static int set_rules(const struct sp_options *o, const char *name, struct sp_cidr *out, size_t *n,
                     char why[static SP_OPTIONS_ERR_MAX])
{
    int err = sp_options_count_most(o, name, SP_PEER_RULES_MAX, n, why);

    if (err != 0)
        return err;
    for (size_t i = 0; i < *n; i++)
        sp_cidr_parse(sp_options_nth(o, name, i), &out[i]);
    return 0;
}

static void set_shared(struct sp_edge_config *c, const struct sp_options *o)
{
    struct sp_shared_config *s = &c->shared;

    s->demo = sp_options_switch(o, "demo");
    sp_value_serve(sp_options_get(o, "serve", s->demo ? SP_EDGE_SERVE_DEMO : SP_EDGE_SERVE),
                   &s->serve);
    s->allow = c->allow;
    s->deny = c->deny;
    s->own = c->own;
    s->tunnel_path = SP_UPGRADE_PATH;
}

static int set_keys(struct sp_edge_config *c, const struct sp_options *o,
                    char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_keys_config *k = &c->keys;

    k->cert_file = sp_options_get(o, "cert", NULL);
    k->key_file = sp_options_get(o, "key", NULL);
    k->turn_in_tls = c->shared.serve & SP_SERVE_TURN;
    k->secret_file = sp_options_get(o, "secret-file", NULL);
    k->secret = sp_options_get(o, "secret", NULL);
    k->user_file = sp_options_get(o, "user-file", NULL);
    k->n_users = sp_options_count(o, "user");
    k->users = c->users;

    if (gethostname(c->host_name, sizeof c->host_name - 1) != 0 || c->host_name[0] == '\0')
        snprintf(c->host_name, sizeof c->host_name, "localhost");
    k->realm = sp_options_get(o, "realm", c->host_name);
    if (k->n_users > SP_PEER_RULES_MAX)
        return sp_options_refuse(why,
                                 "--user: too many for a command line; put them into --user-file");
    for (size_t i = 0; i < k->n_users; i++)
        c->users[i] = sp_options_nth(o, "user", i);
    if ((k->cert_file == NULL) != (k->key_file == NULL))
        return sp_options_refuse(why, "--cert and --key: one is of no use without the other");
    return 0;
}

/* Whether what is served has all it needs. */
static int check_keys(const struct sp_keys_config *k, unsigned serve,
                      char why[static SP_OPTIONS_ERR_MAX])
{
    bool has_secret = k->secret_file != NULL || k->secret != NULL;

    if (k->secret_file != NULL && k->secret != NULL)
        return sp_options_refuse(why, "--secret-file and SALLYPORT_SECRET: one of them, not both");
    if (serve & (SP_SERVE_TUNNEL | SP_SERVE_API)) {
        if (k->cert_file == NULL)
            return sp_options_refuse(
                why, "--cert and --key are needed to serve the tunnel or the API (--serve): the "
                     "certificate chain of this server's name and its key, PEM");
        if (!has_secret)
            return sp_options_refuse(
                why, "--secret-file is needed to serve the tunnel or the API (--serve): a file "
                     "with a line of, say, `openssl rand -hex 32`");
    }
    if (!has_secret && k->user_file == NULL && k->n_users == 0 && (serve & SP_SERVE_TURN))
        return sp_options_refuse(
            why, "--secret-file, --user-file or --user is needed to serve TURN (--serve)");
    return 0;
}

/* Whether what listens at `a` is reached by connecting to `to`. */
static bool leads_to(const struct sp_addr *to, const struct sp_addr *a)
{
    struct sp_addr own[SP_PEER_RULES_MAX];

    if (to->port != a->port)
        return false;
    if (!sp_addr_is_any(a))
        return sp_addr_eq(to, a);
    size_t n = sp_sock_own_addrs(own, SP_ARRAY_LEN(own));
    for (size_t i = 0; i < n && i < SP_ARRAY_LEN(own); i++) {
        own[i].port = to->port;
        if (sp_addr_eq(to, &own[i]))
            return true;
    }
    return sp_addr_is_loopback(to);
}

static int set_site(struct sp_edge_config *c, const struct sp_options *o,
                    char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_shared_config *s = &c->shared;
    const char *fallback = sp_options_get(o, "fallback", NULL);

    s->site = sp_options_get(o, "site", NULL);
    s->has_fallback = fallback != NULL;
    if (s->site != NULL && fallback != NULL)
        return sp_options_refuse(why,
                                 "--site and --fallback: strangers see one or the other; give one");
    if ((s->site != NULL || fallback != NULL) && !(s->serve & SP_SERVE_SITE)) {
        snprintf(why, SP_OPTIONS_ERR_MAX, "--%s: is for strangers, and --serve leaves site out",
                 fallback != NULL ? "fallback" : "site");
        return SP_EINVAL;
    }
    if (fallback == NULL)
        return 0;
    sp_addr_parse(fallback, &s->fallback);
    for (size_t i = 0; i < c->worker.n_listen; i++)
        if (leads_to(&s->fallback, &c->worker.listen[i]))
            return sp_options_refuse(
                why, "--fallback: wants another server, and this is what --listen names");
    return 0;
}

static int set_origins(struct sp_edge_config *c, const struct sp_options *o,
                       char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_origins *all = &c->shared.origins;
    int err = sp_options_count_most(o, "origin", SP_ORIGINS_MAX, &all->n, why);

    if (err != 0)
        return err;
    if (all->n > 0 && !(c->shared.serve & SP_SERVE_API))
        return sp_options_refuse(why,
                                 "--origin: is for the control API, and --serve leaves api out");
    if (c->shared.demo && !(c->shared.serve & SP_SERVE_API))
        return sp_options_refuse(why, "--demo: its page uses the control API, and --serve leaves "
                                      "api out");
    all->own = c->shared.demo;
    for (size_t i = 0; i < all->n; i++)
        c->origins[i] = sp_options_nth(o, "origin", i);
    all->items = c->origins;
    return 0;
}

static int set_drain(struct sp_drain_config *d, const struct sp_options *o,
                     char why[static SP_OPTIONS_ERR_MAX])
{
    d->timeout_us = SP_SEC(sp_options_number(o, "drain-timeout", 60));
    for (size_t i = 0; i < sp_options_count(o, "alternate-server"); i++) {
        struct sp_addr a;
        if (sp_value_alternate(sp_options_nth(o, "alternate-server", i), &a) != 0)
            return SP_EINVAL; /* not to be had: it was checked with the command line */
        struct sp_addr *to = a.family == SP_IPV6 ? &d->alternates.v6 : &d->alternates.v4;
        if (to->family != SP_FAMILY_NONE)
            return sp_options_refuse(why, "--alternate-server: at most one for IPv4 and one for "
                                          "IPv6");
        *to = a;
    }
    return 0;
}

static int set_relays(struct sp_edge_config *c, const struct sp_options *o,
                      char why[static SP_OPTIONS_ERR_MAX])
{
    static const uint16_t families[] = {SP_IPV4, SP_IPV6};
    struct sp_worker_config *w = &c->worker;
    size_t given;
    int err = sp_options_count_most(o, "relay-ip", SP_RELAY_IPS_MAX, &given, why);

    if (err != 0)
        return err;
    sp_value_ports(sp_options_get(o, "relay-ports", "49152-65535"), &w->min_port, &w->max_port);
    w->relay_ips = c->relay_ips;
    for (size_t i = 0; i < given; i++) {
        sp_value_relay_ip(sp_options_nth(o, "relay-ip", i), &c->relay_ips[i]);
        c->own[i] = c->relay_ips[i].public_;
    }
    w->n_relay_ips = c->shared.n_own = given;
    if (given > 0)
        return 0;
    if (w->min_port == 0)
        return sp_options_refuse(
            why, "--relay-ports none: wants --relay-ip, an address that is unique to this "
                 "server; two that share one would mix up their callers");
    for (size_t i = 0; i < SP_ARRAY_LEN(families); i++) {
        struct sp_addr a;
        if (sp_sock_default_addr(families[i], &a) == 0)
            c->relay_ips[w->n_relay_ips++] = (struct sp_relay_ip){a, a};
    }
    if (w->n_relay_ips == 0)
        return sp_options_refuse(
            why, "--relay-ip: this host has no default route to take an address from; "
                 "name one");
    return 0;
}

/* UDP serves nothing but TURN. */
static int drop_udp(struct sp_worker_config *w, const struct sp_options *o,
                    char why[static SP_OPTIONS_ERR_MAX])
{
    if (w->n_listen_udp > 0 && sp_options_count(o, "listen-udp") > 0)
        return sp_options_refuse(why,
                                 "--listen-udp: serves TURN alone, and --serve leaves turn out");
    w->n_listen_udp = 0;
    return 0;
}

/* Each has its part of the places that strangers stand in. */
static unsigned default_workers(const struct sp_bounds *b)
{
    unsigned n = sp_process_cpus(), most = SP_WORKERS_MAX;

    if (b->strangers < most)
        most = (unsigned)b->strangers;
    return n < most ? n : most;
}

static int check_workers(const struct sp_edge_config *c, char why[static SP_OPTIONS_ERR_MAX])
{
    if (c->workers <= c->worker.bounds.strangers)
        return 0;
    snprintf(why, SP_OPTIONS_ERR_MAX,
             "--workers %u: wants no more than --max-strangers, which is %u; each has its part",
             c->workers, (unsigned)c->worker.bounds.strangers);
    return SP_EINVAL;
}

/* BBR does not take a lost packet for a full path. On paths that lose none it is of no use, and
 * holds back for 0.2 s every ten to see how long the way is. */
static void set_congestion(struct sp_options *o, struct sp_stream_congestion *c)
{
    const char *name = sp_options_get(o, "turn-congestion", SP_EDGE_CONGESTION);

    if (strcmp(name, "auto") == 0)
        c->on_loss = "bbr";
    else if (strcmp(name, "system") != 0)
        c->name = name;
}

int sp_edge_config_init(struct sp_edge_config *c, struct sp_options *o,
                        char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_worker_config *w = &c->worker;

    memset(c, 0, sizeof *c);
    c->options = o;
    sp_options_log(o, &c->log);
    sp_options_confine(o, &c->confine);
    sp_bounds_read(o, &w->bounds);
    w->linger_us = SP_SEC(sp_options_number(o, "linger", 30));
    w->session_idle_us = SP_SEC(sp_options_number(o, "session-idle", 30));
    set_congestion(o, &w->turn_congestion);
    c->workers = (unsigned)sp_options_number(o, "workers", default_workers(&w->bounds));
    c->has_admin = sp_options_addr(o, "admin", SP_EDGE_ADMIN, &c->admin);

    int err = set_listen(o, "listen", "[::]:443", w->listen, &w->n_listen, why);
    if (err == 0)
        err = set_listen(o, "listen-udp", "[::]:3478", w->listen_udp, &w->n_listen_udp, why);
    if (err == 0)
        err = check_workers(c, why);
    if (err == 0)
        err = set_rules(o, "allow-peer", c->allow, &c->shared.n_allow, why);
    if (err == 0)
        err = set_rules(o, "deny-peer", c->deny, &c->shared.n_deny, why);
    set_shared(c, o);
    if (err == 0)
        err = set_keys(c, o, why);
    if (err == 0)
        err = check_keys(&c->keys, c->shared.serve, why);
    if (err == 0)
        err = set_site(c, o, why);
    if (err == 0)
        err = set_origins(c, o, why);
    if (err == 0)
        err = set_relays(c, o, why);
    if (err == 0)
        err = set_drain(&c->drain, o, why);
    if (err == 0 && !(c->shared.serve & SP_SERVE_TURN))
        err = drop_udp(w, o, why);
    if (err != 0)
        sp_edge_config_fini(c);
    return err;
}

void sp_edge_config_fini(struct sp_edge_config *c)
{
    sp_options_free(c->options);
    c->options = NULL;
}
