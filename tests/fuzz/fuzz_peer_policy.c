/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The input is an operator's life, a line each: "allow CIDR", "deny CIDR", "own IP", "host IP..."
 * and "peer IP". What the policy says of a peer is what a plain reading of the rules says, and the
 * same in each disguise of an IPv4 address that it looks through.
 */
#include "fuzz.h"

#include <string.h>

#include "peer_policy.h"
#include "sallyport/addr.h"
#include "sallyport/err.h"

#define RULES_MAX 64
#define HOST_MAX  8

/* All that was said, in a form that is easy to judge by. */
struct plain {
    struct sp_cidr rules[RULES_MAX];
    bool allow[RULES_MAX];
    size_t n_rules;
    struct sp_addr own[RULES_MAX];
    size_t n_own;
    struct sp_addr host[HOST_MAX];
    size_t n_host;
};

static bool is_v4(const struct sp_addr *a)
{
    return sp_addr_ip_len(a) == 4;
}

static bool is_among(const struct sp_addr *a, const struct sp_addr *list, size_t n)
{
    bool found = false;

    for (size_t i = 0; i < n; i++)
        found = found || sp_addr_eq(a, &list[i]);
    return found;
}

/* Of an IPv4 peer: the longest of the operator's prefixes counts, the denial if there are two. */
static enum sp_peer_verdict judge_v4(const struct plain *p, const struct sp_addr *peer)
{
    bool own = is_among(peer, p->own, p->n_own) || is_among(peer, p->host, p->n_host);
    const struct sp_peer_policy_builtin *b;
    struct sp_cidr block;
    int best = -1;
    bool allow = false;

    for (size_t i = 0; i < p->n_rules; i++) {
        int bits = (int)p->rules[i].bits;
        if (!is_v4(&p->rules[i].base) || !sp_cidr_contains(&p->rules[i], peer) || bits < best)
            continue;
        allow = p->allow[i] && (bits > best || allow);
        best = bits;
    }
    if (best >= 0 && !allow)
        return SP_PEER_REFUSED;
    if (own)
        return best == 32 ? SP_PEER_ALLOWED : SP_PEER_DENIED;
    if (best >= 0)
        return SP_PEER_ALLOWED;
    for (size_t i = 0; (b = sp_peer_policy_builtin(i)) != NULL; i++)
        if (sp_cidr_parse(b->cidr, &block) == 0 && is_v4(&block.base) &&
            sp_cidr_contains(&block, peer))
            return SP_PEER_DENIED;
    return SP_PEER_ALLOWED;
}

static bool has_v6(const struct plain *p)
{
    bool found = false;

    for (size_t i = 0; i < p->n_rules; i++)
        found = found || !is_v4(&p->rules[i].base);
    for (size_t i = 0; i < p->n_own; i++)
        found = found || !is_v4(&p->own[i]);
    for (size_t i = 0; i < p->n_host; i++)
        found = found || !is_v4(&p->host[i]);
    return found;
}

/* NAT64, and 6to4: never more than the IPv4 inside, and what the operator refuses stays refused. */
static void in_disguise(const struct sp_peer_policy *policy, const struct sp_addr *peer,
                        enum sp_peer_verdict inside)
{
    const uint8_t *ip = peer->ip;
    char texts[2][64];
    struct sp_addr a;

    snprintf(texts[0], sizeof texts[0], "64:ff9b::%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
    snprintf(texts[1], sizeof texts[1], "2002:%02x%02x:%02x%02x::1", ip[0], ip[1], ip[2], ip[3]);
    for (size_t i = 0; i < 2; i++) {
        REQUIRE(sp_addr_parse_ip(texts[i], &a) == 0);
        enum sp_peer_verdict v = sp_peer_policy_judge(policy, &a);
        REQUIRE(inside == SP_PEER_ALLOWED || v != SP_PEER_ALLOWED);
        REQUIRE((inside == SP_PEER_REFUSED) == (v == SP_PEER_REFUSED));
    }
}

static void judge(const struct sp_peer_policy *policy, const struct plain *p, const char *text)
{
    struct sp_addr peer;

    if (sp_addr_parse_ip(text, &peer) != 0)
        return;
    enum sp_peer_verdict v = sp_peer_policy_judge(policy, &peer);
    REQUIRE(sp_peer_policy_allows(policy, &peer) == (v == SP_PEER_ALLOWED));
    REQUIRE(v == SP_PEER_ALLOWED || v == SP_PEER_DENIED || v == SP_PEER_REFUSED);
    if (!is_v4(&peer))
        return;
    REQUIRE(v == judge_v4(p, &peer));
    if (!has_v6(p))
        in_disguise(policy, &peer, v);
}

static void add_rule(struct sp_peer_policy *policy, struct plain *p, const char *text, bool allow)
{
    struct sp_cidr c;

    if (p->n_rules == RULES_MAX || sp_cidr_parse(text, &c) != 0)
        return;
    REQUIRE((allow ? sp_peer_policy_allow : sp_peer_policy_deny)(policy, &c) == 0);
    p->rules[p->n_rules] = c;
    p->allow[p->n_rules++] = allow;
}

static void set_host(struct sp_peer_policy *policy, struct plain *p, char *text)
{
    char *save = NULL;

    p->n_host = 0;
    for (char *w = strtok_r(text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        if (p->n_host < HOST_MAX && sp_addr_parse_ip(w, &p->host[p->n_host]) == 0)
            p->n_host++;
    REQUIRE(sp_peer_policy_set_host(policy, p->host, p->n_host) == 0);
}

static bool says(const char *line, const char *word, const char **rest)
{
    size_t len = strlen(word);

    *rest = line + len;
    return strncmp(line, word, len) == 0;
}

static void obey(struct sp_peer_policy *policy, struct plain *p, char *line)
{
    const char *rest;

    if (says(line, "allow ", &rest)) {
        add_rule(policy, p, rest, true);
    } else if (says(line, "deny ", &rest)) {
        add_rule(policy, p, rest, false);
    } else if (says(line, "own ", &rest)) {
        if (p->n_own == RULES_MAX || sp_addr_parse_ip(rest, &p->own[p->n_own]) != 0)
            return;
        REQUIRE(sp_peer_policy_own(policy, &p->own[p->n_own++]) == 0);
    } else if (says(line, "host ", &rest)) {
        set_host(policy, p, line + strlen("host "));
    } else if (says(line, "peer ", &rest)) {
        uint32_t generation = sp_peer_policy_generation(policy);
        judge(policy, p, rest);
        REQUIRE(generation != 0 && sp_peer_policy_generation(policy) == generation);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *save = NULL;
    struct plain *p = calloc(1, sizeof *p);
    struct sp_peer_policy *policy;

    REQUIRE(text != NULL && p != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    REQUIRE(sp_peer_policy_new(&policy) == 0);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        obey(policy, p, line);
    sp_peer_policy_free(policy);
    free(p);
    free(text);
    return 0;
}
