/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_loop.h"
#include "sallyport/bytes.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/msg_stream.h"
#include "sallyport/turn_stream.h"

/* A message stream, and at the far end a plain socket that may do anything. */
struct rig {
    struct io_loop loop;
    struct sp_rng_seeded rng;
    struct sp_msg_stream *m;
    int far;
    size_t calls, n, closes;
    int why;
    struct sp_buf got; /* each message behind its length in two bytes */
    size_t free_at;    /* message number at which it is freed; 0: never */
    bool free_in_closed;
};

static void on_input(struct sp_msg_stream *m, const struct sp_span *msgs, size_t n, void *arg)
{
    struct rig *r = arg;

    ck_assert_ptr_eq(m, r->m);
    r->calls++;
    for (size_t i = 0; i < n; i++) {
        uint8_t len[2];
        sp_put_be16(len, (uint16_t)msgs[i].len);
        ck_assert_int_eq(sp_buf_append(&r->got, sp_span(len, 2)), 0);
        ck_assert_int_eq(sp_buf_append(&r->got, msgs[i]), 0);
        if (++r->n == r->free_at) {
            sp_msg_stream_free(m);
            r->m = NULL;
            return;
        }
    }
}

static void on_closed(struct sp_msg_stream *m, int why, void *arg)
{
    struct rig *r = arg;

    ck_assert_ptr_eq(m, r->m);
    r->closes++;
    r->why = why;
    if (r->free_in_closed) {
        sp_msg_stream_free(m);
        r->m = NULL;
    }
}

static const struct sp_msg_stream_events events = {on_input, on_closed};

static void keep_input(struct sp_stream *s, void *arg)
{
    (void)s;
    (void)arg;
}

static void no_end(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)arg;
    ck_abort_msg("closed: %d", why);
}

/* `early`: what lies in the stream before anybody knew that it carries messages. */
static void open_rig_framed(struct rig *r, size_t max_bytes, uint64_t max_age_us,
                            struct sp_span early, enum sp_msg_framing framing)
{
    static const struct sp_stream_events first = {.input = keep_input, .closed = no_end};
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), addr;
    struct sp_stream *s;
    int listening;

    *r = (struct rig){0};
    sp_rng_seeded_init(&r->rng, 1);
    const struct sp_msg_stream_config config = {max_bytes, max_age_us, &r->rng.rng, framing};
    io_loop_init(&r->loop);
    sp_buf_init(&r->got, 8 << 20);
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &listening, &addr), 0);
    int fd = -1;
    ck_assert_int_eq(sp_sock_connect(&addr, &fd), 0);
    struct pollfd p = {.fd = listening, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    r->far = accept(listening, NULL, NULL);
    ck_assert_int_ge(r->far, 0);
    close(listening);
    ck_assert_int_eq(sp_sock_tune_stream(fd), 0);
    ck_assert_int_eq(sp_stream_new(&r->loop.ticker, fd, &first, NULL, &s), 0);
    if (early.len > 0)
        ck_assert_int_eq(send(r->far, early.p, early.len, MSG_NOSIGNAL), (int)early.len);
    io_loop_for(&r->loop, 10);
    ck_assert_uint_eq(sp_stream_in(s)->len, early.len);
    ck_assert_int_eq(sp_msg_stream_new(s, &r->loop.ticker, &config, &events, r, &r->m), 0);
    ck_assert_ptr_eq(sp_msg_stream_stream(r->m), s);
    ck_assert_uint_eq(r->calls, 0);
}

static void open_rig_with(struct rig *r, size_t max_bytes, uint64_t max_age_us,
                          struct sp_span early)
{
    open_rig_framed(r, max_bytes, max_age_us, early, SP_MSG_TURN);
}

static void open_rig(struct rig *r, struct sp_span early)
{
    open_rig_with(r, 64 * 1024, SP_SEC(1), early);
}

