/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/tls_validity.h"

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"
#include "tls_cert.h"

/* The first certificate stands at the start, behind no more than somebody's words. */
#define TEXT_MAX 65536

static int parse(const unsigned char *text, size_t len, struct sp_tls_validity *out)
{
    unsigned char *der = malloc(len);
    struct sp_tls_cert cert;
    int err = der == NULL ? SP_ENOMEM : SP_EINVAL;
    int n = der == NULL ? 0 : wc_CertPemToDer(text, (int)len, der, (int)len, CERT_TYPE);

    if (n > 0 && sp_tls_cert_read(sp_span(der, (size_t)n), "", &cert) == 0) {
        out->from_s = cert.from_s;
        out->until_s = cert.until_s;
        memcpy(out->from, cert.from, sizeof out->from);
        memcpy(out->until, cert.until, sizeof out->until);
        err = 0;
    }
    free(der);
    return err;
}

int sp_tls_validity_read(const char *pem_file, struct sp_tls_validity *out)
{
    FILE *f = fopen(pem_file, "re");
    unsigned char *text = malloc(TEXT_MAX);
    int err = text == NULL ? SP_ENOMEM : SP_EINVAL;

    *out = (struct sp_tls_validity){0};
    if (f != NULL && text != NULL) {
        size_t len = fread(text, 1, TEXT_MAX, f);
        if (len > 0)
            err = parse(text, len, out);
    }
    free(text);
    if (f != NULL)
        fclose(f);
    return err;
}
