/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may ask the control API, and for what: paths, origins, tokens and how many requests they may
 * make. What is done then: api_session.c.
 */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>

#include "api_body.h"
#include "api_impl.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "script.h"

#define PREFLIGHT_AGE_S 600 /* browsers ask again after that */

/* --- who asks ------------------------------------------------------------------------------- */

static struct sp_span span_of(const char *text)
{
    return sp_span(text, strlen(text) + 1); /* with the NUL, so that two can't run together */
}

/* Not 0: the same for two tokens that say the same. */
static uint64_t who(const struct sp_claims *c)
{
    const uint8_t end = (uint8_t)c->end;
    const struct sp_span parts[] = {span_of(c->scope), span_of(c->subject), span_of(c->session),
                                    sp_span(&end, 1)};
    uint8_t digest[SP_SHA256_LEN];

    sp_sha256(parts, SP_ARRAY_LEN(parts), digest);
    return sp_get_be64(digest) | 1;
}

static bool in_time(struct sp_api *api, const struct sp_claims *c, uint64_t now_us)
{
    bool is_ticket = strcmp(c->scope, SP_TOKEN_SCOPE_END) == 0;
    bool ok = sp_pace_take(is_ticket ? &api->tickets : api->config.requests, who(c), now_us);

    if (!ok && !is_ticket)
        api->config.hits->api_requests++;
    return ok;
}

/* What reading the token came to; SP_ENOENT: there is none. */
static int read_token(struct sp_api_task *t)
{
    const struct sp_api_request *r = t->request;
    struct sp_span token;
    int err = sp_http_bearer(r->head, &token);

    if (err == 0)
        err = sp_keys_read_token(r->keys, token, r->unix_s, &t->claims);
    t->expired = err == SP_EEXPIRED;
    return err;
}

/* Whether the token is good for this route: SP_EPROTO and *fault if not. */
static int check_token(const struct sp_api_task *t, int read, struct sp_api_fault *fault)
{
    static const char field[] = "Authorization";
    const char *scope = t->place.route->scope;

    if (scope == NULL)
        return 0;
    if (read == SP_ENOENT)
        return sp_api_fault(fault, SP_API_NO_TOKEN, field, "wants Bearer and a token");
    if (read != 0 && !t->expired)
        return sp_api_fault(fault, SP_API_BAD_TOKEN, field, "this is no token of this server");
    if (strcmp(t->claims.scope, scope) != 0)
        return sp_api_fault(fault, SP_API_WRONG_SCOPE, field,
                            "the token is of scope %.32s, and this wants one of scope %s",
                            t->claims.scope, scope);
    /* Whoever joined in time may say more later: a call outlives its ticket. */
    if (t->expired && t->place.route->action != SP_API_JOIN)
        return sp_api_fault(fault, SP_API_EXPIRED_TOKEN, field, "the token has expired");
    return 0;
}

/* --- how it is asked ------------------------------------------------------------------------ */

/* 0: all of the body is there; SP_EMORE; SP_EPROTO and *fault. */
static int take_body(struct sp_api_task *t, struct sp_api_fault *fault)
{
    const struct sp_api_request *r = t->request;

    if (r->head->chunked)
        return sp_api_fault(fault, SP_API_NO_LENGTH, "Content-Length", "wants the body's length");
    if (!t->place.route->has_body)
        return 0;
    if (r->head->content_length > SP_API_BODY_MAX)
        return sp_api_fault(fault, SP_API_TOO_LARGE, "", "the body wants to be at most %d bytes",
                            SP_API_BODY_MAX);
    if (r->body.len < r->head->content_length)
        return SP_EMORE;
    t->body = sp_span(r->body.p, (size_t)r->head->content_length);
    return 0;
}

/* Which worker's it is; its own if that can't be said. */
static unsigned worker_of(const struct sp_api_task *t)
{
    struct sp_span id =
        t->place.route->action == SP_API_JOIN ? sp_span_str(t->claims.session) : t->place.id;
    int worker = id.len > 0 ? sp_rdv_worker_of(id) : SP_EINVAL;

    return worker < 0 ? t->api->config.worker : (unsigned)worker;
}

static bool is_preflight(const struct sp_api_task *t)
{
    struct sp_span v;

    return t->manner.origin != NULL &&
           sp_span_eq(t->request->head->method, sp_span_str("OPTIONS")) &&
           sp_http_find(t->request->head, "Access-Control-Request-Method", &v);
}

static void answer_preflight(const struct sp_api_task *t, struct sp_api_answer *a)
{
    char fields[200];

    snprintf(fields, sizeof fields,
             "Access-Control-Allow-Methods: %s\r\n"
             "Access-Control-Allow-Headers: Authorization, Content-Type\r\n"
             "Access-Control-Max-Age: %d\r\n",
             t->place.methods, PREFLIGHT_AGE_S);
    sp_api_answer_empty(a, &t->manner, fields);
}

void sp_api_complain(struct sp_api *api, const struct sp_api_manner *m, const char *field,
                     const struct sp_api_fault *fault, struct sp_api_answer *a)
{
    api->counters.problems++;
    sp_api_answer_fault(a, m, field, fault);
}

/* --- answers -------------------------------------------------------------------------------- */

