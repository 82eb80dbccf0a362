/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/list.h"

#include <check.h>
#include <stdlib.h>

struct item {
    int n;
    struct sp_link link;
};

static int number(const struct sp_link *l)
{
    return ((const struct item *)SP_LIST_ITEM(l, struct item, link))->n;
}

/* The list holds just these, seen from both ends. */
static void check_list(const struct sp_list *l, const int *want, size_t n)
{
    const struct sp_link *it = sp_list_first(l);
    for (size_t i = 0; i < n; i++, it = sp_list_next(l, it)) {
        ck_assert_ptr_nonnull(it);
        ck_assert(sp_link_linked(it));
        ck_assert_int_eq(number(it), want[i]);
    }
    ck_assert_ptr_null(it);
    it = l->head.prev;
    for (size_t i = n; i-- > 0; it = it->prev)
        ck_assert_int_eq(number(it), want[i]);
    ck_assert_ptr_eq(it, &l->head);
    ck_assert_int_eq(sp_list_empty(l), n == 0);
}

#define CHECK(l, ...) \
    check_list((l), (const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

START_TEST(append_and_prepend)
{
    struct sp_list l;
    struct item a = {.n = 1}, b = {.n = 2}, c = {.n = 3};

    sp_list_init(&l);
    check_list(&l, NULL, 0);
    ck_assert(!sp_link_linked(&a.link));
    sp_list_append(&l, &a.link);
    CHECK(&l, 1);
    sp_list_append(&l, &b.link);
    CHECK(&l, 1, 2);
    sp_list_prepend(&l, &c.link);
    CHECK(&l, 3, 1, 2);
}
END_TEST

START_TEST(remove_from_each_place)
{
    static const int rest[3][2] = {{1, 2}, {0, 2}, {0, 1}};
    for (int out = 0; out < 3; out++) {
        struct sp_list l;
        struct item it[3] = {{.n = 0}, {.n = 1}, {.n = 2}};
        sp_list_init(&l);
        for (int i = 0; i < 3; i++)
            sp_list_append(&l, &it[i].link);
        sp_list_remove(&it[out].link);
        check_list(&l, rest[out], 2);
        ck_assert(!sp_link_linked(&it[out].link));
        sp_list_remove(&it[out].link); /* once more: harmless */
        check_list(&l, rest[out], 2);
        sp_list_append(&l, &it[out].link);
        CHECK(&l, rest[out][0], rest[out][1], out);
        for (int i = 0; i < 3; i++)
            sp_list_remove(&it[i].link);
        check_list(&l, NULL, 0);
    }
}
END_TEST

START_TEST(a_link_that_points_to_itself)
{
    struct sp_link n = {&n, &n};
    ck_assert(!sp_link_linked(&n));
    sp_list_remove(&n);
    ck_assert(!sp_link_linked(&n));
}
END_TEST

START_TEST(each_may_remove_what_it_visits)
{
    struct sp_list l;
    struct item it[6];
    int seen = 0;

    sp_list_init(&l);
    SP_LIST_EACH(&l, link, after)
    ck_abort_msg("an empty list was visited");
    for (int i = 0; i < 6; i++) {
        it[i].n = i;
        sp_list_append(&l, &it[i].link);
    }
    SP_LIST_EACH(&l, link, after)
    {
        ck_assert_int_eq(number(link), seen++);
        if (number(link) % 2 == 0)
            sp_list_remove(link);
    }
    ck_assert_int_eq(seen, 6);
    CHECK(&l, 1, 3, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list");
    TCase *tc = tcase_create("list");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, append_and_prepend);
    tcase_add_test(tc, remove_from_each_place);
    tcase_add_test(tc, a_link_that_points_to_itself);
    tcase_add_test(tc, each_may_remove_what_it_visits);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
