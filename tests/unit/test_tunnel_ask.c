/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the edge asks the gateway, whatever is lost on the way.
 */
#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"
#include "two_ends.h"

static struct two_ends e;
static struct {
    unsigned n, code;
    int err;
    size_t len;
    uint8_t body[SP_CONTROL_BODY_MAX];
} got;

static void on_answer(const struct sp_tunnel_answer *a, uint64_t now_us, void *arg)
{
    (void)now_us;
    ck_assert_ptr_eq(arg, &got);
    got.n++;
    got.err = a->err;
    got.code = a->code;
    got.len = a->body.len;
    if (a->body.len > 0)
        memcpy(got.body, a->body.p, a->body.len);
}

static void start(unsigned lanes)
{
    memset(&got, 0, sizeof got);
    ck_assert_int_eq(ends_open(&e, NULL, NULL), 0);
    for (unsigned i = 0; i < lanes; i++)
        ck_assert_int_eq(ends_join(&e, i), 0);
}

static int ask(unsigned side, size_t len)
{
    static uint8_t question[SP_CONTROL_BODY_MAX + 1];

    for (size_t i = 0; i < len; i++)
        question[i] = (uint8_t)(i + 1);
    return sp_tunnel_ask(e.end[side].tunnel, sp_span(question, len), on_answer, &got, e.now_us);
}

START_TEST(is_answered)
{
    static const size_t lens[] = {0, 1, 7, SP_CONTROL_BODY_MAX};

    for (size_t i = 0; i < SP_ARRAY_LEN(lens); i++) {
        start(1);
        ck_assert_int_eq(ask(EDGE, lens[i]), 0);
        ck_assert_uint_eq(got.n, 0);
        ends_settle(&e);
        ck_assert_uint_eq(got.n, 1);
        ck_assert_int_eq(got.err, 0);
        ck_assert_uint_eq(got.code, 0);
        ck_assert_uint_eq(got.len, lens[i]);
        for (size_t k = 0; k < lens[i]; k++)
            ck_assert_uint_eq(got.body[k], (uint8_t)(lens[i] - k));
        ends_wait(&e, SP_SEC(5));
        ck_assert_uint_eq(got.n, 1);
        ck_assert_uint_eq(e.end[GATEWAY].asked, 1);
        ends_close(&e);
    }
}
END_TEST

START_TEST(is_refused)
{
    start(1);
    e.end[GATEWAY].ask_answer = SP_CONTROL_FULL;
    ck_assert_int_eq(ask(EDGE, 3), 0);
    ends_settle(&e);
    ck_assert_uint_eq(got.n, 1);
    ck_assert_uint_eq(got.code, SP_CONTROL_FULL);
    ck_assert_int_eq(ask(GATEWAY, 3), SP_EPROTO);
    ck_assert_int_eq(ask(EDGE, SP_CONTROL_BODY_MAX + 1), SP_ETOOBIG);
    ends_close(&e);
}
END_TEST

/* By another lane; asked twice, told once. */
START_TEST(is_repeated)
{
    start(2);
    ck_assert_int_eq(ask(EDGE, 3), 0);
    ends_lose_bytes(&e, EDGE);
    ends_wait(&e, SP_MS(100));
    ck_assert_uint_eq(ends_requests(&e, EDGE, SP_CONTROL_ASK), 1);
    ends_carry(&e, EDGE, 0, SIZE_MAX);
    ends_carry(&e, EDGE, 1, SIZE_MAX);
    ends_lose_bytes(&e, GATEWAY);
    ends_wait(&e, SP_MS(200));
    ends_settle(&e);
    ck_assert_uint_eq(got.n, 1);
    ck_assert_uint_eq(e.end[GATEWAY].asked, 2);
    ends_close(&e);
}
END_TEST

START_TEST(takes_too_long)
{
    start(0);
    ck_assert_int_eq(ask(EDGE, 3), 0);
    ends_wait(&e, SP_SEC(3) - 1);
    ck_assert_uint_eq(got.n, 0);
    ends_wait(&e, 1);
    ck_assert_uint_eq(got.n, 1);
    ck_assert_int_eq(got.err, SP_ETIMEDOUT);
    ends_close(&e);
}
END_TEST

START_TEST(the_tunnel_ends)
{
    start(1);
    ck_assert_int_eq(ask(EDGE, 3), 0);
    ck_assert_int_eq(ask(EDGE, 4), 0);
    ends_close(&e);
    ck_assert_uint_eq(got.n, 2);
    ck_assert_int_eq(got.err, SP_ECLOSED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tunnel_ask");
    TCase *tc = tcase_create("tunnel_ask");

    tcase_add_test(tc, is_answered);
    tcase_add_test(tc, is_refused);
    tcase_add_test(tc, is_repeated);
    tcase_add_test(tc, takes_too_long);
    tcase_add_test(tc, the_tunnel_ends);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
