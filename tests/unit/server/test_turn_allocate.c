/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_allocate.h"

#include <check.h>
#include <stdlib.h>

#include "bounds.h"
#include "turn_client.h"

static struct rig rig;
static struct rig_client c, d;
static struct sp_turn_config config;

static void setup(void)
{
    sp_turn_config_default(&config);
    rig_open(&rig, NULL);
    rig_client_init(&c, &rig, SP_TURN_UDP, 5000);
    rig_client_init(&d, &rig, SP_TURN_UDP, 5001);
    ck_assert(rig_hello(&c) && rig_hello(&d));
}

static void teardown(void)
{
    rig_close(&rig);
}

/* Starts anew with `config`. */
static void restart(void)
{
    rig_close(&rig);
    rig_open(&rig, &config);
    ck_assert(rig_hello(&c) && rig_hello(&d));
}

static struct sp_stun_msg answer_of(const struct rig_client *client)
{
    struct sp_stun_msg m;

    ck_assert(rig_answer(client, &m));
    return m;
}

static size_t relayed_of(const struct rig_client *client, struct sp_addr out[static 2])
{
    struct sp_stun_msg m = answer_of(client);
    struct sp_stun_attr at;
    size_t pos = 0, n = 0;

    while (sp_stun_next(&m, &pos, &at)) {
        if (at.type == SP_ATTR_XOR_RELAYED_ADDRESS && n < 2)
            ck_assert_int_eq(sp_stun_xor_addr(&m, at.value, &out[n++]), 0);
    }
    return n;
}

static void put_family(struct rig_client *client, uint16_t attr, uint8_t family)
{
    sp_stun_put_u32(&client->b, attr, (uint32_t)family << 24);
}

static int with_family(struct rig_client *client, uint16_t attr, uint8_t family)
{
    rig_allocate(client);
    put_family(client, attr, family);
    return rig_do(client);
}

static int with_bytes(struct rig_client *client, uint16_t attr, const void *p, size_t len)
{
    rig_allocate(client);
    sp_stun_put(&client->b, attr, sp_span(p, len));
    return rig_do(client);
}

/* --- plain -------------------------------------------------------------------------------- */

START_TEST(a_plain_allocation)
{
    struct sp_addr relayed[2], mapped;
    struct sp_stun_msg m;
    struct sp_span v;

    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 0);
    ck_assert_uint_eq(relayed_of(&c, relayed), 1);
    ck_assert(sp_addr_same_ip(&relayed[0], &rig.public4)); /* what peers see, not what is bound */
    m = answer_of(&c);
    ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_MAPPED_ADDRESS, &mapped), 0);
    ck_assert(sp_addr_eq(&mapped, &c.path.remote));
    ck_assert_uint_eq(rig_lifetime(&c), 600);
    ck_assert(!sp_stun_find(&m, SP_ATTR_RESERVATION_TOKEN, &v));
    ck_assert(sp_turn_path_has_alloc(rig.turn, &c.path));
    ck_assert_uint_eq(rig.begun, 1);
}
END_TEST

START_TEST(the_same_request_again)
{
    static struct rig_out first;

    rig_allocate(&c);
    sp_stun_put_u32(&c.b, SP_ATTR_LIFETIME, 900);
    sp_stun_put(&c.b, SP_ATTR_EVEN_PORT, sp_span("\x80", 1));
    ck_assert_int_eq(rig_do(&c), 0);
    first = rig.out[0];
    rig_advance(&rig, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(rig_again(&c), 0);
        ck_assert_uint_eq(rig.out[0].len, first.len);
        ck_assert_mem_eq(rig.out[0].msg, first.msg, first.len);
    }
    ck_assert_uint_eq(rig.begun, 1);
    ck_assert_uint_eq(rig_open_relays(&rig), 2);
}
END_TEST

START_TEST(another_request_on_the_same_path)
{
    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 0);
    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 437);
    ck_assert_uint_eq(sp_turn_counters(rig.turn)->allocation_errors, 1);
    /* The same id by another user is another request. */
    c.id--;
    c.id--;
    c.user = "bob";
    c.password = "builder";
    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 437);
}
END_TEST

/* Five-tuples differ by any of their parts. */
START_TEST(paths)
{
    struct rig_client e;

    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 0);
    for (int i = 0; i < 5; i++) {
        e = c;
        if (i == 0)
            e.path.remote.port++;
        if (i == 1)
            e.path.remote.ip[3]++;
        if (i == 2)
            e.path.local.port++;
        if (i == 3)
            e.path.transport = SP_TURN_TCP;
        if (i == 4)
            e.path.via = &e;
        ck_assert(!sp_turn_path_has_alloc(rig.turn, &e.path));
        ck_assert_int_eq(rig_make(&e), 0);
    }
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 6);
}
END_TEST

