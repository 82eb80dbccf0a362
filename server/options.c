/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/options_shared.h"
#include "sallyport/process.h"
#include "sallyport/upgrade.h"

/* --- the table ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    unsigned bit;
} services[] = {
    {"tunnel", SP_SERVE_TUNNEL}, {"turn", SP_SERVE_TURN}, {"ice-tcp", SP_SERVE_ICE_TCP},
    {"api", SP_SERVE_API},       {"site", SP_SERVE_SITE},
};

/* Without --serve; and with --demo, whose page wants the API and, without a gateway, ICE-TCP. */
#define SERVE      "tunnel,turn,site"
#define SERVE_DEMO "tunnel,turn,ice-tcp,api,site"

static int parse_serve(const char *value, unsigned *out)
{
    unsigned bits = 0;

    for (const char *p = value;; p++) {
        size_t len = strcspn(p, ","), i;
        for (i = 0; i < SP_ARRAY_LEN(services); i++)
            if (strlen(services[i].name) == len && memcmp(services[i].name, p, len) == 0)
                break;
        if (i == SP_ARRAY_LEN(services))
            return SP_EINVAL;
        bits |= services[i].bit;
        p += len;
        if (*p == '\0')
            break;
    }
    *out = bits;
    return 0;
}

static const char *check_serve(const char *value)
{
    unsigned bits;
    return parse_serve(value, &bits) == 0 ? NULL : "wants a list of tunnel,turn,ice-tcp,api,site";
}

/* ADDR[=PUBLIC], both of one family. */
static int parse_relay_ip(const char *value, struct sp_relay_ip *out)
{
    char local[SP_ADDR_STRLEN];
    const char *eq = strchr(value, '=');
    size_t len = eq != NULL ? (size_t)(eq - value) : strlen(value);
    struct sp_relay_ip ip;

    if (len >= sizeof local)
        return SP_EINVAL;
    memcpy(local, value, len);
    local[len] = '\0';
    if (sp_addr_parse_ip(local, &ip.local) != 0)
        return SP_EINVAL;
    ip.public_ = ip.local;
    if (eq != NULL && sp_addr_parse_ip(eq + 1, &ip.public_) != 0)
        return SP_EINVAL;
    if (ip.public_.family != ip.local.family || sp_addr_is_any(&ip.local) ||
        sp_addr_is_any(&ip.public_))
        return SP_EINVAL;
    *out = ip;
    return 0;
}

static const char *check_relay_ip(const char *value)
{
    struct sp_relay_ip ip;
    return parse_relay_ip(value, &ip) == 0 ? NULL
                                           : "wants ADDR or ADDR=PUBLIC, two IP addresses of one "
                                             "family and neither 0.0.0.0 nor ::";
}

/* MIN-MAX, or "none" for 0. */
static int parse_ports(const char *value, uint16_t *min, uint16_t *max)
{
    unsigned long lo, hi;
    char *end;

    if (strcmp(value, "none") == 0) {
        *min = *max = 0;
        return 0;
    }
    if (value[0] < '0' || value[0] > '9')
        return SP_EINVAL;
    lo = strtoul(value, &end, 10);
    if (*end != '-' || end[1] < '0' || end[1] > '9')
        return SP_EINVAL;
    hi = strtoul(end + 1, &end, 10);
    if (*end != '\0' || lo < 1024 || hi > 65535 || lo > hi)
        return SP_EINVAL;
    *min = (uint16_t)lo;
    *max = (uint16_t)hi;
    return 0;
}

static const char *check_ports(const char *value)
{
    uint16_t min, max;
    return parse_ports(value, &min, &max) == 0
               ? NULL
               : "wants MIN-MAX, two ports from 1024 to 65535 such as 49152-65535, or none";
}

static const char *check_user(const char *value)
{
    const char *colon = strchr(value, ':');
    return colon != NULL && colon != value && colon[1] != '\0' ? NULL : "wants NAME:PASSWORD";
}

static const char *check_fallback(const char *value)
{
    struct sp_addr a;
    return sp_addr_parse(value, &a) == 0 && a.port != 0 && !sp_addr_is_any(&a)
               ? NULL
               : "wants the ADDR:PORT of a web server, such as 127.0.0.1:8080";
}

/* ADDR, ADDR:PORT, [ADDR]:PORT; without a port it is 0. */
static int parse_alternate(const char *value, struct sp_addr *out)
{
    struct sp_addr a;

    if (sp_addr_parse_ip(value, &a) != 0 && (sp_addr_parse(value, &a) != 0 || a.port == 0))
        return SP_EINVAL;
    if (sp_addr_is_any(&a))
        return SP_EINVAL;
    *out = a;
    return 0;
}

