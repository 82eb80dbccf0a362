/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may use the gateway: this host, by any of its addresses, and the blocks of --lan. A gateway
 * that listened to everyone would lend its tunnel to the whole network it stands in.
 */
#ifndef SALLYPORT_CLIENT_ACCESS_H
#define SALLYPORT_CLIENT_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"

#define SP_ACCESS_OWN_MAX 256

/* As sp_sock_own_addrs. */
typedef size_t sp_access_own_fn(struct sp_addr *out, size_t cap);

struct sp_access {
    const struct sp_cidr *lan; /* borrowed */
    size_t n_lan;
    sp_access_own_fn *own_addrs;
    struct sp_addr own[SP_ACCESS_OWN_MAX];
    size_t n_own;
    uint64_t looked_us; /* 0: never */
};

void sp_access_init(struct sp_access *a, const struct sp_cidr *lan, size_t n_lan,
                    sp_access_own_fn *own_addrs);

/* Addresses of the host come and go: an unknown one makes it look again, once a second at most. */
bool sp_access_allows(struct sp_access *a, const struct sp_addr *remote, uint64_t now_us);

/* They have come or gone just now. */
void sp_access_look_again(struct sp_access *a);

#endif
