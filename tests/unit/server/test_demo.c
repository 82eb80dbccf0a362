/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be asked of the demo page by HTTP, and what those get who meet.
 */
#include "demo.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/token.h"

#define SECRET "a secret that is long enough to be one"
#define NOW_S  2000000000
#define T0     SP_SEC(1000)
#define ROOM   "/demo/rooms/x7kd-92mf?seat="
#define ANA    ROOM "ana-0123456789abcdef"
#define BEN    ROOM "ben-0123456789abcdef"
#define OWN    "Sec-Fetch-Site: same-origin\r\n"

struct rig {
    struct sp_rng_seeded rng;
    struct sp_timerq timers;
    struct sp_tally rooms, sessions;
    struct sp_quota shares;
    struct sp_prefix_limit joins;
    uint64_t room_hits, join_hits;
    struct sp_bounds bounds;
    struct sp_bound_hits hits;
    struct sp_log log;
    struct sp_keys keys;
    struct sp_keyring ring;
    struct sp_rdv *rdv;
    struct sp_demo *demo;
    struct sp_addr from;
    unsigned closed;
    char heard[2][20000]; /* by the listener of this number */

    enum sp_demo_outcome outcome;
    struct sp_demo_reply reply;
};

static bool on_send(void *arg, void *listener, struct sp_span text)
{
    char *to = listener;
    size_t len = strlen(to);
    (void)arg;

    ck_assert_uint_lt(len + text.len, 20000);
    memcpy(to + len, text.p, text.len);
    to[len + text.len] = '\0';
    return true;
}

static void on_close(void *arg, void *listener)
{
    struct rig *r = arg;
    (void)listener;
    r->closed++;
}

static const char *gateway_at(void *arg, const struct sp_addr *from)
{
    (void)arg;
    return from->ip[3] == 1 ? "office" : NULL;
}

static const struct sp_demo_host host = {on_send, on_close, gateway_at};

static void send_nothing(void *arg, void *via, struct sp_span datagram, uint64_t now_us)
{
    (void)arg;
    (void)via;
    (void)datagram;
    (void)now_us;
}

static void close_nothing(void *arg, void *via)
{
    (void)arg;
    (void)via;
}

static const struct sp_rdv_effects no_effects = {.send = send_nothing, .close = close_nothing};

static void open_rig(struct rig *r, unsigned workers)
{
    char why[SP_KEYS_WHY_MAX];

    *r = (struct rig){.log = {.level = SP_LOG_ERROR, .fd = 2}};
    r->from = sp_addr_v4(192, 0, 2, 1, 40000);
    sp_rng_seeded_init(&r->rng, 7);
    sp_timerq_init(&r->timers);
    sp_bounds_default(&r->bounds);
    sp_quota_init(&r->shares, &r->rng.rng);
    sp_prefix_limit_init(&r->joins, 3, &r->rng.rng);
    ck_assert_int_eq(sp_secrets_from_text("test", sp_span_str(SECRET), &r->keys.secrets, why), 0);
    r->ring.now = &r->keys;
    const struct sp_rdv_config rc = {.idle_us = SP_SEC(30),
                                     .bounds = &r->bounds,
                                     .hits = &r->hits,
                                     .tally = &r->sessions,
                                     .shares = &r->shares,
                                     .log = &r->log};
    ck_assert_int_eq(sp_rdv_new(&rc, &no_effects, NULL, &r->timers, &r->rng.rng, &r->rdv), 0);
    const struct sp_demo_config c = {
        .worker = 0,
        .workers = workers,
        .rooms = {.tally = &r->rooms, .max = 10, .hits = &r->room_hits},
        .joins = &r->joins,
        .join_hits = &r->join_hits,
        .keys = &r->ring,
        .rdv = r->rdv,
    };
    ck_assert_int_eq(sp_demo_new(&c, &host, r, &r->timers, &r->rng.rng, &r->demo), 0);
}

static void close_rig(struct rig *r)
{
    sp_demo_free(r->demo, T0);
    ck_assert_uint_eq(sp_rdv_count(r->rdv), 0);
    sp_rdv_free(r->rdv, T0);
    sp_secrets_fini(&r->keys.secrets);
    sp_quota_fini(&r->shares);
    sp_timerq_fini(&r->timers);
}

/* The status of the answer; 0: there is none. */
static unsigned ask(struct rig *r, const char *text, unsigned listener)
{
    struct sp_http_head h;
    size_t used;

    ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
    const struct sp_demo_request q = {.head = &h,
                                      .body = sp_span_skip(sp_span_str(text), used),
                                      .remote = &r->from,
                                      .now_us = T0,
                                      .unix_s = NOW_S,
                                      .listener = r->heard[listener]};
    r->reply = (struct sp_demo_reply){.worker = 0};
    ck_assert(sp_demo_is_path(h.target));
    r->outcome = sp_demo_serve(r->demo, &q, &r->reply);
    return r->outcome == SP_DEMO_ANSWERED ? r->reply.answer.status : 0;
}

