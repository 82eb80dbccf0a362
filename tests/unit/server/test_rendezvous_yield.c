/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP goes before ICE-TCP of the same end, as long as it may get through. */
#include "rdv_rig.h"

static struct sp_rdv_path *path_by(unsigned end, enum sp_rdv_way way, struct transport *via)
{
    struct sp_rdv_path *p = NULL;

    *via = (struct transport){0};
    ck_assert_int_eq(sp_rdv_path_add(t.s, end, way, via, t.now_us, &p), 0);
    return p;
}

static struct transport va, vu, vt;
static struct sp_rdv_path *a, *udp, *tcp;

/* A gateway, and somebody who comes by both. */
static void open_both(void)
{
    open_session();
    a = path_by(0, SP_RDV_GATEWAY, &va);
    udp = path_by(1, SP_RDV_UDP, &vu);
    tcp = path_by(1, SP_RDV_TCP, &vt);
}

START_TEST(until_udp_is_heard_both_ways)
{
    open_both();
    request(a, 1, "BBBB:AAAA");
    request(udp, 2, "AAAA:BBBB");
    ck_assert_uint_eq(va.got, 1);
    request(tcp, 3, "AAAA:BBBB");
    ck_assert_uint_eq(va.got, 1);
    request(a, 4, "BBBB:AAAA"); /* nor is it told what the far end asks */
    ck_assert_uint_eq(vt.got, 0);
    success(a, 2);
    ck_assert(sp_rdv_path_proven(udp));
    ck_assert_uint_eq(va.got, 1); /* nothing says that it arrived there */
    success(udp, 4);
    ck_assert_uint_eq(va.got, 3); /* that answer, and then the other check */
    success(a, 3);
    ck_assert(sp_rdv_path_proven(tcp));
    ck_assert_uint_eq(vt.got, 1);
    ck_assert_str_eq(view().ends[1].way, "udp"); /* and what is sent goes on there */
    media(tcp);
    ck_assert_str_eq(view().ends[1].way, "ice-tcp"); /* unless the browser wants it elsewhere */
    close_registry();
}
END_TEST

START_TEST(until_it_has_taken_too_long)
{
    open_both();
    request(a, 1, "BBBB:AAAA");
    request(udp, 2, "AAAA:BBBB");
    request(tcp, 3, "AAAA:BBBB");
    success(a, 2);
    run_to(T0 + SP_MS(499));
    ck_assert_uint_eq(va.got, 1);
    run_to(T0 + SP_MS(500));
    ck_assert_uint_eq(va.got, 2);
    success(a, 3); /* by UDP nothing goes back: it takes over */
    ck_assert_str_eq(view().ends[1].way, "ice-tcp");
    request(tcp, 4, "AAAA:BBBB");
    ck_assert_uint_eq(va.got, 3);
    close_registry();
}
END_TEST

/* The far end takes its time: from then on it counts. */
START_TEST(who_waits_for_the_far_end_anyway)
{
    open_both();
    request(udp, 2, "AAAA:BBBB");
    request(tcp, 3, "AAAA:BBBB");
    run_to(T0 + SP_MS(900));
    request(a, 1, "BBBB:AAAA");
    ck_assert_uint_eq(va.got, 1);
    ck_assert_uint_eq(vu.got, 1);
    ck_assert_uint_eq(vt.got, 0);
    run_to(T0 + SP_MS(1399));
    ck_assert_uint_eq(va.got, 1);
    success(a, 2);
    success(udp, 1);
    ck_assert_uint_eq(va.got, 3);
    close_registry();
}
END_TEST

START_TEST(nobody_where_no_udp_comes)
{
    open_session();
    a = path_by(0, SP_RDV_GATEWAY, &va);
    tcp = path_by(1, SP_RDV_TCP, &vt);
    request(a, 1, "BBBB:AAAA");
    request(tcp, 3, "AAAA:BBBB");
    ck_assert_uint_eq(va.got, 1);
    udp = path_by(1, SP_RDV_UDP, &vu); /* which says nothing */
    request(tcp, 4, "AAAA:BBBB");
    ck_assert_uint_eq(va.got, 2);
    close_registry();
}
END_TEST

START_TEST(who_waits_may_end)
{
    open_both();
    request(a, 1, "BBBB:AAAA");
    request(udp, 2, "AAAA:BBBB");
    request(tcp, 3, "AAAA:BBBB");
    sp_rdv_path_remove(tcp);
    run_to(T0 + SP_SEC(1));
    ck_assert_uint_eq(va.got, 1);
    close_registry();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rendezvous_yield");
    TCase *tc = tcase_create("rendezvous_yield");

    tcase_add_test(tc, until_udp_is_heard_both_ways);
    tcase_add_test(tc, until_it_has_taken_too_long);
    tcase_add_test(tc, who_waits_for_the_far_end_anyway);
    tcase_add_test(tc, nobody_where_no_udp_comes);
    tcase_add_test(tc, who_waits_may_end);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
