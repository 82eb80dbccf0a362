/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the gateway counts, one row for each figure: its name in /metrics and /status, and the help
 * that an operator reads.
 */
#ifndef SALLYPORT_CLIENT_METRICS_H
#define SALLYPORT_CLIENT_METRICS_H

#include "lan_ports.h"
#include "local.h"
#include "sallyport/counters.h"
#include "uplink.h"

/* A picture of the gateway: what stands here stands in metrics.c, too. */
struct sp_client_stats {
    uint64_t tunnel_up, lanes, flows, draining_tunnels, draining_flows, clients; /* now */
    uint64_t session_ports;
    struct sp_lan_ports_counters sessions;
    struct sp_local_counters local;
    struct sp_uplink_counters uplink;
    struct sp_tunnel_counters tunnel; /* of all tunnels, one after the other */
};

/* Parts of it. The first group is what there is now, the others only grow. The tunnel's table is
 * apart (sp_tunnel_counter_table). */
const struct sp_counter_group *sp_client_metrics(size_t *n);

#endif
