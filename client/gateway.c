/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the whole works. A browser that knows this gateway as its TURN server sends a datagram:
 *
 *   browser ─▶ local ──▶ flow ─▶ tunnel ─▶ the best lane ─▶ stream (TLS) ═ 443 ═▶ sallyport-server
 *              one per source    queues by age, numbers
 *
 *   browser ◀─ local ◀── flow ◀─ tunnel ◀─ the same lane or another ◀════ 443 ══ sallyport-server
 *              answers from      drops copies and
 *              where it was asked   what is late
 *
 * lan_ports does the same for ends of rendezvous sessions, on ports that the server asks for.
 *
 * links has the tunnels: the one in use, and those of servers that drain. Each has an uplink that
 * keeps its lanes there: dials, joins, replaces. A tunnel is made before its first lane is and
 * outlives all of them, so that local never has to ask whether somebody is connected: what waits
 * too long is dropped by its age, as a network would.
 *
 * Everything happens on one loop in one thread. Nothing here looks into what a browser sends: TURN
 * lives in the server.
 */
#include "gateway.h"

#include <errno.h>
#include <ev.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "env.h"
#include "lan_ports.h"
#include "links.h"
#include "local.h"
#include "network.h"
#include "ready.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/notify.h"
#include "sallyport/ratelimit.h"
#include "sallyport/secret_file.h"
#include "sallyport/sock.h"
#include "sallyport/token.h"
#include "status.h"

struct gateway {
    const struct sp_gateway_config *config;
    struct ev_loop *loop;
    struct sp_ticker ticker;
    struct sp_rng rng;
    struct sp_client_env env;

    struct sp_local *local;            /* browsers */
    struct sp_lan_ports *lan_ports;    /* the same, as ends of rendezvous sessions */
    struct sp_links *links;            /* tunnels and their lanes */
    struct sp_network *network;        /* tells when it has become another */
    struct sp_ratelimit refusals_said; /* of flows, in the log: a browser goes on asking */

    struct sp_status status;
    struct sp_admin *admin;
    struct ev_signal on_term, on_int, on_hup;
    bool stopping;
};

#define WHY_MAX 640 /* for a message about a file: its name and what a library says of it */

static const char *const alpn[] = {"http/1.1", NULL};

/* --- what the tunnels tell ------------------------------------------------------------------- */

/* Down: back to whoever the flow belongs to. (Up: local has put datagrams into flows.) */
static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    struct gateway *g = arg;

    if (sp_flow_kind(f) == SP_FLOW_SESSION)
        sp_lan_ports_datagrams(g->lan_ports, f, d, n);
    else
        sp_local_datagrams(g->local, f, d, n, now_us);
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    struct gateway *g = arg;

    if (code != 0 && code != SP_CONTROL_DRAINING &&
        sp_ratelimit_take(&g->refusals_said, sp_ticker_now(&g->ticker)))
        sp_log_warn(&g->config->log, "the server refused a flow",
                    SP_F_ADDR("client", sp_flow_local(f)), SP_F_UINT("code", code));
    if (sp_flow_kind(f) == SP_FLOW_SESSION)
        sp_lan_ports_flow_closed(g->lan_ports, f);
    else
        sp_local_flow_closed(g->local, f);
}

static unsigned on_asked(struct sp_tunnel *t, struct sp_span question,
                         uint8_t answer[static SP_CONTROL_BODY_MAX], size_t *len, uint64_t now_us,
                         void *arg)
{
    struct gateway *g = arg;
    return sp_lan_ports_asked(g->lan_ports, t, question, answer, len, now_us);
}

static void on_tunnel_in_use(struct sp_tunnel *t, void *arg)
{
    struct gateway *g = arg;
    sp_local_set_tunnel(g->local, t);
}

static void on_tunnel_gone(struct sp_tunnel *t, void *arg)
{
    struct gateway *g = arg;
    sp_local_tunnel_gone(g->local, t);
    sp_lan_ports_tunnel_gone(g->lan_ports, t);
}

static void on_stopped(void *arg)
{
    struct gateway *g = arg;
    ev_break(g->loop, EVBREAK_ALL);
}

