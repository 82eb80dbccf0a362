/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans: when a tunnel is given up, and which server is asked for the next one.
 */
#include <check.h>
#include <stdlib.h>

#include "plan.h"
#include "plan_rig.h"
#include "sallyport/clock.h"

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

START_TEST(the_server_forgot_the_tunnel)
{
    open_all(1, 2);
    sp_plan_lane_lost(&plan, 0, now_us);
    sp_plan_lane_lost(&plan, 1, now_us);
    soon(LEAD_SOON);
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
    soon(LEAD_SOON);
    for (int i = 0; i < 5; i++) {
        denied(expect(0, 0, false)); /* the tunnel may still be there … */
        denied(expect(0, 0, true));  /* … but not even a new one is given */
        ck_assert_uint_ge(sleep_us(), SP_MS(125));
    }
}
END_TEST

START_TEST(the_network_changed_while_a_new_tunnel_was_asked_for)
{
    begin(2, 1);
    unreachable(expect(0, 0, true));
    expect(1, 0, true);
    sp_plan_network_changed(&plan, now_us);
    succeed(expect(0, 0, true));
}
END_TEST

/* Calls don't survive for longer anyway, where another server can be reached. */
START_TEST(another_server_when_the_own_one_stays_away)
{
    open_all(3, 1);
    sp_plan_lane_lost(&plan, 0, now_us);
    uint64_t lost_us = now_us;
    soon(LEAD_SOON);
    for (;;) {
        struct sp_plan_try t;
        ck_assert(sp_plan_next(&plan, now_us, &t));
        now_us += SP_MS(50);
        unreachable(t);
        if (t.server != 0)
            break;
        ck_assert(!t.is_new);
        sleep_us();
    }
    ck_assert_uint_ge(now_us - lost_us, SP_SEC(3));
    ck_assert_uint_le(now_us - lost_us, SP_SEC(5));
    unreachable(expect(2, 0, true));
    /* All are away: it is the network. The tunnel is looked for where it was, then all again. */
    soon(SP_SEC(1));
    unreachable(expect(0, 0, false));
    unreachable(expect(1, 0, true));
    succeed(expect(2, 0, true));
    /* From here on that one is home, and the others are asked in their order. */
    now_us += SP_SEC(60);
    sp_plan_lane_lost(&plan, 0, now_us);
    now_us += SP_SEC(4);
    unreachable(expect(2, 0, false));
    unreachable(expect(0, 0, true));
    unreachable(expect(1, 0, true));
}
END_TEST

/* A join that hangs is no reason not to ask elsewhere for a new tunnel. */
START_TEST(a_new_tunnel_goes_past_a_join_that_hangs)
{
    open_all(2, 1);
    sp_plan_lane_lost(&plan, 0, now_us);
    now_us += SP_SEC(4);
    struct sp_plan_try t = expect(0, 0, false);
    ck_assert(t.hurried);
    expect_none();
    unreachable(t);
    t = expect(1, 0, true);
    ck_assert(!t.hurried);
    /* What the join would have said comes to nothing. */
    denied((struct sp_plan_try){.server = 0, .leader = true});
    succeed(t);
}
END_TEST

START_TEST(a_new_tunnel_begins_with_the_first_server)
{
    begin(2, 1);
    unreachable(expect(0, 0, true));
    succeed(expect(1, 0, true));
    now_us += SP_SEC(60);
    /* A lane that comes back goes where the tunnel is. */
    sp_plan_lane_lost(&plan, 0, now_us);
    soon(LEAD_SOON);
    succeed(expect(1, 0, false));
    now_us += SP_SEC(60);
    sp_plan_lane_lost(&plan, 0, now_us);
    soon(LEAD_SOON);
    denied(expect(1, 0, false));
    unreachable(expect(0, 0, true));
    succeed(expect(1, 0, true)); /* by no old id */
    now_us += SP_SEC(60);
    sp_plan_lane_lost(&plan, 0, now_us);
    soon(LEAD_SOON);
    denied(expect(1, 0, false));
    succeed(expect(0, 0, true));
}
END_TEST

