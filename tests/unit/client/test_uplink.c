/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The uplink against a small server on loopback that does what it is told: TLS and the upgrade are
 * real, what is behind them is an edge's end of a tunnel and nothing else.
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
#include "sallyport/http.h"
#include "sallyport/listener.h"
#include "sallyport/token.h"
#include "sallyport/upgrade.h"
#include "tls_files.h"
#include "uplink.h"

#define LANES     3
#define CONNS_MAX 64

static struct io_loop io;
static struct sp_rng rng;
static struct sp_log log_;
static struct sp_client_env env;
static struct tls_files files;

/* --- the server ----------------------------------------------------------------------------- */

enum manner { WELCOME, LIKE_A_SITE, NOT_NOW, NOT_HTTP, SILENT, ANOTHER_TUNNEL };

struct conn {
    struct sp_stream *stream; /* until it is a lane */
    struct sp_stream_lane *lane;
};

static struct {
    struct sp_listener *listener;
    struct sp_addr addr;
    struct sp_tls_ctx *tls;
    enum manner manner;
    uint64_t date_s; /* LIKE_A_SITE: what its Date says */
    size_t head_len; /* … and how long its answer's head is, at least */
    bool as_proxy;   /* speaks CONNECT first … */
    unsigned proxy_status;
    char proxy_head[512];     /* … and was asked this */
    struct sp_tunnel *tunnel; /* NULL: knows none */
    struct sp_tunnel_id id;
    struct conn conns[CONNS_MAX];
    size_t n_conns, n_new, n_joined, n_denied;
    int last_end; /* why the last lane ended */
} server;

static void edge_flush(void *arg)
{
    (void)arg;
    sp_tunnel_flush(server.tunnel, sp_ticker_now(&io.ticker));
}

static void no_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    (void)f, (void)d, (void)n, (void)now_us, (void)arg;
}

static int no_flow(struct sp_flow *f, uint64_t now_us, void *arg)
{
    (void)f, (void)now_us, (void)arg;
    return SP_CONTROL_FULL;
}

static void no_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)f, (void)code, (void)arg;
}

static void no_suspect(struct sp_lane *l, void *arg)
{
    (void)l, (void)arg;
}

static void no_expired(void *arg)
{
    (void)arg;
}

static const struct sp_tunnel_events edge_events = {.flush = edge_flush,
                                                    .datagrams = no_datagrams,
                                                    .flow_opened = no_flow,
                                                    .flow_closed = no_flow_closed,
                                                    .lane_suspect = no_suspect,
                                                    .expired = no_expired};

static void on_edge_lane_closed(struct sp_stream_lane *l, int why, const char *text, void *arg)
{
    struct conn *c = arg;
    (void)l;
    (void)text;
    c->lane = NULL;
    server.last_end = why;
}

static void write_text(struct conn *c, const char *text)
{
    ck_assert_int_eq(sp_stream_write(c->stream, sp_span_str(text)), 0);
}

static void answer_like_a_site(struct conn *c)
{
    char date[30], text[256];

    server.n_denied++;
    sp_http_date(server.date_s, date);
    snprintf(text, sizeof text, "HTTP/1.1 404 Not Found\r\nDate: %s\r\nContent-Length: 0\r\n\r\n",
             date);
    if (server.head_len > 0) {
        char *longer = malloc(server.head_len + sizeof text);
        ck_assert_ptr_nonnull(longer);
        snprintf(longer, server.head_len + sizeof text, "HTTP/1.1 404 Not Found\r\nPolicy: %0*d%s",
                 (int)server.head_len, 0, strchr(text, '\r'));
        write_text(c, longer);
        free(longer);
        return;
    }
    write_text(c, text);
}

static void make_edge_tunnel(void)
{
    struct sp_tunnel_config config;

    sp_tunnel_config_default(&config, SP_TUNNEL_EDGE);
    ck_assert_int_eq(
        sp_tunnel_new(&config, &edge_events, NULL, &io.ticker.timers, &rng, &server.tunnel), 0);
    sp_rng_bytes(&rng, server.id.bytes, sizeof server.id.bytes);
    server.n_new++;
}

static bool is_known(const struct sp_upgrade *u)
{
    return server.tunnel != NULL && memcmp(&u->id, &server.id, sizeof u->id) == 0;
}

