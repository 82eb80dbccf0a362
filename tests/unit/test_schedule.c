/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/bytes.h"
#include "sallyport/schedule.h"

static const struct {
    const char *what;
    size_t n;
    struct sp_lane_view lanes[4];
    int want;
} cases[] = {
    {"no lanes", 0, {{0}}, -1},
    {"none usable", 2, {{.queued_bytes = 1}, {.queued_bytes = 2}}, -1},
    {"the only one", 1, {{.usable = true, .queued_bytes = UINT64_MAX, .turn = 9}}, 0},
    {"the least queued",
     4,
     {{true, false, false, 500, 1},
      {true, false, false, 400, 3},
      {true, false, false, 300, 4},
      {true, false, false, 301, 0}},
     2},
    {"the least queued that is usable",
     3,
     {{true, false, false, 500, 0}, {false, false, false, 0, 0}, {true, false, false, 499, 0}},
     2},
    {"a tie goes to the longest unused",
     3,
     {{true, false, false, 7, 5}, {true, false, false, 7, 2}, {true, false, false, 7, 9}},
     1},
    {"a full tie goes to the first",
     2,
     {{true, false, false, 7, 5}, {true, false, false, 7, 5}},
     0},
    {"bytes count before turns", 2, {{true, false, false, 8, 0}, {true, false, false, 7, 99}}, 1},
    {"who owes an acknowledgement before who does not",
     3,
     {{true, false, false, 7, 0}, {true, false, true, 7, 9}, {true, false, true, 8, 0}},
     1},
    {"doubt counts before bytes",
     2,
     {{true, true, false, 7, 0}, {true, false, false, 8000, 99}},
     1},
    {"a doubtful one is better than none",
     2,
     {{true, true, false, 7, 0}, {false, false, false, 0, 0}},
     0},
    {"among doubtful ones the least queued",
     2,
     {{true, true, false, 7, 0}, {true, true, false, 6, 0}},
     1},
};

START_TEST(pick)
{
    ck_assert_msg(sp_schedule_pick(cases[_i].lanes, cases[_i].n, 0, true) == cases[_i].want, "%s",
                  cases[_i].what);
}
END_TEST

START_TEST(avoid)
{
    static const struct sp_lane_view lanes[] = {
        {true, false, false, 1, 0}, {true, false, false, 2, 0}, {true, true, false, 0, 0}};

    ck_assert_int_eq(sp_schedule_pick(lanes, 3, 0, true), 0);
    ck_assert_int_eq(sp_schedule_pick(lanes, 3, 1, true), 1);
    ck_assert_int_eq(sp_schedule_pick(lanes, 3, 3, true), 2);
    ck_assert_int_eq(sp_schedule_pick(lanes, 3, 7, true), -1);
}
END_TEST

START_TEST(narrow)
{
    struct sp_lane_view lanes[] = {
        {true, false, false, 9, 9}, {true, false, true, 0, 0}, {true, false, true, 0, 0}};

    ck_assert_int_eq(sp_schedule_pick(lanes, 3, 0, false), 0);
    lanes[0].doubtful = true;
    ck_assert_int_eq(sp_schedule_pick(lanes, 3, 0, false), 1);
    lanes[1].usable = false;
    ck_assert_int_eq(sp_schedule_pick(lanes, 3, 0, false), 2);
    lanes[2].usable = false;
    ck_assert_int_eq(sp_schedule_pick(lanes, 3, 0, false), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tc = tcase_create("schedule");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, pick, 0, (int)SP_ARRAY_LEN(cases));
    tcase_add_test(tc, avoid);
    tcase_add_test(tc, narrow);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
