/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manual.h"

const char sp_gateway_summary[] = "carries WebRTC media inside HTTPS: the gateway beside a browser";

const struct sp_manual_part sp_gateway_manual[] = {
    {"DESCRIPTION",
     "WebRTC calls fail where a firewall drops UDP. To a browser sallyport-client is a TURN server "
     "that is very near: on the same computer, or in the same network. What it receives it "
     "carries, "
     "unread and unchanged, through HTTPS to a sallyport-server, and back."
     "\n\n"
     "It listens at once and prints one line that starts with \"ready\" and names its addresses, "
     "and the URLs that a page should put into iceServers. Then it connects; \"tunnel up\" in the "
     "log says that it has. Logs go to standard error."
     "\n\n"
     "Chromium uses a TURN server on 127.0.0.1; Firefox does not. Both use one at 192.0.2.1, an "
     "address that belongs to nobody (RFC 5737) and is the same on every network. As root:"
     "\n\n"
     "    sallyport-local-address"
     "\n\n"
     "gives it an interface of its own, so that Chromium's calls outlive a change of the network, "
     "or, "
     "where that can't be, does what this does: ip address add 192.0.2.1/32 dev lo."
     "\n\n"
     "When all connections are lost it goes on trying, from whatever network the computer is in by "
     "then. If it comes back within the server's --linger time, calls go on."},
    {"SIGNALS", "SIGTERM and SIGINT close all in good order; a second one does not wait. SIGHUP "
                "rereads --ca."},
    {"ENVIRONMENT",
     "https_proxy and no_proxy, or HTTPS_PROXY and NO_PROXY, where --proxy is not given."},
    {"EXIT STATUS",
     "0: ended by a signal. 1: the system refused something, such as a port that is in use. 2: a "
     "setting is wrong, or a file that is no good; one line on standard error names it and says "
     "what is allowed."},
    {"EXAMPLES",
     "A gateway for the browsers of this computer, and what an application puts into iceServers:"
     "\n\n"
     "    sallyport-client --server https://edge.example --token-file token\n"
     "\n"
     "    { \"urls\": [\"turn:192.0.2.1:3478?transport=udp\",\n"
     "               \"turns:edge.example:443?transport=tcp\"],\n"
     "      \"username\": \"...\", \"credential\": \"...\" }"
     "\n\n"
     "One for a whole network:"
     "\n\n"
     "    sallyport-client --server https://edge.example --token-file token \\\n"
     "        --listen 192.168.0.10:3478 --lan 192.168.0.0/16"},
    {"SEE ALSO", "sallyport-server(8)"},
    {NULL, NULL},
};
