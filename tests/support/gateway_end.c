/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gateway_end.h"

#include <string.h>

#include "require.h"
#include "sallyport/err.h"
#include "sallyport/http.h"

/* --- the tunnel ----------------------------------------------------------------------------- */

static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct gateway_end *g = arg;
    (void)d;
    sp_tunnel_flush(g->tunnel, now_us);
}

static void on_want_flush(void *arg)
{
    struct gateway_end *g = arg;
    sp_ticker_defer(&g->loop->ticker, &g->flush);
}

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    struct gateway_end *g = arg;
    (void)now_us;

    if (g->take != NULL) {
        g->take(f, d, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        REQUIRE(g->n_got < GATEWAY_END_GOT && d[i].len <= sizeof g->got[0].bytes);
        g->got[g->n_got].flow = sp_flow_number(f);
        g->got[g->n_got].len = d[i].len;
        memcpy(g->got[g->n_got++].bytes, d[i].p, d[i].len);
    }
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    struct gateway_end *g = arg;

    g->flows_closed++;
    g->closed_code = code;
    if (g->closed != NULL)
        g->closed(g, f);
}

static unsigned on_asked(struct sp_span question, uint8_t answer[static SP_CONTROL_BODY_MAX],
                         size_t *len, uint64_t now_us, void *arg)
{
    struct gateway_end *g = arg;
    return g->asked != NULL ? g->asked(g, question, answer, len, now_us) : SP_CONTROL_UNKNOWN;
}

static void on_lane_suspect(struct sp_lane *l, void *arg)
{
    (void)l;
    (void)arg;
}

static void on_draining(void *arg)
{
    struct gateway_end *g = arg;
    g->draining++;
}

static const struct sp_tunnel_events events = {
    .flush = on_want_flush,
    .datagrams = on_datagrams,
    .flow_closed = on_flow_closed,
    .asked = on_asked,
    .lane_suspect = on_lane_suspect,
    .draining = on_draining,
};

void gateway_end_init(struct gateway_end *g, struct io_loop *l)
{
    struct sp_tunnel_config c;

    memset(g, 0, sizeof *g);
    g->loop = l;
    sp_rng_system_init(&g->rng);
    sp_deferred_init(&g->flush, on_flush, g);
    sp_tunnel_config_default(&c, SP_TUNNEL_GATEWAY);
    REQUIRE(sp_tunnel_new(&c, &events, g, &l->ticker.timers, &g->rng, &g->tunnel) == 0);
}

void gateway_end_fini(struct gateway_end *g)
{
    sp_tunnel_free(g->tunnel);
    sp_deferred_cancel(&g->flush);
}

/* --- lanes ---------------------------------------------------------------------------------- */

static void on_lane_closed(struct sp_stream_lane *l, int why, const char *text, void *arg)
{
    struct gateway_end *g = arg;
    (void)text;

    for (size_t i = 0; i < SP_LANES_MAX; i++)
        if (g->lanes[i] == l)
            g->lanes[i] = NULL;
    g->lanes_closed++;
    g->lane_why = why;
}

void gateway_end_add(struct gateway_end *g, struct sp_stream *s, unsigned lane)
{
    struct sp_stream_lane *l;

    REQUIRE(sp_stream_lane_new(s, &g->loop->ticker, g->tunnel, lane, on_lane_closed, g, &l) == 0);
    g->lanes[lane] = l;
}

static bool has_head(void *arg)
{
    struct peer *p = arg;
    struct sp_http_head h;
    size_t used;

    return p->ended ||
           sp_http_parse_response(sp_buf_span(sp_stream_in(p->s)), &h, &used) != SP_EMORE;
}

static void ask(struct gateway_end *g, struct peer *p, const char *token, unsigned lane)
{
    const struct sp_upgrade u = {
        .token = sp_span_str(token), .is_new = !g->has_id, .id = g->id, .lane = lane};
    uint8_t text[2048];
    size_t len;

    REQUIRE(sp_upgrade_request("edge.test", SP_UPGRADE_PATH, &u, text, sizeof text, &len) == 0);
    peer_send(p, text, len);
}

unsigned gateway_end_join(struct gateway_end *g, const struct sp_addr *to, struct sp_tls_ctx *tls,
                          const char *token, unsigned lane)
{
    struct sp_http_head h;
    struct peer p;
    size_t used;
    unsigned status = 0;

    bool connected = peer_connect(&p, g->loop, to, tls);
    p.holds = true;
    if (connected)
        ask(g, &p, token, lane);
    if (connected && io_loop_until(g->loop, has_head, &p) && p.s != NULL &&
        sp_http_parse_response(sp_buf_span(sp_stream_in(p.s)), &h, &used) == 0) {
        status = h.status;
        if (!p.ended && sp_upgrade_parse_response(&h, &g->id) == 0) {
            g->has_id = true;
            sp_buf_consume(sp_stream_in(p.s), used);
            gateway_end_add(g, p.s, lane);
            p.s = NULL;
        }
    }
    peer_close(&p);
    return status;
}

/* --- flows ---------------------------------------------------------------------------------- */

struct sp_flow *gateway_end_flow(struct gateway_end *g)
{
    return gateway_end_flow_of(g, SP_FLOW_TURN);
}

struct sp_flow *gateway_end_flow_of(struct gateway_end *g, enum sp_flow_kind kind)
{
    static const struct sp_addr nobody;
    struct sp_flow *f;

    REQUIRE(sp_flow_open(g->tunnel, kind, &nobody, sp_ticker_now(&g->loop->ticker), &f) == 0);
    return f;
}

void gateway_end_send(struct gateway_end *g, struct sp_flow *f, struct sp_span bytes)
{
    sp_flow_send(f, &bytes, 1, sp_ticker_now(&g->loop->ticker));
}

static bool has_datagram(void *arg)
{
    struct gateway_end *g = arg;

    for (size_t i = 0; i < g->n_got; i++)
        if (g->got[i].flow == g->wanted)
            return true;
    return false;
}

/* A copy, since its place is the next one's. */
bool gateway_end_recv(struct gateway_end *g, struct sp_flow *f, struct sp_span *out)
{
    size_t i = 0;

    g->wanted = sp_flow_number(f);
    if (!io_loop_until(g->loop, has_datagram, g))
        return false;
    while (g->got[i].flow != g->wanted)
        i++;
    static uint8_t bytes[sizeof g->got[0].bytes];
    *out = sp_span(bytes, g->got[i].len);
    memcpy(bytes, g->got[i].bytes, out->len);
    memmove(&g->got[i], &g->got[i + 1], (--g->n_got - i) * sizeof g->got[0]);
    return true;
}
