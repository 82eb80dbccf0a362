/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both ends of a tunnel on a bench, joined by wires that a test moves by hand: nothing arrives
 * until it is carried, time stands still until it is told to pass. For tests of single rules; how
 * lanes behave in a network is sim_lane.h's. Allocates nothing of its own, so that every allocation
 * that fails is the tunnel's. Knows no Check: what can't go wrong in a test is required.
 */
#ifndef TESTS_TWO_ENDS_H
#define TESTS_TWO_ENDS_H

#include "require.h"
#include "sallyport/clock.h"
#include "sallyport/control.h"
#include "sallyport/rfc4571.h"
#include "sallyport/rng.h"
#include "sallyport/timerq.h"
#include "sallyport/tunnel.h"

#define ENDS_LANES 8
#define ENDS_WIRE  (64 * 1024) /* bytes on the way, each direction of each lane */
#define ENDS_GOT   1024        /* the last datagrams are remembered, each end */
#define ENDS_HEAD  64          /* bytes of each that are remembered */
#define ENDS_START SP_SEC(1000)
#define GATEWAY    0
#define EDGE       1

struct end;

/* One end of a lane, and the wire that leads away from it. */
struct end_lane {
    struct end *end;
    struct sp_lane *lane; /* NULL: not joined */
    unsigned number;
    bool full;            /* has_room says no */
    bool has_more;        /* as it says */
    bool held;            /* ends_settle leaves the wire alone */
    unsigned closed;      /* how often the tunnel let go of it */
    bool expects_queue;   /* as it was told */
    uint64_t sent, acked; /* bytes */
    uint32_t rtt_us;      /* that is measured */
    unsigned measured;    /* how often it was */
    unsigned handed;      /* how often it was given some */
    uint32_t window;      /* segments that may be on their way; 0: any */
    uint32_t segments;    /* that are, since all was acknowledged last */
    size_t len;
    uint8_t wire[ENDS_WIRE];
};

struct end_got {
    uint16_t flow;
    unsigned lane;
    size_t len;
    uint64_t at_us;
    uint8_t head[ENDS_HEAD];
};

/* What one end was told. */
struct end {
    struct two_ends *ends;
    unsigned side;
    struct sp_tunnel *tunnel;
    struct end_lane lanes[ENDS_LANES];
    unsigned input_lane; /* that is being read */
    bool want_flush;
    unsigned flush_told;
    struct end_got got[ENDS_GOT];
    size_t n_got;
    unsigned batches, opened, closed, suspected, expired, draining, width_told;
    unsigned lanes_wanted; /* as the tunnel said last */
    unsigned closed_code;
    unsigned suspect_lane;
    bool lose_suspects;                                       /* as soon as it is told */
    int open_answer;                                          /* what flow_opened returns */
    void (*on_datagrams)(struct end *end, struct sp_flow *f); /* after they were remembered */
    unsigned asked, ask_answer; /* questions; what is said to them, 0: the question backwards */
    bool close_at_once;         /* flow_opened closes the flow itself */
    bool free_when_expired;
    struct sp_flow *flow; /* the last that was opened to it */
};

struct two_ends {
    struct sp_timerq timers;
    struct sp_rng_seeded rng;
    uint64_t now_us;
    struct end end[2];
};

/* Two tunnels without lanes. NULL: the default configuration. An error is sp_tunnel_new's; then
 * ends_close is still right. */
int ends_open(struct two_ends *e, const struct sp_tunnel_config *gateway,
              const struct sp_tunnel_config *edge);
void ends_close(struct two_ends *e);

/* A lane of that number on both ends; a number that is there is replaced. SP_ENOMEM: on neither
 * end, or on the gateway's alone. */
int ends_join(struct two_ends *e, unsigned number);
/* Its transport ends, on one side or on both. */
void ends_lose(struct two_ends *e, unsigned side, unsigned number);
void ends_lose_both(struct two_ends *e, unsigned number);

/* The i-th frame that waits on a wire: false when there are not so many. `c` is filled for a
 * control message. */
bool ends_peek(const struct two_ends *e, unsigned from, unsigned number, size_t i,
               struct sp_frame *frame, struct sp_control *c);
/* How many frames wait there. */
size_t ends_waiting(const struct two_ends *e, unsigned from, unsigned number);
/* Control requests of that method on all of a side's wires. */
size_t ends_requests(const struct two_ends *e, unsigned from, uint16_t method);
/* Loses what is on all wires of one side. */
void ends_lose_bytes(struct two_ends *e, unsigned from);

/* Lets both ends flush if they asked for it. */
void ends_flush(struct two_ends *e);
/* Brings at most `max` bytes from one side's wire to the other side; returns what lane_input said.
 * What is not used stays on the wire. */
int ends_carry(struct two_ends *e, unsigned from, unsigned number, size_t max);
/* Flushes and carries, whole or byte by byte, until nothing moves; wires that are held stay. */
void ends_settle(struct two_ends *e);
void ends_settle_cut(struct two_ends *e, size_t piece);
/* Puts raw bytes on the wire, as a broken or hostile far side would. */
void ends_inject(struct two_ends *e, unsigned from, unsigned number, const void *p, size_t len);
/* Time passes: from deadline to deadline, flushing, carrying nothing. */
void ends_wait(struct two_ends *e, uint64_t us);
/* The same, and everything is carried as it comes. */
void ends_live(struct two_ends *e, uint64_t us);

/* A datagram on a flow, from the side that it belongs to. */
void ends_send(struct two_ends *e, struct sp_flow *f, const void *p, size_t len);
/* Opens a flow on the gateway. A flow's user, where a test sets it, is a pointer to the flow: it
 * becomes NULL when the far side closes it. */
struct sp_flow *ends_flow(struct two_ends *e);
/* Opens one, sends "hello" by it, settles: both ends have it. *edge is the far side's. */
struct sp_flow *ends_connected_flow(struct two_ends *e, struct sp_flow **edge);

static inline const struct sp_tunnel_counters *ends_count(struct two_ends *e, unsigned side)
{
    return sp_tunnel_counters(e->end[side].tunnel);
}

#endif
