/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway's end of a tunnel, over real connections in the test's own loop: joins lanes by the
 * upgrade as the gateway does, opens flows, remembers what came.
 */
#ifndef SALLYPORT_TEST_GATEWAY_END_H
#define SALLYPORT_TEST_GATEWAY_END_H

#include "io_loop.h"
#include "peer.h"
#include "sallyport/rng.h"
#include "sallyport/stream_lane.h"
#include "sallyport/tunnel.h"
#include "sallyport/upgrade.h"

#define GATEWAY_END_GOT 64

struct gateway_end {
    struct io_loop *loop;
    struct sp_rng rng;
    struct sp_tunnel *tunnel;
    struct sp_deferred flush;
    bool has_id;
    struct sp_tunnel_id id;
    struct sp_stream_lane *lanes[SP_LANES_MAX];
    unsigned lanes_closed, flows_closed, closed_code, draining;
    int lane_why; /* of the last that was closed */
    struct {
        uint16_t flow;
        size_t len;
        uint8_t bytes[2048];
    } got[GATEWAY_END_GOT]; /* datagrams that nobody has taken yet */
    size_t n_got;
    uint16_t wanted;
    /* Set after init: gets the datagrams, and none are remembered. */
    void (*take)(struct sp_flow *f, const struct sp_span *d, size_t n);
    /* The same: told of flows that end, and of questions; `arg` is for them. */
    void (*closed)(struct gateway_end *g, struct sp_flow *f);
    unsigned (*asked)(struct gateway_end *g, struct sp_span question,
                      uint8_t answer[static SP_CONTROL_BODY_MAX], size_t *len, uint64_t now_us);
    void *arg;
};

void gateway_end_init(struct gateway_end *g, struct io_loop *l);
/* Its lanes are cut without a word. */
void gateway_end_fini(struct gateway_end *g);

/* Takes over a stream that has become a lane. */
void gateway_end_add(struct gateway_end *g, struct sp_stream *s, unsigned lane);

/* Dials and asks for a lane, of a new tunnel the first time. The answer's status: 101 when it
 * joined; 0 without an answer or a connection. */
unsigned gateway_end_join(struct gateway_end *g, const struct sp_addr *to, struct sp_tls_ctx *tls,
                          const char *token, unsigned lane);

struct sp_flow *gateway_end_flow(struct gateway_end *g);
struct sp_flow *gateway_end_flow_of(struct gateway_end *g, enum sp_flow_kind kind);
void gateway_end_send(struct gateway_end *g, struct sp_flow *f, struct sp_span bytes);
/* Waits for the next datagram of a flow: valid until the next call. */
bool gateway_end_recv(struct gateway_end *g, struct sp_flow *f, struct sp_span *out);

#endif
