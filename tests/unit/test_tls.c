/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "sallyport/rng.h"
#include "sallyport/tls.h"
#include "tls_cert.h"
#include "tls_files.h"
#include "tls_impl.h"

static const char *const alpn_server[] = {"http/1.1", "stun.turn", NULL};

/* A client and a server with nothing but memory between them. */
struct pair {
    struct tls_files files;
    struct sp_tls_ctx *server_ctx, *client_ctx;
    struct sp_tls *server, *client;
};

static void open_ctx(struct pair *p, const struct tls_files_spec *spec, const char *const *alpn)
{
    char why[SP_TLS_ERROR_MAX];

    *p = (struct pair){0};
    tls_files_make(&p->files, spec);
    ck_assert_msg(
        sp_tls_ctx_server(p->files.cert, p->files.key, alpn_server, &p->server_ctx, why) == 0, "%s",
        why);
    ck_assert_msg(sp_tls_ctx_client(p->files.ca, alpn, &p->client_ctx, why) == 0, "%s", why);
}

static void open_pair(struct pair *p, const char *host)
{
    ck_assert_int_eq(sp_tls_server(p->server_ctx, &p->server), 0);
    ck_assert_int_eq(sp_tls_client(p->client_ctx, host, &p->client), 0);
}

static void close_pair(struct pair *p)
{
    sp_tls_free(p->server);
    sp_tls_free(p->client);
    p->server = p->client = NULL;
}

static void close_all(struct pair *p)
{
    close_pair(p);
    sp_tls_ctx_unref(p->server_ctx);
    sp_tls_ctx_unref(p->client_ctx);
    tls_files_remove(&p->files);
}

static bool carry(struct sp_tls *from, struct sp_tls *to, size_t most)
{
    struct sp_span s = sp_buf_span(sp_tls_cipher_out(from));

    if (s.len > most)
        s.len = most;
    ck_assert_int_eq(sp_buf_append(sp_tls_cipher_in(to), s), 0);
    sp_buf_consume(sp_tls_cipher_out(from), s.len);
    return s.len > 0;
}

/* Until both are done, or one has failed and the other has heard of it. `most`: bytes at a time. */
static void shake(struct pair *p, size_t most, int *client_err, int *server_err)
{
    *client_err = sp_tls_handshake(p->client);
    *server_err = SP_EAGAIN;
    for (;;) {
        bool moved = carry(p->client, p->server, most);
        if (moved && *server_err == SP_EAGAIN)
            *server_err = sp_tls_handshake(p->server);
        moved |= carry(p->server, p->client, most);
        if (*client_err == SP_EAGAIN)
            *client_err = sp_tls_handshake(p->client);
        if (!moved && sp_tls_cipher_out(p->client)->len == 0)
            return;
    }
}

static void must_shake(struct pair *p)
{
    int c, s;

    shake(p, SIZE_MAX, &c, &s);
    ck_assert_msg(c == 0, "client: %d %s", c, sp_tls_why(p->client));
    ck_assert_msg(s == 0, "server: %d %s", s, sp_tls_why(p->server));
    ck_assert(sp_tls_established(p->client) && sp_tls_established(p->server));
}

static void send_and_check(struct sp_tls *from, struct sp_tls *to, size_t len, size_t step)
{
    uint8_t *data = malloc(len);
    struct sp_buf got;
    int err = SP_EAGAIN;

    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 31 + len);
    sp_buf_init(&got, 1 << 20);
    ck_assert_int_eq(sp_tls_write(from, sp_span(data, len)), 0);
    while (carry(from, to, step)) {
        err = sp_tls_read(to, &got);
        ck_assert(err == 0 || err == SP_EAGAIN);
    }
    ck_assert_int_eq(err, 0);
    ck_assert(sp_span_eq(sp_buf_span(&got), sp_span(data, len)));
    ck_assert_int_eq(sp_tls_read(to, &got), SP_EAGAIN);
    sp_buf_fini(&got);
    free(data);
}

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
    struct pair p;

    open_ctx(&p, NULL, alpn_server);
    open_pair(&p, "edge.test");
    must_shake(&p);
    ck_assert_str_eq(sp_tls_version(p.client), "TLSv1.3");
    ck_assert_str_eq(sp_tls_version(p.server), "TLSv1.3");
    ck_assert_ptr_nonnull(strstr(sp_tls_cipher(p.client), "TLS13"));
    struct sp_tls_peer peer;
    ck_assert(sp_tls_peer(p.client, &peer) && !sp_tls_peer(p.server, &(struct sp_tls_peer){0}));
    ck_assert(peer.names[0] != '\0' && peer.issuer[0] != '\0' && strlen(peer.until) == 10);
    ck_assert_str_eq(sp_tls_alpn(p.client), "http/1.1");
    ck_assert_str_eq(sp_tls_alpn(p.server), "http/1.1");
    for (size_t i = 0; i < SP_ARRAY_LEN(sizes); i++) {
        send_and_check(p.client, p.server, sizes[i], SIZE_MAX);
        send_and_check(p.server, p.client, sizes[i], SIZE_MAX);
        send_and_check(p.server, p.client, sizes[i], 1 + sizes[i] / 50);
    }
    close_all(&p);
}
END_TEST

