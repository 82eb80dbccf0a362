/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The load generator: plays pairs of ends, lets them send for a while, and tells what became of it.
 * What goes wrong while it sets up ends the process with a line that says what.
 */
#ifndef SALLYPORT_TEST_LOAD_RUN_H
#define SALLYPORT_TEST_LOAD_RUN_H

#include "load_end.h"
#include "load_shape.h"
#include "load_tunnel.h"
#include "process_use.h"

struct load_side {
    enum load_kind kind;
    struct sp_addr server; /* not of a peer */
};

struct load_config {
    struct load_side sides[2];
    uint32_t pairs;
    uint32_t flows; /* of a tunnel */
    unsigned lanes;
    bool tunnels_only; /* without flows */
    struct sp_addr sources;
    struct sp_tls_ctx *tls;
    const char *token;
    unsigned tick_us;
    bool by_ticks;         /* what comes is read at each tick, not when it comes */
    pid_t server, gateway; /* whose use is counted; 0: nobody's */
    const char *mark; /* a command that is told "start" and "end" of what is measured; or NULL */
};

struct load {
    struct load_config c;
    struct io_loop loop;
    struct load_world world;
    struct load_tunnels tunnels[2];
    struct load_end *ends; /* those of a pair beside each other */
    uint32_t n_ends, opened;
    uint64_t opened_us;
    ev_timer remind;
    int timer_fd;
    ev_io tick;
    struct load_shape shapes[LOAD_STREAMS];
    bool sending;
    uint64_t sent, left; /* datagrams: in this phase; still to be sent in it */
    uint64_t behind_ns;  /* the longest that one had to wait for its turn here */
};

struct load_result {
    double rate; /* datagrams a second, of all ends together, that it was to be */
    double seconds;
    uint64_t sent, delivered, copies, wrong, refused;
    uint64_t late; /* of delivered: after more than 100 ms */
    double p50_us, p99_us, p999_us, behind_ms;
    uint64_t own_cpu_ns, server_cpu_ns, gateway_cpu_ns, server_rss_kb;
};

/* Ready to send when it returns, within 10 s and 10 ms for each end and lane. */
void load_open(struct load *l, const struct load_config *c);
void load_close(struct load *l);

/* Each end sends a burst of `burst` datagrams of `bytes` bytes `per_s` times a second; 0: not that
 * stream. */
void load_shape(struct load *l, enum load_stream_kind stream, double per_s, unsigned burst,
                unsigned bytes);

/* Sends, unmeasured for `warm_s` and then for `seconds`. */
void load_measure(struct load *l, double warm_s, double seconds, struct load_result *out);

#endif
