/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine as its owner sees it: batches, ends, memory that runs out. */
#include "turn.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "turn_client.h"

static struct rig rig;
static struct rig_client a, b;

static void setup(void)
{
    rig_open(&rig, NULL);
    rig_client_init(&a, &rig, SP_TURN_UDP, 5000);
    rig_client_init(&b, &rig, SP_TURN_FLOW, 1);
}

static void teardown(void)
{
    rig_close(&rig);
}

/* --- batches ------------------------------------------------------------------------------ */

START_TEST(batches_go_out_together)
{
    static uint8_t msgs[300][6];
    struct sp_span spans[300];

    ck_assert_int_eq(rig_make(&a), 0);
    ck_assert_int_eq(rig_bind(&a, 0x4000, "8.8.8.8:53"), 0);
    for (size_t i = 0; i < 300; i++) {
        sp_chandata_header(msgs[i], 0x4000, 2);
        sp_put_be16(msgs[i] + 4, (uint16_t)i);
        spans[i] = sp_span(msgs[i], 6);
    }
    rig.n_emits = rig.largest_emit = 0;
    rig_msgs(&a, spans, 300);
    ck_assert_uint_eq(rig.n_out, 300);
    ck_assert_uint_eq(rig.n_emits, (300 + SP_TURN_BATCH - 1) / SP_TURN_BATCH);
    ck_assert_uint_eq(rig.largest_emit, SP_TURN_BATCH);
    for (size_t i = 0; i < 300; i++)
        ck_assert_uint_eq(sp_get_be16(rig.out[i].msg), i);
}
END_TEST

START_TEST(no_batch_no_emit)
{
    rig.n_emits = 0;
    rig_msgs(&a, NULL, 0);
    rig_msg(&a, "garbage", 7);
    ck_assert_uint_eq(rig.n_emits, 0);
}
END_TEST

/* Requests and data in one batch: each sees what those before it have done. */
START_TEST(a_batch_of_all_kinds)
{
    static uint8_t bytes[5][512];
    struct sp_span msgs[5];

    ck_assert(rig_hello(&a));
    rig_allocate(&a);
    for (int i = 0; i < 5; i++) {
        struct sp_addr peer = rig_addr("8.8.8.8:53");

        if (i == 1 || i == 2) { /* data before its channel, and after it */
            rig_begin(&a, SP_TURN_CHANNEL_BIND);
            sp_stun_put_u32(&a.b, SP_ATTR_CHANNEL_NUMBER, 0x40000000);
            sp_stun_put_xor_addr(&a.b, SP_ATTR_XOR_PEER_ADDRESS, &peer);
        }
        if (i == 4) {
            rig_begin(&a, SP_TURN_REFRESH);
            sp_stun_put_u32(&a.b, SP_ATTR_LIFETIME, 0);
        }
        if (i == 3) {
            msgs[i] = sp_span("\x40\x00\x00\x02hi", 6);
            continue;
        }
        size_t len = rig_end(&a);

        memcpy(bytes[i], a.msg, len);
        msgs[i] = sp_span(bytes[i], len);
    }
    rig_msgs(&a, msgs, 5);
    ck_assert_uint_eq(rig.n_out, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(rig.out[i].to_client, i != 3);
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 0);
    ck_assert_int_eq(rig_code(&a), 0);
}
END_TEST

/* --- ends --------------------------------------------------------------------------------- */

START_TEST(a_path_is_gone)
{
    ck_assert_int_eq(rig_make(&a), 0);
    ck_assert_int_eq(rig_make(&b), 0);
    sp_turn_path_gone(rig.turn, &a.path);
    ck_assert(!sp_turn_path_has_alloc(rig.turn, &a.path));
    ck_assert(sp_turn_path_has_alloc(rig.turn, &b.path));
    ck_assert_uint_eq(rig.ended[SP_TURN_END_PATH], 1);
    sp_turn_path_gone(rig.turn, &a.path);
    ck_assert_uint_eq(rig.ended[SP_TURN_END_PATH], 1);
}
END_TEST

START_TEST(all_end_with_the_engine)
{
    ck_assert_int_eq(rig_make(&a), 0);
    ck_assert(rig_hello(&b));
    rig_allocate(&b);
    sp_stun_put(&b.b, SP_ATTR_EVEN_PORT, sp_span("\x80", 1));
    ck_assert_int_eq(rig_do(&b), 0);
    sp_turn_free(rig.turn);
    rig.turn = NULL;
    ck_assert_uint_eq(rig.ended[SP_TURN_END_SHUTDOWN], 2);
    ck_assert_uint_eq(rig.reservations_ended, 1);
    ck_assert_uint_eq(rig_open_relays(&rig), 0);
}
END_TEST

START_TEST(what_an_owner_may_ask)
{
    struct sp_turn_alloc *alloc;

    ck_assert_int_eq(rig_make(&a), 0);
    alloc = rig.relays[0].alloc;
    ck_assert_mem_eq(sp_turn_alloc_path(alloc), &a.path, sizeof a.path);
    ck_assert(sp_span_eq(sp_turn_alloc_username(alloc), sp_span_str("alice")));
    ck_assert(sp_addr_eq(&sp_turn_alloc_relay(alloc, SP_IPV4)->public_, &a.relayed));
    ck_assert_ptr_null(sp_turn_alloc_relay(alloc, SP_IPV6));
}
END_TEST

START_TEST(the_next_deadline_is_known)
{
    uint64_t start = rig.now_us;

    ck_assert_uint_eq(rig.timers.len, 0);
    ck_assert_int_eq(rig_make(&a), 0);
    ck_assert_uint_eq(sp_timerq_next(&rig.timers), start + 600 * RIG_SECOND);
    ck_assert_int_eq(rig_bind(&a, 0x4000, "8.8.8.8:53"), 0);
    ck_assert_uint_eq(rig.timers.len, 1); /* permissions and channels need none */
}
END_TEST

