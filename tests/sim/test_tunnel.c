/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnel in a simulated world (sim_scenario.h). Scenarios are a table, each run with many
 * seeds; what one is there to show must have happened in some of its runs.
 */
#include <check.h>
#include <stdlib.h>

#include "sim_scenario.h"

#define DEFAULT_SEEDS 40

static const struct sim_scenario scenarios[] = {
    {.name = "one clean lane", .lanes = 1, .flows = 3, .clean = true},
    {.name = "clean lanes", .lanes = 4, .flows = 6, .clean = true, .run_ms = 2000},
    {.name = "cut at each byte",
     .path = {.cut = SIM_CUT_BYTES},
     .seeds = 8,
     .lanes = 2,
     .flows = 2,
     .clean = true,
     .run_ms = 500},
    {.name = "cut anywhere",
     .path = {.cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .clean = true},
    {.name = "losses",
     .path = {.loss_ppm = 20000, .cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .least_percent = 95,
     .seen = 0},
    {.name = "one lane with losses",
     .path = {.loss_ppm = 30000},
     .lanes = 1,
     .flows = 4,
     .least_percent = 100 - 5},
    {.name = "the edge drains",
     .path = {.loss_ppm = 20000, .cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .befalls = OUTAGES | CLOSES | RESETS,
     .each_us = SP_MS(150),
     .drain_ms = 1500,
     .least_percent = 70,
     .seen = LANE_LOST | REPEAT},
    {.name = "outages",
     .path = {.loss_ppm = 10000},
     .lanes = 4,
     .flows = 4,
     .befalls = OUTAGES,
     .each_us = SP_MS(150),
     .least_percent = 90},
    {.name = "silent deaths",
     .path = {.cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .run_ms = 6000,
     .befalls = DEATHS,
     .each_us = SP_MS(800),
     .least_percent = 50,
     .seen = SUSPECT},
    {.name = "ends and resets",
     .path = {.loss_ppm = 10000, .cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .befalls = CLOSES | RESETS,
     .each_us = SP_MS(200),
     .least_percent = 80,
     .seen = LANE_LOST},
    {.name = "the network is away",
     .lanes = 4,
     .flows = 4,
     .run_ms = 8000,
     .away_ms = 3000,
     .least_percent = 30,
     .seen = AGE | SUSPECT},
    {.name = "no lane for nearly the linger time",
     .lanes = 3,
     .flows = 3,
     .run_ms = 60000,
     .away_ms = 48000, /* of which 20 s pass before the ends notice */
     .pace = 10,
     .seen = AGE | LANE_LOST},
    {.name = "no lane for longer",
     .lanes = 3,
     .flows = 3,
     .run_ms = 60000,
     .away_ms = 55000,
     .pace = 10,
     .expires = true},
    {.name = "lanes of different length",
     .path = {.delay_us = SP_MS(20)},
     .spread_us = SP_MS(900),
     .lanes = 4,
     .flows = 4,
     .least_percent = 20,
     .seen = LATE},
    {.name = "a narrow path",
     .path = {.bytes_per_s = 30000, .window_bytes = 8000, .room_bytes = 4000},
     .lanes = 2,
     .flows = 6,
     .churn_us = SP_MS(100),
     .seen = AGE | REPEAT},
    {.name = "a small queue",
     .path = {.bytes_per_s = 100000, .window_bytes = 8000, .room_bytes = 2000},
     .lanes = 2,
     .flows = 6,
     .queue_bytes = 6000,
     .seen = FULL | TOO_BIG},
    {.name = "flows come and go",
     .path = {.loss_ppm = 30000},
     .spread_us = SP_MS(100),
     .seeds = 20,
     .lanes = 4,
     .flows = 6,
     .churn_us = SP_MS(15),
     .least_percent = 30,
     .seen = UNKNOWN_FLOW | REPEAT | COPY},
    {.name = "flows come and go over dying lanes",
     .path = {.loss_ppm = 20000, .cut = SIM_CUT_RANDOMLY},
     .spread_us = SP_MS(60),
     .seeds = 20,
     .lanes = 4,
     .flows = 6,
     .run_ms = 5000,
     .churn_us = SP_MS(20),
     .befalls = OUTAGES | DEATHS | CLOSES | RESETS,
     .each_us = SP_MS(300),
     .least_percent = 20,
     .seen = UNKNOWN_FLOW | REPEAT | COPY | SUSPECT | LANE_LOST},
    {.name = "flows come and go while the network is away",
     .lanes = 3,
     .flows = 16,
     .run_ms = 20000,
     .away_ms = 16000,
     .churn_us = SP_MS(200),
     .pace = 5,
     .seen = REPEAT | SUSPECT},
    {.name = "flows at their bound",
     .path = {.loss_ppm = 20000},
     .lanes = 3,
     .flows = 8,
     .max_flows = {8, 6},
     .churn_us = SP_MS(50),
     .refuse_ppm = 1,
     .seen = REFUSED},
    {.name = "flows refused",
     .path = {.loss_ppm = 20000},
     .spread_us = SP_MS(100),
     .lanes = 3,
     .flows = 8,
     .churn_us = SP_MS(40),
     .refuse_ppm = 400000,
     .seen = REFUSED},
    {.name = "numbers in use again",
     .path = {.loss_ppm = 50000},
     .spread_us = SP_MS(200),
     .seeds = 6,
     .lanes = 3,
     .flows = 4,
     .run_ms = 300000,
     .pace = 100,
     .churn_us = SP_MS(300),
     .befalls = DEATHS | RESETS,
     .each_us = SP_SEC(20),
     .reuse_numbers = true,
     .seen = REUSED},
    {.name = "sequence numbers wrap",
     .path = {.loss_ppm = 30000},
     .spread_us = SP_MS(100),
     .lanes = 4,
     .flows = 4,
     .befalls = OUTAGES | RESETS,
     .each_us = SP_MS(300),
     .first_seq = UINT32_MAX - 150,
     .least_percent = 70,
     .seen = WRAPPED},
    {.name = "clean lanes, sequence numbers wrap",
     .lanes = 4,
     .flows = 4,
     .first_seq = UINT32_MAX - 100,
     .clean = true,
     .seen = WRAPPED},
};

START_TEST(scenario)
{
    const struct sim_scenario *sc = &scenarios[_i];
    unsigned least = sc->seeds ? sc->seeds : DEFAULT_SEEDS, n = sim_seeds(least), seen = 0;

    for (unsigned i = 0; i < n; i++)
        seen |= sim_scenario_run(sc, sim_first_seed() + i);
    if (n >= least)
        ck_assert_msg((seen & sc->seen) == sc->seen, "%s: of 0x%x, 0x%x never happened", sc->name,
                      sc->seen, sc->seen & ~seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim_tunnel");
    TCase *tc = tcase_create("tunnel");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, scenario, 0, (int)SP_ARRAY_LEN(scenarios));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
