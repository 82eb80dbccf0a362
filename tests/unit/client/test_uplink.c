/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The uplink against a server that does what it is told (scripted_edge.h). How many lanes it keeps:
 * test_uplink_wide.c.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/sock.h"
#include "uplink_rig.h"

#define LANES 3

static struct uplink_rig r;

static void setup(void)
{
    uplink_rig_init(&r, LANES);
}

static void teardown(void)
{
    uplink_rig_fini(&r);
}

static void expect_log(const char *text)
{
    ck_assert_msg(uplink_rig_until_logged(&r, text), "no \"%s\" in:\n%s", text,
                  uplink_rig_logged(&r));
}

static void expect_up(void)
{
    ck_assert_msg(uplink_rig_until_lanes(&r, LANES), "%s", uplink_rig_logged(&r));
}

START_TEST(one_tunnel_of_many_lanes)
{
    uplink_rig_start(&r, r.files.ca);
    ck_assert(!sp_uplink_is_up(r.uplink));
    ck_assert_ptr_null(sp_uplink_server(r.uplink));
    expect_up();
    ck_assert_uint_eq(r.n_made, 1);
    ck_assert_uint_eq(r.server.n_new, 1);
    ck_assert_uint_eq(r.server.n_joined, LANES);
    ck_assert_ptr_eq(sp_uplink_server(r.uplink), &r.servers[0]);
    ck_assert_uint_eq(sp_uplink_counters(r.uplink)->tries, LANES);
    expect_log("tunnel up");
    ck_assert_ptr_nonnull(strstr(uplink_rig_logged(&r), "TLSv1.3"));
}
END_TEST

START_TEST(a_cut_lane_is_replaced)
{
    uplink_rig_start(&r, r.files.ca);
    expect_up();
    scripted_edge_cut_lanes(&r.server, 1);
    expect_log("lane lost");
    expect_up();
    ck_assert_uint_eq(r.n_made, 1);
    ck_assert_uint_eq(r.server.n_joined, LANES + 1);
    ck_assert_ptr_null(strstr(uplink_rig_logged(&r), "tunnel away"));
}
END_TEST

START_TEST(all_lanes_cut_and_the_tunnel_lives)
{
    uplink_rig_start(&r, r.files.ca);
    expect_up();
    scripted_edge_cut_lanes(&r.server, LANES);
    expect_log("tunnel away");
    expect_up();
    ck_assert_uint_eq(r.n_made, 1);
    ck_assert_uint_eq(r.server.n_new, 1);
    ck_assert_ptr_null(strstr(uplink_rig_logged(&r), "new tunnel"));
}
END_TEST

START_TEST(a_server_that_forgot)
{
    uplink_rig_start(&r, r.files.ca);
    expect_up();
    scripted_edge_cut_lanes(&r.server, LANES);
    scripted_edge_forget(&r.server);
    expect_up();
    ck_assert_uint_eq(r.n_made, 2);
    ck_assert_uint_eq(r.server.n_denied, 1);
    expect_log("new tunnel: relayed addresses are lost");
    /* That was expected, and is no refusal to worry about. */
    ck_assert_ptr_null(strstr(uplink_rig_logged(&r), "warn  could not open a lane"));
}
END_TEST

/* A site's answer may be anything, also longer than we care to read. */
START_TEST(a_server_that_forgot_and_says_so_at_length)
{
    r.server.head_len = SP_HTTP_HEAD_MAX;
    uplink_rig_start(&r, r.files.ca);
    expect_up();
    scripted_edge_cut_lanes(&r.server, LANES);
    scripted_edge_forget(&r.server);
    expect_up();
    ck_assert_uint_eq(r.n_made, 2);
}
END_TEST

START_TEST(a_lane_of_another_tunnel_is_not_ours)
{
    uplink_rig_start(&r, r.files.ca);
    expect_up();
    r.server.manner = EDGE_MISTAKES;
    scripted_edge_cut_lanes(&r.server, 1);
    expect_log("switched protocols, but not to the tunnel");
    ck_assert_uint_eq(sp_tunnel_lane_count(r.tunnel), LANES - 1);
    r.server.manner = EDGE_WELCOMES;
    expect_up();
    ck_assert_uint_eq(r.n_made, 1);
}
END_TEST

