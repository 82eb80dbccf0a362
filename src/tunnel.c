/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames out (queue, number, hand to a lane) and frames in (cut, judge, deliver).
 */
#include "sallyport/tunnel.h"

#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"

#define BATCH    64 /* datagrams told at once */
#define LOOK_MAX 4  /* lanes asked after a flush how they fare */

static void on_age(struct sp_timer *timer, uint64_t now_us, void *arg);
static void on_linger(struct sp_timer *timer, uint64_t now_us, void *arg);

/* --- life ----------------------------------------------------------------------------------- */

void sp_tunnel_config_default(struct sp_tunnel_config *c, enum sp_tunnel_role role)
{
    *c = (struct sp_tunnel_config){
        .role = role,
        .linger_us = SP_SEC(30),
        .max_age_us = SP_MS(400),       /* beyond it a player has given up on a datagram */
        .max_queue_bytes = 1024 * 1024, /* 400 ms of 20 Mbit/s */
        .max_flows = 1024,              /* an office on one gateway */
    };
}

int sp_tunnel_new(const struct sp_tunnel_config *c, const struct sp_tunnel_events *events,
                  void *arg, struct sp_timerq *timers, struct sp_rng *rng, struct sp_tunnel **out)
{
    struct sp_tunnel *t = calloc(1, sizeof *t);

    if (t == NULL)
        return SP_ENOMEM;
    t->config = *c;
    t->events = events;
    t->arg = arg;
    t->timers = timers;
    t->rng = rng;
    sp_dgramq_init(&t->queue, c->max_queue_bytes, c->max_age_us);
    sp_seqwin_init(&t->window, c->max_age_us);
    sp_ratelimit_init(&t->close_limit, 10, 20);
    sp_timer_init(&t->age, on_age, t);
    sp_timer_init(&t->linger, on_linger, t);
    drain_init(t);
    repair_init(t);
    *out = t;
    return 0;
}

void sp_tunnel_free(struct sp_tunnel *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < SP_LANES_MAX; i++) {
        struct sp_lane *l = t->lanes[i];
        if (l == NULL)
            continue;
        sp_timerq_cancel(t->timers, &l->check);
        l->ops->close(l->arg);
        free(l);
    }
    flow_free_all(t);
    drain_fini(t);
    repair_fini(t);
    sp_timerq_cancel(t->timers, &t->age);
    sp_timerq_cancel(t->timers, &t->linger);
    sp_dgramq_fini(&t->queue);
    free(t);
}

static void on_linger(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    (void)timer;
    (void)now_us;
    t->events->expired(t->arg);
}

/* --- lanes ---------------------------------------------------------------------------------- */

int sp_tunnel_lane_add(struct sp_tunnel *t, unsigned number, const struct sp_lane_ops *ops,
                       void *arg, uint64_t now_us, struct sp_lane **out)
{
    if (number >= SP_LANES_MAX)
        return SP_EINVAL;
    struct sp_lane *l = calloc(1, sizeof *l);
    if (l == NULL)
        return SP_ENOMEM;
    l->number = number;
    l->ops = ops;
    l->arg = arg;
    if (lane_init(l, t, now_us) != 0) {
        free(l);
        return SP_ENOMEM;
    }

    struct sp_lane *old = t->lanes[number];
    t->lanes[number] = l;
    t->n_lanes += old == NULL;
    t->counters.lanes_joined++;
    sp_timerq_cancel(t->timers, &t->linger);
    *out = l;
    lane_measure(l, now_us); /* its handshake was a round trip already */
    if (old != NULL) {
        sp_timerq_cancel(t->timers, &old->check);
        old->ops->close(old->arg);
        free(old);
    }
    drain_on_lane(t, now_us);
    tunnel_want_flush(t);
    return 0;
}

void sp_tunnel_lane_remove(struct sp_lane *l, uint64_t now_us)
{
    struct sp_tunnel *t = l->tunnel;

    sp_timerq_cancel(t->timers, &l->check);
    t->lanes[l->number] = NULL;
    t->n_lanes--;
    t->counters.lanes_lost++;
    free(l);
    if (t->n_lanes == 0 && t->config.role == SP_TUNNEL_EDGE)
        sp_timerq_set(t->timers, &t->linger, now_us + (t->drain.heard ? 0 : t->config.linger_us));
}

size_t sp_tunnel_lane_count(const struct sp_tunnel *t)
{
    return t->n_lanes;
}

struct sp_lane *sp_tunnel_lane(const struct sp_tunnel *t, unsigned number)
{
    return number < SP_LANES_MAX ? t->lanes[number] : NULL;
}

void sp_tunnel_lane_writable(struct sp_lane *l)
{
    tunnel_want_flush(l->tunnel);
}

