/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The uplink against a server that does what it is told (scripted_edge.h).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io_loop.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/sock.h"
#include "sallyport/token.h"
#include "scripted_edge.h"
#include "tls_files.h"
#include "uplink.h"

#define LANES 3

static struct io_loop io;
static struct sp_rng rng;
static struct sp_log log_;
static struct sp_client_env env;
static struct tls_files files;
static struct scripted_edge server;

/* --- the client ----------------------------------------------------------------------------- */

static void no_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    (void)f, (void)d, (void)n, (void)now_us, (void)arg;
}

static void no_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)f, (void)code, (void)arg;
}

static struct sp_uplink *uplink;
static struct sp_tunnel *tunnel;
static size_t n_made;
static bool is_stopped;
static struct sp_server_url servers[2];
static struct sp_proxy proxies[2];
static char token_path[128];
static struct sp_uplink_config config;

static void gateway_flush(void *arg)
{
    (void)arg;
    sp_tunnel_flush(tunnel, sp_ticker_now(&io.ticker));
}

static void gateway_suspect(struct sp_lane *l, void *arg)
{
    (void)arg;
    sp_uplink_lane_suspect(uplink, l);
}

static const struct sp_tunnel_events gateway_events = {.flush = gateway_flush,
                                                       .datagrams = no_datagrams,
                                                       .flow_closed = no_flow_closed,
                                                       .lane_suspect = gateway_suspect};

static struct sp_tunnel *on_tunnel_made(void *arg)
{
    struct sp_tunnel_config c;
    struct sp_tunnel *old = tunnel;
    (void)arg;

    n_made++;
    sp_tunnel_config_default(&c, SP_TUNNEL_GATEWAY);
    ck_assert_int_eq(sp_tunnel_new(&c, &gateway_events, NULL, &io.ticker.timers, &rng, &tunnel), 0);
    sp_tunnel_free(old);
    return tunnel;
}

static void on_stopped(void *arg)
{
    (void)arg;
    is_stopped = true;
}

static const struct sp_uplink_events uplink_events = {on_tunnel_made, on_stopped};

static void write_token(uint64_t expires_s)
{
    struct sp_claims claims = {.subject = "test", .scope = "tunnel", .expires_s = expires_s};
    char token[SP_TOKEN_MAX];

    ck_assert_int_eq(sp_token_sign(sp_span_str("secret"), &claims, token, sizeof token), 0);
    FILE *f = fopen(token_path, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "%s\n", token);
    fclose(f);
    ck_assert_int_eq(chmod(token_path, 0600), 0);
}

static void start(const char *ca)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct sp_tls_ctx *tls;
    char why[SP_TLS_ERROR_MAX];

    ck_assert_msg(sp_tls_ctx_client(ca, alpn, &tls, why) == 0, "%s", why);
    ck_assert_int_eq(sp_uplink_new(&env, &config, tls, &uplink_events, NULL, &uplink), 0);
    sp_tls_ctx_unref(tls);
}

static const char *logged(void)
{
    static char text[65536];
    ssize_t n = pread(log_.fd, text, sizeof text - 1, 0);

    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    return text;
}

static const char *awaited;

static bool has_logged(void *arg)
{
    (void)arg;
    return strstr(logged(), awaited) != NULL;
}

static void expect_log(const char *text)
{
    awaited = text;
    ck_assert_msg(io_loop_until(&io, has_logged, NULL), "no \"%s\" in:\n%s", text, logged());
}

static bool all_lanes_up(void *arg)
{
    size_t n = 0;
    (void)arg;

    for (unsigned i = 0; i < config.lanes; i++)
        n += sp_uplink_lane_stream(uplink, i) != NULL;
    return n == config.lanes && sp_uplink_is_up(uplink) && server.tunnel != NULL &&
           sp_tunnel_lane_count(server.tunnel) == config.lanes;
}

static void expect_up(void)
{
    ck_assert_msg(io_loop_until(&io, all_lanes_up, NULL), "%s", logged());
}

static void url_of(const struct sp_addr *a, struct sp_server_url *out)
{
    char host[SP_ADDR_STRLEN], text[SP_ADDR_STRLEN + 8];
    const char *why;

    snprintf(text, sizeof text, "https://%s", sp_addr_format(a, host));
    ck_assert_int_eq(sp_server_url_parse(text, out, &why), 0);
}

