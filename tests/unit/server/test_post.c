/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three posts in one loop: what goes from each to each. That it goes from thread to thread as well
 * is for ring's test, and for a whole crew's (e2e workers).
 */
#include "post.h"

#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "io_loop.h"
#include "port_pool.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

#define POSTS 3
#define MANY  5000

static struct rig {
    struct io_loop loop;
    struct sp_post_office *office;
    struct post_end {
        struct sp_post *post;
        unsigned datagrams, connections, notes, note_from;
        size_t bytes;
        uint8_t last;
        struct sp_addr relayed, from;
        struct sp_stream *stream;
    } ends[POSTS];
    unsigned want; /* datagrams or connections, of all */
} r;

static void on_datagram(void *arg, const struct sp_addr *relayed, const struct sp_addr *from,
                        struct sp_span body)
{
    struct post_end *e = arg;

    e->datagrams++;
    e->bytes += body.len;
    e->last = body.len > 0 ? body.p[0] : 0;
    e->relayed = *relayed;
    e->from = *from;
}

static void on_connection(void *arg, struct sp_stream *s)
{
    struct post_end *e = arg;

    e->connections++;
    e->stream = s;
}

static void on_note(void *arg, unsigned from, struct sp_span note)
{
    struct post_end *e = arg;

    ck_assert_uint_eq((uintptr_t)note.p % 8, 0);
    e->notes++;
    e->note_from = from;
    e->bytes = note.len;
    e->last = note.p[note.len - 1];
}

static const struct sp_post_events events = {on_datagram, on_connection, on_note};

static void open_rig(void)
{
    r = (struct rig){.want = 0};
    io_loop_init(&r.loop);
    ck_assert_int_eq(sp_post_office_new(POSTS, &r.office), 0);
    for (unsigned i = 0; i < POSTS; i++)
        ck_assert_int_eq(
            sp_post_open(r.office, i, &r.loop.ticker, &events, &r.ends[i], &r.ends[i].post), 0);
}

static void close_rig(void)
{
    for (unsigned i = 0; i < POSTS; i++)
        sp_post_close(r.ends[i].post);
    sp_post_office_free(r.office);
    io_loop_fini(&r.loop);
}

static bool all_came(void *arg)
{
    unsigned n = 0;
    (void)arg;

    for (unsigned i = 0; i < POSTS; i++)
        n += r.ends[i].datagrams + r.ends[i].connections + r.ends[i].notes;
    return n >= r.want;
}

static int send_one(unsigned from, unsigned to, uint8_t what)
{
    struct sp_addr relayed = sp_addr_v4(198, 51, 100, 1, what), peer = sp_addr_v4(10, 0, 0, 1, 9);

    return sp_post_datagram(r.ends[from].post, to, &relayed, &peer, sp_span(&what, 1));
}

START_TEST(from_each_to_each)
{
    open_rig();
    for (unsigned from = 0; from < POSTS; from++)
        for (unsigned to = 0; to < POSTS; to++)
            ck_assert_int_eq(send_one(from, to, (uint8_t)(to + 1)), from == to ? SP_ENOENT : 0);
    ck_assert_int_eq(send_one(0, POSTS, 1), SP_ENOENT);
    ck_assert_int_eq(send_one(0, UINT16_MAX, 1), SP_ENOENT);
    r.want = POSTS * (POSTS - 1);
    ck_assert(io_loop_until(&r.loop, all_came, NULL));
    for (unsigned i = 0; i < POSTS; i++) {
        ck_assert_uint_eq(r.ends[i].datagrams, POSTS - 1);
        ck_assert_uint_eq(r.ends[i].last, i + 1);
        ck_assert_uint_eq(r.ends[i].relayed.port, i + 1);
        ck_assert_uint_eq(r.ends[i].from.port, 9);
        ck_assert_uint_eq(sp_post_counters(r.ends[i].post)->datagrams_dropped, 0);
    }
    close_rig();
}
END_TEST

