/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alloc_log.h"

#include <stdio.h>

#include "endpoint.h"
#include "sallyport/log.h"
#include "turn_auth.h"

static const char *const transport_names[] = {
    [SP_TURN_UDP] = "udp",
    [SP_TURN_TCP] = "tcp",
    [SP_TURN_TLS] = "tls",
    [SP_TURN_FLOW] = "tunnel",
};

static const char *const end_names[] = {
    [SP_TURN_END_REFRESH] = "released",
    [SP_TURN_END_EXPIRED] = "expired",
    [SP_TURN_END_PATH] = "disconnected",
    [SP_TURN_END_SHUTDOWN] = "shutdown",
};

#define WHO_MAX 6

/* Whose it is and where: what both lines begin with. `user` is room for the name. Returns how many
 * fields. */
static size_t who(const struct sp_turn_alloc *a, char user[static SP_TURN_USERNAME_MAX + 1],
                  struct sp_log_field out[static WHO_MAX])
{
    const struct sp_turn_path *path = sp_turn_alloc_path(a);
    const struct sp_turn_relay *ip4 = sp_turn_alloc_relay(a, SP_IPV4);
    const struct sp_turn_relay *ip6 = sp_turn_alloc_relay(a, SP_IPV6);
    struct sp_span name = sp_turn_alloc_username(a);
    size_t n = 0;

    snprintf(user, SP_TURN_USERNAME_MAX + 1, "%.*s", (int)name.len, (const char *)name.p);
    out[n++] = SP_F_STR("user", user);
    out[n++] = SP_F_STR("transport", transport_names[path->transport]);
    /* Who comes by a tunnel has no address of its own, but the tunnel has an owner. */
    if (path->transport == SP_TURN_FLOW)
        out[n++] = SP_F_STR("subject", sp_endpoint_subject(path->via));
    else
        out[n++] = SP_F_ADDR("client", &path->remote);
    if (ip4 != NULL)
        out[n++] = SP_F_ADDR("relayed", &ip4->public_);
    if (ip6 != NULL)
        out[n++] = SP_F_ADDR(ip4 != NULL ? "relayed6" : "relayed", &ip6->public_);
    out[n] = (struct sp_log_field){0};
    return n;
}

void sp_alloc_log_begin(const struct sp_env *env, const struct sp_turn_alloc *a)
{
    char user[SP_TURN_USERNAME_MAX + 1];
    struct sp_log_field fields[WHO_MAX];

    who(a, user, fields);
    sp_log_event(env->log, SP_LOG_INFO, "allocation made", fields);
}

void sp_alloc_log_end(const struct sp_env *env, const struct sp_turn_alloc *a, enum sp_turn_end why)
{
    const struct sp_turn_usage *u = sp_turn_alloc_usage(a);
    uint64_t lived_us = sp_ticker_now(env->ticker) - sp_turn_alloc_begun_us(a);
    const struct sp_log_field how[] = {
        SP_F_STR("reason", end_names[why]),
        SP_F_UINT("seconds", lived_us / 1000000),
        SP_F_UINT("from_client_datagrams", u->from_client_datagrams),
        SP_F_UINT("from_client_bytes", u->from_client_bytes),
        SP_F_UINT("to_client_datagrams", u->to_client_datagrams),
        SP_F_UINT("to_client_bytes", u->to_client_bytes),
        SP_F_UINT("from_peer_datagrams", u->from_peer_datagrams),
        SP_F_UINT("from_peer_bytes", u->from_peer_bytes),
        SP_F_UINT("to_peer_datagrams", u->to_peer_datagrams),
        SP_F_UINT("to_peer_bytes", u->to_peer_bytes),
        SP_F_UINT("hairpin_datagrams", u->hairpin_datagrams),
        SP_F_UINT("hairpin_bytes", u->hairpin_bytes),
        SP_F_UINT("dropped_no_permission", u->dropped_no_permission),
        SP_F_UINT("dropped_no_channel", u->dropped_no_channel),
        SP_F_UINT("dropped_denied_peer", u->dropped_denied_peer),
        SP_F_UINT("dropped_virtual", u->dropped_virtual),
        SP_F_UINT("dropped_too_big", u->dropped_too_big),
        {0},
    };
    char user[SP_TURN_USERNAME_MAX + 1];
    struct sp_log_field fields[WHO_MAX + SP_ARRAY_LEN(how)];
    size_t n = who(a, user, fields);

    memcpy(fields + n, how, sizeof how);
    sp_log_event(env->log, SP_LOG_INFO, "allocation ended", fields);
}
