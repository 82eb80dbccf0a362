/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data between clients and plain peers. */
#include "turn_data.h"

#include <check.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "turn_client.h"

#define PEER  "8.8.8.8:53"
#define CHAN  0x4000
#define HELLO "hello, peer" /* 11 bytes: one of padding */

static struct rig rig;
static struct rig_client a, b;

static const struct sp_turn_counters *counters(void)
{
    return sp_turn_counters(rig.turn);
}

static void setup(void)
{
    rig_open(&rig, NULL);
    rig_client_init(&a, &rig, SP_TURN_UDP, 5000);
    rig_client_init(&b, &rig, SP_TURN_FLOW, 1);
    b.user = "bob";
    b.password = "builder";
    ck_assert_int_eq(rig_make(&a), 0);
    ck_assert_int_eq(rig_make(&b), 0);
}

static void teardown(void)
{
    rig_close(&rig);
}

/* The relay of the k-th client that was made. */
static struct rig_relay *relay(size_t k)
{
    return &rig.relays[k];
}

static void expect_to_peer(const struct rig_relay *r, const char *peer, const char *text)
{
    struct sp_addr to = rig_addr(peer);

    ck_assert_uint_eq(rig.n_out, 1);
    ck_assert_ptr_eq(rig.out[0].relay, r);
    ck_assert(sp_addr_eq(&rig.out[0].peer, &to));
    ck_assert_uint_eq(rig.out[0].len, strlen(text));
    ck_assert_mem_eq(rig.out[0].msg, text, strlen(text));
}

static void expect_channel(const struct rig_client *c, uint16_t number, const char *text)
{
    const struct rig_out *o = &rig.out[0];
    struct sp_chandata m;

    ck_assert_uint_eq(rig.n_out, 1);
    ck_assert(o->to_client && memcmp(&o->client, &c->path, sizeof c->path) == 0);
    ck_assert_int_eq(sp_chandata_parse(sp_span(o->msg, o->len), &m), 0);
    ck_assert_uint_eq(m.channel, number);
    ck_assert(sp_span_eq(m.data, sp_span_str(text)));
}

static void expect_indication(const struct rig_client *c, const struct sp_addr *from,
                              const char *text)
{
    const struct rig_out *o = &rig.out[0];
    struct sp_stun_msg m;
    struct sp_addr peer;
    struct sp_span data;

    ck_assert_uint_eq(rig.n_out, 1);
    ck_assert(o->to_client && memcmp(&o->client, &c->path, sizeof c->path) == 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(o->msg, o->len), &m), 0); /* padded, on all transports */
    ck_assert(m.method == SP_TURN_DATA && m.cls == SP_STUN_INDICATION);
    ck_assert_int_eq(sp_stun_find_xor_addr(&m, SP_ATTR_XOR_PEER_ADDRESS, &peer), 0);
    ck_assert(sp_addr_eq(&peer, from));
    ck_assert(sp_stun_find(&m, SP_ATTR_DATA, &data));
    ck_assert(sp_span_eq(data, sp_span_str(text)));
}

/* --- to plain peers ----------------------------------------------------------------------- */

START_TEST(send_indication)
{
    rig_send(&a, PEER, HELLO, 11);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->dropped_no_permission, 1);
    ck_assert_int_eq(rig_permit(&a, "8.8.8.8"), 0);
    rig_send(&a, PEER, HELLO, 11);
    expect_to_peer(relay(0), PEER, HELLO);
    rig_send(&a, PEER, "", 0);
    expect_to_peer(relay(0), PEER, "");
    rig_send(&a, "8.8.8.8:0", HELLO, 11); /* nobody lives at port 0 */
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->to_peer_datagrams, 2);
    ck_assert_uint_eq(counters()->to_peer_bytes, 11);
}
END_TEST

START_TEST(channel_data)
{
    rig_channel(&a, CHAN, HELLO, 11);
    ck_assert_uint_eq(counters()->dropped_no_channel, 1);
    ck_assert_int_eq(rig_bind(&a, CHAN, PEER), 0);
    rig_channel(&a, CHAN, HELLO, 11);
    expect_to_peer(relay(0), PEER, HELLO);
    rig_channel(&a, CHAN, "", 0);
    expect_to_peer(relay(0), PEER, "");
}
END_TEST

