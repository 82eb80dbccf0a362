/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rendezvous.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void on_send(void *arg, void *via, struct sp_span d, uint64_t now_us)
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

static void on_close(void *arg, void *via)
{
    struct transport *to = via;
    (void)arg;
    ck_assert(!to->closed);
    to->closed = true;
}

static void on_tell(void *arg, const uint8_t key[static SP_RDV_KEY_LEN], bool here)
{
    (void)arg;
    memcpy(t.told_key, key, sizeof t.told_key);
    t.told += here;
    t.untold += !here;
}

static void on_released(void *arg, struct sp_rdv_session *s, unsigned end)
{
    (void)arg;
    (void)s;
    t.released[end]++;
}

static const struct sp_rdv_effects effects = {
    .send = on_send, .close = on_close, .tell_name = on_tell, .released = on_released};

static void open_registry(void)
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

static void close_registry(void)
{
    sp_rdv_free(t.r, t.now_us);
    ck_assert_uint_eq(t.tally.n, 0);
    sp_quota_fini(&t.shares);
    sp_timerq_fini(&t.timers);
}

static int create(const char *subject, struct sp_rdv_session **out)
{
    const struct sp_rdv_order order = {.subject = sp_span_str(subject), .ttl_us = TTL_US};
    return sp_rdv_create(t.r, &order, t.now_us, out);
}

static int join(unsigned end, const char *holder, const char *ufrag)
{
    const struct sp_rdv_join j = {.holder = sp_span_str(holder), .ufrag = sp_span_str(ufrag)};
    return sp_rdv_join(t.s, end, &j, t.now_us);
}

/* A session whose ends are registered as AAAA and BBBB. */
static void open_session(void)
{
    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), 0);
}

static void run_to(uint64_t at_us)
{
    uint64_t due_us;

    while ((due_us = sp_timerq_next(&t.timers)) <= at_us) {
        t.now_us = due_us;
        sp_timerq_run(&t.timers, due_us);
    }
    t.now_us = at_us;
}

static struct sp_rdv_view view(void)
{
    struct sp_rdv_view v;
    sp_rdv_view(t.s, t.now_us, &v);
    return v;
}

static const struct sp_rdv_counters *counters(void)
{
    return sp_rdv_counters(t.r);
}

/* --- messages ------------------------------------------------------------------------------- */

static uint8_t buffer[512];

/* A message of ICE; `id` fills the transaction id. */
static struct sp_span stun(enum sp_stun_class cls, uint8_t id, const char *username)
{
    struct sp_stun_builder b;
    uint8_t ids[SP_STUN_ID_LEN];
    size_t len;

    memset(ids, id, sizeof ids);
    sp_stun_begin(&b, buffer, sizeof buffer, SP_STUN_BINDING, cls, ids);
    if (username != NULL)
        sp_stun_put(&b, SP_ATTR_USERNAME, sp_span_str(username));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    return sp_span(buffer, len);
}

static void request(struct sp_rdv_path *p, uint8_t id, const char *username)
{
    sp_rdv_input(p, stun(SP_STUN_REQUEST, id, username), t.now_us);
}

static void success(struct sp_rdv_path *p, uint8_t id)
{
    sp_rdv_input(p, stun(SP_STUN_SUCCESS, id, NULL), t.now_us);
}

static void media(struct sp_rdv_path *p)
{
    static const uint8_t dtls[] = {22, 254, 253, 0};
    sp_rdv_input(p, sp_span(dtls, sizeof dtls), t.now_us);
}

static struct sp_rdv_path *path(unsigned end, struct transport *via)
{
    struct sp_rdv_path *p = NULL;
    *via = (struct transport){0};
    ck_assert_int_eq(sp_rdv_path_add(t.s, end, SP_RDV_TCP, via, t.now_us, &p), 0);
    return p;
}

/* Both ends have a path that is proven. */
static void introduce(struct sp_rdv_path *a, struct sp_rdv_path *b)
{
    request(a, 1, "BBBB:AAAA");
    success(b, 1);
    request(b, 2, "AAAA:BBBB");
    success(a, 2);
    ck_assert(sp_rdv_path_proven(a));
    ck_assert(sp_rdv_path_proven(b));
}

