/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "io_loop.h"
#include "race.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

static struct io_loop io;
static struct sp_stream *winner;
static char why_[SP_RACE_WHY_MAX];
static bool over;

static void on_input(struct sp_stream *s, void *arg)
{
    (void)s;
    (void)arg;
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    (void)arg;
}

static const struct sp_stream_events quiet = {.input = on_input, .closed = on_closed};

static void on_raced(struct sp_stream *s, const char *why, void *arg)
{
    (void)arg;
    ck_assert(!over);
    over = true;
    winner = s;
    snprintf(why_, sizeof why_, "%s", why);
    if (s != NULL)
        sp_stream_set_events(s, &quiet, NULL);
}

static bool is_over(void *arg)
{
    (void)arg;
    return over;
}

static void setup(void)
{
    io_loop_init(&io);
    winner = NULL;
    over = false;
}

static void teardown(void)
{
    sp_stream_free(winner);
    io_loop_fini(&io);
}

/* A listening socket, or just a bound one, which refuses. */
static int make_port(bool listening, struct sp_addr *out)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(&any, false, &ss);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
    if (listening)
        ck_assert_int_eq(listen(fd, 0), 0);
    ck_assert_int_eq(sp_sock_local(fd, out), 0);
    return fd;
}

/* One that lets connections hang: its backlog is full, and nobody accepts. */
static int make_hole(struct sp_addr *out, int fill[static 2])
{
    int fd = make_port(true, out);

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(sp_sock_connect(out, &fill[i]), 0);
    usleep(20000);
    return fd;
}

static uint64_t race(const struct sp_addr *addrs, size_t n, uint64_t first_alone_us)
{
    struct sp_race *r;
    uint64_t start_us = sp_clock_us();

    const struct sp_race_config config = {.first_alone_us = first_alone_us,
                                          .timeout_us = SP_SEC(4)};
    ck_assert_int_eq(sp_race_start(&io.ticker, &config, addrs, n, on_raced, NULL, &r), 0);
    ck_assert(!over); /* from the loop only */
    ck_assert(io_loop_until(&io, is_over, NULL));
    return sp_clock_us() - start_us;
}

START_TEST(the_first_that_answers)
{
    struct sp_addr addrs[2];
    int a = make_port(true, &addrs[0]), b = make_port(true, &addrs[1]);

    race(addrs, 2, SP_MS(250));
    ck_assert_ptr_nonnull(winner);
    ck_assert(sp_addr_eq(sp_stream_remote(winner), &addrs[0]));
    close(a);
    close(b);
}
END_TEST

START_TEST(a_refusal_is_no_reason_to_wait)
{
    struct sp_addr addrs[3];
    int a = make_port(false, &addrs[0]), b = make_port(false, &addrs[1]);
    int c = make_port(true, &addrs[2]);

    ck_assert_uint_lt(race(addrs, 3, SP_SEC(5)), SP_SEC(2));
    ck_assert_ptr_nonnull(winner);
    ck_assert(sp_addr_eq(sp_stream_remote(winner), &addrs[2]));
    close(a);
    close(b);
    close(c);
}
END_TEST

START_TEST(who_does_not_answer_is_overtaken)
{
    struct sp_addr addrs[2];
    int fill[2], hole = make_hole(&addrs[0], fill), good = make_port(true, &addrs[1]);

    uint64_t took_us = race(addrs, 2, SP_MS(300));
    ck_assert_ptr_nonnull(winner);
    ck_assert(sp_addr_eq(sp_stream_remote(winner), &addrs[1]));
    ck_assert_uint_ge(took_us, SP_MS(299)); /* its head start */
    ck_assert_uint_lt(took_us, SP_SEC(3));
    for (int i = 0; i < 2; i++)
        close(fill[i]);
    close(hole);
    close(good);
}
END_TEST

