/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/chandata.h"
#include "sallyport/err.h"
#include "sallyport/stun.h"
#include "sallyport/turn_stream.h"

static const uint8_t id[SP_STUN_ID_LEN] = "transaction!";

/* Looks at `n` bytes of `p` in memory that ends there. */
static int next_of(const uint8_t *p, size_t n, size_t *len, size_t *used)
{
    uint8_t *copy = malloc(n ? n : 1);
    struct sp_span msg;
    int err;

    if (!copy)
        ck_abort_msg("no memory");
    memcpy(copy, p, n);
    err = sp_turn_stream_next(sp_span(copy, n), &msg, used);
    if (err == 0) {
        if (msg.p != copy)
            ck_abort_msg("the message doesn't begin where the stream does");
        *len = msg.len;
    }
    free(copy);
    return err;
}

static size_t put_stun(uint8_t *p, size_t cap, size_t software_len)
{
    struct sp_stun_builder b;
    uint8_t *value;
    size_t len;

    sp_stun_begin(&b, p, cap, SP_STUN_BINDING, SP_STUN_REQUEST, id);
    value = sp_stun_put_space(&b, SP_ATTR_SOFTWARE, software_len);
    ck_assert_ptr_nonnull(value);
    memset(value, 's', software_len);
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    return len;
}

/* Returns what it takes on the stream; the padding is not zero, since nobody may look at it. */
static size_t put_chandata(uint8_t *p, uint16_t channel, uint16_t len)
{
    size_t whole = SP_CHANDATA_HEADER_LEN + (size_t)len + sp_chandata_padding(len);

    memset(p, 0xEE, whole);
    sp_chandata_header(p, channel, len);
    return whole;
}

/* A stream of both kinds, with every padding, and where its messages lie. */
struct sample {
    uint8_t bytes[512];
    size_t len;
    struct {
        size_t len, used;
    } want[8];
    size_t n;
};

static void add(struct sample *s, size_t len, size_t used)
{
    s->want[s->n].len = len;
    s->want[s->n++].used = used;
    s->len += used;
}

static void sample_init(struct sample *s)
{
    *s = (struct sample){0};
    for (uint16_t n = 0; n < 5; n++)
        add(s, SP_CHANDATA_HEADER_LEN + (size_t)n,
            put_chandata(s->bytes + s->len, (uint16_t)(SP_CHANNEL_MIN + n), n));

    size_t len = put_stun(s->bytes + s->len, sizeof(s->bytes) - s->len, 9);

    add(s, len, len);
    add(s, SP_CHANDATA_HEADER_LEN + 5, put_chandata(s->bytes + s->len, SP_CHANNEL_MAX, 5));
    len = put_stun(s->bytes + s->len, sizeof(s->bytes) - s->len, 0);
    add(s, len, len);
}

/* Takes whatever is whole in the first `have` bytes. */
static void take(const struct sample *s, size_t have, size_t *off, size_t *got)
{
    size_t len, used = 0;
    int err;

    while ((err = next_of(s->bytes + *off, have - *off, &len, &used)) == 0) {
        /* Check's asserts report even that all is well, which is too slow for here. */
        if (*got >= s->n || len != s->want[*got].len || used != s->want[*got].used)
            ck_abort_msg("message %zu at %zu: %zu bytes, uses %zu", *got, *off, len, used);
        *off += used;
        (*got)++;
    }
    if (err != SP_EMORE)
        ck_abort_msg("error %d at %zu", err, *off);
}

START_TEST(byte_by_byte)
{
    struct sample s;
    size_t off = 0, got = 0;

    sample_init(&s);
    for (size_t have = 0; have <= s.len; have++)
        take(&s, have, &off, &got);
    ck_assert_uint_eq(got, s.n);
    ck_assert_uint_eq(off, s.len);
}
END_TEST

START_TEST(cut_at_any_two_places)
{
    struct sample s;

    sample_init(&s);
    for (size_t i = 0; i <= s.len; i++) {
        for (size_t j = i; j <= s.len; j++) {
            size_t off = 0, got = 0;

            take(&s, i, &off, &got);
            take(&s, j, &off, &got);
            take(&s, s.len, &off, &got);
            if (got != s.n || off != s.len)
                ck_abort_msg("cut at %zu and %zu: %zu messages, %zu bytes", i, j, got, off);
        }
    }
}
END_TEST

START_TEST(longest_messages)
{
    uint8_t *p = malloc(SP_TURN_STREAM_MAX + 1);
    size_t len = 0, used = 0, whole;

    ck_assert_ptr_nonnull(p);
    whole = put_stun(p, SP_TURN_STREAM_MAX, 65528);
    ck_assert_uint_eq(whole, 20 + 65532);
    ck_assert_int_eq(next_of(p, whole - 1, &len, &used), SP_EMORE);
    ck_assert_int_eq(next_of(p, whole, &len, &used), 0);
    ck_assert_uint_eq(len, whole);
    ck_assert_uint_eq(used, whole);

    whole = put_chandata(p, SP_CHANNEL_MIN, UINT16_MAX);
    ck_assert_uint_eq(whole, 4 + 65536);
    ck_assert_int_eq(next_of(p, whole - 1, &len, &used), SP_EMORE);
    ck_assert_int_eq(next_of(p, whole, &len, &used), 0);
    ck_assert_uint_eq(len, whole - 1);
    ck_assert_uint_eq(used, whole);
    ck_assert_uint_le(used, SP_TURN_STREAM_MAX);
    free(p);
}
END_TEST

/* Each is no message, and known as such from the byte number `known` on. */
static const struct {
    const char *what;
    uint8_t bytes[8];
    size_t known;
} wrong[] = {
    {"top bits 10", {0x80}, 1},
    {"top bits 11", {0xC0}, 1},
    {"RTP", {0x80, 0x60, 0x12, 0x34, 0, 0, 0, 1}, 1},
    {"channel 0x7FFF", {0x7F, 0xFF, 0, 4, 1, 2, 3, 4}, 2},
    {"STUN of odd length", {0, 1, 0, 1, 0x21, 0x12, 0xA4, 0x42}, 4},
    {"STUN of length 2", {0, 1, 0, 2, 0x21, 0x12, 0xA4, 0x42}, 4},
    {"another cookie", {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x43}, 8},
    {"RFC 4571 before STUN", {0, 20, 0, 0, 0, 0, 0x21, 0x12}, 8},
};

START_TEST(neither_stun_nor_chandata)
{
    size_t len = 77, used = 77;

    for (size_t n = 0; n <= sizeof(wrong[_i].bytes); n++) {
        int want = n < wrong[_i].known ? SP_EMORE : SP_EBADMSG;

        ck_assert_msg(next_of(wrong[_i].bytes, n, &len, &used) == want, "%s, %zu bytes",
                      wrong[_i].what, n);
    }
    ck_assert_uint_eq(len, 77);
    ck_assert_uint_eq(used, 77);
}
END_TEST

START_TEST(every_first_byte)
{
    for (unsigned i = 0; i < 256; i++) {
        uint8_t b = (uint8_t)i;
        size_t len, used;

        ck_assert_int_eq(next_of(&b, 1, &len, &used), i < 0x80 ? SP_EMORE : SP_EBADMSG);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turn_stream");
    TCase *tc = tcase_create("turn_stream");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, byte_by_byte);
    tcase_add_test(tc, cut_at_any_two_places);
    tcase_add_test(tc, longest_messages);
    tcase_add_loop_test(tc, neither_stun_nor_chandata, 0, (int)SP_ARRAY_LEN(wrong));
    tcase_add_test(tc, every_first_byte);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
