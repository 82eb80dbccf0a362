/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The web site that strangers meet. Whoever speaks HTTP and opens no tunnel is answered here: a
 * parsed request head goes in, the head of a response comes out, and where its body lies. So a
 * wrong token on the tunnel's path gets, byte for byte, what any unknown path gets: nothing here
 * knows that path.
 *
 * Knows no connection. A site is a table of pages in memory (the built-in one has one page), or a
 * folder (site_files.h); what the folder has in "404.html" is shown where a page is missing.
 */
#ifndef SALLYPORT_SERVER_SITE_H
#define SALLYPORT_SERVER_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/http.h"
#include "site_files.h"

#define SP_SITE_HEAD_MAX  8192
#define SP_SITE_QUERY_MAX 1024    /* bytes of a query that a redirect repeats */
#define SP_SITE_BODY_MAX  1048576 /* bytes of a request's body that are worth reading past */
#define SP_SITE_TYPE_MAX  127

struct sp_site_page {
    const char *path; /* as in a request, without query: "/", "/style.css" */
    const char *type; /* Content-Type */
    struct sp_span body;
};

/* Borrowed: what it points at must live as long as the site. */
struct sp_site_config {
    const struct sp_site_page *pages; /* each path once; answered to GET and HEAD */
    size_t n_pages;
    const char *folder; /* not NULL: this instead of pages */
};

struct sp_site;

#define SP_SITE_WHY_MAX SP_SITE_FILES_WHY_MAX

struct sp_site_answer {
    unsigned status;
    struct sp_span head; /* with the empty line; lies in `text`, so don't copy this struct */
    struct sp_span body; /* goes right behind the head; lives as long as the site */
    int fd;              /* not -1: the body is this part of it, and it is yours to close */
    struct sp_site_part part;
    bool keep_alive; /* false: the head says so, end the connection when all is written */
    char text[SP_SITE_HEAD_MAX];
};

/* `config` NULL: the built-in site. SP_ENOMEM; SP_EINVAL for a path without leading "/", a type
 * that is too long or has more than printable ASCII, or a folder that can't be read. `why` gets one
 * line. */
int sp_site_new(const struct sp_site_config *config, struct sp_site **out,
                char why[static SP_SITE_WHY_MAX]);
void sp_site_free(struct sp_site *s);

/*
 * The answer to a request. A HEAD is answered like a GET, without body. The caller skips the body
 * that the request announced; where keep_alive is false, which it is for chunked ones, those above
 * SP_SITE_BODY_MAX, and those that wait for a 100 (RFC 9110 section 10.1.1), it needn't. `unix_s`
 * is for Date.
 */
void sp_site_serve(const struct sp_site *s, const struct sp_http_head *request, uint64_t unix_s,
                   struct sp_site_answer *out);

/* An answer with that status, of those that say what went wrong with a connection, and that is its
 * end: 400, 408, 414, 431, 501, 502, 503 (try again soon, RFC 9110 section 10.2.3), 505. */
void sp_site_refuse(const struct sp_site *s, unsigned status, uint64_t unix_s,
                    struct sp_site_answer *out);

#endif
