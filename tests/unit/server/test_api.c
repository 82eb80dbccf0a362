/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API: sessions, their ends, gateways: what is asked for and what is answered. The rig
 * holds each answer against openapi.json. Who may ask: test_api_access.c.
 */
#include "api.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "api_body.h"
#include "api_talk.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

/* --- sessions ------------------------------------------------------------------------------- */

START_TEST(create_show_end)
{
    const struct sp_span secret = sp_span_str(API_SECRET);
    struct sp_claims c;
    char line[100];

    open_rig();
    ck_assert_uint_eq(create(NULL), 201);
    ck_assert_uint_eq(json_object_size(r.body), 3);
    ck_assert_int_eq(api_number(&r, "expires"), API_NOW_S + SP_API_TTL_DEFAULT);
    snprintf(line, sizeof line, "Location: %s", session_path());
    ck_assert(has_line(line));
    ck_assert(has_line("Cache-Control: no-store"));
    ck_assert(!has_line("Vary: Origin"));
    for (unsigned end = 0; end < 2; end++) {
        ck_assert_int_eq(sp_token_verify(sp_span_str(tickets[end]), &secret, 1,
                                         API_NOW_S + SP_API_TTL_DEFAULT - 1, &c),
                         0);
        ck_assert_str_eq(c.scope, SP_TOKEN_SCOPE_END);
        ck_assert_str_eq(c.subject, "app");
        ck_assert_str_eq(c.session, id);
        ck_assert_uint_eq(c.end, end);
        ck_assert_str_eq(c.gateway, "");
        ck_assert_uint_eq(c.expires_s, API_NOW_S + SP_API_TTL_DEFAULT);
    }
    ck_assert_uint_eq(ask("GET", session_path(), maker, NULL), 200);
    ck_assert_str_eq(api_text(&r, "id"), id);
    ck_assert_str_eq(api_text(&r, "stun"), "pass");
    ck_assert(!api_is(&r, "connected") && !api_is(&r, "direct"));
    ck_assert(!api_is(&r, "ends/0/joined"));
    ck_assert_str_eq(api_text(&r, "ends/1/way"), "");
    ck_assert_uint_eq(ask("DELETE", session_path(), maker, NULL), 204);
    ck_assert_ptr_null(r.body);
    ck_assert_uint_eq(sp_rdv_count(r.rdv), 0);
    ck_assert_uint_eq(ask("DELETE", session_path(), maker, NULL), 404);
    check_problem(404, "no_such_session", NULL);
    close_rig();
}
END_TEST

START_TEST(orders)
{
    const struct sp_span secret = sp_span_str(API_SECRET);
    struct sp_claims c;

    open_rig();
    ck_assert_uint_eq(
        create("{\"ttl\":10,\"stun\":\"early\",\"ends\":[{},{\"gateway\":\"office\"}]}"), 201);
    ck_assert_int_eq(api_number(&r, "expires"), API_NOW_S + 10);
    ck_assert_int_eq(sp_token_verify(sp_span_str(tickets[1]), &secret, 1, API_NOW_S, &c), 0);
    ck_assert_str_eq(c.gateway, "office");
    ck_assert_uint_eq(ask("GET", session_path(), maker, NULL), 200);
    ck_assert_str_eq(api_text(&r, "stun"), "early");
    ck_assert_uint_eq(create("{}"), 201);
    ck_assert_uint_eq(create(" { \"stun\" : \"pass\" , \"ttl\" : 600 } "), 201);
    close_rig();
}
END_TEST

