/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "port_pool.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"

static struct sp_rng_seeded rng;

static struct sp_port_pool *pool_of(uint16_t min, uint16_t max)
{
    struct sp_port_pool *p;

    sp_rng_seeded_init(&rng, 11);
    ck_assert_int_eq(sp_port_pool_new(min, max, &p), 0);
    return p;
}

static int take(struct sp_port_pool *p, bool even, bool pair, uint16_t *port)
{
    return sp_port_pool_take(p, 3, &rng.rng, even, pair, port);
}

static bool is_taken(const struct sp_port_pool *p, uint16_t port)
{
    int owner = sp_port_pool_owner(p, port);

    ck_assert(owner == -1 || owner == 3);
    return owner == 3;
}

START_TEST(hands_out_each_port_once)
{
    static const uint16_t ranges[][2] = {
        {50000, 50099}, {1, 1}, {1, 64}, {65535, 65535}, {49152, 65535}, {1, 65535}, {7, 71},
    };
    static uint8_t seen[65536];
    uint16_t min = ranges[_i][0], max = ranges[_i][1], port;
    struct sp_port_pool *p = pool_of(min, max);

    for (size_t k = 0; k < (size_t)max - min + 1; k++) {
        ck_assert_int_eq(take(p, false, false, &port), 0);
        ck_assert(port >= min && port <= max && !seen[port]);
        ck_assert(is_taken(p, port));
        seen[port] = 1;
    }
    ck_assert_int_eq(take(p, false, false, &port), SP_EFULL);
    sp_port_pool_give(p, max);
    ck_assert_int_eq(take(p, false, false, &port), 0);
    ck_assert_uint_eq(port, max);
    sp_port_pool_free(p);
}
END_TEST

START_TEST(even_ports_only_while_there_are)
{
    struct sp_port_pool *p = pool_of(50001, 50010);
    uint16_t port;

    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(take(p, true, false, &port), 0);
        ck_assert_uint_eq(port % 2, 0);
    }
    ck_assert_int_eq(take(p, true, false, &port), SP_EFULL);
    ck_assert_int_eq(take(p, false, false, &port), 0);
    ck_assert_uint_eq(port % 2, 1);
    sp_port_pool_free(p);
}
END_TEST

START_TEST(pairs)
{
    struct sp_port_pool *p = pool_of(50001, 50010); /* pairs from 2, 4, 6 and 8; 10 has no next */
    uint16_t port;

    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(take(p, true, true, &port), 0);
        ck_assert_uint_eq(port % 2, 0);
        ck_assert(port >= 50002 && port <= 50008);
        ck_assert(is_taken(p, port));
        ck_assert(is_taken(p, (uint16_t)(port + 1)));
    }
    ck_assert_int_eq(take(p, true, true, &port), SP_EFULL);
    sp_port_pool_give(p, 50004); /* half a pair is no pair */
    ck_assert_int_eq(take(p, true, true, &port), SP_EFULL);
    sp_port_pool_give(p, 50005);
    ck_assert_int_eq(take(p, false, true, &port), 0); /* a pair is even anyway */
    ck_assert_uint_eq(port, 50004);
    sp_port_pool_free(p);
}
END_TEST

START_TEST(no_pair_at_the_very_end)
{
    struct sp_port_pool *p = pool_of(65534, 65534);
    uint16_t port;

    ck_assert_int_eq(take(p, true, true, &port), SP_EFULL);
    ck_assert_int_eq(take(p, true, false, &port), 0);
    ck_assert_uint_eq(port, 65534);
    sp_port_pool_free(p);
}
END_TEST

START_TEST(outside_is_not_taken)
{
    struct sp_port_pool *p = pool_of(50000, 50003);

    ck_assert(!is_taken(p, 49999));
    ck_assert(!is_taken(p, 50004));
    ck_assert(!is_taken(p, 0));
    sp_port_pool_free(p);
}
END_TEST

