/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tunnel's life, its lanes, and frames in: cut, judged, delivered.
 */
#include "sallyport/tunnel.h"

#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"

#define BATCH 64 /* datagrams told at once */

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
        .burst_rate = 1250000,          /* a key frame of 40 KB in 32 ms */
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
    sp_seqwin_init(&t->window, c->max_age_us);
    sp_ratelimit_init(&t->close_limit, 10, 20);
    sp_timer_init(&t->linger, on_linger, t);
    lanes_init(t);
    out_init(t);
    repair_init(t);
    width_init(t);
    copy_init(t);
    parity_init(t);
    arrival_init(t);
    drain_init(t);
    ask_init(t);
    *out = t;
    return 0;
}

void sp_tunnel_free(struct sp_tunnel *t)
{
    if (t == NULL)
        return;
    ask_fini(t);
    lanes_fini(t);
    for (size_t i = 0; i < SP_LANES_MAX; i++) {
        struct sp_lane *l = t->lanes[i];
        if (l == NULL)
            continue;
        l->ops->close(l->arg);
        free(l);
    }
    flow_free_all(t);
    out_fini(t);
    repair_fini(t);
    parity_fini(t);
    arrival_fini(t);
    copy_fini(t);
    width_fini(t);
    drain_fini(t);
    sp_timerq_cancel(t->timers, &t->linger);
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
    l->joined_us = now_us;
    l->ops = ops;
    l->arg = arg;
    if (lane_init(l, t, now_us) != 0) {
        free(l);
        return SP_ENOMEM;
    }

    struct sp_lane *old = t->lanes[number];
    t->lanes[number] = l;
    if (t->lanes_end <= number)
        t->lanes_end = number + 1;
    t->n_lanes += old == NULL;
    t->counters.lanes_joined++;
    sp_timerq_cancel(t->timers, &t->linger);
    *out = l;
    lane_measure(l, now_us); /* its handshake was a round trip already */
    if (old != NULL) {
        arrival_on_lane_end(t, old, now_us);
        old->ops->close(old->arg);
        free(old);
    }
    arrival_on_lane(t, l);
    drain_on_lane(t, now_us);
    tunnel_want_flush(t);
    return 0;
}

void sp_tunnel_lane_remove(struct sp_lane *l, uint64_t now_us)
{
    struct sp_tunnel *t = l->tunnel;

    t->lanes[l->number] = NULL;
    while (t->lanes_end > 0 && t->lanes[t->lanes_end - 1] == NULL)
        t->lanes_end--;
    t->n_lanes--;
    t->counters.lanes_lost++;
    arrival_on_lane_end(t, l, now_us);
    free(l);
    if (t->n_lanes > 0)
        return;
    lanes_fini(t);
    if (t->config.role == SP_TUNNEL_EDGE)
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

    for (size_t i = 0; i < t->lanes_end; i++) {
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

void tunnel_deliver(struct sp_tunnel *t, uint16_t flow, struct sp_span datagram, uint64_t now_us)
{
    struct batch b = {.flow = flow, .n = 1, .d = {datagram}};

    deliver(t, &b, now_us);
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
    if (c.method == SP_CONTROL_ARRIVED) {
        arrival_on_told(t, &c, now_us);
        return;
    }
    if (c.cls != SP_STUN_REQUEST) {
        if (c.method == SP_CONTROL_PING)
            lane_on_ping_answer(l, &c, now_us);
        else if (c.method == SP_CONTROL_DRAIN)
            drain_on_answer(t, &c);
        else if (c.method == SP_CONTROL_ASK)
            ask_on_answer(t, &c, now_us);
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
    else if (c.method == SP_CONTROL_ASK)
        ask_on_request(l, &c, now_us);
    else
        tunnel_answer(l, &c, 0);
}

static void on_data(struct sp_tunnel *t, const struct sp_frame *fr, struct batch *b,
                    uint64_t now_us)
{
    bool wanted = tunnel_wants(t, fr->seq, now_us);

    if (wanted && fr->seq == t->window.highest)
        arrival_came(t, fr->seq, now_us);
    parity_data(t, fr->seq, fr->flow, fr->body, now_us);
    if (!wanted)
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
        } else {
            deliver(t, &b, now_us);
            parity_came(t, fr.body, now_us);
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
    t->counters.dropped_age = sp_classq_dropped_old(&t->queue);
    t->counters.dropped_full = sp_classq_dropped_full(&t->queue);
    return &t->counters;
}