START_TEST(bad_orders)
{
    static const struct {
        const char *body, *code, *field;
    } cases[] = {
        {"{", "malformed", NULL},
        {"hello", "malformed", NULL},
        {"{} {}", "malformed", NULL},
        {"{\"ttl\":20,\"ttl\":30}", "malformed", NULL},
        {"{\"ttl\":20,\"x\":\"\\u0000\"}", "malformed", NULL},
        {"[]", "bad_field", NULL},
        {"{\"ttl\":9}", "bad_field", "/ttl"},
        {"{\"ttl\":601}", "bad_field", "/ttl"},
        {"{\"ttl\":\"60\"}", "bad_field", "/ttl"},
        {"{\"ttl\":60.0}", "bad_field", "/ttl"},
        {"{\"ttl\":null}", "bad_field", "/ttl"},
        {"{\"stun\":\"late\"}", "bad_field", "/stun"},
        {"{\"stun\":1}", "bad_field", "/stun"},
        {"{\"ends\":{}}", "bad_field", "/ends"},
        {"{\"ends\":[{}]}", "bad_field", "/ends"},
        {"{\"ends\":[{},{},{}]}", "bad_field", "/ends"},
        {"{\"ends\":[{},7]}", "bad_field", "/ends/1"},
        {"{\"ends\":[{\"gateway\":\"\"},{}]}", "bad_field", "/ends/0/gateway"},
        {"{\"ends\":[{\"gateway\":\"a b\"},{}]}", "bad_field", "/ends/0/gateway"},
        {"{\"ends\":[{},{\"gateway\":[]}]}", "bad_field", "/ends/1/gateway"},
        {"{\"ends\":[{},{\"gate\":\"a\"}]}", "bad_field", "/ends/1/gate"},
        {"{\"ends\":[\"*\",{}]}", "bad_field", "/ends/0"},
        {"{\"time\":20}", "bad_field", "/time"},
        {"{\"a/b\":20}", "bad_field", NULL},
        {"{\"\":20}", "bad_field", NULL},
    };

    open_rig();
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        ck_assert_msg(create(cases[i].body) == 400, "%s: %u", cases[i].body, r.status);
        check_problem(400, cases[i].code, cases[i].field);
    }
    ck_assert_uint_eq(sp_rdv_count(r.rdv), 0);
    ck_assert_uint_eq(sp_api_counters(r.api)->problems, SP_ARRAY_LEN(cases));
    close_rig();
}
END_TEST

/* Nobody sees or ends what another subject made. */
START_TEST(subjects)
{
    char other[SP_TOKEN_MAX + 1];

    open_rig();
    api_token(&r, "another", SP_TOKEN_SCOPE_SESSION, 60, other);
    ck_assert_uint_eq(create(NULL), 201);
    ck_assert_uint_eq(ask("GET", session_path(), other, NULL), 404);
    ck_assert_uint_eq(ask("DELETE", session_path(), other, NULL), 404);
    check_problem(404, "no_such_session", NULL);
    ck_assert_uint_eq(sp_rdv_count(r.rdv), 1);
    ck_assert_uint_eq(ask("GET", "/v1/sessions/" NO_ID, maker, NULL), 404);
    ck_assert_uint_eq(ask("GET", "/v1/sessions/x", maker, NULL), 404);
    close_rig();
}
END_TEST

START_TEST(bounds)
{
    open_rig();
    r.bounds.subject_sessions = 2;
    ck_assert_uint_eq(create(NULL), 201);
    ck_assert_uint_eq(create(NULL), 201);
    ck_assert_uint_eq(create(NULL), 429);
    check_problem(429, "too_many_sessions", NULL);
    ck_assert(has_line("Retry-After: 10"));
    r.bounds.sessions = 2;
    ck_assert_uint_eq(create(NULL), 503);
    check_problem(503, "full", NULL);
    ck_assert(has_line("Retry-After: 10"));
    sp_api_drain(r.api);
    r.bounds.sessions = 20;
    ck_assert_uint_eq(create(NULL), 503);
    check_problem(503, "draining", NULL);
    ck_assert_uint_eq(ask("GET", session_path(), maker, NULL), 200);
    close_rig();
}
END_TEST

/* --- ends ----------------------------------------------------------------------------------- */

START_TEST(joins)
{
    open_rig();
    ck_assert_uint_eq(create("{\"stun\":\"early\"}"), 201);
    ck_assert_uint_eq(join(tickets[1], JOIN()), 200);
    ck_assert_int_eq(api_number(&r, "end"), 1);
    ck_assert_str_eq(api_text(&r, "stun"), "early");
    ck_assert_str_eq(api_text(&r, "gateway"), "");
    ck_assert(!api_is(&r, "direct"));
    ck_assert_str_eq(api_text(&r, "candidates/0/protocol"), "tcp");
    ck_assert_str_eq(api_text(&r, "candidates/0/address"), "198.51.100.2");
    ck_assert_int_eq(api_number(&r, "candidates/0/port"), 443);
    ck_assert_str_eq(api_text(&r, "candidates/1/protocol"), "udp");
    ck_assert(has_line("Access-Control-Allow-Origin: " API_ORIGIN));
    ck_assert(has_line("Vary: Origin"));
    /* more is known later; and again, as when an answer was lost; and ICE restarts */
    for (int i = 0; i < 2; i++)
        ck_assert_uint_eq(join(tickets[1], JOIN(",\"ufrag\":\"b+/1\",\"password\":"
                                                "\"bbbbbbbbbbbbbbbbbbbbbb\"")),
                          200);
    ck_assert_uint_eq(join(tickets[1], JOIN(",\"ufrag\":\"b222\"")), 200);
    ck_assert_uint_eq(join(tickets[0], JOIN_OTHER(",\"ufrag\":\"aaaa\"")), 200);
    ck_assert_int_eq(api_number(&r, "end"), 0);
    ck_assert_uint_eq(ask("GET", session_path(), maker, NULL), 200);
    ck_assert(api_is(&r, "ends/0/joined") && api_is(&r, "ends/1/joined"));
    struct sp_rdv_view v;
    sp_rdv_view(sp_rdv_find(r.rdv, sp_span_str(id)), r.now_us, &v);
    ck_assert_str_eq(v.ends[1].ufrag, "b222");
    r.n_candidates = 0; /* ICE-TCP is not served here */
    ck_assert_uint_eq(join(tickets[0], JOIN_OTHER()), 200);
    ck_assert_uint_eq(json_array_size(json_object_get(r.body, "candidates")), 0);
    close_rig();
}
END_TEST

