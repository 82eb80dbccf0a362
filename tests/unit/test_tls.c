/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/tls.h"

#include <check.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "sallyport/rng.h"
#include "tls_impl.h"
#include "tls_pair.h"

static size_t records_in(struct sp_span s)
{
    size_t n = 0;

    for (; s.len >= 5; n++)
        s = sp_span_skip(s, 5 + (size_t)sp_get_be16(s.p + 3));
    ck_assert_uint_eq(s.len, 0);
    return n;
}

static bool contains(struct sp_span s, const char *text)
{
    return memmem(s.p, s.len, text, strlen(text)) != NULL;
}

START_TEST(handshake_and_data)
{
    static const size_t sizes[] = {1, 2, 1200, 16383, 16384, 16385, 100000};
    struct tls_pair p;

    tls_pair_open(&p, NULL, tls_pair_alpn);
    tls_pair_meet(&p, "edge.test");
    tls_pair_must_shake(&p);
    ck_assert_str_eq(sp_tls_version(p.client), "TLSv1.3");
    ck_assert_str_eq(sp_tls_version(p.server), "TLSv1.3");
    ck_assert_ptr_nonnull(strstr(sp_tls_cipher(p.client), "TLS13"));
    struct sp_tls_peer peer;
    ck_assert(sp_tls_peer(p.client, &peer) && !sp_tls_peer(p.server, &(struct sp_tls_peer){0}));
    ck_assert(peer.names[0] != '\0' && peer.issuer[0] != '\0' && strlen(peer.until) == 10);
    ck_assert_str_eq(sp_tls_alpn(p.client), "http/1.1");
    ck_assert_str_eq(sp_tls_alpn(p.server), "http/1.1");
    for (size_t i = 0; i < SP_ARRAY_LEN(sizes); i++) {
        tls_pair_send(p.client, p.server, sizes[i], SIZE_MAX);
        tls_pair_send(p.server, p.client, sizes[i], SIZE_MAX);
        tls_pair_send(p.server, p.client, sizes[i], 1 + sizes[i] / 50);
    }
    tls_pair_close(&p);
}
END_TEST

START_TEST(byte_by_byte)
{
    struct tls_pair p;
    int c, s;

    tls_pair_open(&p, NULL, NULL);
    tls_pair_meet(&p, "edge.test");
    tls_pair_shake(&p, 1, &c, &s);
    ck_assert_int_eq(c, 0);
    ck_assert_int_eq(s, 0);
    tls_pair_send(p.client, p.server, 3000, 1);
    tls_pair_close(&p);
}
END_TEST

START_TEST(alpn)
{
    static const char *const turn_first[] = {"stun.turn", "http/1.1", NULL};
    static const char *const turn[] = {"stun.turn", NULL}, *const other[] = {"h2", NULL};
    static const struct {
        const char *const *offer;
        const char *result;
    } cases[] = {{turn_first, "http/1.1"}, {turn, "stun.turn"}, {other, ""}, {NULL, ""}};

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct tls_pair p;
        tls_pair_open(&p, NULL, cases[i].offer);
        tls_pair_meet(&p, "edge.test");
        tls_pair_must_shake(&p);
        ck_assert_str_eq(sp_tls_alpn(p.client), cases[i].result);
        ck_assert_str_eq(sp_tls_alpn(p.server), cases[i].result);
        tls_pair_close(&p);
    }
}
END_TEST

START_TEST(one_record_per_write)
{
    static uint8_t data[16384 + 1];
    struct tls_pair p;

    tls_pair_open(&p, NULL, NULL);
    tls_pair_meet(&p, "edge.test");
    tls_pair_must_shake(&p);
    struct sp_buf *out = sp_tls_cipher_out(p.client);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span(data, 16384)), 0);
    ck_assert_uint_eq(records_in(sp_buf_span(out)), 1);
    sp_buf_consume(out, out->len);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span(data, 16385)), 0);
    ck_assert_uint_eq(records_in(sp_buf_span(out)), 2);
    tls_pair_close(&p);
}
END_TEST

