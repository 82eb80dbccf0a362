/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a datagram is for, and so how urgent it is. Looks through one TURN layer (ChannelData, Send
 * and Data indications), then by RFC 7983 at the first byte and by RFC 3550 at the RTP header;
 * never at a payload, which is encrypted anyway.
 *
 * Voice and video are both RTP, and payload type numbers say nothing without the session
 * description. They are told apart for each SSRC by what they cannot hide:
 *
 * - the RTP clock: how fast timestamps advance beside the time of arrival, which is 90 kHz for all
 *   video and at most 48 kHz for all voice. Known after SETTLE (classify.c) and a few timestamps;
 * - a burst: packets of one picture share a timestamp. So do those of one DTMF event (RFC 4733),
 *   but they are small.
 *
 * Until then a small packet is voice, which is the safe mistake, and a large one video. Mere
 * padding, which asks for more bandwidth on any stream, is as urgent as video. An answer is a hint:
 * whoever wants to can make video look like voice, at the expense of others on the same tunnel.
 *
 * Costs no allocation for a datagram of a stream that is known. Knows no tunnel, no queue.
 */
#ifndef SALLYPORT_CLASSIFY_H
#define SALLYPORT_CLASSIFY_H

#include <stdint.h>

#include "sallyport/bytes.h"
#include "sallyport/list.h"
#include "sallyport/map.h"

/* The most urgent first. */
enum sp_class {
    SP_CLASS_CONTROL, /* STUN, TURN, DTLS and ZRTP handshakes: the rest waits for them */
    SP_CLASS_VOICE,
    SP_CLASS_RTCP,
    SP_CLASS_VIDEO, /* its retransmissions and error correction, padding of all kinds */
    SP_CLASS_DATA,  /* data channels, and what nobody knows */
};
#define SP_N_CLASSES 5

/* "control", "voice", ... */
const char *sp_class_name(enum sp_class c);

/* Streams (flow and SSRC) that are remembered; beyond it the least recently used is forgotten. */
#define SP_CLASSIFY_STREAMS 1024

/* One for each tunnel and direction. */
struct sp_classify {
    struct sp_map streams;
    struct sp_list by_use; /* the least recently used first */
};

/* Allocates nothing. `rng` is for the map's key, not kept. */
void sp_classify_init(struct sp_classify *c, struct sp_rng *rng);
void sp_classify_fini(struct sp_classify *c);

/* The class of one datagram of `flow`, which is learned from; `now_us` is when it arrived here.
 * Never fails: without memory for a new stream it is judged by its size alone. */
enum sp_class sp_classify(struct sp_classify *c, uint16_t flow, struct sp_span datagram,
                          uint64_t now_us);

/* The same for what is inside of TURN's layer, or has none. */
enum sp_class sp_classify_inner(struct sp_classify *c, uint16_t flow, struct sp_span s,
                                uint64_t now_us);

/* The flow has ended, and its number may come to mean another. */
void sp_classify_forget(struct sp_classify *c, uint16_t flow);

#endif
