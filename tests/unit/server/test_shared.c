/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shared.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "sallyport/sock.h"

struct rig {
    struct sp_shared_config c;
    struct sp_shared *s;
    char why[SP_SHARED_WHY_MAX];
};

static const struct rig everything = {
    .c = {.serve = SP_SERVE_TUNNEL | SP_SERVE_TURN | SP_SERVE_SITE,
          .tunnel_path = "/.well-known/sallyport"}};

static int start(struct rig *r)
{
    return sp_shared_new(&r->c, &r->s, r->why);
}

static unsigned status_of(const struct rig *r, const char *request)
{
    struct sp_http_head h;
    struct sp_site_answer a;
    size_t used;

    ck_assert_ptr_nonnull(r->s);
    ck_assert_int_eq(sp_http_parse_request(sp_span_str(request), &h, &used), 0);
    sp_site_serve(r->s->site, &h, 0, &a);
    return a.status;
}

START_TEST(site)
{
    struct rig r = everything;

    ck_assert_int_eq(start(&r), 0);
    ck_assert_uint_eq(status_of(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    sp_shared_free(r.s);
    r.c.serve = SP_SERVE_TUNNEL;
    ck_assert_int_eq(start(&r), 0);
    ck_assert_uint_eq(status_of(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    sp_shared_free(r.s);
    r.c.serve = SP_SERVE_SITE;
    r.c.site = "/proc/self"; /* a folder without an index.html */
    ck_assert_int_eq(start(&r), 0);
    ck_assert_uint_eq(status_of(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    sp_shared_free(r.s);
    r.c.site = "/no/such/folder";
    ck_assert_int_eq(start(&r), SP_EINVAL);
    ck_assert_ptr_nonnull(strstr(r.why, "/no/such/folder (--site): No such file"));
}
END_TEST

/* Neither by its interfaces' addresses nor by its public face is this host a peer. */
START_TEST(own_addresses)
{
    struct sp_addr public_ = sp_addr_v4(8, 8, 4, 4, 53), other = sp_addr_v4(8, 8, 8, 8, 53);
    struct sp_cidr all;
    struct sp_addr own[64];
    struct rig r = everything;

    ck_assert_int_eq(sp_cidr_parse("0.0.0.0/0", &all), 0);
    r.c.allow = &all;
    r.c.n_allow = 1;
    r.c.own = &public_;
    r.c.n_own = 1;
    struct sp_peer_policy *policy;

    ck_assert_int_eq(start(&r), 0);
    ck_assert_int_eq(sp_shared_make_policy(r.s, &policy), 0);
    ck_assert(sp_peer_policy_allows(policy, &other));
    ck_assert(!sp_peer_policy_allows(policy, &public_));
    size_t n = sp_sock_own_addrs(own, SP_ARRAY_LEN(own));
    ck_assert_uint_gt(n, 0);
    for (size_t i = 0; i < n && i < SP_ARRAY_LEN(own); i++)
        ck_assert(!sp_peer_policy_allows(policy, &own[i]));
    sp_peer_policy_free(policy);
    sp_shared_free(r.s);
}
END_TEST

START_TEST(no_memory_for_a_policy)
{
    struct sp_peer_policy *policy = NULL;
    struct rig r = everything;
    unsigned k = 1;

    ck_assert_int_eq(start(&r), 0);
    for (;; k++) {
        alloc_fail_at(k);
        int err = sp_shared_make_policy(r.s, &policy);
        if (!alloc_fail_disarm())
            break;
        if (err == 0) { /* the system could not say its addresses */
            sp_peer_policy_free(policy);
            policy = NULL;
            continue;
        }
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_ptr_null(policy);
    }
    ck_assert_uint_gt(k, 2);
    sp_peer_policy_free(policy);
    sp_shared_free(r.s);
}
END_TEST

START_TEST(no_memory)
{
    for (unsigned k = 1;; k++) {
        struct rig r = everything;

        alloc_fail_at(k);
        int err = start(&r);
        if (!alloc_fail_disarm()) {
            ck_assert_int_eq(err, 0);
            ck_assert_uint_gt(k, 1);
            sp_shared_free(r.s);
            break;
        }
        if (err == 0) { /* what the system's own calls can do without */
            sp_shared_free(r.s);
            continue;
        }
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_ptr_null(r.s);
        ck_assert_str_eq(r.why, "no memory");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shared");
    TCase *tc = tcase_create("shared");

    tcase_add_test(tc, site);
    tcase_add_test(tc, own_addresses);
    tcase_add_test(tc, no_memory_for_a_policy);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
