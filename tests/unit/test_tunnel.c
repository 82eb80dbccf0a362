/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single rules of a tunnel's frames: how datagrams leave, how they come, what is dropped. Flows:
 * test_tunnel_flow.c; lanes: test_tunnel_lane.c; all of it together, in a network:
 * sim/test_tunnel.c.
 */
#include <check.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "tunnel_impl.h"
#include "two_ends.h"

static struct two_ends e;
static struct sp_flow *gw, *edge;

static void start(unsigned lanes)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < lanes; i++)
        ck_assert_int_eq(ends_join(&e, i), 0);
    if (lanes > 0)
        gw = ends_connected_flow(&e, &edge);
}

static const struct end_got *last_got(unsigned side)
{
    return &e.end[side].got[(e.end[side].n_got - 1) % ENDS_GOT];
}

static void check_last(unsigned side, const char *text)
{
    ck_assert_uint_gt(e.end[side].n_got, 0);
    ck_assert_uint_eq(last_got(side)->len, strlen(text));
    ck_assert(memcmp(last_got(side)->head, text, strlen(text)) == 0);
}

static void send_text(struct sp_flow *f, const char *text)
{
    ends_send(&e, f, text, strlen(text));
}

START_TEST(both_ways)
{
    start(1);
    check_last(EDGE, "hello");
    send_text(edge, "good day");
    send_text(gw, "how are you");
    ends_settle(&e);
    check_last(GATEWAY, "good day");
    check_last(EDGE, "how are you");
    ck_assert_uint_eq(last_got(EDGE)->flow, sp_flow_number(gw));
    ends_send(&e, gw, NULL, 0); /* an empty datagram is a datagram */
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 3);
    ck_assert_uint_eq(last_got(EDGE)->len, 0);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->datagrams_out, 3);
    ck_assert_uint_eq(ends_count(&e, EDGE)->datagrams_in, 3);
    ck_assert_uint_eq(ends_count(&e, EDGE)->datagrams_out, 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->datagrams_in, 1);
    for (unsigned side = 0; side < 2; side++)
        ck_assert_uint_eq(ends_count(&e, side)->bytes_out, ends_count(&e, 1 - side)->bytes_in);
    ends_close(&e);
}
END_TEST

START_TEST(parts_become_one_datagram)
{
    const struct sp_span parts[] = {{NULL, 0}, sp_span_str("ab"), {NULL, 0}, sp_span_str("cde")};

    start(1);
    sp_flow_send(gw, parts, 4, e.now_us);
    ends_settle(&e);
    check_last(EDGE, "abcde");
    sp_flow_send(gw, NULL, 0, e.now_us);
    ends_settle(&e);
    ck_assert_uint_eq(last_got(EDGE)->len, 0);
    ends_close(&e);
}
END_TEST

static const size_t pieces[] = {1, 2, 3, 7, 8, 9, 100, 1399, ENDS_WIRE};

START_TEST(cut_anywhere)
{
    static uint8_t big[3000];

    start(2);
    for (unsigned i = 0; i < 200; i++) {
        memset(big, (int)i, sizeof big);
        ends_send(&e, i % 2 ? gw : edge, big, i * 10);
    }
    ends_settle_cut(&e, pieces[_i]);
    ck_assert_uint_eq(ends_count(&e, EDGE)->datagrams_in, 101);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->datagrams_in, 100);
    ends_close(&e);
}
END_TEST