/* Of an allocation that is known: data at the front, and not what has to be looked at closer. */
START_TEST(channel_data_of_a_known_one)
{
    uint8_t stun[SP_STUN_HEADER_LEN] = {0};
    struct sp_span data = sp_span("\x40\x00\x00\x02hi", 6), msgs[] = {data, data, data, data};

    msgs[2] = sp_span(stun, sizeof stun);
    ck_assert_int_eq(rig_bind(&a, CHAN, PEER), 0);
    rig.n_out = 0;
    ck_assert_uint_eq(sp_turn_from_alloc(relay(0)->alloc, msgs, 4, rig.now_us), 2);
    ck_assert_uint_eq(rig.n_out, 2);
    ck_assert_uint_eq(counters()->to_peer_datagrams, 2);
    ck_assert_uint_eq(sp_turn_from_alloc(relay(0)->alloc, msgs + 2, 2, rig.now_us), 0);
    ck_assert_uint_eq(counters()->to_peer_datagrams, 2);
}
END_TEST

/* By UDP padding may be there or not; what is longer than the header says is ignored, what is
 * shorter is no message. */
START_TEST(channel_data_lengths)
{
    ck_assert_int_eq(rig_bind(&a, CHAN, PEER), 0);
    rig_msg(&a, "\x40\x00\x00\x02hi", 6);
    expect_to_peer(relay(0), PEER, "hi");
    rig_msg(&a, "\x40\x00\x00\x02hi\0\0", 8);
    expect_to_peer(relay(0), PEER, "hi");
    rig_msg(&a, "\x40\x00\x00\x02h", 5);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->malformed, 1);
}
END_TEST

START_TEST(nothing_is_copied)
{
    uint8_t msg[64] = "\x40\x00\x00\x0bhello, peer";

    ck_assert_int_eq(rig_bind(&a, CHAN, PEER), 0);
    rig_msg(&a, msg, 15);
    ck_assert_ptr_eq(rig.out[0].body, msg + 4);

    unsigned long was = alloc_fail_count();

    rig_msg(&a, msg, 15);
    rig_from_peer(&rig, relay(0), PEER, HELLO, 11);
    ck_assert_uint_eq(alloc_fail_count(), was);
}
END_TEST

START_TEST(dont_fragment)
{
    struct sp_stun_builder s;
    struct sp_addr peer = rig_addr(PEER);
    uint8_t msg[128];
    size_t len;

    ck_assert_int_eq(rig_permit(&a, "8.8.8.8"), 0);
    sp_stun_begin(&s, msg, sizeof msg, SP_TURN_SEND, SP_STUN_INDICATION,
                  (const uint8_t *)"twelve bytes");
    sp_stun_put_xor_addr(&s, SP_ATTR_XOR_PEER_ADDRESS, &peer);
    sp_stun_put(&s, SP_ATTR_DONT_FRAGMENT, sp_span_str(""));
    sp_stun_put(&s, SP_ATTR_DATA, sp_span_str(HELLO));
    ck_assert_int_eq(sp_stun_end(&s, &len), 0);
    rig_msg(&a, msg, len);
    expect_to_peer(relay(0), PEER, HELLO);
    ck_assert(rig.out[0].dont_fragment);
    rig_send(&a, PEER, HELLO, 11);
    ck_assert(!rig.out[0].dont_fragment);
}
END_TEST

/* What makes a Send indication no good, each alone. */
START_TEST(bad_send_indications)
{
    struct sp_addr peer = rig_addr(PEER);

    ck_assert_int_eq(rig_permit(&a, "8.8.8.8"), 0);
    for (int i = 0; i < 7; i++) {
        struct sp_stun_builder s;
        uint8_t msg[128];
        size_t len;

        sp_stun_begin(&s, msg, sizeof msg, SP_TURN_SEND, SP_STUN_INDICATION,
                      (const uint8_t *)"twelve bytes");
        if (i == 1)
            sp_stun_put(&s, SP_ATTR_XOR_PEER_ADDRESS, sp_span_str("bad"));
        else if (i != 2)
            sp_stun_put_xor_addr(&s, SP_ATTR_XOR_PEER_ADDRESS, &peer);
        if (i != 3)
            sp_stun_put(&s, SP_ATTR_DATA, sp_span_str(HELLO));
        if (i == 4)
            sp_stun_put(&s, 0x7001, sp_span_str("who knows"));
        if (i == 5)
            sp_stun_put(&s, SP_ATTR_USERNAME, sp_span_str("known, and of no use here"));
        if (i >= 5)
            sp_stun_put_fingerprint(&s);
        ck_assert_int_eq(sp_stun_end(&s, &len), 0);
        if (i == 6)
            msg[len - 1] ^= 1;
        rig_msg(&a, msg, len);
        ck_assert_uint_eq(rig.n_out, i == 0 || i == 5);
    }
    ck_assert_uint_eq(counters()->malformed, 5);
}
END_TEST

