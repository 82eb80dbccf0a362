/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TURN engine on a bench: an owner that opens make-believe relays and keeps what the engine
 * emits, and clients that make and sign requests. Time stands still until a test moves it.
 * Allocates nothing of its own, so that every allocation that fails is the engine's. Knows no
 * Check: what can't go wrong in a test is asserted.
 */
#ifndef TESTS_TURN_RIG_H
#define TESTS_TURN_RIG_H

#include "peer_policy.h"
#include "require.h"
#include "sallyport/err.h"
#include "turn.h"
#include "turn_auth.h"

#define RIG_SECOND  UINT64_C(1000000)
#define RIG_UNIX    UINT64_C(1700000000)
#define RIG_REALM   "example.org"
#define RIG_OUTS    512
#define RIG_RELAYS  256
#define RIG_MSG_MAX 2048

/* One datagram that left, head, body and padding in one piece (cut at RIG_MSG_MAX). */
struct rig_out {
    bool to_client, dont_fragment;
    struct sp_turn_path client;
    void *relay;
    struct sp_addr peer;
    const uint8_t *body; /* where the engine said it was */
    uint8_t msg[RIG_MSG_MAX];
    size_t len; /* all of it, also what was cut */
};

struct rig_relay {
    bool open, reserved;
    struct sp_addr local, public_;
    struct sp_turn_alloc *alloc;
};

struct rig {
    struct sp_turn *turn;
    struct sp_turn_auth *auth;
    struct sp_peer_policy *policy;
    struct sp_timerq timers;
    struct sp_rng_seeded rng;
    uint64_t now_us, unix_s;
    /* What relays are like. */
    bool virtual_, no_v6, no_ports;
    bool busy; /* more comes than can be carried */
    uint16_t next_port;
    struct sp_addr local4, public4, local6, public6;
    struct rig_relay relays[RIG_RELAYS];
    /* What the engine did. */
    struct rig_out out[RIG_OUTS];
    size_t n_out, n_emits, largest_emit;
    unsigned begun, ended[SP_TURN_END_SHUTDOWN + 1], reservations_ended;
};

/* --- the owner ---------------------------------------------------------------------------- */

static inline void rig_emit(void *arg, const struct sp_turn_out *out, size_t n)
{
    struct rig *rig = arg;

    rig->n_emits++;
    if (n > rig->largest_emit)
        rig->largest_emit = n;
    REQUIRE(n > 0 && n <= SP_TURN_BATCH);
    for (size_t i = 0; i < n && rig->n_out < RIG_OUTS; i++) {
        const struct sp_turn_out *o = &out[i];
        struct rig_out *r = &rig->out[rig->n_out++];
        size_t room = RIG_MSG_MAX - o->head_len - 3;
        size_t copy = o->body.len < room ? o->body.len : room;

        REQUIRE(o->head_len <= SP_TURN_HEAD_MAX && o->pad_len <= 3);
        REQUIRE((o->client != NULL) != (o->relay != NULL));
        r->to_client = o->client != NULL;
        if (o->client != NULL)
            r->client = *o->client;
        r->relay = o->relay;
        if (o->relay != NULL) {
            REQUIRE(((struct rig_relay *)o->relay)->open);
            REQUIRE(o->head_len == 0 && o->pad_len == 0);
            r->peer = o->peer;
        }
        r->dont_fragment = o->dont_fragment;
        r->body = o->body.p;
        memcpy(r->msg, o->head, o->head_len);
        if (copy > 0)
            memcpy(r->msg + o->head_len, o->body.p, copy);
        memset(r->msg + o->head_len + copy, 0, o->pad_len);
        r->len = o->head_len + o->body.len + o->pad_len;
    }
}

static inline struct rig_relay *rig_relay_at(struct rig *rig, const struct sp_addr *local)
{
    for (size_t i = 0; i < RIG_RELAYS; i++) {
        struct rig_relay *r = &rig->relays[i];

        if ((r->open || r->reserved) && sp_addr_eq(&r->local, local))
            return r;
    }
    return NULL;
}

