/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "endpoint.h"

#include <stdlib.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/msg_stream.h"

#define IDLE_US     SP_SEC(30)
#define DRAINING_US SP_SEC(2) /* the same, for a flow of a server that drains */

/* A browser's only connection: what waits longer than this can't be played any more. */
#define MAX_AGE_US SP_MS(400)

struct sp_endpoint {
    const struct sp_env *env;
    struct sp_turn_alloc *alloc;  /* NULL: none */
    struct sp_msg_stream *stream; /* one of these two */
    struct sp_flow *flow;
    uint64_t last_in_us;
    struct sp_turn_path path;
    const char *subject; /* with a flow */
    struct sp_timer idle;
    uint64_t patience_us; /* without an allocation */
    struct sp_link link;  /* in its owner's list */
    struct sp_guests *guests;
    struct sp_guest guest;
};

static void on_idle(struct sp_timer *timer, uint64_t now_us, void *arg);

static struct sp_endpoint *endpoint_new(const struct sp_env *env, struct sp_list *owner)
{
    struct sp_endpoint *ep = calloc(1, sizeof *ep);

    if (ep == NULL)
        return NULL;
    ep->env = env;
    ep->patience_us = IDLE_US;
    ep->last_in_us = sp_ticker_now(env->ticker);
    sp_timer_init(&ep->idle, on_idle, ep);
    if (sp_timerq_set(&env->ticker->timers, &ep->idle, ep->last_in_us + IDLE_US) != 0) {
        free(ep);
        return NULL;
    }
    sp_list_append(owner, &ep->link);
    return ep;
}

static void no_guest(struct sp_endpoint *ep)
{
    if (ep->guests != NULL)
        sp_guests_remove(ep->guests, &ep->guest);
}

void sp_endpoint_free(struct sp_endpoint *ep)
{
    sp_list_remove(&ep->link);
    no_guest(ep);                                /* or never will be */
    sp_turn_path_gone(ep->env->turn, &ep->path); /* which tells sp_endpoint_deallocated */
    sp_timerq_cancel(&ep->env->ticker->timers, &ep->idle);
    if (ep->stream != NULL)
        sp_msg_stream_free(ep->stream);
    free(ep);
}

void sp_endpoint_free_all(struct sp_list *owner)
{
    SP_LIST_EACH(owner, link, next)
    sp_endpoint_free(SP_LIST_ITEM(link, struct sp_endpoint, link));
}

static void end_flow(struct sp_endpoint *ep)
{
    sp_flow_close(ep->flow, sp_ticker_now(ep->env->ticker));
    sp_endpoint_free(ep);
}

static void on_idle(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_endpoint *ep = arg;
    bool idle = now_us - ep->last_in_us >= ep->patience_us;

    if (!idle || sp_turn_path_has_alloc(ep->env->turn, &ep->path)) {
        uint64_t from_us = idle ? now_us : ep->last_in_us;
        sp_timerq_set(&ep->env->ticker->timers, timer, from_us + ep->patience_us);
        return;
    }
    if (ep->flow != NULL)
        end_flow(ep);
    else
        sp_endpoint_free(ep);
}

void sp_endpoint_drain_all(struct sp_list *owner)
{
    SP_LIST_EACH(owner, link, next)
    {
        struct sp_endpoint *ep = SP_LIST_ITEM(link, struct sp_endpoint, link);
        ep->patience_us = DRAINING_US;
        if (ep->flow != NULL && !sp_turn_path_has_alloc(ep->env->turn, &ep->path))
            end_flow(ep);
    }
}

void sp_endpoint_deallocated(struct sp_endpoint *ep)
{
    uint64_t now_us = sp_ticker_now(ep->env->ticker);

    ep->alloc = NULL;
    if (ep->patience_us == DRAINING_US) /* the timer is set: this moves it */
        (void)sp_timerq_set(&ep->env->ticker->timers, &ep->idle, now_us + DRAINING_US);
}