/* Told once, however much waits; again after it flushed; not at all when nothing waits. */
START_TEST(flush_is_told_once)
{
    start(1);
    unsigned told = e.end[GATEWAY].flush_told;
    send_text(gw, "a");
    send_text(gw, "b");
    ck_assert_uint_eq(e.end[GATEWAY].flush_told, told + 1);
    ends_flush(&e);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), 2);
    send_text(gw, "c");
    ck_assert_uint_eq(e.end[GATEWAY].flush_told, told + 2);
    ends_settle(&e);
    sp_tunnel_lane_writable(e.end[GATEWAY].lanes[0].lane);
    ck_assert_uint_eq(e.end[GATEWAY].flush_told, told + 2);
    /* Where no lane has room it waits, until one has. */
    e.end[GATEWAY].lanes[0].full = true;
    send_text(gw, "d");
    ends_flush(&e);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), 0);
    e.end[GATEWAY].lanes[0].full = false;
    sp_tunnel_lane_writable(e.end[GATEWAY].lanes[0].lane);
    ends_settle(&e);
    check_last(EDGE, "d");
    ends_close(&e);
}
END_TEST

START_TEST(numbers_are_given_when_a_frame_leaves)
{
    struct sp_frame f;
    struct sp_control c;

    start(1);
    uint32_t next = e.end[GATEWAY].tunnel->next_seq;
    e.end[GATEWAY].lanes[0].full = true;
    send_text(gw, "too old one day");
    ends_wait(&e, SP_MS(300));
    send_text(gw, "not so old");
    ends_wait(&e, SP_MS(150));
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->dropped_age, 1); /* nobody had to ask */
    e.end[GATEWAY].lanes[0].full = false;
    sp_tunnel_lane_writable(e.end[GATEWAY].lanes[0].lane);
    ends_flush(&e);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), 1);
    ck_assert(ends_peek(&e, GATEWAY, 0, 0, &f, &c));
    ck_assert_uint_eq(f.kind, SP_FRAME_DATA);
    ck_assert_uint_eq(f.seq, next); /* no gap */
    ends_settle(&e);
    check_last(EDGE, "not so old");
    ends_close(&e);
}
END_TEST

START_TEST(age_is_exact)
{
    start(1);
    e.end[GATEWAY].lanes[0].full = true;
    send_text(gw, "just in time");
    ends_wait(&e, SP_MS(400));
    e.end[GATEWAY].lanes[0].full = false;
    sp_tunnel_lane_writable(e.end[GATEWAY].lanes[0].lane);
    ends_settle(&e);
    check_last(EDGE, "just in time");
    e.end[GATEWAY].lanes[0].full = true;
    send_text(gw, "just too late");
    ends_wait(&e, SP_MS(400) + 1);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->dropped_age, 1);
    ck_assert_uint_eq(sp_classq_count(&e.end[GATEWAY].tunnel->queue), 0);
    ends_close(&e);
}
END_TEST

START_TEST(queue_is_bounded)
{
    struct sp_tunnel_config c;
    char text[3]; /* of one class, whatever the number */

    sp_tunnel_config_default(&c, SP_TUNNEL_GATEWAY);
    c.max_queue_bytes = 10 * (SP_FRAME_HEADER_LEN + 2);
    ck_assert_int_eq(ends_open(&e, &c, NULL), 0);
    ck_assert_int_eq(ends_join(&e, 0), 0);
    gw = ends_flow(&e);
    send_text(gw, "x");
    ends_settle(&e);
    e.end[GATEWAY].lanes[0].full = true;
    for (unsigned i = 0; i < 25; i++) {
        snprintf(text, sizeof text, "n%c", 'a' + (int)i);
        send_text(gw, text);
        ck_assert_uint_le(sp_classq_bytes(&e.end[GATEWAY].tunnel->queue), c.max_queue_bytes);
    }
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->dropped_full, 15);
    e.end[GATEWAY].lanes[0].full = false;
    sp_tunnel_lane_writable(e.end[GATEWAY].lanes[0].lane);
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 11);
    ck_assert_mem_eq(e.end[EDGE].got[1].head, "np", 2); /* the oldest went */
    check_last(EDGE, "ny");
    ends_close(&e);
}
END_TEST