/* --- sessions and ends ---------------------------------------------------------------------- */

START_TEST(an_id_leads_to_its_session)
{
    struct sp_rdv_session *other;

    open_session();
    struct sp_span id = sp_span_str(view().id);
    ck_assert_uint_eq(id.len, SP_RDV_ID_LEN);
    ck_assert_int_eq(sp_rdv_worker_of(id), 0x1a);
    ck_assert_ptr_eq(sp_rdv_find(t.r, id), t.s);
    ck_assert_int_eq(create("app", &other), 0);
    ck_assert_ptr_eq(sp_rdv_find(t.r, id), t.s);
    ck_assert_ptr_null(sp_rdv_find(t.r, sp_span_str("001a")));
    ck_assert_int_eq(sp_rdv_worker_of(sp_span_str("001a")), SP_EINVAL);
    ck_assert_int_eq(sp_rdv_worker_of(sp_span_str("001A00000000000000000000000000000000")),
                     SP_EINVAL);
    ck_assert_uint_eq(sp_rdv_count(t.r), 2);
    ck_assert_ptr_eq(sp_rdv_next(t.r, t.s), other);
    ck_assert_ptr_null(sp_rdv_next(t.r, other));
    sp_rdv_end(other, "asked", t.now_us);
    ck_assert_uint_eq(sp_rdv_count_of(t.r, sp_span_str("app")), 1);
    close_registry();
}
END_TEST

START_TEST(bounds_are_kept_and_counted)
{
    struct sp_rdv_session *s;
    char longer[SP_TOKEN_NAME_MAX + 2];

    open_registry();
    t.bounds.sessions = 3;
    t.bounds.subject_sessions = 2;
    ck_assert_int_eq(create("a", &s), 0);
    ck_assert_int_eq(create("a", &s), 0);
    ck_assert_int_eq(create("a", &s), SP_EFULL);
    ck_assert_uint_eq(t.hits.subject_sessions, 1);
    ck_assert_int_eq(create("b", &s), 0);
    ck_assert_int_eq(create("b", &s), SP_EFULL);
    ck_assert_uint_eq(t.hits.sessions, 1);
    sp_rdv_end(s, "asked", t.now_us);
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    ck_assert_int_eq(create(longer, &s), SP_EINVAL);
    ck_assert_int_eq(create("b", &s), 0);
    close_registry();
}
END_TEST

START_TEST(who_joins_first_holds_the_end)
{
    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    ck_assert_int_eq(join(0, "short", ""), SP_EINVAL);
    ck_assert_int_eq(join(0, HOLDER_A, "AA"), SP_EINVAL);
    ck_assert_int_eq(join(0, HOLDER_A, "AA-A"), SP_EINVAL);
    ck_assert(!view().ends[0].joined);
    ck_assert_int_eq(join(0, HOLDER_A, ""), 0);
    ck_assert(view().ends[0].joined);
    ck_assert_int_eq(join(0, HOLDER_B, ""), SP_EEXIST);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_str_eq(view().ends[0].ufrag, "AAAA");
    ck_assert_int_eq(join(1, HOLDER_B, "AAAA"), SP_EEXIST);
    ck_assert_int_eq(join(0, HOLDER_A, ""), 0); /* which forgets nothing */
    ck_assert_str_eq(view().ends[0].ufrag, "AAAA");
    ck_assert_uint_eq(counters()->joined, 1);
    close_registry();
}
END_TEST

START_TEST(a_password_belongs_to_its_fragment)
{
    struct sp_rdv_join j = {.holder = sp_span_str(HOLDER_A),
                            .ufrag = sp_span_str("AAAA"),
                            .password = sp_span_str("0123456789012345678901")};

    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    ck_assert_int_eq(sp_rdv_join(t.s, 0, &j, t.now_us), 0);
    ck_assert_str_eq(view().ends[0].password, "0123456789012345678901");
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_str_eq(view().ends[0].password, "0123456789012345678901");
    ck_assert_int_eq(join(0, HOLDER_A, "AAA2"), 0);
    ck_assert_str_eq(view().ends[0].password, "");
    j.password.len = SP_RDV_PASSWORD_MIN - 1;
    ck_assert_int_eq(sp_rdv_join(t.s, 0, &j, t.now_us), SP_EINVAL);
    close_registry();
}
END_TEST