START_TEST(notes)
{
    open_rig();
    ck_assert_uint_eq(sp_post_workers(r.ends[0].post), POSTS);
    ck_assert_int_eq(sp_post_note(r.ends[2].post, 1, sp_span("head", 4), sp_span("body", 4)), 0);
    ck_assert_int_eq(sp_post_note(r.ends[2].post, 0, sp_span("head", 4), sp_span(NULL, 0)), 0);
    ck_assert_int_eq(sp_post_note(r.ends[2].post, 2, sp_span("head", 4), sp_span(NULL, 0)),
                     SP_ENOENT);
    r.want = 2;
    ck_assert(io_loop_until(&r.loop, all_came, NULL));
    ck_assert_uint_eq(r.ends[1].notes, 1);
    ck_assert_uint_eq(r.ends[1].note_from, 2);
    ck_assert_uint_eq(r.ends[1].bytes, 8);
    ck_assert_uint_eq(r.ends[1].last, 'y');
    ck_assert_uint_eq(r.ends[0].bytes, 4);
    ck_assert_uint_eq(r.ends[0].last, 'd');
    close_rig();
}
END_TEST

/* More than is taken in one turn; and what does not fit is counted. */
START_TEST(many)
{
    static uint8_t bytes[1200];
    struct sp_addr a = sp_addr_v4(198, 51, 100, 1, 1);
    const struct sp_post_counters *c;
    unsigned sent = 0;

    open_rig();
    c = sp_post_counters(r.ends[0].post);
    for (unsigned i = 0; i < MANY; i++) {
        int err = sp_post_datagram(r.ends[0].post, 1, &a, &a, sp_span(bytes, i % 2 ? 1200 : 1));
        ck_assert(err == 0 || err == SP_EFULL);
        sent += err == 0;
    }
    ck_assert_uint_lt(sent, MANY);
    ck_assert_uint_gt(sent, 1024);
    ck_assert_uint_eq(c->datagrams_dropped, MANY - sent);
    r.want = sent;
    ck_assert(io_loop_until(&r.loop, all_came, NULL));
    ck_assert_uint_eq(r.ends[1].datagrams, sent);
    ck_assert_int_eq(send_one(0, 1, 7), 0);
    close_rig();
}
END_TEST

START_TEST(the_longest_datagram)
{
    static uint8_t bytes[UINT16_MAX];
    struct sp_addr a = sp_addr_v4(198, 51, 100, 1, 1);

    open_rig();
    ck_assert_int_eq(sp_post_datagram(r.ends[2].post, 0, &a, &a, sp_span(bytes, sizeof bytes)), 0);
    r.want = 1;
    ck_assert(io_loop_until(&r.loop, all_came, NULL));
    ck_assert_uint_eq(r.ends[0].bytes, sizeof bytes);
    close_rig();
}
END_TEST

static void on_input(struct sp_stream *s, void *arg)
{
    (void)s;
    ++*(unsigned *)arg;
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    (void)s, (void)why, (void)arg;
}

static const struct sp_stream_events stream_events = {.input = on_input, .closed = on_closed};

static struct sp_stream *make_stream(int *other, unsigned *inputs)
{
    struct sp_stream *s;
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(sp_stream_new(&r.loop.ticker, fds[0], &stream_events, inputs, &s), 0);
    *other = fds[1];
    return s;
}

START_TEST(a_connection)
{
    unsigned before = 0, after = 0;
    int other;

    open_rig();
    struct sp_stream *s = make_stream(&other, &before);
    ck_assert_int_eq(sp_post_connection(r.ends[0].post, 0, s), SP_ENOENT);
    ck_assert_int_eq(sp_post_connection(r.ends[0].post, 2, s), 0);
    ck_assert_int_eq(write(other, "x", 1), 1);
    r.want = 1;
    ck_assert(io_loop_until(&r.loop, all_came, NULL));
    ck_assert_ptr_eq(r.ends[2].stream, s);
    ck_assert_uint_eq(sp_post_counters(r.ends[0].post)->connections, 1);
    sp_stream_enter(s, &r.loop.ticker);
    sp_stream_set_events(s, &stream_events, &after);
    io_loop_for(&r.loop, 20);
    ck_assert_uint_eq(before, 0);
    ck_assert_uint_eq(after, 1);
    sp_stream_free(s);
    close(other);
    close_rig();
}
END_TEST

/* Datagrams leave some for what must not be lost. When that is full as well a connection stays with
 * the one that had it, and works there. */