START_TEST(largest_datagram)
{
    static uint8_t big[SP_DATAGRAM_MAX + 1];

    start(1);
    for (unsigned i = 0; i < 2; i++) { /* in a frame, and in an OPEN */
        struct sp_flow *f = i == 0 ? gw : ends_flow(&e);
        ends_send(&e, f, big, SP_DATAGRAM_MAX);
        ends_settle(&e);
        ck_assert_uint_eq(last_got(EDGE)->len, SP_DATAGRAM_MAX);
        ck_assert_uint_eq(last_got(EDGE)->flow, sp_flow_number(f));
        ends_send(&e, f, big, SP_DATAGRAM_MAX + 1);
        ends_settle(&e);
        ck_assert_uint_eq(ends_count(&e, GATEWAY)->dropped_too_big, i + 1);
        ck_assert_uint_eq(e.end[EDGE].n_got, i + 2);
    }
    ends_close(&e);
}
END_TEST

START_TEST(the_least_queued_lane_takes_it)
{
    static uint8_t body[1300];

    start(3);
    e.end[GATEWAY].lanes[1].held = true;
    for (unsigned i = 0; i < 30; i++) {
        ends_send(&e, gw, body, sizeof body);
        ends_settle(&e);
        e.now_us += SP_MS(3); /* a measurement is good for 2 ms */
    }
    ck_assert_uint_le(ends_waiting(&e, GATEWAY, 1), 1);
    ck_assert_uint_ge(e.end[EDGE].n_got, 30);
    /* Those that are alike take turns. */
    ends_lose_bytes(&e, GATEWAY);
    e.now_us += SP_MS(3);
    for (unsigned i = 0; i < 9; i++) {
        ends_send(&e, gw, body, 10);
        ends_flush(&e);
        ends_lose_bytes(&e, GATEWAY);
        e.now_us += SP_MS(3);
    }
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_gt(e.end[GATEWAY].lanes[i].sent, 3 * 18);
    ends_close(&e);
}
END_TEST

/* --- in ------------------------------------------------------------------------------------- */

static void inject_data(uint16_t flow, uint32_t seq, const char *text)
{
    uint8_t frame[SP_FRAME_HEADER_LEN + 64];

    sp_frame_data_header(frame, flow, seq, strlen(text));
    memcpy(frame + SP_FRAME_HEADER_LEN, text, strlen(text));
    ends_inject(&e, GATEWAY, 0, frame, SP_FRAME_HEADER_LEN + strlen(text));
}

START_TEST(told_in_batches)
{
    start(1);
    unsigned batches = e.end[EDGE].batches;
    size_t got = e.end[EDGE].n_got;

    for (unsigned i = 0; i < 150; i++)
        send_text(gw, i == 0 ? "first" : "other");
    ends_flush(&e);
    ck_assert_int_eq(ends_carry(&e, GATEWAY, 0, SIZE_MAX), 0);
    ck_assert_uint_eq(e.end[EDGE].n_got, got + 150);
    ck_assert_uint_eq(e.end[EDGE].batches, batches + 3); /* 64 and 64 and 22 */
    ck_assert_mem_eq(e.end[EDGE].got[got].head, "first", 5);
    ends_close(&e);
}
END_TEST

START_TEST(batches_keep_flows_and_order)
{
    start(1);
    struct sp_flow *other = ends_connected_flow(&e, NULL);
    const struct sp_flow *order[] = {gw, gw, other, gw, other, other};
    size_t got = e.end[EDGE].n_got;
    unsigned batches = e.end[EDGE].batches;

    for (size_t i = 0; i < SP_ARRAY_LEN(order); i++) {
        char text[] = {(char)('a' + i), '\0'};
        send_text(order[i] == gw ? gw : other, text);
    }
    ends_flush(&e);
    ck_assert_int_eq(ends_carry(&e, GATEWAY, 0, SIZE_MAX), 0);
    ck_assert_uint_eq(e.end[EDGE].batches, batches + 4);
    for (size_t i = 0; i < SP_ARRAY_LEN(order); i++) {
        ck_assert_uint_eq(e.end[EDGE].got[got + i].flow, sp_flow_number(order[i]));
        ck_assert_uint_eq(e.end[EDGE].got[got + i].head[0], 'a' + i);
    }
    ends_close(&e);
}
END_TEST

