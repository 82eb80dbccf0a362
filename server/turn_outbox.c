/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_outbox.h"

#include <assert.h>

void sp_turn_outbox_init(struct sp_turn_outbox *b)
{
    b->emit = NULL;
    b->arg = NULL;
    b->n = b->used = 0;
}

void sp_turn_outbox_flush(struct sp_turn_outbox *b)
{
    size_t n = b->n;

    b->n = b->used = 0;
    if (n > 0)
        b->emit(b->arg, b->out, n);
}

struct sp_turn_out *sp_turn_outbox_add(struct sp_turn_outbox *b)
{
    if (b->n == SP_TURN_BATCH)
        sp_turn_outbox_flush(b);

    struct sp_turn_out *o = &b->out[b->n++];

    /* Not by one assignment: that would clear head[] as well, for each datagram. */
    o->client = NULL;
    o->relay = NULL;
    o->body = (struct sp_span){NULL, 0};
    o->head_len = o->pad_len = 0;
    o->dont_fragment = false;
    return o;
}

uint8_t *sp_turn_outbox_room(struct sp_turn_outbox *b)
{
    if (b->n == SP_TURN_BATCH || sizeof b->room - b->used < SP_TURN_ANSWER_MAX)
        sp_turn_outbox_flush(b);
    return b->room + b->used;
}

void sp_turn_outbox_answer(struct sp_turn_outbox *b, const struct sp_turn_path *client, size_t len)
{
    assert(len <= SP_TURN_ANSWER_MAX && b->n < SP_TURN_BATCH);

    struct sp_turn_out *o = sp_turn_outbox_add(b);

    o->client = client;
    o->body = (struct sp_span){b->room + b->used, len};
    b->used += len;
}