static const struct sp_links_events links_events = {
    .datagrams = on_datagrams,
    .flow_closed = on_flow_closed,
    .asked = on_asked,
    .tunnel_in_use = on_tunnel_in_use,
    .tunnel_gone = on_tunnel_gone,
    .stopped = on_stopped,
};

/* --- the network ---------------------------------------------------------------------------- */

static const struct sp_addr loopback_default = {
    .ip = {127, 0, 0, 1}, .port = 3478, .family = SP_IPV4};

/* Where both browsers find us, as soon as this host has the address; said only when it came late.
 */
static void listen_for_both(struct gateway *g, const struct sp_addr *own, size_t n)
{
    struct sp_addr both = sp_ready_both_browsers;
    const char *transport;
    char text[SP_ADDR_STRLEN];
    bool has = false;

    both.port = loopback_default.port;
    for (size_t i = 0; i < n && !has; i++)
        has = sp_addr_same_ip(&own[i], &both);
    if (g->config->n_listen > 0 || !has || sp_local_listens_on(g->local, &both))
        return;
    if (sp_local_listen(g->local, &both, &transport) == 0)
        sp_log_info(&g->config->log, "listening on one more address", SP_F_ADDR("local", &both));
    else
        sp_log_warn(&g->config->log, "cannot listen on an address that this host now has",
                    SP_F_STR("transport", transport),
                    SP_F_STR("local", sp_addr_format(&both, text)),
                    SP_F_STR("reason", strerror(errno)));
}

static void on_network_changed(const struct sp_addr *own, size_t n, void *arg)
{
    struct gateway *g = arg;

    if (g->stopping)
        return;
    sp_local_network_changed(g->local);
    sp_lan_ports_network_changed(g->lan_ports);
    listen_for_both(g, own, n);
    sp_links_network_changed(g->links, own, n);
}

/* --- signals -------------------------------------------------------------------------------- */

/* In good order: flows are closed, so that the server keeps no allocation for us, then lanes. A
 * second signal does not wait for any of that. */
static void on_stop_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    struct gateway *g = w->data;
    (void)events;

    if (g->stopping) {
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    g->stopping = true;
    sp_log_info(&g->config->log, "stopping");
    sp_notify(SP_NOTIFY_STOPPING);
    sp_local_stop(g->local);
    sp_lan_ports_stop(g->lan_ports);
    sp_links_stop(g->links);
}

/* The token is read for each connection anyway; trust is what is kept, and read anew here. */
static void on_reload_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    struct gateway *g = w->data;
    struct sp_tls_ctx *tls;
    char why[SP_TLS_ERROR_MAX];
    (void)loop;
    (void)events;

    if (sp_tls_ctx_client(g->config->ca_file, alpn, &tls, why) != 0) {
        sp_log_error(&g->config->log, "trust was not reread", SP_F_STR("reason", why));
        return;
    }
    sp_links_set_tls(g->links, tls);
    sp_tls_ctx_unref(tls);
    sp_log_info(&g->config->log, "trust reread, for connections from now on");
}

static void watch(struct gateway *g, ev_signal *w, void (*fn)(struct ev_loop *, ev_signal *, int),
                  int number)
{
    ev_signal_init(w, fn, number);
    w->data = g;
    ev_signal_start(g->loop, w);
}

/* --- start ---------------------------------------------------------------------------------- */

/* One line to standard error, and the exit status. */
__attribute__((format(printf, 2, 3))) static int fail(int status, const char *form, ...)
{
    char why[WHY_MAX * 2];
    va_list args;

    va_start(args, form);
    vsnprintf(why, sizeof why, form, args);
    va_end(args);
    fprintf(stderr, "sallyport-client: %s\n", why);
    return status;
}

static int out_of_memory(void)
{
    return fail(1, "out of memory");
}

