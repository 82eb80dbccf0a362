/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of each datagram that goes one way through a simulated tunnel: when it was offered,
 * when it was handed to a lane, by which lanes, and whether it came. Whatever a tunnel promises of
 * a single datagram is required here: it comes at most once, unchanged, to its flow, in the order
 * of its lane, and neither leaves nor comes too late. Knows datagrams and numbers of flows and
 * lanes; what a tunnel is, it doesn't.
 */
#ifndef TESTS_SIM_LEDGER_H
#define TESTS_SIM_LEDGER_H

#include "sallyport/bytes.h"
#include "sallyport/rfc4571.h"
#include "sim.h"

#define SIM_DATAGRAM_MIN   12   /* index, flow, length: what every datagram begins with */
#define SIM_LEDGER_LANES   1024 /* connections that were ever a lane, in one run */
#define SIM_LEDGER_PATTERN 251

struct sim_ledger_rules {
    uint64_t max_age_us;  /* from its offer until it is first handed to a lane */
    uint64_t max_late_us; /* after the first one that left later came */
    bool in_order;        /* none comes after one that left later */
};

struct sim_ledger_entry {
    uint64_t offered_us, handed_us, order;
    uint32_t flow, len;
    bool handed, delivered;
};

/* The highest that was delivered so far, each time it rose. */
struct sim_ledger_mark {
    uint64_t at_us, handed_us, order;
};

/* What was handed to a lane, in order, and how far it was read. */
struct sim_ledger_lane {
    uint32_t *index;
    size_t n, cap, next;
};

struct sim_ledger {
    struct sim *sim;
    struct sim_ledger_rules rules;
    struct sim_ledger_entry *entries;
    size_t n, cap; /* n: how many were offered */
    uint64_t handed, delivered;
    struct sim_ledger_mark *marks;
    size_t n_marks, cap_marks;
    struct sim_ledger_lane lanes[SIM_LEDGER_LANES];
    /* What stands behind a datagram's head: a piece of this that depends on the datagram. */
    uint8_t pattern[SP_DATAGRAM_MAX + 1 + SIM_LEDGER_PATTERN];
};

void sim_ledger_init(struct sim_ledger *l, struct sim *s, const struct sim_ledger_rules *rules);
void sim_ledger_fini(struct sim_ledger *l);

/* Enters a new datagram of that flow and writes it. `len`: SIM_DATAGRAM_MIN to SP_DATAGRAM_MAX + 1.
 */
void sim_ledger_offer(struct sim_ledger *l, uint32_t flow, uint32_t len, uint8_t *bytes);
/* It is handed to that lane; `again`: not for the first time. Returns its flow. */
uint32_t sim_ledger_hand(struct sim_ledger *l, unsigned lane, struct sp_span datagram, bool again);
/* It came by that lane and was given to that flow. */
void sim_ledger_deliver(struct sim_ledger *l, unsigned lane, uint32_t flow,
                        struct sp_span datagram);
/* The same, by no lane: it was made of others that came. */
void sim_ledger_recover(struct sim_ledger *l, uint32_t flow, struct sp_span datagram);

#endif