/* The best that is known: the least of the lanes' round trips. */
static uint64_t least_rtt_us(const struct sp_tunnel *t)
{
    uint64_t best = 0;

    for (size_t i = 0; i < SP_LANES_MAX; i++) {
        uint64_t rtt = t->lanes[i] != NULL ? sp_lane_rtt_us(t->lanes[i]) : 0;
        if (rtt > 0 && (best == 0 || rtt < best))
            best = rtt;
    }
    return best;
}

uint64_t tunnel_repeat_us(const struct sp_tunnel *t, unsigned repeats)
{
    uint64_t wait_us = least_rtt_us(t);

    if (wait_us < REPEAT_MIN_US)
        wait_us = REPEAT_MIN_US;
    wait_us <<= repeats < 5 ? repeats : 5;
    return wait_us > REPEAT_MAX_US ? REPEAT_MAX_US : wait_us;
}

/* --- out ------------------------------------------------------------------------------------ */

void tunnel_want_flush(struct sp_tunnel *t)
{
    if (t->flush_told || sp_dgramq_empty(&t->queue))
        return;
    t->flush_told = true;
    t->events->flush(t->arg);
}

static void copy_parts(uint8_t *to, const struct sp_span *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > 0)
            memcpy(to, parts[i].p, parts[i].len);
        to += parts[i].len;
    }
}

static void queue_data(struct sp_flow *f, const struct sp_span *parts, size_t n, size_t len,
                       uint64_t now_us)
{
    uint8_t *p = sp_dgramq_push(&f->tunnel->queue, SP_FRAME_HEADER_LEN + len, now_us);

    if (p == NULL)
        return;
    sp_frame_data_header(p, f->number, 0, len); /* numbered when it leaves */
    copy_parts(p + SP_FRAME_HEADER_LEN, parts, n);
}

/* Until its OPEN is answered each datagram of a flow travels inside one. */
static void queue_open(struct sp_flow *f, const struct sp_span *parts, size_t n, size_t len,
                       uint64_t now_us)
{
    uint8_t body[SP_DATAGRAM_MAX], msg[SP_DATAGRAM_MAX + SP_CONTROL_OVERHEAD];
    size_t msg_len;

    copy_parts(body, parts, n);
    struct sp_control c = {.method = SP_CONTROL_OPEN,
                           .cls = SP_STUN_REQUEST,
                           .flow = f->number,
                           .kind = f->kind,
                           .local = f->local,
                           .has_data = true,
                           .data = sp_span(body, len)};

    memcpy(c.id, f->id, sizeof c.id);
    if (sp_control_build(&c, msg, sizeof msg, &msg_len) != 0)
        return;
    uint8_t *p = sp_dgramq_push(&f->tunnel->queue, SP_FRAME_CONTROL_HEADER_LEN + msg_len, now_us);
    if (p == NULL)
        return;
    sp_frame_control_header(p, msg_len);
    memcpy(p + SP_FRAME_CONTROL_HEADER_LEN, msg, msg_len);
}

void sp_flow_send(struct sp_flow *f, const struct sp_span *parts, size_t n, uint64_t now_us)
{
    struct sp_tunnel *t = f->tunnel;
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    if (len > SP_DATAGRAM_MAX) {
        t->counters.dropped_too_big++;
        return;
    }
    f->used = true;
    if (f->state == FLOW_OPENING)
        queue_open(f, parts, n, len, now_us);
    else
        queue_data(f, parts, n, len, now_us);
    tunnel_want_flush(t);
}

/* Gives each frame its number, now that it leaves: what age dropped before never looks like a gap.
 */
static void number_frames(struct sp_tunnel *t, uint8_t *p, size_t n, int lane, uint64_t now_us)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = sp_dgramq_len_at(&t->queue, i);
        uint8_t *msg = p + SP_FRAME_CONTROL_HEADER_LEN;

        if (sp_get_be16(p + 2) == SP_FLOW_CONTROL) {
            sp_put_be32(msg + SP_CONTROL_SEQ_OFFSET, t->next_seq);
            flow_open_left(t, sp_get_be16(msg + SP_CONTROL_FLOW_OFFSET), sp_span(p, len), lane,
                           sp_dgramq_time_at(&t->queue, i), now_us);
        } else {
            sp_put_be32(p + 4, t->next_seq);
        }
        repair_left(t, t->next_seq++, sp_span(p, len), lane, sp_dgramq_time_at(&t->queue, i),
                    now_us);
        p += len;
    }
    t->counters.datagrams_out += n;
}

static bool can_take(const struct sp_lane *l)
{
    return !l->suspect && l->ops->has_room(l->arg);
}

static struct sp_lane_view view_lane(const struct sp_lane *l, uint64_t now_us)
{
    return (struct sp_lane_view){.usable = true,
                                 .doubtful = lane_is_doubtful(l, now_us),
                                 .queued_bytes = l->measure.unacked_bytes + l->sent_since,
                                 .turn = l->turn};
}

