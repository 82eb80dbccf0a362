/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/upgrade.h"

#define ID_TEXT "0102030405060708090a0b0c0d0e0f10fffe"

static const struct sp_tunnel_id id = {
    {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0xFF, 0xFE}};

static int parse_request(const char *text, struct sp_upgrade *u)
{
    struct sp_http_head h;
    size_t used;

    ck_assert_msg(sp_http_parse_request(sp_span_str(text), &h, &used) == 0, "%s", text);
    return sp_upgrade_parse_request(&h, SP_UPGRADE_PATH, u);
}

static int parse_response(const char *text, struct sp_tunnel_id *out)
{
    struct sp_http_head h;
    size_t used;

    ck_assert_msg(sp_http_parse_response(sp_span_str(text), &h, &used) == 0, "%s", text);
    return sp_upgrade_parse_response(&h, out);
}

/* A good request whose line after Host is `line`, or one of the usual ones is another. */
static int request_with(const char *start, const char *connection, const char *auth,
                        const char *tunnel)
{
    struct sp_upgrade u = {.lane = 77};
    char text[500];
    int err;

    snprintf(text, sizeof(text),
             "%s\r\nHost: a\r\n%s\r\nAuthorization: %s\r\nSallyport-Tunnel: %s\r\n\r\n", start,
             connection, auth, tunnel);
    err = parse_request(text, &u);
    if (err < 0)
        ck_assert_uint_eq(u.lane, 77);
    return err;
}

#define START      "GET " SP_UPGRADE_PATH " HTTP/1.1"
#define CONNECTION "Connection: Upgrade\r\nUpgrade: rfc4571"
#define AUTH       "Bearer v1.a.b"

START_TEST(request_text)
{
    struct sp_upgrade u = {.token = sp_span_str("v1.a.b"), .is_new = true}, back;
    uint8_t out[600];
    size_t len;

    ck_assert_int_eq(
        sp_upgrade_request("edge.example", SP_UPGRADE_PATH, &u, out, sizeof(out), &len), 0);
    ck_assert_uint_eq(out[len], 0);
    ck_assert_str_eq((char *)out, "GET /.well-known/sallyport HTTP/1.1\r\n"
                                  "Host: edge.example\r\n"
                                  "Connection: Upgrade\r\n"
                                  "Upgrade: rfc4571\r\n"
                                  "Authorization: Bearer v1.a.b\r\n"
                                  "Sallyport-Tunnel: new\r\n\r\n");
    ck_assert_int_eq(parse_request((char *)out, &back), 0);
    ck_assert(back.is_new && back.lane == 0);
    ck_assert(sp_span_eq(back.token, u.token));
}
END_TEST

START_TEST(every_lane_comes_back)
{
    for (unsigned lane = 0; lane < SP_LANES_MAX; lane++) {
        for (unsigned is_new = 0; is_new < 2; is_new++) {
            struct sp_upgrade u = {sp_span_str("t"), is_new, id, lane}, back;
            uint8_t out[600];
            size_t len;

            ck_assert_int_eq(
                sp_upgrade_request("[::1]:443", SP_UPGRADE_PATH, &u, out, sizeof(out), &len), 0);
            ck_assert_int_eq(parse_request((char *)out, &back), 0);
            ck_assert_uint_eq(back.lane, lane);
            ck_assert_uint_eq(back.is_new, is_new);
            if (!is_new)
                ck_assert_mem_eq(&back.id, &id, sizeof(id));
            ck_assert_int_eq(sp_upgrade_request("[::1]:443", SP_UPGRADE_PATH, &u, out, len, &len),
                             SP_ETOOBIG);
            ck_assert_int_eq(
                sp_upgrade_request("[::1]:443", SP_UPGRADE_PATH, &u, out, len + 1, &len), 0);
        }
    }
    ck_assert_uint_eq(sp_tunnel_id_worker(&id), 0x0102);
}
END_TEST