START_TEST(bad_joins)
{
    static const struct {
        const char *body, *code, *field;
    } cases[] = {
        {"", "malformed", NULL},
        {"null", "malformed", NULL},
        {"[]", "bad_field", NULL},
        {"{}", "bad_field", "/holder"},
        {"{\"holder\":\"short\"}", "bad_field", "/holder"},
        {"{\"holder\":\"holder of an end, long enough\"}", "bad_field", "/holder"},
        {"{\"holder\":7}", "bad_field", "/holder"},
        {JOIN(",\"ufrag\":\"abc\""), "bad_field", "/ufrag"},
        {JOIN(",\"ufrag\":\"ab:d\""), "bad_field", "/ufrag"},
        {JOIN(",\"ufrag\":\"abcd\",\"password\":\"short\""), "bad_field", "/password"},
        {JOIN(",\"password\":\"bbbbbbbbbbbbbbbbbbbbbb\""), "bad_field", "/password"},
        {JOIN(",\"gateway\":\"\""), "bad_field", "/gateway"},
        {JOIN(",\"gateway\":null"), "bad_field", "/gateway"},
        {JOIN(",\"gateway\":\"*\""), "bad_field", "/gateway"},
        {JOIN(",\"ticket\":\"x\""), "bad_field", "/ticket"},
    };
    static char large[SP_API_BODY_MAX + 100];

    open_rig();
    ck_assert_uint_eq(create(NULL), 201);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        api_rig_pass(&r, SP_SEC(1) / 10); /* a ticket has its pace */
        ck_assert_msg(join(tickets[0], cases[i].body) == 400, "%s: %u", cases[i].body, r.status);
        check_problem(400, cases[i].code, cases[i].field);
    }
    memset(large, ' ', sizeof large - 1);
    ck_assert_uint_eq(join(tickets[0], large), 413);
    check_problem(413, "too_large", NULL);
    ck_assert(has_line("Connection: close"));
    const struct api_ask chunked = {.method = "PUT",
                                    .path = "/v1/end",
                                    .token = tickets[0],
                                    .fields = "Transfer-Encoding: chunked\r\n"};
    ck_assert_uint_eq(api_ask(&r, &chunked), 411);
    check_problem(411, "no_length", "Content-Length");
    ck_assert(has_line("Connection: close"));
    ck_assert_uint_eq(ask("GET", session_path(), maker, NULL), 200);
    ck_assert(!api_is(&r, "ends/0/joined"));
    close_rig();
}
END_TEST

/* The body may come in pieces. */
START_TEST(half_a_body)
{
    open_rig();
    ck_assert_uint_eq(create(NULL), 201);
    const struct api_ask half = {.method = "PUT",
                                 .path = "/v1/end",
                                 .token = tickets[0],
                                 .fields = "Content-Length: 50\r\n"};
    ck_assert_uint_eq(api_ask(&r, &half), 0);
    ck_assert_int_eq(r.outcome, SP_API_MORE);
    close_rig();
}
END_TEST

