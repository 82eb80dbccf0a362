/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scenario for a tunnel, as a row of a table, and what runs it: lanes that delay, stall, die, end
 * and are replaced, a network that goes away, flows that come and go meanwhile. What must hold is
 * required on the way, and at the end nothing is unaccounted for.
 */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "sim_lane.h"

/* What befalls a lane. */
enum sim_befalls {
    OUTAGES = 1 << 0,
    DEATHS = 1 << 1,
    CLOSES = 1 << 2,
    RESETS = 1 << 3,
};

/* What happened in a run. */
enum sim_seen {
    COPY = 1 << 0,
    LATE = 1 << 1,
    AGE = 1 << 2,
    FULL = 1 << 3,
    UNKNOWN_FLOW = 1 << 4,
    SUSPECT = 1 << 5,
    LANE_LOST = 1 << 6,
    REPEAT = 1 << 7,
    REFUSED = 1 << 8,
    REUSED = 1 << 9,
    WRAPPED = 1 << 10,
    TOO_BIG = 1 << 11,
};

struct sim_scenario {
    const char *name;
    struct sim_path path;
    unsigned lanes, flows;
    uint64_t spread_us;
    uint64_t run_ms;     /* 0: 3000 */
    unsigned befalls;    /* a lane … */
    uint64_t each_us;    /* … about this often */
    uint64_t away_ms;    /* the whole network is away for so long, once */
    uint64_t drain_ms;   /* when the edge says that it will end */
    uint64_t churn_us;   /* flows are closed and opened about this often */
    uint32_t refuse_ppm; /* flows that the edge's owner refuses */
    size_t queue_bytes;  /* 0: the default */
    size_t max_flows[2];
    uint32_t first_seq;
    uint64_t pace;          /* traffic is so many times slower */
    unsigned least_percent; /* of the datagrams arrive */
    bool clean;             /* all of them, in order */
    bool expires;           /* the edge gives up */
    bool reuse_numbers;     /* as soon as they may be */
    unsigned seeds;         /* that the caller is to run; 0: the caller's default */
    unsigned seen;          /* that must happen in some of these runs */
};

/* One run. Returns what was seen in it, of enum sim_seen. */
unsigned sim_scenario_run(const struct sim_scenario *sc, uint64_t seed);

#endif