/* What an option or a token file holds can't make a line of its own. */
START_TEST(request_refuses)
{
    struct sp_upgrade u = {.token = sp_span_str("t"), .is_new = true};
    uint8_t out[600];
    size_t len = 77;

    ck_assert_int_eq(sp_upgrade_request("a\r\nX: y", "/p", &u, out, sizeof(out), &len), SP_EINVAL);
    ck_assert_int_eq(sp_upgrade_request("", "/p", &u, out, sizeof(out), &len), SP_EINVAL);
    ck_assert_int_eq(sp_upgrade_request("a", "/p q", &u, out, sizeof(out), &len), SP_EINVAL);
    ck_assert_int_eq(sp_upgrade_request("a", "p", &u, out, sizeof(out), &len), SP_EINVAL);
    u.token = sp_span_str("t\n");
    ck_assert_int_eq(sp_upgrade_request("a", "/p", &u, out, sizeof(out), &len), SP_EINVAL);
    u.token = sp_span(NULL, 0);
    ck_assert_int_eq(sp_upgrade_request("a", "/p", &u, out, sizeof(out), &len), SP_EINVAL);
    u.token = sp_span_str("t");
    u.lane = SP_LANES_MAX;
    ck_assert_int_eq(sp_upgrade_request("a", "/p", &u, out, sizeof(out), &len), SP_EINVAL);
    ck_assert_uint_eq(len, 77);
}
END_TEST

START_TEST(ordinary_requests)
{
    ck_assert_int_eq(request_with(START, CONNECTION, AUTH, "new"), 0);
    ck_assert_int_eq(request_with("POST " SP_UPGRADE_PATH " HTTP/1.1", CONNECTION, AUTH, "new"),
                     SP_ENOENT);
    ck_assert_int_eq(request_with("GET / HTTP/1.1", CONNECTION, AUTH, "new"), SP_ENOENT);
    ck_assert_int_eq(request_with("GET " SP_UPGRADE_PATH "? HTTP/1.1", CONNECTION, AUTH, "new"),
                     SP_ENOENT);
    ck_assert_int_eq(request_with("GET " SP_UPGRADE_PATH " HTTP/1.0", CONNECTION, AUTH, "new"),
                     SP_ENOENT);
    ck_assert_int_eq(request_with(START, "Connection: Upgrade", AUTH, "new"), SP_ENOENT);
    ck_assert_int_eq(request_with(START, "Upgrade: rfc4571", AUTH, "new"), SP_ENOENT);
    ck_assert_int_eq(request_with(START, "Connection: Upgrade\r\nUpgrade: websocket", AUTH, "new"),
                     SP_ENOENT);
    ck_assert_int_eq(request_with(START, "Connection: keep-alive, upgrade\r\nUpgrade: h2c, RFC4571",
                                  AUTH, "new"),
                     0);
}
END_TEST

START_TEST(malformed_requests)
{
    static const char two_auth[] = "Bearer x\r\nAuthorization: Bearer y";
    static const char *const bad_auth[] = {"",        "Bearer",     "Bearer ",
                                           "Basic x", "Bearer a b", "Bearer \xc3\xa4",
                                           "Bearerx", "v1.a.b",     two_auth};
    static const char *const bad_tunnel[] = {
        "",
        "old",
        "NEW",
        "new;",
        "new; lane",
        "new; lane=",
        "new; lane=64",
        "new lane=1",
        ID_TEXT,
        ID_TEXT ";",
        ID_TEXT "; lane=",
        ID_TEXT "; lane=64",
        ID_TEXT "; lane=-1",
        ID_TEXT "; lane=01",
        ID_TEXT "; lane=100",
        ID_TEXT "; lane=1x",
        ID_TEXT "; lane=1; lane=2",
        ID_TEXT "; len=1",
        ID_TEXT "0; lane=1",
        ID_TEXT " ; lane=1",
        "0102030405060708090A0b0c0d0e0f10fffe; lane=1",
        "g102030405060708090a0b0c0d0e0f10fffe; lane=1",
        "102030405060708090a0b0c0d0e0f10fffe; lane=1",
        "new\r\nSallyport-Tunnel: new",
    };
    struct sp_upgrade u;

    for (size_t i = 0; i < SP_ARRAY_LEN(bad_auth); i++)
        ck_assert_msg(request_with(START, CONNECTION, bad_auth[i], "new") == SP_EBADMSG, "%s",
                      bad_auth[i]);
    for (size_t i = 0; i < SP_ARRAY_LEN(bad_tunnel); i++)
        ck_assert_msg(request_with(START, CONNECTION, AUTH, bad_tunnel[i]) == SP_EBADMSG, "%s",
                      bad_tunnel[i]);
    ck_assert_int_eq(request_with(START, CONNECTION "\r\nContent-Length: 5", AUTH, "new"),
                     SP_EBADMSG);
    ck_assert_int_eq(request_with(START, CONNECTION "\r\nTransfer-Encoding: chunked", AUTH, "new"),
                     SP_EBADMSG);
    ck_assert_int_eq(request_with(START, CONNECTION "\r\nContent-Length: 0", AUTH, "new"), 0);
    ck_assert_int_eq(request_with(START, CONNECTION, "bearer   x", ID_TEXT ";lane=31"), 0);
    ck_assert_int_eq(parse_request(START "\r\n" CONNECTION "\r\n\r\n", &u), SP_EBADMSG);
    ck_assert_int_eq(
        parse_request(START "\r\n" CONNECTION "\r\nAuthorization: " AUTH "\r\n\r\n", &u),
        SP_EBADMSG);
}
END_TEST

