/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What came last is told to the far side, which learns from it how full the path is: now and then,
 * behind what leaves anyway; alone where much came and nothing leaves.
 */
#include <string.h>

#include "tunnel_impl.h"

#define APART_US    SP_MS(25)
#define RIDE_BYTES  2000 /* that came since: fewer are no burden for any path */
#define ALONE_BYTES 8000
#define ALONE_US    SP_MS(40)
#define NOISE_US    SP_MS(20)  /* of round trips */
#define GONE_US     SP_SEC(60) /* till then the way of a lane that has ended is the least known */
#define LIVELY_US   SP_SEC(5)  /* after so many bytes came, all that comes is told of */
#define OFTEN_US    SP_SEC(1)  /* alone, too, where they come that often: less fills no path */
#define BURST_US    SP_MS(100) /* and not at once */

static void on_alone(struct sp_timer *timer, uint64_t now_us, void *arg);

void arrival_init(struct sp_tunnel *t)
{
    sp_timer_init(&t->arrival.alone, on_alone, t);
    sp_bottleneck_init(&t->bottleneck, t->config.burst_rate);
}

void arrival_fini(struct sp_tunnel *t)
{
    sp_timerq_cancel(t->timers, &t->arrival.alone);
}

static uint32_t untold(const struct arrival *a)
{
    return a->last.bytes - a->told.bytes;
}

static void note_how_often(struct arrival *a, uint64_t now_us)
{
    uint64_t took_us = now_us - a->mark_us;

    if (a->last.bytes - a->mark_bytes < RIDE_BYTES || took_us < BURST_US)
        return;
    if (took_us < OFTEN_US)
        a->busy_until_us = now_us + LIVELY_US;
    a->mark_us = now_us;
    a->mark_bytes = a->last.bytes;
}

void arrival_came(struct sp_tunnel *t, uint32_t seq, uint64_t now_us)
{
    struct arrival *a = &t->arrival;

    a->last = (struct sp_arrival){
        .seq = seq, .at_us = (uint32_t)now_us, .bytes = (uint32_t)t->counters.bytes_in};
    note_how_often(a, now_us);
    if (!sp_timer_is_set(&a->alone) && (untold(a) >= ALONE_BYTES || now_us < a->busy_until_us))
        (void)sp_timerq_set(t->timers, &a->alone, now_us + ALONE_US); /* or the next time */
}

/* Nothing answers it: its transaction has no name, which would cost a call of the system. */
static struct sp_control tell(struct sp_tunnel *t, uint64_t now_us)
{
    struct arrival *a = &t->arrival;
    struct sp_control c = {
        .method = SP_CONTROL_ARRIVED, .cls = SP_STUN_INDICATION, .arrival = a->last};

    if (untold(a) >= RIDE_BYTES)
        a->lively_until_us = now_us + LIVELY_US;
    if (untold(a) >= ALONE_BYTES)
        a->busy_until_us = now_us + LIVELY_US;
    a->told = a->last;
    a->told_us = now_us;
    sp_timerq_cancel(t->timers, &a->alone);
    return c;
}

static void on_alone(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;
    struct sp_control c = tell(t, now_us);
    (void)timer;

    tunnel_control(t, &c, NO_LANE, now_us);
}

size_t arrival_ride(struct sp_tunnel *t, struct sp_span record, uint8_t *out, size_t max,
                    uint64_t now_us)
{
    const struct arrival *a = &t->arrival;
    size_t header = record.len + SP_FRAME_CONTROL_HEADER_LEN, len;

    if (now_us - a->told_us < APART_US || a->last.seq == a->told.seq ||
        (untold(a) < RIDE_BYTES && now_us >= a->lively_until_us) ||
        header + SP_CONTROL_ARRIVED_LEN > max)
        return 0;
    struct sp_control c = tell(t, now_us);
    if (sp_control_build(&c, out + header, max - header, &len) != 0)
        return 0;
    if (record.p != out)
        memcpy(out, record.p, record.len);
    sp_frame_control_header(out + record.len, len);
    return header + len;
}

/* How much longer the way of one lane is than that of another. Who joins while a line is full, or
 * kept from being so, knows no other round trip: then it stays what it was. */
static uint32_t spread_us(struct sp_tunnel *t, uint64_t now_us)
{
    uint32_t least_us = now_us - t->arrival.gone_us < GONE_US ? t->arrival.gone_rtt_us : 0;
    uint32_t most_us = 0;

    if (sp_bottleneck_is_known(&t->bottleneck) || sp_bottleneck_is_tight(&t->bottleneck, now_us))
        return t->arrival.spread_us;
    for (size_t i = 0; i < t->lanes_end; i++) {
        uint32_t rtt_us = t->lanes[i] != NULL ? t->lanes[i]->least_rtt_us : 0;
        if (rtt_us == 0)
            continue;
        if (least_us == 0 || rtt_us < least_us)
            least_us = rtt_us;
        if (rtt_us > most_us)
            most_us = rtt_us;
    }
    t->arrival.spread_us = most_us > least_us + NOISE_US ? (most_us - least_us) / 2 : 0;
    return t->arrival.spread_us;
}

/* The shortest way that is known was that of lanes of which none is left. */
static bool has_moved(const struct sp_tunnel *t)
{
    for (size_t i = 0; i < t->lanes_end; i++)
        if (t->lanes[i] != NULL && t->lanes[i]->joined_us <= t->bottleneck.shortest_us)
            return false;
    return t->bottleneck.shortest_us != 0;
}

static void expect_queue(struct sp_lane *l, bool queue)
{
    if (l->ops->expect_queue != NULL)
        l->ops->expect_queue(queue, l->arg);
}

void arrival_on_told(struct sp_tunnel *t, const struct sp_control *c, uint64_t now_us)
{
    if (has_moved(t)) {
        sp_bottleneck_moved(&t->bottleneck);
        t->arrival.gone_rtt_us = 0;
    }
    sp_bottleneck_arrived(&t->bottleneck, &c->arrival, spread_us(t, now_us), now_us);
    width_on_told(t, now_us);
    bool narrow = sp_bottleneck_is_known(&t->bottleneck);
    if (narrow == t->arrival.narrow)
        return;
    t->arrival.narrow = narrow;
    for (size_t i = 0; i < t->lanes_end; i++) {
        if (t->lanes[i] != NULL)
            expect_queue(t->lanes[i], narrow);
    }
}

void arrival_on_lane(struct sp_tunnel *t, struct sp_lane *l)
{
    if (t->arrival.narrow)
        expect_queue(l, true);
}

void arrival_on_lane_end(struct sp_tunnel *t, const struct sp_lane *l, uint64_t now_us)
{
    struct arrival *a = &t->arrival;

    sp_bottleneck_lost(&t->bottleneck, lane_unacked(l));
    if (l->least_rtt_us != 0 && (a->gone_rtt_us == 0 || now_us - a->gone_us >= GONE_US ||
                                 l->least_rtt_us <= a->gone_rtt_us)) {
        a->gone_rtt_us = l->least_rtt_us;
        a->gone_us = now_us;
    }
}
