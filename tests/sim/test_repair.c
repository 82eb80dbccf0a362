/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What asking again is good for: a minute of datagrams both ways over lanes that lose segments, and
 * how many come later than they may, with it and without it. TCP alone brings what is lost a
 * retransmission timeout later, and holds back what is behind it.
 */
#include <check.h>
#include <stdlib.h>

#include "sim_tunnel.h"
#include "tunnel_impl.h"

#define RUN_US    SP_SEC(60)
#define DELAY_US  SP_MS(10) /* one way */
#define MARGIN_US SP_MS(50) /* above the way itself: what comes later is late */
#define RTO_US    SP_MS(200)
#define VOICE_US  SP_MS(20)
#define FRAME_US  (SP_SEC(1) / 30)
#define LANES     8
#define MOST      32768 /* datagrams of one direction */

/* A direction: what was sent when, and how much of it came late. */
struct way {
    struct world *world;
    unsigned from;
    struct sp_flow *flow;
    struct sp_timer voice, video;
    uint64_t sent_us[MOST];
    bool came[MOST];
    uint32_t n;
    unsigned late, twice;
};

struct world {
    struct sim sim;
    struct sim_tunnel tunnel;
    struct way way[2];
    bool asks; /* reports are sent */
    bool quiet;
};

struct result {
    uint64_t sent, late, repeated, reported, bytes;
};

/* --- traffic -------------------------------------------------------------------------------- */

static void say(struct way *w, size_t len)
{
    uint8_t bytes[1200] = {'A'}; /* of no class that goes twice */
    struct sp_span d = sp_span(bytes, len);

    SIM_REQUIRE(&w->world->sim, w->n < MOST);
    sp_put_be32(bytes + 4, w->n);
    w->sent_us[w->n++] = w->world->sim.now_us;
    sp_flow_send(w->flow, &d, 1, w->world->sim.now_us);
}

static void on_voice(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct way *w = arg;
    (void)now_us;

    if (w->world->quiet)
        return;
    say(w, 160);
    sim_set(&w->world->sim, timer, VOICE_US);
}

/* 2 Mbit/s. */
static void on_video(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct way *w = arg;
    (void)now_us;

    if (w->world->quiet)
        return;
    for (unsigned i = 0; i < 7; i++)
        say(w, 1200);
    sim_set(&w->world->sim, timer, FRAME_US);
}

/* --- what the tunnel tells ------------------------------------------------------------------ */

static void on_datagrams(struct sim_tunnel *t, unsigned side, struct sp_flow *f,
                         const struct sp_span *d, size_t n, void *arg)
{
    struct world *world = arg;
    struct way *w = &world->way[1 - side];
    (void)f;

    for (size_t i = 0; i < n; i++) {
        uint32_t index = sp_get_be32(d[i].p + 4);
        SIM_REQUIRE(&world->sim, index < w->n);
        w->twice += w->came[index];
        w->came[index] = true;
        w->late += world->sim.now_us - w->sent_us[index] > DELAY_US + MARGIN_US;
    }
    if (!world->asks) /* a gap that has just appeared is about to be told */
        sp_timerq_cancel(&world->sim.timers, &t->end[side].tunnel->repair.report);
}

static int on_flow_opened(struct sim_tunnel *t, struct sp_flow *f, void *arg)
{
    struct world *world = arg;
    (void)t;

    world->way[SIM_EDGE].flow = f;
    sim_set(&world->sim, &world->way[SIM_EDGE].voice, SP_MS(7));
    sim_set(&world->sim, &world->way[SIM_EDGE].video, SP_MS(11));
    return 0;
}

static const struct sim_tunnel_user user = {
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = sim_tunnel_flows_stay,
    .expired = sim_tunnel_stays,
};

/* --- a run ---------------------------------------------------------------------------------- */

static void begin(struct world *w, const struct sim_path *path, uint64_t seed)
{
    struct sp_addr local = sp_addr_v4(192, 168, 1, 2, 5000);
    struct sim_tunnel_config c;

    sim_init(&w->sim, "asking again", seed);
    sim_tunnel_config_default(&c);
    c.path = *path;
    c.lanes = LANES;
    sim_tunnel_init(&w->tunnel, &w->sim, &c, &user, w);
    for (unsigned side = 0; side < 2; side++) {
        struct way *way = &w->way[side];
        *way = (struct way){.world = w, .from = side};
        sp_timer_init(&way->voice, on_voice, way);
        sp_timer_init(&way->video, on_video, way);
    }
    sim_run_for(&w->sim, SP_SEC(1)); /* lanes are there */
    SIM_REQUIRE(&w->sim, sp_flow_open(w->tunnel.end[SIM_GATEWAY].tunnel, SP_FLOW_TURN, &local,
                                      w->sim.now_us, &w->way[SIM_GATEWAY].flow) == 0);
    sim_set(&w->sim, &w->way[SIM_GATEWAY].voice, 0);
    sim_set(&w->sim, &w->way[SIM_GATEWAY].video, SP_MS(3));
}

