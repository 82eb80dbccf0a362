/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The paths of the control API: one table, read by the code and by the test of what API.md and
 * openapi.json say. Pure.
 */
#ifndef SALLYPORT_SERVER_API_ROUTE_H
#define SALLYPORT_SERVER_API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "sallyport/bytes.h"

enum sp_api_action {
    SP_API_CREATE,   /* a session */
    SP_API_SHOW,     /* one */
    SP_API_END,      /* it ends */
    SP_API_JOIN,     /* one end of it */
    SP_API_GATEWAYS, /* those that are there */
    SP_API_SCRIPT,   /* sallyport.js */
    SP_API_TYPES,    /* and what TypeScript wants to know of it */
};

struct sp_api_route {
    enum sp_api_action action;
    const char *method;
    const char *path;  /* "{id}" stands for a session's id */
    const char *scope; /* of the token that it wants; NULL: none */
    bool has_body;
};

#define SP_API_ROUTES_N 7
extern const struct sp_api_route sp_api_routes[SP_API_ROUTES_N];

#define SP_API_METHODS_MAX 32 /* "GET, DELETE", and the NUL */

struct sp_api_place {
    const struct sp_api_route *route; /* NULL: nothing for that method */
    struct sp_span id;                /* what stands for {id}, as it was sent */
    char methods[SP_API_METHODS_MAX]; /* that the path knows, for Allow */
};

/* SP_ENOENT: no such path. */
int sp_api_find_route(struct sp_span method, struct sp_span target, struct sp_api_place *out);

#endif
