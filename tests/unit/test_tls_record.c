/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "tls_record.h"

enum { ALERT = 21, HANDSHAKE = 22, DATA = 23 };

/* Two ends of a connection: what one sends by, the other receives by. */
struct ends {
    struct sp_tls_record *server, *client;
    struct sp_buf wire, back, got; /* back: what has to be answered */
    char why[SP_TLS_ERROR_MAX];
};

static struct sp_tls_secrets secrets_of(uint16_t suite, bool server, uint64_t number)
{
    struct sp_tls_secrets s = {.suite = suite};

    memset(s.in.secret, server ? 1 : 2, sizeof s.in.secret);
    memset(s.out.secret, server ? 2 : 1, sizeof s.out.secret);
    s.in.number = s.out.number = number;
    return s;
}

static void open_ends(struct ends *e, uint16_t suite, uint64_t number)
{
    struct sp_tls_secrets server = secrets_of(suite, true, number),
                          client = secrets_of(suite, false, number);

    *e = (struct ends){0};
    ck_assert_int_eq(sp_tls_record_new(&server, true, &e->server), 0);
    ck_assert_int_eq(sp_tls_record_new(&client, false, &e->client), 0);
    sp_buf_init(&e->wire, 1 << 20);
    sp_buf_init(&e->back, 1 << 20);
    sp_buf_init(&e->got, 1 << 20);
}

static void close_ends(struct ends *e)
{
    sp_tls_record_free(e->server);
    sp_tls_record_free(e->client);
    sp_buf_fini(&e->wire);
    sp_buf_fini(&e->back);
    sp_buf_fini(&e->got);
}

/* By the client, read by the server until nothing more is whole. */
static int take(struct ends *e)
{
    int err;

    while ((err = sp_tls_record_open(e->server, &e->wire, &e->got, &e->back, e->why)) == 0)
        ;
    return err;
}

static int put(struct ends *e, uint8_t type, const void *p, size_t len)
{
    ck_assert_int_eq(sp_tls_record_seal_one(e->client, type, sp_span(p, len), &e->wire), 0);
    return take(e);
}

/* RFC 8448 section 3: the first record of a client's data. */
START_TEST(known_answer)
{
    static const uint8_t record[] = {
        0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94, 0xd0, 0xaf, 0xfa,
        0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea, 0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc,
        0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8, 0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20,
        0x44, 0x1e, 0x2b, 0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
        0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4};
    static const uint8_t secret[] = {0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d,
                                     0xc0, 0x5a, 0xf8, 0x88, 0x9b, 0xce, 0x65, 0x52,
                                     0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf, 0x00, 0x87,
                                     0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5};
    struct sp_tls_secrets s = secrets_of(0x1301, true, 0);
    uint8_t data[50];
    struct ends e;

    open_ends(&e, 0x1301, 0);
    sp_tls_record_free(e.server);
    memcpy(s.in.secret, secret, sizeof secret);
    ck_assert_int_eq(sp_tls_record_new(&s, true, &e.server), 0);
    ck_assert_int_eq(sp_buf_append(&e.wire, sp_span(record, sizeof record)), 0);
    ck_assert_int_eq(take(&e), SP_EMORE);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    ck_assert(sp_span_eq(sp_buf_span(&e.got), sp_span(data, sizeof data)));
    close_ends(&e);
}
END_TEST

START_TEST(all_lengths)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 1200, 16383, 16384, 16385, 100000};
    static uint8_t data[100000];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (uint16_t suite = 0x1301; suite <= 0x1302; suite++) {
        struct ends e;
        open_ends(&e, suite, 0);
        for (size_t i = 0; i < SP_ARRAY_LEN(sizes); i++) {
            struct sp_span s = sp_span(data, sizes[i]);
            ck_assert_int_eq(sp_tls_record_seal(e.client, s, &e.wire), 0);
            ck_assert_int_eq(take(&e), SP_EMORE);
            ck_assert(sp_span_eq(sp_buf_span(&e.got), s));
            ck_assert_uint_eq(e.wire.len + e.back.len, 0);
            sp_buf_consume(&e.got, e.got.len);
        }
        close_ends(&e);
    }
}
END_TEST

