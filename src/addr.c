/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "sallyport/err.h"

_Static_assert(sizeof(struct sp_addr) == 20, "sp_addr is compared and hashed byte by byte");
_Static_assert(SP_ADDR_STRLEN >= INET6_ADDRSTRLEN + sizeof("[]:65535"), "SP_ADDR_STRLEN");

#define MAPPED_BITS 96 /* of ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */
static const uint8_t mapped_prefix[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

static struct sp_addr from_ip4(const void *ip, uint16_t port)
{
    struct sp_addr a = {.port = port, .family = SP_IPV4};
    memcpy(a.ip, ip, 4);
    return a;
}

static bool is_mapped(const uint8_t ip[static 16])
{
    return memcmp(ip, mapped_prefix, sizeof mapped_prefix) == 0;
}

static struct sp_addr from_ip6(const uint8_t ip[static 16], uint16_t port)
{
    struct sp_addr a = {.port = port, .family = SP_IPV6};
    if (is_mapped(ip))
        return from_ip4(ip + sizeof mapped_prefix, port);
    memcpy(a.ip, ip, sizeof a.ip);
    return a;
}

struct sp_addr sp_addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return from_ip4((const uint8_t[4]){a, b, c, d}, port);
}

bool sp_addr_eq(const struct sp_addr *a, const struct sp_addr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool sp_addr_same_ip(const struct sp_addr *a, const struct sp_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

size_t sp_addr_ip_len(const struct sp_addr *a)
{
    switch (a->family) {
    case SP_IPV4:
        return 4;
    case SP_IPV6:
        return 16;
    default:
        return 0;
    }
}

bool sp_addr_is_any(const struct sp_addr *a)
{
    static const uint8_t zero[16];
    return a->family != SP_FAMILY_NONE && memcmp(a->ip, zero, sizeof zero) == 0;
}

bool sp_addr_is_loopback(const struct sp_addr *a)
{
    static const uint8_t one[16] = {[15] = 1};
    if (a->family == SP_IPV4)
        return a->ip[0] == 127;
    return a->family == SP_IPV6 && memcmp(a->ip, one, sizeof one) == 0;
}

int sp_addr_from_sockaddr(const struct sockaddr *sa, struct sp_addr *out)
{
    /* By copies: nobody promises that a received sockaddr is aligned for its family. */
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in sin;
        memcpy(&sin, sa, sizeof sin);
        *out = from_ip4(&sin.sin_addr, ntohs(sin.sin_port));
        return 0;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 sin6;
        memcpy(&sin6, sa, sizeof sin6);
        *out = from_ip6(sin6.sin6_addr.s6_addr, ntohs(sin6.sin6_port));
        return 0;
    }
    return SP_EINVAL;
}

socklen_t sp_addr_to_sockaddr(const struct sp_addr *a, bool want_v6, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == SP_IPV4 && !want_v6) {
        struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&sin.sin_addr, a->ip, 4);
        memcpy(out, &sin, sizeof sin);
        return sizeof sin;
    }
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    uint8_t *ip = sin6.sin6_addr.s6_addr;
    if (a->family == SP_IPV4) {
        memcpy(ip, mapped_prefix, sizeof mapped_prefix);
        memcpy(ip + sizeof mapped_prefix, a->ip, 4);
    } else {
        memcpy(ip, a->ip, sizeof a->ip);
    }
    memcpy(out, &sin6, sizeof sin6);
    return sizeof sin6;
}

/* A decimal number up to `max` that fills the text; no sign, no leading zero. */
static int parse_number(const char *text, unsigned max, unsigned *out)
{
    unsigned n = 0;
    if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
        return SP_EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return SP_EINVAL;
        n = n * 10 + (unsigned)(*text - '0');
        if (n > max)
            return SP_EINVAL;
    }
    *out = n;
    return 0;
}

/* Takes [from, to) as a string of its own; SP_EINVAL when it is too long for any address. */
static int cut(const char *from, const char *to, char out[static INET6_ADDRSTRLEN])
{
    size_t len = (size_t)(to - from);
    if (len >= INET6_ADDRSTRLEN)
        return SP_EINVAL;
    memcpy(out, from, len);
    out[len] = '\0';
    return 0;
}