START_TEST(nobody_joins_too_late)
{
    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    run_to(T0 + TTL_US - SP_MS(1500));
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    run_to(T0 + TTL_US);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), SP_EEXPIRED);
    ck_assert_int_eq(join(0, HOLDER_A, "AAA2"), 0); /* he was here before */
    ck_assert_uint_eq(sp_rdv_count(t.r), 1);
    run_to(T0 + TTL_US + IDLE_US); /* a lease from when he joined */
    ck_assert_uint_eq(sp_rdv_count(t.r), 0);
    ck_assert_uint_eq(counters()->ended, 1);
    close_registry();
}
END_TEST

START_TEST(a_session_nobody_joins_ends_when_it_expires)
{
    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    run_to(T0 + TTL_US - 1);
    ck_assert_uint_eq(sp_rdv_count(t.r), 1);
    run_to(T0 + TTL_US + SP_SEC(1));
    ck_assert_uint_eq(sp_rdv_count(t.r), 0);
    ck_assert_uint_eq(sp_timerq_next(&t.timers), SP_NEVER); /* nothing to look after */
    close_registry();
}
END_TEST

/* --- names ---------------------------------------------------------------------------------- */

START_TEST(both_fragments_name_the_session_and_the_end)
{
    struct sp_rdv_spot spot;

    open_session();
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "BBBB:AAAA"), &spot), 0);
    ck_assert_ptr_eq(spot.session, t.s);
    ck_assert_uint_eq(spot.end, 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "AAAA:BBBB"), &spot), 0);
    ck_assert_uint_eq(spot.end, 1);
    ck_assert_uint_eq(spot.worker, 0x1a);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "AAAA:CCCC"), &spot), SP_ENOENT);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "AAAABBBB"), &spot), SP_EBADMSG);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, NULL), &spot), SP_EBADMSG);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_SUCCESS, 1, "BBBB:AAAA"), &spot), SP_EBADMSG);
    close_registry();
}
END_TEST

START_TEST(the_last_two_fragments_are_good)
{
    static const struct {
        const char *username;
        int err;
    } rows[] = {
        {"BBBB:AAA3", 0}, {"BBBB:AAA2", 0}, {"BBBB:AAAA", SP_ENOENT}, {"BBB2:AAA3", 0},
        {"AAA3:BBB2", 0}, {"AAA2:BBBB", 0}, {"AAAA:BBB2", SP_ENOENT},
    };
    struct sp_rdv_spot spot;

    open_session();
    ck_assert_int_eq(join(0, HOLDER_A, "AAA2"), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAA3"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "BBB2"), 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(rows); i++)
        ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, rows[i].username), &spot),
                         rows[i].err);
    ck_assert_uint_eq(t.told - t.untold, 8);
    sp_rdv_end(t.s, "asked", t.now_us);
    ck_assert_uint_eq(t.told, t.untold);
    ck_assert(!sp_rdv_has_names(t.r));
    close_registry();
}
END_TEST

START_TEST(another_workers_names_are_forgotten_unless_told_again)
{
    struct sp_rdv_spot spot;
    uint8_t digest[SP_SHA256_LEN];
    struct sp_span name = sp_span_str("FFFF:EEEE");

    open_registry();
    sp_sha256(&name, 1, digest);
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 3, true, t.now_us), 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "FFFF:EEEE"), &spot), 0);
    ck_assert_ptr_null(spot.session);
    ck_assert_uint_eq(spot.worker, 3);
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 4, false, t.now_us), 0); /* not his */
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 4, true, t.now_us), SP_EEXIST);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "FFFF:EEEE"), &spot), 0);
    ck_assert_uint_eq(spot.worker, 3);
    ck_assert(sp_rdv_has_names(t.r));
    run_to(T0 + 2 * SP_RDV_TELL_US);
    ck_assert(sp_rdv_has_names(t.r));
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 3, true, t.now_us), 0);
    run_to(T0 + 4 * SP_RDV_TELL_US);
    ck_assert(sp_rdv_has_names(t.r));
    run_to(T0 + 5 * SP_RDV_TELL_US + SP_SEC(1));
    ck_assert(!sp_rdv_has_names(t.r));
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 3, true, t.now_us), 0);
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 3, false, t.now_us), 0);
    ck_assert(!sp_rdv_has_names(t.r));
    close_registry();
}
END_TEST

