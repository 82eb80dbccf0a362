/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/ticker.h"

struct rig {
    struct ev_loop *loop;
    struct sp_ticker ticker;
};

static void open_rig(struct rig *r)
{
    r->loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_ptr_nonnull(r->loop);
    sp_ticker_init(&r->ticker, r->loop);
}

static void close_rig(struct rig *r)
{
    sp_ticker_fini(&r->ticker);
    ev_loop_destroy(r->loop);
}

/* --- timers --------------------------------------------------------------------------------- */

struct alarm {
    struct sp_timer timer;
    uint64_t told_us, real_us;
    int calls;
};

static void on_alarm(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct alarm *a = arg;
    (void)t;
    a->told_us = now_us;
    a->real_us = sp_clock_us();
    a->calls++;
}

START_TEST(never_early)
{
    static const unsigned delays_us[] = {0, 1, 400, 999, 1000, 1001, 2500, 7777, 20000, 20001};
    struct alarm alarms[SP_ARRAY_LEN(delays_us)] = {0};
    struct rig r;

    open_rig(&r);
    uint64_t start = sp_ticker_now(&r.ticker);
    for (size_t i = 0; i < SP_ARRAY_LEN(delays_us); i++) {
        sp_timer_init(&alarms[i].timer, on_alarm, &alarms[i]);
        ck_assert_int_eq(sp_timerq_set(&r.ticker.timers, &alarms[i].timer, start + delays_us[i]),
                         0);
    }
    while (sp_timerq_next(&r.ticker.timers) != SP_NEVER)
        ev_run(r.loop, EVRUN_ONCE);
    for (size_t i = 0; i < SP_ARRAY_LEN(delays_us); i++) {
        ck_assert_int_eq(alarms[i].calls, 1);
        ck_assert_uint_ge(alarms[i].told_us, start + delays_us[i]);
        ck_assert_uint_ge(alarms[i].real_us, alarms[i].told_us);
        ck_assert_uint_lt(alarms[i].told_us, start + delays_us[i] + SP_SEC(5));
    }
    close_rig(&r);
}
END_TEST

/* Both came while nobody looked: what somebody waited for, and the end of his patience. */
struct waiter {
    struct rig *r;
    struct alarm patience;
    ev_io io;
    int fds[2];
    int patience_before; /* how often it had ended when the byte was read */
};

static void on_byte(struct ev_loop *loop, ev_io *w, int revents)
{
    struct waiter *x = w->data;
    (void)revents;
    x->patience_before = x->patience.calls;
    ev_io_stop(loop, w);
    sp_timerq_cancel(&x->r->ticker.timers, &x->patience.timer);
}

START_TEST(what_came_before_what_is_due)
{
    struct rig r;
    struct waiter x = {.r = &r, .patience_before = -1};

    open_rig(&r);
    ck_assert_int_eq(pipe(x.fds), 0);
    ev_io_init(&x.io, on_byte, x.fds[0], EV_READ);
    x.io.data = &x;
    ev_io_start(r.loop, &x.io);
    sp_timer_init(&x.patience.timer, on_alarm, &x.patience);
    ck_assert_int_eq(sp_timerq_set(&r.ticker.timers, &x.patience.timer, sp_ticker_now(&r.ticker)),
                     0);
    ck_assert_int_eq(write(x.fds[1], "x", 1), 1);
    while (x.patience_before < 0)
        ev_run(r.loop, EVRUN_ONCE);
    ck_assert_int_eq(x.patience_before, 0);
    ck_assert_int_eq(x.patience.calls, 0);
    close(x.fds[0]);
    close(x.fds[1]);
    close_rig(&r);
}
END_TEST

/* Not late by what the turn took before it was set. */
struct setter {
    struct rig *r;
    struct alarm late, soon;
    uint64_t set_us;
};

static void on_slow_turn(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct setter *s = arg;
    (void)t;
    (void)now_us;
    usleep(30000);
    s->set_us = sp_clock_us();
    ck_assert_int_eq(sp_timerq_set(&s->r->ticker.timers, &s->soon.timer, s->set_us + SP_MS(100)),
                     0);
}

