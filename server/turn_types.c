/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_types.h"

_Static_assert(sizeof(struct sp_turn_path) ==
                   sizeof(void *) + 2 * sizeof(struct sp_addr) + 2 * sizeof(uint32_t),
               "sp_turn_path is compared and hashed byte by byte");

struct sp_turn_path sp_turn_path_make(enum sp_turn_transport transport, void *via,
                                      const struct sp_addr *remote, const struct sp_addr *local)
{
    return (struct sp_turn_path){
        .via = via,
        .remote = *remote,
        .local = *local,
        .transport = transport,
    };
}

void sp_turn_config_default(struct sp_turn_config *c)
{
    *c = (struct sp_turn_config){
        .default_lifetime_s = 600,
        .max_lifetime_s = 3600,
        .max_allocs = 65536,
        .max_allocs_per_user = 1024, /* one static user may well serve a whole application */
        .max_perms_per_alloc = 256,
        .max_channels_per_alloc = 256,
        .udp_answers_per_s = 100,
    };
}
