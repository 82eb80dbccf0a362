/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane over a real connection: a gateway's end on one side, the edge's tunnel on the other.
 */
#include "sallyport/stream_lane.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway_end.h"
#include "io_loop.h"
#include "peer.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/rfc4571.h"
#include "tunnel_impl.h"

/* The edge's side, which sends every datagram back. */
struct rig {
    struct io_loop loop;
    struct sp_rng rng;
    struct gateway_end gateway;
    struct sp_tunnel *tunnel;
    struct sp_deferred flush;
    unsigned datagrams, opened, closed, expired;
    bool mute; /* sends nothing back */
    int why;
    char text[256];
    struct sp_stream_lane *lane; /* the last one that was added */
};

static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct rig *r = arg;
    (void)d;
    sp_tunnel_flush(r->tunnel, now_us);
}

static void on_want_flush(void *arg)
{
    struct rig *r = arg;
    sp_ticker_defer(&r->loop.ticker, &r->flush);
}

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    struct rig *r = arg;

    for (size_t i = 0; i < n; i++) {
        r->datagrams++;
        if (!r->mute)
            sp_flow_send(f, &d[i], 1, now_us);
    }
}

static int on_flow_opened(struct sp_flow *f, uint64_t now_us, void *arg)
{
    struct rig *r = arg;
    (void)f;
    (void)now_us;
    r->opened++;
    return 0;
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    (void)f;
    (void)code;
    (void)arg;
}

static void on_lane_suspect(struct sp_lane *l, void *arg)
{
    (void)l;
    (void)arg;
}

static void on_expired(void *arg)
{
    struct rig *r = arg;
    r->expired++;
}

static const struct sp_tunnel_events events = {
    .flush = on_want_flush,
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = on_flow_closed,
    .lane_suspect = on_lane_suspect,
    .expired = on_expired,
};

static void on_lane_closed(struct sp_stream_lane *l, int why, const char *text, void *arg)
{
    struct rig *r = arg;

    if (r->lane == l)
        r->lane = NULL;
    r->closed++;
    r->why = why;
    snprintf(r->text, sizeof r->text, "%s", text);
}

static void open_rig(struct rig *r)
{
    struct sp_tunnel_config c;

    memset(r, 0, sizeof *r);
    io_loop_init(&r->loop);
    sp_rng_system_init(&r->rng);
    gateway_end_init(&r->gateway, &r->loop);
    sp_deferred_init(&r->flush, on_flush, r);
    sp_tunnel_config_default(&c, SP_TUNNEL_EDGE);
    ck_assert_int_eq(sp_tunnel_new(&c, &events, r, &r->loop.ticker.timers, &r->rng, &r->tunnel), 0);
}

static void close_rig(struct rig *r)
{
    sp_tunnel_free(r->tunnel);
    sp_deferred_cancel(&r->flush);
    gateway_end_fini(&r->gateway);
    io_loop_fini(&r->loop);
}

static void ignore(struct sp_stream *s, void *arg)
{
    (void)s;
    (void)arg;
}

static void ignore_end(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    (void)arg;
}

static const struct sp_stream_events nobody = {.input = ignore, .closed = ignore_end};

static struct sp_stream *stream_of(struct rig *r, int fd)
{
    struct sp_stream *s;

    ck_assert_int_eq(sp_stream_new(&r->loop.ticker, fd, &nobody, NULL, &s), 0);
    return s;
}

static struct sp_stream_lane *add_lane(struct rig *r, struct sp_stream *s, unsigned number)
{
    struct sp_stream_lane *l;

    ck_assert_int_eq(
        sp_stream_lane_new(s, &r->loop.ticker, r->tunnel, number, on_lane_closed, r, &l), 0);
    return r->lane = l;
}

/* A lane of that number between the two tunnels. */
static struct sp_stream_lane *join(struct rig *r, unsigned number)
{
    int fds[2];

    tcp_pair(fds);
    gateway_end_add(&r->gateway, stream_of(r, fds[0]), number);
    return add_lane(r, stream_of(r, fds[1]), number);
}

/* A lane whose far side is a bare socket. */
static int join_socket(struct rig *r, struct sp_stream **s)
{
    int fds[2];

    tcp_pair(fds);
    *s = stream_of(r, fds[1]);
    return fds[0];
}

