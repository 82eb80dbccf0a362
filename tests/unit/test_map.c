/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/map.h"

#include <check.h>
#include <stdlib.h>

#include "../../src/siphash.h"
#include "../support/alloc_fail.h"
#include "sallyport/addr.h"
#include "sallyport/err.h"

/* The key before the node, and one behind it: either way must work. */
struct item {
    uint32_t early;
    struct sp_map_node node;
    struct sp_addr late;
    bool in;
};

static struct sp_rng_seeded rng;

static void init_by_number(struct sp_map *m)
{
    sp_rng_seeded_init(&rng, 11);
    SP_MAP_INIT(m, struct item, node, early, &rng.rng);
}

static struct item *item_of(const struct sp_map_node *n)
{
    return n == NULL ? NULL : SP_CONTAINER_OF(n, struct item, node);
}

static struct item *get(const struct sp_map *m, uint32_t key)
{
    return item_of(sp_map_get(m, &key));
}

START_TEST(siphash_official_vectors)
{
    /* Key 00 01 .. 0f; message 00 01 .. of 0 to 63 bytes. */
    static const uint64_t want[64] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
        0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
        0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
        0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
        0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
        0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
        0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad,
        0xde4daaaca71dc9a5, 0xa6a2506687956571, 0xad87a3535c49ef28, 0x32d892fad841c342,
        0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
        0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
        0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95,
        0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
        0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a,
        0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea, 0x245731c13ca42499,
        0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
        0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
    };
    uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    for (size_t len = 0; len < 64; len++) {
        uint8_t *message = malloc(len + 1); /* each at its own end, for AddressSanitizer */
        ck_assert_ptr_nonnull(message);
        for (size_t i = 0; i < len; i++)
            message[1 + i] = (uint8_t)i;
        ck_assert_uint_eq(sp_siphash24(key, message + 1, len), want[len]);
        free(message);
    }
}
END_TEST

START_TEST(empty)
{
    struct sp_map m;
    init_by_number(&m);
    ck_assert_ptr_null(get(&m, 1));
    ck_assert_ptr_null(sp_map_any(&m));
    ck_assert_ptr_null(sp_map_next(&m, NULL));
    sp_map_fini(&m);
    ck_assert_ptr_null(get(&m, 1));
    sp_map_fini(&m);
}
END_TEST

START_TEST(add_get_del)
{
    struct sp_map m;
    struct item a = {.early = 1}, b = {.early = 2}, again = {.early = 1};
    init_by_number(&m);
    ck_assert_int_eq(sp_map_add(&m, &a.node), 0);
    ck_assert_int_eq(sp_map_add(&m, &b.node), 0);
    ck_assert_uint_eq(m.len, 2);
    ck_assert_ptr_eq(get(&m, 1), &a);
    ck_assert_ptr_eq(get(&m, 2), &b);
    ck_assert_ptr_null(get(&m, 3));

    ck_assert_int_eq(sp_map_add(&m, &again.node), SP_EEXIST);
    ck_assert_int_eq(sp_map_add(&m, &a.node), SP_EEXIST);
    ck_assert_uint_eq(m.len, 2);
    ck_assert_ptr_eq(get(&m, 1), &a);

    sp_map_del(&m, &a.node);
    ck_assert_ptr_null(get(&m, 1));
    ck_assert_ptr_eq(get(&m, 2), &b);
    ck_assert_int_eq(sp_map_add(&m, &again.node), 0);
    ck_assert_ptr_eq(get(&m, 1), &again);
    sp_map_fini(&m);
}
END_TEST

START_TEST(key_behind_the_node)
{
    struct sp_map m;
    struct item a = {.late = sp_addr_v4(192, 0, 2, 1, 1)},
                b = {.late = sp_addr_v4(192, 0, 2, 1, 2)};
    struct sp_addr key = b.late;
    sp_rng_seeded_init(&rng, 12);
    SP_MAP_INIT(&m, struct item, node, late, &rng.rng);
    ck_assert_int_eq(sp_map_add(&m, &a.node), 0);
    ck_assert_ptr_null(sp_map_get(&m, &key));
    ck_assert_int_eq(sp_map_add(&m, &b.node), 0);
    ck_assert_ptr_eq(item_of(sp_map_get(&m, &key)), &b);
    sp_map_fini(&m);
}
END_TEST

