/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What leaves the engine, gathered into batches: up to SP_TURN_BATCH datagrams, and room for the
 * answers among them. A batch that is full is emitted, then filled anew; who frees something that
 * an out may point to flushes first. Knows nothing of what the datagrams mean.
 */
#ifndef SALLYPORT_SERVER_TURN_OUTBOX_H
#define SALLYPORT_SERVER_TURN_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "turn_types.h"

/* The longest answer: an authenticated error with a realm, a nonce, a list of unknown attributes
 * and a 32-byte MAC is well below. */
#define SP_TURN_ANSWER_MAX  512
#define SP_TURN_ANSWER_ROOM (8 * SP_TURN_ANSWER_MAX)

struct sp_turn_outbox {
    void (*emit)(void *arg, const struct sp_turn_out *out, size_t n);
    void *arg;
    size_t n;
    size_t used; /* of room */
    struct sp_turn_out out[SP_TURN_BATCH];
    uint8_t room[SP_TURN_ANSWER_ROOM];
};

/* `emit` and `arg` are set by the owner at will. */
void sp_turn_outbox_init(struct sp_turn_outbox *b);

/* A new last datagram, to be filled by the caller: all fields but those behind head_len are
 * cleared. */
struct sp_turn_out *sp_turn_outbox_add(struct sp_turn_outbox *b);

/* SP_TURN_ANSWER_MAX bytes to build an answer in; then sp_turn_outbox_answer sends the first `len`
 * of them. Nothing else may be added in between. */
uint8_t *sp_turn_outbox_room(struct sp_turn_outbox *b);
void sp_turn_outbox_answer(struct sp_turn_outbox *b, const struct sp_turn_path *client, size_t len);

/* Emits what is there. */
void sp_turn_outbox_flush(struct sp_turn_outbox *b);

#endif
