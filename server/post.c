/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "post.h"

#include <stdlib.h>

#include "late.h"
#include "port_pool.h"
#include "sallyport/err.h"
#include "sallyport/ring.h"

/* All rings together, as long as none is too small for a longest datagram. */
#define ROOM     ((size_t)64 << 20)
#define RING_MIN ((size_t)256 << 10)
#define RING_MAX ((size_t)1 << 20)

#define BATCH 1024 /* of one ring at a time */

/* Of each ring, for what is no datagram: that must not be lost, and never is much. */
#define ROOM_KEPT ((size_t)32 << 10)

struct sp_post_office {
    unsigned n;
    struct sp_post *posts[SP_WORKERS_MAX];
    struct sp_ring *rings[]; /* from i to k: i * n + k */
};

struct sp_post {
    struct sp_post_office *office;
    unsigned worker;
    struct sp_ticker *ticker;
    struct sp_post_events events;
    void *arg;
    ev_async bell;           /* somebody has put something */
    struct sp_deferred ring; /* at the others' doors, those of `to_ring` */
    uint64_t to_ring[(SP_WORKERS_MAX + 63) / 64];
    struct sp_post_counters counters;
};

enum letter_kind { DATAGRAM, CONNECTION, NOTE };

/* A record begins with this; a datagram's body or a note follows. */
struct letter {
    uint64_t at_us; /* a datagram's */
    struct sp_stream *connection;
    struct sp_addr relayed, from; /* of a datagram */
    enum letter_kind kind;
};

_Static_assert(sizeof(struct letter) % 8 == 0, "a note is aligned as well");

static struct sp_ring *ring_between(const struct sp_post_office *o, unsigned from, unsigned to)
{
    return o->rings[from * o->n + to];
}

/* --- the office ----------------------------------------------------------------------------- */

static size_t ring_bytes(unsigned n)
{
    size_t each = n > 1 ? ROOM / ((size_t)n * (n - 1)) : 0;

    return each < RING_MIN ? RING_MIN : each > RING_MAX ? RING_MAX : each;
}

int sp_post_office_new(unsigned workers, struct sp_post_office **out)
{
    if (workers == 0 || workers > SP_WORKERS_MAX)
        return SP_EINVAL;

    size_t n_rings = (size_t)workers * workers;
    struct sp_post_office *o = calloc(1, sizeof *o + n_rings * sizeof o->rings[0]);
    int err = 0;

    if (o == NULL)
        return SP_ENOMEM;
    o->n = workers;
    for (size_t i = 0; i < n_rings && err == 0; i++)
        if (i / workers != i % workers)
            err = sp_ring_new(ring_bytes(workers), &o->rings[i]);
    if (err != 0) {
        sp_post_office_free(o);
        return err;
    }
    *out = o;
    return 0;
}

/* Connections that nobody took off go with their ring. */
static void empty(struct sp_ring *r)
{
    struct sp_span record;

    while (r != NULL && sp_ring_front(r, &record)) {
        const struct letter *l = (const struct letter *)(const void *)record.p;
        sp_stream_free(l->connection);
        sp_ring_pop(r);
    }
}

void sp_post_office_free(struct sp_post_office *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < (size_t)o->n * o->n; i++) {
        empty(o->rings[i]);
        sp_ring_free(o->rings[i]);
    }
    free(o);
}

/* --- in ------------------------------------------------------------------------------------- */

static void deliver(struct sp_post *p, unsigned from, struct sp_span record)
{
    const struct letter *l = (const struct letter *)(const void *)record.p;
    struct sp_span body = sp_span_skip(record, sizeof *l);

    switch (l->kind) {
    case DATAGRAM:
        if (l->at_us + SP_MEDIA_MAX_AGE_US < sp_ticker_now(p->ticker) && !sp_late_is_control(body))
            p->counters.datagrams_late++;
        else
            p->events.datagram(p->arg, &l->relayed, &l->from, body);
        break;
    case CONNECTION:
        p->events.connection(p->arg, l->connection);
        break;
    case NOTE:
        p->events.note(p->arg, from, body);
        break;
    }
}

