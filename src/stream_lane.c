/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/stream_lane.h"

#include <stdio.h>
#include <stdlib.h>

#include "sallyport/err.h"

struct sp_stream_lane {
    struct sp_stream *stream;
    struct sp_ticker *ticker;
    struct sp_lane *lane;
    struct sp_deferred broken; /* a write failed: end it when nobody is in the middle of sending */
    sp_stream_lane_closed_fn *closed;
    void *arg;
};

/* Finish, then tell. */
static void end(struct sp_stream_lane *l, int why, const char *text)
{
    sp_stream_lane_closed_fn *closed = l->closed;
    void *arg = l->arg;
    char copy[SP_TLS_ERROR_MAX + 64];

    snprintf(copy, sizeof copy, "%s", text); /* it may lie in the stream */
    sp_stream_lane_free(l);
    closed(l, why, copy, arg);
}

/* --- what the tunnel asks ------------------------------------------------------------------- */

static void lane_send(struct sp_span frames, void *arg)
{
    struct sp_stream_lane *l = arg;

    int err = sp_stream_put(l->stream, frames);
    if (err == 0)
        sp_stream_cork(l->stream); /* what follows in this turn leaves by the same call */
    else if (err != SP_ECLOSED)    /* that one has ended, or is being finished: it tells itself */
        sp_ticker_defer(l->ticker, &l->broken);
}

static bool lane_has_room(void *arg)
{
    struct sp_stream_lane *l = arg;
    return sp_stream_room(l->stream) > 0;
}

static bool lane_has_more(void *arg)
{
    struct sp_stream_lane *l = arg;
    return sp_stream_has_more(l->stream);
}

static void lane_measure(struct sp_lane_measure *out, void *arg)
{
    struct sp_stream_lane *l = arg;
    struct sp_sock_tcp info;

    if (sp_stream_tcp_info(l->stream, &info) != 0)
        return; /* the socket is going; its end is told by itself */
    uint32_t pending = (uint32_t)sp_stream_pending(l->stream); /* it leaves with this turn's end */
    uint32_t taken = sp_tunnel_segments(pending);
    out->acked_bytes = info.acked_bytes;
    out->unacked_bytes = info.unacked_bytes + pending;
    out->rtt_us = info.rtt_us;
    out->has_window = true;
    out->window = info.window_segments > taken ? info.window_segments - taken : 0;
}

static void lane_close(void *arg)
{
    struct sp_stream_lane *l = arg;

    l->lane = NULL; /* the tunnel has forgotten it already */
    end(l, SP_EEXIST, "the lane was replaced or its tunnel ended");
}

static void lane_expect_queue(bool queue, void *arg)
{
    struct sp_stream_lane *l = arg;
    sp_stream_expect_queue(l->stream, queue);
}

static const struct sp_lane_ops lane_ops = {
    .send = lane_send,
    .has_room = lane_has_room,
    .measure = lane_measure,
    .has_more = lane_has_more,
    .close = lane_close,
    .expect_queue = lane_expect_queue,
};

/* --- what the stream tells ------------------------------------------------------------------ */

static void on_input(struct sp_stream *s, void *arg)
{
    struct sp_stream_lane *l = arg;
    struct sp_buf *in = sp_stream_in(s);
    size_t used;

    int err = sp_tunnel_lane_input(l->lane, sp_buf_span(in), sp_ticker_now(l->ticker), &used);
    sp_buf_consume(in, used);
    if (err != 0)
        end(l, SP_EBADMSG, "the far side broke the framing");
}

static void on_writable(struct sp_stream *s, void *arg)
{
    struct sp_stream_lane *l = arg;
    (void)s;
    sp_tunnel_lane_writable(l->lane);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    end(arg, why, sp_stream_why(s));
}

static void on_broken(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    (void)d;
    (void)now_us;
    end(arg, SP_EFULL, "the far side does not read");
}

static const struct sp_stream_events stream_events = {
    .input = on_input,
    .writable = on_writable,
    .closed = on_closed,
};

/* --- life ----------------------------------------------------------------------------------- */

int sp_stream_lane_new(struct sp_stream *s, struct sp_ticker *ticker, struct sp_tunnel *t,
                       unsigned number, sp_stream_lane_closed_fn *closed, void *arg,
                       struct sp_stream_lane **out)
{
    struct sp_stream_lane *l = calloc(1, sizeof *l);

    if (l == NULL)
        return SP_ENOMEM;
    l->stream = s;
    l->ticker = ticker;
    l->closed = closed;
    l->arg = arg;
    sp_deferred_init(&l->broken, on_broken, l);
    sp_stream_tune_lane(s);
    int err = sp_tunnel_lane_add(t, number, &lane_ops, l, sp_ticker_now(ticker), &l->lane);
    if (err != 0) {
        free(l);
        return err;
    }
    sp_stream_set_events(s, &stream_events, l);
    *out = l;
    return 0;
}

void sp_stream_lane_free(struct sp_stream_lane *l)
{
    if (l == NULL)
        return;
    sp_deferred_cancel(&l->broken);
    if (l->lane != NULL)
        sp_tunnel_lane_remove(l->lane, sp_ticker_now(l->ticker));
    sp_stream_free(l->stream);
    free(l);
}

struct sp_lane *sp_stream_lane_lane(const struct sp_stream_lane *l)
{
    return l->lane;
}

struct sp_stream *sp_stream_lane_stream(const struct sp_stream_lane *l)
{
    return l->stream;
}