/* What stands before a CLOSE on a lane is delivered before the flow is closed, what stands behind
 * it is not. */
START_TEST(control_keeps_its_place)
{
    start(1);
    uint16_t number = sp_flow_number(gw);
    send_text(gw, "before");
    ends_flush(&e);
    sp_flow_close(gw, e.now_us);
    inject_data(number, 100, "behind");
    ck_assert_int_eq(ends_carry(&e, GATEWAY, 0, SIZE_MAX), 0);
    check_last(EDGE, "before");
    ck_assert_uint_eq(e.end[EDGE].closed, 1);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_unknown_flow, 1);
    ends_close(&e);
}
END_TEST

START_TEST(copies_are_dropped)
{
    start(1);
    inject_data(sp_flow_number(gw), 10, "ten");
    inject_data(sp_flow_number(gw), 10, "ten again");
    inject_data(sp_flow_number(gw), 11, "eleven");
    inject_data(sp_flow_number(gw), 0, "the number of hello");
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, 3);
    check_last(EDGE, "eleven");
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_copy, 2);
    ends_close(&e);
}
END_TEST

START_TEST(old_and_late_are_dropped)
{
    start(1);
    inject_data(sp_flow_number(gw), 20000, "highest");
    inject_data(sp_flow_number(gw), 20000 - SP_SEQWIN_LEN, "below the window");
    inject_data(sp_flow_number(gw), 20001 - SP_SEQWIN_LEN, "lowest");
    ends_settle(&e);
    check_last(EDGE, "lowest");
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_old, 1);
    e.now_us += SP_MS(400);
    inject_data(sp_flow_number(gw), 19000, "in time");
    ends_settle(&e);
    check_last(EDGE, "in time");
    e.now_us += SP_MS(13);
    inject_data(sp_flow_number(gw), 19001, "late");
    ends_settle(&e);
    check_last(EDGE, "in time");
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_late, 1);
    ends_close(&e);
}
END_TEST

START_TEST(numbers_wrap)
{
    start(2);
    for (unsigned side = 0; side < 2; side++) {
        e.end[side].tunnel->next_seq = UINT32_MAX - 20;
        sp_seqwin_init(&e.end[side].tunnel->window, SP_MS(400));
    }
    for (unsigned i = 0; i < 40; i++) {
        send_text(gw, "a");
        send_text(edge, "b");
        ends_flush(&e);
        ends_carry(&e, GATEWAY, 1, SIZE_MAX); /* the other lane comes after it */
        ends_settle(&e);
    }
    for (unsigned side = 0; side < 2; side++) {
        ck_assert_uint_eq(e.end[side].tunnel->next_seq, 19);
        ck_assert_uint_eq(ends_count(&e, side)->dropped_copy, 0);
        ck_assert_uint_eq(ends_count(&e, side)->dropped_old, 0);
    }
    ck_assert_uint_eq(ends_count(&e, EDGE)->datagrams_in, 41);
    ck_assert_uint_eq(ends_count(&e, GATEWAY)->datagrams_in, 40);
    ends_close(&e);
}
END_TEST

