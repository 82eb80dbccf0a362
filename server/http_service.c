/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_service.h"

#include <stdlib.h>

#include "http_lane.h"
#include "http_service_impl.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/http.h"
#include "site.h"

#define FINISH_US SP_SEC(5) /* for the other side to close as well */
#define LOG_PER_S 10        /* refused upgrades that are told: strangers don't fill a disk */

/* For a head to come whole, however it drips. */
static uint64_t head_us(const struct sp_http_conn *c)
{
    return SP_SEC(c->service->env.bounds->handshake_s);
}

/* --- life ----------------------------------------------------------------------------------- */

static void cancel_call(struct sp_http_conn *c)
{
    if (c->call != NULL)
        sp_api_cancel(c->call);
    c->call = NULL;
}

void sp_http_leave(struct sp_http_conn *c)
{
    cancel_call(c);
    sp_http_demo_forget(c);
    sp_guests_remove(&c->service->guests, &c->guest);
    sp_timerq_cancel(&c->service->env.ticker->timers, &c->timer);
    sp_timerq_cancel(&c->service->env.ticker->timers, &c->turn);
    sp_site_send_end(&c->file);
    free(c);
}

static void shut(struct sp_http_conn *c)
{
    struct sp_stream *s = c->stream;
    sp_http_leave(c);
    sp_stream_free(s);
}

int sp_http_wait_at_most(struct sp_http_conn *c, uint64_t us)
{
    struct sp_ticker *t = c->service->env.ticker;
    return sp_timerq_set(&t->timers, &c->timer, sp_ticker_now(t) + us);
}

void sp_http_finish(struct sp_http_conn *c)
{
    c->finishing = true;
    cancel_call(c);
    sp_http_demo_forget(c);
    sp_timerq_cancel(&c->service->env.ticker->timers, &c->timer);
    sp_timerq_cancel(&c->service->env.ticker->timers, &c->turn);
    sp_site_send_end(&c->file);
    sp_stream_finish(c->stream, FINISH_US);
}

/* --- answers -------------------------------------------------------------------------------- */

/* What doesn't fit at once follows by send_rest(). */
void sp_http_put(struct sp_http_conn *c, struct sp_span head, struct sp_span body, bool keep_alive)
{
    c->last = !keep_alive;
    if (sp_stream_put(c->stream, head) != 0 || sp_stream_put(c->stream, body) != 0) {
        sp_http_finish(c);
        return;
    }
    sp_stream_flush(c->stream);
    c->head_began = c->is_call = c->continued = false;
    sp_http_wait_at_most(c, SP_HTTP_IDLE_US);
}

static void answer(struct sp_http_conn *c, const struct sp_site_answer *a)
{
    if (a->fd >= 0)
        sp_site_send_begin(&c->file, a->fd, a->part);
    sp_http_put(c, a->head, a->body, a->keep_alive);
}

static void refuse(struct sp_http_conn *c, unsigned status)
{
    struct sp_site_answer a;

    sp_site_refuse(c->service->shared->site, status, sp_clock_unix_s(), &a);
    answer(c, &a);
}

/* Whether the answer is out, and more may come. The connection may be gone otherwise. */
static bool send_rest(struct sp_http_conn *c)
{
    struct sp_ticker *t = c->service->env.ticker;
    uint64_t left = c->file.left.len;
    int err = c->file.fd < 0 ? 0 : sp_site_send_some(&c->file, c->stream);

    if (err == SP_ECLOSED) {
        c->service->counters.cut++;
        shut(c); /* without a word from TLS: it must not look as if it were whole */
        return false;
    }
    if (c->file.left.len != left)
        sp_http_wait_at_most(c, SP_HTTP_IDLE_US);
    if (err == SP_EMORE)
        sp_timerq_set(&t->timers, &c->turn, sp_ticker_now(t));
    if (err != 0 || !c->last)
        return err == 0;
    if (sp_stream_pending(c->stream) == 0)
        sp_http_finish(c);
    return false;
}

/* Whether the connection has become a lane, or another worker's; *lane: why not. */
static int join(struct sp_http_conn *c, const struct sp_upgrade *u, size_t head_len,
                struct sp_http_lane *lane)
{
    struct sp_http_service *service = c->service;
    struct sp_stream *stream = c->stream;
    int err = sp_http_lane_join(&service->env, service->sessions, u, stream, lane);

    if (err != 0)
        return err;
    sp_http_leave(c);
    if (lane->id != NULL) {
        service->counters.upgrades++;
        sp_http_lane_welcome(stream, lane->id, head_len);
    }
    return 0;
}

/* When it has been answered: what a log takes must not tell a stranger anything. */
static void tell_refused(struct sp_http_service *service, const struct sp_addr *client, int why)
{
    service->counters.upgrades_refused++;
    if (sp_ratelimit_take(&service->log_limit, sp_ticker_now(service->env.ticker)))
        sp_log_info(service->env.log, "upgrade refused", SP_F_ADDR("client", client),
                    SP_F_STR("reason", sp_strerror(why)));
}