static void close_rig(struct rig *r)
{
    sp_msg_stream_free(r->m);
    sp_buf_fini(&r->got);
    if (r->far >= 0)
        close(r->far);
    io_loop_fini(&r->loop);
}

/* ChannelData with `len` bytes of `fill`; returns its length without padding. */
static size_t make_chandata(uint8_t *out, size_t len, uint8_t fill)
{
    sp_put_be16(out, 0x4001);
    sp_put_be16(out + 2, (uint16_t)len);
    memset(out + 4, fill, len);
    return 4 + len;
}

static size_t make_stun(uint8_t out[static 20])
{
    memset(out, 7, 20);
    sp_put_be16(out, 0x0001);
    sp_put_be16(out + 2, 0);
    sp_put_be32(out + 4, 0x2112A442);
    return 20;
}

/* Some of each kind, as they stand on the wire; and in `want` as `on_input` keeps them. */
static size_t make_mix(uint8_t *wire, struct sp_buf *want)
{
    size_t used = 0;

    for (size_t i = 0; i < 12; i++) {
        size_t len =
            i % 3 == 0 ? make_stun(wire + used) : make_chandata(wire + used, i * 5, (uint8_t)i);
        uint8_t head[2];
        sp_put_be16(head, (uint16_t)len);
        sp_buf_append(want, sp_span(head, 2));
        sp_buf_append(want, sp_span(wire + used, len));
        memset(wire + used + len, 0, (0 - len) & 3);
        used += len + ((0 - len) & 3);
    }
    return used;
}

struct wanted {
    const struct rig *r;
    size_t n, closes;
};

static bool has_come(void *arg)
{
    const struct wanted *w = arg;
    return w->r->n >= w->n && w->r->closes >= w->closes;
}

static bool until(struct rig *r, size_t n, size_t closes)
{
    struct wanted w = {r, n, closes};
    return io_loop_until(&r->loop, has_come, &w);
}

static void far_send(struct rig *r, const uint8_t *p, size_t len)
{
    ck_assert_int_eq(send(r->far, p, len, MSG_NOSIGNAL), (int)len);
}

static size_t far_receive(struct rig *r, uint8_t *out, size_t cap, size_t want)
{
    size_t got = 0;

    for (int i = 0; got < want && i < 2000; i++) {
        ssize_t n = recv(r->far, out + got, cap - got, MSG_DONTWAIT);
        if (n > 0)
            got += (size_t)n;
        else
            io_loop_for(&r->loop, 2);
    }
    return got;
}

/* --- in ------------------------------------------------------------------------------------- */

START_TEST(cut_anywhere)
{
    uint8_t wire[2000];
    struct sp_buf want;
    struct rig r;

    sp_buf_init(&want, 10000);
    open_rig(&r, sp_span(NULL, 0));
    size_t len = make_mix(wire, &want);
    for (size_t i = 0; i < len; i++) {
        far_send(&r, wire + i, 1);
        ev_run(r.loop.loop, EVRUN_NOWAIT);
    }
    ck_assert(until(&r, 12, 0));
    ck_assert(sp_span_eq(sp_buf_span(&r.got), sp_buf_span(&want)));
    sp_buf_fini(&want);
    close_rig(&r);
}
END_TEST

/* RFC 4571: a length before each packet, whatever it is; nothing is padded, and an empty one is
 * nothing. */