START_TEST(response_text)
{
    uint8_t out[200];
    struct sp_tunnel_id back;
    size_t len;

    ck_assert_int_eq(sp_upgrade_response(&id, out, sizeof(out), &len), 0);
    ck_assert_str_eq((char *)out, "HTTP/1.1 101 Switching Protocols\r\n"
                                  "Connection: Upgrade\r\n"
                                  "Upgrade: rfc4571\r\n"
                                  "Sallyport-Tunnel: " ID_TEXT "\r\n\r\n");
    ck_assert_uint_eq(out[len], 0);
    ck_assert_int_eq(parse_response((char *)out, &back), 0);
    ck_assert_mem_eq(&back, &id, sizeof(id));
    ck_assert_int_eq(sp_upgrade_response(&id, out, len, &len), SP_ETOOBIG);
    ck_assert_int_eq(sp_upgrade_response(&id, out, len + 1, &len), 0);
}
END_TEST

START_TEST(response_refuses)
{
    struct sp_tunnel_id out = {{7}};

    ck_assert_int_eq(parse_response("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", &out),
                     SP_EPROTO);
    ck_assert_int_eq(parse_response("HTTP/1.1 200 OK\r\n" CONNECTION
                                    "\r\nSallyport-Tunnel: " ID_TEXT "\r\n\r\n",
                                    &out),
                     SP_EPROTO);
    ck_assert_int_eq(parse_response("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: "
                                    "websocket\r\nSallyport-Tunnel: " ID_TEXT "\r\n\r\n",
                                    &out),
                     SP_EPROTO);
    ck_assert_int_eq(parse_response("HTTP/1.1 101 X\r\n" CONNECTION "\r\n\r\n", &out), SP_EBADMSG);
    ck_assert_int_eq(
        parse_response("HTTP/1.1 101 X\r\n" CONNECTION "\r\nSallyport-Tunnel: new\r\n\r\n", &out),
        SP_EBADMSG);
    ck_assert_int_eq(parse_response("HTTP/1.1 101 X\r\n" CONNECTION "\r\nSallyport-Tunnel: " ID_TEXT
                                    "\r\nSallyport-Tunnel: " ID_TEXT "\r\n\r\n",
                                    &out),
                     SP_EBADMSG);
    ck_assert_uint_eq(out.bytes[0], 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("upgrade");
    TCase *tc = tcase_create("upgrade");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, request_text);
    tcase_add_test(tc, every_lane_comes_back);
    tcase_add_test(tc, request_refuses);
    tcase_add_test(tc, ordinary_requests);
    tcase_add_test(tc, malformed_requests);
    tcase_add_test(tc, response_text);
    tcase_add_test(tc, response_refuses);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
