/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Even ports, and ports that are reserved for a later allocation. */
#include "turn_allocate.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
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

static int with_bytes(struct rig_client *client, uint16_t attr, const void *p, size_t len)
{
    rig_allocate(client);
    sp_stun_put(&client->b, attr, sp_span(p, len));
    return rig_do(client);
}

START_TEST(even_ports)
{
    struct sp_addr relayed[2];

    ck_assert_int_eq(with_bytes(&c, SP_ATTR_EVEN_PORT, "\0", 1), 0);
    relayed_of(&c, relayed);
    ck_assert_uint_eq(relayed[0].port % 2, 0);
    ck_assert_uint_eq(rig_open_relays(&rig), 1);
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_EVEN_PORT, "\0\0", 2), 400);
}
END_TEST

static void reserve(uint8_t token[static 8], struct sp_addr *relayed)
{
    struct sp_addr two[2];
    struct sp_span v;

    ck_assert_int_eq(with_bytes(&c, SP_ATTR_EVEN_PORT, "\x80", 1), 0);

    struct sp_stun_msg m = answer_of(&c);

    ck_assert(sp_stun_find(&m, SP_ATTR_RESERVATION_TOKEN, &v) && v.len == 8);
    memcpy(token, v.p, 8);
    relayed_of(&c, two);
    *relayed = two[0];
}

START_TEST(a_reserved_port)
{
    uint8_t token[8];
    struct sp_addr first, second[2];

    reserve(token, &first);
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_RESERVATION_TOKEN, token, 8), 0);
    ck_assert_uint_eq(relayed_of(&d, second), 1);
    ck_assert_uint_eq(second[0].port, first.port + 1);
    ck_assert(sp_addr_same_ip(&second[0], &first));
    ck_assert_int_eq(rig_again(&d), 0); /* the token is spent, the answer is the same */
    rig_advance(&rig, 31);
    ck_assert_uint_eq(rig.reservations_ended, 0);
    ck_assert_uint_eq(sp_turn_alloc_count(rig.turn), 2);
    ck_assert_int_eq(rig_refresh(&c, 0), 0);
    ck_assert_int_eq(rig_refresh(&d, 0), 0);
    ck_assert_uint_eq(rig_open_relays(&rig), 0);
}
END_TEST

START_TEST(a_reservation_ends)
{
    uint8_t token[8];
    struct sp_addr first;

    reserve(token, &first);
    rig_advance(&rig, 30);
    ck_assert_uint_eq(rig.reservations_ended, 1);
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_RESERVATION_TOKEN, token, 8), 508);
    ck_assert_uint_eq(rig_open_relays(&rig), 1);
}
END_TEST

/* A token is spent when it is shown, also when the port can't be had: then it is given back. */
START_TEST(a_reserved_port_that_fails)
{
    uint8_t token[8];
    struct sp_addr first;
    unsigned k;

    for (k = 1;; k++) {
        restart();
        reserve(token, &first);
        rig_allocate(&d);
        sp_stun_put(&d.b, SP_ATTR_RESERVATION_TOKEN, sp_span(token, 8));
        alloc_fail_at(k);
        int code = rig_do(&d);
        if (!alloc_fail_disarm())
            break;
        ck_assert_int_eq(code, 508);
        rig_advance(&rig, 31); /* whatever was left of it ends in good order */
        ck_assert_uint_eq(rig_open_relays(&rig), 1);
    }
    restart();
    reserve(token, &first);
    rig.no_ports = true;
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_RESERVATION_TOKEN, token, 8), 508);
    ck_assert_uint_eq(rig.reservations_ended, 1);
    rig.no_ports = false;
    ck_assert_int_eq(rig_again(&d), 508);
    ck_assert_uint_eq(rig_open_relays(&rig), 1);
}
END_TEST

START_TEST(tokens_that_contradict)
{
    uint8_t token[8];
    struct sp_addr first;

    reserve(token, &first);
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_RESERVATION_TOKEN, token, 7), 400);
    for (int i = 0; i < 3; i++) {
        rig_allocate(&d);
        sp_stun_put(&d.b, SP_ATTR_RESERVATION_TOKEN, sp_span(token, 8));
        if (i == 0)
            sp_stun_put(&d.b, SP_ATTR_EVEN_PORT, sp_span("\0", 1));
        else
            put_family(
                &d, i == 1 ? SP_ATTR_REQUESTED_ADDRESS_FAMILY : SP_ATTR_ADDITIONAL_ADDRESS_FAMILY,
                2);
        ck_assert_int_eq(rig_do(&d), 400);
    }
    token[0] ^= 1;
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_RESERVATION_TOKEN, token, 8), 508);
    token[0] ^= 1;
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_RESERVATION_TOKEN, token, 8), 0);
}
END_TEST

START_TEST(dont_fragment_is_understood)
{
    ck_assert_int_eq(with_bytes(&c, SP_ATTR_DONT_FRAGMENT, "", 0), 0);
}
END_TEST

/* A reserved port counts, or one user could take them all; claiming it needs no further unit. */
START_TEST(reservations_count)
{
    uint8_t token[8];
    struct sp_addr first;

    config.max_allocs_per_user = 2;
    restart();
    reserve(token, &first);
    ck_assert_int_eq(rig_make(&d), 486);
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_RESERVATION_TOKEN, token, 8), 0);
    ck_assert_int_eq(rig_refresh(&d, 0), 0);
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_EVEN_PORT, "\x80", 1), 486); /* two units */
    ck_assert_uint_eq(rig_open_relays(&rig), 1);
    ck_assert_uint_eq(rig.reservations_ended, 1);
    ck_assert_int_eq(with_bytes(&d, SP_ATTR_EVEN_PORT, "\0", 1), 0);
}
END_TEST

/* The first allocation of an engine needs the most memory; with a reserved port it has the most to
 * undo. */
START_TEST(no_memory)
{
    for (unsigned k = 1;; k++) {
        restart();
        rig_allocate(&c);
        sp_stun_put(&c.b, SP_ATTR_EVEN_PORT, sp_span("\x80", 1));
        alloc_fail_at(k);
        int code = rig_do(&c);
        if (!alloc_fail_disarm()) {
            ck_assert_int_eq(code, 0);
            ck_assert_uint_gt(k, 6);
            break;
        }
        ck_assert_int_eq(code, 508);
        ck_assert_uint_eq(rig_open_relays(&rig), 0);
        ck_assert_uint_eq(rig.timers.len, 0);
        ck_assert_int_eq(rig_again(&c), 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_ports");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, even_ports);
    tcase_add_test(t, a_reserved_port);
    tcase_add_test(t, a_reservation_ends);
    tcase_add_test(t, a_reserved_port_that_fails);
    tcase_add_test(t, tokens_that_contradict);
    tcase_add_test(t, dont_fragment_is_understood);
    tcase_add_test(t, reservations_count);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
