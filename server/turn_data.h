/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data path: ChannelData and Send indications on their way to peers, and what peers send on its
 * way to clients. Nothing is copied and nothing allocated: what leaves points to what came in.
 */
#ifndef SALLYPORT_SERVER_TURN_DATA_H
#define SALLYPORT_SERVER_TURN_DATA_H

#include <stdint.h>

#include "sallyport/bytes.h"
#include "sallyport/stun.h"
#include "turn_alloc.h"

struct sp_turn;

/* From a client; `a` is the allocation of its path, or NULL. */
void sp_turn_data_channel(struct sp_turn *t, struct sp_turn_alloc *a, struct sp_span msg,
                          uint64_t now_us);
void sp_turn_data_send(struct sp_turn *t, struct sp_turn_alloc *a, const struct sp_stun_msg *m,
                       uint64_t now_us);

/* From a peer, to the leg `leg` of `a`. */
void sp_turn_data_peer(struct sp_turn *t, struct sp_turn_alloc *a, const struct sp_turn_leg *leg,
                       const struct sp_turn_peer_dgram *d, uint64_t now_us);

/* From an allocation of another engine, to a relayed address here. */
void sp_turn_data_other(struct sp_turn *t, const struct sp_addr *relayed,
                        const struct sp_turn_peer_dgram *d, uint64_t now_us);

#endif
