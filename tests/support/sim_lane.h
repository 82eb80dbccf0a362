/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane in a simulated network: what TCP makes of a path with delay, a rate, loss and outages. A
 * lost segment is no lost byte: it comes a retransmission later, and holds back all that was sent
 * after it. So a lane stalls, goes silent or ends, but it never loses a byte in the middle and
 * never swaps two. What leaves is acknowledged a round trip later; what waits in the process is
 * bounded by has_room. Bytes arrive whole or cut, each time in memory of their own.
 */
#ifndef TESTS_SIM_LANE_H
#define TESTS_SIM_LANE_H

#include <stdbool.h>

#include "sallyport/tunnel.h"
#include "sim.h"

enum sim_cut {
    SIM_CUT_NEVER, /* all that arrives at one time by one call */
    SIM_CUT_BYTES, /* a call for each byte */
    SIM_CUT_RANDOMLY,
};

/* How the network treats a lane, both ways alike. */
struct sim_path {
    uint64_t delay_us;    /* one way */
    uint64_t bytes_per_s; /* 0: no bound */
    uint32_t loss_ppm;    /* of segments */
    uint64_t recover_us;  /* until a lost one has come again */
    size_t window_bytes;  /* what TCP lets be on the way; 0: 256 KiB */
    size_t room_bytes;    /* what may wait in the process beyond that; 0: 16 KiB */
    size_t read_bytes;    /* what a host that is behind reads at a time; 0: all there is … */
    uint64_t read_us;     /* … and how much time passes between two of them */
    enum sim_cut cut;
};

struct sim_lane;

/* What a test wants to see. `side` is the side that it happens on. Any may be NULL. */
struct sim_lane_watch {
    /* Frames that the tunnel hands over; had_room: as it was before. */
    void (*sent)(struct sim_lane *l, unsigned side, struct sp_span frames, bool had_room,
                 void *arg);
    /* Around each time that this side's tunnel is given bytes: before, and what it used. */
    void (*reading)(struct sim_lane *l, unsigned side, void *arg);
    void (*used)(struct sim_lane *l, unsigned side, struct sp_span frames, void *arg);
    /* This side's end is out of its tunnel; by_tunnel: the tunnel let go of it. */
    void (*ended)(struct sim_lane *l, unsigned side, bool by_tunnel, void *arg);
};

struct sim_lane *sim_lane_new(struct sim *s, const struct sim_path *path,
                              const struct sim_lane_watch *watch, void *arg);
/* Out of its tunnels by then, or the tunnels still there. */
void sim_lane_free(struct sim_lane *l);

/* This side's end joins its tunnel; what has arrived before is read then. */
void sim_lane_join(struct sim_lane *l, unsigned side, struct sp_tunnel *t, unsigned number);
struct sp_lane *sim_lane_end(const struct sim_lane *l, unsigned side); /* NULL: not joined */
bool sim_lane_is_over(const struct sim_lane *l);                       /* both ends are out */
bool sim_lane_was_harmed(const struct sim_lane *l);                    /* it may have lost bytes */

/* Nothing gets through for that long; then all of it does. */
void sim_lane_outage(struct sim_lane *l, uint64_t us);
/* From now on nothing gets through, and nobody is told for SIM_TCP_TIMEOUT_US. */
#define SIM_TCP_TIMEOUT_US SP_SEC(20)
void sim_lane_die(struct sim_lane *l);
/* This side closes: the far side reads what is on the way, then the end. */
void sim_lane_close(struct sim_lane *l, unsigned side);
/* Somebody in the middle cuts it: both sides are told after the delay, and what is on the way is
 * lost, but for some bytes. */
void sim_lane_reset(struct sim_lane *l);

#endif
