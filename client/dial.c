/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dial.h"

#include <stdio.h>
#include <stdlib.h>

#include "race.h"
#include "sallyport/clock.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/http.h"
#include "sallyport/token.h"

#define NAME_US        SP_SEC(1) /* for the name server, where the address is known from before */
#define CONNECT_US     SP_SEC(4) /* to one address: SYN is repeated after 1 s and 3 s */
#define HURRIED_US     SP_SEC(2)
#define TLS_US         SP_SEC(10)
#define ANSWER_US      SP_SEC(10) /* for the proxy, and for the server, to answer */
#define ALONE_US       SP_MS(250)
#define ALONE_AGAIN_US SP_SEC(1) /* a join reaches its tunnel only on the machine that holds it */

struct sp_dial {
    const struct sp_client_env *env;
    const struct sp_server_url *server;
    const struct sp_proxy *proxy;
    struct sp_tls_ctx *tls;
    struct sp_upgrade upgrade;
    char token[SP_TOKEN_MAX + 1];
    struct sp_addr prefer; /* SP_FAMILY_NONE: none */
    bool hurried;
    struct sp_dial_trace *trace;
    struct sp_dial_trace untraced; /* stands in its place */

    /* One of these at a time, but for a race that began before the name was resolved. */
    struct sp_resolve *resolve;
    struct sp_race *race;
    struct sp_stream *stream;

    struct sp_timer name_late;
    struct sp_timer deadline;     /* of an answer … */
    enum sp_refusal_kind awaited; /* … and what its absence is */
    struct sp_refusal refusal;
    sp_dial_fn *fn;
    void *arg;
};

/* --- ends ----------------------------------------------------------------------------------- */

static void refuse(struct sp_dial *d, enum sp_refusal_kind kind, const char *why)
{
    struct sp_refusal r = d->refusal;
    sp_dial_fn *fn = d->fn;
    void *arg = d->arg;

    r.kind = kind;
    if (kind == SP_REFUSAL_TLS)
        r.local_s = sp_clock_unix_s();
    snprintf(r.why, sizeof r.why, "%s", why);
    sp_dial_free(d);
    fn(NULL, &r, arg);
}

static void succeed(struct sp_dial *d, const struct sp_tunnel_id *id)
{
    struct sp_dial_result result = {.stream = d->stream, .id = *id};
    sp_dial_fn *fn = d->fn;
    void *arg = d->arg;

    d->stream = NULL;
    sp_dial_free(d);
    fn(&result, NULL, arg);
    sp_crypto_wipe(&result.id, sizeof result.id);
}

static void on_deadline(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_dial *d = arg;
    (void)t;
    (void)now_us;
    refuse(d, d->awaited, "no answer in time");
}

/* Sends a request whose answer is waited for. */
static void request(struct sp_dial *d, struct sp_span text, enum sp_refusal_kind awaited)
{
    uint64_t due_us = sp_ticker_now(d->env->ticker) + ANSWER_US;

    d->awaited = awaited;
    if (sp_stream_write(d->stream, text) != 0 ||
        sp_timerq_set(&d->env->ticker->timers, &d->deadline, due_us) != 0)
        refuse(d, SP_REFUSAL_MEMORY, "");
}

/* --- upgrade -------------------------------------------------------------------------------- */

/* The server says nothing of its reasons; status and Date are what there is to go by. */
static void note_answer(struct sp_dial *d, const struct sp_http_head *h)
{
    struct sp_refusal *r = &d->refusal;
    struct sp_claims claims;
    struct sp_span date;

    r->status = h->status;
    r->local_s = sp_clock_unix_s();
    r->has_date = sp_http_find(h, "Date", &date) && sp_http_parse_date(date, &r->server_s) == 0;
    r->token_known = sp_token_peek(sp_span_str(d->token), &claims) == 0;
    if (r->token_known)
        r->token_expires_s = claims.expires_s;
}

static void on_upgrade_input(struct sp_stream *s, void *arg)
{
    struct sp_dial *d = arg;
    struct sp_http_head h = {0};
    struct sp_tunnel_id id;
    size_t used;

    int err = sp_http_parse_response(sp_buf_span(sp_stream_in(s)), &h, &used);
    if (err == SP_EMORE)
        return;
    if (err != 0) {
        refuse(d, SP_REFUSAL_ANSWER, sp_strerror(err));
        return;
    }
    note_answer(d, &h);
    err = sp_upgrade_parse_response(&h, &id);
    if (err != 0) {
        refuse(d, SP_REFUSAL_ANSWER, sp_strerror(err));
        return;
    }
    sp_buf_consume(sp_stream_in(s), used);
    succeed(d, &id);
}

