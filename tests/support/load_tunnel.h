/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnels of one side of the load generator's pairs, each as a gateway has it, with so many
 * lanes and flows. What goes wrong ends the process with a line that says what.
 */
#ifndef SALLYPORT_TEST_LOAD_TUNNEL_H
#define SALLYPORT_TEST_LOAD_TUNNEL_H

#include "gateway_end.h"
#include "load_end.h"

struct load_tunnels {
    struct gateway_end *ends;
    size_t n;
    unsigned lanes;
};

struct load_tunnels_config {
    size_t n;
    unsigned lanes;
    struct sp_addr server;
    struct sp_tls_ctx *tls;
    const char *token;
};

/* All lanes have joined when it returns. */
void load_tunnels_open(struct load_tunnels *t, struct io_loop *loop,
                       const struct load_tunnels_config *c);
void load_tunnels_close(struct load_tunnels *t);

/* A flow for the end: what comes there goes to load_end_take. NULL: the tunnel takes no more. */
struct sp_flow *load_tunnels_flow(struct load_tunnels *t, size_t tunnel, struct load_end *e);

/* That no lane and no flow has ended. */
void load_tunnels_check(const struct load_tunnels *t);

#endif
