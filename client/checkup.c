/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "checkup.h"

#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_report.h"
#include "dial.h"
#include "ready.h"
#include "sallyport/clock.h"
#include "sallyport/dgram.h"
#include "sallyport/err.h"
#include "sallyport/resolve.h"
#include "sallyport/sock.h"
#include "sallyport/stream_lane.h"
#include "sallyport/stun.h"
#include "sallyport/tunnel.h"
#include "token_source.h"

#define STUN_PORT    3478
#define UDP_US       SP_SEC(3)
#define UDP_AGAIN_US SP_MS(500) /* a lost datagram is no firewall */
#define LEAVE_US     SP_SEC(1)

static const struct sp_option table[] = {
    {.name = "json", .help = "print one JSON object", .group = "The report"},
};

const struct sp_options_spec sp_check_options = {
    .usage = "sallyport-client check --server URL --token-file FILE [OPTION]...",
    .about = "Says what this network lets through: name, TCP, TLS and whose certificate, the "
             "token, UDP, and the local ports. Exit status 0: the tunnel would work; 1: not.",
    .table = table,
    .n = SP_ARRAY_LEN(table),
    .also = &sp_gateway_options,
};

struct check {
    const struct sp_gateway_config *config;
    struct ev_loop *loop;
    struct sp_ticker ticker;
    struct sp_rng rng;
    struct sp_log quiet;
    struct sp_client_env env;
    struct sp_tls_ctx *tls;
    struct sp_secrets token;
    bool done;

    /* Of the server in work. */
    struct sp_check_part *part;
    const struct sp_server_url *server;
    const struct sp_proxy *proxy;
    struct sp_addr addrs[SP_RESOLVE_MAX];
    size_t n_addrs;
    struct sp_dial_trace trace;
    struct sp_tunnel *tunnel;
    struct sp_addr asked, mapped;
    uint8_t stun_id[SP_STUN_ID_LEN];
    bool answered;
};

static uint64_t now(const struct check *c)
{
    return sp_ticker_now(&c->ticker);
}

/* What is waited for has come. */
static void done(struct check *c)
{
    c->done = true;
    ev_break(c->loop, EVBREAK_ONE);
}

static void wait_done(struct check *c)
{
    while (!c->done)
        ev_run(c->loop, 0);
}

static void on_time(struct sp_timer *t, uint64_t now_us, void *arg)
{
    (void)t;
    (void)now_us;
    done(arg);
}

/* At most so long. */
static void wait_for(struct check *c, uint64_t us)
{
    struct sp_timer timer;

    sp_timer_init(&timer, on_time, c);
    c->done = sp_timerq_set(&c->ticker.timers, &timer, now(c) + us) != 0;
    wait_done(c);
    sp_timerq_cancel(&c->ticker.timers, &timer);
}

/* --- the name ------------------------------------------------------------------------------- */

static void on_resolved(int err, const char *why, const struct sp_addr *addrs, size_t n, void *arg)
{
    struct check *c = arg;

    c->n_addrs = err == 0 ? n : 0;
    memcpy(c->addrs, addrs, c->n_addrs * sizeof *addrs);
    sp_check_name(c->part, c->server->host, c->proxy != NULL, err, why, c->addrs, c->n_addrs);
    done(c);
}

static void check_name(struct check *c)
{
    struct sp_resolve *question;

    c->done = false;
    c->n_addrs = 0;
    if (sp_resolve_start(c->env.resolver, c->server->host, STUN_PORT, on_resolved, c, &question) ==
        0)
        wait_done(c);
}

/* --- a lane --------------------------------------------------------------------------------- */

static void on_lane_closed(struct sp_stream_lane *l, int why, const char *text, void *arg)
{
    (void)l;
    (void)why;
    (void)text;
    done(arg);
}

static void on_flush(void *arg)
{
    (void)arg; /* flushed by hand */
}

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    (void)f, (void)d, (void)n, (void)now_us, (void)arg;
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)f, (void)code, (void)arg;
}

static void on_lane_suspect(struct sp_lane *l, void *arg)
{
    (void)l, (void)arg;
}

static const struct sp_tunnel_events tunnel_events = {
    .flush = on_flush,
    .datagrams = on_datagrams,
    .flow_closed = on_flow_closed,
    .lane_suspect = on_lane_suspect,
};

