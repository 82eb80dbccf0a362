/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/chandata.h"
#include "sallyport/err.h"

/* A copy that ends where its memory ends, so that reading on is noticed. */
static uint8_t *exact(const void *p, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, p, len);
    return copy;
}

START_TEST(first_two_bits_decide)
{
    for (unsigned i = 0; i < 256; i++) {
        uint8_t b = (uint8_t)i;

        ck_assert_int_eq(sp_chandata_looks_like(sp_span(&b, 1)), i >= 0x40 && i <= 0x7F);
    }
    ck_assert(!sp_chandata_looks_like(sp_span("@", 0)));
}
END_TEST

START_TEST(every_channel_number)
{
    for (unsigned i = 0; i <= UINT16_MAX; i++) {
        uint8_t wire[SP_CHANDATA_HEADER_LEN];
        struct sp_chandata c = {.channel = 1};
        int err;

        sp_chandata_header(wire, (uint16_t)i, 0);
        err = sp_chandata_parse(sp_span(wire, sizeof(wire)), &c);
        /* Check's asserts report even that all is well, which is too slow for here. */
        if (i >= 0x4000 && i <= 0x7FFE ? err != 0 || c.channel != i || c.data.len != 0
                                       : err != SP_EBADMSG || c.channel != 1)
            ck_abort_msg("channel %x: error %d, read as %x", i, err, c.channel);
    }
}
END_TEST

START_TEST(cut_at_each_byte)
{
    static const uint8_t wire[] = {0x40, 0x01, 0x00, 0x05, 'h', 'e', 'l', 'l', 'o'};

    for (size_t n = 0; n <= sizeof(wire); n++) {
        uint8_t *p = exact(wire, n);
        struct sp_chandata c = {.channel = 1};
        int err = sp_chandata_parse(sp_span(p, n), &c);

        if (n < sizeof(wire)) {
            ck_assert_int_eq(err, SP_EBADMSG);
            ck_assert_uint_eq(c.channel, 1);
        } else {
            ck_assert_int_eq(err, 0);
            ck_assert_uint_eq(c.channel, 0x4001);
            ck_assert_ptr_eq(c.data.p, p + 4);
            ck_assert(sp_span_eq(c.data, sp_span_str("hello")));
        }
        free(p);
    }
}
END_TEST

START_TEST(what_follows_the_data_is_ignored)
{
    static const uint8_t wire[] = {0x7F, 0xFE, 0x00, 0x02, 'h', 'i', 0, 0, 0xFF};
    struct sp_chandata c;

    ck_assert_int_eq(sp_chandata_parse(sp_span(wire, sizeof(wire)), &c), 0);
    ck_assert_uint_eq(c.channel, 0x7FFE);
    ck_assert(sp_span_eq(c.data, sp_span_str("hi")));
}
END_TEST

START_TEST(header_on_the_wire)
{
    static const uint8_t want[] = {0x4A, 0xBC, 0xFE, 0xDC};
    uint8_t got[SP_CHANDATA_HEADER_LEN];

    sp_chandata_header(got, 0x4ABC, 0xFEDC);
    ck_assert_mem_eq(got, want, sizeof(want));
}
END_TEST

START_TEST(longest_data)
{
    size_t len = SP_CHANDATA_HEADER_LEN + UINT16_MAX;
    uint8_t *p = calloc(1, len);
    struct sp_chandata c;

    ck_assert_ptr_nonnull(p);
    sp_chandata_header(p, SP_CHANNEL_MIN, UINT16_MAX);
    ck_assert_int_eq(sp_chandata_parse(sp_span(p, len - 1), &c), SP_EBADMSG);
    ck_assert_int_eq(sp_chandata_parse(sp_span(p, len), &c), 0);
    ck_assert_uint_eq(c.data.len, UINT16_MAX);
    free(p);
}
END_TEST

START_TEST(padding_to_four)
{
    static const size_t want[] = {0, 3, 2, 1, 0, 3, 2, 1, 0};

    for (size_t i = 0; i < SP_ARRAY_LEN(want); i++)
        ck_assert_uint_eq(sp_chandata_padding(i), want[i]);
    ck_assert_uint_eq(sp_chandata_padding(UINT16_MAX), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chandata");
    TCase *tc = tcase_create("chandata");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, first_two_bits_decide);
    tcase_add_test(tc, every_channel_number);
    tcase_add_test(tc, cut_at_each_byte);
    tcase_add_test(tc, what_follows_the_data_is_ignored);
    tcase_add_test(tc, header_on_the_wire);
    tcase_add_test(tc, longest_data);
    tcase_add_test(tc, padding_to_four);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
