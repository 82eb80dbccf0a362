/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/tls_ctx.h"

#include "tls_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sallyport/crypto.h"
#include "sallyport/err.h"

#define FILE_MAX (4 * 1024 * 1024)

/* Forward secrecy and authenticated encryption only. In hardware AES-128 is the fastest, without
 * ChaCha20 is. */
#define AES_13 "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384"
#define AES_12                                                   \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define CHACHA_13 "TLS13-CHACHA20-POLY1305-SHA256"
#define CHACHA_12 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* What OpenSSL offers, in its order; the library's own list has SHA-1 in it. */
#define SIGNATURES                                    \
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ED25519:" \
    "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"   \
    "RSA+SHA256:RSA+SHA384:RSA+SHA512"

/* Where distributions keep the certificates they trust, in one file. */
static const char *const system_stores[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
    "/etc/ssl/ca-bundle.pem",             /* openSUSE */
    "/etc/ssl/cert.pem",
};

/* NUL-terminated for the caller to look into; to be wiped and freed. */
static int read_file(const char *path, char **text, size_t *len, char why[static SP_TLS_ERROR_MAX])
{
    FILE *f = fopen(path, "re");
    char *t = NULL;
    size_t n = 0;

    if (f == NULL) {
        snprintf(why, SP_TLS_ERROR_MAX, "cannot read %s: %s", path, strerrordesc_np(errno));
        return SP_EINVAL;
    }
    setvbuf(f, NULL, _IONBF, 0); /* a private key is not left behind in stdio's buffer */
    if (fseek(f, 0, SEEK_END) == 0) {
        long size = ftell(f);
        rewind(f);
        if (size >= 0 && size <= FILE_MAX && (t = calloc(1, (size_t)size + 1)) != NULL)
            n = fread(t, 1, (size_t)size, f);
    }
    if (t == NULL || ferror(f)) {
        snprintf(why, SP_TLS_ERROR_MAX, "cannot read %s: %s", path,
                 ferror(f) ? strerrordesc_np(errno) : "not a file of this kind");
        fclose(f);
        free(t);
        return SP_EINVAL;
    }
    fclose(f);
    *text = t;
    *len = n;
    return 0;
}

static void forget(char *text, size_t len)
{
    if (text == NULL)
        return;
    sp_crypto_wipe(text, len);
    free(text);
}

static int use_cert(WOLFSSL_CTX *wolf, const char *path, char why[static SP_TLS_ERROR_MAX])
{
    char *text;
    size_t len;
    int err = read_file(path, &text, &len, why);

    if (err != 0)
        return err;
    int ok = wolfSSL_CTX_use_certificate_chain_buffer(wolf, (unsigned char *)text, (long)len);
    if (ok != WOLFSSL_SUCCESS) {
        snprintf(why, SP_TLS_ERROR_MAX, "%s holds no certificate in PEM form", path);
        err = SP_EINVAL;
    }
    forget(text, len);
    return err;
}

static int use_key(WOLFSSL_CTX *wolf, const char *path, char why[static SP_TLS_ERROR_MAX])
{
    char *text;
    size_t len;
    int err = read_file(path, &text, &len, why);

    if (err != 0)
        return err;
    int ok = wolfSSL_CTX_use_PrivateKey_buffer(wolf, (unsigned char *)text, (long)len,
                                               WOLFSSL_FILETYPE_PEM);
    if (ok != WOLFSSL_SUCCESS) {
        const char *what = strstr(text, "ENCRYPTED") != NULL ? "is encrypted: give one that is not"
                                                             : "holds no private key in PEM form";
        snprintf(why, SP_TLS_ERROR_MAX, "%s %s", path, what);
        err = SP_EINVAL;
    }
    forget(text, len);
    return err;
}

