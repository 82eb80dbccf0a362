/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One end of a tunnel: carries datagrams of many flows over one to many lanes, and does no I/O.
 * Both ends are this machine; only the gateway opens flows, only the edge lingers and expires.
 *
 * A datagram's way out: sp_flow_send queues it as a frame; sp_tunnel_flush numbers frames and
 * hands them, about a segment at a time, to the lane that is the best just then. Its way in:
 * sp_tunnel_lane_input cuts frames, drops what came before or is late, and tells `datagrams`.
 *
 * A datagram is delivered at most once, unaltered or not at all; order is kept within what one
 * lane carried, and nowhere else, as with UDP. Knows nothing of TURN, TLS or HTTP.
 */
#ifndef SALLYPORT_TUNNEL_H
#define SALLYPORT_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"
#include "sallyport/control.h"
#include "sallyport/rng.h"
#include "sallyport/timerq.h"

struct sp_tunnel;
struct sp_flow;
struct sp_lane;

enum sp_tunnel_role { SP_TUNNEL_GATEWAY, SP_TUNNEL_EDGE };

/* A record should not hold more than about one segment, since a lost segment holds back the record;
 * by a lane that loses nothing and is so fast that it does not matter, as much as TLS allows. */
#define SP_TUNNEL_RECORD_TARGET 1400
#define SP_TUNNEL_RECORD_MAX    16384

/* How many segments, each as long as that target, so many bytes are: windows count those. */
static inline uint32_t sp_tunnel_segments(size_t len)
{
    return (uint32_t)((len + SP_TUNNEL_RECORD_TARGET - 1) / SP_TUNNEL_RECORD_TARGET);
}

/* How a lane's transport fares, as its kernel tells. */
struct sp_lane_measure {
    uint64_t acked_bytes;   /* since the start: progress */
    uint32_t unacked_bytes; /* handed over, not acknowledged by the far side's kernel */
    uint32_t rtt_us;        /* 0: not known */
    bool has_window;        /* it has one, as TCP's congestion control; and as it is known: */
    uint32_t window; /* segments that would leave at once, each as long as a record's target */
};

/* What a transport does for a lane. TLS over TCP is the first; none of these may call back. */
struct sp_lane_ops {
    /* Takes `frames`, whole frames of at most a record, always. */
    void (*send)(struct sp_span frames, void *arg);
    /* Whether it takes more without it waiting in this process. When that becomes true again, the
     * transport calls sp_tunnel_lane_writable. */
    bool (*has_room)(void *arg);
    void (*measure)(struct sp_lane_measure *out, void *arg);
    /* Whether some of what has come by it was not given to the tunnel yet. NULL: never. */
    bool (*has_more)(void *arg);
    /* The tunnel has let go of the lane (replaced, or the tunnel ended): the transport ends itself.
     */
    void (*close)(void *arg);
    /* Round trips may become longer at any time from now on, or no longer: there is a queue on the
     * way. NULL: it is all the same to this transport. */
    void (*expect_queue)(bool queue, void *arg);
};

/* They may send and close flows; they may not free the tunnel (but see `expired`) nor touch lanes
 * (but see `lane_suspect`). */
struct sp_tunnel_events {
    /* Something waits: call sp_tunnel_flush before you sleep. Told once until flushed. */
    void (*flush)(void *arg);
    /* Datagrams of one flow, in the order of their lane. The spans are valid during the call. */
    void (*datagrams)(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                      void *arg);
    /* Edge only: the gateway opened a flow. 0 accepts; an SP_CONTROL_… code refuses, and the flow
     * may not be used after this. */
    int (*flow_opened)(struct sp_flow *f, uint64_t now_us, void *arg);
    /* The far side closed or refused it (code not 0); the flow may not be used after this. */
    void (*flow_closed)(struct sp_flow *f, unsigned code, void *arg);
    /* No progress on this lane: it gets no more datagrams, and a replacement would be welcome.
     * Lanes may be removed from here. */
    void (*lane_suspect)(struct sp_lane *l, void *arg);
    /* The far side is about to end (sp_tunnel_drain there): what is open lives on, what is new had
     * better go elsewhere. Told once. May be NULL. */
    void (*draining)(void *arg);
    /* So many lanes are of use from now on: 1 where it has become narrow, more where it is wide.
     * May be NULL. */
    void (*lanes_wanted)(unsigned lanes, void *arg);
    /* Gateway only: the edge asks something, perhaps again (then say the same). 0: the answer's
     * `*len` bytes are in `answer`; an SP_CONTROL_… code refuses. NULL: nothing is understood. */
    unsigned (*asked)(struct sp_span question, uint8_t answer[static SP_CONTROL_BODY_MAX],
                      size_t *len, uint64_t now_us, void *arg);
    /* Edge only: no lane for the linger time. The owner frees the tunnel, from here if it likes. */
    void (*expired)(void *arg);
};

struct sp_tunnel_config {
    enum sp_tunnel_role role;
    uint64_t linger_us;     /* edge: how long a tunnel without lanes is kept */
    uint64_t max_age_us;    /* a datagram that waited longer is dropped */
    size_t max_queue_bytes; /* of datagrams that wait for a lane */
    size_t max_flows;       /* open at once */
    uint64_t burst_rate;    /* bytes a second of what is patient, till the path is known; 0: any */
};
void sp_tunnel_config_default(struct sp_tunnel_config *c, enum sp_tunnel_role role);