/* In parts it reads the same. */
START_TEST(in_parts)
{
    static uint8_t data[SP_TLS_PARTS];
    const struct sp_span parts[] = {sp_span(data, 4), sp_span(data + 4, 0),
                                    sp_span(data + 4, (size_t)_i), sp_span(data + 4 + _i, 3)};
    struct ends e;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    open_ends(&e, 0x1301, 0);
    ck_assert_int_eq(sp_tls_record_seal_parts(e.client, parts, 4, &e.wire), 0);
    ck_assert_int_eq(take(&e), SP_EMORE);
    ck_assert(sp_span_eq(sp_buf_span(&e.got), sp_span(data, (size_t)_i + 7)));
    sp_buf_consume(&e.got, e.got.len);
    ck_assert_int_eq(sp_tls_record_seal_parts(e.client, NULL, 0, &e.wire), 0);
    ck_assert_int_eq(take(&e), SP_EMORE);
    ck_assert_uint_eq(e.got.len, 0);
    sp_tls_record_close(e.client, &e.wire);
    ck_assert_int_eq(sp_tls_record_seal_parts(e.client, parts, 4, &e.wire), SP_ECLOSED);
    close_ends(&e);
}
END_TEST

START_TEST(other_suites)
{
    struct sp_tls_secrets s = {.suite = 0x1303};
    struct sp_tls_record *r = NULL;

    ck_assert_int_eq(sp_tls_record_new(&s, true, &r), SP_EINVAL);
    ck_assert_ptr_null(r);
}
END_TEST

/* Of one direction it was never told: nothing may go by a key that everybody can reckon. */
START_TEST(no_secret)
{
    struct sp_tls_secrets s = secrets_of(0x1302, true, 0);
    struct sp_tls_record *r = NULL;

    memset(s.out.secret, 0, sizeof s.out.secret);
    ck_assert_int_eq(sp_tls_record_new(&s, true, &r), SP_EINVAL);
    s = secrets_of(0x1302, true, 0);
    memset(s.in.secret, 0, sizeof s.in.secret);
    ck_assert_int_eq(sp_tls_record_new(&s, true, &r), SP_EINVAL);
    ck_assert_ptr_null(r);
}
END_TEST

/* Cut after each byte: nothing comes, nothing is lost. */
START_TEST(cut_anywhere)
{
    struct sp_buf whole;
    struct ends e;

    open_ends(&e, 0x1301, 0);
    sp_buf_init(&whole, 1000);
    ck_assert_int_eq(sp_tls_record_seal(e.client, sp_span_str("hello"), &whole), 0);
    while (whole.len > 0) {
        ck_assert_uint_eq(e.got.len, 0);
        ck_assert_int_eq(sp_buf_append(&e.wire, sp_span(whole.mem + whole.off, 1)), 0);
        sp_buf_consume(&whole, 1);
        ck_assert_int_eq(take(&e), SP_EMORE);
    }
    ck_assert(sp_span_eq(sp_buf_span(&e.got), sp_span_str("hello")));
    sp_buf_fini(&whole);
    close_ends(&e);
}
END_TEST

/* Each bit of a record matters, but for the version, which nobody may look at (section 5.1), though
 * it is authenticated. */
START_TEST(altered_anywhere)
{
    for (size_t bit = 0; bit < 8 * (5 + 5 + 1 + 16); bit++) {
        struct ends e;
        open_ends(&e, 0x1301, 0);
        ck_assert_int_eq(sp_tls_record_seal(e.client, sp_span_str("hello"), &e.wire), 0);
        e.wire.mem[e.wire.off + bit / 8] ^= (uint8_t)(1U << bit % 8);
        int err = take(&e);
        ck_assert(err == SP_ETLS || (err == SP_EMORE && (bit / 8 == 3 || bit / 8 == 4)));
        ck_assert_uint_eq(e.got.len, 0);
        ck_assert_int_eq(e.back.len > 0, err == SP_ETLS); /* an alert */
        close_ends(&e);
    }
}
END_TEST

