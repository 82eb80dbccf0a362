/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call by way of a line that is too slow for it, or that somebody else fills: the tunnel sends no
 * more than the line takes, so voice need not stand in a queue behind video; but who is not the
 * only one in the queue does not give way to others who never would.
 *
 * All lanes share one line with a drop-tail queue (link_model.h). A packet that it refuses or loses
 * is sent again a while later, and holds back what follows on its lane, as TCP does; it is
 * acknowledged up to ACK_MAX after it came. The way back has no queue.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "link_model.h"
#include "media_source.h"
#include "sallyport/err.h"
#include "sim.h"
#include "tunnel_impl.h"

#define LANES    8
#define ONE_WAY  SP_MS(30)
#define QUEUE    SP_MS(150)
#define AGAIN    SP_MS(120) /* after a packet was refused or lost */
#define ACK_MAX  SP_MS(8)
#define OVERHEAD 74    /* TLS, TCP, IP */
#define MOST     65536 /* datagrams of one stream */
#define LATE     SP_MS(50)

struct world;

struct lane {
    struct world *world;
    struct sp_lane *from, *to;
    uint64_t sent, came, acked; /* bytes */
    uint32_t rtt_us, least_us, delivered, retransmits;
};

/* A record on its way, or another's packet (lane NULL). */
struct packet {
    struct link_packet link;
    struct world *world;
    struct lane *lane;
    struct packet *next; /* that was sent before it, of all lanes */
    struct sp_timer timer;
    uint64_t sent_us, offset, ack_us;
    uint32_t rtt_us; /* 0: it was sent again, which tells nothing */
    bool again, came, acked, flies;
    size_t len;
    uint8_t bytes[2048];
};

struct stream {
    struct world *world;
    struct media_source source;
    struct sp_timer timer;
    unsigned n, came;
    unsigned late, held_up, measured; /* since world.measure_us; held up: not by the queue alone */
    uint64_t least_us;
};

struct world {
    struct sim sim;
    struct sp_tunnel *gateway, *edge;
    struct sp_flow *flow;
    struct sp_timer flush[2], line_timer, other;
    struct link_line line;
    struct lane lanes[LANES], back[LANES];
    struct packet *packets;
    struct stream streams[MEDIA_CLASSES];
    uint64_t measure_us;
    bool greedy; /* another keeps most of the queue full */
    bool quiet;
};

/* --- the line ------------------------------------------------------------------------------- */

static void look_at_line(struct world *w)
{
    uint64_t next_ns = link_next_ns(&w->line);

    if (next_ns == LINK_NEVER)
        sp_timerq_cancel(&w->sim.timers, &w->line_timer);
    else
        ck_assert_int_eq(sp_timerq_set(&w->sim.timers, &w->line_timer, (next_ns + 999) / 1000), 0);
}

static void missed(struct packet *p)
{
    if (p->lane == NULL) {
        free(p);
        return;
    }
    p->again = true;
    p->lane->retransmits++;
    sim_set(&p->world->sim, &p->timer, AGAIN);
}

static void offer(struct packet *p)
{
    struct world *w = p->world;

    p->link = (struct link_packet){.len = (uint32_t)(p->len + OVERHEAD)};
    if (!link_offer(&w->line, &p->link, w->sim.now_us * 1000))
        missed(p);
    look_at_line(w);
}

static void acked(struct packet *p)
{
    struct lane *l = p->lane;

    p->acked = true;
    l->acked += p->len;
    l->delivered++;
    if (p->rtt_us == 0)
        return;
    l->rtt_us = l->rtt_us == 0 ? p->rtt_us : (l->rtt_us * 7 + p->rtt_us) / 8;
    if (l->least_us == 0 || p->rtt_us < l->least_us)
        l->least_us = p->rtt_us;
}

static void come(struct packet *p);

/* It is to be sent again, or is acknowledged. */
static void on_packet(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct packet *p = arg;
    (void)timer, (void)now_us;

    if (p->came)
        acked(p);
    else if (p->flies)
        come(p);
    else
        offer(p);
}

/* All that follows what has come already. */
static void read_lane(struct lane *l)
{
    struct world *w = l->world;
    bool more = true;

    while (more) {
        more = false;
        for (struct packet *p = w->packets; p != NULL; p = p->next) {
            size_t used;
            if (p->lane != l || !p->came || p->offset != l->came)
                continue;
            l->came += p->len;
            ck_assert_int_eq(
                sp_tunnel_lane_input(l->to, sp_span(p->bytes, p->len), w->sim.now_us, &used), 0);
            ck_assert_uint_eq(used, p->len); /* records hold whole frames */
            sim_set(&w->sim, &p->timer, ONE_WAY + p->ack_us);
            more = true;
        }
    }
}

