/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demux.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"

#define ALL (SP_SERVE_TUNNEL | SP_SERVE_TURN | SP_SERVE_ICE_TCP | SP_SERVE_SITE)

#define HELLO_TLS13  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
#define HELLO_TLS12  "\x16\x03\x03\x00\xff\x01\x00\x00\xfb\x03\x03"
#define TLS_ALERT    "\x15\x03\x03\x00\x02\x02\x28"
#define TLS_NO_HELLO "\x16\x03\x01\x00\x10\x02\x00\x00"
#define STUN_BINDING "\x00\x01\x00\x00\x21\x12\xa4\x42\x01\x02\x03\x04"
#define STUN_ALLOC   "\x00\x03\x00\x08\x21\x12\xa4\x42\x01\x02\x03\x04"
#define STUN_OLD     "\x00\x01\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08"
#define CHANDATA     "\x40\x00\x00\x04\x21\x12\xa4\x42"
#define ICE_CHECK    "\x00\x5c\x00\x01\x00\x48\x21\x12\xa4\x42\x01\x02"
#define ICE_ANSWER   "\x00\x5c\x01\x01\x00\x48\x21\x12\xa4\x42\x01\x02"
#define ICE_LONG     "\x04\x00\x00\x01\x03\xec\x21\x12\xa4\x42\x01\x02"
#define ICE_NO_MAGIC "\x00\x5c\x00\x01\x00\x48\x21\x12\xa4\x43\x01\x02"
#define SSH          "SSH-2.0-OpenSSH_9.2\r\n"

static const struct {
    const char *what;
    const char *bytes;
    size_t len;
    enum sp_proto outside, inside;
} rows[] = {
#define ROW(what, s, outside, inside)           \
    {                                           \
        what, s, sizeof(s) - 1, outside, inside \
    }
    ROW("a TLS 1.3 hello", HELLO_TLS13, SP_PROTO_TLS, SP_PROTO_NONE),
    ROW("a TLS 1.2 hello", HELLO_TLS12, SP_PROTO_TLS, SP_PROTO_NONE),
    ROW("a TLS alert", TLS_ALERT, SP_PROTO_NONE, SP_PROTO_NONE),
    ROW("a TLS handshake, but no hello", TLS_NO_HELLO, SP_PROTO_NONE, SP_PROTO_NONE),
    ROW("STUN", STUN_BINDING, SP_PROTO_TURN, SP_PROTO_TURN),
    ROW("TURN", STUN_ALLOC, SP_PROTO_TURN, SP_PROTO_TURN),
    ROW("STUN without cookie", STUN_OLD, SP_PROTO_NONE, SP_PROTO_NONE),
    ROW("ChannelData, which never comes first", CHANDATA, SP_PROTO_NONE, SP_PROTO_NONE),
    ROW("ICE-TCP", ICE_CHECK, SP_PROTO_ICE, SP_PROTO_ICE),
    ROW("ICE-TCP begins with a request", ICE_ANSWER, SP_PROTO_NONE, SP_PROTO_NONE),
    ROW("a first frame as long as no check is", ICE_LONG, SP_PROTO_NONE, SP_PROTO_NONE),
    ROW("ICE-TCP with a wrong cookie", ICE_NO_MAGIC, SP_PROTO_NONE, SP_PROTO_NONE),
    ROW("HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", SP_PROTO_HTTP, SP_PROTO_HTTP),
    ROW("HTTP, another method", "OPTIONS * HTTP/1.1\r\n", SP_PROTO_HTTP, SP_PROTO_HTTP),
    ROW("SSH", SSH, SP_PROTO_NONE, SP_PROTO_NONE),
    ROW("zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", SP_PROTO_NONE, SP_PROTO_NONE),
#undef ROW
};

START_TEST(tells_what_it_is)
{
    enum sp_proto proto;

    ck_assert_int_eq(sp_demux(sp_span(rows[_i].bytes, rows[_i].len), false, ALL, &proto), 0);
    ck_assert_msg(proto == rows[_i].outside, "%s outside TLS: %d", rows[_i].what, proto);
    ck_assert_int_eq(sp_demux(sp_span(rows[_i].bytes, rows[_i].len), true, ALL, &proto), 0);
    ck_assert_msg(proto == rows[_i].inside, "%s inside TLS: %d", rows[_i].what, proto);
}
END_TEST

/* However few bytes come first, the verdict is the same in the end and never wrong before. */
START_TEST(cut_at_each_byte)
{
    bool decided = false;

    for (size_t len = 0; len <= rows[_i].len; len++) {
        enum sp_proto proto;
        int err = sp_demux(sp_span(rows[_i].bytes, len), false, ALL, &proto);
        ck_assert(err == 0 || err == SP_EMORE);
        ck_assert_msg(!decided || err == 0, "%s: undecided again at %zu", rows[_i].what, len);
        decided = err == 0;
        if (decided)
            ck_assert_msg(proto == rows[_i].outside, "%s: %d at %zu", rows[_i].what, proto, len);
    }
    ck_assert(decided);
}
END_TEST

/* Any first bytes are decided on in time: a connection can't stay at the door by being odd. */
START_TEST(always_decides)
{
    uint8_t bytes[SP_DEMUX_MAX];
    enum sp_proto proto;

    srand(7);
    for (int i = 0; i < 100000; i++) {
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)rand();
        ck_assert_int_eq(sp_demux(sp_span(bytes, sizeof bytes), i & 1, ALL, &proto), 0);
    }
}
END_TEST

START_TEST(serves_only_what_it_should)
{
    struct sp_span stun = sp_span(STUN_BINDING, sizeof STUN_BINDING - 1);
    enum sp_proto proto;

    ck_assert_int_eq(sp_demux(stun, true, SP_SERVE_TUNNEL | SP_SERVE_SITE, &proto), 0);
    ck_assert_int_eq(proto, SP_PROTO_NONE);
    ck_assert_int_eq(sp_demux(stun, true, SP_SERVE_TURN, &proto), 0);
    ck_assert_int_eq(proto, SP_PROTO_TURN);
    stun = sp_span(ICE_CHECK, sizeof ICE_CHECK - 1);
    ck_assert_int_eq(sp_demux(stun, false, SP_SERVE_TURN | SP_SERVE_SITE, &proto), 0);
    ck_assert_int_eq(proto, SP_PROTO_NONE);
    ck_assert_int_eq(sp_demux(stun, true, SP_SERVE_ICE_TCP, &proto), 0);
    ck_assert_int_eq(proto, SP_PROTO_ICE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("demux");
    TCase *tc = tcase_create("demux");

    tcase_add_loop_test(tc, tells_what_it_is, 0, SP_ARRAY_LEN(rows));
    tcase_add_loop_test(tc, cut_at_each_byte, 0, SP_ARRAY_LEN(rows));
    tcase_add_test(tc, always_decides);
    tcase_add_test(tc, serves_only_what_it_should);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
