/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call through the tunnel: voice and video both ways, so that copies, repeats and parity travel
 * beside them. Of each datagram: it comes once at most and unchanged, in the order of its lane
 * (sim_ledger.h); and it neither leaves nor leaves again when it is older than its class allows.
 * Whichever single lane is lost, in whatever manner, nothing is missing.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim_ledger.h"
#include "sim_tunnel.h"
#include "tunnel_impl.h"

#define LANES     8
#define RTP       12
#define VOICE     111 /* payload types */
#define VIDEO     96
#define VOICE_AGE SP_MS(200)
#define VIDEO_AGE SP_MS(400)
#define APART     SP_MS(8) /* that a copy leaves later */
#define MOST      16384    /* datagrams of one direction */

struct call;

struct talker {
    struct call *call;
    unsigned side;
    struct sp_flow *flow;
    struct sp_timer voice, video;
    uint32_t n, frames;
    uint8_t head[MOST][RTP];
    uint64_t recovered; /* on this side, so far */
};

struct call {
    struct sim sim;
    struct sim_tunnel tunnel;
    struct sim_ledger ledger[2];
    struct talker talker[2];
    struct sp_timer fault;
    uint64_t each_us; /* how often something befalls a lane; 0: never */
    bool quiet;
};

/* --- traffic -------------------------------------------------------------------------------- */

static void say(struct talker *t, uint8_t type, uint32_t timestamp, uint32_t len)
{
    struct call *call = t->call;
    uint8_t bytes[RTP + 1200];
    struct sp_span s = sp_span(bytes, RTP + len);

    SIM_REQUIRE(&call->sim, t->n < MOST);
    bytes[0] = 0x80;
    bytes[1] = type;
    sp_put_be16(bytes + 2, (uint16_t)t->n);
    sp_put_be32(bytes + 4, timestamp);
    sp_put_be32(bytes + 8, type);
    memcpy(t->head[t->n++], bytes, RTP);
    sim_ledger_offer(&call->ledger[t->side], sp_flow_number(t->flow), len, bytes + RTP);
    sp_flow_send(t->flow, &s, 1, call->sim.now_us);
}

static void on_voice(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct talker *t = arg;

    if (t->call->quiet)
        return;
    say(t, VOICE, (uint32_t)(now_us / 1000 * 48), 160);
    sim_set(&t->call->sim, timer, SP_MS(20));
}

/* 2 Mbit/s; the last packet of a picture is shorter. */
static void on_video(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct talker *t = arg;
    (void)now_us;

    if (t->call->quiet)
        return;
    for (unsigned i = 0; i < 8; i++)
        say(t, VIDEO, t->frames * 3000, i < 7 ? 1100 : 700);
    t->frames++;
    sim_set(&t->call->sim, timer, SP_SEC(1) / 30);
}

static void talk(struct talker *t)
{
    sim_set(&t->call->sim, &t->voice, 0);
    sim_set(&t->call->sim, &t->video, SP_MS(3));
}

/* --- what must hold of each datagram -------------------------------------------------------- */

static void on_handed(struct sim_link *link, unsigned side, struct sp_span datagram, bool again,
                      void *arg)
{
    struct call *call = arg;
    struct sp_span s = sp_span_skip(datagram, RTP);
    uint64_t age_us = datagram.p[1] == VOICE ? VOICE_AGE : VIDEO_AGE;

    (void)sim_ledger_hand(&call->ledger[side], link->index, s, again);
    uint64_t offered_us = call->ledger[side].entries[sp_get_be32(s.p)].offered_us;
    SIM_REQUIRE(&call->sim, call->sim.now_us - offered_us <= age_us + (again ? APART : 0));
}

static void on_datagrams(struct sim_tunnel *t, unsigned side, struct sp_flow *f,
                         const struct sp_span *d, size_t n, void *arg)
{
    struct call *call = arg;
    struct talker *from = &call->talker[1 - side], *here = &call->talker[side];
    uint64_t recovered = sp_tunnel_counters(t->end[side].tunnel)->recovered;
    bool by_parity = recovered != here->recovered;

    SIM_REQUIRE(&call->sim, !by_parity || (n == 1 && recovered == here->recovered + 1));
    here->recovered = recovered;
    for (size_t i = 0; i < n; i++) {
        struct sp_span s = sp_span_skip(d[i], RTP);
        uint32_t index = sp_get_be32(s.p);

        SIM_REQUIRE(&call->sim, index < from->n && memcmp(d[i].p, from->head[index], RTP) == 0);
        if (by_parity)
            sim_ledger_recover(&call->ledger[1 - side], sp_flow_number(f), s);
        else
            sim_ledger_deliver(&call->ledger[1 - side], t->reading->index, sp_flow_number(f), s);
    }
}

static int on_flow_opened(struct sim_tunnel *t, struct sp_flow *f, void *arg)
{
    struct call *call = arg;
    (void)t;

    call->talker[SIM_EDGE].flow = f;
    return 0;
}

