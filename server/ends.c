/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ends.h"

#include <stdlib.h>

#include "ends_impl.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

#define PATHS_MAX (2 * (SP_RDV_UNPROVEN_MAX + SP_RDV_PROVEN_MAX)) /* of a session */

/* --- notes ---------------------------------------------------------------------------------- */

void note_send(struct sp_ends *e, unsigned to, const struct note *n, struct sp_span body)
{
    if (e->env.post != NULL) /* what is full is counted there */
        (void)sp_post_note(e->env.post, to, sp_span(n, sizeof *n), body);
}

void note_send_all(struct sp_ends *e, const struct note *n, struct sp_span body)
{
    for (unsigned i = 0; e->env.post != NULL && i < sp_post_workers(e->env.post); i++)
        if (i != e->env.worker)
            note_send(e, i, n, body);
}

static void send_to_owner(struct sp_via *v, enum note_kind kind, struct sp_span body)
{
    static const enum sp_rdv_way ways[] = {
        [VIA_TCP] = SP_RDV_TCP, [VIA_UDP] = SP_RDV_UDP, [VIA_FLOW] = SP_RDV_GATEWAY};
    const struct note n = {
        .kind = kind, .way = ways[v->kind], .handle = v->key.handle, .remote = v->pair.remote};

    note_send(v->all, v->owner, &n, body);
}

static void send_to_porter(struct sp_ends *e, const struct via_key *to, enum note_kind kind,
                           struct sp_span body)
{
    const struct note n = {.kind = kind, .handle = to->handle};

    note_send(e, (unsigned)to->worker, &n, body);
}

/* --- vias ----------------------------------------------------------------------------------- */

static struct sp_via *via_by_key(const struct sp_ends *e, uint64_t handle, unsigned worker)
{
    const struct via_key key = {handle, worker};
    struct sp_map_node *n = sp_map_get(&e->by_key, &key);
    return n != NULL ? SP_CONTAINER_OF(n, struct sp_via, key_node) : NULL;
}

struct sp_via *via_new(struct sp_ends *e, enum via_kind kind)
{
    struct sp_via *v = calloc(1, sizeof *v);

    if (v == NULL)
        return NULL;
    v->all = e;
    v->kind = kind;
    v->owner = NO_OWNER;
    v->last_us = sp_ticker_now(e->env.ticker);
    return v;
}

void via_free(struct sp_via *v)
{
    struct sp_ends *e = v->all;

    if (v->key.handle != 0)
        sp_map_del(&e->by_key, &v->key_node);
    if (v->dgram != NULL)
        sp_map_del(&e->by_pair, &v->by_pair);
    sp_list_remove(&v->porter);
    sp_list_remove(&v->owned);
    flow_forget(v);
    free(v);
}

static int enter_by_key(struct sp_via *v, uint64_t handle, unsigned worker)
{
    v->key = (struct via_key){handle, worker};
    int err = sp_map_add(&v->all->by_key, &v->key_node);
    if (err != 0)
        v->key.handle = 0;
    return err;
}

/* A path of this worker's session. */
static int attach_here(struct sp_via *v, const struct sp_rdv_spot *spot, enum sp_rdv_way way)
{
    int err = sp_rdv_path_add(spot->session, spot->end, way, v, sp_ticker_now(v->all->env.ticker),
                              &v->path);

    if (err != 0)
        return err;
    sp_rdv_path_set_remote(v->path, &v->pair.remote);
    sp_list_remove(&v->porter);
    return 0;
}

/* Addresses can be forged faster than their owner says which of them have to go. */
static bool is_crowded(const struct sp_ends *e)
{
    bool crowded = e->by_pair.len > PATHS_MAX * (size_t)e->env.bounds->sessions;

    e->env.hits->sessions += crowded;
    return crowded;
}

static uint64_t sweep_us(const struct sp_ends *e)
{
    return e->config.idle_us / 6;
}

