/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Typed values, as they are read and as they are written. */
#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/stun.h"

static const uint8_t id[SP_STUN_ID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* A message of one attribute, in `p`. */
static struct sp_stun_msg one_attr(uint8_t *p, size_t cap, uint16_t type, struct sp_span value)
{
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    size_t len;

    sp_stun_begin(&b, p, cap, SP_STUN_BINDING, SP_STUN_REQUEST, id);
    sp_stun_put(&b, type, value);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    return m;
}

START_TEST(numbers)
{
    uint8_t p[64], bytes[8] = {0};
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    size_t len;
    uint32_t v = 77;

    sp_stun_begin(&b, p, sizeof(p), SP_TURN_REFRESH, SP_STUN_REQUEST, id);
    sp_stun_put_u32(&b, SP_ATTR_LIFETIME, 0xFEDCBA98);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    ck_assert_int_eq(sp_stun_find_u32(&m, SP_ATTR_CHANNEL_NUMBER, &v), SP_ENOENT);
    ck_assert_uint_eq(v, 77);
    ck_assert_int_eq(sp_stun_find_u32(&m, SP_ATTR_LIFETIME, &v), 0);
    ck_assert_uint_eq(v, 0xFEDCBA98);

    for (size_t n = 0; n <= sizeof(bytes); n++) {
        m = one_attr(p, sizeof(p), SP_ATTR_LIFETIME, sp_span(bytes, n));
        v = 77;
        ck_assert_int_eq(sp_stun_find_u32(&m, SP_ATTR_LIFETIME, &v), n == 4 ? 0 : SP_EBADMSG);
        ck_assert_uint_eq(v, n == 4 ? 0 : 77);
    }
}
END_TEST

START_TEST(addresses_there_and_back)
{
    static const char *const texts[] = {
        "0.0.0.0:1",  "192.0.2.1:32853",    "255.255.255.255:65535", "33.18.164.66:8466", "[::]:9",
        "[::1]:3478", "[2001:db8::ff]:443", "[fe80::1]:65535",       "[64:ff9b::1]:80",
    };
    static const uint16_t types[] = {SP_ATTR_XOR_MAPPED_ADDRESS, SP_ATTR_XOR_PEER_ADDRESS,
                                     SP_ATTR_XOR_RELAYED_ADDRESS};

    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++) {
        uint16_t type = types[i % SP_ARRAY_LEN(types)];
        uint8_t p[64];
        struct sp_stun_builder b;
        struct sp_stun_msg m;
        struct sp_addr want, got;
        size_t len;

        ck_assert_int_eq(sp_addr_parse(texts[i], &want), 0);
        sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_SUCCESS, id);
        sp_stun_put_xor_addr(&b, type, &want);
        ck_assert_int_eq(sp_stun_end(&b, &len), 0);
        ck_assert_uint_eq(len, 24 + 4 + sp_addr_ip_len(&want));
        ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
        ck_assert_int_eq(sp_stun_find_xor_addr(&m, type, &got), 0);
        ck_assert_mem_eq(&got, &want, sizeof(got));
    }
}
END_TEST

/* What relaying is denied to must not come in under another name. */
START_TEST(mapped_address_becomes_ipv4)
{
    uint8_t p[64], value[20] = {0, SP_IPV6, 0x0D, 0x96};
    uint8_t ip[16] = {[10] = 0xFF, 0xFF, 127, 0, 0, 1};
    uint8_t mask[16];
    struct sp_addr want = sp_addr_v4(127, 0, 0, 1, 3478), got;
    struct sp_stun_msg m;

    sp_put_be32(mask, SP_STUN_COOKIE);
    memcpy(mask + 4, id, sizeof(id));
    for (size_t i = 0; i < 2; i++)
        value[2 + i] ^= mask[i];
    for (size_t i = 0; i < 16; i++)
        value[4 + i] = ip[i] ^ mask[i];
    m = one_attr(p, sizeof(p), SP_ATTR_XOR_PEER_ADDRESS, sp_span(value, sizeof(value)));
    ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_PEER_ADDRESS, &got), 0);
    ck_assert_mem_eq(&got, &want, sizeof(got));
}
END_TEST

