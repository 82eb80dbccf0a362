/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway moves to another network, from where the way to the edge is longer: all lanes end,
 * and new ones take their place. That a datagram takes longer than ever before is no queue there:
 * as soon as the new lanes are there, nothing waits.
 */
#include <check.h>
#include <stdlib.h>

#include "sim_tunnel.h"
#include "tunnel_impl.h"

#define LANES    8
#define BEFORE   SP_MS(10) /* one way */
#define AFTER    SP_MS(60)
#define FRAME_US (SP_SEC(1) / 30)
#define LATE     SP_MS(50)
#define MOST     65536

struct world;

struct way {
    struct world *world;
    struct sp_flow *flow;
    struct sp_timer video;
    uint64_t sent_us[MOST];
    uint32_t n, came, late;
};

struct world {
    struct sim sim;
    struct sim_tunnel tunnel;
    struct way way[2];
    uint64_t measure_us;
    bool quiet;
};

static void on_video(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct way *w = arg;
    uint8_t bytes[1200] = {'A'};
    struct sp_span d = sp_span(bytes, sizeof bytes);

    if (w->world->quiet)
        return;
    for (unsigned i = 0; i < 7; i++) {
        SIM_REQUIRE(&w->world->sim, w->n < MOST);
        sp_put_be32(bytes + 4, w->n);
        w->sent_us[w->n++] = now_us;
        sp_flow_send(w->flow, &d, 1, now_us);
    }
    sim_set(&w->world->sim, timer, FRAME_US);
}

static void on_datagrams(struct sim_tunnel *t, unsigned side, struct sp_flow *f,
                         const struct sp_span *d, size_t n, void *arg)
{
    struct world *world = arg;
    struct way *w = &world->way[1 - side];
    (void)t, (void)f;

    for (size_t i = 0; i < n; i++) {
        uint64_t sent_us = w->sent_us[sp_get_be32(d[i].p + 4)];
        if (world->measure_us == 0 || sent_us < world->measure_us)
            continue;
        w->came++;
        w->late += world->sim.now_us - sent_us > AFTER + LATE;
    }
}

static int on_flow_opened(struct sim_tunnel *t, struct sp_flow *f, void *arg)
{
    struct world *world = arg;
    (void)t;

    world->way[SIM_EDGE].flow = f;
    sim_set(&world->sim, &world->way[SIM_EDGE].video, SP_MS(11));
    return 0;
}

static const struct sim_tunnel_user user = {
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = sim_tunnel_flows_stay,
    .expired = sim_tunnel_stays,
};

static struct world *begin(uint64_t seed)
{
    struct sp_addr local = sp_addr_v4(192, 168, 1, 2, 5000);
    struct world *w = sim_alloc(sizeof *w);
    struct sim_tunnel_config c;

    sim_init(&w->sim, "a longer way", seed);
    sim_tunnel_config_default(&c);
    c.path = (struct sim_path){.delay_us = BEFORE};
    c.lanes = LANES;
    sim_tunnel_init(&w->tunnel, &w->sim, &c, &user, w);
    for (unsigned side = 0; side < 2; side++) {
        w->way[side].world = w;
        sp_timer_init(&w->way[side].video, on_video, &w->way[side]);
    }
    sim_run_for(&w->sim, SP_SEC(1)); /* lanes are there */
    SIM_REQUIRE(&w->sim, sp_flow_open(w->tunnel.end[SIM_GATEWAY].tunnel, SP_FLOW_TURN, &local,
                                      w->sim.now_us, &w->way[SIM_GATEWAY].flow) == 0);
    sim_set(&w->sim, &w->way[SIM_GATEWAY].video, 0);
    return w;
}

static void end(struct world *w)
{
    for (unsigned side = 0; side < 2; side++)
        sp_timerq_cancel(&w->sim.timers, &w->way[side].video);
    sim_tunnel_fini(&w->tunnel);
    sim_fini(&w->sim);
    free(w);
}

/* The gateway's address is gone; the edge hears of that, or keeps a dead lane until another takes
 * its number. */
static void leave(struct sim_lane *l, bool both_hear)
{
    if (both_hear) {
        sim_lane_reset(l);
        return;
    }
    sim_lane_die(l);
    sim_lane_close(l, SIM_GATEWAY);
}

START_TEST(is_no_queue)
{
    struct world *w = begin((uint64_t)_i);
    bool both_hear = _i % 2 == 0;

    sim_run_for(&w->sim, SP_SEC(20));
    w->tunnel.config.path.delay_us = AFTER;
    for (unsigned i = 0; i < LANES; i++)
        leave(sim_tunnel_lane(&w->tunnel, i), both_hear);
    sim_run_for(&w->sim, SP_SEC(1));
    w->measure_us = w->sim.now_us;
    sim_run_for(&w->sim, SP_SEC(40));
    w->quiet = true;
    sim_run_for(&w->sim, SP_SEC(5));
    for (unsigned side = 0; side < 2; side++) {
        const struct way *way = &w->way[side];
        uint32_t n = 0;
        for (uint32_t i = 0; i < way->n; i++)
            n += way->sent_us[i] >= w->measure_us;
        ck_assert_msg(way->came == n && way->late == 0, "from %u: of %u %u came, %u of them late",
                      side, n, way->came, way->late);
    }
    end(w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim_longer_way");
    TCase *tc = tcase_create("longer_way");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, is_no_queue, (int)sim_first_seed(),
                        (int)(sim_first_seed() + sim_seeds(4)));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
