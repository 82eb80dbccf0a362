/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A datagram that is missing while later ones have come by other lanes is asked for at once, and
 * sent again by a lane that works: that takes one round trip, where TCP's own retransmission takes
 * longer, and holds back what is behind it.
 *
 * The receiver's part: a report of what is missing, REORDER_US after a gap appeared (lanes are not
 * equally fast), and again as long as there is one; not while a lane is behind with reading. The
 * sender's part: a memory of what left.
 */
#include "tunnel_impl.h"

#define REORDER_US  SP_MS(2)
#define AGAIN_US    SP_MS(20) /* or a round trip: what was asked for can't be here before */
#define SENT_MAX    ((size_t)1024 * 1024)
#define REPEATS_MAX 3 /* of one datagram */

/* What a far side can make this one do, whatever it reports: of the bytes that leave, so many more
 * in 100, and this much at once; and no more reports than an honest one sends. */
#define CREDIT_PERCENT   50
#define CREDIT_MAX       ((size_t)128 * 1024) /* 400 ms of 2.6 Mbit/s */
#define REPORTS_PER_S    (SP_SEC(1) / REORDER_US)
#define REPORTS_TOGETHER 50

static void on_report_due(struct sp_timer *timer, uint64_t now_us, void *arg);
static void on_forget(struct sp_timer *timer, uint64_t now_us, void *arg);

void repair_init(struct sp_tunnel *t)
{
    sp_timer_init(&t->repair.report, on_report_due, t);
    sp_timer_init(&t->repair.forget, on_forget, t);
    sp_ratelimit_init(&t->repair.limit, REPORTS_PER_S, REPORTS_TOGETHER);
    sp_sent_init(&t->repair.sent, SENT_MAX, t->config.max_age_us);
    t->repair.credit = CREDIT_MAX;
}

void repair_fini(struct sp_tunnel *t)
{
    sp_timerq_cancel(t->timers, &t->repair.report);
    sp_timerq_cancel(t->timers, &t->repair.forget);
    sp_sent_fini(&t->repair.sent);
}

/* --- what is missing here ------------------------------------------------------------------- */

static void report_at(struct sp_tunnel *t, uint64_t at_us)
{
    t->repair.below = t->window.highest;
    t->repair.gap = false;
    (void)sp_timerq_set(t->timers, &t->repair.report, at_us); /* no memory: TCP repairs it, later */
}

void repair_gap(struct sp_tunnel *t, uint64_t now_us)
{
    const struct sp_timer *report = &t->repair.report;

    t->repair.gap = true;
    if (!sp_timer_is_set(report) || report->due_us > now_us + REORDER_US)
        report_at(t, now_us + REORDER_US);
}

/* Where more comes than is read in a turn of the loop: what is missing may lie in a socket yet. */
static bool may_have_come(const struct sp_tunnel *t)
{
    for (size_t i = 0; i < t->lanes_end; i++) {
        const struct sp_lane *l = t->lanes[i];
        if (l != NULL && l->ops->has_more != NULL && l->ops->has_more(l->arg))
            return true;
    }
    return false;
}

static void on_report_due(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    struct sp_control c = {
        .method = SP_CONTROL_REPORT, .cls = SP_STUN_INDICATION, .seq = t->repair.below};
    uint8_t missing[SP_CONTROL_MISSING_MAX];

    if (may_have_come(t)) {
        (void)sp_timerq_set(t->timers, timer, now_us + REORDER_US);
        return;
    }
    size_t len = sp_seqwin_missing(&t->window, c.seq, now_us, missing, sizeof missing);
    if (len > 0) {
        c.missing = sp_span(missing, len);
        sp_rng_bytes(t->rng, c.id, sizeof c.id);
        t->counters.reports_out += tunnel_control(t, &c, NO_LANE, now_us) != NO_LANE;
        width_on_missed(t, now_us);
    }
    if (t->repair.gap)
        report_at(t, now_us + REORDER_US);
    else if (len > 0)
        report_at(t, now_us + (t->width.rtt_us > AGAIN_US ? t->width.rtt_us : AGAIN_US));
}

