/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/gf256.h"
#include "sallyport/rng.h"

/* Schoolbook: multiply the polynomials, then take the remainder. */
static uint8_t product(unsigned a, unsigned b)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < 8; i++) {
        if (b >> i & 1)
            sum ^= a << i;
    }
    for (unsigned i = 15; i >= 8; i--) {
        if (sum >> i & 1)
            sum ^= 0x11Du << (i - 8);
    }
    return (uint8_t)sum;
}

START_TEST(products)
{
    unsigned wrong = 0;

    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++)
            wrong += sp_gf256_mul((uint8_t)a, (uint8_t)b) != product(a, b);
        wrong += a > 0 && product(a, sp_gf256_inv((uint8_t)a)) != 1;
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(sp_gf256_inv(0), 0);
}
END_TEST

/* Each factor, each length up to some blocks, each offset within one; not a byte beyond. */
START_TEST(mul_add)
{
    uint8_t src[160], before[200], after[200];
    struct sp_rng_seeded rng;
    unsigned wrong = 0;

    sp_rng_seeded_init(&rng, 3);
    sp_rng_bytes(&rng.rng, src, sizeof(src));
    sp_rng_bytes(&rng.rng, before, sizeof(before));
    for (unsigned c = 0; c < 256; c++) {
        for (size_t len = 0; len < 100; len++) {
            size_t off = (len + c) % 17;

            memcpy(after, before, sizeof(after));
            sp_gf256_mul_add(after + off, src + off / 2, len, (uint8_t)c);
            for (size_t i = 0; i < sizeof(after); i++) {
                bool in = i >= off && i < off + len;
                unsigned want = before[i] ^ (in ? product(src[off / 2 + i - off], c) : 0);

                wrong += after[i] != want;
            }
        }
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

/* x += (c + 1) * x is x = c * x. */
START_TEST(onto_itself)
{
    uint8_t x[100], was[100];
    struct sp_rng_seeded rng;

    sp_rng_seeded_init(&rng, 4);
    for (unsigned c = 0; c < 256; c++) {
        sp_rng_bytes(&rng.rng, x, sizeof(x));
        memcpy(was, x, sizeof(x));
        sp_gf256_mul_add(x, x, sizeof(x), (uint8_t)(c ^ 1));
        for (size_t i = 0; i < sizeof(x); i++)
            was[i] = product(was[i], c);
        ck_assert_mem_eq(x, was, sizeof(x));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gf256");
    TCase *tc = tcase_create("gf256");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, products);
    tcase_add_test(tc, mul_add);
    tcase_add_test(tc, onto_itself);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
