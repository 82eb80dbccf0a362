/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tls and tls_ctx share, wolfSSL's types among it. For these two only.
 */
#ifndef SALLYPORT_TLS_IMPL_H
#define SALLYPORT_TLS_IMPL_H

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct sp_tls_ctx {
    atomic_uint refs; /* workers share a context */
    WOLFSSL_CTX *wolf;
    bool server;
    char *alpn[8];
    size_t n_alpn;
};

/* Callbacks of tls for a context: bytes in and out, and the verdict on a certificate. */
void sp_tls_set_io(WOLFSSL_CTX *wolf);
int sp_tls_verify(int chain_is_good, WOLFSSL_X509_STORE_CTX *store);

#endif