static void check_echo(struct rig *r, struct sp_flow *f, const char *text)
{
    struct sp_span got;

    gateway_end_send(&r->gateway, f, sp_span_str(text));
    ck_assert(gateway_end_recv(&r->gateway, f, &got));
    ck_assert(sp_span_eq(got, sp_span_str(text)));
}

static bool is_closed(void *arg)
{
    struct rig *r = arg;
    return r->closed > 0;
}

START_TEST(both_ways)
{
    struct rig r;

    open_rig(&r);
    struct sp_stream_lane *l = join(&r, 3);
    ck_assert_uint_eq(sp_lane_number(sp_stream_lane_lane(l)), 3);
    ck_assert_ptr_eq(sp_tunnel_lane(r.tunnel, 3), sp_stream_lane_lane(l));
    struct sp_flow *f = gateway_end_flow(&r.gateway), *g = gateway_end_flow(&r.gateway);
    check_echo(&r, f, "one");
    check_echo(&r, g, "two");
    check_echo(&r, f, "three");
    ck_assert_uint_eq(r.opened, 2);
    ck_assert_uint_eq(r.datagrams, 3);
    struct sp_lane *lane = sp_stream_lane_lane(l);
    ck_assert_uint_gt(sp_lane_rtt_us(lane), 0); /* it was measured */
    /* What has been taken for the end of this turn leaves before what is taken next. */
    struct sp_lane_measure before, after;
    lane->ops->measure(&before, lane->arg);
    ck_assert(before.has_window);
    ck_assert_uint_ge(before.window, 2);
    static const uint8_t zeros[1200];
    lane->ops->send(sp_span(zeros, sizeof zeros), lane->arg);
    lane->ops->measure(&after, lane->arg);
    ck_assert_uint_eq(after.window, before.window - 1);
    ck_assert_uint_gt(after.unacked_bytes, before.unacked_bytes);
    close_rig(&r);
}
END_TEST

/* What waited in the stream when it was upgraded belongs to the lane. */
START_TEST(bytes_that_waited)
{
    struct sp_control open = {.method = SP_CONTROL_OPEN,
                              .cls = SP_STUN_REQUEST,
                              .id = "waitwaitwait",
                              .flow = 9,
                              .kind = SP_FLOW_TURN,
                              .has_data = true,
                              .data = sp_span_str("early")};
    uint8_t frame[256];
    size_t len;
    struct sp_stream *s;
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(sp_control_build(&open, frame + SP_FRAME_CONTROL_HEADER_LEN, 200, &len), 0);
    sp_frame_control_header(frame, len);
    len += SP_FRAME_CONTROL_HEADER_LEN;
    int fd = join_socket(&r, &s);
    ck_assert_int_eq(write(fd, frame, len), (ssize_t)len);
    io_loop_for(&r.loop, 20); /* they lie in the stream's buffer now */
    ck_assert_uint_eq(sp_stream_in(s)->len, len);
    add_lane(&r, s, 0);
    ck_assert_uint_eq(r.datagrams, 0); /* not from within */
    io_loop_for(&r.loop, 20);
    ck_assert_uint_eq(r.datagrams, 1);
    close(fd);
    close_rig(&r);
}
END_TEST

START_TEST(far_side_ends)
{
    struct rig r;

    open_rig(&r);
    join(&r, 0);
    join(&r, 1);
    sp_stream_lane_free(r.gateway.lanes[1]); /* ours: not told */
    ck_assert_uint_eq(r.gateway.lanes_closed, 0);
    ck_assert_uint_eq(sp_tunnel_lane_count(r.gateway.tunnel), 1);
    ck_assert(io_loop_until(&r.loop, is_closed, &r));
    ck_assert_uint_eq(r.closed, 1);
    ck_assert_int_eq(r.why, SP_ECLOSED);
    ck_assert_str_ne(r.text, "");
    ck_assert_uint_eq(sp_tunnel_lane_count(r.tunnel), 1);
    check_echo(&r, gateway_end_flow(&r.gateway), "by the other lane");
    close_rig(&r);
}
END_TEST

START_TEST(broken_framing)
{
    static const uint8_t long_frame[] = {0xFF, 0xFF, 0, 1, 0, 0, 0, 1, 'x'};
    struct sp_stream *s;
    struct rig r;

    open_rig(&r);
    int fd = join_socket(&r, &s);
    add_lane(&r, s, 0);
    ck_assert_int_eq(write(fd, long_frame, sizeof long_frame), sizeof long_frame);
    ck_assert(io_loop_until(&r.loop, is_closed, &r));
    ck_assert_int_eq(r.why, SP_EBADMSG);
    ck_assert_ptr_nonnull(strstr(r.text, "framing"));
    ck_assert_uint_eq(sp_tunnel_lane_count(r.tunnel), 0);
    io_loop_for(&r.loop, 10);
    ck_assert_uint_eq(r.closed, 1);
    close(fd);
    close_rig(&r);
}
END_TEST

