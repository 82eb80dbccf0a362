/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/1.1 message heads (RFC 9112): parses a request or response head out of what has arrived,
 * into names and values that borrow the bytes. The only module that knows http-parser. Bodies are
 * the caller's, who learns how they are delimited.
 */
#ifndef SALLYPORT_HTTP_H
#define SALLYPORT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"

#define SP_HTTP_HEAD_MAX   16384 /* longer heads are refused with SP_ETOOBIG */
#define SP_HTTP_FIELDS_MAX 64

struct sp_http_field {
    struct sp_span name, value; /* value without surrounding white space */
};

struct sp_http_head {
    /* request */
    struct sp_span method, target;
    /* response */
    unsigned status;
    /* both */
    unsigned major, minor;
    struct sp_http_field fields[SP_HTTP_FIELDS_MAX];
    size_t n_fields;
    bool keep_alive;         /* as version and Connection say */
    bool upgrade;            /* Connection: upgrade with an Upgrade field */
    bool chunked;            /* Transfer-Encoding ends with chunked */
    bool has_length;         /* Content-Length was given */
    uint64_t content_length; /* 0 unless has_length */
};

/*
 * One head from the start of `s`; *used is its length, the empty line included (and empty lines
 * before a request, RFC 9112 section 2.2). SP_EMORE: not whole yet; SP_ETOOBIG: more than
 * SP_HTTP_HEAD_MAX bytes or SP_HTTP_FIELDS_MAX fields; SP_EPROTO: whole, but of another major
 * version (HTTP/2.0); SP_EBADMSG: not HTTP, or something that two readers may understand in two
 * ways (request smuggling): Content-Length with Transfer-Encoding or given twice, two Host fields,
 * a folded line, a control character, CR or LF alone. Bad bytes may be refused before the head is
 * whole. What `out` holds borrows from `s`.
 */
int sp_http_parse_request(struct sp_span s, struct sp_http_head *out, size_t *used);
int sp_http_parse_response(struct sp_span s, struct sp_http_head *out, size_t *used);

/* The status of the answer to bytes that sp_http_parse_request() refused with `err`: 505, 431 (414
 * when the request line alone is too long), 501 (a request, but its method is none that HTTP
 * knows), or 400. */
unsigned sp_http_refusal(struct sp_span s, int err);

/* The first field of that name, compared without case. */
bool sp_http_find(const struct sp_http_head *h, const char *name, struct sp_span *value);

/* The field of that name when there is exactly one. SP_ENOENT: none; SP_EBADMSG: several, which two
 * readers may understand in two ways. */
int sp_http_find_one(const struct sp_http_head *h, const char *name, struct sp_span *value);

/* The token of `Authorization: Bearer <token>` (RFC 6750), one word of printable ASCII. SP_ENOENT:
 * no such field; SP_EBADMSG: several, another scheme, or no such word. */
int sp_http_bearer(const struct sp_http_head *h, struct sp_span *token);

/* Whether a comma-separated field of that name holds `token`, without case, in any of its lines. */
bool sp_http_has_token(const struct sp_http_head *h, const char *name, const char *token);

/* Whether the bytes so far could be the beginning of an HTTP request: 1 yes (a known method and a
 * space are there), 0 no, SP_EMORE. */
int sp_http_looks_like(struct sp_span s);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7) both ways. */
void sp_http_date(uint64_t unix_s, char out[static 30]);
int sp_http_parse_date(struct sp_span s, uint64_t *unix_s);

#endif
