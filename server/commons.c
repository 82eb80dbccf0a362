/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commons.h"

void sp_commons_init(struct sp_commons *c, unsigned workers, const struct sp_bounds *bounds,
                     struct sp_rng *rng)
{
    c->workers = workers;
    sp_turn_common_init(&c->turn, (uint32_t)bounds->answers_per_s, rng);
    atomic_init(&c->tunnels.n, 0);
    sp_pace_init(&c->api_requests, (uint32_t)bounds->api_requests, rng);
    atomic_init(&c->sessions.n, 0);
    sp_quota_init(&c->session_subjects, rng);
    atomic_init(&c->demo_rooms.n, 0);
    sp_prefix_limit_init(&c->demo_joins, (uint32_t)bounds->demo_joins, rng);
    sp_subjects_init(&c->subjects, rng);
    for (size_t i = 0; i < SP_PLACES_N; i++)
        sp_quota_init(&c->strangers[i], rng);
}

void sp_commons_fini(struct sp_commons *c)
{
    for (size_t i = 0; i < SP_PLACES_N; i++)
        sp_quota_fini(&c->strangers[i]);
    sp_subjects_fini(&c->subjects);
    sp_quota_fini(&c->session_subjects);
    sp_turn_common_fini(&c->turn);
}

struct sp_guests_bounds sp_commons_strangers(struct sp_commons *c, enum sp_place place, size_t max,
                                             uint64_t share)
{
    return (struct sp_guests_bounds){
        .max = max, .share = (size_t)share, .workers = c->workers, .shares = &c->strangers[place]};
}
