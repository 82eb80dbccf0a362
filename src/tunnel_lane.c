/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane's health. A dead TCP connection looks established for minutes, so each lane is watched:
 * bytes without acknowledgement and without progress make it suspect after max(1 s, 4 round trips),
 * and an idle one is asked by a ping. A suspect lane gets no more datagrams.
 */
#include <string.h>

#include "tunnel_impl.h"

#define SUSPECT_MIN_US  SP_SEC(1)
#define PING_GATEWAY_US SP_SEC(15)
#define PING_EDGE_US    SP_SEC(20) /* only when the gateway's own ping failed to come */
#define PING_WAIT_US    SP_SEC(5)
#define PROBE_WAIT_US   SP_MS(500)
#define RESTART         6 /* records at once: TCP begins again with 10 segments (RFC 6928) */
#define PAUSE_US        SP_MS(200) /* after a pause, of a retransmission timeout; so long at least */
#define OWES_US         SP_MS(6)   /* sp_sock_tune_lane */
#define STALLED_US      SP_MS(100)
#define LOOK_US         SP_MS(250) /* while something is not acknowledged */
#define MEASURE_US      SP_MS(2)   /* a measurement is good for that long */
#define NARROW_US       SP_MS(5)   /* where one lane carries all: half of the slack before doubt */
#define MOMENT_US       250        /* so late a record may be, so that it can be long */

static void on_look(struct sp_timer *timer, uint64_t now_us, void *arg);

void lanes_init(struct sp_tunnel *t)
{
    sp_timer_init(&t->look, on_look, t);
}

void lanes_fini(struct sp_tunnel *t)
{
    sp_timerq_cancel(t->timers, &t->look);
}

/* All lanes of a tunnel share a timer: thousands of them would make its queue long. */
static int look_at(struct sp_lane *l, uint64_t due_us)
{
    struct sp_tunnel *t = l->tunnel;

    l->look_us = due_us;
    if (sp_timer_is_set(&t->look) && t->look.due_us <= due_us)
        return 0;
    return sp_timerq_set(t->timers, &t->look, due_us);
}

int lane_init(struct sp_lane *l, struct sp_tunnel *t, uint64_t now_us)
{
    l->tunnel = t;
    l->last_in_us = l->progress_us = now_us;
    return look_at(l, tunnel_leisure(now_us + LOOK_US));
}

static uint64_t patience_us(const struct sp_lane *l, uint64_t at_least)
{
    uint64_t rtts = (uint64_t)sp_lane_rtt_us(l) * 4;
    return rtts > at_least ? rtts : at_least;
}

static uint64_t ping_interval_us(const struct sp_lane *l)
{
    return l->tunnel->config.role == SP_TUNNEL_GATEWAY ? PING_GATEWAY_US : PING_EDGE_US;
}

size_t lane_unacked(const struct sp_lane *l)
{
    return l->measure.unacked_bytes + l->sent_since;
}

bool lane_is_idle(const struct sp_lane *l)
{
    return lane_unacked(l) == 0;
}

static bool is_fresh(const struct sp_lane *l, uint64_t now_us)
{
    return l->measured_us != 0 && now_us - l->measured_us < MEASURE_US;
}

/* Of acknowledgements that a kernel puts off, too. */
static uint64_t slack_us(const struct sp_lane *l)
{
    return SP_MS(10) + sp_lane_rtt_us(l) / 4;
}

/* What it takes now would wait for a round trip, and what others take would overtake it. Where a
 * queue stands it had better wait: by another lane it would make that longer. */
static bool is_full(const struct sp_lane *l, uint64_t now_us)
{
    return l->measure.has_window && l->segments_since >= l->measure.window &&
           !sp_bottleneck_is_tight(&l->tunnel->bottleneck, now_us);
}

bool lane_is_doubtful(const struct sp_lane *l, uint64_t now_us)
{
    return !lane_is_idle(l) &&
           (is_full(l, now_us) || now_us - l->busy_us > sp_lane_rtt_us(l) + slack_us(l));
}