START_TEST(names_are_told_again_and_again)
{
    open_session();
    ck_assert_uint_eq(t.told, 2);
    run_to(T0 + SP_RDV_TELL_US + SP_SEC(2));
    ck_assert_uint_ge(t.told, 4);
    close_registry();
}
END_TEST

/* --- paths ---------------------------------------------------------------------------------- */

START_TEST(a_call_begins)
{
    struct transport va, vb;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    request(a, 1, "BBBB:AAAA");
    ck_assert_uint_eq(vb.got, 1); /* unproven, but the only one */
    ck_assert_uint_eq(vb.last_len, 20 + 4 + 12);
    media(a);
    ck_assert_uint_eq(vb.got, 1);
    ck_assert_uint_eq(counters()->refused_unproven, 1);
    success(b, 1);
    ck_assert_uint_eq(va.got, 1);
    ck_assert(sp_rdv_path_proven(a));
    ck_assert(!sp_rdv_path_proven(b));
    ck_assert(!view().connected);
    media(a); /* the other one has nothing proven yet: it waits */
    ck_assert_uint_eq(vb.got, 1);
    request(b, 2, "AAAA:BBBB");
    success(a, 2);
    ck_assert(view().connected);
    ck_assert_uint_eq(vb.got, 3);
    media(b);
    ck_assert_uint_eq(va.got, 3);
    ck_assert_str_eq(view().ends[0].way, "ice-tcp");
    ck_assert_uint_eq(view().ends[0].datagrams_in, 3);
    ck_assert_uint_eq(counters()->forwarded, 6);
    ck_assert_uint_eq(counters()->connected, 1);
    close_registry();
}
END_TEST

START_TEST(a_new_path_gets_nothing_but_its_answers)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    struct sp_rdv_path *x = path(1, &vx); /* somebody who saw the fragments */
    request(a, 3, "BBBB:AAAA");
    media(a);
    ck_assert_uint_eq(vx.got, 0);
    success(x, 3); /* it can't answer for the end */
    ck_assert_uint_eq(va.got, 2);
    ck_assert_uint_eq(counters()->refused_unproven, 1);
    request(x, 4, "AAAA:BBBB");
    ck_assert_uint_eq(va.got, 3);
    sp_rdv_input(a, stun(SP_STUN_ERROR, 4, NULL), t.now_us); /* a wrong MESSAGE-INTEGRITY */
    ck_assert_uint_eq(vx.got, 1);
    ck_assert(!sp_rdv_path_proven(x));
    media(a);
    ck_assert_uint_eq(vx.got, 1);
    request(x, 5, "AAAA:BBBB");
    success(a, 5); /* it was the browser itself, from another network */
    ck_assert(sp_rdv_path_proven(x));
    media(a);
    ck_assert_uint_eq(vx.got, 3);
    media(b); /* it uses the old one again */
    media(a);
    ck_assert_uint_eq(vx.got, 3);
    close_registry();
}
END_TEST

START_TEST(strangers_at_both_ends_prove_nothing)
{
    struct transport va, vb, vx, vy;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    struct sp_rdv_path *x = path(0, &vx), *y = path(1, &vy);
    request(x, 7, "BBBB:AAAA");
    success(y, 7);
    ck_assert(!sp_rdv_path_proven(x));
    ck_assert_uint_eq(vx.got, 0);
    close_registry();
}
END_TEST

