/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/stun.h"
#include "stun_vector.h"

static const uint8_t id[SP_STUN_ID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void vector_builds(const struct stun_vector *v)
{
    uint8_t want[sizeof(v->msg)], got[sizeof(v->msg)];
    struct sp_stun_msg m;
    struct sp_stun_attr a;
    struct sp_stun_builder b;
    size_t pos = 0, len;

    memcpy(want, v->msg, v->len);
    ck_assert_int_eq(sp_stun_parse(sp_span(v->msg, v->len), &m), 0);
    sp_stun_begin(&b, got, sizeof(got), m.method, m.cls, m.id);
    while (sp_stun_next(&m, &pos, &a)) {
        /* Ours is zero, as RFC 8489 section 14 asks; the first three of RFC 5769 have spaces. */
        memset(want + (a.value.p - v->msg) + a.value.len, 0, (0 - a.value.len) & 3);
        sp_stun_put(&b, a.type, a.value);
    }
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_uint_eq(len, v->len);
    ck_assert_msg(memcmp(got, want, len) == 0, "%s", v->file);
}

START_TEST(vectors_build)
{
    stun_vectors(vector_builds);
}
END_TEST

START_TEST(every_message_type)
{
    static const struct {
        uint16_t method;
        enum sp_stun_class cls;
        uint16_t type;
    } known[] = {
        {SP_STUN_BINDING, SP_STUN_REQUEST, 0x0001},
        {SP_STUN_BINDING, SP_STUN_INDICATION, 0x0011},
        {SP_STUN_BINDING, SP_STUN_SUCCESS, 0x0101},
        {SP_STUN_BINDING, SP_STUN_ERROR, 0x0111},
        {SP_TURN_ALLOCATE, SP_STUN_ERROR, 0x0113},
        {SP_TURN_CHANNEL_BIND, SP_STUN_SUCCESS, 0x0109},
        {SP_TURN_DATA, SP_STUN_INDICATION, 0x0017},
        {0x0FFF, SP_STUN_REQUEST, 0x3EEF},
        {0x0F80, SP_STUN_ERROR, 0x3F10},
    };
    uint8_t p[SP_STUN_HEADER_LEN];
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    size_t len;

    for (size_t i = 0; i < SP_ARRAY_LEN(known); i++) {
        sp_stun_begin(&b, p, sizeof(p), known[i].method, known[i].cls, id);
        ck_assert_int_eq(sp_stun_end(&b, &len), 0);
        ck_assert_uint_eq(sp_get_be16(p), known[i].type);
    }
    for (uint16_t method = 0; method <= 0xFFF; method++) {
        for (unsigned cls = SP_STUN_REQUEST; cls <= SP_STUN_ERROR; cls++) {
            sp_stun_begin(&b, p, sizeof(p), method, (enum sp_stun_class)cls, id);
            /* Check's asserts report even that all is well, which is too slow for here. */
            if (sp_stun_end(&b, &len) || len != SP_STUN_HEADER_LEN ||
                sp_stun_parse(sp_span(p, len), &m) || m.method != method || m.cls != cls ||
                memcmp(m.id, id, sizeof(id)) != 0)
                ck_abort_msg("method %x of class %u: type %x", method, cls, sp_get_be16(p));
        }
    }
    sp_stun_begin(&b, p, sizeof(p), 0x1000, SP_STUN_REQUEST, id);
    ck_assert_int_eq(sp_stun_end(&b, &len), SP_EINVAL);
}
END_TEST

/* Every kind of attribute once. */
static int build_all(uint8_t *p, size_t cap, size_t *len)
{
    static const uint16_t types[] = {0x7FFF, 0x7FFE, 0x7FFD};
    struct sp_addr v4 = sp_addr_v4(192, 0, 2, 1, 1), v6 = {.ip = {0x20, 1}, .family = SP_IPV6};
    struct sp_stun_builder b;
    uint8_t *space;

    sp_stun_begin(&b, p, cap, SP_TURN_ALLOCATE, SP_STUN_ERROR, id);
    sp_stun_put_error(&b, 420, NULL);
    sp_stun_put_unknown(&b, types, SP_ARRAY_LEN(types));
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_MAPPED_ADDRESS, &v4);
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_RELAYED_ADDRESS, &v6);
    sp_stun_put_addr(&b, SP_ATTR_ALTERNATE_SERVER, &v4);
    sp_stun_put_u32(&b, SP_ATTR_LIFETIME, 600);
    sp_stun_put(&b, SP_ATTR_DONT_FRAGMENT, sp_span(NULL, 0));
    space = sp_stun_put_space(&b, SP_ATTR_DATA, 6);
    if (space)
        memset(space, 'd', 6);
    sp_stun_put(&b, SP_ATTR_SOFTWARE, sp_span_str("x"));
    return sp_stun_end(&b, len);
}

/* As RFC 8489 section 14.1 draws it. */
START_TEST(plain_addresses)
{
    struct sp_addr v4 = sp_addr_v4(192, 0, 2, 1, 0x1234), v6, none = {.family = SP_FAMILY_NONE};
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    struct sp_span v;
    uint8_t out[128];
    size_t len;

    ck_assert_int_eq(sp_addr_parse("[2001:db8::5]:443", &v6), 0);
    sp_stun_begin(&b, out, sizeof out, SP_TURN_ALLOCATE, SP_STUN_ERROR, id);
    sp_stun_put_addr(&b, SP_ATTR_ALTERNATE_SERVER, &v4);
    sp_stun_put_addr(&b, SP_ATTR_MAPPED_ADDRESS, &v6);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(out, len), &m), 0);
    ck_assert(sp_stun_find(&m, SP_ATTR_ALTERNATE_SERVER, &v));
    ck_assert(sp_span_eq(v, sp_span("\0\1\x12\x34\xC0\0\2\1", 8)));
    ck_assert(sp_stun_find(&m, SP_ATTR_MAPPED_ADDRESS, &v));
    ck_assert(sp_span_eq(v, sp_span("\0\2\1\xBB\x20\1\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\5", 20)));
    sp_stun_begin(&b, out, sizeof out, SP_TURN_ALLOCATE, SP_STUN_ERROR, id);
    sp_stun_put_addr(&b, SP_ATTR_ALTERNATE_SERVER, &none);
    ck_assert_int_eq(sp_stun_end(&b, &len), SP_EINVAL);
}
END_TEST

