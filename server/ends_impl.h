/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the ends share: ends.c (vias, other workers), ends_tcp.c (connections whose
 * session is looked for), ends_udp.c, ends_flow.c (the same of other ways), ends_gate.c (gateways,
 * and what they are asked), ends_lease.c (for which ports). Nobody else includes this.
 */
#ifndef SALLYPORT_SERVER_ENDS_IMPL_H
#define SALLYPORT_SERVER_ENDS_IMPL_H

#include "ends.h"
#include "guests.h"
#include "sallyport/map.h"
#include "sallyport/msg_stream.h"

enum note_kind {
    NOTE_NAME_HERE, /* to all: `key` names a session of the sender's */
    NOTE_NAME_GONE, /* or no longer */
    NOTE_IN,        /* to the owner: a datagram of the via `handle` follows */
    NOTE_LOST,      /* to the owner: its transport has ended */
    NOTE_OUT,       /* to the porter: a datagram for it follows */
    NOTE_CLOSE,     /* to the porter: its path is no more, or never was */
    NOTE_GATE_HERE, /* to all: struct sp_ends_gateway follows */
    NOTE_GATE_GONE, /* the same */
    NOTE_ASK,       /* to the gateway's worker: a question for the one that `key` names */
    NOTE_ANSWER,    /* and back, `handle` as in the question */
};

struct note {
    uint32_t kind, way;
    uint64_t handle;
    uint8_t key[SP_RDV_KEY_LEN];
    int32_t err;
    uint32_t unused;
    struct sp_addr remote; /* of NOTE_IN; none of a gateway's */
    uint32_t unused_too;
};

enum via_kind { VIA_TCP, VIA_UDP, VIA_FLOW, VIA_OTHER };

#define NO_OWNER UINT16_MAX /* no session is known yet */

/* Names a via for two workers: the one that has the transport, and its number there. */
struct via_key {
    uint64_t handle, worker;
};
struct via_pair {
    struct sp_addr remote, local;
};

/*
 *   path here:                       transport here, session here
 *   path here, kind VIA_OTHER:       transport at key.worker, session here
 *   no path, `owner` another worker: transport here, session there: a porter
 *   no path, NO_OWNER:               a flow whose session is not known yet: among the porters
 */
struct sp_via {
    struct sp_ends *all;
    enum via_kind kind;
    struct sp_rdv_path *path;
    unsigned owner;
    struct via_key key;
    struct sp_map_node key_node; /* of VIA_OTHER and of porters */
    struct sp_link porter;       /* of porters */
    uint64_t last_us;            /* of porters: when something went either way, or it began */
    struct sp_msg_stream *stream;
    struct sp_dgram *dgram;
    struct via_pair pair;
    struct sp_map_node by_pair; /* of VIA_UDP */
    struct sp_flow *flow;
    struct sp_link owned;      /* of VIA_FLOW: by its tunnel */
    struct flow_wait *waiting; /* the same: what came before its session was known; or NULL */
};

struct sp_ends {
    struct sp_env env;
    struct sp_ends_config config;
    struct sp_rdv *registry;
    void (*drained)(void *arg);
    void *arg;
    struct sp_map by_key, by_pair;
    struct sp_list porters;
    struct sp_timer sweep; /* of porters that nobody uses */
    uint64_t last_handle;
    struct sp_guests guests; /* connections whose session is not known yet */
    struct sp_list gates;    /* gateways of this worker and of others; who came last stands first */
    struct sp_list asks;     /* not answered yet */
    struct sp_list leases;   /* ports that gateways hold open */
    struct sp_list waiting;  /* flows with something that waits */
    size_t n_waiting;
    struct udp_early
        *early;           /* checks by UDP whose session is not known yet; NULL: there was none */
    struct sp_timer look; /* for some of these it is known now */
    struct sp_timer tell; /* the others of this worker's gateways, again */
    uint64_t last_ask;
    struct sp_ends_counters counters;
};

/* Of no session yet. NULL: no memory. */
struct sp_via *via_new(struct sp_ends *e, enum via_kind kind);
/* It is this session's, wherever that is. */
int via_attach(struct sp_via *v, const struct sp_rdv_spot *spot, enum sp_rdv_way way);
/* Nobody else knows when it is over: it ends when nothing has gone by it for a while. */
void via_enlist(struct sp_via *v);
/* The session is here. NULL: no memory. */
struct sp_via *via_new_here(struct sp_ends *e, enum via_kind kind, const struct sp_rdv_spot *spot);
/* Forgets it; its transport stays. */
void via_free(struct sp_via *v);
/* Its transport has ended: whoever has the session is told. */
void via_lost(struct sp_via *v);
void via_input(struct sp_via *v, struct sp_span datagram, uint64_t now_us);

/* To another worker; what finds no room is lost. */
void note_send(struct sp_ends *e, unsigned to, const struct note *n, struct sp_span body);
void note_send_all(struct sp_ends *e, const struct note *n, struct sp_span body);

/* ends_gate.c */
void gates_init(struct sp_ends *e);
void gates_fini(struct sp_ends *e);
void gates_note(struct sp_ends *e, unsigned from, const struct note *n, struct sp_span body);
/* Who came last of those with this name, and subject if that is not empty. NULL: there is none. */
const struct sp_gate *gate_by_name(const struct sp_ends *e, struct sp_span name,
                                   struct sp_span subject);
/* Of name and subject, SP_RDV_KEY_LEN bytes. */
const uint8_t *gate_key(const struct sp_gate *g);
/* Wherever it is; the answer comes by leases_answered. SP_ENOENT: it is not there. */
int gates_ask(struct sp_ends *e, const uint8_t key[static SP_RDV_KEY_LEN], struct sp_span question,
              uint64_t id);

/* ends_lease.c */
void leases_init(struct sp_ends *e);
void leases_fini(struct sp_ends *e);
/* What a gateway said to a question, or why it says nothing. */
void leases_answered(struct sp_ends *e, uint64_t id, int err, struct sp_span body);
/* The end is released: its port is not needed any more. */
void leases_released(struct sp_ends *e, const struct sp_rdv_session *s, unsigned end);
/* What its port has to know may have changed. */
void leases_joined(struct sp_ends *e, const struct sp_rdv_session *s, unsigned end);

/* ends_flow.c */
/* Flows that wait for the session of this key look for it at once. */
void flows_wake(struct sp_ends *e, const uint8_t key[static SP_RDV_KEY_LEN]);
/* What waits is dropped, and counted. */
void flow_forget(struct sp_via *v);

/* ends_udp.c */
void udp_init(struct sp_ends *e);
/* The same for checks by UDP. */
void udp_wake(struct sp_ends *e, const uint8_t key[static SP_RDV_KEY_LEN]);
/* None of them is waited for any more. */
void udp_forget(struct sp_ends *e);

/* ends_tcp.c */
/* The same for connections. */
void newcomers_wake(struct sp_ends *e, const uint8_t key[static SP_RDV_KEY_LEN]);
void newcomers_free_all(struct sp_ends *e);

#endif