static void come(struct packet *p)
{
    struct sim *sim = &p->world->sim;

    p->came = true;
    p->ack_us = sim_below(sim, ACK_MAX);
    if (!p->again) /* selective acknowledgements tell, whatever is missing before it */
        p->rtt_us = (uint32_t)(sim->now_us - p->sent_us + ONE_WAY + p->ack_us);
    read_lane(p->lane);
}

static void on_line(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    struct link_packet *link;
    (void)timer;

    while ((link = link_take(&w->line, now_us * 1000)) != NULL) {
        struct packet *p = (struct packet *)link;
        if (p->lane == NULL) {
            free(p);
            continue;
        }
        if (link->lost)
            missed(p);
        else
            come(p);
    }
    look_at_line(w);
}

static void forget_acked(struct world *w)
{
    for (struct packet **at = &w->packets; *at != NULL;) {
        struct packet *p = *at;
        if (p->acked) {
            *at = p->next;
            free(p);
        } else {
            at = &p->next;
        }
    }
}

static void on_other(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    (void)now_us;

    if (!w->greedy || w->quiet)
        return;
    while (w->line.waiting_bytes * 8 * SP_SEC(1) / w->line.params.rate_bps < SP_MS(120)) {
        struct packet *p = sim_alloc(sizeof *p);
        *p = (struct packet){.world = w, .len = 1426};
        offer(p);
    }
    sim_set(&w->sim, timer, SP_MS(2));
}

/* --- lanes ---------------------------------------------------------------------------------- */

static void lane_sends(struct sp_span frames, void *arg)
{
    struct lane *l = arg;
    struct world *w = l->world;
    struct packet *p = sim_alloc(sizeof *p);

    SIM_REQUIRE(&w->sim, frames.len <= sizeof p->bytes);
    *p = (struct packet){.world = w, .lane = l, .sent_us = w->sim.now_us, .offset = l->sent};
    p->len = frames.len;
    memcpy(p->bytes, frames.p, frames.len);
    sp_timer_init(&p->timer, on_packet, p);
    l->sent += frames.len;
    forget_acked(w);
    p->next = w->packets;
    w->packets = p;
    if (l >= w->back && l < w->back + LANES) { /* no line, no loss */
        p->flies = true;
        sim_set(&w->sim, &p->timer, ONE_WAY);
        return;
    }
    offer(p);
}

static bool lane_has_room(void *arg)
{
    (void)arg;
    return true;
}

static void lane_measures(struct sp_lane_measure *out, void *arg)
{
    struct lane *l = arg;

    *out = (struct sp_lane_measure){.acked_bytes = l->acked,
                                    .unacked_bytes = (uint32_t)(l->sent - l->acked),
                                    .rtt_us = l->rtt_us};
}

static void lane_closes(void *arg)
{
    (void)arg;
}

static const struct sp_lane_ops ops = {
    .send = lane_sends, .has_room = lane_has_room, .measure = lane_measures, .close = lane_closes};

/* --- the tunnel's events -------------------------------------------------------------------- */

static void on_flush(void *arg)
{
    struct world *w = arg;

    sim_set(&w->sim, &w->flush[0], 0);
    sim_set(&w->sim, &w->flush[1], 0);
}

static void on_flush_due(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;

    sp_tunnel_flush(timer == &w->flush[0] ? w->gateway : w->edge, now_us);
}

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    struct world *w = arg;
    (void)f;

    for (size_t i = 0; i < n; i++) {
        struct media_stamp stamp;
        SIM_REQUIRE(&w->sim, media_stamp_read(d[i], &stamp));
        struct stream *s = &w->streams[stamp.ssrc == w->streams[MEDIA_VIDEO].source.ssrc];
        s->came++;
        if (stamp.sent_ns / 1000 >= w->measure_us) {
            s->measured++;
            s->late += now_us - stamp.sent_ns / 1000 > ONE_WAY + LATE;
            s->held_up += now_us - stamp.sent_ns / 1000 > ONE_WAY + QUEUE + SP_MS(5);
        }
    }
}

static int on_flow_opened(struct sp_flow *f, uint64_t now_us, void *arg)
{
    (void)f, (void)now_us, (void)arg;
    return 0;
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)f, (void)code, (void)arg;
}

static void on_lane_suspect(struct sp_lane *l, void *arg)
{
    (void)l, (void)arg;
}

static const struct sp_tunnel_events events = {.flush = on_flush,
                                               .datagrams = on_datagrams,
                                               .flow_opened = on_flow_opened,
                                               .flow_closed = on_flow_closed,
                                               .lane_suspect = on_lane_suspect};

/* --- a run ---------------------------------------------------------------------------------- */

