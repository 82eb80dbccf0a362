/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "late.h"

#include <check.h>
#include <stdlib.h>

#define OF(bytes) sp_span(bytes, sizeof(bytes) - 1)

START_TEST(between_ends)
{
    ck_assert(sp_late_is_control(OF("\x00\x01\x00\x00")));  /* STUN */
    ck_assert(sp_late_is_control(OF("\x16\xfe\xfd\x00")));  /* DTLS */
    ck_assert(!sp_late_is_control(OF("\x80\x60\x00\x01"))); /* RTP */
    ck_assert(!sp_late_is_control(OF("\xff\x00\x00\x00")));
    ck_assert(!sp_late_is_control(OF("")));
}
END_TEST

START_TEST(of_turn_clients)
{
    ck_assert(sp_late_is_turn_control(OF("\x00\x04\x00\x00")));  /* Refresh */
    ck_assert(sp_late_is_turn_control(OF("\x00\x03\x00\x00")));  /* Allocate */
    ck_assert(!sp_late_is_turn_control(OF("\x00\x16\x00\x00"))); /* Send */
    ck_assert(sp_late_is_turn_control(OF("\x40\x00\x00\x01\x00")));
    ck_assert(sp_late_is_turn_control(OF("\x4f\xff\x00\x01\x14")));
    ck_assert(!sp_late_is_turn_control(OF("\x40\x00\x00\x01\x80")));
    ck_assert(!sp_late_is_turn_control(OF("\x40\x00\x00\x00")));
    ck_assert(!sp_late_is_turn_control(OF("\x80\x60\x00\x01"))); /* of a session */
    ck_assert(!sp_late_is_turn_control(OF("\x00")));
    ck_assert(!sp_late_is_turn_control(OF("")));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("late");
    TCase *tc = tcase_create("late");

    tcase_add_test(tc, between_ends);
    tcase_add_test(tc, of_turn_clients);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