static void on_upgrade_closed(struct sp_stream *s, int why, void *arg)
{
    (void)why;
    refuse(arg, SP_REFUSAL_LOST, sp_stream_why(s));
}

static const struct sp_stream_events upgrade_events = {
    .input = on_upgrade_input,
    .closed = on_upgrade_closed,
};

/* --- TLS ------------------------------------------------------------------------------------ */

static void on_tls_established(struct sp_stream *s, void *arg)
{
    struct sp_dial *d = arg;
    uint8_t text[SP_HTTP_HEAD_MAX];
    size_t len;

    d->trace->secured_us = sp_ticker_now(d->env->ticker);
    snprintf(d->trace->tls, sizeof d->trace->tls, "%s", sp_tls_version(sp_stream_tls(s)));
    sp_tls_peer(sp_stream_tls(s), &d->trace->peer);
    d->upgrade.token = sp_span_str(d->token);
    int err = sp_upgrade_request(d->server->authority, d->server->path, &d->upgrade, text,
                                 sizeof text, &len);
    if (err != 0) {
        refuse(d, SP_REFUSAL_TOKEN_FILE, "the token holds characters that no token has");
        return;
    }
    sp_stream_set_events(s, &upgrade_events, d);
    request(d, sp_span(text, len), SP_REFUSAL_LOST);
    sp_crypto_wipe(text, len);
}

static void on_tls_closed(struct sp_stream *s, int why, void *arg)
{
    (void)why;
    refuse(arg, SP_REFUSAL_TLS, sp_stream_why(s));
}

static const struct sp_stream_events tls_events = {
    .established = on_tls_established,
    .closed = on_tls_closed,
};

static void start_tls(struct sp_dial *d)
{
    sp_stream_set_events(d->stream, &tls_events, d);
    int err = sp_stream_start_tls_client(d->stream, d->tls, d->server->host, TLS_US);
    if (err != 0)
        refuse(d, SP_REFUSAL_TLS, sp_strerror(err));
}

/* --- proxy ---------------------------------------------------------------------------------- */

static void on_proxy_input(struct sp_stream *s, void *arg)
{
    struct sp_dial *d = arg;
    size_t used;

    int err = sp_proxy_parse_answer(sp_buf_span(sp_stream_in(s)), &d->refusal.proxy_answer, &used);
    if (err == SP_EMORE)
        return;
    if (err != 0) {
        refuse(d, SP_REFUSAL_PROXY, sp_strerror(err));
    } else if (d->refusal.proxy_answer.status / 100 != 2) {
        refuse(d, SP_REFUSAL_PROXY, "");
    } else {
        sp_timerq_cancel(&d->env->ticker->timers, &d->deadline);
        sp_buf_consume(sp_stream_in(s), used);
        d->trace->proxied_us = sp_ticker_now(d->env->ticker);
        start_tls(d);
    }
}

static void on_proxy_closed(struct sp_stream *s, int why, void *arg)
{
    (void)why;
    refuse(arg, SP_REFUSAL_PROXY, sp_stream_why(s));
}

static const struct sp_stream_events proxy_events = {
    .input = on_proxy_input,
    .closed = on_proxy_closed,
};

static void ask_proxy(struct sp_dial *d)
{
    char text[SP_PROXY_REQUEST_MAX];
    size_t len;

    sp_stream_set_events(d->stream, &proxy_events, d);
    if (sp_proxy_request(d->proxy, d->server->host, d->server->port, text, sizeof text, &len) != 0)
        refuse(d, SP_REFUSAL_MEMORY, "");
    else
        request(d, sp_span(text, len), SP_REFUSAL_PROXY);
    sp_crypto_wipe(text, sizeof text);
}

/* --- connection ----------------------------------------------------------------------------- */

static void stop_resolving(struct sp_dial *d)
{
    if (d->resolve != NULL)
        sp_resolve_cancel(d->resolve);
    d->resolve = NULL;
    sp_timerq_cancel(&d->env->ticker->timers, &d->name_late);
}

