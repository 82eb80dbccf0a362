/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a certificate that a server has shown: whom it is for, who signed it, and words for what
 * is wrong with it. Part of tls: knows wolfSSL's parser, but no connection.
 */
#ifndef SALLYPORT_TLS_CERT_H
#define SALLYPORT_TLS_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"
#include "sallyport/tls_ctx.h"

/* What is worth telling of a certificate; texts from outside, made printable. */
struct sp_tls_cert {
    char names[80]; /* "a.example, b.example", or the subject when it names no host */
    char issuer[80];
    char from[11], until[11]; /* "2031-12-24" */
    uint64_t from_s, until_s; /* the same in seconds since 1970; 0: it can't be read */
    bool matches;             /* it is for the host that was asked for */
};

/*
 * Whom a certificate is for is said by its subjectAltName alone (RFC 9525 section 6.3): DNS names,
 * with a wildcard as the whole first label, or IP addresses if `host` is one. SP_EBADMSG: no
 * certificate.
 */
int sp_tls_cert_read(struct sp_span der, const char *host, struct sp_tls_cert *out);

/* One line on why it was refused. `wolf_err` is wolfSSL's; 0: it is for somebody else. */
void sp_tls_cert_explain(const struct sp_tls_cert *c, const char *host, int wolf_err,
                         char why[static SP_TLS_ERROR_MAX]);

/* A DNS name against a pattern of a certificate. */
bool sp_tls_cert_name_matches(struct sp_span pattern, const char *host);

#endif