START_TEST(without_an_allocation)
{
    struct rig_client c;

    rig_client_init(&c, &rig, SP_TURN_UDP, 9);
    rig_channel(&c, CHAN, HELLO, 11);
    rig_send(&c, PEER, HELLO, 11);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->dropped_no_allocation, 2);
}
END_TEST

START_TEST(virtual_relays)
{
    struct rig_client c;

    rig.virtual_ = true;
    rig_client_init(&c, &rig, SP_TURN_UDP, 9);
    ck_assert_int_eq(rig_make(&c), 0);
    ck_assert_int_eq(rig_bind(&c, CHAN, PEER), 0);
    rig_channel(&c, CHAN, HELLO, 11);
    rig_send(&c, PEER, HELLO, 11);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->dropped_virtual, 2);
}
END_TEST

/* --- from plain peers --------------------------------------------------------------------- */

START_TEST(from_a_peer)
{
    struct sp_addr from = rig_addr(PEER);

    rig_from_peer(&rig, relay(0), PEER, HELLO, 11);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->dropped_no_permission, 1);
    ck_assert_int_eq(rig_permit(&a, "8.8.8.8"), 0);
    rig_from_peer(&rig, relay(0), PEER, HELLO, 11);
    expect_indication(&a, &from, HELLO);
    rig_from_peer(&rig, relay(0), PEER, "", 0);
    expect_indication(&a, &from, "");
    ck_assert_int_eq(rig_bind(&a, CHAN, PEER), 0);
    rig_from_peer(&rig, relay(0), PEER, HELLO, 11);
    expect_channel(&a, CHAN, HELLO);
    from.port++;
    rig_from_peer(&rig, relay(0), "8.8.8.8:54", HELLO, 11); /* another port: no channel */
    expect_indication(&a, &from, HELLO);
    rig_from_peer(&rig, relay(1), PEER, HELLO, 11); /* bob has permitted nobody */
    ck_assert_uint_eq(rig.n_out, 0);
}
END_TEST

START_TEST(indications_have_ids_of_their_own)
{
    uint8_t ids[100][SP_STUN_ID_LEN];

    ck_assert_int_eq(rig_permit(&a, "8.8.8.8"), 0);
    for (int i = 0; i < 100; i++) {
        rig_from_peer(&rig, relay(0), PEER, HELLO, 11);
        memcpy(ids[i], rig.out[0].msg + 8, SP_STUN_ID_LEN);
        for (int k = 0; k < i; k++)
            ck_assert_mem_ne(ids[k], ids[i], SP_STUN_ID_LEN);
    }
}
END_TEST