struct sp_tunnel_counters {
    uint64_t datagrams_in, bytes_in, datagrams_out, bytes_out; /* bytes: all that lanes carried */
    uint64_t dropped_copy, dropped_old, dropped_late;          /* by the receiver */
    uint64_t dropped_age, dropped_full, dropped_too_big;       /* by the sender */
    uint64_t dropped_unknown_flow, malformed;
    uint64_t flows_opened, flows_closed, flows_refused;
    uint64_t flows_crowded; /* of flows_refused: at max_flows */
    uint64_t lanes_joined, lanes_lost, lanes_suspected, control_repeats;
    uint64_t reports_in, reports_out; /* of what is missing */
    uint64_t copied;                  /* datagrams that left twice, unasked */
    uint64_t parity_in, parity_out;   /* frames */
    uint64_t recovered;               /* datagrams, out of them */
    uint64_t missed, repeated;        /* datagrams that the far side missed; that left once more */
};

/* `events`, `timers` and `rng` are borrowed. SP_ENOMEM. */
int sp_tunnel_new(const struct sp_tunnel_config *c, const struct sp_tunnel_events *events,
                  void *arg, struct sp_timerq *timers, struct sp_rng *rng, struct sp_tunnel **out);

/* Lets go of lanes (their close is called); flows end without an event. */
void sp_tunnel_free(struct sp_tunnel *t);

/* Tells the far side, until it has heard, that this end is about to end. A gateway opens no flow
 * here any more from then on, and an edge lets go of the tunnel when its last lane has closed,
 * without lingering. This end opens no flow from now on, and refuses those of the far side.
 * Harmless the second time. */
void sp_tunnel_drain(struct sp_tunnel *t, uint64_t now_us);

/* How a question ended: `err` (SP_ETIMEDOUT: no answer for 3 s; SP_ECLOSED: the tunnel ended), or
 * an answer's `code`, or 0 and its `body`, valid during the call. */
struct sp_tunnel_answer {
    int err;
    unsigned code;
    struct sp_span body;
};
typedef void sp_tunnel_answer_fn(const struct sp_tunnel_answer *answer, uint64_t now_us, void *arg);

/* Edge only: asks the gateway's owner; `fn` is called exactly once, later, when this was 0. It may
 * ask again, unless the tunnel ended. SP_ETOOBIG: over SP_CONTROL_BODY_MAX; SP_EPROTO: not an edge;
 * SP_ENOMEM. */
int sp_tunnel_ask(struct sp_tunnel *t, struct sp_span question, sp_tunnel_answer_fn *fn, void *arg,
                  uint64_t now_us);

/* --- lanes -------------------------------------------------------------------------------- */

/* A lane joins under a number; one that has the number already is let go. SP_EINVAL: number too
 * large; SP_ENOMEM: nothing was changed. */
int sp_tunnel_lane_add(struct sp_tunnel *t, unsigned number, const struct sp_lane_ops *ops,
                       void *arg, uint64_t now_us, struct sp_lane **out);

/* The transport ended; its close is not called. What it still held is lost. */
void sp_tunnel_lane_remove(struct sp_lane *l, uint64_t now_us);

/* Bytes that arrived, of which *used were consumed. SP_EBADMSG or SP_ETOOBIG: the far side broke
 * framing; the caller ends the connection and removes the lane. */
int sp_tunnel_lane_input(struct sp_lane *l, struct sp_span s, uint64_t now_us, size_t *used);
void sp_tunnel_lane_writable(struct sp_lane *l);

/* Each lane is asked whether it lives, and has to answer soon or is suspect: something has happened
 * on their way. */
void sp_tunnel_probe(struct sp_tunnel *t, uint64_t now_us);

unsigned sp_lane_number(const struct sp_lane *l);
bool sp_lane_is_suspect(const struct sp_lane *l);
uint32_t sp_lane_rtt_us(const struct sp_lane *l); /* 0: not known */
size_t sp_tunnel_lane_count(const struct sp_tunnel *t);
/* NULL when there is none of this number. */
struct sp_lane *sp_tunnel_lane(const struct sp_tunnel *t, unsigned number);

/* --- flows -------------------------------------------------------------------------------- */

/* Gateway only. Nothing is sent until its first datagram, which travels with the OPEN. `local` is
 * told to the edge for diagnosis. SP_EFULL: at max_flows, all numbers rest, or one of the ends
 * drains; SP_ENOMEM. */
int sp_flow_open(struct sp_tunnel *t, enum sp_flow_kind kind, const struct sp_addr *local,
                 uint64_t now_us, struct sp_flow **out);

/* Tells the far side; the flow may not be used after this. No event follows. */
void sp_flow_close(struct sp_flow *f, uint64_t now_us);

/* Queues `parts` as one datagram (copied). Dropped and counted: over SP_DATAGRAM_MAX, no memory. */
void sp_flow_send(struct sp_flow *f, const struct sp_span *parts, size_t n, uint64_t now_us);

void sp_flow_set_user(struct sp_flow *f, void *user);
void *sp_flow_user(const struct sp_flow *f);
uint16_t sp_flow_number(const struct sp_flow *f);
enum sp_flow_kind sp_flow_kind(const struct sp_flow *f);
/* The local client as the gateway told it; not to be trusted. */
const struct sp_addr *sp_flow_local(const struct sp_flow *f);
/* The tunnel that it is a flow of. */
struct sp_tunnel *sp_flow_tunnel(const struct sp_flow *f);
size_t sp_tunnel_flow_count(const struct sp_tunnel *t);

/* Whether it uses many lanes: at the beginning of a call, and where something was lost of late. */
bool sp_tunnel_is_wide(const struct sp_tunnel *t);

/* Numbers what waits and hands it to lanes, as far as they have room. */
void sp_tunnel_flush(struct sp_tunnel *t, uint64_t now_us);

const struct sp_tunnel_counters *sp_tunnel_counters(struct sp_tunnel *t);

#endif