/* What never came is late, too. */
static void count(struct world *w, struct result *r)
{
    for (unsigned side = 0; side < 2; side++) {
        struct way *way = &w->way[side];
        const struct sp_tunnel_counters *c = sp_tunnel_counters(w->tunnel.end[side].tunnel);

        SIM_REQUIRE(&w->sim, way->twice == 0);
        for (uint32_t i = 0; i < way->n; i++)
            way->late += !way->came[i];
        r->sent += way->n;
        r->late += way->late;
        r->repeated += c->repeated;
        r->reported += c->reports_out;
        r->bytes += c->bytes_out;
    }
}

static struct result run(bool asks, const struct sim_path *path, uint64_t seed)
{
    struct world *w = sim_alloc(sizeof *w);
    struct result r = {0};

    w->asks = asks;
    begin(w, path, seed);
    sim_run_for(&w->sim, RUN_US);
    w->quiet = true;
    sim_run_for(&w->sim, SP_SEC(5));
    count(w, &r);
    for (unsigned side = 0; side < 2; side++) {
        sp_timerq_cancel(&w->sim.timers, &w->way[side].voice);
        sp_timerq_cancel(&w->sim.timers, &w->way[side].video);
    }
    sim_tunnel_fini(&w->tunnel);
    sim_fini(&w->sim);
    free(w);
    return r;
}

static struct sim_path lossy(uint32_t loss_ppm)
{
    return (struct sim_path){.delay_us = DELAY_US, .loss_ppm = loss_ppm, .recover_us = RTO_US};
}

static void add(struct result *sum, const struct result *r)
{
    sum->sent += r->sent;
    sum->late += r->late;
    sum->repeated += r->repeated;
    sum->bytes += r->bytes;
}

/* Of 10,000 datagrams so many may be late, where without asking there are so many times as many;
 * for that, so much more in 100 may leave. The counts are exact; the bounds leave room for another
 * choice of lanes. */
static const struct {
    const char *name;
    uint32_t loss_ppm;
    uint64_t late_max, times_min, percent_max;
} networks[] = {
    {"no loss", 0, 0, 0, 0},
    {"1 %", 10000, 10, 13, 4},
    {"2 %", 20000, 30, 9, 8},
    {"5 %", 50000, 450, 2, 30},
};

START_TEST(late)
{
    const char *name = networks[_i].name;
    struct result with = {0}, without = {0};

    const struct sim_path path = lossy(networks[_i].loss_ppm);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct result r = run(true, &path, seed);
        add(&with, &r);
        r = run(false, &path, seed);
        add(&without, &r);
    }
    ck_assert_uint_eq(with.sent, without.sent);
    ck_assert_uint_eq(without.repeated, 0);
    ck_assert_msg(with.late * 10000 <= networks[_i].late_max * with.sent,
                  "%s: of %lu datagrams %lu were late", name, (unsigned long)with.sent,
                  (unsigned long)with.late);
    ck_assert_msg(without.late >= networks[_i].times_min * with.late,
                  "%s: %lu late, and %lu without asking", name, (unsigned long)with.late,
                  (unsigned long)without.late);
    ck_assert_msg(with.bytes * 100 <= (100 + networks[_i].percent_max) * without.bytes,
                  "%s: %lu bytes, and %lu without asking", name, (unsigned long)with.bytes,
                  (unsigned long)without.bytes);
    ck_assert((with.repeated > 0) == (networks[_i].loss_ppm > 0));
}
END_TEST

/* A lane takes part of a frame, and the next one the rest, which is read at the same time as the
 * first half of that part: nothing is lost. */
START_TEST(a_host_that_is_behind)
{
    const struct sim_path path = {.delay_us = DELAY_US,
                                  .window_bytes = 4000,
                                  .room_bytes = 4000,
                                  .read_bytes = 3000,
                                  .read_us = SP_MS(3)};
    struct result r = run(true, &path, 1);

    ck_assert_uint_gt(r.sent, 2 * 60 * 250);
    ck_assert_uint_eq(r.late, 0);
    ck_assert_uint_eq(r.reported, 0);
}
END_TEST

START_TEST(the_same_again)
{
    const struct sim_path path = lossy(20000);
    struct result a = run(true, &path, 7), b = run(true, &path, 7);

    ck_assert_uint_eq(a.late, b.late);
    ck_assert_uint_eq(a.repeated, b.repeated);
    ck_assert_uint_eq(a.bytes, b.bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim_repair");
    TCase *tc = tcase_create("repair");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, late, 0, (int)SP_ARRAY_LEN(networks));
    tcase_add_test(tc, a_host_that_is_behind);
    tcase_add_test(tc, the_same_again);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
