/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each part of the gateway is handed. All of it is the gateway's, and outlives the parts.
 */
#ifndef SALLYPORT_CLIENT_ENV_H
#define SALLYPORT_CLIENT_ENV_H

#include "sallyport/dgram.h"
#include "sallyport/log.h"
#include "sallyport/resolve.h"
#include "sallyport/rng.h"
#include "sallyport/ticker.h"

struct sp_client_env {
    struct sp_ticker *ticker;
    struct sp_rng *rng;
    const struct sp_log *log;
    struct sp_resolver *resolver;
    struct sp_dgram_pool *dgrams;
};

#endif
