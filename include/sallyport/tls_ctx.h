/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS settings shared by many connections: certificate and key for a server, trust for a client,
 * versions (1.3 and 1.2), cipher suites, ALPN. Reference counted, so a reload swaps the context
 * while running connections keep theirs.
 */
#ifndef SALLYPORT_TLS_CTX_H
#define SALLYPORT_TLS_CTX_H

#include <stddef.h>

struct sp_tls_ctx;

#define SP_TLS_ERROR_MAX 256
#define SP_TLS_PARTS     4352 /* bytes of what is written in parts */

/* Server: PEM chain and key. On failure `why` says in one line which file and what is wrong with it
 * (not readable, not PEM, key does not match), and SP_EINVAL is returned. ALPN: the protocols of
 * `alpn`, NULL-terminated, in order of preference; a client that offers none of them, or no ALPN,
 * goes on without. */
int sp_tls_ctx_server(const char *cert_file, const char *key_file, const char *const *alpn,
                      struct sp_tls_ctx **out, char why[static SP_TLS_ERROR_MAX]);

/* Client: trusts `ca_file`, or the system's store when it is NULL. Offers `alpn`. */
int sp_tls_ctx_client(const char *ca_file, const char *const *alpn, struct sp_tls_ctx **out,
                      char why[static SP_TLS_ERROR_MAX]);

struct sp_tls_ctx *sp_tls_ctx_ref(struct sp_tls_ctx *c);
void sp_tls_ctx_unref(struct sp_tls_ctx *c); /* NULL is fine */

#endif
