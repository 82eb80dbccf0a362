/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to try next, so that N lanes lead to one server: which server, which lane, join or new, and
 * when. Pure: it is told what came of each try, and the time.
 *
 * While no lane is usable, a first one is looked for (the leader); when it is through, the other
 * lanes join beside it. A lane that is gone or suspect is tried again under its own number.
 *
 * A tunnel that lost all its lanes is looked for where it was, by one lane after the other, since a
 * try that met a hole in the network would hang there long after the hole is gone. When its server
 * stays away for a while that a call does not survive anyway, others are asked in between. When
 * that server has forgotten the tunnel, and when there never was one, all servers are tried in
 * their order, from the first: so that a gateway returns to it, but never moves a living tunnel.
 */
#ifndef SALLYPORT_CLIENT_PLAN_H
#define SALLYPORT_CLIENT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/backoff.h"
#include "sallyport/control.h"
#include "sallyport/rng.h"

struct sp_plan_lane {
    bool up, suspect, trying;
    struct sp_backoff backoff; /* of tries beside usable lanes */
    uint64_t due_us, up_us;
};

struct sp_plan {
    size_t n_servers;
    unsigned n_lanes, wanted; /* at most, and just now */
    struct sp_rng *rng;

    bool has_tunnel; /* one was made, at server `home` */
    size_t home;
    size_t last; /* asked after all others, before there was a tunnel; n_servers: none */
    uint64_t hurry_until_us; /* before there was a tunnel */
    bool joins_only;         /* makes no new one */
    uint64_t lost_us;        /* when it lost its last usable lane */
    bool join_refused;       /* its server does not know it any more, or not this token */
    bool making;             /* a new one is being asked for */

    /* A round through the servers; counts only when no lane is usable. */
    size_t server; /* the next one to try */
    size_t tried;  /* that failed since it began */
    bool home_first;
    struct sp_backoff backoff;
    uint64_t due_us;
    uint64_t usable_since_us; /* 0: no lane is usable */
    struct sp_plan_lane lanes[SP_LANES_MAX];
};

struct sp_plan_try {
    size_t server;
    unsigned lane;
    bool is_new;  /* ask for a new tunnel; else join the one there is */
    bool hurried; /* another server waits for its turn */
    bool leader;
};

enum sp_plan_failure {
    SP_PLAN_UNREACHABLE, /* nobody was met */
    SP_PLAN_NOT_NOW,     /* somebody was, such as a balancer whose server is away */
    SP_PLAN_DENIED,      /* the server does not know the tunnel, or the token */
};

/* `n_servers` and `n_lanes` at least 1. */
void sp_plan_init(struct sp_plan *p, size_t n_servers, unsigned n_lanes, struct sp_rng *rng,
                  uint64_t now_us);

/* Before the first try: this server drains, and another one has to be found soon. It is asked last,
 * as its name may lead to its successor. */
void sp_plan_replace(struct sp_plan *p, size_t server, uint64_t now_us);

/* How many lanes are wanted just now, from 1 to n_lanes; all, at first. Those above are not tried,
 * but stay if they are up. */
void sp_plan_want(struct sp_plan *p, unsigned n);

/* From now on only lanes of the tunnel there is are tried. */
void sp_plan_join_only(struct sp_plan *p);
/* Such a plan has nothing left to try: its server does not know the tunnel any more. */
bool sp_plan_is_over(const struct sp_plan *p, uint64_t now_us);

/* A try to begin now, which counts as under way from here on; false: none. Call until false. One
 * that is under way for the same lane is to be dropped without a word. */
bool sp_plan_next(struct sp_plan *p, uint64_t now_us, struct sp_plan_try *out);

/* When to ask again if nothing happens; SP_NEVER when all lanes are up or being tried. */
uint64_t sp_plan_due_us(const struct sp_plan *p);

/* The lane is open; the caller lets it join its tunnel. False: a new tunnel that nobody needs any
 * more, since a lane of the old one came back: drop the connection. With a new tunnel all lanes of
 * the old one count as gone. */
bool sp_plan_succeeded(struct sp_plan *p, const struct sp_plan_try *t, uint64_t now_us);

void sp_plan_failed(struct sp_plan *p, const struct sp_plan_try *t, enum sp_plan_failure why,
                    uint64_t now_us);

/* The host has another address or way out: what failed before may work now. All tries that are
 * under way are to be dropped without a word. */
void sp_plan_network_changed(struct sp_plan *p, uint64_t now_us);

/* A lane that was up is gone; it is suspect; it turned out well. */
void sp_plan_lane_lost(struct sp_plan *p, unsigned lane, uint64_t now_us);
void sp_plan_lane_suspect(struct sp_plan *p, unsigned lane, uint64_t now_us);
void sp_plan_lane_well(struct sp_plan *p, unsigned lane, uint64_t now_us);

/* Lanes that carry datagrams. */
unsigned sp_plan_usable(const struct sp_plan *p);

#endif
