/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lanes as gateways, and who would like to be one, ask for them by HTTP.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway_end.h"
#include "http_rig.h"
#include "sallyport/clock.h"
#include "sallyport/upgrade.h"

/* The text of an upgrade for that path; `token` NULL: without Authorization. */
static void upgrade(char *text, size_t cap, const char *path, const char *token, const char *rest)
{
    snprintf(text, cap,
             "GET %s HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\nUpgrade: rfc4571\r\n"
             "%s%s%s%s\r\n",
             path, token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "",
             token != NULL ? "\r\n" : "", rest);
}

/*
 * Whoever may not join gets what an unknown page gets, byte for byte, and can go on like everybody:
 * by the answer nobody learns that there is a tunnel.
 */
START_TEST(refused_like_a_missing_page)
{
    char good[SP_TOKEN_MAX + 1], expired[SP_TOKEN_MAX + 1], other[SP_TOKEN_MAX + 1];
    char request[HTTP_RIG_PAGE_MAX], missing[HTTP_RIG_PAGE_MAX], text[HTTP_RIG_PAGE_MAX];
    struct http_rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, -5, expired);
    server_env_token("office", "elsewhere", 60, other);
    const struct {
        const char *token, *rest;
    } cases[] = {
        {"not.even.one", "Sallyport-Tunnel: new\r\n"},
        {expired, "Sallyport-Tunnel: new\r\n"},
        {other, "Sallyport-Tunnel: new\r\n"},
        {NULL, "Sallyport-Tunnel: new\r\n"},
        {good, ""},
        {good, "Sallyport-Tunnel: old\r\n"},
        {good, "Sallyport-Tunnel: new; lane=64\r\n"},
        {good, "Sallyport-Tunnel: 000700112233445566778899aabbccddeeff; lane=0\r\n"},
        {good, "Sallyport-Tunnel: new\r\nContent-Length: 0\r\nAuthorization: Bearer x\r\n"},
    };

    http_rig_open(&r);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct peer p;
        http_rig_connect(&r, &p, true);
        upgrade(request, sizeof request, "/no/such/page", cases[i].token, cases[i].rest);
        peer_say(&p, request);
        ck_assert_uint_eq(peer_answer(&p, missing, sizeof missing), 404);
        upgrade(request, sizeof request, SP_UPGRADE_PATH, cases[i].token, cases[i].rest);
        peer_say(&p, request);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
        ck_assert_str_eq(text, missing);
        peer_say(&p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 200);
        peer_close(&p);
    }
    ck_assert_uint_eq(http_rig_counters(&r)->upgrades, 0);
    ck_assert_uint_eq(http_rig_counters(&r)->upgrades_refused, 4); /* those that were well-formed */
    ck_assert_uint_eq(sp_sessions_count(r.sessions), 0);
    http_rig_close(&r);
}
END_TEST

/* A token in the clear is anybody's; and where no tunnel is served, a good one is worth nothing. */
START_TEST(no_lane_here)
{
    char good[SP_TOKEN_MAX + 1], request[HTTP_RIG_PAGE_MAX], text[HTTP_RIG_PAGE_MAX];
    struct peer p;
    struct http_rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    upgrade(request, sizeof request, SP_UPGRADE_PATH, good, "Sallyport-Tunnel: new\r\n");
    http_rig_open(&r);
    http_rig_connect(&r, &p, false);
    peer_say(&p, request);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
    peer_close(&p);
    r.shared.config.serve = SP_SERVE_SITE;
    http_rig_connect(&r, &p, true);
    peer_say(&p, request);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
    peer_close(&p);
    ck_assert_uint_eq(http_rig_counters(&r)->upgrades_refused, 0);
    http_rig_close(&r);
}
END_TEST

START_TEST(lanes)
{
    char good[SP_TOKEN_MAX + 1], other[SP_TOKEN_MAX + 1];
    struct gateway_end a, b, c;
    struct http_rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    server_env_token("thief", SP_TOKEN_SCOPE_TUNNEL, 60, other);
    http_rig_open(&r);
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&b, &r.e.loop);
    gateway_end_init(&c, &r.e.loop);
    ck_assert_uint_eq(gateway_end_join(&a, r.addr, r.client, good, 0), 101);
    ck_assert_uint_eq(gateway_end_join(&a, r.addr, r.client, good, 3), 101);
    ck_assert_uint_eq(sp_sessions_count(r.sessions), 1);
    ck_assert_uint_eq(sp_sessions_lane_count(r.sessions), 2);
    b.has_id = true;
    b.id = a.id;
    ck_assert_uint_eq(gateway_end_join(&b, r.addr, r.client, other, 1), 404);
    b.has_id = false;
    ck_assert_uint_eq(gateway_end_join(&b, r.addr, r.client, good, 0), 101);
    ck_assert_uint_eq(gateway_end_join(&c, r.addr, r.client, good, 0), 503); /* at a bound */
    ck_assert_uint_eq(http_rig_counters(&r)->upgrades, 3);
    ck_assert_uint_eq(http_rig_counters(&r)->upgrades_refused, 2);

    /* Lanes are no guests of the site any more: its patience does not end them. */
    server_env_pass(&r.e, SP_SEC(12));
    io_loop_for(&r.e.loop, 20);
    ck_assert_uint_eq(sp_sessions_lane_count(r.sessions), 3);
    gateway_end_fini(&a);
    gateway_end_fini(&b);
    gateway_end_fini(&c);
    http_rig_close(&r);
}
END_TEST

