/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/rfc4571.h"

/* Cuts `n` bytes of `wire`, from memory that ends there. */
static int next_of(const uint8_t *wire, size_t n, size_t max, size_t *len, size_t *used)
{
    uint8_t *p = malloc(n ? n : 1);
    struct sp_span packet;
    int err;

    ck_assert_ptr_nonnull(p);
    memcpy(p, wire, n);
    err = sp_rfc4571_next(sp_span(p, n), max, &packet, used);
    if (err == 0) {
        ck_assert_ptr_eq(packet.p, p + SP_RFC4571_HEADER_LEN);
        *len = packet.len;
    }
    free(p);
    return err;
}

START_TEST(cut_at_each_byte)
{
    static const uint8_t wire[] = {0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'};
    size_t len = 77, used = 77;

    for (size_t n = 0; n < 5; n++) {
        ck_assert_int_eq(next_of(wire, n, SP_FRAME_MAX, &len, &used), SP_EMORE);
        ck_assert_uint_eq(used, 77);
    }
    for (size_t n = 5; n <= sizeof(wire); n++) {
        ck_assert_int_eq(next_of(wire, n, SP_FRAME_MAX, &len, &used), 0);
        ck_assert_uint_eq(len, 3);
        ck_assert_uint_eq(used, 5);
    }
    /* The keep-alive, and what follows it. */
    ck_assert_int_eq(next_of(wire + 5, 1, SP_FRAME_MAX, &len, &used), SP_EMORE);
    ck_assert_int_eq(next_of(wire + 5, 2, SP_FRAME_MAX, &len, &used), 0);
    ck_assert_uint_eq(len, 0);
    ck_assert_uint_eq(used, 2);
    ck_assert_int_eq(next_of(wire + 7, 3, SP_FRAME_MAX, &len, &used), 0);
    ck_assert_uint_eq(len, 1);
    ck_assert_uint_eq(used, 3);
}
END_TEST

/* The length alone is enough to refuse: nobody makes us wait for, or hold, more than `max`. */
START_TEST(too_long_is_known_at_once)
{
    static const uint8_t wire[] = {0x01, 0x01}; /* 257 */
    static const uint8_t longest[] = {0xFF, 0xFF};
    size_t len = 77, used = 77;

    ck_assert_int_eq(next_of(wire, 1, 256, &len, &used), SP_EMORE);
    ck_assert_int_eq(next_of(wire, 2, 256, &len, &used), SP_ETOOBIG);
    ck_assert_int_eq(next_of(wire, 2, 257, &len, &used), SP_EMORE);
    ck_assert_int_eq(next_of(longest, 2, 65534, &len, &used), SP_ETOOBIG);
    ck_assert_int_eq(next_of(longest, 2, 65535, &len, &used), SP_EMORE);
    ck_assert_uint_eq(used, 77);
}
END_TEST

static const struct {
    const char *what;
    uint8_t packet[12];
    size_t len;
    int err;
    struct sp_frame want; /* body: only its length counts */
} frames[] = {
    {"nothing", {0}, 0, SP_ENOENT, {0}},
    {"half a flow", {0}, 1, SP_EBADMSG, {0}},
    {"empty control", {0, 0}, 2, SP_EBADMSG, {0}},
    {"control", {0, 0, 'c'}, 3, 0, {SP_FRAME_CONTROL, 0, 0, {NULL, 1}}},
    {"longer control", {0, 0, 1, 2, 3, 4, 5}, 7, 0, {SP_FRAME_CONTROL, 0, 0, {NULL, 5}}},
    {"data without SEQ", {0, 1}, 2, SP_EBADMSG, {0}},
    {"data with half a SEQ", {0, 1, 0, 0, 0}, 5, SP_EBADMSG, {0}},
    {"empty datagram", {0, 1, 1, 2, 3, 4}, 6, 0, {SP_FRAME_DATA, 1, 0x01020304, {NULL, 0}}},
    {"datagram",
     {0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 'x'},
     7,
     0,
     {SP_FRAME_DATA, 0xFFFE, 0xFFFFFFFF, {NULL, 1}}},
    {"empty parity", {0xFF, 0xFF}, 2, SP_EBADMSG, {0}},
    {"parity", {0xFF, 0xFF, 9, 9}, 4, 0, {SP_FRAME_PARITY, 0xFFFF, 0, {NULL, 2}}},
};

START_TEST(frame_kinds)
{
    const char *what = frames[_i].what;
    size_t len = frames[_i].len;
    uint8_t *p = malloc(len ? len : 1);
    struct sp_frame got = {.kind = SP_FRAME_DATA, .seq = 4711};
    const struct sp_frame *want = &frames[_i].want;

    ck_assert_ptr_nonnull(p);
    memcpy(p, frames[_i].packet, len);
    ck_assert_msg(sp_frame_parse(sp_span(p, len), &got) == frames[_i].err, "%s", what);
    if (frames[_i].err) {
        ck_assert_msg(got.seq == 4711, "%s: written on failure", what);
    } else {
        ck_assert_msg(got.kind == want->kind && got.flow == want->flow && got.seq == want->seq,
                      "%s", what);
        ck_assert_msg(got.body.len == want->body.len, "%s", what);
        ck_assert_ptr_eq(got.body.p + got.body.len, p + len);
    }
    free(p);
}
END_TEST

START_TEST(largest_datagram)
{
    static uint8_t packet[6 + SP_DATAGRAM_MAX + 1] = {0, 1};
    struct sp_frame f;

    ck_assert_int_eq(sp_frame_parse(sp_span(packet, sizeof(packet) - 1), &f), 0);
    ck_assert_uint_eq(f.body.len, SP_DATAGRAM_MAX);
    ck_assert_int_eq(sp_frame_parse(sp_span(packet, sizeof(packet)), &f), SP_EBADMSG);
    /* Control messages may be larger: an OPEN carries a datagram. */
    packet[1] = 0;
    ck_assert_int_eq(sp_frame_parse(sp_span(packet, sizeof(packet)), &f), 0);
    ck_assert_uint_eq(f.kind, SP_FRAME_CONTROL);
}
END_TEST

START_TEST(headers_on_the_wire)
{
    static const uint8_t data[] = {0x00, 0x0B, 0x12, 0x34, 0xDE, 0xAD, 0xBE, 0xEF};
    static const uint8_t control[] = {0x00, 0x07, 0x00, 0x00};
    uint8_t out[SP_FRAME_HEADER_LEN];

    sp_frame_data_header(out, 0x1234, 0xDEADBEEF, 5);
    ck_assert_mem_eq(out, data, sizeof(data));
    sp_frame_control_header(out, 5);
    ck_assert_mem_eq(out, control, sizeof(control));
}
END_TEST

/* What the headers announce, the cutter cuts and the parser reads. */
START_TEST(there_and_back)
{
    static const size_t lens[] = {0, 1, 2, 3, 255, 256, 1200, SP_DATAGRAM_MAX};
    static uint8_t wire[SP_FRAME_HEADER_LEN + SP_DATAGRAM_MAX];
    struct sp_span packet;
    struct sp_frame f;
    size_t used;

    for (size_t i = 0; i < SP_ARRAY_LEN(lens); i++) {
        size_t whole = SP_FRAME_HEADER_LEN + lens[i];

        sp_frame_data_header(wire, 7, (uint32_t)i, lens[i]);
        ck_assert_int_eq(sp_rfc4571_next(sp_span(wire, whole), SP_FRAME_MAX, &packet, &used), 0);
        ck_assert_uint_eq(used, whole);
        ck_assert_int_eq(sp_frame_parse(packet, &f), 0);
        ck_assert_uint_eq(f.kind, SP_FRAME_DATA);
        ck_assert_uint_eq(f.flow, 7);
        ck_assert_uint_eq(f.seq, i);
        ck_assert_ptr_eq(f.body.p, wire + SP_FRAME_HEADER_LEN);
        ck_assert_uint_eq(f.body.len, lens[i]);
    }
    for (size_t i = 1; i < SP_ARRAY_LEN(lens); i++) {
        size_t whole = SP_FRAME_CONTROL_HEADER_LEN + lens[i];

        sp_frame_control_header(wire, lens[i]);
        ck_assert_int_eq(sp_rfc4571_next(sp_span(wire, whole), SP_FRAME_MAX, &packet, &used), 0);
        ck_assert_uint_eq(used, whole);
        ck_assert_int_eq(sp_frame_parse(packet, &f), 0);
        ck_assert_uint_eq(f.kind, SP_FRAME_CONTROL);
        ck_assert_ptr_eq(f.body.p, wire + SP_FRAME_CONTROL_HEADER_LEN);
        ck_assert_uint_eq(f.body.len, lens[i]);

        sp_frame_parity_header(wire, lens[i]);
        ck_assert_int_eq(sp_rfc4571_next(sp_span(wire, whole), SP_FRAME_MAX, &packet, &used), 0);
        ck_assert_uint_eq(used, whole);
        ck_assert_int_eq(sp_frame_parse(packet, &f), 0);
        ck_assert_uint_eq(f.kind, SP_FRAME_PARITY);
        ck_assert_ptr_eq(f.body.p, wire + SP_FRAME_CONTROL_HEADER_LEN);
        ck_assert_uint_eq(f.body.len, lens[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rfc4571");
    TCase *tc = tcase_create("rfc4571");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, cut_at_each_byte);
    tcase_add_test(tc, too_long_is_known_at_once);
    tcase_add_loop_test(tc, frame_kinds, 0, (int)SP_ARRAY_LEN(frames));
    tcase_add_test(tc, largest_datagram);
    tcase_add_test(tc, headers_on_the_wire);
    tcase_add_test(tc, there_and_back);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
