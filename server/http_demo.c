/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_demo.h"

#include "http_service_impl.h"
#include "sallyport/clock.h"

#define UNREAD_MAX (256 * 1024) /* bytes that wait for who listens and doesn't read */

bool sp_http_demo_send(void *arg, void *listener, struct sp_span text)
{
    struct sp_http_conn *c = listener;
    (void)arg;

    if (sp_stream_pending(c->stream) <= UNREAD_MAX && sp_stream_write(c->stream, text) == 0)
        return true;
    c->seat = NULL; /* it comes back, and asks for what it missed */
    sp_http_finish(c);
    return false;
}

void sp_http_demo_close(void *arg, void *listener)
{
    struct sp_http_conn *c = listener;
    (void)arg;

    c->seat = NULL;
    sp_http_finish(c);
}

void sp_http_demo_forget(struct sp_http_conn *c)
{
    struct sp_demo_seat *seat = c->seat;

    c->seat = NULL;
    if (seat != NULL)
        sp_demo_lost(seat, sp_ticker_now(c->service->env.ticker));
}

/* To the worker who has the room; if that can't be, it is answered here. */
static enum sp_demo_outcome ask(struct sp_http_conn *c, struct sp_demo_request *r,
                                struct sp_demo_reply *reply)
{
    const struct sp_env *env = &c->service->env;
    enum sp_demo_outcome outcome = sp_demo_serve(c->service->demo, r, reply);

    if (outcome != SP_DEMO_ELSEWHERE ||
        (env->post != NULL && sp_post_connection(env->post, reply->worker, c->stream) == 0))
        return outcome;
    r->stay = true;
    return sp_demo_serve(c->service->demo, r, reply);
}

enum sp_http_served sp_http_serve_demo(struct sp_http_conn *c, const struct sp_http_head *h,
                                       size_t head_len)
{
    struct sp_ticker *ticker = c->service->env.ticker;
    struct sp_demo_request r = {
        .head = h,
        .body = sp_span_skip(sp_buf_span(sp_stream_in(c->stream)), head_len),
        .remote = sp_stream_remote(c->stream),
        .now_us = sp_ticker_now(ticker),
        .unix_s = sp_clock_unix_s(),
        .listener = c,
    };
    struct sp_demo_reply reply;

    switch (ask(c, &r, &reply)) {
    case SP_DEMO_NOT_OURS:
        break;
    case SP_DEMO_ELSEWHERE:
        sp_http_leave(c);
        return SP_HTTP_GONE;
    case SP_DEMO_MORE:
        sp_http_wait_for_body(c, h);
        return SP_HTTP_WAITS;
    case SP_DEMO_LISTENS:
        sp_http_take_request(c, h, head_len);
        c->seat = c->finishing ? NULL : reply.seat;
        sp_timerq_cancel(&ticker->timers, &c->timer); /* its room has bounds of its own */
        return SP_HTTP_WAITS;
    case SP_DEMO_ANSWERED:
        sp_http_take_request(c, h, head_len);
        sp_http_put(c, reply.answer.head, reply.answer.body, reply.answer.keep_alive);
        sp_api_answer_fini(&reply.answer);
        return SP_HTTP_ANSWERED;
    }
    return SP_HTTP_STRANGER;
}

bool sp_http_is_for_demo(const struct sp_http_conn *c, const struct sp_http_head *h)
{
    return c->service->demo != NULL && sp_stream_tls(c->stream) != NULL &&
           sp_demo_is_path(h->target);
}
