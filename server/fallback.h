/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strangers are passed on to another server (--fallback): what they said, from the first byte, goes
 * there, and what it says comes back, byte for byte, until both have said all. Knows no HTTP but
 * the answer of a site that is not to be reached.
 */
#ifndef SALLYPORT_SERVER_FALLBACK_H
#define SALLYPORT_SERVER_FALLBACK_H

#include "env.h"
#include "sallyport/stream.h"
#include "shared.h"

struct sp_fallback;

struct sp_fallback_counters {
    uint64_t passed_on, unreachable, cut, timed_out;
    uint64_t pushed_out, crowded; /* too many; too many from one address */
};

/* To `shared->config.fallback`. */
int sp_fallback_new(const struct sp_env *env, const struct sp_shared *shared,
                    struct sp_fallback **out);
void sp_fallback_free(struct sp_fallback *f); /* NULL is fine */

/* Takes over the stream; what waits in it goes first. When there are too many (env.max_strangers)
 * the one that came first has to go. SP_ENOMEM, SP_EFULL (its address has had its share): it is
 * still the caller's. */
int sp_fallback_take(struct sp_fallback *f, struct sp_stream *s);

/* Connections that keep quiet for 5 s after an answer are ended in good order from now on, so that
 * their clients go elsewhere: what passes is not touched, so no answer can say it. */
void sp_fallback_drain(struct sp_fallback *f);

const struct sp_fallback_counters *sp_fallback_counters(const struct sp_fallback *f);

#endif
