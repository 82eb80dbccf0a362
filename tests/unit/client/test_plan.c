/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "plan.h"
#include "sallyport/clock.h"

#define START SP_SEC(1000)

static struct sp_rng_seeded rng;
static struct sp_plan plan;
static uint64_t now_us;

static void begin(size_t servers, unsigned lanes)
{
    sp_rng_seeded_init(&rng, 1);
    now_us = START;
    sp_plan_init(&plan, servers, lanes, &rng.rng, now_us);
}

static struct sp_plan_try expect(size_t server, unsigned lane, bool is_new)
{
    struct sp_plan_try t;

    ck_assert(sp_plan_next(&plan, now_us, &t));
    ck_assert_uint_eq(t.server, server);
    ck_assert_uint_eq(t.lane, lane);
    ck_assert_int_eq(t.is_new, is_new);
    return t;
}

static void expect_none(void)
{
    struct sp_plan_try t;
    ck_assert(!sp_plan_next(&plan, now_us, &t));
}

/* Goes to the next deadline, and says how far that was. */
static uint64_t sleep_us(void)
{
    uint64_t due_us = sp_plan_due_us(&plan), slept = 0;

    ck_assert_uint_ne(due_us, SP_NEVER);
    if (due_us > now_us) {
        slept = due_us - now_us;
        expect_none();
        now_us = due_us;
    }
    return slept;
}

static void succeed(struct sp_plan_try t)
{
    ck_assert(sp_plan_succeeded(&plan, &t, now_us));
}

static void unreachable(struct sp_plan_try t)
{
    sp_plan_failed(&plan, &t, false, now_us);
}

static void denied(struct sp_plan_try t)
{
    sp_plan_failed(&plan, &t, true, now_us);
}

/* A tunnel at server 0 with all lanes, old enough to be called stable. */
static void open_all(size_t servers, unsigned lanes)
{
    begin(servers, lanes);
    succeed(expect(0, 0, true));
    for (unsigned i = 1; i < lanes; i++)
        succeed(expect(0, i, false));
    expect_none();
    ck_assert_uint_eq(sp_plan_usable(&plan), lanes);
    now_us += SP_SEC(60);
}

START_TEST(one_lane_first_then_the_others_at_once)
{
    begin(1, 3);
    struct sp_plan_try first = expect(0, 0, true);
    expect_none();
    ck_assert_uint_eq(sp_plan_due_us(&plan), SP_NEVER);
    now_us += SP_MS(80);
    succeed(first);
    struct sp_plan_try second = expect(0, 1, false), third = expect(0, 2, false);
    expect_none();
    succeed(third);
    succeed(second);
    expect_none();
    ck_assert_uint_eq(sp_plan_due_us(&plan), SP_NEVER);
}
END_TEST

START_TEST(a_dead_server_is_tried_ever_more_seldom)
{
    uint64_t step = SP_MS(250);

    begin(1, 4);
    unreachable(expect(0, 0, true)); /* the first came at once */
    for (int i = 0; i < 12; i++) {
        uint64_t slept = sleep_us();
        ck_assert_uint_ge(slept, step / 2);
        ck_assert_uint_le(slept, step);
        step = step * 2 < SP_SEC(30) ? step * 2 : SP_SEC(30);
        unreachable(expect(0, 0, true));
    }
}
END_TEST

START_TEST(all_servers_in_order_then_a_wait)
{
    begin(3, 1);
    for (int round = 0; round < 3; round++) {
        for (size_t server = 0; server < 3; server++) {
            struct sp_plan_try t = expect(server, 0, true);
            if (round % 2 == 0)
                unreachable(t);
            else
                denied(t);
        }
        expect_none();
        ck_assert_uint_gt(sleep_us(), SP_MS(100));
    }
    unreachable(expect(0, 0, true));
    succeed(expect(1, 0, true));
    expect_none();
}
END_TEST

START_TEST(a_lost_lane_comes_back_at_once_under_its_number)
{
    open_all(1, 4);
    sp_plan_lane_lost(&plan, 2, now_us);
    struct sp_plan_try t = expect(0, 2, false);
    expect_none();
    /* It flaps: the second time is not at once. */
    succeed(t);
    now_us += SP_SEC(1);
    sp_plan_lane_lost(&plan, 2, now_us);
    ck_assert_uint_ge(sleep_us(), SP_MS(125));
    expect(0, 2, false);
}
END_TEST

START_TEST(a_refused_lane_beside_living_ones_backs_off_alone)
{
    begin(1, 3);
    succeed(expect(0, 0, true));
    struct sp_plan_try one = expect(0, 1, false), two = expect(0, 2, false);
    succeed(one);
    denied(two);
    expect_none();
    for (int i = 0; i < 10; i++) { /* never a new tunnel */
        sleep_us();
        denied(expect(0, 2, false));
    }
    ck_assert_uint_ge(sleep_us(), SP_SEC(15));
}
END_TEST

