/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_permit.h"

#include <check.h>
#include <stdlib.h>

#include "bounds.h"
#include "turn_client.h"

static struct rig rig;
static struct rig_client c;

static void setup(void)
{
    rig_open(&rig, NULL);
    rig_client_init(&c, &rig, SP_TURN_UDP, 5000);
    ck_assert_int_eq(rig_make(&c), 0);
}

static void teardown(void)
{
    rig_close(&rig);
}

static struct sp_bound_hits hits;

static void restart(size_t max_perms, size_t max_channels)
{
    struct sp_turn_config config;

    sp_turn_config_default(&config);
    hits = (struct sp_bound_hits){0};
    config.hits = &hits;
    config.max_perms_per_alloc = max_perms;
    config.max_channels_per_alloc = max_channels;
    rig_close(&rig);
    rig_open(&rig, &config);
    ck_assert_int_eq(rig_make(&c), 0);
}

/* Whether data goes to this peer by a Send indication. */
static bool reaches(const char *peer)
{
    rig_send(&c, peer, "x", 1);
    return rig.n_out == 1 && !rig.out[0].to_client;
}

static bool channel_reaches(uint16_t number)
{
    rig_channel(&c, number, "x", 1);
    return rig.n_out == 1 && !rig.out[0].to_client;
}

/* --- CreatePermission --------------------------------------------------------------------- */

START_TEST(permits_an_ip)
{
    ck_assert(!reaches("8.8.8.8:53"));
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
    ck_assert(reaches("8.8.8.8:53"));
    ck_assert(reaches("8.8.8.8:54"));
    ck_assert(!reaches("8.8.8.9:53"));
    ck_assert_int_eq(rig_again(&c), 0);
}
END_TEST

START_TEST(for_300_seconds)
{
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
    rig_advance(&rig, 299);
    ck_assert(reaches("8.8.8.8:53"));
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
    rig_advance(&rig, 299);
    ck_assert(reaches("8.8.8.8:53"));
    rig_advance(&rig, 1);
    ck_assert(!reaches("8.8.8.8:53"));
}
END_TEST

static void put_peer(const char *text)
{
    struct sp_addr a = rig_addr(text);

    sp_stun_put_xor_addr(&c.b, SP_ATTR_XOR_PEER_ADDRESS, &a);
}

START_TEST(several_at_once_or_none)
{
    rig_begin(&c, SP_TURN_CREATE_PERMISSION);
    put_peer("8.8.8.8");
    put_peer("8.8.4.4:99");
    put_peer("8.8.8.8:1");
    ck_assert_int_eq(rig_do(&c), 0);
    ck_assert(reaches("8.8.8.8:53") && reaches("8.8.4.4:53"));

    rig_begin(&c, SP_TURN_CREATE_PERMISSION);
    put_peer("9.9.9.9");
    put_peer("10.0.0.1");
    ck_assert_int_eq(rig_do(&c), 403);
    ck_assert(!reaches("9.9.9.9:53"));

    rig_begin(&c, SP_TURN_CREATE_PERMISSION);
    put_peer("9.9.9.9");
    put_peer("2a00::1");
    ck_assert_int_eq(rig_do(&c), 443);
    ck_assert(!reaches("9.9.9.9:53"));

    rig_begin(&c, SP_TURN_CREATE_PERMISSION);
    put_peer("9.9.9.9");
    sp_stun_put(&c.b, SP_ATTR_XOR_PEER_ADDRESS, sp_span_str("bad"));
    ck_assert_int_eq(rig_do(&c), 400);
    ck_assert(!reaches("9.9.9.9:53"));

    rig_begin(&c, SP_TURN_CREATE_PERMISSION);
    ck_assert_int_eq(rig_do(&c), 400);
    ck_assert(reaches("8.8.8.8:53"));
}
END_TEST

START_TEST(denied_peers)
{
    static const char *const denied[] = {"127.0.0.1", "10.1.1.2", "169.254.169.254", "224.0.0.1",
                                         "0.0.0.0"};

    for (size_t i = 0; i < SP_ARRAY_LEN(denied); i++)
        ck_assert_int_eq(rig_permit(&c, denied[i]), 403);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "127.0.0.1:22"), 403);
    ck_assert_int_eq(rig_permit(&c, "192.0.2.7"), 0); /* the bench allows it */
}
END_TEST

/* The policy may change while a permission holds. */
START_TEST(denied_later)
{
    struct sp_cidr cidr;

    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.8.8:53"), 0);
    ck_assert(reaches("8.8.8.8:53") && channel_reaches(0x4000));
    ck_assert_int_eq(sp_cidr_parse("8.8.8.0/24", &cidr), 0);
    ck_assert_int_eq(sp_peer_policy_deny(rig.policy, &cidr), 0);
    ck_assert(!reaches("8.8.8.8:53") && !channel_reaches(0x4000));
    ck_assert_uint_eq(sp_turn_counters(rig.turn)->dropped_denied_peer, 2);
}
END_TEST

START_TEST(own_relay_addresses_may_be_permitted)
{
    ck_assert_int_eq(rig_permit(&c, "10.1.1.1"), 0);     /* local */
    ck_assert_int_eq(rig_permit(&c, "198.51.100.1"), 0); /* public */
    ck_assert_int_eq(rig_bind(&c, 0x4000, "198.51.100.1:22"), 0);
    ck_assert_int_eq(rig_permit(&c, "198.51.100.2"), 403);
    /* … but no port of theirs is reached that is not a relayed address. */
    ck_assert(!reaches("10.1.1.1:22"));
    ck_assert(!reaches("198.51.100.1:22"));
    ck_assert(!channel_reaches(0x4000));
    ck_assert_uint_eq(sp_turn_counters(rig.turn)->dropped_denied_peer, 3);
    rig_allow(&rig, "198.51.100.1/32"); /* unless the operator says so */
    ck_assert(reaches("198.51.100.1:22"));
}
END_TEST

