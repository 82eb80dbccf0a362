/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channels of one allocation (RFC 8656 section 12): a number and a peer, bound to each other
 * for 600 seconds. When that time is over, both rest 300 seconds more: they can be bound to each
 * other again, but to nothing else, so that data still on its way is not taken for someone else's.
 *
 * Two sorted arrays over the same channels: by number and by peer. No timers.
 */
#ifndef SALLYPORT_SERVER_TURN_CHAN_H
#define SALLYPORT_SERVER_TURN_CHAN_H

#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "turn_relayed.h"
#include "turn_route.h"

#define SP_TURN_CHAN_LIFETIME_US (600 * UINT64_C(1000000))
#define SP_TURN_CHAN_REST_US     (300 * UINT64_C(1000000))

struct sp_turn_chan {
    struct sp_addr peer;
    uint16_t number;
    struct sp_turn_route route;
    struct sp_turn_relayed_memo relayed; /* whose the peer's address is */
    uint64_t expires_us;
};

struct sp_turn_chans {
    struct sp_turn_chan **by_number, **by_peer; /* `n` each */
    size_t n, cap;
};

void sp_turn_chans_init(struct sp_turn_chans *c);
void sp_turn_chans_fini(struct sp_turn_chans *c);

/* Binds, or refreshes. SP_EEXIST: number or peer is bound (or rests bound) otherwise; SP_EFULL:
 * `max` others are there; SP_ENOMEM. On an error nothing has changed. */
int sp_turn_chans_bind(struct sp_turn_chans *c, uint16_t number, const struct sp_addr *peer,
                       size_t max, uint64_t now_us);

/* Bound now, or NULL; valid until the next bind. */
struct sp_turn_chan *sp_turn_chans_by_number(const struct sp_turn_chans *c, uint16_t number,
                                             uint64_t now_us);
struct sp_turn_chan *sp_turn_chans_by_peer(const struct sp_turn_chans *c,
                                           const struct sp_addr *peer, uint64_t now_us);

#endif
