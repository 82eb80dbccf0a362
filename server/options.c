/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include <string.h>

#include "bounds.h"
#include "option_values.h"
#include "origin.h"
#include "sallyport/options_shared.h"
#include "sallyport/sock.h"

static const char *check_serve(const char *value)
{
    unsigned bits;
    return sp_value_serve(value, &bits) == 0 ? NULL
                                             : "wants a list of tunnel,turn,ice-tcp,api,site";
}

static const char *check_relay_ip(const char *value)
{
    struct sp_relay_ip ip;
    return sp_value_relay_ip(value, &ip) == 0
               ? NULL
               : "wants ADDR or ADDR=PUBLIC, two IP addresses of one "
                 "family and neither 0.0.0.0 nor ::";
}

static const char *check_ports(const char *value)
{
    uint16_t min, max;
    return sp_value_ports(value, &min, &max) == 0
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

static const char *check_alternate(const char *value)
{
    struct sp_addr a;
    return sp_value_alternate(value, &a) == 0
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
     .preset = SP_EDGE_SERVE,
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
