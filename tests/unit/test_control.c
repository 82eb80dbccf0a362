/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/control.h"
#include "sallyport/err.h"
#include "sallyport/rfc4571.h"

static const uint8_t id[SP_STUN_ID_LEN] = "twelve bytes";

/* Bytes as PROTOCOL.md has them: changing one is changing the protocol. */
static const uint8_t open_request[] = {
    0x3C, 0x01, 0x00, 0x28, 0x21, 0x12, 0xA4, 0x42,                         /* OPEN, 40 bytes */
    't',  'w',  'e',  'l',  'v',  'e',  ' ',  'b',  'y',  't',  'e',  's',  /* transaction */
    0xFF, 0x02, 0x00, 0x04, 0xDE, 0xAD, 0xBE, 0xEF,                         /* SEQ */
    0xFF, 0x01, 0x00, 0x04, 0x12, 0x34, 0x00, 0x01,                         /* FLOW, kind TURN */
    0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0x32, 0x9A, 0xE1, 0xBA, 0xA5, 0x40, /* 192.168.1.2:5000 */
    0x00, 0x13, 0x00, 0x05, 'h',  'e',  'l',  'l',  'o',  0x00, 0x00, 0x00, /* DATA */
};

static struct sp_control open_message(void)
{
    struct sp_control c = {.method = SP_CONTROL_OPEN,
                           .cls = SP_STUN_REQUEST,
                           .flow = 0x1234,
                           .kind = SP_FLOW_TURN,
                           .has_data = true,
                           .seq = 0xDEADBEEF,
                           .data = sp_span_str("hello"),
                           .local = sp_addr_v4(192, 168, 1, 2, 5000)};

    memcpy(c.id, id, sizeof id);
    return c;
}

START_TEST(open_on_the_wire)
{
    struct sp_control c = open_message();
    uint8_t out[128];
    size_t len;

    ck_assert_int_eq(sp_control_build(&c, out, sizeof out, &len), 0);
    ck_assert_uint_eq(len, sizeof open_request);
    ck_assert_mem_eq(out, open_request, len);
    ck_assert_uint_eq(sp_get_be32(out + SP_CONTROL_SEQ_OFFSET), 0xDEADBEEF);
    ck_assert_uint_eq(sp_get_be16(out + SP_CONTROL_FLOW_OFFSET), 0x1234);
    /* Each length but the right one is too small. */
    for (size_t cap = 0; cap < len; cap++) {
        size_t other = 77;
        ck_assert_int_eq(sp_control_build(&c, out, cap, &other), SP_ETOOBIG);
        ck_assert_uint_eq(other, 77);
    }
    ck_assert_int_eq(sp_control_build(&c, out, len, &len), 0);
}
END_TEST

static int parse(const uint8_t *bytes, size_t len, struct sp_control *out, bool *answerable)
{
    uint8_t *copy = malloc(len ? len : 1); /* ends where the message ends */

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    int err = sp_control_parse(sp_span(copy, len), out, answerable);
    if (err == 0 && out->has_data) {
        ck_assert(out->data.p >= copy && out->data.p + out->data.len <= copy + len);
        out->data.p = bytes + (out->data.p - copy);
    }
    free(copy);
    return err;
}

