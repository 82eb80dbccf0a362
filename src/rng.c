/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "sallyport/bytes.h"

static void system_fill(struct sp_rng *self, uint8_t *out, size_t len)
{
    (void)self;
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);
        if (n < 0 && errno != EINTR)
            abort();
        if (n > 0) {
            out += n;
            len -= (size_t)n;
        }
    }
}

void sp_rng_system_init(struct sp_rng *rng)
{
    rng->fill = system_fill;
}

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

/* xoshiro256** of Blackman and Vigna. */
static uint64_t seeded_next(uint64_t s[static 4])
{
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Bytes of the numbers in a fixed order, so that a seed means the same on every machine. */
static void seeded_fill(struct sp_rng *self, uint8_t *out, size_t len)
{
    struct sp_rng_seeded *r = SP_CONTAINER_OF(self, struct sp_rng_seeded, rng);
    while (len > 0) {
        uint8_t bytes[8];
        size_t n = len < sizeof bytes ? len : sizeof bytes;
        sp_put_be64(bytes, seeded_next(r->s));
        memcpy(out, bytes, n);
        out += n;
        len -= n;
    }
}

void sp_rng_seeded_init(struct sp_rng_seeded *rng, uint64_t seed)
{
    rng->rng.fill = seeded_fill;
    for (size_t i = 0; i < SP_ARRAY_LEN(rng->s); i++) { /* splitmix64: never all zero */
        uint64_t z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        rng->s[i] = z ^ z >> 31;
    }
}

void sp_rng_bytes(struct sp_rng *rng, uint8_t *out, size_t len)
{
    rng->fill(rng, out, len);
}

uint64_t sp_rng_u64(struct sp_rng *rng)
{
    uint8_t bytes[8];
    rng->fill(rng, bytes, sizeof bytes);
    return sp_get_be64(bytes);
}

uint64_t sp_rng_below(struct sp_rng *rng, uint64_t n)
{
    /* 2^64 is seldom a multiple of n: without the lowest 2^64 mod n numbers it would be. */
    uint64_t surplus = -n % n, r;
    do
        r = sp_rng_u64(rng);
    while (r < surplus);
    return r % n;
}
