/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ports of one relay address: which worker has which, and a random free one for the next
 * allocation. Random, so that nobody guesses where an allocation will be (RFC 6056). Opens no
 * sockets: with `--relay-ports none` the numbers alone are enough. But it holds those that wait for
 * whoever will have their port.
 *
 * All workers take from it and give back at once, without locks; who owns a port may be asked for
 * each datagram.
 */
#ifndef SALLYPORT_SERVER_PORT_POOL_H
#define SALLYPORT_SERVER_PORT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/rng.h"

/* The dynamic ports (RFC 6335 section 6): the default, and what virtual addresses use. */
#define SP_PORT_DYNAMIC_MIN 49152
#define SP_PORT_DYNAMIC_MAX 65535

#define SP_WORKERS_MAX 128

struct sp_port_pool;

/* Ports `min` to `max`, both included. SP_EINVAL: min is 0 or above max; SP_ENOMEM. */
int sp_port_pool_new(uint16_t min, uint16_t max, struct sp_port_pool **out);
void sp_port_pool_free(struct sp_port_pool *p);

/*
 * Takes a free port for a worker (below SP_WORKERS_MAX). `even`: with an even number; `pair`: even,
 * and the next one as well, which is then given back on its own (RFC 8656 section 7.2, EVEN-PORT).
 * SP_EFULL: no such port.
 *
 * A port that turns out to be somebody else's (EADDRINUSE) is best kept while another is tried, and
 * then given back.
 */
int sp_port_pool_take(struct sp_port_pool *p, unsigned worker, struct sp_rng *rng, bool even,
                      bool pair, uint16_t *port);

/* Gives back one port. It must be taken. */
void sp_port_pool_give(struct sp_port_pool *p, uint16_t port);

/* A port that is taken becomes another worker's. */
void sp_port_pool_pass(struct sp_port_pool *p, uint16_t port, unsigned worker);

/* Leaves a socket with its port, which is taken; the pool closes what is left in it at its end. The
 * first one that asks gets it, and it is his; -1: there is none. */
void sp_port_pool_leave(struct sp_port_pool *p, uint16_t port, int fd);
int sp_port_pool_fetch(struct sp_port_pool *p, uint16_t port);

/* The worker that has it; -1: nobody has. */
int sp_port_pool_owner(const struct sp_port_pool *p, uint16_t port);

#endif
