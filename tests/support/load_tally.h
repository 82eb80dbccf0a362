/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The load generator's datagrams and what became of them. Each looks like a packet of RTP, tells
 * when it was sent and by which end, and is counted where it arrives. Delays go into a histogram of
 * fixed size, whose steps are 1.6 % wide: no memory per datagram, however many there are. Pure.
 *
 *     RTP header 12 | STAMP 64 | NUMBER 32 | zeros
 *
 * SSRC is the number of the sending end and, in its last bit, of its stream: 0 voice, 1 video.
 * STAMP is its clock in nanoseconds, NUMBER counts its datagrams.
 */
#ifndef SALLYPORT_TEST_LOAD_TALLY_H
#define SALLYPORT_TEST_LOAD_TALLY_H

#include <stdint.h>

#include "sallyport/bytes.h"

#define LOAD_HEADER_LEN 24
#define LOAD_STEPS      64 /* in each octave */
#define LOAD_OCTAVES    34 /* of nanoseconds: up to 17 s, and what is longer counts as that */

enum load_stream_kind { LOAD_VOICE, LOAD_VIDEO, LOAD_STREAMS };

/* Writes the first LOAD_HEADER_LEN bytes. */
void load_stamp(uint8_t *out, uint32_t end, enum load_stream_kind stream, uint32_t number,
                uint64_t now_ns);

struct load_tally {
    uint64_t delivered, bytes;
    uint64_t copies; /* came twice, within the last 64 of their sender */
    uint64_t before; /* sent before what is counted */
    uint64_t wrong;  /* not one of ours, of another end, or another length */
    uint64_t delays[LOAD_OCTAVES * LOAD_STEPS];
};

/* What of one sender came lately. */
struct load_seen {
    uint32_t next; /* the highest number and one */
    uint64_t mask; /* bit 0: the highest */
};

/* What is due where it came. */
struct load_expected {
    uint32_t from;            /* the end */
    size_t len[LOAD_STREAMS]; /* of each stream's datagrams; 0: there is no such stream */
    uint64_t since_ns;        /* what was sent before counts for nothing */
};

void load_tally_take(struct load_tally *t, struct load_seen *seen, struct sp_span datagram,
                     const struct load_expected *want, uint64_t now_ns);

/* 0 when nothing came. */
double load_tally_quantile_us(const struct load_tally *t, double q);

/* How many took longer, to a step. */
uint64_t load_tally_longer(const struct load_tally *t, uint64_t ns);

#endif
