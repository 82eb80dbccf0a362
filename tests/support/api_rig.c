/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "json_schema.h"
#include "require.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

static const struct sp_origins origins = {
    .items = (const char *const[]){"https://other.example", API_ORIGIN}, .n = 2};

/* --- the host ------------------------------------------------------------------------------- */

static size_t candidates(void *arg, const struct sp_addr *local,
                         struct sp_api_candidate out[static SP_API_CANDIDATES_MAX])
{
    const struct api_rig *r = arg;

    for (size_t i = 0; i < r->n_candidates; i++)
        out[i] = (struct sp_api_candidate){.tcp = i == 0, .addr = *local};
    return r->n_candidates;
}

static int ask_gateway(void *arg, struct sp_rdv_session *s, unsigned end, struct sp_span gateway,
                       sp_api_gateway_fn *fn, void *fn_arg, void **ask)
{
    struct api_rig *r = arg;

    if (r->ask_err != 0)
        return r->ask_err;
    snprintf(r->asked_gateway, sizeof r->asked_gateway, "%.*s", (int)gateway.len,
             (const char *)gateway.p);
    r->asked = s;
    r->asked_end = end;
    r->fn = fn;
    r->fn_arg = fn_arg;
    *ask = r;
    return 0;
}

static void cancel(void *arg, void *ask)
{
    struct api_rig *r = arg;

    REQUIRE(ask == r && r->fn != NULL);
    r->fn = NULL;
    r->cancelled++;
}

static const void *next_gateway(void *arg, const void *before, struct sp_api_gateway *out)
{
    static const char all[2000];
    const struct api_rig *r = arg;
    const char *next = before != NULL ? (const char *)before + 1 : all;

    *out = (struct sp_api_gateway){"office", "company", r->now_us - SP_SEC(7)};
    return next < all + r->n_gateways ? next : NULL;
}

static const struct sp_api_host host = {.candidates = candidates,
                                        .ask_gateway = ask_gateway,
                                        .cancel = cancel,
                                        .next_gateway = next_gateway};

static void send_nothing(void *arg, void *via, struct sp_span d, uint64_t now_us)
{
    (void)arg;
    (void)via;
    (void)d;
    (void)now_us;
}

static void close_nothing(void *arg, void *via)
{
    (void)arg;
    (void)via;
}

static const struct sp_rdv_effects effects = {.send = send_nothing, .close = close_nothing};

/* --- life ----------------------------------------------------------------------------------- */

char *api_read_source(const char *path)
{
    const char *root = getenv("SALLYPORT_SOURCE");
    char name[512];
    FILE *f;

    snprintf(name, sizeof name, "%s/%s", root != NULL ? root : ".", path);
    f = fopen(name, "r");
    if (f == NULL)
        fprintf(stderr, "%s: not there; SALLYPORT_SOURCE is the source tree\n", name);
    REQUIRE(f != NULL);
    char *text = calloc(1, 200000);
    REQUIRE(text != NULL && fread(text, 1, 199999, f) > 0);
    fclose(f);
    return text;
}

void api_rig_open(struct api_rig *r)
{
    char why[SP_SECRET_ERR_MAX];

    *r = (struct api_rig){.now_us = API_T0_US, .n_candidates = 2};
    sp_rng_seeded_init(&r->rng, 11);
    sp_timerq_init(&r->timers);
    sp_bounds_default(&r->bounds);
    r->log.level = SP_LOG_ERROR;
    REQUIRE(sp_secrets_from_text("test", sp_span_str(API_SECRET), &r->keys.secrets, why) == 0);
    const struct sp_rdv_config c = {.worker = API_WORKER,
                                    .idle_us = SP_SEC(30),
                                    .bounds = &r->bounds,
                                    .hits = &r->hits,
                                    .tally = &r->tally,
                                    .shares = &r->shares,
                                    .log = &r->log};
    sp_quota_init(&r->shares, &r->rng.rng);
    REQUIRE(sp_rdv_new(&c, &effects, NULL, &r->timers, &r->rng.rng, &r->rdv) == 0);
    sp_pace_init(&r->requests, (uint32_t)r->bounds.api_requests, &r->rng.rng);
    const struct sp_api_config a = {.requests = &r->requests,
                                    .worker = API_WORKER,
                                    .origins = origins,
                                    .bounds = &r->bounds,
                                    .hits = &r->hits};
    REQUIRE(sp_api_new(&a, &host, r, r->rdv, &r->rng.rng, &r->api) == 0);
    char *text = api_read_source("server/openapi.json");
    r->openapi = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    REQUIRE(r->openapi != NULL);
}

