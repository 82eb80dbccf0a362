/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_service.h"

#include <stdlib.h>

#include "guests.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/http.h"
#include "sallyport/ratelimit.h"
#include "sallyport/upgrade.h"
#include "site.h"

#define HEAD_US     SP_SEC(10) /* for a head to come whole, however it drips */
#define IDLE_US     SP_SEC(60) /* between requests */
#define FINISH_US   SP_SEC(5)  /* for the last answer to be taken */
#define ANSWER_ROOM 1024       /* an upgrade's answer */
#define LOG_PER_S   10         /* refused upgrades that are told: strangers don't fill a disk */

struct sp_http_service {
    struct sp_env env;
    const struct sp_shared *shared;
    struct sp_sessions *sessions;
    struct sp_guests guests;
    struct sp_ratelimit log_limit;
    struct sp_http_counters counters;
};

struct http_conn {
    struct sp_http_service *service;
    struct sp_guest guest;
    struct sp_stream *stream;
    struct sp_timer timer;
    uint64_t body_left; /* of a request that has been answered */
    bool head_began, finishing;
};

/* --- life ----------------------------------------------------------------------------------- */

/* Forgets the connection, not its stream. */
static void leave(struct http_conn *c)
{
    sp_guests_remove(&c->service->guests, &c->guest);
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

static void finish(struct http_conn *c)
{
    c->finishing = true;
    sp_timerq_cancel(&c->service->env.ticker->timers, &c->timer);
    sp_stream_finish(c->stream, FINISH_US);
}

static void on_timeout(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct http_conn *c = arg;
    (void)timer;
    (void)now_us;
    c->service->counters.timed_out++;
    finish(c);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    shut(arg);
}

/* --- answers -------------------------------------------------------------------------------- */

/* Returns whether the connection goes on. */
static bool answer(struct http_conn *c, const struct sp_http_head *h, int parse_err)
{
    struct sp_site_answer a;

    if (parse_err != 0)
        sp_site_refuse(c->service->shared->site, parse_err, sp_clock_unix_s(), &a);
    else
        sp_site_serve(c->service->shared->site, h, sp_clock_unix_s(), &a);
    bool keep = a.keep_alive;
    if (sp_stream_put(c->stream, a.head) != 0 || sp_stream_put(c->stream, a.body) != 0)
        keep = false;
    sp_stream_flush(c->stream);
    if (!keep)
        finish(c);
    return keep;
}

/* The connection has become a lane, and is told so. */
static void welcome(struct http_conn *c, const struct sp_tunnel_id *id, size_t head_len)
{
    struct sp_stream *stream = c->stream;
    uint8_t text[ANSWER_ROOM];
    size_t len;

    c->service->counters.upgrades++;
    leave(c);
    sp_buf_consume(sp_stream_in(stream), head_len);
    if (sp_upgrade_response(id, text, sizeof text, &len) != 0 ||
        sp_stream_write(stream, sp_span(text, len)) != 0)
        sp_stream_finish(stream, FINISH_US); /* frames must not come first; the lane is told */
}

/* Only inside TLS: a token that travels in the clear is anybody's. */
static bool wants_lane(const struct http_conn *c, const struct sp_http_head *h,
                       struct sp_upgrade *out)
{
    const struct sp_shared_config *config = &c->service->shared->config;

    return (config->serve & SP_SERVE_TUNNEL) && sp_stream_tls(c->stream) != NULL &&
           sp_upgrade_parse_request(h, config->tunnel_path, out) == 0;
}

/* 0: it is a lane, and no longer ours. */
static int join(struct http_conn *c, const struct sp_upgrade *u, size_t head_len)
{
    const struct sp_tunnel_id *id;
    struct sp_claims claims;
    int err = sp_keys_check_token(c->service->env.keys->now, u->token, sp_clock_unix_s(), &claims);

    if (err == 0)
        err = sp_session_join(c->service->sessions, u, claims.subject, c->stream, &id);
    if (err == 0)
        welcome(c, id, head_len);
    return err;
}

/* A token on any other page is looked at as well, so that the time it takes tells nobody which page
 * is the right one. */
static void look_at_token(const struct http_conn *c, const struct sp_http_head *h)
{
    struct sp_claims claims;
    struct sp_span v;

    if (!sp_http_find(h, "Authorization", &v))
        return;
    const uint8_t *blank = memchr(v.p, ' ', v.len);
    if (blank != NULL)
        v = sp_span_skip(v, (size_t)(blank + 1 - v.p));
    (void)sp_keys_check_token(c->service->env.keys->now, v, sp_clock_unix_s(), &claims);
}

/* When it has been answered: what a log takes must not tell a stranger anything. */
static void tell_refused(struct http_conn *c, int why)
{
    struct sp_http_service *service = c->service;

    service->counters.upgrades_refused++;
    if (sp_ratelimit_take(&service->log_limit, sp_ticker_now(service->env.ticker)))
        sp_log_info(service->env.log, "upgrade refused",
                    SP_F_ADDR("client", sp_stream_remote(c->stream)),
                    SP_F_STR("reason", sp_strerror(why)));
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

/* From the first byte of a head on, the rest has to come soon. */
static void wait_for_head(struct http_conn *c)
{
    if (!c->head_began)
        wait_at_most(c, HEAD_US);
    c->head_began = true;
}

/* Answers one request; returns whether more may come. */
static bool serve(struct http_conn *c, const struct sp_http_head *h, size_t head_len)
{
    struct sp_upgrade u;
    int refused = 0;

    c->service->counters.requests++;
    if (!wants_lane(c, h, &u))
        look_at_token(c, h);
    else if ((refused = join(c, &u, head_len)) == 0)
        return false;
    bool goes_on = answer(c, h, 0);
    if (refused != 0)
        tell_refused(c, refused);
    if (goes_on) {
        c->body_left = h->content_length;
        sp_buf_consume(sp_stream_in(c->stream), head_len);
        c->head_began = false;
        wait_at_most(c, IDLE_US);
    }
    return goes_on;
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
        if (err == SP_EMORE) {
            wait_for_head(c);
            return;
        }
        if (err != 0) {
            c->service->counters.malformed++;
            answer(c, NULL, err);
            return;
        }
        if (!serve(c, &h, used))
            return;
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
    int err = sp_guests_add(&service->guests, &c->guest, sp_stream_remote(s));
    if (err == SP_EFULL)
        service->counters.crowded++;
    if (err == 0)
        err = wait_at_most(c, HEAD_US);
    if (err != 0) {
        leave(c);
        return err;
    }
    sp_stream_set_events(s, &stream_events, c);
    struct sp_guest *oldest = sp_guests_surplus(&service->guests);
    if (oldest != NULL) {
        service->counters.pushed_out++;
        shut(SP_CONTAINER_OF(oldest, struct http_conn, guest));
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
    sp_guests_init(&service->guests, env->max_strangers, env->rng);
    sp_ratelimit_init(&service->log_limit, LOG_PER_S, LOG_PER_S);
    *out = service;
    return 0;
}

void sp_http_service_free(struct sp_http_service *service)
{
    if (service == NULL)
        return;
    SP_LIST_EACH(&service->guests.list, link, next)
    shut(SP_LIST_ITEM(link, struct http_conn, guest.link));
    sp_guests_fini(&service->guests);
    free(service);
}

const struct sp_http_counters *sp_http_service_counters(const struct sp_http_service *service)
{
    return &service->counters;
}
