/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the server comes to an end. Each time somebody asks for that, it goes one step further:
 *
 *     running ──▶ draining ──▶ stopping ──▶ ended
 *
 * It also stops by itself when no allocation is left, or when it has drained for long enough; and
 * it has ended when all connections are closed. Knows no signals.
 */
#ifndef SALLYPORT_SERVER_DRAIN_H
#define SALLYPORT_SERVER_DRAIN_H

#include <stdatomic.h>

#include "crew.h"

struct sp_drain_config {
    uint64_t timeout_us; /* 0: stops at once */
    struct sp_turn_alternates alternates;
};

enum sp_drain_state { SP_RUNNING, SP_DRAINING, SP_STOPPING, SP_ENDED };

struct sp_drain {
    const struct sp_drain_config *config;
    struct sp_crew *crew;
    struct sp_ticker *ticker;
    const struct sp_log *log;
    enum sp_drain_state state;
    atomic_uint drained_workers, stopped_workers; /* so many have said so */
    ev_async said;
    bool waited, drained; /* there was an allocation to wait for; there is none any more */
    struct sp_timer timer;
    void (*ended)(void *arg);
    void *arg;
};

/* `ended` is called once, from the ticker's loop, which is none of the crew's. All is borrowed. */
void sp_drain_init(struct sp_drain *d, const struct sp_drain_config *config, struct sp_crew *crew,
                   struct sp_ticker *ticker, const struct sp_log *log, void (*ended)(void *arg),
                   void *arg);
/* When no worker runs any more. Harmless on a zeroed one. */
void sp_drain_fini(struct sp_drain *d);

/* One step further. */
void sp_drain_ask(struct sp_drain *d);

#endif