START_TEST(equal_hashes_are_told_apart)
{
    struct sp_map m;
    struct item it[4] = {{.early = 1}, {.early = 2}, {.early = 3}, {.early = 4}};
    init_by_number(&m);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(sp_map_add(&m, &it[i].node), 0);
    /* As if the others' keys had the hash of the first: they stand in one chain, and asking for
     * key 1 passes all of them. */
    for (size_t i = 0; i < 4; i++)
        sp_map_del(&m, &it[i].node);
    for (size_t i = 0; i < 4; i++) {
        it[i].node.hash = sp_siphash24(m.k, &it[0].early, 4);
        it[i].node.next = m.slots[it[i].node.hash & (m.n_slots - 1)];
        m.slots[it[i].node.hash & (m.n_slots - 1)] = &it[i].node;
        m.len++;
    }
    m.lowest = it[0].node.hash & (m.n_slots - 1);
    ck_assert_ptr_eq(get(&m, 1), &it[0]);
    sp_map_del(&m, &it[1].node);
    ck_assert_ptr_eq(get(&m, 1), &it[0]);
    sp_map_del(&m, &it[0].node);
    ck_assert_ptr_null(get(&m, 1));
    ck_assert_uint_eq(m.len, 2);
    sp_map_fini(&m);
}
END_TEST

/* Each element once, and all of them. */
static void check_walk(const struct sp_map *m, struct item *items, size_t n)
{
    size_t seen = 0;
    for (struct sp_map_node *it = NULL; (it = sp_map_next(m, it)) != NULL; seen++) {
        ck_assert(item_of(it)->in);
        item_of(it)->in = false;
    }
    ck_assert_uint_eq(seen, m->len);
    for (size_t i = 0; i < n; i++) {
        ck_assert(!items[i].in);
        items[i].in = get(m, items[i].early) == &items[i];
        seen -= items[i].in;
    }
    ck_assert_uint_eq(seen, 0);
}

START_TEST(random_changes_against_flags)
{
    enum { N = 600 };
    static struct item items[N];
    struct sp_map m;
    init_by_number(&m);
    for (uint32_t i = 0; i < N; i++)
        items[i] = (struct item){.early = i};
    for (int round = 0; round < 20000; round++) {
        /* The number of elements swings, so that the table grows and shrinks. */
        size_t want = (round / 2000) % 2 == 0 ? N : 5;
        struct item *it = &items[sp_rng_below(&rng.rng, N)];
        ck_assert_ptr_eq(get(&m, it->early), it->in ? it : NULL);
        if (it->in && m.len > want) {
            sp_map_del(&m, &it->node);
            it->in = false;
        } else if (!it->in && m.len < want) {
            ck_assert_int_eq(sp_map_add(&m, &it->node), 0);
            it->in = true;
        } else if (it->in) {
            ck_assert_int_eq(sp_map_add(&m, &it->node), SP_EEXIST);
        }
        ck_assert(m.len == 0 || sp_map_any(&m) != NULL);
        if (round % 100 == 0)
            check_walk(&m, items, N);
    }
    sp_map_fini(&m);
}
END_TEST

/* By few hints, so that several meet at each; whatever the front remembers, the answer is the
 * map's. */
