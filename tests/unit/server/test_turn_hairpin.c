/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data between two allocations of one engine, in memory (hairpin). */
#include "turn_data.h"

#include <check.h>
#include <stdlib.h>

#include "turn_client.h"

#define HELLO "hello, peer"

static struct rig rig;
static struct rig_client a, b;

static const struct sp_turn_counters *counters(void)
{
    return sp_turn_counters(rig.turn);
}

static void setup(void)
{
    rig_open(&rig, NULL);
    rig_client_init(&a, &rig, SP_TURN_UDP, 5000);
    rig_client_init(&b, &rig, SP_TURN_FLOW, 1);
    b.user = "bob";
    b.password = "builder";
    ck_assert_int_eq(rig_make(&a), 0);
    ck_assert_int_eq(rig_make(&b), 0);
}

static void teardown(void)
{
    rig_close(&rig);
}

static void expect_channel(const struct rig_client *c, uint16_t number, const char *text)
{
    const struct rig_out *o = &rig.out[0];
    struct sp_chandata m;

    ck_assert_uint_eq(rig.n_out, 1);
    ck_assert(o->to_client && memcmp(&o->client, &c->path, sizeof c->path) == 0);
    ck_assert_int_eq(sp_chandata_parse(sp_span(o->msg, o->len), &m), 0);
    ck_assert_uint_eq(m.channel, number);
    ck_assert(sp_span_eq(m.data, sp_span_str(text)));
}

static void expect_indication(const struct rig_client *c, const struct sp_addr *from,
                              const char *text)
{
    const struct rig_out *o = &rig.out[0];
    struct sp_stun_msg m;
    struct sp_addr peer;
    struct sp_span data;

    ck_assert_uint_eq(rig.n_out, 1);
    ck_assert(o->to_client && memcmp(&o->client, &c->path, sizeof c->path) == 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(o->msg, o->len), &m), 0); /* padded, on all transports */
    ck_assert(m.method == SP_TURN_DATA && m.cls == SP_STUN_INDICATION);
    ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_PEER_ADDRESS, &peer), 0);
    ck_assert(sp_addr_eq(&peer, from));
    ck_assert(sp_stun_find(&m, SP_ATTR_DATA, &data));
    ck_assert(sp_span_eq(data, sp_span_str(text)));
}

START_TEST(hairpin_wants_both_permissions)
{
    ck_assert_int_eq(rig_permit_addr(&a, &b.relayed), 0);
    rig_send_addr(&a, &b.relayed, HELLO, 11);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->dropped_no_permission, 1);
    ck_assert_int_eq(rig_permit_addr(&b, &a.relayed), 0);
    rig_send_addr(&a, &b.relayed, HELLO, 11);
    expect_indication(&b, &a.relayed, HELLO);
    ck_assert_uint_eq(counters()->hairpin_datagrams, 1);
    ck_assert_uint_eq(counters()->hairpin_bytes, 11);
    ck_assert_uint_eq(counters()->to_peer_datagrams, 0); /* no socket sees it */
    rig_advance(&rig, 299);
    ck_assert_int_eq(rig_permit_addr(&a, &b.relayed), 0);
    rig_advance(&rig, 1);
    rig_send_addr(&a, &b.relayed, HELLO, 11); /* bob's is over */
    ck_assert_uint_eq(rig.n_out, 0);
}
END_TEST

START_TEST(hairpin_by_channels)
{
    ck_assert_int_eq(rig_bind_addr(&a, 0x4001, &b.relayed), 0);
    ck_assert_int_eq(rig_permit_addr(&b, &a.relayed), 0);
    rig_channel(&a, 0x4001, HELLO, 11);
    expect_indication(&b, &a.relayed, HELLO);
    ck_assert_int_eq(rig_bind_addr(&b, 0x4002, &a.relayed), 0);
    rig_channel(&a, 0x4001, HELLO, 11);
    expect_channel(&b, 0x4002, HELLO);
    rig_channel(&b, 0x4002, HELLO, 11);
    expect_channel(&a, 0x4001, HELLO);
    ck_assert_uint_eq(counters()->hairpin_datagrams, 3);
}
END_TEST

/* The local form of an address leads there as well; what is shown is the public one. */
START_TEST(hairpin_by_the_local_form)
{
    struct sp_addr local = b.relayed;

    memcpy(local.ip, rig.local4.ip, sizeof local.ip);
    ck_assert_int_eq(rig_permit_addr(&a, &local), 0);
    ck_assert_int_eq(rig_permit_addr(&b, &a.relayed), 0);
    rig_send_addr(&a, &local, HELLO, 11);
    expect_indication(&b, &a.relayed, HELLO);
}
END_TEST