void via_enlist(struct sp_via *v)
{
    struct sp_ends *e = v->all;

    sp_list_remove(&v->porter);
    sp_list_append(&e->porters, &v->porter);
    if (!sp_timer_is_set(&e->sweep))
        (void)sp_timerq_set(&e->env.ticker->timers, &e->sweep,
                            sp_ticker_now(e->env.ticker) + sweep_us(e));
}

/* Another worker's: what comes goes there. */
static int attach_there(struct sp_via *v, unsigned owner)
{
    struct sp_ends *e = v->all;

    if (v->kind == VIA_UDP && is_crowded(e))
        return SP_EFULL;
    int err = enter_by_key(v, ++e->last_handle, e->env.worker);
    if (err != 0)
        return err;
    v->owner = owner;
    via_enlist(v);
    return 0;
}

int via_attach(struct sp_via *v, const struct sp_rdv_spot *spot, enum sp_rdv_way way)
{
    return spot->session != NULL ? attach_here(v, spot, way) : attach_there(v, spot->worker);
}

struct sp_via *via_new_here(struct sp_ends *e, enum via_kind kind, const struct sp_rdv_spot *spot)
{
    struct sp_via *v = via_new(e, kind);

    if (v != NULL && attach_here(v, spot, SP_RDV_TCP) != 0) {
        via_free(v);
        return NULL;
    }
    return v;
}

void via_input(struct sp_via *v, struct sp_span datagram, uint64_t now_us)
{
    if (v->path != NULL) {
        sp_rdv_input(v->path, datagram, now_us);
    } else if (v->owner != NO_OWNER) {
        v->last_us = now_us;
        send_to_owner(v, NOTE_IN, datagram);
    }
}

static void via_send(struct sp_via *v, struct sp_span d, uint64_t now_us)
{
    switch (v->kind) {
    case VIA_TCP:
        sp_msg_stream_send(v->stream, &d, 1, now_us);
        break;
    case VIA_UDP:
        sp_dgram_send(v->dgram, &v->pair.remote, &v->pair.local, &d, 1);
        break;
    case VIA_FLOW:
        sp_flow_send(v->flow, &d, 1, now_us);
        break;
    case VIA_OTHER:
        send_to_porter(v->all, &v->key, NOTE_OUT, d);
        break;
    }
}

/* Ends the transport; nobody is told but the far side. */
static void via_close(struct sp_via *v)
{
    struct sp_ends *e = v->all;
    struct via_key key = v->key;
    enum via_kind kind = v->kind;
    struct sp_msg_stream *stream = v->stream;
    struct sp_flow *flow = v->flow;

    via_free(v);
    if (kind == VIA_OTHER)
        send_to_porter(e, &key, NOTE_CLOSE, (struct sp_span){0});
    if (flow != NULL)
        sp_flow_close(flow, sp_ticker_now(e->env.ticker));
    sp_msg_stream_free(stream);
}

void via_lost(struct sp_via *v)
{
    if (v->path != NULL)
        sp_rdv_path_remove(v->path);
    else if (v->owner != NO_OWNER)
        send_to_owner(v, NOTE_LOST, (struct sp_span){0});
    via_free(v);
}

static void on_sweep(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_ends *e = arg;

    SP_LIST_EACH(&e->porters, link, next)
    {
        struct sp_via *v = SP_LIST_ITEM(link, struct sp_via, porter);
        if (now_us - v->last_us >= e->config.idle_us)
            via_close(v);
    }
    if (!sp_list_empty(&e->porters))
        (void)sp_timerq_set(&e->env.ticker->timers, t, now_us + sweep_us(e));
}

/* --- what the registry wants ---------------------------------------------------------------- */

static void on_send(void *arg, void *via, struct sp_span datagram, uint64_t now_us)
{
    (void)arg;
    via_send(via, datagram, now_us);
}

static void on_close(void *arg, void *via)
{
    (void)arg;
    via_close(via);
}