/* One that is left out, and one that comes twice. */
START_TEST(out_of_order)
{
    for (int what = 0; what < 2; what++) {
        struct ends e;
        open_ends(&e, 0x1301, 0);
        ck_assert_int_eq(sp_tls_record_seal(e.client, sp_span_str("one"), &e.wire), 0);
        if (what == 0) {
            sp_buf_consume(&e.wire, e.wire.len);
            ck_assert_int_eq(sp_tls_record_seal(e.client, sp_span_str("two"), &e.wire), 0);
        } else {
            uint8_t again[100];
            size_t len = e.wire.len;
            memcpy(again, e.wire.mem + e.wire.off, len);
            ck_assert_int_eq(take(&e), SP_EMORE);
            ck_assert_int_eq(sp_buf_append(&e.wire, sp_span(again, len)), 0);
        }
        ck_assert_int_eq(take(&e), SP_ETLS);
        close_ends(&e);
    }
}
END_TEST

/* The last byte that is not zero is the type (section 5.4). */
START_TEST(padding)
{
    static uint8_t long_one[SP_TLS_PLAIN_MAX] = {'x', DATA};
    struct ends e;

    open_ends(&e, 0x1301, 0);
    ck_assert_int_eq(put(&e, 0, "hello\x17\0\0\0", 9), SP_EMORE);
    ck_assert(sp_span_eq(sp_buf_span(&e.got), sp_span_str("hello")));
    ck_assert_int_eq(put(&e, 0, long_one, sizeof long_one), SP_EMORE);
    ck_assert(sp_span_eq(sp_buf_span(&e.got), sp_span_str("hellox")));
    ck_assert_int_eq(put(&e, 0, "\0\0\0", 3), SP_ETLS);
    close_ends(&e);
}
END_TEST

/* What the server has answered is this one, as the client reads it; NULL: nothing. */
static void expect_alert(struct ends *e, const char *name)
{
    char why[SP_TLS_ERROR_MAX] = "";

    ck_assert_int_eq(e->back.len > 0, name != NULL);
    if (name == NULL)
        return;
    ck_assert_int_eq(sp_tls_record_open(e->client, &e->back, &e->got, &e->wire, why), SP_ETLS);
    ck_assert_msg(strstr(why, name) != NULL, "\"%s\" is not %s", why, name);
    ck_assert_uint_eq(e->back.len, 0);
}

/* What may come, and what ends it. */
START_TEST(messages)
{
    static const struct {
        uint8_t type;
        const char *bytes;
        size_t len;
        int err;
        const char *why, *alert;
    } cases[] = {
        {ALERT, "\1\0", 2, SP_ECLOSED, "", NULL},
        {ALERT, "\1\x5a", 2, SP_EMORE, "", NULL}, /* user_canceled: close_notify follows */
        {ALERT, "\2\x28", 2, SP_ETLS, "the other side refused: handshake_failure", NULL},
        {ALERT, "\1\x28", 2, SP_ETLS, "the other side refused: handshake_failure", NULL},
        {ALERT, "\2\xc8", 2, SP_ETLS, "the other side refused: an alert that has no name", NULL},
        {ALERT, "", 0, SP_ETLS, "empty alert", "unexpected_message"},
        {ALERT, "\1", 1, SP_ETLS, "alert of a wrong length", "decode_error"},
        {ALERT, "\1\0\1\0", 4, SP_ETLS, "alert of a wrong length", "decode_error"},
        {HANDSHAKE, "\x18\0\0\1\0", 5, SP_EMORE, "", NULL},
        {HANDSHAKE, "\x18\0\0\1\2", 5, SP_ETLS, "key update that is none", "illegal_parameter"},
        {HANDSHAKE, "\x18\0\0\2\1\1", 6, SP_ETLS, "wrong length", "decode_error"},
        {HANDSHAKE, "\x18\0\0\1\0\x18\0\0\1\0", 10, SP_ETLS, "follows a key update",
         "unexpected_message"},
        {HANDSHAKE, "", 0, SP_ETLS, "empty handshake", "unexpected_message"},
        {HANDSHAKE, "\4\0\0\1x", 5, SP_ETLS, "no place here", /* a ticket, for a server */
         "unexpected_message"},
        {HANDSHAKE, "\1\0\0\1x", 5, SP_ETLS, "no place here", "unexpected_message"},
        {20, "\1", 1, SP_ETLS, "unknown type", "unexpected_message"},
        {99, "x", 1, SP_ETLS, "unknown type", "unexpected_message"},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct ends e;
        open_ends(&e, 0x1301, 0);
        ck_assert_int_eq(put(&e, cases[i].type, cases[i].bytes, cases[i].len), cases[i].err);
        ck_assert_msg(strstr(e.why, cases[i].why) != NULL, "case %zu: %s", i, e.why);
        ck_assert_uint_eq(e.got.len, 0);
        expect_alert(&e, cases[i].alert);
        close_ends(&e);
    }
}
END_TEST