START_TEST(a_suspect_lane_is_replaced_or_turns_out_well)
{
    open_all(1, 2);
    sp_plan_lane_suspect(&plan, 1, now_us);
    ck_assert_uint_eq(sp_plan_usable(&plan), 1);
    struct sp_plan_try t = expect(0, 1, false);
    succeed(t);
    ck_assert_uint_eq(sp_plan_usable(&plan), 2);

    now_us += SP_SEC(60);
    sp_plan_lane_suspect(&plan, 0, now_us);
    sp_plan_lane_well(&plan, 0, now_us);
    expect_none();
    /* Suspect, and then gone: still one try. */
    sp_plan_lane_suspect(&plan, 0, now_us);
    sp_plan_lane_lost(&plan, 0, now_us);
    expect(0, 0, false);
    expect_none();
}
END_TEST

START_TEST(all_lanes_lost_one_leads_and_the_others_follow)
{
    open_all(1, 4);
    for (unsigned i = 0; i < 4; i++)
        sp_plan_lane_lost(&plan, i, now_us);
    unreachable(expect(0, 0, false));
    expect_none();
    sleep_us();
    succeed(expect(0, 0, false)); /* the same tunnel: nothing was lost */
    for (unsigned i = 1; i < 4; i++)
        succeed(expect(0, i, false));
    expect_none();
}
END_TEST

START_TEST(the_server_forgot_the_tunnel)
{
    open_all(1, 2);
    sp_plan_lane_lost(&plan, 0, now_us);
    sp_plan_lane_lost(&plan, 1, now_us);
    struct sp_plan_try t = expect(0, 0, false);
    now_us += SP_MS(50);
    denied(t);
    succeed(expect(0, 0, true)); /* at once, at the same server */
    succeed(expect(0, 1, false));
}
END_TEST

START_TEST(the_token_is_refused_for_both)
{
    open_all(1, 1);
    sp_plan_lane_lost(&plan, 0, now_us);
    for (int i = 0; i < 5; i++) {
        denied(expect(0, 0, false)); /* the tunnel may still be there … */
        denied(expect(0, 0, true));  /* … but not even a new one is given */
        ck_assert_uint_ge(sleep_us(), SP_MS(125));
    }
}
END_TEST

START_TEST(while_calls_can_be_saved_it_hurries)
{
    open_all(1, 1);
    sp_plan_lane_lost(&plan, 0, now_us);
    uint64_t lost_us = now_us, slept = 0;
    int n = 0;
    while (now_us - lost_us < SP_SEC(30)) {
        unreachable(expect(0, 0, false));
        slept = sleep_us();
        ck_assert_uint_le(slept, SP_SEC(4));
        n++;
    }
    ck_assert_int_ge(n, 10);
    for (int i = 0; i < 5; i++) {
        unreachable(expect(0, 0, false));
        slept = sleep_us();
    }
    ck_assert_uint_ge(slept, SP_SEC(15));
}
END_TEST

START_TEST(another_server_only_when_the_tunnel_is_forgotten)
{
    open_all(2, 1);
    sp_plan_lane_lost(&plan, 0, now_us);
    uint64_t lost_us = now_us;
    for (;;) {
        struct sp_plan_try t;
        ck_assert(sp_plan_next(&plan, now_us, &t));
        now_us += SP_MS(500);
        unreachable(t);
        if (t.server != 0)
            break;
        ck_assert(!t.is_new);
        sleep_us();
    }
    ck_assert_uint_ge(now_us - lost_us, SP_SEC(30));
    ck_assert_uint_le(now_us - lost_us, SP_SEC(62));
    /* Round the list: where it was, by its old id, then the other. */
    sleep_us();
    unreachable(expect(0, 0, false));
    succeed(expect(1, 0, true));
    /* From here on the other one is home. */
    now_us += SP_SEC(60);
    sp_plan_lane_lost(&plan, 0, now_us);
    expect(1, 0, false);
}
END_TEST

START_TEST(a_new_tunnel_that_comes_too_late)
{
    open_all(1, 2);
    sp_plan_lane_suspect(&plan, 0, now_us);
    sp_plan_lane_suspect(&plan, 1, now_us);
    denied(expect(0, 0, false));
    struct sp_plan_try t = expect(0, 0, true);
    sp_plan_lane_well(&plan, 1, now_us);
    ck_assert(!sp_plan_succeeded(&plan, &t, now_us));
    ck_assert_uint_eq(sp_plan_usable(&plan), 1);
    expect(0, 0, false);
}
END_TEST

