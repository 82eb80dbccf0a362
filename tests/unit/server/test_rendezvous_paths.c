/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which way an end is reached: paths that prove themselves, what is refused, bounds, leases. */
#include "rdv_rig.h"

/* --- paths ---------------------------------------------------------------------------------- */

START_TEST(a_call_begins)
{
    struct transport va, vb;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    request(a, 1, "BBBB:AAAA");
    ck_assert_uint_eq(vb.got, 1); /* unproven, but the only one */
    ck_assert_uint_eq(vb.last_len, 20 + 4 + 12);
    media(a);
    ck_assert_uint_eq(vb.got, 1);
    ck_assert_uint_eq(counters()->refused_unproven, 1);
    success(b, 1);
    ck_assert_uint_eq(va.got, 1);
    ck_assert(sp_rdv_path_proven(a));
    ck_assert(!sp_rdv_path_proven(b));
    ck_assert(!view().connected);
    media(a); /* the other one has nothing proven yet: it waits */
    ck_assert_uint_eq(vb.got, 1);
    request(b, 2, "AAAA:BBBB");
    success(a, 2);
    ck_assert(view().connected);
    ck_assert_uint_eq(vb.got, 3);
    media(b);
    ck_assert_uint_eq(va.got, 3);
    ck_assert_str_eq(view().ends[0].way, "ice-tcp");
    ck_assert_uint_eq(view().ends[0].datagrams_in, 3);
    ck_assert_uint_eq(counters()->forwarded, 6);
    ck_assert_uint_eq(counters()->connected, 1);
    close_registry();
}
END_TEST

/* Whoever comes first has nobody to check yet: his last check is there for the other one. */
START_TEST(a_check_waits_for_the_far_end)
{
    struct transport va, vb, vb2;

    open_session();
    struct sp_rdv_path *a = path(0, &va);
    request(a, 1, "BBBB:AAAA");
    request(a, 2, "BBBB:AAAA");
    ck_assert_uint_eq(counters()->refused_no_path, 1); /* the first one */
    struct sp_rdv_path *b = path(1, &vb);
    ck_assert_uint_eq(vb.got, 0); /* who has not said yet what he is */
    request(b, 3, "AAAA:BBBB");
    ck_assert_uint_eq(vb.got, 1);
    ck_assert_uint_eq(va.got, 1);
    success(b, 2);
    ck_assert(sp_rdv_path_proven(a));
    (void)path(1, &vb2);
    request(b, 4, "AAAA:BBBB");
    ck_assert_uint_eq(vb.got, 1); /* once */
    close_registry();

    open_session();
    a = path(0, &va);
    request(a, 1, "BBBB:AAAA");
    t.now_us += 1000000; /* its browser has long asked again */
    b = path(1, &vb);
    request(b, 3, "AAAA:BBBB");
    ck_assert_uint_eq(vb.got, 0);
    close_registry();
}
END_TEST

START_TEST(a_new_path_gets_nothing_but_its_answers)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    struct sp_rdv_path *x = path(1, &vx); /* somebody who saw the fragments */
    request(a, 3, "BBBB:AAAA");
    media(a);
    ck_assert_uint_eq(vx.got, 0);
    success(x, 3); /* it can't answer for the end */
    ck_assert_uint_eq(va.got, 2);
    ck_assert_uint_eq(counters()->refused_unproven, 1);
    request(x, 4, "AAAA:BBBB");
    ck_assert_uint_eq(va.got, 3);
    sp_rdv_input(a, stun(SP_STUN_ERROR, 4, NULL), t.now_us); /* a wrong MESSAGE-INTEGRITY */
    ck_assert_uint_eq(vx.got, 1);
    ck_assert(!sp_rdv_path_proven(x));
    media(a);
    ck_assert_uint_eq(vx.got, 1);
    request(x, 5, "AAAA:BBBB");
    success(a, 5); /* it was the browser itself, from another network */
    ck_assert(sp_rdv_path_proven(x));
    media(a);
    ck_assert_uint_eq(vx.got, 3);
    media(b); /* it uses the old one again */
    media(a);
    ck_assert_uint_eq(vx.got, 3);
    close_registry();
}
END_TEST

START_TEST(who_may_be_forged_gets_little)
{
    struct transport va, vx[2], vt;
    struct sp_rdv_path *x[2], *a;

    open_session();
    a = path(0, &va);
    path(1, &vt); /* a connection can't be */
    for (unsigned i = 0; i < 2; i++) {
        vx[i] = (struct transport){0};
        ck_assert_int_eq(sp_rdv_path_add(t.s, 1, SP_RDV_UDP, &vx[i], t.now_us, &x[i]), 0);
        request(x[i], (uint8_t)(200 + i), "AAAA:BBBB");
    }
    for (unsigned i = 0; i < 10; i++)
        request(a, (uint8_t)(10 + i), "BBBB:AAAA");
    ck_assert_uint_eq(vx[0].got, 3);
    ck_assert_uint_eq(vx[1].got, 3);
    ck_assert_uint_eq(vt.got, 10);
    ck_assert_uint_eq(counters()->refused_no_path, 14);
    success(x[0], 10);
    success(a, 200); /* it is no stranger */
    for (unsigned i = 0; i < 10; i++)
        media(a);
    ck_assert_uint_eq(vx[0].got, 3 + 1 + 10);
    close_registry();
}
END_TEST

