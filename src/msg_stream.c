/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/msg_stream.h"

#include <stdlib.h>

#include "sallyport/chandata.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/rfc4571.h"
#include "sallyport/turn_stream.h"

#define BATCH        64   /* messages told at once */
#define CLASSIFY_MAX 4096 /* bytes of one whose class is looked for */
#define PARTS_MAX    4
#define REST_US      SP_SEC(1) /* how often what holds memory is asked whether it still wants it */

struct sp_msg_stream {
    enum sp_msg_framing framing;
    struct sp_stream *stream;
    struct sp_ticker *ticker;
    struct sp_classify classify;
    struct sp_classq queue;
    struct sp_deferred flush;
    struct sp_timer rest; /* set while the queue holds memory */
    uint64_t sent_us;     /* when it was last given something */
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
    sp_timerq_cancel(&m->ticker->timers, &m->rest);
    sp_classq_fini(&m->queue);
    sp_classify_fini(&m->classify);
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

/* As sp_turn_stream_next. A packet of length 0 says nothing, and is legal. */
static int next_message(const struct sp_msg_stream *m, struct sp_span s, struct sp_span *msg,
                        size_t *used)
{
    size_t len, skipped = 0;
    int err;

    if (m->framing == SP_MSG_TURN)
        return sp_turn_stream_next(s, msg, used);
    while ((err = sp_rfc4571_next(sp_span_skip(s, skipped), UINT16_MAX, msg, &len)) == 0 &&
           msg->len == 0)
        skipped += len;
    if (err == 0)
        *used = skipped + len;
    return err;
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct sp_msg_stream *m = arg;
    struct sp_span msgs[BATCH], in = sp_buf_span(sp_stream_in(s));
    size_t len, used = 0;
    int err;

    do {
        size_t n = 0;
        while (n < BATCH && (err = next_message(m, sp_span_skip(in, used), &msgs[n], &len)) == 0) {
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
    uint64_t all = sp_classq_dropped_full(&m->queue) + sp_classq_dropped_old(&m->queue);

    if (m->dropped != NULL)
        *m->dropped += all - m->dropped_told;
    m->dropped_told = all;
}

/* False: the stream does not take it. */
static bool put_first(struct sp_msg_stream *m, enum sp_class c, size_t *room)
{
    size_t n;
    struct sp_span record = sp_dgramq_front(&m->queue.of[c], 0, &n);

    if (sp_stream_put(m->stream, record) != 0)
        return false;
    *room -= record.len < *room ? record.len : *room;
    sp_dgramq_pop(&m->queue.of[c], n);
    return true;
}

/* Only as the stream has room: what waits here may still be dropped, or be overtaken by what is
 * more urgent. Each message is a TLS record of its own, since there are clients that take one for
 * the other (coturn's turnutils_uclient loses the rest of a record that holds more); several
 * records leave by one call of the system. */
static void flush_queue(struct sp_msg_stream *m, uint64_t now_us)
{
    enum sp_class c;
    bool taken = true;

    sp_classq_expire(&m->queue, now_us);
    tell_drops(m);
    size_t room = sp_stream_room_for(m->stream, sp_classq_bytes(&m->queue));
    do {
        while (room > 0 && taken && (c = sp_classq_first(&m->queue)) != SP_N_CLASSES)
            taken = put_first(m, c, &room);
        if (sp_stream_pending(m->stream) > 0)
            sp_stream_flush(m->stream); /* if it has ended, `closed` follows */
    } while (taken && sp_classq_count(&m->queue) > 0 && (room = sp_stream_room(m->stream)) > 0);
}

static void flush(struct sp_msg_stream *m, uint64_t now_us)
{
    if (sp_classq_count(&m->queue) > 0)
        flush_queue(m, now_us);
    else if (sp_stream_pending(m->stream) > 0)
        sp_stream_flush(m->stream);
}

static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    (void)d;
    flush(arg, now_us);
}

static void on_rest(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_msg_stream *m = arg;

    if (now_us - m->sent_us >= REST_US && sp_classq_count(&m->queue) == 0)
        sp_classq_rest(&m->queue);
    else
        (void)sp_timerq_set(&m->ticker->timers, timer, now_us + REST_US);
}

static void on_writable(struct sp_stream *s, void *arg)
{
    struct sp_msg_stream *m = arg;
    (void)s;
    flush(m, sp_ticker_now(m->ticker));
}

/* Header and data, and maybe zeros. */
static bool is_chandata(const struct sp_span *parts, size_t n)
{
    return n >= 2 && parts[0].len == SP_CHANDATA_HEADER_LEN && sp_chandata_looks_like(parts[0]) &&
           sp_get_be16(parts[0].p + 2) == parts[1].len;
}

/* Nothing that is urgent is longer than what a path takes. */
static enum sp_class class_of(struct sp_msg_stream *m, const struct sp_span *parts, size_t n,
                              size_t len, uint64_t now_us)
{
    uint8_t msg[CLASSIFY_MAX];

    if (len > sizeof msg)
        return SP_CLASS_DATA;
    if (is_chandata(parts, n)) /* its data lies in one piece: nothing has to be joined */
        return sp_classify_inner(&m->classify, 0, parts[1], now_us);
    return sp_classify(&m->classify, 0, n == 1 ? parts[0] : sp_spans_join(msg, parts, n), now_us);
}

/* Where nothing waits and the stream has room, a message goes there at once: no memory of ours, no
 * copy. False: it has to wait its turn, as do all but the urgent ones where the path is slow: what
 * else comes in this turn of the loop is to leave before them. */
static bool pass(struct sp_msg_stream *m, enum sp_class c, const struct sp_span *parts, size_t n,
                 size_t padding)
{
    static const uint8_t zeros[4];
    struct sp_span all[PARTS_MAX + 2];
    size_t len = sp_spans_len(parts, n), k = 0;
    uint8_t head[SP_RFC4571_HEADER_LEN];

    if (n > PARTS_MAX || len > CLASSIFY_MAX ||
        (c > SP_CLASS_VOICE && sp_stream_is_behind(m->stream)))
        return false;
    if (m->framing != SP_MSG_TURN) {
        sp_put_be16(head, (uint16_t)len);
        all[k++] = sp_span(head, sizeof head);
    }
    memcpy(all + k, parts, n * sizeof *parts);
    k += n;
    all[k++] = sp_span(zeros, padding);
    return sp_stream_pass(m->stream, all, k) == 0;
}

void sp_msg_stream_send(struct sp_msg_stream *m, const struct sp_span *parts, size_t n,
                        uint64_t now_us)
{
    size_t len = sp_spans_len(parts, n);
    bool turn = m->framing == SP_MSG_TURN;
    enum sp_class c = class_of(m, parts, n, len, now_us);
    size_t head = turn ? 0 : SP_RFC4571_HEADER_LEN, padding = turn ? sp_chandata_padding(len) : 0;

    if (!turn && len > UINT16_MAX)
        return;
    sp_ticker_defer(m->ticker, &m->flush);
    if (sp_classq_count(&m->queue) == 0 && pass(m, c, parts, n, padding))
        return;
    uint8_t *p = sp_classq_push(&m->queue, c, head + len + padding, now_us);
    tell_drops(m);
    if (p == NULL)
        return;
    if (!turn)
        sp_put_be16(p, (uint16_t)len);
    sp_spans_join(p + head, parts, n);
    memset(p + head + len, 0, padding);
    m->sent_us = now_us;
    if (!sp_timer_is_set(&m->rest)) /* if that fails, it holds some until it is freed */
        (void)sp_timerq_set(&m->ticker->timers, &m->rest, now_us + REST_US);
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
    m->framing = c->framing;
    m->stream = s;
    m->ticker = ticker;
    m->events = ev;
    m->arg = arg;
    sp_classify_init(&m->classify, c->rng);
    sp_classq_init(&m->queue, c->max_bytes, c->max_age_us);
    sp_classq_set_age(&m->queue, SP_CLASS_CONTROL, SP_NEVER);
    sp_deferred_init(&m->flush, on_flush, m);
    sp_timer_init(&m->rest, on_rest, m);
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

const struct sp_classq *sp_msg_stream_queue(const struct sp_msg_stream *m)
{
    return &m->queue;
}