START_TEST(transports)
{
    rig_begin(&c, SP_TURN_ALLOCATE);
    ck_assert_int_eq(rig_do(&c), 400);
    rig_begin(&c, SP_TURN_ALLOCATE);
    sp_stun_put_u32(&c.b, SP_ATTR_REQUESTED_TRANSPORT, 6u << 24);
    ck_assert_int_eq(rig_do(&c), 442);
    rig_begin(&c, SP_TURN_ALLOCATE);
    sp_stun_put(&c.b, SP_ATTR_REQUESTED_TRANSPORT, sp_span("\x11", 1));
    ck_assert_int_eq(rig_do(&c), 400);
}
END_TEST

START_TEST(lifetimes)
{
    static const uint32_t asked[] = {0, 1, 600, 1000, 3600, UINT32_MAX};
    static const uint32_t given[] = {600, 600, 600, 1000, 3600, 3600};

    for (size_t i = 0; i < SP_ARRAY_LEN(asked); i++) {
        rig_allocate(&c);
        sp_stun_put_u32(&c.b, SP_ATTR_LIFETIME, asked[i]);
        ck_assert_int_eq(rig_do(&c), 0);
        ck_assert_uint_eq(rig_lifetime(&c), given[i]);
        rig_advance(&rig, given[i] - 1);
        ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 1);
        rig_advance(&rig, 1);
        ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 0);
        ck_assert(rig_hello(&c));
    }
    ck_assert_int_eq(with_bytes(&c, SP_ATTR_LIFETIME, "ab", 2), 400);
}
END_TEST

/* --- families ----------------------------------------------------------------------------- */

START_TEST(families)
{
    struct sp_addr relayed[2];

    ck_assert_int_eq(with_family(&c, SP_ATTR_REQUESTED_ADDRESS_FAMILY, 2), 0);
    ck_assert_uint_eq(relayed_of(&c, relayed), 1);
    ck_assert(sp_addr_same_ip(&relayed[0], &rig.public6));
    ck_assert_int_eq(with_family(&d, SP_ATTR_REQUESTED_ADDRESS_FAMILY, 3), 440);
    ck_assert_int_eq(with_family(&d, SP_ATTR_REQUESTED_ADDRESS_FAMILY, 0), 440);
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_REQUESTED_ADDRESS_FAMILY, "\1", 1), 400);
    rig.no_v6 = true;
    ck_assert_int_eq(with_family(&d, SP_ATTR_REQUESTED_ADDRESS_FAMILY, 2), 440);
    ck_assert_int_eq(with_family(&d, SP_ATTR_REQUESTED_ADDRESS_FAMILY, 1), 0);
}
END_TEST