static const struct sp_control messages[] = {
    {.method = SP_CONTROL_PING, .cls = SP_STUN_REQUEST},
    {.method = SP_CONTROL_PING, .cls = SP_STUN_SUCCESS},
    {.method = SP_CONTROL_PING, .cls = SP_STUN_ERROR, .code = 400},
    {.method = SP_CONTROL_DRAIN, .cls = SP_STUN_REQUEST},
    {.method = SP_CONTROL_DRAIN, .cls = SP_STUN_SUCCESS},
    {.method = SP_CONTROL_DRAIN, .cls = SP_STUN_ERROR, .code = 400},
    {.method = SP_CONTROL_CLOSE, .cls = SP_STUN_REQUEST, .flow = 1},
    {.method = SP_CONTROL_CLOSE, .cls = SP_STUN_SUCCESS, .flow = 0xFFFE},
    {.method = SP_CONTROL_CLOSE, .cls = SP_STUN_ERROR, .flow = 7, .code = 400},
    {.method = SP_CONTROL_OPEN, .cls = SP_STUN_REQUEST, .flow = 9, .kind = 1},
    {.method = SP_CONTROL_OPEN, .cls = SP_STUN_SUCCESS, .flow = 9},
    {.method = SP_CONTROL_OPEN, .cls = SP_STUN_ERROR, .flow = 9, .code = SP_CONTROL_FULL},
    {.method = SP_CONTROL_OPEN, .cls = SP_STUN_ERROR, .flow = 9, .code = SP_CONTROL_RESTING},
    {.method = SP_CONTROL_OPEN, .cls = SP_STUN_ERROR, .flow = 9, .code = SP_CONTROL_UNKNOWN},
    {.method = SP_CONTROL_OPEN, .cls = SP_STUN_ERROR, .flow = 9, .code = SP_CONTROL_DRAINING},
    {.method = SP_CONTROL_OPEN,
     .cls = SP_STUN_REQUEST,
     .flow = 9,
     .kind = 0xFFFF,
     .has_data = true,
     .seq = 0,
     .data = {(const uint8_t *)"", 0}},
    {.method = SP_CONTROL_OPEN,
     .cls = SP_STUN_REQUEST,
     .flow = 9,
     .kind = 1,
     .has_data = true,
     .seq = UINT32_MAX,
     .data = {(const uint8_t *)"xyz", 3},
     .local = {.ip = {0x20, 1, 0xD, 0xB8, 9}, .port = 65535, .family = SP_IPV6}},
};

START_TEST(there_and_back)
{
    const struct sp_control *c = &messages[_i];
    struct sp_control got;
    uint8_t out[200];
    size_t len;
    bool answerable = true;

    ck_assert_int_eq(sp_control_build(c, out, sizeof out, &len), 0);
    ck_assert_uint_le(len, SP_CONTROL_OVERHEAD + c->data.len);
    ck_assert_int_eq(parse(out, len, &got, &answerable), 0);
    ck_assert(!answerable);
    ck_assert_uint_eq(got.method, c->method);
    ck_assert_uint_eq(got.cls, c->cls);
    ck_assert_mem_eq(got.id, c->id, sizeof got.id);
    ck_assert_uint_eq(got.flow, c->flow);
    ck_assert_uint_eq(got.kind, c->kind);
    ck_assert_uint_eq(got.code, c->code);
    ck_assert(got.has_data == c->has_data && got.seq == c->seq);
    ck_assert(sp_span_eq(got.data, c->data));
    ck_assert(sp_addr_eq(&got.local, &c->local));
}
END_TEST

START_TEST(largest_datagram)
{
    static uint8_t data[SP_DATAGRAM_MAX], out[SP_FRAME_MAX];
    struct sp_control c = open_message(), got;
    size_t len;
    bool answerable;

    c.data = sp_span(data, sizeof data);
    c.local.family = SP_IPV6;
    ck_assert_int_eq(sp_control_build(&c, out, sizeof out, &len), 0);
    ck_assert_uint_le(len, SP_DATAGRAM_MAX + SP_CONTROL_OVERHEAD);
    ck_assert_uint_le(len + SP_FRAME_CONTROL_HEADER_LEN, SP_FRAME_MAX);
    ck_assert_int_eq(parse(out, len, &got, &answerable), 0);
    ck_assert_uint_eq(got.data.len, SP_DATAGRAM_MAX);
}
END_TEST

/* One change to a right OPEN each. */
static const struct {
    const char *what;
    size_t at;
    uint8_t to;
    bool answerable;
} changes[] = {
    {"another method", 1, 0x05, true},
    {"the method before", 1, 0x00, true},
    {"Binding", 0, 0x00, true},
    {"an indication", 1, 0x11, false},
    {"no STUN", 0, 0x80, false},
    {"wrong cookie", 4, 0x22, false},
    {"wrong length", 3, 0x24, false},
    {"an attribute that overruns", 51, 0x0D, false},
    {"flow 0", 32, 0x00, true}, /* with flow's low byte, below */
    {"FLOW too short", 31, 0x03, true},
    {"FLOW missing", 29, 0x05, true},
    {"SEQ missing", 21, 0x05, true},
    {"SEQ too short", 23, 0x03, true},
    {"address of an unknown family", 41, 0x03, true},
    {"address too short", 39, 0x07, true},
};

