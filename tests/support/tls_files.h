/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A throw-away CA, and a server certificate with its key signed by it, as PEM files in a folder
 * of their own. Made anew each time, in some milliseconds, so no key lies in the tree and nothing
 * expires.
 */
#ifndef SALLYPORT_TEST_TLS_FILES_H
#define SALLYPORT_TEST_TLS_FILES_H

#include <stdbool.h>

struct tls_files {
    char dir[64];
    char ca[80], cert[80], key[80]; /* paths */
};

struct tls_files_spec {
    const char *ca_name; /* common name; NULL: "sallyport test CA" */
    const char *names;   /* "edge.test,*.wild.test,127.0.0.1": DNS names and IPs; NULL: the first */
    bool expired;        /* the server certificate, in 2021 */
    bool ca_expired;     /* the same of the CA's */
    bool no_names;       /* no subjectAltName at all */
};

/* `spec` may be NULL. Ends the process when it can't. */
void tls_files_make(struct tls_files *f, const struct tls_files_spec *spec);

/* With all that lies in the folder. */
void tls_files_remove(const struct tls_files *f);

#endif
