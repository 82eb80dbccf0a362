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

/* `first_alone_us` is the head start of the first address before the second is tried beside it.
 * `n` from 1 to SP_RACE_ADDRS_MAX. Calls back from the loop only. SP_ENOMEM. */
int sp_race_start(struct sp_ticker *ticker, const struct sp_addr *addrs, size_t n,
                  uint64_t first_alone_us, sp_race_fn *fn, void *arg, struct sp_race **out);
/* No call follows. NULL is fine. */
void sp_race_free(struct sp_race *r);

#endif
