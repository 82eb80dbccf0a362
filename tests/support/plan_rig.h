/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan (client/plan.h) on time of its own, and words for what a gateway meets. For the tests of
 * plans, each of which includes it once.
 */
#ifndef SALLYPORT_TEST_PLAN_RIG_H
#define SALLYPORT_TEST_PLAN_RIG_H

#include <check.h>

#include "plan.h"
#include "sallyport/clock.h"

#define START SP_SEC(1000)

static struct sp_rng_seeded rng;
static struct sp_plan plan;
static uint64_t now_us;

static inline void begin(size_t servers, unsigned lanes)
{
    sp_rng_seeded_init(&rng, 1);
    now_us = START;
    sp_plan_init(&plan, servers, lanes, &rng.rng, now_us);
}

static inline struct sp_plan_try expect(size_t server, unsigned lane, bool is_new)
{
    struct sp_plan_try t;

    ck_assert(sp_plan_next(&plan, now_us, &t));
    ck_assert_uint_eq(t.server, server);
    ck_assert_uint_eq(t.lane, lane);
    ck_assert_int_eq(t.is_new, is_new);
    return t;
}

static inline void expect_none(void)
{
    struct sp_plan_try t;
    ck_assert(!sp_plan_next(&plan, now_us, &t));
}

/* Goes to the next deadline, and says how far that was. */
static inline uint64_t sleep_us(void)
{
    uint64_t due_us = sp_plan_due_us(&plan), slept = 0;

    ck_assert_uint_ne(due_us, SP_NEVER);
    if (due_us > now_us) {
        slept = due_us - now_us;
        expect_none();
        now_us = due_us;
    }
    return slept;
}

/* What keeps the gateways of one server apart. */
static inline void soon(uint64_t at_most_us)
{
    ck_assert_uint_lt(sleep_us(), at_most_us);
}

#define LANE_SOON SP_MS(250)
#define LEAD_SOON SP_MS(100)

static inline void succeed(struct sp_plan_try t)
{
    ck_assert(sp_plan_succeeded(&plan, &t, now_us));
}

static inline void unreachable(struct sp_plan_try t)
{
    sp_plan_failed(&plan, &t, SP_PLAN_UNREACHABLE, now_us);
}

static inline void not_now(struct sp_plan_try t)
{
    sp_plan_failed(&plan, &t, SP_PLAN_NOT_NOW, now_us);
}

static inline void denied(struct sp_plan_try t)
{
    sp_plan_failed(&plan, &t, SP_PLAN_DENIED, now_us);
}

/* A tunnel at server 0 with all lanes, old enough to be called stable. */
static inline void open_all(size_t servers, unsigned lanes)
{
    begin(servers, lanes);
    succeed(expect(0, 0, true));
    for (unsigned i = 1; i < lanes; i++)
        succeed(expect(0, i, false));
    expect_none();
    ck_assert_uint_eq(sp_plan_usable(&plan), lanes);
    now_us += SP_SEC(60);
}

#endif
