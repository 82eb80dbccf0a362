/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Thousands of UDP hosts on one socket: each has an address of its own, all have the same port, so
 * that one call of the system sends for many of them and receives for many. Their addresses have to
 * be this host's, which "ip route add local 10.64.0.0/16 dev lo" makes them at once.
 */
#ifndef SALLYPORT_TEST_LOAD_UDP_H
#define SALLYPORT_TEST_LOAD_UDP_H

#include <ev.h>
#include <netinet/in.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"

#define LOAD_UDP_HOSTS 65000
#define LOAD_UDP_BATCH 64
#define LOAD_UDP_ROOM  1600

/* A datagram that came for a host; valid during the call. */
typedef void load_udp_fn(uint32_t host, struct sp_span datagram, void *arg);

struct load_udp {
    struct ev_loop *loop;
    int fd;
    ev_io readable;
    struct sp_addr net; /* host 0's, with the port that all have */
    load_udp_fn *fn;
    void *arg;
    struct load_udp_slots *in, *out;
    unsigned waiting; /* in `out` */
    uint64_t refused; /* by the kernel: its buffers are full */
};

/* `net` is the first address. What goes wrong ends the process with a line that says what. */
void load_udp_init(struct load_udp *u, struct ev_loop *loop, const struct sp_addr *net,
                   load_udp_fn *fn, void *arg);
void load_udp_fini(struct load_udp *u);

struct sp_addr load_udp_address(const struct load_udp *u, uint32_t host);

/* Room for the next datagram of a host, LOAD_UDP_ROOM bytes; load_udp_put says how long it became.
 */
uint8_t *load_udp_room(struct load_udp *u);
void load_udp_put(struct load_udp *u, uint32_t host, const struct sp_addr *to, size_t len);
/* They leave when there are LOAD_UDP_BATCH of them, and now. */
void load_udp_flush(struct load_udp *u);

#endif
