/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which part of a page a GET or HEAD wants to see: preconditions (RFC 9110 section 13) and a range
 * (section 14), against the version of the page that there is. Pure.
 */
#ifndef SALLYPORT_SERVER_SITE_SELECT_H
#define SALLYPORT_SERVER_SITE_SELECT_H

#include "sallyport/http.h"

#define SP_SITE_ETAG_MAX 64

struct sp_site_version {
    uint64_t len;
    uint64_t modified_s;             /* Last-Modified: Unix time */
    char etag[SP_SITE_ETAG_MAX + 1]; /* strong, with its quotes */
};

struct sp_site_part {
    uint64_t first, len;
};

/*
 * 200: all of it; 206: *out of it; 304: nothing, the client has it; 412: nothing, the client wants
 * another version; 416: there is no such part. *out is set for 200 and 206. More than one range in
 * a request, and ranges of a HEAD, are passed over, as is any field that is malformed.
 */
unsigned sp_site_select(const struct sp_http_head *request, const struct sp_site_version *version,
                        struct sp_site_part *out);

#endif
