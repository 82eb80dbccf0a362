/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnel's control messages: STUN transactions with private methods and attributes, carried in
 * frames of flow 0. A pure codec on top of stun.h; the rules of who says what when are tunnel.h's.
 *
 *     OPEN   request   SEQ, FLOW, KIND, XOR-MAPPED-ADDRESS (the local client, for diagnosis), DATA
 *            success   FLOW
 *     CLOSE  request   FLOW                                          success   FLOW
 *     PING   request                                                 success
 *     DRAIN  request                                                 success
 *     REPORT indication MISSING
 *     ASK    request   BODY (whatever the owners of both ends know)  success   BODY
 *     ARRIVED indication ARRIVAL
 *     an error answer carries ERROR-CODE, and FLOW where the request did
 *
 * SEQ and FLOW stand first in an OPEN, so that SEQ can be written when the frame leaves.
 */
#ifndef SALLYPORT_CONTROL_H
#define SALLYPORT_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bottleneck.h"
#include "sallyport/bytes.h"
#include "sallyport/lane_set.h"
#include "sallyport/stun.h"

enum sp_control_method {
    SP_CONTROL_OPEN = 0xF01,
    SP_CONTROL_CLOSE = 0xF02,
    SP_CONTROL_PING = 0xF03,
    SP_CONTROL_DRAIN = 0xF04,
    SP_CONTROL_REPORT = 0xF05,
    SP_CONTROL_ASK = 0xF06,
    SP_CONTROL_ARRIVED = 0xF07,
};

enum sp_control_attr {
    SP_ATTR_FLOW = 0xFF01,    /* number in the upper 16 bits, kind (OPEN only) in the lower */
    SP_ATTR_SEQ = 0xFF02,     /* of the datagram in DATA */
    SP_ATTR_MISSING = 0xFF03, /* highest number 32, then a bitmap (sp_seqwin_missing) */
    SP_ATTR_BODY = 0xFF04,    /* of an ASK and its answer */
    SP_ATTR_ARRIVAL = 0xFF05, /* number 32, time 32, bytes 32 (bottleneck.h) */
};

enum sp_flow_kind {
    SP_FLOW_TURN = 1,
    SP_FLOW_SESSION = 2, /* of an end of a rendezvous session */
};

/* Error codes in answers, numbered in STUN's spirit. */
#define SP_CONTROL_MALFORMED 400
#define SP_CONTROL_RESTING   437 /* this flow number was closed a moment ago */
#define SP_CONTROL_UNKNOWN   442 /* a kind of flow, or of question, that this end does not know */
#define SP_CONTROL_DRAINING  480 /* this end opens nothing new any more */
#define SP_CONTROL_FULL      508 /* flows at their bound */

struct sp_control {
    uint16_t method;
    enum sp_stun_class cls;
    uint8_t id[SP_STUN_ID_LEN];
    uint16_t flow; /* 0 where there is none */
    uint16_t kind; /* OPEN requests */
    unsigned code; /* error answers */
    bool has_data;
    uint32_t seq;              /* with data; of a REPORT: the highest that came */
    struct sp_span missing;    /* REPORT: borrowed; at most SP_CONTROL_MISSING_MAX bytes */
    struct sp_arrival arrival; /* ARRIVED */
    struct sp_span data;       /* borrowed */
    struct sp_span body;       /* ASK: borrowed; at most SP_CONTROL_BODY_MAX bytes */
    struct sp_addr local;      /* family SP_FAMILY_NONE when absent; never trusted */
};

/* Where the values of SEQ and FLOW lie in an OPEN with DATA: they stand first for that. */
#define SP_CONTROL_SEQ_OFFSET  (SP_STUN_HEADER_LEN + 4)
#define SP_CONTROL_FLOW_OFFSET (SP_STUN_HEADER_LEN + 12)
/* The bytes that an OPEN has beyond its datagram, and all that another message has, at most. */
#define SP_CONTROL_OVERHEAD 80
/* Of an ARRIVED, all of it. */
#define SP_CONTROL_ARRIVED_LEN (SP_STUN_HEADER_LEN + 16)
/* Of a REPORT's bitmap: 320 numbers, 400 ms of 7 Mbit/s. */
#define SP_CONTROL_MISSING_MAX 40

/* Of an ASK or its answer: these messages may be longer than others by so much. */
#define SP_CONTROL_BODY_MAX 512

/* SP_EBADMSG: not a control message, unknown method, or an attribute that its method needs is
 * missing or malformed. `id` and `method` are written even so if the STUN header was right and it
 * was a request (*answerable true), so that it can be answered 400. */
int sp_control_parse(struct sp_span s, struct sp_control *out, bool *answerable);

/* SP_ETOOBIG. */
int sp_control_build(const struct sp_control *c, uint8_t *out, size_t cap, size_t *len);

#endif
