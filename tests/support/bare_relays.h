/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a way over several processes costs when none of them does anything: a chain of processes,
 * each of which waits for a datagram and sends it on, with a system call each. The floor of every
 * path with as many programs on it. Knows nothing of TURN or TLS.
 */
#ifndef SALLYPORT_BARE_RELAYS_H
#define SALLYPORT_BARE_RELAYS_H

#include "sallyport/addr.h"

/* Starts `n` of them on loopback, the last of which sends to `to`. Returns where the first one
 * listens. They end with the calling process. Ends the program when it can't. */
struct sp_addr bare_relays_start(unsigned n, const struct sp_addr *to);

#endif