START_TEST(both_families)
{
    struct sp_addr relayed[2];

    ck_assert_int_eq(with_family(&c, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
    ck_assert_uint_eq(relayed_of(&c, relayed), 2);
    ck_assert(sp_addr_same_ip(&relayed[0], &rig.public4));
    ck_assert(sp_addr_same_ip(&relayed[1], &rig.public6));
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
    ck_assert_int_eq(rig_permit(&c, "2a00::1"), 0);
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
    ck_assert_uint_eq(rig_open_relays(&rig), 0);
}
END_TEST

START_TEST(one_of_both_is_missing)
{
    struct sp_addr relayed[2];
    struct sp_stun_msg m;
    struct sp_span v;

    rig.no_v6 = true;
    ck_assert_int_eq(with_family(&c, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
    for (int i = 0; i < 2; i++) { /* the second time to a repetition */
        ck_assert_uint_eq(relayed_of(&c, relayed), 1);
        m = answer_of(&c);
        ck_assert(sp_stun_find(&m, SP_ATTR_ADDRESS_ERROR_CODE, &v));
        ck_assert(sp_span_eq(v, sp_span("\x02\x00\x04\x28", 4))); /* IPv6, 440 */
        ck_assert_int_eq(rig_again(&c), 0);
    }
    ck_assert_int_eq(rig_permit(&c, "2a00::1"), 443);
    rig.no_ports = true;
    ck_assert_int_eq(with_family(&d, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2), 440);
    rig.no_v6 = false;
    ck_assert_int_eq(with_family(&d, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2), 508);
}
END_TEST

START_TEST(families_that_contradict)
{
    ck_assert_int_eq(with_family(&c, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, 1), 400);
    rig_allocate(&c);
    put_family(&c, SP_ATTR_REQUESTED_ADDRESS_FAMILY, 1);
    put_family(&c, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2);
    ck_assert_int_eq(rig_do(&c), 400);
    rig_allocate(&c);
    sp_stun_put(&c.b, SP_ATTR_EVEN_PORT, sp_span("\x80", 1));
    put_family(&c, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2);
    ck_assert_int_eq(rig_do(&c), 400);
    ck_assert_uint_eq(rig_open_relays(&rig), 0);
}
END_TEST

/* --- bounds ------------------------------------------------------------------------------- */

START_TEST(quota_of_a_user)
{
    struct rig_client e;

    struct sp_bound_hits hits = {0};

    config.hits = &hits;
    config.max_allocs_per_user = 2;
    restart();
    ck_assert_int_eq(rig_make(&c), 0);
    ck_assert_int_eq(rig_make(&d), 0);
    rig_client_init(&e, &rig, SP_TURN_TCP, 1);
    ck_assert_int_eq(rig_make(&e), 486);
    ck_assert_uint_eq(hits.user_allocations, 1);
    ck_assert_int_eq(rig_again(&d), 0);
    e.user = "bob";
    e.password = "builder";
    ck_assert_int_eq(rig_make(&e), 0);
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
    rig_client_init(&e, &rig, SP_TURN_TCP, 2);
    e.path.via = &config;
    ck_assert_int_eq(rig_make(&e), 0);
}
END_TEST

START_TEST(bound_of_the_engine)
{
    struct sp_bound_hits hits = {0};

    config.hits = &hits;
    config.max_allocs = 1;
    restart();
    ck_assert_int_eq(rig_make(&c), 0);
    ck_assert_int_eq(rig_make(&d), 508);
    ck_assert_uint_eq(hits.allocations, 1);
    ck_assert_uint_eq(hits.user_allocations, 0);
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
    ck_assert_int_eq(rig_make(&d), 0);
}
END_TEST

/* Who has a call goes on, and nobody begins one. */
START_TEST(more_comes_than_can_be_carried)
{
    ck_assert_int_eq(rig_make(&c), 0);
    rig.busy = true;
    ck_assert_int_eq(rig_make(&d), 508);
    ck_assert_int_eq(rig_refresh(&c, 600), 0);
    ck_assert_uint_eq(sp_turn_counters(rig.turn)->busy, 1);
    rig.busy = false;
    ck_assert_int_eq(rig_make(&d), 0);
}
END_TEST

START_TEST(no_port_left)
{
    rig.no_ports = true;
    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 508);
    ck_assert_uint_eq(rig.begun, 0);
    rig.no_ports = false;
    ck_assert_int_eq(rig_again(&c), 0); /* the same request may well succeed later */
}
END_TEST

/* An owner that hands out an address twice is told so by 508, and by its own close. */
START_TEST(an_address_twice)
{
    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 0);
    rig.relays[0].local.port++; /* the bench forgets where it put this one */
    rig.next_port--;
    rig_allocate(&d);
    ck_assert_int_eq(rig_do(&d), 508);
    ck_assert_uint_eq(rig_open_relays(&rig), 1);
    rig.relays[0].local.port--;
}
END_TEST

START_TEST(on_a_flow)
{
    struct sp_addr relayed[2], mapped;

    rig_client_init(&c, &rig, SP_TURN_FLOW, 1);
    ck_assert_int_eq(rig_make(&c), 0);
    relayed_of(&c, relayed);

    struct sp_stun_msg m = answer_of(&c);

    ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_MAPPED_ADDRESS, &mapped), 0);
    ck_assert(sp_addr_eq(&mapped, &relayed[0]));
}
END_TEST

/* --- draining ------------------------------------------------------------------------------- */

/* The ALTERNATE-SERVERs of an answer, in their order. */
static size_t alternates_of(const struct rig_client *client, struct sp_addr out[static 2])
{
    struct sp_stun_msg m = answer_of(client);
    struct sp_stun_attr at;
    size_t pos = 0, n = 0;

    while (sp_stun_next(&m, &pos, &at)) {
        if (at.type != SP_ATTR_ALTERNATE_SERVER || n == 2)
            continue;
        ck_assert_uint_eq(at.value.p[0], 0);
        out[n] = (struct sp_addr){.family = at.value.p[1], .port = sp_get_be16(at.value.p + 2)};
        ck_assert_uint_eq(at.value.len, 4 + sp_addr_ip_len(&out[n]));
        memcpy(out[n].ip, at.value.p + 4, sp_addr_ip_len(&out[n]));
        n++;
    }
    return n;
}

