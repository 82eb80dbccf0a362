/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parity across lanes: as much of it as the far side's reports of what it misses call for, by lanes
 * that took nothing of what it covers; and what it gives back here.
 */
#include <string.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"

#define GROUP_US  SP_MS(35) /* the first may still be played when the last of a group is there */
#define WINDOW_US SP_MS(500)
#define RECENT    4    /* windows that count when losses rise */
#define RARE      5000 /* one of more that is missed is repeated for less than any parity costs */
#define REST_US   SP_SEC(6)

/* A frame that takes the line so long is a big one. */
#define PAUSE_US SP_MS(5)
#define BIG_US   SP_MS(20)

static void on_close(struct sp_timer *timer, uint64_t now_us, void *arg);
static void on_rest(struct sp_timer *timer, uint64_t now_us, void *arg);

void parity_init(struct sp_tunnel *t)
{
    struct parity *p = &t->parity;

    sp_timer_init(&p->close, on_close, t);
    sp_timer_init(&p->rest, on_rest, t);
    sp_parity_enc_init(&p->enc, GROUP_US);
    sp_parity_dec_init(&p->dec, t->config.max_queue_bytes, t->config.max_age_us);
}

void parity_fini(struct sp_tunnel *t)
{
    struct parity *p = &t->parity;

    sp_timerq_cancel(t->timers, &p->close);
    sp_timerq_cancel(t->timers, &p->rest);
    sp_parity_enc_fini(&p->enc);
    sp_parity_dec_fini(&p->dec);
}

/* --- how much ------------------------------------------------------------------------------- */

static void next_window(struct parity *p, uint64_t now_us)
{
    while (now_us - p->window_us >= WINDOW_US) {
        bool long_ago = now_us - p->window_us > WINDOW_US * PARITY_WINDOWS;
        p->window_us = long_ago ? now_us : p->window_us + WINDOW_US;
        p->at = (p->at + 1) % PARITY_WINDOWS;
        p->windows[p->at] = (struct parity_window){0};
        if (long_ago)
            for (unsigned i = 0; i < PARITY_WINDOWS; i++)
                p->windows[i] = (struct parity_window){0};
    }
}

static struct parity_window sum(const struct parity *p, unsigned n)
{
    struct parity_window s = {0};

    for (unsigned i = 0; i < n; i++) {
        const struct parity_window *w = &p->windows[(p->at + PARITY_WINDOWS - i) % PARITY_WINDOWS];
        s.left += w->left;
        s.missed += w->missed;
        s.runs += w->runs;
    }
    return s;
}

static unsigned per_mille(const struct parity_window *w)
{
    return w->left < 20 ? 0 : (unsigned)(1000 * (uint64_t)w->missed / w->left);
}

/* The steps are where tests/bench/README.md's model and its measurements say that they pay. */
static void adapt(struct parity *p)
{
    static const struct {
        unsigned per_mille, k, m;
    } steps[] = {{35, 10, 3}, {7, 14, 2}, {1, 14, 1}, {0, 1, 0}};
    struct parity_window all = sum(p, PARITY_WINDOWS), recent = sum(p, RECENT);
    unsigned share = per_mille(&all), i = 0;

    if (per_mille(&recent) > share)
        share = per_mille(&recent);
    if (share == 0 && (uint64_t)all.missed * RARE > all.left)
        share = 1;
    /* Losses in a row hit several of a group. */
    if (all.runs > 4 && all.missed * 10 > all.runs * 18 && share > 0 && share < 35)
        share = share < 7 ? 7 : 35;
    while (share < steps[i].per_mille)
        i++;
    (void)sp_parity_enc_set(&p->enc, steps[i].k, steps[i].m); /* within its bounds */
}

void parity_missed(struct sp_tunnel *t, uint32_t seq, uint64_t now_us)
{
    struct parity *p = &t->parity;

    if (sp_bottleneck_is_tight(&t->bottleneck, now_us))
        return; /* less is called for, and not more */
    next_window(p, now_us);
    p->windows[p->at].missed++;
    p->windows[p->at].runs += seq != p->last_missed + 1;
    p->last_missed = seq;
    adapt(p);
}

/* --- out ------------------------------------------------------------------------------------ */

static void send_parity(struct sp_tunnel *t, struct sp_span payload, uint64_t now_us)
{
    uint8_t frame[SP_FRAME_CONTROL_HEADER_LEN + SP_PARITY_HEADER_MAX + SP_PARITY_SUM_MAX];
    struct parity *p = &t->parity;
    size_t len = SP_FRAME_CONTROL_HEADER_LEN + payload.len;

    if (len > sizeof frame)
        return;
    int lane = tunnel_pick_lane(t, p->lanes, SP_LANE_SURE, now_us);
    if (lane == NO_LANE)
        lane = tunnel_pick_lane(t, 0, SP_LANE_SURE, now_us);
    if (lane == NO_LANE)
        return;
    sp_frame_parity_header(frame, payload.len);
    memcpy(frame + SP_FRAME_CONTROL_HEADER_LEN, payload.p, payload.len);
    p->lanes |= sp_lane_bit((unsigned)lane);
    t->counters.parity_out++;
    t->lanes[lane]->turn = ++t->turns;
    lane_send(t->lanes[lane], sp_span(frame, len), now_us);
}