static void on_bell(struct ev_loop *loop, ev_async *w, int revents)
{
    struct sp_post *p = w->data;
    struct sp_span record;
    bool more = false;
    (void)revents;

    for (unsigned from = 0; from < p->office->n; from++) {
        struct sp_ring *r = ring_between(p->office, from, p->worker);
        unsigned n = 0;
        for (; r != NULL && n < BATCH && sp_ring_front(r, &record); n++) {
            deliver(p, from, record);
            sp_ring_pop(r);
        }
        more |= n == BATCH;
    }
    if (more) /* others wait for this loop as well */
        ev_async_send(loop, w);
}

/* --- out ------------------------------------------------------------------------------------ */

static void on_ring(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct sp_post *p = arg;
    (void)d;
    (void)now_us;

    for (unsigned to = 0; to < p->office->n; to++) {
        uint64_t bit = UINT64_C(1) << (to % 64);
        struct sp_post *other = p->office->posts[to];
        if ((p->to_ring[to / 64] & bit) != 0)
            ev_async_send(other->ticker->loop, &other->bell);
        p->to_ring[to / 64] &= ~bit;
    }
}

static int send_letter(struct sp_post *p, unsigned to, const struct letter *l, struct sp_span head,
                       struct sp_span body)
{
    const struct sp_span parts[] = {sp_span(l, sizeof *l), head, body};

    if (to >= p->office->n || to == p->worker)
        return SP_ENOENT;
    if (!sp_ring_put(ring_between(p->office, p->worker, to), parts, SP_ARRAY_LEN(parts)))
        return SP_EFULL;
    p->to_ring[to / 64] |= UINT64_C(1) << (to % 64);
    sp_ticker_defer(p->ticker, &p->ring);
    return 0;
}

int sp_post_datagram(struct sp_post *p, unsigned to, const struct sp_addr *relayed,
                     const struct sp_addr *from, struct sp_span body)
{
    const struct letter l = {
        .kind = DATAGRAM, .at_us = sp_ticker_now(p->ticker), .relayed = *relayed, .from = *from};
    int err = SP_ENOENT;

    if (to < p->office->n && to != p->worker)
        err = sp_ring_room(ring_between(p->office, p->worker, to)) < sizeof l + body.len + ROOM_KEPT
                  ? SP_EFULL
                  : send_letter(p, to, &l, body, (struct sp_span){0});

    p->counters.datagrams_dropped += err == SP_EFULL;
    return err;
}

int sp_post_connection(struct sp_post *p, unsigned to, struct sp_stream *s)
{
    const struct letter l = {.kind = CONNECTION, .connection = s};

    if (to >= p->office->n || to == p->worker)
        return SP_ENOENT;
    int err = sp_stream_leave(s); /* before somebody else may have it */
    if (err != 0)
        return err;
    err = send_letter(p, to, &l, (struct sp_span){0}, (struct sp_span){0});
    if (err != 0)
        sp_stream_enter(s, p->ticker);
    p->counters.connections += err == 0;
    return err;
}

int sp_post_note(struct sp_post *p, unsigned to, struct sp_span head, struct sp_span body)
{
    const struct letter l = {.kind = NOTE};
    int err = send_letter(p, to, &l, head, body);

    p->counters.notes_dropped += err == SP_EFULL;
    return err;
}

unsigned sp_post_workers(const struct sp_post *p)
{
    return p->office->n;
}

const struct sp_post_counters *sp_post_counters(const struct sp_post *p)
{
    return &p->counters;
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_post_open(struct sp_post_office *o, unsigned worker, struct sp_ticker *ticker,
                 const struct sp_post_events *events, void *arg, struct sp_post **out)
{
    struct sp_post *p = calloc(1, sizeof *p);

    if (p == NULL)
        return SP_ENOMEM;
    p->office = o;
    p->worker = worker;
    p->ticker = ticker;
    p->events = *events;
    p->arg = arg;
    sp_deferred_init(&p->ring, on_ring, p);
    ev_async_init(&p->bell, on_bell);
    p->bell.data = p;
    ev_async_start(ticker->loop, &p->bell);
    o->posts[worker] = p;
    *out = p;
    return 0;
}

void sp_post_close(struct sp_post *p)
{
    if (p == NULL)
        return;
    sp_deferred_cancel(&p->ring);
    ev_async_stop(p->ticker->loop, &p->bell);
    p->office->posts[p->worker] = NULL;
    free(p);
}
