/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subjects whose tokens opened tunnels, and what each of them has: tunnels, the lanes and flows
 * of these, and a pace for new lanes. Only who has a tunnel is remembered, and a tunnel outlives
 * its lanes by the linger time, so that there is no forgetting by leaving. Knows no token.
 */
#ifndef SALLYPORT_SERVER_SUBJECT_H
#define SALLYPORT_SERVER_SUBJECT_H

#include "sallyport/bytes.h"
#include "sallyport/list.h"
#include "sallyport/map.h"
#include "sallyport/rng.h"
#include "sallyport/tunnel.h"

struct sp_subject;

struct sp_subjects {
    struct sp_map by_name;
};

/* Embedded in what owns a tunnel. */
struct sp_subject_tunnel {
    struct sp_subject *subject;
    struct sp_link link;
    struct sp_tunnel *tunnel;
};

void sp_subjects_init(struct sp_subjects *all, struct sp_rng *rng);
void sp_subjects_fini(struct sp_subjects *all); /* when all tunnels have left */

/* Another tunnel of the subject of that name; `tunnel` may be set later. SP_ENOMEM. */
int sp_subject_enter(struct sp_subjects *all, struct sp_span name, struct sp_subject_tunnel *t);
/* The subject may be gone after it. */
void sp_subject_leave(struct sp_subjects *all, struct sp_subject_tunnel *t);

/* NULL: it has no tunnel. */
struct sp_subject *sp_subject_find(const struct sp_subjects *all, struct sp_span name);

size_t sp_subject_tunnels(const struct sp_subject *s);
size_t sp_subject_lanes(const struct sp_subject *s);
size_t sp_subject_flows(const struct sp_subject *s);

/* Takes one of the lanes that it may open in a second (`per_s` of them, and as many at once). */
bool sp_subject_take_handshake(struct sp_subject *s, uint32_t per_s, uint64_t now_us);

#endif