START_TEST(byte_by_byte)
{
    struct pair p;
    int c, s;

    open_ctx(&p, NULL, NULL);
    open_pair(&p, "edge.test");
    shake(&p, 1, &c, &s);
    ck_assert_int_eq(c, 0);
    ck_assert_int_eq(s, 0);
    send_and_check(p.client, p.server, 3000, 1);
    close_all(&p);
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
        struct pair p;
        open_ctx(&p, NULL, cases[i].offer);
        open_pair(&p, "edge.test");
        must_shake(&p);
        ck_assert_str_eq(sp_tls_alpn(p.client), cases[i].result);
        ck_assert_str_eq(sp_tls_alpn(p.server), cases[i].result);
        close_all(&p);
    }
}
END_TEST

START_TEST(one_record_per_write)
{
    static uint8_t data[16384 + 1];
    struct pair p;

    open_ctx(&p, NULL, NULL);
    open_pair(&p, "edge.test");
    must_shake(&p);
    struct sp_buf *out = sp_tls_cipher_out(p.client);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span(data, 16384)), 0);
    ck_assert_uint_eq(records_in(sp_buf_span(out)), 1);
    sp_buf_consume(out, out->len);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span(data, 16385)), 0);
    ck_assert_uint_eq(records_in(sp_buf_span(out)), 2);
    close_all(&p);
}
END_TEST

/* A client with little memory asks for short records (RFC 6066 section 4), and gets such. */
START_TEST(short_records_for_who_asks)
{
    static uint8_t data[5000];
    struct pair p;

    open_ctx(&p, NULL, NULL);
    ck_assert_int_eq(wolfSSL_CTX_UseMaxFragment(p.client_ctx->wolf, WOLFSSL_MFL_2_9),
                     WOLFSSL_SUCCESS);
    open_pair(&p, "edge.test");
    must_shake(&p);
    ck_assert_int_eq(sp_tls_write(p.server, sp_span(data, sizeof data)), 0);
    ck_assert_uint_eq(records_in(sp_buf_span(sp_tls_cipher_out(p.server))), 10);
    close_all(&p);
}
END_TEST

START_TEST(output_bound)
{
    static uint8_t data[16384];
    struct pair p;
    size_t before;
    int err;

    open_ctx(&p, NULL, NULL);
    open_pair(&p, "edge.test");
    must_shake(&p);
    do {
        before = sp_tls_cipher_out(p.client)->len;
        err = sp_tls_write(p.client, sp_span(data, sizeof data));
    } while (err == 0 && before < 64U << 20);
    ck_assert_int_eq(err, SP_ENOMEM);
    ck_assert_uint_eq(sp_tls_cipher_out(p.client)->len, before);
    /* Nothing was lost by it: the other side can read all that was taken. */
    records_in(sp_buf_span(sp_tls_cipher_out(p.client)));
    sp_buf_consume(sp_tls_cipher_out(p.client), 0);
    close_all(&p);
}
END_TEST

START_TEST(read_bound)
{
    static uint8_t data[50000];
    struct pair p;
    struct sp_buf got;
    size_t total = 0;
    int err;

    open_ctx(&p, NULL, NULL);
    open_pair(&p, "edge.test");
    must_shake(&p);
    sp_buf_init(&got, 1000);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span(data, sizeof data)), 0);
    carry(p.client, p.server, SIZE_MAX);
    while ((err = sp_tls_read(p.server, &got)) == SP_EFULL) {
        ck_assert_uint_eq(got.len, 1000);
        total += got.len;
        sp_buf_consume(&got, got.len);
    }
    /* The last piece fills it exactly, so nothing is left to ask for. */
    ck_assert(err == 0 || err == SP_EAGAIN);
    ck_assert_uint_eq(total + got.len, sizeof data);
    sp_buf_fini(&got);
    close_all(&p);
}
END_TEST