/* Whoever waits for it looks from the loop: the registry is not called back. */
static void wake(struct sp_ends *e, const uint8_t key[static SP_RDV_KEY_LEN])
{
    newcomers_wake(e, key);
    flows_wake(e, key);
    udp_wake(e, key);
}

static void on_tell_name(void *arg, const uint8_t key[static SP_RDV_KEY_LEN], bool here)
{
    struct sp_ends *e = arg;
    struct note n = {.kind = here ? NOTE_NAME_HERE : NOTE_NAME_GONE};

    memcpy(n.key, key, sizeof n.key);
    note_send_all(e, &n, (struct sp_span){0});
    if (here)
        wake(e, key);
}

static void on_released(void *arg, struct sp_rdv_session *s, unsigned end)
{
    leases_released(arg, s, end);
}

static void on_joined(void *arg, struct sp_rdv_session *s, unsigned end)
{
    leases_joined(arg, s, end);
}

static void on_ended(void *arg)
{
    struct sp_ends *e = arg;

    if (e->drained != NULL && sp_rdv_count(e->registry) == 0)
        e->drained(e->arg);
}

static const struct sp_rdv_effects effects = {
    .send = on_send,
    .close = on_close,
    .tell_name = on_tell_name,
    .joined = on_joined,
    .released = on_released,
    .ended = on_ended,
};

/* --- other workers -------------------------------------------------------------------------- */

/* What another worker passes on belongs to a path here, or begins one. */
static void on_note_in(struct sp_ends *e, unsigned from, const struct note *n,
                       struct sp_span datagram)
{
    struct sp_via *v = via_by_key(e, n->handle, from);
    struct sp_rdv_spot spot;

    if (v == NULL) {
        const struct via_key back = {n->handle, from};
        if (sp_rdv_look_up(e->registry, datagram, &spot) != 0 || spot.session == NULL ||
            (v = via_new(e, VIA_OTHER)) == NULL) {
            send_to_porter(e, &back, NOTE_CLOSE, (struct sp_span){0});
            return;
        }
        v->pair.remote = n->remote;
        if (enter_by_key(v, n->handle, from) != 0 ||
            attach_here(v, &spot, (enum sp_rdv_way)n->way) != 0) {
            via_free(v);
            return;
        }
    }
    via_input(v, datagram, sp_ticker_now(e->env.ticker));
}

void sp_ends_note(struct sp_ends *e, unsigned from, struct sp_span note)
{
    const struct note *n = (const struct note *)(const void *)note.p;
    struct sp_span body = sp_span_skip(note, sizeof *n);
    uint64_t now_us = sp_ticker_now(e->env.ticker);
    struct sp_via *v;

    switch ((enum note_kind)n->kind) {
    case NOTE_NAME_HERE:
    case NOTE_NAME_GONE: /* without memory for it, it is told again */
        (void)sp_rdv_heard_name(e->registry, n->key, from, n->kind == NOTE_NAME_HERE, now_us);
        if (n->kind == NOTE_NAME_HERE)
            wake(e, n->key);
        break;
    case NOTE_IN:
        on_note_in(e, from, n, body);
        break;
    case NOTE_LOST:
        if ((v = via_by_key(e, n->handle, from)) != NULL)
            via_lost(v);
        break;
    case NOTE_OUT:
        if ((v = via_by_key(e, n->handle, e->env.worker)) != NULL && v->owner == from) {
            v->last_us = now_us;
            via_send(v, body, now_us);
        }
        break;
    case NOTE_CLOSE:
        if ((v = via_by_key(e, n->handle, e->env.worker)) != NULL && v->owner == from)
            via_close(v);
        break;
    case NOTE_GATE_HERE:
    case NOTE_GATE_GONE:
    case NOTE_ASK:
    case NOTE_ANSWER:
        gates_note(e, from, n, body);
        break;
    }
}

/* --- candidates ----------------------------------------------------------------------------- */

