/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rdv_seen.h"

#include <stdlib.h>
#include <string.h>

#include "sallyport/bytes.h"

#define ROOM_FIRST 32

/* Ids are random, and an attacker's are never added: any four bytes of them would do. */
uint32_t seen_mark(const uint8_t id[static SP_STUN_ID_LEN])
{
    return sp_get_be32(id) ^ sp_get_be32(id + 4) ^ sp_get_be32(id + 8);
}

static void grow(struct rdv_seen *s)
{
    size_t room = s->room > 0 ? 2 * s->room : ROOM_FIRST;
    uint32_t *marks =
        room <= (s->max > 0 ? s->max : SEEN_MAX) ? realloc(s->marks, room * sizeof *marks) : NULL;

    if (marks == NULL)
        return;
    s->marks = marks;
    s->room = room;
}

void seen_add(struct rdv_seen *s, uint32_t mark)
{
    if (s->n == s->room && seen_lost(s) == 0) /* once it goes round, it stays as it is */
        grow(s);
    if (s->room > 0)
        s->marks[s->total % s->room] = mark;
    s->n += s->n < s->room;
    s->total++;
}

bool seen_has(const struct rdv_seen *s, uint32_t mark)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->marks[i] == mark)
            return true;
    return false;
}

uint64_t seen_lost(const struct rdv_seen *s)
{
    return s->total - s->n;
}

void seen_fini(struct rdv_seen *s)
{
    free(s->marks);
    *s = (struct rdv_seen){.max = s->max};
}