START_TEST(what_is_refused)
{
    struct transport va, vb;
    struct sp_stun_builder b;
    size_t len;
    uint8_t id[SP_STUN_ID_LEN] = {9};

    open_session();
    struct sp_rdv_path *pa = path(0, &va), *pb = path(1, &vb);
    introduce(pa, pb);
    unsigned before = vb.got;
    request(pa, 3, "BBBB:XXXX");
    request(pa, 3, NULL);
    ck_assert_uint_eq(counters()->refused_unknown, 2);
    success(pa, 200);
    ck_assert_uint_eq(counters()->refused_unasked, 1);
    sp_rdv_input(pa, sp_span(stun(SP_STUN_REQUEST, 1, "BBBB:AAAA").p, 24), t.now_us);
    sp_stun_begin(&b, buffer, sizeof buffer, SP_TURN_ALLOCATE, SP_STUN_REQUEST, id);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    sp_rdv_input(pa, sp_span(buffer, len), t.now_us);
    ck_assert_uint_eq(counters()->refused_malformed, 2);
    ck_assert_uint_eq(vb.got, before);
    sp_rdv_input(pa, stun(SP_STUN_INDICATION, 1, NULL), t.now_us); /* a keep-alive */
    ck_assert_uint_eq(vb.got, before + 1);
    close_registry();
}
END_TEST

START_TEST(paths_have_a_bound)
{
    struct transport via[SP_RDV_UNPROVEN_MAX + 1], va, vb, more[SP_RDV_PROVEN_MAX];

    open_session();
    for (size_t i = 0; i < SP_ARRAY_LEN(via); i++) {
        t.now_us++;
        path(0, &via[i]);
    }
    ck_assert(via[0].closed);
    ck_assert(!via[1].closed);
    ck_assert_uint_eq(counters()->paths_pushed_out, 1);
    ck_assert_uint_eq(view().ends[0].unproven, SP_RDV_UNPROVEN_MAX);
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    for (size_t i = 0; i < SP_ARRAY_LEN(more); i++) {
        t.now_us++;
        request(path(1, &more[i]), (uint8_t)(20 + i), "AAAA:BBBB");
        success(a, (uint8_t)(20 + i));
    }
    ck_assert(vb.closed);
    ck_assert(!more[0].closed);
    ck_assert_uint_eq(view().ends[1].paths, SP_RDV_PROVEN_MAX);
    close_registry();
}
END_TEST

static void path_from(unsigned end, struct transport *via, uint8_t host, uint16_t port)
{
    const struct sp_addr from = sp_addr_v4(192, 0, 2, host, port);

    t.now_us++;
    sp_rdv_path_set_remote(path(end, via), &from);
}

/* Who knows both fragments and comes again and again keeps nobody else from proving himself. */
START_TEST(strangers_push_out_each_other)
{
    static struct transport theirs[200];
    struct transport browsers[2], gateway = {0};
    struct sp_rdv_path *p;

    open_session();
    path_from(0, &browsers[0], 1, 1000);
    path_from(0, &browsers[1], 1, 1001);
    for (uint16_t i = 0; i < 100; i++)
        path_from(0, &theirs[i], 66, i);
    /* one of the two is left, however long it is silent */
    ck_assert_uint_eq(browsers[0].closed + browsers[1].closed, 1);
    ck_assert(!theirs[99].closed);
    ck_assert_int_eq(sp_rdv_path_add(t.s, 0, SP_RDV_GATEWAY, &gateway, t.now_us, &p), 0);
    for (uint16_t i = 0; i < 100; i++)
        path_from(0, &theirs[100 + i], (uint8_t)(100 + i), i);
    ck_assert(!gateway.closed);
    ck_assert_uint_eq(view().ends[0].unproven, SP_RDV_UNPROVEN_MAX);
    close_registry();
}
END_TEST