/* --- requests ------------------------------------------------------------------------------- */

static bool skip_body(struct sp_http_conn *c)
{
    struct sp_buf *in = sp_stream_in(c->stream);
    size_t have = sp_buf_span(in).len;
    size_t n = c->body_left < have ? (size_t)c->body_left : have;

    sp_buf_consume(in, n);
    c->body_left -= n;
    return c->body_left == 0;
}

/* From the first byte of a head on, the rest has to come soon. */
static void wait_for_head(struct sp_http_conn *c)
{
    if (!c->head_began)
        sp_http_wait_at_most(c, head_us(c));
    c->head_began = true;
}

void sp_http_wait_for_body(struct sp_http_conn *c, const struct sp_http_head *h)
{
    if (c->heard_all) {
        sp_http_finish(c);
        return;
    }
    if (!c->continued && sp_http_has_token(h, "Expect", "100-continue"))
        sp_stream_write(c->stream, sp_span_str("HTTP/1.1 100 Continue\r\n\r\n"));
    c->is_call = c->continued = true;
    wait_for_head(c);
}

/* To the fallback, with all that was said so far. */
static bool pass_on(struct sp_http_conn *c)
{
    struct sp_fallback *to = c->service->fallback;
    struct sp_stream *s = c->stream;

    sp_http_leave(c);
    if (sp_fallback_take(to, s) != 0)
        sp_stream_free(s);
    return false;
}

void sp_http_take_request(struct sp_http_conn *c, const struct sp_http_head *h, size_t head_len)
{
    c->body_left = h->content_length;
    sp_buf_consume(sp_stream_in(c->stream), head_len);
}

/* A request that opens no lane. Whether the connection is still here. */
static bool serve_stranger(struct sp_http_conn *c, const struct sp_http_head *h, size_t head_len)
{
    struct sp_site_answer a;

    if (c->service->fallback != NULL)
        return pass_on(c);
    sp_site_serve(c->service->shared->site, h, sp_clock_unix_s(), &a);
    sp_http_take_request(c, h, head_len);
    answer(c, &a);
    return true;
}

/* --- any request ---------------------------------------------------------------------------- */

/* Whether to go on: something was answered, and the connection is still here. */
static bool serve(struct sp_http_conn *c, const struct sp_http_head *h, size_t head_len)
{
    struct sp_http_service *service = c->service;
    struct sp_addr client = *sp_stream_remote(c->stream);
    struct sp_http_lane lane = {.id = NULL};
    struct sp_upgrade u;
    bool here = true;
    int refused = 0;

    service->counters.requests += !c->is_call; /* once */
    if (sp_http_is_for_api(c, h)) {
        enum sp_http_served served = sp_http_serve_api(c, h, head_len);
        if (served != SP_HTTP_STRANGER)
            return served == SP_HTTP_ANSWERED;
    } else if (sp_http_is_for_demo(c, h)) {
        enum sp_http_served served = sp_http_serve_demo(c, h, head_len);
        if (served != SP_HTTP_STRANGER)
            return served == SP_HTTP_ANSWERED;
    } else if (!sp_http_lane_wanted(service->shared, c->stream, h, &u)) {
        sp_http_lane_look(&service->env, h);
    } else if ((refused = join(c, &u, head_len, &lane)) == 0) {
        return false;
    }
    if (lane.not_now)
        refuse(c, 503);
    else
        here = serve_stranger(c, h, head_len);
    if (refused != 0)
        tell_refused(service, &client, refused);
    return here;
}

static int parse(const struct sp_http_conn *c, struct sp_span in, struct sp_http_head *h,
                 size_t *used)
{
    size_t max = (size_t)c->service->env.bounds->header_bytes;
    int err = sp_http_parse_request(in, h, used);

    if ((err == 0 && *used > max) || (err == SP_EMORE && in.len >= max))
        return SP_ETOOBIG;
    return err;
}

/* What can't be parsed. Whether the connection is still here. */
static bool serve_nonsense(struct sp_http_conn *c, int err)
{
    c->service->counters.malformed++;
    c->service->env.hits->header_bytes += err == SP_ETOOBIG;
    if (c->service->fallback != NULL)
        return pass_on(c);
    refuse(c, sp_http_refusal(sp_buf_span(sp_stream_in(c->stream)), err));
    return true;
}

/* A head that is not whole, and will it ever be? */
static void wait_for_rest(struct sp_http_conn *c, size_t have)
{
    if (!c->heard_all) {
        if (have > 0)
            wait_for_head(c);
    } else if (c->service->fallback != NULL && have > 0) {
        pass_on(c);
    } else {
        sp_http_finish(c);
    }
}

