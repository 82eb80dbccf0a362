/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One end of a pair that the load generator plays: a TURN client by UDP, TCP or TLS, or on a flow
 * of a tunnel, with an allocation and a channel to the other end; or a plain UDP peer. Two ends
 * find each other by themselves: each takes an allocation and binds a channel to the other's
 * address.
 */
#ifndef SALLYPORT_TEST_LOAD_END_H
#define SALLYPORT_TEST_LOAD_END_H

#include "load_stream.h"
#include "load_tally.h"
#include "load_udp.h"
#include "sallyport/tunnel.h"
#include "turn_user.h"

#define LOAD_DATAGRAM_MAX 1400

enum load_kind { LOAD_UDP, LOAD_TCP, LOAD_TLS, LOAD_TUNNEL, LOAD_PEER };

/* How far it has come. */
enum load_stage {
    LOAD_CLOSED,
    LOAD_CONNECTING,
    LOAD_ALLOCATING,
    LOAD_ALLOCATED,
    LOAD_BINDING,
    LOAD_READY
};

struct load_end;

/* What all ends have in common. */
struct load_world {
    struct ev_loop *loop;
    struct load_udp udp;
    struct sp_tls_ctx *tls;
    struct load_tally tally;
    size_t len[LOAD_STREAMS];
    uint64_t since_ns;       /* what was sent before is not counted */
    struct load_end **dirty; /* connections that have something to flush; room for all ends */
    uint32_t n_dirty;
    uint32_t ready;   /* ends */
    uint64_t refused; /* datagrams, by the sender's own connection */
    void *arg;        /* whose flow_open it is */
    /* A flow for this end, whose datagrams go to load_end_take. */
    struct sp_flow *(*flow_open)(struct load_end *e, void *arg);
    uint64_t (*now_us)(void *arg);
};

struct load_end {
    struct load_world *world;
    uint32_t number; /* and host */
    enum load_kind kind;
    enum load_stage stage;
    struct sp_addr server;
    struct load_end *other;
    struct sp_addr address; /* where the other one sends to */
    struct turn_user *user; /* until it is ready */
    unsigned challenges, asks;
    uint64_t ask_again_us;
    struct sp_span request;
    struct load_stream stream;
    bool is_dirty;
    struct sp_flow *flow;
    uint32_t sent;         /* datagrams */
    struct load_seen seen; /* of the other one */
};

/* Starts what is closed. An end that cannot go on ends the process with a line that says which, how
 * far it was and what the server answered. */
void load_end_open(struct load_end *e);
void load_end_close(struct load_end *e);

/* Asks again by UDP where no answer has come. */
void load_end_remind(struct load_end *e, uint64_t now_us);

/* A datagram of `len` bytes to the other end; load_world_flush lets it go. */
void load_end_send(struct load_end *e, enum load_stream_kind stream, size_t len);
void load_world_flush(struct load_world *w);

/* A message that came for it. */
void load_end_take(struct load_end *e, struct sp_span msg, uint64_t now_ns);

const char *load_kind_name(enum load_kind k);
uint64_t load_now_ns(void);

#endif
