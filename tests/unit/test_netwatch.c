/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/netwatch.h"

#include <check.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "io_loop.h"
#include "own_network.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "skips.h"

static struct io_loop loop;
static struct sp_netwatch *watch;
static unsigned changes;

static void on_change(void *arg)
{
    (void)arg;
    changes++;
}

static bool has_changed(void *arg)
{
    (void)arg;
    return changes > 0;
}

static void open_watch(void)
{
    changes = 0;
    io_loop_init(&loop);
    ck_assert_int_eq(sp_netwatch_new(&loop.ticker, SP_NETWATCH_ADDRESSES, on_change, NULL, &watch),
                     0);
}

static void close_watch(void)
{
    sp_netwatch_free(watch);
    io_loop_fini(&loop);
}

/* Gives the loopback interface of this namespace one more address. */
static void add_address(void)
{
    struct ifreq r = {.ifr_name = "lo:1"};
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC6336409)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    memcpy(&r.ifr_addr, &sin, sizeof sin);
    ck_assert_int_eq(ioctl(fd, SIOCSIFADDR, &r), 0);
    close(fd);
}

START_TEST(the_kernel_tells)
{
    ck_assert(own_network());
    open_watch();
    io_loop_for(&loop, 20);
    ck_assert_uint_eq(changes, 0);
    add_address();
    ck_assert(io_loop_until(&loop, has_changed, NULL));
    close_watch();
}
END_TEST

/* No socket to be had: then the time tells, again and again. */
START_TEST(the_time_tells)
{
    struct rlimit files;

    changes = 0;
    io_loop_init(&loop);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &files);
    ck_assert_int_eq(sp_netwatch_new(&loop.ticker, SP_NETWATCH_ADDRESSES, on_change, NULL, &watch),
                     0);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    uint64_t at_us = sp_timerq_next(&loop.ticker.timers);
    ck_assert_uint_ne(at_us, SP_NEVER);
    sp_timerq_run(&loop.ticker.timers, at_us);
    ck_assert_uint_eq(changes, 1);
    sp_timerq_run(&loop.ticker.timers, at_us + SP_SEC(20));
    ck_assert_uint_eq(changes, 2);
    close_watch();
}
END_TEST

START_TEST(no_memory)
{
    io_loop_init(&loop);
    alloc_fail_at(1);
    int err = sp_netwatch_new(&loop.ticker, SP_NETWATCH_ADDRESSES, on_change, NULL, &watch);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    io_loop_fini(&loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("netwatch");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);
    struct skips skips = {0};

    skips_add_test(&skips, t, the_kernel_tells, own_network_lack());
    tcase_add_test(t, the_time_tells);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return skips_status(&skips, failed);
}
