/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tunnel's way out: a datagram is put among those of its class, numbered when its turn comes, and
 * handed to the lane that is the best just then.
 */
#include <string.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"

#define LOOK_MAX  8 /* lanes asked after a flush how they fare */
#define FLIGHT_US SP_MS(5)
#define POLL_US   SP_MS(10) /* while something waits and no lane works */
#define REST_US   SP_SEC(5) /* to take memory again costs more than to have it */

static void on_age(struct sp_timer *timer, uint64_t now_us, void *arg);

void out_init(struct sp_tunnel *t)
{
    sp_classify_init(&t->classify, t->rng);
    sp_classq_init(&t->queue, t->config.max_queue_bytes, t->config.max_age_us);
    sp_timer_init(&t->age, on_age, t);
}

void out_fini(struct sp_tunnel *t)
{
    sp_timerq_cancel(t->timers, &t->age);
    sp_classq_fini(&t->queue);
    sp_classify_fini(&t->classify);
}

/* --- a datagram is queued ------------------------------------------------------------------- */

static bool nothing_waits(const struct sp_tunnel *t)
{
    return sp_classq_first(&t->queue) == SP_N_CLASSES;
}

void tunnel_want_flush(struct sp_tunnel *t)
{
    if (t->flush_told || nothing_waits(t))
        return;
    t->flush_told = true;
    t->events->flush(t->arg);
}

static void queue_data(struct sp_flow *f, struct sp_span d, enum sp_class c, uint64_t now_us)
{
    uint8_t *p = sp_classq_push(&f->tunnel->queue, c, SP_FRAME_HEADER_LEN + d.len, now_us);

    if (p == NULL)
        return;
    sp_frame_data_header(p, f->number, 0, d.len); /* numbered when it leaves */
    if (d.len > 0)
        memcpy(p + SP_FRAME_HEADER_LEN, d.p, d.len);
}

/* Until its OPEN is answered each datagram of a flow travels inside one. */
static void queue_open(struct sp_flow *f, struct sp_span d, enum sp_class class, uint64_t now_us)
{
    uint8_t msg[SP_DATAGRAM_MAX + SP_CONTROL_OVERHEAD];
    size_t msg_len;
    struct sp_control c = {.method = SP_CONTROL_OPEN,
                           .cls = SP_STUN_REQUEST,
                           .flow = f->number,
                           .kind = f->kind,
                           .local = f->local,
                           .has_data = true,
                           .data = d};

    memcpy(c.id, f->id, sizeof c.id);
    if (sp_control_build(&c, msg, sizeof msg, &msg_len) != 0)
        return;
    uint8_t *p =
        sp_classq_push(&f->tunnel->queue, class, SP_FRAME_CONTROL_HEADER_LEN + msg_len, now_us);
    if (p == NULL)
        return;
    sp_frame_control_header(p, msg_len);
    memcpy(p + SP_FRAME_CONTROL_HEADER_LEN, msg, msg_len);
}

void sp_flow_send(struct sp_flow *f, const struct sp_span *parts, size_t n, uint64_t now_us)
{
    struct sp_tunnel *t = f->tunnel;
    uint8_t joined[SP_DATAGRAM_MAX];

    if (sp_spans_len(parts, n) > SP_DATAGRAM_MAX) {
        t->counters.dropped_too_big++;
        return;
    }
    struct sp_span d = n == 1 ? parts[0] : sp_spans_join(joined, parts, n);
    enum sp_class c = sp_classify(&t->classify, f->number, d, now_us);
    f->used = true;
    if (f->state == FLOW_OPENING)
        queue_open(f, d, c, now_us);
    else
        queue_data(f, d, c, now_us);
    tunnel_want_flush(t);
}

/* --- which lane ----------------------------------------------------------------------------- */

static bool has_room(const struct sp_lane *l)
{
    return l->ops->has_room(l->arg);
}

/* A lane that has made no progress for too long gets nothing: what waits here can still be dropped
 * when it is too old, and goes by the first that is back. */