/* Goes as a gateway goes that ends, so that the server keeps nothing for it. */
static void leave(struct check *c, struct sp_stream *stream)
{
    struct sp_tunnel_config config;
    struct sp_stream_lane *lane = NULL;

    sp_tunnel_config_default(&config, SP_TUNNEL_GATEWAY);
    if (sp_tunnel_new(&config, &tunnel_events, c, &c->ticker.timers, &c->rng, &c->tunnel) != 0) {
        sp_stream_free(stream);
        return;
    }
    if (sp_stream_lane_new(stream, &c->ticker, c->tunnel, 0, on_lane_closed, c, &lane) != 0) {
        sp_stream_free(stream);
    } else {
        sp_tunnel_drain(c->tunnel, now(c));
        sp_tunnel_flush(c->tunnel, now(c));
        sp_stream_finish(stream, LEAVE_US);
        c->done = false;
        wait_done(c);
    }
    sp_tunnel_free(c->tunnel);
}

struct dialled {
    struct check *check;
    struct sp_stream *stream; /* NULL: refused */
    struct sp_refusal refusal;
};

static void on_dialled(const struct sp_dial_result *r, const struct sp_refusal *why, void *arg)
{
    struct dialled *d = arg;

    if (r != NULL)
        d->stream = r->stream;
    else
        d->refusal = *why;
    done(d->check);
}

static void check_tunnel(struct check *c)
{
    struct dialled d = {.check = c, .refusal.kind = SP_REFUSAL_MEMORY};
    struct sp_dial_order order = {.server = c->server,
                                  .proxy = c->proxy,
                                  .tls = c->tls,
                                  .upgrade = {.token = c->token.items[0], .is_new = true},
                                  .trace = &c->trace};
    struct sp_dial *dial;
    struct sp_sock_tcp tcp = {0};

    c->done = false;
    c->trace = (struct sp_dial_trace){0};
    if (sp_dial_start(&c->env, &order, on_dialled, &d, &dial) == 0)
        wait_done(c);
    if (d.stream != NULL)
        sp_stream_tcp_info(d.stream, &tcp);
    sp_check_dialled(c->part, &(struct sp_check_dial){
                                  .proxy = c->proxy,
                                  .server = c->server,
                                  .trace = &c->trace,
                                  .refusal = d.stream == NULL ? &d.refusal : NULL,
                                  .end_us = now(c),
                                  .rtt_us = tcp.rtt_us,
                              });
    if (d.stream != NULL)
        leave(c, d.stream);
}

/* --- UDP ------------------------------------------------------------------------------------ */

static void on_udp(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n, void *arg)
{
    struct check *c = arg;
    struct sp_stun_msg m;
    (void)d;

    for (size_t i = 0; i < n; i++) {
        if (sp_stun_parse(in[i].body, &m) != 0 || m.cls != SP_STUN_SUCCESS ||
            memcmp(m.id, c->stun_id, sizeof c->stun_id) != 0 ||
            sp_stun_find_xor_addr(&m, SP_ATTR_XOR_MAPPED_ADDRESS, &c->mapped) != 0)
            continue;
        c->answered = true;
        done(c);
    }
}

static void ask_by_udp(struct check *c, struct sp_dgram *d)
{
    uint8_t text[SP_STUN_HEADER_LEN];
    struct sp_stun_builder b;
    size_t len;
    uint64_t start_us = now(c);

    sp_rng_bytes(&c->rng, c->stun_id, sizeof c->stun_id);
    sp_stun_begin(&b, text, sizeof text, SP_STUN_BINDING, SP_STUN_REQUEST, c->stun_id);
    if (sp_stun_end(&b, &len) != 0)
        return;
    struct sp_span request = sp_span(text, len);
    while (!c->answered && now(c) < start_us + UDP_US) {
        sp_dgram_send(d, &c->asked, NULL, &request, 1);
        wait_for(c, UDP_AGAIN_US);
    }
    sp_check_udp(c->part, &c->asked, c->answered ? &c->mapped : NULL, now(c) - start_us);
}

/* The first address of the server's; what a browser would find out by itself. */
static void check_udp(struct check *c)
{
    struct sp_addr any;
    struct sp_dgram *d;

    if (c->n_addrs == 0) {
        sp_check_add(c->part, "udp", SP_CHECK_SKIPPED, "not tried: no address is known");
        return;
    }
    c->asked = c->addrs[0];
    c->answered = false;
    any = (struct sp_addr){.family = c->asked.family};
    if (sp_dgram_open(c->env.dgrams, &any, NULL, on_udp, c, &d) != 0) {
        sp_check_add(c->part, "udp", SP_CHECK_PROBLEM, "no socket: %s", strerrordesc_np(errno));
        return;
    }
    ask_by_udp(c, d);
    sp_dgram_close(d);
}

/* --- this host ------------------------------------------------------------------------------ */

static void check_listen(struct sp_check_part *p, const struct sp_addr *a)
{
    struct sp_addr bound;
    int fd;

    int why = sp_sock_udp(a, NULL, &fd, &bound) == 0 ? 0 : errno;
    if (why == 0)
        close(fd);
    sp_check_listen(p, "udp", a, why);
    why = sp_sock_listen(a, NULL, &fd, &bound) == 0 ? 0 : errno;
    if (why == 0)
        close(fd);
    sp_check_listen(p, "tcp", a, why);
}

