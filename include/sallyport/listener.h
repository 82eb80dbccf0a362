/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listening TCP socket on a loop. Accepts in bounded batches; when descriptors run out it pauses
 * and tries again, so the loop doesn't spin. Knows nothing of what is spoken.
 */
#ifndef SALLYPORT_LISTENER_H
#define SALLYPORT_LISTENER_H

#include "sallyport/addr.h"
#include "sallyport/log.h"
#include "sallyport/sock.h"
#include "sallyport/ticker.h"

struct sp_listener;

/* `fd` is connected, non-blocking, tuned by sp_sock_tune_stream, and now the callee's. */
typedef void sp_listener_fn(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg);

struct sp_listener_counters {
    uint64_t accepted, pauses; /* pauses: descriptors or memory ran out */
};

/* SP_ESYS with errno: not listening. */
int sp_listener_open(struct sp_ticker *ticker, const struct sp_log *log,
                     const struct sp_addr *local, const struct sp_sock_options *o,
                     sp_listener_fn *fn, void *arg, struct sp_listener **out);
void sp_listener_close(struct sp_listener *l);
const struct sp_addr *sp_listener_local(const struct sp_listener *l);
const struct sp_listener_counters *sp_listener_counters(const struct sp_listener *l);

#endif