static struct sp_lane_view view_lane(const struct sp_lane *l, uint64_t now_us)
{
    return (struct sp_lane_view){.usable = !l->suspect && !lane_is_stalled(l, now_us),
                                 .doubtful = lane_is_doubtful(l, now_us),
                                 .owes = lane_owes(l, now_us),
                                 .queued_bytes = lane_unacked(l),
                                 .turn = l->turn};
}

static bool one_is_idle(const struct sp_tunnel *t, sp_lane_set avoid)
{
    for (size_t i = 0; i < t->lanes_end; i++)
        if (t->lanes[i] != NULL && !sp_lane_is_in(avoid, (unsigned)i) && lane_is_idle(t->lanes[i]))
            return true;
    return false;
}

/* Every lane that is looked at costs time before the datagram leaves: a narrow tunnel looks no
 * further than the first that is well. Lanes are asked how they fare (a call to the kernel each)
 * only where none is known to be idle, and those of them that may be by now; or where the one that
 * carries all is to be watched. */
static int best_lane(struct sp_tunnel *t, sp_lane_set avoid, struct sp_lane_view *best,
                     uint64_t now_us)
{
    struct sp_lane_view v[SP_LANES_MAX];
    bool wide = sp_tunnel_is_wide(t), ask = wide && !one_is_idle(t, avoid);
    size_t n = 0;

    for (size_t i = 0; i < t->lanes_end; i++) {
        struct sp_lane *l = t->lanes[i];
        v[n++] = (struct sp_lane_view){0};
        if (l == NULL || sp_lane_is_in(avoid, (unsigned)i))
            continue;
        if ((ask && lane_may_have_news(l, now_us)) || lane_is_doubtful(l, now_us))
            lane_measure(l, now_us);
        v[i] = view_lane(l, now_us);
        if (!wide && v[i].usable && !v[i].doubtful)
            break;
    }
    int lane = sp_schedule_pick(v, n, avoid, wide);
    if (lane >= 0)
        *best = v[lane];
    return lane;
}

int tunnel_pick_lane(struct sp_tunnel *t, sp_lane_set avoid, enum lane_need need, uint64_t now_us)
{
    struct sp_lane_view view;
    int best;

    while ((best = best_lane(t, avoid, &view, now_us)) >= 0) {
        if (need == SP_LANE_SURE && view.doubtful)
            return NO_LANE;
        if (has_room(t->lanes[best]))
            return best;
        avoid |= sp_lane_bit((unsigned)best);
    }
    return NO_LANE;
}

/* A handshake's datagrams leave in flights, of which a later one says nothing before the first has
 * come (and is thrown away then): they follow each other by one lane. */
static int pick_lane_of(struct sp_tunnel *t, enum sp_class c, uint64_t now_us)
{
    struct flight *f = &t->flight;
    const struct sp_lane *l = now_us < f->until_us ? t->lanes[f->lane] : NULL;

    if (c != SP_CLASS_CONTROL)
        return tunnel_pick_lane(t, 0, SP_LANE_ANY, now_us);
    if (l == NULL || l->suspect || lane_is_stalled(l, now_us) || !has_room(l))
        f->lane = tunnel_pick_lane(t, 0, SP_LANE_ANY, now_us);
    f->until_us = f->lane == NO_LANE ? 0 : now_us + FLIGHT_US;
    return f->lane;
}

/* After something has left, when nobody waits for it: which lanes have become idle. */
static void look_after_lanes(struct sp_tunnel *t, uint64_t now_us)
{
    unsigned asked = 0;

    for (size_t i = 0; i < t->lanes_end && asked < LOOK_MAX; i++) {
        if (t->lanes[i] == NULL || !lane_is_due(t->lanes[i], now_us))
            continue;
        lane_measure(t->lanes[i], now_us);
        asked++;
    }
}

/* --- frames leave --------------------------------------------------------------------------- */

/* Gives each frame its number, now that it leaves: what age dropped before never looks like a gap.
 */