bool lane_is_stalled(const struct sp_lane *l, uint64_t now_us)
{
    return !lane_is_idle(l) && now_us - l->busy_us > 2 * (uint64_t)sp_lane_rtt_us(l) + STALLED_US;
}

bool lane_owes(const struct sp_lane *l, uint64_t now_us)
{
    return l->last_in_us > l->sent_us && now_us - l->last_in_us < OWES_US;
}

bool lane_may_have_news(const struct sp_lane *l, uint64_t now_us)
{
    return !lane_is_idle(l) && now_us - l->busy_us >= l->least_rtt_us;
}

bool lane_is_due(const struct sp_lane *l, uint64_t now_us)
{
    uint64_t apart_us = sp_tunnel_is_wide(l->tunnel) ? MEASURE_US : NARROW_US;

    return !lane_is_idle(l) && now_us - l->measured_us >= apart_us &&
           now_us - l->busy_us >= sp_lane_rtt_us(l);
}

void lane_measure(struct sp_lane *l, uint64_t now_us)
{
    struct sp_lane_measure m = {0};

    if (is_fresh(l, now_us))
        return;
    l->ops->measure(&m, l->arg);
    if (m.acked_bytes != l->measure.acked_bytes || (m.unacked_bytes > 0 && !l->waiting))
        l->progress_us = now_us;
    if (m.acked_bytes != l->measure.acked_bytes && l->busy_us + m.rtt_us < now_us)
        l->busy_us =
            now_us - m.rtt_us; /* the oldest that is left came after what was acknowledged */
    l->waiting = m.unacked_bytes > 0;
    if (m.acked_bytes != l->measure.acked_bytes)
        width_on_rtt(l->tunnel, m.rtt_us);
    if (m.rtt_us > 0 && (l->least_rtt_us == 0 || m.rtt_us < l->least_rtt_us))
        l->least_rtt_us = m.rtt_us;
    l->measure = m;
    l->measured_us = now_us;
    l->sent_since = 0;
    l->segments_since = 0;
}

static void ping(struct sp_lane *l, uint64_t now_us)
{
    struct sp_control c = {.method = SP_CONTROL_PING, .cls = SP_STUN_REQUEST};
    uint8_t frame[SP_FRAME_CONTROL_HEADER_LEN + SP_CONTROL_OVERHEAD];
    size_t len;

    sp_rng_bytes(l->tunnel->rng, c.id, sizeof c.id);
    if (sp_control_build(&c, frame + SP_FRAME_CONTROL_HEADER_LEN, SP_CONTROL_OVERHEAD, &len) != 0)
        return;
    sp_frame_control_header(frame, len);
    memcpy(l->ping_id, c.id, sizeof l->ping_id);
    l->pinging = true;
    l->pinged_us = now_us;
    lane_send(l, sp_span(frame, SP_FRAME_CONTROL_HEADER_LEN + len), now_us);
}

void lane_on_ping_answer(struct sp_lane *l, const struct sp_control *c, uint64_t now_us)
{
    if (!l->pinging || memcmp(l->ping_id, c->id, sizeof l->ping_id) != 0)
        return;
    l->pinging = l->probing = false;
    l->ping_rtt_us = (uint32_t)(now_us - l->pinged_us);
}

/* Anything that arrives proves that the path works, both ways more often than not. */
void lane_alive(struct sp_lane *l, uint64_t now_us)
{
    l->last_in_us = now_us;
}

/* Who waits for the record waits for its last byte, and a lost segment holds back all of it: a
 * segment, then, or what a path that loses nothing, as far as is known, takes in a moment. */
size_t lane_record_max(const struct sp_lane *l)
{
    const struct sp_lane_measure *m = &l->measure;

    if (sp_tunnel_is_wide(l->tunnel) || sp_bottleneck_is_known(&l->tunnel->bottleneck) ||
        !m->has_window || m->rtt_us == 0)
        return SP_TUNNEL_RECORD_TARGET;
    uint64_t len = (uint64_t)m->window * SP_TUNNEL_RECORD_TARGET * MOMENT_US / m->rtt_us;
    if (len < SP_TUNNEL_RECORD_TARGET)
        return SP_TUNNEL_RECORD_TARGET;
    return len < SP_TUNNEL_RECORD_MAX ? (size_t)len : SP_TUNNEL_RECORD_MAX;
}

