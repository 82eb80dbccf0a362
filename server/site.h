/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The web site that strangers meet. Whoever speaks HTTP and opens no tunnel is answered here: a
 * parsed request head goes in, the head and the body of a response come out. So a wrong token on
 * the tunnel's path gets, byte for byte, what any unknown path gets: nothing here knows that path.
 *
 * Does no I/O: the site is a table of pages in memory. The built-in site has one page; a site from
 * a folder is the same table, filled by whoever reads the folder.
 */
#ifndef SALLYPORT_SERVER_SITE_H
#define SALLYPORT_SERVER_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/http.h"

#define SP_SITE_HEAD_MAX 512
#define SP_SITE_BODY_MAX 65536 /* bytes of a request's body that are worth reading past */
#define SP_SITE_TYPE_MAX 127

struct sp_site_page {
    const char *path; /* as in a request, without query: "/", "/style.css" */
    const char *type; /* Content-Type */
    struct sp_span body;
};

/* Borrowed: what it points at must live as long as the site. */
struct sp_site_config {
    const struct sp_site_page *pages; /* each path once; answered to GET and HEAD */
    size_t n_pages;
};

struct sp_site;

struct sp_site_answer {
    unsigned status;
    struct sp_span head; /* with the empty line; lies in `text`, so don't copy this struct */
    struct sp_span body; /* goes right behind the head; empty for HEAD; lives as long as the site */
    bool keep_alive;     /* false: the head says so, end the connection when all is written */
    char text[SP_SITE_HEAD_MAX];
};

/* `config` NULL: the built-in site. SP_ENOMEM; SP_EINVAL for a path without leading "/", or a type
 * that is too long or has more than printable ASCII. */
int sp_site_new(const struct sp_site_config *config, struct sp_site **out);
void sp_site_free(struct sp_site *s);

/*
 * The answer to a request: 200, 404, 405 with Allow, or 400 (HTTP/1.1 without Host, or a target
 * that is no path). The caller skips the body that the request announced; where keep_alive is
 * false, which it is for chunked ones and those above SP_SITE_BODY_MAX, it needn't. `unix_s` is for
 * Date.
 */
void sp_site_serve(const struct sp_site *s, const struct sp_http_head *request, uint64_t unix_s,
                   struct sp_site_answer *out);

/* The answer to what sp_http_parse_request() refused with `err`: 431 for SP_ETOOBIG, 505 for
 * SP_EPROTO, else 400. Never keep_alive. */
void sp_site_refuse(const struct sp_site *s, int err, uint64_t unix_s, struct sp_site_answer *out);

#endif