START_TEST(a_new_tunnel_that_comes_too_late)
{
    open_all(1, 2);
    sp_plan_lane_suspect(&plan, 0, now_us);
    sp_plan_lane_suspect(&plan, 1, now_us);
    soon(LEAD_SOON);
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
    soon(LEAD_SOON);
    denied(expect(0, 0, false));
    succeed(expect(0, 0, true));
    sp_plan_lane_well(&plan, 1, now_us);
    ck_assert_uint_eq(sp_plan_usable(&plan), 1);
    expect(0, 1, false);
}
END_TEST

/* The server that drains is asked last: its name may lead to its successor. Soon, and again and
 * again, but not for ever. */
START_TEST(a_server_that_drains_is_replaced)
{
    static const size_t order[][3] = {{1, 2, 0}, {0, 2, 1}, {0, 1, 2}};

    for (size_t drained = 0; drained < 3; drained++) {
        begin(3, 2);
        sp_plan_replace(&plan, drained, now_us);
        soon(LANE_SOON);
        uint64_t longest_us = 0;
        while (now_us - START < SP_SEC(110)) {
            for (size_t i = 0; i < 3; i++)
                denied(expect(order[drained][i], 0, true));
            uint64_t slept_us = sleep_us();
            longest_us = slept_us > longest_us ? slept_us : longest_us;
        }
        ck_assert_uint_le(longest_us, SP_SEC(4));
        now_us = START + SP_SEC(200);
        for (size_t i = 0; i < 3; i++)
            denied(expect(order[drained][i], 0, true));
        ck_assert_uint_gt(sleep_us(), SP_SEC(4));
        /* Once there is a tunnel it is one as all are. */
        denied(expect(order[drained][0], 0, true));
        succeed(expect(order[drained][1], 0, true));
        sp_plan_lane_lost(&plan, 0, now_us);
        now_us += SP_SEC(40);
        struct sp_plan_try t = expect(order[drained][1], 0, false);
        denied(t);
        expect(0, 0, true);
    }
}
END_TEST

/* The tunnel of a server that drains: joined as ever, never replaced. */
START_TEST(joins_only)
{
    begin(2, 2);
    succeed(expect(0, 0, true));
    succeed(expect(0, 1, false));
    sp_plan_join_only(&plan);
    ck_assert(!sp_plan_is_over(&plan, now_us));
    now_us += SP_SEC(20);
    sp_plan_lane_lost(&plan, 0, now_us);
    soon(LANE_SOON);
    succeed(expect(0, 0, false));
    sp_plan_lane_lost(&plan, 0, now_us);
    sp_plan_lane_lost(&plan, 1, now_us);
    ck_assert(!sp_plan_is_over(&plan, now_us));
    uint64_t lost_us = now_us;
    while (now_us - lost_us < SP_SEC(29)) { /* no other server comes into it */
        sleep_us();
        unreachable(expect(0, 0, false));
    }
    ck_assert(!sp_plan_is_over(&plan, lost_us + SP_SEC(29)));
    ck_assert(sp_plan_is_over(&plan, lost_us + SP_SEC(30)));
    sleep_us();
    denied(expect(0, 0, false));
    ck_assert(sp_plan_is_over(&plan, lost_us));
    expect_none();
    ck_assert_uint_eq(sp_plan_due_us(&plan), SP_NEVER);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_servers");
    TCase *tc = tcase_create("plan_servers");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, all_servers_in_order_then_a_wait);
    tcase_add_test(tc, the_server_forgot_the_tunnel);
    tcase_add_test(tc, the_token_is_refused_for_both);
    tcase_add_test(tc, the_network_changed_while_a_new_tunnel_was_asked_for);
    tcase_add_test(tc, another_server_when_the_own_one_stays_away);
    tcase_add_test(tc, a_new_tunnel_goes_past_a_join_that_hangs);
    tcase_add_test(tc, a_new_tunnel_begins_with_the_first_server);
    tcase_add_test(tc, a_new_tunnel_that_comes_too_late);
    tcase_add_test(tc, lanes_of_an_old_tunnel_do_not_come_back);
    tcase_add_test(tc, a_server_that_drains_is_replaced);
    tcase_add_test(tc, joins_only);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