static void on_nothing(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n, void *arg)
{
    (void)d, (void)in, (void)n, (void)arg;
}

/* Media is late again and again, as where more comes than can be carried. */
static void fall_behind(struct http_rig *r)
{
    static const uint8_t bytes[100];
    const struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    struct sp_span body = sp_span(bytes, sizeof bytes);
    struct sp_dgram *d;

    ck_assert_int_eq(sp_dgram_open(r->e.env.dgrams, &any, NULL, on_nothing, NULL, &d), 0);
    sp_dgram_limit_age(d, SP_MS(50), NULL);
    io_loop_for(&r->e.loop, 200); /* the kernel begins to take times when it gets to it */
    for (int i = 0; i < 6; i++) {
        sp_dgram_send(d, sp_dgram_local(d), NULL, &body, 1);
        sp_dgram_set_dont_fragment(d, i % 2 == 0); /* sends what waits */
        usleep(100000);
        io_loop_for(&r->e.loop, 5);
    }
    ck_assert_uint_ge(sp_dgram_counters(d)->dropped_late, 5);
    sp_dgram_close(d);
}

/* Then nobody begins a tunnel, and who has one goes on. */
START_TEST(those_that_are_there_come_first)
{
    char good[SP_TOKEN_MAX + 1];
    struct sp_sessions_counters counters;
    struct gateway_end a, b;
    struct http_rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    http_rig_open(&r);
    gateway_end_init(&a, &r.e.loop);
    gateway_end_init(&b, &r.e.loop);
    ck_assert_uint_eq(gateway_end_join(&a, r.addr, r.client, good, 0), 101);
    fall_behind(&r);
    ck_assert_uint_eq(gateway_end_join(&b, r.addr, r.client, good, 0), 503);
    ck_assert_uint_eq(gateway_end_join(&a, r.addr, r.client, good, 1), 101);
    sp_sessions_counters(r.sessions, &counters);
    ck_assert_uint_eq(counters.busy, 1);
    io_loop_for(&r.e.loop, 600);
    ck_assert_uint_eq(gateway_end_join(&b, r.addr, r.client, good, 0), 101);
    gateway_end_fini(&a);
    gateway_end_fini(&b);
    http_rig_close(&r);
}
END_TEST

/* Asks for a lane, and the status has to be that; 503 is whole, says when to come again, and is the
 * connection's end. */
static void asks(struct http_rig *r, const char *token, const char *rest, unsigned status)
{
    char request[HTTP_RIG_PAGE_MAX], text[HTTP_RIG_PAGE_MAX];
    struct peer p;

    http_rig_connect(r, &p, true);
    upgrade(request, sizeof request, SP_UPGRADE_PATH, token, rest);
    peer_say(&p, request);
    ck_assert_uint_eq(peer_answer(&p, text, sizeof text), status);
    if (status == 503) {
        ck_assert_ptr_nonnull(strstr(text, "\r\nRetry-After: 1\r\n"));
        ck_assert_ptr_nonnull(strstr(text, "\r\nConnection: close\r\n"));
        ck_assert(peer_ended(&p));
        ck_assert_str_eq(p.text, HTTP_RIG_IN_GOOD_ORDER);
    }
    peer_close(&p);
}

/* Whose token is good learns that there is no room, and doesn't take it that his tunnel, or his
 * token, is not known. Others learn nothing of it. */
