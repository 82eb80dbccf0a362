/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of UDP sockets share: dgram.c (what comes, and a socket's life) and dgram_out.c
 * (what is sent). Nobody else includes this.
 */
#ifndef SALLYPORT_DGRAM_IMPL_H
#define SALLYPORT_DGRAM_IMPL_H

#include "sallyport/dgram.h"

#define DATAGRAM 65536

struct sp_dgram {
    struct sp_dgram_pool *pool;
    struct outbox *out; /* the pool's */
    int fd;
    bool is_v6; /* the socket's family; IPv4 is mapped then */
    bool dont_fragment;
    struct sp_addr local;
    ev_io readable;
    uint64_t max_age_us; /* 0: any */
    sp_dgram_keep_fn *keep;
    sp_dgram_input_fn *fn;
    void *arg;
    bool *closed; /* set when it is closed from within its own call */
    struct sp_dgram_counters counters;
};

/* dgram_out.c: what waits for the end of the loop's turn, of all sockets of a pool. NULL: there is
 * no memory. */
struct outbox *outbox_new(struct sp_ticker *ticker);
void outbox_free(struct outbox *b);
void outbox_flush(struct outbox *b);

#endif