static void number_frames(const struct sp_tunnel *t, struct sp_dgramq *q, size_t n)
{
    uint8_t *p = sp_dgramq_head(q);

    for (uint32_t i = 0; i < n; i++) {
        bool control = sp_get_be16(p + 2) == SP_FLOW_CONTROL;
        uint8_t *seq = p + (control ? SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_SEQ_OFFSET : 4);
        sp_put_be32(seq, t->next_seq + i);
        p += sp_dgramq_len_at(q, i);
    }
}

/* What the rest has to know of frames that have left: to repeat them, copy them, cover them by
 * parity. */
static void note_frames(struct sp_tunnel *t, struct sp_dgramq *q, size_t n, int lane,
                        enum sp_class c, uint64_t now_us)
{
    sp_lane_set lanes = sp_lane_bit((unsigned)lane);
    const uint8_t *p = sp_dgramq_head(q);

    for (size_t i = 0; i < n; i++) {
        struct sp_span frame = sp_span(p, sp_dgramq_len_at(q, i));
        uint64_t queued_us = sp_dgramq_time_at(q, i);
        uint16_t flow = sp_get_be16(p + 2);

        if (flow == SP_FLOW_CONTROL)
            flow_open_left(t, sp_get_be16(p + SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_FLOW_OFFSET),
                           frame, lane, queued_us, now_us);
        repair_left(t, t->next_seq, frame, lanes, c, queued_us, now_us);
        copy_left(t, t->next_seq, c, now_us);
        if (flow != SP_FLOW_CONTROL)
            parity_left(t, t->next_seq, flow, sp_span_skip(frame, SP_FRAME_HEADER_LEN), lanes, c,
                        now_us);
        t->next_seq++;
        p += frame.len;
    }
    t->counters.datagrams_out += n;
}

/* A record of the most urgent that waits. False: no lane takes it. What is to be remembered of it
 * is written down when it has left already. */
static bool send_record(struct sp_tunnel *t, enum sp_class c, uint64_t now_us)
{
    struct sp_dgramq *q = &t->queue.of[c];
    uint8_t record[SP_TUNNEL_RECORD_MAX];
    int lane = pick_lane_of(t, c, now_us);
    size_t n;

    if (lane == NO_LANE)
        return false;
    size_t max = lane_record_max(t->lanes[lane]);
    struct sp_span frames = sp_dgramq_front(q, max, &n);
    number_frames(t, q, n);
    uint64_t queued_us = sp_dgramq_time_at(q, 0);
    struct sp_span all = frames;
    size_t len = copy_ride(t, lane, queued_us, frames, record, now_us);
    if (len > 0)
        all = sp_span(record, len);
    if ((len = arrival_ride(t, all, record, max, now_us)) > 0)
        all = sp_span(record, len);
    t->lanes[lane]->turn = ++t->turns;
    lane_send(t->lanes[lane], all, now_us);
    sp_bottleneck_left(&t->bottleneck, t->next_seq, now_us);
    width_on_sent(t, now_us);
    note_frames(t, q, n, lane, c, now_us);
    sp_dgramq_pop(q, n);
    return true;
}

/* When what waits becomes too old, or a lane may have come back to life unnoticed, or the path has
 * room again. When nothing waits, the memory of what waited and left is given back by and by. */
static void wait_for_room(struct sp_tunnel *t, bool held, uint64_t now_us)
{
    uint64_t next_us = sp_classq_next(&t->queue);
    uint64_t room_us = held ? sp_bottleneck_next(&t->bottleneck, now_us) : now_us + POLL_US;

    if (nothing_waits(t) && (!sp_timer_is_set(&t->age) || t->age.due_us < now_us + REST_US / 2))
        sp_timerq_set(t->timers, &t->age, tunnel_leisure(now_us + REST_US));
    else if (!nothing_waits(t))
        sp_timerq_set(t->timers, &t->age, t->n_lanes > 0 && room_us < next_us ? room_us : next_us);
}