START_TEST(packets_behind_their_length)
{
    static const uint8_t wire[] = "\0\3abc\0\0\0\1d\0\5\x99xxxx\0\0";
    static const uint8_t want[] = "\0\3abc\0\1d\0\5\x99xxxx";
    uint8_t back[16];
    struct rig r;

    open_rig_framed(&r, 64 * 1024, SP_SEC(1), sp_span(NULL, 0), SP_MSG_RFC4571);
    for (size_t i = 0; i + 1 < sizeof wire; i++) {
        far_send(&r, wire + i, 1);
        ev_run(r.loop.loop, EVRUN_NOWAIT);
    }
    ck_assert(until(&r, 3, 0));
    ck_assert(sp_span_eq(sp_buf_span(&r.got), sp_span(want, sizeof want - 1)));
    const struct sp_span parts[] = {sp_span("\x40\x01\0", 3), sp_span("\1x", 2)};
    sp_msg_stream_send(r.m, parts, 2, sp_ticker_now(&r.loop.ticker));
    ck_assert_uint_eq(far_receive(&r, back, sizeof back, 7), 7);
    ck_assert_int_eq(memcmp(back, "\0\5\x40\x01\0\1x", 7), 0);
    close_rig(&r);
}
END_TEST

START_TEST(in_batches)
{
    uint8_t wire[200 * 20];
    struct rig r;

    for (size_t i = 0; i < 200; i++)
        make_stun(wire + 20 * i);
    open_rig(&r, sp_span(NULL, 0));
    far_send(&r, wire, sizeof wire);
    ck_assert(until(&r, 200, 0));
    ck_assert_uint_eq(r.n, 200);
    ck_assert_uint_le(r.calls, 8);
    close_rig(&r);
}
END_TEST

START_TEST(bytes_that_waited)
{
    uint8_t wire[2000];
    struct sp_buf want;
    struct rig r;

    sp_buf_init(&want, 10000);
    size_t len = make_mix(wire, &want);
    open_rig(&r, sp_span(wire, len - 3)); /* the last one is not whole */
    ck_assert(until(&r, 11, 0));
    far_send(&r, wire + len - 3, 3);
    ck_assert(until(&r, 12, 0));
    ck_assert(sp_span_eq(sp_buf_span(&r.got), sp_buf_span(&want)));
    sp_buf_fini(&want);
    close_rig(&r);
}
END_TEST

START_TEST(neither_stun_nor_channel_data)
{
    uint8_t wire[40];
    struct rig r;

    open_rig(&r, sp_span(NULL, 0));
    r.free_in_closed = _i == 1;
    make_stun(wire);
    memcpy(wire + 20, "GET / HTTP/1.1\r\n\r\n!!", 20);
    wire[20] = 0xc0;
    far_send(&r, wire, sizeof wire);
    ck_assert(until(&r, 1, 1));
    ck_assert_int_eq(r.why, SP_EBADMSG);
    ck_assert_uint_eq(r.n, 1);
    ck_assert((r.m == NULL) == (_i == 1));
    close_rig(&r);
}
END_TEST

START_TEST(far_end_closes)
{
    struct rig r;

    open_rig(&r, sp_span(NULL, 0));
    r.free_in_closed = _i == 1;
    close(r.far);
    r.far = -1;
    ck_assert(until(&r, 0, 1));
    ck_assert_int_eq(r.why, SP_ECLOSED);
    close_rig(&r);
}
END_TEST

/* At the first and at a later message of a batch; what comes behind is not told. */
START_TEST(freed_within)
{
    uint8_t wire[150 * 20];
    struct rig r;

    for (size_t i = 0; i < 150; i++)
        make_stun(wire + 20 * i);
    open_rig(&r, sp_span(NULL, 0));
    r.free_at = (size_t)_i;
    far_send(&r, wire, sizeof wire);
    ck_assert(until(&r, (size_t)_i, 0));
    io_loop_for(&r.loop, 10);
    ck_assert_uint_eq(r.n, (size_t)_i);
    ck_assert_uint_eq(r.closes, 0);
    ck_assert_ptr_null(r.m);
    close_rig(&r);
}
END_TEST

/* --- out ------------------------------------------------------------------------------------ */

