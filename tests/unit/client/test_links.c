/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway's tunnels, against two small servers in the same loop that know TLS, the upgrade and
 * lanes: one drains, and everything that begins is at the other, until nothing is left of the
 * first.
 */
#include "links.h"

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
#include "sallyport/stream_lane.h"
#include "sallyport/upgrade.h"
#include "tls_files.h"

#define LANES     2
#define SERVERS   6
#define CONNS_MAX 32

static struct io_loop io;
static struct sp_rng rng;
static struct tls_files files;
static struct sp_tls_ctx *server_tls;

/* --- servers -------------------------------------------------------------------------------- */

struct server;

struct conn {
    struct server *server;
    struct sp_stream *stream; /* until it is a lane */
    struct sp_stream_lane *lane;
};

struct server {
    struct sp_listener *listener;
    struct sp_tunnel *tunnel;
    struct sp_tunnel_id id;
    struct sp_deferred flush;
    struct sp_flow *flow; /* the last that was opened */
    struct conn conns[CONNS_MAX];
    size_t n_conns;
    bool refuses; /* new tunnels */
    unsigned made, flows, echoed, told;
};

static struct server servers[SERVERS];

static void edge_want_flush(void *arg)
{
    struct server *s = arg;
    sp_ticker_defer(&io.ticker, &s->flush);
}

static void edge_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct server *s = arg;
    (void)d;
    sp_tunnel_flush(s->tunnel, now_us);
}

static void edge_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                           void *arg)
{
    struct server *s = arg;

    for (size_t i = 0; i < n; i++, s->echoed++)
        sp_flow_send(f, &d[i], 1, now_us);
}

static int edge_flow(struct sp_flow *f, uint64_t now_us, void *arg)
{
    struct server *s = arg;
    (void)now_us;
    s->flow = f;
    s->flows++;
    return 0;
}

static void edge_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    struct server *s = arg;
    (void)code;
    if (s->flow == f)
        s->flow = NULL;
}

static void edge_suspect(struct sp_lane *l, void *arg)
{
    (void)l;
    (void)arg;
}

static void edge_draining(void *arg)
{
    struct server *s = arg;
    s->told++;
}

static void edge_expired(void *arg)
{
    struct server *s = arg;
    sp_deferred_cancel(&s->flush);
    sp_tunnel_free(s->tunnel);
    s->tunnel = NULL;
}

static const struct sp_tunnel_events edge_events = {.flush = edge_want_flush,
                                                    .datagrams = edge_datagrams,
                                                    .flow_opened = edge_flow,
                                                    .flow_closed = edge_flow_closed,
                                                    .lane_suspect = edge_suspect,
                                                    .draining = edge_draining,
                                                    .expired = edge_expired};

static void on_lane_closed(struct sp_stream_lane *l, int why, const char *text, void *arg)
{
    struct conn *c = arg;
    (void)l;
    (void)why;
    (void)text;
    c->lane = NULL;
}

static void make_tunnel(struct server *s)
{
    struct sp_tunnel_config config;

    sp_tunnel_config_default(&config, SP_TUNNEL_EDGE);
    ck_assert_ptr_null(s->tunnel);
    ck_assert_int_eq(sp_tunnel_new(&config, &edge_events, s, &io.ticker.timers, &rng, &s->tunnel),
                     0);
    sp_rng_bytes(&rng, s->id.bytes, sizeof s->id.bytes);
    s->made++;
}

