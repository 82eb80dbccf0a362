/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The admin port: a small HTTP responder on a loop, for health checks, metrics and status. GET and
 * HEAD only, one request a connection, bounded in connections, bytes and time. Its routes are the
 * owner's; it knows nothing of what they tell.
 *
 * A web page that points a name of its own at this address (DNS rebinding) could read what it
 * answers; so a request is answered only when its Host is an IP address or "localhost", which no
 * page from elsewhere can have for its origin.
 */
#ifndef SALLYPORT_ADMIN_H
#define SALLYPORT_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/buf.h"
#include "sallyport/bytes.h"
#include "sallyport/counters.h"
#include "sallyport/log.h"
#include "sallyport/ticker.h"

#define SP_ADMIN_BODY_MAX (512 * 1024)

/* What a handler fills in. */
struct sp_admin_reply {
    unsigned status;    /* 200 unless changed */
    const char *type;   /* Content-Type; "text/plain; charset=utf-8" unless changed */
    struct sp_buf body; /* bounded by SP_ADMIN_BODY_MAX */
    bool failed;        /* something did not fit: 500 is answered instead */
};

typedef void sp_admin_fn(struct sp_admin_reply *r, void *arg);

struct sp_admin_route {
    const char *path; /* compared whole; a query is ignored */
    sp_admin_fn *fn;
};

/* Appends to the body. */
__attribute__((format(printf, 2, 3))) void sp_admin_put(struct sp_admin_reply *r, const char *form,
                                                        ...);
struct json_t; /* jansson's */
/* Appends it as text and frees it. NULL, as jansson gives it without memory, fails the reply. */
void sp_admin_put_json(struct sp_admin_reply *r, struct json_t *root);
/* A table of counters as an object, the caller's; several of them as an object of objects. NULL
 * without memory. */
struct json_t *sp_admin_json_table(const struct sp_counter *table, size_t n, const void *base);
struct json_t *sp_admin_json_groups(const struct sp_counter_group *groups, size_t n,
                                    const void *base);

struct json_t *sp_admin_json_addr(const struct sp_addr *a);

/* The answer to a request, apart from sockets: appends it to `out`. SP_EMORE: `in` is not a whole
 * request yet. SP_ENOMEM: nothing was appended. What is wrong is answered as HTTP says. */
int sp_admin_respond(const struct sp_admin_route *routes, size_t n, void *arg, struct sp_span in,
                     struct sp_buf *out);

struct sp_admin;

/* `routes` (borrowed) are called with `arg`. SP_ESYS with errno: not listening; SP_ENOMEM. */
int sp_admin_open(struct sp_ticker *ticker, const struct sp_log *log, const struct sp_addr *local,
                  const struct sp_admin_route *routes, size_t n, void *arg, struct sp_admin **out);
void sp_admin_close(struct sp_admin *a); /* NULL is fine; not from within a handler */
const struct sp_addr *sp_admin_local(const struct sp_admin *a);

#endif
