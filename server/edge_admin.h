/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the edge tells on its admin port: /healthz, /metrics for Prometheus, /status as JSON.
 */
#ifndef SALLYPORT_SERVER_EDGE_ADMIN_H
#define SALLYPORT_SERVER_EDGE_ADMIN_H

#include "crew.h"
#include "sallyport/admin.h"
#include "sallyport/tls_validity.h"

/* Where it looks; stays where it is while the port is open. */
struct sp_edge_view {
    struct sp_crew *crew;
    struct sp_ticker *ticker;                  /* of none of them */
    const struct sp_worker_config *config;     /* what they were made with */
    const struct sp_tls_validity *certificate; /* that is served by now; all zeros: none */
    uint64_t start_unix_s;
    uint64_t start_us; /* set when the port is opened */
};

/* SP_ESYS with errno: not listening; SP_ENOMEM. */
int sp_edge_admin_open(struct sp_edge_view *v, const struct sp_log *log, const struct sp_addr *addr,
                       struct sp_admin **out);

#endif
