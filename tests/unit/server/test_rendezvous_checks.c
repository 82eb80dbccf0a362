/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What proves a path: checks that strangers have seen, ICE that restarts, early answers. */
#include "rdv_rig.h"

/* --- strangers, and fragments that change --------------------------------------------------- */

START_TEST(strangers_at_both_ends_prove_nothing)
{
    struct transport va, vb, vx, vy;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    struct sp_rdv_path *x = path(0, &vx), *y = path(1, &vy);
    request(x, 7, "BBBB:AAAA");
    success(y, 7);
    ck_assert(!sp_rdv_path_proven(x));
    ck_assert_uint_eq(vx.got, 0);
    close_registry();
}
END_TEST

START_TEST(a_request_that_was_overheard_proves_nobody)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    struct sp_rdv_path *x = path(0, &vx);
    request(x, 1, "BBBB:AAAA");
    ck_assert_uint_eq(counters()->refused_replayed, 1);
    success(b, 1); /* to whom it was */
    ck_assert_uint_eq(vx.got, 0);
    request(a, 1, "BBBB:AAAA"); /* repeating is nothing else */
    ck_assert_uint_eq(counters()->refused_replayed, 1);
    close_registry();
}
END_TEST

/* Or its consent would run out. */
START_TEST(a_stranger_makes_nobody_forget_what_was_asked)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    request(a, 3, "BBBB:AAAA");
    struct sp_rdv_path *x = path(0, &vx);
    for (unsigned i = 0; i < 100; i++)
        request(x, (uint8_t)(100 + i), "BBBB:AAAA");
    unsigned before = va.got;
    success(b, 3);
    ck_assert_uint_eq(va.got, before + 1);
    request(x, 3, "BBBB:AAAA");
    ck_assert_uint_eq(counters()->refused_replayed, 1);
    close_registry();
}
END_TEST

/* Whoever saw a check says it again later, by a path of his own: a right answer to it proves
 * nobody. Once for each that is told. */
static void expect_replay(uint32_t id)
{
    uint64_t before = counters()->refused_replayed;
    struct transport vx;
    struct sp_rdv_path *x = path(0, &vx);

    request(x, id, "BBBB:AAAA");
    ck_assert_uint_eq(counters()->refused_replayed, before + 1);
    sp_rdv_path_remove(x);
}

START_TEST(what_was_answered_long_ago_proves_nobody)
{
    struct transport va, vb;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    for (uint32_t id = 100; id < 1100; id++) {
        request(a, id, "BBBB:AAAA");
        if (id % 2 == 0) /* of a proven path they count without an answer */
            success(b, id);
    }
    expect_replay(1);
    expect_replay(100);
    expect_replay(101);
    expect_replay(1099);
    sp_rdv_path_remove(a);
    expect_replay(2 + 100); /* nor when the browser is elsewhere */
    close_registry();
}
END_TEST

/* Before it had a far end to answer. */
START_TEST(what_nobody_answered_proves_nobody)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va);
    for (uint32_t id = 100; id < 180; id++)
        request(a, id, "BBBB:AAAA");
    struct sp_rdv_path *x = path(0, &vx); /* however much a stranger says to have it forgotten */
    for (uint32_t id = 1000; id < 1500; id++)
        request(x, id, "BBBB:AAAA");
    ck_assert_uint_eq(counters()->refused_unproven, 500 - 256);
    expect_replay(100);
    struct sp_rdv_path *b = path(1, &vb);
    introduce(a, b);
    expect_replay(101);
    for (uint32_t id = 2000; id < 2100; id++)
        request(a, id, "BBBB:AAAA");
    expect_replay(102);
    sp_rdv_path_remove(a);
    expect_replay(103);
    close_registry();
}
END_TEST

/* Nor when the path that said it has ended, unproven, and whatever strangers say. */
START_TEST(what_a_path_that_ended_said_proves_nobody)
{
    const struct sp_addr home = sp_addr_v4(192, 0, 2, 1, 40000);
    const struct sp_rdv_join j = {
        .holder = sp_span_str(HOLDER_A), .ufrag = sp_span_str("AAAA"), .from = &home};
    struct transport va, vx;

    open_session();
    ck_assert_int_eq(sp_rdv_join(t.s, 0, &j, t.now_us), 0);
    struct sp_rdv_path *a = path(0, &va);
    sp_rdv_path_set_remote(a, &home);
    request(a, 1, "BBBB:AAAA");
    sp_rdv_path_remove(a);
    expect_replay(1);
    for (uint32_t n = 0; n < 20; n++) {
        const struct sp_addr from = sp_addr_v4(203, 0, 113, (uint8_t)n, 7);
        struct sp_rdv_path *x = path(0, &vx);
        sp_rdv_path_set_remote(x, &from);
        for (uint32_t id = 0; id < 200; id++)
            request(x, 1000 * (n + 1) + id, "BBBB:AAAA");
        sp_rdv_path_remove(x);
    }
    expect_replay(1);
    close_registry();
}
END_TEST

