/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The datagrams that came of late, by number, for parity to be solved with: which came, of the last
 * SP_PARITY_KEPT numbers, and the bytes of those that are young enough. Memory grows and shrinks
 * with what comes, in chunks, within a bound. Knows no parity.
 */
#ifndef SALLYPORT_PARITY_WINDOW_H
#define SALLYPORT_PARITY_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "sallyport/bytes.h"
#include "sallyport/list.h"

#define SP_PARITY_KEPT  2048 /* numbers; a power of two */
#define SP_PARITY_CHUNK 32768

struct sp_parity_slot;

struct sp_parity_window {
    struct sp_parity_slot *slots; /* NULL: not begun */
    struct sp_list chunks;        /* the oldest first */
    unsigned n_chunks, max_chunks;
    uint64_t max_age_us;
    uint32_t lowest, highest; /* of which it is known whether they came */
};

/* Allocates nothing. Bytes are kept for `max_age_us`, in chunks that have `max_bytes` together, but
 * two chunks at least. */
void sp_parity_window_init(struct sp_parity_window *w, size_t max_bytes, uint64_t max_age_us);

/* From `lowest` on it is known what came; nothing has. SP_ENOMEM. */
int sp_parity_window_begin(struct sp_parity_window *w, uint32_t lowest);

/* Forgets all and frees it; may be begun again. Also the destructor. */
void sp_parity_window_end(struct sp_parity_window *w);

static inline bool sp_parity_window_begun(const struct sp_parity_window *w)
{
    return w->slots != NULL;
}

/* Whether it is known of `seq` if it came, or will be: from the lowest to half a window above the
 * highest. */
bool sp_parity_window_knows(const struct sp_parity_window *w, uint32_t seq);

bool sp_parity_window_came(const struct sp_parity_window *w, uint32_t seq);

/* Remembers a datagram (flow not 0, at most SP_DATAGRAM_MAX bytes), unless it came before or is
 * below the lowest: then false. Without memory it remembers only that it came. */
bool sp_parity_window_keep(struct sp_parity_window *w, uint32_t seq, uint16_t flow,
                           struct sp_span datagram, uint64_t now_us);

/* The bytes of a number; false when they didn't come, are too old or are gone. Borrowed until the
 * next call that is not const. */
bool sp_parity_window_get(const struct sp_parity_window *w, uint32_t seq, uint64_t now_us,
                          uint16_t *flow, struct sp_span *datagram);

/* Frees what is too old. */
void sp_parity_window_expire(struct sp_parity_window *w, uint64_t now_us);

#endif
