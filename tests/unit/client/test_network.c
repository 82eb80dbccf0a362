/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each test has a network of its own, in which nothing happens but what it does: "lo", and
 * addresses that it is given.
 */
#include <check.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "io_loop.h"
#include "network.h"
#include "own_network.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "skips.h"

static struct io_loop io;
static struct sp_network *watch;
static struct sp_addr own[SP_NETWORK_ADDRS_MAX];
static size_t n_own, told;
static int control;

static void on_changed(const struct sp_addr *addrs, size_t n, void *arg)
{
    ck_assert_ptr_eq(arg, &io);
    memcpy(own, addrs, n * sizeof *addrs);
    n_own = n;
    told++;
}

static bool has(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    struct sp_addr wanted = sp_addr_v4(a, b, c, d, 0);

    for (size_t i = 0; i < n_own; i++)
        if (sp_addr_eq(&own[i], &wanted))
            return true;
    return false;
}

static void set_up(bool up)
{
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = up ? IFF_UP | IFF_RUNNING : 0};
    ck_assert_int_eq(ioctl(control, SIOCSIFFLAGS, &r), 0);
}

/* "lo:1" and the like are how these old calls name a further address; 0.0.0.0 takes it away. */
static void set_address(const char *name, struct sp_addr a)
{
    struct ifreq r = {0};
    struct sockaddr_storage ss;

    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    sp_addr_to_sockaddr(&a, false, &ss);
    memcpy(&r.ifr_addr, &ss, sizeof r.ifr_addr);
    ck_assert_int_eq(ioctl(control, SIOCSIFADDR, &r), 0);
}

static bool has_heard(void *arg)
{
    return told >= *(size_t *)arg;
}

static void expect_told(size_t times)
{
    ck_assert(io_loop_until(&io, has_heard, &times));
    ck_assert_uint_eq(told, times);
}

static void setup(void)
{
    ck_assert(own_network());
    control = socket(AF_INET, SOCK_DGRAM, 0);
    io_loop_init(&io);
    watch = NULL;
    told = 0;
}

static void teardown(void)
{
    sp_network_free(watch);
    io_loop_fini(&io);
    close(control);
}

static void start(void)
{
    ck_assert_int_eq(sp_network_new(&io.ticker, on_changed, &io, &watch), 0);
}

START_TEST(an_address_comes_and_goes)
{
    set_up(true);
    start();
    set_address("lo:1", sp_addr_v4(192, 0, 2, 1, 0));
    expect_told(1);
    ck_assert(has(192, 0, 2, 1));
    set_address("lo:1", sp_addr_v4(0, 0, 0, 0, 0));
    expect_told(2);
    ck_assert(!has(192, 0, 2, 1));
    ck_assert(has(127, 0, 0, 1));
}
END_TEST

START_TEST(what_comes_together_is_told_once)
{
    set_up(true);
    start();
    for (uint8_t i = 1; i < 20; i++) {
        char name[IFNAMSIZ];
        snprintf(name, sizeof name, "lo:%u", i);
        set_address(name, sp_addr_v4(198, 51, 100, i, 0));
    }
    expect_told(1);
    ck_assert(has(198, 51, 100, 1));
    ck_assert(has(198, 51, 100, 19));
}
END_TEST

START_TEST(a_link_goes_down)
{
    set_up(true);
    set_address("lo:1", sp_addr_v4(192, 0, 2, 1, 0));
    start();
    set_up(false);
    expect_told(1);
    ck_assert_uint_eq(n_own, 0); /* it has them, but they lead nowhere */
    set_up(true);
    expect_told(2);
    ck_assert(has(192, 0, 2, 1));
}
END_TEST

/* News of which a connection notices nothing, and in their wake one of which it does. */
START_TEST(what_makes_no_difference_is_not_told)
{
    set_up(true);
    start();
    set_address("lo:1", sp_addr_v4(169, 254, 7, 7, 0));
    set_address("lo:2", sp_addr_v4(192, 0, 2, 9, 0));
    set_address("lo:2", sp_addr_v4(0, 0, 0, 0, 0)); /* gone before anybody looked */
    io_loop_for(&io, 300);
    ck_assert_uint_eq(told, 0);
    set_address("lo:2", sp_addr_v4(192, 0, 2, 1, 0));
    expect_told(1);
    ck_assert(has(169, 254, 7, 7)); /* the host has it all the same */
}
END_TEST

START_TEST(without_memory)
{
    for (unsigned k = 1; k <= 2; k++) { /* from the third on it is libev's, which knows no mercy */
        alloc_fail_at(k);
        int err = sp_network_new(&io.ticker, on_changed, &io, &watch);
        ck_assert(alloc_fail_disarm());
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_ptr_null(watch);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("network");
    TCase *tc = tcase_create("network");
    SRunner *runner = srunner_create(s);
    const char *lack = own_network_lack();
    struct skips skips = {0};

    tcase_add_checked_fixture(tc, setup, teardown);
    skips_add_test(&skips, tc, an_address_comes_and_goes, lack);
    skips_add_test(&skips, tc, what_comes_together_is_told_once, lack);
    skips_add_test(&skips, tc, a_link_goes_down, lack);
    skips_add_test(&skips, tc, what_makes_no_difference_is_not_told, lack);
    skips_add_test(&skips, tc, without_memory, lack);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return skips_status(&skips, failed);
}