START_TEST(tickets)
{
    static const uint8_t ticket[30] = {4, 0, 0, 26};
    struct ends e;

    open_ends(&e, 0x1301, 0);
    struct sp_tls_record *server = e.server;
    e.server = e.client; /* they come from a server */
    e.client = server;
    ck_assert_int_eq(put(&e, HANDSHAKE, ticket, 30), SP_EMORE);
    for (size_t i = 0; i < 30; i++) /* in pieces */
        ck_assert_int_eq(put(&e, HANDSHAKE, ticket + i, 1), SP_EMORE);
    ck_assert_int_eq(put(&e, DATA, "x", 1), SP_EMORE);
    ck_assert_int_eq(put(&e, HANDSHAKE, ticket, 7), SP_EMORE);
    ck_assert_int_eq(put(&e, DATA, "x", 1), SP_ETLS); /* in the middle of one */
    ck_assert_uint_eq(e.got.len, 1);
    close_ends(&e);
}
END_TEST

/* Said by the client, which goes on by its old key. */
static void update(struct ends *e, uint8_t wanted)
{
    const uint8_t message[] = {24, 0, 0, 1, wanted};

    ck_assert_int_eq(put(e, HANDSHAKE, message, sizeof message), SP_EMORE);
}

/* Who only wants to keep us busy is told to go. */
START_TEST(nothing_but_idle_records)
{
    struct ends e;
    int err, n = 0;

    open_ends(&e, 0x1301, 0);
    while ((err = put(&e, DATA, "", 0)) == SP_EMORE && n < 1000)
        n++;
    ck_assert_int_eq(err, SP_ETLS);
    ck_assert_int_eq(n, 32);
    close_ends(&e);
    open_ends(&e, 0x1301, 0);
    for (n = 0; n < 100; n++) {
        ck_assert_int_eq(put(&e, DATA, "", 0), SP_EMORE);
        ck_assert_int_eq(put(&e, DATA, "x", 1), SP_EMORE);
    }
    close_ends(&e);
}
END_TEST

START_TEST(old_key_after_update)
{
    struct ends e;

    open_ends(&e, 0x1301, 0);
    update(&e, 0);
    ck_assert_uint_eq(e.back.len, 0);
    ck_assert_int_eq(put(&e, DATA, "by the old key", 14), SP_ETLS);
    close_ends(&e);
}
END_TEST

/* Sections 5.2 and 5.4: with its type and zeros a record says a byte more than it may carry, and no
 * more. What is too long or too short is known by its header. */