/* A client with little memory asks for short records (RFC 6066 section 4), and gets such. */
START_TEST(short_records_for_who_asks)
{
    static uint8_t data[5000];
    struct tls_pair p;

    tls_pair_open(&p, NULL, NULL);
    ck_assert_int_eq(wolfSSL_CTX_UseMaxFragment(p.client_ctx->wolf, WOLFSSL_MFL_2_9),
                     WOLFSSL_SUCCESS);
    tls_pair_meet(&p, "edge.test");
    tls_pair_must_shake(&p);
    ck_assert_int_eq(sp_tls_write(p.server, sp_span(data, sizeof data)), 0);
    ck_assert_uint_eq(records_in(sp_buf_span(sp_tls_cipher_out(p.server))), 10);
    tls_pair_close(&p);
}
END_TEST

START_TEST(output_bound)
{
    static uint8_t data[16384];
    struct tls_pair p;
    size_t before;
    int err;

    tls_pair_open(&p, NULL, NULL);
    tls_pair_meet(&p, "edge.test");
    tls_pair_must_shake(&p);
    do {
        before = sp_tls_cipher_out(p.client)->len;
        err = sp_tls_write(p.client, sp_span(data, sizeof data));
    } while (err == 0 && before < 64U << 20);
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert_uint_eq(sp_tls_cipher_out(p.client)->len, before);
    /* Nothing was lost by it: the other side can read all that was taken. */
    records_in(sp_buf_span(sp_tls_cipher_out(p.client)));
    sp_buf_consume(sp_tls_cipher_out(p.client), 0);
    tls_pair_close(&p);
}
END_TEST

START_TEST(read_bound)
{
    static uint8_t data[50000];
    struct tls_pair p;
    struct sp_buf got;
    size_t total = 0;
    int err;

    tls_pair_open(&p, NULL, NULL);
    tls_pair_meet(&p, "edge.test");
    tls_pair_must_shake(&p);
    sp_buf_init(&got, 1000);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span(data, sizeof data)), 0);
    tls_pair_carry(p.client, p.server, SIZE_MAX);
    while ((err = sp_tls_read(p.server, &got)) == SP_EFULL) {
        ck_assert_uint_eq(got.len, 1000);
        total += got.len;
        sp_buf_consume(&got, got.len);
    }
    /* The last piece fills it exactly, so nothing is left to ask for. */
    ck_assert(err == 0 || err == SP_EAGAIN);
    ck_assert_uint_eq(total + got.len, sizeof data);
    sp_buf_fini(&got);
    tls_pair_close(&p);
}
END_TEST

START_TEST(close_in_order)
{
    struct tls_pair p;
    struct sp_buf got;

    tls_pair_open(&p, NULL, NULL);
    tls_pair_meet(&p, "edge.test");
    tls_pair_must_shake(&p);
    sp_buf_init(&got, 1000);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span_str("bye")), 0);
    sp_tls_close(p.client);
    tls_pair_carry(p.client, p.server, SIZE_MAX);
    ck_assert_int_eq(sp_tls_read(p.server, &got), SP_ECLOSED);
    ck_assert(sp_span_eq(sp_buf_span(&got), sp_span_str("bye")));
    sp_buf_fini(&got);
    tls_pair_close(&p);
}
END_TEST

START_TEST(altered_record)
{
    struct tls_pair p;
    struct sp_buf got;

    tls_pair_open(&p, NULL, NULL);
    tls_pair_meet(&p, "edge.test");
    tls_pair_must_shake(&p);
    sp_buf_init(&got, 1000);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span_str("to be altered")), 0);
    struct sp_buf *out = sp_tls_cipher_out(p.client);
    out->mem[out->off + 8] ^= 1;
    tls_pair_carry(p.client, p.server, SIZE_MAX);
    ck_assert_int_eq(sp_tls_read(p.server, &got), SP_ETLS);
    ck_assert_str_ne(sp_tls_why(p.server), "no error");
    ck_assert_uint_eq(got.len, 0);
    ck_assert_int_eq(sp_tls_read(p.server, &got), SP_ETLS);
    ck_assert_int_eq(sp_tls_write(p.server, sp_span_str("x")), SP_ETLS);
    sp_buf_fini(&got);
    tls_pair_close(&p);
}
END_TEST