START_TEST(not_a_control_message)
{
    uint8_t bytes[sizeof open_request];
    struct sp_control got = {.method = 1, .flow = 4711};
    bool answerable = !changes[_i].answerable;

    memcpy(bytes, open_request, sizeof bytes);
    bytes[changes[_i].at] = changes[_i].to;
    if (changes[_i].at == 32)
        bytes[33] = 0;
    ck_assert_msg(parse(bytes, sizeof bytes, &got, &answerable) == SP_EBADMSG, "%s",
                  changes[_i].what);
    ck_assert_msg(answerable == changes[_i].answerable, "%s", changes[_i].what);
    ck_assert_uint_eq(got.flow, 4711);
    if (answerable) {
        ck_assert_mem_eq(got.id, id, sizeof id);
        ck_assert_uint_eq(got.method & 0xF, bytes[1] & 0xF);
    }
}
END_TEST

START_TEST(cut_at_each_byte)
{
    struct sp_control got;
    bool answerable;

    for (size_t n = 0; n < sizeof open_request; n++) {
        ck_assert_int_eq(parse(open_request, n, &got, &answerable), SP_EBADMSG);
        ck_assert(!answerable);
    }
    ck_assert_int_eq(parse(open_request, sizeof open_request, &got, &answerable), 0);
}
END_TEST

START_TEST(flow_numbers_of_other_kinds)
{
    static const uint16_t reserved[] = {0, 0xFFFF};
    struct sp_control got;
    bool answerable;

    for (size_t i = 0; i < SP_ARRAY_LEN(reserved); i++) {
        uint8_t bytes[sizeof open_request];
        memcpy(bytes, open_request, sizeof bytes);
        sp_put_be16(bytes + SP_CONTROL_FLOW_OFFSET, reserved[i]);
        ck_assert_int_eq(parse(bytes, sizeof bytes, &got, &answerable), SP_EBADMSG);
        ck_assert(answerable);
    }
}
END_TEST

/* --- what is missing ------------------------------------------------------------------------ */

static const uint8_t report[] = {
    0x3C, 0x15, 0x00, 0x0C, 0x21, 0x12, 0xA4, 0x42,                         /* REPORT, 12 bytes */
    't',  'w',  'e',  'l',  'v',  'e',  ' ',  'b',  'y',  't',  'e',  's',  /* transaction */
    0xFF, 0x03, 0x00, 0x07, 0xDE, 0xAD, 0xBE, 0xEF, 0x01, 0x00, 0x80, 0x00, /* MISSING */
};

static struct sp_control report_message(size_t len)
{
    static const uint8_t bitmap[SP_CONTROL_MISSING_MAX + 1] = {0x01, 0x00, 0x80};
    struct sp_control c = {.method = SP_CONTROL_REPORT,
                           .cls = SP_STUN_INDICATION,
                           .seq = 0xDEADBEEF,
                           .missing = sp_span(bitmap, len)};

    memcpy(c.id, id, sizeof id);
    return c;
}

START_TEST(report_on_the_wire)
{
    struct sp_control c = report_message(3);
    uint8_t out[128];
    size_t len = 77;

    for (size_t cap = 0; cap < sizeof report; cap++) {
        ck_assert_int_eq(sp_control_build(&c, out, cap, &len), SP_ETOOBIG);
        ck_assert_uint_eq(len, 77);
    }
    ck_assert_int_eq(sp_control_build(&c, out, sizeof report, &len), 0);
    ck_assert_uint_eq(len, sizeof report);
    ck_assert_mem_eq(out, report, len);
}
END_TEST

START_TEST(reports_there_and_back)
{
    struct sp_control got;
    bool answerable = true;
    size_t n = (size_t)_i, len;
    uint8_t out[SP_CONTROL_OVERHEAD];
    struct sp_control c = report_message(n);

    if (n == 0)
        c.missing.p = NULL;
    ck_assert_int_eq(sp_control_build(&c, out, sizeof out, &len), 0);
    ck_assert_int_eq(sp_control_parse(sp_span(out, len), &got, &answerable), 0);
    ck_assert(!answerable);
    ck_assert_uint_eq(got.method, SP_CONTROL_REPORT);
    ck_assert_uint_eq(got.cls, SP_STUN_INDICATION);
    ck_assert_uint_eq(got.seq, 0xDEADBEEF);
    ck_assert(sp_span_eq(got.missing, c.missing));
    ck_assert(n == 0 || (got.missing.p > out && got.missing.p + n <= out + len));
    ck_assert(!got.has_data && got.flow == 0 && got.code == 0);
}
END_TEST

