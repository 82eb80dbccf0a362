/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions, who joins their ends, and the names that lead to them. Paths: test_rendezvous_paths.c.
 */
#include "rdv_rig.h"

/* --- sessions and ends ---------------------------------------------------------------------- */

START_TEST(an_id_leads_to_its_session)
{
    struct sp_rdv_session *other;

    open_session();
    struct sp_span id = sp_span_str(view().id);
    ck_assert_uint_eq(id.len, SP_RDV_ID_LEN);
    ck_assert_int_eq(sp_rdv_worker_of(id), 0x1a);
    ck_assert_ptr_eq(sp_rdv_find(t.r, id), t.s);
    ck_assert_int_eq(create("app", &other), 0);
    ck_assert_ptr_eq(sp_rdv_find(t.r, id), t.s);
    ck_assert_ptr_null(sp_rdv_find(t.r, sp_span_str("001a")));
    ck_assert_int_eq(sp_rdv_worker_of(sp_span_str("001a")), SP_EINVAL);
    ck_assert_int_eq(sp_rdv_worker_of(sp_span_str("001A00000000000000000000000000000000")),
                     SP_EINVAL);
    ck_assert_uint_eq(sp_rdv_count(t.r), 2);
    ck_assert_ptr_eq(sp_rdv_next(t.r, t.s), other);
    ck_assert_ptr_null(sp_rdv_next(t.r, other));
    sp_rdv_end(other, "asked", t.now_us);
    ck_assert_uint_eq(sp_rdv_count_of(t.r, sp_span_str("app")), 1);
    close_registry();
}
END_TEST

START_TEST(bounds_are_kept_and_counted)
{
    struct sp_rdv_session *s;
    char longer[SP_TOKEN_NAME_MAX + 2];

    open_registry();
    t.bounds.sessions = 3;
    t.bounds.subject_sessions = 2;
    ck_assert_int_eq(create("a", &s), 0);
    ck_assert_int_eq(create("a", &s), 0);
    ck_assert_int_eq(create("a", &s), SP_EFULL);
    ck_assert_uint_eq(t.hits.subject_sessions, 1);
    ck_assert_int_eq(create("b", &s), 0);
    ck_assert_int_eq(create("b", &s), SP_EFULL);
    ck_assert_uint_eq(t.hits.sessions, 1);
    sp_rdv_end(s, "asked", t.now_us);
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    ck_assert_int_eq(create(longer, &s), SP_EINVAL);
    ck_assert_int_eq(create("b", &s), 0);
    close_registry();
}
END_TEST

START_TEST(who_joins_first_holds_the_end)
{
    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    ck_assert_int_eq(join(0, "short", ""), SP_EINVAL);
    ck_assert_int_eq(join(0, HOLDER_A, "AA"), SP_EINVAL);
    ck_assert_int_eq(join(0, HOLDER_A, "AA-A"), SP_EINVAL);
    ck_assert(!view().ends[0].joined);
    ck_assert_int_eq(join(0, HOLDER_A, ""), 0);
    ck_assert(view().ends[0].joined);
    ck_assert_int_eq(join(0, HOLDER_B, ""), SP_EEXIST);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_str_eq(view().ends[0].ufrag, "AAAA");
    ck_assert_int_eq(join(1, HOLDER_B, "AAAA"), SP_EPROTO);
    ck_assert_int_eq(join(0, HOLDER_A, ""), 0); /* which forgets nothing */
    ck_assert_str_eq(view().ends[0].ufrag, "AAAA");
    ck_assert_uint_eq(counters()->joined, 1);
    close_registry();
}
END_TEST

START_TEST(a_password_belongs_to_its_fragment)
{
    struct sp_rdv_join j = {.holder = sp_span_str(HOLDER_A),
                            .ufrag = sp_span_str("AAAA"),
                            .password = sp_span_str("0123456789012345678901")};

    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    ck_assert_int_eq(sp_rdv_join(t.s, 0, &j, t.now_us), 0);
    ck_assert_str_eq(view().ends[0].password, "0123456789012345678901");
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_str_eq(view().ends[0].password, "0123456789012345678901");
    ck_assert_int_eq(join(0, HOLDER_A, "AAA2"), 0);
    ck_assert_str_eq(view().ends[0].password, "");
    j.password.len = SP_RDV_PASSWORD_MIN - 1;
    ck_assert_int_eq(sp_rdv_join(t.s, 0, &j, t.now_us), SP_EINVAL);
    close_registry();
}
END_TEST