/* A lane that joins again replaces the old one, whose connection ends. */
START_TEST(replaced)
{
    struct rig r;

    open_rig(&r);
    join(&r, 0);
    struct sp_stream_lane *young = join(&r, 0);
    ck_assert_uint_eq(r.closed, 1);
    ck_assert_int_eq(r.why, SP_EEXIST);
    ck_assert_ptr_eq(r.lane, young);
    ck_assert_ptr_eq(sp_tunnel_lane(r.tunnel, 0), sp_stream_lane_lane(young));
    check_echo(&r, gateway_end_flow(&r.gateway), "still here");
    ck_assert_uint_eq(r.closed, 1);
    close_rig(&r);
}
END_TEST

START_TEST(tunnel_ends)
{
    struct rig r;

    open_rig(&r);
    join(&r, 0);
    join(&r, 1);
    sp_tunnel_free(r.tunnel);
    r.tunnel = NULL;
    ck_assert_uint_eq(r.closed, 2);
    ck_assert_int_eq(r.why, SP_EEXIST);
    close_rig(&r);
}
END_TEST

/* The stream stays the caller's. */
START_TEST(no_such_number)
{
    struct sp_stream_lane *l;
    struct sp_stream *s;
    struct rig r;

    open_rig(&r);
    int fd = join_socket(&r, &s);
    ck_assert_int_eq(
        sp_stream_lane_new(s, &r.loop.ticker, r.tunnel, SP_LANES_MAX, on_lane_closed, &r, &l),
        SP_EINVAL);
    ck_assert_int_eq(sp_stream_write(s, sp_span_str("ours")), 0);
    ck_assert_uint_eq(r.closed, 0);
    sp_stream_free(s);
    close(fd);
    close_rig(&r);
}
END_TEST

/* What the tunnel still wants to say must not cut short what was said. */
START_TEST(finishing_is_not_cut_short)
{
    int fds[2];
    struct rig r;

    open_rig(&r);
    tcp_pair(fds);
    gateway_end_add(&r.gateway, stream_of(&r, fds[0]), 0);
    gateway_end_send(&r.gateway, gateway_end_flow(&r.gateway), sp_span_str("hello"));
    io_loop_for(&r.loop, 20);
    sp_stream_finish(sp_stream_lane_stream(r.gateway.lanes[0]), SP_SEC(5));
    io_loop_for(&r.loop, 300); /* its OPEN is repeated meanwhile */
    ck_assert_uint_eq(r.gateway.lanes_closed, 0);
    close(fds[1]);
    io_loop_for(&r.loop, 50);
    ck_assert_uint_eq(r.gateway.lanes_closed, 1);
    close_rig(&r);
}
END_TEST

/* As many frames of that message as there is room for; returns their length. */
static size_t fill(uint8_t *p, size_t room, const struct sp_control *c)
{
    size_t len, n = 0;

    while (room - n > 64) {
        ck_assert_int_eq(sp_control_build(c, p + n + SP_FRAME_CONTROL_HEADER_LEN, 60, &len), 0);
        sp_frame_control_header(p + n, len);
        n += SP_FRAME_CONTROL_HEADER_LEN + len;
    }
    return n;
}

/* Pings ask for answers; who doesn't read these is cut off when what waits is at its bound. */
START_TEST(far_side_reads_nothing)
{
    struct sp_control ping = {.method = SP_CONTROL_PING, .cls = SP_STUN_REQUEST};
    static uint8_t pings[64 * 1024];
    size_t n = fill(pings, sizeof pings, &ping), sent = 0;
    struct sp_stream *s;
    struct rig r;

    open_rig(&r);
    int fd = join_socket(&r, &s);
    add_lane(&r, s, 0);
    /* A megabyte here, and what the kernel holds on both sides. */
    for (size_t off = 0; r.closed == 0 && sent < (64 << 20);) {
        ssize_t k = write(fd, pings + off, n - off);
        if (k > 0) {
            sent += (size_t)k;
            off = (off + (size_t)k) % n;
        }
        io_loop_for(&r.loop, 2);
        if (r.closed == 0)
            ck_assert_uint_le(sp_stream_pending(s), SP_STREAM_OUT_MAX);
    }
    ck_assert_uint_eq(r.closed, 1);
    ck_assert_int_eq(r.why, SP_EFULL);
    ck_assert_ptr_nonnull(strstr(r.text, "read"));
    ck_assert_uint_eq(sp_tunnel_lane_count(r.tunnel), 0);
    close(fd);
    close_rig(&r);
}
END_TEST

