/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "clients.h"
#include "sallyport/err.h"

#define MAX 100

static struct sp_rng_seeded rng;
static struct sp_clients clients;
static int socket_; /* only its address counts */

static void setup(void)
{
    sp_rng_seeded_init(&rng, 3);
    sp_clients_init(&clients, MAX, &rng.rng);
}

static void teardown(void)
{
    struct sp_client *c;

    while ((c = sp_clients_oldest(&clients)) != NULL)
        sp_clients_remove(&clients, c);
    ck_assert_uint_eq(clients.n, 0);
    sp_clients_fini(&clients);
}

static struct sp_client_pair pair(unsigned remote_port, unsigned local_port)
{
    return (struct sp_client_pair){sp_addr_v4(127, 0, 0, 1, (uint16_t)remote_port),
                                   sp_addr_v4(127, 0, 0, 1, (uint16_t)local_port)};
}

static struct sp_client *add(unsigned remote_port, unsigned local_port, bool udp)
{
    struct sp_client_pair p = pair(remote_port, local_port);
    struct sp_client *c;

    ck_assert_int_eq(
        sp_clients_add(&clients, &p, udp ? (struct sp_dgram *)(void *)&socket_ : NULL, &c), 0);
    return c;
}

static struct sp_client *find(unsigned remote_port, unsigned local_port)
{
    struct sp_client_pair p = pair(remote_port, local_port);
    return sp_clients_find(&clients, &p);
}

/* A source that asks at two addresses is two clients: answers must come from where it asked. */
START_TEST(found_by_both_addresses)
{
    struct sp_client *a = add(1000, 3478, true), *b = add(1000, 3479, true);

    ck_assert_ptr_eq(find(1000, 3478), a);
    ck_assert_ptr_eq(find(1000, 3479), b);
    ck_assert_ptr_null(find(1001, 3478));
    sp_clients_remove(&clients, a);
    ck_assert_ptr_null(find(1000, 3478));
    ck_assert_ptr_eq(find(1000, 3479), b);
}
END_TEST

START_TEST(tcp_ones_are_not_found_by_address)
{
    struct sp_client *tcp = add(1000, 3478, false);

    ck_assert_ptr_null(find(1000, 3478));
    struct sp_client *udp = add(1000, 3478, true);
    ck_assert_ptr_eq(find(1000, 3478), udp);
    sp_clients_remove(&clients, tcp);
    ck_assert_ptr_eq(find(1000, 3478), udp);
}
END_TEST

START_TEST(bound_and_doubles)
{
    struct sp_client_pair p = pair(1000, 3478);
    struct sp_client *c;

    for (unsigned i = 0; i < MAX - 1; i++)
        add(1000 + i, 3478, i % 2 == 0);
    ck_assert_int_eq(sp_clients_add(&clients, &p, (struct sp_dgram *)(void *)&socket_, &c),
                     SP_EEXIST);
    ck_assert_uint_eq(clients.n, MAX - 1);
    add(5000, 3478, true);
    p = pair(5001, 3478);
    ck_assert_int_eq(sp_clients_add(&clients, &p, NULL, &c), SP_EFULL);
    sp_clients_remove(&clients, sp_clients_oldest(&clients));
    ck_assert_int_eq(sp_clients_add(&clients, &p, NULL, &c), 0);
}
END_TEST

START_TEST(the_oldest_is_the_one_not_used)
{
    struct sp_client *c[MAX];

    for (unsigned i = 0; i < MAX; i++)
        c[i] = add(1000 + i, 3478, true);
    for (unsigned i = 0; i < MAX; i++)
        if (i != 42)
            sp_clients_touch(&clients, c[i]);
    ck_assert_ptr_eq(sp_clients_oldest(&clients), c[42]);
    sp_clients_remove(&clients, c[42]);
    for (unsigned i = 0; i < MAX; i++) { /* then in the order of their touch */
        if (i == 42)
            continue;
        ck_assert_ptr_eq(sp_clients_oldest(&clients), c[i]);
        sp_clients_remove(&clients, c[i]);
    }
    ck_assert_ptr_null(sp_clients_oldest(&clients));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clients");
    TCase *tc = tcase_create("clients");
    SRunner *runner = srunner_create(s);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, found_by_both_addresses);
    tcase_add_test(tc, tcp_ones_are_not_found_by_address);
    tcase_add_test(tc, bound_and_doubles);
    tcase_add_test(tc, the_oldest_is_the_one_not_used);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
