/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to the control API, on their way from a connection to it and back.
 */
#include "http_service_impl.h"
#include "sallyport/clock.h"

/* A page joins when its user comes, and has more to say when somebody calls: what is there for that
 * saves two round trips of a call's beginning. Browsers keep it for two to five minutes. */
#define IDLE_US SP_SEC(300)

static void put(struct sp_http_conn *c, const struct sp_api_answer *a)
{
    sp_http_put(c, a->head, a->body, a->keep_alive);
    if (a->status == 200 && !c->finishing && a->keep_alive)
        (void)sp_http_wait_at_most(c, IDLE_US);
}

static void on_call_done(struct sp_api_answer *a, void *arg)
{
    struct sp_http_conn *c = arg;

    c->call = NULL;
    put(c, a);
    sp_http_go_on(c);
}

/* To the worker who has its session; if that can't be, it is answered here. */
static enum sp_api_outcome ask_api(struct sp_http_conn *c, struct sp_api_request *r,
                                   struct sp_api_reply *reply)
{
    const struct sp_env *env = &c->service->env;
    enum sp_api_outcome outcome = sp_api_serve(c->service->api, r, reply);

    if (outcome != SP_API_ELSEWHERE ||
        (env->post != NULL && sp_post_connection(env->post, reply->worker, c->stream) == 0))
        return outcome;
    r->stay = true;
    return sp_api_serve(c->service->api, r, reply);
}

enum sp_http_served sp_http_serve_api(struct sp_http_conn *c, const struct sp_http_head *h,
                                      size_t head_len)
{
    const struct sp_env *env = &c->service->env;
    struct sp_api_request r = {
        .head = h,
        .body = sp_span_skip(sp_buf_span(sp_stream_in(c->stream)), head_len),
        .local = sp_stream_local(c->stream),
        .from = sp_stream_remote(c->stream),
        .keys = env->keys->now,
        .now_us = sp_ticker_now(env->ticker),
        .unix_s = sp_clock_unix_s(),
        .done = on_call_done,
        .arg = c,
    };
    struct sp_api_reply reply;

    switch (ask_api(c, &r, &reply)) {
    case SP_API_NOT_OURS:
        break;
    case SP_API_ELSEWHERE:
        sp_http_leave(c);
        return SP_HTTP_GONE;
    case SP_API_MORE:
        sp_http_wait_for_body(c, h);
        return SP_HTTP_WAITS;
    case SP_API_LATER:
        sp_http_take_request(c, h, head_len);
        c->call = reply.call;
        sp_http_wait_at_most(c, SP_HTTP_IDLE_US);
        return SP_HTTP_WAITS;
    case SP_API_ANSWERED:
        sp_http_take_request(c, h, head_len);
        put(c, &reply.answer);
        sp_api_answer_fini(&reply.answer);
        return SP_HTTP_ANSWERED;
    }
    return SP_HTTP_STRANGER;
}

/* Only inside TLS, as lanes. */
bool sp_http_is_for_api(const struct sp_http_conn *c, const struct sp_http_head *h)
{
    return c->service->api != NULL && sp_stream_tls(c->stream) != NULL && sp_api_is_path(h->target);
}
