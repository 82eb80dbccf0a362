/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api_route.h"

#include <stdio.h>

#include "sallyport/err.h"
#include "sallyport/token.h"

#define ID "{id}"

const struct sp_api_route sp_api_routes[SP_API_ROUTES_N] = {
    {SP_API_CREATE, "POST", "/v1/sessions", SP_TOKEN_SCOPE_SESSION, true},
    {SP_API_SHOW, "GET", "/v1/sessions/{id}", SP_TOKEN_SCOPE_SESSION, false},
    {SP_API_END, "DELETE", "/v1/sessions/{id}", SP_TOKEN_SCOPE_SESSION, false},
    {SP_API_JOIN, "PUT", "/v1/end", SP_TOKEN_SCOPE_END, true},
    {SP_API_GATEWAYS, "GET", "/v1/gateways", SP_TOKEN_SCOPE_SESSION, false},
    {SP_API_SCRIPT, "GET", "/v1/sallyport.js", NULL, false},
    {SP_API_TYPES, "GET", "/v1/sallyport.d.ts", NULL, false},
};

static bool matches(const char *path, struct sp_span target, struct sp_span *id)
{
    size_t len = strlen(path);
    size_t fixed =
        len > strlen(ID) && strcmp(path + len - strlen(ID), ID) == 0 ? len - strlen(ID) : len;

    if (target.len < fixed || memcmp(target.p, path, fixed) != 0)
        return false;
    struct sp_span rest = sp_span_skip(target, fixed);
    if (fixed == len)
        return rest.len == 0;
    *id = rest;
    return rest.len > 0 && memchr(rest.p, '/', rest.len) == NULL;
}

int sp_api_find_route(struct sp_span method, struct sp_span target, struct sp_api_place *out)
{
    struct sp_api_place place = {.route = NULL};

    for (size_t i = 0; i < SP_API_ROUTES_N; i++) {
        const struct sp_api_route *r = &sp_api_routes[i];
        size_t len = strlen(place.methods);

        if (!matches(r->path, target, &place.id))
            continue;
        snprintf(place.methods + len, sizeof place.methods - len, "%s%s", len > 0 ? ", " : "",
                 r->method);
        if (sp_span_eq(method, sp_span_str(r->method)))
            place.route = r;
    }
    if (place.methods[0] == '\0')
        return SP_ENOENT;
    *out = place;
    return 0;
}