static void on_input(struct sp_stream *stream, void *arg)
{
    struct conn *c = arg;
    struct server *s = c->server;
    struct sp_http_head h;
    struct sp_upgrade u;
    uint8_t text[512];
    size_t len;

    if (sp_http_parse_request(sp_buf_span(sp_stream_in(stream)), &h, &len) != 0)
        return;
    ck_assert_int_eq(sp_upgrade_parse_request(&h, SP_UPGRADE_PATH, &u), 0);
    sp_buf_consume(sp_stream_in(stream), len);
    bool known = s->tunnel != NULL && memcmp(&u.id, &s->id, sizeof u.id) == 0;
    if (u.is_new ? s->refuses : !known) {
        sp_stream_write(stream, sp_span_str("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
        return;
    }
    if (u.is_new)
        make_tunnel(s);
    ck_assert_int_eq(sp_upgrade_response(&s->id, text, sizeof text, &len), 0);
    ck_assert_int_eq(sp_stream_write(stream, sp_span(text, len)), 0);
    c->stream = NULL;
    ck_assert_int_eq(
        sp_stream_lane_new(stream, &io.ticker, s->tunnel, u.lane, on_lane_closed, c, &c->lane), 0);
}

static void on_closed(struct sp_stream *stream, int why, void *arg)
{
    struct conn *c = arg;
    (void)why;
    sp_stream_free(stream);
    c->stream = NULL;
}

static const struct sp_stream_events server_events = {.input = on_input, .closed = on_closed};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct server *s = arg;
    struct conn *c = &s->conns[s->n_conns++];
    (void)l;
    (void)remote;

    ck_assert_uint_le(s->n_conns, CONNS_MAX);
    c->server = s;
    ck_assert_int_eq(sp_stream_new(&io.ticker, fd, &server_events, c, &c->stream), 0);
    ck_assert_int_eq(sp_stream_start_tls_server(c->stream, server_tls, SP_SEC(5)), 0);
}

/* As a server does when it has drained. */
static void end_server(struct server *s)
{
    if (s->flow != NULL)
        sp_flow_close(s->flow, sp_ticker_now(&io.ticker));
    s->flow = NULL;
    for (size_t i = 0; i < s->n_conns; i++)
        if (s->conns[i].lane != NULL)
            sp_stream_finish(sp_stream_lane_stream(s->conns[i].lane), SP_SEC(1));
    sp_listener_close(s->listener);
    s->listener = NULL;
}

static void cut_lanes(struct server *s, size_t n)
{
    for (size_t i = 0; i < s->n_conns && n > 0; i++) {
        n -= s->conns[i].lane != NULL;
        sp_stream_lane_free(s->conns[i].lane);
        s->conns[i].lane = NULL;
    }
}

static void close_server(struct server *s)
{
    for (size_t i = 0; i < s->n_conns; i++) {
        sp_stream_free(s->conns[i].stream);
        sp_stream_lane_free(s->conns[i].lane);
    }
    sp_deferred_cancel(&s->flush);
    sp_tunnel_free(s->tunnel);
    sp_listener_close(s->listener);
}

/* --- the gateway ---------------------------------------------------------------------------- */

static struct sp_log log_;
static struct sp_client_env env;
static struct sp_links *links;
static struct sp_server_url urls[SERVERS];
static struct sp_proxy proxies[SERVERS];
static char token_path[128];
static struct sp_tunnel *in_use;
static unsigned told_in_use, gone, heard, stopped;
static size_t n_closed;

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    (void)f;
    (void)d;
    (void)now_us;
    (void)arg;
    heard += (unsigned)n;
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)f;
    (void)code;
    (void)arg;
    n_closed++;
}

static void on_tunnel_in_use(struct sp_tunnel *t, void *arg)
{
    (void)arg;
    in_use = t;
    told_in_use++;
}

static void on_tunnel_gone(struct sp_tunnel *t, void *arg)
{
    (void)arg;
    ck_assert_ptr_ne(t, in_use);
    gone++;
}

static void on_stopped(void *arg)
{
    (void)arg;
    stopped++;
}

static const struct sp_links_events events = {.datagrams = on_datagrams,
                                              .flow_closed = on_flow_closed,
                                              .tunnel_in_use = on_tunnel_in_use,
                                              .tunnel_gone = on_tunnel_gone,
                                              .stopped = on_stopped};

static const char *logged(void)
{
    static char text[65536];
    ssize_t n = pread(log_.fd, text, sizeof text - 1, 0);

    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    return text;
}

static void setup(void)
{
    static const struct tls_files_spec spec = {.names = "127.0.0.1"};
    static const char *const alpn[] = {"http/1.1", NULL};
    const struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    char why[SP_TLS_ERROR_MAX], text[SP_ADDR_STRLEN + 8], host[SP_ADDR_STRLEN];
    const char *url_why;

    io_loop_init(&io);
    sp_rng_system_init(&rng);
    log_ = (struct sp_log){.level = SP_LOG_DEBUG, .fd = memfd_create("log", 0)};
    env = (struct sp_client_env){.ticker = &io.ticker, .rng = &rng, .log = &log_};
    ck_assert_int_eq(sp_resolver_new(&io.ticker, &env.resolver), 0);
    tls_files_make(&files, &spec);
    ck_assert_int_eq(sp_tls_ctx_server(files.cert, files.key, alpn, &server_tls, why), 0);
    memset(servers, 0, sizeof servers);
    memset(proxies, 0, sizeof proxies);
    for (size_t i = 0; i < SERVERS; i++) {
        sp_deferred_init(&servers[i].flush, edge_flush, &servers[i]);
        ck_assert_int_eq(sp_listener_open(&io.ticker, NULL, &any, NULL, on_accept, &servers[i],
                                          &servers[i].listener),
                         0);
        snprintf(text, sizeof text, "https://%s",
                 sp_addr_format(sp_listener_local(servers[i].listener), host));
        ck_assert_int_eq(sp_server_url_parse(text, &urls[i], &url_why), 0);
    }
    snprintf(token_path, sizeof token_path, "%s/token", files.dir);
    FILE *f = fopen(token_path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("v1.any\n", f);
    fclose(f);
    ck_assert_int_eq(chmod(token_path, 0600), 0);
    in_use = NULL;
    told_in_use = gone = heard = stopped = 0;
    n_closed = 0;
}

static void start(size_t n_servers)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    const struct sp_uplink_config config = {.servers = urls,
                                            .n_servers = n_servers,
                                            .proxies = proxies,
                                            .token_file = token_path,
                                            .lanes = LANES};
    struct sp_tls_ctx *tls;
    char why[SP_TLS_ERROR_MAX];

    ck_assert_int_eq(sp_tls_ctx_client(files.ca, alpn, &tls, why), 0);
    ck_assert_int_eq(sp_links_new(&env, &config, tls, &events, NULL, &links), 0);
    sp_tls_ctx_unref(tls);
}