START_TEST(close_in_order)
{
    struct pair p;
    struct sp_buf got;

    open_ctx(&p, NULL, NULL);
    open_pair(&p, "edge.test");
    must_shake(&p);
    sp_buf_init(&got, 1000);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span_str("bye")), 0);
    sp_tls_close(p.client);
    carry(p.client, p.server, SIZE_MAX);
    ck_assert_int_eq(sp_tls_read(p.server, &got), SP_ECLOSED);
    ck_assert(sp_span_eq(sp_buf_span(&got), sp_span_str("bye")));
    sp_buf_fini(&got);
    close_all(&p);
}
END_TEST

START_TEST(altered_record)
{
    struct pair p;
    struct sp_buf got;

    open_ctx(&p, NULL, NULL);
    open_pair(&p, "edge.test");
    must_shake(&p);
    sp_buf_init(&got, 1000);
    ck_assert_int_eq(sp_tls_write(p.client, sp_span_str("to be altered")), 0);
    struct sp_buf *out = sp_tls_cipher_out(p.client);
    out->mem[out->off + 8] ^= 1;
    carry(p.client, p.server, SIZE_MAX);
    ck_assert_int_eq(sp_tls_read(p.server, &got), SP_ETLS);
    ck_assert_str_ne(sp_tls_why(p.server), "no error");
    ck_assert_uint_eq(got.len, 0);
    ck_assert_int_eq(sp_tls_read(p.server, &got), SP_ETLS);
    ck_assert_int_eq(sp_tls_write(p.server, sp_span_str("x")), SP_ETLS);
    sp_buf_fini(&got);
    close_all(&p);
}
END_TEST

/* Without memory for it at the end of the handshake wolfSSL goes on with the connection, or there
 * is none. */
START_TEST(no_memory_to_take_over)
{
    bool failed = true;
    struct pair p;
    int n = 0;

    open_ctx(&p, NULL, NULL);
    open_pair(&p, "edge.test");
    must_shake(&p); /* what a context needs once is there then */
    close_pair(&p);
    for (unsigned k = 1; failed; k++) {
        open_pair(&p, "edge.test");
        ck_assert_int_eq(sp_tls_handshake(p.client), SP_EAGAIN);
        carry(p.client, p.server, SIZE_MAX);
        ck_assert_int_eq(sp_tls_handshake(p.server), SP_EAGAIN);
        carry(p.server, p.client, SIZE_MAX);
        ck_assert_int_eq(sp_tls_handshake(p.client), 0);
        carry(p.client, p.server, SIZE_MAX);
        alloc_fail_at(k);
        int err = sp_tls_handshake(p.server);
        failed = alloc_fail_disarm();
        ck_assert(err == 0 || (err == SP_ETLS && failed));
        ck_assert_int_eq(sp_tls_established(p.server), err == 0);
        if (err == 0) {
            n += failed;
            carry(p.server, p.client, SIZE_MAX); /* a ticket */
            send_and_check(p.client, p.server, 20000, SIZE_MAX);
            send_and_check(p.server, p.client, 20000, SIZE_MAX);
        }
        close_pair(&p);
    }
    ck_assert_int_gt(n, 0);
    close_all(&p);
}
END_TEST

/* --- who is it ------------------------------------------------------------------------------ */

static void expect_refused(struct pair *p, const char *host, const char *const *words)
{
    int c, s;

    open_pair(p, host);
    shake(p, SIZE_MAX, &c, &s);
    ck_assert_int_eq(c, SP_ETLS);
    for (size_t i = 0; words[i] != NULL; i++)
        ck_assert_msg(strstr(sp_tls_why(p->client), words[i]) != NULL, "\"%s\" lacks \"%s\"",
                      sp_tls_why(p->client), words[i]);
    ck_assert_ptr_null(strchr(sp_tls_why(p->client), '\n'));
    ck_assert_int_eq(sp_tls_handshake(p->client), SP_ETLS);
    /* The server hears of it, in 1.3 after it is done with its own part. */
    struct sp_buf got;
    sp_buf_init(&got, 1000);
    if (s == 0)
        s = sp_tls_read(p->server, &got);
    ck_assert_int_eq(s, SP_ETLS);
    ck_assert_msg(strstr(sp_tls_why(p->server), "the other side refused") != NULL, "%s",
                  sp_tls_why(p->server));
    sp_buf_fini(&got);
    close_pair(p);
}

