/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TURN engine of a worker, and what it does to the world: it sends by UDP, by a client's
 * connection or flow, or by a relayed address; opens and closes those; and tells of allocations.
 */
#include "alloc_log.h"
#include "endpoint.h"
#include "sallyport/err.h"
#include "worker_impl.h"

/* --- sending -------------------------------------------------------------------------------- */

static void emit_one(const struct sp_turn_out *out)
{
    static const uint8_t zeros[4];
    const struct sp_span parts[] = {
        sp_span(out->head, out->head_len),
        out->body,
        sp_span(zeros, out->pad_len),
    };
    const struct sp_turn_path *client = out->client;

    if (client == NULL)
        sp_relays_send(out->relay, &out->peer, out->dont_fragment, parts, SP_ARRAY_LEN(parts));
    else if (client->transport == SP_TURN_UDP)
        sp_dgram_send(client->via, &client->remote, &client->local, parts, SP_ARRAY_LEN(parts));
    else
        sp_endpoint_send(client->via, parts, SP_ARRAY_LEN(parts));
}

static void on_emit(void *arg, const struct sp_turn_out *out, size_t n)
{
    (void)arg;
    for (size_t i = 0; i < n; i++)
        emit_one(&out[i]);
}

/* One of our relay addresses, and no port of this worker's. */
static bool on_hand_over(void *arg, const struct sp_addr *relayed, const struct sp_addr *from,
                         struct sp_span body)
{
    struct sp_worker *w = arg;
    int owner = w->env.post != NULL ? sp_relay_ips_owner(w->relay_ips, relayed) : -1;

    return owner >= 0 &&
           sp_post_datagram(w->env.post, (unsigned)owner, relayed, from, body) != SP_ENOENT;
}

/* --- relayed addresses ----------------------------------------------------------------------- */

static int on_relay_open(void *arg, const struct sp_turn_relay_request *want,
                         struct sp_turn_alloc *alloc, struct sp_turn_relay *out)
{
    struct sp_worker *w = arg;
    return sp_relays_open(w->relays, want, alloc, out);
}

static void on_relay_close(void *arg, const struct sp_turn_relay *relay)
{
    struct sp_worker *w = arg;
    sp_relays_close(w->relays, relay);
}

static void on_reservation_end(void *arg, const struct sp_addr *local)
{
    struct sp_worker *w = arg;
    sp_relays_end_reservation(w->relays, local);
}

/* --- allocations ---------------------------------------------------------------------------- */

static void on_alloc_begin(void *arg, struct sp_turn_alloc *a)
{
    struct sp_worker *w = arg;
    const struct sp_turn_path *path = sp_turn_alloc_path(a);

    if (path->transport != SP_TURN_UDP)
        sp_endpoint_allocated(path->via, a);
    sp_alloc_log_begin(&w->env, a);
}

static void on_alloc_end(void *arg, const struct sp_turn_alloc *a, enum sp_turn_end why)
{
    const struct sp_turn_path *path = sp_turn_alloc_path(a);
    struct sp_worker *w = arg;

    if (path->transport != SP_TURN_UDP)
        sp_endpoint_deallocated(path->via);
    sp_alloc_log_end(&w->env, a, why);
    sp_worker_tell_if_drained(w);
}

static bool on_busy(void *arg)
{
    const struct sp_worker *w = arg;
    return sp_env_busy(&w->env);
}

static const struct sp_turn_effects effects = {
    .busy = on_busy,
    .emit = on_emit,
    .relay_open = on_relay_open,
    .relay_close = on_relay_close,
    .reservation_end = on_reservation_end,
    .hand_over = on_hand_over,
    .alloc_begin = on_alloc_begin,
    .alloc_end = on_alloc_end,
};

int sp_worker_start_turn(struct sp_worker *w, char why[static SP_SHARED_WHY_MAX])
{
    const struct sp_worker_config *c = &w->config;
    struct sp_turn_config tc;

    sp_turn_config_default(&tc);
    tc.max_allocs = (size_t)c->bounds.allocations;
    tc.max_allocs_per_user = (size_t)c->bounds.user_allocations;
    tc.max_perms_per_alloc = (size_t)c->bounds.permissions;
    tc.max_channels_per_alloc = (size_t)c->bounds.channels;
    tc.udp_answers_per_s = (uint32_t)c->bounds.answers_per_s;
    tc.hits = &w->hits;
    tc.worker = c->index;
    tc.common = &w->env.commons->turn;
    int err = sp_turn_new(&tc, w->keys->auth, w->policy, &w->ticker.timers, &w->rng, &w->env.turn);
    if (err != 0)
        return sp_worker_say(why, "cannot start the TURN engine", NULL, err);
    sp_turn_set_effects(w->env.turn, &effects, w);
    err = sp_relays_new(&w->env, w->relay_ips, &w->relays);
    return err == 0 ? 0 : sp_worker_say(why, "cannot set up relayed addresses", NULL, err);
}
