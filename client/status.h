/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the gateway's admin port tells: /healthz, /metrics, /status. Reads the others' state and
 * changes nothing.
 */
#ifndef SALLYPORT_CLIENT_STATUS_H
#define SALLYPORT_CLIENT_STATUS_H

#include "lan_ports.h"
#include "links.h"
#include "local.h"
#include "sallyport/admin.h"

/* Where it looks. Its owner keeps it up to date. */
struct sp_status {
    const struct sp_local *local;
    const struct sp_lan_ports *lan_ports;
    const struct sp_links *links;
    uint64_t start_unix_s;
    /* Set by sp_status_open. */
    const struct sp_ticker *ticker;
    uint64_t start_us;
};

int sp_status_open(struct sp_status *s, const struct sp_client_env *env, const struct sp_addr *addr,
                   struct sp_admin **out);

#endif