START_TEST(addresses_of_wrong_form)
{
    struct sp_addr none = {.family = SP_FAMILY_NONE}, got;
    struct sp_stun_builder b;
    uint8_t p[64];
    size_t len;

    for (unsigned family = 0; family < 4; family++) {
        for (size_t n = 0; n <= 24; n++) {
            uint8_t value[24] = {0, (uint8_t)family};
            size_t cap = SP_STUN_HEADER_LEN + 4 + (n + 3) / 4 * 4; /* nothing behind it */
            uint8_t *exact = malloc(cap);
            struct sp_stun_msg m;
            bool right = (family == 1 && n == 8) || (family == 2 && n == 20);

            ck_assert_ptr_nonnull(exact);
            m = one_attr(exact, cap, SP_ATTR_XOR_PEER_ADDRESS, sp_span(value, n));
            got.port = 77;
            ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_PEER_ADDRESS, &got),
                             right ? 0 : SP_EBADMSG);
            ck_assert(right || got.port == 77);
            ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_MAPPED_ADDRESS, &got),
                             SP_ENOENT);
            free(exact);
        }
    }
    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_SUCCESS, id);
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_MAPPED_ADDRESS, &none);
    ck_assert_int_eq(sp_stun_end(&b, &len), SP_EINVAL);
}
END_TEST

START_TEST(error_codes)
{
    for (unsigned code = 0; code < 1000; code++) {
        uint8_t p[128];
        struct sp_stun_builder b;
        struct sp_stun_msg m;
        struct sp_span reason;
        unsigned got = 0;
        size_t len;

        sp_stun_begin(&b, p, sizeof(p), SP_TURN_ALLOCATE, SP_STUN_ERROR, id);
        sp_stun_put_error(&b, code, "why");
        if (code < 300 || code > 699) {
            ck_assert_int_eq(sp_stun_end(&b, &len), SP_EINVAL);
            continue;
        }
        ck_assert_int_eq(sp_stun_end(&b, &len), 0);
        ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
        ck_assert_int_eq(sp_stun_find_error(&m, &got, &reason), 0);
        ck_assert_uint_eq(got, code);
        ck_assert(sp_span_eq(reason, sp_span_str("why")));
        ck_assert_int_eq(sp_stun_find_error(&m, &got, NULL), 0);
    }
}
END_TEST

START_TEST(error_phrases)
{
    static const struct {
        unsigned code;
        const char *phrase;
    } known[] = {
        {300, "Try Alternate"},
        {400, "Bad Request"},
        {401, "Unauthenticated"},
        {403, "Forbidden"},
        {405, "Mobility Forbidden"},
        {420, "Unknown Attribute"},
        {437, "Allocation Mismatch"},
        {438, "Stale Nonce"},
        {440, "Address Family not Supported"},
        {441, "Wrong Credentials"},
        {442, "Unsupported Transport Protocol"},
        {443, "Peer Address Family Mismatch"},
        {446, "Connection Already Exists"},
        {447, "Connection Timeout or Failure"},
        {486, "Allocation Quota Reached"},
        {487, "Role Conflict"},
        {500, "Server Error"},
        {508, "Insufficient Capacity"},
        {699, ""},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(known); i++) {
        uint8_t p[128];
        struct sp_stun_builder b;
        struct sp_stun_msg m;
        struct sp_span reason;
        unsigned code;
        size_t len;

        sp_stun_begin(&b, p, sizeof(p), SP_TURN_ALLOCATE, SP_STUN_ERROR, id);
        sp_stun_put_error(&b, known[i].code, NULL);
        ck_assert_int_eq(sp_stun_end(&b, &len), 0);
        ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
        ck_assert_int_eq(sp_stun_find_error(&m, &code, &reason), 0);
        ck_assert_uint_eq(code, known[i].code);
        ck_assert_msg(sp_span_eq(reason, sp_span_str(known[i].phrase)), "%u", code);
    }
}
END_TEST