START_TEST(a_report_that_is_too_big)
{
    struct sp_control c = report_message(SP_CONTROL_MISSING_MAX + 1);
    uint8_t out[200];
    size_t len = 77;

    ck_assert_int_eq(sp_control_build(&c, out, sizeof out, &len), SP_ETOOBIG);
    ck_assert_uint_eq(len, 77);
}
END_TEST

/* --- what came ------------------------------------------------------------------------------ */

static const uint8_t arrived[] = {
    0x3C, 0x17, 0x00, 0x10, 0x21, 0x12, 0xA4, 0x42,                     /* ARRIVED, 16 bytes */
    't',  'w',  'e',  'l',  'v',  'e',  ' ',  'b',  'y', 't', 'e', 's', /* transaction */
    0xFF, 0x05, 0x00, 0x0C, 0xDE, 0xAD, 0xBE, 0xEF,                     /* ARRIVAL: number */
    0x00, 0x01, 0x02, 0x03, 0xFF, 0xFE, 0xFD, 0xFC,                     /* time, bytes */
};

START_TEST(arrived_there_and_back)
{
    struct sp_control got, c = {.method = SP_CONTROL_ARRIVED,
                                .cls = SP_STUN_INDICATION,
                                .arrival = {0xDEADBEEF, 0x00010203, 0xFFFEFDFC}};
    uint8_t out[SP_CONTROL_OVERHEAD];
    bool answerable = true;
    size_t len;

    memcpy(c.id, id, sizeof id);
    ck_assert_int_eq(sp_control_build(&c, out, SP_CONTROL_ARRIVED_LEN - 1, &len), SP_ETOOBIG);
    ck_assert_int_eq(sp_control_build(&c, out, SP_CONTROL_ARRIVED_LEN, &len), 0);
    ck_assert_uint_eq(len, sizeof arrived);
    ck_assert_mem_eq(out, arrived, len);
    ck_assert_int_eq(parse(out, len, &got, &answerable), 0);
    ck_assert(!answerable);
    ck_assert_uint_eq(got.method, SP_CONTROL_ARRIVED);
    ck_assert_uint_eq(got.arrival.seq, c.arrival.seq);
    ck_assert_uint_eq(got.arrival.at_us, c.arrival.at_us);
    ck_assert_uint_eq(got.arrival.bytes, c.arrival.bytes);
    out[0] = 0x3C, out[1] = 0x07; /* asked, and not told */
    ck_assert_int_eq(parse(out, len, &got, &answerable), SP_EBADMSG);
    ck_assert(answerable);
}
END_TEST

/* An ARRIVAL that is shorter, or longer, or another attribute. */
START_TEST(arrived_malformed)
{
    uint8_t out[sizeof arrived + 4] = {0};
    struct sp_control got;
    bool answerable;

    memcpy(out, arrived, sizeof arrived);
    for (uint8_t len = 0; len <= 16; len++) {
        size_t padded = (size_t)(len + 3) / 4 * 4;
        out[3] = (uint8_t)(4 + padded);
        out[SP_STUN_HEADER_LEN + 3] = len;
        ck_assert_int_eq(parse(out, SP_STUN_HEADER_LEN + 4 + padded, &got, &answerable),
                         len == 12 ? 0 : SP_EBADMSG);
    }
    memcpy(out, arrived, sizeof arrived);
    out[SP_STUN_HEADER_LEN + 1] = 0x04;
    ck_assert_int_eq(parse(out, sizeof arrived, &got, &answerable), SP_EBADMSG);
}
END_TEST

/* `cls`, `attr`, and how long its value is. */
static const struct {
    const char *what;
    uint8_t cls;
    uint16_t attr;
    size_t len;
    bool answerable;
} bad_reports[] = {
    {"nothing in it", SP_STUN_INDICATION, 0, 0, false},
    {"another attribute", SP_STUN_INDICATION, SP_ATTR_SEQ, 4, false},
    {"an empty attribute", SP_STUN_INDICATION, SP_ATTR_MISSING, 0, false},
    {"half a number", SP_STUN_INDICATION, SP_ATTR_MISSING, 3, false},
    {"a byte too many", SP_STUN_INDICATION, SP_ATTR_MISSING, 4 + SP_CONTROL_MISSING_MAX + 1, false},
    {"many too many", SP_STUN_INDICATION, SP_ATTR_MISSING, 1000, false},
    {"a request", SP_STUN_REQUEST, SP_ATTR_MISSING, 8, true},
    {"a success", SP_STUN_SUCCESS, SP_ATTR_MISSING, 8, false},
    {"an error without a code", SP_STUN_ERROR, SP_ATTR_MISSING, 8, false},
};

