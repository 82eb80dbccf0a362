/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/gf256.h"

#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <tmmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define POLYNOMIAL 0x1D /* without its x^8 */

/* clang-format off */
static const uint8_t inverse[256] = {
    0x00, 0x01, 0x8e, 0xf4, 0x47, 0xa7, 0x7a, 0xba, 0xad, 0x9d, 0xdd, 0x98, 0x3d, 0xaa, 0x5d, 0x96,
    0xd8, 0x72, 0xc0, 0x58, 0xe0, 0x3e, 0x4c, 0x66, 0x90, 0xde, 0x55, 0x80, 0xa0, 0x83, 0x4b, 0x2a,
    0x6c, 0xed, 0x39, 0x51, 0x60, 0x56, 0x2c, 0x8a, 0x70, 0xd0, 0x1f, 0x4a, 0x26, 0x8b, 0x33, 0x6e,
    0x48, 0x89, 0x6f, 0x2e, 0xa4, 0xc3, 0x40, 0x5e, 0x50, 0x22, 0xcf, 0xa9, 0xab, 0x0c, 0x15, 0xe1,
    0x36, 0x5f, 0xf8, 0xd5, 0x92, 0x4e, 0xa6, 0x04, 0x30, 0x88, 0x2b, 0x1e, 0x16, 0x67, 0x45, 0x93,
    0x38, 0x23, 0x68, 0x8c, 0x81, 0x1a, 0x25, 0x61, 0x13, 0xc1, 0xcb, 0x63, 0x97, 0x0e, 0x37, 0x41,
    0x24, 0x57, 0xca, 0x5b, 0xb9, 0xc4, 0x17, 0x4d, 0x52, 0x8d, 0xef, 0xb3, 0x20, 0xec, 0x2f, 0x32,
    0x28, 0xd1, 0x11, 0xd9, 0xe9, 0xfb, 0xda, 0x79, 0xdb, 0x77, 0x06, 0xbb, 0x84, 0xcd, 0xfe, 0xfc,
    0x1b, 0x54, 0xa1, 0x1d, 0x7c, 0xcc, 0xe4, 0xb0, 0x49, 0x31, 0x27, 0x2d, 0x53, 0x69, 0x02, 0xf5,
    0x18, 0xdf, 0x44, 0x4f, 0x9b, 0xbc, 0x0f, 0x5c, 0x0b, 0xdc, 0xbd, 0x94, 0xac, 0x09, 0xc7, 0xa2,
    0x1c, 0x82, 0x9f, 0xc6, 0x34, 0xc2, 0x46, 0x05, 0xce, 0x3b, 0x0d, 0x3c, 0x9c, 0x08, 0xbe, 0xb7,
    0x87, 0xe5, 0xee, 0x6b, 0xeb, 0xf2, 0xbf, 0xaf, 0xc5, 0x64, 0x07, 0x7b, 0x95, 0x9a, 0xae, 0xb6,
    0x12, 0x59, 0xa5, 0x35, 0x65, 0xb8, 0xa3, 0x9e, 0xd2, 0xf7, 0x62, 0x5a, 0x85, 0x7d, 0xa8, 0x3a,
    0x29, 0x71, 0xc8, 0xf6, 0xf9, 0x43, 0xd7, 0xd6, 0x10, 0x73, 0x76, 0x78, 0x99, 0x0a, 0x19, 0x91,
    0x14, 0x3f, 0xe6, 0xf0, 0x86, 0xb1, 0xe2, 0xf1, 0xfa, 0x74, 0xf3, 0xb4, 0x6d, 0x21, 0xb2, 0x6a,
    0xe3, 0xe7, 0xb5, 0xea, 0x03, 0x8f, 0xd3, 0xc9, 0x42, 0xd4, 0xe8, 0x75, 0x7f, 0xff, 0x7e, 0xfd,
};
/* clang-format on */

/* a * x */
static uint8_t twice(uint8_t a)
{
    return (uint8_t)(a << 1 ^ (a & 0x80 ? POLYNOMIAL : 0));
}