void sp_endpoint_finish_all(struct sp_list *owner, uint64_t timeout_us)
{
    SP_LIST_EACH(owner, link, next)
    {
        struct sp_endpoint *ep = SP_LIST_ITEM(link, struct sp_endpoint, link);
        if (ep->flow != NULL)
            end_flow(ep);
        else
            sp_msg_stream_finish(ep->stream, timeout_us);
    }
}

void sp_endpoint_input(struct sp_endpoint *ep, const struct sp_span *msgs, size_t n)
{
    size_t n_data = 0;

    ep->last_in_us = sp_ticker_now(ep->env->ticker);
    if (ep->alloc != NULL)
        msgs += n_data = sp_turn_from_alloc(ep->alloc, msgs, n, ep->last_in_us);
    if (n_data < n)
        sp_turn_from_client(ep->env->turn, &ep->path, msgs, n - n_data, ep->last_in_us,
                            sp_clock_unix_s());
}

void sp_endpoint_send(struct sp_endpoint *ep, const struct sp_span *parts, size_t n)
{
    uint64_t now_us = sp_ticker_now(ep->env->ticker);

    if (ep->flow != NULL)
        sp_flow_send(ep->flow, parts, n, now_us);
    else
        sp_msg_stream_send(ep->stream, parts, n, now_us);
}

/* --- TCP and TLS ---------------------------------------------------------------------------- */

static void on_stream_input(struct sp_msg_stream *m, const struct sp_span *msgs, size_t n,
                            void *arg)
{
    (void)m;
    sp_endpoint_input(arg, msgs, n);
}

static void on_stream_closed(struct sp_msg_stream *m, int why, void *arg)
{
    (void)m;
    (void)why;
    sp_endpoint_free(arg);
}

static const struct sp_msg_stream_events stream_events = {
    .input = on_stream_input,
    .closed = on_stream_closed,
};

void sp_endpoint_allocated(struct sp_endpoint *ep, struct sp_turn_alloc *alloc)
{
    ep->alloc = alloc;
    no_guest(ep);
}

struct sp_endpoint *sp_endpoint_of_guest(struct sp_guest *guest)
{
    return SP_CONTAINER_OF(guest, struct sp_endpoint, guest);
}

int sp_endpoint_from_stream(const struct sp_env *env, struct sp_stream *s, struct sp_list *owner,
                            struct sp_guests *guests)
{
    enum sp_turn_transport transport = sp_stream_tls(s) != NULL ? SP_TURN_TLS : SP_TURN_TCP;
    const struct sp_msg_stream_config config = {
        .max_bytes = (size_t)env->bounds->queue_bytes, .max_age_us = MAX_AGE_US, .rng = env->rng};
    struct sp_endpoint *ep = endpoint_new(env, owner);

    if (ep == NULL)
        return SP_ENOMEM;
    ep->path = sp_turn_path_make(transport, ep, sp_stream_remote(s), sp_stream_local(s));
    ep->guests = guests;
    int err = sp_guests_add(guests, &ep->guest, sp_stream_remote(s));
    if (err == 0)
        err = sp_msg_stream_new(s, env->ticker, &config, &stream_events, ep, &ep->stream);
    if (err != 0) {
        sp_endpoint_free(ep);
        return err;
    }
    sp_stream_tune_sole(s, &env->congestion);
    sp_msg_stream_count_drops(ep->stream, env->turn_dropped);
    return 0;
}

const char *sp_endpoint_subject(const struct sp_endpoint *ep)
{
    return ep->subject;
}

/* --- flows ---------------------------------------------------------------------------------- */

int sp_endpoint_from_flow(const struct sp_env *env, struct sp_flow *f, const char *subject,
                          struct sp_list *owner)
{
    static const struct sp_addr nowhere; /* what the gateway says of its client is not trusted */
    struct sp_endpoint *ep = endpoint_new(env, owner);

    if (ep == NULL)
        return SP_ENOMEM;
    ep->flow = f;
    ep->subject = subject;
    ep->path = sp_turn_path_make(SP_TURN_FLOW, ep, &nowhere, &nowhere);
    sp_flow_set_user(f, ep);
    return 0;
}
