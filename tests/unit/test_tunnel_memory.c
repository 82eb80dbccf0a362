/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tunnel costs while nobody uses it, by the allocator's own account: before its first call,
 * and again after one. Its share of the budget that server/README.md states for an idle tunnel; the
 * rest of that is TLS.
 */
#include <check.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "tunnel_impl.h"
#include "two_ends_repair.h"

#define LANES  4
#define BUDGET ((size_t)16 * 1024)
#define LEFT   ((size_t)3 * 1024) /* by a call: a page of flows, and who spoke what */
#define ONE    ((size_t)1024)     /* who spoke */

static struct two_ends e;

static size_t in_use(void)
{
    return mallinfo2().uordblks;
}

/* With a sanitizer's allocator there is no account: it says 0 of all. */
static void within(size_t budget, size_t before, const char *when)
{
    size_t each = (in_use() - before) / 2; /* both ends are here */

    ck_assert_msg(each <= budget, "%s: %zu bytes", when, each);
}

START_TEST(idle)
{
    size_t before = in_use();

    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < LANES; i++)
        ck_assert_int_eq(ends_join(&e, i), 0);
    ends_live(&e, SP_SEC(60));
    within(BUDGET, before, "without a call");
    ends_close(&e);
    ck_assert_uint_eq(in_use(), before);
}
END_TEST

/* Voice, video and something that is asked for again; then nothing for as long as a number rests.
 */
START_TEST(after_a_call)
{
    size_t before = in_use();
    struct sp_flow *gw = ends_begin(&e, LANES, SP_MS(20), 0, NULL);

    for (unsigned i = 0; i < 300; i++) {
        ends_put_rtp(&e, gw, 96, 1100);
        ends_put_rtp(&e, gw, 111, 160);
        if (i == 100) /* copies, repeats and parity from now on */
            ends_report_one(&e, ends_last_seq(&e, GATEWAY), ends_last_seq(&e, GATEWAY) - 1);
        ends_live(&e, SP_MS(10));
    }
    ck_assert_uint_gt(ends_count(&e, EDGE)->parity_in, 0);
    ck_assert(in_use() == 0 || (in_use() - before) / 2 > BUDGET); /* it did use some */
    sp_flow_close(gw, e.now_us);
    ends_live(&e, SP_SEC(200));
    within(BUDGET + LEFT, before, "after a call");
    ends_close(&e);
}
END_TEST

/* One burst, which leaves nothing behind but who spoke. */
START_TEST(after_a_burst)
{
    struct sp_flow *gw = ends_begin(&e, LANES, SP_MS(20), 0, NULL);

    ends_live(&e, SP_SEC(20));
    size_t before = in_use();
    for (unsigned i = 0; i < 5; i++)
        ends_put_rtp(&e, gw, 96, 1100);
    ends_live(&e, SP_SEC(1));
    ck_assert(in_use() == 0 || in_use() - before > ONE); /* for the next one */
    ends_live(&e, SP_SEC(9));
    ck_assert_uint_le(in_use() - before, ONE);
    ends_close(&e);
}
END_TEST

/* What a thread's cache holds counts as used. */
static void without_cache(char *argv[])
{
    if (getenv("GLIBC_TUNABLES") != NULL)
        return;
    REQUIRE(setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1) == 0);
    (void)execv("/proc/self/exe", argv);
}

int main(int argc, char *argv[])
{
    (void)argc;
    without_cache(argv);
    Suite *suite = suite_create("tunnel_memory");
    TCase *tc = tcase_create("tunnel_memory");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, idle);
    tcase_add_test(tc, after_a_call);
    tcase_add_test(tc, after_a_burst);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
