/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/counters.h"

#include "sallyport/tunnel.h"

#define FIELD(name) SP_COUNTER(struct sp_tunnel_counters, name)

static const struct sp_counter tunnel_table[] = {
    FIELD(datagrams_in), FIELD(bytes_in),        FIELD(datagrams_out),        FIELD(bytes_out),
    FIELD(dropped_copy), FIELD(dropped_old),     FIELD(dropped_late),         FIELD(dropped_age),
    FIELD(dropped_full), FIELD(dropped_too_big), FIELD(dropped_unknown_flow), FIELD(malformed),
    FIELD(flows_opened), FIELD(flows_closed),    FIELD(flows_refused),        FIELD(lanes_joined),
    FIELD(lanes_lost),   FIELD(lanes_suspected), FIELD(control_repeats),
};

_Static_assert(sizeof tunnel_table / sizeof tunnel_table[0] * sizeof(uint64_t) ==
                   sizeof(struct sp_tunnel_counters),
               "a counter is missing in the table");

const struct sp_counter *sp_tunnel_counter_table(size_t *n)
{
    *n = SP_ARRAY_LEN(tunnel_table);
    return tunnel_table;
}
