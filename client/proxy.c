/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sallyport/addr.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/http.h"

#define DEFAULT_PORT 8080
#define SEPARATORS   ", \t"

/* "user:password" (RFC 7617); the colon stands there without a password, too. */
static void set_basic(struct sp_proxy *p, const char *user)
{
    char text[SP_URL_USER_MAX + 2];
    int n = snprintf(text, sizeof text, strchr(user, ':') != NULL ? "%s" : "%s:", user);

    sp_base64_encode(SP_BASE64, sp_span(text, (size_t)n), p->basic, sizeof p->basic);
    sp_crypto_wipe(text, sizeof text);
}

int sp_proxy_parse(const char *text, struct sp_proxy *out, const char **why)
{
    struct sp_proxy p = {0};
    struct sp_url u = {0};
    int err = 0;

    if (text[0] != '\0' && strcmp(text, "none") != 0) {
        err = sp_url_parse(text, &u, why);
        if (err == 0 && u.scheme[0] != '\0' && strcmp(u.scheme, "http") != 0) {
            *why = "only http:// proxies are spoken to: http://[user:password@]HOST:PORT";
            err = SP_EINVAL;
        } else if (err == 0 && u.path[0] != '\0' && strcmp(u.path, "/") != 0) {
            *why = "a proxy has no path";
            err = SP_EINVAL;
        }
    }
    if (err == 0) {
        memcpy(p.host, u.host, sizeof p.host);
        p.port = u.port == 0 ? DEFAULT_PORT : u.port;
        if (u.user[0] != '\0')
            set_basic(&p, u.user);
        *out = p;
    }
    sp_crypto_wipe(&u, sizeof u);
    sp_crypto_wipe(&p, sizeof p);
    return err;
}

/* --- no_proxy ------------------------------------------------------------------------------- */

static bool covers(const char *name, const char *host)
{
    size_t host_len = strlen(host), len;

    if (strncmp(name, "*.", 2) == 0)
        name++;
    if (name[0] == '.')
        name++;
    len = strlen(name);
    if (len == 0 || len > host_len || strcasecmp(host + host_len - len, name) != 0)
        return false;
    return len == host_len || host[host_len - len - 1] == '.';
}

static bool entry_names(const char *entry, const char *host, uint16_t port)
{
    char name[SP_URL_HOST_MAX + 9];
    struct sp_addr ip;
    struct sp_cidr block;
    char *end;

    if (strcmp(entry, "*") == 0)
        return true;
    if (sp_addr_parse_ip(host, &ip) == 0 && sp_cidr_parse(entry, &block) == 0)
        return sp_cidr_contains(&block, &ip);
    snprintf(name, sizeof name, "%s", entry);
    char *colon = strrchr(name, ':');
    if (colon != NULL) {
        unsigned long n = strtoul(colon + 1, &end, 10);
        if (end == colon + 1 || *end != '\0' || n != port)
            return false;
        *colon = '\0';
    }
    struct sp_addr named;
    if (sp_addr_parse_ip(name, &named) == 0)
        return sp_addr_parse_ip(host, &ip) == 0 && sp_addr_same_ip(&ip, &named);
    return covers(name, host);
}

bool sp_proxy_bypass(const char *no_proxy, const char *host, uint16_t port)
{
    char entry[SP_URL_HOST_MAX + 9];

    for (const char *p = no_proxy; p != NULL && *p != '\0';) {
        p += strspn(p, SEPARATORS);
        size_t len = strcspn(p, SEPARATORS);
        if (len > 0 && len < sizeof entry) {
            memcpy(entry, p, len);
            entry[len] = '\0';
            if (entry_names(entry, host, port))
                return true;
        }
        p += len;
    }
    return false;
}

/* --- CONNECT -------------------------------------------------------------------------------- */

int sp_proxy_request(const struct sp_proxy *p, const char *host, uint16_t port, char *out,
                     size_t cap, size_t *len)
{
    bool v6 = strchr(host, ':') != NULL;
    const char *open = v6 ? "[" : "", *shut = v6 ? "]" : "";
    bool basic = p->basic[0] != '\0';

    int n = snprintf(out, cap,
                     "CONNECT %s%s%s:%u HTTP/1.1\r\n"
                     "Host: %s%s%s:%u\r\n"
                     "%s%s%s"
                     "\r\n",
                     open, host, shut, port, open, host, shut, port,
                     basic ? "Proxy-Authorization: Basic " : "", p->basic, basic ? "\r\n" : "");
    if (n < 0 || (size_t)n >= cap)
        return SP_ETOOBIG;
    *len = (size_t)n;
    return 0;
}

/* The first word of each Proxy-Authenticate, which is its scheme. */
static void collect_offer(const struct sp_http_head *h, char out[static SP_PROXY_OFFER_MAX])
{
    static const char name[] = "Proxy-Authenticate";
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < h->n_fields; i++) {
        const struct sp_http_field *f = &h->fields[i];
        if (f->name.len != sizeof name - 1 ||
            strncasecmp((const char *)f->name.p, name, f->name.len) != 0)
            continue;
        size_t word = 0;
        while (word < f->value.len && f->value.p[word] != ' ')
            word++;
        if (len + word + 3 > SP_PROXY_OFFER_MAX)
            return;
        len += (size_t)sprintf(out + len, "%s%.*s", len > 0 ? ", " : "", (int)word,
                               (const char *)f->value.p);
    }
}

int sp_proxy_parse_answer(struct sp_span in, struct sp_proxy_answer *out, size_t *used)
{
    struct sp_http_head h = {0};

    int err = sp_http_parse_response(in, &h, used);
    if (err == SP_EMORE)
        return err;
    if (err != 0)
        return SP_EBADMSG;
    out->status = h.status;
    collect_offer(&h, out->offer);
    return 0;
}
