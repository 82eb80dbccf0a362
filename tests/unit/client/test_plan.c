/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <check.h>
#include <stdlib.h>

#include "plan_rig.h"
#include "sallyport/clock.h"

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

START_TEST(a_lost_lane_comes_back_soon_under_its_number)
{
    open_all(1, 4);
    sp_plan_lane_lost(&plan, 2, now_us);
    soon(LANE_SOON);
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
    soon(LANE_SOON);
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
    soon(LANE_SOON);
    expect(0, 0, false);
    expect_none();
}
END_TEST

START_TEST(all_lanes_lost_one_leads_and_the_others_follow)
{
    open_all(1, 4);
    for (unsigned i = 0; i < 4; i++)
        sp_plan_lane_lost(&plan, i, now_us);
    soon(LEAD_SOON);
    unreachable(expect(0, 0, false));
    expect_none();
    sleep_us();
    succeed(expect(0, 0, false)); /* the same tunnel: nothing was lost */
    for (unsigned i = 1; i < 4; i++)
        succeed(expect(0, i, false));
    expect_none();
}
END_TEST

START_TEST(while_calls_can_be_saved_it_hurries)
{
    open_all(1, 1);
    sp_plan_lane_lost(&plan, 0, now_us);
    uint64_t lost_us = now_us, slept = 0;
    int n = 0;
    soon(LEAD_SOON);
    while (now_us - lost_us < SP_SEC(30)) {
        unreachable(expect(0, 0, false));
        slept = sleep_us();
        ck_assert_uint_le(slept, SP_SEC(1));
        n++;
    }
    ck_assert_int_ge(n, 30);
    for (int i = 0; i < 5; i++) {
        unreachable(expect(0, 0, false));
        slept = sleep_us();
    }
    ck_assert_uint_ge(slept, SP_SEC(15));
}
END_TEST

/* Whoever stands before the server says that it is away: a handshake each time. */
START_TEST(not_now_keeps_the_tunnel)
{
    open_all(1, 1);
    sp_plan_lane_lost(&plan, 0, now_us);
    uint64_t lost_us = now_us;
    int n = 0;
    soon(LEAD_SOON);
    for (; now_us - lost_us < SP_SEC(30); n++) {
        not_now(expect(0, 0, false));
        ck_assert_uint_le(sleep_us(), SP_SEC(4));
    }
    ck_assert_int_ge(n, 8);
    ck_assert_int_le(n, 20);
    /* A server that says so for longer has forgotten it: don't ask for it for ever. */
    not_now(expect(0, 0, false));
    succeed(expect(0, 0, true));
}
END_TEST

START_TEST(a_join_that_hangs_keeps_none_from_trying)
{
    open_all(1, 3);
    for (unsigned i = 0; i < 3; i++)
        sp_plan_lane_lost(&plan, i, now_us);
    soon(LEAD_SOON);
    for (unsigned i = 0; i < 3; i++) { /* each hangs */
        expect(0, i, false);
        if (i < 2)
            ck_assert_uint_eq(sleep_us(), SP_MS(500));
    }
    expect_none();
    ck_assert_uint_eq(sp_plan_due_us(&plan), SP_NEVER); /* until one of them has given up */
    now_us += SP_SEC(3);
    unreachable((struct sp_plan_try){.server = 0, .lane = 0, .leader = true});
    soon(SP_SEC(1));
    succeed(expect(0, 0, false));
    expect_none(); /* the others are under way still */
    succeed((struct sp_plan_try){.server = 0, .lane = 2, .leader = true});
    ck_assert_uint_eq(sp_plan_usable(&plan), 2);
}
END_TEST

START_TEST(the_network_has_changed)
{
    open_all(1, 2);
    sp_plan_lane_lost(&plan, 0, now_us);
    sp_plan_lane_lost(&plan, 1, now_us);
    soon(LEAD_SOON);
    for (int i = 0; i < 5; i++) {
        unreachable(expect(0, 0, false));
        sleep_us();
    }
    unreachable(expect(0, 0, false));
    sp_plan_network_changed(&plan, now_us);
    expect(0, 0, false); /* hangs */
    now_us += SP_MS(10);
    expect_none();
    sp_plan_network_changed(&plan, now_us);
    unreachable(expect(0, 0, false)); /* the route is not there yet */
    ck_assert_uint_eq(sleep_us(), 0); /* and back-off begins anew */
    succeed(expect(0, 0, false));
    succeed(expect(0, 1, false));
    /* A lane that backs off beside living ones is tried as well. */
    now_us += SP_SEC(1);
    sp_plan_lane_lost(&plan, 1, now_us);
    expect_none();
    sp_plan_network_changed(&plan, now_us);
    expect(0, 1, false);
    expect_none();
}
END_TEST

