/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host names to addresses on a loop, by c-ares (hosts file included): getaddrinfo would block.
 */
#ifndef SALLYPORT_RESOLVE_H
#define SALLYPORT_RESOLVE_H

#include "sallyport/addr.h"
#include "sallyport/ticker.h"

struct sp_resolver;
struct sp_resolve; /* one question under way */

#define SP_RESOLVE_MAX 16

/* `err` 0: `n` addresses (at least one), in the order to try them (RFC 6724), families alternating;
 * SP_ENOENT: no such name; SP_ETIMEDOUT; SP_ESYS. `why` is one line in every case of error. */
typedef void sp_resolve_fn(int err, const char *why, const struct sp_addr *addrs, size_t n,
                           void *arg);

/* SP_ENOMEM; SP_ESYS: c-ares can't make anything of the system's configuration. */
int sp_resolver_new(struct sp_ticker *ticker, struct sp_resolver **out);
void sp_resolver_free(struct sp_resolver *r); /* cancels all, without calls */

/* Asks this name server alone, instead of the system's. SP_EINVAL. */
int sp_resolver_use_server(struct sp_resolver *r, const struct sp_addr *server);

/* Takes 5 s at most. IP addresses are answered too, from the loop like all others (never from
 * within). `port` is put into the answers. */
int sp_resolve_start(struct sp_resolver *r, const char *host, uint16_t port, sp_resolve_fn *fn,
                     void *arg, struct sp_resolve **out);
/* No call follows. */
void sp_resolve_cancel(struct sp_resolve *q);

#endif
