/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One try to open a lane: name → address → connection → (proxy) → TLS → upgrade. Ends with a stream
 * on which frames may flow, or with the facts of a refusal. Decides nothing about what is tried
 * next.
 */
#ifndef SALLYPORT_CLIENT_DIAL_H
#define SALLYPORT_CLIENT_DIAL_H

#include "env.h"
#include "proxy.h"
#include "refusal.h"
#include "sallyport/tls.h"
#include "sallyport/tls_ctx.h"
#include "sallyport/upgrade.h"
#include "url.h"

struct sp_dial;

/* When each step was done (0: not), and what it found: for who wants to know how far it came. */
struct sp_dial_trace {
    uint64_t start_us, connected_us, proxied_us, secured_us;
    struct sp_addr remote;   /* who took the connection: the server, or the proxy */
    char tls[16];            /* "TLSv1.3" */
    struct sp_tls_peer peer; /* the certificate */
};

struct sp_dial_order {
    const struct sp_server_url *server; /* borrowed until the end, as is `proxy` */
    const struct sp_proxy *proxy;       /* NULL: straight */
    struct sp_tls_ctx *tls;
    const struct sp_addr *prefer; /* NULL, or where the tunnel's other lanes went: goes first */
    bool hurried;              /* somebody else waits to be asked: don't wait long for an address */
    struct sp_upgrade upgrade; /* the token is copied */
    struct sp_dial_trace *trace; /* NULL, or written while it goes on */
};

struct sp_dial_result {
    struct sp_stream *stream; /* now the callee's; what waits in it are frames */
    struct sp_tunnel_id id;
};

/* `r` NULL: refused, and `why` holds the facts. The dial is gone when this is called. */
typedef void sp_dial_fn(const struct sp_dial_result *r, const struct sp_refusal *why, void *arg);

/* Calls back from the loop only. SP_ENOMEM. */
int sp_dial_start(const struct sp_client_env *env, const struct sp_dial_order *order,
                  sp_dial_fn *fn, void *arg, struct sp_dial **out);
/* No call follows. NULL is fine. */
void sp_dial_free(struct sp_dial *d);

#endif
