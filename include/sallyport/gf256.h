/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic of the field with 256 elements, polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11D): what
 * parity is made of. Adding is XOR. The one call that matters for speed uses SSSE3 or NEON where
 * the processor has it, and says the same without.
 */
#ifndef SALLYPORT_GF256_H
#define SALLYPORT_GF256_H

#include <stddef.h>
#include <stdint.h>

uint8_t sp_gf256_mul(uint8_t a, uint8_t b);

/* 1/a; 0 for 0, which has none. */
uint8_t sp_gf256_inv(uint8_t a);

/* dst[i] += c * src[i]. The two don't overlap, unless they are the same. */
void sp_gf256_mul_add(uint8_t *dst, const uint8_t *src, size_t len, uint8_t c);

#endif