static const char *check_alternate(const char *value)
{
    struct sp_addr a;
    return parse_alternate(value, &a) == 0
               ? NULL
               : "wants ADDR, ADDR:PORT or [ADDR]:PORT of another server, an IP address and not a "
                 "name";
}

/* As sysctl net.ipv4.tcp_available_congestion_control has it: as long as the kernel takes. */
static const char *check_congestion(const char *value)
{
    size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return len > 0 && len < SP_CONGESTION_MAX && value[len] == '\0'
               ? NULL
               : "wants a name as in net.ipv4.tcp_available_congestion_control, such as cubic, or "
                 "auto or system";
}

static const struct sp_option table[] = {
    {.name = "listen",
     .arg = "ADDR:PORT",
     .help = "TCP: tunnel, TURN and site on one port",
     .preset = "[::]:443",
     .group = "Ports",
     .flags = SP_OPTION_REPEAT,
     .check = sp_option_check_addr},
    {.name = "listen-udp",
     .arg = "ADDR:PORT",
     .help = "STUN and TURN by UDP; or none",
     .preset = "[::]:3478",
     .words = "none",
     .flags = SP_OPTION_REPEAT,
     .check = sp_option_check_addr_or_none},
    {.name = "serve",
     .arg = "LIST",
     .help = "what the ports serve",
     .more = "A list, with commas, of tunnel (gateways with a token), turn (STUN and TURN, by "
             "TCP, TLS and UDP), ice-tcp (browsers of rendezvous sessions that have no gateway), "
             "api (to make such sessions, for whoever has a token: credentials --scope session) "
             "and site (an ordinary web site for everyone else). STUN answers strangers by its "
             "nature: tunnel,site cannot be told from a web server.",
     .preset = SERVE,
     .words = "tunnel|turn|ice-tcp|api|site",
     .flags = SP_OPTION_LIST,
     .check = check_serve},
    {.name = "cert",
     .arg = "FILE",
     .help = "certificate chain, PEM; reread on SIGHUP",
     .group = "Certificate, secrets and users"},
    {.name = "key", .arg = "FILE", .help = "its private key, PEM; reread on SIGHUP"},
    {.name = "secret-file",
     .arg = "FILE",
     .help = "shared secrets, one a line; reread on SIGHUP",
     .more = "The first signs, all verify: tunnel tokens, and the passwords of TURN REST users. "
             "Nobody else may be able to read the file (chmod 600). The secrets themselves can be "
             "given as SALLYPORT_SECRET instead."},
    {.name = "secret",
     .arg = "SECRET",
     .help = "the secrets themselves",
     .flags = SP_OPTION_SECRET | SP_OPTION_ENV_ONLY},
    {.name = "user-file",
     .arg = "FILE",
     .help = "static TURN users, NAME:PASSWORD a line",
     .more = "Reread on SIGHUP. Nobody else may be able to read it (chmod 600)."},
    {.name = "user",
     .arg = "NAME:PASSWORD",
     .help = "a static TURN user, for trials",
     .more = "Wiped from ps at once.",
     .flags = SP_OPTION_REPEAT | SP_OPTION_SECRET | SP_OPTION_RARE,
     .check = check_user},
    {.name = "realm",
     .arg = "NAME",
     .help = "realm of TURN users",
     .preset = "the host name",
     .flags = SP_OPTION_RARE},
    {.name = "relay-ip",
     .arg = "ADDR[=PUBLIC]",
     .help = "address of relays, and how the world sees it",
     .more = "IPv4 and IPv6; the first of a family serves it.",
     .preset = "that of the default route",
     .group = "Relaying",
     .flags = SP_OPTION_REPEAT,
     .check = check_relay_ip},
    {.name = "relay-ports",
     .arg = "MIN-MAX",
     .help = "their UDP ports; none: no sockets at all",
     .more = "With none relayed addresses are virtual: calls are possible between tunnels and "
             "TURN users of this server only, and nothing but the --listen ports has to be open. "
             "That wants --relay-ip, an address that no other server has.",
     .preset = "49152-65535",
     .words = "none",
     .check = check_ports},
    {.name = "allow-peer",
     .arg = "CIDR",
     .help = "relay to these although they are denied",
     .more = "Private, loopback and other special addresses are denied unless you name them.",
     .flags = SP_OPTION_REPEAT,
     .check = sp_option_check_cidr},
    {.name = "deny-peer",
     .arg = "CIDR",
     .help = "never relay to these",
     .flags = SP_OPTION_REPEAT | SP_OPTION_RARE,
     .check = sp_option_check_cidr},
    {.name = "turn-congestion",
     .arg = "NAME",
     .help = "congestion control of TURN by TCP and TLS",
     .more = "Who comes without a gateway, by TURN or ICE-TCP, has one connection for all media, "
             "and by cubic it carries less than a call wants where one packet in fifty is lost. "
             "auto: the system's, and bbr while a connection loses packets; system: the system's; "
             "or a name as bbr or cubic. Where the kernel lacks it (modprobe tcp_bbr), or keeps it "
             "for root, it is the system's; the log says so at start.",
     .preset = SP_EDGE_CONGESTION,
     .words = "auto|system",
     .flags = SP_OPTION_RARE,
     .check = check_congestion},
    {.name = "site",
     .arg = "DIR",
     .help = "what strangers see (or --fallback)",
     .preset = "a built-in page"},
    {.name = "fallback",
     .arg = "ADDR:PORT",
     .help = "what strangers see: that web server, by HTTP",
     .flags = SP_OPTION_RARE,
     .check = check_fallback},
    {.name = "origin",
     .arg = "ORIGIN",
     .help = "pages that may use the control API (--serve api)",
     .more = "As their browser names them: https://app.example, or with a port. A page of any "
             "other origin is told nothing but what strangers see; back ends, which have none, "
             "need but their token.",
     .flags = SP_OPTION_REPEAT | SP_OPTION_RARE,
     .check = sp_origin_check},
    {.name = "demo",
     .help = "serves a page for two to call each other",
     .more = "At https://THIS-SERVER/demo/, for whoever knows the address: two who open the same "
             "link see and hear each other by a session of this server, and which way their media "
             "takes. For showing it, with bounds of its own; without --serve it serves all that "
             "there is, ice-tcp and api among it.",
     .flags = SP_OPTION_RARE},
    {.name = "workers",
     .arg = "N",
     .help = "threads that share the work",
     .more =
         "Each has connections, tunnels and allocations of its own; bounds hold for all of them "
         "together. More than there are processors gain nothing.",
     .preset = "one for each processor",
     .flags = SP_OPTION_NUMBER | SP_OPTION_RARE,
     .min = 1,
     .max = SP_WORKERS_MAX},
    {.name = "linger",
     .arg = "SECONDS",
     .help = "how long a tunnel outlives its lanes",
     .more = "Calls go on when the gateway is back within that time, from whatever network.",
     .preset = "30",
     .group = "Bounds",
     .flags = SP_OPTION_NUMBER | SP_OPTION_RARE,
     .min = 1,
     .max = 3600},
    {.name = "session-idle",
     .arg = "SECONDS",
     .help = "how long an end of a session may be silent",
     .more = "Then it is released: its connection is closed, its gateway's port as well.",
     .preset = "30",
     .flags = SP_OPTION_NUMBER | SP_OPTION_RARE,
     .min = 1,
     .max = 3600},
    SP_BOUNDS(SP_BOUND_ROW, SP_BOUND_ROW){
        .name = "drain-timeout",
        .arg = "SECONDS",
        .help = "how long SIGTERM lets calls go on",
        .more = "It takes nothing new meanwhile, and ends when the last allocation has; a second "
                "SIGTERM ends it at once, as 0 does. Service managers kill what takes too long: "
                "systemd after 90 s (TimeoutStopSec), docker stop after 10 s (--timeout).",
        .preset = "60",
        .group = "At the end",
        .flags = SP_OPTION_NUMBER | SP_OPTION_RARE,
        .min = 0,
        .max = 86400},
    {.name = "alternate-server",
     .arg = "ADDR[:PORT]",
     .help = "where SIGTERM sends new TURN clients",
     .more = "Another server with the same realm, secrets and users, and with a certificate for "
             "the same name: while this one drains, an Allocate is answered 300 (Try Alternate) "
             "with that address, else 508. One for IPv4, one for IPv6; without a port the one "
             "that the client asked here. Gateways have --server for that.",
     .flags = SP_OPTION_REPEAT | SP_OPTION_RARE,
     .check = check_alternate},
    SP_OPTION_ROW_ADMIN(SP_EDGE_ADMIN),
    SP_OPTION_ROWS_LOG,
    SP_OPTION_ROWS_CONFINE,
};