START_TEST(by_ipv6)
{
    struct rig_client c;
    struct sp_addr from = rig_addr("[2a00::7]:77");

    rig_client_init(&c, &rig, SP_TURN_UDP, 9);
    ck_assert(rig_hello(&c));
    rig_allocate(&c);
    sp_stun_put_u32(&c.b, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
    ck_assert_int_eq(rig_do(&c), 0);
    ck_assert_int_eq(rig_permit(&c, "2a00::7"), 0);
    ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
    rig_send(&c, "[2a00::7]:77", HELLO, 11);
    expect_to_peer(relay(3), "[2a00::7]:77", HELLO);
    rig_send(&c, PEER, HELLO, 11);
    expect_to_peer(relay(2), PEER, HELLO);
    rig_from_peer(&rig, relay(3), "[2a00::7]:77", HELLO, 11);
    expect_indication(&c, &from, HELLO);
    rig_from_peer(&rig, relay(3), PEER, HELLO, 11); /* by a dual-stack socket's other half */
    ck_assert_uint_eq(rig.n_out, 0);
}
END_TEST

/* Streams pad ChannelData to four bytes, datagrams don't; Data indications are padded always. */
START_TEST(padding)
{
    static const enum sp_turn_transport transports[] = {SP_TURN_UDP, SP_TURN_TCP, SP_TURN_TLS,
                                                        SP_TURN_FLOW};

    for (size_t i = 0; i < SP_ARRAY_LEN(transports); i++) {
        bool stream = transports[i] == SP_TURN_TCP || transports[i] == SP_TURN_TLS;
        struct rig_client c;
        size_t k = rig_open_relays(&rig);

        rig_client_init(&c, &rig, transports[i], 100);
        ck_assert_int_eq(rig_make(&c), 0);
        ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
        for (size_t len = 0; len < 9; len++) {
            rig_from_peer(&rig, relay(k), PEER, "12345678", len);
            ck_assert_uint_eq(rig.out[0].len, 20 + 12 + 4 + (len + 3) / 4 * 4);
        }
        ck_assert_int_eq(rig_bind(&c, CHAN, PEER), 0);
        for (size_t len = 0; len < 9; len++) {
            rig_from_peer(&rig, relay(k), PEER, "12345678", len);
            ck_assert_uint_eq(rig.out[0].len, 4 + (stream ? (len + 3) / 4 * 4 : len));
        }
        rig.now_us++; /* rig_make's ids: each client its own */
    }
}
END_TEST

/* What no transport could carry is dropped here, whoever is the sender. */
START_TEST(too_big)
{
    static const struct {
        enum sp_turn_transport transport;
        size_t indication, channel; /* the longest body that fits */
    } bounds[] = {
        {SP_TURN_UDP, 65507 - 36 - 3, 65507 - 4},
        {SP_TURN_TCP, 65535 - 3 - 16, 65535},
        {SP_TURN_FLOW, 16000 - 36, 16000 - 4},
    };
    static uint8_t big[70000];

    for (size_t i = 0; i < SP_ARRAY_LEN(bounds); i++) {
        struct rig_client c;
        size_t k = rig_open_relays(&rig);

        rig_client_init(&c, &rig, bounds[i].transport, 100);
        ck_assert_int_eq(rig_make(&c), 0);
        ck_assert_int_eq(rig_permit(&c, "8.8.8.8"), 0);
        rig_from_peer(&rig, relay(k), PEER, big, bounds[i].indication);
        ck_assert_uint_eq(rig.n_out, 1);
        rig_from_peer(&rig, relay(k), PEER, big, bounds[i].indication + 1);
        ck_assert_uint_eq(rig.n_out, 0);
        ck_assert_int_eq(rig_bind(&c, CHAN, PEER), 0);
        rig_from_peer(&rig, relay(k), PEER, big, bounds[i].channel);
        ck_assert_uint_eq(rig.n_out, 1);
        rig_from_peer(&rig, relay(k), PEER, big, bounds[i].channel + 1);
        ck_assert_uint_eq(rig.n_out, 0);
        ck_assert_uint_eq(counters()->dropped_too_big, 2 * i + 2);
    }
}
END_TEST

START_TEST(too_big_for_a_peer)
{
    static uint8_t msg[4 + 65535] = {0x40, 0x00};
    struct rig_client c;

    rig_client_init(&c, &rig, SP_TURN_TCP, 100);
    ck_assert_int_eq(rig_make(&c), 0);
    ck_assert_int_eq(rig_bind(&c, CHAN, PEER), 0);
    sp_put_be16(msg + 2, 65507);
    rig_msg(&c, msg, 4 + 65507);
    ck_assert_uint_eq(rig.n_out, 1);
    sp_put_be16(msg + 2, 65508);
    rig_msg(&c, msg, 4 + 65508);
    ck_assert_uint_eq(rig.n_out, 0);
    ck_assert_uint_eq(counters()->dropped_too_big, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turn_data");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, send_indication);
    tcase_add_test(t, channel_data);
    tcase_add_test(t, channel_data_of_a_known_one);
    tcase_add_test(t, channel_data_lengths);
    tcase_add_test(t, nothing_is_copied);
    tcase_add_test(t, dont_fragment);
    tcase_add_test(t, bad_send_indications);
    tcase_add_test(t, without_an_allocation);
    tcase_add_test(t, virtual_relays);
    tcase_add_test(t, from_a_peer);
    tcase_add_test(t, indications_have_ids_of_their_own);
    tcase_add_test(t, by_ipv6);
    tcase_add_test(t, padding);
    tcase_add_test(t, too_big);
    tcase_add_test(t, too_big_for_a_peer);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