static unsigned get(struct rig *r, const char *target, const char *fields, unsigned listener)
{
    char text[1024];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: edge.test\r\n%s\r\n", target, fields);
    return ask(r, text, listener);
}

static unsigned post(struct rig *r, const char *target, const char *body)
{
    static char text[20000];

    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nHost: edge.test\r\nOrigin: https://edge.test\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             target, strlen(body), body);
    return ask(r, text, 0);
}

static void done(struct rig *r)
{
    if (r->outcome == SP_DEMO_ANSWERED)
        sp_api_answer_fini(&r->reply.answer);
}

START_TEST(files)
{
    static const struct {
        const char *target;
        unsigned status;
        const char *type;
    } cases[] = {
        {"/demo", 200, "text/html"},
        {"/demo/", 200, "text/html"},
        {"/demo/?gateway=no", 200, "text/html"},
        {"/demo/style.css", 200, "text/css"},
        {"/demo/main.js", 200, "text/javascript"},
        {"/demo/sallyport.js", 200, "text/javascript"},
        {"/demo/icon.svg", 200, "image/svg+xml"},
        {"/demo/nothing", 0, NULL},
        {"/demolition", 0, NULL},
        {"/demo/rooms/x7kd-92mf", 0, NULL},
        {"/demo/rooms/x7kd-92mf?seat=short", 0, NULL},
        {"/demo/rooms/a/b?seat=0123456789abcdef", 0, NULL},
    };
    struct rig r;
    char type[64];

    open_rig(&r, 1);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        ck_assert_msg(get(&r, cases[i].target, "", 0) == cases[i].status, "%s", cases[i].target);
        if (cases[i].status == 0)
            continue;
        snprintf(type, sizeof type, "Content-Type: %s", cases[i].type);
        ck_assert_ptr_nonnull(strstr(r.reply.answer.text, type));
        ck_assert_ptr_nonnull(strstr(r.reply.answer.text, "default-src 'none'; script-src 'self'"));
        ck_assert_uint_gt(r.reply.answer.body.len, 100);
        done(&r);
    }
    ck_assert_uint_eq(ask(&r, "HEAD /demo/ HTTP/1.1\r\nHost: x\r\n\r\n", 0), 200);
    ck_assert_uint_eq(r.reply.answer.body.len, 0);
    done(&r);
    ck_assert_uint_eq(post(&r, "/demo/", "x"), 405);
    done(&r);
    close_rig(&r);
}
END_TEST

/* What the event `meet` told a listener. */
static json_t *meeting(const struct rig *r, unsigned listener)
{
    const char *at = strstr(r->heard[listener], "event: meet\ndata: ");

    ck_assert_ptr_nonnull(at);
    at += strlen("event: meet\ndata: ");
    json_t *o = json_loadb(at, strcspn(at, "\n"), 0, NULL);
    ck_assert_ptr_nonnull(o);
    return o;
}

static void check_ticket(const struct rig *r, unsigned listener, const char *gateway)
{
    json_t *m = meeting(r, listener);
    const char *ticket = json_string_value(json_object_get(m, "ticket"));
    struct sp_claims c;

    ck_assert_int_eq(sp_token_verify(sp_span_str(ticket), r->keys.secrets.items, r->keys.secrets.n,
                                     sp_clock_unix_s(), &c),
                     0);
    ck_assert_str_eq(c.scope, SP_TOKEN_SCOPE_END);
    ck_assert_uint_eq(c.end, listener);
    ck_assert_str_eq(c.gateway, gateway);
    ck_assert_ptr_nonnull(sp_rdv_find(r->rdv, sp_span_str(c.session)));
    const json_t *told = json_object_get(m, "gateway");
    ck_assert_str_eq(json_is_string(told) ? json_string_value(told) : "", gateway);
    ck_assert_int_eq(json_is_true(json_object_get(m, "calls")), listener == 0);
    json_decref(m);
}

START_TEST(a_call)
{
    struct rig r;

    open_rig(&r, 1);
    get(&r, ANA, OWN, 0);
    ck_assert_int_eq(r.outcome, SP_DEMO_LISTENS);
    ck_assert_ptr_nonnull(r.reply.seat);
    ck_assert_ptr_eq(strstr(r.heard[0], "HTTP/1.1 200 OK\r\n"), r.heard[0]);
    ck_assert_ptr_nonnull(strstr(r.heard[0], "Content-Type: text/event-stream\r\n"));
    r.from = sp_addr_v4(192, 0, 2, 2, 40000);
    get(&r, BEN, OWN, 1);
    ck_assert_int_eq(r.outcome, SP_DEMO_LISTENS);
    check_ticket(&r, 0, "office");
    check_ticket(&r, 1, "");
    ck_assert_uint_eq(sp_rdv_count(r.rdv), 1);
    ck_assert_uint_eq(post(&r, ANA, "{\"type\":\"offer\"}"), 204);
    ck_assert_ptr_nonnull(strstr(r.heard[1], "event: message\ndata: {\"type\":\"offer\"}\n\n"));
    ck_assert_uint_eq(post(&r, "/demo/rooms/x7kd-92mf/leave?seat=ben-0123456789abcdef", ""), 204);
    ck_assert_uint_eq(r.closed, 1);
    ck_assert_uint_eq(sp_rdv_count(r.rdv), 0);
    ck_assert_ptr_nonnull(strstr(r.heard[0], "event: left\n"));
    close_rig(&r);
}
END_TEST