static int act(struct sp_api_task *t, struct sp_api_reply *out, struct sp_api_fault *fault)
{
    switch (t->place.route->action) {
    case SP_API_CREATE:
        return sp_api_create(t, &out->answer, fault);
    case SP_API_SHOW:
        return sp_api_show(t, &out->answer, fault);
    case SP_API_END:
        return sp_api_end(t, &out->answer, fault);
    case SP_API_JOIN:
        return sp_api_join(t, &out->answer, fault, &out->call);
    case SP_API_GATEWAYS:
        return sp_api_gateways(t, &out->answer);
    case SP_API_SCRIPT:
        sp_api_answer_file(&out->answer, &t->manner, "text/javascript; charset=utf-8",
                           sp_span(sp_script, sp_script_len));
        return 0;
    case SP_API_TYPES:
        sp_api_answer_file(&out->answer, &t->manner, "text/plain; charset=utf-8",
                           sp_span(sp_script_types, sp_script_types_len));
        return 0;
    }
    return SP_EINVAL;
}

/* What is wrong with it before anything is done; 0: nothing. *allow: a line of the head. */
static int check(struct sp_api_task *t, int read, struct sp_api_fault *fault, char allow[static 64])
{
    int err;

    if (t->place.methods[0] == '\0')
        return sp_api_fault(fault, SP_API_NO_SUCH_PATH, "", "there is nothing at this path");
    if (t->place.route == NULL) {
        snprintf(allow, 64, "Allow: %s\r\n", t->place.methods);
        return sp_api_fault(fault, SP_API_WRONG_METHOD, "", "this path knows %s", t->place.methods);
    }
    err = check_token(t, read, fault);
    if (err == 0)
        err = take_body(t, fault);
    return err;
}

static enum sp_api_outcome serve(struct sp_api_task *t, int read, struct sp_api_reply *out)
{
    struct sp_api *api = t->api;
    struct sp_api_fault fault;
    char allow[64] = "";
    int err = check(t, read, &fault, allow);

    if (err == SP_EMORE)
        return SP_API_MORE;
    if (err == 0 && !t->request->stay && worker_of(t) != api->config.worker) {
        out->worker = worker_of(t);
        return SP_API_ELSEWHERE;
    }
    api->counters.requests++;
    if (err == 0 && t->place.route->scope != NULL &&
        !in_time(api, &t->claims, t->request->now_us)) {
        err = sp_api_fault(&fault, SP_API_TOO_MANY_REQUESTS, "Authorization",
                           "by this token, in this second");
        fault.retry_s = 1;
    }
    if (err == 0)
        err = act(t, out, &fault);
    if (err == SP_EAGAIN)
        return SP_API_LATER;
    if (err == SP_ENOMEM)
        sp_api_answer_json(&out->answer, &t->manner, 503, "", NULL);
    else if (err != 0)
        sp_api_complain(api, &t->manner, allow, &fault, &out->answer);
    return SP_API_ANSWERED;
}

/* With a body to come, of which the client waits to hear whether it is wanted. */
static bool is_waited_for(const struct sp_api_request *r)
{
    return r->body.len < r->head->content_length &&
           sp_http_has_token(r->head, "Expect", "100-continue");
}

bool sp_api_is_path(struct sp_span target)
{
    static const char root[] = "/v1/";
    return target.len >= sizeof root - 1 && memcmp(target.p, root, sizeof root - 1) == 0;
}

enum sp_api_outcome sp_api_serve(struct sp_api *api, const struct sp_api_request *request,
                                 struct sp_api_reply *out)
{
    const struct sp_http_head *h = request->head;
    struct sp_api_task t = {
        .api = api,
        .request = request,
        .manner = {.unix_s = request->unix_s, .keep_alive = h->keep_alive && !h->chunked},
    };
    enum sp_origin_verdict from = sp_origin_of(&api->config.origins, h, &t.manner.origin);
    int read = read_token(&t);

    if (from == SP_ORIGIN_FOREIGN || (from == SP_ORIGIN_NONE && read != 0 && !t.expired)) {
        api->counters.strangers++;
        return SP_API_NOT_OURS;
    }
    if (h->content_length > SP_API_BODY_MAX || is_waited_for(request))
        t.manner.keep_alive = false; /* the body is not worth reading past, or may never come */
    if (sp_api_find_route(h->method, h->target, &t.place) != 0 || !is_preflight(&t)) {
        enum sp_api_outcome outcome = serve(&t, read, out);
        if (outcome == SP_API_ANSWERED && sp_span_eq(h->method, sp_span_str("HEAD")))
            out->answer.body = sp_span(NULL, 0); /* it would be read as the next answer */
        return outcome;
    }
    api->counters.requests++;
    answer_preflight(&t, &out->answer);
    return SP_API_ANSWERED;
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_api_new(const struct sp_api_config *c, const struct sp_api_host *host, void *arg,
               struct sp_rdv *rdv, struct sp_rng *rng, struct sp_api **out)
{
    struct sp_api *api = calloc(1, sizeof *api);

    if (api == NULL)
        return SP_ENOMEM;
    api->config = *c;
    api->host = host;
    api->arg = arg;
    api->rdv = rdv;
    sp_pace_init(&api->tickets, SP_API_TICKET_REQUESTS_S, rng);
    *out = api;
    return 0;
}

void sp_api_free(struct sp_api *api)
{
    free(api);
}

void sp_api_drain(struct sp_api *api)
{
    api->draining = true;
}

const struct sp_api_counters *sp_api_counters(const struct sp_api *api)
{
    return &api->counters;
}
