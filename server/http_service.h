/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP on a connection: a request that upgrades with a good token becomes a lane, and every other
 * one gets what the site or the fallback answers, byte for byte and by the same code, so that a
 * stranger can't tell a refused token from a page that isn't there. But a good token for which
 * there is no room, or while the server drains, gets 503: who has one is no stranger. Knows the
 * site and the sessions, not TLS.
 */
#ifndef SALLYPORT_SERVER_HTTP_SERVICE_H
#define SALLYPORT_SERVER_HTTP_SERVICE_H

#include "api.h"
#include "demo.h"
#include "env.h"
#include "fallback.h"
#include "session.h"
#include "shared.h"

struct sp_http_service;

struct sp_http_counters {
    uint64_t requests, malformed, upgrades, upgrades_refused, timed_out;
    uint64_t cut;                 /* answers whose file came to an end before its time */
    uint64_t pushed_out, crowded; /* too many; too many from one address */
};

/* Strangers go to `shared->config.fallback` if there is one, else to the site. */

/* `api`, `demo` NULL: they are not served. */
int sp_http_service_new(const struct sp_env *env, const struct sp_shared *shared,
                        struct sp_sessions *sessions, struct sp_api *api, struct sp_demo *demo,
                        struct sp_http_service **out);
void sp_http_service_free(struct sp_http_service *h);

/* Takes over the stream and what waits in it. When there are too many (env.max_strangers) the one
 * that came first has to go. SP_ENOMEM, SP_EFULL (its address has had its share): it is still the
 * caller's. */
int sp_http_service_take(struct sp_http_service *h, struct sp_stream *s);

/* Answers say from now on that the connection ends with them. */
void sp_http_service_drain(struct sp_http_service *h);

const struct sp_http_counters *sp_http_service_counters(const struct sp_http_service *h);

/* All zero without a fallback. */
struct sp_fallback_counters sp_http_service_fallback_counters(const struct sp_http_service *h);

#endif
