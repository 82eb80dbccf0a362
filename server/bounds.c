/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bounds.h"

#define DEFAULT(field, option, argument, preset, ...) .field = (preset),
#define READ(field, option, argument, preset, ...) \
    .field = sp_options_number(o, (option), (preset)),
#define HITS(field, option, help) \
    SP_COUNTER(struct sp_bound_hits, field, "bounds_hit_total", "bound=\"" option "\"", help),
#define HITS_FIRST(field, option, ...) \
    HITS(field, option, "Times that a bound refused or dropped something, by its option.")
#define HITS_NEXT(field, option, ...) HITS(field, option, NULL)

const struct sp_counter sp_bound_hits_table[SP_BOUNDS_N] = {SP_BOUNDS(HITS_FIRST, HITS_NEXT)};

void sp_bounds_default(struct sp_bounds *b)
{
    *b = (struct sp_bounds){SP_BOUNDS(DEFAULT, DEFAULT)};
}

void sp_bounds_read(const struct sp_options *o, struct sp_bounds *b)
{
    *b = (struct sp_bounds){SP_BOUNDS(READ, READ)};
}
