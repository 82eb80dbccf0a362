/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TLS connection without a socket: ciphertext goes in and comes out through buffers, so it
 * never blocks and can be tested in memory. Nobody but its own files (tls_*) and
 * crypto knows wolfSSL.
 */
#ifndef SALLYPORT_TLS_H
#define SALLYPORT_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/buf.h"
#include "sallyport/tls_ctx.h"

struct sp_tls;

int sp_tls_server(struct sp_tls_ctx *ctx, struct sp_tls **out);

/* `host` is sent as server name (unless it is an IP address) and checked against the certificate.
 */
int sp_tls_client(struct sp_tls_ctx *ctx, const char *host, struct sp_tls **out);
void sp_tls_free(struct sp_tls *t);

/* Ciphertext: what came from the socket is appended to the first, what must go to it lies in the
 * second. */
struct sp_buf *sp_tls_cipher_in(struct sp_tls *t);
struct sp_buf *sp_tls_cipher_out(struct sp_tls *t);

/* Goes on with the handshake. 0: done; SP_EAGAIN: wants more input (or output to be sent);
 * SP_ETLS: failed, sp_tls_why says why (an alert may lie in the output). */
int sp_tls_handshake(struct sp_tls *t);
bool sp_tls_established(const struct sp_tls *t);

/* Plaintext. Appends to `out` all that can be decrypted, up to its bound. 0: something came;
 * SP_EAGAIN: nothing yet; SP_ECLOSED: close_notify; SP_ETLS; SP_EFULL: `out` is at its bound, come
 * again. Before each of the last three bytes may have come as well. */
int sp_tls_read(struct sp_tls *t, struct sp_buf *out);

/* Encrypts all of `s` as one record if it fits in one (16 KiB, less for who asks for less); several
 * otherwise. SP_ENOMEM: nothing was written; SP_ETLS. Not after sp_tls_close. */
int sp_tls_write(struct sp_tls *t, struct sp_span s);

/* The same of the concatenation of `n` parts, of at most SP_TLS_PARTS bytes; they are copied once.
 */
int sp_tls_write_parts(struct sp_tls *t, const struct sp_span *parts, size_t n);

/* Puts close_notify into the output. */
void sp_tls_close(struct sp_tls *t);

/* What was wrong, in one line; for certificates with subject and issuer of the one that was met. */
const char *sp_tls_why(const struct sp_tls *t);

/* "TLSv1.3", the suite, and the ALPN protocol ("" without). */
const char *sp_tls_version(const struct sp_tls *t);
const char *sp_tls_cipher(const struct sp_tls *t);
const char *sp_tls_alpn(const struct sp_tls *t);

/* The certificate that the server showed and that was found good, in printable words. False: none,
 * as on a server. */
struct sp_tls_peer {
    char names[80];  /* "a.example, b.example" */
    char issuer[80]; /* who signed it */
    char until[11];  /* "2031-12-24" */
};
bool sp_tls_peer(const struct sp_tls *t, struct sp_tls_peer *out);

#endif
