/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole worker on loopback, with what workers share: certificate for edge.test, the secret, user
 * and realm of server_env.h, relaying to 127.0.0.0/8 allowed. Its clients live in the same loop.
 */
#ifndef SALLYPORT_TEST_WORKER_RIG_H
#define SALLYPORT_TEST_WORKER_RIG_H

#include "io_loop.h"
#include "tls_files.h"
#include "worker.h"

struct worker_rig {
    struct io_loop loop;
    struct tls_files files;
    char secrets[80];
    struct sp_rng rng;
    struct sp_cidr loopback;
    struct sp_relay_ip ip;
    struct sp_shared_config sc;
    struct sp_keys_config kc;
    struct sp_worker_config wc;
    struct sp_shared *shared;
    struct sp_worker *w;
    struct sp_tls_ctx *client;
    char why[SP_SHARED_WHY_MAX];
};

/* A configuration that may still be changed: serves everything, on TCP 127.0.0.1 and UDP [::] with
 * ports of the system's choice; virtual relays of 198.51.100.7. */
void worker_rig_init(struct worker_rig *r);
/* What sp_worker_new says. */
int worker_rig_start(struct worker_rig *r);
/* What sp_keys_load says; the worker has other keys when it was 0. */
int worker_rig_reload(struct worker_rig *r);
void worker_rig_close(struct worker_rig *r);

const struct sp_addr *worker_rig_tcp(const struct worker_rig *r);
/* Its UDP port at this address. */
struct sp_addr worker_rig_udp(const struct worker_rig *r, const char *ip);

struct sp_worker_stats worker_rig_stats(const struct worker_rig *r);

#endif