static void expect_accepted(struct pair *p, const char *host)
{
    open_pair(p, host);
    must_shake(p);
    close_pair(p);
}

START_TEST(names)
{
    struct tls_files_spec spec = {.names = "a.test,*.wild.test,192.0.2.7,2001:db8::7"};
    struct pair p;

    open_ctx(&p, &spec, NULL);
    expect_accepted(&p, "a.test");
    expect_accepted(&p, "A.TEST");
    expect_accepted(&p, "x.wild.test");
    expect_accepted(&p, "192.0.2.7");
    expect_accepted(&p, "2001:db8::7");
    expect_accepted(&p, "2001:0db8:0:0:0:0:0:7");
    expect_refused(&p, "b.test",
                   (const char *const[]){"certificate is for a.test, *.wild.test, 192.0.2.7",
                                         "not for b.test", "signed by", "sallyport test CA", NULL});
    expect_refused(&p, "wild.test", (const char *const[]){"not for wild.test", NULL});
    expect_refused(&p, "x.y.wild.test", (const char *const[]){"not for x.y.wild.test", NULL});
    expect_refused(&p, "192.0.2.8", (const char *const[]){"not for 192.0.2.8", NULL});
    expect_refused(&p, "2001:db8::8", (const char *const[]){"not for 2001:db8::8", NULL});
    close_all(&p);
}
END_TEST

START_TEST(common_name_is_not_enough)
{
    struct tls_files_spec spec = {.no_names = true};
    struct pair p;

    open_ctx(&p, &spec, NULL);
    expect_refused(&p, "edge.test",
                   (const char *const[]){"not for edge.test", "CN=edge.test", NULL});
    close_all(&p);
}
END_TEST

START_TEST(expired)
{
    struct tls_files_spec spec = {.expired = true};
    struct pair p;

    open_ctx(&p, &spec, NULL);
    expect_refused(&p, "edge.test",
                   (const char *const[]){"certificate for edge.test expired on 2021-01-01",
                                         "sallyport test CA", NULL});
    close_all(&p);
}
END_TEST

/* As seen behind a box that opens TLS: the right name, signed by somebody else. */
START_TEST(signed_by_a_stranger)
{
    struct tls_files_spec spec = {.ca_name = "Corp TLS Inspection CA"};
    char why[SP_TLS_ERROR_MAX];
    struct pair p;
    struct tls_files ours;

    open_ctx(&p, &spec, NULL);
    tls_files_make(&ours, NULL);
    sp_tls_ctx_unref(p.client_ctx);
    ck_assert_int_eq(sp_tls_ctx_client(ours.ca, NULL, &p.client_ctx, why), 0);
    expect_refused(&p, "edge.test",
                   (const char *const[]){"certificate for edge.test is signed by",
                                         "CN=Corp TLS Inspection CA", "unknown here", NULL});
    tls_files_remove(&ours);
    close_all(&p);
}
END_TEST

/* A CA's own certificate, served as it is: by name it may be right, but nobody vouches for it. */
START_TEST(system_store_refuses_test_ca)
{
    char why[SP_TLS_ERROR_MAX];
    struct pair p;

    open_ctx(&p, NULL, NULL);
    sp_tls_ctx_unref(p.client_ctx);
    p.client_ctx = NULL;
    int err = sp_tls_ctx_client(NULL, NULL, &p.client_ctx, why);
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0) {
        ck_assert_msg(err == 0, "%s", why);
        expect_refused(&p, "edge.test", (const char *const[]){"sallyport test CA", NULL});
    } else {
        ck_assert(err == 0 || strstr(why, "ca-certificates.crt") != NULL);
    }
    close_all(&p);
}
END_TEST

