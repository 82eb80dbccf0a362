/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site_send.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peer.h"
#include "sallyport/err.h"

#define SIZE (3 * 1000 * 1000)

struct rig {
    struct io_loop loop;
    struct sp_stream *s;
    struct peer reader;
    struct sp_site_send file;
    int result; /* of the last sp_site_send_some */
    int turns;
    size_t most_pending;
    int fd; /* of the file, a second one */
};

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static void go_on(struct sp_stream *s, void *arg)
{
    struct rig *r = arg;

    if (r->file.fd < 0)
        return;
    r->turns++;
    r->result = sp_site_send_some(&r->file, s);
    if (sp_stream_pending(s) > r->most_pending)
        r->most_pending = sp_stream_pending(s);
}

static void ignore_end(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    (void)arg;
}

static const struct sp_stream_events events = {
    .input = go_on, .writable = go_on, .closed = ignore_end};

static void open_rig(struct rig *r)
{
    static uint8_t bytes[SIZE];
    char name[] = "/tmp/sallyport-test.XXXXXX";
    int fds[2];

    *r = (struct rig){.file = sp_site_send_nothing()};
    io_loop_init(&r->loop);
    tcp_pair(fds);
    ck_assert_int_eq(sp_stream_new(&r->loop.ticker, fds[0], &events, r, &r->s), 0);
    peer_open(&r->reader, &r->loop, fds[1]);
    r->fd = mkstemp(name);
    unlink(name);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = byte_at(i);
    ck_assert_int_eq(write(r->fd, bytes, SIZE), SIZE);
}

static void close_rig(struct rig *r)
{
    sp_site_send_end(&r->file);
    sp_stream_free(r->s);
    peer_close(&r->reader);
    close(r->fd);
    io_loop_fini(&r->loop);
}

/* Until the stream has no more room. */
static void send_all_there_is_room_for(struct rig *r)
{
    do
        go_on(r->s, r);
    while (r->result == SP_EMORE);
}

START_TEST(a_part)
{
    const struct sp_site_part part = {123, SIZE - 1000};
    struct rig r;

    open_rig(&r);
    sp_site_send_begin(&r.file, dup(r.fd), part);
    go_on(r.s, &r);
    while (r.file.fd >= 0) {
        if (r.result == SP_EMORE)
            go_on(r.s, &r);
        io_loop_for(&r.loop, 1);
    }
    ck_assert_int_eq(r.result, 0);
    ck_assert(peer_got(&r.reader, part.len));
    ck_assert_uint_eq(r.reader.got.len, part.len);
    size_t same = 0;
    while (same < part.len && sp_buf_span(&r.reader.got).p[same] == byte_at(part.first + same))
        same++;
    ck_assert_uint_eq(same, part.len);
    ck_assert_int_gt(r.turns, SIZE / SP_SITE_SEND_TURN);
    ck_assert_uint_le(r.most_pending, SP_SITE_SEND_RECORD);
    close_rig(&r);
}
END_TEST

/* Who doesn't read is not sent more than the kernel holds, and a record. */
START_TEST(reader_that_stalls)
{
    struct rig r;

    open_rig(&r);
    r.reader.holds = true;
    sp_site_send_begin(&r.file, dup(r.fd), (struct sp_site_part){0, SIZE});
    for (int i = 0; i < 20; i++) {
        send_all_there_is_room_for(&r);
        io_loop_for(&r.loop, 2);
    }
    ck_assert_int_eq(r.result, SP_EAGAIN);
    ck_assert_uint_gt(r.file.left.len, 0);
    ck_assert_uint_le(r.most_pending, SP_SITE_SEND_RECORD);
    close_rig(&r);
}
END_TEST

START_TEST(file_that_shrinks)
{
    struct rig r;

    open_rig(&r);
    sp_site_send_begin(&r.file, dup(r.fd), (struct sp_site_part){0, SIZE});
    ck_assert_int_eq(ftruncate(r.fd, 1000), 0);
    ck_assert_int_eq(sp_site_send_some(&r.file, r.s), SP_ECLOSED);
    ck_assert_int_eq(r.file.fd, -1);
    close_rig(&r);
}
END_TEST

START_TEST(nothing)
{
    struct rig r;

    open_rig(&r);
    sp_site_send_begin(&r.file, dup(r.fd), (struct sp_site_part){0, 0});
    ck_assert_int_eq(sp_site_send_some(&r.file, r.s), 0);
    ck_assert_int_eq(r.file.fd, -1);
    sp_site_send_end(&r.file);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("site_send");
    TCase *tc = tcase_create("site_send");

    tcase_add_test(tc, a_part);
    tcase_add_test(tc, reader_that_stalls);
    tcase_add_test(tc, file_that_shrinks);
    tcase_add_test(tc, nothing);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