const struct sp_options_spec sp_edge_options = {
    .usage = "sallyport-server [run] [OPTION]...",
    .about = "Carries WebRTC media inside HTTPS: tunnels of sallyport-client, TURN by TLS, TCP and "
             "UDP, and an ordinary web site, on one port.",
    .table = table,
    .n = SP_ARRAY_LEN(table),
};

/* --- what they come to ---------------------------------------------------------------------- */

static int set_listen(const struct sp_options *o, const char *name, const char *preset,
                      struct sp_addr *out, size_t *n, char why[static SP_OPTIONS_ERR_MAX])
{
    size_t given;
    int err = sp_options_count_most(o, name, SP_LISTEN_MAX, &given, why);

    *n = 0;
    if (err != 0)
        return err;
    if (given == 0)
        return sp_addr_parse(preset, &out[(*n)++]);
    for (size_t i = 0; i < given; i++) {
        const char *value = sp_options_nth(o, name, i);
        if (strcmp(value, "none") == 0) {
            if (given > 1) {
                snprintf(why, SP_OPTIONS_ERR_MAX, "--%s: none stands alone", name);
                return SP_EINVAL;
            }
            return 0;
        }
        sp_addr_parse(value, &out[(*n)++]);
    }
    return 0;
}

static int set_rules(const struct sp_options *o, const char *name, struct sp_cidr *out, size_t *n,
                     char why[static SP_OPTIONS_ERR_MAX])
{
    int err = sp_options_count_most(o, name, SP_PEER_RULES_MAX, n, why);

    if (err != 0)
        return err;
    for (size_t i = 0; i < *n; i++)
        sp_cidr_parse(sp_options_nth(o, name, i), &out[i]);
    return 0;
}