/* A ticket is for one browser, in time; and for this session's end alone. */
START_TEST(tickets_used)
{
    char first[SP_TOKEN_MAX + 1];

    open_rig();
    ck_assert_uint_eq(create("{\"ttl\":10}"), 201);
    ck_assert_uint_eq(join(tickets[0], JOIN(",\"ufrag\":\"aaaa\"")), 200);
    ck_assert_uint_eq(join(tickets[0], JOIN_OTHER(",\"ufrag\":\"bbbb\"")), 409);
    check_problem(409, "ticket_used", "/holder");
    ck_assert_uint_eq(join(tickets[1], JOIN_OTHER(",\"ufrag\":\"aaaa\"")), 409);
    check_problem(409, "ufrag_used", "/ufrag");

    /* of another session, by chance: no ticket's fault */
    ck_assert_uint_eq(join(tickets[1], JOIN_OTHER(",\"ufrag\":\"cccc\"")), 200);
    ck_assert_uint_eq(create("{\"ttl\":10}"), 201);
    ck_assert_uint_eq(join(tickets[0], JOIN(",\"ufrag\":\"aaaa\"")), 200);
    ck_assert_uint_eq(join(tickets[1], JOIN_OTHER(",\"ufrag\":\"cccc\"")), 409);
    check_problem(409, "ufrag_used", "/ufrag");
    ck_assert_uint_eq(ask("DELETE", session_path(), maker, NULL), 204);
    ck_assert_uint_eq(create("{\"ttl\":10}"), 201);
    ck_assert_uint_eq(join(tickets[0], JOIN(",\"ufrag\":\"dddd\"")), 200);

    /* after its time: he who came in time goes on, nobody else may come */
    api_rig_pass(&r, SP_SEC(9));
    snprintf(first, sizeof first, "%s", tickets[0]);
    ck_assert_uint_eq(join(first, JOIN(",\"ufrag\":\"a222\"")), 200);
    api_rig_pass(&r, SP_SEC(2));
    ck_assert_uint_eq(join(tickets[1], JOIN_OTHER()), 401);
    check_problem(401, "expired_token", "Authorization");
    ck_assert(has_line("WWW-Authenticate: Bearer error=\"invalid_token\""));
    api_rig_pass(&r, SP_SEC(60)); /* the session has ended meanwhile */
    ck_assert_uint_eq(sp_rdv_count(r.rdv), 0);
    ck_assert_uint_eq(join(first, JOIN()), 401);
    check_problem(401, "expired_token", "Authorization");

    ck_assert_uint_eq(create(NULL), 201);
    ck_assert_uint_eq(ask("DELETE", session_path(), maker, NULL), 204);
    ck_assert_uint_eq(join(tickets[0], JOIN()), 404);
    check_problem(404, "no_such_session", NULL);
    close_rig();
}
END_TEST

/* --- gateways ------------------------------------------------------------------------------- */

#define ANY_GATEWAY "{\"ends\":[{\"gateway\":\"*\"},{\"gateway\":\"*\"}]}"

START_TEST(gateways_open_ends)
{
    open_rig();
    ck_assert_uint_eq(create(ANY_GATEWAY), 201);
    ck_assert_uint_eq(join(tickets[1], JOIN(",\"gateway\":\"office\"")), 0);
    ck_assert_int_eq(r.outcome, SP_API_LATER);
    ck_assert_str_eq(r.asked_gateway, "office");
    ck_assert_uint_eq(r.asked_end, 1);
    ck_assert_uint_eq(api_gateway_says(&r, 0), 200);
    ck_assert_str_eq(api_text(&r, "gateway"), "office");
    ck_assert_str_eq(api_text(&r, "candidates/0/protocol"), "udp");
    ck_assert_str_eq(api_text(&r, "candidates/0/address"), "192.168.1.5");
    ck_assert_int_eq(api_number(&r, "candidates/0/port"), 50000);
    ck_assert(has_line("Access-Control-Allow-Origin: " API_ORIGIN));

    /* on the same LAN: nothing is asked for */
    ck_assert_uint_eq(join(tickets[0], JOIN_OTHER(",\"gateway\":\"office\"")), 200);
    ck_assert(api_is(&r, "direct"));
    ck_assert_uint_eq(json_array_size(json_object_get(r.body, "candidates")), 0);
    ck_assert_uint_eq(ask("GET", session_path(), maker, NULL), 200);
    ck_assert(api_is(&r, "direct"));
    ck_assert_str_eq(api_text(&r, "ends/0/gateway"), "office");
    close_rig();
}
END_TEST

