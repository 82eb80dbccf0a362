/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "sallyport/control.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/options_shared.h"

/* --- the table ------------------------------------------------------------------------------ */

static const char *check_server(const char *value)
{
    struct sp_server_url url;
    const char *why;
    return sp_server_url_parse(value, &url, &why) == 0 ? NULL : why;
}

static const char *check_proxy(const char *value)
{
    struct sp_proxy proxy;
    const char *why;
    int err = sp_proxy_parse(value, &proxy, &why);

    sp_crypto_wipe(&proxy, sizeof proxy);
    return err == 0 ? NULL : why;
}

static const struct sp_option table[] = {
    {.name = "server",
     .arg = "URL",
     .help = "https://HOST[:PORT][/PATH], tried in this order",
     .more = "Without a port 443, without a path /.well-known/sallyport.",
     .group = "The server",
     .flags = SP_OPTION_REPEAT,
     .check = check_server},
    {.name = "token-file",
     .arg = "FILE",
     .help = "the token that opens the tunnel",
     .more = "One line, as sallyport-server credentials prints it; nobody else may be able to "
             "read the file (chmod 600). It is reread for each connection, so it can be renewed "
             "at any time. The token itself can be given as SALLYPORT_TOKEN instead."},
    {.name = "token",
     .arg = "TOKEN",
     .help = "the token itself",
     .flags = SP_OPTION_SECRET | SP_OPTION_ENV_ONLY},
    {.name = "ca", .arg = "FILE", .help = "trust this CA, PEM, instead of the system's"},
    {.name = "proxy",
     .arg = "URL",
     .help = "http://[user:password@]host:port; or none",
     .more = "An HTTP proxy that CONNECT is asked of. The default is what https_proxy names, "
             "unless no_proxy names the server. It may hold a password: it is wiped from ps, and "
             "a --config file that has it must not be readable for everyone.",
     .preset = "https_proxy, where no_proxy does not name the server",
     .words = "none",
     .flags = SP_OPTION_SECRET,
     .check = check_proxy},
    {.name = "lanes",
     .arg = "N",
     .help = "connections to the server, at most",
     .more = "4 are open all the time, and 32 where a call begins and where the network loses "
             "something, since what is lost holds back only its own connection; more there if "
             "much is on the way at a time.",
     .preset = "64",
     .flags = SP_OPTION_NUMBER,
     .min = 1,
     .max = SP_LANES_MAX},
    {.name = "listen",
     .arg = "ADDR:PORT",
     .help = "where browsers find it, by UDP and TCP",
     .more = "Port 0: one that is free for both.",
     .preset = "127.0.0.1:3478 and, where this host has it, 192.0.2.1:3478",
     .group = "Browsers",
     .flags = SP_OPTION_REPEAT,
     .check = sp_option_check_addr},
    {.name = "lan",
     .arg = "CIDR",
     .help = "who besides this host may use it",
     .more = "Without it only addresses of this host are answered, wherever it listens.",
     .flags = SP_OPTION_REPEAT,
     .check = sp_option_check_cidr},
    SP_OPTION_ROW_ADMIN(SP_GATEWAY_ADMIN),
    SP_OPTION_ROWS_LOG,
    SP_OPTION_ROWS_CONFINE,
};

const struct sp_options_spec sp_gateway_options = {
    .usage = "sallyport-client [run] --server URL --token-file FILE [OPTION]...",
    .about = "The gateway beside the browser: a TURN server to it; carries its media through "
             "HTTPS to a sallyport-server. It prints what to put into iceServers.",
    .table = table,
    .n = SP_ARRAY_LEN(table),
};

/* --- what they come to ---------------------------------------------------------------------- */

static int set_servers(struct sp_gateway_config *c, char why[static SP_OPTIONS_ERR_MAX])
{
    const char *text;
    int err = sp_options_count_most(c->options, "server", SP_SERVERS_MAX, &c->n_servers, why);

    if (err != 0)
        return err;
    if (c->n_servers == 0)
        return sp_options_refuse(
            why, "--server is needed: https://HOST[:PORT][/PATH] of a sallyport-server");
    for (size_t i = 0; i < c->n_servers; i++)
        sp_server_url_parse(sp_options_nth(c->options, "server", i), &c->servers[i], &text);
    return 0;
}

