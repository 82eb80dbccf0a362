/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/counters.h"

#include "sallyport/tunnel.h"

#define FIELD(field, metric, labels, help) \
    SP_COUNTER(struct sp_tunnel_counters, field, "tunnel_" metric, labels, help)
#define DROPPED(reason, help) \
    FIELD(dropped_##reason, "dropped_datagrams_total", "reason=\"" #reason "\"", help)

static const struct sp_counter tunnel_table[] = {
    FIELD(datagrams_in, "received_datagrams_total", NULL,
          "Datagrams that came out of tunnels, each once."),
    FIELD(bytes_in, "received_bytes_total", NULL,
          "Bytes that lanes brought, inside TLS: frames, copies and control messages."),
    FIELD(datagrams_out, "sent_datagrams_total", NULL, "Datagrams that went into tunnels."),
    FIELD(bytes_out, "sent_bytes_total", NULL,
          "Bytes that lanes took, inside TLS: frames, copies and control messages."),
    FIELD(dropped_copy, "duplicate_datagrams_total", NULL,
          "Copies of datagrams that had been delivered already. No loss."),
    DROPPED(old, "Datagrams dropped. By the receiver: old (behind the window), late (came after "
                 "newer ones of its flow by too much); by the sender: age (waited too long for a "
                 "lane), full (too many waited), too_big; by either: unknown_flow."),
    DROPPED(late, NULL),
    DROPPED(age, NULL),
    DROPPED(full, NULL),
    DROPPED(too_big, NULL),
    DROPPED(unknown_flow, NULL),
    FIELD(malformed, "malformed_messages_total", NULL,
          "Frames and control messages that broke the protocol."),
    FIELD(flows_opened, "flows_opened_total", NULL, "Flows that were opened."),
    FIELD(flows_closed, "flows_closed_total", NULL, "Flows that were closed by either end."),
    FIELD(flows_refused, "flows_refused_total", NULL,
          "Flows that could not be opened: too many, no memory, or of no known kind."),
    FIELD(flows_crowded, "flows_crowded_total", NULL,
          "Of these: flows for which there was no room on their tunnel."),
    FIELD(lanes_joined, "lanes_joined_total", NULL, "Lanes that joined a tunnel."),
    FIELD(lanes_lost, "lanes_lost_total", NULL, "Lanes whose connection ended."),
    FIELD(lanes_suspected, "lanes_suspected_total", NULL,
          "Times that a lane made no progress and got no more datagrams."),
    FIELD(control_repeats, "control_repeats_total", NULL,
          "Control messages that were sent again for want of an answer."),
    FIELD(reports_in, "received_reports_total", NULL, "Reports of the far side of what it misses."),
    FIELD(reports_out, "sent_reports_total", NULL, "Reports of what is missing here."),
    FIELD(copied, "copied_datagrams_total", NULL,
          "Datagrams that left by a second lane as well, since they are small and urgent."),
    FIELD(parity_in, "received_parity_frames_total", NULL, "Frames of parity that came."),
    FIELD(parity_out, "sent_parity_frames_total", NULL,
          "Frames of parity that left, where the far side misses datagrams."),
    FIELD(recovered, "recovered_datagrams_total", NULL,
          "Datagrams that were given back by parity before they came themselves, if they did."),
    FIELD(missed, "missed_datagrams_total", NULL,
          "Datagrams that the far side missed while later ones came. They may come yet."),
    FIELD(repeated, "repeated_datagrams_total", NULL,
          "Datagrams that were sent again by another lane, since the far side missed them."),
};

size_t sp_counters_fields(const struct sp_counter *table, size_t n, const void *base,
                          struct sp_log_field *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = SP_F_UINT(table[i].field, sp_counter_value(&table[i], base));
    return n;
}

_Static_assert(SP_ARRAY_LEN(tunnel_table) <= SP_TUNNEL_COUNTERS_MAX, "whoever has room for them");
_Static_assert(sizeof tunnel_table / sizeof tunnel_table[0] * sizeof(uint64_t) ==
                   sizeof(struct sp_tunnel_counters),
               "a counter is missing in the table");

const struct sp_counter *sp_tunnel_counter_table(size_t *n)
{
    *n = SP_ARRAY_LEN(tunnel_table);
    return tunnel_table;
}