/* Many clients come and go in a random order; nothing is left over (rig_check, rig_close). */
START_TEST(come_and_go)
{
    static struct rig_client many[60];

    for (uint16_t i = 0; i < 60; i++)
        rig_client_init(&many[i], &rig, i % 2 ? SP_TURN_UDP : SP_TURN_FLOW, i);
    for (int round = 0; round < 1500; round++) {
        struct rig_client *c = &many[sp_rng_below(&rig.rng.rng, 60)];
        struct rig_client *d = &many[sp_rng_below(&rig.rng.rng, 60)];
        bool has = sp_turn_path_has_alloc(rig.turn, &c->path);

        switch (sp_rng_below(&rig.rng.rng, 6)) {
        case 0:
        case 1:
            if (!has)
                ck_assert_int_eq(rig_make(c), 0);
            break;
        case 2:
            if (has)
                ck_assert_int_eq(rig_refresh(c, 0), 0);
            break;
        case 3:
            sp_turn_path_gone(rig.turn, &c->path);
            break;
        case 4:
            if (has && d->relayed.port != 0)
                rig_bind_addr(c, (uint16_t)(0x4000 + (d - many)), &d->relayed);
            rig_channel(c, (uint16_t)(0x4000 + (d - many)), "x", 1);
            break;
        default:
            rig_advance(&rig, sp_rng_below(&rig.rng.rng, 100));
        }
    }
    ck_assert_uint_gt(sp_turn_counters(rig.turn)->hairpin_datagrams, 0);
    ck_assert_uint_gt(rig.ended[SP_TURN_END_EXPIRED], 0);
}
END_TEST

/* --- memory runs out ---------------------------------------------------------------------- */

/* An ordinary session, whatever is refused on the way. */
static void session(void)
{
    for (int i = 0; i < 3; i++) {
        rig_client_init(&a, &rig, SP_TURN_UDP, 5000);
        rig_client_init(&b, &rig, SP_TURN_FLOW, 1);
        if (rig_make(&a) != 0)
            rig_again(&a);
        if (rig_hello(&b)) {
            rig_allocate(&b);
            sp_stun_put(&b.b, SP_ATTR_EVEN_PORT, sp_span("\x80", 1));
            if (rig_do(&b) == 0)
                rig_permit_addr(&b, &rig.public4);
        }
        rig_permit(&a, "8.8.8.8");
        for (uint16_t k = 0; k < 6; k++) {
            struct sp_addr peer = sp_addr_v4(8, 8, 4, (uint8_t)k, 99);

            rig_bind_addr(&a, (uint16_t)(0x4000 + k), &peer);
            rig_channel(&a, (uint16_t)(0x4000 + k), "x", 1);
        }
        rig_refresh(&a, 1000);
        rig_refresh(&a, 0);
        sp_turn_path_gone(rig.turn, &b.path);
        rig_advance(&rig, 40);
    }
}

/* Each allocation of memory fails once. What is checked is what rig_check and rig_close check:
 * nothing leaks, relays and ports are given back, counters add up; and the next session is whole.
 */
START_TEST(no_memory)
{
    unsigned k;

    for (k = 1;; k++) {
        rig_close(&rig);
        rig_init(&rig);
        alloc_fail_at(k);
        int err = rig_start(&rig, NULL);
        if (err == 0)
            session();
        bool failed = alloc_fail_disarm();
        if (err != 0) {
            ck_assert(failed);
            ck_assert_int_eq(err, SP_ENOMEM);
            continue;
        }
        if (!failed)
            break;
        rig_client_init(&a, &rig, SP_TURN_UDP, 5000);
        ck_assert_int_eq(rig_make(&a), 0);
        ck_assert_int_eq(rig_bind(&a, 0x4000, "8.8.8.8:9"), 0);
    }
    ck_assert_uint_gt(k, 30); /* there was something to fail */
}
END_TEST

/* A request that finds no memory is answered, and changes nothing. */
START_TEST(no_memory_is_answered)
{
    unsigned refused = 0;

    ck_assert_int_eq(rig_make(&a), 0);
    for (unsigned k = 1;; k++) {
        alloc_fail_at(k);
        int code = rig_bind(&a, 0x4000, "8.8.8.8:9");
        if (!alloc_fail_disarm())
            break;
        ck_assert_int_eq(code, 508);
        rig_send(&a, "8.8.8.8:9", "x", 1); /* neither channel nor permission */
        ck_assert_uint_eq(rig.n_out, 0);
        refused++;
    }
    ck_assert_uint_gt(refused, 2);
    ck_assert(rig_hello(&b));
    for (unsigned k = 1;; k++) {
        rig_allocate(&b);
        alloc_fail_at(k);
        int code = rig_do(&b);
        if (!alloc_fail_disarm())
            break;
        ck_assert_int_eq(code, 508);
        ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 1);
        ck_assert_uint_eq(rig_open_relays(&rig), 1);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, batches_go_out_together);
    tcase_add_test(t, no_batch_no_emit);
    tcase_add_test(t, a_batch_of_all_kinds);
    tcase_add_test(t, a_path_is_gone);
    tcase_add_test(t, all_end_with_the_engine);
    tcase_add_test(t, what_an_owner_may_ask);
    tcase_add_test(t, the_next_deadline_is_known);
    tcase_add_test(t, come_and_go);
    tcase_add_test(t, no_memory);
    tcase_add_test(t, no_memory_is_answered);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