/* --- what the far side misses --------------------------------------------------------------- */

/* What left last is too old by then: an idle tunnel holds no memory. */
static void forget_later(struct sp_tunnel *t, uint64_t now_us)
{
    (void)sp_timerq_set(t->timers, &t->repair.forget,
                        tunnel_leisure(now_us + t->config.max_age_us + 1));
}

static void on_forget(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    (void)timer;

    sp_sent_expire(&t->repair.sent, now_us);
    if (t->repair.sent.count > 0)
        forget_later(t, now_us);
}

void repair_rest(struct sp_tunnel *t, uint64_t now_us)
{
    sp_sent_expire(&t->repair.sent, now_us);
    sp_sent_rest(&t->repair.sent);
}

void repair_left(struct sp_tunnel *t, uint32_t seq, struct sp_span frame, sp_lane_set lanes,
                 enum sp_class c, uint64_t queued_us, uint64_t now_us)
{
    struct sp_sent_frame *f = sp_sent_add(&t->repair.sent, seq, frame, queued_us, now_us);

    t->repair.credit += frame.len * CREDIT_PERCENT / 100;
    if (t->repair.credit > CREDIT_MAX)
        t->repair.credit = CREDIT_MAX;
    if (f == NULL)
        return;
    f->lanes = lanes;
    f->cls = (uint8_t)c;
    if (!sp_timer_is_set(&t->repair.forget))
        forget_later(t, now_us);
}

/* By one of the lanes that took it, which are not stalled, nor others under the same number. */
static bool is_on_its_way(const struct sp_tunnel *t, const struct sp_sent_frame *f)
{
    for (unsigned i = 0; i < SP_LANES_MAX; i++) {
        const struct sp_lane *l = t->lanes[i];
        if (sp_lane_is_in(f->lanes, i) && l != NULL && !l->suspect && l->joined_us <= f->left_us)
            return true;
    }
    return false;
}

/* Worth it while it can be there in time, by a lane where nothing seems to be lost. */
static void repeat(struct sp_tunnel *t, struct sp_sent_frame *f, uint64_t now_us)
{
    uint64_t max_age_us = t->queue.of[f->cls].max_age_us;

    if (f->repeats == REPEATS_MAX || f->len > t->repair.credit || now_us > f->first_us + max_age_us)
        return;
    if (f->cls > SP_CLASS_VOICE && sp_bottleneck_is_tight(&t->bottleneck, now_us) &&
        is_on_its_way(t, f))
        return;
    int lane = tunnel_pick_lane(t, f->lanes, SP_LANE_SURE, now_us);
    if (lane == NO_LANE)
        return;
    t->repair.credit -= f->len;
    f->repeats++;
    f->left_us = now_us;
    f->lanes |= sp_lane_bit((unsigned)lane);
    t->counters.repeated++;
    t->lanes[lane]->turn = ++t->turns;
    lane_send(t->lanes[lane], sp_sent_bytes(&t->repair.sent, f), now_us);
}

static bool is_missing(const struct sp_control *c, size_t i)
{
    return c->missing.p[i / 8] >> (i % 8) & 1;
}

/* A repeat is missed only when something that left after it has come. */
void repair_on_report(struct sp_tunnel *t, const struct sp_control *c, uint64_t now_us)
{
    const struct sp_sent_frame *newest = sp_sent_find(&t->repair.sent, c->seq);

    t->counters.reports_in++;
    width_on_missed(t, now_us);
    if (newest == NULL || !sp_ratelimit_take(&t->repair.limit, now_us))
        return;
    for (size_t i = c->missing.len * 8; i-- > 0;) { /* the oldest first */
        struct sp_sent_frame *f;

        if (!is_missing(c, i) ||
            (f = sp_sent_find(&t->repair.sent, c->seq - 1 - (uint32_t)i)) == NULL)
            continue;
        if (!f->missed)
            parity_missed(t, f->seq, now_us);
        t->counters.missed += !f->missed;
        f->missed = true;
        if (f->repeats == 0 || newest->left_us > f->left_us)
            repeat(t, f, now_us);
    }
}
