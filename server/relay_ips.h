/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses that this server relays by, and which of its workers has which of their ports:
 * common to all workers, who take ports from it (port_pool.h) and ask it where a datagram for one
 * of them belongs. Opens no sockets, but to see whether it could.
 */
#ifndef SALLYPORT_SERVER_RELAY_IPS_H
#define SALLYPORT_SERVER_RELAY_IPS_H

#include "port_pool.h"
#include "sallyport/addr.h"

#define SP_RELAY_IPS_MAX 16

/* One --relay-ip: what sockets are bound to, and what everybody is told. Port 0. */
struct sp_relay_ip {
    struct sp_addr local, public_;
};

struct sp_relay_ips;

/* `ips`: 1 to SP_RELAY_IPS_MAX; ports `min_port` to `max_port` of each, 0: virtual addresses.
 * SP_EINVAL, SP_ENOMEM. */
int sp_relay_ips_new(const struct sp_relay_ip *ips, size_t n, uint16_t min_port, uint16_t max_port,
                     struct sp_relay_ips **out);
void sp_relay_ips_free(struct sp_relay_ips *r);

/* Whether sockets can be bound to it. SP_ESYS with errno. */
int sp_relay_ip_check(const struct sp_relay_ip *ip);

bool sp_relay_ips_are_virtual(const struct sp_relay_ips *r);
size_t sp_relay_ips_count(const struct sp_relay_ips *r);
const struct sp_relay_ip *sp_relay_ips_at(const struct sp_relay_ips *r, size_t i);
struct sp_port_pool *sp_relay_ips_ports(const struct sp_relay_ips *r, size_t i);

/* The worker that has this relayed address, in its local or public form; -1: none has. */
int sp_relay_ips_owner(const struct sp_relay_ips *r, const struct sp_addr *relayed);

#endif
