/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay_ips.h"

#include <stdlib.h>
#include <unistd.h>

#include "sallyport/err.h"
#include "sallyport/sock.h"

struct sp_relay_ips {
    bool virtual_;
    size_t n;
    struct sp_relay_ip ips[SP_RELAY_IPS_MAX];
    struct sp_port_pool *ports[SP_RELAY_IPS_MAX];
};

int sp_relay_ips_new(const struct sp_relay_ip *ips, size_t n, uint16_t min_port, uint16_t max_port,
                     struct sp_relay_ips **out)
{
    int err = 0;

    if (n == 0 || n > SP_RELAY_IPS_MAX)
        return SP_EINVAL;
    struct sp_relay_ips *r = calloc(1, sizeof *r);
    if (r == NULL)
        return SP_ENOMEM;
    r->virtual_ = min_port == 0;
    if (r->virtual_) {
        min_port = SP_PORT_DYNAMIC_MIN;
        max_port = SP_PORT_DYNAMIC_MAX;
    }
    for (; r->n < n && err == 0; r->n++) {
        r->ips[r->n] = ips[r->n];
        err = sp_port_pool_new(min_port, max_port, &r->ports[r->n]);
    }
    if (err != 0) {
        sp_relay_ips_free(r);
        return err;
    }
    *out = r;
    return 0;
}

void sp_relay_ips_free(struct sp_relay_ips *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++)
        sp_port_pool_free(r->ports[i]);
    free(r);
}

int sp_relay_ip_check(const struct sp_relay_ip *ip)
{
    struct sp_addr bound;
    int fd, err = sp_sock_udp(&ip->local, NULL, &fd, &bound);

    if (err == 0)
        close(fd);
    return err;
}

bool sp_relay_ips_are_virtual(const struct sp_relay_ips *r)
{
    return r->virtual_;
}

size_t sp_relay_ips_count(const struct sp_relay_ips *r)
{
    return r->n;
}

const struct sp_relay_ip *sp_relay_ips_at(const struct sp_relay_ips *r, size_t i)
{
    return &r->ips[i];
}

struct sp_port_pool *sp_relay_ips_ports(const struct sp_relay_ips *r, size_t i)
{
    return r->ports[i];
}

int sp_relay_ips_owner(const struct sp_relay_ips *r, const struct sp_addr *relayed)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct sp_relay_ip *ip = &r->ips[i];
        if (!sp_addr_same_ip(&ip->local, relayed) && !sp_addr_same_ip(&ip->public_, relayed))
            continue;
        int owner = sp_port_pool_owner(r->ports[i], relayed->port);
        if (owner >= 0)
            return owner;
    }
    return -1;
}
