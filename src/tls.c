/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/tls.h"

#include "tls_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "sallyport/addr.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "tls_cert.h"
#include "tls_record.h"

#define CIPHER_IN_MAX  (512 * 1024)
#define CIPHER_OUT_MAX (2 * 1024 * 1024)
#define RECORD_MAX     SP_TLS_PLAIN_MAX
/* What a record adds, with room: header, nonce of TLS 1.2, content type, tag. */
#define RECORD_EXTRA 64
/* A peer may ask for records as short as this (RFC 6066 section 4). */
#define RECORD_SHORTEST 512

/* The verify callback is where names are checked, so it has to be called for good chains too. */
#if !defined(WOLFSSL_ALWAYS_VERIFY_CB) || !defined(OPENSSL_ALL) || !defined(HAVE_ALPN)
#error "this wolfSSL is built without what tls.c needs: see scripts/deps.sh"
#endif

struct sp_tls {
    WOLFSSL *ssl;                   /* NULL once `record` has taken over */
    struct sp_tls_secrets *secrets; /* until then, if it may */
    struct sp_tls_record *record;   /* NULL: wolfSSL protects records, too */
    const char *version, *cipher;
    struct sp_tls_ctx *ctx;
    struct sp_buf in, out;
    struct sp_buf rest;      /* of a record, for whose plaintext there was no room */
    char *host;              /* client: whom to expect */
    struct sp_tls_cert *met; /* client: the certificate that was refused … */
    struct sp_tls_peer peer; /* … or that was not */
    char *why;
    const char *alpn;
    bool name_is_right, established, failed;
};

/* --- what wolfSSL calls --------------------------------------------------------------------- */