static void teardown(void)
{
    sp_links_free(links);
    for (size_t i = 0; i < SERVERS; i++)
        close_server(&servers[i]);
    sp_tls_ctx_unref(server_tls);
    sp_resolver_free(env.resolver);
    unlink(token_path);
    tls_files_remove(&files);
    close(log_.fd);
    io_loop_fini(&io);
}

/* --- what is waited for --------------------------------------------------------------------- */

static bool is_at(void *arg)
{
    const struct server *s = arg;
    const struct sp_server_url *url = sp_uplink_server(sp_links_uplink(links));

    return sp_uplink_is_up(sp_links_uplink(links)) && url == &urls[s - servers] &&
           s->tunnel != NULL && sp_tunnel_lane_count(s->tunnel) == LANES;
}

static void expect_at(size_t i)
{
    ck_assert_msg(io_loop_until(&io, is_at, &servers[i]), "not at server %zu:\n%s", i, logged());
}

static unsigned heard_wanted;

static bool has_heard(void *arg)
{
    (void)arg;
    return heard >= heard_wanted;
}

/* A datagram to whoever the flow leads to, and back. */
static void exchange(struct sp_flow *f)
{
    struct sp_span ping = sp_span_str("ping");

    heard_wanted = heard + 1;
    sp_flow_send(f, &ping, 1, sp_ticker_now(&io.ticker));
    ck_assert_msg(io_loop_until(&io, has_heard, NULL), "%s", logged());
}

static struct sp_flow *open_flow(void)
{
    const struct sp_addr local = sp_addr_v4(127, 0, 0, 1, 5000);
    struct sp_flow *f;

    ck_assert_int_eq(sp_flow_open(in_use, SP_FLOW_TURN, &local, sp_ticker_now(&io.ticker), &f), 0);
    exchange(f);
    return f;
}

static void drain(size_t i)
{
    servers[i].refuses = true;
    sp_tunnel_drain(servers[i].tunnel, sp_ticker_now(&io.ticker));
}

static bool none_drains(void *arg)
{
    (void)arg;
    return sp_links_draining(links) == 0;
}

static bool has_stopped(void *arg)
{
    (void)arg;
    return stopped > 0;
}

static bool is_forgotten(void *arg)
{
    const struct server *s = arg;
    return s->tunnel == NULL;
}

/* --- tests ---------------------------------------------------------------------------------- */

START_TEST(what_begins_goes_elsewhere)
{
    struct sp_tunnel_counters tunnels;
    struct sp_uplink_counters uplinks;

    start(2);
    expect_at(0);
    struct sp_flow *old = open_flow();
    drain(0);
    expect_at(1);
    ck_assert_uint_eq(told_in_use, 2);
    ck_assert_ptr_eq(sp_links_tunnel(links), in_use);
    ck_assert_ptr_ne(sp_flow_tunnel(old), in_use);
    ck_assert_uint_eq(sp_links_draining(links), 1);
    ck_assert_uint_eq(sp_links_draining_flows(links), 1);
    open_flow();
    ck_assert_uint_eq(servers[1].flows, 1);
    exchange(old);
    ck_assert_uint_eq(servers[0].flows, 1);
    ck_assert_uint_eq(servers[0].echoed, 2);

    /* Its last flow ends, and it with it: said, so that the server does not wait. */
    sp_flow_close(servers[0].flow, sp_ticker_now(&io.ticker));
    ck_assert(io_loop_until(&io, none_drains, NULL));
    ck_assert(io_loop_until(&io, is_forgotten, &servers[0]));
    ck_assert_uint_eq(servers[0].told, 1);
    ck_assert_uint_eq(gone, 1);
    ck_assert_uint_eq(n_closed, 1);
    ck_assert_ptr_nonnull(strstr(logged(), "reason=\"drained\""));
    ck_assert_ptr_null(strstr(logged(), "tunnel away"));
    sp_links_counters(links, &tunnels, &uplinks); /* of those that are gone, too */
    ck_assert_uint_eq(tunnels.flows_opened, 2);
    ck_assert_uint_eq(uplinks.tunnels_made, 2);
    open_flow();
}
END_TEST