/* Few lanes are enough for a while: none above them is tried, and none is missed. */
START_TEST(as_many_lanes_as_are_wanted)
{
    begin(1, 4);
    sp_plan_want(&plan, 2);
    succeed(expect(0, 0, true));
    succeed(expect(0, 1, false));
    expect_none();
    ck_assert_uint_eq(sp_plan_due_us(&plan), SP_NEVER);
    sp_plan_want(&plan, 4);
    ck_assert_uint_le(sp_plan_due_us(&plan), now_us);
    succeed(expect(0, 2, false));
    succeed(expect(0, 3, false));
    ck_assert_uint_eq(sp_plan_usable(&plan), 4);

    now_us += SP_SEC(60);
    sp_plan_want(&plan, 2);
    ck_assert_uint_eq(sp_plan_usable(&plan), 4); /* they stay */
    sp_plan_lane_lost(&plan, 3, now_us);
    now_us += SP_SEC(60);
    expect_none();
    ck_assert_uint_eq(sp_plan_due_us(&plan), SP_NEVER);
    sp_plan_lane_lost(&plan, 1, now_us); /* one of the few */
    soon(LANE_SOON);
    succeed(expect(0, 1, false));
    expect_none();
    sp_plan_want(&plan, 4);
    succeed(expect(0, 3, false));
    expect_none();
}
END_TEST

/* A lane above those that are wanted keeps the tunnel alive, if it is the last. */
START_TEST(one_that_is_not_wanted_may_be_the_last)
{
    open_all(1, 4);
    sp_plan_want(&plan, 1);
    for (unsigned i = 0; i < 3; i++)
        sp_plan_lane_lost(&plan, i, now_us);
    ck_assert_uint_eq(sp_plan_usable(&plan), 1);
    soon(LANE_SOON);
    unreachable(expect(0, 0, false));
    sp_plan_lane_lost(&plan, 3, now_us);
    soon(LEAD_SOON);
    succeed(expect(0, 0, false));
    expect_none();
    ck_assert_uint_eq(sp_plan_due_us(&plan), SP_NEVER);
}
END_TEST

START_TEST(all_suspect_is_as_bad_as_all_lost)
{
    open_all(1, 3);
    for (unsigned i = 0; i < 3; i++)
        sp_plan_lane_suspect(&plan, i, now_us);
    soon(LEAD_SOON);
    struct sp_plan_try t = expect(0, 0, false);
    expect_none();
    succeed(t);
    succeed(expect(0, 1, false));
    succeed(expect(0, 2, false));
}
END_TEST

START_TEST(a_join_under_way_may_lead_when_the_last_lane_dies)
{
    open_all(1, 2);
    sp_plan_lane_lost(&plan, 1, now_us);
    soon(LANE_SOON);
    struct sp_plan_try t = expect(0, 1, false);
    sp_plan_lane_lost(&plan, 0, now_us);
    soon(LEAD_SOON);
    struct sp_plan_try other = expect(0, 0, false);
    expect_none();
    succeed(t);
    expect_none();
    succeed(other);
    ck_assert_uint_eq(sp_plan_usable(&plan), 2);
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
            for (size_t i = 0; i < n; i++) {
                if (under_way[i].lane != t.lane)
                    continue;
                ck_assert(t.is_new && !under_way[i].is_new); /* it goes past a join */
                under_way[i--] = under_way[--n];
            }
            ck_assert_uint_lt(n, 4);
            under_way[n++] = t;
            tries++;
        }
        uint64_t due_us = sp_plan_due_us(&plan);
        ck_assert(n > 0 || due_us != SP_NEVER || sp_plan_usable(&plan) == 4);
        ck_assert(due_us > now_us);
        unsigned lane = (unsigned)sp_rng_below(&dice.rng, 4);
        switch (sp_rng_below(&dice.rng, 9)) {
        case 6:
            if (sp_rng_below(&dice.rng, 10) == 0) {
                sp_plan_network_changed(&plan, now_us);
                n = 0;
            }
            break;
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
                    sp_plan_failed(&plan, &t, (enum sp_plan_failure)sp_rng_below(&dice.rng, 3),
                                   now_us);
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
    tcase_add_test(tc, a_lost_lane_comes_back_soon_under_its_number);
    tcase_add_test(tc, a_refused_lane_beside_living_ones_backs_off_alone);
    tcase_add_test(tc, a_suspect_lane_is_replaced_or_turns_out_well);
    tcase_add_test(tc, all_lanes_lost_one_leads_and_the_others_follow);
    tcase_add_test(tc, while_calls_can_be_saved_it_hurries);
    tcase_add_test(tc, not_now_keeps_the_tunnel);
    tcase_add_test(tc, a_join_that_hangs_keeps_none_from_trying);
    tcase_add_test(tc, the_network_has_changed);
    tcase_add_test(tc, as_many_lanes_as_are_wanted);
    tcase_add_test(tc, one_that_is_not_wanted_may_be_the_last);
    tcase_add_test(tc, all_suspect_is_as_bad_as_all_lost);
    tcase_add_test(tc, a_join_under_way_may_lead_when_the_last_lane_dies);
    tcase_add_loop_test(tc, random_lives, 0, 30);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
