/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/msg_stream.h"

#include <stdlib.h>

#include "sallyport/chandata.h"
#include "sallyport/err.h"
#include "sallyport/turn_stream.h"

#define BATCH 64 /* messages told at once */

struct sp_msg_stream {
    struct sp_stream *stream;
    struct sp_ticker *ticker;
    struct sp_dgramq queue;
    struct sp_deferred flush;
    const struct sp_msg_stream_events *events;
    void *arg;
    bool *freed; /* set when it is freed from within a callback */
    uint64_t *dropped, dropped_told;
};

static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg);

void sp_msg_stream_free(struct sp_msg_stream *m)
{
    if (m == NULL)
        return;
    if (m->freed != NULL)
        *m->freed = true;
    sp_deferred_cancel(&m->flush);
    sp_dgramq_fini(&m->queue);
    sp_stream_free(m->stream);
    free(m);
}

/* --- in ------------------------------------------------------------------------------------- */

/* False: it was freed meanwhile. */
static bool tell(struct sp_msg_stream *m, const struct sp_span *msgs, size_t n)
{
    bool freed = false;

    m->freed = &freed;
    m->events->input(m, msgs, n, m->arg);
    if (freed)
        return false;
    m->freed = NULL;
    return true;
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct sp_msg_stream *m = arg;
    struct sp_span msgs[BATCH], in = sp_buf_span(sp_stream_in(s));
    size_t len, used = 0;
    int err;

    do {
        size_t n = 0;
        while (n < BATCH &&
               (err = sp_turn_stream_next(sp_span_skip(in, used), &msgs[n], &len)) == 0) {
            used += len;
            n++;
        }
        if (n > 0 && !tell(m, msgs, n))
            return;
    } while (err == 0);
    sp_buf_consume(sp_stream_in(s), used);
    if (err != SP_EMORE)
        m->events->closed(m, err, m->arg);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    struct sp_msg_stream *m = arg;
    (void)s;
    m->events->closed(m, why, m->arg);
}

/* --- out ------------------------------------------------------------------------------------ */

static void tell_drops(struct sp_msg_stream *m)
{
    uint64_t all = m->queue.dropped_full + m->queue.dropped_old;

    if (m->dropped != NULL)
        *m->dropped += all - m->dropped_told;
    m->dropped_told = all;
}

/* Only as the stream has room: what waits here may still be dropped. Each message is a TLS record
 * of its own, since there are clients that take one for the other (coturn's turnutils_uclient loses
 * the rest of a record that holds more); several records leave by one call of the system. */
static void flush(struct sp_msg_stream *m, uint64_t now_us)
{
    size_t room = sp_stream_room(m->stream), n;

    sp_dgramq_expire(&m->queue, now_us);
    tell_drops(m);
    while (room > 0 && !sp_dgramq_empty(&m->queue)) {
        struct sp_span record = sp_dgramq_front(&m->queue, 0, &n);
        if (sp_stream_put(m->stream, record) != 0) {
            sp_stream_flush(m->stream); /* what went before; if it has ended, `closed` follows */
            break;
        }
        sp_dgramq_pop(&m->queue, n);
        room -= record.len < room ? record.len : room;
        if (room > 0 && !sp_dgramq_empty(&m->queue))
            continue;
        sp_stream_flush(m->stream);
        room = sp_stream_room(m->stream);
    }
}

static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    (void)d;
    flush(arg, now_us);
}

static void on_writable(struct sp_stream *s, void *arg)
{
    struct sp_msg_stream *m = arg;
    (void)s;
    flush(m, sp_ticker_now(m->ticker));
}

void sp_msg_stream_send(struct sp_msg_stream *m, const struct sp_span *parts, size_t n,
                        uint64_t now_us)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    size_t padding = sp_chandata_padding(len);
    uint8_t *p = sp_dgramq_push(&m->queue, len + padding, now_us);
    tell_drops(m);
    if (p == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > 0)
            memcpy(p, parts[i].p, parts[i].len);
        p += parts[i].len;
    }
    memset(p, 0, padding);
    sp_ticker_defer(m->ticker, &m->flush);
}

void sp_msg_stream_finish(struct sp_msg_stream *m, uint64_t timeout_us)
{
    flush(m, sp_ticker_now(m->ticker));
    sp_stream_finish(m->stream, timeout_us);
}

/* --- life ----------------------------------------------------------------------------------- */

static const struct sp_stream_events stream_events = {
    .input = on_input,
    .writable = on_writable,
    .closed = on_closed,
};

int sp_msg_stream_new(struct sp_stream *s, struct sp_ticker *ticker,
                      const struct sp_msg_stream_config *c, const struct sp_msg_stream_events *ev,
                      void *arg, struct sp_msg_stream **out)
{
    struct sp_msg_stream *m = calloc(1, sizeof *m);

    if (m == NULL)
        return SP_ENOMEM;
    m->stream = s;
    m->ticker = ticker;
    m->events = ev;
    m->arg = arg;
    sp_dgramq_init(&m->queue, c->max_bytes, c->max_age_us);
    sp_deferred_init(&m->flush, on_flush, m);
    sp_stream_set_events(s, &stream_events, m);
    *out = m;
    return 0;
}

void sp_msg_stream_count_drops(struct sp_msg_stream *m, uint64_t *dropped)
{
    m->dropped = dropped;
}

struct sp_stream *sp_msg_stream_stream(struct sp_msg_stream *m)
{
    return m->stream;
}

const struct sp_dgramq *sp_msg_stream_queue(const struct sp_msg_stream *m)
{
    return &m->queue;
}