START_TEST(padded)
{
    uint8_t msg[64], got[256], want[256];
    struct rig r;
    size_t used = 0;

    open_rig(&r, sp_span(NULL, 0));
    for (size_t len = 0; len <= 9; len++) {
        size_t n = make_chandata(msg, len, 0xee);
        struct sp_span parts[] = {sp_span(msg, 4), sp_span(NULL, 0), sp_span(msg + 4, n - 4)};
        sp_msg_stream_send(r.m, parts, 3, sp_ticker_now(&r.loop.ticker));
        memcpy(want + used, msg, n);
        memset(want + used + n, 0, (0 - n) & 3);
        used += n + ((0 - n) & 3);
    }
    ck_assert_uint_eq(sp_stream_pending(sp_msg_stream_stream(r.m)), used); /* to the turn's end */
    ck_assert_uint_eq(far_receive(&r, got, sizeof got, used), used);
    ck_assert(memcmp(got, want, used) == 0);
    ck_assert(sp_classq_count(sp_msg_stream_queue(r.m)) == 0);
    close_rig(&r);
}
END_TEST

/* Cuts what the far end has received, and checks that it is whole messages in rising order. */
static size_t check_received(const uint8_t *p, size_t len, unsigned *last)
{
    struct sp_span s = sp_span(p, len), msg;
    size_t n = 0, used;
    int previous = -1, err;

    while ((err = sp_turn_stream_next(s, &msg, &used)) == 0) {
        unsigned number = sp_get_be32(msg.p + 4);
        ck_assert_int_gt((int)number, previous);
        previous = (int)number;
        s = sp_span_skip(s, used);
        n++;
    }
    ck_assert_int_eq(err, SP_EMORE);
    ck_assert_uint_eq(s.len, 0);
    *last = (unsigned)previous;
    return n;
}

static void send_number(struct rig *r, unsigned number)
{
    uint8_t msg[1204];
    struct sp_span s = sp_span(msg, make_chandata(msg, 1200, 1));

    sp_put_be32(msg + 4, number);
    sp_msg_stream_send(r->m, &s, 1, sp_ticker_now(&r->loop.ticker));
}

/* A far end that does not read: the queue stays bounded, the oldest go, and what comes out in the
 * end is whole. */
START_TEST(slow_reader)
{
    const size_t max_bytes = 50000;
    static uint8_t got[16 << 20];
    const unsigned total = 10000;
    uint64_t counted = 7;
    struct rig r;
    unsigned last;

    open_rig_with(&r, max_bytes, SP_SEC(60), sp_span(NULL, 0));
    sp_msg_stream_count_drops(r.m, &counted);
    for (unsigned i = 0; i < total; i++) {
        send_number(&r, i);
        ck_assert_uint_le(sp_classq_bytes(sp_msg_stream_queue(r.m)), max_bytes);
        if (i % 10 == 0)
            ev_run(r.loop.loop, EVRUN_NOWAIT);
    }
    uint64_t dropped = sp_classq_dropped_full(sp_msg_stream_queue(r.m));
    ck_assert_uint_gt(dropped, 0);
    ck_assert_uint_eq(counted, 7 + dropped);
    ck_assert_uint_le(sp_stream_pending(sp_msg_stream_stream(r.m)), 2 * SP_SOCK_NOTSENT_MAX);
    size_t want = (total - dropped) * 1204;
    ck_assert_uint_eq(far_receive(&r, got, sizeof got, want), want);
    ck_assert_uint_eq(check_received(got, want, &last), total - dropped);
    ck_assert_uint_eq(last, total - 1);
    close_rig(&r);
}
END_TEST

/* Until the kernel has taken all that it ever will, and 20,000 bytes wait here. How many were sent.
 */
static unsigned fill(struct rig *r, void (*send_one)(struct rig *r, unsigned number))
{
    size_t waiting;
    unsigned i = 0;

    do {
        while (sp_classq_bytes(sp_msg_stream_queue(r->m)) < 20000) {
            ck_assert_uint_lt(i, 1000000);
            send_one(r, i++);
            ev_run(r->loop.loop, EVRUN_NOWAIT);
        }
        waiting = sp_classq_bytes(sp_msg_stream_queue(r->m));
        io_loop_for(&r->loop, 50);
    } while (sp_classq_bytes(sp_msg_stream_queue(r->m)) != waiting);
    return i;
}