static int parse_v4(const char *text, struct sp_addr *out)
{
    uint8_t ip[4];
    if (inet_pton(AF_INET, text, ip) != 1)
        return SP_EINVAL;
    *out = from_ip4(ip, 0);
    return 0;
}

static int parse_v6(const char *text, struct sp_addr *out)
{
    uint8_t ip[16];
    if (inet_pton(AF_INET6, text, ip) != 1)
        return SP_EINVAL;
    *out = from_ip6(ip, 0);
    return 0;
}

int sp_addr_parse_ip(const char *text, struct sp_addr *out)
{
    char ip[INET6_ADDRSTRLEN];
    size_t len = strlen(text);
    if (text[0] != '[')
        return parse_v4(text, out) == 0 ? 0 : parse_v6(text, out);
    if (text[len - 1] != ']' || cut(text + 1, text + len - 1, ip) != 0)
        return SP_EINVAL;
    return parse_v6(ip, out);
}

int sp_addr_parse(const char *text, struct sp_addr *out)
{
    char ip[INET6_ADDRSTRLEN];
    struct sp_addr a;
    unsigned port;
    const char *colon = strrchr(text, ':');
    bool v6 = text[0] == '[';
    if (colon == NULL || parse_number(colon + 1, UINT16_MAX, &port) != 0)
        return SP_EINVAL;
    if (v6 && colon[-1] != ']')
        return SP_EINVAL;
    if (cut(text + v6, colon - v6, ip) != 0 || (v6 ? parse_v6 : parse_v4)(ip, &a) != 0)
        return SP_EINVAL;
    a.port = (uint16_t)port;
    *out = a;
    return 0;
}

char *sp_addr_format_ip(const struct sp_addr *a, char out[static SP_ADDR_STRLEN])
{
    switch (a->family) {
    case SP_IPV4:
        inet_ntop(AF_INET, a->ip, out, SP_ADDR_STRLEN);
        break;
    case SP_IPV6:
        inet_ntop(AF_INET6, a->ip, out, SP_ADDR_STRLEN);
        break;
    default:
        memcpy(out, "none", sizeof "none");
    }
    return out;
}

char *sp_addr_format(const struct sp_addr *a, char out[static SP_ADDR_STRLEN])
{
    char ip[SP_ADDR_STRLEN];
    sp_addr_format_ip(a, ip);
    const char *form = a->family == SP_IPV6 ? "[%.45s]:%u" : "%.45s:%u";
    snprintf(out, SP_ADDR_STRLEN, form, ip, (unsigned)a->port);
    return out;
}

/* True when the first `bits` bits are the same. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool zero_behind(const uint8_t *ip, unsigned bits, unsigned all)
{
    for (unsigned i = bits; i < all; i++) {
        if (ip[i / 8] & 0x80 >> i % 8)
            return false;
    }
    return true;
}

int sp_cidr_parse(const char *text, struct sp_cidr *out)
{
    char ip[INET6_ADDRSTRLEN + 2]; /* brackets */
    struct sp_cidr c = {0};
    const char *slash = strchr(text, '/');
    size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (len >= sizeof ip)
        return SP_EINVAL;
    memcpy(ip, text, len);
    ip[len] = '\0';
    if (sp_addr_parse_ip(ip, &c.base) != 0)
        return SP_EINVAL;

    unsigned all = (unsigned)sp_addr_ip_len(&c.base) * 8;
    c.bits = all;
    if (slash != NULL) {
        /* A mapped block was counted in bits of IPv6; one that is wider than all that is mapped
         * has bits set behind its prefix. */
        unsigned skip = c.base.family == SP_IPV4 && strchr(ip, ':') != NULL ? MAPPED_BITS : 0;
        if (parse_number(slash + 1, all + skip, &c.bits) != 0 || c.bits < skip)
            return SP_EINVAL;
        c.bits -= skip;
    }
    if (!zero_behind(c.base.ip, c.bits, all))
        return SP_EINVAL;
    *out = c;
    return 0;
}

bool sp_cidr_contains(const struct sp_cidr *c, const struct sp_addr *a)
{
    return a->family == c->base.family && same_prefix(a->ip, c->base.ip, c->bits);
}
