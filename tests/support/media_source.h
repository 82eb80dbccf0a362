/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Media as a browser sends it, for measuring: says when the next datagram of a stream is due, and
 * makes it. Voice is a packet of 160 bytes each 20 ms; video 30 frames a second, each a burst of
 * packets of up to 1,200 bytes, a key frame of five times the size every 3 s. To whoever looks it
 * is RTP: an SSRC a stream, sequence numbers, a timestamp a frame, the marker where RFC 3551 wants
 * it. Pure.
 *
 *     RTP header 12 | STAMP 64 | NUMBER 32 | bytes that follow from SSRC and NUMBER
 *
 * STAMP is the sender's clock in nanoseconds, NUMBER counts the stream's datagrams from 0.
 */
#ifndef SALLYPORT_TEST_MEDIA_SOURCE_H
#define SALLYPORT_TEST_MEDIA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"
#include "sallyport/rng.h"

enum media_class { MEDIA_VOICE, MEDIA_VIDEO, MEDIA_CLASSES };

#define MEDIA_VOICE_BYTES 160
#define MEDIA_BYTES_MAX   1200
#define MEDIA_HEADER_LEN  24

struct media_source {
    enum media_class what;
    uint32_t ssrc, timestamp, number;
    uint16_t sequence;
    uint64_t due_ns;
    struct sp_rng *rng;
    double frame_bytes; /* of one that is no key frame, on average */
    uint64_t frames;
    unsigned left, packet_bytes; /* of the frame that is being sent */
};

/* `bps` counts whole datagrams, and is of no matter to voice. The first is due within one interval
 * from `start_ns`: streams do not beat together. */
void media_source_init(struct media_source *s, enum media_class what, unsigned bps,
                       struct sp_rng *rng, uint64_t start_ns);

/* Writes the datagram that is due and returns its length; due_ns is then that of the next one. */
size_t media_source_next(struct media_source *s, uint8_t out[static MEDIA_BYTES_MAX],
                         uint64_t now_ns);

struct media_stamp {
    uint32_t ssrc, number;
    uint64_t sent_ns;
};

/* False: not one of ours, or altered on its way. */
bool media_stamp_read(struct sp_span datagram, struct media_stamp *out);

#endif
