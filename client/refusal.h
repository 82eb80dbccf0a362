/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why no lane could be opened, as facts that were met on the way, and as one line that tells a
 * person what is probably wrong. Pure: the facts come from dial.h, the line goes to the log.
 */
#ifndef SALLYPORT_CLIENT_REFUSAL_H
#define SALLYPORT_CLIENT_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy.h"

enum sp_refusal_kind {
    SP_REFUSAL_TOKEN_FILE, /* no token to show */
    SP_REFUSAL_NAME,       /* the host name led to no address */
    SP_REFUSAL_CONNECT,    /* no address took the connection */
    SP_REFUSAL_PROXY,      /* the proxy said no, or nothing sensible */
    SP_REFUSAL_TLS,        /* handshake or certificate */
    SP_REFUSAL_ANSWER,     /* HTTP was answered, but not 101 */
    SP_REFUSAL_LOST,       /* the connection ended, or nothing came in time, after TLS */
    SP_REFUSAL_MEMORY,
    SP_REFUSAL_KINDS,
};

#define SP_REFUSAL_WHY_MAX  512
#define SP_REFUSAL_LINE_MAX 1024

struct sp_refusal {
    enum sp_refusal_kind kind;
    char why[SP_REFUSAL_WHY_MAX];    /* what the layer below says; "" without */
    char proxy[SP_URL_HOST_MAX + 9]; /* "host:port" when one stands between; "" without */

    /* SP_REFUSAL_PROXY: status 0 when it was no answer. */
    struct sp_proxy_answer proxy_answer;

    /* SP_REFUSAL_ANSWER: what the far side said; status 0 when it was not HTTP. */
    unsigned status;
    bool has_date;
    uint64_t server_s, local_s; /* its Date, and our clock then (TLS: too); seconds since 1970 */
    bool token_known;           /* the token could be read as one */
    uint64_t token_expires_s;
};

/* Whether the server answered, and did not want us: as a web site does when it does not know the
 * token or the tunnel, in whatever way that site answers. Not when it, or a balancer before it,
 * says "not now" (5xx, 408, 429): what we asked for may still be there. */
bool sp_refusal_is_denial(const struct sp_refusal *r);
/* Whether somebody was there, beyond the network: a try costs them something. */
bool sp_refusal_met_somebody(const struct sp_refusal *r);

/* What is wrong with the certificate that a server showed, as far as `why` says so. */
enum sp_refusal_cert {
    SP_REFUSAL_CERT_FINE, /* it was something else */
    SP_REFUSAL_CERT_SIGNER,
    SP_REFUSAL_CERT_NAME,
    SP_REFUSAL_CERT_DATE,
};
enum sp_refusal_cert sp_refusal_cert(const struct sp_refusal *r);

/* One line, never empty. */
void sp_refusal_explain(const struct sp_refusal *r, char out[static SP_REFUSAL_LINE_MAX]);

/* Lets each kind through at most once a minute, so that a log stays readable through a night
 * without network. */
struct sp_refusal_gate {
    uint64_t said_us[SP_REFUSAL_KINDS]; /* 0: never */
};

bool sp_refusal_gate_take(struct sp_refusal_gate *g, enum sp_refusal_kind kind, uint64_t now_us);

#endif
