/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay_ips.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"

static struct sp_relay_ip ip(const char *local, const char *public_)
{
    struct sp_relay_ip r;

    ck_assert_int_eq(sp_addr_parse_ip(local, &r.local), 0);
    ck_assert_int_eq(sp_addr_parse_ip(public_, &r.public_), 0);
    return r;
}

static int owner(const struct sp_relay_ips *r, const char *addr, uint16_t port)
{
    struct sp_addr a;

    ck_assert_int_eq(sp_addr_parse_ip(addr, &a), 0);
    a.port = port;
    return sp_relay_ips_owner(r, &a);
}

START_TEST(whose_is_it)
{
    const struct sp_relay_ip ips[] = {ip("10.0.0.1", "198.51.100.1"),
                                      ip("2001:db8::1", "2001:db8::1")};
    struct sp_rng_seeded rng;
    struct sp_relay_ips *r;
    uint16_t four, six;

    sp_rng_seeded_init(&rng, 5);
    ck_assert_int_eq(sp_relay_ips_new(ips, 2, 20000, 20009, &r), 0);
    ck_assert(!sp_relay_ips_are_virtual(r));
    ck_assert_uint_eq(sp_relay_ips_count(r), 2);
    ck_assert(sp_addr_eq(&sp_relay_ips_at(r, 1)->local, &ips[1].local));
    ck_assert_int_eq(sp_port_pool_take(sp_relay_ips_ports(r, 0), 2, &rng.rng, false, false, &four),
                     0);
    ck_assert_int_eq(sp_port_pool_take(sp_relay_ips_ports(r, 1), 0, &rng.rng, false, false, &six),
                     0);
    ck_assert_int_eq(owner(r, "10.0.0.1", four), 2);
    ck_assert_int_eq(owner(r, "198.51.100.1", four), 2);
    ck_assert_int_eq(owner(r, "2001:db8::1", six), 0);
    ck_assert_int_eq(owner(r, "2001:db8::2", six), -1);
    ck_assert_int_eq(owner(r, "10.0.0.2", four), -1);
    ck_assert_int_eq(owner(r, "10.0.0.1", 19999), -1);
    sp_port_pool_give(sp_relay_ips_ports(r, 0), four);
    ck_assert_int_eq(owner(r, "10.0.0.1", four), -1);
    sp_relay_ips_free(r);
}
END_TEST

/* Two networks of our own may be behind one public address. */
START_TEST(one_public_address_of_two)
{
    const struct sp_relay_ip ips[] = {ip("10.0.0.1", "198.51.100.1"),
                                      ip("10.0.0.2", "198.51.100.1")};
    struct sp_rng_seeded rng;
    struct sp_relay_ips *r;
    uint16_t port;

    sp_rng_seeded_init(&rng, 5);
    ck_assert_int_eq(sp_relay_ips_new(ips, 2, 20000, 20009, &r), 0);
    ck_assert_int_eq(sp_port_pool_take(sp_relay_ips_ports(r, 1), 1, &rng.rng, false, false, &port),
                     0);
    ck_assert_int_eq(owner(r, "198.51.100.1", port), 1);
    sp_relay_ips_free(r);
}
END_TEST

START_TEST(virtual_ones)
{
    const struct sp_relay_ip one = ip("198.51.100.1", "198.51.100.1");
    struct sp_rng_seeded rng;
    struct sp_relay_ips *r;
    uint16_t port;

    sp_rng_seeded_init(&rng, 5);
    ck_assert_int_eq(sp_relay_ips_new(&one, 1, 0, 0, &r), 0);
    ck_assert(sp_relay_ips_are_virtual(r));
    ck_assert_int_eq(sp_port_pool_take(sp_relay_ips_ports(r, 0), 0, &rng.rng, false, false, &port),
                     0);
    ck_assert_uint_ge(port, SP_PORT_DYNAMIC_MIN);
    sp_relay_ips_free(r);
}
END_TEST

START_TEST(bad_ones)
{
    struct sp_relay_ip many[SP_RELAY_IPS_MAX + 1];
    struct sp_relay_ips *r = NULL;

    for (size_t i = 0; i < SP_ARRAY_LEN(many); i++)
        many[i] = ip("10.0.0.1", "10.0.0.1");
    ck_assert_int_eq(sp_relay_ips_new(many, 0, 1, 2, &r), SP_EINVAL);
    ck_assert_int_eq(sp_relay_ips_new(many, SP_ARRAY_LEN(many), 1, 2, &r), SP_EINVAL);
    ck_assert_int_eq(sp_relay_ips_new(many, 1, 2, 1, &r), SP_EINVAL);
    for (unsigned k = 1; k <= 3; k++) {
        alloc_fail_at(k);
        int err = sp_relay_ips_new(many, 2, 1, 2, &r);
        ck_assert(alloc_fail_disarm());
        ck_assert_int_eq(err, SP_ENOMEM);
    }
    ck_assert_ptr_null(r);
    sp_relay_ips_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("relay_ips");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);

    suite_add_tcase(s, t);
    tcase_add_test(t, whose_is_it);
    tcase_add_test(t, one_public_address_of_two);
    tcase_add_test(t, virtual_ones);
    tcase_add_test(t, bad_ones);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