static void count_burst(struct parity *p, uint64_t now_us)
{
    if (now_us - p->video_us >= PAUSE_US) {
        p->burst_us = now_us;
        p->burst_n = 0;
    }
    p->video_us = now_us;
    p->burst_n++;
}

/* A key frame on its way through a line that it fills, and not what leaves all the time. */
static bool is_big_frame(const struct parity *p, uint64_t now_us)
{
    uint64_t us = now_us - p->burst_us;
    struct parity_window usual = sum(p, RECENT);

    return now_us - p->video_us < PAUSE_US && us >= BIG_US &&
           (uint64_t)p->burst_n * RECENT * WINDOW_US * 2 > (uint64_t)usual.left * us * 3;
}

/* Parity would make later what is held back, or what still comes of a frame that fills the line:
 * more than it could give back. */
static void close_group(struct sp_tunnel *t, uint64_t now_us)
{
    struct parity *p = &t->parity;
    struct sp_span payloads[SP_PARITY_MAX_M];
    size_t n = sp_parity_enc_close(&p->enc, payloads);
    bool room = (!sp_bottleneck_is_scarce(&t->bottleneck, now_us) ||
                 sp_classq_first(&t->queue) == SP_N_CLASSES) &&
                !(sp_bottleneck_has_queues(&t->bottleneck, now_us) && is_big_frame(p, now_us));

    sp_timerq_cancel(t->timers, &p->close);
    for (size_t i = 0; i < n && room; i++)
        send_parity(t, payloads[i], now_us);
    p->lanes = 0;
}

static void on_close(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    (void)timer;
    close_group(arg, now_us);
}

void parity_left(struct sp_tunnel *t, uint32_t seq, uint16_t flow, struct sp_span datagram,
                 sp_lane_set lanes, enum sp_class c, uint64_t now_us)
{
    struct parity *p = &t->parity;

    next_window(p, now_us);
    p->windows[p->at].left++;
    if (c == SP_CLASS_VIDEO)
        count_burst(p, now_us);
    if (p->adapted_us != p->window_us) {
        p->adapted_us = p->window_us;
        adapt(p);
    }
    if (!sp_parity_enc_on(&p->enc) || c < SP_CLASS_VOICE || c > SP_CLASS_VIDEO ||
        sp_bottleneck_is_tight(&t->bottleneck, now_us))
        return;
    int err = sp_parity_enc_add(&p->enc, seq, flow, datagram, now_us);
    if (err == SP_EFULL) {
        close_group(t, now_us);
        err = sp_parity_enc_add(&p->enc, seq, flow, datagram, now_us);
    }
    if (err != 0)
        return;
    p->lanes |= lanes;
    uint64_t due_us = sp_parity_enc_next(&p->enc);
    if (due_us <= now_us)
        close_group(t, now_us);
    else if (!sp_timer_is_set(&p->close) && sp_timerq_set(t->timers, &p->close, due_us) != 0)
        close_group(t, now_us);
}

/* --- in ------------------------------------------------------------------------------------- */

static void take_found(struct sp_tunnel *t, uint64_t now_us)
{
    struct sp_parity_found f;

    while (sp_parity_dec_next(&t->parity.dec, &f)) {
        if (!tunnel_wants(t, f.seq, now_us))
            continue;
        t->counters.recovered++;
        tunnel_deliver(t, f.flow, f.datagram, now_us);
    }
}

void parity_came(struct sp_tunnel *t, struct sp_span payload, uint64_t now_us)
{
    struct parity *p = &t->parity;
    int err = sp_parity_dec_parity(&p->dec, payload, now_us);

    t->counters.parity_in++;
    t->counters.malformed += err == SP_EBADMSG;
    if (!sp_timer_is_set(&p->rest))
        (void)sp_timerq_set(t->timers, &p->rest, now_us + REST_US);
    take_found(t, now_us);
}

void parity_data(struct sp_tunnel *t, uint32_t seq, uint16_t flow, struct sp_span datagram,
                 uint64_t now_us)
{
    sp_parity_dec_data(&t->parity.dec, seq, flow, datagram, now_us);
    if (t->parity.dec.n_groups > 0 || t->parity.dec.found != NULL)
        take_found(t, now_us);
}

/* Nothing comes any more: its memory is given back. */
static void on_rest(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel *t = arg;

    sp_parity_dec_expire(&t->parity.dec, now_us);
    if (now_us - t->parity.dec.last_parity_us < REST_US)
        (void)sp_timerq_set(t->timers, timer, now_us + REST_US);
}
