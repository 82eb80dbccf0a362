/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "access.h"
#include "sallyport/clock.h"

static struct sp_addr own[2];
static size_t n_own, looked;

static size_t own_addrs(struct sp_addr *out, size_t cap)
{
    looked++;
    for (size_t i = 0; i < n_own && i < cap; i++)
        out[i] = own[i];
    return n_own;
}

static struct sp_addr addr(const char *text)
{
    struct sp_addr a;
    ck_assert_int_eq(sp_addr_parse(text, &a), 0);
    return a;
}

static struct sp_access access_;

static bool allows(const char *text, uint64_t now_us)
{
    struct sp_addr a = addr(text);
    return sp_access_allows(&access_, &a, now_us);
}

START_TEST(this_host_and_the_lan)
{
    struct sp_cidr lan[2];
    uint64_t t = SP_SEC(5);

    ck_assert_int_eq(sp_cidr_parse("10.1.0.0/16", &lan[0]), 0);
    ck_assert_int_eq(sp_cidr_parse("fd00::/8", &lan[1]), 0);
    own[0] = addr("192.168.7.2:0");
    n_own = 1;
    sp_access_init(&access_, NULL, 0, own_addrs);
    ck_assert(allows("127.0.0.1:5000", t));
    ck_assert(allows("127.9.9.9:5000", t));
    ck_assert(allows("[::1]:5000", t));
    ck_assert(allows("192.168.7.2:5000", t));
    ck_assert(!allows("192.168.7.3:5000", t));
    ck_assert(!allows("10.1.2.3:5000", t));
    sp_access_init(&access_, lan, 2, own_addrs);
    ck_assert(allows("10.1.2.3:5000", t));
    ck_assert(allows("[fd12::1]:5000", t));
    ck_assert(!allows("10.2.2.3:5000", t));
    ck_assert(!allows("192.168.7.3:5000", t));
}
END_TEST

START_TEST(addresses_come_and_go)
{
    uint64_t t = SP_SEC(5);

    looked = n_own = 0;
    own[0] = addr("192.0.2.1:0");
    sp_access_init(&access_, NULL, 0, own_addrs);
    ck_assert(!allows("192.0.2.1:1", t));
    n_own = 1;
    for (int i = 0; i < 100; i++) /* strangers don't make it look all the time */
        ck_assert(!allows("192.0.2.1:1", t + SP_MS(999)));
    ck_assert_uint_eq(looked, 1);
    t += SP_SEC(1);
    ck_assert(allows("192.0.2.1:1", t));
    ck_assert_uint_eq(looked, 2);
    n_own = 0;
    ck_assert(allows("192.0.2.1:1", t + SP_SEC(59)));
    ck_assert(!allows("192.0.2.1:1", t + SP_SEC(60)));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access");
    TCase *tc = tcase_create("access");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, this_host_and_the_lan);
    tcase_add_test(tc, addresses_come_and_go);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