START_TEST(too_long)
{
    static uint8_t full[SP_TLS_PLAIN_MAX + 2];
    static const struct {
        const char *header, *alert;
    } cases[] = {{"\x17\3\3\x41\1", "record_overflow"}, {"\x17\3\3\0\x10", "bad_record_mac"}};
    struct ends e;

    memset(full, 'x', sizeof full);
    full[SP_TLS_PLAIN_MAX] = DATA;
    full[SP_TLS_PLAIN_MAX + 1] = 0;
    open_ends(&e, 0x1301, 0);
    ck_assert_int_eq(put(&e, DATA, full, SP_TLS_PLAIN_MAX), SP_EMORE);
    ck_assert_uint_eq(e.got.len, SP_TLS_PLAIN_MAX);
    ck_assert_int_eq(put(&e, 0, full, SP_TLS_PLAIN_MAX + 1), SP_ETLS);
    ck_assert_uint_eq(e.got.len, SP_TLS_PLAIN_MAX);
    expect_alert(&e, "record_overflow");
    close_ends(&e);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        open_ends(&e, 0x1301, 0);
        ck_assert_int_eq(sp_buf_append(&e.wire, sp_span(cases[i].header, 5)), 0);
        ck_assert_int_eq(take(&e), SP_ETLS);
        expect_alert(&e, cases[i].alert);
        close_ends(&e);
    }
}
END_TEST

static size_t records_in(const struct sp_buf *b)
{
    struct sp_span s = sp_buf_span(b);
    size_t n = 0;

    for (; s.len >= 5; n++)
        s = sp_span_skip(s, 5 + (size_t)sp_get_be16(s.p + 3));
    return n;
}

/* Before a key has done too much the next one is taken, and told; both ways. */
START_TEST(new_keys_in_time)
{
    struct ends e;

    open_ends(&e, 0x1301, (1U << 24) - 2);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(sp_tls_record_seal(e.client, sp_span_str("x"), &e.wire), 0);
        ck_assert_uint_eq(records_in(&e.wire), i == 2 ? 2 : 1);
        ck_assert_int_eq(take(&e), SP_EMORE);
        ck_assert_uint_eq(e.got.len, (size_t)i + 1);
    }
    /* Then the server, which has been asked for it as well. */
    update(&e, 1);
    ck_assert_uint_gt(e.back.len, 0);
    struct sp_buf got;
    sp_buf_init(&got, 1000);
    ck_assert_int_eq(sp_tls_record_seal(e.server, sp_span_str("by the new key"), &e.back), 0);
    while (e.back.len > 0)
        ck_assert_int_eq(sp_tls_record_open(e.client, &e.back, &got, &e.wire, e.why), 0);
    ck_assert(sp_span_eq(sp_buf_span(&got), sp_span_str("by the new key")));
    sp_buf_fini(&got);
    close_ends(&e);
}
END_TEST

/* A number that would come twice ends the connection: nothing is sealed by it. */
START_TEST(no_number_twice)
{
    struct ends e;

    open_ends(&e, 0x1301, UINT64_MAX - 1);
    ck_assert_int_eq(put(&e, DATA, "x", 1), SP_EMORE);
    ck_assert_uint_eq(e.got.len, 1);
    ck_assert_int_eq(sp_tls_record_seal_one(e.client, DATA, sp_span_str("x"), &e.wire), SP_ETLS);
    ck_assert_int_eq(sp_tls_record_seal(e.client, sp_span_str("x"), &e.wire), SP_ETLS);
    sp_tls_record_close(e.client, &e.wire);
    ck_assert_uint_eq(e.wire.len, 0);
    close_ends(&e);
}
END_TEST

/* Who receives into little memory may ask for short records (RFC 6066 section 4). */
START_TEST(short_records)
{
    static uint8_t data[2000];
    struct sp_tls_secrets s = secrets_of(0x1301, false, 0);
    struct ends e;

    open_ends(&e, 0x1301, 0);
    sp_tls_record_free(e.client);
    s.plain_max = 512;
    ck_assert_int_eq(sp_tls_record_new(&s, false, &e.client), 0);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    ck_assert_int_eq(sp_tls_record_seal(e.client, sp_span(data, sizeof data), &e.wire), 0);
    ck_assert_uint_eq(records_in(&e.wire), 4);
    ck_assert_uint_eq(sp_tls_record_room(sp_buf_span(&e.wire)), 512 + 1);
    ck_assert_int_eq(take(&e), SP_EMORE);
    ck_assert(sp_span_eq(sp_buf_span(&e.got), sp_span(data, sizeof data)));
    close_ends(&e);
}
END_TEST

