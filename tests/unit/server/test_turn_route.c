/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_route.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"

static struct sp_peer_policy *policy;
static struct sp_turn_routes routes;
static struct sp_turn_route route;
static struct sp_addr good, bad, relay_ip;

static void setup(void)
{
    ck_assert_int_eq(sp_peer_policy_new(&policy), 0);
    sp_turn_routes_init(&routes, policy);
    route = (struct sp_turn_route){.stamp = 0};
    good = sp_addr_v4(8, 8, 8, 8, 53);
    bad = sp_addr_v4(10, 0, 0, 1, 53);
    relay_ip = sp_addr_v4(172, 17, 0, 2, 0);
}

static void teardown(void)
{
    sp_turn_routes_fini(&routes);
    sp_peer_policy_free(policy);
}

static void expect(const struct sp_addr *peer, bool allowed, bool ours)
{
    sp_turn_route_refresh(&routes, peer, &route);
    ck_assert_int_eq(route.allowed, allowed);
    ck_assert_int_eq(route.ours, ours);
}

START_TEST(policy_and_ours)
{
    ck_assert(sp_turn_routes_may_permit(&routes, &good));
    ck_assert(!sp_turn_routes_may_permit(&routes, &bad));
    ck_assert(!sp_turn_routes_may_permit(&routes, &relay_ip));
    ck_assert_int_eq(sp_turn_routes_add_ours(&routes, &relay_ip), 0);
    relay_ip.port = 50000;
    ck_assert(sp_turn_routes_may_permit(&routes, &relay_ip));
    ck_assert(!sp_turn_routes_may_permit(&routes, &bad));
    expect(&relay_ip, false, true);
}
END_TEST

/* A remembered answer is made anew as soon as a rule has changed, and not before. */
START_TEST(remembered_until_rules_change)
{
    struct sp_cidr c = {relay_ip, 32};

    expect(&good, true, false);
    expect(&bad, true, false); /* not asked again: it is still good's */
    route.stamp = 0;
    expect(&relay_ip, false, false);
    ck_assert_int_eq(sp_turn_routes_add_ours(&routes, &relay_ip), 0);
    expect(&relay_ip, false, true);
    ck_assert_int_eq(sp_peer_policy_allow(policy, &c), 0);
    expect(&relay_ip, true, true);
    ck_assert_int_eq(sp_peer_policy_deny(policy, &c), 0);
    expect(&relay_ip, false, false);
    ck_assert(!sp_turn_routes_may_permit(&routes, &relay_ip));
}
END_TEST

/* The operator's word holds for hairpin too, also when it comes as a wide prefix. */
START_TEST(refused_relay_address)
{
    struct sp_cidr wide;

    ck_assert_int_eq(sp_cidr_parse("172.16.0.0/12", &wide), 0);
    ck_assert_int_eq(sp_turn_routes_add_ours(&routes, &relay_ip), 0);
    expect(&relay_ip, false, true);
    ck_assert_int_eq(sp_peer_policy_deny(policy, &wide), 0);
    expect(&relay_ip, false, false);
    ck_assert(!sp_turn_routes_may_permit(&routes, &relay_ip));
}
END_TEST

START_TEST(the_same_address_twice)
{
    ck_assert_int_eq(sp_turn_routes_add_ours(&routes, &relay_ip), 0);
    ck_assert_int_eq(sp_turn_routes_add_ours(&routes, &relay_ip), 0);
    ck_assert_uint_eq(routes.n_ours, 1);
}
END_TEST

START_TEST(no_memory)
{
    alloc_fail_at(1);
    int err = sp_turn_routes_add_ours(&routes, &relay_ip);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert(!sp_turn_routes_may_permit(&routes, &relay_ip));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_route");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, policy_and_ours);
    tcase_add_test(t, remembered_until_rules_change);
    tcase_add_test(t, refused_relay_address);
    tcase_add_test(t, the_same_address_twice);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
