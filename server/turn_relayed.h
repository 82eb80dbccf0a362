/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose relayed address is this: all relayed addresses of the engine, in their local and their
 * public form. This is what hairpin asks. Knows allocations by pointer only.
 */
#ifndef SALLYPORT_SERVER_TURN_RELAYED_H
#define SALLYPORT_SERVER_TURN_RELAYED_H

#include "sallyport/addr.h"
#include "sallyport/map.h"
#include "sallyport/rng.h"
#include "turn_types.h"

struct sp_turn_relayed {
    struct sp_map by_addr;
    struct sp_map_front lately; /* each port is one relay's, but for those of several addresses */
};

struct sp_turn_relayed_name {
    struct sp_map_node node;
    struct sp_addr addr;
    struct sp_turn_alloc *alloc; /* NULL: not in the map */
};

/* The names of one relay; embedded where the relay is, all zero before it is added. */
struct sp_turn_relayed_names {
    struct sp_turn_relayed_name local, public_; /* public_ only where it differs */
};

void sp_turn_relayed_init(struct sp_turn_relayed *r, struct sp_rng *rng);
void sp_turn_relayed_fini(struct sp_turn_relayed *r);

/* SP_EEXIST: one of the addresses is somebody's already; SP_ENOMEM. Nothing has changed then. */
int sp_turn_relayed_add(struct sp_turn_relayed *r, struct sp_turn_relayed_names *n,
                        const struct sp_turn_relay *relay, struct sp_turn_alloc *alloc);

/* Harmless when they are not there. */
void sp_turn_relayed_del(struct sp_turn_relayed *r, struct sp_turn_relayed_names *n);

/* NULL when it is nobody's. */
struct sp_turn_alloc *sp_turn_relayed_find(struct sp_turn_relayed *r, const struct sp_addr *addr);

/* What was found for one address, and is right until some relayed address is gone; all zero:
 * nothing was. */
struct sp_turn_relayed_memo {
    struct sp_turn_alloc *alloc;
    uint64_t losses; /* the map's */
};
/* The same, by the memo of this address. */
struct sp_turn_alloc *sp_turn_relayed_recall(struct sp_turn_relayed *r, const struct sp_addr *addr,
                                             struct sp_turn_relayed_memo *memo);

#endif
