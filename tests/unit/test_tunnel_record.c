/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much a record holds. A lost segment holds back the record that it belongs to, and who waits
 * for a record waits for its last byte: so it is about a segment, but where nothing is lost and the
 * path is so fast that it does not matter.
 */
#include <check.h>
#include <stdlib.h>

#include "tunnel_impl.h"
#include "two_ends.h"

static struct two_ends e;
static struct sp_flow *gw;

static uint8_t body[SP_TUNNEL_RECORD_TARGET];

static struct end_lane *lane(unsigned i)
{
    return &e.end[GATEWAY].lanes[i];
}

static void start(unsigned lanes, uint32_t window, uint32_t rtt_us)
{
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < lanes; i++) {
        ck_assert_int_eq(ends_join(&e, i), 0);
        lane(i)->rtt_us = e.end[EDGE].lanes[i].rtt_us = rtt_us;
        lane(i)->window = window;
    }
    gw = ends_connected_flow(&e, NULL);
}

/* After a pause a window is small, until it is asked for. */
static void be_measured(void)
{
    for (unsigned i = 0; i < 8; i++) {
        ends_send(&e, gw, "a", 1);
        ends_settle(&e);
        ends_wait(&e, SP_MS(20));
    }
    ck_assert_uint_eq(lane(0)->lane->measure.rtt_us, lane(0)->rtt_us);
}

/* Some time later, when nothing was missed for long: all goes by the first lane. */
static void become_narrow(void)
{
    ends_live(&e, SP_SEC(20));
    ck_assert(!sp_tunnel_is_wide(e.end[GATEWAY].tunnel));
    be_measured();
}

/* So many datagrams of that length at once, in as many records. */
static void leave(unsigned n, size_t len, unsigned records)
{
    unsigned handed = lane(0)->handed + lane(1)->handed;

    for (unsigned i = 0; i < n; i++)
        ends_send(&e, gw, body, len);
    ends_flush(&e);
    ck_assert_uint_eq(lane(0)->handed + lane(1)->handed - handed, records);
    size_t before = e.end[EDGE].n_got;
    ends_settle(&e);
    ck_assert_uint_eq(e.end[EDGE].n_got, before + n);
}

START_TEST(about_a_segment)
{
    const size_t fit = SP_TUNNEL_RECORD_TARGET / (SP_FRAME_HEADER_LEN + 92);

    start(4, 0, 0);
    for (unsigned i = 0; i < 4 * fit; i++)
        ends_send(&e, gw, body, 92);
    ends_flush(&e);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(ends_waiting(&e, GATEWAY, i), fit);
    ends_settle(&e);
    ends_send(&e, gw, body, sizeof body); /* larger than that by itself: alone */
    ends_send(&e, gw, body, 1);
    ends_flush(&e);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_le(ends_waiting(&e, GATEWAY, i), 1);
    ends_close(&e);
}
END_TEST

/* What a window brings there in 250 us, as windows are far smaller than what follows them. */
static const struct {
    uint32_t window, rtt_us;
    unsigned records; /* of 26 times 1,200 bytes */
} paths[] = {
    {40, 100, 2},                  /* all that TLS allows: 13 to a record */
    {40, 1200, 3},                 /* 11,666 bytes: nine */
    {40, 5000, 13},                /* 2,800: two */
    {40, 10000, 26},               /* 1,400 */
    {40, 40000, 26}, {0, 100, 26}, /* it doesn't tell */
};

START_TEST(more_where_it_is_fast)
{
    start(2, paths[_i].window, paths[_i].rtt_us);
    become_narrow();
    leave(26, 1200, paths[_i].records);
    ends_close(&e);
}
END_TEST

START_TEST(more_are_several_segments_of_its_window)
{
    start(2, 20, 100);
    become_narrow();
    for (unsigned i = 0; i < 39; i++)
        ends_send(&e, gw, body, 1200);
    ends_flush(&e);
    /* Two records are 24 segments of 20: what is left goes by the next lane. */
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 0), 26);
    ck_assert_uint_eq(ends_waiting(&e, GATEWAY, 1), 13);
    ends_close(&e);
}
END_TEST

START_TEST(not_while_it_is_wide)
{
    start(2, 40, 100);
    be_measured();
    ck_assert(sp_tunnel_is_wide(e.end[GATEWAY].tunnel));
    leave(26, 1200, 26);
    ends_close(&e);
}
END_TEST

START_TEST(not_where_the_line_has_a_known_rate)
{
    start(2, 40, 100);
    become_narrow();
    e.end[GATEWAY].tunnel->bottleneck.rate = 100000000;
    e.end[GATEWAY].tunnel->bottleneck.changed_us = e.now_us;
    leave(26, 1200, 26);
    ends_close(&e);
}
END_TEST

/* The far side is told what came behind a long one as well, if there is room. */
START_TEST(arrivals_ride_along)
{
    struct sp_frame f;
    struct sp_control c;

    start(2, 40, 100);
    become_narrow();
    for (unsigned i = 0; i < 20; i++)
        ends_send(&e, e.end[EDGE].flow, body, 1200);
    ends_settle(&e);
    leave(1, 1, 1);
    ends_wait(&e, SP_MS(50));
    for (unsigned i = 0; i < 20; i++)
        ends_send(&e, e.end[EDGE].flow, body, 1200);
    ends_settle(&e);
    unsigned handed = lane(0)->handed;
    for (unsigned i = 0; i < 10; i++)
        ends_send(&e, gw, body, 1200);
    ends_flush(&e);
    ck_assert_uint_eq(lane(0)->handed, handed + 1);
    ck_assert(ends_peek(&e, GATEWAY, 0, 10, &f, &c));
    ck_assert_int_eq(c.method, SP_CONTROL_ARRIVED);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tunnel_record");
    TCase *tc = tcase_create("tunnel_record");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, about_a_segment);
    tcase_add_loop_test(tc, more_where_it_is_fast, 0, sizeof paths / sizeof paths[0]);
    tcase_add_test(tc, more_are_several_segments_of_its_window);
    tcase_add_test(tc, not_while_it_is_wide);
    tcase_add_test(tc, not_where_the_line_has_a_known_rate);
    tcase_add_test(tc, arrivals_ride_along);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
