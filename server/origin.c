/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "origin.h"

#include <stdlib.h>
#include <string.h>

#include "sallyport/addr.h"
#include "sallyport/err.h"
#include "sallyport/options.h"

#define HTTPS "https://"
#define HTTP  "http://"

/* How long the host at the start of `s` is; 0: it is none. */
static size_t host_len(const char *s)
{
    char ip[SP_ADDR_STRLEN];
    struct sp_addr a;
    size_t len;

    if (s[0] != '[')
        return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-._");
    len = strcspn(s, "]");
    if (s[len] == '\0' || len >= sizeof ip)
        return 0;
    memcpy(ip, s + 1, len - 1);
    ip[len - 1] = '\0';
    return sp_addr_parse_ip(ip, &a) == 0 && a.family == SP_IPV6 ? len + 1 : 0;
}

const char *sp_origin_check(const char *value)
{
    static const char wrong[] =
        "wants https://HOST or https://HOST:PORT as browsers send it: lower case, without path and "
        "without default port";
    bool secure = strncmp(value, HTTPS, strlen(HTTPS)) == 0;
    uint64_t port;

    if (!secure && strncmp(value, HTTP, strlen(HTTP)) != 0)
        return wrong;
    const char *host = value + strlen(secure ? HTTPS : HTTP);
    size_t len = host_len(host);
    if (len == 0 || strlen(value) > SP_ORIGIN_MAX)
        return wrong;
    if (host[len] == '\0')
        return NULL;
    if (host[len] != ':' || host[len + 1] == '0' ||
        sp_option_parse_number(host + len + 1, 1, 65535, &port) != 0)
        return wrong;
    return port == (secure ? 443 : 80) ? wrong : NULL;
}

/* That of two parts put together. */
static const char *find(const struct sp_origins *all, struct sp_span front, struct sp_span back)
{
    for (size_t i = 0; i < all->n; i++) {
        struct sp_span item = sp_span_str(all->items[i]);
        if (item.len == front.len + back.len && sp_span_eq(sp_span(item.p, front.len), front) &&
            sp_span_eq(sp_span_skip(item, front.len), back))
            return all->items[i];
    }
    return NULL;
}

/* A page of this server reads from it. */
static bool from_own_page(const struct sp_http_head *h, struct sp_span *host)
{
    struct sp_span site;

    return sp_http_find_one(h, "Sec-Fetch-Site", &site) == 0 &&
           sp_span_eq(site, sp_span_str("same-origin")) && sp_http_find_one(h, "Host", host) == 0;
}

/* `origin` is that of the server itself, as it was asked. */
static bool is_own(const struct sp_http_head *h, struct sp_span origin)
{
    const size_t front = strlen(HTTPS);
    struct sp_span host;

    return origin.len > front && memcmp(origin.p, HTTPS, front) == 0 &&
           sp_http_find_one(h, "Host", &host) == 0 && sp_span_eq(sp_span_skip(origin, front), host);
}

enum sp_origin_verdict sp_origin_of(const struct sp_origins *all, const struct sp_http_head *h,
                                    const char **out)
{
    struct sp_span value, host;
    int err = sp_http_find_one(h, "Origin", &value);
    bool same = err == SP_ENOENT && from_own_page(h, &host);
    const char *found = err == 0 ? find(all, value, sp_span(NULL, 0))
                        : same   ? find(all, sp_span_str(HTTPS), host)
                                 : NULL;

    if (found == NULL && !(all->own && (same || (err == 0 && is_own(h, value)))))
        return err == SP_ENOENT ? SP_ORIGIN_NONE : SP_ORIGIN_FOREIGN;
    *out = found;
    return SP_ORIGIN_ALLOWED;
}
