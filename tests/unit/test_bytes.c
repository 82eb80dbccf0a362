/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/bytes.h"

#include <check.h>
#include <stdlib.h>

struct pair {
    uint32_t a, b;
};

START_TEST(big_endian)
{
    static const uint8_t wire[8] = {0x01, 0x82, 0x03, 0x84, 0x85, 0x06, 0x87, 0xf8};
    uint8_t out[10];

    ck_assert_uint_eq(sp_get_be16(wire), 0x0182);
    ck_assert_uint_eq(sp_get_be32(wire), 0x01820384);
    ck_assert_uint_eq(sp_get_be32(wire + 4), 0x850687f8);
    ck_assert_uint_eq(sp_get_be64(wire), 0x01820384850687f8);

    memset(out, 0xaa, sizeof out);
    sp_put_be16(out + 1, 0x0182);
    ck_assert_mem_eq(out, "\xaa\x01\x82\xaa", 4);
    sp_put_be32(out + 1, 0xf1820384);
    ck_assert_mem_eq(out, "\xaa\xf1\x82\x03\x84\xaa", 6);
    sp_put_be64(out + 1, 0x01820384850687f8);
    ck_assert_uint_eq(out[0], 0xaa);
    ck_assert_mem_eq(out + 1, wire, 8);
    ck_assert_uint_eq(out[9], 0xaa);
}
END_TEST

START_TEST(what_is_written_is_read)
{
    uint8_t b[8];
    for (uint64_t v = 1; v != 0; v <<= 1) {
        sp_put_be64(b, v);
        ck_assert_uint_eq(sp_get_be64(b), v);
        sp_put_be64(b, ~v);
        ck_assert_uint_eq(sp_get_be64(b), ~v);
    }
}
END_TEST

START_TEST(spans)
{
    struct sp_span s = sp_span_str("sally port");
    ck_assert_uint_eq(s.len, 10);
    ck_assert(sp_span_eq(sp_span_skip(s, 6), sp_span_str("port")));
    ck_assert_uint_eq(sp_span_skip(s, 10).len, 0);
    ck_assert(!sp_span_eq(s, sp_span_str("sally porT")));
    ck_assert(!sp_span_eq(s, sp_span_str("sally por")));
    ck_assert(sp_span_eq(sp_span("a\0b", 3), sp_span("a\0b", 3)));
    ck_assert(!sp_span_eq(sp_span("a\0b", 3), sp_span("a\0c", 3)));
    ck_assert(sp_span_eq(sp_span(NULL, 0), sp_span_str("")));
}
END_TEST

START_TEST(several_spans_as_one)
{
    const struct sp_span parts[] = {sp_span_str("sal"), sp_span(NULL, 0), sp_span_str("ly")};
    uint8_t to[] = ".......";

    ck_assert_uint_eq(sp_spans_len(parts, 3), 5);
    struct sp_span joined = sp_spans_join(to, parts, 3);
    ck_assert_ptr_eq(joined.p, to);
    ck_assert(sp_span_eq(joined, sp_span_str("sally")));
    ck_assert_str_eq((char *)to, "sally..");
    ck_assert_uint_eq(sp_spans_len(parts, 0), 0);
    ck_assert_uint_eq(sp_spans_join(to, parts, 0).len, 0);
}
END_TEST

START_TEST(container_of_a_member)
{
    struct pair p = {1, 2};
    uint32_t *b = &p.b;
    ck_assert_ptr_eq(SP_CONTAINER_OF(b, struct pair, b), &p);
    ck_assert_uint_eq(SP_ARRAY_LEN(((uint32_t[7]){0})), 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bytes");
    TCase *tc = tcase_create("bytes");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, big_endian);
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, spans);
    tcase_add_test(tc, several_spans_as_one);
    tcase_add_test(tc, container_of_a_member);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
