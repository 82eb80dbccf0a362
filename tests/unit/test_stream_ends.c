/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How streams end: finished, cut, reset, out of time, or before they have begun.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/stream.h"
#include "stream_rig.h"

START_TEST(finish_sends_the_rest)
{
    static uint8_t chunk[50000];
    size_t sent = 0;
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_as(&r, _i == 1);
    r.b.hold = true;
    for (int i = 0; i < 20; i++, sent += sizeof chunk) {
        stream_rig_fill(chunk, sizeof chunk, sent);
        ck_assert_int_eq(sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk)), 0);
    }
    sp_stream_finish(r.a.s, SP_SEC(5));
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("late")), SP_ECLOSED);
    r.b.hold = false;
    r.b.free_when = IN_CLOSED;
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ECLOSED);
    stream_rig_check(&r.b.got, sent);
    ck_assert_int_eq(r.b.why, SP_ECLOSED);
    ck_assert_str_eq(r.b.text, "closed by the other side");
    stream_rig_close(&r);
}
END_TEST

START_TEST(finish_is_bounded)
{
    static uint8_t chunk[1000000];
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_plain(&r);
    stream_end_free(&r.b);
    stream_end_free(&r.a);
    r.a = (struct stream_end){.got = r.a.got};

    /* A peer that reads nothing: not all could be sent. */
    ck_assert_int_eq(
        sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &stream_rig_events, &r.a, &r.a.s), 0);
    int fd = stream_rig_accept(&r), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_up, &r));
    while (sp_stream_write(r.a.s, sp_span(chunk, sizeof chunk)) == 0)
        ;
    sp_stream_finish(r.a.s, SP_MS(50));
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ETIMEDOUT);
    close(fd);
    stream_end_free(&r.a);
    r.a = (struct stream_end){.got = r.a.got};

    /* A peer that reads all, but never closes. */
    ck_assert_int_eq(
        sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &stream_rig_events, &r.a, &r.a.s), 0);
    fd = stream_rig_accept(&r);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_up, &r));
    sp_stream_finish(r.a.s, SP_MS(50));
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ECLOSED);
    close(fd);
    stream_rig_close(&r);
}
END_TEST

START_TEST(finish_before_it_began)
{
    struct stream_rig r;

    stream_rig_open(&r);
    ck_assert_int_eq(
        sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &stream_rig_events, &r.a, &r.a.s), 0);
    sp_stream_finish(r.a.s, SP_SEC(5));
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(r.a.established, 0);
    stream_rig_close(&r);
}
END_TEST

START_TEST(data_then_fin)
{
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_as(&r, _i == 1);
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("last words")), 0);
    sp_stream_finish(r.a.s, SP_SEC(5));
    ck_assert(io_loop_until(&r.loop, stream_rig_b_closed, &r));
    ck_assert(sp_span_eq(sp_buf_span(&r.b.got), sp_span_str("last words")));
    ck_assert_int_eq(r.b.why, SP_ECLOSED);
    stream_rig_close(&r);
}
END_TEST

START_TEST(cut_under_tls)
{
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_tls(&r);
    stream_end_free(&r.a); /* FIN, but no close_notify */
    ck_assert(io_loop_until(&r.loop, stream_rig_b_closed, &r));
    ck_assert_int_eq(r.b.why, SP_ECLOSED);
    ck_assert_ptr_nonnull(strstr(r.b.text, "cut"));
    stream_rig_close(&r);
}
END_TEST

START_TEST(reset)
{
    struct linger now = {1, 0};
    struct stream_rig r;

    stream_rig_open(&r);
    ck_assert_int_eq(
        sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &stream_rig_events, &r.a, &r.a.s), 0);
    int fd = stream_rig_accept(&r);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_up, &r));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    usleep(10000);
    /* By writing (no SIGPIPE), or by reading. */
    if (_i == 1)
        ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("x")), 0);
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ESYS);
    ck_assert_ptr_nonnull(strstr(r.a.text, "reset"));
    ck_assert_int_eq(sp_stream_write(r.a.s, sp_span_str("x")), SP_ECLOSED);
    stream_rig_close(&r);
}
END_TEST