START_TEST(not_a_report)
{
    static const uint8_t value[1000];
    struct sp_control got = {.flow = 4711, .seq = 4712};
    struct sp_stun_builder b;
    uint8_t out[1100];
    size_t len;
    bool answerable = !bad_reports[_i].answerable;

    sp_stun_begin(&b, out, sizeof out, SP_CONTROL_REPORT, (enum sp_stun_class)bad_reports[_i].cls,
                  id);
    if (bad_reports[_i].attr != 0)
        sp_stun_put(&b, bad_reports[_i].attr, sp_span(value, bad_reports[_i].len));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_msg(parse(out, len, &got, &answerable) == SP_EBADMSG, "%s", bad_reports[_i].what);
    ck_assert_msg(answerable == bad_reports[_i].answerable, "%s", bad_reports[_i].what);
    ck_assert(got.flow == 4711 && got.seq == 4712);
}
END_TEST

START_TEST(a_report_cut_at_each_byte)
{
    struct sp_control got;
    bool answerable;

    for (size_t n = 0; n < sizeof report; n++) {
        ck_assert_int_eq(parse(report, n, &got, &answerable), SP_EBADMSG);
        ck_assert(!answerable);
    }
    ck_assert_int_eq(parse(report, sizeof report, &got, &answerable), 0);
}
END_TEST

/* No other method may be an indication. */
START_TEST(only_reports_are_not_answered)
{
    struct sp_control c = open_message(), got;
    uint8_t out[128];
    size_t len;
    bool answerable = true;

    c.cls = SP_STUN_INDICATION;
    for (c.method = SP_CONTROL_OPEN - 1; c.method <= SP_CONTROL_REPORT + 1; c.method++) {
        if (c.method == SP_CONTROL_REPORT)
            continue;
        ck_assert_int_eq(sp_control_build(&c, out, sizeof out, &len), 0);
        ck_assert_int_eq(parse(out, len, &got, &answerable), SP_EBADMSG);
        ck_assert(!answerable);
    }
}
END_TEST

/* An answer without a code, or about no flow, is none; and nobody answers an answer. */
START_TEST(bad_answers)
{
    struct sp_control c = {.method = SP_CONTROL_OPEN, .cls = SP_STUN_SUCCESS}, got;
    uint8_t out[100];
    size_t len;
    bool answerable;

    ck_assert_int_eq(sp_control_build(&c, out, sizeof out, &len), 0);
    ck_assert_int_eq(parse(out, len, &got, &answerable), SP_EBADMSG);
    ck_assert(!answerable);
    c.flow = 5;
    ck_assert_int_eq(sp_control_build(&c, out, sizeof out, &len), 0);
    ck_assert_int_eq(parse(out, len, &got, &answerable), 0);
    out[0] |= 0x01; /* success becomes error */
    out[1] |= 0x10;
    ck_assert_int_eq(parse(out, len, &got, &answerable), SP_EBADMSG);
    ck_assert(!answerable);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *tc = tcase_create("control");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, open_on_the_wire);
    tcase_add_loop_test(tc, there_and_back, 0, (int)SP_ARRAY_LEN(messages));
    tcase_add_test(tc, largest_datagram);
    tcase_add_loop_test(tc, not_a_control_message, 0, (int)SP_ARRAY_LEN(changes));
    tcase_add_test(tc, cut_at_each_byte);
    tcase_add_test(tc, flow_numbers_of_other_kinds);
    tcase_add_test(tc, report_on_the_wire);
    tcase_add_test(tc, arrived_there_and_back);
    tcase_add_test(tc, arrived_malformed);
    tcase_add_loop_test(tc, reports_there_and_back, 0, SP_CONTROL_MISSING_MAX + 1);
    tcase_add_test(tc, a_report_that_is_too_big);
    tcase_add_loop_test(tc, not_a_report, 0, (int)SP_ARRAY_LEN(bad_reports));
    tcase_add_test(tc, a_report_cut_at_each_byte);
    tcase_add_test(tc, only_reports_are_not_answered);
    tcase_add_test(tc, bad_answers);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