/* The address that is known begins; those that the name leads to follow. */
START_TEST(others_are_added)
{
    struct sp_addr addrs[2];
    int fill[2], hole = make_hole(&addrs[0], fill), good = make_port(true, &addrs[1]);
    const struct sp_race_config config = {
        .first_alone_us = SP_MS(10), .timeout_us = SP_SEC(4), .more = true};
    struct sp_race *r;

    ck_assert_int_eq(sp_race_start(&io.ticker, &config, addrs, 1, on_raced, NULL, &r), 0);
    io_loop_for(&io, 50);
    ck_assert(!over);
    sp_race_add(r, addrs, 2);
    ck_assert(io_loop_until(&io, is_over, NULL));
    ck_assert_ptr_nonnull(winner);
    ck_assert(sp_addr_eq(sp_stream_remote(winner), &addrs[1]));
    for (int i = 0; i < 2; i++)
        close(fill[i]);
    close(hole);
    close(good);
}
END_TEST

START_TEST(nobody_has_lost_until_all_are_known)
{
    struct sp_addr addrs[2];
    int a = make_port(false, &addrs[0]), b = make_port(true, &addrs[1]);
    const struct sp_race_config config = {.timeout_us = SP_SEC(4), .more = true};
    struct sp_race *r;

    ck_assert_int_eq(sp_race_start(&io.ticker, &config, addrs, 1, on_raced, NULL, &r), 0);
    io_loop_for(&io, 50);
    ck_assert(!over); /* it was refused */
    if (_i == 0)
        sp_race_add(r, addrs, 2);
    else
        sp_race_add(r, NULL, 0);
    ck_assert(io_loop_until(&io, is_over, NULL));
    ck_assert_int_eq(winner != NULL, _i == 0);
    close(a);
    close(b);
}
END_TEST

START_TEST(nobody_answers)
{
    struct sp_addr addrs[SP_RACE_ADDRS_MAX];
    char text[SP_ADDR_STRLEN];
    int fds[SP_RACE_ADDRS_MAX];

    for (size_t i = 0; i < SP_RACE_ADDRS_MAX; i++)
        fds[i] = make_port(false, &addrs[i]);
    race(addrs, SP_RACE_ADDRS_MAX, SP_MS(250));
    ck_assert_ptr_null(winner);
    ck_assert_ptr_nonnull(strstr(why_, sp_addr_format(&addrs[0], text)));
    ck_assert_ptr_nonnull(strstr(why_, sp_addr_format(&addrs[1], text)));
    ck_assert_ptr_nonnull(strstr(why_, "Connection refused"));
    for (size_t i = 0; i < SP_RACE_ADDRS_MAX; i++)
        close(fds[i]);
}
END_TEST

START_TEST(given_up)
{
    struct sp_addr addrs[2];
    int fill[2], hole = make_hole(&addrs[0], fill), good = make_port(true, &addrs[1]);
    struct sp_race *r;

    const struct sp_race_config config = {.first_alone_us = SP_SEC(5), .timeout_us = SP_SEC(4)};
    ck_assert_int_eq(sp_race_start(&io.ticker, &config, addrs, 2, on_raced, NULL, &r), 0);
    io_loop_for(&io, 30);
    sp_race_free(r);
    io_loop_for(&io, 30);
    ck_assert(!over);
    for (int i = 0; i < 2; i++)
        close(fill[i]);
    close(hole);
    close(good);
}
END_TEST

START_TEST(without_memory)
{
    struct sp_addr addr = sp_addr_v4(127, 0, 0, 1, 1);
    struct sp_race *r = NULL;

    for (unsigned k = 1;; k++) {
        alloc_fail_at(k);
        const struct sp_race_config config = {.timeout_us = SP_SEC(4)};
        int err = sp_race_start(&io.ticker, &config, &addr, 1, on_raced, NULL, &r);
        if (!alloc_fail_disarm()) {
            ck_assert_int_eq(err, 0);
            break;
        }
        ck_assert_int_eq(err, SP_ENOMEM);
    }
    sp_race_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("race");
    TCase *tc = tcase_create("race");
    SRunner *runner = srunner_create(s);

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_first_that_answers);
    tcase_add_test(tc, a_refusal_is_no_reason_to_wait);
    tcase_add_test(tc, who_does_not_answer_is_overtaken);
    tcase_add_test(tc, others_are_added);
    tcase_add_loop_test(tc, nobody_has_lost_until_all_are_known, 0, 2);
    tcase_add_test(tc, nobody_answers);
    tcase_add_test(tc, given_up);
    tcase_add_test(tc, without_memory);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
