/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/losses.h"

#include <check.h>
#include <stdlib.h>

/* Sends `n`, of which each `each`th is lost (0: none), asked after each. How often it changed. */
static int send_some(struct sp_losses *l, uint32_t *sent, uint32_t *lost, uint32_t n, uint32_t each)
{
    int changes = 0;

    for (uint32_t i = 1; i <= n; i++) {
        ++*sent;
        *lost += each != 0 && i % each == 0;
        changes += sp_losses_tell(l, *sent, *lost);
    }
    return changes;
}

START_TEST(few)
{
    struct sp_losses l = {0};
    uint32_t sent = 0, lost = 0;

    ck_assert_int_eq(send_some(&l, &sent, &lost, 100000, 0), 0);
    ck_assert_int_eq(send_some(&l, &sent, &lost, 100000, SP_LOSSES_LOOK / 2), 0);
    ck_assert(!l.many);
}
END_TEST

/* One in fifty: known after four. */
START_TEST(many)
{
    struct sp_losses l = {0};
    uint32_t sent = 0, lost = 0;

    ck_assert_int_eq(send_some(&l, &sent, &lost, SP_LOSSES_MANY * 50 - 1, 50), 0);
    ck_assert_int_eq(send_some(&l, &sent, &lost, 1, 1), 1);
    ck_assert(l.many);
    ck_assert_int_eq(send_some(&l, &sent, &lost, 100000, 50), 0);
    ck_assert(l.many);
}
END_TEST

/* A long time without loss before does not hide it. */
START_TEST(many_in_the_end)
{
    struct sp_losses l = {0};
    uint32_t sent = 0, lost = 0;

    send_some(&l, &sent, &lost, 1000000, 0);
    ck_assert_int_eq(send_some(&l, &sent, &lost, 2 * SP_LOSSES_LOOK, 50), 1);
    ck_assert(l.many);
}
END_TEST

START_TEST(few_again)
{
    struct sp_losses l = {0};
    uint32_t sent = 0, lost = 0;

    send_some(&l, &sent, &lost, 1000, 50);
    ck_assert(l.many);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(send_some(&l, &sent, &lost, SP_LOSSES_QUIET - 1, 0), 0);
        ck_assert_int_eq(send_some(&l, &sent, &lost, 1, 1), 0);
    }
    ck_assert_int_eq(send_some(&l, &sent, &lost, SP_LOSSES_QUIET - 1, 0), 0);
    ck_assert_int_eq(send_some(&l, &sent, &lost, 1, 0), 1);
    ck_assert(!l.many);
    ck_assert_int_eq(send_some(&l, &sent, &lost, 1000, 50), 1);
}
END_TEST

/* Who asks seldom learns it by the share: four of ten thousand are few. */
START_TEST(asked_seldom)
{
    struct sp_losses l = {0};

    ck_assert(!sp_losses_tell(&l, 10000, SP_LOSSES_MANY));
    ck_assert(!sp_losses_tell(&l, 20000, 2 * SP_LOSSES_MANY));
    ck_assert(sp_losses_tell(&l, 30000, 2 * SP_LOSSES_MANY + 200));
}
END_TEST

START_TEST(counts_wrap)
{
    struct sp_losses l = {.sent = UINT32_MAX - 100, .lost = UINT32_MAX - 1};
    uint32_t sent = l.sent, lost = l.lost;

    ck_assert_int_eq(send_some(&l, &sent, &lost, 300, 50), 1);
    ck_assert_uint_lt(sent, 1000);
    ck_assert_int_eq(send_some(&l, &sent, &lost, SP_LOSSES_QUIET + 300, 0), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("losses");
    TCase *tc = tcase_create("losses");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, few);
    tcase_add_test(tc, many);
    tcase_add_test(tc, many_in_the_end);
    tcase_add_test(tc, few_again);
    tcase_add_test(tc, asked_seldom);
    tcase_add_test(tc, counts_wrap);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