static inline struct rig_relay *rig_relay_take(struct rig *rig, uint16_t family, uint16_t port)
{
    for (size_t i = 0; i < RIG_RELAYS; i++) {
        struct rig_relay *r = &rig->relays[i];

        if (r->open || r->reserved)
            continue;
        *r = (struct rig_relay){
            .local = family == SP_IPV4 ? rig->local4 : rig->local6,
            .public_ = family == SP_IPV4 ? rig->public4 : rig->public6,
        };
        r->local.port = r->public_.port = port;
        return r;
    }
    return NULL;
}

static inline int rig_relay_open(void *arg, const struct sp_turn_relay_request *want,
                                 struct sp_turn_alloc *alloc, struct sp_turn_relay *out)
{
    struct rig *rig = arg;
    struct rig_relay *r;

    REQUIRE(want->family == SP_IPV4 || want->family == SP_IPV6);
    if (want->family == SP_IPV6 && rig->no_v6)
        return SP_EINVAL;
    if (rig->no_ports)
        return SP_EFULL;
    if (want->port != 0) {
        REQUIRE(want->reserved.port == want->port && want->reserved.family == want->family);
        r = rig_relay_at(rig, &want->reserved);
        REQUIRE(r != NULL && r->reserved && !r->open);
        r->reserved = false;
    } else {
        if (want->even_port)
            rig->next_port = (uint16_t)(rig->next_port + (rig->next_port & 1));
        r = rig_relay_take(rig, want->family, rig->next_port++);
        if (r == NULL)
            return SP_EFULL;
    }
    r->open = true;
    r->alloc = alloc;
    if (want->reserve) {
        struct rig_relay *next = rig_relay_take(rig, want->family, rig->next_port++);

        REQUIRE(next != NULL);
        next->reserved = true;
    }
    *out = (struct sp_turn_relay){
        .relay = rig->virtual_ ? NULL : r,
        .local = r->local,
        .public_ = r->public_,
    };
    return 0;
}

static inline void rig_relay_close(void *arg, const struct sp_turn_relay *relay)
{
    struct rig_relay *r = rig_relay_at(arg, &relay->local);

    REQUIRE(r != NULL && r->open && (relay->relay == NULL || relay->relay == r));
    r->open = false;
}

static inline void rig_reservation_end(void *arg, const struct sp_addr *local)
{
    struct rig *rig = arg;
    struct rig_relay *r = rig_relay_at(rig, local);

    REQUIRE(r != NULL && r->reserved);
    r->reserved = false;
    rig->reservations_ended++;
}

static inline void rig_alloc_begin(void *arg, struct sp_turn_alloc *alloc)
{
    struct rig *rig = arg;

    REQUIRE(sp_turn_path_has_alloc(rig->turn, sp_turn_alloc_path(alloc)));
    rig->begun++;
}

static inline void rig_alloc_end(void *arg, const struct sp_turn_alloc *alloc, enum sp_turn_end why)
{
    struct rig *rig = arg;

    REQUIRE(sp_turn_alloc_relay(alloc, SP_IPV4) || sp_turn_alloc_relay(alloc, SP_IPV6));
    rig->ended[why]++;
}

static inline unsigned rig_ended(const struct rig *rig)
{
    unsigned n = 0;

    for (size_t i = 0; i <= SP_TURN_END_SHUTDOWN; i++)
        n += rig->ended[i];
    return n;
}

static inline size_t rig_open_relays(const struct rig *rig)
{
    size_t n = 0;

    for (size_t i = 0; i < RIG_RELAYS; i++)
        n += rig->relays[i].open || rig->relays[i].reserved;
    return n;
}

/* What comes in goes out or is dropped and counted; and who begins ends. */
static inline void rig_check(const struct rig *rig)
{
    const struct sp_turn_counters *c = sp_turn_counters(rig->turn);

    REQUIRE(c->from_client_datagrams + c->from_peer_datagrams + c->from_other_datagrams ==
            c->to_client_datagrams + c->to_peer_datagrams + c->handed_over_datagrams +
                c->dropped_no_permission + c->dropped_no_allocation + c->dropped_no_channel +
                c->dropped_denied_peer + c->dropped_virtual + c->dropped_too_big);
    REQUIRE(c->hairpin_datagrams <= c->to_client_datagrams);
    REQUIRE(c->from_client_bytes + c->from_peer_bytes >= c->to_client_bytes + c->to_peer_bytes);
    REQUIRE(rig->begun - rig_ended(rig) == sp_turn_alloc_count(rig->turn));
    REQUIRE(rig->begun == c->allocations);
    REQUIRE(rig_open_relays(rig) >= sp_turn_alloc_count(rig->turn));
}