START_TEST(bad_requests)
{
    static char long_text[SP_DEMO_TEXT_MAX + 2];
    struct rig r;

    open_rig(&r, 1);
    memset(long_text, 'x', sizeof long_text - 1);
    get(&r, ANA, "", 0); /* no page of ours */
    ck_assert_int_eq(r.outcome, SP_DEMO_NOT_OURS);
    get(&r, ANA, "Origin: https://else.test\r\n", 0);
    ck_assert_int_eq(r.outcome, SP_DEMO_NOT_OURS);
    get(&r, ANA, "Sec-Fetch-Site: cross-site\r\n", 0);
    ck_assert_int_eq(r.outcome, SP_DEMO_NOT_OURS);
    ck_assert_uint_eq(post(&r, ANA, "x"), 404);
    done(&r);
    get(&r, ANA, OWN, 0);
    ck_assert_uint_eq(post(&r, ANA, "two\nlines"), 400);
    done(&r);
    ck_assert_uint_eq(post(&r, ANA, ""), 400);
    done(&r);
    ck_assert_uint_eq(post(&r, ANA, long_text), 413);
    ck_assert(!r.reply.answer.keep_alive);
    done(&r);
    long_text[SP_DEMO_TEXT_MAX] = '\0';
    ck_assert_uint_eq(post(&r, ANA, long_text), 204);
    ck_assert_uint_eq(ask(&r,
                          "POST " ANA " HTTP/1.1\r\nHost: edge.test\r\n" OWN
                          "Transfer-Encoding: chunked\r\n\r\n",
                          0),
                      411);
    done(&r);
    ck_assert_uint_eq(ask(&r, "PUT " ANA " HTTP/1.1\r\nHost: edge.test\r\n" OWN "\r\n", 0), 405);
    done(&r);
    ask(&r, "POST " ANA " HTTP/1.1\r\nHost: edge.test\r\n" OWN "Content-Length: 5\r\n\r\nhe", 0);
    ck_assert_int_eq(r.outcome, SP_DEMO_MORE);
    close_rig(&r);
}
END_TEST

/* So many a second from one prefix; who comes back to a seat is not counted. */
START_TEST(too_many)
{
    char target[80];
    struct rig r;

    open_rig(&r, 1);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(target, sizeof target, "/demo/rooms/room-%u?seat=0123456789abcdef", i);
        get(&r, target, OWN, 0);
        ck_assert_int_eq(r.outcome, SP_DEMO_LISTENS);
    }
    ck_assert_uint_eq(get(&r, ANA, OWN, 1), 200);
    ck_assert_uint_eq(r.reply.answer.body.len,
                      strlen("event: refused\ndata: {\"code\":\"too_many\"}\n\n"));
    ck_assert(!r.reply.answer.keep_alive);
    done(&r);
    ck_assert_uint_eq(r.join_hits, 1);
    get(&r, target, OWN, 1);
    ck_assert_int_eq(r.outcome, SP_DEMO_LISTENS);
    r.from = sp_addr_v4(203, 0, 113, 1, 40000);
    get(&r, ANA, OWN, 1);
    ck_assert_int_eq(r.outcome, SP_DEMO_LISTENS);
    close_rig(&r);
}
END_TEST

/* Each room has its worker, and the others send there whoever asks for it. */
START_TEST(other_workers)
{
    unsigned here = 0, there = 0;
    char target[80];
    struct rig r;

    open_rig(&r, 4);
    for (unsigned i = 0; i < 64; i++) {
        snprintf(target, sizeof target, "/demo/rooms/room-%u/leave?seat=0123456789abcdef", i);
        unsigned status = post(&r, target, "");
        if (r.outcome == SP_DEMO_ELSEWHERE) {
            ck_assert_uint_gt(r.reply.worker, 0);
            ck_assert_uint_lt(r.reply.worker, 4);
            there++;
        } else {
            ck_assert_uint_eq(status, 204);
            here++;
        }
    }
    ck_assert_uint_ge(here, 4);
    ck_assert_uint_ge(there, 24);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("demo");
    TCase *t = tcase_create("all");
    SRunner *sr = srunner_create(s);

    tcase_add_test(t, files);
    tcase_add_test(t, a_call);
    tcase_add_test(t, bad_requests);
    tcase_add_test(t, too_many);
    tcase_add_test(t, other_workers);
    suite_add_tcase(s, t);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
