/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/addr.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "sallyport/err.h"

static struct sp_addr parsed(const char *text)
{
    struct sp_addr a;
    ck_assert_msg(sp_addr_parse(text, &a) == 0, "%s", text);
    return a;
}

static struct sp_addr parsed_ip(const char *text)
{
    struct sp_addr a;
    ck_assert_msg(sp_addr_parse_ip(text, &a) == 0, "%s", text);
    return a;
}

START_TEST(good_addresses)
{
    static const struct {
        const char *text, *again, *ip;
        unsigned family, port;
    } cases[] = {
        {"10.0.0.1:3478", "10.0.0.1:3478", "10.0.0.1", SP_IPV4, 3478},
        {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", SP_IPV4, 0},
        {"255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255", SP_IPV4, 65535},
        {"[::1]:443", "[::1]:443", "::1", SP_IPV6, 443},
        {"[::]:1", "[::]:1", "::", SP_IPV6, 1},
        {"[2001:DB8:0:0:0:0:0:1]:80", "[2001:db8::1]:80", "2001:db8::1", SP_IPV6, 80},
        {"[::ffff:192.0.2.1]:9", "192.0.2.1:9", "192.0.2.1", SP_IPV4, 9},
        {"[::ffff:c000:201]:9", "192.0.2.1:9", "192.0.2.1", SP_IPV4, 9},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SP_IPV6, 65535},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        char text[SP_ADDR_STRLEN];
        struct sp_addr a = parsed(cases[i].text), without;
        ck_assert_uint_eq(a.family, cases[i].family);
        ck_assert_uint_eq(a.port, cases[i].port);
        ck_assert_ptr_eq(sp_addr_format(&a, text), text);
        ck_assert_str_eq(text, cases[i].again);
        ck_assert_ptr_eq(sp_addr_format_ip(&a, text), text);
        ck_assert_str_eq(text, cases[i].ip);

        without = parsed_ip(cases[i].ip);
        ck_assert_uint_eq(without.port, 0);
        ck_assert(sp_addr_same_ip(&a, &without));
    }
}
END_TEST

START_TEST(bad_addresses)
{
    static const char *const bad[] = {
        "",
        ":",
        ":3478",
        "3478",
        "10.0.0.1",
        "10.0.0.1:",
        "10.0.0.1:65536",
        "10.0.0.1:-1",
        "10.0.0.1:+1",
        "10.0.0.1: 1",
        "10.0.0.1:1 ",
        "10.0.0.1:01",
        "10.0.0.1:00",
        "10.0.0.1:0x1",
        "10.0.0.1:4294967297",
        "10.0.0.1:99999999999999999999999",
        "10.0.0:1",
        "10.0.0.256:1",
        "10.0.0.01:1",
        " 10.0.0.1:1",
        "10.0.0.1.:1",
        "::1:3478",
        "[::1]",
        "[::1]:",
        "[::1:1",
        "::1]:1",
        "[]:1",
        "[::1]]:1",
        "[[::1]]:1",
        "[10.0.0.1]:1",
        "[::1]x:1",
        "[::1%lo]:1",
        "[fffff::]:1",
        "[1::2::3]:1",
        "localhost:1",
        "*:1",
        "[::1]:1:2",
        "[:1",
        "]:1",
        "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555]:65535",
        "1111111111111111111111111111111111111111111111111111111111111111111111:1",
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        struct sp_addr a, before;
        memset(&a, 0xaa, sizeof a);
        before = a;
        ck_assert_msg(sp_addr_parse(bad[i], &a) == SP_EINVAL, "%s", bad[i]);
        ck_assert(sp_addr_eq(&a, &before));
    }
}
END_TEST

START_TEST(ip_without_port)
{
    static const char *const bad[] = {"",       "[",      "]",         "[]",          "[::1",
                                      "::1]",   "x",      "10.0.0.1:", "[1.2.3.4]",   "1.2.3",
                                      "[::1]]", "[::1] ", "::1 ",      "fe80::1%eth0"};
    struct sp_addr a = parsed_ip("::1"), b = parsed_ip("[::1]"), c = parsed_ip("::ffff:127.0.0.1");
    ck_assert(sp_addr_eq(&a, &b));
    ck_assert_uint_eq(c.family, SP_IPV4);
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        ck_assert_msg(sp_addr_parse_ip(bad[i], &a) == SP_EINVAL, "%s", bad[i]);
    ck_assert(sp_addr_eq(&a, &b));
}
END_TEST

