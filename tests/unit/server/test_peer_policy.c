/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peer_policy.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"

static struct sp_peer_policy *policy;

static void setup(void)
{
    ck_assert_int_eq(sp_peer_policy_new(&policy), 0);
}

static void teardown(void)
{
    sp_peer_policy_free(policy);
}

static struct sp_addr addr(const char *text)
{
    struct sp_addr a;

    ck_assert_msg(sp_addr_parse_ip(text, &a) == 0, "%s", text);
    return a;
}

static bool allowed(const char *text)
{
    struct sp_addr a = addr(text);

    return sp_peer_policy_allows(policy, &a);
}

static void allow(const char *text)
{
    struct sp_cidr c;

    ck_assert_int_eq(sp_cidr_parse(text, &c), 0);
    ck_assert_int_eq(sp_peer_policy_allow(policy, &c), 0);
}

static void deny(const char *text)
{
    struct sp_cidr c;

    ck_assert_int_eq(sp_cidr_parse(text, &c), 0);
    ck_assert_int_eq(sp_peer_policy_deny(policy, &c), 0);
}

static void own(const char *text)
{
    struct sp_addr a = addr(text);

    ck_assert_int_eq(sp_peer_policy_own(policy, &a), 0);
}

/* The edges of each block, and what a caller has tried or would try. */
static const struct {
    const char *ip;
    bool allowed;
} verdicts[] = {
    /* IPv4: the first and the last address of each block, and their neighbours outside. */
    {"0.0.0.0", false},
    {"0.0.0.1", false},
    {"0.255.255.255", false},
    {"1.0.0.0", true},
    {"1.1.1.1", true},
    {"9.255.255.255", true},
    {"10.0.0.0", false},
    {"10.255.255.255", false},
    {"11.0.0.0", true},
    {"100.63.255.255", true},
    {"100.64.0.0", false},
    {"100.100.100.200", false}, /* Alibaba */
    {"100.127.255.255", false},
    {"100.128.0.0", true},
    {"126.255.255.255", true},
    {"127.0.0.0", false},
    {"127.0.0.1", false},
    {"127.255.255.255", false},
    {"128.0.0.0", true},
    {"168.63.129.15", true},
    {"168.63.129.16", false}, /* Azure */
    {"168.63.129.17", true},
    {"169.253.255.255", true},
    {"169.254.0.0", false},
    {"169.254.169.254", false}, /* most clouds */
    {"169.254.170.2", false},   /* Amazon, containers */
    {"169.254.255.255", false},
    {"169.255.0.0", true},
    {"172.15.255.255", true},
    {"172.16.0.0", false},
    {"172.17.0.2", false},
    {"172.31.255.255", false},
    {"172.32.0.0", true},
    {"191.255.255.255", true},
    {"192.0.0.0", false},
    {"192.0.0.192", false}, /* Oracle */
    {"192.0.0.255", false},
    {"192.0.1.0", true},
    {"192.0.2.0", false},
    {"192.0.2.255", false},
    {"192.0.3.0", true},
    {"192.88.98.255", true},
    {"192.88.99.1", false},
    {"192.88.100.0", true},
    {"192.167.255.255", true},
    {"192.168.0.0", false},
    {"192.168.255.255", false},
    {"192.169.0.0", true},
    {"198.17.255.255", true},
    {"198.18.0.0", false},
    {"198.19.255.255", false},
    {"198.20.0.0", true},
    {"198.51.99.255", true},
    {"198.51.100.0", false},
    {"198.51.100.255", false},
    {"198.51.101.0", true},
    {"203.0.112.255", true},
    {"203.0.113.0", false},
    {"203.0.113.255", false},
    {"203.0.114.0", true},
    {"223.255.255.255", true},
    {"224.0.0.0", false},
    {"239.255.255.255", false},
    {"240.0.0.0", false},
    {"255.255.255.254", false},
    {"255.255.255.255", false},
    /* IPv6 */
    {"::", false},
    {"::1", false},
    {"64:ff9b:1::1", false},
    {"64:ff9b:1:ffff::808:808", false},
    {"64:ff9b:2::1", false}, /* not global unicast */
    {"100::1", false},
    {"100:0:0:1::", false},
    {"100:0:0:2::", false},
    {"1fff:ffff::1", false},
    {"2000::1", true},
    {"2001:1::1", false}, /* PCP anycast: the router of the server's network */
    {"2001:1::2", false}, /* TURN anycast */
    {"2001:1:ffff::1", false},
    {"2001:2::1", false},
    {"2001:2:1::1", false},
    {"2001:4:112::1", false},
    {"2001:10::1", false},
    {"2001:1f:ffff::1", false},
    {"2001:20::1", false},
    {"2001:2f:ffff::1", false},
    {"2001:30::1", false},
    {"2001:1ff:ffff::1", false},
    {"2001:200::1", true},
    {"2001:db7:ffff::1", true},
    {"2001:db8::1", false},
    {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", false},
    {"2001:db9::1", true},
    {"2606:4700:4700::1111", true},
    {"3ffe:ffff::1", true},
    {"3fff::1", false},
    {"3fff:fff:ffff::1", false},
    {"3fff:1000::1", true},
    {"3fff:ffff:ffff::1", true},
    {"4000::1", false},
    {"5eff::1", false},
    {"5f00::1", false},
    {"5f01::1", false},
    {"7fff::1", false},
    {"8000::1", false},
    {"a000::1", false},
    {"fbff::1", false},
    {"fc00::1", false},
    {"fd00:ec2::254", false}, /* Amazon */
    {"fd20:ce::254", false},  /* Google */
    {"fdff:ffff::1", false},
    {"fe00::1", false},
    {"fe80::1", false},
    {"febf::1", false},
    {"fec0::1", false},
    {"feff::1", false},
    {"ff00::1", false},
    {"ff02::1", false},
    {"ffff::1", false},
    /* IPv4 inside IPv6 */
    {"::ffff:127.0.0.1", false},
    {"::ffff:10.1.2.3", false},
    {"::ffff:169.254.169.254", false},
    {"::ffff:8.8.8.8", true},
    {"::127.0.0.1", false},
    {"::10.0.0.1", false},
    {"::8.8.8.8", true},
    {"64:ff9b::127.0.0.1", false},
    {"64:ff9b::10.0.0.1", false},
    {"64:ff9b::169.254.169.254", false},
    {"64:ff9b::168.63.129.16", false},
    {"64:ff9b::255.255.255.255", false},
    {"64:ff9b::8.8.8.8", true},
    {"64:ff9b::1:808:808", false}, /* outside the /96 */
    {"::ffff:0:127.0.0.1", false}, /* IPv4-translated */
    {"::ffff:0:8.8.8.8", true},
    {"::fffe:0:8.8.8.8", false},
    {"2002:7f00:1::", false},
    {"2002:a9fe:a9fe::1", false},
    {"2002:c0a8:101::1", false},
    {"2002:808:808::1", true},
    {"2001:0:808:808:0:0:f7f7:f7f7", true},  /* server and client 8.8.8.8 */
    {"2001:0:808:808:0:0:80ff:fffe", false}, /* client 127.0.0.1 */
    {"2001:0:808:808:0:0:f5ff:fffe", false}, /* client 10.0.0.1 */
    {"2001:0:7f00:1:0:0:f7f7:f7f7", false},  /* server 127.0.0.1 */
    {"2001:0:808:808:0:0:5601:5601", false}, /* client 169.254.169.254 */
};

START_TEST(verdict)
{
    ck_assert_msg(allowed(verdicts[_i].ip) == verdicts[_i].allowed, "%s: should be %s",
                  verdicts[_i].ip, verdicts[_i].allowed ? "allowed" : "denied");
}
END_TEST

/* An address that was put together by hand may still be mapped. */
START_TEST(mapped_by_hand)
{
    struct sp_addr a = {.family = SP_IPV6, .ip = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}};

    ck_assert(!sp_peer_policy_allows(policy, &a));
    memcpy(a.ip + 12, "\x08\x08\x08\x08", 4);
    ck_assert(sp_peer_policy_allows(policy, &a));
    deny("8.8.8.0/24");
    ck_assert(!sp_peer_policy_allows(policy, &a));
}
END_TEST

