/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which peers may be relayed to: a built-in deny list, and what the operator opens or closes on
 * top of it. Pure. Does not know this server's relayed addresses: hairpin asks the engine first.
 */
#ifndef SALLYPORT_SERVER_PEER_POLICY_H
#define SALLYPORT_SERVER_PEER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"

struct sp_peer_policy;

int sp_peer_policy_new(struct sp_peer_policy **out);
void sp_peer_policy_free(struct sp_peer_policy *p);

/* The operator's word; a longer prefix beats a shorter one, allow beats the built-in list, and
 * between equal prefixes of the operator deny wins. SP_ENOMEM. */
int sp_peer_policy_allow(struct sp_peer_policy *p, const struct sp_cidr *c);
int sp_peer_policy_deny(struct sp_peer_policy *p, const struct sp_cidr *c);

/* An address of the server itself, denied unless allowed by name (exact address). SP_ENOMEM. */
int sp_peer_policy_own(struct sp_peer_policy *p, const struct sp_addr *ip);

/* The same for those that its interfaces have now: all of them, in place of what was said last.
 * SP_ENOMEM: the old ones stay. */
int sp_peer_policy_set_host(struct sp_peer_policy *p, const struct sp_addr *ips, size_t n);

enum sp_peer_verdict {
    SP_PEER_ALLOWED,
    SP_PEER_DENIED,  /* by the built-in list, or it is the server itself */
    SP_PEER_REFUSED, /* by the operator */
};

/* Looks through IPv4-mapped, IPv4-compatible, IPv4-translated, NAT64 (64:ff9b::/96), 6to4 and
 * Teredo forms at the IPv4 inside: what is said of that IPv4 counts for them too. The port doesn't
 * matter. */
enum sp_peer_verdict sp_peer_policy_judge(const struct sp_peer_policy *p,
                                          const struct sp_addr *peer);
bool sp_peer_policy_allows(const struct sp_peer_policy *p, const struct sp_addr *peer);

/* Grows with each change, never 0: for who remembers an answer and wants to know whether it still
 * holds. */
uint32_t sp_peer_policy_generation(const struct sp_peer_policy *p);

/* The built-in deny list, for help texts, pages and tests: NULL behind the last one. */
struct sp_peer_policy_builtin {
    const char *cidr, *why;
};
const struct sp_peer_policy_builtin *sp_peer_policy_builtin(size_t i);

#endif
