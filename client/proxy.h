/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP proxies: which one, if any, leads to a server, and the CONNECT exchange (RFC 9110 section
 * 9.3.6) as text, both ways. Pure: knows no socket and no environment.
 */
#ifndef SALLYPORT_CLIENT_PROXY_H
#define SALLYPORT_CLIENT_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/base64.h"
#include "sallyport/bytes.h"
#include "url.h"

struct sp_proxy {
    char host[SP_URL_HOST_MAX + 1]; /* "": none, connect directly */
    uint16_t port;
    char basic[SP_BASE64_ENC_MAX(SP_URL_USER_MAX + 1)]; /* credentials (RFC 7617); "" without */
};

/* [http://][user:password@]host[:port]; port default 8080. "none" and "" are no proxy. SP_EINVAL
 * and *why, as above. */
int sp_proxy_parse(const char *text, struct sp_proxy *out, const char **why);

/* Whether `no_proxy`, as the environment has it, names this host: a list, by commas or blanks, of
 * "*", names (which cover what is below them), IP addresses and blocks, each with or without
 * ":port". NULL names nobody. */
bool sp_proxy_bypass(const char *no_proxy, const char *host, uint16_t port);

#define SP_PROXY_REQUEST_MAX 1536

/* Asks for a way to `authority`, host:port. *len is without the NUL. SP_ETOOBIG. */
int sp_proxy_request(const struct sp_proxy *p, const char *host, uint16_t port, char *out,
                     size_t cap, size_t *len);

#define SP_PROXY_OFFER_MAX 96

struct sp_proxy_answer {
    unsigned status;
    char offer[SP_PROXY_OFFER_MAX]; /* 407: the ways of authentication it takes, "Basic, NTLM" */
};

/* SP_EMORE: not whole yet. 0: *used bytes are the answer; the way is open when its status is 2xx.
 * SP_EBADMSG: not HTTP. */
int sp_proxy_parse_answer(struct sp_span in, struct sp_proxy_answer *out, size_t *used);

#endif
