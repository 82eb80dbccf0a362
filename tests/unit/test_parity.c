/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/gf256.h"
#include "sallyport/parity.h"
#include "sallyport/rng.h"

static struct sp_parity_cover cover(uint32_t base, const char *bits)
{
    struct sp_parity_cover c = {.base = base, .span = (uint8_t)strlen(bits)};

    for (unsigned i = 0; bits[i]; i++) {
        if (bits[i] == '1') {
            c.bitmap[i / 8] |= (uint8_t)(0x80 >> i % 8);
            c.n++;
        }
    }
    return c;
}

START_TEST(on_the_wire)
{
    static const uint8_t want[] = {0xFE, 0xDC, 0xBA, 0x98, 5, 11, 0xB0, 0xA0};
    struct sp_parity_cover c = cover(0xFEDCBA98, "10110000101");
    uint8_t wire[SP_PARITY_HEADER_MAX + 4];
    struct sp_parity_frame f;
    size_t head;

    memset(wire, 7, sizeof(wire));
    head = sp_parity_header(wire + SP_PARITY_HEADER_MAX, &c, 5);
    ck_assert_uint_eq(head, sizeof(want));

    const uint8_t *p = wire + SP_PARITY_HEADER_MAX - head;

    ck_assert_mem_eq(p, want, sizeof(want));
    ck_assert_int_eq(sp_parity_parse(sp_span(p, head + 4), &f), 0);
    ck_assert_uint_eq(f.cover.base, c.base);
    ck_assert_uint_eq(f.cover.span, c.span);
    ck_assert_uint_eq(f.cover.n, c.n);
    ck_assert_mem_eq(f.cover.bitmap, c.bitmap, sizeof(c.bitmap));
    ck_assert_uint_eq(f.row, 5);
    ck_assert_ptr_eq(f.sum.p, p + head);
    ck_assert_uint_eq(f.sum.len, 4);
    for (uint32_t i = 0; i < 300; i++) {
        bool in = i == 0 || i == 2 || i == 3 || i == 8 || i == 10;

        ck_assert_int_eq(sp_parity_covers(&f.cover, 0xFEDCBA98 + i), in);
    }
    ck_assert(!sp_parity_covers(&f.cover, 0xFEDCBA97));
    for (size_t len = 0; len < head + 4; len++)
        ck_assert_int_eq(sp_parity_parse(sp_span(p, len), &f), SP_EBADMSG);
}
END_TEST

START_TEST(every_span)
{
    for (unsigned span = 1; span <= SP_PARITY_MAX_SPAN; span++) {
        uint8_t wire[SP_PARITY_HEADER_MAX + 4] = {0};
        struct sp_parity_cover c = {.base = 9, .span = (uint8_t)span};
        struct sp_parity_frame f;
        size_t head;
        uint8_t *p;

        c.bitmap[0] = 0x80;
        c.bitmap[(span - 1) / 8] |= (uint8_t)(0x80 >> (span - 1) % 8);
        head = sp_parity_header(wire + SP_PARITY_HEADER_MAX, &c, 0);
        p = wire + SP_PARITY_HEADER_MAX - head;
        ck_assert_int_eq(sp_parity_parse(sp_span(p, head + 4), &f), 0);
        ck_assert_uint_eq(f.cover.n, span == 1 ? 1 : 2);
        p[5]--; /* now the last bit lies behind */
        ck_assert_int_eq(sp_parity_parse(sp_span(p, head + 4), &f), SP_EBADMSG);
        p[5] = (uint8_t)(span + 1);
        ck_assert_int_eq(sp_parity_parse(sp_span(p, head + 4), &f), SP_EBADMSG);
        p[5] = (uint8_t)span;
        p[6] ^= 0x80;
        ck_assert_int_eq(sp_parity_parse(sp_span(p, head + 4), &f), SP_EBADMSG);
    }
}
END_TEST

