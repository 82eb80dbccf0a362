/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * So many a second for each of any number of others, who are told apart by a number of 64 bits, in
 * a table of fixed size: who they are may be anyone's invention, so it must not cost memory. A new
 * one for whom there is no place takes that of the one who has asked least, and with it what is
 * left of its bucket: being many wins nobody more than the places have together, and who comes into
 * a crowd is refused only when the whole of it has nothing left. All workers may take from one at
 * once, without locks.
 */
#ifndef SALLYPORT_SERVER_PACE_H
#define SALLYPORT_SERVER_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sallyport/rng.h"

#define SP_PACE_SETS 256
#define SP_PACE_WAYS 4

struct sp_pace_entry {
    _Atomic uint64_t who;      /* 0: never used */
    _Atomic uint64_t level_ns; /* when the bucket is full again */
};

struct sp_pace {
    uint64_t key[2];
    uint32_t per_s; /* as many at once, too */
    struct sp_pace_entry entries[SP_PACE_SETS][SP_PACE_WAYS];
};

/* `per_s` 1 to 1,000,000. */
void sp_pace_init(struct sp_pace *p, uint32_t per_s, struct sp_rng *rng);

/* Takes one for `who`, which is not 0; false when there is none. */
bool sp_pace_take(struct sp_pace *p, uint64_t who, uint64_t now_us);

#endif