START_TEST(a_lane_of_the_old_one_is_replaced)
{
    start(2);
    expect_at(0);
    struct sp_flow *old = open_flow();
    drain(0);
    expect_at(1);
    for (size_t n = 1; n <= LANES; n++) { /* one, then all of them */
        cut_lanes(&servers[0], n);
        io_loop_for(&io, 50);
        exchange(old);
    }
    ck_assert_uint_eq(servers[0].made, 1);
    ck_assert_uint_eq(sp_links_draining(links), 1);
    expect_at(1);
}
END_TEST

/* It is over when the server has ended, whatever was left. */
START_TEST(the_server_ends)
{
    start(2);
    expect_at(0);
    open_flow();
    drain(0);
    expect_at(1);
    end_server(&servers[0]);
    ck_assert(io_loop_until(&io, none_drains, NULL));
    ck_assert_uint_eq(n_closed, 1);
    expect_at(1);
    open_flow();
}
END_TEST

/* Killed while it drained, and there again: what was on it is lost, and nothing more is asked of
 * it. */
START_TEST(the_server_forgets)
{
    start(2);
    expect_at(0);
    open_flow();
    drain(0);
    expect_at(1);
    servers[0].refuses = false;
    cut_lanes(&servers[0], LANES);
    edge_expired(&servers[0]);
    ck_assert(io_loop_until(&io, none_drains, NULL));
    ck_assert_uint_eq(gone, 1);
    ck_assert_uint_eq(servers[0].made, 1);
    expect_at(1);
    open_flow();
}
END_TEST

/* The only server: nobody takes a new tunnel, until its successor does. */
START_TEST(no_other_server)
{
    start(1);
    expect_at(0);
    struct sp_flow *old = open_flow();
    drain(0);
    io_loop_for(&io, 600);
    ck_assert_ptr_nonnull(strstr(logged(), "it drains, and has no successor yet"));
    ck_assert(!sp_uplink_is_up(sp_links_uplink(links)));
    exchange(old);
    sp_flow_close(servers[0].flow, sp_ticker_now(&io.ticker));
    ck_assert(io_loop_until(&io, is_forgotten, &servers[0]));
    servers[0].refuses = false;
    expect_at(0);
    ck_assert_uint_eq(servers[0].made, 2);
    open_flow();
}
END_TEST

/* A rolling restart that is faster than the calls: the oldest has to go. */
START_TEST(one_after_the_other)
{
    start(SERVERS);
    for (size_t i = 0; i < SERVERS - 1; i++) {
        expect_at(i);
        open_flow();
        for (size_t k = 0; k < i; k++)
            servers[k].refuses = true;
        drain(i);
        expect_at(i + 1);
    }
    ck_assert_uint_eq(sp_links_draining(links), 4);
    ck_assert_uint_eq(sp_links_draining_flows(links), 4);
    ck_assert_uint_eq(gone, 1);
    open_flow();
}
END_TEST

START_TEST(stop)
{
    start(2);
    expect_at(0);
    open_flow();
    drain(0);
    expect_at(1);
    sp_links_stop(links);
    ck_assert(io_loop_until(&io, has_stopped, NULL));
    ck_assert(io_loop_until(&io, is_forgotten, &servers[0]));
    ck_assert(io_loop_until(&io, is_forgotten, &servers[1]));
    ck_assert_uint_eq(servers[0].told + servers[1].told, 2);
    io_loop_for(&io, 20);
    ck_assert_uint_eq(stopped, 1);
}
END_TEST

/* Ends in the middle of everything. */
START_TEST(freed)
{
    start(2);
    expect_at(0);
    open_flow();
    drain(0);
    io_loop_for(&io, 5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("links");
    TCase *tc = tcase_create("links");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_begins_goes_elsewhere);
    tcase_add_test(tc, a_lane_of_the_old_one_is_replaced);
    tcase_add_test(tc, the_server_ends);
    tcase_add_test(tc, the_server_forgets);
    tcase_add_test(tc, no_other_server);
    tcase_add_test(tc, one_after_the_other);
    tcase_add_test(tc, stop);
    tcase_add_test(tc, freed);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