/* Whether to go on: something was answered, and the connection is still here. */
static bool serve_next(struct sp_http_conn *c)
{
    struct sp_span in = sp_buf_span(sp_stream_in(c->stream));
    struct sp_http_head h;
    size_t used;
    int err = in.len > 0 ? parse(c, in, &h, &used) : SP_EMORE;

    if (err == SP_EMORE) {
        wait_for_rest(c, in.len);
        return false;
    }
    if (err != 0)
        return serve_nonsense(c, err);
    if (c->service->draining)
        h.keep_alive = false;
    return serve(c, &h, used);
}

void sp_http_go_on(struct sp_http_conn *c)
{
    /* One answer at a time: who doesn't read what was asked for gets no more. */
    while (!c->finishing && c->call == NULL && c->seat == NULL && send_rest(c)) {
        if (!skip_body(c)) {
            if (c->heard_all)
                sp_http_finish(c);
            return;
        }
        if (sp_stream_room(c->stream) == 0 || !serve_next(c))
            return;
    }
}

/* --- events --------------------------------------------------------------------------------- */

static void on_stream(struct sp_stream *s, void *arg)
{
    (void)s;
    sp_http_go_on(arg);
}

static void on_half_closed(struct sp_stream *s, void *arg)
{
    struct sp_http_conn *c = arg;
    (void)s;
    c->heard_all = true;
    if (c->seat != NULL)
        sp_http_finish(c);
    sp_http_go_on(c);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    shut(arg);
}

static const struct sp_stream_events stream_events = {
    .input = on_stream,
    .writable = on_stream,
    .half_closed = on_half_closed,
    .closed = on_closed,
};

static void on_turn(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    (void)timer;
    (void)now_us;
    sp_http_go_on(arg);
}

/* Who has begun to ask is told; who is idle, or doesn't read, is not. */
static void on_timeout(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_http_conn *c = arg;
    (void)timer;
    (void)now_us;

    c->service->counters.timed_out++;
    c->service->env.hits->handshake_s += c->head_began;
    if (c->service->fallback != NULL && !c->is_call) {
        pass_on(c);
    } else if (c->head_began) {
        refuse(c, 408);
        sp_http_go_on(c);
    } else {
        sp_http_finish(c);
    }
}

/* --- life of the service -------------------------------------------------------------------- */

int sp_http_service_take(struct sp_http_service *service, struct sp_stream *s)
{
    struct sp_http_conn *c = calloc(1, sizeof *c);

    if (c == NULL)
        return SP_ENOMEM;
    c->service = service;
    c->stream = s;
    c->file = sp_site_send_nothing();
    sp_timer_init(&c->timer, on_timeout, c);
    sp_timer_init(&c->turn, on_turn, c);
    int err = sp_guests_add(&service->guests, &c->guest, sp_stream_remote(s));
    if (err == SP_EFULL) {
        service->counters.crowded++;
        service->env.hits->strangers_per_address++;
    }
    if (err == 0)
        err = sp_http_wait_at_most(c, head_us(c));
    if (err != 0) {
        sp_http_leave(c);
        return err;
    }
    sp_stream_set_events(s, &stream_events, c);
    struct sp_guest *oldest = sp_guests_surplus(&service->guests);
    if (oldest != NULL) {
        service->counters.pushed_out++;
        service->env.hits->strangers++;
        shut(SP_CONTAINER_OF(oldest, struct sp_http_conn, guest));
    }
    return 0;
}

int sp_http_service_new(const struct sp_env *env, const struct sp_shared *shared,
                        struct sp_sessions *sessions, struct sp_api *api, struct sp_demo *demo,
                        struct sp_http_service **out)
{
    struct sp_http_service *service = calloc(1, sizeof *service);

    if (service == NULL)
        return SP_ENOMEM;
    service->env = *env;
    service->shared = shared;
    service->sessions = sessions;
    service->api = api;
    service->demo = demo;
    sp_env_guests(env, SP_ON_SITE, &service->guests);
    sp_ratelimit_init(&service->log_limit, LOG_PER_S, LOG_PER_S);
    if (shared->config.has_fallback && sp_fallback_new(env, shared, &service->fallback) != 0) {
        sp_http_service_free(service);
        return SP_ENOMEM;
    }
    *out = service;
    return 0;
}

void sp_http_service_free(struct sp_http_service *service)
{
    if (service == NULL)
        return;
    SP_LIST_EACH(&service->guests.list, link, next)
    shut(SP_LIST_ITEM(link, struct sp_http_conn, guest.link));
    sp_guests_fini(&service->guests);
    sp_fallback_free(service->fallback);
    free(service);
}

struct sp_fallback_counters sp_http_service_fallback_counters(const struct sp_http_service *service)
{
    static const struct sp_fallback_counters none;
    return service->fallback != NULL ? *sp_fallback_counters(service->fallback) : none;
}

void sp_http_service_drain(struct sp_http_service *service)
{
    service->draining = true;
    if (service->fallback != NULL)
        sp_fallback_drain(service->fallback);
}

const struct sp_http_counters *sp_http_service_counters(const struct sp_http_service *service)
{
    return &service->counters;
}
