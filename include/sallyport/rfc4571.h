/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 4571 framing, and the tunnel's frame header inside it. A pure codec: knows no tunnel.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------------------------------+-------------------------------+
 *     | LENGTH of what follows it     | FLOW                          |   RFC 4571 | tunnel frame
 *     +-------------------------------+-------------------------------+
 *     | SEQ                                                           |   flows 1 to 0xFFFE only
 *     +---------------------------------------------------------------+
 *     | datagram, or control message (flow 0), or parity (0xFFFF)     |
 */
#ifndef SALLYPORT_RFC4571_H
#define SALLYPORT_RFC4571_H

#include <stdint.h>

#include "sallyport/bytes.h"

#define SP_RFC4571_HEADER_LEN 2
#define SP_FRAME_HEADER_LEN   8     /* LENGTH, FLOW, SEQ */
#define SP_DATAGRAM_MAX       16000 /* the largest datagram that a tunnel carries */
#define SP_FLOW_CONTROL       0
#define SP_FLOW_PARITY        0xFFFF
/* The longest frame that a peer may send: an OPEN with a largest datagram in it, with room. */
#define SP_FRAME_MAX (SP_DATAGRAM_MAX + 512)

/* The first RFC 4571 packet of `s`: *packet is borrowed, *used = 2 + its length. SP_EMORE: not
 * whole yet. SP_ETOOBIG: LENGTH is over `max`. A LENGTH of 0 is legal, a keep-alive (RFC 6544). */
int sp_rfc4571_next(struct sp_span s, size_t max, struct sp_span *packet, size_t *used);

enum sp_frame_kind { SP_FRAME_CONTROL, SP_FRAME_DATA, SP_FRAME_PARITY };

struct sp_frame {
    enum sp_frame_kind kind;
    uint16_t flow;       /* SP_FRAME_DATA: 1 to 0xFFFE */
    uint32_t seq;        /* SP_FRAME_DATA */
    struct sp_span body; /* datagram, control message or parity */
};

/* Takes the packet that sp_rfc4571_next cut. SP_EBADMSG: too short for its kind, empty control
 * message, datagram over SP_DATAGRAM_MAX. A packet of length 0 is SP_ENOENT: nothing in it. */
int sp_frame_parse(struct sp_span packet, struct sp_frame *out);

/* Headers; the body follows. `len` is the body's. */
void sp_frame_data_header(uint8_t out[static SP_FRAME_HEADER_LEN], uint16_t flow, uint32_t seq,
                          size_t len);
#define SP_FRAME_CONTROL_HEADER_LEN 4
void sp_frame_control_header(uint8_t out[static SP_FRAME_CONTROL_HEADER_LEN], size_t len);
/* The same for a parity frame's payload (parity.h). */
void sp_frame_parity_header(uint8_t out[static SP_FRAME_CONTROL_HEADER_LEN], size_t len);

#endif
