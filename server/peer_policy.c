/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peer_policy.h"

#include <assert.h>
#include <stdlib.h>

#include "sallyport/err.h"

/*
 * What a relay on the open Internet has no business with: the special-purpose registries of IANA
 * (RFC 6890 and its updates), where clouds keep their metadata, and all of IPv6 that is not global
 * unicast (2000::/3), whatever it may become one day. 64:ff9b::/96, 6to4, Teredo and the like are
 * not here but in `forms`: they are as good or bad as the IPv4 address inside.
 */
static const struct sp_peer_policy_builtin builtin[] = {
    {"0.0.0.0/8", "this network, unspecified"},
    {"10.0.0.0/8", "private"},
    {"100.64.0.0/10", "carrier-grade NAT; 100.100.100.200 is Alibaba's metadata"},
    {"127.0.0.0/8", "loopback"},
    {"168.63.129.16/32", "Azure's host agent"},
    {"169.254.0.0/16", "link-local; 169.254.169.254 is the metadata of most clouds"},
    {"172.16.0.0/12", "private"},
    {"192.0.0.0/24", "IETF protocol assignments; 192.0.0.192 is Oracle's metadata"},
    {"192.0.2.0/24", "documentation"},
    {"192.88.99.0/24", "6to4 relays, deprecated"},
    {"192.168.0.0/16", "private"},
    {"198.18.0.0/15", "benchmarks"},
    {"198.51.100.0/24", "documentation"},
    {"203.0.113.0/24", "documentation"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved, broadcast"},
    {"::/128", "unspecified"},
    {"::1/128", "loopback"},
    {"64:ff9b:1::/48", "NAT64 of a local network"},
    {"100::/64", "discard"},
    {"100:0:0:1::/64", "dummy prefix"},
    {"::/3", "not global unicast"},
    {"2001::/23", "IETF protocol assignments: anycast of PCP and TURN, benchmarks, ORCHID, DRIP"},
    {"2001:db8::/32", "documentation"},
    {"3fff::/20", "documentation"},
    {"5f00::/16", "segment routing identifiers"},
    {"4000::/2", "not global unicast"},
    {"8000::/1", "not global unicast"},
    {"fc00::/7", "unique local; fd00:ec2::254 is Amazon's metadata, fd20:ce::254 Google's"},
    {"fe80::/10", "link-local"},
    {"fec0::/10", "site-local, deprecated"},
    {"ff00::/8", "multicast"},
};

/* IPv6 addresses that lead to an IPv4 one, which stands `at` bytes into them, XORed with `mask`.
 * A form is cut out of the wider blocks above. */
static const struct {
    const char *cidr;
    size_t at;
    uint8_t mask;
} forms[] = {
    {"::/96", 12, 0},            /* IPv4-compatible, RFC 4291 section 2.5.5.1 */
    {"::ffff:0:0:0/96", 12, 0},  /* IPv4-translated, RFC 2765 section 2.1 */
    {"64:ff9b::/96", 12, 0},     /* NAT64, RFC 6052 */
    {"2002::/16", 2, 0},         /* 6to4, RFC 3056 */
    {"2001::/32", 4, 0},         /* Teredo's server, RFC 4380 section 4 */
    {"2001::/32", 12, UINT8_MAX} /* … and its client */
};

#define N_BUILTIN SP_ARRAY_LEN(builtin)
#define N_FORMS   SP_ARRAY_LEN(forms)

struct rule {
    struct sp_cidr cidr;
    bool allow;
};

struct sp_peer_policy {
    struct sp_cidr builtin[N_BUILTIN];
    struct sp_cidr forms[N_FORMS];
    struct rule *rules; /* the operator's, in any order */
    size_t n_rules;
    struct sp_addr *own, *host; /* what leads here, and what interfaces have; port 0 */
    size_t n_own, n_host;
    uint32_t generation;
};

/* One way to see a peer: as it is, or the IPv4 address inside, which begins `shift` bits into it.
 * An operator's prefix of n bits on that IPv4 thus names shift + n bits of the peer. Built-in
 * blocks of fewer than `exempt` bits don't count, since a form was cut out of them. */
struct view {
    struct sp_addr ip;
    unsigned shift, exempt;
};
#define VIEWS_MAX (1 + N_FORMS)

const struct sp_peer_policy_builtin *sp_peer_policy_builtin(size_t i)
{
    return i < N_BUILTIN ? &builtin[i] : NULL;
}

static struct sp_cidr parse(const char *text)
{
    struct sp_cidr c = {.bits = 0};
    int err = sp_cidr_parse(text, &c);

    assert(err == 0); /* a constant of this file */
    (void)err;
    return c;
}

int sp_peer_policy_new(struct sp_peer_policy **out)
{
    struct sp_peer_policy *p = calloc(1, sizeof *p);

    if (p == NULL)
        return SP_ENOMEM;
    for (size_t i = 0; i < N_BUILTIN; i++)
        p->builtin[i] = parse(builtin[i].cidr);
    for (size_t i = 0; i < N_FORMS; i++)
        p->forms[i] = parse(forms[i].cidr);
    p->generation = 1;
    *out = p;
    return 0;
}

void sp_peer_policy_free(struct sp_peer_policy *p)
{
    if (p == NULL)
        return;
    free(p->rules);
    free(p->own);
    free(p->host);
    free(p);
}

static int add_rule(struct sp_peer_policy *p, const struct sp_cidr *c, bool allow)
{
    struct rule *rules = realloc(p->rules, (p->n_rules + 1) * sizeof *rules);

    if (rules == NULL)
        return SP_ENOMEM;
    rules[p->n_rules++] = (struct rule){*c, allow};
    p->rules = rules;
    p->generation++;
    return 0;
}

int sp_peer_policy_allow(struct sp_peer_policy *p, const struct sp_cidr *c)
{
    return add_rule(p, c, true);
}

int sp_peer_policy_deny(struct sp_peer_policy *p, const struct sp_cidr *c)
{
    return add_rule(p, c, false);
}

int sp_peer_policy_own(struct sp_peer_policy *p, const struct sp_addr *ip)
{
    struct sp_addr *own = realloc(p->own, (p->n_own + 1) * sizeof *own);

    if (own == NULL)
        return SP_ENOMEM;
    own[p->n_own] = *ip;
    own[p->n_own++].port = 0;
    p->own = own;
    p->generation++;
    return 0;
}

static bool is_among(const struct sp_addr *list, size_t n, const struct sp_addr *ip)
{
    for (size_t i = 0; i < n; i++) {
        if (sp_addr_same_ip(&list[i], ip))
            return true;
    }
    return false;
}

/* In whatever order: an interface that goes and comes back stands last. */
static bool same_ips(const struct sp_addr *a, size_t n_a, const struct sp_addr *b, size_t n_b)
{
    bool same = n_a == n_b;

    for (size_t i = 0; i < n_a && same; i++)
        same = is_among(b, n_b, &a[i]);
    for (size_t i = 0; i < n_b && same; i++)
        same = is_among(a, n_a, &b[i]);
    return same;
}

int sp_peer_policy_set_host(struct sp_peer_policy *p, const struct sp_addr *ips, size_t n)
{
    if (same_ips(p->host, p->n_host, ips, n))
        return 0;

    struct sp_addr *host = calloc(n + 1, sizeof *host);

    if (host == NULL)
        return SP_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        host[i] = ips[i];
        host[i].port = 0;
    }
    free(p->host);
    p->host = host;
    p->n_host = n;
    p->generation++;
    return 0;
}