START_TEST(name_matching)
{
    static const struct {
        const char *pattern, *host;
        bool match;
    } cases[] = {
        {"a.test", "a.test", true},
        {"a.test", "A.Test", true},
        {"a.test", "a.test.", true},
        {"a.test", "b.test", false},
        {"a.test", "aa.test", false},
        {"a.test", "a.tes", false},
        {"*.a.test", "x.a.test", true},
        {"*.a.test", "a.test", false},
        {"*.a.test", ".a.test", false},
        {"*.a.test", "x.y.a.test", false},
        {"*.test", "a.test", false},
        {"*", "a", false},
        {"x*.a.test", "xy.a.test", false},
        {"a.*.test", "a.b.test", false},
        {"", "", false},
        {"*.", "a.", false},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        ck_assert_msg(sp_tls_cert_name_matches(sp_span_str(cases[i].pattern), cases[i].host) ==
                          cases[i].match,
                      "%s %s", cases[i].pattern, cases[i].host);
}
END_TEST

/* --- what a middlebox sees ------------------------------------------------------------------ */

START_TEST(client_hello)
{
    struct pair p;

    open_ctx(&p, NULL, alpn_server);
    open_pair(&p, "edge.test");
    ck_assert_int_eq(sp_tls_handshake(p.client), SP_EAGAIN);
    struct sp_span hello = sp_buf_span(sp_tls_cipher_out(p.client));
    ck_assert(contains(hello, "edge.test"));
    ck_assert(contains(hello, "http/1.1"));
    /* Record 5, type and length 4, version 2, random 32: then a session id of 32 bytes, as TLS 1.2
     * would resume (RFC 8446 appendix D.4). */
    ck_assert_uint_eq(hello.p[43], 32);
    close_pair(&p);

    open_pair(&p, "192.0.2.7");
    ck_assert_int_eq(sp_tls_handshake(p.client), SP_EAGAIN);
    ck_assert(!contains(sp_buf_span(sp_tls_cipher_out(p.client)), "192.0.2.7"));
    close_all(&p);
}
END_TEST

START_TEST(versions)
{
    struct pair p;
    int c, s;

    open_ctx(&p, NULL, NULL);
    ck_assert_int_eq(wolfSSL_CTX_set_max_proto_version(p.client_ctx->wolf, TLS1_2_VERSION),
                     WOLFSSL_SUCCESS);
    open_pair(&p, "edge.test");
    must_shake(&p);
    ck_assert_str_eq(sp_tls_version(p.server), "TLSv1.2");
    ck_assert_ptr_nonnull(strstr(sp_tls_cipher(p.server), "ECDHE"));
    ck_assert_ptr_nonnull(strstr(sp_tls_cipher(p.server), "GCM"));
    send_and_check(p.client, p.server, 20000, SIZE_MAX);
    close_pair(&p);

    wolfSSL_CTX_set_min_proto_version(p.client_ctx->wolf, TLS1_1_VERSION);
    wolfSSL_CTX_set_max_proto_version(p.client_ctx->wolf, TLS1_1_VERSION);
    wolfSSL_CTX_set_cipher_list(p.client_ctx->wolf, "ALL");
    open_pair(&p, "edge.test");
    shake(&p, SIZE_MAX, &c, &s);
    ck_assert_int_eq(c, SP_ETLS);
    ck_assert(!sp_tls_established(p.server));
    close_all(&p);
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
        struct pair p;
        open_ctx(&p, NULL, NULL);
        open_pair(&p, "edge.test");
        struct sp_span s = sp_span(cases[i].text, cases[i].len);
        ck_assert_int_eq(sp_buf_append(sp_tls_cipher_in(p.server), s), 0);
        ck_assert_int_eq(sp_tls_handshake(p.server), SP_ETLS);
        ck_assert_str_ne(sp_tls_why(p.server), "");
        sp_tls_handshake(p.client);
        ck_assert_int_eq(sp_buf_append(sp_tls_cipher_in(p.client), s), 0);
        ck_assert_int_eq(sp_tls_handshake(p.client), SP_ETLS);
        close_all(&p);
    }
}
END_TEST

START_TEST(noise_in_handshake)
{
    struct pair p;
    struct sp_rng_seeded seeded;

    open_ctx(&p, NULL, NULL);
    sp_rng_seeded_init(&seeded, 7);
    for (int round = 0; round < 60; round++) {
        open_pair(&p, "edge.test");
        ck_assert_int_eq(sp_tls_handshake(p.client), SP_EAGAIN);
        /* Spoils one byte of the server's or of the client's first flight. */
        struct sp_tls *victim = round % 2 ? p.client : p.server;
        if (victim == p.server) {
            carry(p.client, p.server, SIZE_MAX);
            ck_assert_int_eq(sp_tls_handshake(p.server), SP_EAGAIN);
        }
        struct sp_buf *out = sp_tls_cipher_out(victim);
        size_t at = sp_rng_below(&seeded.rng, out->len);
        out->mem[out->off + at] ^= (uint8_t)(1 + sp_rng_below(&seeded.rng, 255));
        int c, s;
        shake(&p, SIZE_MAX, &c, &s);
        ck_assert(!(c == 0 && s == 0) || sp_tls_established(p.client));
        close_pair(&p);
    }
    close_all(&p);
}
END_TEST