START_TEST(error_codes_of_wrong_form)
{
    uint8_t p[64], value[5] = {0xFF, 0xFF, 0, 0, 'x'}; /* the reserved bits are ignored */
    struct sp_span reason = {NULL, 77};
    struct sp_stun_msg m;
    unsigned code = 77;

    for (unsigned third = 0; third < 256; third += third < 7 ? 1 : 31) {
        for (unsigned number = 0; number < 256; number++) {
            unsigned hundreds = third & 7;
            bool right = hundreds >= 3 && hundreds <= 6 && number < 100;

            value[2] = (uint8_t)third;
            value[3] = (uint8_t)number;
            code = 77;
            m = one_attr(p, sizeof(p), SP_ATTR_ERROR_CODE, sp_span(value, sizeof(value)));
            ck_assert_int_eq(sp_stun_find_error(&m, &code, NULL), right ? 0 : SP_EBADMSG);
            ck_assert_uint_eq(code, right ? hundreds * 100 + number : 77);
        }
    }
    value[2] = 4;
    value[3] = 0;
    for (size_t n = 0; n < 4; n++) {
        m = one_attr(p, sizeof(p), SP_ATTR_ERROR_CODE, sp_span(value, n));
        ck_assert_int_eq(sp_stun_find_error(&m, &code, &reason), SP_EBADMSG);
        ck_assert_uint_eq(reason.len, 77);
    }
    m = one_attr(p, sizeof(p), SP_ATTR_ERROR_CODE, sp_span(value, 4));
    ck_assert_int_eq(sp_stun_find_error(&m, &code, &reason), 0);
    ck_assert_uint_eq(reason.len, 0);
    m = one_attr(p, sizeof(p), SP_ATTR_NONCE, sp_span(value, 4));
    ck_assert_int_eq(sp_stun_find_error(&m, &code, &reason), SP_ENOENT);
}
END_TEST

START_TEST(unknown_attributes)
{
    static const uint16_t sent[] = {0x0006, 0x7FFF, 0x8000, 0x0040, 0x7FFF, 0xFFFF, 0x0041, 0x0040};
    static const uint16_t known[] = {0x0006, 0x0008};
    static const uint16_t want[] = {0x7FFF, 0x0040, 0x0041};
    static const uint8_t wire[] = {0x00, 0x0A, 0x00, 0x06, 0x7F, 0xFF,
                                   0x00, 0x40, 0x00, 0x41, 0,    0};
    uint8_t p[128], q[64];
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    uint16_t got[8] = {0};
    size_t len;

    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_REQUEST, id);
    for (size_t i = 0; i < SP_ARRAY_LEN(sent); i++)
        sp_stun_put_u32(&b, sent[i], 0);
    sp_stun_put_u32(&b, SP_ATTR_MESSAGE_INTEGRITY, 0);
    sp_stun_put_u32(&b, 0x0050, 0); /* behind it, so it doesn't count */
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);

    ck_assert_uint_eq(sp_stun_unknown(&m, known, SP_ARRAY_LEN(known), got, SP_ARRAY_LEN(got)), 3);
    ck_assert_mem_eq(got, want, sizeof(want));
    for (size_t cap = 0; cap <= 3; cap++) {
        memset(got, 0, sizeof(got));
        ck_assert_uint_eq(sp_stun_unknown(&m, known, SP_ARRAY_LEN(known), got, cap), cap);
        ck_assert_mem_eq(got, want, cap * sizeof(*want));
        ck_assert_uint_eq(got[cap], 0);
    }
    ck_assert_uint_eq(sp_stun_unknown(&m, NULL, 0, got, 1), 1);
    ck_assert_uint_eq(got[0], 0x0006);

    sp_stun_begin(&b, q, sizeof(q), SP_STUN_BINDING, SP_STUN_ERROR, id);
    sp_stun_put_unknown(&b, want, SP_ARRAY_LEN(want));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_uint_eq(len, SP_STUN_HEADER_LEN + sizeof(wire));
    ck_assert_mem_eq(q + SP_STUN_HEADER_LEN, wire, sizeof(wire));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stun_values");
    TCase *values = tcase_create("values");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, values);
    tcase_add_test(values, numbers);
    tcase_add_test(values, addresses_there_and_back);
    tcase_add_test(values, mapped_address_becomes_ipv4);
    tcase_add_test(values, addresses_of_wrong_form);
    tcase_add_test(values, error_codes);
    tcase_add_test(values, error_phrases);
    tcase_add_test(values, error_codes_of_wrong_form);
    tcase_add_test(values, unknown_attributes);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
