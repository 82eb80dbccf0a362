/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_chan.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "sallyport/rng.h"

#define NOW   UINT64_C(1000000)
#define MAX   64
#define FIRST 0x4000

static struct sp_turn_chans chans;

static void setup(void)
{
    sp_turn_chans_init(&chans);
}

static void teardown(void)
{
    sp_turn_chans_fini(&chans);
}

static struct sp_addr peer(unsigned i)
{
    return sp_addr_v4(9, 1, 1, 1, (uint16_t)(1000 + i));
}

static int bind_at(unsigned number, unsigned p, size_t max, uint64_t now_us)
{
    struct sp_addr a = peer(p);

    return sp_turn_chans_bind(&chans, (uint16_t)(FIRST + number), &a, max, now_us);
}

/* Bound to each other, seen from both sides. */
static bool is_bound(unsigned number, unsigned p, uint64_t now_us)
{
    struct sp_addr a = peer(p);
    struct sp_turn_chan *by_number =
        sp_turn_chans_by_number(&chans, (uint16_t)(FIRST + number), now_us);
    struct sp_turn_chan *by_peer = sp_turn_chans_by_peer(&chans, &a, now_us);
    bool n = by_number != NULL && sp_addr_eq(&by_number->peer, &a);
    bool q = by_peer != NULL && by_peer->number == FIRST + number;

    if (n != q)
        ck_abort_msg("number %u and peer %u disagree", number, p);
    return n;
}

START_TEST(one_number_one_peer)
{
    ck_assert_int_eq(bind_at(0, 0, MAX, NOW), 0);
    ck_assert_int_eq(bind_at(1, 1, MAX, NOW), 0);
    ck_assert(is_bound(0, 0, NOW) && is_bound(1, 1, NOW));
    ck_assert_int_eq(bind_at(0, 1, MAX, NOW), SP_EEXIST);
    ck_assert_int_eq(bind_at(0, 2, MAX, NOW), SP_EEXIST);
    ck_assert_int_eq(bind_at(2, 0, MAX, NOW), SP_EEXIST);
    ck_assert_int_eq(bind_at(0, 0, MAX, NOW), 0);
    ck_assert(is_bound(0, 0, NOW) && is_bound(1, 1, NOW));
    ck_assert_uint_eq(chans.n, 2);
}
END_TEST

START_TEST(lasts_600_seconds)
{
    ck_assert_int_eq(bind_at(0, 0, MAX, NOW), 0);
    ck_assert_uint_eq(SP_TURN_CHAN_LIFETIME_US, 600000000);
    ck_assert(is_bound(0, 0, NOW + SP_TURN_CHAN_LIFETIME_US - 1));
    ck_assert(!is_bound(0, 0, NOW + SP_TURN_CHAN_LIFETIME_US));
    ck_assert_int_eq(bind_at(0, 0, MAX, NOW + 300), 0);
    ck_assert(is_bound(0, 0, NOW + 300 + SP_TURN_CHAN_LIFETIME_US - 1));
}
END_TEST

START_TEST(rests_300_seconds_more)
{
    uint64_t over = NOW + SP_TURN_CHAN_LIFETIME_US, free_again = over + SP_TURN_CHAN_REST_US;

    ck_assert_int_eq(bind_at(0, 0, MAX, NOW), 0);
    ck_assert_int_eq(bind_at(0, 1, MAX, over), SP_EEXIST);
    ck_assert_int_eq(bind_at(1, 0, MAX, over), SP_EEXIST);
    ck_assert_int_eq(bind_at(0, 1, MAX, free_again - 1), SP_EEXIST);
    ck_assert(!is_bound(0, 0, over));
    ck_assert_int_eq(bind_at(0, 0, MAX, over + 1), 0); /* the same pair may come back */
    ck_assert(is_bound(0, 0, over + 1));
    free_again += SP_TURN_CHAN_LIFETIME_US + 1;
    ck_assert_int_eq(bind_at(0, 1, MAX, free_again), 0);
    ck_assert_int_eq(bind_at(1, 0, MAX, free_again), 0);
    ck_assert(is_bound(0, 1, free_again) && is_bound(1, 0, free_again));
    ck_assert_uint_eq(chans.n, 2);
}
END_TEST

START_TEST(the_bound_counts_those_that_rest)
{
    uint64_t over = NOW + SP_TURN_CHAN_LIFETIME_US;

    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(bind_at(i, i, 8, NOW), 0);
    ck_assert_int_eq(bind_at(8, 8, 8, NOW), SP_EFULL);
    ck_assert_int_eq(bind_at(7, 7, 8, NOW), 0);
    ck_assert_int_eq(bind_at(8, 8, 8, over), SP_EFULL);
    ck_assert_int_eq(bind_at(8, 8, 8, over + SP_TURN_CHAN_REST_US), 0);
    ck_assert_uint_eq(chans.n, 1);
}
END_TEST

/* Against a table that can't be wrong: who is bound to whom, and until when. */
START_TEST(as_a_plain_table_says)
{
    struct sp_rng_seeded rng;
    struct {
        int peer;
        uint64_t expires;
    } table[40] = {{0, 0}};
    uint64_t now = NOW;

    sp_rng_seeded_init(&rng, 4);
    for (int i = 0; i < 2000; i++) {
        unsigned n = (unsigned)sp_rng_below(&rng.rng, 40), p = (unsigned)sp_rng_below(&rng.rng, 40);
        bool taken = false;

        now += sp_rng_below(&rng.rng, 50000000);
        for (unsigned k = 0; k < 40; k++) {
            bool holds = table[k].expires + SP_TURN_CHAN_REST_US > now && table[k].expires != 0;

            if (!holds)
                table[k].expires = 0;
            else if ((k == n) != (table[k].peer == (int)p))
                taken = true;
        }
        ck_assert_int_eq(bind_at(n, p, 1000, now), taken ? SP_EEXIST : 0);
        if (!taken) {
            table[n].peer = (int)p;
            table[n].expires = now + SP_TURN_CHAN_LIFETIME_US;
        }
        for (unsigned k = 0; k < 40; k++) {
            bool bound = table[k].expires > now, right = true;

            if (bound)
                right = is_bound(k, (unsigned)table[k].peer, now);
            else if (sp_turn_chans_by_number(&chans, (uint16_t)(FIRST + k), now) != NULL)
                right = false;
            if (!right)
                ck_abort_msg("round %d, channel %u", i, k);
        }
    }
}
END_TEST

START_TEST(no_memory)
{
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned k = 1;; k++) {
            alloc_fail_at(k);
            int err = bind_at(i, i, MAX, NOW);
            if (!alloc_fail_disarm()) {
                ck_assert_int_eq(err, 0);
                break;
            }
            ck_assert_int_eq(err, SP_ENOMEM);
            ck_assert_uint_eq(chans.n, i);
            ck_assert(!is_bound(i, i, NOW));
        }
        ck_assert(is_bound(i, i, NOW));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_chan");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, one_number_one_peer);
    tcase_add_test(t, lasts_600_seconds);
    tcase_add_test(t, rests_300_seconds_more);
    tcase_add_test(t, the_bound_counts_those_that_rest);
    tcase_add_test(t, as_a_plain_table_says);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
