/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_cert.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/settings.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "sallyport/addr.h"
#include "sallyport/err.h"

/* The text comes from a stranger and goes into a log and onto a terminal. */
static void copy_printable(char *out, size_t cap, struct sp_span s)
{
    size_t n = s.len < cap - 1 ? s.len : cap - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = s.p[i] >= 0x20 && s.p[i] < 0x7f ? (char)s.p[i] : '?';
    out[n] = '\0';
}

static void add_name(char *out, size_t cap, const char *name)
{
    size_t len = strlen(out), more = strlen(name);

    if (len == 0) {
        snprintf(out, cap, "%s", name);
    } else if (len + more + 8 < cap) {
        memcpy(out + len, ", ", 2);
        memcpy(out + len + 2, name, more + 1);
    } else if (len + 6 < cap && strcmp(out + len - 3, "...") != 0) {
        snprintf(out + len, cap - len, ", ...");
    }
}

bool sp_tls_cert_name_matches(struct sp_span pattern, const char *host)
{
    size_t host_len = strlen(host);

    if (host_len > 0 && host[host_len - 1] == '.')
        host_len--;
    if (pattern.len >= 3 && pattern.p[0] == '*' && pattern.p[1] == '.') {
        const char *dot = memchr(host, '.', host_len);
        /* "*.example" for a whole top-level domain is nobody's. */
        if (dot == NULL || dot == host || memchr(pattern.p + 2, '.', pattern.len - 2) == NULL)
            return false;
        pattern = sp_span_skip(pattern, 1);
        host_len -= (size_t)(dot - host);
        host = dot;
    }
    return pattern.len == host_len && host_len > 0 &&
           strncasecmp((const char *)pattern.p, host, host_len) == 0;
}

static bool ip_of(struct sp_span raw, struct sp_addr *out)
{
    *out = (struct sp_addr){.family = raw.len == 4 ? SP_IPV4 : SP_IPV6};
    if (raw.len != 4 && raw.len != 16)
        return false;
    memcpy(out->ip, raw.p, raw.len);
    return true;
}

/* `ip` is NULL unless the host is an address. */
static void read_names(const DecodedCert *dc, const char *host, const struct sp_addr *ip,
                       struct sp_tls_cert *out)
{
    for (const DNS_entry *e = dc->altNames; e != NULL; e = e->next) {
        struct sp_span raw = sp_span(e->name, (size_t)e->len);
        struct sp_addr a;
        char text[80];

        if (e->type == ASN_DNS_TYPE) {
            copy_printable(text, sizeof text, raw);
            out->matches |= ip == NULL && sp_tls_cert_name_matches(raw, host);
        } else if (e->type == ASN_IP_TYPE && ip_of(raw, &a)) {
            sp_addr_format_ip(&a, text);
            out->matches |= ip != NULL && sp_addr_same_ip(&a, ip);
        } else {
            continue;
        }
        add_name(out->names, sizeof out->names, text);
    }
    if (out->names[0] == '\0')
        copy_printable(out->names, sizeof out->names, sp_span_str(dc->subject));
}

/* Two digits, or -1. */
static int two(const char *d)
{
    return isdigit((unsigned char)d[0]) && isdigit((unsigned char)d[1])
               ? (d[0] - '0') * 10 + (d[1] - '0')
               : -1;
}

/* UTCTime or GeneralizedTime with tag and length in front, in seconds, and of UTC (RFC 5280 section
 * 4.1.2.5). 0: it is neither. */
static uint64_t read_date(const uint8_t *der, int len, char out[static 11])
{
    bool general = der != NULL && len > 0 && der[0] == ASN_GENERALIZED_TIME;
    int n = general ? 7 : 6, part[7];

    snprintf(out, 11, "?");
    if (der == NULL || len < 2 || der[1] > len - 2 || der[1] < 2 * n)
        return 0;
    const char *d = (const char *)der + 2;
    for (int i = 0; i < n; i++)
        if ((part[i] = two(d + 2 * i)) < 0)
            return 0;
    const int *p = part + n - 5; /* behind the year */
    int year = general ? part[0] * 100 + part[1] : part[0] + (part[0] < 50 ? 2000 : 1900);
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = p[0] - 1,
                    .tm_mday = p[1],
                    .tm_hour = p[2],
                    .tm_min = p[3],
                    .tm_sec = p[4]};
    snprintf(out, 11, "%04u-%02u-%02u", (unsigned)year % 10000, (unsigned)p[0] % 100,
             (unsigned)p[1] % 100);
    time_t t = timegm(&tm);
    return t > 0 ? (uint64_t)t : 0;
}

int sp_tls_cert_read(struct sp_span der, const char *host, struct sp_tls_cert *out)
{
    struct sp_addr ip;
    bool is_ip = sp_addr_parse_ip(host, &ip) == 0;
    DecodedCert *dc = malloc(sizeof *dc);

    if (dc == NULL)
        return SP_ENOMEM;
    wc_InitDecodedCert(dc, der.p, (word32)der.len, NULL);
    bool ok = wc_ParseCert(dc, CERT_TYPE, NO_VERIFY, NULL) == 0;
    if (ok) {
        *out = (struct sp_tls_cert){0};
        read_names(dc, host, is_ip ? &ip : NULL, out);
        copy_printable(out->issuer, sizeof out->issuer, sp_span_str(dc->issuer));
        out->from_s = read_date(dc->beforeDate, dc->beforeDateLen, out->from);
        out->until_s = read_date(dc->afterDate, dc->afterDateLen, out->until);
    }
    wc_FreeDecodedCert(dc);
    free(dc);
    return ok ? 0 : SP_EBADMSG;
}

void sp_tls_cert_explain(const struct sp_tls_cert *c, const char *host, int wolf_err,
                         char why[static SP_TLS_ERROR_MAX])
{
    switch (wolf_err) {
    case 0:
        snprintf(why, SP_TLS_ERROR_MAX, "certificate is for %s, not for %.48s (signed by %s)",
                 c->names, host, c->issuer);
        break;
    case ASN_NO_SIGNER_E:
        snprintf(why, SP_TLS_ERROR_MAX, "certificate for %s is signed by %s, unknown here",
                 c->names, c->issuer);
        break;
    case ASN_SELF_SIGNED_E:
        snprintf(why, SP_TLS_ERROR_MAX, "certificate for %s is signed by itself (%s)", c->names,
                 c->issuer);
        break;
    case ASN_AFTER_DATE_E:
        snprintf(why, SP_TLS_ERROR_MAX, "certificate for %s expired on %s (signed by %s)", c->names,
                 c->until, c->issuer);
        break;
    case ASN_BEFORE_DATE_E:
        snprintf(why, SP_TLS_ERROR_MAX, "certificate for %s is not valid before %s (signed by %s)",
                 c->names, c->from, c->issuer);
        break;
    default:
        snprintf(why, SP_TLS_ERROR_MAX, "certificate for %s, signed by %s: %.48s", c->names,
                 c->issuer, wc_GetErrorString(wolf_err));
        break;
    }
}
