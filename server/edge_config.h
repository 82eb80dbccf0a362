/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the server's options come to: the configurations of all its parts, with all that they point
 * to, and what one option says of another.
 */
#ifndef SALLYPORT_SERVER_EDGE_CONFIG_H
#define SALLYPORT_SERVER_EDGE_CONFIG_H

#include "drain.h"
#include "keys.h"
#include "sallyport/confine.h"
#include "sallyport/log.h"
#include "sallyport/options.h"
#include "shared.h"
#include "worker.h"

#define SP_PEER_RULES_MAX 256

struct sp_edge_config {
    struct sp_keys_config keys;
    struct sp_shared_config shared;
    struct sp_drain_config drain;
    struct sp_worker_config worker;
    unsigned workers;
    struct sp_relay_ip relay_ips[SP_RELAY_IPS_MAX];
    struct sp_addr own[SP_RELAY_IPS_MAX]; /* what the world sees of them */
    struct sp_cidr allow[SP_PEER_RULES_MAX], deny[SP_PEER_RULES_MAX];
    const char *users[SP_PEER_RULES_MAX];
    const char *origins[SP_ORIGINS_MAX];
    char host_name[256];
    bool has_admin;
    struct sp_addr admin;
    struct sp_confinement confine;
    struct sp_log log;
    struct sp_options *options; /* owns the strings */
};

/* What was parsed becomes a configuration, which takes over `o` (also on an error). SP_EINVAL and
 * one line that names the option and says what is allowed. `c` holds pointers into itself: it stays
 * where it is. */
int sp_edge_config_init(struct sp_edge_config *c, struct sp_options *o,
                        char why[static SP_OPTIONS_ERR_MAX]);
void sp_edge_config_fini(struct sp_edge_config *c);

#endif