START_TEST(each_knows_what_is_whose)
{
    struct sp_port_pool *p = pool_of(50000, 50003);
    uint16_t port[4];

    ck_assert_int_eq(sp_port_pool_take(p, 0, &rng.rng, false, true, &port[0]), 0);
    port[1] = (uint16_t)(port[0] + 1);
    ck_assert_int_eq(sp_port_pool_take(p, SP_WORKERS_MAX - 1, &rng.rng, true, false, &port[2]), 0);
    ck_assert_int_eq(sp_port_pool_take(p, 1, &rng.rng, false, false, &port[3]), 0);
    ck_assert_int_eq(sp_port_pool_take(p, 0, &rng.rng, false, false, &port[3]), SP_EFULL);
    ck_assert_int_eq(sp_port_pool_owner(p, port[0]), 0);
    ck_assert_int_eq(sp_port_pool_owner(p, port[1]), 0);
    ck_assert_int_eq(sp_port_pool_owner(p, port[2]), SP_WORKERS_MAX - 1);
    ck_assert_int_eq(sp_port_pool_owner(p, port[3]), 1);
    sp_port_pool_give(p, port[3]);
    ck_assert_int_eq(sp_port_pool_owner(p, port[3]), -1);
    sp_port_pool_free(p);
}
END_TEST

#define THREADS 4
#define EACH    4000

struct taker {
    struct sp_port_pool *pool;
    unsigned worker;
    uint16_t ports[EACH];
    unsigned lost; /* that were another's all at once */
};

static void *take_many(void *arg)
{
    struct taker *t = arg;
    struct sp_rng_seeded dice;

    sp_rng_seeded_init(&dice, t->worker);
    for (unsigned i = 0; i < EACH; i++)
        if (sp_port_pool_take(t->pool, t->worker, &dice.rng, false, false, &t->ports[i]) != 0)
            t->lost++;
    for (unsigned i = 0; i < EACH; i++)
        t->lost += sp_port_pool_owner(t->pool, t->ports[i]) != (int)t->worker;
    return NULL;
}

/* All but 384 of them at once, by four workers. */
START_TEST(no_port_is_given_twice)
{
    static struct taker takers[THREADS];
    struct sp_port_pool *p = pool_of(SP_PORT_DYNAMIC_MIN, SP_PORT_DYNAMIC_MAX);
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){.pool = p, .worker = i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_eq(takers[i].lost, 0);
    }
    sp_port_pool_free(p);
}
END_TEST

/* Nobody can tell the next port from the last ones; and all of the range is used. */
START_TEST(random_and_spread)
{
    struct sp_port_pool *p = pool_of(SP_PORT_DYNAMIC_MIN, SP_PORT_DYNAMIC_MAX);
    unsigned in_order = 0, quarter[4] = {0};
    uint16_t port, last = 0;

    for (int i = 0; i < 4000; i++) {
        ck_assert_int_eq(take(p, false, false, &port), 0);
        in_order += port == last + 1;
        quarter[(port - SP_PORT_DYNAMIC_MIN) / 4096]++;
        last = port;
    }
    ck_assert_uint_lt(in_order, 10);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_gt(quarter[i], 800);
    sp_port_pool_free(p);
}
END_TEST

START_TEST(bad_ranges)
{
    struct sp_port_pool *p = NULL;

    ck_assert_int_eq(sp_port_pool_new(0, 10, &p), SP_EINVAL);
    ck_assert_int_eq(sp_port_pool_new(11, 10, &p), SP_EINVAL);
    alloc_fail_at(1);
    int err = sp_port_pool_new(10, 11, &p);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert_ptr_null(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("port_pool");
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, hands_out_each_port_once, 0, 7);
    tcase_add_test(t, even_ports_only_while_there_are);
    tcase_add_test(t, pairs);
    tcase_add_test(t, no_pair_at_the_very_end);
    tcase_add_test(t, outside_is_not_taken);
    tcase_add_test(t, each_knows_what_is_whose);
    tcase_add_test(t, no_port_is_given_twice);
    tcase_add_test(t, random_and_spread);
    tcase_add_test(t, bad_ranges);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
