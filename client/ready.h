/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The line that says that the gateway listens, and where:
 *
 *     ready udp ADDR:PORT tcp ADDR:PORT … [admin ADDR:PORT] iceServers URL URL
 *
 * with the URLs that a page puts into iceServers, UDP first. Pure.
 */
#ifndef SALLYPORT_CLIENT_READY_H
#define SALLYPORT_CLIENT_READY_H

#include <stddef.h>
#include <stdio.h>

#include "sallyport/addr.h"

/* Tried: on `lo`, Chromium and Firefox both use a TURN server at this address (TEST-NET-1), which
 * is the same on every network; Firefox uses none at 127.0.0.1. Port 0. */
extern const struct sp_addr sp_ready_both_browsers;

/* The one of `n` (at least 1) addresses that a page should name; `everywhere` is what stands for
 * 0.0.0.0 and [::]. */
struct sp_addr sp_ready_choose(const struct sp_addr *listen, size_t n,
                               const struct sp_addr *everywhere);

/* `admin` may be NULL. */
void sp_ready_write(FILE *out, const struct sp_addr *listen, size_t n, const struct sp_addr *admin,
                    const struct sp_addr *name);

#endif