void lane_send(struct sp_lane *l, struct sp_span frames, uint64_t now_us)
{
    uint64_t look_us = tunnel_leisure(now_us + LOOK_US);

    if (lane_is_idle(l)) {
        l->busy_us = now_us;
        if (now_us - l->sent_us > PAUSE_US && l->measure.window > RESTART)
            l->measure.window = RESTART;
    }
    l->sent_since += frames.len;
    l->segments_since += sp_tunnel_segments(frames.len);
    l->sent_us = now_us;
    l->tunnel->counters.bytes_out += frames.len;
    sp_bottleneck_sent(&l->tunnel->bottleneck, frames.len, now_us);
    l->ops->send(frames, l->arg);
    if (!l->waiting && l->look_us > look_us)
        (void)look_at(l, look_us); /* the timer is set: moving never fails */
}

/* Whether it has become suspect just now. */
static bool judge(struct sp_lane *l, uint64_t now_us)
{
    bool stuck = l->waiting && now_us - l->progress_us >= patience_us(l, SUSPECT_MIN_US);
    uint64_t wait_us = l->probing ? PROBE_WAIT_US : PING_WAIT_US;
    bool mute = l->pinging && now_us - l->pinged_us >= patience_us(l, wait_us);
    bool was_suspect = l->suspect;

    l->suspect = stuck || mute;
    if (was_suspect && !l->suspect)
        tunnel_want_flush(l->tunnel);
    return l->suspect && !was_suspect;
}

/* Asks how it fares, and when to do so again; whether it has become suspect just now. */
static bool look(struct sp_lane *l, uint64_t now_us)
{
    uint64_t idle_end_us = l->last_in_us + ping_interval_us(l);

    if (!lane_is_idle(l) || now_us - l->measured_us >= LOOK_US) /* or nothing is new */
        lane_measure(l, now_us);
    if (!l->pinging && now_us >= idle_end_us)
        ping(l, now_us);
    bool watched = l->waiting || l->pinging || l->sent_since > 0;
    uint64_t due_us = now_us + LOOK_US;
    if (!watched && idle_end_us > due_us)
        due_us = idle_end_us;
    l->look_us = tunnel_leisure(due_us);
    return judge(l, now_us);
}

static void on_look(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    struct sp_lane *found = NULL;
    uint64_t due_us = SP_NEVER;

    (void)sp_timerq_set(t->timers, timer, now_us + LOOK_US); /* it was set: there is room yet */
    for (size_t i = 0; i < t->lanes_end; i++) {
        struct sp_lane *l = t->lanes[i];
        if (l == NULL)
            continue;
        if (found == NULL && l->look_us <= now_us && look(l, now_us))
            found = l;
        if (l->look_us < due_us)
            due_us = l->look_us; /* of those behind the one that was found: now */
    }
    (void)sp_timerq_set(t->timers, timer, due_us);
    if (found != NULL) {
        t->counters.lanes_suspected++;
        t->events->lane_suspect(found, t->arg); /* last: it may lead to anything */
    }
}

void sp_tunnel_probe(struct sp_tunnel *t, uint64_t now_us)
{
    for (size_t i = 0; i < SP_LANES_MAX; i++) {
        struct sp_lane *l = t->lanes[i];
        if (l == NULL || l->suspect)
            continue;
        l->probing = true;
        ping(l, now_us);
        (void)look_at(l, now_us + LOOK_US); /* the timer is set: moving never fails */
    }
}

unsigned sp_lane_number(const struct sp_lane *l)
{
    return l->number;
}

bool sp_lane_is_suspect(const struct sp_lane *l)
{
    return l->suspect;
}

uint32_t sp_lane_rtt_us(const struct sp_lane *l)
{
    return l->measure.rtt_us > 0 ? l->measure.rtt_us : l->ping_rtt_us;
}
