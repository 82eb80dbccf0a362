/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway's uplink (client/uplink.h) beside a server that does what a test tells it
 * (scripted_edge.h), in one loop on loopback: with a token file, a log that can be read, and a
 * tunnel for what the uplink opens. Knows no Check: what can't go wrong is required, what a test
 * waits for is told as true or false.
 */
#ifndef TESTS_UPLINK_RIG_H
#define TESTS_UPLINK_RIG_H

#include "io_loop.h"
#include "scripted_edge.h"
#include "tls_files.h"
#include "uplink.h"

struct uplink_rig {
    struct io_loop io;
    struct sp_rng rng;
    struct sp_log log;
    struct sp_client_env env;
    struct tls_files files;
    struct scripted_edge server;

    /* The test's to change before uplink_rig_start. */
    struct sp_server_url servers[2]; /* of which the first is `server` */
    struct sp_proxy proxies[2];
    char token_path[128]; /* a token that is good for an hour */
    struct sp_uplink_config config;

    /* The test's to look at. */
    struct sp_uplink *uplink; /* NULL before uplink_rig_start */
    struct sp_tunnel *tunnel;
    size_t n_made; /* tunnels */
    bool is_stopped;
};

/* A configuration with one server and `lanes` lanes at most; nothing begins yet. */
void uplink_rig_init(struct uplink_rig *r, unsigned lanes);
/* Trusts the authorities of this file. */
void uplink_rig_start(struct uplink_rig *r, const char *ca);
void uplink_rig_fini(struct uplink_rig *r);

/* Replaces the token file. */
void uplink_rig_write_token(struct uplink_rig *r, uint64_t expires_s);
void uplink_rig_url(const struct sp_addr *a, struct sp_server_url *out);

/* All that was logged, until the next call. */
const char *uplink_rig_logged(const struct uplink_rig *r);
/* Turns the loop until that was logged. */
bool uplink_rig_until_logged(struct uplink_rig *r, const char *text);

/* How many lanes are open here. */
unsigned uplink_rig_lanes(const struct uplink_rig *r);
/* Turns the loop until the tunnel is up with exactly so many lanes, at both ends. */
bool uplink_rig_until_lanes(struct uplink_rig *r, unsigned n);

#endif