uint32_t sp_peer_policy_generation(const struct sp_peer_policy *p)
{
    return p->generation;
}

static struct sp_addr ip4_inside(const struct sp_addr *ip6, size_t at, uint8_t mask)
{
    const uint8_t *b = ip6->ip + at;

    return sp_addr_v4(b[0] ^ mask, b[1] ^ mask, b[2] ^ mask, b[3] ^ mask, 0);
}

static bool is_mapped(const struct sp_addr *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return a->family == SP_IPV6 && memcmp(a->ip, prefix, sizeof prefix) == 0;
}

static size_t views_of(const struct sp_peer_policy *p, const struct sp_addr *peer,
                       struct view out[static VIEWS_MAX])
{
    size_t n = 1;

    /* sp_addr never is mapped when it came from a socket or a message; it costs little to be sure.
     */
    if (is_mapped(peer)) {
        out[0] = (struct view){ip4_inside(peer, 12, 0), 0, 0};
        return 1;
    }
    out[0] = (struct view){*peer, 0, 0};
    out[0].ip.port = 0;
    for (size_t i = 0; i < N_FORMS; i++) {
        if (sp_cidr_contains(&p->forms[i], &out[0].ip)) {
            out[n++] = (struct view){
                ip4_inside(&out[0].ip, forms[i].at, forms[i].mask),
                (unsigned)forms[i].at * 8,
                0,
            };
            out[0].exempt = p->forms[i].bits;
        }
    }
    return n;
}