static void forget(struct api_rig *r)
{
    json_decref(r->body);
    r->body = NULL;
    r->head[0] = '\0';
    r->status = 0;
}

void api_rig_close(struct api_rig *r)
{
    forget(r);
    sp_api_free(r->api);
    sp_rdv_free(r->rdv, r->now_us);
    sp_quota_fini(&r->shares);
    sp_timerq_fini(&r->timers);
    sp_secrets_fini(&r->keys.secrets);
    json_decref(r->openapi);
}

void api_rig_pass(struct api_rig *r, uint64_t us)
{
    uint64_t to_us = r->now_us + us, due_us;

    while ((due_us = sp_timerq_next(&r->timers)) <= to_us) {
        r->now_us = due_us;
        sp_timerq_run(&r->timers, due_us);
    }
    r->now_us = to_us;
}

static uint64_t unix_s(const struct api_rig *r)
{
    return API_NOW_S + (r->now_us - API_T0_US) / SP_SEC(1);
}

void api_token(const struct api_rig *r, const char *subject, const char *scope, int64_t good_for_s,
               char *out)
{
    struct sp_claims c = {.expires_s = (uint64_t)((int64_t)unix_s(r) + good_for_s)};

    snprintf(c.subject, sizeof c.subject, "%s", subject);
    snprintf(c.scope, sizeof c.scope, "%s", scope);
    REQUIRE(sp_token_sign(sp_span_str(API_SECRET), &c, out, SP_TOKEN_MAX + 1) == 0);
}

/* --- what openapi.json says ----------------------------------------------------------------- */

/* The description of this method and path; "{id}" stands for any last part. */
static const json_t *operation(const struct api_rig *r)
{
    const json_t *paths = json_object_get(r->openapi, "paths");
    const json_t *path = json_object_get(paths, r->path);
    char general[256], method[16];

    if (path == NULL) {
        snprintf(general, sizeof general, "%s", r->path);
        char *last = strrchr(general, '/');
        snprintf(last, sizeof general - (size_t)(last - general), "/{id}");
        path = json_object_get(paths, general);
    }
    for (size_t i = 0; i <= strlen(r->method); i++)
        method[i] = (char)(r->method[i] >= 'A' ? r->method[i] | 0x20 : 0);
    const json_t *found = json_object_get(path, method);
    if (found != NULL || path == NULL)
        return found;
    /* what a path says to a method that it doesn't have, it says to all */
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)path, key,
                        value) if (json_object_get(value, "responses") != NULL) return value;
    return NULL;
}

static void check_answer(const struct api_rig *r)
{
    const json_t *op = operation(r);
    char status[8], why[256] = "";

    if (op == NULL) { /* a path that is not there */
        REQUIRE(r->status == 404 || r->status == 401);
        return;
    }
    snprintf(status, sizeof status, "%u", r->status);
    const json_t *response = json_object_get(json_object_get(op, "responses"), status);
    if (response == NULL)
        fprintf(stderr, "openapi.json: %s %s answers no %s\n", r->method, r->path, status);
    REQUIRE(response != NULL);
    if (strcmp(r->method, "HEAD") == 0)
        return;
    const json_t *content = json_object_get(response, "content");
    REQUIRE((content != NULL) == (r->body != NULL));
    if (content == NULL)
        return;
    const char *type = r->status < 300 ? "application/json" : "application/problem+json";
    const json_t *schema = json_object_get(json_object_get(content, type), "schema");
    char line[80];
    snprintf(line, sizeof line, "\r\nContent-Type: %s\r\n", type);
    REQUIRE(strstr(r->head, line) != NULL);
    bool ok = json_schema_holds(r->openapi, schema, r->body, why, sizeof why);
    if (!ok)
        fprintf(stderr, "openapi.json: %s %s, %s: %s\n", r->method, r->path, status, why);
    REQUIRE(ok);
}

/* --- requests ------------------------------------------------------------------------------- */

static void take_answer(struct sp_api_answer *a, void *arg)
{
    struct api_rig *r = arg;
    char length[48];

    forget(r);
    r->status = a->status;
    snprintf(r->head, sizeof r->head, "%.*s", (int)a->head.len, (const char *)a->head.p);
    REQUIRE(strcmp(r->head + strlen(r->head) - 4, "\r\n\r\n") == 0);
    snprintf(r->text, sizeof r->text, "%.*s", (int)a->body.len, (const char *)a->body.p);
    if (strstr(r->head, "\r\nContent-Type: text/") != NULL)
        return;
    if (a->body.len > 0) {
        r->body = json_loadb((const char *)a->body.p, a->body.len, JSON_REJECT_DUPLICATES, NULL);
        if (r->body == NULL)
            fprintf(stderr, "no JSON: %.*s\n", (int)a->body.len, (const char *)a->body.p);
        REQUIRE(r->body != NULL);
        snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", a->body.len);
        REQUIRE(strstr(r->head, length) != NULL);
    }
    if (strcmp(r->method, "OPTIONS") != 0)
        check_answer(r);
}