static void on_media(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct stream *s = arg;
    struct world *w = s->world;
    uint8_t bytes[MEDIA_BYTES_MAX];

    if (w->quiet)
        return;
    while (s->source.due_ns <= now_us * 1000) {
        size_t len = media_source_next(&s->source, bytes, now_us * 1000);
        struct sp_span d = sp_span(bytes, len);
        sp_flow_send(w->flow, &d, 1, now_us);
        s->n += now_us >= w->measure_us;
    }
    ck_assert_int_eq(sp_timerq_set(&w->sim.timers, timer, (s->source.due_ns + 999) / 1000), 0);
}

static struct sp_tunnel *new_end(struct world *w, enum sp_tunnel_role role)
{
    struct sp_tunnel_config c;
    struct sp_tunnel *t;

    sp_tunnel_config_default(&c, role);
    ck_assert_int_eq(sp_tunnel_new(&c, &events, w, &w->sim.timers, &w->sim.rng.rng, &t), 0);
    return t;
}

static void join_lanes(struct world *w)
{
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *out = &w->lanes[i], *back = &w->back[i];
        out->world = back->world = w;
        ck_assert_int_eq(sp_tunnel_lane_add(w->gateway, i, &ops, out, w->sim.now_us, &out->from),
                         0);
        ck_assert_int_eq(sp_tunnel_lane_add(w->edge, i, &ops, back, w->sim.now_us, &back->from), 0);
        out->to = back->from;
        back->to = out->from;
    }
}

static void set_line(struct world *w, uint64_t bps, double loss)
{
    struct link_params p = {.delay_ns = ONE_WAY * 1000, .rate_bps = bps, .loss = loss};

    if (bps > 0)
        p.queue_ns = QUEUE * 1000;

    link_set(&w->line, &p, w->sim.now_us * 1000);
    look_at_line(w);
}

static struct world *begin(const char *name, uint64_t seed, uint64_t bps, double loss)
{
    struct world *w = sim_alloc(sizeof *w);
    struct sp_addr local = sp_addr_v4(192, 168, 1, 2, 5000);

    sim_init(&w->sim, name, seed);
    link_init(&w->line, &w->sim.rng.rng);
    sp_timer_init(&w->line_timer, on_line, w);
    sp_timer_init(&w->other, on_other, w);
    sp_timer_init(&w->flush[0], on_flush_due, w);
    sp_timer_init(&w->flush[1], on_flush_due, w);
    set_line(w, bps, loss);
    w->gateway = new_end(w, SP_TUNNEL_GATEWAY);
    w->edge = new_end(w, SP_TUNNEL_EDGE);
    join_lanes(w);
    ck_assert_int_eq(sp_flow_open(w->gateway, SP_FLOW_TURN, &local, w->sim.now_us, &w->flow), 0);
    for (unsigned i = 0; i < MEDIA_CLASSES; i++) {
        struct stream *s = &w->streams[i];
        s->world = w;
        media_source_init(&s->source, i, 2000000, &w->sim.rng.rng, w->sim.now_us * 1000);
        sp_timer_init(&s->timer, on_media, s);
        sim_set(&w->sim, &s->timer, 0);
    }
    return w;
}

/* From now on it counts what is late. */
static void measure(struct world *w)
{
    w->measure_us = w->sim.now_us;
    for (unsigned i = 0; i < MEDIA_CLASSES; i++)
        w->streams[i].n = w->streams[i].late = w->streams[i].held_up = w->streams[i].measured = 0;
}

static void finish(struct world *w)
{
    w->quiet = true;
    sim_run_for(&w->sim, SP_SEC(2));
    for (unsigned i = 0; i < MEDIA_CLASSES; i++)
        ck_assert_uint_le(w->streams[i].measured, w->streams[i].n);
}

static void end(struct world *w)
{
    sp_tunnel_free(w->gateway);
    sp_tunnel_free(w->edge);
    for (struct packet *p = w->packets, *next; p != NULL; p = next) {
        next = p->next;
        sp_timerq_cancel(&w->sim.timers, &p->timer);
        free(p);
    }
    for (unsigned i = 0; i < 2; i++)
        sp_timerq_cancel(&w->sim.timers, &w->flush[i]);
    for (unsigned i = 0; i < MEDIA_CLASSES; i++)
        sp_timerq_cancel(&w->sim.timers, &w->streams[i].timer);
    sp_timerq_cancel(&w->sim.timers, &w->line_timer);
    sp_timerq_cancel(&w->sim.timers, &w->other);
    sim_fini(&w->sim);
    free(w);
}

static void at_most(const struct stream *s, unsigned late_per_mille, unsigned lost_per_mille)
{
    unsigned lost = s->n - s->measured;

    ck_assert_msg(s->late * 1000 <= late_per_mille * s->n && lost * 1000 <= lost_per_mille * s->n,
                  "of %u %u were late and %u lost", s->n, s->late, lost);
}