/* The operator's word on it, if there is one. */
struct word {
    bool said, allow;
    bool by_name; /* the rule named this one address */
    unsigned bits;
};

static void hear(struct word *w, const struct rule *r, const struct view *v)
{
    unsigned bits = v->shift + r->cidr.bits;

    if (!sp_cidr_contains(&r->cidr, &v->ip))
        return;
    if (w->said && (bits < w->bits || (bits == w->bits && r->allow)))
        return;
    w->said = true;
    w->allow = r->allow;
    w->by_name = r->cidr.bits == sp_addr_ip_len(&v->ip) * 8;
    w->bits = bits;
}

static struct word operators_word(const struct sp_peer_policy *p, const struct view *views,
                                  size_t n)
{
    struct word w = {.said = false};

    for (size_t i = 0; i < p->n_rules; i++) {
        for (size_t k = 0; k < n; k++)
            hear(&w, &p->rules[i], &views[k]);
    }
    return w;
}

static bool is_own(const struct sp_peer_policy *p, const struct sp_addr *ip)
{
    return is_among(p->own, p->n_own, ip) || is_among(p->host, p->n_host, ip);
}

static bool is_denied_by_birth(const struct sp_peer_policy *p, const struct view *v)
{
    for (size_t i = 0; i < N_BUILTIN; i++) {
        if (p->builtin[i].bits >= v->exempt && sp_cidr_contains(&p->builtin[i], &v->ip))
            return true;
    }
    return false;
}

enum sp_peer_verdict sp_peer_policy_judge(const struct sp_peer_policy *p,
                                          const struct sp_addr *peer)
{
    struct view views[VIEWS_MAX];
    bool own = false, by_birth = false;

    if (sp_addr_ip_len(peer) == 0)
        return SP_PEER_DENIED;

    size_t n = views_of(p, peer, views);
    struct word w = operators_word(p, views, n);

    for (size_t k = 0; k < n; k++) {
        own = own || is_own(p, &views[k].ip);
        by_birth = by_birth || is_denied_by_birth(p, &views[k]);
    }
    if (w.said && !w.allow)
        return SP_PEER_REFUSED;
    if (own)
        return w.said && w.by_name ? SP_PEER_ALLOWED : SP_PEER_DENIED;
    return w.said || !by_birth ? SP_PEER_ALLOWED : SP_PEER_DENIED;
}

bool sp_peer_policy_allows(const struct sp_peer_policy *p, const struct sp_addr *peer)
{
    return sp_peer_policy_judge(p, peer) == SP_PEER_ALLOWED;
}