/* More than an end remembers has been said: nobody new is believed until ICE restarts. */
START_TEST(what_can_not_be_remembered_proves_nobody)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    for (uint32_t id = 100; id < 9000; id++)
        request(a, id, "BBBB:AAAA");
    expect_replay(100);
    expect_replay(20000); /* it may have been said */
    request(a, 20001, "BBBB:AAAA");
    success(b, 20001);
    ck_assert(sp_rdv_path_proven(a)); /* the call goes on */
    ck_assert_int_eq(join(0, HOLDER_A, "A222"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "B222"), 0);
    expect_replay(20002);
    struct sp_rdv_path *a2 = path(0, &vx);
    request(a2, 20003, "B222:A222");
    success(b, 20003);
    ck_assert(sp_rdv_path_proven(a2));
    close_registry();
}
END_TEST

START_TEST(fragments_of_another_session)
{
    struct sp_rdv_session *first;

    open_session();
    first = t.s;
    ck_assert_int_eq(create("app", &t.s), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), SP_EPROTO);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), SP_EPROTO); /* it is not better by then */
    sp_rdv_end(first, "asked", t.now_us);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), 0);
    struct sp_rdv_spot spot;
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "AAAA:BBBB"), &spot), 0);
    ck_assert_ptr_eq(spot.session, t.s);
    close_registry();
}
END_TEST

/* Both browsers have new fragments and new sockets; those of before go on until these are proven.
 */
START_TEST(ice_restarts)
{
    struct transport va, vb, va2, vb2, vx, vy;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    ck_assert_int_eq(join(0, HOLDER_A, "A222"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "B222"), 0);
    unsigned before_a = va.got, before_b = vb.got;
    struct sp_rdv_path *a2 = path(0, &va2), *b2 = path(1, &vb2);
    request(a2, 10, "B222:A222");
    ck_assert_uint_eq(vb.got, before_b); /* there nobody knows that name */
    ck_assert_uint_eq(vb2.got, 1);
    request(b2, 11, "A222:B222");
    ck_assert_uint_eq(va.got, before_a);
    ck_assert_uint_eq(va2.got, 1);
    media(a);
    ck_assert_uint_eq(vb.got, ++before_b);
    success(a2, 11);
    ck_assert(sp_rdv_path_proven(b2));
    success(b2, 10);
    ck_assert(sp_rdv_path_proven(a2));
    request(a2, 12, "B222:A222");
    ck_assert_uint_eq(vb2.got, 3);
    media(a2);
    ck_assert_uint_eq(vb2.got, 4);
    request(a, 13, "BBBB:AAAA"); /* its consent, as long as it wants it */
    ck_assert_uint_eq(vb.got, ++before_b);
    success(b, 13);
    ck_assert_uint_eq(va.got, before_a + 1);
    /* strangers, with the fragments of now or before: they prove each other nothing */
    struct sp_rdv_path *x = path(0, &vx), *y = path(1, &vy);
    sp_rdv_path_remove(b);
    request(x, 14, "BBBB:AAAA");
    request(x, 15, "B222:A222");
    ck_assert_uint_eq(vy.got, 0);
    ck_assert_uint_eq(counters()->refused_no_path, 1);
    success(y, 14);
    success(y, 15);
    ck_assert(!sp_rdv_path_proven(x));
    close_registry();
}
END_TEST

/* Others go on by the socket that they have. */
START_TEST(ice_restarts_at_the_same_sockets)
{
    struct transport va, vb, vx;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    ck_assert_int_eq(join(0, HOLDER_A, "A222"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "B222"), 0);
    request(b, 10, "A222:B222");
    unsigned before = vb.got;
    request(a, 11, "B222:A222");
    ck_assert_uint_eq(vb.got, before + 1);
    success(b, 11);
    success(a, 10);
    ck_assert_uint_eq(vb.got, before + 2);
    struct sp_rdv_path *x = path(1, &vx);
    request(x, 12, "A222:B222");
    before = vb.got;
    request(a, 13, "B222:A222");
    ck_assert_uint_eq(vb.got, before + 1);
    ck_assert_uint_eq(vx.got, 0);
    close_registry();
}
END_TEST