/* Without memory for it at the end of the handshake wolfSSL goes on with the connection, or there
 * is none. */
START_TEST(no_memory_to_take_over)
{
    bool failed = true;
    struct tls_pair p;
    int n = 0;

    tls_pair_open(&p, NULL, NULL);
    tls_pair_meet(&p, "edge.test");
    tls_pair_must_shake(&p); /* what a context needs once is there then */
    tls_pair_part(&p);
    for (unsigned k = 1; failed; k++) {
        tls_pair_meet(&p, "edge.test");
        ck_assert_int_eq(sp_tls_handshake(p.client), SP_EAGAIN);
        tls_pair_carry(p.client, p.server, SIZE_MAX);
        ck_assert_int_eq(sp_tls_handshake(p.server), SP_EAGAIN);
        tls_pair_carry(p.server, p.client, SIZE_MAX);
        ck_assert_int_eq(sp_tls_handshake(p.client), 0);
        tls_pair_carry(p.client, p.server, SIZE_MAX);
        alloc_fail_at(k);
        int err = sp_tls_handshake(p.server);
        failed = alloc_fail_disarm();
        ck_assert(err == 0 || (err == SP_ETLS && failed));
        ck_assert_int_eq(sp_tls_established(p.server), err == 0);
        if (err == 0) {
            n += failed;
            tls_pair_carry(p.server, p.client, SIZE_MAX); /* a ticket */
            tls_pair_send(p.client, p.server, 20000, SIZE_MAX);
            tls_pair_send(p.server, p.client, 20000, SIZE_MAX);
        }
        tls_pair_part(&p);
    }
    ck_assert_int_gt(n, 0);
    tls_pair_close(&p);
}
END_TEST

/* --- what a middlebox sees ------------------------------------------------------------------ */

START_TEST(client_hello)
{
    struct tls_pair p;

    tls_pair_open(&p, NULL, tls_pair_alpn);
    tls_pair_meet(&p, "edge.test");
    ck_assert_int_eq(sp_tls_handshake(p.client), SP_EAGAIN);
    struct sp_span hello = sp_buf_span(sp_tls_cipher_out(p.client));
    ck_assert(contains(hello, "edge.test"));
    ck_assert(contains(hello, "http/1.1"));
    /* Record 5, type and length 4, version 2, random 32: then a session id of 32 bytes, as TLS 1.2
     * would resume (RFC 8446 appendix D.4). */
    ck_assert_uint_eq(hello.p[43], 32);
    tls_pair_part(&p);

    tls_pair_meet(&p, "192.0.2.7");
    ck_assert_int_eq(sp_tls_handshake(p.client), SP_EAGAIN);
    ck_assert(!contains(sp_buf_span(sp_tls_cipher_out(p.client)), "192.0.2.7"));
    tls_pair_close(&p);
}
END_TEST

START_TEST(versions)
{
    struct tls_pair p;
    int c, s;

    tls_pair_open(&p, NULL, NULL);
    ck_assert_int_eq(wolfSSL_CTX_set_max_proto_version(p.client_ctx->wolf, TLS1_2_VERSION),
                     WOLFSSL_SUCCESS);
    tls_pair_meet(&p, "edge.test");
    tls_pair_must_shake(&p);
    ck_assert_str_eq(sp_tls_version(p.server), "TLSv1.2");
    ck_assert_ptr_nonnull(strstr(sp_tls_cipher(p.server), "ECDHE"));
    ck_assert_ptr_nonnull(strstr(sp_tls_cipher(p.server), "GCM"));
    tls_pair_send(p.client, p.server, 20000, SIZE_MAX);
    tls_pair_part(&p);

    wolfSSL_CTX_set_min_proto_version(p.client_ctx->wolf, TLS1_1_VERSION);
    wolfSSL_CTX_set_max_proto_version(p.client_ctx->wolf, TLS1_1_VERSION);
    wolfSSL_CTX_set_cipher_list(p.client_ctx->wolf, "ALL");
    tls_pair_meet(&p, "edge.test");
    tls_pair_shake(&p, SIZE_MAX, &c, &s);
    ck_assert_int_eq(c, SP_ETLS);
    ck_assert(!sp_tls_established(p.server));
    tls_pair_close(&p);
}
END_TEST

