/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICE checks answered early, by somebody on the way who was told the far end's password: a round
 * trip of set-up less. The check is passed on all the same, and the far end's own answer to it is
 * then swallowed. A check that nominates is never answered here, and nothing is after the far end's
 * first answer, or two seconds after the first check: a dead path must not look alive. A pure
 * machine.
 */
#ifndef SALLYPORT_EARLY_H
#define SALLYPORT_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"
#include "sallyport/stun.h"

#define SP_EARLY_CHECKS_MAX 16 /* answered early, at most */
#define SP_EARLY_ANSWER_MAX 96

/* Checks of one end to the other, by all its addresses. All zero: nothing has been answered yet. */
struct sp_early {
    bool over;
    uint64_t began_us; /* 0: not yet */
    unsigned n;
    uint8_t ids[SP_EARLY_CHECKS_MAX][SP_STUN_ID_LEN];
};

/* The length of an answer to the check `m`, that came `from` there; 0: there is none. `password` is
 * the far end's, which the check was made with. */
size_t sp_early_answer(struct sp_early *e, struct sp_span password, const struct sp_stun_msg *m,
                       const struct sp_addr *from, uint64_t now_us,
                       uint8_t out[static SP_EARLY_ANSWER_MAX]);

/* An answer of the far end: whether it is to a check that was answered early, and goes no further.
 */
bool sp_early_swallows(struct sp_early *e, const struct sp_stun_msg *m);

#endif