static void upgrade(struct conn *c, const struct sp_upgrade *u)
{
    uint8_t text[512];
    size_t len;

    if (server.manner == NOT_NOW) {
        write_text(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    if (server.manner == LIKE_A_SITE || (!u->is_new && !is_known(u))) {
        answer_like_a_site(c);
        return;
    }
    if (server.manner == ANOTHER_TUNNEL && !u->is_new) {
        static const struct sp_tunnel_id other = {{1, 2, 3}};
        ck_assert_int_eq(sp_upgrade_response(&other, text, sizeof text, &len), 0);
        ck_assert_int_eq(sp_stream_write(c->stream, sp_span(text, len)), 0);
        return;
    }
    if (u->is_new) {
        sp_tunnel_free(server.tunnel);
        make_edge_tunnel();
    }
    server.n_joined++;
    ck_assert_int_eq(sp_upgrade_response(&server.id, text, sizeof text, &len), 0);
    ck_assert_int_eq(sp_stream_write(c->stream, sp_span(text, len)), 0);
    struct sp_stream *s = c->stream;
    c->stream = NULL;
    ck_assert_int_eq(
        sp_stream_lane_new(s, &io.ticker, server.tunnel, u->lane, on_edge_lane_closed, c, &c->lane),
        0);
}

static void on_server_established(struct sp_stream *s, void *arg)
{
    (void)s;
    if (server.manner == NOT_HTTP)
        write_text(arg, "220 mail.example ESMTP\r\n");
}

static void on_server_input(struct sp_stream *s, void *arg)
{
    struct conn *c = arg;
    struct sp_http_head h;
    struct sp_upgrade u;
    size_t used;

    if (server.manner == SILENT || server.manner == NOT_HTTP ||
        sp_http_parse_request(sp_buf_span(sp_stream_in(s)), &h, &used) != 0)
        return;
    if (sp_upgrade_parse_request(&h, SP_UPGRADE_PATH, &u) != 0) {
        answer_like_a_site(c);
        return;
    }
    sp_buf_consume(sp_stream_in(s), used);
    upgrade(c, &u);
}

static void on_server_closed(struct sp_stream *s, int why, void *arg)
{
    struct conn *c = arg;
    (void)why;
    sp_stream_free(s);
    c->stream = NULL;
}

static const struct sp_stream_events server_events = {
    .established = on_server_established, .input = on_server_input, .closed = on_server_closed};

/* As a proxy that is the server itself: after CONNECT, TLS begins on the same connection. */
static void on_proxy_input(struct sp_stream *s, void *arg)
{
    struct conn *c = arg;
    struct sp_span in = sp_buf_span(sp_stream_in(s));

    if (memmem(in.p, in.len, "\r\n\r\n", 4) == NULL)
        return;
    snprintf(server.proxy_head, sizeof server.proxy_head, "%.*s", (int)in.len, (const char *)in.p);
    sp_buf_consume(sp_stream_in(s), in.len);
    if (server.proxy_status == 200) {
        write_text(c, "HTTP/1.1 200 Connection established\r\n\r\n");
        sp_stream_set_events(s, &server_events, c);
        ck_assert_int_eq(sp_stream_start_tls_server(s, server.tls, SP_SEC(5)), 0);
    } else {
        write_text(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n");
    }
}

static const struct sp_stream_events proxy_events = {.input = on_proxy_input,
                                                     .closed = on_server_closed};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    (void)l, (void)remote, (void)arg;
    ck_assert_uint_lt(server.n_conns, CONNS_MAX);
    struct conn *c = &server.conns[server.n_conns++];
    ck_assert_int_eq(sp_stream_new(&io.ticker, fd, server.as_proxy ? &proxy_events : &server_events,
                                   c, &c->stream),
                     0);
    if (!server.as_proxy)
        ck_assert_int_eq(sp_stream_start_tls_server(c->stream, server.tls, SP_SEC(5)), 0);
}

static void cut_lanes(size_t n)
{
    for (size_t i = 0; i < server.n_conns && n > 0; i++) {
        if (server.conns[i].lane == NULL)
            continue;
        sp_stream_lane_free(server.conns[i].lane);
        server.conns[i].lane = NULL;
        n--;
    }
}

/* --- the client ----------------------------------------------------------------------------- */

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
    static const char *const alpn[] = {"http/1.1", NULL};
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    struct sp_sock_options options = {0};
    char why[SP_TLS_ERROR_MAX];

    io_loop_init(&io);
    sp_rng_system_init(&rng);
    log_ = (struct sp_log){.level = SP_LOG_DEBUG, .fd = memfd_create("log", 0)};
    ck_assert_int_ge(log_.fd, 0);
    env = (struct sp_client_env){.ticker = &io.ticker, .rng = &rng, .log = &log_};
    ck_assert_int_eq(sp_resolver_new(&io.ticker, &env.resolver), 0);
    tls_files_make(&files, &spec);
    snprintf(token_path, sizeof token_path, "%s/token", files.dir);
    write_token(sp_clock_unix_s() + 3600);

    memset(&server, 0, sizeof server);
    ck_assert_msg(sp_tls_ctx_server(files.cert, files.key, alpn, &server.tls, why) == 0, "%s", why);
    ck_assert_int_eq(
        sp_listener_open(&io.ticker, NULL, &any, &options, on_accept, NULL, &server.listener), 0);
    server.addr = *sp_listener_local(server.listener);
    server.date_s = sp_clock_unix_s();

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
    for (size_t i = 0; i < server.n_conns; i++) {
        sp_stream_free(server.conns[i].stream);
        sp_stream_lane_free(server.conns[i].lane);
    }
    sp_tunnel_free(server.tunnel);
    sp_listener_close(server.listener);
    sp_tls_ctx_unref(server.tls);
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
    cut_lanes(1);
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
    cut_lanes(LANES);
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
    cut_lanes(LANES);
    sp_tunnel_free(server.tunnel);
    server.tunnel = NULL;
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
    cut_lanes(LANES);
    sp_tunnel_free(server.tunnel);
    server.tunnel = NULL;
    expect_up();
    ck_assert_uint_eq(n_made, 2);
}
END_TEST

START_TEST(a_lane_of_another_tunnel_is_not_ours)
{
    start(files.ca);
    expect_up();
    server.manner = ANOTHER_TUNNEL;
    cut_lanes(1);
    expect_log("switched protocols, but not to the tunnel");
    ck_assert_uint_eq(sp_tunnel_lane_count(tunnel), LANES - 1);
    server.manner = WELCOME;
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
    cut_lanes(LANES);
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

    server.manner = SILENT;
    start(files.ca);
    io_loop_for(&io, 100);
    ck_assert_uint_eq(sp_uplink_counters(uplink)->tries, 1);
    server.manner = WELCOME;
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
    server.manner = NOT_NOW;
    cut_lanes(LANES);
    expect_log("not able just now (status 503)");
    server.manner = WELCOME;
    expect_up();
    ck_assert_uint_eq(n_made, 1);
}
END_TEST

START_TEST(refused_like_by_a_site)
{
    server.manner = LIKE_A_SITE;
    start(files.ca);
    expect_log("warn  could not open a lane");
    ck_assert_ptr_nonnull(strstr(logged(), "ordinary web site (status 404)"));
    server.manner = WELCOME;
    expect_up();
    ck_assert_uint_ge(sp_uplink_counters(uplink)->tries_failed, 1);
}
END_TEST

START_TEST(an_expired_token_is_told_and_reread)
{
    write_token(sp_clock_unix_s() - 60);
    server.manner = LIKE_A_SITE;
    start(files.ca);
    expect_log("the token expired on");
    unlink(token_path);
    expect_log(token_path); /* … cannot be read */
    write_token(sp_clock_unix_s() + 60);
    server.manner = WELCOME;
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
    server.manner = NOT_HTTP;
    start(files.ca);
    expect_log("does not speak HTTP");
}
END_TEST

START_TEST(the_next_server_when_one_is_dead)
{
    struct sp_listener *gone;
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    struct sp_sock_options options = {0};

    servers[1] = servers[0];
    ck_assert_int_eq(sp_listener_open(&io.ticker, NULL, &any, &options, on_accept, NULL, &gone), 0);
    url_of(sp_listener_local(gone), &servers[0]);
    sp_listener_close(gone);
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
    server.manner = SILENT;
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