static inline bool rig_busy(void *arg)
{
    const struct rig *r = arg;
    return r->busy;
}

static const struct sp_turn_effects rig_effects = {
    .busy = rig_busy,
    .emit = rig_emit,
    .relay_open = rig_relay_open,
    .relay_close = rig_relay_close,
    .reservation_end = rig_reservation_end,
    .alloc_begin = rig_alloc_begin,
    .alloc_end = rig_alloc_end,
};

static inline struct sp_addr rig_addr(const char *text)
{
    struct sp_addr a;

    REQUIRE(sp_addr_parse(text, &a) == 0 || sp_addr_parse_ip(text, &a) == 0);
    return a;
}

static inline void rig_allow(struct rig *rig, const char *cidr)
{
    struct sp_cidr c;

    REQUIRE(sp_cidr_parse(cidr, &c) == 0 && sp_peer_policy_allow(rig->policy, &c) == 0);
}

/* All that an engine needs but the engine: users alice and bob, one secret, relays behind a NAT. */
static inline void rig_init(struct rig *rig)
{
    static const char *const users[] = {"alice:wonder", "bob:builder"};
    const struct sp_span secret = sp_span_str("north");

    memset(rig, 0, sizeof *rig);
    rig->now_us = 1000 * RIG_SECOND;
    rig->unix_s = RIG_UNIX;
    rig->next_port = 50001;
    rig->local4 = rig_addr("10.1.1.1");
    rig->public4 = rig_addr("198.51.100.1");
    rig->local6 = rig->public6 = rig_addr("2001:db8::1");
    sp_timerq_init(&rig->timers);
    sp_rng_seeded_init(&rig->rng, 7);
    REQUIRE(sp_turn_auth_new(RIG_REALM, &rig->rng.rng, &rig->auth) == 0);
    REQUIRE(sp_turn_auth_set_users(rig->auth, users, 2) == 0);
    REQUIRE(sp_turn_auth_set_secrets(rig->auth, &secret, 1) == 0);
    REQUIRE(sp_peer_policy_new(&rig->policy) == 0);
    rig_allow(rig, "192.0.2.0/24");
    rig_allow(rig, "2001:db8:2::/48");
}

/* `config` NULL: the default. An error is the engine's. */
static inline int rig_start(struct rig *rig, const struct sp_turn_config *config)
{
    struct sp_turn_config def;

    sp_turn_config_default(&def);

    int err = sp_turn_new(config ? config : &def, rig->auth, rig->policy, &rig->timers,
                          &rig->rng.rng, &rig->turn);

    if (err != 0)
        return err;
    sp_turn_set_effects(rig->turn, &rig_effects, rig);
    err = sp_turn_add_relay_ip(rig->turn, &rig->local4, &rig->public4);
    return err != 0 ? err : sp_turn_add_relay_ip(rig->turn, &rig->local6, &rig->public6);
}

static inline void rig_open(struct rig *rig, const struct sp_turn_config *config)
{
    rig_init(rig);
    REQUIRE(rig_start(rig, config) == 0);
}

static inline void rig_close(struct rig *rig)
{
    if (rig->turn != NULL)
        rig_check(rig);
    sp_turn_free(rig->turn);
    REQUIRE(rig->begun == rig_ended(rig) && rig_open_relays(rig) == 0);
    REQUIRE(rig->timers.len == 0);
    sp_turn_auth_free(rig->auth);
    sp_peer_policy_free(rig->policy);
    sp_timerq_fini(&rig->timers);
}

static inline void rig_advance(struct rig *rig, uint64_t seconds)
{
    rig->now_us += seconds * RIG_SECOND;
    rig->unix_s += seconds;
    sp_timerq_run(&rig->timers, rig->now_us);
}

static inline void rig_from_peer(struct rig *rig, void *relay, const char *from, const void *p,
                                 size_t len)
{
    const struct rig_relay *r = relay;
    struct sp_turn_peer_dgram d = {rig_addr(from), sp_span(p, len)};

    rig->n_out = 0;
    sp_turn_from_peer(rig->turn, r->alloc, &r->local, &d, 1, rig->now_us);
    rig_check(rig);
}

#endif