static void setup(void)
{
    static const struct tls_files_spec spec = {.names = "127.0.0.1,edge.test"};

    io_loop_init(&io);
    sp_rng_system_init(&rng);
    log_ = (struct sp_log){.level = SP_LOG_DEBUG, .fd = memfd_create("log", 0)};
    ck_assert_int_ge(log_.fd, 0);
    env = (struct sp_client_env){.ticker = &io.ticker, .rng = &rng, .log = &log_};
    ck_assert_int_eq(sp_resolver_new(&io.ticker, &env.resolver), 0);
    tls_files_make(&files, &spec);
    snprintf(token_path, sizeof token_path, "%s/token", files.dir);
    write_token(sp_clock_unix_s() + 3600);

    scripted_edge_open(&server, &io, &rng, files.cert, files.key);
    memset(proxies, 0, sizeof proxies);
    url_of(&server.addr, &servers[0]);
    uplink = NULL;
    tunnel = NULL;
    n_made = 0;
    is_stopped = false;
    config = (struct sp_uplink_config){.servers = servers,
                                       .n_servers = 1,
                                       .proxies = proxies,
                                       .token_file = token_path,
                                       .lanes = LANES};
}

static void teardown(void)
{
    sp_uplink_free(uplink);
    sp_tunnel_free(tunnel);
    scripted_edge_close(&server);
    sp_resolver_free(env.resolver);
    unlink(token_path);
    tls_files_remove(&files);
    close(log_.fd);
    io_loop_fini(&io);
}

/* --- tests ---------------------------------------------------------------------------------- */

START_TEST(one_tunnel_of_many_lanes)
{
    start(files.ca);
    ck_assert(!sp_uplink_is_up(uplink));
    ck_assert_ptr_null(sp_uplink_server(uplink));
    expect_up();
    ck_assert_uint_eq(n_made, 1);
    ck_assert_uint_eq(server.n_new, 1);
    ck_assert_uint_eq(server.n_joined, LANES);
    ck_assert_ptr_eq(sp_uplink_server(uplink), &servers[0]);
    ck_assert_uint_eq(sp_uplink_counters(uplink)->tries, LANES);
    expect_log("tunnel up");
    ck_assert_ptr_nonnull(strstr(logged(), "TLSv1.3"));
}
END_TEST

START_TEST(a_cut_lane_is_replaced)
{
    start(files.ca);
    expect_up();
    scripted_edge_cut_lanes(&server, 1);
    expect_log("lane lost");
    expect_up();
    ck_assert_uint_eq(n_made, 1);
    ck_assert_uint_eq(server.n_joined, LANES + 1);
    ck_assert_ptr_null(strstr(logged(), "tunnel away"));
}
END_TEST

START_TEST(all_lanes_cut_and_the_tunnel_lives)
{
    start(files.ca);
    expect_up();
    scripted_edge_cut_lanes(&server, LANES);
    expect_log("tunnel away");
    expect_up();
    ck_assert_uint_eq(n_made, 1);
    ck_assert_uint_eq(server.n_new, 1);
    ck_assert_ptr_null(strstr(logged(), "new tunnel"));
}
END_TEST

START_TEST(a_server_that_forgot)
{
    start(files.ca);
    expect_up();
    scripted_edge_cut_lanes(&server, LANES);
    scripted_edge_forget(&server);
    expect_up();
    ck_assert_uint_eq(n_made, 2);
    ck_assert_uint_eq(server.n_denied, 1);
    expect_log("new tunnel: relayed addresses are lost");
    /* That was expected, and is no refusal to worry about. */
    ck_assert_ptr_null(strstr(logged(), "warn  could not open a lane"));
}
END_TEST

/* A site's answer may be anything, also longer than we care to read. */
START_TEST(a_server_that_forgot_and_says_so_at_length)
{
    server.head_len = SP_HTTP_HEAD_MAX;
    start(files.ca);
    expect_up();
    scripted_edge_cut_lanes(&server, LANES);
    scripted_edge_forget(&server);
    expect_up();
    ck_assert_uint_eq(n_made, 2);
}
END_TEST

START_TEST(a_lane_of_another_tunnel_is_not_ours)
{
    start(files.ca);
    expect_up();
    server.manner = EDGE_MISTAKES;
    scripted_edge_cut_lanes(&server, 1);
    expect_log("switched protocols, but not to the tunnel");
    ck_assert_uint_eq(sp_tunnel_lane_count(tunnel), LANES - 1);
    server.manner = EDGE_WELCOMES;
    expect_up();
    ck_assert_uint_eq(n_made, 1);
}
END_TEST

/* The name servers of a network that was left don't answer; where the tunnel is, is known. */
START_TEST(comes_back_without_a_name_server)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), mute;
    int fd;

    start(files.ca);
    expect_up();
    ck_assert_int_eq(sp_sock_udp(&any, NULL, &fd, &mute), 0);
    ck_assert_int_eq(sp_resolver_use_server(env.resolver, &mute), 0);
    strcpy(servers[0].host, "edge.test");
    scripted_edge_cut_lanes(&server, LANES);
    uint64_t since_us = sp_clock_us();
    expect_up();
    ck_assert_uint_lt(sp_clock_us() - since_us, SP_SEC(4));
    ck_assert_uint_eq(n_made, 1);
    close(fd);
}
END_TEST

