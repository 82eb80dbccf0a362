/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's command line: its table of options, and what they come to.
 */
#ifndef SALLYPORT_CLIENT_OPTIONS_H
#define SALLYPORT_CLIENT_OPTIONS_H

#include <stdbool.h>

#include "proxy.h"
#include "sallyport/addr.h"
#include "sallyport/confine.h"
#include "sallyport/log.h"
#include "sallyport/options.h"
#include "url.h"

#define SP_SERVERS_MAX       16
#define SP_CLIENT_LISTEN_MAX 16
#define SP_LAN_MAX           64
#define SP_LANES_DEFAULT     64

struct sp_gateway_config {
    struct sp_server_url servers[SP_SERVERS_MAX];
    struct sp_proxy proxies[SP_SERVERS_MAX]; /* on the way to each; without a host: none */
    size_t n_servers;
    const char *token_file; /* or … */
    const char *token;      /* … this; exactly one is not NULL */
    const char *ca_file;    /* NULL: the system's store */
    struct sp_addr listen[SP_CLIENT_LISTEN_MAX];
    size_t n_listen; /* 0: the default, as far as this host has these addresses */
    struct sp_cidr lan[SP_LAN_MAX];
    size_t n_lan;
    unsigned lanes;
    bool has_admin;
    struct sp_addr admin;
    struct sp_confinement confine;
    struct sp_log log;
    struct sp_options *options; /* owns the strings */
};

#define SP_GATEWAY_ADMIN "127.0.0.1:9642" /* default of --admin */

/* The table, for --help and for tests. */
extern const struct sp_options_spec sp_gateway_options;

/* As getenv. */
typedef const char *sp_getenv_fn(const char *name);

/* What was parsed becomes a configuration, which takes over `o` (also on an error). `env` is asked
 * for https_proxy and no_proxy. SP_EINVAL and one line that names the option and says what is
 * allowed. */
int sp_gateway_config_init(struct sp_gateway_config *c, struct sp_options *o, sp_getenv_fn *env,
                           char why[static SP_OPTIONS_ERR_MAX]);
/* Wipes credentials. */
void sp_gateway_config_fini(struct sp_gateway_config *c);

#endif