/* Lanes are asked how they fare (a call to the kernel each) only where none is known to be idle. */
int tunnel_pick_lane(struct sp_tunnel *t, uint32_t avoid, bool sure, uint64_t now_us)
{
    struct sp_lane_view v[SP_LANES_MAX] = {0};
    bool idle = false;

    for (size_t i = 0; i < SP_LANES_MAX; i++) {
        const struct sp_lane *l = t->lanes[i];
        if (l == NULL || !can_take(l) || (avoid >> i & 1) != 0)
            continue;
        v[i] = view_lane(l, now_us);
        idle |= lane_is_idle(l);
    }
    for (size_t i = 0; !idle && i < SP_LANES_MAX; i++) {
        if (!v[i].usable)
            continue;
        lane_measure(t->lanes[i], now_us);
        v[i] = view_lane(t->lanes[i], now_us);
    }
    int best = sp_schedule_pick(v, SP_LANES_MAX, avoid);
    return best >= 0 && sure && v[best].doubtful ? NO_LANE : best;
}

/* After something has left, when nobody waits for it: which lanes have become idle. */
static void look_after_lanes(struct sp_tunnel *t, uint64_t now_us)
{
    unsigned asked = 0;

    for (size_t i = 0; i < SP_LANES_MAX && asked < LOOK_MAX; i++) {
        if (t->lanes[i] == NULL || !lane_is_due(t->lanes[i], now_us))
            continue;
        lane_measure(t->lanes[i], now_us);
        asked++;
    }
}

void sp_tunnel_flush(struct sp_tunnel *t, uint64_t now_us)
{
    int i;

    t->flush_told = false;
    sp_dgramq_expire(&t->queue, now_us);
    while (!sp_dgramq_empty(&t->queue) && (i = tunnel_pick_lane(t, 0, false, now_us)) >= 0) {
        struct sp_lane *l = t->lanes[i];
        size_t n;
        struct sp_span frames = sp_dgramq_front(&t->queue, SP_TUNNEL_RECORD_TARGET, &n);

        number_frames(t, sp_dgramq_head(&t->queue), n, i, now_us);
        lane_send(l, frames, now_us);
        sp_dgramq_pop(&t->queue, n);
        l->turn = ++t->turns;
    }
    look_after_lanes(t, now_us);
    if (sp_dgramq_empty(&t->queue))
        sp_timerq_cancel(t->timers, &t->age);
    else
        sp_timerq_set(t->timers, &t->age, sp_dgramq_next(&t->queue));
}

/* No lane had room for the oldest in time. */
static void on_age(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    (void)timer;
    sp_tunnel_flush(t, now_us);
}

/* Control messages do not wait: they are few, and the lane that is the best may be the only one. */
static struct sp_lane *control_lane(const struct sp_tunnel *t, int avoid)
{
    struct sp_lane *best = NULL;
    unsigned best_rank = 0;

    for (size_t i = 0; i < SP_LANES_MAX; i++) {
        struct sp_lane *l = t->lanes[i];
        if (l == NULL)
            continue;
        unsigned rank = 1 + 2 * (unsigned)can_take(l) + (unsigned)((int)i != avoid);
        if (best == NULL || rank > best_rank || (rank == best_rank && l->turn < best->turn)) {
            best = l;
            best_rank = rank;
        }
    }
    return best;
}

int tunnel_send_frame(struct sp_tunnel *t, struct sp_span frame, int avoid, uint64_t now_us)
{
    struct sp_lane *l = control_lane(t, avoid);

    if (l == NULL)
        return NO_LANE;
    l->turn = ++t->turns;
    lane_send(l, frame, now_us);
    return (int)l->number;
}

static int build_frame(const struct sp_control *c,
                       uint8_t out[static SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD],
                       size_t *len)
{
    int err = sp_control_build(c, out + SP_FRAME_CONTROL_HEADER_LEN, SP_CONTROL_OVERHEAD, len);

    if (err == 0) {
        sp_frame_control_header(out, *len);
        *len += SP_FRAME_CONTROL_HEADER_LEN;
    }
    return err;
}

int tunnel_control(struct sp_tunnel *t, const struct sp_control *c, int avoid, uint64_t now_us)
{
    uint8_t frame[SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD];
    size_t len;

    if (build_frame(c, frame, &len) != 0)
        return NO_LANE;
    return tunnel_send_frame(t, sp_span(frame, len), avoid, now_us);
}