static void set_shared(struct sp_edge_config *c, const struct sp_options *o)
{
    struct sp_shared_config *s = &c->shared;

    s->demo = sp_options_switch(o, "demo");
    parse_serve(sp_options_get(o, "serve", s->demo ? SERVE_DEMO : SERVE), &s->serve);
    s->allow = c->allow;
    s->deny = c->deny;
    s->own = c->own;
    s->tunnel_path = SP_UPGRADE_PATH;
}

static int set_keys(struct sp_edge_config *c, const struct sp_options *o,
                    char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_keys_config *k = &c->keys;

    k->cert_file = sp_options_get(o, "cert", NULL);
    k->key_file = sp_options_get(o, "key", NULL);
    k->turn_in_tls = c->shared.serve & SP_SERVE_TURN;
    k->secret_file = sp_options_get(o, "secret-file", NULL);
    k->secret = sp_options_get(o, "secret", NULL);
    k->user_file = sp_options_get(o, "user-file", NULL);
    k->n_users = sp_options_count(o, "user");
    k->users = c->users;

    if (gethostname(c->host_name, sizeof c->host_name - 1) != 0 || c->host_name[0] == '\0')
        snprintf(c->host_name, sizeof c->host_name, "localhost");
    k->realm = sp_options_get(o, "realm", c->host_name);
    if (k->n_users > SP_PEER_RULES_MAX)
        return sp_options_refuse(why,
                                 "--user: too many for a command line; put them into --user-file");
    for (size_t i = 0; i < k->n_users; i++)
        c->users[i] = sp_options_nth(o, "user", i);
    if ((k->cert_file == NULL) != (k->key_file == NULL))
        return sp_options_refuse(why, "--cert and --key: one is of no use without the other");
    return 0;
}

/* Whether what is served has all it needs. */
static int check_keys(const struct sp_keys_config *k, unsigned serve,
                      char why[static SP_OPTIONS_ERR_MAX])
{
    bool has_secret = k->secret_file != NULL || k->secret != NULL;

    if (k->secret_file != NULL && k->secret != NULL)
        return sp_options_refuse(why, "--secret-file and SALLYPORT_SECRET: one of them, not both");
    if (serve & (SP_SERVE_TUNNEL | SP_SERVE_API)) {
        if (k->cert_file == NULL)
            return sp_options_refuse(
                why, "--cert and --key are needed to serve the tunnel or the API (--serve): the "
                     "certificate chain of this server's name and its key, PEM");
        if (!has_secret)
            return sp_options_refuse(
                why, "--secret-file is needed to serve the tunnel or the API (--serve): a file "
                     "with a line of, say, `openssl rand -hex 32`");
    }
    if (!has_secret && k->user_file == NULL && k->n_users == 0 && (serve & SP_SERVE_TURN))
        return sp_options_refuse(
            why, "--secret-file, --user-file or --user is needed to serve TURN (--serve)");
    return 0;
}