/* The name servers of a network that was left don't answer; where the tunnel is, is known. */
START_TEST(comes_back_without_a_name_server)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), mute;
    int fd;

    uplink_rig_start(&r, r.files.ca);
    expect_up();
    ck_assert_int_eq(sp_sock_udp(&any, NULL, &fd, &mute), 0);
    ck_assert_int_eq(sp_resolver_use_server(r.env.resolver, &mute), 0);
    strcpy(r.servers[0].host, "edge.test");
    scripted_edge_cut_lanes(&r.server, LANES);
    uint64_t since_us = sp_clock_us();
    expect_up();
    ck_assert_uint_lt(sp_clock_us() - since_us, SP_SEC(4));
    ck_assert_uint_eq(r.n_made, 1);
    close(fd);
}
END_TEST

/* Whether the tunnel's lanes still have an address to send from is all that it is told. */
START_TEST(the_network_has_changed)
{
    struct sp_addr own[2] = {sp_addr_v4(192, 0, 2, 7, 0), sp_addr_v4(127, 0, 0, 1, 0)};

    uplink_rig_start(&r, r.files.ca);
    expect_up();
    sp_uplink_network_changed(r.uplink, own, 2);
    io_loop_for(&r.io, 50);
    ck_assert_uint_eq(r.server.n_joined, LANES);
    ck_assert_uint_eq(sp_tunnel_counters(r.tunnel)->lanes_lost, 0);

    sp_uplink_network_changed(r.uplink, own, 1);
    ck_assert_uint_eq(sp_tunnel_lane_count(r.tunnel), 0);
    expect_log("no longer has the address");
    expect_up();
    ck_assert_uint_eq(r.n_made, 1);
    ck_assert_uint_eq(r.server.n_joined, 2 * LANES);
    ck_assert_uint_eq(sp_uplink_counters(r.uplink)->network_changes, 2);
}
END_TEST

/* What was under way when the network changed is begun anew, and does not answer twice. */
START_TEST(the_network_changes_while_it_dials)
{
    struct sp_addr own = sp_addr_v4(127, 0, 0, 1, 0);

    r.server.manner = EDGE_IS_SILENT;
    uplink_rig_start(&r, r.files.ca);
    io_loop_for(&r.io, 100);
    ck_assert_uint_eq(sp_uplink_counters(r.uplink)->tries, 1);
    r.server.manner = EDGE_WELCOMES;
    sp_uplink_network_changed(r.uplink, &own, 1);
    ck_assert_uint_eq(sp_uplink_counters(r.uplink)->tries, 2);
    expect_up();
    ck_assert_uint_eq(r.n_made, 1);
    ck_assert_uint_eq(sp_uplink_counters(r.uplink)->tries_failed, 0);
}
END_TEST

/* A balancer whose server is away: what was asked for may still be there. */
START_TEST(not_now_is_no_farewell)
{
    uplink_rig_start(&r, r.files.ca);
    expect_up();
    r.server.manner = EDGE_PUTS_OFF;
    scripted_edge_cut_lanes(&r.server, LANES);
    expect_log("not able just now (status 503)");
    r.server.manner = EDGE_WELCOMES;
    expect_up();
    ck_assert_uint_eq(r.n_made, 1);
}
END_TEST

START_TEST(refused_like_by_a_site)
{
    r.server.manner = EDGE_DENIES;
    uplink_rig_start(&r, r.files.ca);
    expect_log("warn  could not open a lane");
    ck_assert_ptr_nonnull(strstr(uplink_rig_logged(&r), "ordinary web site (status 404)"));
    r.server.manner = EDGE_WELCOMES;
    expect_up();
    ck_assert_uint_ge(sp_uplink_counters(r.uplink)->tries_failed, 1);
}
END_TEST

START_TEST(an_expired_token_is_told_and_reread)
{
    uplink_rig_write_token(&r, sp_clock_unix_s() - 60);
    r.server.manner = EDGE_DENIES;
    uplink_rig_start(&r, r.files.ca);
    expect_log("the token expired on");
    unlink(r.token_path);
    expect_log(r.token_path); /* … cannot be read */
    uplink_rig_write_token(&r, sp_clock_unix_s() + 60);
    r.server.manner = EDGE_WELCOMES;
    expect_up();
}
END_TEST

START_TEST(two_lines_are_no_token)
{
    FILE *f = fopen(r.token_path, "a");

    ck_assert_ptr_nonnull(f);
    fprintf(f, "another\n");
    fclose(f);
    uplink_rig_start(&r, r.files.ca);
    expect_log("holds something else than one token");
    ck_assert_uint_eq(r.server.n_conns, 0);
}
END_TEST