static int take_cipher(WOLFSSL *ssl, char *to, int want, void *arg)
{
    struct sp_tls *t = arg;
    struct sp_span have = sp_buf_span(&t->in);
    size_t n = (size_t)want < have.len ? (size_t)want : have.len;
    (void)ssl;

    if (n == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(to, have.p, n);
    sp_buf_consume(&t->in, n);
    return (int)n;
}

static int give_cipher(WOLFSSL *ssl, char *from, int len, void *arg)
{
    struct sp_tls *t = arg;
    (void)ssl;
    return sp_buf_append(&t->out, sp_span(from, (size_t)len)) == 0 ? len : WOLFSSL_CBIO_ERR_GENERAL;
}

void sp_tls_set_io(WOLFSSL_CTX *wolf)
{
    wolfSSL_CTX_SetIORecv(wolf, take_cipher);
    wolfSSL_CTX_SetIOSend(wolf, give_cipher);
}

/* Called for each certificate, the server's own last. Keeps the first one that is refused, for
 * sp_tls_why. */
int sp_tls_verify(int chain_is_good, WOLFSSL_X509_STORE_CTX *store)
{
    struct sp_tls *t = store->userCtx;
    int i = store->error_depth;
    struct sp_tls_cert cert;

    if (chain_is_good && i > 0)
        return 1;
    if (i < 0 || i >= store->totalCerts)
        return 0;
    if (sp_tls_cert_read(sp_span(store->certs[i].buffer, store->certs[i].length), t->host, &cert) !=
        0)
        return 0;
    if (chain_is_good && cert.matches) {
        t->name_is_right = true;
        memcpy(t->peer.names, cert.names, sizeof t->peer.names);
        memcpy(t->peer.issuer, cert.issuer, sizeof t->peer.issuer);
        memcpy(t->peer.until, cert.until, sizeof t->peer.until);
        return 1;
    }
    if (t->met == NULL && (t->met = malloc(sizeof cert)) != NULL)
        *t->met = cert;
    return 0;
}

/* --- after the handshake -------------------------------------------------------------------- */

/* TLS 1.3 by AES-GCM, which is what all but everybody gets, goes on without wolfSSL: tls_record.h
 * says why. A library that does not tell the secrets (Debian's own) keeps its connections. */
#ifdef HAVE_SECRET_CALLBACK

static int keep_secret(WOLFSSL *ssl, int id, const unsigned char *secret, int len, void *arg)
{
    struct sp_tls *t = arg;
    bool of_server = id == SERVER_TRAFFIC_SECRET;
    (void)ssl;

    if ((of_server || id == CLIENT_TRAFFIC_SECRET) && len > 0 && len <= SP_TLS_SECRET_MAX)
        memcpy(of_server == t->ctx->server ? t->secrets->out.secret : t->secrets->in.secret, secret,
               (size_t)len);
    return 0;
}

static bool want_secrets(struct sp_tls *t)
{
    t->secrets = calloc(1, sizeof *t->secrets);
    return t->secrets != NULL &&
           wolfSSL_set_tls13_secret_cb(t->ssl, keep_secret, t) == WOLFSSL_SUCCESS;
}

static void take_over(struct sp_tls *t)
{
    word64 in = 0, out = 0;
    int plain_max = wolfSSL_GetMaxOutputSize(t->ssl);

    if (wolfSSL_version(t->ssl) != TLS1_3_VERSION || wolfSSL_pending(t->ssl) > 0 || plain_max <= 0)
        return;
    /* What these return tells nothing but whether the number is 0. */
    (void)wolfSSL_GetPeerSequenceNumber(t->ssl, &in);
    (void)wolfSSL_GetSequenceNumber(t->ssl, &out);
    t->secrets->suite = (uint16_t)wolfSSL_get_current_cipher_suite(t->ssl);
    t->secrets->plain_max = (size_t)plain_max < RECORD_MAX ? (size_t)plain_max : RECORD_MAX;
    t->secrets->in.number = in;
    t->secrets->out.number = out;
    if (sp_tls_record_new(t->secrets, t->ctx->server, &t->record) != 0)
        return;
    wolfSSL_free(t->ssl);
    t->ssl = NULL;
}

#else

static bool want_secrets(struct sp_tls *t)
{
    (void)t;
    return true;
}

static void take_over(struct sp_tls *t)
{
    (void)t;
}

#endif

static void forget_secrets(struct sp_tls *t)
{
    if (t->secrets != NULL)
        sp_crypto_wipe(t->secrets, sizeof *t->secrets);
    free(t->secrets);
    t->secrets = NULL;
}

/* --- life ----------------------------------------------------------------------------------- */

static int new_tls(struct sp_tls_ctx *ctx, const char *host, struct sp_tls **out)
{
    struct sp_tls *t = calloc(1, sizeof *t);

    if (t == NULL)
        return SP_ENOMEM;
    sp_buf_init(&t->in, CIPHER_IN_MAX);
    sp_buf_init(&t->out, CIPHER_OUT_MAX);
    sp_buf_init(&t->rest, SP_TLS_ROOM_MAX);
    t->ctx = sp_tls_ctx_ref(ctx);
    t->alpn = "";
    t->host = host != NULL ? strdup(host) : NULL;
    t->ssl = wolfSSL_new(ctx->wolf);
    if (t->ssl == NULL || (host != NULL && t->host == NULL) || !want_secrets(t)) {
        sp_tls_free(t);
        return SP_ENOMEM;
    }
    wolfSSL_SetIOReadCtx(t->ssl, t);
    wolfSSL_SetIOWriteCtx(t->ssl, t);
    *out = t;
    return 0;
}

int sp_tls_server(struct sp_tls_ctx *ctx, struct sp_tls **out)
{
    assert(ctx->server);
    return new_tls(ctx, NULL, out);
}

static int offer_alpn(struct sp_tls *t)
{
    char list[256] = "";
    size_t len = 0;

    for (size_t i = 0; i < t->ctx->n_alpn; i++) {
        int n = snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? "," : "", t->ctx->alpn[i]);
        if (n < 0 || (size_t)n >= sizeof list - len)
            return SP_EINVAL;
        len += (size_t)n;
    }
    return len == 0 || wolfSSL_UseALPN(t->ssl, list, (unsigned)len,
                                       WOLFSSL_ALPN_CONTINUE_ON_MISMATCH) == WOLFSSL_SUCCESS
               ? 0
               : SP_ENOMEM;
}

int sp_tls_client(struct sp_tls_ctx *ctx, const char *host, struct sp_tls **out)
{
    struct sp_tls *t;
    struct sp_addr ip;

    assert(!ctx->server);
    int err = new_tls(ctx, host, &t);
    if (err != 0)
        return err;
    wolfSSL_SetCertCbCtx(t->ssl, t);
    err = offer_alpn(t);
    if (err == 0 && sp_addr_parse_ip(host, &ip) != 0 &&
        wolfSSL_UseSNI(t->ssl, WOLFSSL_SNI_HOST_NAME, host, (word16)strlen(host)) !=
            WOLFSSL_SUCCESS)
        err = SP_ENOMEM;
    if (err != 0) {
        sp_tls_free(t);
        return err;
    }
    *out = t;
    return 0;
}

void sp_tls_free(struct sp_tls *t)
{
    if (t == NULL)
        return;
    wolfSSL_free(t->ssl); /* NULL is fine */
    forget_secrets(t);
    sp_tls_record_free(t->record);
    sp_tls_ctx_unref(t->ctx);
    sp_buf_fini(&t->in);
    sp_buf_fini(&t->out);
    sp_buf_fini(&t->rest);
    free(t->host);
    free(t->met);
    free(t->why);
    free(t);
}

struct sp_buf *sp_tls_cipher_in(struct sp_tls *t)
{
    return &t->in;
}

struct sp_buf *sp_tls_cipher_out(struct sp_tls *t)
{
    return &t->out;
}

/* --- errors --------------------------------------------------------------------------------- */

static void explain_alert(const struct sp_tls *t, int wolf_err, char why[static SP_TLS_ERROR_MAX])
{
    WOLFSSL_ALERT_HISTORY h;

    if (wolf_err == FATAL_ERROR && wolfSSL_get_alert_history(t->ssl, &h) == WOLFSSL_SUCCESS &&
        h.last_rx.level == alert_fatal)
        snprintf(why, SP_TLS_ERROR_MAX, "the other side refused: %s",
                 sp_tls_alert_name((uint8_t)h.last_rx.code));
    else if (!t->established && (wolf_err == UNKNOWN_RECORD_TYPE || wolf_err == VERSION_ERROR ||
                                 wolf_err == LENGTH_ERROR))
        snprintf(why, SP_TLS_ERROR_MAX, "the other side speaks no TLS 1.2 or 1.3");
    else
        snprintf(why, SP_TLS_ERROR_MAX, "%s",
                 wolfSSL_ERR_reason_error_string((unsigned long)wolf_err));
}

static int fail_because(struct sp_tls *t, const char *why)
{
    t->failed = true;
    free(t->why);
    t->why = strdup(why);
    return SP_ETLS;
}

static int fail(struct sp_tls *t, int wolf_err)
{
    char why[SP_TLS_ERROR_MAX];

    if (t->met != NULL)
        sp_tls_cert_explain(t->met, t->host,
                            t->met->matches || wolf_err != VERIFY_CERT_ERROR ? wolf_err : 0, why);
    else
        explain_alert(t, wolf_err, why);
    return fail_because(t, why);
}

const char *sp_tls_why(const struct sp_tls *t)
{
    if (!t->failed)
        return "no error";
    return t->why != NULL ? t->why : "out of memory";
}

/* --- handshake ------------------------------------------------------------------------------ */

static void remember_alpn(struct sp_tls *t)
{
    char *name;
    word16 len;

    if (wolfSSL_ALPN_GetProtocol(t->ssl, &name, &len) != WOLFSSL_SUCCESS)
        return;
    for (size_t i = 0; i < t->ctx->n_alpn; i++)
        if (strlen(t->ctx->alpn[i]) == len && memcmp(t->ctx->alpn[i], name, len) == 0)
            t->alpn = t->ctx->alpn[i];
}

int sp_tls_handshake(struct sp_tls *t)
{
    if (t->established)
        return 0;
    if (t->failed)
        return SP_ETLS;
    int ret = t->ctx->server ? wolfSSL_accept(t->ssl) : wolfSSL_connect(t->ssl);
    if (ret != WOLFSSL_SUCCESS) {
        int err = wolfSSL_get_error(t->ssl, ret);
        return err == WOLFSSL_ERROR_WANT_READ ? SP_EAGAIN : fail(t, err);
    }
    /* A handshake that never showed a certificate would have come this far, too. */
    if (!t->ctx->server && !t->name_is_right)
        return fail(t, VERIFY_CERT_ERROR);
    remember_alpn(t);
    t->version = wolfSSL_get_version(t->ssl);
    t->cipher = wolfSSL_get_cipher_name(t->ssl);
    wolfSSL_FreeArrays(t->ssl);
    take_over(t);
    forget_secrets(t);
    t->established = true;
    return 0;
}

bool sp_tls_established(const struct sp_tls *t)
{
    return t->established;
}

/* --- data ----------------------------------------------------------------------------------- */

/* As much as there is room for of what is left of a record. */
static void read_rest(struct sp_tls *t, struct sp_buf *out)
{
    size_t room = out->max - out->len;
    struct sp_span s = sp_buf_span(&t->rest);

    if (s.len > room)
        s.len = room;
    if (s.len > 0 && sp_buf_append(out, s) == 0)
        sp_buf_consume(&t->rest, s.len);
}

/* A record goes straight to where it is read, if it fits there. */
static int read_record(struct sp_tls *t, struct sp_buf *out)
{
    bool fits = sp_tls_record_room(sp_buf_span(&t->in)) <= out->max - out->len;
    char why[SP_TLS_ERROR_MAX];
    int err = sp_tls_record_open(t->record, &t->in, fits ? out : &t->rest, &t->out, why);

    if (err == SP_ETLS)
        fail_because(t, why);
    read_rest(t, out);
    return err == SP_ENOMEM ? fail(t, MEMORY_E) : err;
}

static int read_records(struct sp_tls *t, struct sp_buf *out)
{
    size_t before = out->len;
    int err = 0;

    read_rest(t, out);
    while (t->rest.len == 0 && (out->len < out->max || t->in.len == 0) && err == 0)
        err = read_record(t, out);
    sp_buf_release(out);
    if (err == 0)
        return SP_EFULL;
    if (err != SP_EMORE)
        return err;
    return out->len > before ? 0 : SP_EAGAIN;
}

/* What the ciphertext at hand can become at most, so that memory is not taken for a whole record
 * when a short one came. */
static size_t plain_at_most(const struct sp_tls *t)
{
    size_t n = t->in.len + (size_t)wolfSSL_pending(t->ssl);
    return n < RECORD_MAX ? n : RECORD_MAX;
}

static int read_by_wolf(struct sp_tls *t, struct sp_buf *out)
{
    size_t before = out->len, n;

    while ((n = plain_at_most(t)) > 0) {
        size_t room = out->max - out->len;
        if (room == 0)
            return SP_EFULL;
        if (n > room)
            n = room;
        uint8_t *to = sp_buf_reserve(out, n);
        if (to == NULL)
            return fail(t, MEMORY_E);
        int got = wolfSSL_read(t->ssl, to, (int)n);
        if (got > 0) {
            sp_buf_commit(out, (size_t)got);
            continue;
        }
        sp_buf_release(out);
        int err = wolfSSL_get_error(t->ssl, got);
        if (err == WOLFSSL_ERROR_WANT_READ)
            break;
        return err == WOLFSSL_ERROR_ZERO_RETURN ? SP_ECLOSED : fail(t, err);
    }
    return out->len > before ? 0 : SP_EAGAIN;
}

int sp_tls_read(struct sp_tls *t, struct sp_buf *out)
{
    assert(t->established);
    if (t->failed)
        return SP_ETLS;
    return t->record != NULL ? read_records(t, out) : read_by_wolf(t, out);
}

static int write_by_wolf(struct sp_tls *t, struct sp_span s)
{
    /* Room for all of it first: a record that is half in the output can't be taken back. */
    if (sp_buf_reserve(&t->out, s.len + (s.len / RECORD_SHORTEST + 1) * RECORD_EXTRA) == NULL)
        return SP_ENOMEM;
    while (s.len > 0) {
        int n = wolfSSL_write(t->ssl, s.p, (int)(s.len < RECORD_MAX ? s.len : RECORD_MAX));
        if (n <= 0)
            return fail(t, wolfSSL_get_error(t->ssl, n));
        s = sp_span_skip(s, (size_t)n);
    }
    return 0;
}

static int sealed(struct sp_tls *t, int err)
{
    return err == SP_ETLS ? fail_because(t, "nothing can be encrypted any more") : err;
}

int sp_tls_write(struct sp_tls *t, struct sp_span s)
{
    assert(t->established);
    if (t->failed)
        return SP_ETLS;
    return t->record == NULL ? write_by_wolf(t, s)
                             : sealed(t, sp_tls_record_seal(t->record, s, &t->out));
}

int sp_tls_write_parts(struct sp_tls *t, const struct sp_span *parts, size_t n)
{
    uint8_t joined[SP_TLS_PARTS];

    assert(t->established);
    if (t->failed)
        return SP_ETLS;
    if (t->record == NULL)
        return write_by_wolf(t, sp_spans_join(joined, parts, n));
    return sealed(t, sp_tls_record_seal_parts(t->record, parts, n, &t->out));
}

void sp_tls_close(struct sp_tls *t)
{
    if (!t->established || t->failed)
        return;
    if (t->record != NULL)
        sp_tls_record_close(t->record, &t->out);
    else
        wolfSSL_shutdown(t->ssl);
}

/* --- what it became ------------------------------------------------------------------------- */

const char *sp_tls_version(const struct sp_tls *t)
{
    return t->established ? t->version : wolfSSL_get_version(t->ssl);
}

const char *sp_tls_cipher(const struct sp_tls *t)
{
    const char *name = t->established ? t->cipher : wolfSSL_get_cipher_name(t->ssl);
    return name != NULL ? name : "";
}

const char *sp_tls_alpn(const struct sp_tls *t)
{
    return t->alpn;
}

bool sp_tls_peer(const struct sp_tls *t, struct sp_tls_peer *out)
{
    *out = t->peer;
    return t->name_is_right;
}
