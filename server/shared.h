/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all workers read and nothing changes: what a port serves, what the operator said of peers,
 * and the site that strangers see. What a reload changes is in keys.h.
 */
#ifndef SALLYPORT_SERVER_SHARED_H
#define SALLYPORT_SERVER_SHARED_H

#include "demux.h"
#include "origin.h"
#include "peer_policy.h"
#include "site.h"

/* Where it all comes from; everything is borrowed for the whole life. */
struct sp_shared_config {
    unsigned serve; /* SP_SERVE_… of demux.h */
    const struct sp_cidr *allow, *deny;
    size_t n_allow, n_deny;
    const struct sp_addr *own; /* what leads to this host, beside its interfaces' addresses */
    size_t n_own;
    const char *tunnel_path;
    struct sp_origins origins; /* of pages that may use the control API */
    bool demo;                 /* the demo page is served */
    const char *site;          /* a folder, instead of the built-in page; may be NULL */
    bool has_fallback;
    struct sp_addr fallback; /* a web server that strangers are passed on to */
};

struct sp_shared {
    struct sp_shared_config config;
    struct sp_site *site;
};

#define SP_SHARED_WHY_MAX 512

/* SP_EINVAL and one line in `why` that names what is wrong and what is allowed. */
int sp_shared_new(const struct sp_shared_config *c, struct sp_shared **out,
                  char why[static SP_SHARED_WHY_MAX]);
void sp_shared_free(struct sp_shared *s);

/* A worker's own peer policy: it changes with this host's addresses. SP_ENOMEM. */
int sp_shared_make_policy(const struct sp_shared *s, struct sp_peer_policy **out);

#endif
