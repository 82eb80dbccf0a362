/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_common.h"

void sp_turn_common_init(struct sp_turn_common *c, uint32_t answers_per_s, struct sp_rng *rng)
{
    atomic_init(&c->allocs.n, 0);
    sp_quota_init(&c->users, rng);
    sp_prefix_limit_init(&c->challenges, answers_per_s, rng);
    sp_prefix_limit_init(&c->bindings, answers_per_s, rng);
    sp_turn_reservations_init(&c->reservations, rng);
}

void sp_turn_common_fini(struct sp_turn_common *c)
{
    sp_turn_reservations_fini(&c->reservations);
    sp_quota_fini(&c->users);
}