/* Who is where the end was joined from gives way to no stranger, from however many addresses. */
START_TEST(a_holder_gives_way_to_no_stranger)
{
    static struct transport theirs[200];
    const struct sp_addr home = sp_addr_v4(192, 0, 2, 1, 40000);
    struct sp_rdv_join j = {.holder = sp_span_str(HOLDER_A), .ufrag = sp_span_str("AAAA")};
    struct transport browsers[2], elsewhere;

    open_session();
    j.from = &home;
    ck_assert_int_eq(sp_rdv_join(t.s, 0, &j, t.now_us), 0);
    path_from(0, &browsers[0], 1, 1000);
    path_from(0, &browsers[1], 7, 1001); /* its other interface */
    for (unsigned i = 0; i < SP_ARRAY_LEN(theirs); i++) {
        const struct sp_addr from = sp_addr_v4(203, (uint8_t)i, 113, 5, 6);
        t.now_us++;
        sp_rdv_path_set_remote(path(0, &theirs[i]), &from);
    }
    ck_assert(!browsers[0].closed && !browsers[1].closed);
    /* many of one prefix push out none of another one */
    const struct sp_addr mobile = sp_addr_v4(198, 51, 100, 9, 6);
    sp_rdv_path_set_remote(path(0, &elsewhere), &mobile);
    for (uint16_t i = 0; i < 100; i++) {
        const struct sp_addr from = sp_addr_v4(203, 0, 113, (uint8_t)i, i);
        theirs[i] = (struct transport){0};
        t.now_us++;
        sp_rdv_path_set_remote(path(0, &theirs[i]), &from);
    }
    ck_assert(!browsers[0].closed && !browsers[1].closed);
    close_registry();
}
END_TEST

START_TEST(a_path_has_to_prove_itself_in_time)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    path(0, &vx);
    run_to(T0 + SP_SEC(9));
    ck_assert(!vx.closed);
    run_to(T0 + SP_SEC(11));
    ck_assert(vx.closed);
    ck_assert(!va.closed);
    ck_assert_uint_eq(counters()->paths_never_proven, 1);
    close_registry();
}
END_TEST

START_TEST(the_sending_path_ends)
{
    struct transport va, va2, vb;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb), *a2 = path(0, &va2);
    introduce(a, b);
    request(a2, 8, "BBBB:AAAA");
    success(b, 8);
    sp_rdv_path_remove(a2);
    unsigned before = va.got;
    media(b);
    ck_assert_uint_eq(va.got, before + 1);
    sp_rdv_path_remove(a);
    for (unsigned i = 0; i < 20; i++) /* the last wait for a while, and then are worth nothing */
        media(b);
    a = path(0, &va);
    t.now_us += SP_SEC(1);
    request(a, 9, "BBBB:AAAA");
    success(b, 9);
    ck_assert_uint_eq(va.got, 1);
    close_registry();
}
END_TEST

/* --- leases --------------------------------------------------------------------------------- */

START_TEST(an_end_lives_while_something_comes)
{
    struct transport va, vb;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    for (uint64_t at_us = T0; at_us < T0 + TTL_US + 2 * IDLE_US; at_us += SP_SEC(5)) {
        run_to(at_us);
        media(a);
        if (at_us < T0 + TTL_US)
            media(b);
    }
    ck_assert_uint_eq(t.released[1], 1);
    ck_assert(vb.closed);
    ck_assert_uint_eq(t.released[0], 0);
    ck_assert(!va.closed);
    ck_assert(view().ends[0].joined);
    ck_assert(!view().ends[1].joined);
    ck_assert_int_eq(join(1, HOLDER_A, "BBB2"), SP_EEXIST); /* it has its holder still */
    ck_assert_int_eq(join(1, HOLDER_B, "BBB2"), 0);
    b = path(1, &vb);
    request(b, 9, "AAAA:BBB2");
    success(a, 9);
    ck_assert(sp_rdv_path_proven(b));
    run_to(t.now_us + IDLE_US + SP_SEC(1));
    ck_assert_uint_eq(sp_rdv_count(t.r), 0);
    close_registry();
}
END_TEST

/* Who only knows the fragments keeps nothing alive. */
START_TEST(a_stranger_keeps_no_lease)
{
    struct transport vx[16];
    size_t n = 0;

    open_session();
    for (uint64_t at_us = T0; at_us < T0 + TTL_US + SP_SEC(1); at_us += SP_SEC(1)) {
        run_to(at_us);
        if (sp_rdv_count(t.r) > 0 && at_us % SP_SEC(8) == 0) {
            n++;
            request(path(0, &vx[n]), (uint8_t)n, "BBBB:AAAA");
        }
    }
    run_to(T0 + TTL_US + SP_SEC(1));
    ck_assert_uint_eq(sp_rdv_count(t.r), 0);
    close_registry();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rendezvous_paths");
    TCase *tc = tcase_create("rendezvous_paths");

    tcase_add_test(tc, a_call_begins);
    tcase_add_test(tc, a_check_waits_for_the_far_end);
    tcase_add_test(tc, a_new_path_gets_nothing_but_its_answers);
    tcase_add_test(tc, who_may_be_forged_gets_little);
    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, paths_have_a_bound);
    tcase_add_test(tc, strangers_push_out_each_other);
    tcase_add_test(tc, a_holder_gives_way_to_no_stranger);
    tcase_add_test(tc, a_path_has_to_prove_itself_in_time);
    tcase_add_test(tc, the_sending_path_ends);
    tcase_add_test(tc, an_end_lives_while_something_comes);
    tcase_add_test(tc, a_stranger_keeps_no_lease);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