START_TEST(overflow_at_each_capacity)
{
    uint8_t whole[512];
    struct sp_stun_msg m;
    size_t len, want;

    ck_assert_int_eq(build_all(whole, sizeof(whole), &want), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(whole, want), &m), 0);
    for (size_t cap = 0; cap <= want; cap++) {
        uint8_t *p = malloc(cap ? cap : 1); /* so that a byte too many is noticed */

        ck_assert_ptr_nonnull(p);
        len = 77;
        if (cap < want) {
            ck_assert_int_eq(build_all(p, cap, &len), SP_ETOOBIG);
            ck_assert_uint_eq(len, 77);
        } else {
            ck_assert_int_eq(build_all(p, cap, &len), 0);
            ck_assert_uint_eq(len, want);
            ck_assert_mem_eq(p, whole, want);
        }
        free(p);
    }
}
END_TEST

START_TEST(first_error_sticks)
{
    uint8_t p[64];
    struct sp_stun_builder b;
    size_t len;

    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_ERROR, id);
    sp_stun_put_error(&b, 200, NULL);
    ck_assert_ptr_null(sp_stun_put_space(&b, SP_ATTR_DATA, 1));
    ck_assert_ptr_null(sp_stun_put_space(&b, SP_ATTR_DATA, 1000));
    ck_assert_int_eq(sp_stun_end(&b, &len), SP_EINVAL);

    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_ERROR, id);
    ck_assert_ptr_null(sp_stun_put_space(&b, SP_ATTR_DATA, 1000));
    sp_stun_put_error(&b, 200, NULL);
    sp_stun_put_u32(&b, SP_ATTR_LIFETIME, 1); /* would fit, but the message has a hole */
    ck_assert_int_eq(sp_stun_end(&b, &len), SP_ETOOBIG);
}
END_TEST

START_TEST(longest_message)
{
    size_t cap = 70000, len;
    uint8_t *p = malloc(cap), *space;
    uint16_t types[1] = {0};
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    struct sp_span v;

    ck_assert_ptr_nonnull(p);
    sp_stun_begin(&b, p, cap, SP_TURN_SEND, SP_STUN_INDICATION, id);
    space = sp_stun_put_space(&b, SP_ATTR_DATA, 65528);
    ck_assert_ptr_nonnull(space);
    memset(space, 'd', 65528);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_uint_eq(len, 65552);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    ck_assert(sp_stun_find(&m, SP_ATTR_DATA, &v));
    ck_assert_uint_eq(v.len, 65528);
    /* There is room in memory, but none in the length field. */
    ck_assert_ptr_null(sp_stun_put_space(&b, SP_ATTR_DONT_FRAGMENT, 0));
    ck_assert_int_eq(sp_stun_end(&b, &len), SP_ETOOBIG);

    static const size_t too_long[] = {65529, 65535, 65536, 131072, SIZE_MAX - 3, SIZE_MAX};

    for (size_t i = 0; i < SP_ARRAY_LEN(too_long); i++) {
        sp_stun_begin(&b, p, cap, SP_TURN_SEND, SP_STUN_INDICATION, id);
        ck_assert_ptr_null(sp_stun_put_space(&b, SP_ATTR_DATA, too_long[i]));
        ck_assert_int_eq(sp_stun_end(&b, &len), SP_ETOOBIG);
    }
    sp_stun_begin(&b, p, cap, SP_STUN_BINDING, SP_STUN_ERROR, id);
    sp_stun_put_unknown(&b, types, SIZE_MAX / 2 + 2); /* twice that is 2 */
    ck_assert_int_eq(sp_stun_end(&b, &len), SP_ETOOBIG);
    free(p);
}
END_TEST

START_TEST(padding_is_zero)
{
    for (size_t n = 0; n < 9; n++) {
        uint8_t p[64];
        struct sp_stun_builder b;
        uint8_t *space;
        size_t len;

        memset(p, 0xEE, sizeof(p));
        sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_REQUEST, id);
        space = sp_stun_put_space(&b, SP_ATTR_SOFTWARE, n);
        ck_assert_ptr_nonnull(space);
        memset(space, 'x', n);
        ck_assert_int_eq(sp_stun_end(&b, &len), 0);
        ck_assert_uint_eq(len, 24 + (n + 3) / 4 * 4);
        for (size_t i = 24 + n; i < len; i++)
            ck_assert_uint_eq(p[i], 0);
        ck_assert_uint_eq(p[len], 0xEE);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stun_build");
    TCase *build = tcase_create("build");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, build);
    tcase_add_test(build, vectors_build);
    tcase_add_test(build, every_message_type);
    tcase_add_test(build, plain_addresses);
    tcase_add_test(build, overflow_at_each_capacity);
    tcase_add_test(build, first_error_sticks);
    tcase_add_test(build, longest_message);
    tcase_add_test(build, padding_is_zero);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