static int start_loop(struct gateway *g)
{
    g->loop = ev_default_loop(EVFLAG_AUTO);
    if (g->loop == NULL)
        return fail(1, "cannot start an event loop");
    sp_ticker_init(&g->ticker, g->loop);
    sp_rng_system_init(&g->rng);
    sp_ratelimit_init(&g->refusals_said, 1, 5);
    g->env = (struct sp_client_env){.ticker = &g->ticker, .rng = &g->rng, .log = &g->config->log};
    if (sp_resolver_new(&g->ticker, &g->env.resolver) != 0)
        return fail(1, "cannot start the resolver of host names");
    if (sp_dgram_pool_new(&g->ticker, &g->env.dgrams) != 0)
        return out_of_memory();
    return 0;
}

static int listen_on(struct gateway *g, const struct sp_addr *addr)
{
    char text[SP_ADDR_STRLEN];
    const char *transport = "";
    int err = sp_local_listen(g->local, addr, &transport);

    if (err == 0)
        return 0;
    return fail(1, "cannot listen on %s %s (--listen): %s%s", transport, sp_addr_format(addr, text),
                err == SP_ESYS ? strerror(errno) : sp_strerror(err),
                err == SP_ESYS ? sp_sock_listen_advice(errno) : "");
}

static const struct sp_addr *listens(const void *arg, size_t i)
{
    return sp_local_addr(arg, i);
}

static int start_lan_ports(struct gateway *g)
{
    struct sp_tunnel_config tunnel;

    sp_tunnel_config_default(&tunnel, SP_TUNNEL_GATEWAY);
    const struct sp_lan_ports_config config = {.lan = g->config->lan,
                                               .n_lan = g->config->n_lan,
                                               .max_ports = tunnel.max_flows,
                                               .listens = listens,
                                               .arg = g->local};
    return sp_lan_ports_new(&g->env, &config, &g->lan_ports) == 0 ? 0 : out_of_memory();
}

static int start_local(struct gateway *g)
{
    const struct sp_gateway_config *c = g->config;
    struct sp_addr both_browsers = sp_ready_both_browsers;
    struct sp_tunnel_config tunnel;
    int status = 0;

    sp_tunnel_config_default(&tunnel, SP_TUNNEL_GATEWAY);
    struct sp_local_config config = {
        .lan = c->lan, .n_lan = c->n_lan, .max_clients = tunnel.max_flows};
    if (sp_local_new(&g->env, &config, &g->local) != 0)
        return out_of_memory();
    for (size_t i = 0; i < c->n_listen && status == 0; i++)
        status = listen_on(g, &c->listen[i]);
    if (c->n_listen > 0)
        return status;
    both_browsers.port = loopback_default.port;
    status = listen_on(g, &loopback_default);
    if (status == 0 && sp_sock_is_own(&both_browsers))
        status = listen_on(g, &both_browsers);
    return status;
}

/* A token file that is no good now is a mistake in the command line; one that breaks later is told
 * in the log. */
static int check_token_file(const char *path)
{
    struct sp_secrets token = {0};
    struct sp_claims claims;
    char why[SP_SECRET_ERR_MAX];

    if (path != NULL && sp_secret_file_read(path, &token, why) != 0)
        return fail(2, "--token-file: %s", why);
    bool good = path == NULL || (token.n == 1 && sp_token_peek(token.items[0], &claims) == 0);
    sp_secrets_fini(&token);
    if (!good)
        return fail(2,
                    "--token-file: %s: not a token: wants the one that `sallyport-server "
                    "credentials` prints behind \"token\", alone; it starts with v1.",
                    path);
    return 0;
}

static int start_links(struct gateway *g)
{
    const struct sp_gateway_config *c = g->config;
    struct sp_uplink_config config = {.servers = c->servers,
                                      .n_servers = c->n_servers,
                                      .proxies = c->proxies,
                                      .token_file = c->token_file,
                                      .token = c->token,
                                      .lanes = c->lanes};
    struct sp_tls_ctx *tls;
    char why[SP_TLS_ERROR_MAX];
    int status = check_token_file(c->token_file);

    if (status != 0)
        return status;
    if (sp_tls_ctx_client(c->ca_file, alpn, &tls, why) != 0)
        return fail(2, "%s%s", c->ca_file != NULL ? "--ca: " : "", why);
    int err = sp_links_new(&g->env, &config, tls, &links_events, g, &g->links);
    sp_tls_ctx_unref(tls);
    return err == 0 ? 0 : out_of_memory();
}