START_TEST(earlier_one_added)
{
    struct rig r;
    struct setter s = {.r = &r};
    struct sp_timer first;

    open_rig(&r);
    sp_timer_init(&first, on_slow_turn, &s);
    sp_timer_init(&s.late.timer, on_alarm, &s.late);
    sp_timer_init(&s.soon.timer, on_alarm, &s.soon);
    uint64_t start = sp_ticker_now(&r.ticker);
    ck_assert_int_eq(sp_timerq_set(&r.ticker.timers, &s.late.timer, start + SP_MS(400)), 0);
    ck_assert_int_eq(sp_timerq_set(&r.ticker.timers, &first, start + SP_MS(1)), 0);
    while (s.soon.calls == 0)
        ev_run(r.loop, EVRUN_ONCE);
    ck_assert_int_eq(s.late.calls, 0);
    ck_assert_uint_ge(s.soon.real_us, s.set_us + SP_MS(100));
    ck_assert_uint_lt(s.soon.real_us, start + SP_MS(390));
    while (s.late.calls == 0)
        ev_run(r.loop, EVRUN_ONCE);
    ck_assert_uint_ge(s.late.real_us, start + SP_MS(400));
    close_rig(&r);
}
END_TEST

START_TEST(one_time_a_turn)
{
    struct rig r;

    open_rig(&r);
    ev_run(r.loop, EVRUN_NOWAIT);
    uint64_t before = sp_ticker_now(&r.ticker);
    usleep(2000);
    ck_assert_uint_eq(sp_ticker_now(&r.ticker), before);
    ev_run(r.loop, EVRUN_NOWAIT);
    ck_assert_uint_ge(sp_ticker_now(&r.ticker), before + 2000);
    close_rig(&r);
}
END_TEST

/* --- put off -------------------------------------------------------------------------------- */

struct work {
    struct sp_deferred d;
    struct rig *r;
    struct work *next;   /* put off by this one */
    struct work *cancel; /* cancelled by this one */
    int calls, order, *clock;
    bool again;
};

static void on_work(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct work *w = arg;
    ck_assert_ptr_eq(d, &w->d);
    ck_assert_uint_eq(now_us, sp_ticker_now(&w->r->ticker));
    w->calls++;
    w->order = ++*w->clock;
    if (w->again)
        sp_ticker_defer(&w->r->ticker, &w->d);
    if (w->next != NULL)
        sp_ticker_defer(&w->r->ticker, &w->next->d);
    if (w->cancel != NULL)
        sp_deferred_cancel(&w->cancel->d);
}

static void make_work(struct rig *r, struct work *w, size_t n, int *clock)
{
    for (size_t i = 0; i < n; i++) {
        w[i] = (struct work){.r = r, .clock = clock};
        sp_deferred_init(&w[i].d, on_work, &w[i]);
    }
}

START_TEST(deferred_once_in_order)
{
    struct work w[3];
    struct rig r;
    int clock = 0;

    open_rig(&r);
    make_work(&r, w, 3, &clock);
    sp_ticker_defer(&r.ticker, &w[1].d);
    sp_ticker_defer(&r.ticker, &w[0].d);
    sp_ticker_defer(&r.ticker, &w[1].d);
    sp_ticker_defer(&r.ticker, &w[2].d);
    sp_deferred_cancel(&w[2].d);
    sp_deferred_cancel(&w[2].d);
    ck_assert_int_eq(clock, 0);
    ev_run(r.loop, EVRUN_NOWAIT);
    ck_assert_int_eq(w[1].order, 1);
    ck_assert_int_eq(w[0].order, 2);
    ck_assert_int_eq(w[2].calls, 0);
    ev_run(r.loop, EVRUN_NOWAIT);
    ck_assert_int_eq(clock, 2);
    close_rig(&r);
}
END_TEST

START_TEST(chain_in_one_turn)
{
    struct work w[6];
    struct rig r;
    int clock = 0;

    open_rig(&r);
    make_work(&r, w, 6, &clock);
    for (size_t i = 0; i < 5; i++)
        w[i].next = &w[i + 1];
    sp_ticker_defer(&r.ticker, &w[0].d);
    ev_run(r.loop, EVRUN_NOWAIT);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(w[i].order, i + 1);
    close_rig(&r);
}
END_TEST

