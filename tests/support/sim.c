/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "require.h"

void sim_failed(const struct sim *s, const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: does not hold: %s (scenario %s, SIM_SEED=%" PRIu64 ", at %.6f s)\n",
            file, line, what, s->scenario, s->seed, (double)(s->now_us - SIM_START) / 1e6);
    abort();
}

void sim_init(struct sim *s, const char *scenario, uint64_t seed)
{
    *s = (struct sim){.now_us = SIM_START, .scenario = scenario, .seed = seed};
    sp_timerq_init(&s->timers);
    sp_rng_seeded_init(&s->rng, seed);
}

void sim_fini(struct sim *s)
{
    SIM_REQUIRE(s, s->timers.len == 0);
    sp_timerq_fini(&s->timers);
}

void sim_run(struct sim *s, uint64_t until_us)
{
    uint64_t next;
    unsigned still = 0;

    while ((next = sp_timerq_next(&s->timers)) <= until_us) {
        still = next > s->now_us ? 0 : still + 1;
        SIM_REQUIRE(s, still < 10000); /* time goes on */
        if (next > s->now_us)
            s->now_us = next;
        sp_timerq_run(&s->timers, s->now_us);
    }
    s->now_us = until_us;
}

void sim_run_for(struct sim *s, uint64_t us)
{
    sim_run(s, s->now_us + us);
}

uint64_t sim_below(struct sim *s, uint64_t n)
{
    return sp_rng_below(&s->rng.rng, n);
}

uint64_t sim_between(struct sim *s, uint64_t low, uint64_t high)
{
    return low + sim_below(s, high - low + 1);
}

bool sim_chance(struct sim *s, uint32_t ppm)
{
    return ppm > 0 && sim_below(s, 1000000) < ppm;
}

void sim_set(struct sim *s, struct sp_timer *t, uint64_t in_us)
{
    SIM_REQUIRE(s, sp_timerq_set(&s->timers, t, s->now_us + in_us) == 0);
}

void *sim_alloc(size_t len)
{
    void *p = calloc(1, len);

    REQUIRE(p != NULL);
    return p;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

unsigned sim_seeds(unsigned n)
{
    return (unsigned)from_environment("SIM_SEEDS", getenv("SIM_SEED") != NULL ? 1 : n);
}

uint64_t sim_first_seed(void)
{
    return from_environment("SIM_SEED", 1);
}