START_TEST(no_signal)
{
    struct stream_rig r;

    stream_rig_open(&r);
    ck_assert_int_eq(
        sp_stream_connect(&r.loop.ticker, &r.addr, SP_SEC(5), &stream_rig_events, &r.a, &r.a.s), 0);
    int fd = stream_rig_accept(&r);
    ck_assert_int_eq(sp_stream_new(&r.loop.ticker, fd, &stream_rig_events, &r.b, &r.b.s), 0);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    ck_assert_int_eq(sp_stream_write(r.b.s, sp_span_str("x")), 0);
    ck_assert_int_eq(r.b.closes, 0);
    ck_assert(io_loop_until(&r.loop, stream_rig_b_closed, &r));
    ck_assert_int_eq(r.b.why, SP_ESYS);
    ck_assert_str_eq(r.b.text, "Broken pipe");
    stream_rig_close(&r);
}
END_TEST

START_TEST(connection_refused)
{
    struct sp_addr nobody;
    struct stream_rig r;
    int fd;

    stream_rig_open(&r);
    /* A port that is taken, but where nobody listens. */
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &fd, &nobody), 0);
    close(fd);
    ck_assert_int_eq(
        sp_stream_connect(&r.loop.ticker, &nobody, SP_SEC(5), &stream_rig_events, &r.a, &r.a.s), 0);
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ESYS);
    ck_assert_str_eq(r.a.text, "Connection refused");
    ck_assert_int_eq(r.a.established, 0);
    stream_end_free(&r.a);

    /* Refused by the system at once: told from the loop all the same. */
    struct sp_addr broadcast = sp_addr_v4(255, 255, 255, 255, 443);
    r.a.closes = 0;
    ck_assert_int_eq(
        sp_stream_connect(&r.loop.ticker, &broadcast, SP_SEC(5), &stream_rig_events, &r.a, &r.a.s),
        0);
    ck_assert_int_eq(r.a.closes, 0);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ESYS);
    stream_rig_close(&r);
}
END_TEST

/* A listener whose queue is full does not answer. */
START_TEST(connection_timeout)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), full;
    int fd, filler[8];
    struct stream_rig r;

    stream_rig_open(&r);
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &fd, &full), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(filler); i++)
        ck_assert_int_eq(sp_sock_connect(&full, &filler[i]), 0);
    usleep(10000);
    ck_assert_int_eq(
        sp_stream_connect(&r.loop.ticker, &full, SP_MS(50), &stream_rig_events, &r.a, &r.a.s), 0);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ETIMEDOUT);
    ck_assert_int_eq(r.a.established, 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(filler); i++)
        close(filler[i]);
    close(fd);
    stream_rig_close(&r);
}
END_TEST

START_TEST(handshake_timeout)
{
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_plain(&r);
    ck_assert_int_eq(sp_stream_start_tls_server(r.b.s, r.server, SP_MS(50)), 0);
    ck_assert(io_loop_until(&r.loop, stream_rig_b_closed, &r));
    ck_assert_int_eq(r.b.why, SP_ETIMEDOUT);
    ck_assert_int_eq(r.b.established, 0);
    stream_rig_close(&r);
}
END_TEST

START_TEST(wrong_certificate)
{
    struct stream_rig r;

    stream_rig_open(&r);
    stream_rig_plain(&r);
    r.a.established = 0;
    r.b.tls_on_hello = true;
    ck_assert_int_eq(sp_stream_start_tls_client(r.a.s, r.client, "other.test", SP_SEC(5)), 0);
    ck_assert(io_loop_until(&r.loop, stream_rig_a_closed, &r));
    ck_assert_int_eq(r.a.why, SP_ETLS);
    ck_assert_ptr_nonnull(strstr(r.a.text, "certificate is for edge.test, not for other.test"));
    ck_assert(io_loop_until(&r.loop, stream_rig_b_closed, &r));
    ck_assert_int_eq(r.b.why, SP_ETLS);
    ck_assert_int_eq(r.a.established, 0);
    stream_rig_close(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_ends");
    TCase *tc = tcase_create("stream_ends");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, finish_sends_the_rest, 0, 2);
    tcase_add_test(tc, finish_is_bounded);
    tcase_add_test(tc, finish_before_it_began);
    tcase_add_loop_test(tc, data_then_fin, 0, 2);
    tcase_add_test(tc, cut_under_tls);
    tcase_add_loop_test(tc, reset, 0, 2);
    tcase_add_test(tc, no_signal);
    tcase_add_test(tc, connection_refused);
    tcase_add_test(tc, connection_timeout);
    tcase_add_test(tc, handshake_timeout);
    tcase_add_test(tc, wrong_certificate);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