static struct sp_addr public_form(const struct sp_ends *e, const struct sp_addr *local)
{
    struct sp_addr out = *local;

    for (size_t i = 0; i < e->config.n_relay_ips; i++)
        if (sp_addr_same_ip(&e->config.relay_ips[i].local, local))
            memcpy(out.ip, e->config.relay_ips[i].public_.ip, sizeof out.ip);
    return out;
}

size_t sp_ends_candidates(const struct sp_ends *e, const struct sp_addr *local,
                          struct sp_ends_candidate out[static SP_ENDS_CANDIDATES_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < e->config.n_listen_udp && n < SP_ENDS_CANDIDATES_MAX - 1; i++) {
        const struct sp_addr *bound = &e->config.listen_udp[i];
        struct sp_addr a = *local;
        bool everywhere = sp_addr_is_any(bound);
        /* [::] takes IPv4 as well. */
        if (everywhere ? bound->family < local->family : !sp_addr_same_ip(bound, local))
            continue;
        a.port = bound->port;
        out[n++] = (struct sp_ends_candidate){.tcp = false, .addr = public_form(e, &a)};
    }
    if (e->config.ice_tcp)
        out[n++] = (struct sp_ends_candidate){.tcp = true, .addr = public_form(e, local)};
    return n;
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_ends_new(const struct sp_env *env, const struct sp_ends_config *c,
                void (*drained)(void *arg), void *arg, struct sp_ends **out)
{
    const struct sp_rdv_config rc = {.worker = env->worker,
                                     .idle_us = c->idle_us,
                                     .bounds = env->bounds,
                                     .hits = env->hits,
                                     .tally = &env->commons->sessions,
                                     .shares = &env->commons->session_subjects,
                                     .log = env->log};
    struct sp_ends *e = calloc(1, sizeof *e);

    if (e == NULL)
        return SP_ENOMEM;
    e->env = *env;
    e->config = *c;
    e->drained = drained;
    e->arg = arg;
    sp_list_init(&e->porters);
    sp_list_init(&e->waiting);
    gates_init(e);
    leases_init(e);
    udp_init(e);
    sp_timer_init(&e->sweep, on_sweep, e);
    SP_MAP_INIT(&e->by_key, struct sp_via, key_node, key, env->rng);
    SP_MAP_INIT(&e->by_pair, struct sp_via, by_pair, pair, env->rng);
    sp_env_guests(env, SP_WITHOUT_SESSION, &e->guests);
    if (sp_rdv_new(&rc, &effects, e, &env->ticker->timers, env->rng, &e->registry) != 0) {
        free(e);
        return SP_ENOMEM;
    }
    *out = e;
    return 0;
}

void sp_ends_drain(struct sp_ends *e)
{
    sp_rdv_drain(e->registry);
}

void sp_ends_finish(struct sp_ends *e)
{
    e->drained = NULL;
    sp_rdv_drain(e->registry);
    sp_rdv_end_all(e->registry, "shutdown", sp_ticker_now(e->env.ticker));
    newcomers_free_all(e);
    udp_forget(e);
    /* Also what is for other workers' sessions: they may still send by it, and the sockets close.
     */
    SP_LIST_EACH(&e->porters, link, next)
    via_close(SP_LIST_ITEM(link, struct sp_via, porter));
}

void sp_ends_free(struct sp_ends *e)
{
    if (e == NULL)
        return;
    sp_ends_finish(e);
    sp_guests_fini(&e->guests);
    sp_rdv_free(e->registry, sp_ticker_now(e->env.ticker));
    sp_timerq_cancel(&e->env.ticker->timers, &e->sweep);
    leases_fini(e);
    gates_fini(e);
    sp_map_fini(&e->by_key);
    sp_map_fini(&e->by_pair);
    free(e);
}

struct sp_rdv *sp_ends_registry(struct sp_ends *e)
{
    return e->registry;
}

const struct sp_ends_counters *sp_ends_counters(const struct sp_ends *e)
{
    return &e->counters;
}
