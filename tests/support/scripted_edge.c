/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scripted_edge.h"

#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/http.h"

#define PATIENCE_US SP_SEC(5) /* for TLS */

/* --- its end of the tunnel ------------------------------------------------------------------ */

static void on_flush(void *arg)
{
    struct scripted_edge *e = arg;
    sp_tunnel_flush(e->tunnel, sp_ticker_now(&e->io->ticker));
}

static void no_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    (void)f, (void)d, (void)n, (void)now_us, (void)arg;
}

static int no_flow(struct sp_flow *f, uint64_t now_us, void *arg)
{
    (void)f, (void)now_us, (void)arg;
    return SP_CONTROL_FULL;
}

static void no_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)f, (void)code, (void)arg;
}

static void no_suspect(struct sp_lane *l, void *arg)
{
    (void)l, (void)arg;
}

static void no_expired(void *arg)
{
    (void)arg;
}

static const struct sp_tunnel_events tunnel_events = {.flush = on_flush,
                                                      .datagrams = no_datagrams,
                                                      .flow_opened = no_flow,
                                                      .flow_closed = no_flow_closed,
                                                      .lane_suspect = no_suspect,
                                                      .expired = no_expired};

static void make_tunnel(struct scripted_edge *e)
{
    struct sp_tunnel_config config;

    sp_tunnel_free(e->tunnel);
    sp_tunnel_config_default(&config, SP_TUNNEL_EDGE);
    REQUIRE(sp_tunnel_new(&config, &tunnel_events, e, &e->io->ticker.timers, e->rng, &e->tunnel) ==
            0);
    sp_rng_bytes(e->rng, e->id.bytes, sizeof e->id.bytes);
    e->n_new++;
}

void scripted_edge_forget(struct scripted_edge *e)
{
    sp_tunnel_free(e->tunnel);
    e->tunnel = NULL;
}

void scripted_edge_cut_lanes(struct scripted_edge *e, size_t n)
{
    for (size_t i = 0; i < e->n_conns && n > 0; i++) {
        if (e->conns[i].lane == NULL)
            continue;
        sp_stream_lane_free(e->conns[i].lane);
        e->conns[i].lane = NULL;
        n--;
    }
}

/* --- what it says --------------------------------------------------------------------------- */

static void say(struct scripted_conn *c, const char *text)
{
    REQUIRE(sp_stream_write(c->stream, sp_span_str(text)) == 0);
}

static void deny(struct scripted_conn *c)
{
    struct scripted_edge *e = c->edge;
    size_t cap = e->head_len + 256;
    char date[30], *text = malloc(cap);

    REQUIRE(text != NULL);
    e->n_denied++;
    sp_http_date(e->date_s, date);
    snprintf(text, cap,
             "HTTP/1.1 404 Not Found\r\nPolicy: %0*d\r\nDate: %s\r\nContent-Length: 0\r\n\r\n",
             (int)e->head_len, 0, date);
    say(c, text);
    free(text);
}

static void say_yes(struct scripted_conn *c, const struct sp_tunnel_id *id)
{
    uint8_t text[512];
    size_t len;

    REQUIRE(sp_upgrade_response(id, text, sizeof text, &len) == 0);
    REQUIRE(sp_stream_write(c->stream, sp_span(text, len)) == 0);
}

/* --- lanes ---------------------------------------------------------------------------------- */

static void on_lane_closed(struct sp_stream_lane *l, int why, const char *text, void *arg)
{
    struct scripted_conn *c = arg;
    (void)l;
    (void)text;
    c->lane = NULL;
    c->edge->last_end = why;
}

static void welcome(struct scripted_conn *c, const struct sp_upgrade *u)
{
    struct scripted_edge *e = c->edge;
    struct sp_stream *s = c->stream;

    if (u->is_new)
        make_tunnel(e);
    e->n_joined++;
    say_yes(c, &e->id);
    c->stream = NULL;
    REQUIRE(sp_stream_lane_new(s, &e->io->ticker, e->tunnel, u->lane, on_lane_closed, c,
                               &c->lane) == 0);
}

static bool is_known(const struct scripted_edge *e, const struct sp_upgrade *u)
{
    return e->tunnel != NULL && memcmp(&u->id, &e->id, sizeof u->id) == 0;
}