static void on_raced(struct sp_stream *s, const char *why, void *arg)
{
    struct sp_dial *d = arg;

    stop_resolving(d);
    d->race = NULL;
    d->stream = s;
    if (s != NULL) {
        d->trace->connected_us = sp_ticker_now(d->env->ticker);
        d->trace->remote = *sp_stream_remote(s);
    }
    if (s == NULL)
        refuse(d, SP_REFUSAL_CONNECT, why);
    else if (d->proxy != NULL)
        ask_proxy(d);
    else
        start_tls(d);
}

static bool knows_where(const struct sp_dial *d)
{
    return d->prefer.family != SP_FAMILY_NONE && d->proxy == NULL;
}

static int connect_to(struct sp_dial *d, const struct sp_addr *addrs, size_t n)
{
    bool prefers = knows_where(d);
    struct sp_race_config config = {.first_alone_us = prefers ? ALONE_AGAIN_US : ALONE_US,
                                    .timeout_us = d->hurried ? HURRIED_US : CONNECT_US,
                                    .more = prefers};

    return sp_race_start(d->env->ticker, &config, addrs, n, on_raced, d, &d->race);
}

/* Where the address is known it has begun without the name: a network was left, and its name
 * servers do not answer from the next; calls can't wait for that. */
static void on_resolved(int err, const char *why, const struct sp_addr *addrs, size_t n, void *arg)
{
    struct sp_dial *d = arg;

    d->resolve = NULL;
    stop_resolving(d);
    if (knows_where(d))
        sp_race_add(d->race, addrs, err == 0 ? n : 0);
    else if (err != 0)
        refuse(d, SP_REFUSAL_NAME, why);
    else if (connect_to(d, addrs, n) != 0)
        refuse(d, SP_REFUSAL_MEMORY, "");
}

static void on_name_late(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_dial *d = arg;
    (void)t;
    (void)now_us;

    stop_resolving(d);
    sp_race_add(d->race, NULL, 0);
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_dial_start(const struct sp_client_env *env, const struct sp_dial_order *order,
                  sp_dial_fn *fn, void *arg, struct sp_dial **out)
{
    struct sp_dial *d = calloc(1, sizeof *d);

    if (d == NULL)
        return SP_ENOMEM;
    d->env = env;
    d->server = order->server;
    d->proxy = order->proxy;
    d->tls = sp_tls_ctx_ref(order->tls);
    d->upgrade = order->upgrade;
    d->fn = fn;
    d->arg = arg;
    sp_timer_init(&d->name_late, on_name_late, d);
    sp_timer_init(&d->deadline, on_deadline, d);
    snprintf(d->token, sizeof d->token, "%.*s", (int)order->upgrade.token.len,
             (const char *)order->upgrade.token.p);
    if (order->prefer != NULL)
        d->prefer = *order->prefer;
    d->hurried = order->hurried;
    d->trace = order->trace != NULL ? order->trace : &d->untraced;
    d->trace->start_us = sp_ticker_now(env->ticker);
    const char *host = d->server->host;
    uint16_t port = d->server->port;
    if (d->proxy != NULL) {
        host = d->proxy->host;
        port = d->proxy->port;
        snprintf(d->refusal.proxy, sizeof d->refusal.proxy, "%s:%u", host, port);
    }
    int err = sp_resolve_start(env->resolver, host, port, on_resolved, d, &d->resolve);
    if (err == 0 && knows_where(d))
        err = sp_timerq_set(&env->ticker->timers, &d->name_late,
                            sp_ticker_now(env->ticker) + NAME_US);
    if (err == 0 && knows_where(d))
        err = connect_to(d, &d->prefer, 1);
    if (err != 0) {
        sp_dial_free(d);
        return err;
    }
    *out = d;
    return 0;
}

void sp_dial_free(struct sp_dial *d)
{
    if (d == NULL)
        return;
    if (d->resolve != NULL)
        sp_resolve_cancel(d->resolve);
    sp_race_free(d->race);
    sp_stream_free(d->stream);
    sp_timerq_cancel(&d->env->ticker->timers, &d->name_late);
    sp_timerq_cancel(&d->env->ticker->timers, &d->deadline);
    sp_tls_ctx_unref(d->tls);
    sp_crypto_wipe(d, sizeof *d);
    free(d);
}