START_TEST(no_family_is_denied)
{
    struct sp_addr a = {.family = SP_FAMILY_NONE};

    ck_assert(!sp_peer_policy_allows(policy, &a));
    a.family = 3;
    ck_assert(!sp_peer_policy_allows(policy, &a));
}
END_TEST

START_TEST(the_port_does_not_matter)
{
    struct sp_addr a = addr("127.0.0.1");

    a.port = 443;
    ck_assert(!sp_peer_policy_allows(policy, &a));
    allow("127.0.0.1/32");
    ck_assert(sp_peer_policy_allows(policy, &a));
}
END_TEST

START_TEST(allow_beats_the_builtin_list)
{
    ck_assert(!allowed("10.1.2.3"));
    allow("10.1.0.0/16");
    ck_assert(allowed("10.1.2.3"));
    ck_assert(!allowed("10.2.0.1"));
    allow("2001:db8:5::/48");
    ck_assert(allowed("2001:db8:5::9"));
    ck_assert(!allowed("2001:db8:6::9"));
}
END_TEST

START_TEST(longer_beats_shorter_in_any_order)
{
    deny("1.0.0.0/8");
    allow("1.2.0.0/16");
    deny("1.2.3.0/24");
    allow("1.2.3.4");
    ck_assert(!allowed("1.1.1.1"));
    ck_assert(allowed("1.2.2.2"));
    ck_assert(!allowed("1.2.3.3"));
    ck_assert(allowed("1.2.3.4"));
}
END_TEST

