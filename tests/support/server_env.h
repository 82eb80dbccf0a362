/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of a worker are handed, on a bench: a loop, and a TURN engine with the user
 * alice:wonder and the realm "test" whose datagrams leave by relays and endpoints. A worker without
 * its door.
 */
#ifndef SALLYPORT_TEST_SERVER_ENV_H
#define SALLYPORT_TEST_SERVER_ENV_H

#include "endpoint.h"
#include "env.h"
#include "io_loop.h"
#include "peer_policy.h"
#include "relay.h"
#include "turn_auth.h"

#define SERVER_ENV_USER     "alice"
#define SERVER_ENV_PASSWORD "wonder"
#define SERVER_ENV_SECRET   "a secret that is long enough to be one"

struct server_env {
    struct io_loop loop;
    struct sp_rng rng;
    struct sp_turn_auth *auth;
    struct sp_peer_policy *policy;
    struct sp_bounds bounds;
    struct sp_bound_hits hits;
    struct sp_commons commons; /* of this one worker */
    struct sp_env env;
    struct sp_relay_ips *relay_ips;
    struct sp_relays *relays;
    unsigned begun, ended; /* allocations */
};

/* Relays by 127.0.0.1 with these ports; 0: virtual, and then by 198.51.100.7. */
void server_env_open(struct server_env *e, uint16_t min_port, uint16_t max_port);
void server_env_close(struct server_env *e);

/* As if that much time had passed for all timers that are set, without waiting for it. */
void server_env_pass(struct server_env *e, uint64_t us);

/* A token of the secret above, for this subject and scope; `out` as long as SP_TOKEN_MAX + 1. */
void server_env_token(const char *subject, const char *scope, int64_t good_for_s, char *out);

#endif
