/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One direction of a link, as a machine on virtual time: a drop-tail queue before a line of a given
 * rate, then loss, then the way. Knows no packet's contents, no device and no clock: the owner
 * tells the time, in nanoseconds, which must not go back. link_emulator.c makes a link between
 * hosts of it.
 *
 *     offer ──▶ queue (full: refused) ──▶ line, LEN / rate ──▶ lost? ──▶ delay, jitter ──▶ take
 *
 * What happened between two calls is settled at the times when it happened, so late calls change
 * nothing but the moment at which a packet is taken.
 */
#ifndef SALLYPORT_TEST_LINK_MODEL_H
#define SALLYPORT_TEST_LINK_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "sallyport/rng.h"

#define LINK_NEVER UINT64_MAX

struct link_params {
    uint64_t delay_ns;
    uint64_t jitter_ns; /* each takes 0 to this much longer, uniformly */
    bool reorder;       /* jitter may let one overtake another; else nothing ever does */
    double loss;        /* share of packets, 0 to 1 */
    /* Mean number that are lost in a row, from 1 (Gilbert and Elliott's chain, whose bad state
     * loses everything); 0: each is lost or not on its own. */
    double burst;
    uint64_t rate_bps; /* bits of packets a second; 0: without limit, and nothing ever waits */
    /* What may wait, the packet on the line included: this many bytes, or what takes this long at
     * the present rate. One of them is 0. One packet may always wait. */
    uint64_t queue_bytes, queue_ns;
};

/* The owner's packet begins with one. */
struct link_packet {
    struct link_packet *next;
    uint64_t due_ns; /* when it is at the other end */
    uint32_t len;
    bool lost;
};

struct link_counts {
    uint64_t offered, offered_bytes;
    uint64_t full, full_bytes;       /* refused by the queue */
    uint64_t lost, lost_bytes;       /* on the way */
    uint64_t bursts;                 /* losses in a row count once */
    uint64_t arrived, arrived_bytes; /* taken */
    uint64_t most_waiting_bytes;
    uint32_t longest;
};

struct link_line {
    struct link_params params;
    struct link_counts counts;
    struct sp_rng *rng;
    struct link_packet *waiting, **waiting_end; /* the first is on the line */
    uint64_t waiting_bytes, done_ns;            /* when the first has left it */
    uint64_t carry;                             /* of dividing by the rate */
    struct link_packet *flying, *flying_last;   /* by due_ns */
    bool bad, lost_last;
};

/* NULL, or what is wrong with them in a few words. */
const char *link_params_wrong(const struct link_params *p);

/* An ideal line until link_set. `rng` stays the caller's. */
void link_init(struct link_line *l, struct sp_rng *rng);

/* From now on. Who waits goes on at the new rate, who is on the way is not touched. */
void link_set(struct link_line *l, const struct link_params *p, uint64_t now_ns);

/* False: the queue is full, and the packet still the caller's. `len` must be set. */
bool link_offer(struct link_line *l, struct link_packet *p, uint64_t now_ns);

/* When to call link_take; LINK_NEVER: not before something is offered. */
uint64_t link_next_ns(const struct link_line *l);

/* A packet that is due, or NULL. Lost ones come out as well, marked, at the time at which they
 * would have arrived: the owner only frees them. */
struct link_packet *link_take(struct link_line *l, uint64_t now_ns);

#endif