static int trust_file(WOLFSSL_CTX *wolf, const char *path, word32 flags,
                      char why[static SP_TLS_ERROR_MAX])
{
    char *text;
    size_t len;
    int err = read_file(path, &text, &len, why);

    if (err != 0)
        return err;
    int ok = wolfSSL_CTX_load_verify_buffer_ex(wolf, (unsigned char *)text, (long)len,
                                               WOLFSSL_FILETYPE_PEM, 0, flags);
    if (ok != WOLFSSL_SUCCESS) {
        snprintf(why, SP_TLS_ERROR_MAX, "%s %s", path,
                 ok == ASN_AFTER_DATE_E    ? "holds a CA certificate that has expired"
                 : ok == ASN_BEFORE_DATE_E ? "holds a CA certificate that is not valid yet"
                                           : "holds no CA certificate in PEM form");
        err = SP_EINVAL;
    }
    forget(text, len);
    return err;
}

/* A store of a hundred certificates may hold one that is too old or too new for us. */
static int trust_system(WOLFSSL_CTX *wolf, char why[static SP_TLS_ERROR_MAX])
{
    for (size_t i = 0; i < SP_ARRAY_LEN(system_stores); i++)
        if (trust_file(wolf, system_stores[i],
                       WOLFSSL_LOAD_FLAG_IGNORE_ERR | WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY, why) == 0)
            return 0;
    snprintf(why, SP_TLS_ERROR_MAX,
             "cannot read which certificates this system trusts (%s and others): install "
             "ca-certificates, or name a CA with --ca",
             system_stores[0]);
    return SP_EINVAL;
}

static int set_protocol(WOLFSSL_CTX *wolf)
{
    /* P-384 is for the certificates of those who have such. */
    int groups[] = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};
    bool aes = strstr(sp_crypto_describe(), "hardware") != NULL;
    const char *suites = aes ? AES_13 ":" CHACHA_13 ":" AES_12 ":" CHACHA_12
                             : CHACHA_13 ":" AES_13 ":" CHACHA_12 ":" AES_12;

    if (wolfSSL_CTX_SetMinVersion(wolf, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_cipher_list(wolf, suites) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_groups(wolf, groups, SP_ARRAY_LEN(groups)) != WOLFSSL_SUCCESS)
        return SP_ETLS;
    for (size_t i = 0; i < SP_ARRAY_LEN(groups); i++)
        if (wolfSSL_CTX_UseSupportedCurve(wolf, (word16)groups[i]) != WOLFSSL_SUCCESS)
            return SP_ETLS;
    /* Resumption is by tickets; the cache would be one for the whole process, under a lock. */
    wolfSSL_CTX_set_session_cache_mode(wolf, WOLFSSL_SESS_CACHE_OFF);
    sp_tls_set_io(wolf);
    return 0;
}