static void on_done(struct sp_api_answer *a, void *arg)
{
    struct api_rig *r = arg;
    r->call = NULL;
    take_answer(a, r);
}

/* All but the answer, so that memory may be short. */
static enum sp_api_outcome serve(struct api_rig *r, struct sp_span text, struct sp_api_reply *reply)
{
    const struct sp_addr local = sp_addr_v4(198, 51, 100, 2, 443);
    struct sp_http_head h;
    size_t used;

    REQUIRE(sp_http_parse_request(text, &h, &used) == 0);
    const struct sp_api_request request = {
        .head = &h,
        .body = sp_span_skip(text, used),
        .local = &local,
        .keys = &r->keys,
        .now_us = r->now_us,
        .unix_s = unix_s(r),
        .done = on_done,
        .arg = r,
    };
    if (r->fail_at > 0)
        alloc_fail_at(r->fail_at);
    enum sp_api_outcome outcome = sp_api_serve(r->api, &request, reply);
    r->failed = r->fail_at > 0 && alloc_fail_disarm();
    return outcome;
}

unsigned api_ask(struct api_rig *r, const struct api_ask *a)
{
    static char text[20000];
    struct sp_api_reply reply;
    char length[48] = "";

    if (a->body != NULL)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(a->body));
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: edge.example\r\n%s%s%s%s%s%s%s%s\r\n%s",
             a->method, a->path, a->token != NULL ? "Authorization: Bearer " : "",
             a->token != NULL ? a->token : "", a->token != NULL ? "\r\n" : "",
             a->origin != NULL ? "Origin: " : "", a->origin != NULL ? a->origin : "",
             a->origin != NULL ? "\r\n" : "", length, a->fields != NULL ? a->fields : "",
             a->body != NULL ? a->body : "");
    forget(r);
    snprintf(r->method, sizeof r->method, "%s", a->method);
    snprintf(r->path, sizeof r->path, "%s", a->path);
    r->outcome = serve(r, sp_span_str(text), &reply);
    if (r->outcome == SP_API_ELSEWHERE)
        r->worker = reply.worker;
    if (r->outcome == SP_API_LATER)
        r->call = reply.call;
    if (r->outcome != SP_API_ANSWERED)
        return 0;
    take_answer(&reply.answer, r);
    sp_api_answer_fini(&reply.answer);
    return r->status;
}

unsigned api_gateway_says(struct api_rig *r, int err)
{
    const struct sp_addr addrs[] = {sp_addr_v4(192, 168, 1, 5, 50000)};
    sp_api_gateway_fn *fn = r->fn;

    REQUIRE(fn != NULL);
    r->fn = NULL;
    if (err == 0)
        sp_rdv_set_gateway(r->asked, r->asked_end, sp_span_str(r->asked_gateway));
    fn(err, addrs, err == 0 ? 1 : 0, r->fn_arg);
    return r->status;
}

/* --- what it said --------------------------------------------------------------------------- */

static const json_t *member(const struct api_rig *r, const char *path)
{
    const json_t *o = r->body;
    char part[64];

    while (o != NULL && *path != '\0') {
        size_t len = strcspn(path, "/");
        snprintf(part, sizeof part, "%.*s", (int)len, path);
        o = json_is_array(o) ? json_array_get(o, strtoul(part, NULL, 10))
                             : json_object_get(o, part);
        path += len + (path[len] == '/');
    }
    if (o == NULL)
        fprintf(stderr, "the answer has no such member: %s\n", path);
    return o;
}

const char *api_text(const struct api_rig *r, const char *path)
{
    const json_t *o = member(r, path);
    REQUIRE(json_is_string(o));
    return json_string_value(o);
}

json_int_t api_number(const struct api_rig *r, const char *path)
{
    const json_t *o = member(r, path);
    REQUIRE(json_is_integer(o));
    return json_integer_value(o);
}

bool api_is(const struct api_rig *r, const char *path)
{
    const json_t *o = member(r, path);
    REQUIRE(json_is_boolean(o));
    return json_is_true(o);
}