START_TEST(datagrams_of_an_unknown_flow)
{
    struct sp_frame f;
    struct sp_control c;

    start(1);
    for (uint32_t i = 0; i < 100; i++)
        inject_data(4711, 50 + i, "who");
    inject_data(sp_flow_number(gw), 300, "known");
    ck_assert_int_eq(ends_carry(&e, GATEWAY, 0, SIZE_MAX), 0);
    check_last(EDGE, "known");
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_unknown_flow, 100); /* each of them */
    ck_assert_uint_ge(ends_requests(&e, EDGE, SP_CONTROL_CLOSE), 1);
    ck_assert(ends_peek(&e, EDGE, 0, 0, &f, &c));
    ck_assert(c.method == SP_CONTROL_CLOSE && c.cls == SP_STUN_REQUEST && c.flow == 4711);
    /* At most 20 at once, and 10 a second. */
    for (uint32_t i = 0; i < 500; i++)
        inject_data((uint16_t)(5000 + i), 400 + i, "who");
    ck_assert_int_eq(ends_carry(&e, GATEWAY, 0, SIZE_MAX), 0);
    ck_assert_uint_eq(ends_requests(&e, EDGE, SP_CONTROL_CLOSE), 20);
    ends_settle(&e);
    e.now_us += SP_SEC(1);
    for (uint32_t i = 0; i < 500; i++)
        inject_data((uint16_t)(5000 + i), 1000 + i, "who");
    ck_assert_int_eq(ends_carry(&e, GATEWAY, 0, SIZE_MAX), 0);
    ck_assert_uint_eq(ends_requests(&e, EDGE, SP_CONTROL_CLOSE), 10);
    ck_assert_uint_eq(ends_count(&e, EDGE)->dropped_unknown_flow, 1100);
    ends_close(&e);
}
END_TEST

/* --- what breaks ---------------------------------------------------------------------------- */

static const struct {
    const char *what;
    uint8_t bytes[6];
    size_t len;
    int err;
} broken[] = {
    {"longer than a frame may be", {0xFF, 0xFF}, 2, SP_ETOOBIG},
    {"half a flow number", {0, 1, 0}, 3, SP_EBADMSG},
    {"no SEQ", {0, 2, 0, 1}, 4, SP_EBADMSG},
    {"empty control message", {0, 2, 0, 0}, 4, SP_EBADMSG},
    {"empty parity", {0, 2, 0xFF, 0xFF}, 4, SP_EBADMSG},
};

START_TEST(broken_framing_ends_the_lane)
{
    start(1);
    send_text(gw, "before it");
    ends_flush(&e);
    ends_inject(&e, GATEWAY, 0, broken[_i].bytes, broken[_i].len);
    ck_assert_msg(ends_carry(&e, GATEWAY, 0, SIZE_MAX) == broken[_i].err, "%s", broken[_i].what);
    check_last(EDGE, "before it");
    ck_assert_uint_eq(ends_count(&e, EDGE)->malformed, 1);
    ends_close(&e);
}
END_TEST

START_TEST(parity_that_is_none_is_counted)
{
    static const uint8_t none[] = {0, 4, 0xFF, 0xFF, 1, 2};

    start(1);
    ends_inject(&e, GATEWAY, 0, none, sizeof none);
    send_text(gw, "still here");
    ends_settle_cut(&e, 1);
    check_last(EDGE, "still here");
    ck_assert_uint_eq(ends_count(&e, EDGE)->malformed, 1);
    ck_assert_uint_eq(ends_count(&e, EDGE)->parity_in, 1);
    ends_close(&e);
}
END_TEST

START_TEST(what_says_nothing_is_skipped)
{
    static const uint8_t nothing[] = {0, 0, 0, 0, 0, 0};

    start(1);
    ends_inject(&e, GATEWAY, 0, nothing, sizeof nothing); /* keep-alives */
    send_text(gw, "still here");
    ends_settle_cut(&e, 1);
    check_last(EDGE, "still here");
    ck_assert_uint_eq(ends_count(&e, EDGE)->malformed, 0);
    ends_close(&e);
}
END_TEST

static void inject_control(unsigned from, uint16_t type)
{
    uint8_t m[SP_FRAME_CONTROL_HEADER_LEN + SP_STUN_HEADER_LEN] = {0};

    sp_frame_control_header(m, SP_STUN_HEADER_LEN);
    sp_put_be16(m + 4, type);
    sp_put_be32(m + 8, SP_STUN_COOKIE);
    memcpy(m + 12, "any twelve b", 12);
    ends_inject(&e, from, 0, m, sizeof m);
}

