/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gives back what is missing, out of parity (parity.h) and the datagrams that came. It keeps these
 * for a while (parity_window.h), but only as long as the peer sends parity: the first parity frame
 * begins it, and what came before can't be used. Where there is no parity, it costs nothing.
 *
 * A datagram is given back once, and never after it came. The most that a hostile peer can do with
 * it is to have datagrams made that it could have sent as well; all memory is bounded.
 */
#ifndef SALLYPORT_PARITY_DEC_H
#define SALLYPORT_PARITY_DEC_H

#include "sallyport/list.h"
#include "sallyport/parity.h"
#include "sallyport/parity_window.h"

#define SP_PARITY_GROUPS 64 /* that wait for more */

struct sp_parity_row;

struct sp_parity_dec {
    struct sp_parity_window window; /* begun while parity comes */
    size_t max_held;
    uint64_t last_parity_us;
    uint32_t highest; /* number that came, when `any` did */
    bool any;
    struct sp_list groups; /* those that miss something, the oldest first */
    unsigned n_groups;
    size_t held; /* bytes of parity that waits, and of what was found */
    struct sp_parity_row *found, **found_end, *taken;
    /* Since init. */
    uint64_t recovered; /* datagrams */
    uint64_t useless;   /* parity frames whose datagrams had all come */
    uint64_t
        given_up; /* groups that waited too long, had no room, or lack what came too long ago */
    uint64_t bad; /* groups out of which came what is no datagram */
};

/* Keeps datagrams of at most `max_bytes` and half as much of parity (one frame at least), none for
 * longer than `max_age_us`. Allocates nothing. */
void sp_parity_dec_init(struct sp_parity_dec *d, size_t max_bytes, uint64_t max_age_us);
void sp_parity_dec_fini(struct sp_parity_dec *d);

/* A datagram came, for the first time or again. It may be what a group waited for: ask
 * sp_parity_dec_next. */
void sp_parity_dec_data(struct sp_parity_dec *d, uint32_t seq, uint16_t flow,
                        struct sp_span datagram, uint64_t now_us);

/* A parity frame's payload came: ask sp_parity_dec_next. SP_EBADMSG: malformed, or unlike others of
 * its group. SP_EEXPIRED: covers a number of which it isn't known any more, or not for long,
 * whether it came. SP_ENOMEM. After an error it is as if it hadn't come. */
int sp_parity_dec_parity(struct sp_parity_dec *d, struct sp_span payload, uint64_t now_us);

struct sp_parity_found {
    uint32_t seq;
    uint16_t flow;           /* 1 to 0xFFFE */
    struct sp_span datagram; /* borrowed, until the next call of any of these */
};

/* Takes one datagram that was recovered; false when there is none. What isn't taken counts in the
 * bounds, and is dropped when they are reached. */
bool sp_parity_dec_next(struct sp_parity_dec *d, struct sp_parity_found *out);

/* Drops what has become too old, and all when no parity came for five seconds. The other calls do
 * so as well: this is for the time when nothing comes. */
void sp_parity_dec_expire(struct sp_parity_dec *d, uint64_t now_us);

#endif
