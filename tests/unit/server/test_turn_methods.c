/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Binding, Refresh, and what is no request at all. */
#include "turn_methods.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/token.h"
#include "turn_client.h"

static struct rig rig;
static struct rig_client c;

static void setup(void)
{
    rig_open(&rig, NULL);
    rig_client_init(&c, &rig, SP_TURN_UDP, 5000);
}

static void teardown(void)
{
    rig_close(&rig);
}

static const struct sp_turn_counters *counters(void)
{
    return sp_turn_counters(rig.turn);
}

static struct sp_addr mapped(const struct rig_client *client)
{
    struct sp_addr a = {.family = SP_FAMILY_NONE};
    struct sp_stun_msg m;

    ck_assert(rig_answer(client, &m));
    ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_MAPPED_ADDRESS, &a), 0);
    return a;
}

/* --- Binding ------------------------------------------------------------------------------ */

START_TEST(binding_tells_the_remote_address)
{
    static const enum sp_turn_transport transports[] = {SP_TURN_UDP, SP_TURN_TCP, SP_TURN_TLS};
    struct sp_addr a;

    for (size_t i = 0; i < SP_ARRAY_LEN(transports); i++) {
        rig_client_init(&c, &rig, transports[i], 5000);
        rig_begin(&c, SP_STUN_BINDING);
        ck_assert_int_eq(rig_do(&c), 0);
        a = mapped(&c);
        ck_assert(sp_addr_eq(&a, &c.path.remote));
        c.fingerprint = true;
        c.path.remote = rig_addr("[2001:db8:9::1]:77");
        rig_begin(&c, SP_STUN_BINDING);
        ck_assert_int_eq(rig_do(&c), 0);
        a = mapped(&c);
        ck_assert(sp_addr_eq(&a, &c.path.remote));
    }
    ck_assert_uint_eq(counters()->binding_requests, 6);
}
END_TEST

/* No address of the client's own is to be seen on a flow. */
/* Its answer is longer than it is; but who holds an allocation has proven where he is. */
START_TEST(bindings_are_limited_by_prefix)
{
    struct rig_client d;
    unsigned n = 0;

    ck_assert_int_eq(rig_make(&c), 0);
    for (uint16_t i = 0; i < 500; i++) {
        rig_client_init(&d, &rig, SP_TURN_UDP, i);
        d.path.remote.ip[3] = (uint8_t)i;
        rig_begin(&d, SP_STUN_BINDING);
        n += rig_do(&d) == 0;
    }
    ck_assert_uint_eq(n, 100); /* the default a second */
    ck_assert_uint_eq(counters()->bindings_limited, 400);
    c.nonce[0] = '\0'; /* nobody signs a Binding */
    rig_begin(&c, SP_STUN_BINDING);
    ck_assert_int_eq(rig_do(&c), 0);
    d.path.remote.ip[2]++; /* another prefix */
    rig_begin(&d, SP_STUN_BINDING);
    ck_assert_int_eq(rig_do(&d), 0);
    d.path.remote.ip[2]--;
    rig_allocate(&d); /* challenges have a measure of their own */
    ck_assert_int_eq(rig_do(&d), 401);
    rig_client_init(&d, &rig, SP_TURN_TCP, 1); /* nobody invents its source */
    rig_begin(&d, SP_STUN_BINDING);
    ck_assert_int_eq(rig_do(&d), 0);
    ck_assert_uint_eq(counters()->bindings_limited, 400);
}
END_TEST

START_TEST(binding_on_a_flow)
{
    struct sp_addr a;

    rig_client_init(&c, &rig, SP_TURN_FLOW, 1);
    rig_begin(&c, SP_STUN_BINDING);
    ck_assert_int_eq(rig_do(&c), 403);
    ck_assert_int_eq(rig_make(&c), 0);
    a = mapped(&c);
    ck_assert(sp_addr_eq(&a, &c.relayed));
    ck_assert(sp_addr_same_ip(&a, &rig.public4));
    c.nonce[0] = '\0'; /* nobody signs a Binding */
    rig_begin(&c, SP_STUN_BINDING);
    ck_assert_int_eq(rig_do(&c), 0);
    a = mapped(&c);
    ck_assert(sp_addr_eq(&a, &c.relayed));
}
END_TEST