START_TEST(a_request_that_was_overheard_proves_nobody)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    struct sp_rdv_path *x = path(0, &vx);
    request(x, 1, "BBBB:AAAA");
    ck_assert_uint_eq(counters()->refused_replayed, 1);
    success(b, 1); /* to whom it was */
    ck_assert_uint_eq(vx.got, 0);
    request(a, 1, "BBBB:AAAA"); /* repeating is nothing else */
    ck_assert_uint_eq(counters()->refused_replayed, 1);
    close_registry();
}
END_TEST

/* Or its consent would run out. */
START_TEST(a_stranger_makes_nobody_forget_what_was_asked)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    request(a, 3, "BBBB:AAAA");
    struct sp_rdv_path *x = path(0, &vx);
    for (unsigned i = 0; i < 100; i++)
        request(x, (uint8_t)(100 + i), "BBBB:AAAA");
    unsigned before = va.got;
    success(b, 3);
    ck_assert_uint_eq(va.got, before + 1);
    request(x, 3, "BBBB:AAAA");
    ck_assert_uint_eq(counters()->refused_replayed, 1);
    close_registry();
}
END_TEST

START_TEST(who_may_be_forged_gets_little)
{
    struct transport va, vx[2], vt;
    struct sp_rdv_path *x[2], *a;

    open_session();
    a = path(0, &va);
    path(1, &vt); /* a connection can't be */
    for (unsigned i = 0; i < 2; i++) {
        vx[i] = (struct transport){0};
        ck_assert_int_eq(sp_rdv_path_add(t.s, 1, SP_RDV_UDP, &vx[i], t.now_us, &x[i]), 0);
        request(x[i], (uint8_t)(200 + i), "AAAA:BBBB");
    }
    for (unsigned i = 0; i < 10; i++)
        request(a, (uint8_t)(10 + i), "BBBB:AAAA");
    ck_assert_uint_eq(vx[0].got, 3);
    ck_assert_uint_eq(vx[1].got, 3);
    ck_assert_uint_eq(vt.got, 10);
    ck_assert_uint_eq(counters()->refused_no_path, 14);
    success(x[0], 10);
    success(a, 200); /* it is no stranger */
    for (unsigned i = 0; i < 10; i++)
        media(a);
    ck_assert_uint_eq(vx[0].got, 3 + 1 + 10);
    close_registry();
}
END_TEST

START_TEST(fragments_of_another_session)
{
    struct sp_rdv_session *first;

    open_session();
    first = t.s;
    ck_assert_int_eq(create("app", &t.s), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), SP_EEXIST);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), SP_EEXIST); /* it is not better by then */
    sp_rdv_end(first, "asked", t.now_us);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), 0);
    struct sp_rdv_spot spot;
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "AAAA:BBBB"), &spot), 0);
    ck_assert_ptr_eq(spot.session, t.s);
    close_registry();
}
END_TEST

START_TEST(what_is_refused)
{
    struct transport va, vb;
    struct sp_stun_builder b;
    size_t len;
    uint8_t id[SP_STUN_ID_LEN] = {9};

    open_session();
    struct sp_rdv_path *pa = path(0, &va), *pb = path(1, &vb);
    introduce(pa, pb);
    unsigned before = vb.got;
    request(pa, 3, "BBBB:XXXX");
    request(pa, 3, NULL);
    ck_assert_uint_eq(counters()->refused_unknown, 2);
    success(pa, 200);
    ck_assert_uint_eq(counters()->refused_unasked, 1);
    sp_rdv_input(pa, sp_span(stun(SP_STUN_REQUEST, 1, "BBBB:AAAA").p, 24), t.now_us);
    sp_stun_begin(&b, buffer, sizeof buffer, SP_TURN_ALLOCATE, SP_STUN_REQUEST, id);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    sp_rdv_input(pa, sp_span(buffer, len), t.now_us);
    ck_assert_uint_eq(counters()->refused_malformed, 2);
    ck_assert_uint_eq(vb.got, before);
    sp_rdv_input(pa, stun(SP_STUN_INDICATION, 1, NULL), t.now_us); /* a keep-alive */
    ck_assert_uint_eq(vb.got, before + 1);
    close_registry();
}
END_TEST

