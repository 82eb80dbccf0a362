/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sallyport/err.h"
#include "sallyport/sock.h"

/* Newer than the headers of some systems that we are built on. */
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45
#endif
#ifndef TCP_DELACK_MAX_US
#define TCP_DELACK_MAX_US 46
#endif

static int get_int(int fd, int level, int option)
{
    int v = -1;
    socklen_t len = sizeof v;

    ck_assert_int_eq(getsockopt(fd, level, option, &v, &len), 0);
    return v;
}

static size_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static void check_flags(int fd)
{
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
}

static void connect_pair(int *a, int *b)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), bound;
    int listening;

    ck_assert_int_eq(sp_sock_listen(&any, NULL, &listening, &bound), 0);
    check_flags(listening);
    ck_assert_uint_ne(bound.port, 0);
    ck_assert(sp_addr_same_ip(&bound, &any));
    ck_assert_int_eq(sp_sock_connect(&bound, a), 0);
    check_flags(*a);
    wait_for(*a, POLLOUT);
    ck_assert_int_eq(sp_sock_error(*a), 0);
    wait_for(listening, POLLIN);
    *b = accept(listening, NULL, NULL);
    ck_assert_int_ge(*b, 0);
    close(listening);
}

START_TEST(stream_pair)
{
    struct sp_addr a_local, a_remote, b_local, b_remote;
    int a, b;

    connect_pair(&a, &b);
    ck_assert_int_eq(sp_sock_local(a, &a_local), 0);
    ck_assert_int_eq(sp_sock_remote(a, &a_remote), 0);
    ck_assert_int_eq(sp_sock_local(b, &b_local), 0);
    ck_assert_int_eq(sp_sock_remote(b, &b_remote), 0);
    ck_assert(sp_addr_eq(&a_local, &b_remote) && sp_addr_eq(&b_local, &a_remote));

    ck_assert_int_eq(sp_sock_tune_stream(a), 0);
    ck_assert_int_eq(get_int(a, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(get_int(a, IPPROTO_TCP, TCP_NOTSENT_LOWAT), SP_SOCK_NOTSENT_MAX);
    ck_assert_int_eq(get_int(a, IPPROTO_TCP, TCP_USER_TIMEOUT), 20000);
    ck_assert_int_eq(get_int(a, SOL_SOCKET, SO_KEEPALIVE), 1);
    close(a);
    close(b);
}
END_TEST

/* Options that the kernel does not have are left out, and that is told of the one that matters. */
START_TEST(a_lane_is_tuned)
{
    int a, b, v = -1;
    socklen_t len = sizeof v;

    connect_pair(&a, &b);
    bool delayed = sp_sock_tune_lane(a);
    ck_assert_int_eq(get_int(a, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS), 1);
    ck_assert_int_eq(get_int(b, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS), 0);
    int err = getsockopt(a, IPPROTO_TCP, TCP_DELACK_MAX_US, &v, &len);
    ck_assert(delayed == (err == 0));
    if (delayed)
        ck_assert_int_le(v, 20000); /* in whole ticks of the kernel's clock */
    if (getsockopt(a, IPPROTO_TCP, TCP_RTO_MIN_US, &v, &len) == 0)
        ck_assert_int_le(v, 25000);
    sp_sock_expect_queue(a, true);
    if (getsockopt(a, IPPROTO_TCP, TCP_RTO_MIN_US, &v, &len) == 0)
        ck_assert_int_ge(v, 80000);
    sp_sock_ack_now(a);
    ck_assert_int_eq(get_int(a, IPPROTO_TCP, TCP_QUICKACK), 1);
    close(a);
    close(b);
    ck_assert(!sp_sock_tune_lane(a));
}
END_TEST

/* What leaves at once is what the window still takes: more than a few segments at rest, nothing
 * once some wait. */
START_TEST(a_burst)
{
    static uint8_t bytes[1 << 20];
    struct sp_sock_burst burst = {.notsent = 7};
    int a, b;

    connect_pair(&a, &b);
    ck_assert_int_eq(sp_sock_burst(a, &burst), 0);
    ck_assert_uint_eq(burst.notsent, 0);
    ck_assert_uint_ge(burst.at_once, 1000);
    ck_assert_uint_le(burst.at_once, SP_SOCK_BURST_MAX);
    ck_assert_uint_eq(burst.segments, 0);
    while (send(a, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    ck_assert_int_eq(sp_sock_burst(a, &burst), 0);
    ck_assert_uint_gt(burst.notsent, 0);
    ck_assert_uint_eq(burst.at_once, 0);
    ck_assert_uint_gt(burst.segments, 0);
    ck_assert_uint_le(burst.retransmits, burst.segments);
    close(a);
    close(b);
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(sp_sock_burst(udp, &burst), SP_ESYS);
    close(udp);
}
END_TEST

static void check_congestion(int fd, const char *want)
{
    char name[16] = "";
    socklen_t len = sizeof name;

    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    ck_assert_str_eq(name, want);
}

/* With the one congestion control that every kernel has; and what is not to be had changes nothing.
 */
START_TEST(a_sole_connection_is_tuned)
{
    char before[16] = "";
    socklen_t len = sizeof before;
    int a, b;

    connect_pair(&a, &b);
    ck_assert_int_eq(sp_sock_tune_stream(a), 0);
    ck_assert_int_eq(getsockopt(a, IPPROTO_TCP, TCP_CONGESTION, before, &len), 0);
    sp_sock_tune_sole(a);
    check_congestion(a, before);
    ck_assert_int_eq(get_int(a, IPPROTO_TCP, TCP_NOTSENT_LOWAT), SP_SOCK_NOTSENT_SOLE);
    ck_assert_int_eq(sp_sock_set_congestion(a, "reno"), 0);
    check_congestion(a, "reno");
    ck_assert_int_eq(sp_sock_set_congestion(a, "no-such-control"), SP_ESYS);
    check_congestion(a, "reno");
    ck_assert_int_eq(sp_sock_congestion(a, before), 0);
    ck_assert_str_eq(before, "reno");
    close(a);
    close(b);
}
END_TEST

START_TEST(what_congestion_control_is_to_be_had)
{
    char system[SP_CONGESTION_MAX], got[SP_CONGESTION_MAX];

    ck_assert_int_eq(sp_sock_try_congestion(NULL, system), 0);
    ck_assert_str_ne(system, "");
    ck_assert_int_eq(sp_sock_try_congestion("reno", got), 0);
    ck_assert_str_eq(got, "reno");
    ck_assert_int_eq(sp_sock_try_congestion("no-such-control", got), SP_ESYS);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_str_eq(got, system);
}
END_TEST

START_TEST(tcp_info)
{
    static uint8_t data[100000];
    struct sp_sock_tcp info;
    size_t sent = 0, unsent;
    int a, b, small = 4096;
    ssize_t n;

    connect_pair(&a, &b);
    ck_assert_int_eq(sp_sock_tune_stream(a), 0);
    ck_assert_int_eq(sp_sock_tcp_info(a, &info), 0);
    /* TCP begins with ten, less a third; loopback's are long, and count as several. */
    ck_assert_uint_gt(info.window_segments, 7);
    setsockopt(b, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ck_assert_int_eq(sp_sock_notsent(a, &unsent), 0);
    ck_assert_uint_eq(unsent, 0);
    for (int i = 0; i < 200; i++) {
        while ((n = send(a, data, sizeof data, MSG_NOSIGNAL)) > 0)
            sent += (size_t)n;
        usleep(1000);
    }
    ck_assert_int_eq(sp_sock_tcp_info(a, &info), 0);
    ck_assert_int_eq(sp_sock_notsent(a, &unsent), 0);
    ck_assert_uint_gt(unsent, 0);
    ck_assert_uint_ge(info.unacked_bytes, unsent);
    ck_assert_uint_eq(info.notsent_bytes, unsent);
    ck_assert_uint_eq(info.window_segments, 0);
    /* What the kernel holds unsent is about what it was told, a piece more at most. */
    ck_assert_uint_le(unsent, SP_SOCK_NOTSENT_MAX + 65536);
    ck_assert_uint_ge(info.acked_bytes + info.unacked_bytes, sent);
    uint64_t acked = info.acked_bytes;
    size_t unread;
    ck_assert_int_eq(sp_sock_unread(b, &unread), 0);
    ck_assert_uint_gt(unread, 0);
    ck_assert_uint_le(unread, sent);
    while (sent > 0) {
        wait_for(b, POLLIN);
        n = recv(b, data, sizeof data, 0);
        ck_assert_int_gt(n, 0);
        sent -= (size_t)n;
    }
    usleep(20000);
    ck_assert_int_eq(sp_sock_tcp_info(a, &info), 0);
    ck_assert_uint_gt(info.acked_bytes, acked);
    ck_assert_uint_eq(info.unacked_bytes, 0);
    ck_assert_int_eq(sp_sock_unread(b, &unread), 0);
    ck_assert_uint_eq(unread, 0);
    close(a);
    close(b);
    ck_assert_int_eq(sp_sock_tcp_info(a, &info), SP_ESYS);
    ck_assert_int_eq(sp_sock_notsent(a, &unsent), SP_ESYS);
    ck_assert_int_eq(sp_sock_unread(a, &unread), SP_ESYS);
}
END_TEST

START_TEST(ports_taken)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), bound, again;
    struct sp_sock_options share = {.reuse_port = true};
    int a, b;

    ck_assert_int_eq(sp_sock_listen(&any, NULL, &a, &bound), 0);
    size_t before = open_descriptors();
    ck_assert_int_eq(sp_sock_listen(&bound, NULL, &b, &again), SP_ESYS);
    ck_assert_int_eq(errno, EADDRINUSE);
    ck_assert_uint_eq(open_descriptors(), before);
    close(a);

    ck_assert_int_eq(sp_sock_udp(&any, NULL, &a, &bound), 0);
    ck_assert_int_eq(sp_sock_udp(&bound, NULL, &b, &again), SP_ESYS);
    ck_assert_int_eq(errno, EADDRINUSE);
    close(a);

    ck_assert_int_eq(sp_sock_listen(&any, &share, &a, &bound), 0);
    ck_assert_int_eq(sp_sock_listen(&bound, &share, &b, &again), 0);
    ck_assert(sp_addr_eq(&bound, &again));
    close(a);
    close(b);
    ck_assert_int_eq(sp_sock_udp(&any, &share, &a, &bound), 0);
    ck_assert_int_eq(sp_sock_udp(&bound, &share, &b, &again), 0);
    close(a);
    close(b);
}
END_TEST

START_TEST(not_our_address)
{
    struct sp_addr foreign = sp_addr_v4(203, 0, 113, 99, 0), bound;
    size_t before = open_descriptors();
    int fd = -7;

    ck_assert_int_eq(sp_sock_udp(&foreign, NULL, &fd, &bound), SP_ESYS);
    ck_assert_int_eq(errno, EADDRNOTAVAIL);
    ck_assert_int_eq(sp_sock_listen(&foreign, NULL, &fd, &bound), SP_ESYS);
    ck_assert_int_eq(fd, -7);
    struct sp_addr broadcast = sp_addr_v4(255, 255, 255, 255, 443);
    ck_assert_int_eq(sp_sock_connect(&broadcast, &fd), SP_ESYS);
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(refused)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), bound;
    int fd;

    ck_assert_int_eq(sp_sock_listen(&any, NULL, &fd, &bound), 0);
    close(fd);
    ck_assert_int_eq(sp_sock_connect(&bound, &fd), 0);
    wait_for(fd, POLLOUT);
    ck_assert_int_eq(sp_sock_error(fd), ECONNREFUSED);
    close(fd);
}
END_TEST

START_TEST(udp_options)
{
    struct sp_addr v4 = sp_addr_v4(127, 0, 0, 1, 0), any = {.family = SP_IPV6}, bound;
    struct sp_sock_options df = {.dont_fragment = true, .rcvbuf = 50000, .sndbuf = 60000};
    int fd;

    ck_assert_int_eq(sp_sock_udp(&v4, &df, &fd, &bound), 0);
    check_flags(fd);
    ck_assert_int_eq(get_int(fd, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
    ck_assert_int_ge(get_int(fd, SOL_SOCKET, SO_RCVBUF), 50000);
    ck_assert_int_ge(get_int(fd, SOL_SOCKET, SO_SNDBUF), 60000);
    close(fd);
    ck_assert_int_eq(sp_sock_udp(&v4, NULL, &fd, &bound), 0);
    ck_assert_int_eq(get_int(fd, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DONT);
    close(fd);

    /* Both families, or IPv4 alone where there is no IPv6. */
    ck_assert_int_eq(sp_sock_udp(&any, NULL, &fd, &bound), 0);
    ck_assert(sp_addr_is_any(&bound));
    ck_assert_uint_ne(bound.port, 0);
    if (bound.family == SP_IPV6)
        ck_assert_int_eq(get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
    close(fd);
}
END_TEST

START_TEST(addresses_of_this_host)
{
    struct sp_addr all[64], lo = sp_addr_v4(127, 0, 0, 1, 0), def;
    size_t n = sp_sock_own_addrs(all, SP_ARRAY_LEN(all));
    bool found_lo = false, found_def = false;

    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, SP_ARRAY_LEN(all));
    int err = sp_sock_default_addr(SP_IPV4, &def);
    ck_assert(err == 0 || err == SP_ENOENT);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(all[i].port, 0);
        found_lo |= sp_addr_eq(&all[i], &lo);
        found_def |= err == 0 && sp_addr_eq(&all[i], &def);
    }
    ck_assert(found_lo);
    ck_assert(found_def == (err == 0));
    lo.port = 7;
    ck_assert(sp_sock_is_own(&lo));
    lo.ip[0] = 203;
    ck_assert(!sp_sock_is_own(&lo));

    struct sp_addr one[2] = {{.port = 1}, {.port = 1}};
    ck_assert_uint_eq(sp_sock_own_addrs(one, 1), n);
    ck_assert_uint_eq(one[1].port, 1);
    ck_assert_uint_eq(sp_sock_own_addrs(NULL, 0), n);
    ck_assert_int_eq(sp_sock_default_addr(SP_FAMILY_NONE, &def), SP_EINVAL);
}
END_TEST

START_TEST(advice)
{
    ck_assert_ptr_nonnull(strstr(sp_sock_listen_advice(EACCES), "below 1024"));
    ck_assert_ptr_nonnull(strstr(sp_sock_listen_advice(EADDRINUSE), "ss -lntup"));
    ck_assert_ptr_nonnull(strstr(sp_sock_listen_advice(EADDRNOTAVAIL), "ip address"));
    ck_assert_str_eq(sp_sock_listen_advice(ENOMEM), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sock");
    TCase *tc = tcase_create("sock");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, advice);
    tcase_add_test(tc, stream_pair);
    tcase_add_test(tc, a_lane_is_tuned);
    tcase_add_test(tc, a_burst);
    tcase_add_test(tc, a_sole_connection_is_tuned);
    tcase_add_test(tc, what_congestion_control_is_to_be_had);
    tcase_add_test(tc, tcp_info);
    tcase_add_test(tc, ports_taken);
    tcase_add_test(tc, not_our_address);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, udp_options);
    tcase_add_test(tc, addresses_of_this_host);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
