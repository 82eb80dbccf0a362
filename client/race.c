/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "race.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"

#define NEXT_US SP_MS(250) /* RFC 8305 section 8: Connection Attempt Delay */

struct runner {
    struct sp_race *race;
    struct sp_stream *stream; /* NULL: not started, or out */
};

struct sp_race {
    struct sp_ticker *ticker;
    struct sp_timer next;
    struct sp_addr addrs[SP_RACE_ADDRS_MAX];
    struct runner runners[SP_RACE_ADDRS_MAX];
    size_t n, started, out;
    struct sp_race_config config;
    char why[SP_RACE_WHY_MAX];
    sp_race_fn *fn;
    void *arg;
};

static void on_established(struct sp_stream *s, void *arg);
static void on_closed(struct sp_stream *s, int why, void *arg);
static const struct sp_stream_events runner_events = {
    .established = on_established,
    .closed = on_closed,
};

/* Finish, then tell. */
static void end(struct sp_race *r, struct sp_stream *winner)
{
    sp_race_fn *fn = r->fn;
    void *arg = r->arg;
    char why[SP_RACE_WHY_MAX];

    memcpy(why, r->why, sizeof why);
    sp_race_free(r);
    fn(winner, why, arg);
}

static void note(struct sp_race *r, const struct runner *runner, const char *why)
{
    size_t len = strlen(r->why);
    char addr[SP_ADDR_STRLEN];

    sp_addr_format(&r->addrs[runner - r->runners], addr);
    snprintf(r->why + len, sizeof r->why - len, "%s%s: %s", len > 0 ? "; " : "", addr, why);
    r->out++;
}

static bool start_one(struct sp_race *r)
{
    size_t i = r->started++;
    struct runner *runner = &r->runners[i];

    runner->race = r;
    int err = sp_stream_connect(r->ticker, &r->addrs[i], r->config.timeout_us, &runner_events,
                                runner, &runner->stream);
    if (err == 0)
        return true;
    runner->stream = NULL;
    note(r, runner, sp_strerror(err));
    return false;
}

/* Starts the next address that can be started; tells when there is nobody left. */
static void go_on(struct sp_race *r, uint64_t now_us)
{
    while (r->started < r->n) {
        uint64_t wait_us = r->started == 0 ? r->config.first_alone_us : NEXT_US;
        if (start_one(r)) {
            sp_timerq_set(&r->ticker->timers, &r->next, now_us + wait_us);
            return;
        }
    }
    sp_timerq_cancel(&r->ticker->timers, &r->next);
    if (r->out == r->n && !r->config.more)
        end(r, NULL);
}

static void on_next(struct sp_timer *t, uint64_t now_us, void *arg)
{
    (void)t;
    go_on(arg, now_us);
}

static void on_established(struct sp_stream *s, void *arg)
{
    struct runner *runner = arg;

    runner->stream = NULL; /* not the race's any more */
    end(runner->race, s);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    struct runner *runner = arg;
    struct sp_race *r = runner->race;
    (void)why;

    note(r, runner, sp_stream_why(s));
    sp_stream_free(s);
    runner->stream = NULL;
    go_on(r, sp_ticker_now(r->ticker));
}

int sp_race_start(struct sp_ticker *ticker, const struct sp_race_config *config,
                  const struct sp_addr *addrs, size_t n, sp_race_fn *fn, void *arg,
                  struct sp_race **out)
{
    struct sp_race *r = calloc(1, sizeof *r);

    if (r == NULL)
        return SP_ENOMEM;
    r->ticker = ticker;
    r->n = n;
    memcpy(r->addrs, addrs, n * sizeof *addrs);
    r->config = *config;
    r->fn = fn;
    r->arg = arg;
    sp_timer_init(&r->next, on_next, r);
    if (sp_timerq_set(&ticker->timers, &r->next, sp_ticker_now(ticker)) != 0) {
        free(r);
        return SP_ENOMEM;
    }
    *out = r;
    return 0;
}

static bool runs(const struct sp_race *r, const struct sp_addr *a)
{
    for (size_t i = 0; i < r->n; i++)
        if (sp_addr_eq(&r->addrs[i], a))
            return true;
    return false;
}

void sp_race_add(struct sp_race *r, const struct sp_addr *addrs, size_t n)
{
    bool head_start = r->started == 0 || sp_timer_is_set(&r->next);

    r->config.more = false;
    for (size_t i = 0; i < n && r->n < SP_RACE_ADDRS_MAX; i++)
        if (!runs(r, &addrs[i]))
            r->addrs[r->n++] = addrs[i];
    if (!head_start || r->out == r->started)
        go_on(r, sp_ticker_now(r->ticker));
}

void sp_race_free(struct sp_race *r)
{
    if (r == NULL)
        return;
    sp_timerq_cancel(&r->ticker->timers, &r->next);
    for (size_t i = 0; i < r->started; i++)
        sp_stream_free(r->runners[i].stream);
    free(r);
}
