/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "uplink_rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "require.h"
#include "sallyport/clock.h"
#include "sallyport/token.h"

/* --- the tunnel ----------------------------------------------------------------------------- */

static void no_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    (void)f, (void)d, (void)n, (void)now_us, (void)arg;
}

static void no_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)f, (void)code, (void)arg;
}

static void on_flush(void *arg)
{
    const struct uplink_rig *r = arg;
    sp_tunnel_flush(r->tunnel, sp_ticker_now(&r->io.ticker));
}

static void on_suspect(struct sp_lane *l, void *arg)
{
    const struct uplink_rig *r = arg;
    sp_uplink_lane_suspect(r->uplink, l);
}

static const struct sp_tunnel_events tunnel_events = {.flush = on_flush,
                                                      .datagrams = no_datagrams,
                                                      .flow_closed = no_flow_closed,
                                                      .lane_suspect = on_suspect};

static struct sp_tunnel *on_tunnel_made(void *arg)
{
    struct uplink_rig *r = arg;
    struct sp_tunnel_config c;
    struct sp_tunnel *old = r->tunnel;

    r->n_made++;
    sp_tunnel_config_default(&c, SP_TUNNEL_GATEWAY);
    REQUIRE(sp_tunnel_new(&c, &tunnel_events, r, &r->io.ticker.timers, &r->rng, &r->tunnel) == 0);
    sp_tunnel_free(old);
    return r->tunnel;
}

static void on_stopped(void *arg)
{
    struct uplink_rig *r = arg;
    r->is_stopped = true;
}

static const struct sp_uplink_events uplink_events = {on_tunnel_made, on_stopped};

/* --- life ----------------------------------------------------------------------------------- */

void uplink_rig_write_token(struct uplink_rig *r, uint64_t expires_s)
{
    struct sp_claims claims = {.subject = "test", .scope = "tunnel", .expires_s = expires_s};
    char token[SP_TOKEN_MAX];

    REQUIRE(sp_token_sign(sp_span_str("secret"), &claims, token, sizeof token) == 0);
    FILE *f = fopen(r->token_path, "w");
    REQUIRE(f != NULL);
    fprintf(f, "%s\n", token);
    fclose(f);
    REQUIRE(chmod(r->token_path, 0600) == 0);
}

void uplink_rig_url(const struct sp_addr *a, struct sp_server_url *out)
{
    char host[SP_ADDR_STRLEN], text[SP_ADDR_STRLEN + 8];
    const char *why;

    snprintf(text, sizeof text, "https://%s", sp_addr_format(a, host));
    REQUIRE(sp_server_url_parse(text, out, &why) == 0);
}

void uplink_rig_init(struct uplink_rig *r, unsigned lanes)
{
    static const struct tls_files_spec spec = {.names = "127.0.0.1,edge.test"};

    memset(r, 0, sizeof *r);
    io_loop_init(&r->io);
    sp_rng_system_init(&r->rng);
    r->log = (struct sp_log){.level = SP_LOG_DEBUG, .fd = memfd_create("log", 0)};
    REQUIRE(r->log.fd >= 0);
    r->env = (struct sp_client_env){.ticker = &r->io.ticker, .rng = &r->rng, .log = &r->log};
    REQUIRE(sp_resolver_new(&r->io.ticker, &r->env.resolver) == 0);
    tls_files_make(&r->files, &spec);
    snprintf(r->token_path, sizeof r->token_path, "%s/token", r->files.dir);
    uplink_rig_write_token(r, sp_clock_unix_s() + 3600);
    scripted_edge_open(&r->server, &r->io, &r->rng, r->files.cert, r->files.key);
    uplink_rig_url(&r->server.addr, &r->servers[0]);
    r->config = (struct sp_uplink_config){.servers = r->servers,
                                          .n_servers = 1,
                                          .proxies = r->proxies,
                                          .token_file = r->token_path,
                                          .lanes = lanes};
}

void uplink_rig_start(struct uplink_rig *r, const char *ca)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct sp_tls_ctx *tls;
    char why[SP_TLS_ERROR_MAX];

    REQUIRE(sp_tls_ctx_client(ca, alpn, &tls, why) == 0);
    REQUIRE(sp_uplink_new(&r->env, &r->config, tls, &uplink_events, r, &r->uplink) == 0);
    sp_tls_ctx_unref(tls);
}

void uplink_rig_fini(struct uplink_rig *r)
{
    sp_uplink_free(r->uplink);
    sp_tunnel_free(r->tunnel);
    scripted_edge_close(&r->server);
    sp_resolver_free(r->env.resolver);
    unlink(r->token_path);
    tls_files_remove(&r->files);
    close(r->log.fd);
    io_loop_fini(&r->io);
}

/* --- what is awaited ------------------------------------------------------------------------ */

const char *uplink_rig_logged(const struct uplink_rig *r)
{
    static char text[65536];
    ssize_t n = pread(r->log.fd, text, sizeof text - 1, 0);

    REQUIRE(n >= 0);
    text[n] = '\0';
    return text;
}

struct awaited {
    const struct uplink_rig *rig;
    const char *text;
    unsigned lanes;
};

static bool has_logged(void *arg)
{
    const struct awaited *a = arg;
    return strstr(uplink_rig_logged(a->rig), a->text) != NULL;
}

bool uplink_rig_until_logged(struct uplink_rig *r, const char *text)
{
    struct awaited a = {.rig = r, .text = text};
    return io_loop_until(&r->io, has_logged, &a);
}

unsigned uplink_rig_lanes(const struct uplink_rig *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->config.lanes; i++)
        n += sp_uplink_lane_stream(r->uplink, i) != NULL;
    return n;
}

static bool has_lanes(void *arg)
{
    const struct awaited *a = arg;
    const struct uplink_rig *r = a->rig;

    return uplink_rig_lanes(r) == a->lanes && sp_uplink_is_up(r->uplink) &&
           r->server.tunnel != NULL && sp_tunnel_lane_count(r->server.tunnel) == a->lanes;
}

bool uplink_rig_until_lanes(struct uplink_rig *r, unsigned n)
{
    struct awaited a = {.rig = r, .lanes = n};
    return io_loop_until(&r->io, has_lanes, &a);
}