START_TEST(a_token_by_the_environment)
{
    r.config.token_file = NULL;
    r.config.token = "v1.whatever.it-is";
    uplink_rig_start(&r, r.files.ca);
    expect_up();
}
END_TEST

START_TEST(a_certificate_of_another_ca)
{
    struct tls_files other;

    tls_files_make(&other, &(struct tls_files_spec){.ca_name = "somebody else"});
    uplink_rig_start(&r, other.ca);
    tls_files_remove(&other);
    expect_log("warn  could not open a lane");
    ck_assert_msg(strstr(uplink_rig_logged(&r), "certificate") != NULL, "%s",
                  uplink_rig_logged(&r));
    ck_assert_ptr_nonnull(strstr(uplink_rig_logged(&r), "sallyport test CA")); /* whose it met */
    ck_assert_ptr_nonnull(strstr(uplink_rig_logged(&r), "--ca"));
    ck_assert_uint_eq(r.server.n_joined, 0);
}
END_TEST

START_TEST(not_a_web_server)
{
    r.server.manner = EDGE_SPEAKS_NO_HTTP;
    uplink_rig_start(&r, r.files.ca);
    expect_log("does not speak HTTP");
}
END_TEST

START_TEST(the_next_server_when_one_is_dead)
{
    struct sp_addr gone;
    int fd;
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);

    r.servers[1] = r.servers[0];
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &fd, &gone), 0);
    close(fd);
    uplink_rig_url(&gone, &r.servers[0]);
    r.config.n_servers = 2;
    uplink_rig_start(&r, r.files.ca);
    expect_up();
    expect_log("cannot connect: 127.0.0.1:");
    ck_assert_ptr_eq(sp_uplink_server(r.uplink), &r.servers[1]);
}
END_TEST

START_TEST(through_a_proxy)
{
    r.server.as_proxy = true;
    r.server.proxy_status = 200;
    strcpy(r.proxies[0].host, "127.0.0.1");
    strcpy(r.proxies[0].basic, "dTpw");
    r.proxies[0].port = r.server.addr.port;
    strcpy(r.servers[0].host, "127.0.0.1");
    uplink_rig_start(&r, r.files.ca);
    expect_up();
    ck_assert_ptr_nonnull(strstr(r.server.proxy_head, "Proxy-Authorization: Basic dTpw\r\n"));
    ck_assert_int_eq(strncmp(r.server.proxy_head, "CONNECT 127.0.0.1:", 18), 0);
}
END_TEST

START_TEST(a_proxy_that_wants_credentials)
{
    r.server.as_proxy = true;
    r.server.proxy_status = 407;
    strcpy(r.proxies[0].host, "127.0.0.1");
    r.proxies[0].port = r.server.addr.port;
    uplink_rig_start(&r, r.files.ca);
    expect_log("wants credentials (407)");
    ck_assert_ptr_null(strstr(r.server.proxy_head, "Authorization"));
}
END_TEST

static bool stopped(void *arg)
{
    (void)arg;
    return r.is_stopped;
}

START_TEST(stops_in_good_order)
{
    uplink_rig_start(&r, r.files.ca);
    expect_up();
    sp_uplink_stop(r.uplink);
    ck_assert(io_loop_until(&r.io, stopped, NULL));
    for (unsigned i = 0; i < LANES; i++)
        ck_assert_ptr_null(sp_uplink_lane_stream(r.uplink, i));
    io_loop_for(&r.io, 50);
    ck_assert_uint_eq(sp_tunnel_lane_count(r.server.tunnel), 0);
    ck_assert_int_eq(r.server.last_end, SP_ECLOSED); /* with close_notify */
    ck_assert_uint_eq(sp_uplink_counters(r.uplink)->tries, LANES);
}
END_TEST

START_TEST(stops_while_it_dials)
{
    r.server.manner = EDGE_IS_SILENT;
    uplink_rig_start(&r, r.files.ca);
    io_loop_for(&r.io, 100);
    ck_assert_uint_eq(r.server.n_conns, 1);
    sp_uplink_stop(r.uplink);
    ck_assert(io_loop_until(&r.io, stopped, NULL));
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
    uplink_rig_start(&r, other.ca);
    tls_files_remove(&other);
    expect_log("warn  could not open a lane");
    ck_assert_int_eq(sp_tls_ctx_client(r.files.ca, alpn, &tls, why), 0);
    sp_uplink_set_tls(r.uplink, tls);
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