START_TEST(binding_indications_are_nothing)
{
    struct sp_stun_builder b;
    uint8_t msg[64];
    size_t len;

    sp_stun_begin(&b, msg, sizeof msg, SP_STUN_BINDING, SP_STUN_INDICATION,
                  (const uint8_t *)"twelve bytes");
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    rig_msg(&c, msg, len);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->unknown_method, 0);
    ck_assert_uint_eq(counters()->malformed, 0);
}
END_TEST

/* Methods that don't exist, classes that a server doesn't get: dropped (RFC 8489 section 6.3). */
START_TEST(what_is_no_request)
{
    static const struct {
        uint16_t method;
        enum sp_stun_class cls;
    } none[] = {
        {0x002, SP_STUN_REQUEST},           {0xFFF, SP_STUN_REQUEST},
        {SP_TURN_SEND, SP_STUN_REQUEST},    {SP_TURN_DATA, SP_STUN_REQUEST},
        {SP_TURN_DATA, SP_STUN_INDICATION}, {SP_TURN_ALLOCATE, SP_STUN_INDICATION},
        {SP_STUN_BINDING, SP_STUN_SUCCESS}, {SP_TURN_ALLOCATE, SP_STUN_ERROR},
        {0x00A, SP_STUN_REQUEST}, /* Connect, RFC 6062 */
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(none); i++) {
        struct sp_stun_builder b;
        uint8_t msg[64];
        size_t len;

        sp_stun_begin(&b, msg, sizeof msg, none[i].method, none[i].cls,
                      (const uint8_t *)"twelve bytes");
        ck_assert_int_eq(sp_stun_end(&b, &len), 0);
        rig_msg(&c, msg, len);
        ck_assert_uint_eq(rig.n_out, 0);
        ck_assert_uint_eq(counters()->unknown_method, i + 1);
    }
}
END_TEST

/* --- Refresh ------------------------------------------------------------------------------ */

START_TEST(refresh_extends)
{
    ck_assert_int_eq(rig_make(&c), 0);
    rig_advance(&rig, 599);
    ck_assert_int_eq(rig_refresh(&c, 600), 0);
    ck_assert_uint_eq(rig_lifetime(&c), 600);
    rig_advance(&rig, 599);
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 1);
    rig_advance(&rig, 1);
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 0);
    ck_assert_uint_eq(rig.ended[SP_TURN_END_EXPIRED], 1);
    ck_assert_int_eq(rig_refresh(&c, 600), 437);
}
END_TEST

START_TEST(refresh_may_shorten)
{
    ck_assert_int_eq(rig_make(&c), 0);
    ck_assert_int_eq(rig_refresh(&c, 3000), 0);
    ck_assert_int_eq(rig_refresh(&c, 700), 0);
    ck_assert_uint_eq(rig_lifetime(&c), 700);
    rig_advance(&rig, 700);
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 0);
}
END_TEST

START_TEST(lifetimes_are_clamped)
{
    static const uint32_t asked[] = {1, 599, 600, 601, 3600, 3601, UINT32_MAX};
    static const uint32_t given[] = {600, 600, 600, 601, 3600, 3600, 3600};

    ck_assert_int_eq(rig_make(&c), 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(asked); i++) {
        ck_assert_int_eq(rig_refresh(&c, asked[i]), 0);
        ck_assert_uint_eq(rig_lifetime(&c), given[i]);
    }
    rig_begin(&c, SP_TURN_REFRESH); /* says nothing: the default */
    ck_assert_int_eq(rig_do(&c), 0);
    ck_assert_uint_eq(rig_lifetime(&c), 600);
    rig_begin(&c, SP_TURN_REFRESH);
    sp_stun_put(&c.b, SP_ATTR_LIFETIME, sp_span_str("abc"));
    ck_assert_int_eq(rig_do(&c), 400);
}
END_TEST