START_TEST(not_tls)
{
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {{"GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n", 35},
                 {"\x16\x03\x01\0\x06\x01\0\0\x02\xff\xff", 11}, /* a hello of two bytes */
                 {"\0\0\0\0\0\0\0\0\0\0\0\0", 12}};

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct tls_pair p;
        tls_pair_open(&p, NULL, NULL);
        tls_pair_meet(&p, "edge.test");
        struct sp_span s = sp_span(cases[i].text, cases[i].len);
        ck_assert_int_eq(sp_buf_append(sp_tls_cipher_in(p.server), s), 0);
        ck_assert_int_eq(sp_tls_handshake(p.server), SP_ETLS);
        ck_assert_str_ne(sp_tls_why(p.server), "");
        sp_tls_handshake(p.client);
        ck_assert_int_eq(sp_buf_append(sp_tls_cipher_in(p.client), s), 0);
        ck_assert_int_eq(sp_tls_handshake(p.client), SP_ETLS);
        tls_pair_close(&p);
    }
}
END_TEST

/* Who named the wrong port reads it as that. */
START_TEST(another_protocol_answers)
{
    static const char *const texts[] = {"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
                                        "<html>no</html>\n", "SSH-2.0-OpenSSH_9.2\r\n",
                                        "220 mail.test ESMTP\r\n", "* OK IMAP4rev1 ready\r\n"};

    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++) {
        struct tls_pair p;
        tls_pair_open(&p, NULL, NULL);
        tls_pair_meet(&p, "edge.test");
        ck_assert_int_eq(sp_tls_handshake(p.client), SP_EAGAIN);
        ck_assert_int_eq(sp_buf_append(sp_tls_cipher_in(p.client), sp_span_str(texts[i])), 0);
        ck_assert_int_eq(sp_tls_handshake(p.client), SP_ETLS);
        ck_assert_str_eq(sp_tls_why(p.client), "the other side speaks no TLS 1.2 or 1.3");
        tls_pair_close(&p);
    }
}
END_TEST

START_TEST(noise_in_handshake)
{
    struct tls_pair p;
    struct sp_rng_seeded seeded;

    tls_pair_open(&p, NULL, NULL);
    sp_rng_seeded_init(&seeded, 7);
    for (int round = 0; round < 60; round++) {
        tls_pair_meet(&p, "edge.test");
        ck_assert_int_eq(sp_tls_handshake(p.client), SP_EAGAIN);
        /* Spoils one byte of the server's or of the client's first flight. */
        struct sp_tls *victim = round % 2 ? p.client : p.server;
        if (victim == p.server) {
            tls_pair_carry(p.client, p.server, SIZE_MAX);
            ck_assert_int_eq(sp_tls_handshake(p.server), SP_EAGAIN);
        }
        struct sp_buf *out = sp_tls_cipher_out(victim);
        size_t at = sp_rng_below(&seeded.rng, out->len);
        out->mem[out->off + at] ^= (uint8_t)(1 + sp_rng_below(&seeded.rng, 255));
        int c, s;
        tls_pair_shake(&p, SIZE_MAX, &c, &s);
        ck_assert(!(c == 0 && s == 0) || sp_tls_established(p.client));
        tls_pair_part(&p);
    }
    tls_pair_close(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls");
    TCase *tc = tcase_create("tls");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, handshake_and_data);
    tcase_add_test(tc, byte_by_byte);
    tcase_add_test(tc, alpn);
    tcase_add_test(tc, one_record_per_write);
    tcase_add_test(tc, short_records_for_who_asks);
    tcase_add_test(tc, output_bound);
    tcase_add_test(tc, read_bound);
    tcase_add_test(tc, close_in_order);
    tcase_add_test(tc, altered_record);
    tcase_add_test(tc, no_memory_to_take_over);
    tcase_add_test(tc, client_hello);
    tcase_add_test(tc, versions);
    tcase_add_test(tc, not_tls);
    tcase_add_test(tc, another_protocol_answers);
    tcase_add_test(tc, noise_in_handshake);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