/* Whether what listens at `a` is reached by connecting to `to`. */
static bool leads_to(const struct sp_addr *to, const struct sp_addr *a)
{
    struct sp_addr own[SP_PEER_RULES_MAX];

    if (to->port != a->port)
        return false;
    if (!sp_addr_is_any(a))
        return sp_addr_eq(to, a);
    size_t n = sp_sock_own_addrs(own, SP_ARRAY_LEN(own));
    for (size_t i = 0; i < n && i < SP_ARRAY_LEN(own); i++) {
        own[i].port = to->port;
        if (sp_addr_eq(to, &own[i]))
            return true;
    }
    return sp_addr_is_loopback(to);
}

static int set_site(struct sp_edge_config *c, const struct sp_options *o,
                    char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_shared_config *s = &c->shared;
    const char *fallback = sp_options_get(o, "fallback", NULL);

    s->site = sp_options_get(o, "site", NULL);
    s->has_fallback = fallback != NULL;
    if (s->site != NULL && fallback != NULL)
        return sp_options_refuse(why,
                                 "--site and --fallback: strangers see one or the other; give one");
    if ((s->site != NULL || fallback != NULL) && !(s->serve & SP_SERVE_SITE)) {
        snprintf(why, SP_OPTIONS_ERR_MAX, "--%s: is for strangers, and --serve leaves site out",
                 fallback != NULL ? "fallback" : "site");
        return SP_EINVAL;
    }
    if (fallback == NULL)
        return 0;
    sp_addr_parse(fallback, &s->fallback);
    for (size_t i = 0; i < c->worker.n_listen; i++)
        if (leads_to(&s->fallback, &c->worker.listen[i]))
            return sp_options_refuse(
                why, "--fallback: wants another server, and this is what --listen names");
    return 0;
}

static int set_origins(struct sp_edge_config *c, const struct sp_options *o,
                       char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_origins *all = &c->shared.origins;
    int err = sp_options_count_most(o, "origin", SP_ORIGINS_MAX, &all->n, why);

    if (err != 0)
        return err;
    if (all->n > 0 && !(c->shared.serve & SP_SERVE_API))
        return sp_options_refuse(why,
                                 "--origin: is for the control API, and --serve leaves api out");
    if (c->shared.demo && !(c->shared.serve & SP_SERVE_API))
        return sp_options_refuse(why, "--demo: its page uses the control API, and --serve leaves "
                                      "api out");
    all->own = c->shared.demo;
    for (size_t i = 0; i < all->n; i++)
        c->origins[i] = sp_options_nth(o, "origin", i);
    all->items = c->origins;
    return 0;
}

static int set_drain(struct sp_drain_config *d, const struct sp_options *o,
                     char why[static SP_OPTIONS_ERR_MAX])
{
    d->timeout_us = SP_SEC(sp_options_number(o, "drain-timeout", 60));
    for (size_t i = 0; i < sp_options_count(o, "alternate-server"); i++) {
        struct sp_addr a;
        if (parse_alternate(sp_options_nth(o, "alternate-server", i), &a) != 0)
            return SP_EINVAL; /* not to be had: it was checked with the command line */
        struct sp_addr *to = a.family == SP_IPV6 ? &d->alternates.v6 : &d->alternates.v4;
        if (to->family != SP_FAMILY_NONE)
            return sp_options_refuse(why, "--alternate-server: at most one for IPv4 and one for "
                                          "IPv6");
        *to = a;
    }
    return 0;
}

static int set_relays(struct sp_edge_config *c, const struct sp_options *o,
                      char why[static SP_OPTIONS_ERR_MAX])
{
    static const uint16_t families[] = {SP_IPV4, SP_IPV6};
    struct sp_worker_config *w = &c->worker;
    size_t given;
    int err = sp_options_count_most(o, "relay-ip", SP_RELAY_IPS_MAX, &given, why);

    if (err != 0)
        return err;
    parse_ports(sp_options_get(o, "relay-ports", "49152-65535"), &w->min_port, &w->max_port);
    w->relay_ips = c->relay_ips;
    for (size_t i = 0; i < given; i++) {
        parse_relay_ip(sp_options_nth(o, "relay-ip", i), &c->relay_ips[i]);
        c->own[i] = c->relay_ips[i].public_;
    }
    w->n_relay_ips = c->shared.n_own = given;
    if (given > 0)
        return 0;
    if (w->min_port == 0)
        return sp_options_refuse(
            why, "--relay-ports none: wants --relay-ip, an address that is unique to this "
                 "server; two that share one would mix up their callers");
    for (size_t i = 0; i < SP_ARRAY_LEN(families); i++) {
        struct sp_addr a;
        if (sp_sock_default_addr(families[i], &a) == 0)
            c->relay_ips[w->n_relay_ips++] = (struct sp_relay_ip){a, a};
    }
    if (w->n_relay_ips == 0)
        return sp_options_refuse(
            why, "--relay-ip: this host has no default route to take an address from; "
                 "name one");
    return 0;
}