START_TEST(malformed_control_messages)
{
    struct sp_frame f;
    struct sp_control c;

    start(1);
    inject_control(GATEWAY, 0x0001); /* Binding */
    ends_carry(&e, GATEWAY, 0, SIZE_MAX);
    ck_assert_uint_eq(ends_count(&e, EDGE)->malformed, 1);
    const struct end_lane *l = &e.end[EDGE].lanes[0];
    ck_assert_uint_ge(l->len, 8);
    ck_assert_uint_eq(sp_get_be16(l->wire + 4), 0x0111); /* its error answer */
    ck_assert_mem_eq(l->wire + 12, "any twelve b", 12);
    ends_lose_bytes(&e, EDGE);
    inject_control(GATEWAY, 0x3C13); /* an indication of PING's number: nobody answers one */
    inject_control(GATEWAY, 0x3D01); /* a success of OPEN, of no flow */
    ends_carry(&e, GATEWAY, 0, SIZE_MAX);
    ck_assert_uint_eq(ends_count(&e, EDGE)->malformed, 3);
    ck_assert_uint_eq(ends_waiting(&e, EDGE, 0), 0);
    inject_control(GATEWAY, 0x3C03); /* PING */
    ends_carry(&e, GATEWAY, 0, SIZE_MAX);
    ck_assert(ends_peek(&e, EDGE, 0, 0, &f, &c));
    ck_assert(c.method == SP_CONTROL_PING && c.cls == SP_STUN_SUCCESS);
    send_text(gw, "all is well");
    ends_settle(&e);
    check_last(EDGE, "all is well");
    ends_close(&e);
}
END_TEST

/* --- memory --------------------------------------------------------------------------------- */

START_TEST(freed_with_everything_in_use)
{
    start(3);
    ends_flow(&e);
    ends_send(&e, ends_flow(&e), "opening", 7);
    e.end[GATEWAY].lanes[0].full = e.end[GATEWAY].lanes[1].full = e.end[GATEWAY].lanes[2].full =
        true;
    send_text(gw, "waits");
    sp_flow_close(edge, e.now_us);
    ends_flush(&e);
    unsigned closed = e.end[GATEWAY].closed + e.end[EDGE].closed;
    ends_close(&e); /* which checks that no timer is left */
    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < 3; i++)
            ck_assert_uint_eq(e.end[side].lanes[i].closed, 1);
    ck_assert_uint_eq(e.end[GATEWAY].closed + e.end[EDGE].closed, closed); /* no event */
    sp_tunnel_free(NULL);
}
END_TEST

/* Each lane that joined is looked after. */
static bool all_are_watched(void)
{
    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < 3; i++) {
            const struct sp_lane *l = e.end[side].lanes[i].lane;
            if (l != NULL &&
                (!sp_timer_is_set(&l->tunnel->look) || l->tunnel->look.due_us > l->look_us))
                return false;
        }
    return true;
}

/* Everything that a tunnel does, a little of each; nothing of Check's, since memory may fail. */
static bool live_a_little(struct sp_flow *flows[static 3])
{
    static uint8_t big[2000];
    bool watched;

    for (unsigned i = 0; i < 3; i++)
        (void)ends_join(&e, i);
    watched = all_are_watched();
    for (unsigned i = 0; i < 3; i++) {
        if ((flows[i] = ends_flow(&e)) == NULL)
            continue;
        sp_flow_set_user(flows[i], &flows[i]);
        ends_send(&e, flows[i], big, 300);
        ends_send(&e, flows[i], big, 20);
        ends_settle(&e);
    }
    for (unsigned i = 0; i < 20 && flows[0] != NULL; i++)
        ends_send(&e, flows[0], big, sizeof big);
    ends_settle(&e);
    if (flows[1] != NULL) {
        sp_flow_close(flows[1], e.now_us);
        flows[1] = NULL;
    }
    ends_live(&e, SP_MS(300));
    if (e.end[EDGE].flow != NULL) { /* the third: the edge closes it */
        sp_flow_close(e.end[EDGE].flow, e.now_us);
        e.end[EDGE].flow = NULL;
    }
    ends_settle(&e);
    ends_lose(&e, EDGE, 1);
    ends_lose_both(&e, 2);
    (void)ends_join(&e, 0); /* in place of the old one */
    ends_live(&e, SP_SEC(2));
    return watched && all_are_watched();
}