/* What is urgent never waits for others. */
static bool is_held(struct sp_tunnel *t, enum sp_class c, uint64_t now_us)
{
    return c > SP_CLASS_RTCP && sp_bottleneck_holds(&t->bottleneck, now_us);
}

void sp_tunnel_flush(struct sp_tunnel *t, uint64_t now_us)
{
    enum sp_class c;
    bool held = false;

    t->flush_told = false;
    sp_classq_expire(&t->queue, now_us);
    while ((c = sp_classq_first(&t->queue)) != SP_N_CLASSES && !(held = is_held(t, c, now_us)) &&
           send_record(t, c, now_us))
        ;
    look_after_lanes(t, now_us);
    wait_for_room(t, held, now_us);
}

static void on_age(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    (void)timer;
    if (nothing_waits(t)) {
        sp_classq_rest(&t->queue);
        repair_rest(t, now_us);
    } else if (!t->flush_told) { /* or the owner is about to */
        sp_tunnel_flush(t, now_us);
    }
}

/* --- control messages ----------------------------------------------------------------------- */

/* Control messages do not wait: they are few, and where no lane is well, any will do. */
static struct sp_lane *any_lane(const struct sp_tunnel *t, int avoid)
{
    struct sp_lane *best = NULL;
    unsigned best_rank = 0;

    for (size_t i = 0; i < t->lanes_end; i++) {
        struct sp_lane *l = t->lanes[i];
        if (l == NULL)
            continue;
        unsigned rank =
            1 + 2 * (unsigned)(!l->suspect && has_room(l)) + (unsigned)((int)i != avoid);
        if (best == NULL || rank > best_rank || (rank == best_rank && l->turn < best->turn)) {
            best = l;
            best_rank = rank;
        }
    }
    return best;
}

int tunnel_send_frame(struct sp_tunnel *t, struct sp_span frame, int avoid, uint64_t now_us)
{
    int best = tunnel_pick_lane(t, avoid != NO_LANE ? sp_lane_bit((unsigned)avoid) : 0, SP_LANE_ANY,
                                now_us);
    struct sp_lane *l = best != NO_LANE ? t->lanes[best] : any_lane(t, avoid);

    if (l == NULL)
        return NO_LANE;
    l->turn = ++t->turns;
    lane_send(l, frame, now_us);
    return (int)l->number;
}

/* The longest control message without a datagram in it. */
struct control_frame {
    uint8_t bytes[SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD + SP_CONTROL_BODY_MAX];
    size_t len;
};

static int build_frame(const struct sp_control *c, struct control_frame *out)
{
    size_t cap = sizeof out->bytes - SP_FRAME_CONTROL_HEADER_LEN;
    int err = sp_control_build(c, out->bytes + SP_FRAME_CONTROL_HEADER_LEN, cap, &out->len);

    if (err == 0) {
        sp_frame_control_header(out->bytes, out->len);
        out->len += SP_FRAME_CONTROL_HEADER_LEN;
    }
    return err;
}

int tunnel_control(struct sp_tunnel *t, const struct sp_control *c, int avoid, uint64_t now_us)
{
    struct control_frame f;

    if (build_frame(c, &f) != 0)
        return NO_LANE;
    return tunnel_send_frame(t, sp_span(f.bytes, f.len), avoid, now_us);
}

void tunnel_control_by(struct sp_lane *l, const struct sp_control *c)
{
    struct control_frame f;

    if (build_frame(c, &f) == 0)
        lane_send(l, sp_span(f.bytes, f.len), l->last_in_us);
}

void tunnel_answer(struct sp_lane *l, const struct sp_control *request, unsigned code)
{
    struct sp_control c = {.method = request->method,
                           .cls = code == 0 ? SP_STUN_SUCCESS : SP_STUN_ERROR,
                           .flow = request->flow,
                           .code = code};

    memcpy(c.id, request->id, sizeof c.id);
    tunnel_control_by(l, &c);
}