START_TEST(bound_of_permissions)
{
    restart(3, 10);
    ck_assert_int_eq(rig_permit(&c, "8.0.0.1"), 0);
    ck_assert_int_eq(rig_permit(&c, "8.0.0.2"), 0);
    rig_begin(&c, SP_TURN_CREATE_PERMISSION);
    put_peer("8.0.0.3");
    put_peer("8.0.0.4");
    ck_assert_int_eq(rig_do(&c), 508);
    ck_assert(!reaches("8.0.0.3:1"));
    ck_assert_int_eq(rig_permit(&c, "8.0.0.3"), 0);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.0.0.4:1"), 508);
    ck_assert(!channel_reaches(0x4000));
    ck_assert_uint_ge(hits.permissions, 2);
    ck_assert_uint_eq(hits.channels, 0);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.0.0.3:1"), 0);
}
END_TEST

/* --- ChannelBind -------------------------------------------------------------------------- */

START_TEST(binds_and_permits)
{
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.8.8:53"), 0);
    ck_assert(channel_reaches(0x4000));
    ck_assert(sp_addr_eq(&rig.out[0].peer,
                         &(struct sp_addr){.ip = {8, 8, 8, 8}, .port = 53, .family = SP_IPV4}));
    ck_assert(reaches("8.8.8.8:99"));
    ck_assert(!channel_reaches(0x4001));
    ck_assert_int_eq(rig_again(&c), 0);
}
END_TEST

START_TEST(number_and_peer_go_together)
{
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.8.8:53"), 0);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.8.8:54"), 400);
    ck_assert_int_eq(rig_bind(&c, 0x4001, "8.8.8.8:53"), 400);
    ck_assert_int_eq(rig_bind(&c, 0x4001, "8.8.8.8:54"), 0);
}
END_TEST

START_TEST(numbers_and_attributes)
{
    static const struct {
        uint16_t number;
        int code;
    } numbers[] = {
        {0x0000, 400}, {0x3FFF, 400}, {0x4000, 0},   {0x4FFF, 0},
        {0x5000, 0},   {0x7FFE, 0},   {0x7FFF, 400}, {0xFFFF, 400},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(numbers); i++) {
        struct sp_addr peer = sp_addr_v4(8, 8, 8, 8, (uint16_t)(100 + i));

        ck_assert_int_eq(rig_bind_addr(&c, numbers[i].number, &peer), numbers[i].code);
    }
    rig_begin(&c, SP_TURN_CHANNEL_BIND);
    sp_stun_put_u32(&c.b, SP_ATTR_CHANNEL_NUMBER, 0x40010000);
    ck_assert_int_eq(rig_do(&c), 400);
    rig_begin(&c, SP_TURN_CHANNEL_BIND);
    put_peer("8.8.8.8:9");
    ck_assert_int_eq(rig_do(&c), 400);
    rig_begin(&c, SP_TURN_CHANNEL_BIND);
    put_peer("8.8.8.8:9");
    sp_stun_put(&c.b, SP_ATTR_CHANNEL_NUMBER, sp_span("\x40\x01", 2));
    ck_assert_int_eq(rig_do(&c), 400);
    ck_assert_int_eq(rig_bind(&c, 0x4001, "8.8.8.8:0"), 400);
    ck_assert_int_eq(rig_bind(&c, 0x4001, "[2a00::1]:9"), 443);
}
END_TEST

START_TEST(for_600_seconds_then_rests)
{
    ck_assert_int_eq(rig_refresh(&c, 3600), 0);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.8.8:53"), 0);
    rig_advance(&rig, 599);
    ck_assert(channel_reaches(0x4000));
    ck_assert(!reaches("8.8.8.8:53")); /* the permission is shorter */
    rig_advance(&rig, 1);
    ck_assert(!channel_reaches(0x4000));
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.4.4:53"), 400);
    ck_assert_int_eq(rig_bind(&c, 0x4001, "8.8.8.8:53"), 400);
    rig_advance(&rig, 299);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.4.4:53"), 400);
    rig_advance(&rig, 1);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.8.4.4:53"), 0);
    ck_assert_int_eq(rig_bind(&c, 0x4001, "8.8.8.8:53"), 0);
}
END_TEST

START_TEST(bound_of_channels)
{
    restart(10, 2);
    ck_assert_int_eq(rig_bind(&c, 0x4000, "8.0.0.1:1"), 0);
    ck_assert_int_eq(rig_bind(&c, 0x4001, "8.0.0.2:1"), 0);
    ck_assert_int_eq(rig_bind(&c, 0x4002, "8.0.0.3:1"), 508);
    ck_assert(!reaches("8.0.0.3:1")); /* neither channel nor permission */
    ck_assert_uint_eq(hits.channels, 1);
    ck_assert_uint_eq(hits.permissions, 0);
    ck_assert_int_eq(rig_bind(&c, 0x4001, "8.0.0.2:1"), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_permit");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, permits_an_ip);
    tcase_add_test(t, for_300_seconds);
    tcase_add_test(t, several_at_once_or_none);
    tcase_add_test(t, denied_peers);
    tcase_add_test(t, denied_later);
    tcase_add_test(t, own_relay_addresses_may_be_permitted);
    tcase_add_test(t, bound_of_permissions);
    tcase_add_test(t, binds_and_permits);
    tcase_add_test(t, number_and_peer_go_together);
    tcase_add_test(t, numbers_and_attributes);
    tcase_add_test(t, for_600_seconds_then_rests);
    tcase_add_test(t, bound_of_channels);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