static int start_admin(struct gateway *g)
{
    const struct sp_addr *addr = &g->config->admin;
    char text[SP_ADDR_STRLEN];

    g->status.start_unix_s = sp_clock_unix_s();
    g->status.local = g->local;
    g->status.lan_ports = g->lan_ports;
    g->status.links = g->links;
    if (!g->config->has_admin || sp_status_open(&g->status, &g->env, addr, &g->admin) == 0)
        return 0;
    return fail(1, "cannot listen on %s (--admin): %s%s", sp_addr_format(addr, text),
                strerror(errno), sp_sock_listen_advice(errno));
}

/* Everything that wants privileges is done. The token is read again for each connection. */
static int confine(const struct gateway *g)
{
    const struct sp_gateway_config *c = g->config;
    const struct sp_confine_file files[] = {
        {"--token-file", c->token_file, true},
        {"--ca", c->ca_file, false},
    };
    char why[SP_CONFINE_WHY_MAX];

    if (sp_confine(&c->confine, files, SP_ARRAY_LEN(files), &c->log, why) == 0)
        return 0;
    return fail(1, "%s", why);
}

/* --- the ready line ------------------------------------------------------------------------- */

/* What "everywhere" means to a browser on this host. */
static struct sp_addr meeting_point(void)
{
    struct sp_addr a = sp_ready_both_browsers;

    if (!sp_sock_is_own(&a) && sp_sock_default_addr(SP_IPV4, &a) != 0)
        a = sp_addr_v4(127, 0, 0, 1, 0);
    return a;
}

static void say_ready(const struct gateway *g)
{
    struct sp_addr listen[SP_LOCAL_PORTS_MAX], everywhere = meeting_point();
    const struct sp_addr *a;
    size_t n = 0;

    while ((a = sp_local_addr(g->local, n)) != NULL)
        listen[n++] = *a;
    struct sp_addr name = sp_ready_choose(listen, n, &everywhere);
    sp_ready_write(stdout, listen, n, g->admin != NULL ? sp_admin_local(g->admin) : NULL, &name);
    fflush(stdout);
    sp_notify(SP_NOTIFY_READY);
    if (sp_addr_is_loopback(&name))
        sp_log_info(&g->config->log,
                    "Firefox uses no TURN server on a loopback address; "
                    "sallyport-local-address (scripts/local-address.sh) adds one that "
                    "it uses");
}

/* --- life ----------------------------------------------------------------------------------- */

static int start(struct gateway *g)
{
    int status = start_loop(g);

    if (status == 0)
        status = start_local(g);
    if (status == 0)
        status = start_lan_ports(g);
    if (status == 0)
        status = start_links(g);
    if (status == 0)
        status = start_admin(g);
    if (status == 0 && sp_network_new(&g->ticker, on_network_changed, g, &g->network) != 0)
        status = out_of_memory();
    if (status == 0)
        status = confine(g);
    return status;
}

static void end(struct gateway *g)
{
    if (g->loop == NULL)
        return;
    sp_network_free(g->network);
    sp_admin_close(g->admin);
    sp_local_free(g->local);
    sp_lan_ports_free(g->lan_ports);
    sp_links_free(g->links);
    if (g->env.dgrams != NULL)
        sp_dgram_pool_free(g->env.dgrams);
    if (g->env.resolver != NULL)
        sp_resolver_free(g->env.resolver);
    sp_ticker_fini(&g->ticker);
    ev_loop_destroy(g->loop);
}

int sp_gateway_run(const struct sp_gateway_config *config)
{
    struct gateway g = {.config = config};
    int status = start(&g);

    if (status == 0) {
        watch(&g, &g.on_term, on_stop_signal, SIGTERM);
        watch(&g, &g.on_int, on_stop_signal, SIGINT);
        watch(&g, &g.on_hup, on_reload_signal, SIGHUP);
        say_ready(&g);
        ev_run(g.loop, 0);
        sp_log_info(&config->log, "stopped");
    }
    end(&g);
    return status;
}
