/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker_rig.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metrics.h"
#include "require.h"
#include "sallyport/clock.h"
#include "sallyport/upgrade.h"
#include "server_env.h"

static void write_secret(struct worker_rig *r)
{
    snprintf(r->secrets, sizeof r->secrets, "%s/secrets", r->files.dir);
    FILE *f = fopen(r->secrets, "w");
    REQUIRE(f != NULL && fprintf(f, "%s\n", SERVER_ENV_SECRET) > 0 && fclose(f) == 0);
    REQUIRE(chmod(r->secrets, 0600) == 0);
}

void worker_rig_init(struct worker_rig *r)
{
    static const char *const users[] = {SERVER_ENV_USER ":" SERVER_ENV_PASSWORD};
    static const char *const alpn[] = {"http/1.1", NULL};

    *r = (struct worker_rig){.w = NULL};
    io_loop_init(&r->loop);
    tls_files_make(&r->files, NULL);
    write_secret(r);
    sp_rng_system_init(&r->rng);
    REQUIRE(sp_cidr_parse("127.0.0.0/8", &r->loopback) == 0);
    REQUIRE(sp_tls_ctx_client(r->files.ca, alpn, &r->client, r->why) == 0);
    r->ip.local = r->ip.public_ = sp_addr_v4(198, 51, 100, 7, 0);
    r->sc = (struct sp_shared_config){.serve = SP_SERVE_TUNNEL | SP_SERVE_TURN | SP_SERVE_SITE,
                                      .allow = &r->loopback,
                                      .n_allow = 1,
                                      .tunnel_path = SP_UPGRADE_PATH};
    r->kc = (struct sp_keys_config){.cert_file = r->files.cert,
                                    .key_file = r->files.key,
                                    .turn_in_tls = true,
                                    .realm = "test",
                                    .secret_file = r->secrets,
                                    .users = users,
                                    .n_users = 1};
    r->wc = (struct sp_worker_config){.index = 7,
                                      .listen = {sp_addr_v4(127, 0, 0, 1, 0)},
                                      .n_listen = 1,
                                      .listen_udp = {{.family = SP_IPV6}},
                                      .n_listen_udp = 1,
                                      .relay_ips = &r->ip,
                                      .n_relay_ips = 1,
                                      .linger_us = SP_SEC(30)};
    sp_bounds_default(&r->wc.bounds);
    sp_commons_init(&r->commons, 1, &r->wc.bounds, &r->rng);
}

static struct sp_worker_share share_of(struct worker_rig *r)
{
    struct sp_worker_share share = {.log = NULL};

    REQUIRE(sp_shared_new(&r->sc, &r->shared, r->why) == 0);
    REQUIRE(sp_keys_load(&r->kc, &r->rng, &share.keys, r->why) == 0);
    REQUIRE(sp_relay_ips_new(r->wc.relay_ips, r->wc.n_relay_ips, r->wc.min_port, r->wc.max_port,
                             &r->relay_ips) == 0);
    share.shared = r->shared;
    share.relay_ips = r->relay_ips;
    share.commons = &r->commons;
    return share;
}

int worker_rig_start(struct worker_rig *r)
{
    struct sp_worker_share share = share_of(r);
    int err = sp_worker_new(r->loop.loop, &r->wc, &share, &r->w, r->why);

    sp_keys_unref(share.keys);
    return err;
}

int worker_rig_start_crew(struct worker_rig *r, unsigned n)
{
    struct sp_worker_share share = share_of(r);
    int err = sp_crew_new(n, &r->wc, &share, &r->crew, r->why);

    sp_keys_unref(share.keys);
    if (err == 0)
        REQUIRE(sp_crew_start(r->crew) == 0);
    return err;
}

int worker_rig_reload(struct worker_rig *r)
{
    struct sp_keys *keys;
    int err = sp_keys_load(&r->kc, &r->rng, &keys, r->why);

    if (err != 0)
        return err;
    sp_worker_set_keys(r->w, keys);
    sp_keys_unref(keys);
    return 0;
}

void worker_rig_stop(struct worker_rig *r)
{
    sp_worker_free(r->w);
    sp_crew_free(r->crew);
    r->w = NULL;
    r->crew = NULL;
}

void worker_rig_close(struct worker_rig *r)
{
    worker_rig_stop(r);
    sp_commons_fini(&r->commons);
    sp_relay_ips_free(r->relay_ips);
    sp_shared_free(r->shared);
    sp_tls_ctx_unref(r->client);
    unlink(r->secrets);
    tls_files_remove(&r->files);
    io_loop_fini(&r->loop);
}

const struct sp_addr *worker_rig_tcp(const struct worker_rig *r)
{
    return r->crew != NULL ? sp_crew_listen(r->crew, 0) : sp_worker_listen(r->w, 0);
}

struct sp_addr worker_rig_udp(const struct worker_rig *r, const char *ip)
{
    struct sp_addr a;

    REQUIRE(sp_addr_parse_ip(ip, &a) == 0);
    a.port =
        (r->crew != NULL ? sp_crew_listen_udp(r->crew, 0) : sp_worker_listen_udp(r->w, 0))->port;
    return a;
}

static void add_stats(struct sp_worker *w, void *arg)
{
    struct sp_worker_stats one;

    sp_worker_stats(w, &one);
    sp_server_stats_add(arg, &one);
}

struct sp_worker_stats worker_rig_stats(const struct worker_rig *r)
{
    struct sp_worker_stats s = {.allocations = 0};

    if (r->crew != NULL)
        sp_crew_each(r->crew, add_stats, &s);
    else
        sp_worker_stats(r->w, &s);
    return s;
}
