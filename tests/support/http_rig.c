/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_rig.h"

#include <check.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/listener.h"
#include "sallyport/upgrade.h"

static int take_turn(struct sp_stream *s, void *arg)
{
    (void)s;
    (void)arg;
    return SP_EFULL;
}

static int take_http(struct sp_stream *s, void *arg)
{
    struct http_rig *r = arg;
    return sp_http_service_take(r->http, s);
}

static const struct sp_conn_takers takers = {.turn = take_turn, .http = take_http};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct http_rig *r = arg;
    (void)l;
    (void)remote;
    sp_conn_accept(r->conns, fd);
}

static void open_shared(struct http_rig *r)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    char why[SP_SHARED_WHY_MAX];

    r->shared.config.serve = SP_SERVE_TUNNEL | SP_SERVE_SITE;
    r->shared.config.tunnel_path = SP_UPGRADE_PATH;
    tls_files_make(&r->files, NULL);
    ck_assert_int_eq(sp_tls_ctx_client(r->files.ca, alpn, &r->client, why), 0);
    ck_assert_int_eq(sp_tls_ctx_server(r->files.cert, r->files.key, alpn, &r->keys.tls, why), 0);
    ck_assert_int_eq(
        sp_secrets_from_text("test", sp_span_str(SERVER_ENV_SECRET), &r->keys.secrets, why), 0);
    ck_assert_int_eq(sp_site_new(NULL, &r->shared.site, why), 0);
}

void http_rig_open(struct http_rig *r)
{
    const struct sp_sessions_config c = {.linger_us = SP_SEC(30)};
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);

    *r = (struct http_rig){.log = {.level = SP_LOG_INFO}};
    ck_assert_int_eq(pipe(r->logs), 0);
    r->log.fd = r->logs[1];
    server_env_open(&r->e, 0, 0);
    r->e.bounds.tunnels = 2;
    r->e.env.log = &r->log;
    r->ring.now = &r->keys;
    r->e.env.keys = &r->ring;
    open_shared(r);
    ck_assert_int_eq(sp_sessions_new(&r->e.env, &c, &r->sessions), 0);
    ck_assert_int_eq(sp_http_service_new(&r->e.env, &r->shared, r->sessions, NULL, NULL, &r->http),
                     0);
    ck_assert_int_eq(sp_conns_new(&r->e.env, &r->shared, &takers, r, &r->conns), 0);
    ck_assert_int_eq(
        sp_listener_open(&r->e.loop.ticker, NULL, &any, NULL, on_accept, r, &r->listener), 0);
    r->addr = sp_listener_local(r->listener);
}

void http_rig_close(struct http_rig *r)
{
    sp_listener_close(r->listener);
    sp_conns_free(r->conns);
    sp_http_service_free(r->http);
    sp_sessions_free(r->sessions);
    sp_site_free(r->shared.site);
    sp_secrets_fini(&r->keys.secrets);
    sp_tls_ctx_unref(r->keys.tls);
    sp_tls_ctx_unref(r->client);
    tls_files_remove(&r->files);
    server_env_close(&r->e);
    close(r->logs[0]);
    close(r->logs[1]);
}

void http_rig_connect(struct http_rig *r, struct peer *p, bool tls)
{
    ck_assert(peer_connect(p, &r->e.loop, r->addr, tls ? r->client : NULL));
}

const struct sp_http_counters *http_rig_counters(const struct http_rig *r)
{
    return sp_http_service_counters(r->http);
}
