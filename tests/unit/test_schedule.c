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
     {{true, 500, 0, 1}, {true, 400, 0, 3}, {true, 300, 0, 4}, {true, 301, 0, 0}},
     2},
    {"the least queued that is usable",
     3,
     {{true, 500, 0, 0}, {false, 0, 0, 0}, {true, 499, 0, 0}},
     2},
    {"a tie goes to the longest unused", 3, {{true, 7, 0, 5}, {true, 7, 0, 2}, {true, 7, 0, 9}}, 1},
    {"a full tie goes to the first", 2, {{true, 7, 0, 5}, {true, 7, 0, 5}}, 0},
    {"bytes count before turns", 2, {{true, 8, 0, 0}, {true, 7, 0, 99}}, 1},
};

START_TEST(pick)
{
    ck_assert_msg(sp_schedule_pick(cases[_i].lanes, cases[_i].n) == cases[_i].want, "%s",
                  cases[_i].what);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tc = tcase_create("schedule");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, pick, 0, (int)SP_ARRAY_LEN(cases));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