START_TEST(lanes_of_an_old_tunnel_do_not_come_back)
{
    open_all(1, 2);
    sp_plan_lane_suspect(&plan, 0, now_us);
    sp_plan_lane_suspect(&plan, 1, now_us);
    denied(expect(0, 0, false));
    succeed(expect(0, 0, true));
    sp_plan_lane_well(&plan, 1, now_us);
    ck_assert_uint_eq(sp_plan_usable(&plan), 1);
    expect(0, 1, false);
}
END_TEST

START_TEST(all_suspect_is_as_bad_as_all_lost)
{
    open_all(1, 3);
    for (unsigned i = 0; i < 3; i++)
        sp_plan_lane_suspect(&plan, i, now_us);
    struct sp_plan_try t = expect(0, 0, false);
    expect_none();
    succeed(t);
    succeed(expect(0, 1, false));
    succeed(expect(0, 2, false));
}
END_TEST

START_TEST(a_join_under_way_leads_when_the_last_lane_dies)
{
    open_all(1, 2);
    sp_plan_lane_lost(&plan, 1, now_us);
    struct sp_plan_try t = expect(0, 1, false);
    sp_plan_lane_lost(&plan, 0, now_us);
    expect_none(); /* one try at a time */
    succeed(t);
    succeed(expect(0, 0, false));
    expect_none();
}
END_TEST

/* Whatever happens in whatever order: a wanted lane is tried, or its time is known, and nothing is
 * tried twice at once or in a spin. */
START_TEST(random_lives)
{
    struct sp_rng_seeded dice;
    struct sp_plan_try under_way[8];
    size_t n = 0, tries = 0;

    sp_rng_seeded_init(&dice, (uint64_t)_i + 7);
    begin(1 + (size_t)(_i % 3), 4);
    for (int step = 0; step < 4000; step++) {
        struct sp_plan_try t;
        while (sp_plan_next(&plan, now_us, &t)) {
            for (size_t i = 0; i < n; i++)
                ck_assert_uint_ne(under_way[i].lane, t.lane);
            ck_assert_uint_lt(n, 4);
            under_way[n++] = t;
            tries++;
        }
        uint64_t due_us = sp_plan_due_us(&plan);
        ck_assert(n > 0 || due_us != SP_NEVER || sp_plan_usable(&plan) == 4);
        ck_assert(due_us > now_us);
        unsigned lane = (unsigned)sp_rng_below(&dice.rng, 4);
        switch (sp_rng_below(&dice.rng, 8)) {
        case 0:
            if (plan.lanes[lane].up)
                sp_plan_lane_lost(&plan, lane, now_us);
            break;
        case 1:
            if (plan.lanes[lane].up)
                sp_plan_lane_suspect(&plan, lane, now_us);
            break;
        case 2:
            if (plan.lanes[lane].up)
                sp_plan_lane_well(&plan, lane, now_us);
            break;
        case 3:
        case 4:
        case 5:
            if (n > 0) {
                t = under_way[--n];
                if (sp_rng_below(&dice.rng, 2) == 0)
                    sp_plan_succeeded(&plan, &t, now_us);
                else
                    sp_plan_failed(&plan, &t, sp_rng_below(&dice.rng, 2) == 0, now_us);
            }
            break;
        default:
            now_us += sp_rng_below(&dice.rng, SP_SEC(5));
            if (due_us != SP_NEVER && now_us < due_us && n == 0)
                now_us = due_us;
            break;
        }
    }
    ck_assert_uint_gt(tries, 100);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *tc = tcase_create("plan");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, one_lane_first_then_the_others_at_once);
    tcase_add_test(tc, a_dead_server_is_tried_ever_more_seldom);
    tcase_add_test(tc, all_servers_in_order_then_a_wait);
    tcase_add_test(tc, a_lost_lane_comes_back_at_once_under_its_number);
    tcase_add_test(tc, a_refused_lane_beside_living_ones_backs_off_alone);
    tcase_add_test(tc, a_suspect_lane_is_replaced_or_turns_out_well);
    tcase_add_test(tc, all_lanes_lost_one_leads_and_the_others_follow);
    tcase_add_test(tc, the_server_forgot_the_tunnel);
    tcase_add_test(tc, the_token_is_refused_for_both);
    tcase_add_test(tc, while_calls_can_be_saved_it_hurries);
    tcase_add_test(tc, another_server_only_when_the_tunnel_is_forgotten);
    tcase_add_test(tc, a_new_tunnel_that_comes_too_late);
    tcase_add_test(tc, lanes_of_an_old_tunnel_do_not_come_back);
    tcase_add_test(tc, all_suspect_is_as_bad_as_all_lost);
    tcase_add_test(tc, a_join_under_way_leads_when_the_last_lane_dies);
    tcase_add_loop_test(tc, random_lives, 0, 30);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
