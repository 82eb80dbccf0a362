/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server_env.h"

#include <stdio.h>

#include "require.h"
#include "sallyport/clock.h"
#include "sallyport/token.h"

static void on_emit(void *arg, const struct sp_turn_out *out, size_t n)
{
    static const uint8_t zeros[4];
    (void)arg;

    for (size_t i = 0; i < n; i++) {
        const struct sp_span parts[] = {sp_span(out[i].head, out[i].head_len), out[i].body,
                                        sp_span(zeros, out[i].pad_len)};
        if (out[i].client == NULL)
            sp_relays_send(out[i].relay, &out[i].peer, out[i].dont_fragment, parts, 3);
        else
            sp_endpoint_send(out[i].client->via, parts, 3);
    }
}

static int on_relay_open(void *arg, const struct sp_turn_relay_request *want,
                         struct sp_turn_alloc *alloc, struct sp_turn_relay *out)
{
    struct server_env *e = arg;
    return sp_relays_open(e->relays, want, alloc, out);
}

static void on_relay_close(void *arg, const struct sp_turn_relay *relay)
{
    struct server_env *e = arg;
    sp_relays_close(e->relays, relay);
}

static void on_reservation_end(void *arg, const struct sp_addr *local)
{
    struct server_env *e = arg;
    sp_relays_end_reservation(e->relays, local);
}

static void on_alloc_begin(void *arg, struct sp_turn_alloc *a)
{
    struct server_env *e = arg;
    e->begun++;
    sp_endpoint_allocated(sp_turn_alloc_path(a)->via, a);
}

static void on_alloc_end(void *arg, const struct sp_turn_alloc *a, enum sp_turn_end why)
{
    struct server_env *e = arg;
    (void)why;
    e->ended++;
    sp_endpoint_deallocated(sp_turn_alloc_path(a)->via);
}

static const struct sp_turn_effects effects = {
    .emit = on_emit,
    .relay_open = on_relay_open,
    .relay_close = on_relay_close,
    .reservation_end = on_reservation_end,
    .alloc_begin = on_alloc_begin,
    .alloc_end = on_alloc_end,
};

static void open_turn(struct server_env *e)
{
    static const char *const users[] = {SERVER_ENV_USER ":" SERVER_ENV_PASSWORD};
    struct sp_turn_config config;
    struct sp_cidr loopback;

    REQUIRE(sp_turn_auth_new("test", &e->rng, &e->auth) == 0);
    REQUIRE(sp_turn_auth_set_users(e->auth, users, 1) == 0);
    REQUIRE(sp_peer_policy_new(&e->policy) == 0);
    REQUIRE(sp_cidr_parse("127.0.0.0/8", &loopback) == 0);
    REQUIRE(sp_peer_policy_allow(e->policy, &loopback) == 0);
    sp_turn_config_default(&config);
    config.hits = &e->hits;
    REQUIRE(sp_turn_new(&config, e->auth, e->policy, &e->loop.ticker.timers, &e->rng,
                        &e->env.turn) == 0);
    sp_turn_set_effects(e->env.turn, &effects, e);
}

void server_env_open(struct server_env *e, uint16_t min_port, uint16_t max_port)
{
    struct sp_addr loopback = sp_addr_v4(127, 0, 0, 1, 0), far = sp_addr_v4(198, 51, 100, 7, 0);
    const struct sp_addr *a = min_port != 0 ? &loopback : &far;
    const struct sp_relay_ip ip = {*a, *a};

    *e = (struct server_env){.begun = 0};
    io_loop_init(&e->loop);
    sp_rng_system_init(&e->rng);
    e->env = (struct sp_env){.worker = 7,
                             .ticker = &e->loop.ticker,
                             .rng = &e->rng,
                             .bounds = &e->bounds,
                             .hits = &e->hits,
                             .commons = &e->commons,
                             .max_strangers = 64};
    sp_bounds_default(&e->bounds);
    sp_commons_init(&e->commons, 1, &e->bounds, &e->rng);
    REQUIRE(sp_dgram_pool_new(&e->loop.ticker, &e->env.dgrams) == 0);
    open_turn(e);
    REQUIRE(sp_relay_ips_new(&ip, 1, min_port, max_port, &e->relay_ips) == 0);
    REQUIRE(sp_relays_new(&e->env, e->relay_ips, &e->relays) == 0);
}

void server_env_close(struct server_env *e)
{
    sp_turn_free(e->env.turn);
    sp_commons_fini(&e->commons);
    sp_relays_free(e->relays);
    sp_relay_ips_free(e->relay_ips);
    sp_dgram_pool_free(e->env.dgrams);
    sp_turn_auth_free(e->auth);
    sp_peer_policy_free(e->policy);
    io_loop_fini(&e->loop);
}

void server_env_pass(struct server_env *e, uint64_t us)
{
    uint64_t now_us = sp_ticker_now(&e->loop.ticker);

    /* In steps: what a timer sets anew may be due in the same time. */
    for (uint64_t passed = 0; passed < us; passed += SP_SEC(1))
        sp_timerq_run(&e->loop.ticker.timers, now_us + passed + SP_SEC(1));
}

void server_env_token(const char *subject, const char *scope, int64_t good_for_s, char *out)
{
    struct sp_claims c = {.expires_s = sp_clock_unix_s() + (uint64_t)good_for_s};

    snprintf(c.subject, sizeof c.subject, "%s", subject);
    snprintf(c.scope, sizeof c.scope, "%s", scope);
    REQUIRE(sp_token_sign(sp_span_str(SERVER_ENV_SECRET), &c, out, SP_TOKEN_MAX + 1) == 0);
}