/* UDP serves nothing but TURN. */
static int drop_udp(struct sp_worker_config *w, const struct sp_options *o,
                    char why[static SP_OPTIONS_ERR_MAX])
{
    if (w->n_listen_udp > 0 && sp_options_count(o, "listen-udp") > 0)
        return sp_options_refuse(why,
                                 "--listen-udp: serves TURN alone, and --serve leaves turn out");
    w->n_listen_udp = 0;
    return 0;
}

/* Each has its part of the places that strangers stand in. */
static unsigned default_workers(const struct sp_bounds *b)
{
    unsigned n = sp_process_cpus(), most = SP_WORKERS_MAX;

    if (b->strangers < most)
        most = (unsigned)b->strangers;
    return n < most ? n : most;
}

static int check_workers(const struct sp_edge_config *c, char why[static SP_OPTIONS_ERR_MAX])
{
    if (c->workers <= c->worker.bounds.strangers)
        return 0;
    snprintf(why, SP_OPTIONS_ERR_MAX,
             "--workers %u: wants no more than --max-strangers, which is %u; each has its part",
             c->workers, (unsigned)c->worker.bounds.strangers);
    return SP_EINVAL;
}

/* BBR does not take a lost packet for a full path. On paths that lose none it is of no use, and
 * holds back for 0.2 s every ten to see how long the way is. */
static void set_congestion(struct sp_options *o, struct sp_stream_congestion *c)
{
    const char *name = sp_options_get(o, "turn-congestion", SP_EDGE_CONGESTION);

    if (strcmp(name, "auto") == 0)
        c->on_loss = "bbr";
    else if (strcmp(name, "system") != 0)
        c->name = name;
}

int sp_edge_config_init(struct sp_edge_config *c, struct sp_options *o,
                        char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_worker_config *w = &c->worker;

    memset(c, 0, sizeof *c);
    c->options = o;
    sp_options_log(o, &c->log);
    sp_options_confine(o, &c->confine);
    sp_bounds_read(o, &w->bounds);
    w->linger_us = SP_SEC(sp_options_number(o, "linger", 30));
    w->session_idle_us = SP_SEC(sp_options_number(o, "session-idle", 30));
    set_congestion(o, &w->turn_congestion);
    c->workers = (unsigned)sp_options_number(o, "workers", default_workers(&w->bounds));
    c->has_admin = sp_options_addr(o, "admin", SP_EDGE_ADMIN, &c->admin);

    int err = set_listen(o, "listen", "[::]:443", w->listen, &w->n_listen, why);
    if (err == 0)
        err = set_listen(o, "listen-udp", "[::]:3478", w->listen_udp, &w->n_listen_udp, why);
    if (err == 0)
        err = check_workers(c, why);
    if (err == 0)
        err = set_rules(o, "allow-peer", c->allow, &c->shared.n_allow, why);
    if (err == 0)
        err = set_rules(o, "deny-peer", c->deny, &c->shared.n_deny, why);
    set_shared(c, o);
    if (err == 0)
        err = set_keys(c, o, why);
    if (err == 0)
        err = check_keys(&c->keys, c->shared.serve, why);
    if (err == 0)
        err = set_site(c, o, why);
    if (err == 0)
        err = set_origins(c, o, why);
    if (err == 0)
        err = set_relays(c, o, why);
    if (err == 0)
        err = set_drain(&c->drain, o, why);
    if (err == 0 && !(c->shared.serve & SP_SERVE_TURN))
        err = drop_udp(w, o, why);
    if (err != 0)
        sp_edge_config_fini(c);
    return err;
}

void sp_edge_config_fini(struct sp_edge_config *c)
{
    sp_options_free(c->options);
    c->options = NULL;
}