START_TEST(shorter_after_longer)
{
    allow("1.2.3.4");
    deny("1.2.3.0/24");
    allow("1.2.0.0/16");
    deny("0.0.0.0/0");
    ck_assert(!allowed("9.9.9.9"));
    ck_assert(allowed("1.2.2.2"));
    ck_assert(!allowed("1.2.3.3"));
    ck_assert(allowed("1.2.3.4"));
}
END_TEST

START_TEST(equal_prefixes_deny)
{
    if (_i == 0) {
        allow("1.2.3.0/24");
        deny("1.2.3.0/24");
    } else {
        deny("1.2.3.0/24");
        allow("1.2.3.0/24");
    }
    ck_assert(!allowed("1.2.3.4"));
}
END_TEST

/* What is said of an IPv4 address counts for all its disguises; a rule for a disguise counts by the
 * bits that it names. */
START_TEST(rules_look_inside)
{
    deny("8.8.8.8");
    ck_assert(!allowed("64:ff9b::8.8.8.8"));
    ck_assert(!allowed("2002:808:808::1"));
    ck_assert(allowed("64:ff9b::8.8.4.4"));
    allow("10.0.0.0/8");
    ck_assert(allowed("64:ff9b::10.0.0.1"));
    deny("64:ff9b::/96"); /* 96 bits: less than the 104 of 10.0.0.0/8 within */
    ck_assert(allowed("64:ff9b::10.0.0.1"));
    ck_assert(!allowed("64:ff9b::8.8.4.4"));
    deny("64:ff9b::a00:1");
    ck_assert(!allowed("64:ff9b::10.0.0.1"));
    ck_assert(allowed("10.0.0.1"));
}
END_TEST

START_TEST(own_addresses)
{
    own("5.5.5.5");
    own("2a00::5");
    ck_assert(!allowed("5.5.5.5"));
    ck_assert(!allowed("2a00::5"));
    ck_assert(!allowed("64:ff9b::5.5.5.5"));
    ck_assert(allowed("5.5.5.6"));
    allow("5.5.5.0/24"); /* not by name */
    ck_assert(!allowed("5.5.5.5"));
    allow("0.0.0.0/0");
    ck_assert(!allowed("5.5.5.5"));
    allow("5.5.5.5");
    ck_assert(allowed("5.5.5.5"));
    deny("5.5.5.5");
    ck_assert(!allowed("5.5.5.5"));
}
END_TEST

static void set_host(const char *const *texts, size_t n)
{
    struct sp_addr ips[4];

    for (size_t i = 0; i < n; i++)
        ips[i] = addr(texts[i]);
    ck_assert_int_eq(sp_peer_policy_set_host(policy, ips, n), 0);
}

/* What interfaces have now takes the place of what they had; who remembers answers is told. */
START_TEST(addresses_of_the_host)
{
    uint32_t was;

    own("5.5.5.5");
    set_host((const char *[]){"6.6.6.6", "2a00::6"}, 2);
    ck_assert(!allowed("6.6.6.6"));
    ck_assert(!allowed("2a00::6"));
    ck_assert(!allowed("64:ff9b::6.6.6.6"));
    was = sp_peer_policy_generation(policy);
    set_host((const char *[]){"2a00::6", "6.6.6.6"}, 2);
    ck_assert_uint_eq(sp_peer_policy_generation(policy), was);
    set_host((const char *[]){"2a00::6", "7.7.7.7"}, 2);
    ck_assert_uint_gt(sp_peer_policy_generation(policy), was);
    ck_assert(allowed("6.6.6.6"));
    ck_assert(!allowed("7.7.7.7"));
    ck_assert(!allowed("2a00::6"));
    set_host(NULL, 0);
    ck_assert(allowed("7.7.7.7"));
    ck_assert(!allowed("5.5.5.5"));
}
END_TEST