START_TEST(no_room)
{
    struct sp_buf small;
    struct ends e;

    open_ends(&e, 0x1301, 0);
    sp_buf_init(&small, 10);
    ck_assert_int_eq(sp_tls_record_seal(e.client, sp_span_str("hello hello"), &small), SP_ENOMEM);
    ck_assert_uint_eq(small.len, 0);
    ck_assert_int_eq(sp_tls_record_seal(e.client, sp_span_str("hello hello"), &e.wire), 0);
    size_t before = e.wire.len;
    ck_assert_uint_eq(sp_tls_record_room(sp_buf_span(&e.wire)), 12);
    ck_assert_int_eq(sp_tls_record_open(e.server, &e.wire, &small, &e.back, e.why), SP_ENOMEM);
    ck_assert_uint_eq(e.wire.len, before);
    ck_assert_int_eq(take(&e), SP_EMORE);
    ck_assert(sp_span_eq(sp_buf_span(&e.got), sp_span_str("hello hello")));
    sp_buf_fini(&small);
    close_ends(&e);
}
END_TEST

START_TEST(closes)
{
    struct ends e;

    open_ends(&e, 0x1302, 7);
    sp_tls_record_close(e.client, &e.wire);
    ck_assert_int_eq(take(&e), SP_ECLOSED);
    close_ends(&e);
}
END_TEST

/* Section 6.1: what comes behind a close_notify is not looked at. */
START_TEST(nothing_heard_behind_close)
{
    struct ends e;

    open_ends(&e, 0x1301, 0);
    sp_tls_record_close(e.client, &e.wire);
    ck_assert_int_eq(take(&e), SP_ECLOSED);
    ck_assert_int_eq(put(&e, DATA, "x", 1), SP_ECLOSED);
    ck_assert_int_eq(put(&e, ALERT, "", 0), SP_ECLOSED);
    ck_assert_uint_eq(e.got.len + e.back.len, 0);
    close_ends(&e);
}
END_TEST

/* And nothing is said behind our own, while the other side may go on. */
START_TEST(nothing_said_behind_close)
{
    struct sp_buf closing;
    struct ends e;

    open_ends(&e, 0x1301, 0);
    sp_buf_init(&closing, 1000);
    sp_tls_record_close(e.server, &closing);
    ck_assert_uint_eq(records_in(&closing), 1);
    sp_tls_record_close(e.server, &closing);
    ck_assert_int_eq(sp_tls_record_seal(e.server, sp_span_str("x"), &closing), SP_ECLOSED);
    ck_assert_uint_eq(records_in(&closing), 1);
    ck_assert_int_eq(put(&e, DATA, "x", 1), SP_EMORE);
    ck_assert_uint_eq(e.got.len, 1);
    update(&e, 1);
    ck_assert_int_eq(put(&e, DATA, "by the old key", 14), SP_ETLS);
    ck_assert_uint_eq(e.back.len, 0);
    sp_buf_fini(&closing);
    close_ends(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls_record");
    TCase *tc = tcase_create("tls_record");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, known_answer);
    tcase_add_test(tc, all_lengths);
    tcase_add_loop_test(tc, in_parts, 1198, 1202);
    tcase_add_test(tc, other_suites);
    tcase_add_test(tc, no_secret);
    tcase_add_test(tc, cut_anywhere);
    tcase_add_test(tc, altered_anywhere);
    tcase_add_test(tc, out_of_order);
    tcase_add_test(tc, padding);
    tcase_add_test(tc, messages);
    tcase_add_test(tc, tickets);
    tcase_add_test(tc, nothing_but_idle_records);
    tcase_add_test(tc, old_key_after_update);
    tcase_add_test(tc, new_keys_in_time);
    tcase_add_test(tc, too_long);
    tcase_add_test(tc, no_number_twice);
    tcase_add_test(tc, short_records);
    tcase_add_test(tc, no_room);
    tcase_add_test(tc, closes);
    tcase_add_test(tc, nothing_heard_behind_close);
    tcase_add_test(tc, nothing_said_behind_close);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