/* Whose checks would be taken for another session's; the next ICE restart has other fragments. */
START_TEST(two_sessions_with_the_same_fragments)
{
    struct sp_rdv_session *first;

    open_session();
    first = t.s;
    ck_assert_int_eq(create("app", &t.s), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), SP_EPROTO);
    struct sp_rdv_spot spot;
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "BBBB:AAAA"), &spot), 0);
    ck_assert_ptr_eq(spot.session, first);
    ck_assert_int_eq(join(1, HOLDER_B, "CCCC"), 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "CCCC:AAAA"), &spot), 0);
    ck_assert_ptr_eq(spot.session, t.s);
    close_registry();
}
END_TEST

START_TEST(nobody_joins_too_late)
{
    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    run_to(T0 + TTL_US - SP_MS(1500));
    ck_assert_int_eq(join(0, HOLDER_A, "AAAA"), 0);
    run_to(T0 + TTL_US);
    ck_assert_int_eq(join(1, HOLDER_B, "BBBB"), SP_EEXPIRED);
    ck_assert_int_eq(join(0, HOLDER_A, "AAA2"), 0); /* he was here before */
    ck_assert_uint_eq(sp_rdv_count(t.r), 1);
    run_to(T0 + TTL_US + IDLE_US); /* a lease from when he joined */
    ck_assert_uint_eq(sp_rdv_count(t.r), 0);
    ck_assert_uint_eq(counters()->ended, 1);
    close_registry();
}
END_TEST

START_TEST(a_session_nobody_joins_ends_when_it_expires)
{
    open_registry();
    ck_assert_int_eq(create("app", &t.s), 0);
    run_to(T0 + TTL_US - 1);
    ck_assert_uint_eq(sp_rdv_count(t.r), 1);
    run_to(T0 + TTL_US + SP_SEC(1));
    ck_assert_uint_eq(sp_rdv_count(t.r), 0);
    ck_assert_uint_eq(sp_timerq_next(&t.timers), SP_NEVER); /* nothing to look after */
    close_registry();
}
END_TEST

/* --- names ---------------------------------------------------------------------------------- */

START_TEST(both_fragments_name_the_session_and_the_end)
{
    struct sp_rdv_spot spot;

    open_session();
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "BBBB:AAAA"), &spot), 0);
    ck_assert_ptr_eq(spot.session, t.s);
    ck_assert_uint_eq(spot.end, 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "AAAA:BBBB"), &spot), 0);
    ck_assert_uint_eq(spot.end, 1);
    ck_assert_uint_eq(spot.worker, 0x1a);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "AAAA:CCCC"), &spot), SP_ENOENT);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "AAAABBBB"), &spot), SP_EBADMSG);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, NULL), &spot), SP_EBADMSG);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_SUCCESS, 1, "BBBB:AAAA"), &spot), SP_EBADMSG);
    close_registry();
}
END_TEST

START_TEST(the_last_two_fragments_are_good)
{
    static const struct {
        const char *username;
        int err;
    } rows[] = {
        {"BBBB:AAA3", 0}, {"BBBB:AAA2", 0}, {"BBBB:AAAA", SP_ENOENT}, {"BBB2:AAA3", 0},
        {"AAA3:BBB2", 0}, {"AAA2:BBBB", 0}, {"AAAA:BBB2", SP_ENOENT},
    };
    struct sp_rdv_spot spot;

    open_session();
    ck_assert_int_eq(join(0, HOLDER_A, "AAA2"), 0);
    ck_assert_int_eq(join(0, HOLDER_A, "AAA3"), 0);
    ck_assert_int_eq(join(1, HOLDER_B, "BBB2"), 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(rows); i++)
        ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, rows[i].username), &spot),
                         rows[i].err);
    ck_assert_uint_eq(t.told - t.untold, 8);
    sp_rdv_end(t.s, "asked", t.now_us);
    ck_assert_uint_eq(t.told, t.untold);
    ck_assert(!sp_rdv_expects(t.r));
    close_registry();
}
END_TEST

