/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_loop.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/listener.h"

struct rig {
    struct io_loop loop;
    struct sp_listener *l;
    int fds[128];
    struct sp_addr remotes[128];
    size_t n, wanted;
    bool close_at_first;
};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct rig *r = arg;

    ck_assert_ptr_eq(l, r->l);
    ck_assert_uint_lt(r->n, SP_ARRAY_LEN(r->fds));
    r->remotes[r->n] = *remote;
    r->fds[r->n++] = fd;
    if (r->close_at_first) {
        sp_listener_close(l);
        r->l = NULL;
    }
}

static void open_rig(struct rig *r, const struct sp_log *log)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);

    *r = (struct rig){0};
    io_loop_init(&r->loop);
    ck_assert_int_eq(sp_listener_open(&r->loop.ticker, log, &any, NULL, on_accept, r, &r->l), 0);
    ck_assert_uint_ne(sp_listener_local(r->l)->port, 0);
}

static void close_rig(struct rig *r)
{
    for (size_t i = 0; i < r->n; i++)
        close(r->fds[i]);
    sp_listener_close(r->l);
    io_loop_fini(&r->loop);
}

static bool all_accepted(void *arg)
{
    const struct rig *r = arg;
    return r->n >= r->wanted;
}

START_TEST(accepts)
{
    int clients[100], value = 0;
    socklen_t len = sizeof value;
    struct rig r;

    open_rig(&r, NULL);
    r.wanted = SP_ARRAY_LEN(clients);
    for (size_t i = 0; i < r.wanted; i++)
        ck_assert_int_eq(sp_sock_connect(sp_listener_local(r.l), &clients[i]), 0);
    ck_assert(io_loop_until(&r.loop, all_accepted, &r));
    ck_assert_uint_eq(sp_listener_counters(r.l)->accepted, r.wanted);
    ck_assert_uint_eq(sp_listener_counters(r.l)->pauses, 0);
    for (size_t i = 0; i < r.wanted; i++) {
        struct sp_addr a;
        ck_assert_int_eq(sp_sock_local(clients[i], &a), 0);
        ck_assert(sp_addr_eq(&a, &r.remotes[i]));
    }
    ck_assert(fcntl(r.fds[0], F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(r.fds[0], F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(getsockopt(r.fds[0], IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    ck_assert_int_eq(value, 1);
    for (size_t i = 0; i < r.wanted; i++)
        close(clients[i]);
    close_rig(&r);
}
END_TEST

START_TEST(closed_within)
{
    int clients[5];
    struct rig r;

    open_rig(&r, NULL);
    r.close_at_first = true;
    r.wanted = 1;
    for (size_t i = 0; i < SP_ARRAY_LEN(clients); i++)
        ck_assert_int_eq(sp_sock_connect(sp_listener_local(r.l), &clients[i]), 0);
    ck_assert(io_loop_until(&r.loop, all_accepted, &r));
    io_loop_for(&r.loop, 10);
    ck_assert_uint_eq(r.n, 1);
    ck_assert_ptr_null(r.l);
    for (size_t i = 0; i < SP_ARRAY_LEN(clients); i++)
        close(clients[i]);
    close_rig(&r);
}
END_TEST

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

/* Descriptors run out: it pauses instead of spinning, says so once, and recovers. */
START_TEST(no_descriptors)
{
    struct sp_log log = {.level = SP_LOG_WARN};
    int clients[3], logs[2];
    struct rlimit before, none;
    char text[4096] = "";
    struct rig r;

    ck_assert_int_eq(pipe(logs), 0);
    log.fd = logs[1];
    open_rig(&r, &log);
    io_loop_for(&r.loop, 5);
    for (size_t i = 0; i < SP_ARRAY_LEN(clients); i++)
        ck_assert_int_eq(sp_sock_connect(sp_listener_local(r.l), &clients[i]), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    uint64_t start = sp_clock_us();
    io_loop_for(&r.loop, 700);
    uint64_t took = sp_clock_us() - start;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);

    uint64_t pauses = sp_listener_counters(r.l)->pauses;
    ck_assert_uint_ge(pauses, 2);
    ck_assert_uint_le(pauses, 2 + took / SP_MS(100));
    ck_assert_uint_eq(r.n, 0);
    ck_assert_int_gt(read(logs[0], text, sizeof text - 1), 0);
    ck_assert_uint_eq(count(text, "\n"), 1);
    ck_assert_ptr_nonnull(strstr(text, "Too many open files"));

    r.wanted = SP_ARRAY_LEN(clients);
    ck_assert(io_loop_until(&r.loop, all_accepted, &r));
    ck_assert_uint_eq(sp_listener_counters(r.l)->accepted, r.wanted);
    for (size_t i = 0; i < SP_ARRAY_LEN(clients); i++)
        close(clients[i]);
    close(logs[0]);
    close(logs[1]);
    close_rig(&r);
}
END_TEST

/* Closed while it pauses: its timer goes with it. */
START_TEST(closed_in_pause)
{
    struct rlimit before, none;
    struct rig r;
    int client;

    open_rig(&r, NULL);
    io_loop_for(&r.loop, 5);
    ck_assert_int_eq(sp_sock_connect(sp_listener_local(r.l), &client), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    io_loop_for(&r.loop, 30);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_uint_eq(sp_listener_counters(r.l)->pauses, 1);
    sp_listener_close(r.l);
    r.l = NULL;
    io_loop_for(&r.loop, 300);
    ck_assert_uint_eq(r.n, 0);
    close(client);
    close_rig(&r);
}
END_TEST

START_TEST(port_taken)
{
    struct sp_listener *second = NULL;
    struct rig r;

    open_rig(&r, NULL);
    ck_assert_int_eq(sp_listener_open(&r.loop.ticker, NULL, sp_listener_local(r.l), NULL, on_accept,
                                      &r, &second),
                     SP_ESYS);
    ck_assert_int_eq(errno, EADDRINUSE);
    ck_assert_ptr_null(second);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listener");
    TCase *tc = tcase_create("listener");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, accepts);
    tcase_add_test(tc, closed_within);
    tcase_add_test(tc, no_descriptors);
    tcase_add_test(tc, closed_in_pause);
    tcase_add_test(tc, port_taken);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