/* A browser that made the offer knows the far end's new fragment from the answer alone. */
START_TEST(who_restarts_ice_is_ahead_until_the_answer_is_there)
{
    struct transport va, vb, va2, vb2;

    open_session();
    introduce(path(0, &va), path(1, &vb));
    ck_assert_int_eq(join(0, HOLDER_A, "A222"), 0);
    struct sp_rdv_path *a2 = path(0, &va2);
    unsigned before = vb.got;
    request(a2, 10, "BBBB:A222"); /* with what it knew before */
    ck_assert_uint_eq(vb.got, before);
    ck_assert_uint_eq(counters()->refused_ahead, 1);
    ck_assert_int_eq(join(1, HOLDER_B, "B222"), 0);
    struct sp_rdv_path *b2 = path(1, &vb2);
    request(b2, 11, "A222:B222");
    ck_assert_uint_eq(va2.got, 0); /* it would be refused there */
    request(a2, 12, "B222:A222");
    ck_assert_uint_eq(va2.got, 1);
    ck_assert_uint_eq(vb2.got, 1);
    success(a2, 11);
    success(b2, 12);
    ck_assert(sp_rdv_path_proven(a2) && sp_rdv_path_proven(b2));
    close_registry();
}
END_TEST

/* Who sends by the new pair is heard by it, before the far end sends by it, and not the other way
 * round: old sockets may be closed. */
START_TEST(media_take_the_pair_of_the_restart)
{
    struct transport va, vb, va2, vb2;

    open_session();
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    introduce(a, b);
    ck_assert_int_eq(join(0, HOLDER_A, "A222"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "B222"), 0);
    struct sp_rdv_path *a2 = path(0, &va2), *b2 = path(1, &vb2);
    request(a2, 3, "B222:A222");
    success(b2, 3);
    request(b2, 4, "A222:B222");
    success(a2, 4);
    media(b); /* both of the old pair are used still */
    media(a);
    unsigned old_a = va.got, new_a = va2.got, old_b = vb.got, new_b = vb2.got;
    media(a2);
    ck_assert_uint_eq(vb.got, old_b);
    ck_assert_uint_eq(vb2.got, new_b + 1);
    media(b);
    ck_assert_uint_eq(va.got, old_a);
    ck_assert_uint_eq(va2.got, new_a + 1);
    close_registry();
}
END_TEST

/* Where nothing was proven with the fragments of before, or the ends count differently. */
START_TEST(who_is_not_ahead_is_heard)
{
    struct transport va, vb, vb2;

    open_session();
    ck_assert_int_eq(join(0, HOLDER_A, "A222"), 0);
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    request(a, 1, "BBBB:A222");
    success(b, 1);
    request(b, 2, "A222:BBBB");
    success(a, 2);
    ck_assert(sp_rdv_path_proven(a) && sp_rdv_path_proven(b));
    ck_assert_int_eq(join(1, HOLDER_B, "B222"), 0);
    struct sp_rdv_path *b2 = path(1, &vb2);
    request(b2, 3, "A222:B222");
    request(a, 4, "B222:A222");
    ck_assert_uint_eq(vb2.got, 1);
    success(a, 3);
    ck_assert(sp_rdv_path_proven(b2));
    ck_assert_uint_eq(counters()->refused_ahead, 0);
    close_registry();
}
END_TEST

/* --- early ---------------------------------------------------------------------------------- */

static struct sp_span check(uint32_t number, const char *username, const char *password)
{
    static uint8_t bytes[256];
    uint8_t id[SP_STUN_ID_LEN];
    struct sp_stun_builder sb;
    size_t len;

    memset(id, (int)number, sizeof id);
    sp_put_be32(id, number);
    sp_stun_begin(&sb, bytes, sizeof bytes, SP_STUN_BINDING, SP_STUN_REQUEST, id);
    sp_stun_put(&sb, SP_ATTR_USERNAME, sp_span_str(username));
    sp_stun_put_integrity(&sb, sp_span_str(password));
    ck_assert_int_eq(sp_stun_end(&sb, &len), 0);
    return sp_span(bytes, len);
}

START_TEST(a_check_is_answered_early_and_passed_on)
{
    static const char password[] = "0123456789012345678901";
    const struct sp_rdv_order order = {
        .subject = sp_span_str("app"), .ttl_us = TTL_US, .early = true};
    const struct sp_rdv_join b_joins = {.holder = sp_span_str(HOLDER_B),
                                        .ufrag = sp_span_str("BBBB"),
                                        .password = sp_span_str(password)};
    const struct sp_addr from = sp_addr_v4(192, 0, 2, 9, 1234);
    struct transport va, vb;

    open_registry();
    ck_assert_int_eq(sp_rdv_create(t.r, &order, t.now_us, &t.s), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_int_eq(sp_rdv_join(t.s, 1, &b_joins, t.now_us), 0);
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb);
    sp_rdv_path_set_remote(a, &from);
    sp_rdv_path_set_remote(b, &from);
    sp_rdv_input(a, check(1, "BBBB:AAAA", password), t.now_us);
    ck_assert_uint_eq(va.got, 1);
    ck_assert_uint_eq(vb.got, 1);
    ck_assert(!sp_rdv_path_proven(a)); /* that is for the far end to do */
    success(b, 1);
    ck_assert(sp_rdv_path_proven(a));
    ck_assert_uint_eq(va.got, 1);
    ck_assert_uint_eq(counters()->early, 1);
    ck_assert_uint_eq(counters()->early_swallowed, 1);
    request(b, 2, "AAAA:BBBB"); /* whose far end told no password */
    ck_assert_uint_eq(vb.got, 1);
    ck_assert_uint_eq(va.got, 2);
    close_registry();
}
END_TEST