static const struct sim_tunnel_user user = {
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = sim_tunnel_flows_stay,
    .expired = sim_tunnel_stays,
    .handed = on_handed,
};

/* --- what befalls lanes --------------------------------------------------------------------- */

enum fate { STALLS, DIES, IS_RESET, CLOSES_HERE, CLOSES_THERE, FATES };

static void befall(struct sim_lane *l, enum fate fate)
{
    switch (fate) {
    case STALLS:
        sim_lane_outage(l, SP_MS(300));
        break;
    case DIES:
        sim_lane_die(l);
        break;
    case IS_RESET:
        sim_lane_reset(l);
        break;
    case CLOSES_HERE:
        sim_lane_close(l, SIM_GATEWAY);
        break;
    case CLOSES_THERE:
        sim_lane_close(l, SIM_EDGE);
        break;
    case FATES:
        break;
    }
}

static void on_fault(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct call *call = arg;
    struct sim_lane *l = sim_tunnel_lane(&call->tunnel, (unsigned)sim_below(&call->sim, LANES));
    (void)now_us;

    if (call->quiet)
        return;
    if (l != NULL)
        befall(l, (enum fate)sim_below(&call->sim, FATES));
    sim_set(&call->sim, timer, sim_between(&call->sim, call->each_us / 2, call->each_us * 3 / 2));
}

/* --- a call --------------------------------------------------------------------------------- */

static struct call *begin(const char *name, const struct sim_path *path, uint64_t spread_us,
                          uint64_t seed)
{
    struct sp_addr local = sp_addr_v4(192, 168, 1, 2, 5000);
    struct call *call = sim_alloc(sizeof *call);
    struct sim_tunnel_config c;

    sim_init(&call->sim, name, seed);
    sim_tunnel_config_default(&c);
    c.path = *path;
    c.lanes = LANES;
    c.spread_us = spread_us;
    for (unsigned side = 0; side < 2; side++) {
        struct talker *t = &call->talker[side];
        struct sim_ledger_rules rules = {.max_age_us = c.end[side].max_age_us,
                                         .max_late_us = c.end[1 - side].max_age_us};

        sim_ledger_init(&call->ledger[side], &call->sim, &rules);
        t->call = call;
        t->side = side;
        sp_timer_init(&t->voice, on_voice, t);
        sp_timer_init(&t->video, on_video, t);
    }
    sp_timer_init(&call->fault, on_fault, call);
    sim_tunnel_init(&call->tunnel, &call->sim, &c, &user, call);
    sim_run_for(&call->sim, SP_SEC(1)); /* lanes are there */

    struct talker *gateway = &call->talker[SIM_GATEWAY];
    SIM_REQUIRE(&call->sim, sp_flow_open(call->tunnel.end[SIM_GATEWAY].tunnel, SP_FLOW_TURN, &local,
                                         call->sim.now_us, &gateway->flow) == 0);
    say(gateway, VIDEO, 0, 700);
    gateway->frames = 1;
    sim_run_for(&call->sim, SP_SEC(1)); /* both ends have it */
    SIM_REQUIRE(&call->sim, call->talker[SIM_EDGE].flow != NULL);
    talk(gateway);
    talk(&call->talker[SIM_EDGE]);
    return call;
}

static void go_on(struct call *call, uint64_t us)
{
    for (uint64_t end_us = call->sim.now_us + us; call->sim.now_us < end_us;) {
        sim_run_for(&call->sim, SP_MS(50));
        sim_tunnel_check(&call->tunnel, (const uint64_t[2]){call->ledger[0].n, call->ledger[1].n});
    }
}

/* What is under way comes to its end. */
static void hush(struct call *call)
{
    call->quiet = true;
    go_on(call, SP_SEC(5));
}

static void end(struct call *call)
{
    sp_timerq_cancel(&call->sim.timers, &call->fault);
    for (unsigned side = 0; side < 2; side++) {
        sp_timerq_cancel(&call->sim.timers, &call->talker[side].voice);
        sp_timerq_cancel(&call->sim.timers, &call->talker[side].video);
    }
    sim_tunnel_fini(&call->tunnel);
    for (unsigned side = 0; side < 2; side++)
        sim_ledger_fini(&call->ledger[side]);
    sim_fini(&call->sim);
    free(call);
}

/* --- networks of all kinds ------------------------------------------------------------------ */

enum seen { COPIED = 1, REPEATED = 2, RECOVERED = 4, TOO_OLD = 8, LATE = 16 };

static unsigned what_was_seen(const struct call *call)
{
    unsigned seen = 0;

    for (unsigned side = 0; side < 2; side++) {
        const struct sp_tunnel_counters *c = sp_tunnel_counters(call->tunnel.end[side].tunnel);

        seen |= c->copied > 0 ? COPIED : 0;
        seen |= c->repeated > 0 ? REPEATED : 0;
        seen |= c->recovered > 0 ? RECOVERED : 0;
        seen |= c->dropped_age > 0 ? TOO_OLD : 0;
        seen |= c->dropped_late > 0 ? LATE : 0;
    }
    return seen;
}