START_TEST(comparing)
{
    struct sp_addr a = sp_addr_v4(192, 0, 2, 1, 5000), b = parsed("192.0.2.1:5000");
    ck_assert(sp_addr_eq(&a, &b));
    b.port = 5001;
    ck_assert(!sp_addr_eq(&a, &b));
    ck_assert(sp_addr_same_ip(&a, &b));
    b = parsed("192.0.2.2:5000");
    ck_assert(!sp_addr_same_ip(&a, &b));
    b = parsed("[c000:201::]:5000"); /* the same first bytes */
    ck_assert(!sp_addr_eq(&a, &b));
    ck_assert(!sp_addr_same_ip(&a, &b));
}
END_TEST

START_TEST(kinds_of_addresses)
{
    static const struct {
        const char *ip;
        size_t len;
        bool any, loopback;
    } cases[] = {
        {"0.0.0.0", 4, true, false},        {"127.0.0.1", 4, false, true},
        {"127.255.3.4", 4, false, true},    {"128.0.0.1", 4, false, false},
        {"0.0.0.1", 4, false, false},       {"::", 16, true, false},
        {"::1", 16, false, true},           {"::2", 16, false, false},
        {"1::1", 16, false, false},         {"::ffff:127.9.9.9", 4, false, true},
        {"::ffff:0.0.0.0", 4, true, false}, {"7f00::", 16, false, false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_addr a = parsed_ip(cases[i].ip);
        ck_assert_uint_eq(sp_addr_ip_len(&a), cases[i].len);
        ck_assert_int_eq(sp_addr_is_any(&a), cases[i].any);
        ck_assert_int_eq(sp_addr_is_loopback(&a), cases[i].loopback);
    }

    struct sp_addr none = {0};
    char text[SP_ADDR_STRLEN];
    ck_assert_uint_eq(sp_addr_ip_len(&none), 0);
    ck_assert(!sp_addr_is_any(&none));
    ck_assert(!sp_addr_is_loopback(&none));
    ck_assert_str_eq(sp_addr_format_ip(&none, text), "none");
    ck_assert_str_eq(sp_addr_format(&none, text), "none:0");
}
END_TEST

START_TEST(sockaddr_both_ways)
{
    static const char *const texts[] = {"192.0.2.7:65534", "[2001:db8::7]:1", "[::]:443"};
    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++) {
        struct sockaddr_storage ss;
        struct sp_addr a = parsed(texts[i]), b;
        bool v4 = a.family == SP_IPV4;

        memset(&ss, 0xff, sizeof ss);
        memset(&b, 0xff, sizeof b);
        socklen_t len = sp_addr_to_sockaddr(&a, false, &ss);
        ck_assert_uint_eq(len, v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        ck_assert_int_eq(ss.ss_family, v4 ? AF_INET : AF_INET6);
        ck_assert_int_eq(sp_addr_from_sockaddr((struct sockaddr *)&ss, &b), 0);
        ck_assert(sp_addr_eq(&a, &b));

        memset(&ss, 0xff, sizeof ss);
        memset(&b, 0xff, sizeof b);
        len = sp_addr_to_sockaddr(&a, true, &ss);
        ck_assert_uint_eq(len, sizeof(struct sockaddr_in6));
        ck_assert_int_eq(ss.ss_family, AF_INET6);
        ck_assert_int_eq(sp_addr_from_sockaddr((struct sockaddr *)&ss, &b), 0);
        ck_assert(sp_addr_eq(&a, &b));
    }
}
END_TEST

START_TEST(sockaddr_as_the_kernel_has_it)
{
    struct sockaddr_storage ss;
    struct sockaddr_in sin;
    struct sockaddr_in6 sin6;
    struct sp_addr a = sp_addr_v4(192, 0, 2, 7, 0x1234);

    sp_addr_to_sockaddr(&a, false, &ss);
    memcpy(&sin, &ss, sizeof sin);
    ck_assert_uint_eq(sin.sin_port, htons(0x1234));
    ck_assert_uint_eq(sin.sin_addr.s_addr, htonl(0xc0000207));

    sp_addr_to_sockaddr(&a, true, &ss);
    memcpy(&sin6, &ss, sizeof sin6);
    ck_assert_uint_eq(sin6.sin6_port, htons(0x1234));
    ck_assert(IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr));
    ck_assert_mem_eq(sin6.sin6_addr.s6_addr + 12, "\xc0\x00\x02\x07", 4);
    ck_assert_uint_eq(sin6.sin6_scope_id, 0);
    ck_assert_uint_eq(sin6.sin6_flowinfo, 0);
}
END_TEST

