/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Web pages' origins (RFC 6454), as browsers send them with a request: which of them may use the
 * control API (--origin). Knows no API.
 */
#ifndef SALLYPORT_SERVER_ORIGIN_H
#define SALLYPORT_SERVER_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "sallyport/http.h"

#define SP_ORIGIN_MAX                                                          \
    261 /* bytes: scheme, a name of 253, and less than that of an IPv6 address \
         */
#define SP_ORIGINS_MAX 64

/* Those that are allowed; borrowed. */
struct sp_origins {
    const char *const *items;
    size_t n;
    bool own; /* pages of this very server are, too, by whichever name it was asked (--demo) */
};

/* NULL when a browser may send it like that (lower case, no path, no default port): else what is
 * wanted. For the option table. */
const char *sp_origin_check(const char *value);

enum sp_origin_verdict {
    SP_ORIGIN_NONE,    /* the request comes from no page, or doesn't say so */
    SP_ORIGIN_ALLOWED, /* *out is the origin; NULL: this server's own, which need not be told so */
    SP_ORIGIN_FOREIGN, /* of a page that is not allowed, or it can't be said which */
};

/*
 * Browsers leave Origin out where a page of this very server reads from it; Sec-Fetch-Site, which
 * no page can set, and Host tell its origin then. `out` borrows from `all`.
 */
enum sp_origin_verdict sp_origin_of(const struct sp_origins *all, const struct sp_http_head *h,
                                    const char **out);

#endif