START_TEST(not_now)
{
    static const char unknown[] =
        "Sallyport-Tunnel: 000700112233445566778899aabbccddeeff; lane=0\r\n";
    char good[SP_TOKEN_MAX + 1], other[SP_TOKEN_MAX + 1], bad[SP_TOKEN_MAX + 1];
    struct gateway_end g;
    struct http_rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    server_env_token("thief", SP_TOKEN_SCOPE_TUNNEL, 60, other);
    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, -5, bad);
    http_rig_open(&r);
    gateway_end_init(&g, &r.e.loop);
    ck_assert_uint_eq(gateway_end_join(&g, r.addr, r.client, good, 0), 101);
    r.e.bounds.subject_lanes = 1;
    ck_assert_uint_eq(gateway_end_join(&g, r.addr, r.client, good, 1), 503);
    ck_assert_uint_eq(gateway_end_join(&g, r.addr, r.client, other, 1), 404);
    r.e.bounds.subject_tunnels = 1;
    asks(&r, good, "Sallyport-Tunnel: new\r\n", 503);
    asks(&r, bad, "Sallyport-Tunnel: new\r\n", 404);
    asks(&r, NULL, "Sallyport-Tunnel: new\r\n", 404);
    asks(&r, good, unknown, 404); /* forgotten is forgotten */
    ck_assert_uint_eq(r.e.hits.subject_lanes, 1);
    ck_assert_uint_eq(r.e.hits.subject_tunnels, 1);
    ck_assert_uint_eq(http_rig_counters(&r)->upgrades_refused, 5);
    ck_assert_uint_eq(sp_sessions_lane_count(r.sessions), 1);

    sp_sessions_drain(r.sessions);
    r.e.bounds.subject_tunnels = 2;
    r.e.bounds.subject_lanes = 2;
    asks(&r, good, "Sallyport-Tunnel: new\r\n", 503);
    gateway_end_fini(&g);
    http_rig_close(&r);
}
END_TEST

/* Nobody else is asked for that. */
START_TEST(not_now_with_a_fallback)
{
    char good[SP_TOKEN_MAX + 1];
    struct gateway_end g;
    struct http_rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    http_rig_open(&r);
    sp_http_service_free(r.http);
    r.shared.config.has_fallback = true;
    r.shared.config.fallback = sp_addr_v4(127, 0, 0, 1, 1); /* where nobody is */
    ck_assert_int_eq(sp_http_service_new(&r.e.env, &r.shared, r.sessions, NULL, NULL, &r.http), 0);
    r.e.bounds.tunnels = 1;
    gateway_end_init(&g, &r.e.loop);
    ck_assert_uint_eq(gateway_end_join(&g, r.addr, r.client, good, 0), 101);
    asks(&r, good, "Sallyport-Tunnel: new\r\n", 503);
    asks(&r, "no token", "Sallyport-Tunnel: new\r\n", 502);
    gateway_end_fini(&g);
    http_rig_close(&r);
}
END_TEST

/* Frames that come right behind the request are the lane's. */
START_TEST(frames_behind_the_request)
{
    char good[SP_TOKEN_MAX + 1], request[HTTP_RIG_PAGE_MAX];
    struct peer p;
    struct http_rig r;

    server_env_token("office", SP_TOKEN_SCOPE_TUNNEL, 60, good);
    upgrade(request, sizeof request, SP_UPGRADE_PATH, good, "Sallyport-Tunnel: new\r\n");
    http_rig_open(&r);
    http_rig_connect(&r, &p, true);
    size_t len = strlen(request);
    memcpy(request + len, "\xFF\xFF\x00\x00", 4); /* a frame that is too long, so that it shows */
    peer_send(&p, request, len + 4);
    ck_assert(peer_ended(&p));
    ck_assert(p.got.len > 12 && memcmp(sp_buf_span(&p.got).p, "HTTP/1.1 101", 12) == 0);
    ck_assert_uint_eq(sp_sessions_count(r.sessions), 1);
    ck_assert_uint_eq(sp_sessions_lane_count(r.sessions), 0);
    peer_close(&p);
    http_rig_close(&r);
}
END_TEST

static size_t lines_of(int fd, const char *word)
{
    static char text[1 << 20];
    size_t n = 0;
    ssize_t len = read(fd, text, sizeof text - 1);

    text[len > 0 ? len : 0] = '\0';
    for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
        n++;
    return n;
}

/* Strangers who try tokens don't fill the log, and no token gets into it. */
START_TEST(log_of_refusals)
{
    char request[HTTP_RIG_PAGE_MAX], text[HTTP_RIG_PAGE_MAX];
    struct peer p;
    struct http_rig r;

    http_rig_open(&r);
    upgrade(request, sizeof request, SP_UPGRADE_PATH, "v1.c2VjcmV0.c2VjcmV0",
            "Sallyport-Tunnel: new\r\n");
    http_rig_connect(&r, &p, true);
    for (int i = 0; i < 50; i++) {
        peer_say(&p, request);
        ck_assert_uint_eq(peer_answer(&p, text, sizeof text), 404);
    }
    ck_assert_uint_eq(http_rig_counters(&r)->upgrades_refused, 50);
    size_t n = lines_of(r.logs[0], "upgrade refused");
    ck_assert_uint_ge(n, 5);
    ck_assert_uint_le(n, 30);
    peer_close(&p);
    http_rig_close(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http_lane");
    TCase *tc = tcase_create("http_lane");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, refused_like_a_missing_page);
    tcase_add_test(tc, no_lane_here);
    tcase_add_test(tc, lanes);
    tcase_add_test(tc, those_that_are_there_come_first);
    tcase_add_test(tc, not_now);
    tcase_add_test(tc, not_now_with_a_fallback);
    tcase_add_test(tc, frames_behind_the_request);
    tcase_add_test(tc, log_of_refusals);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
