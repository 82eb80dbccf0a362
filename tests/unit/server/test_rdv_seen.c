/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rdv_seen.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/bytes.h"

START_TEST(all_is_known_until_it_is_too_much)
{
    struct rdv_seen s = {.n = 0};

    ck_assert(!seen_has(&s, 0));
    for (uint32_t i = 0; i < SEEN_MAX; i++) {
        seen_add(&s, 7 * i);
        ck_assert(seen_has(&s, 7 * i));
    }
    ck_assert(seen_has(&s, 0));
    ck_assert(!seen_has(&s, 1));
    ck_assert_uint_eq(seen_lost(&s), 0);
    seen_add(&s, 1);
    seen_add(&s, 2);
    ck_assert(seen_has(&s, 1) && seen_has(&s, 2) && seen_has(&s, 14));
    ck_assert(!seen_has(&s, 0) && !seen_has(&s, 7));
    ck_assert_uint_eq(seen_lost(&s), 2);
    ck_assert_uint_eq(s.total, SEEN_MAX + 2);
    seen_fini(&s);
    ck_assert_uint_eq(seen_lost(&s), 0);
}
END_TEST

START_TEST(a_mark_is_of_all_of_an_id)
{
    uint8_t id[SP_STUN_ID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    uint32_t mark = seen_mark(id);

    for (size_t i = 0; i < sizeof id; i++) {
        id[i] ^= 0x80;
        ck_assert_uint_ne(seen_mark(id), mark);
        id[i] ^= 0x80;
    }
    ck_assert_uint_eq(seen_mark(id), mark);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rdv_seen");
    TCase *tc = tcase_create("rdv_seen");

    tcase_add_test(tc, all_is_known_until_it_is_too_much);
    tcase_add_test(tc, a_mark_is_of_all_of_an_id);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