static int set_token(struct sp_gateway_config *c, char why[static SP_OPTIONS_ERR_MAX])
{
    c->token_file = sp_options_get(c->options, "token-file", NULL);
    c->token = sp_options_get(c->options, "token", NULL);
    if (c->token_file == NULL && c->token == NULL)
        return sp_options_refuse(
            why, "--token-file is needed (or SALLYPORT_TOKEN): a file with the token that "
                 "`sallyport-server credentials` printed");
    if (c->token_file != NULL && c->token != NULL)
        return sp_options_refuse(why, "--token-file and SALLYPORT_TOKEN: one of them, not both");
    return 0;
}

static int set_addresses(struct sp_gateway_config *c, char why[static SP_OPTIONS_ERR_MAX])
{
    const struct sp_options *o = c->options;
    int err = sp_options_count_most(o, "listen", SP_CLIENT_LISTEN_MAX, &c->n_listen, why);

    if (err == 0)
        err = sp_options_count_most(o, "lan", SP_LAN_MAX, &c->n_lan, why);
    if (err != 0)
        return err;
    for (size_t i = 0; i < c->n_listen; i++)
        sp_addr_parse(sp_options_nth(o, "listen", i), &c->listen[i]);
    for (size_t i = 0; i < c->n_lan; i++)
        sp_cidr_parse(sp_options_nth(o, "lan", i), &c->lan[i]);
    c->has_admin = sp_options_addr(o, "admin", SP_GATEWAY_ADMIN, &c->admin);
    return 0;
}

/* The first of two that is set, with its name. */
static const char *either(sp_getenv_fn *env, const char *a, const char *b, const char **name)
{
    const char *value = env(a);

    *name = a;
    if (value == NULL) {
        *name = b;
        value = env(b);
    }
    return value;
}

static int set_proxies(struct sp_gateway_config *c, sp_getenv_fn *env,
                       char why[static SP_OPTIONS_ERR_MAX])
{
    const char *given = sp_options_get(c->options, "proxy", NULL);
    const char *name, *ignored, *text;
    const char *from_env = either(env, "https_proxy", "HTTPS_PROXY", &name);
    const char *bypass = either(env, "no_proxy", "NO_PROXY", &ignored);

    for (size_t i = 0; i < c->n_servers; i++) {
        const struct sp_server_url *s = &c->servers[i];
        const char *proxy = given; /* what was asked for here is not bypassed */
        if (given == NULL && from_env != NULL && !sp_proxy_bypass(bypass, s->host, s->port))
            proxy = from_env;
        if (proxy != NULL && sp_proxy_parse(proxy, &c->proxies[i], &text) != 0) {
            snprintf(why, SP_OPTIONS_ERR_MAX, "%s (environment): %s; --proxy none does without",
                     name, text);
            return SP_EINVAL;
        }
    }
    return 0;
}

int sp_gateway_config_init(struct sp_gateway_config *c, struct sp_options *o, sp_getenv_fn *env,
                           char why[static SP_OPTIONS_ERR_MAX])
{
    memset(c, 0, sizeof *c);
    c->options = o;
    c->ca_file = sp_options_get(o, "ca", NULL);
    c->lanes = (unsigned)sp_options_number(o, "lanes", SP_LANES_DEFAULT);
    sp_options_log(o, &c->log);
    sp_options_confine(o, &c->confine);

    int err = set_servers(c, why);
    if (err == 0)
        err = set_token(c, why);
    if (err == 0)
        err = set_addresses(c, why);
    if (err == 0)
        err = set_proxies(c, env, why);
    if (err != 0)
        sp_gateway_config_fini(c);
    return err;
}

void sp_gateway_config_fini(struct sp_gateway_config *c)
{
    sp_options_free(c->options);
    sp_crypto_wipe(c->proxies, sizeof c->proxies);
    c->options = NULL;
}