/* Hairpin asks who said no. */
START_TEST(who_denied_it)
{
    static const struct {
        const char *ip;
        enum sp_peer_verdict verdict;
    } rows[] = {
        {"8.8.8.8", SP_PEER_ALLOWED},  {"10.0.0.1", SP_PEER_DENIED},
        {"5.5.5.5", SP_PEER_DENIED},   {"6.6.6.6", SP_PEER_REFUSED},
        {"10.9.9.9", SP_PEER_REFUSED}, {"64:ff9b::10.9.9.9", SP_PEER_REFUSED},
    };

    own("5.5.5.5");
    own("6.6.6.6");
    deny("6.6.6.0/24");
    deny("10.9.0.0/16");
    for (size_t i = 0; i < SP_ARRAY_LEN(rows); i++) {
        struct sp_addr a = addr(rows[i].ip);
        ck_assert_msg(sp_peer_policy_judge(policy, &a) == rows[i].verdict, "%s", rows[i].ip);
    }
    allow("6.6.6.6");
    struct sp_addr a = addr("6.6.6.6");
    ck_assert_int_eq(sp_peer_policy_judge(policy, &a), SP_PEER_ALLOWED);
}
END_TEST

START_TEST(the_list_is_published)
{
    size_t n = 0;

    for (const struct sp_peer_policy_builtin *b; (b = sp_peer_policy_builtin(n)) != NULL; n++) {
        struct sp_cidr c;

        ck_assert_msg(sp_cidr_parse(b->cidr, &c) == 0, "%s", b->cidr);
        ck_assert(!sp_peer_policy_allows(policy, &c.base));
        ck_assert(b->why[0] != '\0');
    }
    ck_assert_uint_gt(n, 30);
}
END_TEST

START_TEST(generation_grows_with_each_rule)
{
    uint32_t was = sp_peer_policy_generation(policy);

    ck_assert_uint_ne(was, 0);
    allow("1.2.3.4");
    ck_assert_uint_gt(sp_peer_policy_generation(policy), was);
    was = sp_peer_policy_generation(policy);
    deny("1.2.3.4");
    ck_assert_uint_gt(sp_peer_policy_generation(policy), was);
    was = sp_peer_policy_generation(policy);
    own("1.2.3.4");
    ck_assert_uint_gt(sp_peer_policy_generation(policy), was);
}
END_TEST

START_TEST(no_memory)
{
    struct sp_peer_policy *p = NULL;
    struct sp_addr a = addr("7.7.7.7");
    struct sp_cidr c = {a, 32};

    alloc_fail_at(1);
    int err = sp_peer_policy_new(&p);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert_ptr_null(p);

    alloc_fail_at(1);
    err = sp_peer_policy_deny(policy, &c);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    alloc_fail_at(1);
    err = sp_peer_policy_own(policy, &a);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert(allowed("7.7.7.7"));
    alloc_fail_at(1);
    err = sp_peer_policy_set_host(policy, &a, 1);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert(allowed("7.7.7.7"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("peer_policy");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, verdict, 0, (int)SP_ARRAY_LEN(verdicts));
    tcase_add_test(t, mapped_by_hand);
    tcase_add_test(t, no_family_is_denied);
    tcase_add_test(t, the_port_does_not_matter);
    tcase_add_test(t, allow_beats_the_builtin_list);
    tcase_add_test(t, longer_beats_shorter_in_any_order);
    tcase_add_test(t, shorter_after_longer);
    tcase_add_loop_test(t, equal_prefixes_deny, 0, 2);
    tcase_add_test(t, rules_look_inside);
    tcase_add_test(t, own_addresses);
    tcase_add_test(t, addresses_of_the_host);
    tcase_add_test(t, who_denied_it);
    tcase_add_test(t, the_list_is_published);
    tcase_add_test(t, generation_grows_with_each_rule);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