static void drain(const char *v4, const char *v6)
{
    struct sp_turn_alternates a = {.v4.family = SP_FAMILY_NONE};

    if (v4 != NULL)
        a.v4 = rig_addr(v4);
    if (v6 != NULL)
        a.v6 = rig_addr(v6);
    sp_turn_drain(rig.turn, &a);
}

static int ask(struct rig_client *client)
{
    rig_allocate(client);
    return rig_do(client); /* signed, if the request was: rig_code checks it */
}

START_TEST(what_runs_goes_on_while_draining)
{
    ck_assert_int_eq(ask(&c), 0);
    drain("192.0.2.9:3478", NULL);
    ck_assert_int_eq(rig_again(&c), 0); /* the same request: what it made is there */
    ck_assert_int_eq(rig_refresh(&c, 600), 0);
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
    ck_assert_int_eq(ask(&c), 437);
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
    ck_assert_int_eq(ask(&c), 300);
    ck_assert_uint_eq(sp_turn_counters(rig.turn)->turned_away, 1);
    sp_turn_end_all(rig.turn);
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 0);
}
END_TEST

START_TEST(sent_elsewhere)
{
    struct sp_addr a[2], v4 = rig_addr("192.0.2.9:443"), v6 = rig_addr("[2001:db8::9]:444");
    struct sp_addr from6 = rig_addr("[2001:db8::1]:5000"), here = rig_addr("[2001:db8::2]:3478");

    drain("192.0.2.9:443", "[2001:db8::9]:444");
    ck_assert_int_eq(ask(&c), 300);
    ck_assert_uint_eq(alternates_of(&c, a), 2);
    ck_assert(sp_addr_eq(&a[0], &v4) && sp_addr_eq(&a[1], &v6));
    d.path = sp_turn_path_make(SP_TURN_TLS, &d, &from6, &here);
    ck_assert(rig_hello(&d));
    ck_assert_int_eq(ask(&d), 300);
    ck_assert_uint_eq(alternates_of(&d, a), 2); /* its own family first */
    ck_assert(sp_addr_eq(&a[0], &v6) && sp_addr_eq(&a[1], &v4));

    drain("192.0.2.9:0", NULL); /* the port that was asked */
    ck_assert_int_eq(ask(&c), 300);
    ck_assert_uint_eq(alternates_of(&c, a), 1);
    v4.port = c.path.local.port;
    ck_assert(sp_addr_eq(&a[0], &v4));
    ck_assert_int_eq(ask(&d), 508); /* none of its family */
    ck_assert_uint_eq(alternates_of(&d, a), 0);
}
END_TEST

START_TEST(sent_away)
{
    struct rig_client f;

    drain(NULL, NULL);
    ck_assert_int_eq(ask(&c), 508);
    ck_assert_uint_eq(sp_turn_counters(rig.turn)->allocation_errors, 1);
    drain("192.0.2.9:443", NULL);
    rig_client_init(&f, &rig, SP_TURN_FLOW, 5002);
    ck_assert(rig_hello(&f));       /* who has no credentials is asked for them, as ever */
    ck_assert_int_eq(ask(&f), 508); /* behind a gateway nobody can go there */
    c.password = "wrong";
    ck_assert_int_eq(ask(&c), 401);
    ck_assert_uint_eq(sp_turn_counters(rig.turn)->turned_away, 2);
    ck_assert_uint_eq(rig_open_relays(&rig), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_allocate");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_plain_allocation);
    tcase_add_test(t, the_same_request_again);
    tcase_add_test(t, another_request_on_the_same_path);
    tcase_add_test(t, paths);
    tcase_add_test(t, transports);
    tcase_add_test(t, lifetimes);
    tcase_add_test(t, families);
    tcase_add_test(t, both_families);
    tcase_add_test(t, one_of_both_is_missing);
    tcase_add_test(t, families_that_contradict);
    tcase_add_test(t, quota_of_a_user);
    tcase_add_test(t, bound_of_the_engine);
    tcase_add_test(t, more_comes_than_can_be_carried);
    tcase_add_test(t, no_port_left);
    tcase_add_test(t, an_address_twice);
    tcase_add_test(t, on_a_flow);
    tcase_add_test(t, what_runs_goes_on_while_draining);
    tcase_add_test(t, sent_elsewhere);
    tcase_add_test(t, sent_away);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
