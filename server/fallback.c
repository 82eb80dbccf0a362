/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fallback.h"

#include <stdlib.h>

#include "guests.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/ratelimit.h"

#define CONNECT_US SP_SEC(5)
#define IDLE_US    SP_SEC(300) /* without a byte either way; web servers give up before */
#define QUIET_US   SP_SEC(5)   /* the same behind an answer, while this server drains */
#define FINISH_US  SP_SEC(5)
#define RECORD     16384
#define LOG_PER_S  1

struct sp_fallback {
    struct sp_env env;
    const struct sp_shared *shared;
    struct sp_guests guests;
    struct sp_ratelimit log_limit;
    struct sp_fallback_counters counters;
    bool draining;
};

struct visit {
    struct sp_fallback *all;
    struct sp_guest guest;
    struct sp_stream *client;
    struct sp_stream *server; /* NULL: it has said all, and the client is being finished */
    struct sp_timer idle;
    bool up;                       /* the server is there */
    bool answered;                 /* it spoke last: nothing is asked, for all we know */
    bool client_done, server_done; /* have said all, which may still be on its way */
};

/* --- life ----------------------------------------------------------------------------------- */

static void leave(struct visit *v)
{
    sp_guests_remove(&v->all->guests, &v->guest);
    sp_timerq_cancel(&v->all->env.ticker->timers, &v->idle);
    sp_stream_free(v->server);
    free(v);
}

static void shut(struct visit *v)
{
    struct sp_stream *client = v->client;
    leave(v);
    sp_stream_free(client);
}

/* The connection would be kept for another request. */
static bool is_kept(const struct visit *v)
{
    return v->answered && !v->client_done;
}

static int not_idle(struct visit *v)
{
    struct sp_ticker *t = v->all->env.ticker;
    uint64_t us = v->all->draining && is_kept(v) ? QUIET_US : IDLE_US;
    return sp_timerq_set(&t->timers, &v->idle, sp_ticker_now(t) + us);
}

/* All that the client will get has been put; it has its own time to take it. */
static void finish(struct visit *v)
{
    sp_stream_free(v->server);
    v->server = NULL;
    sp_timerq_cancel(&v->all->env.ticker->timers, &v->idle);
    sp_stream_finish(v->client, FINISH_US);
}

/* --- bytes ---------------------------------------------------------------------------------- */

/* As much as the one has and the other takes. Whether it was anything. */
static bool move(struct sp_stream *from, struct sp_stream *to)
{
    bool any = false;

    while (sp_stream_room(to) > 0 && sp_stream_in(from)->len > 0) {
        struct sp_span s = sp_buf_span(sp_stream_in(from));
        if (s.len > RECORD)
            s.len = RECORD;
        if (sp_stream_put(to, s) != 0)
            break;
        sp_buf_consume(sp_stream_in(from), s.len);
        sp_stream_flush(to);
        any = true;
    }
    return any;
}

static void go_on(struct visit *v)
{
    if (v->server == NULL || !v->up)
        return;
    bool up = move(v->client, v->server), down = move(v->server, v->client);

    if (up || down) {
        v->answered = !up;
        not_idle(v);
    }
    if (v->client_done && sp_stream_in(v->client)->len == 0)
        sp_stream_half_close(v->server);
    if (v->server_done && sp_stream_in(v->server)->len == 0 && sp_stream_pending(v->client) == 0)
        finish(v);
}

/*
 * In the name of a client that may be keeping its connection: it has said all. A web server closes
 * then, as it may at any time between two requests; if it is still about to answer, it knows better
 * than we do how to end that.
 */
static void say_all(struct visit *v)
{
    v->client_done = true;
    if (not_idle(v) == 0)
        go_on(v);
    else
        shut(v);
}

static void on_idle(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct visit *v = arg;
    (void)timer;
    (void)now_us;

    if (v->all->draining && is_kept(v)) {
        say_all(v);
        return;
    }
    v->all->counters.timed_out++;
    shut(v);
}

/* Nobody knows but the operator that there was another server to be asked. */
static void say_unreachable(struct visit *v)
{
    struct sp_fallback *all = v->all;
    struct sp_site_answer a;

    all->counters.unreachable++;
    if (sp_ratelimit_take(&all->log_limit, sp_ticker_now(all->env.ticker)))
        sp_log_warn(all->env.log, "no answer from the fallback",
                    SP_F_ADDR("fallback", &all->shared->config.fallback),
                    SP_F_STR("reason", sp_stream_why(v->server)));
    sp_site_refuse(all->shared->site, 502, sp_clock_unix_s(), &a);
    if (sp_stream_put(v->client, a.head) == 0 && sp_stream_put(v->client, a.body) == 0)
        sp_stream_flush(v->client);
    finish(v);
}