START_TEST(paths_have_a_bound)
{
    struct transport via[SP_RDV_UNPROVEN_MAX + 1], va, vb, more[SP_RDV_PROVEN_MAX];

    open_session();
    for (size_t i = 0; i < SP_ARRAY_LEN(via); i++) {
        t.now_us++;
        path(0, &via[i]);
    }
    ck_assert(via[0].closed);
    ck_assert(!via[1].closed);
    ck_assert_uint_eq(counters()->paths_pushed_out, 1);
    ck_assert_uint_eq(view().ends[0].unproven, SP_RDV_UNPROVEN_MAX);
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    for (size_t i = 0; i < SP_ARRAY_LEN(more); i++) {
        t.now_us++;
        request(path(1, &more[i]), (uint8_t)(20 + i), "AAAA:BBBB");
        success(a, (uint8_t)(20 + i));
    }
    ck_assert(vb.closed);
    ck_assert(!more[0].closed);
    ck_assert_uint_eq(view().ends[1].paths, SP_RDV_PROVEN_MAX);
    close_registry();
}
END_TEST

START_TEST(a_path_has_to_prove_itself_in_time)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    path(0, &vx);
    run_to(T0 + SP_SEC(9));
    ck_assert(!vx.closed);
    run_to(T0 + SP_SEC(11));
    ck_assert(vx.closed);
    ck_assert(!va.closed);
    ck_assert_uint_eq(counters()->paths_never_proven, 1);
    close_registry();
}
END_TEST

START_TEST(the_sending_path_ends)
{
    struct transport va, va2, vb;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb), *a2 = path(0, &va2);
    introduce(a, b);
    request(a2, 8, "BBBB:AAAA");
    success(b, 8);
    sp_rdv_path_remove(a2);
    unsigned before = va.got;
    media(b);
    ck_assert_uint_eq(va.got, before + 1);
    sp_rdv_path_remove(a);
    for (unsigned i = 0; i < 20; i++) /* the last wait for a while, and then are worth nothing */
        media(b);
    a = path(0, &va);
    t.now_us += SP_SEC(1);
    request(a, 9, "BBBB:AAAA");
    success(b, 9);
    ck_assert_uint_eq(va.got, 1);
    close_registry();
}
END_TEST

/* --- early ---------------------------------------------------------------------------------- */