/* RFC 7301 section 3.2: the server picks, by its own order. */
static int select_alpn(WOLFSSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    const struct sp_tls_ctx *c = arg;
    (void)ssl;

    for (size_t i = 0; i < c->n_alpn; i++) {
        size_t len = strlen(c->alpn[i]);
        for (unsigned off = 0; off < in_len; off += 1U + in[off]) {
            if (in[off] == len && off + 1 + len <= in_len &&
                memcmp(in + off + 1, c->alpn[i], len) == 0) {
                *out = in + off + 1;
                *out_len = (unsigned char)len;
                return SSL_TLSEXT_ERR_OK;
            }
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static int copy_alpn(struct sp_tls_ctx *c, const char *const *alpn)
{
    for (; alpn != NULL && alpn[c->n_alpn] != NULL; c->n_alpn++) {
        if (c->n_alpn == SP_ARRAY_LEN(c->alpn))
            return SP_EFULL;
        c->alpn[c->n_alpn] = strdup(alpn[c->n_alpn]);
        if (c->alpn[c->n_alpn] == NULL)
            return SP_ENOMEM;
    }
    return 0;
}

typedef WOLFSSL_METHOD *method_fn(void);

static int new_ctx(method_fn *method, const char *const *alpn, struct sp_tls_ctx **out,
                   char why[static SP_TLS_ERROR_MAX])
{
    struct sp_tls_ctx *c = calloc(1, sizeof *c);
    int err = SP_ENOMEM;

    if (c == NULL || wolfSSL_Init() != WOLFSSL_SUCCESS) {
        free(c);
        snprintf(why, SP_TLS_ERROR_MAX, "%s", sp_strerror(err));
        return err;
    }
    atomic_init(&c->refs, 1);
    c->wolf = wolfSSL_CTX_new(method()); /* which owns the method, whatever comes of it */
    if (c->wolf != NULL && (err = copy_alpn(c, alpn)) == 0 && (err = set_protocol(c->wolf)) == 0) {
        *out = c;
        return 0;
    }
    if (err == SP_ENOMEM)
        snprintf(why, SP_TLS_ERROR_MAX, "%s", sp_strerror(err));
    else
        snprintf(why, SP_TLS_ERROR_MAX, "the TLS library is built without what is needed here: %s",
                 sp_strerror(err));
    sp_tls_ctx_unref(c);
    return err;
}

int sp_tls_ctx_server(const char *cert_file, const char *key_file, const char *const *alpn,
                      struct sp_tls_ctx **out, char why[static SP_TLS_ERROR_MAX])
{
    struct sp_tls_ctx *c;
    int err = new_ctx(wolfTLS_server_method, alpn, &c, why);

    if (err != 0)
        return err;
    c->server = true;
    wolfSSL_CTX_set_verify(c->wolf, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_set_alpn_select_cb(c->wolf, select_alpn, c);
    if ((err = use_cert(c->wolf, cert_file, why)) != 0 ||
        (err = use_key(c->wolf, key_file, why)) != 0) {
        sp_tls_ctx_unref(c);
        return err;
    }
    if (wolfSSL_CTX_check_private_key(c->wolf) != WOLFSSL_SUCCESS) {
        snprintf(why, SP_TLS_ERROR_MAX,
                 "the private key in %s does not belong to the certificate in %s", key_file,
                 cert_file);
        sp_tls_ctx_unref(c);
        return SP_EINVAL;
    }
    *out = c;
    return 0;
}

int sp_tls_ctx_client(const char *ca_file, const char *const *alpn, struct sp_tls_ctx **out,
                      char why[static SP_TLS_ERROR_MAX])
{
    struct sp_tls_ctx *c;
    int err = new_ctx(wolfTLS_client_method, alpn, &c, why);

    if (err != 0)
        return err;
    /* So that a hello looks like those of other programs; no suite here has a MAC of its own. */
    wolfSSL_CTX_AllowEncryptThenMac(c->wolf, 0);
    if (wolfSSL_CTX_set1_sigalgs_list(c->wolf, SIGNATURES) != WOLFSSL_SUCCESS) {
        snprintf(why, SP_TLS_ERROR_MAX, "%s", sp_strerror(SP_ENOMEM));
        sp_tls_ctx_unref(c);
        return SP_ENOMEM;
    }
    wolfSSL_CTX_set_verify(c->wolf, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           sp_tls_verify);
    err = ca_file != NULL ? trust_file(c->wolf, ca_file, WOLFSSL_LOAD_FLAG_NONE, why)
                          : trust_system(c->wolf, why);
    if (err != 0) {
        sp_tls_ctx_unref(c);
        return err;
    }
    *out = c;
    return 0;
}

struct sp_tls_ctx *sp_tls_ctx_ref(struct sp_tls_ctx *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void sp_tls_ctx_unref(struct sp_tls_ctx *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    wolfSSL_CTX_free(c->wolf); /* NULL is fine */
    for (size_t i = 0; i < c->n_alpn; i++)
        free(c->alpn[i]);
    free(c);
    wolfSSL_Cleanup();
}