START_TEST(hairpin_without_sockets)
{
    struct rig_client c, d;

    rig.virtual_ = true;
    rig_client_init(&c, &rig, SP_TURN_TLS, 9);
    rig_client_init(&d, &rig, SP_TURN_FLOW, 10);
    ck_assert_int_eq(rig_make(&c), 0);
    ck_assert_int_eq(rig_make(&d), 0);
    ck_assert_int_eq(rig_bind_addr(&c, 0x4001, &d.relayed), 0);
    ck_assert_int_eq(rig_bind_addr(&d, 0x4001, &c.relayed), 0);
    rig_channel(&c, 0x4001, HELLO, 11);
    expect_channel(&d, 0x4001, HELLO);
    rig_channel(&d, 0x4001, HELLO, 11);
    expect_channel(&c, 0x4001, HELLO);
    ck_assert_uint_eq(counters()->dropped_virtual, 0);
}
END_TEST

START_TEST(hairpin_to_oneself)
{
    ck_assert_int_eq(rig_bind_addr(&a, 0x4001, &a.relayed), 0);
    rig_channel(&a, 0x4001, HELLO, 11);
    expect_channel(&a, 0x4001, HELLO);
}
END_TEST

START_TEST(hairpin_ends_with_the_other)
{
    ck_assert_int_eq(rig_bind_addr(&a, 0x4001, &b.relayed), 0);
    ck_assert_int_eq(rig_bind_addr(&b, 0x4001, &a.relayed), 0);
    rig_channel(&a, 0x4001, HELLO, 11);
    expect_channel(&b, 0x4001, HELLO);
    sp_turn_path_gone(rig.turn, &b.path);
    rig_channel(&a, 0x4001, HELLO, 11);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->dropped_denied_peer, 1);
}
END_TEST

static struct {
    bool takes;
    unsigned n;
    struct sp_addr relayed, from;
} other;

static bool hand_over(void *arg, const struct sp_addr *relayed, const struct sp_addr *from,
                      struct sp_span body)
{
    ck_assert_ptr_eq(arg, &rig);
    ck_assert(sp_span_eq(body, sp_span_str(HELLO)));
    other.n++;
    other.relayed = *relayed;
    other.from = *from;
    return other.takes;
}

/* What is for one of our addresses, and none of this engine's allocations, may be another's. */
START_TEST(between_two_engines)
{
    struct sp_turn_effects effects = rig_effects;
    struct sp_addr elsewhere = b.relayed;

    elsewhere.port = 60001;
    effects.hand_over = hand_over;
    sp_turn_set_effects(rig.turn, &effects, &rig);
    other.takes = true;
    ck_assert_int_eq(rig_bind_addr(&a, 0x4001, &elsewhere), 0);
    rig_channel(&a, 0x4001, HELLO, 11);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(other.n, 1);
    ck_assert(sp_addr_eq(&other.relayed, &elsewhere) && sp_addr_eq(&other.from, &a.relayed));
    ck_assert_uint_eq(counters()->handed_over_datagrams, 1);
    other.takes = false;
    rig_channel(&a, 0x4001, HELLO, 11);
    ck_assert_uint_eq(other.n, 2);
    ck_assert_uint_eq(counters()->dropped_denied_peer, 1);
    /* The other way. */
    const struct sp_turn_peer_dgram d = {elsewhere, sp_span_str(HELLO)};
    ck_assert_int_eq(rig_bind_addr(&b, 0x4002, &elsewhere), 0);
    rig.n_out = 0;
    sp_turn_from_other(rig.turn, &b.relayed, &d, rig.now_us);
    expect_channel(&b, 0x4002, HELLO);
    sp_turn_from_other(rig.turn, &elsewhere, &d, rig.now_us);
    ck_assert_uint_eq(counters()->from_other_datagrams, 2);
    ck_assert_uint_eq(counters()->hairpin_datagrams, 1); /* what came to its client */
    ck_assert_uint_eq(counters()->dropped_no_allocation, 1);
    ck_assert_uint_eq(other.n, 2);
    rig_check(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_hairpin");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, hairpin_wants_both_permissions);
    tcase_add_test(t, hairpin_by_channels);
    tcase_add_test(t, hairpin_by_the_local_form);
    tcase_add_test(t, hairpin_without_sockets);
    tcase_add_test(t, hairpin_to_oneself);
    tcase_add_test(t, hairpin_ends_with_the_other);
    tcase_add_test(t, between_two_engines);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