/* Whether the tunnel's lanes still have an address to send from is all that it is told. */
START_TEST(the_network_has_changed)
{
    struct sp_addr own[2] = {sp_addr_v4(192, 0, 2, 7, 0), sp_addr_v4(127, 0, 0, 1, 0)};

    start(files.ca);
    expect_up();
    sp_uplink_network_changed(uplink, own, 2);
    io_loop_for(&io, 50);
    ck_assert_uint_eq(server.n_joined, LANES);
    ck_assert_uint_eq(sp_tunnel_counters(tunnel)->lanes_lost, 0);

    sp_uplink_network_changed(uplink, own, 1);
    ck_assert_uint_eq(sp_tunnel_lane_count(tunnel), 0);
    expect_log("no longer has the address");
    expect_up();
    ck_assert_uint_eq(n_made, 1);
    ck_assert_uint_eq(server.n_joined, 2 * LANES);
    ck_assert_uint_eq(sp_uplink_counters(uplink)->network_changes, 2);
}
END_TEST

/* What was under way when the network changed is begun anew, and does not answer twice. */
START_TEST(the_network_changes_while_it_dials)
{
    struct sp_addr own = sp_addr_v4(127, 0, 0, 1, 0);

    server.manner = EDGE_IS_SILENT;
    start(files.ca);
    io_loop_for(&io, 100);
    ck_assert_uint_eq(sp_uplink_counters(uplink)->tries, 1);
    server.manner = EDGE_WELCOMES;
    sp_uplink_network_changed(uplink, &own, 1);
    ck_assert_uint_eq(sp_uplink_counters(uplink)->tries, 2);
    expect_up();
    ck_assert_uint_eq(n_made, 1);
    ck_assert_uint_eq(sp_uplink_counters(uplink)->tries_failed, 0);
}
END_TEST

/* A balancer whose server is away: what was asked for may still be there. */
START_TEST(not_now_is_no_farewell)
{
    start(files.ca);
    expect_up();
    server.manner = EDGE_PUTS_OFF;
    scripted_edge_cut_lanes(&server, LANES);
    expect_log("not able just now (status 503)");
    server.manner = EDGE_WELCOMES;
    expect_up();
    ck_assert_uint_eq(n_made, 1);
}
END_TEST

START_TEST(refused_like_by_a_site)
{
    server.manner = EDGE_DENIES;
    start(files.ca);
    expect_log("warn  could not open a lane");
    ck_assert_ptr_nonnull(strstr(logged(), "ordinary web site (status 404)"));
    server.manner = EDGE_WELCOMES;
    expect_up();
    ck_assert_uint_ge(sp_uplink_counters(uplink)->tries_failed, 1);
}
END_TEST

START_TEST(an_expired_token_is_told_and_reread)
{
    write_token(sp_clock_unix_s() - 60);
    server.manner = EDGE_DENIES;
    start(files.ca);
    expect_log("the token expired on");
    unlink(token_path);
    expect_log(token_path); /* … cannot be read */
    write_token(sp_clock_unix_s() + 60);
    server.manner = EDGE_WELCOMES;
    expect_up();
}
END_TEST

START_TEST(two_lines_are_no_token)
{
    FILE *f = fopen(token_path, "a");

    ck_assert_ptr_nonnull(f);
    fprintf(f, "another\n");
    fclose(f);
    start(files.ca);
    expect_log("holds something else than one token");
    ck_assert_uint_eq(server.n_conns, 0);
}
END_TEST

START_TEST(a_token_by_the_environment)
{
    config.token_file = NULL;
    config.token = "v1.whatever.it-is";
    start(files.ca);
    expect_up();
}
END_TEST

START_TEST(a_certificate_of_another_ca)
{
    struct tls_files other;

    tls_files_make(&other, &(struct tls_files_spec){.ca_name = "somebody else"});
    start(other.ca);
    tls_files_remove(&other);
    expect_log("warn  could not open a lane");
    ck_assert_msg(strstr(logged(), "certificate") != NULL, "%s", logged());
    ck_assert_ptr_nonnull(strstr(logged(), "sallyport test CA")); /* whose it met */
    ck_assert_ptr_nonnull(strstr(logged(), "--ca"));
    ck_assert_uint_eq(server.n_joined, 0);
}
END_TEST

START_TEST(not_a_web_server)
{
    server.manner = EDGE_SPEAKS_NO_HTTP;
    start(files.ca);
    expect_log("does not speak HTTP");
}
END_TEST

