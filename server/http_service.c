/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_service.h"

#include <stdlib.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/http.h"
#include "sallyport/upgrade.h"
#include "site.h"

#define CONNS_MAX   4096       /* strangers reading the site; the oldest has to go */
#define HEAD_US     SP_SEC(10) /* for a request to come whole, however it drips */
#define IDLE_US     SP_SEC(60) /* between requests */
#define FINISH_US   SP_SEC(5)  /* for the last answer to be taken */
#define ANSWER_ROOM 1024       /* an upgrade's answer */

struct sp_http_service {
    struct sp_env env;
    const struct sp_shared *shared;
    struct sp_sessions *sessions;
    struct sp_list list; /* oldest first */
    size_t n;
    struct sp_http_counters counters;
};

struct http_conn {
    struct sp_http_service *service;
    struct sp_link link;
    struct sp_stream *stream;
    struct sp_timer timer;
    uint64_t body_left; /* of a request that has been answered */
    bool finishing;
};

/* --- life ----------------------------------------------------------------------------------- */

/* Forgets the connection, not its stream. */
static void leave(struct http_conn *c)
{
    sp_list_remove(&c->link);
    c->service->n--;
    sp_timerq_cancel(&c->service->env.ticker->timers, &c->timer);
    free(c);
}

static void shut(struct http_conn *c)
{
    struct sp_stream *s = c->stream;
    leave(c);
    sp_stream_free(s);
}

static int wait_at_most(struct http_conn *c, uint64_t us)
{
    struct sp_ticker *t = c->service->env.ticker;
    return sp_timerq_set(&t->timers, &c->timer, sp_ticker_now(t) + us);
}

static void on_timeout(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct http_conn *c = arg;
    (void)timer;
    (void)now_us;
    c->service->counters.timed_out++;
    shut(c);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    shut(arg);
}

/* --- answers -------------------------------------------------------------------------------- */

static void finish(struct http_conn *c)
{
    c->finishing = true;
    sp_timerq_cancel(&c->service->env.ticker->timers, &c->timer);
    sp_stream_finish(c->stream, FINISH_US);
}

/* Returns whether the connection goes on. */
static bool answer(struct http_conn *c, const struct sp_http_head *h, int parse_err)
{
    struct sp_site_answer a;

    if (parse_err != 0)
        sp_site_refuse(c->service->shared->site, parse_err, sp_clock_unix_s(), &a);
    else
        sp_site_serve(c->service->shared->site, h, sp_clock_unix_s(), &a);
    bool keep = a.keep_alive;
    if (sp_stream_write(c->stream, a.head) != 0 || sp_stream_write(c->stream, a.body) != 0)
        keep = false;
    if (!keep)
        finish(c);
    return keep;
}

/* Only inside TLS: a token that travels in the clear is anybody's. */
static bool upgrade(struct http_conn *c, const struct sp_http_head *h, size_t head_len)
{
    struct sp_http_service *service = c->service;
    const struct sp_shared *shared = service->shared;
    struct sp_stream *stream = c->stream;
    const struct sp_tunnel_id *id;
    struct sp_claims claims;
    struct sp_upgrade u;
    uint8_t text[ANSWER_ROOM];
    size_t len;

    if (!(shared->serve & SP_SERVE_TUNNEL) || sp_stream_tls(stream) == NULL ||
        sp_upgrade_parse_request(h, shared->config.tunnel_path, &u) != 0)
        return false;
    int err = sp_shared_check_token(shared, u.token, sp_clock_unix_s(), &claims);
    if (err == 0)
        err = sp_session_join(service->sessions, &u, claims.subject, stream, &id);
    if (err != 0) {
        service->counters.upgrades_refused++;
        sp_log_info(service->env.log, "upgrade refused",
                    SP_F_ADDR("client", sp_stream_remote(stream)),
                    SP_F_STR("reason", sp_strerror(err)));
        return false;
    }
    service->counters.upgrades++;
    leave(c);
    sp_buf_consume(sp_stream_in(stream), head_len);
    if (sp_upgrade_response(id, text, sizeof text, &len) == 0)
        sp_stream_write(stream, sp_span(text, len));
    return true;
}

/* --- requests ------------------------------------------------------------------------------- */

static bool skip_body(struct http_conn *c)
{
    struct sp_buf *in = sp_stream_in(c->stream);
    size_t have = sp_buf_span(in).len;
    size_t n = c->body_left < have ? (size_t)c->body_left : have;

    sp_buf_consume(in, n);
    c->body_left -= n;
    return c->body_left == 0;
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct http_conn *c = arg;
    struct sp_http_head h;
    size_t used;

    /* One answer at a time: who doesn't read what was asked for gets no more. */
    while (!c->finishing && skip_body(c) && sp_stream_room(s) > 0) {
        struct sp_span in = sp_buf_span(sp_stream_in(s));
        if (in.len == 0)
            return;
        int err = sp_http_parse_request(in, &h, &used);
        if (err == SP_EMORE)
            return;
        if (err != 0) {
            c->service->counters.malformed++;
            answer(c, NULL, err);
            return;
        }
        c->service->counters.requests++;
        if (upgrade(c, &h, used))
            return;
        if (!answer(c, &h, 0))
            return;
        c->body_left = h.content_length;
        sp_buf_consume(sp_stream_in(s), used);
        wait_at_most(c, sp_buf_span(sp_stream_in(s)).len > 0 ? HEAD_US : IDLE_US);
    }
}

static const struct sp_stream_events stream_events = {
    .input = on_input,
    .writable = on_input,
    .closed = on_closed,
};

int sp_http_service_take(struct sp_http_service *service, struct sp_stream *s)
{
    struct http_conn *c = calloc(1, sizeof *c);

    if (c == NULL)
        return SP_ENOMEM;
    c->service = service;
    c->stream = s;
    sp_timer_init(&c->timer, on_timeout, c);
    if (wait_at_most(c, HEAD_US) != 0) {
        free(c);
        return SP_ENOMEM;
    }
    sp_list_append(&service->list, &c->link);
    service->n++;
    sp_stream_set_events(s, &stream_events, c);
    if (service->n > CONNS_MAX) {
        service->counters.pushed_out++;
        shut(SP_LIST_ITEM(sp_list_first(&service->list), struct http_conn, link));
    }
    return 0;
}

int sp_http_service_new(const struct sp_env *env, const struct sp_shared *shared,
                        struct sp_sessions *sessions, struct sp_http_service **out)
{
    struct sp_http_service *service = calloc(1, sizeof *service);

    if (service == NULL)
        return SP_ENOMEM;
    service->env = *env;
    service->shared = shared;
    service->sessions = sessions;
    sp_list_init(&service->list);
    *out = service;
    return 0;
}

void sp_http_service_free(struct sp_http_service *service)
{
    if (service == NULL)
        return;
    SP_LIST_EACH(&service->list, link, next)
    shut(SP_LIST_ITEM(link, struct http_conn, link));
    free(service);
}

const struct sp_http_counters *sp_http_service_counters(const struct sp_http_service *service)
{
    return &service->counters;
}