static const struct {
    const char *name;
    struct sim_path path;
    uint64_t spread_us, each_us;
    bool away;              /* for two seconds */
    unsigned least_percent; /* come */
    unsigned seen;          /* in some of the runs */
} networks[] = {
    {.name = "no loss", .path = {.delay_us = SP_MS(30)}, .least_percent = 100, .seen = COPIED},
    {.name = "loss",
     .path = {.delay_us = SP_MS(30), .loss_ppm = 20000, .recover_us = SP_MS(200)},
     .least_percent = 100,
     .seen = COPIED | REPEATED | RECOVERED},
    {.name = "much loss, cut anywhere",
     .path = {.delay_us = SP_MS(10),
              .loss_ppm = 80000,
              .recover_us = SP_MS(200),
              .cut = SIM_CUT_RANDOMLY},
     .least_percent = 99,
     .seen = COPIED | REPEATED | RECOVERED},
    {.name = "lanes of different length",
     .path = {.delay_us = SP_MS(20), .loss_ppm = 10000, .recover_us = SP_MS(100)},
     .spread_us = SP_MS(300),
     .least_percent = 95,
     .seen = COPIED | REPEATED | RECOVERED},
    {.name = "lanes come and go",
     .path = {.delay_us = SP_MS(30), .loss_ppm = 10000, .recover_us = SP_MS(100)},
     .each_us = SP_MS(300),
     .least_percent = 95,
     .seen = COPIED | REPEATED | RECOVERED},
    {.name = "the network is away",
     .path = {.delay_us = SP_MS(30)},
     .away = true,
     .least_percent = 75,
     .seen = COPIED | TOO_OLD},
    {.name = "lanes of very different length",
     .path = {.delay_us = SP_MS(20)},
     .spread_us = SP_MS(1500),
     .least_percent = 20,
     .seen = LATE},
};

START_TEST(each_datagram)
{
    unsigned seen = 0, n = sim_seeds(4);

    for (unsigned i = 0; i < n; i++) {
        struct call *call = begin(networks[_i].name, &networks[_i].path, networks[_i].spread_us,
                                  sim_first_seed() + i);
        if ((call->each_us = networks[_i].each_us) != 0)
            sim_set(&call->sim, &call->fault, call->each_us);
        go_on(call, SP_SEC(5));
        if (networks[_i].away) {
            sim_tunnel_network_down(&call->tunnel);
            go_on(call, SP_SEC(2));
            sim_tunnel_network_up(&call->tunnel);
        }
        go_on(call, SP_SEC(10));
        hush(call);
        for (unsigned side = 0; side < 2; side++) {
            const struct sim_ledger *l = &call->ledger[side];
            SIM_REQUIRE(&call->sim,
                        l->delivered * 100 >= (uint64_t)networks[_i].least_percent * l->n);
        }
        seen |= what_was_seen(call);
        end(call);
    }
    if (n >= 4)
        ck_assert_msg((seen & networks[_i].seen) == networks[_i].seen, "%s: 0x%x never happened",
                      networks[_i].name, networks[_i].seen & ~seen);
}
END_TEST

/* --- one lane is lost ----------------------------------------------------------------------- */

/* Each lane, in each manner, at the beginning of the call, when it is wide, and later, when all go
 * by one lane. */
START_TEST(a_lane_is_lost)
{
    static const struct sim_path path = {.delay_us = SP_MS(30)};
    enum fate fate = (enum fate)(_i % FATES);
    bool narrow = _i >= FATES;

    for (unsigned lane = 0; lane < LANES; lane++) {
        struct call *call = begin("a lane is lost", &path, 0, sim_first_seed() + lane);

        go_on(call, narrow ? SP_SEC(11) : SP_SEC(2));
        for (unsigned side = 0; side < 2; side++)
            SIM_REQUIRE(&call->sim, sp_tunnel_is_wide(call->tunnel.end[side].tunnel) == !narrow);
        sim_run_for(&call->sim, sim_below(&call->sim, SP_MS(40)));
        befall(sim_tunnel_lane(&call->tunnel, lane), fate);
        go_on(call, SP_SEC(3));
        hush(call);
        for (unsigned side = 0; side < 2; side++) {
            const struct sim_ledger *l = &call->ledger[side];
            ck_assert_msg(l->delivered == l->n, "lane %u, from %u: of %zu %lu came", lane, side,
                          l->n, (unsigned long)l->delivered);
        }
        end(call);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim_media");
    TCase *tc = tcase_create("media");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, each_datagram, 0, (int)SP_ARRAY_LEN(networks));
    tcase_add_loop_test(tc, a_lane_is_lost, 0, 2 * FATES);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
