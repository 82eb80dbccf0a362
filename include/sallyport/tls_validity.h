/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From when until when the certificate in a file is good: for a server to tell its operator before
 * clients do. Whether it is whom it says it is nobody asks here.
 */
#ifndef SALLYPORT_TLS_VALIDITY_H
#define SALLYPORT_TLS_VALIDITY_H

#include <stdint.h>

struct sp_tls_validity {
    uint64_t from_s, until_s; /* seconds since 1970; 0: it can't be read */
    char from[11], until[11]; /* "2031-12-24" */
};

/* Of the first certificate of a PEM file. SP_EINVAL: it can't be read, or holds none; SP_ENOMEM.
 * `out` is all zeros then. */
int sp_tls_validity_read(const char *pem_file, struct sp_tls_validity *out);

#endif