static void upgrade(struct scripted_conn *c, const struct sp_upgrade *u)
{
    static const struct sp_tunnel_id other = {{1, 2, 3}};
    const struct scripted_edge *e = c->edge;

    if (e->manner == EDGE_PUTS_OFF)
        say(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    else if (e->manner == EDGE_DENIES || (!u->is_new && !is_known(e, u)))
        deny(c);
    else if (e->manner == EDGE_MISTAKES && !u->is_new)
        say_yes(c, &other);
    else
        welcome(c, u);
}

/* --- connections ---------------------------------------------------------------------------- */

static void on_established(struct sp_stream *s, void *arg)
{
    struct scripted_conn *c = arg;
    (void)s;
    if (c->edge->manner == EDGE_SPEAKS_NO_HTTP)
        say(c, "220 mail.example ESMTP\r\n");
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct scripted_conn *c = arg;
    enum scripted_manner manner = c->edge->manner;
    struct sp_http_head h;
    struct sp_upgrade u;
    size_t used;

    if (manner == EDGE_IS_SILENT || manner == EDGE_SPEAKS_NO_HTTP ||
        sp_http_parse_request(sp_buf_span(sp_stream_in(s)), &h, &used) != 0)
        return;
    if (sp_upgrade_parse_request(&h, SP_UPGRADE_PATH, &u) != 0) {
        deny(c);
        return;
    }
    sp_buf_consume(sp_stream_in(s), used);
    upgrade(c, &u);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    struct scripted_conn *c = arg;
    (void)why;
    sp_stream_free(s);
    c->stream = NULL;
}

static const struct sp_stream_events events = {
    .established = on_established, .input = on_input, .closed = on_closed};

/* After CONNECT, TLS begins on the same connection. */
static void on_proxy_input(struct sp_stream *s, void *arg)
{
    struct scripted_conn *c = arg;
    struct scripted_edge *e = c->edge;
    struct sp_span in = sp_buf_span(sp_stream_in(s));

    if (memmem(in.p, in.len, "\r\n\r\n", 4) == NULL)
        return;
    snprintf(e->proxy_head, sizeof e->proxy_head, "%.*s", (int)in.len, (const char *)in.p);
    sp_buf_consume(sp_stream_in(s), in.len);
    if (e->proxy_status == 200) {
        say(c, "HTTP/1.1 200 Connection established\r\n\r\n");
        sp_stream_set_events(s, &events, c);
        REQUIRE(sp_stream_start_tls_server(s, e->tls, PATIENCE_US) == 0);
    } else {
        say(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n");
    }
}

static const struct sp_stream_events proxy_events = {.input = on_proxy_input, .closed = on_closed};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct scripted_edge *e = arg;
    (void)l, (void)remote;

    REQUIRE(e->n_conns < SCRIPTED_EDGE_CONNS);
    struct scripted_conn *c = &e->conns[e->n_conns++];
    c->edge = e;
    REQUIRE(sp_stream_new(&e->io->ticker, fd, e->as_proxy ? &proxy_events : &events, c,
                          &c->stream) == 0);
    if (!e->as_proxy)
        REQUIRE(sp_stream_start_tls_server(c->stream, e->tls, PATIENCE_US) == 0);
}

/* --- life ----------------------------------------------------------------------------------- */

void scripted_edge_open(struct scripted_edge *e, struct io_loop *io, struct sp_rng *rng,
                        const char *cert, const char *key)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    char why[SP_TLS_ERROR_MAX];

    *e = (struct scripted_edge){.io = io, .rng = rng, .date_s = sp_clock_unix_s()};
    REQUIRE(sp_tls_ctx_server(cert, key, alpn, &e->tls, why) == 0);
    REQUIRE(sp_listener_open(&io->ticker, NULL, &any, NULL, on_accept, e, &e->listener) == 0);
    e->addr = *sp_listener_local(e->listener);
}

void scripted_edge_close(struct scripted_edge *e)
{
    for (size_t i = 0; i < e->n_conns; i++) {
        sp_stream_free(e->conns[i].stream);
        sp_stream_lane_free(e->conns[i].lane);
    }
    sp_tunnel_free(e->tunnel);
    sp_listener_close(e->listener);
    sp_tls_ctx_unref(e->tls);
}