/* Afterwards there is memory again, and the two ends come to agree. */
static void recover(struct sp_flow *flows[static 3])
{
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(ends_join(&e, i), 0);
    ends_live(&e, SP_SEC(5));
    for (unsigned i = 0; i < 3; i++)
        if (flows[i] != NULL)
            send_text(flows[i], "still there?");
    ends_settle(&e);
    gw = ends_connected_flow(&e, &edge);
    send_text(edge, "welcome");
    ends_live(&e, SP_SEC(200));
    check_last(GATEWAY, "welcome");
    for (unsigned side = 0; side < 2; side++) {
        const struct sp_tunnel *t = e.end[side].tunnel;
        ck_assert_uint_eq(t->n_resting, 0);
        ck_assert_uint_eq(t->counters.flows_opened - t->counters.flows_closed, t->n_flows);
        ck_assert_uint_eq(t->counters.malformed, 0);
    }
    ck_assert_uint_eq(sp_tunnel_flow_count(e.end[GATEWAY].tunnel),
                      sp_tunnel_flow_count(e.end[EDGE].tunnel));
}

START_TEST(each_allocation_fails_once)
{
    unsigned k = 0;
    bool failed;

    do {
        struct sp_flow *flows[3] = {NULL};
        alloc_fail_at(++k);
        int err = ends_open(&e, NULL, NULL);
        bool well = err != 0 || live_a_little(flows);
        failed = alloc_fail_disarm();
        ck_assert(well);
        ck_assert(err == 0 || (failed && err == SP_ENOMEM));
        if (err == 0)
            recover(flows);
        ends_close(&e);
    } while (failed);
    ck_assert_uint_gt(k, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel");
    TCase *tc = tcase_create("tunnel");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, both_ways);
    tcase_add_test(tc, parts_become_one_datagram);
    tcase_add_loop_test(tc, cut_anywhere, 0, (int)SP_ARRAY_LEN(pieces));
    tcase_add_test(tc, flush_is_told_once);
    tcase_add_test(tc, numbers_are_given_when_a_frame_leaves);
    tcase_add_test(tc, age_is_exact);
    tcase_add_test(tc, queue_is_bounded);
    tcase_add_test(tc, largest_datagram);
    tcase_add_test(tc, the_least_queued_lane_takes_it);
    tcase_add_test(tc, told_in_batches);
    tcase_add_test(tc, batches_keep_flows_and_order);
    tcase_add_test(tc, control_keeps_its_place);
    tcase_add_test(tc, copies_are_dropped);
    tcase_add_test(tc, old_and_late_are_dropped);
    tcase_add_test(tc, numbers_wrap);
    tcase_add_test(tc, datagrams_of_an_unknown_flow);
    tcase_add_loop_test(tc, broken_framing_ends_the_lane, 0, (int)SP_ARRAY_LEN(broken));
    tcase_add_test(tc, what_says_nothing_is_skipped);
    tcase_add_test(tc, parity_that_is_none_is_counted);
    tcase_add_test(tc, malformed_control_messages);
    tcase_add_test(tc, freed_with_everything_in_use);
    tcase_add_test(tc, each_allocation_fails_once);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