static const uint64_t narrow[] = {3000000, 6000000};

/* Key frames of 115 and 57 ms: voice passes them, and video loses nothing for it. */
START_TEST(voice_passes_video)
{
    struct world *w = begin("voice passes video", (uint64_t)_i, narrow[_i % 2], 0);

    sim_run_for(&w->sim, SP_SEC(8));
    measure(w);
    sim_run_for(&w->sim, SP_SEC(40));
    finish(w);
    at_most(&w->streams[MEDIA_VOICE], 10, 0);
    at_most(&w->streams[MEDIA_VIDEO], _i % 2 == 0 ? 130 : 40, 0);
    end(w);
}
END_TEST

/* 2 Mbit/s do not pass a line of one: a second later voice is as fast as on an empty one, and so is
 * all soon after the line is what it was. */
START_TEST(rate_drops)
{
    struct world *w = begin("rate drops", (uint64_t)_i, 10000000, 0);

    sim_run_for(&w->sim, SP_SEC(12));
    measure(w);
    set_line(w, 1000000, 0);
    sim_run_for(&w->sim, SP_SEC(1));
    measure(w);
    sim_run_for(&w->sim, SP_SEC(15));
    uint64_t bytes = w->line.counts.arrived_bytes;
    sim_run_for(&w->sim, SP_SEC(5));
    bytes = w->line.counts.arrived_bytes - bytes;
    struct stream voice = w->streams[MEDIA_VOICE];
    set_line(w, 10000000, 0);
    sim_run_for(&w->sim, SP_SEC(2));
    measure(w);
    sim_run_for(&w->sim, SP_SEC(10));
    finish(w);
    at_most(&voice, 120, 40);
    ck_assert_msg(bytes * 8 >= 5 * 850000, "%lu bytes: the line had no work", (unsigned long)bytes);
    at_most(&w->streams[MEDIA_VOICE], 0, 0);
    at_most(&w->streams[MEDIA_VIDEO], 10, 0);
    end(w);
}
END_TEST

/* Whoever else is there takes all that is left to him: nothing is gained by waiting. What is lost
 * in his queue holds back little, as the lanes take turns. */
START_TEST(shared)
{
    struct world *w = begin("shared", (uint64_t)_i, 6000000, 0);

    w->greedy = true;
    sim_run_for(&w->sim, SP_SEC(3));
    sim_set(&w->sim, &w->other, 0);
    sim_run_for(&w->sim, SP_SEC(5));
    measure(w);
    sim_run_for(&w->sim, SP_SEC(30));
    finish(w);
    at_most(&w->streams[MEDIA_VIDEO], 1000, 50);
    const struct stream *voice = &w->streams[MEDIA_VOICE];
    ck_assert_msg(voice->held_up * 1000 <= 45 * voice->n, "of %u %u were held up", voice->n,
                  voice->held_up);
    end(w);
}
END_TEST

static const double losses[] = {0, 0.02, 0.05};

/* Round trips of what was lost are long, and no queue. */
START_TEST(loss_is_no_queue)
{
    struct world *w = begin("loss is no queue", (uint64_t)_i, 0, losses[_i % 3]);

    for (unsigned i = 0; i < 6000; i++) {
        sim_run_for(&w->sim, SP_MS(10));
        ck_assert_uint_eq(w->gateway->bottleneck.rate, 0);
    }
    finish(w);
    at_most(&w->streams[MEDIA_VOICE], 1000, 1000);
    end(w);
}
END_TEST

/* What was learned is far too low: nothing waits for long. */
START_TEST(too_low_grows)
{
    struct world *w = begin("too low grows", (uint64_t)_i, 20000000, 0);

    sim_run_for(&w->sim, SP_SEC(2));
    w->gateway->bottleneck.rate = 50000;
    sim_run_for(&w->sim, SP_SEC(1));
    measure(w);
    sim_run_for(&w->sim, SP_SEC(10));
    finish(w);
    at_most(&w->streams[MEDIA_VOICE], 0, 0);
    at_most(&w->streams[MEDIA_VIDEO], 70, 0);
    end(w);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *test)
{
    TCase *tc = tcase_create(name);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test, (int)sim_first_seed(), (int)(sim_first_seed() + sim_seeds(12)));
}

int main(void)
{
    Suite *suite = suite_create("sim_narrow_line");
    SRunner *runner = srunner_create(suite);

    add(suite, "voice_passes_video", voice_passes_video);
    add(suite, "rate_drops", rate_drops);
    add(suite, "shared", shared);
    add(suite, "loss_is_no_queue", loss_is_no_queue);
    add(suite, "too_low_grows", too_low_grows);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