START_TEST(the_next_server_when_one_is_dead)
{
    struct sp_addr gone;
    int fd;
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);

    servers[1] = servers[0];
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &fd, &gone), 0);
    close(fd);
    url_of(&gone, &servers[0]);
    config.n_servers = 2;
    start(files.ca);
    expect_up();
    expect_log("cannot connect: 127.0.0.1:");
    ck_assert_ptr_eq(sp_uplink_server(uplink), &servers[1]);
}
END_TEST

START_TEST(through_a_proxy)
{
    server.as_proxy = true;
    server.proxy_status = 200;
    strcpy(proxies[0].host, "127.0.0.1");
    strcpy(proxies[0].basic, "dTpw");
    proxies[0].port = server.addr.port;
    strcpy(servers[0].host, "127.0.0.1");
    start(files.ca);
    expect_up();
    ck_assert_ptr_nonnull(strstr(server.proxy_head, "Proxy-Authorization: Basic dTpw\r\n"));
    ck_assert_int_eq(strncmp(server.proxy_head, "CONNECT 127.0.0.1:", 18), 0);
}
END_TEST

START_TEST(a_proxy_that_wants_credentials)
{
    server.as_proxy = true;
    server.proxy_status = 407;
    strcpy(proxies[0].host, "127.0.0.1");
    proxies[0].port = server.addr.port;
    start(files.ca);
    expect_log("wants credentials (407)");
    ck_assert_ptr_null(strstr(server.proxy_head, "Authorization"));
}
END_TEST

static bool stopped(void *arg)
{
    (void)arg;
    return is_stopped;
}

START_TEST(stops_in_good_order)
{
    start(files.ca);
    expect_up();
    sp_uplink_stop(uplink);
    ck_assert(io_loop_until(&io, stopped, NULL));
    for (unsigned i = 0; i < LANES; i++)
        ck_assert_ptr_null(sp_uplink_lane_stream(uplink, i));
    io_loop_for(&io, 50);
    ck_assert_uint_eq(sp_tunnel_lane_count(server.tunnel), 0);
    ck_assert_int_eq(server.last_end, SP_ECLOSED); /* with close_notify */
    ck_assert_uint_eq(sp_uplink_counters(uplink)->tries, LANES);
}
END_TEST

START_TEST(stops_while_it_dials)
{
    server.manner = EDGE_IS_SILENT;
    start(files.ca);
    io_loop_for(&io, 100);
    ck_assert_uint_eq(server.n_conns, 1);
    sp_uplink_stop(uplink);
    ck_assert(io_loop_until(&io, stopped, NULL));
}
END_TEST

/* Another trust from the next connection on. */
START_TEST(trust_is_exchanged)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct tls_files other;
    struct sp_tls_ctx *tls;
    char why[SP_TLS_ERROR_MAX];

    tls_files_make(&other, NULL);
    start(other.ca);
    tls_files_remove(&other);
    expect_log("warn  could not open a lane");
    ck_assert_int_eq(sp_tls_ctx_client(files.ca, alpn, &tls, why), 0);
    sp_uplink_set_tls(uplink, tls);
    sp_tls_ctx_unref(tls);
    expect_up();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink");
    TCase *tc = tcase_create("uplink");
    SRunner *runner = srunner_create(s);

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, one_tunnel_of_many_lanes);
    tcase_add_test(tc, a_cut_lane_is_replaced);
    tcase_add_test(tc, all_lanes_cut_and_the_tunnel_lives);
    tcase_add_test(tc, a_server_that_forgot);
    tcase_add_test(tc, a_server_that_forgot_and_says_so_at_length);
    tcase_add_test(tc, a_lane_of_another_tunnel_is_not_ours);
    tcase_add_test(tc, comes_back_without_a_name_server);
    tcase_add_test(tc, the_network_has_changed);
    tcase_add_test(tc, the_network_changes_while_it_dials);
    tcase_add_test(tc, not_now_is_no_farewell);
    tcase_add_test(tc, refused_like_by_a_site);
    tcase_add_test(tc, an_expired_token_is_told_and_reread);
    tcase_add_test(tc, two_lines_are_no_token);
    tcase_add_test(tc, a_token_by_the_environment);
    tcase_add_test(tc, a_certificate_of_another_ca);
    tcase_add_test(tc, not_a_web_server);
    tcase_add_test(tc, the_next_server_when_one_is_dead);
    tcase_add_test(tc, through_a_proxy);
    tcase_add_test(tc, a_proxy_that_wants_credentials);
    tcase_add_test(tc, stops_in_good_order);
    tcase_add_test(tc, stops_while_it_dials);
    tcase_add_test(tc, trust_is_exchanged);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
