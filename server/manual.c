/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manual.h"

const char sp_edge_summary[] = "carries WebRTC media inside HTTPS: the edge server";

const struct sp_manual_part sp_edge_manual[] = {
    {"DESCRIPTION",
     "WebRTC calls fail where a firewall drops UDP. sallyport-server stands where such a firewall "
     "cannot refuse it: on TCP port 443, behind a TLS certificate, beside an ordinary web site. "
     "What it serves there, on one port:"
     "\n\n"
     "    tunnel  gateways (sallyport-client) that show a token: they carry the\n"
     "            datagrams of browsers over several TLS connections at once\n"
     "    turn    TURN over TLS and TCP, for browsers without a gateway\n"
     "    site    everybody else: a web page"
     "\n\n"
     "STUN and TURN by UDP are served on a port of their own. All of these are ways to one TURN "
     "server: who comes by one may call who comes by another. Media stays end-to-end encrypted."
     "\n\n"
     "When it listens it prints one line that starts with \"ready\" and names its addresses. Logs "
     "go to standard error."},
    {"SIGNALS",
     "SIGHUP rereads certificate, key, secrets and users; all or nothing. SIGTERM and SIGINT make "
     "it drain: calls go on, nothing new begins, gateways and TURN clients are sent elsewhere, "
     "/healthz says 503. It ends when the last allocation has, or after --drain-timeout; a second "
     "signal ends it at once."},
    {"FILES",
     "Files of secrets, users and keys must not be readable for everyone, unless their file system "
     "is mounted read-only."},
    {"EXIT STATUS",
     "0: ended by a signal. 1: the system refused something, such as a port that is in use. 2: a "
     "setting is wrong; one line on standard error names it and says what is allowed."},
    {"EXAMPLES", "Everything on ports 443 and 3478, behind NAT:"
                 "\n\n"
                 "    (umask 077; openssl rand -hex 32 >secret)\n"
                 "    sallyport-server --cert fullchain.pem --key privkey.pem \\\n"
                 "        --secret-file secret --relay-ip 10.0.0.5=203.0.113.7"
                 "\n\n"
                 "Nothing but port 443, for calls between gateways:"
                 "\n\n"
                 "    sallyport-server --cert fullchain.pem --key privkey.pem \\\n"
                 "        --secret-file secret --listen-udp none \\\n"
                 "        --relay-ports none --relay-ip 203.0.113.7"
                 "\n\n"
                 "What a user needs, a token for the gateway and credentials for the browser:"
                 "\n\n"
                 "    sallyport-server credentials --secret-file secret --user alice \\\n"
                 "        --host edge.example"},
    {"SEE ALSO", "sallyport-client(1)"},
    {"STANDARDS", "RFC 8656 (TURN), RFC 8489 (STUN), RFC 4571 (framing), RFC 8446 (TLS 1.3)."},
    {NULL, NULL},
};
