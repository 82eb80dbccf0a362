/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole worker on loopback, with what workers share: certificate for edge.test, the secret, user
 * and realm of server_env.h, relaying to 127.0.0.0/8 allowed. Its clients live in the same loop.
 */
#ifndef SALLYPORT_TEST_WORKER_RIG_H
#define SALLYPORT_TEST_WORKER_RIG_H

#include "crew.h"
#include "io_loop.h"
#include "tls_files.h"

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
    struct sp_relay_ips *relay_ips;
    struct sp_commons commons; /* of the one worker */
    struct sp_worker *w;       /* or */
    struct sp_crew *crew;
    struct sp_tls_ctx *client;
    char why[SP_SHARED_WHY_MAX];
};

/* A configuration that may still be changed: serves everything, on TCP 127.0.0.1 and UDP [::] with
 * ports of the system's choice; virtual relays of 198.51.100.7. */
void worker_rig_init(struct worker_rig *r);
/* What sp_worker_new says. */
int worker_rig_start(struct worker_rig *r);
/* Several of them, each in a thread of its own; what sp_crew_new says. */
int worker_rig_start_crew(struct worker_rig *r, unsigned n);
/* What sp_keys_load says; the one worker has other keys when it was 0. */
int worker_rig_reload(struct worker_rig *r);
/* What worker_rig_close does with workers, if something has to come in between. */
void worker_rig_stop(struct worker_rig *r);
void worker_rig_close(struct worker_rig *r);

const struct sp_addr *worker_rig_tcp(const struct worker_rig *r);
/* Its UDP port at this address. */
struct sp_addr worker_rig_udp(const struct worker_rig *r, const char *ip);

struct sp_worker_stats worker_rig_stats(const struct worker_rig *r);

#endif
