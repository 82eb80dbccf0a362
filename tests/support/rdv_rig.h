/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A registry of rendezvous sessions on a bench: paths that remember what they were given, time that
 * stands still until it is told to pass, and the messages that ends send each other.
 */
#ifndef TESTS_RDV_RIG_H
#define TESTS_RDV_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rendezvous.h"
#include "sallyport/clock.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/stun.h"
#include "sallyport/stun_auth.h"

#define T0       SP_SEC(1000)
#define TTL_US   SP_SEC(60)
#define IDLE_US  SP_SEC(30)
#define HOLDER_A "holder-of-the-end-a"
#define HOLDER_B "holder-of-the-end-b"

/* What a path's transport was given, and whether it was closed. */
struct transport {
    unsigned got;
    uint8_t last[512];
    size_t last_len;
    bool closed;
};

static struct {
    struct sp_rng_seeded rng;
    struct sp_timerq timers;
    struct sp_bounds bounds;
    struct sp_bound_hits hits;
    struct sp_log log;
    struct sp_tally tally;
    struct sp_quota shares;
    struct sp_rdv_config config;
    struct sp_rdv *r;
    struct sp_rdv_session *s;
    uint64_t now_us;
    unsigned released[2], told, untold;
    uint8_t told_key[SP_RDV_KEY_LEN];
} t;

static inline void on_send(void *arg, void *via, struct sp_span d, uint64_t now_us)
{
    struct transport *to = via;
    (void)arg;
    (void)now_us;
    ck_assert(!to->closed);
    ck_assert_uint_le(d.len, sizeof to->last);
    to->got++;
    memcpy(to->last, d.p, d.len);
    to->last_len = d.len;
}

static inline void on_close(void *arg, void *via)
{
    struct transport *to = via;
    (void)arg;
    ck_assert(!to->closed);
    to->closed = true;
}

static inline void on_tell(void *arg, const uint8_t key[static SP_RDV_KEY_LEN], bool here)
{
    (void)arg;
    memcpy(t.told_key, key, sizeof t.told_key);
    t.told += here;
    t.untold += !here;
}

static inline void on_released(void *arg, struct sp_rdv_session *s, unsigned end)
{
    (void)arg;
    (void)s;
    t.released[end]++;
}

static const struct sp_rdv_effects effects = {
    .send = on_send, .close = on_close, .tell_name = on_tell, .released = on_released};

static inline void open_registry(void)
{
    memset(&t, 0, sizeof t);
    sp_rng_seeded_init(&t.rng, 7);
    sp_timerq_init(&t.timers);
    sp_quota_init(&t.shares, &t.rng.rng);
    sp_bounds_default(&t.bounds);
    t.config = (struct sp_rdv_config){.worker = 0x1a,
                                      .idle_us = IDLE_US,
                                      .bounds = &t.bounds,
                                      .hits = &t.hits,
                                      .log = &t.log,
                                      .tally = &t.tally,
                                      .shares = &t.shares};
    t.log.level = SP_LOG_ERROR;
    t.now_us = T0;
    ck_assert_int_eq(sp_rdv_new(&t.config, &effects, NULL, &t.timers, &t.rng.rng, &t.r), 0);
}

static inline void close_registry(void)
{
    sp_rdv_free(t.r, t.now_us);
    ck_assert_uint_eq(t.tally.n, 0);
    sp_quota_fini(&t.shares);
    sp_timerq_fini(&t.timers);
}

static inline int create(const char *subject, struct sp_rdv_session **out)
{
    const struct sp_rdv_order order = {.subject = sp_span_str(subject), .ttl_us = TTL_US};
    return sp_rdv_create(t.r, &order, t.now_us, out);
}

static inline int join(unsigned end, const char *holder, const char *ufrag)
{
    const struct sp_rdv_join j = {.holder = sp_span_str(holder), .ufrag = sp_span_str(ufrag)};
    return sp_rdv_join(t.s, end, &j, t.now_us);
}

/* A session whose ends are registered as AAAA and BBBB. */
static inline void open_session(void)
{
    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), 0);
}

static inline void run_to(uint64_t at_us)
{
    uint64_t due_us;

    while ((due_us = sp_timerq_next(&t.timers)) <= at_us) {
        t.now_us = due_us;
        sp_timerq_run(&t.timers, due_us);
    }
    t.now_us = at_us;
}

static inline struct sp_rdv_view view(void)
{
    struct sp_rdv_view v;
    sp_rdv_view(t.s, t.now_us, &v);
    return v;
}

static inline const struct sp_rdv_counters *counters(void)
{
    return sp_rdv_counters(t.r);
}

/* --- messages ------------------------------------------------------------------------------- */

static uint8_t buffer[512];

/* A message of ICE; the transaction id consists of `id`. */
static inline struct sp_span stun(enum sp_stun_class cls, uint32_t id, const char *username)
{
    struct sp_stun_builder b;
    uint8_t ids[SP_STUN_ID_LEN];
    size_t len;

    memset(ids, (int)(id & 0xFF), sizeof ids);
    sp_put_be32(ids, id);
    sp_stun_begin(&b, buffer, sizeof buffer, SP_STUN_BINDING, cls, ids);
    if (username != NULL)
        sp_stun_put(&b, SP_ATTR_USERNAME, sp_span_str(username));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    return sp_span(buffer, len);
}

static inline void request(struct sp_rdv_path *p, uint32_t id, const char *username)
{
    sp_rdv_input(p, stun(SP_STUN_REQUEST, id, username), t.now_us);
}

static inline void success(struct sp_rdv_path *p, uint32_t id)
{
    sp_rdv_input(p, stun(SP_STUN_SUCCESS, id, NULL), t.now_us);
}

static inline void media(struct sp_rdv_path *p)
{
    static const uint8_t dtls[] = {22, 254, 253, 0};
    sp_rdv_input(p, sp_span(dtls, sizeof dtls), t.now_us);
}

static inline struct sp_rdv_path *path(unsigned end, struct transport *via)
{
    struct sp_rdv_path *p = NULL;
    *via = (struct transport){0};
    ck_assert_int_eq(sp_rdv_path_add(t.s, end, SP_RDV_TCP, via, t.now_us, &p), 0);
    return p;
}

/* Both ends have a path that is proven. */
static inline void introduce(struct sp_rdv_path *a, struct sp_rdv_path *b)
{
    request(a, 1, "BBBB:AAAA");
    success(b, 1);
    request(b, 2, "AAAA:BBBB");
    success(a, 2);
    ck_assert(sp_rdv_path_proven(a));
    ck_assert(sp_rdv_path_proven(b));
}

#endif
