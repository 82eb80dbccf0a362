/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's own part of its options: what they come to, and what is said of bad ones.
 */
#include "options.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "edge_config.h"
#include "option_table.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

#define ARGS_MAX 64

/* Parses a command line, blanks between words. Returns what the config said. */
static int parse(const char *line, struct sp_edge_config *c, char why[static SP_OPTIONS_ERR_MAX])
{
    char text[1024], *argv[ARGS_MAX] = {"sallyport-server"};
    int argc = 1;
    struct sp_options *o;

    snprintf(text, sizeof text, "%s", line);
    for (char *save, *w = strtok_r(text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    int err = sp_options_parse(&sp_edge_options, argc, argv, NULL, &o, why);
    return err != 0 ? err : sp_edge_config_init(c, o, why);
}

#define GOOD "--cert c --key k --secret-file s --relay-ip 198.51.100.2 "

START_TEST(defaults)
{
    struct sp_edge_config c;
    char why[SP_OPTIONS_ERR_MAX], text[SP_ADDR_STRLEN], host[256];

    ck_assert_int_eq(parse(GOOD, &c, why), 0);
    ck_assert_uint_eq(c.shared.serve, SP_SERVE_TUNNEL | SP_SERVE_TURN | SP_SERVE_SITE);
    ck_assert_uint_eq(c.worker.n_listen, 1);
    ck_assert_str_eq(sp_addr_format(&c.worker.listen[0], text), "[::]:443");
    ck_assert_uint_eq(c.worker.n_listen_udp, 1);
    ck_assert_str_eq(sp_addr_format(&c.worker.listen_udp[0], text), "[::]:3478");
    ck_assert_uint_eq(c.worker.min_port, 49152);
    ck_assert_uint_eq(c.worker.max_port, 65535);
    ck_assert_uint_eq(c.worker.linger_us, SP_SEC(30));
    ck_assert_ptr_null(c.worker.turn_congestion.name);
    ck_assert_str_eq(c.worker.turn_congestion.on_loss, "bbr");
    ck_assert(c.has_admin);
    ck_assert_str_eq(sp_addr_format(&c.admin, text), "127.0.0.1:9641");
    ck_assert_int_eq(c.log.level, SP_LOG_INFO);
    ck_assert_int_eq(gethostname(host, sizeof host), 0);
    ck_assert_str_eq(c.keys.realm, host);

    struct sp_bounds bounds;
    sp_bounds_default(&bounds);
    ck_assert_mem_eq(&c.worker.bounds, &bounds, sizeof bounds);
    sp_edge_config_fini(&c);
}
END_TEST

START_TEST(congestion)
{
    struct sp_edge_config c;
    char why[SP_OPTIONS_ERR_MAX];

    ck_assert_int_eq(parse(GOOD "--turn-congestion dctcp", &c, why), 0);
    ck_assert_str_eq(c.worker.turn_congestion.name, "dctcp");
    ck_assert_ptr_null(c.worker.turn_congestion.on_loss);
    sp_edge_config_fini(&c);
    ck_assert_int_eq(parse(GOOD "--turn-congestion system", &c, why), 0);
    ck_assert_ptr_null(c.worker.turn_congestion.name);
    ck_assert_ptr_null(c.worker.turn_congestion.on_loss);
    sp_edge_config_fini(&c);
}
END_TEST

START_TEST(what_strangers_see)
{
    struct sp_edge_config c;
    char why[SP_OPTIONS_ERR_MAX], text[SP_ADDR_STRLEN];

    ck_assert_int_eq(parse(GOOD, &c, why), 0);
    ck_assert_ptr_null(c.shared.site);
    ck_assert(!c.shared.has_fallback);
    sp_edge_config_fini(&c);
    ck_assert_int_eq(parse(GOOD "--site /srv/www", &c, why), 0);
    ck_assert_str_eq(c.shared.site, "/srv/www");
    sp_edge_config_fini(&c);
    ck_assert_int_eq(parse(GOOD "--fallback 127.0.0.1:8080", &c, why), 0);
    ck_assert(c.shared.has_fallback);
    ck_assert_str_eq(sp_addr_format(&c.shared.fallback, text), "127.0.0.1:8080");
    sp_edge_config_fini(&c);
    /* another address of this host may well be another server */
    ck_assert_int_eq(parse(GOOD "--listen 127.0.0.1:443 --fallback 127.0.0.2:443", &c, why), 0);
    sp_edge_config_fini(&c);
}
END_TEST

START_TEST(values)
{
    struct sp_edge_config c;
    char why[SP_OPTIONS_ERR_MAX], text[SP_ADDR_STRLEN];

    ck_assert_int_eq(parse(GOOD
                           "--listen 127.0.0.1:1 --listen [::1]:2 --listen-udp none "
                           "--relay-ip 2001:db8::1=2001:db8::2 --relay-ports none --admin none "
                           "--serve tunnel,site --linger 7 --allow-peer 10.0.0.0/8 "
                           "--deny-peer 8.8.8.8 --user a:b --user c:d:e --realm r",
                           &c, why),
                     0);
    ck_assert_uint_eq(c.worker.n_listen, 2);
    ck_assert_uint_eq(c.worker.n_listen_udp, 0);
    ck_assert_uint_eq(c.worker.n_relay_ips, 2);
    ck_assert_str_eq(sp_addr_format_ip(&c.relay_ips[0].public_, text), "198.51.100.2");
    ck_assert_str_eq(sp_addr_format_ip(&c.relay_ips[1].public_, text), "2001:db8::2");
    ck_assert_uint_eq(c.worker.min_port, 0);
    ck_assert(!c.has_admin);
    ck_assert_uint_eq(c.shared.serve, SP_SERVE_TUNNEL | SP_SERVE_SITE);
    ck_assert_uint_eq(c.worker.linger_us, SP_SEC(7));
    ck_assert_uint_eq(c.shared.n_allow, 1);
    ck_assert_uint_eq(c.shared.n_deny, 1);
    ck_assert_uint_eq(c.keys.n_users, 2);
    ck_assert_str_eq(c.keys.users[1], "c:d:e");
    ck_assert_str_eq(c.keys.realm, "r");
    ck_assert_uint_eq(c.shared.n_own, 2); /* nobody relays to the server by its public face */
    ck_assert_str_eq(sp_addr_format_ip(&c.shared.own[1], text), "2001:db8::2");
    sp_edge_config_fini(&c);
}
END_TEST

START_TEST(draining)
{
    static const struct {
        const char *line, *v4, *v6;
        uint64_t timeout_us;
    } cases[] = {
        {"", NULL, NULL, SP_SEC(60)},
        {"--drain-timeout 0", NULL, NULL, 0},
        {"--drain-timeout 86400 --alternate-server 192.0.2.1", "192.0.2.1:0", NULL, SP_SEC(86400)},
        {"--alternate-server 2001:db8::1 --alternate-server 192.0.2.1:443", "192.0.2.1:443",
         "[2001:db8::1]:0", SP_SEC(60)},
        {"--alternate-server [2001:db8::1]:444", NULL, "[2001:db8::1]:444", SP_SEC(60)},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_edge_config c;
        char why[SP_OPTIONS_ERR_MAX], line[512], text[SP_ADDR_STRLEN];
        snprintf(line, sizeof line, GOOD "%s", cases[i].line);
        ck_assert_msg(parse(line, &c, why) == 0, "%s", why);
        ck_assert_uint_eq(c.drain.timeout_us, cases[i].timeout_us);
        const struct sp_addr *v4 = &c.drain.alternates.v4, *v6 = &c.drain.alternates.v6;
        if (cases[i].v4 != NULL)
            ck_assert_str_eq(sp_addr_format(v4, text), cases[i].v4);
        else
            ck_assert_uint_eq(v4->family, SP_FAMILY_NONE);
        if (cases[i].v6 != NULL)
            ck_assert_str_eq(sp_addr_format(v6, text), cases[i].v6);
        else
            ck_assert_uint_eq(v6->family, SP_FAMILY_NONE);
        sp_edge_config_fini(&c);
    }
}
END_TEST

START_TEST(demo)
{
    struct sp_edge_config c;
    char why[SP_OPTIONS_ERR_MAX];

    ck_assert_int_eq(parse(GOOD, &c, why), 0);
    ck_assert(!c.shared.demo && !c.shared.origins.own);
    ck_assert_uint_eq(c.shared.serve & (SP_SERVE_API | SP_SERVE_ICE_TCP), 0);
    sp_edge_config_fini(&c);
    ck_assert_int_eq(parse(GOOD "--demo", &c, why), 0);
    ck_assert(c.shared.demo && c.shared.origins.own);
    ck_assert_uint_eq(c.shared.serve, SP_SERVE_TUNNEL | SP_SERVE_TURN | SP_SERVE_ICE_TCP |
                                          SP_SERVE_API | SP_SERVE_SITE);
    sp_edge_config_fini(&c);
    ck_assert_int_eq(parse(GOOD "--demo --serve tunnel,api", &c, why), 0);
    ck_assert_uint_eq(c.shared.serve, SP_SERVE_TUNNEL | SP_SERVE_API);
    sp_edge_config_fini(&c);
}
END_TEST

START_TEST(origins)
{
    struct sp_edge_config c;
    char why[SP_OPTIONS_ERR_MAX];

    ck_assert_int_eq(parse(GOOD "--serve tunnel,api --origin https://a.example "
                                "--origin http://localhost:8080",
                           &c, why),
                     0);
    ck_assert(c.shared.serve & SP_SERVE_API);
    ck_assert_uint_eq(c.shared.origins.n, 2);
    ck_assert_str_eq(c.shared.origins.items[0], "https://a.example");
    ck_assert_str_eq(c.shared.origins.items[1], "http://localhost:8080");
    sp_edge_config_fini(&c);
}
END_TEST

START_TEST(udp_listens_only_for_turn)
{
    struct sp_edge_config c;
    char why[SP_OPTIONS_ERR_MAX];

    ck_assert_int_eq(parse(GOOD "--serve tunnel,site", &c, why), 0);
    ck_assert_uint_eq(c.worker.n_listen_udp, 0);
    sp_edge_config_fini(&c);
}
END_TEST

/* Each is one line that names the option, and what is allowed. */
static const struct {
    const char *line, *named, *allowed;
} bad[] = {
    {"--listen 443", "--listen", "ADDR:PORT"},
    {GOOD "--serve tunnel,tea", "--serve", "tunnel,turn,ice-tcp,api,site"},
    {GOOD "--serve tunnel,", "--serve", "tunnel,turn,ice-tcp,api,site"},
    {GOOD "--relay-ports 10-20", "--relay-ports", "1024 to 65535"},
    {GOOD "--relay-ports 60000-50000", "--relay-ports", "MIN-MAX"},
    {GOOD "--relay-ports 49152-65536", "--relay-ports", "MIN-MAX"},
    {GOOD "--relay-ip 0.0.0.0", "--relay-ip", "neither"},
    {GOOD "--relay-ip 198.51.100.2=2001:db8::1", "--relay-ip", "one family"},
    {GOOD "--drain-timeout -1", "--drain-timeout", "86400"},
    {GOOD "--drain-timeout soon", "--drain-timeout", "86400"},
    {GOOD "--alternate-server edge.test", "--alternate-server", "ADDR:PORT"},
    {GOOD "--alternate-server 192.0.2.1:0", "--alternate-server", "ADDR:PORT"},
    {GOOD "--alternate-server 0.0.0.0:443", "--alternate-server", "ADDR:PORT"},
    {GOOD "--alternate-server 192.0.2.1 --alternate-server 192.0.2.2:443", "--alternate-server",
     "one for IPv4"},
    {GOOD "--linger 0", "--linger", "3600"},
    {GOOD "--serve api --origin app.example", "--origin", "https://HOST"},
    {GOOD "--origin https://app.example", "--origin", "--serve"},
    {GOOD "--demo --serve tunnel,ice-tcp,site", "--demo", "--serve leaves api out"},
    {"--listen 127.0.0.1:1 --relay-ports none --relay-ip 198.51.100.2 --serve api", "--cert",
     "PEM"},
    {GOOD "--turn-congestion Cubic", "--turn-congestion", "cubic"},
    {GOOD "--turn-congestion longer-than-fits", "--turn-congestion", "system"},
    {GOOD "--log-level loud", "--log-level", "error|warn|info|debug"},
    {GOOD "--allow-peer 10.0.0.1/8", "--allow-peer", "CIDR"},
    {GOOD "--user alice", "--user", "NAME:PASSWORD"},
    {GOOD "--listen-udp none --listen-udp [::]:1", "--listen-udp", "alone"},
    {GOOD "--listen-udp [::]:1 --serve tunnel,site", "--listen-udp", "turn"},
    {GOOD "--fallback 127.0.0.1", "--fallback", "ADDR:PORT"},
    {GOOD "--fallback 0.0.0.0:80", "--fallback", "127.0.0.1:8080"},
    {GOOD "--fallback 127.0.0.1:0", "--fallback", "ADDR:PORT"},
    {GOOD "--fallback 127.0.0.1:443", "--fallback", "another server"},
    {GOOD "--fallback 1.2.3.4:5 --listen 1.2.3.4:5", "--fallback", "another server"},
    {GOOD "--site /tmp --fallback 127.0.0.1:80", "--site and --fallback", "one"},
    {GOOD "--site /tmp --serve tunnel,turn", "--site", "leaves site out"},
    {GOOD "--fallback 127.0.0.1:80 --serve turn", "--fallback", "leaves site out"},
    {"--cert c --secret-file s", "--key", "--cert"},
    {"--secret-file s", "--cert", "tunnel"},
    {"--cert c --key k", "--secret-file", "tunnel"},
    {"--serve turn", "--user", "--secret-file"},
    {"--cert c --key k --secret-file s --relay-ports none", "--relay-ports none", "--relay-ip"},
    {GOOD "--frob", "--frob", "--help"},
};

START_TEST(bad_ones_are_named)
{
    struct sp_edge_config c;
    char why[SP_OPTIONS_ERR_MAX] = "";

    ck_assert_msg(parse(bad[_i].line, &c, why) == SP_EINVAL, "accepted: %s", bad[_i].line);
    ck_assert_msg(strstr(why, bad[_i].named) != NULL, "%s: %s", bad[_i].line, why);
    ck_assert_msg(strstr(why, bad[_i].allowed) != NULL, "%s: %s", bad[_i].line, why);
    ck_assert_ptr_null(strchr(why, '\n'));
}
END_TEST

START_TEST(the_table)
{
    option_table_is_sound(&sp_edge_options);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server options");
    TCase *tc = tcase_create("server options");

    tcase_add_test(tc, the_table);
    tcase_add_test(tc, defaults);
    tcase_add_test(tc, congestion);
    tcase_add_test(tc, what_strangers_see);
    tcase_add_test(tc, values);
    tcase_add_test(tc, draining);
    tcase_add_test(tc, origins);
    tcase_add_test(tc, demo);
    tcase_add_test(tc, udp_listens_only_for_turn);
    tcase_add_loop_test(tc, bad_ones_are_named, 0, SP_ARRAY_LEN(bad));
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