START_TEST(too_old)
{
    static uint8_t got[16 << 20];
    struct rig r;
    unsigned last, i;

    open_rig_with(&r, 50000, SP_MS(300), sp_span(NULL, 0));
    i = fill(&r, send_number);
    uint64_t before = sp_classq_dropped_old(sp_msg_stream_queue(r.m));
    io_loop_for(&r.loop, 350);
    send_number(&r, i++);
    io_loop_for(&r.loop, 5);
    uint64_t dropped = sp_classq_dropped_old(sp_msg_stream_queue(r.m));
    /* A probe of the closed window may have taken some along, but none has stayed. */
    ck_assert_uint_gt(dropped, before);
    ck_assert_uint_le(sp_classq_bytes(sp_msg_stream_queue(r.m)), 1204);
    ck_assert_uint_eq(sp_classq_dropped_full(sp_msg_stream_queue(r.m)), 0);
    size_t want = (i - dropped) * 1204;
    ck_assert_uint_eq(far_receive(&r, got, sizeof got, want), want);
    check_received(got, want, &last);
    ck_assert_uint_eq(last, i - 1);
    close_rig(&r);
}
END_TEST

/* --- what is urgent ------------------------------------------------------------------------- */

#define CONTROL 'c'
#define VOICE   'v'
#define RTCP    'r'
#define VIDEO   'p'

/* A message that is what `kind` says, and holds the kind and `number` at its end. */
static void send_kind(struct rig *r, uint8_t kind, unsigned number)
{
    static const size_t lens[] = {[CONTROL] = 20, [VOICE] = 160, [RTCP] = 60, [VIDEO] = 1200};
    uint8_t msg[1204];
    size_t len = make_chandata(msg, lens[kind], 0);
    uint8_t *p = msg + 4;

    if (kind == CONTROL) {
        make_stun(p);
    } else {
        p[0] = 0x80;
        p[1] = kind == RTCP ? 200 : 96;
        sp_put_be16(p + 2, (uint16_t)number);
        sp_put_be32(p + 8, kind); /* SSRC */
    }
    p[lens[kind] - 5] = kind;
    sp_put_be32(p + lens[kind] - 4, number);
    struct sp_span s = sp_span(msg, len);
    sp_msg_stream_send(r->m, &s, 1, sp_ticker_now(&r->loop.ticker));
}

static void send_video(struct rig *r, unsigned number)
{
    send_kind(r, VIDEO, number);
}

/* What the far end gets, one after the other; `next` counts those of each kind. */
static uint8_t next_kind(struct sp_span *s, unsigned next[static 128])
{
    struct sp_span msg;
    size_t used;

    if (sp_turn_stream_next(*s, &msg, &used) != 0)
        return 0;
    *s = sp_span_skip(*s, used);
    uint8_t kind = msg.p[msg.len - 5];
    ck_assert_uint_lt(kind, 128);
    ck_assert_uint_eq(sp_get_be32(msg.p + msg.len - 4), next[kind]);
    next[kind]++;
    return kind;
}