START_TEST(another_workers_names_are_forgotten_unless_told_again)
{
    struct sp_rdv_spot spot;
    uint8_t digest[SP_SHA256_LEN];
    struct sp_span name = sp_span_str("FFFF:EEEE");

    open_registry();
    sp_sha256(&name, 1, digest);
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 3, true, t.now_us), 0);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "FFFF:EEEE"), &spot), 0);
    ck_assert_ptr_null(spot.session);
    ck_assert_uint_eq(spot.worker, 3);
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 4, false, t.now_us), 0); /* not his */
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 4, true, t.now_us), SP_EEXIST);
    ck_assert_int_eq(sp_rdv_look_up(t.r, stun(SP_STUN_REQUEST, 1, "FFFF:EEEE"), &spot), 0);
    ck_assert_uint_eq(spot.worker, 3);
    ck_assert(sp_rdv_expects(t.r));
    run_to(T0 + 2 * SP_RDV_TELL_US);
    ck_assert(sp_rdv_expects(t.r));
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 3, true, t.now_us), 0);
    run_to(T0 + 4 * SP_RDV_TELL_US);
    ck_assert(sp_rdv_expects(t.r));
    run_to(T0 + 5 * SP_RDV_TELL_US + SP_SEC(1));
    ck_assert(!sp_rdv_expects(t.r));
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 3, true, t.now_us), 0);
    ck_assert_int_eq(sp_rdv_heard_name(t.r, digest, 3, false, t.now_us), 0);
    ck_assert(!sp_rdv_expects(t.r));
    close_registry();
}
END_TEST

static int hear(uint32_t number)
{
    uint8_t key[SP_RDV_KEY_LEN] = {0};

    sp_put_be32(key, number);
    return sp_rdv_heard_name(t.r, key, 3, true, t.now_us);
}

/* As many as all sessions that there may be have, beside one's own. */
START_TEST(another_workers_names_have_a_bound)
{
    enum { OF_A_SESSION = 8 };

    open_session();
    t.bounds.sessions = 1000;
    for (uint32_t i = 0; i < 1000 * OF_A_SESSION; i++) {
        t.now_us += i % 2;
        ck_assert_int_eq(hear(i), 0);
    }
    ck_assert_int_eq(hear(1000000), SP_EFULL);
    ck_assert_int_eq(hear(0), 0); /* again */
    run_to(T0 + 3 * SP_RDV_TELL_US + SP_SEC(2));
    for (uint32_t i = 0; i < 1000 * OF_A_SESSION; i++) /* they went one by one, and all of them */
        ck_assert_int_eq(hear(1000000 + i), 0);
    ck_assert_int_eq(hear(1), SP_EFULL);
    close_registry();
}
END_TEST

START_TEST(names_are_told_again_and_again)
{
    open_session();
    ck_assert_uint_eq(t.told, 2);
    run_to(T0 + SP_RDV_TELL_US + SP_SEC(2));
    ck_assert_uint_ge(t.told, 4);
    close_registry();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rendezvous");
    TCase *tc = tcase_create("rendezvous");

    tcase_add_test(tc, an_id_leads_to_its_session);
    tcase_add_test(tc, bounds_are_kept_and_counted);
    tcase_add_test(tc, who_joins_first_holds_the_end);
    tcase_add_test(tc, a_password_belongs_to_its_fragment);
    tcase_add_test(tc, two_sessions_with_the_same_fragments);
    tcase_add_test(tc, nobody_joins_too_late);
    tcase_add_test(tc, a_session_nobody_joins_ends_when_it_expires);
    tcase_add_test(tc, both_fragments_name_the_session_and_the_end);
    tcase_add_test(tc, the_last_two_fragments_are_good);
    tcase_add_test(tc, another_workers_names_are_forgotten_unless_told_again);
    tcase_add_test(tc, another_workers_names_have_a_bound);
    tcase_add_test(tc, names_are_told_again_and_again);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
