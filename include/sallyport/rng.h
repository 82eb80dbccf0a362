/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Randomness, passed in like the time: the system's for programs, a seeded one for simulations.
 */
#ifndef SALLYPORT_RNG_H
#define SALLYPORT_RNG_H

#include <stddef.h>
#include <stdint.h>

struct sp_rng {
    void (*fill)(struct sp_rng *self, uint8_t *out, size_t len); /* never fails */
};

/* getrandom(2); aborts if the kernel refuses, since nothing can be right without it. */
void sp_rng_system_init(struct sp_rng *rng);

/* Repeatable, NOT for secrets. */
struct sp_rng_seeded {
    struct sp_rng rng;
    uint64_t s[4];
};
void sp_rng_seeded_init(struct sp_rng_seeded *rng, uint64_t seed);

void sp_rng_bytes(struct sp_rng *rng, uint8_t *out, size_t len);
uint64_t sp_rng_u64(struct sp_rng *rng);

/* Uniform in [0, n); n > 0. */
uint64_t sp_rng_below(struct sp_rng *rng, uint64_t n);

#endif
