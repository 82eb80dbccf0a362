/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a short-input hash that nobody without the key can
 * make collide. Inline, since the hash map asks for it with every datagram.
 */
#ifndef SALLYPORT_SIPHASH_H
#define SALLYPORT_SIPHASH_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sp_siphash {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t sp_siphash_rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void sp_siphash_round(struct sp_siphash *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = sp_siphash_rotl(s->v1, 13) ^ s->v0;
    s->v3 = sp_siphash_rotl(s->v3, 16) ^ s->v2;
    s->v0 = sp_siphash_rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = sp_siphash_rotl(s->v1, 17) ^ s->v2;
    s->v3 = sp_siphash_rotl(s->v3, 21) ^ s->v0;
    s->v2 = sp_siphash_rotl(s->v2, 32);
}

static inline void sp_siphash_word(struct sp_siphash *s, uint64_t word)
{
    s->v3 ^= word;
    sp_siphash_round(s);
    sp_siphash_round(s);
    s->v0 ^= word;
}

static inline uint64_t sp_siphash24(const uint64_t key[static 2], const void *data, size_t len)
{
    struct sp_siphash s = {
        key[0] ^ 0x736f6d6570736575, /* "somepseu", "dorandom", "lygenera", "tedbytes" */
        key[1] ^ 0x646f72616e646f6d,
        key[0] ^ 0x6c7967656e657261,
        key[1] ^ 0x7465646279746573,
    };
    const uint8_t *p = data;
    uint64_t word;

    for (size_t left = len; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        sp_siphash_word(&s, le64toh(word));
    }
    uint64_t last = (uint64_t)len << 56;
    for (size_t i = 0; i < len % 8; i++)
        last |= (uint64_t)p[i] << 8 * i;
    sp_siphash_word(&s, last);

    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sp_siphash_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif
