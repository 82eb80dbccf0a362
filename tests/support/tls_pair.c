/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_pair.h"

#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"

const char *const tls_pair_alpn[] = {"http/1.1", "stun.turn", NULL};

void tls_pair_open(struct tls_pair *p, const struct tls_files_spec *spec, const char *const *alpn)
{
    char why[SP_TLS_ERROR_MAX];

    *p = (struct tls_pair){0};
    tls_files_make(&p->files, spec);
    ck_assert_msg(
        sp_tls_ctx_server(p->files.cert, p->files.key, tls_pair_alpn, &p->server_ctx, why) == 0,
        "%s", why);
    ck_assert_msg(sp_tls_ctx_client(p->files.ca, alpn, &p->client_ctx, why) == 0, "%s", why);
}

void tls_pair_meet(struct tls_pair *p, const char *host)
{
    ck_assert_int_eq(sp_tls_server(p->server_ctx, &p->server), 0);
    ck_assert_int_eq(sp_tls_client(p->client_ctx, host, &p->client), 0);
}

void tls_pair_part(struct tls_pair *p)
{
    sp_tls_free(p->server);
    sp_tls_free(p->client);
    p->server = p->client = NULL;
}

void tls_pair_close(struct tls_pair *p)
{
    tls_pair_part(p);
    sp_tls_ctx_unref(p->server_ctx);
    sp_tls_ctx_unref(p->client_ctx);
    tls_files_remove(&p->files);
}

bool tls_pair_carry(struct sp_tls *from, struct sp_tls *to, size_t most)
{
    struct sp_span s = sp_buf_span(sp_tls_cipher_out(from));

    if (s.len > most)
        s.len = most;
    ck_assert_int_eq(sp_buf_append(sp_tls_cipher_in(to), s), 0);
    sp_buf_consume(sp_tls_cipher_out(from), s.len);
    return s.len > 0;
}

void tls_pair_shake(struct tls_pair *p, size_t most, int *client_err, int *server_err)
{
    *client_err = sp_tls_handshake(p->client);
    *server_err = SP_EAGAIN;
    for (;;) {
        bool moved = tls_pair_carry(p->client, p->server, most);
        if (moved && *server_err == SP_EAGAIN)
            *server_err = sp_tls_handshake(p->server);
        moved |= tls_pair_carry(p->server, p->client, most);
        if (*client_err == SP_EAGAIN)
            *client_err = sp_tls_handshake(p->client);
        if (!moved && sp_tls_cipher_out(p->client)->len == 0)
            return;
    }
}

void tls_pair_must_shake(struct tls_pair *p)
{
    int c, s;

    tls_pair_shake(p, SIZE_MAX, &c, &s);
    ck_assert_msg(c == 0, "client: %d %s", c, sp_tls_why(p->client));
    ck_assert_msg(s == 0, "server: %d %s", s, sp_tls_why(p->server));
    ck_assert(sp_tls_established(p->client) && sp_tls_established(p->server));
}

void tls_pair_send(struct sp_tls *from, struct sp_tls *to, size_t len, size_t step)
{
    uint8_t *data = malloc(len);
    struct sp_buf got;
    int err = SP_EAGAIN;

    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 31 + len);
    sp_buf_init(&got, 1 << 20);
    ck_assert_int_eq(sp_tls_write(from, sp_span(data, len)), 0);
    while (tls_pair_carry(from, to, step)) {
        err = sp_tls_read(to, &got);
        ck_assert(err == 0 || err == SP_EAGAIN);
    }
    ck_assert_int_eq(err, 0);
    ck_assert(sp_span_eq(sp_buf_span(&got), sp_span(data, len)));
    ck_assert_int_eq(sp_tls_read(to, &got), SP_EAGAIN);
    sp_buf_fini(&got);
    free(data);
}