START_TEST(bounds)
{
    static uint8_t wire[SP_PARITY_HEADER_MAX + SP_PARITY_SUM_MAX + 1];
    struct sp_parity_frame f;

    wire[5] = 1;
    wire[6] = 0x80;
    for (unsigned row = 0; row < 256; row++) {
        wire[4] = (uint8_t)row;
        ck_assert_int_eq(sp_parity_parse(sp_span(wire, 11), &f),
                         row < SP_PARITY_MAX_M ? 0 : SP_EBADMSG);
    }
    wire[4] = 0;
    ck_assert_int_eq(sp_parity_parse(sp_span(wire, 7 + SP_PARITY_SUM_MAX), &f), 0);
    ck_assert_int_eq(sp_parity_parse(sp_span(wire, 8 + SP_PARITY_SUM_MAX), &f), SP_EBADMSG);
    memset(wire + 6, 0xFF, 8);
    wire[5] = 64;
    ck_assert_int_eq(sp_parity_parse(sp_span(wire, 100), &f), 0);
    ck_assert_uint_eq(f.cover.n, SP_PARITY_MAX_K);
    wire[5] = 65;
    wire[14] = 0x80;
    ck_assert_int_eq(sp_parity_parse(sp_span(wire, 100), &f), SP_EBADMSG);
}
END_TEST

/* Whether the square of these rows and columns has an inverse. */
static bool invertible(const unsigned *rows, const unsigned *cols, unsigned n)
{
    uint8_t a[SP_PARITY_MAX_M][SP_PARITY_MAX_M];

    for (unsigned r = 0; r < n; r++) {
        for (unsigned c = 0; c < n; c++)
            a[r][c] = sp_parity_factor(rows[r], cols[c]);
    }
    for (unsigned i = 0; i < n; i++) {
        if (a[i][i] == 0)
            return false; /* the decoder doesn't look for another one */
        for (unsigned r = i + 1; r < n; r++) {
            uint8_t f = sp_gf256_mul(a[r][i], sp_gf256_inv(a[i][i]));

            sp_gf256_mul_add(a[r], a[i], n, f);
        }
    }
    return true;
}

START_TEST(all_squares_can_be_inverted)
{
    struct sp_rng_seeded rng;
    unsigned wrong = 0;

    for (unsigned i = 0; i < SP_PARITY_MAX_K; i++)
        ck_assert_uint_eq(sp_parity_factor(0, i), 1);
    for (unsigned r = 0; r < SP_PARITY_MAX_M; r++) {
        for (unsigned s = 0; s < SP_PARITY_MAX_M; s++) {
            for (unsigned i = 0; i < SP_PARITY_MAX_K; i++) {
                for (unsigned j = 0; j < SP_PARITY_MAX_K; j++)
                    wrong +=
                        r != s && i != j && !invertible((unsigned[]){r, s}, (unsigned[]){i, j}, 2);
            }
        }
    }
    /* And larger ones, by chance. */
    sp_rng_seeded_init(&rng, 5);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned rows[SP_PARITY_MAX_M], cols[SP_PARITY_MAX_K];

        for (unsigned i = 0; i < SP_PARITY_MAX_M; i++)
            rows[i] = i;
        for (unsigned i = 0; i < SP_PARITY_MAX_K; i++)
            cols[i] = i;
        for (unsigned i = 0; i < SP_PARITY_MAX_M; i++) {
            unsigned *a = &rows[i + sp_rng_below(&rng.rng, SP_PARITY_MAX_M - i)], t = *a;
            unsigned *b = &cols[i + sp_rng_below(&rng.rng, SP_PARITY_MAX_K - i)], u = *b;

            *a = rows[i];
            rows[i] = t;
            *b = cols[i];
            cols[i] = u;
        }
        wrong += !invertible(rows, cols, SP_PARITY_MAX_M);
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parity");
    TCase *tc = tcase_create("parity");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, on_the_wire);
    tcase_add_test(tc, every_span);
    tcase_add_test(tc, bounds);
    tcase_add_test(tc, all_squares_can_be_inverted);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
