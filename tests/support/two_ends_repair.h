/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two ends (two_ends.h) with one flow over lanes that are idle, and what tests of single datagrams
 * ask of them: by which lane one left, where copies of it wait, what was reported missing, and
 * reports that a far side, honest or not, would send. Knows no Check.
 */
#ifndef TESTS_TWO_ENDS_REPAIR_H
#define TESTS_TWO_ENDS_REPAIR_H

#include "two_ends.h"

/* Opens both ends and joins lanes whose round trip is `rtt_us`; the gateway's first datagram, which
 * opens the flow, has this number. A second later all lanes are idle, and known to be. `edge` may
 * be NULL. */
struct sp_flow *ends_begin(struct two_ends *e, unsigned lanes, uint32_t rtt_us, uint32_t first_seq,
                           struct sp_flow **edge);

/* Sends it, flushes, and returns the lane that it left by; ENDS_LANES: it waits. */
unsigned ends_put(struct two_ends *e, struct sp_flow *f, const void *p, size_t len);
unsigned ends_put_text(struct two_ends *e, struct sp_flow *f, const char *text);
/* An RTP packet of that length (12 to 1200) and payload type. */
unsigned ends_put_rtp(struct two_ends *e, struct sp_flow *f, uint8_t type, size_t len);

/* The number that left last. */
uint32_t ends_last_seq(const struct two_ends *e, unsigned side);

/* Reports that wait on a side's wires; the last that is found is copied, with its lane. Both
 * pointers may be NULL. */
size_t ends_reports(const struct two_ends *e, unsigned side, struct sp_control *last,
                    unsigned *lane);
/* How often the datagram of that number waits on the gateway's wires, and on which last. */
size_t ends_waiting_seq(const struct two_ends *e, uint32_t seq, unsigned *lane);

/* What the far side reports to the gateway: numbers below that one, as a bitmap; or one number, at
 * most 8 below the other. */
void ends_report(struct two_ends *e, uint32_t below, const void *bitmap, size_t len);
void ends_report_one(struct two_ends *e, uint32_t below, uint32_t missing);

#endif