START_TEST(near_is_what_the_map_says)
{
    static struct item items[500];
    static struct sp_map_front front;
    struct sp_map m;

    init_by_number(&m);
    front = (struct sp_map_front){0};
    for (unsigned round = 0; round < 20000; round++) {
        uint32_t key = (uint32_t)sp_rng_below(&rng.rng, 500);
        struct item *it = &items[key];
        bool change = sp_rng_below(&rng.rng, 8) == 0;
        if (change && it->in) {
            sp_map_del(&m, &it->node);
        } else if (change) {
            *it = (struct item){.early = key};
            ck_assert_int_eq(sp_map_add(&m, &it->node), 0);
        }
        it->in = it->in != change;
        struct item *near = item_of(sp_map_get_near(&m, &front, key % 50, &key));
        ck_assert_ptr_eq(near, it->in ? it : NULL);
        ck_assert_ptr_eq(near, get(&m, key));
    }
    sp_map_fini(&m);
}
END_TEST

START_TEST(emptied_one_by_one)
{
    enum { N = 100000 };
    struct item *items = calloc(N, sizeof *items);
    struct sp_map m;
    struct sp_map_node *n;
    size_t out = 0;
    ck_assert_ptr_nonnull(items);
    init_by_number(&m);
    for (uint32_t i = 0; i < N; i++) {
        items[i].early = i;
        ck_assert_int_eq(sp_map_add(&m, &items[i].node), 0);
    }
    ck_assert_uint_le(m.n_slots, 2 * N);
    /* Too slow for the test's time limit if each call searched from the start. */
    for (; (n = sp_map_any(&m)) != NULL; out++)
        sp_map_del(&m, n);
    ck_assert_uint_eq(out, N);
    ck_assert_uint_eq(m.len, 0);
    ck_assert_uint_le(m.n_slots, 16); /* the memory came back */
    sp_map_fini(&m);
    free(items);
}
END_TEST

START_TEST(memory_fails_at_each_call)
{
    enum { N = 100 };
    struct item items[N];
    struct sp_map m;
    unsigned refused = 0, kept_large = 0;
    init_by_number(&m);
    for (uint32_t i = 0; i < N; i++) {
        items[i] = (struct item){.early = i};
        alloc_fail_at(1);
        int err = sp_map_add(&m, &items[i].node);
        bool failed = alloc_fail_disarm();
        ck_assert_int_eq(err, failed ? SP_ENOMEM : 0);
        if (failed) {
            refused++;
            ck_assert_uint_eq(m.len, i);
            ck_assert_ptr_null(get(&m, i));
            ck_assert_int_eq(sp_map_add(&m, &items[i].node), 0);
        }
        for (uint32_t j = 0; j <= i; j++)
            ck_assert_ptr_eq(get(&m, j), &items[j]);
    }
    ck_assert_uint_eq(refused, 4); /* 16, 32, 64, 128 slots */
    for (uint32_t i = 0; i < N; i++) {
        alloc_fail_at(1);
        sp_map_del(&m, &items[i].node); /* can't fail, whatever it would like to have */
        kept_large += alloc_fail_disarm();
        ck_assert_ptr_null(get(&m, i));
        ck_assert_ptr_eq(get(&m, N - 1), i == N - 1 ? NULL : &items[N - 1]);
        ck_assert(m.len == 0 || sp_map_any(&m) != NULL);
    }
    ck_assert_uint_gt(kept_large, 0);
    sp_map_fini(&m);
}
END_TEST

START_TEST(each_map_has_its_own_key)
{
    struct sp_map a, b;
    init_by_number(&a);
    SP_MAP_INIT(&b, struct item, node, early, &rng.rng);
    ck_assert_mem_ne(a.k, b.k, sizeof a.k);
    ck_assert_uint_ne(a.k[0], a.k[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("map");
    TCase *tc = tcase_create("map");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, siphash_official_vectors);
    tcase_add_test(tc, empty);
    tcase_add_test(tc, add_get_del);
    tcase_add_test(tc, key_behind_the_node);
    tcase_add_test(tc, equal_hashes_are_told_apart);
    tcase_add_test(tc, random_changes_against_flags);
    tcase_add_test(tc, near_is_what_the_map_says);
    tcase_add_test(tc, emptied_one_by_one);
    tcase_add_test(tc, memory_fails_at_each_call);
    tcase_add_test(tc, each_map_has_its_own_key);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
