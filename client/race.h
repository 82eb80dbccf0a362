/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connects to whichever of several addresses answers first (Happy Eyeballs, RFC 8305 section 5):
 * one after the other, without waiting long for a dead one. Knows no TLS and no names.
 */
#ifndef SALLYPORT_CLIENT_RACE_H
#define SALLYPORT_CLIENT_RACE_H

#include <stddef.h>

#include "sallyport/addr.h"
#include "sallyport/resolve.h"
#include "sallyport/stream.h"
#include "sallyport/ticker.h"

#define SP_RACE_ADDRS_MAX (SP_RESOLVE_MAX + 1)
#define SP_RACE_WHY_MAX   400

struct sp_race;

/* `s`, connected, is now the callee's (give it events); NULL when no address answered, and `why`
 * names each with its reason, as far as they fit. The race is gone when this is called. */
typedef void sp_race_fn(struct sp_stream *s, const char *why, void *arg);

struct sp_race_config {
    uint64_t first_alone_us; /* head start of the first address before a second is tried beside */
    uint64_t timeout_us;     /* of one address */
    bool more;               /* sp_race_add follows: until then nobody has lost */
};

/* `n` from 1 to SP_RACE_ADDRS_MAX. Calls back from the loop only. SP_ENOMEM. */
int sp_race_start(struct sp_ticker *ticker, const struct sp_race_config *config,
                  const struct sp_addr *addrs, size_t n, sp_race_fn *fn, void *arg,
                  struct sp_race **out);
/* The other addresses, once; those that run already count once, those that are too many not at all.
 * May call back from within. */
void sp_race_add(struct sp_race *r, const struct sp_addr *addrs, size_t n);
/* No call follows. NULL is fine. */
void sp_race_free(struct sp_race *r);

#endif