/* --- the client's stream -------------------------------------------------------------------- */

static void on_client(struct sp_stream *s, void *arg)
{
    (void)s;
    go_on(arg);
}

static void on_client_done(struct sp_stream *s, void *arg)
{
    struct visit *v = arg;
    (void)s;
    v->client_done = true;
    go_on(v);
}

static void on_client_closed(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    shut(arg);
}

static const struct sp_stream_events client_events = {
    .input = on_client,
    .writable = on_client,
    .half_closed = on_client_done,
    .closed = on_client_closed,
};

/* --- the server's stream -------------------------------------------------------------------- */

static void on_server_up(struct sp_stream *s, void *arg)
{
    struct visit *v = arg;
    (void)s;
    v->up = true;
    go_on(v);
}

static void on_server(struct sp_stream *s, void *arg)
{
    (void)s;
    go_on(arg);
}

static void on_server_done(struct sp_stream *s, void *arg)
{
    struct visit *v = arg;
    (void)s;
    v->server_done = true;
    go_on(v);
}

/* What it has said so far must not look as if it were whole. */
static void on_server_closed(struct sp_stream *s, int why, void *arg)
{
    struct visit *v = arg;
    (void)s;
    (void)why;

    if (!v->up) {
        say_unreachable(v);
    } else {
        v->all->counters.cut++;
        shut(v);
    }
}

static const struct sp_stream_events server_events = {
    .established = on_server_up,
    .input = on_server,
    .writable = on_server,
    .half_closed = on_server_done,
    .closed = on_server_closed,
};

/* --- visits --------------------------------------------------------------------------------- */

int sp_fallback_take(struct sp_fallback *f, struct sp_stream *s)
{
    struct visit *v = calloc(1, sizeof *v);

    if (v == NULL)
        return SP_ENOMEM;
    v->all = f;
    v->client = s;
    sp_timer_init(&v->idle, on_idle, v);
    int err = sp_guests_add(&f->guests, &v->guest, sp_stream_remote(s));
    if (err == SP_EFULL) {
        f->counters.crowded++;
        f->env.hits->strangers_per_address++;
    }
    if (err == 0)
        err = not_idle(v);
    if (err == 0)
        err = sp_stream_connect(f->env.ticker, &f->shared->config.fallback, CONNECT_US,
                                &server_events, v, &v->server);
    if (err != 0) {
        leave(v);
        return err;
    }
    f->counters.passed_on++;
    sp_stream_set_events(s, &client_events, v);
    struct sp_guest *oldest = sp_guests_surplus(&f->guests);
    if (oldest != NULL) {
        f->counters.pushed_out++;
        f->env.hits->strangers++;
        shut(SP_CONTAINER_OF(oldest, struct visit, guest));
    }
    return 0;
}

int sp_fallback_new(const struct sp_env *env, const struct sp_shared *shared,
                    struct sp_fallback **out)
{
    struct sp_fallback *f = calloc(1, sizeof *f);

    if (f == NULL)
        return SP_ENOMEM;
    f->env = *env;
    f->shared = shared;
    sp_env_guests(env, SP_AT_FALLBACK, &f->guests);
    sp_ratelimit_init(&f->log_limit, LOG_PER_S, LOG_PER_S);
    *out = f;
    return 0;
}

void sp_fallback_free(struct sp_fallback *f)
{
    if (f == NULL)
        return;
    SP_LIST_EACH(&f->guests.list, link, next)
    shut(SP_LIST_ITEM(link, struct visit, guest.link));
    sp_guests_fini(&f->guests);
    free(f);
}

void sp_fallback_drain(struct sp_fallback *f)
{
    f->draining = true;
    SP_LIST_EACH(&f->guests.list, link, next)
    {
        struct visit *v = SP_LIST_ITEM(link, struct visit, guest.link);
        if (v->server != NULL && is_kept(v))
            not_idle(v);
    }
}

const struct sp_fallback_counters *sp_fallback_counters(const struct sp_fallback *f)
{
    return &f->counters;
}
