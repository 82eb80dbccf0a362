/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "own_addrs.h"

#include <check.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "io_loop.h"
#include "own_network.h"
#include "sallyport/err.h"
#include "skips.h"

#define BASE  UINT32_C(0x08000000) /* 8.0.0.0: nothing but being the host's own denies it */
#define OTHER UINT32_C(0x09000001) /* of another net, so that it stays */

static struct sp_peer_policy *policy;

/* Sets (or, 0.0.0.0, takes away) an address of the loopback interface of this namespace. */
static void set_address(unsigned n, uint32_t ip)
{
    struct ifreq r = {.ifr_flags = 0};
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    snprintf(r.ifr_name, sizeof r.ifr_name, "lo:%u", n);
    memcpy(&r.ifr_addr, &sin, sizeof sin);
    ck_assert_int_eq(ioctl(fd, SIOCSIFADDR, &r), 0);
    close(fd);
}

static bool allowed(uint32_t ip)
{
    struct sp_addr a =
        sp_addr_v4((uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip, 0);
    return sp_peer_policy_allows(policy, &a);
}

static bool first_is_denied(void *arg)
{
    (void)arg;
    return !allowed(BASE + 1);
}

static bool first_is_allowed(void *arg)
{
    (void)arg;
    return allowed(BASE + 1);
}

static void setup(void)
{
    ck_assert_int_eq(sp_peer_policy_new(&policy), 0);
}

static void teardown(void)
{
    sp_peer_policy_free(policy);
}

/* None is left out, however many there are. */
START_TEST(many)
{
    enum { N = 300 };

    ck_assert(own_network());
    for (unsigned i = 1; i <= N; i++)
        set_address(i, BASE + i);
    ck_assert_int_eq(sp_own_addrs_read(policy), 0);
    for (unsigned i = 1; i <= N; i++)
        ck_assert(!allowed(BASE + i));
    ck_assert(allowed(BASE + N + 1));
}
END_TEST

START_TEST(as_they_come_and_go)
{
    struct sp_own_addrs *own;
    struct io_loop loop;

    ck_assert(own_network());
    io_loop_init(&loop);
    ck_assert_int_eq(sp_own_addrs_watch(&loop.ticker, policy, NULL, &own), 0);
    ck_assert(allowed(BASE + 1));
    set_address(1, BASE + 1);
    set_address(2, OTHER);
    ck_assert(io_loop_until(&loop, first_is_denied, NULL));
    set_address(1, 0);
    ck_assert(io_loop_until(&loop, first_is_allowed, NULL));
    ck_assert(!allowed(OTHER));
    sp_own_addrs_free(own);
    io_loop_fini(&loop);
}
END_TEST

START_TEST(no_memory)
{
    struct sp_own_addrs *own = NULL;
    struct io_loop loop;

    io_loop_init(&loop);
    for (unsigned k = 1; k <= 2; k++) {
        alloc_fail_at(k);
        int err = sp_own_addrs_watch(&loop.ticker, policy, NULL, &own);
        ck_assert(alloc_fail_disarm());
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_ptr_null(own);
    }
    alloc_fail_at(1);
    int err = sp_own_addrs_read(policy);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    io_loop_fini(&loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("own_addrs");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);
    struct skips skips = {0};

    tcase_add_checked_fixture(t, setup, teardown);
    skips_add_test(&skips, t, many, own_network_lack());
    skips_add_test(&skips, t, as_they_come_and_go, own_network_lack());
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return skips_status(&skips, failed);
}