START_TEST(sockaddr_of_another_family)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNIX};
    struct sp_addr a = sp_addr_v4(1, 2, 3, 4, 5), before = a;
    ck_assert_int_eq(sp_addr_from_sockaddr((struct sockaddr *)&ss, &a), SP_EINVAL);
    ss.ss_family = AF_UNSPEC;
    ck_assert_int_eq(sp_addr_from_sockaddr((struct sockaddr *)&ss, &a), SP_EINVAL);
    ck_assert(sp_addr_eq(&a, &before));
}
END_TEST

START_TEST(blocks)
{
    static const struct {
        const char *block, *in, *out;
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"10.0.0.0/8", "10.0.0.0", "9.255.255.255"},
        {"100.64.0.0/10", "100.127.255.255", "100.128.0.0"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"192.0.2.1/32", "192.0.2.1", "192.0.2.0"},
        {"192.0.2.1", "192.0.2.1", "192.0.2.3"},
        {"0.0.0.0/0", "255.255.255.255", "::1"},
        {"128.0.0.0/1", "128.0.0.0", "127.255.255.255"},
        {"::/0", "ffff::", "1.2.3.4"},
        {"fd00::/8", "fdff::1", "fc00::1"},
        {"[fd00::]/8", "fdff::1", "fe00::1"},
        {"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
        {"2001:db8::1/128", "2001:db8::1", "2001:db8::"},
        {"2001:db8::1", "2001:db8::1", "2001:db8::3"},
        {"[::1]", "::1", "127.0.0.1"},
        {"::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"},
        {"::ffff:0:0/96", "1.2.3.4", "::1"},
        {"::ffff:10.0.0.1", "10.0.0.1", "10.0.0.0"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_cidr c;
        ck_assert_msg(sp_cidr_parse(cases[i].block, &c) == 0, "%s", cases[i].block);
        struct sp_addr in = parsed_ip(cases[i].in), out = parsed_ip(cases[i].out);
        in.port = 7; /* plays no part */
        ck_assert_uint_eq(c.base.port, 0);
        ck_assert_msg(sp_cidr_contains(&c, &in), "%s", cases[i].block);
        ck_assert_msg(!sp_cidr_contains(&c, &out), "%s", cases[i].block);
    }
}
END_TEST

START_TEST(bad_blocks)
{
    static const char *const bad[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/8/8",
        "10.0.0.0/8 ",
        "10.0.0.0 /8",
        "10.0.0.1/31",
        "10.1.0.0/8",
        "128.0.0.0/0",
        "10.0.0.0:1/8",
        "::/129",
        "::1/127",
        "fd00::1/8",
        "8000::/0",
        "x/8",
        "10/8",
        "[::1/128",
        "::1]/128",
        "[::1/128]",
        "::ffff:10.0.0.0/95",
        "::ffff:0:0/90",
        "::ffff:10.0.0.0/102",
        "::ffff:10.0.0.0/129",
        "::ffff:10.0.0.0/8",
        "fe80::%lo/64",
        "10.0.0.0/4294967304",
        "1111111111111111111111111111111111111111111111111111111111111111111111/8",
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        struct sp_cidr c = {.bits = 77};
        ck_assert_msg(sp_cidr_parse(bad[i], &c) == SP_EINVAL, "%s", bad[i]);
        ck_assert_uint_eq(c.bits, 77);
    }
}
END_TEST

START_TEST(every_prefix_length)
{
    struct sp_addr all = parsed_ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    for (unsigned bits = 1; bits <= 128; bits++) {
        struct sp_cidr c = {.base = {.family = SP_IPV6}, .bits = bits};
        struct sp_addr a = all;
        for (unsigned i = 0; i < bits; i++)
            c.base.ip[i / 8] |= (uint8_t)(0x80 >> i % 8);
        ck_assert(sp_cidr_contains(&c, &a));
        ck_assert(sp_cidr_contains(&c, &c.base));
        a.ip[(bits - 1) / 8] ^= (uint8_t)(0x80 >> (bits - 1) % 8);
        ck_assert(!sp_cidr_contains(&c, &a));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("addr");
    TCase *tc = tcase_create("addr");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, good_addresses);
    tcase_add_test(tc, bad_addresses);
    tcase_add_test(tc, ip_without_port);
    tcase_add_test(tc, comparing);
    tcase_add_test(tc, kinds_of_addresses);
    tcase_add_test(tc, sockaddr_both_ways);
    tcase_add_test(tc, sockaddr_as_the_kernel_has_it);
    tcase_add_test(tc, sockaddr_of_another_family);
    tcase_add_test(tc, blocks);
    tcase_add_test(tc, bad_blocks);
    tcase_add_test(tc, every_prefix_length);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