/* The USERNAME travels in the clear: where the password is known, it has to be known. */
START_TEST(a_stranger_without_the_password_is_nobody)
{
    static const char old[] = "0123456789012345678901", new[] = "9876543210987654321098";
    const struct sp_rdv_order order = {
        .subject = sp_span_str("app"), .ttl_us = TTL_US, .early = true};
    struct sp_rdv_join b_joins = {.holder = sp_span_str(HOLDER_B),
                                  .ufrag = sp_span_str("BBBB"),
                                  .password = sp_span_str(old)};
    struct transport va, vb;
    struct sp_rdv_spot spot;

    open_registry();
    ck_assert_int_eq(sp_rdv_create(t.r, &order, t.now_us, &t.s), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_int_eq(sp_rdv_join(t.s, 1, &b_joins, t.now_us), 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, check(1, "BBBB:AAAA", old), &spot), 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, check(1, "BBBB:AAAA", new), &spot), SP_EAUTH);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "BBBB:AAAA"), &spot), SP_EAUTH);
    ck_assert_uint_eq(counters()->refused_unverified, 2);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "AAAA:BBBB"), &spot), 0);
    struct sp_rdv_path *a = path(0, &va), *b = path(1, &vb); /* before it was told, say */
    request(a, 2, "BBBB:AAAA");
    ck_assert_uint_eq(vb.got, 0);
    ck_assert_uint_eq(counters()->refused_unverified, 3);
    sp_rdv_input(a, check(3, "BBBB:AAAA", old), t.now_us);
    ck_assert_uint_eq(vb.got, 1);
    request(a, 4, "BBBB:AAAA"); /* of one that is believed, only the far end judges */
    ck_assert_uint_eq(vb.got, 2);
    success(b, 3);
    ck_assert(sp_rdv_path_proven(a));
    struct transport va2;
    struct sp_rdv_path *a2 = path(0, &va2); /* of one that is gone nothing is forgotten either */
    sp_rdv_input(a2, check(6, "BBBB:AAAA", old), t.now_us);
    sp_rdv_path_remove(a2);
    a2 = path(0, &va2);
    sp_rdv_input(a2, check(6, "BBBB:AAAA", old), t.now_us);
    ck_assert_uint_eq(counters()->refused_replayed, 1);
    /* ICE restarts: each fragment has its own */
    b_joins.ufrag = sp_span_str("B222");
    b_joins.password = sp_span_str(new);
    ck_assert_int_eq(sp_rdv_join(t.s, 1, &b_joins, t.now_us), 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, check(5, "BBBB:AAAA", old), &spot), 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, check(5, "B222:AAAA", new), &spot), 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, check(5, "B222:AAAA", old), &spot), SP_EAUTH);
    close_registry();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rendezvous_checks");
    TCase *tc = tcase_create("rendezvous_checks");

    tcase_add_test(tc, strangers_at_both_ends_prove_nothing);
    tcase_add_test(tc, a_request_that_was_overheard_proves_nobody);
    tcase_add_test(tc, a_stranger_makes_nobody_forget_what_was_asked);
    tcase_add_test(tc, what_was_answered_long_ago_proves_nobody);
    tcase_add_test(tc, what_nobody_answered_proves_nobody);
    tcase_add_test(tc, what_a_path_that_ended_said_proves_nobody);
    tcase_add_test(tc, what_can_not_be_remembered_proves_nobody);
    tcase_add_test(tc, fragments_of_another_session);
    tcase_add_test(tc, ice_restarts);
    tcase_add_test(tc, ice_restarts_at_the_same_sockets);
    tcase_add_test(tc, who_restarts_ice_is_ahead_until_the_answer_is_there);
    tcase_add_test(tc, media_take_the_pair_of_the_restart);
    tcase_add_test(tc, who_is_not_ahead_is_heard);
    tcase_add_test(tc, a_check_is_answered_early_and_passed_on);
    tcase_add_test(tc, a_stranger_without_the_password_is_nobody);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