START_TEST(a_check_is_answered_early_and_passed_on)
{
    static const char password[] = "0123456789012345678901";
    const struct sp_rdv_order order = {
        .subject = sp_span_str("app"), .ttl_us = TTL_US, .early = true};
    const struct sp_rdv_join b_joins = {.holder = sp_span_str(HOLDER_B),
                                        .ufrag = sp_span_str("BBBB"),
                                        .password = sp_span_str(password)};
    const struct sp_addr from = sp_addr_v4(192, 0, 2, 9, 1234);
    struct transport va, vb;
    struct sp_stun_builder sb;
    uint8_t id[SP_STUN_ID_LEN] = {1}, check[128];
    size_t len;

    open_registry();
    ck_assert_int_eq(sp_rdv_create(t.r, &order, t.now_us, &t.s), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_int_eq(sp_rdv_join(t.s, 1, &b_joins, t.now_us), 0);
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    sp_rdv_path_set_remote(a, &from);
    sp_rdv_path_set_remote(b, &from);
    sp_stun_begin(&sb, check, sizeof check, SP_STUN_BINDING, SP_STUN_REQUEST, id);
    sp_stun_put(&sb, SP_ATTR_USERNAME, sp_span_str("BBBB:AAAA"));
    sp_stun_put_integrity(&sb, sp_span_str(password));
    ck_assert_int_eq(sp_stun_end(&sb, &len), 0);
    sp_rdv_input(a, sp_span(check, len), t.now_us);
    ck_assert_uint_eq(va.got, 1);
    ck_assert_uint_eq(vb.got, 1);
    ck_assert(!sp_rdv_path_proven(a)); /* that is for the far end to do */
    sp_stun_begin(&sb, check, sizeof check, SP_STUN_BINDING, SP_STUN_SUCCESS, id);
    ck_assert_int_eq(sp_stun_end(&sb, &len), 0);
    sp_rdv_input(b, sp_span(check, len), t.now_us);
    ck_assert(sp_rdv_path_proven(a));
    ck_assert_uint_eq(va.got, 1);
    ck_assert_uint_eq(counters()->early, 1);
    request(b, 2, "AAAA:BBBB"); /* whose far end told no password */
    ck_assert_uint_eq(vb.got, 1);
    ck_assert_uint_eq(va.got, 2);
    close_registry();
}
END_TEST

/* --- leases --------------------------------------------------------------------------------- */

START_TEST(an_end_lives_while_something_comes)
{
    struct transport va, vb;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    for (uint64_t at_us = T0; at_us < T0 + TTL_US + 2 * IDLE_US; at_us += SP_SEC(5)) {
        run_to(at_us);
        media(a);
        if (at_us < T0 + TTL_US)
            media(b);
    }
    ck_assert_uint_eq(t.released[1], 1);
    ck_assert(vb.closed);
    ck_assert_uint_eq(t.released[0], 0);
    ck_assert(!va.closed);
    ck_assert(view().ends[0].joined);
    ck_assert(!view().ends[1].joined);
    ck_assert_int_eq(join(1, HOLDER_A, "BBB2"), SP_EEXIST); /* it has its holder still */
    ck_assert_int_eq(join(1, HOLDER_B, "BBB2"), 0);
    b = path(1, &vb);
    request(b, 9, "AAAA:BBB2");
    success(a, 9);
    ck_assert(sp_rdv_path_proven(b));
    run_to(t.now_us + IDLE_US + SP_SEC(1));
    ck_assert_uint_eq(sp_rdv_count(t.r), 0);
    close_registry();
}
END_TEST

/* Who only knows the fragments keeps nothing alive. */
START_TEST(a_stranger_keeps_no_lease)
{
    struct transport vx[16];
    size_t n = 0;

    open_session();
    for (uint64_t at_us = T0; at_us < T0 + TTL_US + SP_SEC(1); at_us += SP_SEC(1)) {
        run_to(at_us);
        if (sp_rdv_count(t.r) > 0 && at_us % SP_SEC(8) == 0) {
            n++;
            request(path(0, &vx[n]), (uint8_t)n, "BBBB:AAAA");
        }
    }
    run_to(T0 + TTL_US + SP_SEC(1));
    ck_assert_uint_eq(sp_rdv_count(t.r), 0);
    close_registry();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rendezvous");
    TCase *tc = tcase_create("rendezvous");

    tcase_add_test(tc, an_id_leads_to_its_session);
    tcase_add_test(tc, bounds_are_kept_and_counted);
    tcase_add_test(tc, who_joins_first_holds_the_end);
    tcase_add_test(tc, a_password_belongs_to_its_fragment);
    tcase_add_test(tc, nobody_joins_too_late);
    tcase_add_test(tc, a_session_nobody_joins_ends_when_it_expires);
    tcase_add_test(tc, both_fragments_name_the_session_and_the_end);
    tcase_add_test(tc, the_last_two_fragments_are_good);
    tcase_add_test(tc, another_workers_names_are_forgotten_unless_told_again);
    tcase_add_test(tc, names_are_told_again_and_again);
    tcase_add_test(tc, a_call_begins);
    tcase_add_test(tc, a_new_path_gets_nothing_but_its_answers);
    tcase_add_test(tc, strangers_at_both_ends_prove_nothing);
    tcase_add_test(tc, a_request_that_was_overheard_proves_nobody);
    tcase_add_test(tc, a_stranger_makes_nobody_forget_what_was_asked);
    tcase_add_test(tc, who_may_be_forged_gets_little);
    tcase_add_test(tc, fragments_of_another_session);
    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, paths_have_a_bound);
    tcase_add_test(tc, a_path_has_to_prove_itself_in_time);
    tcase_add_test(tc, the_sending_path_ends);
    tcase_add_test(tc, a_check_is_answered_early_and_passed_on);
    tcase_add_test(tc, an_end_lives_while_something_comes);
    tcase_add_test(tc, a_stranger_keeps_no_lease);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