static void check_host(const struct sp_gateway_config *config, struct sp_check_part *p)
{
    struct sp_addr both = sp_ready_both_browsers;
    const struct sp_addr loopback = sp_addr_v4(127, 0, 0, 1, STUN_PORT);
    bool there = sp_sock_is_own(&both);

    snprintf(p->title, sizeof p->title, "this host");
    for (size_t i = 0; i < config->n_listen; i++)
        check_listen(p, &config->listen[i]);
    if (config->n_listen > 0)
        return;
    both.port = STUN_PORT;
    sp_check_address(p, there);
    check_listen(p, &loopback);
    if (there)
        check_listen(p, &both);
}

/* --- the whole ------------------------------------------------------------------------------ */

static void check_server(struct check *c, size_t i, struct sp_check_part *p)
{
    c->part = p;
    c->server = &c->config->servers[i];
    c->proxy = c->config->proxies[i].host[0] != '\0' ? &c->config->proxies[i] : NULL;
    snprintf(p->title, sizeof p->title, "https://%s", c->server->authority);
    check_name(c);
    check_tunnel(c);
    check_udp(c);
}

static int refuse(const char *option, const char *why)
{
    fprintf(stderr, "sallyport-client: %s%s\n", option, why);
    return 2;
}

/* 0, or the exit status. */
static int start(struct check *c)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    char why[SP_SECRET_ERR_MAX], tls_why[SP_TLS_ERROR_MAX];
    const struct sp_gateway_config *config = c->config;

    if (sp_token_source_read(config->token_file, config->token, &c->token, why) != 0)
        return refuse(config->token_file != NULL ? "--token-file: " : "", why);
    if (sp_tls_ctx_client(config->ca_file, alpn, &c->tls, tls_why) != 0)
        return refuse(config->ca_file != NULL ? "--ca: " : "", tls_why);
    c->loop = ev_default_loop(EVFLAG_AUTO);
    if (c->loop == NULL)
        return refuse("", "cannot start an event loop") - 1;
    sp_ticker_init(&c->ticker, c->loop);
    sp_rng_system_init(&c->rng);
    c->env = (struct sp_client_env){.ticker = &c->ticker, .rng = &c->rng, .log = NULL};
    if (sp_resolver_new(&c->ticker, &c->env.resolver) != 0 ||
        sp_dgram_pool_new(&c->ticker, &c->env.dgrams) != 0)
        return refuse("", "cannot start the resolver of host names") - 1;
    return 0;
}

static void end(struct check *c)
{
    if (c->env.dgrams != NULL)
        sp_dgram_pool_free(c->env.dgrams);
    if (c->env.resolver != NULL)
        sp_resolver_free(c->env.resolver);
    if (c->loop != NULL) {
        sp_ticker_fini(&c->ticker);
        ev_loop_destroy(c->loop);
    }
    sp_tls_ctx_unref(c->tls);
    sp_secrets_fini(&c->token);
}

static int print_json(json_t *servers, const struct sp_check_part *host, bool works)
{
    json_t *root = json_pack("{s:b, s:o, s:o}", "works", works, "servers", servers, "host",
                             sp_check_json(host));
    char *text = root != NULL ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;

    if (text != NULL)
        puts(text);
    free(text);
    json_decref(root);
    return text != NULL ? 0 : SP_ENOMEM;
}

static int check_all(struct check *c, bool as_json)
{
    struct sp_check_part *p = calloc(1, sizeof *p);
    json_t *servers = json_array();
    bool works = false;

    if (p == NULL)
        return 1;
    for (size_t i = 0; i < c->config->n_servers; i++) {
        *p = (struct sp_check_part){0};
        check_server(c, i, p);
        works |= p->works;
        if (as_json)
            json_array_append_new(servers, sp_check_json(p));
        else
            sp_check_write(p, stdout);
        fflush(stdout);
    }
    *p = (struct sp_check_part){0};
    check_host(c->config, p);
    if (as_json && print_json(servers, p, works) != 0)
        works = false;
    if (!as_json) {
        json_decref(servers);
        sp_check_write(p, stdout);
        printf("%s\n", works ? "The tunnel would work." : "The tunnel would not work.");
    }
    free(p);
    return works ? 0 : 1;
}

int sp_check_run(const struct sp_gateway_config *config, bool as_json)
{
    struct check c = {.config = config};
    int status = start(&c);

    if (status == 0)
        status = check_all(&c, as_json);
    end(&c);
    return fflush(stdout) == 0 ? status : 1;
}