START_TEST(a_connection_that_finds_no_room)
{
    static const uint8_t note[1000];
    unsigned inputs = 0;
    int other;

    open_rig();
    struct sp_stream *s = make_stream(&other, &inputs);
    while (send_one(0, 1, 1) == 0)
        continue;
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(
            sp_post_note(r.ends[0].post, 1, sp_span(note, sizeof note), sp_span("", 0)), 0);
    while (sp_post_note(r.ends[0].post, 1, sp_span("", 1), sp_span("", 0)) == 0)
        continue;
    ck_assert_int_eq(sp_post_connection(r.ends[0].post, 1, s), SP_EFULL);
    ck_assert_int_eq(write(other, "x", 1), 1);
    io_loop_for(&r.loop, 20);
    ck_assert_uint_eq(inputs, 1);
    ck_assert_uint_eq(r.ends[1].connections, 0);
    sp_stream_free(s);
    close(other);
    close_rig();
}
END_TEST

/* Its owner is told what came before it hears of the end, and may want to hand it over then. */
START_TEST(a_connection_that_has_ended)
{
    unsigned inputs = 0;
    int other;

    open_rig();
    struct sp_stream *s = make_stream(&other, &inputs);
    sp_stream_finish(s, SP_SEC(1));
    ck_assert_int_eq(sp_post_connection(r.ends[0].post, 1, s), SP_ECLOSED);
    io_loop_for(&r.loop, 20);
    ck_assert_uint_eq(r.ends[1].connections, 0);
    ck_assert_uint_eq(sp_post_counters(r.ends[0].post)->connections, 0);
    sp_stream_free(s);
    close(other);
    close_rig();
}
END_TEST

/* Nobody took it off: it is closed with the office. */
START_TEST(a_connection_on_its_way_at_the_end)
{
    unsigned inputs = 0;
    int other;
    char c;

    open_rig();
    struct sp_stream *s = make_stream(&other, &inputs);
    ck_assert_int_eq(sp_post_connection(r.ends[0].post, 1, s), 0);
    close_rig();
    ck_assert_int_eq(read(other, &c, 1), 0);
    close(other);
}
END_TEST

/* Media that nobody took off in time is dropped then, and nothing else is. */
START_TEST(too_late)
{
    open_rig();
    for (uint8_t i = 0; i < 5; i++)
        ck_assert_int_eq(send_one(0, 1, 0x80), 0);
    ck_assert_int_eq(send_one(0, 1, 20), 0); /* DTLS */
    ck_assert_int_eq(sp_post_note(r.ends[0].post, 1, sp_span("x", 1), sp_span("", 0)), 0);
    usleep(450000);
    r.want = 2;
    ck_assert(io_loop_until(&r.loop, all_came, NULL));
    ck_assert_int_eq(send_one(2, 1, 0x80), 0);
    r.want = 3;
    ck_assert(io_loop_until(&r.loop, all_came, NULL));
    io_loop_for(&r.loop, 5);
    ck_assert_uint_eq(r.ends[1].notes, 1);
    ck_assert_uint_eq(r.ends[1].datagrams, 2);
    ck_assert_uint_eq(sp_post_counters(r.ends[1].post)->datagrams_late, 5);
    close_rig();
}
END_TEST

START_TEST(bad_sizes)
{
    struct sp_post_office *o = NULL;

    ck_assert_int_eq(sp_post_office_new(0, &o), SP_EINVAL);
    ck_assert_int_eq(sp_post_office_new(SP_WORKERS_MAX + 1, &o), SP_EINVAL);
    alloc_fail_at(1);
    int err = sp_post_office_new(2, &o);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert_ptr_null(o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("post");
    TCase *t = tcase_create("all");
    SRunner *runner = srunner_create(s);

    suite_add_tcase(s, t);
    tcase_add_test(t, from_each_to_each);
    tcase_add_test(t, notes);
    tcase_add_test(t, many);
    tcase_add_test(t, the_longest_datagram);
    tcase_add_test(t, a_connection);
    tcase_add_test(t, a_connection_that_finds_no_room);
    tcase_add_test(t, a_connection_that_has_ended);
    tcase_add_test(t, a_connection_on_its_way_at_the_end);
    tcase_add_test(t, too_late);
    tcase_add_test(t, bad_sizes);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
