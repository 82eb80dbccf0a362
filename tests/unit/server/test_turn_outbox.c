/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_outbox.h"

#include <check.h>
#include <stdlib.h>

static struct sp_turn_outbox box;
static size_t n_emits, n_outs;
static uint32_t next; /* what the next out must hold: each carries its number */
static const struct sp_turn_path path;

static void on_emit(void *arg, const struct sp_turn_out *out, size_t n)
{
    ck_assert_ptr_eq(arg, &box);
    ck_assert(n > 0 && n <= SP_TURN_BATCH);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_ge(out[i].body.len, sizeof next);
        ck_assert_mem_eq(out[i].body.p, &next, sizeof next);
        next++;
    }
    n_emits++;
    n_outs += n;
}

static void setup(void)
{
    sp_turn_outbox_init(&box);
    box.emit = on_emit;
    box.arg = &box;
    n_emits = n_outs = next = 0;
}

START_TEST(nothing_to_emit)
{
    sp_turn_outbox_flush(&box);
    ck_assert_uint_eq(n_emits, 0);
}
END_TEST

START_TEST(in_order_and_in_batches)
{
    static uint32_t number[1000];

    for (uint32_t i = 0; i < 1000; i++) {
        struct sp_turn_out *o = sp_turn_outbox_add(&box);

        ck_assert(o->client == NULL && o->relay == NULL && o->head_len == 0 && o->pad_len == 0);
        ck_assert(!o->dont_fragment);
        number[i] = i;
        o->body = sp_span(&number[i], sizeof number[i]);
        o->head_len = 4;
        o->pad_len = 3;
        o->dont_fragment = true;
    }
    sp_turn_outbox_flush(&box);
    ck_assert_uint_eq(n_outs, 1000);
    ck_assert_uint_eq(n_emits, (1000 + SP_TURN_BATCH - 1) / SP_TURN_BATCH);
}
END_TEST

/* Answers of all lengths between datagrams: each arrives as it was written. */
START_TEST(answers_stay_until_they_are_emitted)
{
    static uint32_t number[1000];

    for (uint32_t i = 0; i < 1000; i++) {
        if (i % 3 == 0) {
            number[i] = i;
            sp_turn_outbox_add(&box)->body = sp_span(&number[i], sizeof number[i]);
            continue;
        }

        size_t len = 4 + i * 37 % (SP_TURN_ANSWER_MAX - 3);
        uint8_t *p = sp_turn_outbox_room(&box);

        memset(p, 0xAA, SP_TURN_ANSWER_MAX); /* all of it may be written to */
        memcpy(p, &i, sizeof i);
        sp_turn_outbox_answer(&box, &path, len);
    }
    sp_turn_outbox_flush(&box);
    ck_assert_uint_eq(n_outs, 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_outbox");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, nothing_to_emit);
    tcase_add_test(t, in_order_and_in_batches);
    tcase_add_test(t, answers_stay_until_they_are_emitted);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
