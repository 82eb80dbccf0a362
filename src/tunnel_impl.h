/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the tunnel share: tunnel.c (lanes, frames in), tunnel_out.c (frames out),
 * tunnel_flow.c (a flow's life),
 * tunnel_lane.c (a lane's health), tunnel_repair.c (what is asked for again), tunnel_copy.c
 * and tunnel_parity.c (what goes beside it), tunnel_width.c (how many lanes are used),
 * tunnel_arrival.c (what came last is told), tunnel_drain.c (how a tunnel says that it will end),
 * tunnel_ask.c (what the edge asks the gateway). Nobody else includes this.
 */
#ifndef SALLYPORT_TUNNEL_IMPL_H
#define SALLYPORT_TUNNEL_IMPL_H

#include "sallyport/bottleneck.h"
#include "sallyport/classq.h"
#include "sallyport/clock.h"
#include "sallyport/control.h"
#include "sallyport/list.h"
#include "sallyport/parity_dec.h"
#include "sallyport/parity_enc.h"
#include "sallyport/ratelimit.h"
#include "sallyport/rfc4571.h"
#include "sallyport/schedule.h"
#include "sallyport/sent.h"
#include "sallyport/seqwin.h"
#include "sallyport/tunnel.h"

#define FLOW_PAGE     256
#define NO_LANE       (-1)
#define REPEAT_MIN_US SP_MS(100)
#define REPEAT_MAX_US SP_SEC(2)

struct sp_lane {
    struct sp_tunnel *tunnel;
    const struct sp_lane_ops *ops;
    void *arg;
    unsigned number;
    uint64_t joined_us;
    bool suspect;
    bool waiting; /* it holds bytes that are not acknowledged */
    bool pinging;
    bool probing;  /* the answer has to come soon */
    uint64_t turn; /* when it last took datagrams, as a count */
    uint64_t last_in_us;
    uint64_t progress_us; /* when acknowledgements last moved, or when waiting began */
    struct sp_lane_measure measure;
    uint32_t least_rtt_us; /* ever; 0: not known */
    uint64_t measured_us;
    uint64_t sent_since; /* bytes handed over since it was measured */
    uint32_t segments_since;
    uint64_t sent_us; /* when it was last handed some */
    uint64_t busy_us; /* when the oldest that is not acknowledged was handed over, at most */
    uint64_t look_us; /* when it is to be looked at */
    uint8_t ping_id[SP_STUN_ID_LEN];
    uint64_t pinged_us;
    uint32_t ping_rtt_us;
};

/*
 *   gateway:  OPENING ──answer──▶ OPEN ──close──▶ CLOSING ──answer──▶ RESTING ──▶ freed
 *   edge:                         OPEN ──close──▶ CLOSING ──answer──▶ RESTING ──▶ freed
 *   A CLOSE from the far side leads from any of them to RESTING; a refusal to CLOSING, since
 * another copy of the OPEN may have been accepted.
 */
enum flow_state { FLOW_OPENING, FLOW_OPEN, FLOW_CLOSING, FLOW_RESTING };

struct sp_flow {
    struct sp_tunnel *tunnel;
    void *user;
    enum flow_state state;
    uint16_t number, kind;
    struct sp_addr local;
    struct sp_timer timer;      /* the next repeat, or the end of the rest */
    uint8_t id[SP_STUN_ID_LEN]; /* transaction of the OPEN or CLOSE under way */
    bool used;                  /* a datagram was queued: an OPEN may have left, or may yet */
    unsigned repeats;
    int last_lane;       /* that carried it */
    uint8_t *open_frame; /* the last OPEN that left, for repeating */
    size_t open_frame_len;
    uint64_t open_frame_us; /* when its datagram was queued */
};

/* A DRAIN under way, repeated until it is answered. */
struct drain {
    bool begun, answered;
    bool heard; /* the far side's own */
    struct sp_timer timer;
    uint8_t id[SP_STUN_ID_LEN];
    unsigned repeats;
    int last_lane;
};

/* tunnel_width.c */
struct width {
    unsigned lanes; /* that are of use; more than one: it is wide */
    bool lossy;     /* more than once something was missed, not long ago */
    struct sp_timer narrows;
    uint64_t until_us, missed_us, sent_us; /* 0: nothing was */
    unsigned fresh;                        /* so many records until nobody is curious any more */
    uint32_t rtt_us;                       /* of late, over all lanes */
    struct traffic {                       /* until when it was counted; 0: it was not */
        uint64_t at_us, in, out;
    } counted;
};

/* tunnel_copy.c: second copies that are to leave a moment later, oldest first. */
#define COPIES_MAX 64
struct copy {
    uint32_t seq;
    uint64_t from_us, due_us; /* in company; and alone */
};
struct copies {
    struct sp_timer timer;
    unsigned n;
    struct copy of[COPIES_MAX];
};

/* tunnel_parity.c: what left and was missed, by time; and both ends of the code. */
#define PARITY_WINDOWS 20
struct parity_window {
    uint32_t left, missed, runs; /* runs: of numbers that follow each other */
};
struct parity {
    struct sp_parity_enc enc;
    struct sp_parity_dec dec;
    struct sp_timer close, rest;
    sp_lane_set lanes; /* that took something of the open group */
    struct parity_window windows[PARITY_WINDOWS];
    unsigned at;
    uint64_t window_us, adapted_us;
    uint64_t burst_us, video_us; /* video leaves without a pause since, till then */
    unsigned burst_n;
    uint32_t last_missed;
};

/* What is missing here is asked for; what the far side misses is repeated. */
struct repair {
    struct sp_timer report; /* set: the next one is due then */
    uint32_t below;         /* it tells of what is missing below this number */
    bool gap;               /* one has appeared above that */
    struct sp_sent sent;
    uint64_t begun_us;      /* when the first datagram left; 0: none has */
    uint64_t missed_us;     /* when the far side last missed one; 0: never */
    struct sp_timer forget; /* set as long as something is remembered */
    size_t credit;          /* bytes that may be repeated */
    struct sp_ratelimit limit;
};

/* tunnel_arrival.c: what came last, and what the far side was told of it. */
struct arrival {
    struct sp_arrival last, told;
    uint64_t told_us, lively_until_us;
    uint64_t busy_until_us; /* lively without pauses */
    uint64_t mark_us;       /* how often enough comes is counted from then, and that on */
    uint32_t mark_bytes;
    struct sp_timer alone; /* nothing left that it could have ridden with */
    uint32_t spread_us;    /* of the lanes' ways */
    uint32_t gone_rtt_us;  /* the least of lanes that have ended; */
    uint64_t gone_us;      /* when */
    bool narrow;           /* the path, as lanes were told */
};

struct sp_tunnel {
    struct sp_tunnel_config config;
    const struct sp_tunnel_events *events;
    void *arg;
    struct sp_timerq *timers;
    struct sp_rng *rng;

    struct sp_classify classify;
    struct sp_classq queue;
    uint32_t next_seq;
    bool flush_told;
    struct sp_timer age;    /* the oldest in the queue becomes too old */
    struct sp_timer linger; /* edge: no lanes */

    struct sp_lane *lanes[SP_LANES_MAX];
    size_t lanes_end; /* all numbers of lanes that there are lie below */
    size_t n_lanes;
    struct sp_timer look; /* at the lane that is due first; set while there are any */
    uint64_t turns;
    struct flight { /* of what sets a call up: by which lane, and whether it may still go on */
        int lane;
        uint64_t until_us;
    } flight;

    struct sp_flow **pages[65536 / FLOW_PAGE];
    size_t n_flows;   /* OPENING and OPEN */
    size_t n_resting; /* CLOSING and RESTING */
    uint16_t last_number;
    struct sp_ratelimit close_limit;

    struct drain drain;
    struct sp_list asks; /* not answered yet */
    struct repair repair;
    struct width width;
    struct copies copies;
    struct parity parity;
    struct arrival arrival;
    struct sp_bottleneck bottleneck;

    struct sp_seqwin window;
    struct sp_tunnel_counters counters;
};

/* When to do what need not be punctual: at the same times in all tunnels, since to be woken up for
 * each of thousands costs more than what is done then. */
#define LEISURE_US SP_MS(10)
static inline uint64_t tunnel_leisure(uint64_t due_us)
{
    return (due_us + LEISURE_US - 1) / LEISURE_US * LEISURE_US;
}

/* tunnel.c: whether a datagram of this number is to be delivered; counts it if not. */
bool tunnel_wants(struct sp_tunnel *t, uint32_t seq, uint64_t now_us);
/* One datagram out of its order, to its flow. */
void tunnel_deliver(struct sp_tunnel *t, uint16_t flow, struct sp_span datagram, uint64_t now_us);
/* How long to wait for the answer to something that was repeated so often. */
uint64_t tunnel_repeat_us(const struct sp_tunnel *t, unsigned repeats);

/* tunnel_out.c */
void out_init(struct sp_tunnel *t);
void out_fini(struct sp_tunnel *t);
void tunnel_want_flush(struct sp_tunnel *t);
/* Sends one control message now, by a lane other than `avoid` where there is one. Returns
 * the lane's number, or NO_LANE. */
int tunnel_control(struct sp_tunnel *t, const struct sp_control *c, int avoid, uint64_t now_us);
/* On this lane, as what is said to what came by it. */
void tunnel_control_by(struct sp_lane *l, const struct sp_control *c);
/* An answer without more in it, on the lane where the request came. */
void tunnel_answer(struct sp_lane *l, const struct sp_control *request, unsigned code);
int tunnel_send_frame(struct sp_tunnel *t, struct sp_span frame, int avoid, uint64_t now_us);

enum lane_need {
    SP_LANE_ANY,
    SP_LANE_SURE, /* nothing was lost on it, as it seems */
};
/* The best lane but those of `avoid`, or NO_LANE when it is not what is needed. */
int tunnel_pick_lane(struct sp_tunnel *t, sp_lane_set avoid, enum lane_need need, uint64_t now_us);

/* tunnel_flow.c */
struct sp_flow *flow_find(const struct sp_tunnel *t, uint16_t number);
void flow_on_open(struct sp_lane *l, const struct sp_control *c, uint64_t now_us);
void flow_on_close(struct sp_lane *l, const struct sp_control *c, uint64_t now_us);
void flow_on_answer(struct sp_tunnel *t, const struct sp_control *c, uint64_t now_us);
/* An OPEN frame, queued at `queued_us`, leaves by `lane`: keeps it for repeating. */
void flow_open_left(struct sp_tunnel *t, uint16_t number, struct sp_span frame, int lane,
                    uint64_t queued_us, uint64_t now_us);
/* Datagrams for a flow that does not exist, or no longer. */
void flow_unknown(struct sp_tunnel *t, uint16_t number, uint64_t now_us);
void flow_free_all(struct sp_tunnel *t);

/* tunnel_drain.c */
void drain_init(struct sp_tunnel *t);
void drain_fini(struct sp_tunnel *t);
void drain_on_request(struct sp_lane *l, const struct sp_control *c);
void drain_on_answer(struct sp_tunnel *t, const struct sp_control *c);
/* A lane has joined: what could not be said before can be now. */
void drain_on_lane(struct sp_tunnel *t, uint64_t now_us);
/* One of the ends will end: no flow begins any more. */
bool drain_any(const struct sp_tunnel *t);

/* tunnel_ask.c */
void ask_init(struct sp_tunnel *t);
/* Those that wait are told that there will be no answer. */
void ask_fini(struct sp_tunnel *t);
void ask_on_request(struct sp_lane *l, const struct sp_control *c, uint64_t now_us);
void ask_on_answer(struct sp_tunnel *t, const struct sp_control *c, uint64_t now_us);

/* tunnel_repair.c */
void repair_init(struct sp_tunnel *t);
void repair_fini(struct sp_tunnel *t);
/* Nothing has left for a while: what is remembered no more takes no memory. */
void repair_rest(struct sp_tunnel *t, uint64_t now_us);
/* The frame of a datagram leaves by `lanes`. */
void repair_left(struct sp_tunnel *t, uint32_t seq, struct sp_span frame, sp_lane_set lanes,
                 enum sp_class c, uint64_t queued_us, uint64_t now_us);
/* A number came that is not the one after the highest. */
void repair_gap(struct sp_tunnel *t, uint64_t now_us);
void repair_on_report(struct sp_tunnel *t, const struct sp_control *c, uint64_t now_us);

/* tunnel_width.c */
void width_init(struct sp_tunnel *t);
void width_fini(struct sp_tunnel *t);
/* A datagram leaves. */
void width_on_sent(struct sp_tunnel *t, uint64_t now_us);
/* Something is missing, here or there. */
void width_on_missed(struct sp_tunnel *t, uint64_t now_us);
/* The far side told what came, from which the bottleneck learned. */
void width_on_told(struct sp_tunnel *t, uint64_t now_us);
/* A lane's round trip, as it was measured with something on the way. */
void width_on_rtt(struct sp_tunnel *t, uint32_t rtt_us);

/* tunnel_copy.c */
void copy_init(struct sp_tunnel *t);
void copy_fini(struct sp_tunnel *t);
/* A datagram has left: if it is of a kind that goes twice, its copy will follow. */
void copy_left(struct sp_tunnel *t, uint32_t seq, enum sp_class c, uint64_t now_us);
/* A record, the first of which was queued at `queued_us`, is to leave by `lane`: writes it to `out`
 * with the copies behind it that may go along, and returns its length then; 0: none does. */
size_t copy_ride(struct sp_tunnel *t, int lane, uint64_t queued_us, struct sp_span record,
                 uint8_t out[static SP_TUNNEL_RECORD_TARGET], uint64_t now_us);

/* tunnel_parity.c */
void parity_init(struct sp_tunnel *t);
void parity_fini(struct sp_tunnel *t);
void parity_left(struct sp_tunnel *t, uint32_t seq, uint16_t flow, struct sp_span datagram,
                 sp_lane_set lanes, enum sp_class c, uint64_t now_us);
/* The far side misses it, and said so for the first time. */
void parity_missed(struct sp_tunnel *t, uint32_t seq, uint64_t now_us);
void parity_came(struct sp_tunnel *t, struct sp_span payload, uint64_t now_us);
/* A datagram came, for the first time or again. */
void parity_data(struct sp_tunnel *t, uint32_t seq, uint16_t flow, struct sp_span datagram,
                 uint64_t now_us);

/* tunnel_arrival.c */
void arrival_init(struct sp_tunnel *t);
void arrival_fini(struct sp_tunnel *t);
/* A lane brought a datagram with a number above all others. */
void arrival_came(struct sp_tunnel *t, uint32_t seq, uint64_t now_us);
/* A record of `max` bytes at most is to leave: writes it to `out`, unless it lies there, with what
 * the far side is to be told behind it, and returns its length then; 0: there is nothing to tell,
 * or no room. */
size_t arrival_ride(struct sp_tunnel *t, struct sp_span record, uint8_t *out, size_t max,
                    uint64_t now_us);
void arrival_on_lane(struct sp_tunnel *t, struct sp_lane *l);
void arrival_on_lane_end(struct sp_tunnel *t, const struct sp_lane *l, uint64_t now_us);
void arrival_on_told(struct sp_tunnel *t, const struct sp_control *c, uint64_t now_us);

/* tunnel_lane.c */
void lanes_init(struct sp_tunnel *t);
void lanes_fini(struct sp_tunnel *t);
int lane_init(struct sp_lane *l, struct sp_tunnel *t, uint64_t now_us);
void lane_send(struct sp_lane *l, struct sp_span frames, uint64_t now_us);
/* Bytes that a record may hold that leaves by it. */
size_t lane_record_max(const struct sp_lane *l);
/* Asks the transport, unless it was asked just now. */
void lane_measure(struct sp_lane *l, uint64_t now_us);
/* Bytes that it took, and that have not come yet as far as is known. */
size_t lane_unacked(const struct sp_lane *l);
/* Nothing of it is on the way, as far as is known. */
bool lane_is_idle(const struct sp_lane *l);
/* What it holds should have been acknowledged by now: something was lost, more often than not. */
bool lane_is_doubtful(const struct sp_lane *l, uint64_t now_us);
/* And for so long that nothing more is to wait behind it. */
bool lane_is_stalled(const struct sp_lane *l, uint64_t now_us);
/* Its kernel has an acknowledgement to send, if it has not gone with something already. */
bool lane_owes(const struct sp_lane *l, uint64_t now_us);
/* By now something of what it holds can be acknowledged: before, asking shows nothing new. */
bool lane_may_have_news(const struct sp_lane *l, uint64_t now_us);
/* And should be: asking is worth while though nothing is to be sent. */
bool lane_is_due(const struct sp_lane *l, uint64_t now_us);
void lane_on_ping_answer(struct sp_lane *l, const struct sp_control *c, uint64_t now_us);
void lane_alive(struct sp_lane *l, uint64_t now_us);

#endif