uint8_t sp_gf256_mul(uint8_t a, uint8_t b)
{
    unsigned sum = 0;

    for (; b; b >>= 1, a = twice(a))
        sum ^= b & 1 ? a : 0;
    return (uint8_t)sum;
}

uint8_t sp_gf256_inv(uint8_t a)
{
    return inverse[a];
}

/* A product is the sum of those with the two halves of a byte, and those fit into two tables. */
struct halves {
    uint8_t low[16], high[16];
};

static void fill(uint8_t table[static 16], uint8_t c)
{
    table[0] = 0;
    for (unsigned bit = 1; bit < 16; bit *= 2, c = twice(c)) {
        for (unsigned i = 0; i < bit; i++)
            table[bit + i] = table[i] ^ c;
    }
}

static struct halves halves_of(uint8_t c)
{
    struct halves t;

    fill(t.low, c);
    for (int i = 0; i < 4; i++)
        c = twice(c);
    fill(t.high, c);
    return t;
}

/* Each of the following does as many bytes as it can at once, and returns how many. */
static size_t add_blocks(uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t i = 0;

    for (; i + 32 <= len; i += 32) {
        uint64_t a[4], b[4];

        memcpy(a, dst + i, 32);
        memcpy(b, src + i, 32);
        for (int w = 0; w < 4; w++)
            a[w] ^= b[w];
        memcpy(dst + i, a, 32);
    }
    return i;
}

#if defined(__x86_64__) || defined(__i386__)

__attribute__((target("ssse3"))) static size_t mul_add_ssse3(uint8_t *dst, const uint8_t *src,
                                                             size_t len, const struct halves *t)
{
    const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)t->low);
    const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)t->high);
    const __m128i half = _mm_set1_epi8(15);
    size_t i = 0;

    for (; i + 16 <= len; i += 16) {
        __m128i s = _mm_loadu_si128((const __m128i *)(const void *)(src + i));
        __m128i *d = (__m128i *)(void *)(dst + i);
        __m128i l = _mm_shuffle_epi8(low, _mm_and_si128(s, half));
        __m128i h = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi64(s, 4), half));

        _mm_storeu_si128(d, _mm_xor_si128(_mm_loadu_si128(d), _mm_xor_si128(l, h)));
    }
    return i;
}

static size_t mul_add_blocks(uint8_t *dst, const uint8_t *src, size_t len, const struct halves *t)
{
    return __builtin_cpu_supports("ssse3") ? mul_add_ssse3(dst, src, len, t) : 0;
}

#elif defined(__aarch64__)

static size_t mul_add_blocks(uint8_t *dst, const uint8_t *src, size_t len, const struct halves *t)
{
    const uint8x16_t low = vld1q_u8(t->low), high = vld1q_u8(t->high), half = vdupq_n_u8(15);
    size_t i = 0;

    for (; i + 16 <= len; i += 16) {
        uint8x16_t s = vld1q_u8(src + i);
        uint8x16_t l = vqtbl1q_u8(low, vandq_u8(s, half));
        uint8x16_t h = vqtbl1q_u8(high, vshrq_n_u8(s, 4));

        vst1q_u8(dst + i, veorq_u8(vld1q_u8(dst + i), veorq_u8(l, h)));
    }
    return i;
}

#else

static size_t mul_add_blocks(uint8_t *dst, const uint8_t *src, size_t len, const struct halves *t)
{
    (void)dst, (void)src, (void)len, (void)t;
    return 0;
}

#endif

void sp_gf256_mul_add(uint8_t *dst, const uint8_t *src, size_t len, uint8_t c)
{
    size_t i;

    if (c == 0)
        return;
    if (c == 1) {
        for (i = add_blocks(dst, src, len); i < len; i++)
            dst[i] ^= src[i];
        return;
    }

    struct halves t = halves_of(c);

    for (i = mul_add_blocks(dst, src, len, &t); i < len; i++)
        dst[i] ^= t.low[src[i] & 15] ^ t.high[src[i] >> 4];
}