START_TEST(gateways_that_do_not)
{
    static const struct {
        int err;
        unsigned status;
        const char *code;
    } cases[] = {
        {SP_ENOENT, 503, "no_gateway"},
        {SP_ETIMEDOUT, 503, "no_gateway"},
        {SP_EFULL, 503, "gateway_full"},
        {SP_EDENIED, 403, "gateway_refused"},
    };

    open_rig();
    ck_assert_uint_eq(create(ANY_GATEWAY), 201);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        for (int at_once = 0; at_once < 2; at_once++) {
            r.ask_err = at_once ? cases[i].err : 0;
            unsigned status = join(tickets[0], JOIN(",\"gateway\":\"office\""));
            if (!at_once)
                status = api_gateway_says(&r, cases[i].err);
            ck_assert_uint_eq(status, cases[i].status);
            check_problem(cases[i].status, cases[i].code, "/gateway");
            ck_assert(has_line("Retry-After: 5") == (status == 503));
        }
    /* it is not lost: without a gateway there are other ways */
    ck_assert_uint_eq(join(tickets[0], JOIN()), 200);

    /* also when it is gone after it opened the end */
    r.ask_err = 0;
    ck_assert_uint_eq(join(tickets[0], JOIN(",\"gateway\":\"office\"")), 0);
    ck_assert_uint_eq(api_gateway_says(&r, 0), 200);
    ck_assert_uint_eq(join(tickets[0], JOIN(",\"gateway\":\"office\"")), 0);
    ck_assert_uint_eq(api_gateway_says(&r, SP_ETIMEDOUT), 503);
    ck_assert_uint_eq(join(tickets[0], JOIN()), 200);
    ck_assert_str_eq(api_text(&r, "gateway"), "");
    ck_assert_str_eq(api_text(&r, "candidates/0/address"), "198.51.100.2");

    ck_assert_uint_eq(join(tickets[0], JOIN(",\"gateway\":\"office\"")), 0);
    sp_rdv_end(sp_rdv_find(r.rdv, sp_span_str(id)), "test", r.now_us);
    ck_assert_uint_eq(api_gateway_says(&r, SP_ETIMEDOUT), 404);
    check_problem(404, "no_such_session", NULL);
    close_rig();
}
END_TEST

START_TEST(gateways_of_tickets)
{
    open_rig();
    ck_assert_uint_eq(create("{\"ends\":[{\"gateway\":\"office\"},{}]}"), 201);
    ck_assert_uint_eq(join(tickets[0], JOIN(",\"gateway\":\"home\"")), 403);
    check_problem(403, "wrong_gateway", "/gateway");
    ck_assert_uint_eq(join(tickets[0], JOIN()), 200); /* it may do without */
    ck_assert_uint_eq(join(tickets[0], JOIN(",\"gateway\":\"office\"")), 0);
    ck_assert_int_eq(r.outcome, SP_API_LATER);
    sp_api_cancel(r.call); /* the browser left */
    ck_assert_uint_eq(r.cancelled, 1);

    /* whose maker named none may ask none; a ticket travels through the application's hands */
    r.asked_gateway[0] = '\0';
    ck_assert_uint_eq(join(tickets[1], JOIN_OTHER(",\"gateway\":\"office\"")), 403);
    check_problem(403, "wrong_gateway", "/gateway");
    ck_assert_str_eq(r.asked_gateway, "");
    ck_assert_uint_eq(ask("GET", session_path(), maker, NULL), 200);
    ck_assert(!api_is(&r, "ends/1/joined"));
    ck_assert_uint_eq(join(tickets[1], JOIN_OTHER()), 200);
    close_rig();
}
END_TEST

START_TEST(list_of_gateways)
{
    open_rig();
    ck_assert_uint_eq(ask("GET", "/v1/gateways", maker, NULL), 200);
    ck_assert_uint_eq(json_array_size(json_object_get(r.body, "gateways")), 0);
    r.n_gateways = SP_API_GATEWAYS_MAX + 5;
    ck_assert_uint_eq(ask("GET", "/v1/gateways", maker, NULL), 200);
    ck_assert_uint_eq(json_array_size(json_object_get(r.body, "gateways")), SP_API_GATEWAYS_MAX);
    ck_assert_str_eq(api_text(&r, "gateways/0/name"), "office");
    ck_assert_str_eq(api_text(&r, "gateways/0/subject"), "company");
    ck_assert_int_eq(api_number(&r, "gateways/0/since"), API_NOW_S - 7);
    close_rig();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("api");
    TCase *tc = tcase_create("api");

    tcase_add_test(tc, create_show_end);
    tcase_add_test(tc, orders);
    tcase_add_test(tc, bad_orders);
    tcase_add_test(tc, subjects);
    tcase_add_test(tc, bounds);
    tcase_add_test(tc, joins);
    tcase_add_test(tc, bad_joins);
    tcase_add_test(tc, half_a_body);
    tcase_add_test(tc, tickets_used);
    tcase_add_test(tc, gateways_open_ends);
    tcase_add_test(tc, gateways_that_do_not);
    tcase_add_test(tc, gateways_of_tickets);
    tcase_add_test(tc, list_of_gateways);
    suite_add_tcase(s, tc);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