void tunnel_answer(struct sp_lane *l, const struct sp_control *request, unsigned code)
{
    uint8_t frame[SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD];
    size_t len;
    struct sp_control c = {.method = request->method,
                           .cls = code == 0 ? SP_STUN_SUCCESS : SP_STUN_ERROR,
                           .flow = request->flow,
                           .code = code};

    memcpy(c.id, request->id, sizeof c.id);
    if (build_frame(&c, frame, &len) == 0)
        lane_send(l, sp_span(frame, len), l->last_in_us);
}

/* --- in ------------------------------------------------------------------------------------- */

/* Datagrams of one flow that arrived together. */
struct batch {
    uint16_t flow;
    size_t n;
    struct sp_span d[BATCH];
};

static void deliver(struct sp_tunnel *t, struct batch *b, uint64_t now_us)
{
    size_t n = b->n;
    struct sp_flow *f = n > 0 ? flow_find(t, b->flow) : NULL;

    b->n = 0;
    if (n == 0)
        return;
    if (f != NULL && (f->state == FLOW_OPEN || f->state == FLOW_OPENING)) {
        t->counters.datagrams_in += n;
        t->events->datagrams(f, b->d, n, now_us, t->arg);
    } else {
        t->counters.dropped_unknown_flow += n;
        flow_unknown(t, b->flow, now_us);
    }
}

bool tunnel_wants(struct sp_tunnel *t, uint32_t seq, uint64_t now_us)
{
    uint32_t next = t->window.highest + 1;

    switch (sp_seqwin_take(&t->window, seq, now_us)) {
    case SP_SEQ_NEW:
        if ((int32_t)(seq - next) > 0)
            repair_gap(t, now_us);
        return true;
    case SP_SEQ_COPY:
        t->counters.dropped_copy++;
        return false;
    case SP_SEQ_OLD:
        t->counters.dropped_old++;
        return false;
    case SP_SEQ_LATE:
        t->counters.dropped_late++;
        return false;
    }
    return false;
}

static void on_control(struct sp_lane *l, struct sp_span body, uint64_t now_us)
{
    struct sp_tunnel *t = l->tunnel;
    struct sp_control c = {0};
    bool answerable;

    if (sp_control_parse(body, &c, &answerable) != 0) {
        t->counters.malformed++;
        if (answerable)
            tunnel_answer(l, &c, SP_CONTROL_MALFORMED);
        return;
    }
    if (c.method == SP_CONTROL_REPORT) {
        repair_on_report(t, &c, now_us);
        return;
    }
    if (c.cls != SP_STUN_REQUEST) {
        if (c.method == SP_CONTROL_PING)
            lane_on_ping_answer(l, &c, now_us);
        else if (c.method == SP_CONTROL_DRAIN)
            drain_on_answer(t, &c);
        else
            flow_on_answer(t, &c, now_us);
        return;
    }
    if (c.method == SP_CONTROL_OPEN)
        flow_on_open(l, &c, now_us);
    else if (c.method == SP_CONTROL_CLOSE)
        flow_on_close(l, &c, now_us);
    else if (c.method == SP_CONTROL_DRAIN)
        drain_on_request(l, &c);
    else
        tunnel_answer(l, &c, 0);
}

static void on_data(struct sp_tunnel *t, const struct sp_frame *fr, struct batch *b,
                    uint64_t now_us)
{
    if (!tunnel_wants(t, fr->seq, now_us))
        return;
    if (b->n == BATCH || (b->n > 0 && b->flow != fr->flow))
        deliver(t, b, now_us);
    b->flow = fr->flow;
    b->d[b->n++] = fr->body;
}

int sp_tunnel_lane_input(struct sp_lane *l, struct sp_span s, uint64_t now_us, size_t *used)
{
    struct sp_tunnel *t = l->tunnel;
    struct batch b = {.n = 0};
    struct sp_span packet;
    size_t len;
    int err;

    *used = 0;
    lane_alive(l, now_us);
    while ((err = sp_rfc4571_next(sp_span_skip(s, *used), SP_FRAME_MAX, &packet, &len)) == 0) {
        struct sp_frame fr;

        *used += len;
        t->counters.bytes_in += len;
        err = sp_frame_parse(packet, &fr);
        if (err == SP_ENOENT)
            continue;
        if (err != 0)
            break;
        if (fr.kind == SP_FRAME_CONTROL) {
            deliver(t, &b, now_us); /* in the order in which the lane carried them */
            on_control(l, fr.body, now_us);
        } else if (fr.kind == SP_FRAME_DATA) {
            on_data(t, &fr, &b, now_us);
        }
    }
    deliver(t, &b, now_us);
    if (err == SP_EMORE)
        return 0;
    t->counters.malformed++;
    return err;
}

const struct sp_tunnel_counters *sp_tunnel_counters(struct sp_tunnel *t)
{
    t->counters.dropped_age = t->queue.dropped_old;
    t->counters.dropped_full = t->queue.dropped_full;
    return &t->counters;
}