/* The tunnel can learn that a lane holds more than it was given. */
START_TEST(more_than_a_read_takes)
{
    struct sp_control answer = {.method = SP_CONTROL_PING, .cls = SP_STUN_SUCCESS};
    static uint8_t answers[100 * 1000]; /* to nothing that was asked */
    size_t n = fill(answers, sizeof answers, &answer);
    bool more = false;
    int fds[2];
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct sp_lane *lane = sp_stream_lane_lane(add_lane(&r, stream_of(&r, fds[1]), 0));
    ck_assert_int_eq(write(fds[0], answers, n), (ssize_t)n);
    for (int turn = 0; turn < 4 && !more; turn++) {
        ev_run(r.loop.ticker.loop, EVRUN_NOWAIT);
        more = lane->ops->has_more(lane->arg);
    }
    ck_assert(more);
    io_loop_for(&r.loop, 5);
    ck_assert_uint_eq(r.closed, 0);
    ck_assert(!lane->ops->has_more(lane->arg));
    close(fds[0]);
    close_rig(&r);
}
END_TEST

/* Datagrams for it wait in the tunnel, where they age, and not behind the socket. */
START_TEST(datagrams_do_not_pile_up)
{
    static uint8_t datagram[1200];
    struct sp_span d = sp_span(datagram, sizeof datagram);
    struct sp_stream *s;
    struct rig r;

    open_rig(&r);
    join(&r, 0);
    struct sp_flow *f = gateway_end_flow(&r.gateway);
    gateway_end_send(&r.gateway, f, d);
    io_loop_for(&r.loop, 20);
    s = sp_stream_lane_stream(r.gateway.lanes[0]);
    /* The far side stops reading. */
    sp_stream_set_events(sp_stream_lane_stream(r.lane), &nobody, NULL);
    for (int i = 0; i < 400; i++) {
        for (int k = 0; k < 50; k++)
            gateway_end_send(&r.gateway, f, d);
        io_loop_for(&r.loop, 2);
        ck_assert_uint_le(sp_stream_pending(s), 2 * SP_SOCK_NOTSENT_MAX);
    }
    ck_assert_uint_gt(sp_tunnel_counters(r.gateway.tunnel)->dropped_age +
                          sp_tunnel_counters(r.gateway.tunnel)->dropped_full,
                      1000);
    sp_stream_lane_free(r.lane);
    close_rig(&r);
}
END_TEST

static bool has_200(void *arg)
{
    struct rig *r = arg;
    return r->datagrams >= 200;
}

/* More at once than the lane takes: the rest follows as soon as there is room. */
START_TEST(a_burst)
{
    static uint8_t datagram[1200];
    struct sp_span d = sp_span(datagram, sizeof datagram);
    struct rig r;

    open_rig(&r);
    join(&r, 0);
    struct sp_flow *f = gateway_end_flow(&r.gateway);
    check_echo(&r, f, "is it open?");
    r.mute = true;
    r.datagrams = 0;
    for (int i = 0; i < 200; i++)
        gateway_end_send(&r.gateway, f, d);
    ck_assert(io_loop_until(&r.loop, has_200, &r));
    ck_assert_uint_eq(sp_tunnel_counters(r.gateway.tunnel)->dropped_age, 0);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stream_lane");
    TCase *tc = tcase_create("stream_lane");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, both_ways);
    tcase_add_test(tc, bytes_that_waited);
    tcase_add_test(tc, far_side_ends);
    tcase_add_test(tc, broken_framing);
    tcase_add_test(tc, replaced);
    tcase_add_test(tc, tunnel_ends);
    tcase_add_test(tc, no_such_number);
    tcase_add_test(tc, finishing_is_not_cut_short);
    tcase_add_test(tc, far_side_reads_nothing);
    tcase_add_test(tc, more_than_a_read_takes);
    tcase_add_test(tc, datagrams_do_not_pile_up);
    tcase_add_test(tc, a_burst);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