/* However much video waits, what is urgent leaves as soon as anything does, and in its order. */
START_TEST(voice_does_not_wait_behind_video)
{
    static const uint8_t urgent[] = {CONTROL, CONTROL, VOICE, VOICE, VOICE, RTCP};
    static uint8_t got[16 << 20];
    unsigned next[128] = {0};
    struct rig r;

    open_rig_with(&r, 50000, SP_SEC(60), sp_span(NULL, 0));
    unsigned videos = fill(&r, send_video);
    size_t waiting = sp_classq_count(sp_msg_stream_queue(r.m));
    for (unsigned i = 0; i < 3; i++)
        send_kind(&r, VOICE, i);
    send_kind(&r, RTCP, 0);
    for (unsigned i = 0; i < 2; i++)
        send_kind(&r, CONTROL, i);
    size_t want = videos * 1204 + 2 * 24 + 3 * 164 + 64;
    ck_assert_uint_eq(far_receive(&r, got, sizeof got, want), want);

    struct sp_span s = sp_span(got, want);
    for (size_t i = 0; i < videos - waiting; i++)
        ck_assert_uint_eq(next_kind(&s, next), VIDEO);
    for (size_t i = 0; i < sizeof urgent; i++)
        ck_assert_uint_eq(next_kind(&s, next), urgent[i]);
    for (size_t i = 0; i < waiting; i++)
        ck_assert_uint_eq(next_kind(&s, next), VIDEO);
    ck_assert_uint_eq(s.len, 0);
    close_rig(&r);
}
END_TEST

/* A path that holds bytes back, and has room: in one turn of the loop, too, the urgent goes first.
 */
START_TEST(voice_before_video_of_the_same_turn)
{
    static uint8_t got[16 << 20];
    unsigned next[128] = {0}, videos = 0;
    struct rig r;

    open_rig_with(&r, 50000, SP_SEC(60), sp_span(NULL, 0));
    while (!sp_stream_is_behind(sp_msg_stream_stream(r.m))) {
        send_video(&r, videos++);
        ev_run(r.loop.loop, EVRUN_NOWAIT);
        ck_assert_uint_lt(videos * 1204, sizeof got);
    }
    send_video(&r, videos++);
    send_kind(&r, VOICE, 0);
    size_t want = videos * 1204 + 164;
    ck_assert_uint_eq(far_receive(&r, got, sizeof got, want), want);

    struct sp_span s = sp_span(got, want);
    uint8_t before = 0, last = 0;
    while (s.len > 0) {
        before = last;
        last = next_kind(&s, next);
    }
    ck_assert_uint_eq(before, VOICE);
    ck_assert_uint_eq(last, VIDEO);
    close_rig(&r);
}
END_TEST

static void send_control(struct rig *r, unsigned number)
{
    send_kind(r, CONTROL, number);
}

/* What TURN itself answers waits as long as it has to; media does not (too_old). */
START_TEST(control_is_never_too_old)
{
    static uint8_t got[16 << 20];
    unsigned next[128] = {0};
    struct rig r;

    open_rig_with(&r, 50000, SP_MS(300), sp_span(NULL, 0));
    unsigned n = fill(&r, send_control);
    io_loop_for(&r.loop, 350);
    send_control(&r, n++);
    io_loop_for(&r.loop, 5);
    ck_assert_uint_eq(sp_classq_dropped_old(sp_msg_stream_queue(r.m)), 0);
    ck_assert_uint_eq(far_receive(&r, got, sizeof got, n * 24), n * 24);
    struct sp_span s = sp_span(got, n * 24);
    while (next_kind(&s, next) == CONTROL)
        ;
    ck_assert_uint_eq(next[CONTROL], n);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("msg_stream");
    TCase *tc = tcase_create("msg_stream");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, cut_anywhere);
    tcase_add_test(tc, packets_behind_their_length);
    tcase_add_test(tc, in_batches);
    tcase_add_test(tc, bytes_that_waited);
    tcase_add_loop_test(tc, neither_stun_nor_channel_data, 0, 2);
    tcase_add_loop_test(tc, far_end_closes, 0, 2);
    tcase_add_loop_test(tc, freed_within, 1, 3);
    tcase_add_test(tc, padded);
    tcase_add_test(tc, slow_reader);
    tcase_add_test(tc, too_old);
    tcase_add_test(tc, voice_does_not_wait_behind_video);
    tcase_add_test(tc, voice_before_video_of_the_same_turn);
    tcase_add_test(tc, control_is_never_too_old);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
