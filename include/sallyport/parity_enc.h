/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes parity (parity.h) for the datagrams that leave: collects them into groups, and when a group
 * is full or its time is over, gives 0 to m payloads. It only looks at datagrams on their way, and
 * never delays one. Knows no lanes and no losses: how much parity is wanted, the caller says.
 *
 * How many a group gets is counted in bytes, since each is as long as the longest datagram of its
 * group: over time m bytes for each k, what rounding took or gave carried on to the next group; but
 * one at least for each group, as long as that doesn't run far ahead. So a full group of equal
 * lengths has m, and small datagrams beside large ones are covered at no cost.
 */
#ifndef SALLYPORT_PARITY_ENC_H
#define SALLYPORT_PARITY_ENC_H

#include "sallyport/parity.h"

struct sp_parity_enc {
    unsigned k, m;           /* of the open group, or of the next; m = 0: off */
    unsigned next_k, next_m; /* what was asked for while it was open */
    uint64_t max_age_us;
    uint64_t due_us;              /* of the open group */
    struct sp_parity_cover cover; /* its members; n = 0: none is open */
    uint8_t *rows[SP_PARITY_MAX_M];
    size_t row_cap; /* bytes of sum that each has room for */
    size_t sum_len; /* of the open group */
    int64_t
        credit; /* parity that may still be sent for what was covered; below 0: was sent ahead */
    uint64_t groups, parities; /* closed and made, since init */
};

/* Off at first. A group is closed at the latest `max_age_us` after its first datagram. */
void sp_parity_enc_init(struct sp_parity_enc *e, uint64_t max_age_us);
void sp_parity_enc_fini(struct sp_parity_enc *e);

/* From the next group on, m for each k (1 to SP_PARITY_MAX_K; m at most SP_PARITY_MAX_M; SP_EINVAL
 * otherwise). m = 0 is off: at once, without parity for the open group, and its memory is freed. */
int sp_parity_enc_set(struct sp_parity_enc *e, unsigned k, unsigned m);

static inline bool sp_parity_enc_on(const struct sp_parity_enc *e)
{
    return e->m > 0;
}

/*
 * A datagram leaves under this number, which is higher than those before. Nothing happens while it
 * is off. SP_EFULL: too far from the group's first, or not above its last; close the group, then
 * add it. SP_ETOOBIG: over SP_DATAGRAM_MAX. SP_ENOMEM: it isn't covered. In all three nothing was
 * changed.
 */
int sp_parity_enc_add(struct sp_parity_enc *e, uint32_t seq, uint16_t flow, struct sp_span datagram,
                      uint64_t now_us);

/* When the open group is to be closed: 0, so at once, when it is full; SP_NEVER when none is open.
 */
uint64_t sp_parity_enc_next(const struct sp_parity_enc *e);

/* Closes the open group. Returns how many payloads it has; they stay until the next call. Which go
 * by lanes that took none of the covered datagrams are worth most. */
size_t sp_parity_enc_close(struct sp_parity_enc *e, struct sp_span out[static SP_PARITY_MAX_M]);

#endif
