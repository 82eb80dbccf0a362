/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API: who may ask, from where and how often, and what others get; the script it
 * serves; requests that belong to another worker, or find no memory.
 */
#include "api.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "api_talk.h"
#include "sallyport/clock.h"

/* --- who may ask ---------------------------------------------------------------------------- */

/* Nothing tells a stranger that there is an API. */
START_TEST(strangers)
{
    static const char *const paths[] = {"/v1/sessions", "/v1/end", "/v1/gateways", "/v1/nothing"};
    char forged[SP_TOKEN_MAX + 1];
    unsigned n = 0;

    open_rig();
    snprintf(forged, sizeof forged, "%s", maker);
    forged[strlen(forged) - 1] = forged[strlen(forged) - 1] == 'A' ? 'E' : 'A';
    const struct {
        const char *token, *origin, *fields;
    } cases[] = {
        {NULL, NULL, NULL},
        {forged, NULL, NULL},
        {"nonsense", NULL, NULL},
        {NULL, "https://evil.example", NULL},
        {NULL, "null", NULL},
        {NULL, "https://APP.example", NULL},
        {NULL, "https://app.example:443", NULL},
        {NULL, "https://app.example.evil.example", NULL},
        {maker, "https://evil.example", NULL}, /* a page that found a token */
        {maker, API_ORIGIN, "Origin: https://evil.example\r\n"},
        {NULL, NULL, "Sec-Fetch-Site: same-origin\r\n"}, /* not one of --origin */
        {NULL, "https://evil.example", "Access-Control-Request-Method: POST\r\n"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        for (size_t k = 0; k < SP_ARRAY_LEN(paths); k++)
            for (int preflight = 0; preflight < 2; preflight++, n++) {
                const struct api_ask a = {.method = preflight ? "OPTIONS" : "POST",
                                          .path = paths[k],
                                          .token = cases[i].token,
                                          .origin = cases[i].origin,
                                          .fields = cases[i].fields};
                ck_assert_msg(api_ask(&r, &a) == 0, "case %zu, %s", i, paths[k]);
                ck_assert_int_eq(r.outcome, SP_API_NOT_OURS);
            }
    ck_assert_uint_eq(sp_api_counters(r.api)->strangers, n);
    ck_assert_uint_eq(sp_api_counters(r.api)->requests, 0);
    close_rig();
}
END_TEST

START_TEST(tokens)
{
    static const char *const scopes[] = {SP_TOKEN_SCOPE_TUNNEL, "other"};
    char token[SP_TOKEN_MAX + 1];

    open_rig();
    ck_assert_uint_eq(create(NULL), 201);
    for (size_t i = 0; i < SP_ARRAY_LEN(scopes); i++) {
        api_token(&r, "app", scopes[i], 60, token);
        ck_assert_uint_eq(ask("POST", "/v1/sessions", token, "{}"), 403);
        check_problem(403, "wrong_scope", "Authorization");
        ck_assert_uint_eq(ask("GET", session_path(), token, NULL), 403);
        ck_assert_uint_eq(ask("DELETE", session_path(), token, NULL), 403);
        ck_assert_uint_eq(ask("GET", "/v1/gateways", token, NULL), 403);
        ck_assert_uint_eq(ask("PUT", "/v1/end", token, JOIN()), 403);
    }
    ck_assert_uint_eq(ask("PUT", "/v1/end", maker, JOIN()), 403);
    ck_assert_uint_eq(ask("POST", "/v1/sessions", tickets[0], "{}"), 403);
    ck_assert_uint_eq(ask("GET", session_path(), tickets[0], NULL), 403);
    ck_assert_uint_eq(ask("DELETE", session_path(), tickets[0], NULL), 403);
    ck_assert_uint_eq(ask("GET", "/v1/gateways", tickets[0], NULL), 403);
    api_token(&r, "app", SP_TOKEN_SCOPE_SESSION, -1, token);
    ck_assert_uint_eq(ask("POST", "/v1/sessions", token, "{}"), 401);
    check_problem(401, "expired_token", "Authorization");
    ck_assert_uint_eq(sp_rdv_count(r.rdv), 1);

    /* a page that may ask is told what is wrong */
    struct api_ask a = {.method = "PUT", .path = "/v1/end", .origin = API_ORIGIN, .body = JOIN()};
    ck_assert_uint_eq(api_ask(&r, &a), 401);
    check_problem(401, "no_token", "Authorization");
    ck_assert(has_line("WWW-Authenticate: Bearer"));
    a.token = "v1.e30.nonsense";
    ck_assert_uint_eq(api_ask(&r, &a), 401);
    check_problem(401, "bad_token", "Authorization");
    ck_assert(has_line("Access-Control-Allow-Origin: " API_ORIGIN));
    close_rig();
}
END_TEST

START_TEST(paths)
{
    open_rig();
    ck_assert_uint_eq(create(NULL), 201);
    ck_assert_uint_eq(ask("GET", "/v1/nothing", maker, NULL), 404);
    check_problem(404, "no_such_path", NULL);
    ck_assert_uint_eq(ask("GET", "/v1/sessions/", maker, NULL), 404);
    ck_assert_uint_eq(ask("GET", "/v1/sessions/a/b", maker, NULL), 404);
    ck_assert_uint_eq(ask("GET", "/v1/gateways?x", maker, NULL), 404);
    ck_assert_uint_eq(ask("GET", "/v1/sessions", maker, NULL), 405);
    check_problem(405, "wrong_method", NULL);
    ck_assert(has_line("Allow: POST"));
    ck_assert_uint_eq(ask("PUT", session_path(), maker, NULL), 405);
    ck_assert(has_line("Allow: GET, DELETE"));
    ck_assert_uint_eq(ask("POST", "/v1/end", tickets[0], JOIN()), 405);
    ck_assert_uint_eq(ask("DELETE", "/v1/gateways", maker, NULL), 405);
    close_rig();
}
END_TEST

/* Or its body would be taken for the next answer of the connection. */
START_TEST(heads)
{
    open_rig();
    ck_assert_uint_eq(create(NULL), 201);
    const char *asked[] = {session_path(), "/v1/nothing", "/v1/sallyport.js"};
    for (size_t i = 0; i < SP_ARRAY_LEN(asked); i++) {
        ck_assert_uint_ge(ask("HEAD", asked[i], maker, NULL), 400);
        ck_assert_ptr_null(r.body);
        ck_assert(strstr(r.head, "Content-Length: 0") == NULL);
    }
    close_rig();
}
END_TEST

START_TEST(preflights)
{
    struct api_ask a = {.method = "OPTIONS",
                        .path = "/v1/end",
                        .origin = API_ORIGIN,
                        .fields = "Access-Control-Request-Method: PUT\r\n"
                                  "Access-Control-Request-Headers: authorization,content-type\r\n"};

    open_rig();
    ck_assert_uint_eq(api_ask(&r, &a), 204);
    ck_assert(has_line("Access-Control-Allow-Origin: " API_ORIGIN));
    ck_assert(has_line("Access-Control-Allow-Methods: PUT"));
    ck_assert(has_line("Access-Control-Allow-Headers: Authorization, Content-Type"));
    ck_assert(has_line("Vary: Origin"));
    ck_assert(has_line("Connection: keep-alive"));
    a.path = "/v1/sessions/" NO_ID;
    ck_assert_uint_eq(api_ask(&r, &a), 204);
    ck_assert(has_line("Access-Control-Allow-Methods: GET, DELETE"));
    a.path = "/v1/nothing";
    ck_assert_uint_eq(api_ask(&r, &a), 404);

    /* a page of this server itself, which says no Origin when it reads */
    struct api_ask own = {.method = "GET",
                          .path = "/v1/gateways",
                          .token = maker,
                          .fields = "Sec-Fetch-Site: same-origin\r\n"};
    ck_assert_uint_eq(api_ask(&r, &own), 200);
    close_rig();
}
END_TEST

/* The script is for pages that may use it, byte for byte. */
START_TEST(script)
{
    static const char *const files[][2] = {{"/v1/sallyport.js", "client/js/sallyport.js"},
                                           {"/v1/sallyport.d.ts", "client/js/sallyport.d.ts"}};

    open_rig();
    for (size_t i = 0; i < SP_ARRAY_LEN(files); i++) {
        char *text = api_read_source(files[i][1]);
        const struct api_ask a = {.method = "GET", .path = files[i][0], .origin = API_ORIGIN};
        ck_assert_uint_eq(api_ask(&r, &a), 200);
        ck_assert_str_eq(r.text, text);
        ck_assert(has_line("Access-Control-Allow-Origin: " API_ORIGIN));
        ck_assert(strstr(r.head, "\r\nContent-Type: text/") != NULL);
        ck_assert_uint_eq(ask("GET", files[i][0], maker, NULL), 200);
        ck_assert_uint_eq(ask("GET", files[i][0], NULL, NULL), 0);
        ck_assert_int_eq(r.outcome, SP_API_NOT_OURS);
        free(text);
    }
    close_rig();
}
END_TEST

START_TEST(pace)
{
    char other[SP_TOKEN_MAX + 1];
    unsigned n = 0;

    open_rig();
    ck_assert_uint_eq(create(NULL), 201);
    while (join(tickets[0], JOIN()) == 200)
        n++;
    ck_assert_uint_eq(n, SP_API_TICKET_REQUESTS_S);
    check_problem(429, "too_many_requests", "Authorization");
    ck_assert(has_line("Retry-After: 1"));
    ck_assert_uint_eq(join(tickets[1], JOIN_OTHER()), 200);
    api_rig_pass(&r, SP_SEC(1));
    ck_assert_uint_eq(join(tickets[0], JOIN()), 200);

    n = 0;
    while (ask("GET", session_path(), maker, NULL) == 200)
        n++;
    ck_assert_uint_eq(n, 1000); /* --max-requests-per-second */
    ck_assert_uint_eq(r.hits.api_requests, 1);
    api_token(&r, "app", SP_TOKEN_SCOPE_SESSION, 61, other); /* the same subject's */
    ck_assert_uint_eq(ask("GET", session_path(), other, NULL), 429);
    api_token(&r, "another", SP_TOKEN_SCOPE_SESSION, 60, other);
    ck_assert_uint_eq(ask("GET", "/v1/gateways", other, NULL), 200);
    close_rig();
}
END_TEST

/* What another worker made is his. */
START_TEST(workers)
{
    struct sp_claims c = {.scope = SP_TOKEN_SCOPE_END,
                          .subject = "app",
                          .session = "000500000000000000000000000000000000",
                          .expires_s = API_NOW_S + 60};
    char ticket[SP_TOKEN_MAX + 1];

    open_rig();
    ck_assert_uint_eq(ask("GET", "/v1/sessions/000500000000000000000000000000000000", maker, NULL),
                      0);
    ck_assert_int_eq(r.outcome, SP_API_ELSEWHERE);
    ck_assert_uint_eq(r.worker, 5);
    ck_assert_int_eq(sp_token_sign(sp_span_str(API_SECRET), &c, ticket, sizeof ticket), 0);
    ck_assert_uint_eq(join(ticket, JOIN()), 0);
    ck_assert_int_eq(r.outcome, SP_API_ELSEWHERE);
    ck_assert_uint_eq(sp_api_counters(r.api)->requests, 0); /* he counts it */
    close_rig();
}
END_TEST

/* Each allocation fails in turn: an answer comes in any case, and no half session stays. */
START_TEST(no_memory)
{
    static const struct {
        const char *method, *body;
    } cases[] = {{"POST", "{\"ttl\":20}"},
                 {"GET", NULL},
                 {"PUT", JOIN(",\"ufrag\":\"aaaa\"")},
                 {"PUT", JOIN(",\"gateway\":\"office\"")},
                 {"POST", "{\"ttl\":1}"}};

    open_rig();
    r.n_gateways = 1;
    ck_assert_uint_eq(create(NULL), 201);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        for (r.fail_at = 1;; r.fail_at++) {
            size_t sessions = sp_rdv_count(r.rdv);
            unsigned status =
                cases[i].method[0] == 'P' && cases[i].method[1] == 'U'
                    ? join(tickets[0], cases[i].body)
                    : ask(cases[i].method, cases[i].body != NULL ? "/v1/sessions" : "/v1/gateways",
                          maker, cases[i].body);
            if (r.outcome == SP_API_LATER)
                sp_api_cancel(r.call);
            if (!r.failed)
                break;
            if (status == 503) {
                ck_assert_str_eq(api_text(&r, "code"), "full");
                ck_assert(strstr(r.head, "\r\nRetry-After: 10\r\n") != NULL);
            }
            if (status != 201)
                ck_assert_uint_eq(sp_rdv_count(r.rdv), sessions);
            api_rig_pass(&r, SP_SEC(1) / 10);
            ck_assert_uint_lt(r.fail_at, 500);
        }
    close_rig();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("api_access");
    TCase *tc = tcase_create("api_access");

    tcase_add_test(tc, strangers);
    tcase_add_test(tc, tokens);
    tcase_add_test(tc, paths);
    tcase_add_test(tc, heads);
    tcase_add_test(tc, preflights);
    tcase_add_test(tc, script);
    tcase_add_test(tc, pace);
    tcase_add_test(tc, workers);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);

    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
