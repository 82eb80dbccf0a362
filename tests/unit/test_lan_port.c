/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/lan_port.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"

/* Bytes as the header has them: changing one is changing the protocol. */
START_TEST(question_on_the_wire)
{
    static const uint8_t wire[] = {1, 0, 0, 45, 1, 2, 3, 4, 5, 6, 7, 8, 'p', 'w'};
    const struct sp_lan_port p = {
        .end = 0x0102030405060708, .lifetime_s = 45, .password = sp_span_str("pw")};
    uint8_t out[SP_LAN_PORT_QUESTION_MAX];
    struct sp_lan_port got;

    ck_assert_uint_eq(sp_lan_port_build(&p, out), sizeof wire);
    ck_assert_mem_eq(out, wire, sizeof wire);
    ck_assert_int_eq(sp_lan_port_parse(sp_span(wire, sizeof wire), &got), 0);
    ck_assert_uint_eq(got.end, p.end);
    ck_assert_uint_eq(got.lifetime_s, 45);
    ck_assert(sp_span_eq(got.password, p.password));
    ck_assert_int_eq(sp_lan_port_parse(sp_span(wire, 12), &got), 0);
    ck_assert_uint_eq(got.password.len, 0);
    ck_assert_int_eq(sp_lan_port_parse(sp_span(wire, 11), &got), SP_EBADMSG);
    out[0] = 2;
    ck_assert_int_eq(sp_lan_port_parse(sp_span(out, sizeof wire), &got), SP_EBADMSG);
    static uint8_t longer[SP_LAN_PORT_QUESTION_MAX + 1] = {1};
    ck_assert_int_eq(sp_lan_port_parse(sp_span(longer, sizeof longer), &got), SP_EBADMSG);
}
END_TEST

START_TEST(answer_on_the_wire)
{
    static const uint8_t wire[] = {0x12, 0x34, 1, 192, 0, 2, 1, 0, 9, 2, 0x20, 1, 0,
                                   0,    0,    0, 0,   0, 0, 0, 0, 0, 0, 0,    0, 7};
    struct sp_addr addrs[SP_LAN_PORT_ADDRS_MAX], want[2];
    uint8_t out[SP_LAN_PORT_ANSWER_MAX];
    size_t n = 77;

    want[0] = sp_addr_v4(192, 0, 2, 1, 0x1234);
    ck_assert_int_eq(sp_addr_parse("[2001::7]:9", &want[1]), 0);
    ck_assert_uint_eq(sp_lan_port_build_answer(want, 2, out), sizeof wire);
    ck_assert_mem_eq(out, wire, sizeof wire);
    for (size_t len = 0; len < sizeof wire; len++) {
        int err = sp_lan_port_parse_answer(sp_span(wire, len), addrs, &n);
        ck_assert_int_eq(err, len == 7 ? 0 : SP_EBADMSG);
        ck_assert_uint_eq(n, len < 7 ? 77 : 1);
    }
    ck_assert_int_eq(sp_lan_port_parse_answer(sp_span(wire, sizeof wire), addrs, &n), 0);
    ck_assert_uint_eq(n, 2);
    ck_assert(sp_addr_eq(&addrs[0], &want[0]));
    ck_assert(sp_addr_eq(&addrs[1], &want[1]));
    uint8_t many[5 * 7];
    for (size_t i = 0; i < 5; i++)
        memcpy(many + 7 * i, wire, 7);
    ck_assert_int_eq(sp_lan_port_parse_answer(sp_span(many, 28), addrs, &n), 0);
    ck_assert_int_eq(sp_lan_port_parse_answer(sp_span(many, 35), addrs, &n), SP_EBADMSG);
    many[2] = 3; /* no family */
    ck_assert_int_eq(sp_lan_port_parse_answer(sp_span(many, 7), addrs, &n), SP_EBADMSG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lan_port");
    TCase *tc = tcase_create("lan_port");

    tcase_add_test(tc, question_on_the_wire);
    tcase_add_test(tc, answer_on_the_wire);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