START_TEST(cancelled_by_its_neighbour)
{
    struct work w[3];
    struct rig r;
    int clock = 0;

    open_rig(&r);
    make_work(&r, w, 3, &clock);
    w[0].cancel = &w[1];
    for (int i = 0; i < 3; i++)
        sp_ticker_defer(&r.ticker, &w[i].d);
    ev_run(r.loop, EVRUN_NOWAIT);
    ck_assert_int_eq(w[1].calls, 0);
    ck_assert_int_eq(w[2].order, 2);
    close_rig(&r);
}
END_TEST

static void on_flag(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop;
    (void)revents;
    *(bool *)w->data = true;
}

/* Work in a circle goes on in the next turns, without sleeping, and starves nobody. */
START_TEST(circle)
{
    struct work w;
    struct rig r;
    int clock = 0;
    bool fired = false;
    ev_timer other;

    open_rig(&r);
    make_work(&r, &w, 1, &clock);
    w.again = true;
    sp_ticker_defer(&r.ticker, &w.d);
    ev_run(r.loop, EVRUN_NOWAIT);
    ck_assert_int_ge(w.calls, 2);
    ck_assert_int_le(w.calls, 100);
    ev_timer_init(&other, on_flag, 0.02, 0.);
    other.data = &fired;
    ev_timer_start(r.loop, &other);
    int before = w.calls, turns = 0;
    while (!fired) {
        ev_run(r.loop, EVRUN_ONCE);
        turns++;
    }
    ck_assert_int_gt(turns, 3);
    ck_assert_int_gt(w.calls, before);
    w.again = false;
    close_rig(&r);
}
END_TEST

static void on_free(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    (void)d;
    (void)now_us;
    free(arg);
}

START_TEST(freed_by_itself)
{
    struct sp_deferred *d = malloc(sizeof *d), *left = malloc(sizeof *left);
    struct rig r;

    open_rig(&r);
    ck_assert(d != NULL && left != NULL);
    sp_deferred_init(d, on_free, d);
    sp_ticker_defer(&r.ticker, d);
    ev_run(r.loop, EVRUN_NOWAIT);
    sp_deferred_init(left, on_free, left);
    sp_ticker_defer(&r.ticker, left);
    close_rig(&r);
    sp_deferred_cancel(left); /* harmless after the ticker */
    free(left);
}
END_TEST

/* --- memory --------------------------------------------------------------------------------- */

START_TEST(memory_for_all)
{
    uint8_t *blocks[SP_TICKER_BLOCKS];
    struct rig r;

    open_rig(&r);
    uint8_t *scratch = sp_ticker_take_scratch(&r.ticker);
    ck_assert_ptr_nonnull(scratch);
    memset(scratch, 1, SP_TICKER_SCRATCH_LEN);
    ck_assert_ptr_null(sp_ticker_take_scratch(&r.ticker));
    sp_ticker_give_scratch(&r.ticker);
    ck_assert_ptr_eq(sp_ticker_take_scratch(&r.ticker), scratch);
    for (int i = 0; i < SP_TICKER_BLOCKS; i++) {
        blocks[i] = sp_ticker_take_block(&r.ticker);
        ck_assert_ptr_nonnull(blocks[i]);
        memset(blocks[i], i, SP_TICKER_BLOCK_LEN);
    }
    for (int i = 0; i < SP_TICKER_BLOCKS; i++)
        ck_assert(blocks[i][0] == i && blocks[i][SP_TICKER_BLOCK_LEN - 1] == i);
    ck_assert_ptr_null(sp_ticker_take_block(&r.ticker));
    sp_ticker_give_block(&r.ticker, blocks[7]);
    ck_assert_ptr_eq(sp_ticker_take_block(&r.ticker), blocks[7]);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ticker");
    TCase *tc = tcase_create("ticker");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, memory_for_all);
    tcase_add_test(tc, never_early);
    tcase_add_test(tc, what_came_before_what_is_due);
    tcase_add_test(tc, earlier_one_added);
    tcase_add_test(tc, one_time_a_turn);
    tcase_add_test(tc, deferred_once_in_order);
    tcase_add_test(tc, chain_in_one_turn);
    tcase_add_test(tc, cancelled_by_its_neighbour);
    tcase_add_test(tc, circle);
    tcase_add_test(tc, freed_by_itself);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