START_TEST(zero_deletes)
{
    struct sp_stun_msg m;
    uint32_t v = 1;

    ck_assert_int_eq(rig_make(&c), 0);
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
    ck_assert(rig_answer(&c, &m) && sp_stun_find_u32(&m, SP_ATTR_LIFETIME, &v) == 0 && v == 0);
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 0);
    ck_assert_uint_eq(rig.ended[SP_TURN_END_REFRESH], 1);
    ck_assert_uint_eq(rig_open_relays(&rig), 0);
    ck_assert_int_eq(rig_again(&c), 437); /* which a client takes for success */
    ck_assert_int_eq(rig_make(&c), 0);    /* the five-tuple is free again */
}
END_TEST

START_TEST(without_an_allocation)
{
    ck_assert(rig_hello(&c));
    ck_assert_int_eq(rig_refresh(&c, 600), 437);
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 437);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.8.8:9"), 437);
}
END_TEST

START_TEST(by_another_user)
{
    ck_assert_int_eq(rig_make(&c), 0);
    c.user = "bob";
    c.password = "builder";
    ck_assert_int_eq(rig_refresh(&c, 0), 441);
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 441);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.8.8:9"), 441);
    ck_assert_uint_eq(counters()->auth_errors, 3);
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 1);
    c.user = "alice";
    c.password = "wonder";
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
}
END_TEST

START_TEST(of_another_family)
{
    ck_assert_int_eq(rig_make(&c), 0);
    rig_begin(&c, SP_TURN_REFRESH);
    sp_stun_put_u32(&c.b, SP_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
    ck_assert_int_eq(rig_do(&c), 443);
    rig_begin(&c, SP_TURN_REFRESH);
    sp_stun_put_u32(&c.b, SP_ATTR_REQUESTED_ADDRESS_FAMILY, 1u << 24);
    ck_assert_int_eq(rig_do(&c), 0);
    rig_begin(&c, SP_TURN_REFRESH);
    sp_stun_put(&c.b, SP_ATTR_REQUESTED_ADDRESS_FAMILY, sp_span_str("1"));
    ck_assert_int_eq(rig_do(&c), 400);
}
END_TEST

/* A credential that expires makes no new allocation, and ends none. */
START_TEST(an_expired_credential)
{
    static char name[SP_REST_USERNAME_MAX + 1], password[SP_REST_PASSWORD_LEN + 1];
    struct rig_client d;

    ck_assert_int_eq(sp_rest_username(RIG_UNIX + 100, "carol", name), 0);
    sp_rest_password(sp_span_str("north"), sp_span_str(name), password);
    c.user = name;
    c.password = password;
    ck_assert_int_eq(rig_make(&c), 0);
    rig_client_init(&d, &rig, SP_TURN_UDP, 5001);
    d.user = name;
    d.password = password;
    rig_advance(&rig, 200);
    ck_assert_int_eq(rig_make(&d), 401);
    ck_assert_uint_eq(counters()->auth_errors, 1);
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
    ck_assert_int_eq(rig_refresh(&c, 600), 0);
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
    rig_allocate(&c);
    ck_assert_int_eq(rig_do(&c), 401);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_methods");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, binding_tells_the_remote_address);
    tcase_add_test(t, bindings_are_limited_by_prefix);
    tcase_add_test(t, binding_on_a_flow);
    tcase_add_test(t, binding_indications_are_nothing);
    tcase_add_test(t, what_is_no_request);
    tcase_add_test(t, refresh_extends);
    tcase_add_test(t, refresh_may_shorten);
    tcase_add_test(t, lifetimes_are_clamped);
    tcase_add_test(t, zero_deletes);
    tcase_add_test(t, without_an_allocation);
    tcase_add_test(t, by_another_user);
    tcase_add_test(t, of_another_family);
    tcase_add_test(t, an_expired_credential);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
