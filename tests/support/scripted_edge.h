/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small server on loopback that does what a test tells it: TLS and the upgrade are real, what is
 * behind them is an edge's end of one tunnel and nothing else, which refuses all flows. So a
 * gateway's uplink can be tried with servers that deny, put off, forget, say nothing, or talk
 * nonsense. Knows no token: it takes any.
 */
#ifndef TESTS_SCRIPTED_EDGE_H
#define TESTS_SCRIPTED_EDGE_H

#include "io_loop.h"
#include "sallyport/listener.h"
#include "sallyport/stream_lane.h"
#include "sallyport/tls_ctx.h"
#include "sallyport/tunnel.h"
#include "sallyport/upgrade.h"

#define SCRIPTED_EDGE_CONNS 64

/* What a request for a lane gets. */
enum scripted_manner {
    EDGE_WELCOMES,
    EDGE_DENIES,         /* 404, like a site */
    EDGE_PUTS_OFF,       /* 503 */
    EDGE_SPEAKS_NO_HTTP, /* … but first */
    EDGE_IS_SILENT,
    EDGE_MISTAKES, /* says yes, to another tunnel than was asked for */
};

struct scripted_conn {
    struct scripted_edge *edge;
    struct sp_stream *stream; /* until it is a lane */
    struct sp_stream_lane *lane;
};

struct scripted_edge {
    struct io_loop *io;
    struct sp_rng *rng;
    struct sp_listener *listener;
    struct sp_addr addr;
    struct sp_tls_ctx *tls;

    /* The test's to set, at any time. */
    enum scripted_manner manner;
    uint64_t date_s; /* EDGE_DENIES: what its Date says; now at first */
    size_t head_len; /* … and how long its answer's head is, at least */
    bool as_proxy;   /* speaks CONNECT first, as a proxy that leads to itself … */
    unsigned proxy_status;

    /* The test's to look at. */
    char proxy_head[512];     /* … and was asked this */
    struct sp_tunnel *tunnel; /* NULL: knows none */
    struct sp_tunnel_id id;
    struct scripted_conn conns[SCRIPTED_EDGE_CONNS];
    size_t n_conns, n_new, n_joined, n_denied;
    int last_end; /* why the last lane ended */
};

/* Listens on 127.0.0.1, with this certificate. Ends the process when it can't. */
void scripted_edge_open(struct scripted_edge *e, struct io_loop *io, struct sp_rng *rng,
                        const char *cert, const char *key);
void scripted_edge_close(struct scripted_edge *e);

/* Somebody cuts so many of its lanes. */
void scripted_edge_cut_lanes(struct scripted_edge *e, size_t n);
/* It knows its tunnel no more. */
void scripted_edge_forget(struct scripted_edge *e);

#endif