/* --- contexts ------------------------------------------------------------------------------- */

static void expect_server_error(const char *cert, const char *key, const char *file,
                                const char *words)
{
    struct sp_tls_ctx *c = NULL;
    char why[SP_TLS_ERROR_MAX] = "";

    ck_assert_int_eq(sp_tls_ctx_server(cert, key, NULL, &c, why), SP_EINVAL);
    ck_assert_ptr_null(c);
    ck_assert_msg(strstr(why, file) != NULL && strstr(why, words) != NULL, "\"%s\" lacks \"%s\"",
                  why, words);
}

static const char *const encrypted[] = {
    "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,CFFD00F2CDBC0FF0245D140C73E2E7A2\n\n"
    "ZioKSXjExMsoqd8XKTtgWkoPKXseCBjsRZjIQXiRgup3y1pn1p16G2SA0yx2b6Lw\n"
    "Jul/388SFNITE9DQwzhDqRC1EQw948lF7x8z8o2k1oF5WmIDGJTiP3yIb4CzLkwr\n"
    "VI8ru2BnUHLPFzlayCkktzX2QwU8BLVkBP++uerRwAc=\n-----END EC PRIVATE KEY-----\n",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhelZ8kjCDHNAICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEGf1EfQaS9tQKS46UJ+5kt8EgZB8\n"
    "qfPRUDxbFYbGYBzPf0bzygB9bBBmPdppAgEXjJBs48TQrV/eLTX+G7CTBBN7z/CH\n"
    "YepGi0CixRMrFNlIrJDX0ibsPK7/5O98GGpkcYJkZdC82S1UNsO5gsPNLYZ/DTbI\n"
    "uMtXqIZYA+ANpGZQhB/1pmBvSLgNkUMQLC2IJ9w8Zk2L6FZ4nkcoELw9Lympw/k=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n",
};

START_TEST(bad_files)
{
    struct tls_files a, b;
    char path[40], why[SP_TLS_ERROR_MAX];
    struct sp_tls_ctx *c;

    tls_files_make(&a, NULL);
    tls_files_make(&b, NULL);
    expect_server_error("/nonexistent.pem", a.key, "/nonexistent.pem", "No such file");
    expect_server_error(a.cert, "/nonexistent.pem", "/nonexistent.pem", "No such file");
    expect_server_error(a.cert, "/tmp", "/tmp", "cannot read");
    expect_server_error(a.key, a.key, a.key, "holds no certificate");
    expect_server_error(a.cert, a.cert, a.cert, "holds no private key");
    expect_server_error(a.cert, "/dev/null", "/dev/null", "holds no private key");
    expect_server_error(a.cert, b.key, b.key, "does not belong to the certificate");

    /* Both ways to say that a password is needed. */
    for (size_t i = 0; i < SP_ARRAY_LEN(encrypted); i++) {
        int fd = memfd_create("key", 0);
        ck_assert_int_ge(fd, 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ck_assert_int_eq(write(fd, encrypted[i], strlen(encrypted[i])), (int)strlen(encrypted[i]));
        expect_server_error(a.cert, path, path, "is encrypted");
        close(fd);
    }

    ck_assert_int_eq(sp_tls_ctx_client(a.key, NULL, &c, why), SP_EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "holds no CA certificate"));
    ck_assert_int_eq(sp_tls_ctx_client("/nonexistent.pem", NULL, &c, why), SP_EINVAL);
    tls_files_remove(&a);
    tls_files_remove(&b);
}
END_TEST

START_TEST(context_outlived)
{
    struct pair p;

    open_ctx(&p, NULL, NULL);
    open_pair(&p, "edge.test");
    sp_tls_ctx_unref(p.server_ctx);
    sp_tls_ctx_unref(p.client_ctx);
    p.server_ctx = p.client_ctx = NULL;
    must_shake(&p);
    send_and_check(p.client, p.server, 100, SIZE_MAX);
    close_all(&p);
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
    tcase_add_test(tc, names);
    tcase_add_test(tc, common_name_is_not_enough);
    tcase_add_test(tc, expired);
    tcase_add_test(tc, signed_by_a_stranger);
    tcase_add_test(tc, system_store_refuses_test_ca);
    tcase_add_test(tc, name_matching);
    tcase_add_test(tc, client_hello);
    tcase_add_test(tc, versions);
    tcase_add_test(tc, not_tls);
    tcase_add_test(tc, noise_in_handshake);
    tcase_add_test(tc, bad_files);
    tcase_add_test(tc, context_outlived);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
