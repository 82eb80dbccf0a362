/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A world on virtual time: one clock, one timer queue, one seeded randomness. Everything that
 * happens in it happens in a timer; between two of them time jumps. The same seed is the same
 * world, byte for byte, on every machine. Knows no Check: what does not hold names the scenario and
 * the seed, and ends the program.
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include <stdint.h>

#include "sallyport/clock.h"
#include "sallyport/rng.h"
#include "sallyport/timerq.h"

#define SIM_START SP_SEC(1000)

struct sim {
    struct sp_timerq timers;
    struct sp_rng_seeded rng;
    uint64_t now_us;
    const char *scenario;
    uint64_t seed;
};

void sim_init(struct sim *s, const char *scenario, uint64_t seed);
/* Nothing may be waiting any more: who set a timer has cancelled it. */
void sim_fini(struct sim *s);

void sim_run(struct sim *s, uint64_t until_us);
void sim_run_for(struct sim *s, uint64_t us);

/* In [0, n). */
uint64_t sim_below(struct sim *s, uint64_t n);
/* In [low, high]. */
uint64_t sim_between(struct sim *s, uint64_t low, uint64_t high);
/* True in `ppm` of a million cases. */
bool sim_chance(struct sim *s, uint32_t ppm);
/* Sets a timer to `in_us` from now. */
void sim_set(struct sim *s, struct sp_timer *t, uint64_t in_us);

void *sim_alloc(size_t len); /* zeroed; a simulation that has no memory ends */

/* How many seeds each scenario gets: SIM_SEEDS of the environment, or `n`; the first is SIM_SEED,
 * or
 * 1. So that one that failed can be run alone, and a night can be filled. */
unsigned sim_seeds(unsigned n);
uint64_t sim_first_seed(void);

_Noreturn void sim_failed(const struct sim *s, const char *file, int line, const char *what);

#define SIM_REQUIRE(sim, cond)                            \
    do {                                                  \
        if (!(cond))                                      \
            sim_failed((sim), __FILE__, __LINE__, #cond); \
    } while (0)

#endif
