/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each part of a worker is handed: its loop and clock, its randomness, its log, its keys, and
 * the TURN engine. All of it belongs to the worker and outlives the parts.
 */
#ifndef SALLYPORT_SERVER_ENV_H
#define SALLYPORT_SERVER_ENV_H

#include "bounds.h"
#include "commons.h"
#include "keys.h"
#include "post.h"
#include "sallyport/dgram.h"
#include "sallyport/log.h"
#include "sallyport/rng.h"
#include "sallyport/stream.h"
#include "sallyport/ticker.h"
#include "turn.h"

struct sp_ends;

struct sp_env {
    uint16_t worker; /* its index; stands in ids */
    struct sp_ticker *ticker;
    struct sp_rng *rng;
    const struct sp_log *log;
    struct sp_dgram_pool *dgrams;
    struct sp_turn *turn;
    struct sp_ends *ends; /* of rendezvous sessions; NULL: not yet */
    struct sp_post *post; /* to the other workers; NULL: there is none */
    const struct sp_keyring *keys;
    uint64_t *turn_dropped; /* counts what TURN clients by TCP and TLS don't read; or NULL */
    struct sp_stream_congestion congestion; /* of who comes without a gateway */
    const struct sp_bounds *bounds;
    struct sp_bound_hits *hits;
    struct sp_commons *commons; /* what bounds are counted in, with the other workers */
    size_t max_strangers;       /* of bounds, as far as there are descriptors */
};

/* Media is dropped, since more comes than can be carried: who has a call goes on, and nobody begins
 * one. */
#define SP_BUSY_US      UINT64_C(500000) /* after the last of it */
#define SP_BUSY_FROM_US UINT64_C(250000) /* what is over sooner was no more than a pause */
static inline bool sp_env_busy(const struct sp_env *env)
{
    uint64_t since_us, late_us = sp_dgram_pool_late_us(env->dgrams, &since_us);

    return late_us >= since_us + SP_BUSY_FROM_US &&
           sp_ticker_now(env->ticker) - late_us < SP_BUSY_US;
}

/* The strangers of one place, as many as bounds allow. */
static inline void sp_env_guests(const struct sp_env *env, enum sp_place place,
                                 struct sp_guests *out)
{
    const struct sp_guests_bounds b = sp_commons_strangers(env->commons, place, env->max_strangers,
                                                           env->bounds->strangers_per_address);

    sp_guests_init(out, &b, env->rng);
}

#endif
